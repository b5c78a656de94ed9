//! What `accredit doctor` looks at: for each its id, and where the documentation says more. A finding says how it stands with one
//! of them. Nothing is looked for here.

use crate::cli::findings::ids;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// It does not work, or is not safe.
    Error,
    /// It probably does not work as it is meant.
    Warning,
    /// Nothing is known to be wrong, and something is worth knowing.
    Note,
    /// It is well.
    Well,
}

impl Level {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::Well => "ok",
        }
    }
}

ids! {
    /// What is looked at.
    Id:
    /// Whether the provider can be reached, and proves by its certificate who it is.
    Connection = "connection", "docs/troubleshooting.md#10-the-provider-is-not-reached-or-does-not-accept-the-client";
    /// Whether its clock and ours agree.
    Clock = "clock", "docs/troubleshooting.md#2-clock-skew";
    /// Whether its discovery document can be used.
    Discovery = "discovery", "docs/troubleshooting.md#8-the-issuer-differs";
    /// Whether an endpoint can be used, and is reached by a listed cluster.
    Endpoint = "endpoint", "docs/configuration.md#providers";
    /// Whether it publishes keys that can be used.
    Keys = "keys", "docs/configuration.md#providers";
    /// Whether it signs by algorithms that are accepted.
    Algorithms = "algorithms", "docs/configuration.md#providers";
    /// Whether it binds codes to the browser that asked for them.
    Pkce = "pkce", "docs/command-line.md#what-doctor-looks-at";
    /// Whether it offers the configured client authentication.
    ClientAuthentication = "client-authentication", "docs/configuration.md#providers";
    /// Whether it sends authorization responses in the configured way.
    ResponseMode = "response-mode", "docs/configuration.md#providers";
    /// Whether it knows the scopes.
    Scopes = "scopes", "docs/troubleshooting.md#5-groups-are-missing-or-too-many";
    /// Whether its own session can be ended.
    SignOut = "sign-out", "docs/configuration.md#logout-sign_in-forward-filter_state";
    /// Whether it sends browsers back to the redirect URI.
    RedirectUri = "redirect-uri", "docs/troubleshooting.md#1-the-redirect-uri-is-not-registered";
    /// What else it says of an authorization request.
    Authorization = "authorization", "docs/command-line.md#what-doctor-looks-at";
    /// Whether the store of `revocations` takes the login, carries out what the filter sends, and keeps what it gets.
    Store = "store", "docs/deployment.md#redis";
    /// Whether it accepts the client with its secret.
    Client = "client", "docs/troubleshooting.md#10-the-provider-is-not-reached-or-does-not-accept-the-client";
}

/// How it stands with something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The provider's name in the configuration; `revocations.redis` for the store.
    pub(crate) provider: String,
    pub(crate) id: Id,
    pub(crate) level: Level,
    pub(crate) sentence: String,
}

/// The findings about one provider.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    provider: &'a str,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// Nothing was looked at yet.
    pub(crate) const fn of(provider: &'a str) -> Self {
        Self { provider, findings: Vec::new() }
    }

    /// Notes how it stands with something.
    pub(crate) fn tell(&mut self, id: Id, level: Level, sentence: impl Into<String>) {
        let finding = Finding { provider: self.provider.to_owned(), id, level, sentence: sentence.into() };
        // The same certificate and the same clock are met with every request.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// All of them, in the order in which they were looked at.
    pub(crate) fn finish(self) -> Vec<Finding> {
        self.findings
    }
}
