//! What `accredit check` can find: for each its id, how grave it is, and where the documentation says more. Nothing is looked for
//! here.

use crate::cli::yaml::spot::Spot;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The gateway does not start, does not work, or lets in whom it should not.
    Error,
    /// It works, and probably not as it is meant.
    Warning,
    /// Nothing is wrong, but it is worth knowing.
    Note,
}

impl Level {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Declares an enum of ids: `Enum: Id = "name", "section";`, or, with a level for each, `Enum by Level: Id = "name", Level, "section";`.
macro_rules! ids {
    ($(#[$about:meta])* $ids:ident: $($(#[$doc:meta])* $id:ident = $name:literal, $link:literal;)+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $ids { $($(#[$doc])* $id,)+ }

        impl $ids {
            /// All ids, in the order of the documentation.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$id),+];

            /// Its name, which stays the same.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)+ }
            }

            /// The section of the documentation that says more.
            pub(crate) const fn link(self) -> &'static str {
                match self { $(Self::$id => $link,)+ }
            }
        }
    };
    ($(#[$about:meta])* $ids:ident by $levels:ident: $($(#[$doc:meta])* $id:ident = $name:literal, $level:ident, $link:literal;)+) => {
        ids! { $(#[$about])* $ids: $($(#[$doc])* $id = $name, $link;)+ }

        impl $ids {
            /// How grave it is.
            pub(crate) const fn level(self) -> $levels {
                match self { $(Self::$id => $levels::$level,)+ }
            }
        }
    };
}

pub(crate) use ids;

ids! {
    /// What can be found.
    Id by Level:
    /// The file is no YAML.
    Yaml = "yaml", Error, "docs/command-line.md#what-check-finds";
    /// A key stands twice in one map.
    KeyTwice = "key-twice", Error, "docs/command-line.md#what-check-finds";
    /// A key that should merge maps does not.
    MergeKey = "merge-key", Error, "docs/command-line.md#what-check-finds";
    /// YAML makes something else of a value than it looks like.
    YamlValue = "yaml-value", Warning, "docs/configuration.md#requirements";
    /// None of the files holds the filter.
    NoPlugin = "no-plugin", Warning, "docs/command-line.md#what-check-finds";
    /// Something that is around the filter is in no file.
    Elsewhere = "elsewhere", Note, "docs/command-line.md#what-check-finds";
    /// The filter refuses its configuration.
    Refused = "refused", Error, "docs/configuration.md";
    /// The filter takes its configuration, and warns.
    Doubt = "doubt", Warning, "docs/configuration.md";
    /// An earlier rule opens a part of another one.
    RuleCrossed = "rule-crossed", Warning, "docs/configuration.md#rules";
    /// A rule is for fewer paths than it looks.
    RuleNarrow = "rule-narrow", Warning, "docs/security.md#what-is-left-to-you";
    /// People can meet a condition by what they write about themselves.
    SelfNamed = "self-named", Warning, "docs/security.md#what-is-left-to-you";
    /// A variable has no value here.
    VariableNotSet = "variable-not-set", Error, "docs/configuration.md";
    /// The filter is not given a variable.
    VariableNotListed = "variable-not-listed", Error, "docs/configuration.md";
    /// A secret is written into the file.
    SecretInFile = "secret-in-file", Warning, "docs/security.md#what-is-left-to-you";
    /// A filter that crashed lets everybody in.
    FailOpen = "fail-open", Error, "README.md#what-envoy-must-be-set-to";
    /// A filter that crashed is not restarted.
    NoReload = "no-reload", Warning, "README.md#what-envoy-must-be-set-to";
    /// Callbacks or functions are missing in a list of capabilities.
    CapabilitiesShort = "capabilities-short", Error, "docs/security.md#what-is-left-to-you";
    /// Bodies may pass before the decision.
    StopIteration = "stop-iteration", Error, "README.md#what-envoy-must-be-set-to";
    /// A cache answers before the filter is asked.
    CacheBefore = "cache-before", Error, "docs/security.md#what-is-left-to-you";
    /// A cache gives one person's page to others.
    CacheBehind = "cache-behind", Warning, "docs/configuration.md#caches";
    /// A cache of older Envoys gives one person's page to others.
    CacheVersion = "cache-version", Warning, "docs/security.md#what-is-left-to-you";
    /// A filter looks for an identity that is not there yet.
    IdentityBefore = "identity-before", Error, "README.md#what-envoy-must-be-set-to";
    /// Another filter takes bearer tokens away.
    TokenTaken = "token-taken", Warning, "docs/configuration.md#bearer-tokens";
    /// What says who is asking is replaced behind the filter.
    IdentityChanged = "identity-changed", Error, "docs/security.md#what-is-left-to-you";
    /// Nothing answers preflights.
    CorsMissing = "cors-missing", Warning, "docs/configuration.md#origins-trusted_origins";
    /// What answers preflights comes too late.
    CorsBehind = "cors-behind", Warning, "docs/configuration.md#origins-trusted_origins";
    /// Pages of a trusted origin may not read answers.
    CorsShort = "cors-short", Warning, "docs/configuration.md#origins-trusted_origins";
    /// Pages of every site may read answers.
    CorsOpen = "cors-open", Error, "docs/configuration.md#origins-trusted_origins";
    /// Upgrades pass without the filter.
    UpgradeFilters = "upgrade-filters", Error, "docs/security.md#what-is-left-to-you";
    /// The filter is off in its chain.
    FilterDisabled = "filter-disabled", Error, "docs/security.md#what-is-left-to-you";
    /// A matcher may skip the filter.
    FilterMatched = "filter-matched", Error, "docs/security.md#what-is-left-to-you";
    /// The filter is off for a route.
    RouteDisabled = "route-disabled", Error, "docs/security.md#what-is-left-to-you";
    /// Another listener leads to the same application without the filter.
    WayAround = "way-around", Warning, "docs/security.md#what-is-left-to-you";
    /// The policy of another route may count than of the route that is taken.
    PolicyByHeader = "policy-by-header", Error, "docs/configuration.md#policies-route_policies";
    /// No virtual host is for an origin.
    OriginUnrouted = "origin-unrouted", Error, "docs/configuration.md#origins-trusted_origins";
    /// Nobody is signed in any more after an internal redirect.
    InternalRedirect = "internal-redirect", Warning, "docs/configuration.md#internal_redirects";
    /// A token that Envoy adds counts as the client's after an internal redirect.
    TokenAdded = "token-added", Error, "docs/security.md#what-is-left-to-you";
    /// Another filter uses what internal redirects need.
    RedirectState = "redirect-state", Warning, "docs/configuration.md#internal_redirects";
    /// An endpoint reads a body, and there is no buffer.
    BufferMissing = "buffer-missing", Error, "docs/configuration.md#endpoints-that-read-a-body";
    /// The buffer is not directly after the filter.
    BufferNotBehind = "buffer-not-behind", Error, "docs/configuration.md#endpoints-that-read-a-body";
    /// The buffer is off for the route of an endpoint that reads a body.
    BufferNotOnRoute = "buffer-not-on-route", Error, "docs/configuration.md#endpoints-that-read-a-body";
    /// The route of an endpoint that reads a body leads to a cluster.
    BodyRoute = "body-route", Error, "docs/configuration.md#endpoints-that-read-a-body";
    /// There is no cluster of a name.
    ClusterMissing = "cluster-missing", Error, "docs/configuration.md#providers";
    /// The provider is called without TLS.
    ClusterPlain = "cluster-plain", Error, "docs/security.md#what-is-left-to-you";
    /// The certificate of the provider, or of the store that gets a password, is not verified.
    ClusterUnverified = "cluster-unverified", Error, "docs/security.md#what-is-left-to-you";
    /// The cluster of the provider, or of the store, does not say which name it calls.
    ClusterSni = "cluster-sni", Warning, "docs/security.md#what-is-left-to-you";
    /// The cluster of the provider, or of the store, verifies or calls another name than that of its server.
    ClusterName = "cluster-name", Warning, "docs/troubleshooting.md#10-the-provider-is-not-reached-or-does-not-accept-the-client";
    /// A cluster gets the bodies of calls alone that needs HTTP, or the other way round.
    TcpPool = "tcp-pool", Error, "docs/deployment.md#redis";
    /// The password of the store goes over a network without TLS.
    StorePlain = "store-plain", Warning, "docs/deployment.md#redis";
    /// Envoy's time-outs and those of the filter's calls do not fit.
    CallTimeout = "call-timeout", Warning, "docs/command-line.md#what-check-finds";
    /// Paths are not normalized.
    NotNormalized = "not-normalized", Warning, "README.md#what-envoy-must-be-set-to";
    /// Headers may have `_` in their names.
    Underscores = "underscores", Warning, "README.md#what-envoy-must-be-set-to";
    /// Nobody reads what the body of a request calls.
    McpMissing = "mcp-missing", Error, "docs/configuration.md#calls-to-mcp-servers";
    /// What should compare it stands before the filter.
    McpBefore = "mcp-before", Error, "docs/configuration.md#calls-to-mcp-servers";
    /// What should tell what bodies call stands behind the filter.
    McpBehind = "mcp-behind", Error, "docs/configuration.md#calls-to-mcp-servers";
    /// A route to the server is taken without that, or the header fields are taken for the body.
    McpOff = "mcp-off", Error, "docs/configuration.md#calls-to-mcp-servers";
    /// A body may call two things, of which one is looked at.
    McpShort = "mcp-short", Error, "docs/configuration.md#calls-to-mcp-servers";
    /// Not everything that the header fields say is compared.
    McpUnverified = "mcp-unverified", Warning, "docs/configuration.md#calls-to-mcp-servers";
    /// The client says its own address.
    PeerAddress = "peer-address", Warning, "docs/configuration.md#throttle";
    /// A balancer in front is not counted.
    HopsMissing = "hops-missing", Warning, "docs/troubleshooting.md#4-https-is-lost-behind-a-proxy";
    /// Requests that wait are never ended.
    NoIdleTimeout = "no-idle-timeout", Warning, "README.md#what-envoy-must-be-set-to";
    /// WebSockets are ended, also those in use.
    WebsocketTimeout = "websocket-timeout", Warning, "docs/troubleshooting.md#other-things-that-happen";
    /// A log gets the codes of sign-ins.
    QueryLogged = "query-logged", Warning, "README.md#what-envoy-must-be-set-to";
    /// A log prints what the filter does not tell.
    LogEmpty = "log-empty", Warning, "docs/configuration.md#logout-sign_in-forward-filter_state";
    /// Answers of the filter are rewritten.
    BodyFormat = "body-format", Warning, "docs/security.md#what-is-left-to-you";
    /// Another plugin has the same memory.
    VmIdShared = "vm-id-shared", Warning, "README.md#what-envoy-must-be-set-to";
    /// Two gateways on one host replace each other's cookie.
    CookieShared = "cookie-shared", Warning, "docs/configuration.md#session";
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) id: Id,
    pub(crate) file: String,
    pub(crate) spot: Spot,
    /// The path in the filter's configuration; empty for what is not in it.
    pub(crate) path: String,
    pub(crate) sentence: String,
}

/// The findings of one file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a str,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// Nothing was found yet.
    pub(crate) const fn of(file: &'a str) -> Self {
        Self { file, findings: Vec::new() }
    }

    /// Notes a finding about what is around the filter.
    pub(crate) fn tell(&mut self, id: Id, spot: Spot, sentence: impl Into<String>) {
        self.tell_of(id, spot, "", sentence);
    }

    /// Notes a finding about a field of the filter's configuration.
    pub(crate) fn tell_of(&mut self, id: Id, spot: Spot, path: &str, sentence: impl Into<String>) {
        let finding = Finding { id, file: self.file.to_owned(), spot, path: path.to_owned(), sentence: sentence.into() };
        // What two plugins share is told once.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// All of them, in the order of the file.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| finding.spot);
        self.findings
    }
}
