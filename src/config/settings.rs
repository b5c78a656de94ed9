//! A configuration that was checked: the settings of every room, together. Whoever holds a [`Settings`] can rely on it: nothing
//! in it has to be checked again. How it was written is not known here.

use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::Duration;

use crate::access::readings::Readings;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::kept_members::KeptMembers;
use crate::access::resources::ProtectedResources;
use crate::access::route::Rules;
use crate::access::upstream::headers::IdentityHeaders;
use crate::access::upstream::identity_jwt::IdentityJwt;
use crate::accounts::UserService;
use crate::accounts::template::Template;
use crate::accounts::throttle::Throttle;
use crate::answer::site::Site;
use crate::config::reading::refusal::Refusal;
use crate::crypto::key::KeySet;
use crate::crypto::pseudonym::Pseudonyms;
use crate::crypto::seal::Sealer;
use crate::http::return_to::ReturnTo;
use crate::http::url::Origin;
use crate::oidc::provider::Provider;
use crate::oidc::security_event::transmitter::Transmitter;
use crate::revocations::store::Store;
use crate::session::SessionSettings;
use crate::session::content::{Fingerprint, People, Session, SubjectsOf};
use crate::words::principal::{AssumedVerified, ClaimPath};
use crate::words::secret::Secret;

/// The longest `timeout` of a provider, or of a call of the user service.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest `sign_in.wait`.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A whole configuration.
#[derive(Debug)]
pub struct Settings {
    /// The origins that are served. A request for any other host is answered 421.
    pub origins: Vec<Origin>,
    /// Other origins whose pages may act for a signed-in person.
    pub trusted_origins: Vec<Origin>,
    /// In the order of the configuration. The first that people can sign in at is used where nothing names one.
    pub providers: Vec<ProviderSettings>,
    /// Whether identities come from more than one source, so that `sub` alone does not say who somebody is.
    pub several_claimants: bool,
    /// Seals sessions and sign-ins under way.
    pub sealer: Sealer,
    /// The form, the cookie and the lifetimes of sessions.
    pub session: SessionSettings,
    /// The paths that Accredit answers itself.
    pub endpoints: Endpoints,
    /// How a sign-in in a popup ends; `None` without the endpoint that begins one.
    pub popup: Option<Popup>,
    /// What `endpoints.logout` does.
    pub sign_out: SignOut,
    /// How long a request waits for a provider's metadata or keys.
    pub wait: Duration,
    /// All rules, the last resort included: a request that matches none must be signed in.
    pub rules: Rules,
    /// Whether any rule or policy looks at what requests call at an MCP server.
    pub looks_at_calls: bool,
    /// The names of tools in rules and policies, and patterns for names, under which calls to MCP servers are counted.
    pub counted_tools: Vec<Rc<str>>,
    /// The protected resources, where only tokens count that are for them.
    pub resources: ProtectedResources,
    /// Judges paths that are not plain; `None` where no rule allows any of them.
    pub readings: Option<Readings>,
    /// Named conditions that the metadata of Envoy's routes may name.
    pub policies: Vec<(String, Condition)>,
    /// The namespace of the route metadata that may name a policy; `None` where routes name none.
    pub route_policies: Option<String>,
    /// Which operators may end the sessions of everybody; `None` if nobody may.
    pub may_end_everybody: Option<Condition>,
    /// Which claims the upstream is told in which headers, and which headers of the client are removed.
    pub identity: IdentityHeaders,
    /// The claims that a session keeps.
    pub kept_claims: Vec<ClaimPath>,
    /// Of which of these claims a session keeps the lists in part (`session.groups`).
    pub kept_members: KeptMembers,
    /// Which tokens are sent to the upstream. Its debug text is part of every session's fingerprint (`config::sessions::fingerprints`): a
    /// renamed or a further field ends all sealed sessions.
    pub forward: Forward,
    /// How the token is signed that tells the upstream who is asking; `None` where none is sent.
    pub identity_jwt: Option<IdentityJwt>,
    /// The public halves of the keys that sign our own tokens, as a JWK set in JSON; empty where every key is a shared secret.
    pub published_keys: String,
    /// How replicas tell each other what has ended; `None` where each process knows only what it has ended itself.
    pub revocations: Option<Revocations>,
    /// Who may end sessions by security events.
    pub transmitters: Vec<TransmitterSettings>,
    /// The user service, if there is one.
    pub accounts: Option<UserService>,
    /// Sign-in by name and password; `None` without its endpoint.
    pub password: Option<Password>,
    /// What the pages have of the site that they stand in front of.
    pub site: Site,
    /// What Envoy's access log is told.
    pub filter_state: FilterState,
    /// What audit lines say besides.
    pub audit: Audit,
    /// Whether the pass after an internal redirect knows who was asking in the first one.
    pub internal_redirects: bool,
    /// What the log is told when this configuration takes effect: not known to be wrong, but an operator should look at it.
    pub warnings: Vec<Refusal>,
}

/// Which fields are left with a request, as Envoy's filter state, for its access log. Each takes the host about a microsecond,
/// which is why only those are set that the configuration lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the configuration names it")]
pub struct FilterState {
    pub subject: bool,
    pub rule: bool,
    /// The request's audit lines, JSON objects with commas between them.
    pub audit: bool,
}

/// Which audit lines there are, and what they say of where a request was for, and where it came from.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Of its host, as the request has it.
    pub host: Told,
    /// Of its client's address.
    pub address: Told,
    /// One in so many calls to MCP servers that are let through has a line; `None` if none has. (Each that is refused has one.)
    pub calls: Option<NonZeroU64>,
}

/// How a text is told in audit lines.
#[derive(Clone, Debug)]
pub enum Told {
    /// As it is.
    Plain,
    /// By a keyed hash: the same for the same text, and nothing that leads back to it.
    Pseudonym(Box<Pseudonyms>),
    /// Not at all.
    Nothing,
}

/// A provider, and what sessions that began there are bound to.
#[derive(Debug)]
pub struct ProviderSettings {
    /// The provider, as the protocol needs it.
    pub oidc: Provider,
    /// Changes with the provider, the client, the claims that are kept, and everything else that its sessions depend on.
    pub fingerprint: Fingerprint,
    /// Which claims of people who signed in here count as verified although nobody says so. Whoever says the claim decides that:
    /// the provider, or the user service.
    pub assumed_verified: AssumedVerified,
    /// The path that this provider sends browsers back to. With several providers each has its own, so that none can pass off
    /// another's answer as its own (RFC 9700, section 4.4.2.2).
    pub callback: String,
    /// The path where this provider posts logout tokens. With several providers each has its own.
    pub backchannel_logout: Option<String>,
    /// The path that this provider's page shows in a frame when somebody signs out there. With several providers each has its own.
    pub frontchannel_logout: Option<String>,
}

/// How replicas tell each other what has ended.
#[derive(Clone, Debug)]
pub struct Revocations {
    /// Where they do.
    pub store: Store,
    /// How old what is known may be before sessions are no longer accepted; `None` if they always are.
    pub refuse_after: Option<Duration>,
}

/// A transmitter of security events.
#[derive(Debug, PartialEq)]
pub struct TransmitterSettings {
    /// What it may end, and by which events.
    pub oidc: Transmitter,
    /// As one who publishes keys, and is called for them.
    pub publisher: Provider,
    /// Its keys, if they stand in the configuration; else it publishes them.
    pub keys: Option<Rc<KeySet>>,
    /// The value of `Authorization` that it must send; `None` if its signature is enough.
    pub authorization: Option<Secret>,
}

/// What stands in the place of a provider's name in sessions that began with name and password.
pub const PASSWORD: &str = "password";

/// Sign-in by name and password.
#[derive(Debug)]
pub struct Password {
    /// The name of the JSON member or form field that holds the account's name.
    pub account: String,
    /// The name of the JSON member or form field that holds the password.
    pub password: String,
    /// How the page gets the session.
    pub delivery: Delivery,
    /// The JSON that is answered when name and password are not accepted; `None` for a problem document (RFC 9457).
    pub refusal: Option<String>,
    /// How often a password may be wrong.
    pub throttle: Throttle,
    /// Changes with the user service, the claims that are kept, and everything else that sessions by password depend on.
    pub fingerprint: Fingerprint,
}

/// How a sign-in in a popup begins and ends.
#[derive(Debug)]
pub struct Popup {
    /// The origin of the only page that is told how it ended; `None` for the origin of the request itself.
    pub origin: Option<Origin>,
    /// The name of the JSON member that holds the address of the provider's page.
    pub url_member: String,
    /// How the page gets the session.
    pub delivery: Delivery,
}

/// How the page that asked for a session gets it: in an answer, as a cookie, or both.
#[derive(Debug)]
pub struct Delivery {
    /// What the page is answered.
    pub answer: Template,
    /// Whether the answer also sets the session's cookie.
    pub cookie: bool,
}

/// The paths that Accredit answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Begins a sign-in. Empty without a provider.
    pub login: String,
    /// Where a provider sends the browser back; with several, the beginning of each one's path. Empty without a provider.
    pub callback: String,
    /// Ends the session.
    pub logout: String,
    /// Tells a page who is signed in.
    pub session: String,
    /// Sends the browser to the provider, for a front end that keeps its own token.
    pub authorize: Option<String>,
    /// Exchanges the code of such a front end for its token.
    pub token: Option<String>,
    /// Begins a sign-in for a page that opens a window, and tells it the address of the provider's page.
    pub popup: Option<String>,
    /// Publishes the keys that verify our own tokens.
    pub jwks: Option<String>,
    /// Takes name and password.
    pub password: Option<String>,
    /// Takes the logout tokens of a provider; with several, the beginning of each one's path.
    pub backchannel_logout: Option<String>,
    /// Takes the security events of transmitters.
    pub security_events: Option<String>,
    /// Is shown in a frame by a provider's page when somebody signs out there; with several, the beginning of each one's path.
    pub frontchannel_logout: Option<String>,
    /// Takes from operators whose sessions end. The rule that matches the path decides who may.
    pub operator_logout: Option<String>,
}

impl Endpoints {
    /// Whether scripts of other origins may have to read what this path answers, so that it needs CORS.
    pub fn is_read_by_pages(&self, path: &str) -> bool {
        [&self.token, &self.popup, &self.password].into_iter().flatten().any(|endpoint| endpoint == path)
    }
}

/// What happens at `endpoints.logout` beside the end of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOut {
    /// Whether the provider's session ends too (OpenID Connect RP-Initiated Logout).
    pub at_provider: bool,
    /// Where the browser is sent afterwards.
    pub return_to: ReturnTo,
}

/// Which tokens are sent to the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// The provider's access token, as `x-forwarded-access-token`. Sessions keep it for that.
    pub access_token: bool,
    /// The provider's ID token, as `x-forwarded-id-token`. Sessions keep it for that.
    pub id_token: bool,
    /// The session's cookie as the browser sent it, where sessions are JWTs.
    pub session_cookie: bool,
}

impl Settings {
    /// The origin that is meant by the authority of a request (`:authority`, `Host`), if it is served.
    pub fn origin(&self, authority: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.answers_to(authority))
    }

    /// Whether this text, as an `Origin` header has it, is one of the origins that are served.
    pub fn has_origin(&self, text: &str) -> bool {
        self.origins.iter().any(|origin| origin.is_serialized_as(text))
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&ProviderSettings> {
        self.providers.iter().find(|provider| provider.oidc.name == name)
    }

    /// Everybody who publishes keys: the providers, and then the transmitters of security events.
    pub fn publishers(&self) -> impl Iterator<Item = &Provider> {
        let transmitters = self.transmitters.iter().map(|transmitter| &transmitter.publisher);
        self.providers.iter().map(|provider| &provider.oidc).chain(transmitters)
    }

    /// The policy of this name.
    pub fn policy(&self, name: &str) -> Option<&Condition> {
        self.policies.iter().find(|(other, _)| other == name).map(|(_, policy)| policy)
    }

    /// The fingerprint that sessions must have which began at the provider of this name, or by [`PASSWORD`]; `None` when they can
    /// begin there no longer.
    pub fn fingerprint(&self, name: &str) -> Option<&Fingerprint> {
        let by_password = self.password.as_ref().filter(|_| name == PASSWORD).map(|password| &password.fingerprint);
        let provider = || self.provider(name).filter(|provider| provider.oidc.sign_in);
        by_password.or_else(|| provider().map(|provider| &provider.fingerprint))
    }

    /// Whether a session began here: at one of these origins, and at its provider as that is configured now. (A session that is a JWT
    /// was verified by our own keys for that.)
    pub fn is_of_here(&self, session: &Session) -> bool {
        let same = |fingerprint: &Fingerprint| self.session.signed().is_some() || *fingerprint == session.fingerprint;
        self.has_origin(&session.origin) && self.fingerprint(&session.provider).is_some_and(same)
    }

    /// The names by which sessions say where they began: of all providers, and [`PASSWORD`].
    pub fn names_of_beginnings(&self) -> impl Iterator<Item = &str> {
        let by_password = self.password.as_ref().map(|_| PASSWORD);
        self.providers.iter().map(|provider| provider.oidc.name.as_str()).chain(by_password)
    }

    /// Which claims count as verified although nobody says so, of people who signed in at the provider of this name, or by
    /// [`PASSWORD`].
    pub fn assumed_verified(&self, name: &str) -> AssumedVerified {
        let by_password = self.accounts.as_ref().filter(|_| name == PASSWORD && self.password.is_some());
        let of_provider = || self.provider(name).map(|provider| provider.assumed_verified);
        by_password.map(|accounts| accounts.assumed_verified).or_else(of_provider).unwrap_or_default()
    }

    /// What is known of the people who signed in at the provider of this name, or by [`PASSWORD`].
    pub fn people(&self, name: &str) -> People {
        let looked_up = self.accounts.as_ref().is_some_and(|accounts| accounts.directory.is_some()) && name != PASSWORD;
        let subjects = if looked_up { SubjectsOf::UserService } else { SubjectsOf::Provider };
        People { assumed: self.assumed_verified(name), subjects }
    }

    /// The provider to sign in at: the one of this name, or the first where none is named. `None` when nobody can sign in there.
    pub fn sign_in_provider(&self, name: Option<&str>) -> Option<&ProviderSettings> {
        let named = |provider: &&ProviderSettings| name.is_none_or(|name| provider.oidc.name == name);
        self.providers.iter().filter(|provider| provider.oidc.signs_in()).find(named)
    }

    /// Whether sessions keep a refresh token, if the provider issues one. Where nothing depends on the provider's tokens, none is
    /// needed.
    pub const fn refreshes(&self) -> bool {
        self.session.follow_provider || self.forward.access_token || self.forward.id_token
    }

    /// Whether bearer tokens are accepted at all: sessions of ours or tokens of a provider. If not, `Authorization` is the
    /// application's.
    pub fn accepts_bearer_tokens(&self) -> bool {
        self.session.as_bearer().is_some() || self.accepts_provider_tokens()
    }

    /// Whether they are accepted outside of protected resources.
    pub fn accepts_bearer_tokens_elsewhere(&self) -> bool {
        let by_provider =
            |provider: &ProviderSettings| provider.oidc.bearer.as_ref().is_some_and(|bearer| !bearer.audiences.is_empty());
        self.session.as_bearer().is_some() || self.providers.iter().any(by_provider)
    }

    /// Whether an application gets a token of its own under some rule.
    pub fn gives_upstream_tokens(&self) -> bool {
        self.rules.all().iter().any(|rule| rule.upstream_token.is_some())
    }

    /// Whether bearer tokens of any provider are accepted.
    pub fn accepts_provider_tokens(&self) -> bool {
        self.providers.iter().any(|provider| provider.oidc.bearer.is_some())
    }

    /// Every origin that a browser may be sent to: those that are served, and the trusted ones.
    pub fn listed_origins(&self) -> Vec<Origin> {
        self.origins.iter().chain(&self.trusted_origins).cloned().collect()
    }
}
