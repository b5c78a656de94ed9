//! A configuration that was checked: the settings of every room, together. Holding one means that it makes sense.

use std::time::Duration;

use crate::access::headers::IdentityHeaders;
use crate::access::identity_jwt::IdentityJwt;
use crate::access::requirement::condition::Condition;
use crate::access::route::Rules;
use crate::accounts;
use crate::accounts::template::Template;
use crate::accounts::throttle::Throttle;
use crate::answer::refusal::Help;
use crate::config::reading::refusal::Refusal;
use crate::crypto::seal::Sealer;
use crate::http::url::{Origin, ReturnTo};
use crate::oidc::provider::Provider;
use crate::session;
use crate::session::content::Fingerprint;
use crate::words::principal::{AssumedVerified, ClaimPath};

/// A provider's `timeout` is at most this.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// `sign_in.wait` is at most this.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Everything that a configuration says.
#[derive(Debug)]
pub struct Settings {
    /// The origins that are served; any other host is 421.
    pub origins: Vec<Origin>,
    /// Other origins that may act for a signed-in person.
    pub trusted_origins: Vec<Origin>,
    /// The providers; the first that people can sign in at is used where nothing names one.
    pub providers: Vec<ProviderSettings>,
    /// Whether identities come from more than one source, so that `sub` alone does not say who somebody is.
    pub several_claimants: bool,
    /// Seals cookies.
    pub sealer: Sealer,
    /// Cookies and lifetimes.
    pub session: session::Settings,
    /// Paths that are answered here.
    pub endpoints: Endpoints,
    /// How a sign-in in a window that a page opened ends, where there is an endpoint that begins one.
    pub popup: Option<Popup>,
    /// What sign-out does.
    pub sign_out: SignOut,
    /// How long a request waits for a provider's metadata or keys.
    pub wait: Duration,
    /// The rules, and what holds where none matches: signed-in required.
    pub rules: Rules,
    /// Named conditions, for route metadata.
    pub policies: Vec<(String, Condition)>,
    /// The namespace of route metadata that may name a policy, when that is wanted.
    pub route_policies: Option<String>,
    /// Claims to headers.
    pub identity: IdentityHeaders,
    /// The claims that a session keeps.
    pub kept_claims: Vec<ClaimPath>,
    /// Which tokens go upstream.
    pub forward: Forward,
    /// The token of our own that tells the upstream who is asking, when that is wanted.
    pub identity_jwt: Option<IdentityJwt>,
    /// The public halves of the keys that sign tokens of ours, as a JWK set.
    pub published_keys: String,
    /// The user service, when there is one.
    pub accounts: Option<accounts::Settings>,
    /// Sign-in by name and password, when that is wanted.
    pub password: Option<Password>,
    /// What a forbidden page says about asking for access.
    pub help: Help,
    /// What Envoy's access log is told.
    pub filter_state: FilterState,
    /// What the log is told when this begins to count: nothing is known to be wrong, and yet somebody should look.
    pub warnings: Vec<Refusal>,
}

/// What is left with a request for Envoy's access log. Each takes the host about a microsecond, so that only what is printed is
/// left there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterState {
    /// Who asked.
    pub subject: bool,
    /// Under which rule.
    pub rule: bool,
}

/// A provider, and what sessions made by it are bound to.
#[derive(Debug)]
pub struct ProviderSettings {
    /// What the protocol needs.
    pub oidc: Provider,
    /// Of the provider, the client and the claims that are kept.
    pub fingerprint: Fingerprint,
    /// Which addresses and numbers of people who signed in here count without a verdict: by the word of whoever says what they are,
    /// the provider or the user service.
    pub assumed_verified: AssumedVerified,
    /// The path that this provider sends browsers back to. With several providers each has its own, so that none can pass off
    /// another's answer as its own (RFC 9700, section 4.4.2.2).
    pub callback: String,
}

/// The name under which sessions begin by name and password, where others have that of a provider.
pub const PASSWORD: &str = "password";

/// Sign-in by name and password.
#[derive(Debug)]
pub struct Password {
    /// The member, or the form's field, with the name.
    pub account: String,
    /// The one with the password.
    pub password: String,
    /// How the session is told.
    pub delivery: Delivery,
    /// What is answered, as JSON, when they are not accepted; a problem document otherwise.
    pub refusal: Option<String>,
    /// How often they may be wrong.
    pub throttle: Throttle,
    /// Of the user service and the claims that are kept.
    pub fingerprint: Fingerprint,
}

/// How a sign-in in a popup begins and ends.
#[derive(Debug)]
pub struct Popup {
    /// The origin of the only page that is told; otherwise that of the gateway that was asked.
    pub origin: Option<Origin>,
    /// The member that the provider's address is told in.
    pub url_member: String,
    /// How the page is told of the session.
    pub delivery: Delivery,
}

/// How a session is told to the page that asked for it: in an answer, as a cookie, or both.
#[derive(Debug)]
pub struct Delivery {
    /// The answer.
    pub answer: Template,
    /// Whether there is a cookie, too.
    pub cookie: bool,
}

/// Paths that are answered here, before any rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Begins a sign-in; empty without a provider, as `callback` is.
    pub login: String,
    /// Where the provider sends the browser back.
    pub callback: String,
    /// Ends the session.
    pub logout: String,
    /// Tells a page who is signed in.
    pub session: String,
    /// Sends a page's visitor to the provider, for a front end that keeps its own token.
    pub authorize: Option<String>,
    /// Exchanges that page's code for the token.
    pub token: Option<String>,
    /// Tells a page the provider's address, for a window that it opens.
    pub popup: Option<String>,
    /// Publishes the keys that sign tokens of ours, when that is wanted.
    pub jwks: Option<String>,
    /// Takes name and password, when that is wanted.
    pub password: Option<String>,
}

impl Endpoints {
    /// All that there are, by the names that the configuration gives them.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let always = [("login", &self.login), ("callback", &self.callback), ("logout", &self.logout), ("session", &self.session)];
        let further = [
            ("authorize", &self.authorize),
            ("token", &self.token),
            ("popup", &self.popup),
            ("password", &self.password),
            ("jwks", &self.jwks),
        ];
        let further = further.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)));
        always.into_iter().chain(further).map(|(name, path)| (name, path.as_str()))
    }

    /// Whether scripts of other origins are there to read the answers, and may need to be let.
    pub fn is_read_by_pages(&self, path: &str) -> bool {
        [&self.token, &self.popup, &self.password].into_iter().flatten().any(|endpoint| endpoint == path)
    }
}

/// What sign-out does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOut {
    /// Whether the provider's session ends too (OpenID Connect RP-Initiated Logout).
    pub at_provider: bool,
    /// Where a person lands afterwards.
    pub return_to: ReturnTo,
}

/// Which tokens go upstream, and are therefore kept in the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// As `x-forwarded-access-token`.
    pub access_token: bool,
    /// As `x-forwarded-id-token`.
    pub id_token: bool,
    /// The session's cookie, as it came, when it is a token that others can read.
    pub session_cookie: bool,
}

impl Settings {
    /// The origin that a request's authority means.
    pub fn origin(&self, authority: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.answers_to(authority))
    }

    /// Whether this text names one of the origins.
    pub fn has_origin(&self, text: &str) -> bool {
        self.origins.iter().any(|origin| origin.is_written(text))
    }

    /// A provider by its configured name.
    pub fn provider(&self, name: &str) -> Option<&ProviderSettings> {
        self.providers.iter().find(|provider| provider.oidc.name == name)
    }

    /// A named condition.
    pub fn policy(&self, name: &str) -> Option<&Condition> {
        self.policies.iter().find(|(other, _)| other == name).map(|(_, policy)| policy)
    }

    /// What sessions of this provider, or by password, are bound to today.
    pub fn fingerprint(&self, name: &str) -> Option<&Fingerprint> {
        let by_password = self.password.as_ref().filter(|_| name == PASSWORD).map(|password| &password.fingerprint);
        by_password.or_else(|| self.provider(name).map(|provider| &provider.fingerprint))
    }

    /// Which addresses and numbers of people who signed in by this provider, or by password, count without a verdict.
    pub fn assumed_verified(&self, name: &str) -> AssumedVerified {
        let by_password = self.accounts.as_ref().filter(|_| name == PASSWORD && self.password.is_some());
        let of_provider = || self.provider(name).map(|provider| provider.assumed_verified);
        by_password.map(|accounts| accounts.assumed_verified).or_else(of_provider).unwrap_or_default()
    }

    /// The provider to sign in at: the one of that name, or the first where none is named.
    pub fn sign_in_provider(&self, name: Option<&str>) -> Option<&ProviderSettings> {
        let named = |provider: &&ProviderSettings| name.is_none_or(|name| provider.oidc.name == name);
        self.providers.iter().filter(|provider| provider.oidc.signs_in()).find(named)
    }

    /// Whether sessions keep a refresh token, if there is one: where nothing ends with the provider's tokens, none is needed.
    pub const fn refreshes(&self) -> bool {
        self.session.follow_provider || self.forward.access_token || self.forward.id_token
    }

    /// Whether bearer tokens of any provider are accepted.
    pub fn accepts_provider_tokens(&self) -> bool {
        self.providers.iter().any(|provider| provider.oidc.bearer.is_some())
    }

    /// Every origin that a person may be sent to.
    pub fn listed_origins(&self) -> Vec<Origin> {
        self.origins.iter().chain(&self.trusted_origins).cloned().collect()
    }
}
