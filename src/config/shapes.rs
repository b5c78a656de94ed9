//! The shapes of a configuration, field by field, as an operator writes them. Unknown fields are refused; what the values mean,
//! and whether they make sense together, is checked elsewhere.

use serde_json::Value;

use crate::config::Refusal;
use crate::config::accounts::Accounts;
use crate::config::own_tokens::OwnToken;
use crate::config::password::PasswordShape;
use crate::config::place::{Place, Read, shape, words};
use crate::config::popup::PopupShape;
use crate::config::spellings::{ClaimName, Reached, Span};
use crate::words::secret::Secret;

shape! {
    /// The whole of it.
    #[derive(Debug)]
    #[allow(missing_docs, reason = "the configuration reference documents the fields, under the same names")]
    pub struct Configuration {
        pub origins: Vec<String>,
        pub trusted_origins: Vec<String> = default,
        pub providers: Vec<Provider> = default,
        pub session: Session,
        pub endpoints: Endpoints = default,
        pub popup: Option<PopupShape>,
        pub logout: Logout = default,
        pub sign_in: SignIn = default,
        pub policies: Vec<(String, Requirement)> = default,
        pub rules: Vec<Rule> = default,
        pub shared_cache: Option<SharedCache>,
        pub route_policies: Option<RoutePolicies>,
        pub claim_to_headers: Option<Vec<ClaimToHeader>>,
        pub request_headers_to_remove: Vec<String> = default,
        pub forward: Forward = default,
        pub help: Help = default,
        pub accounts: Option<Accounts>,
        pub password: Option<PasswordShape>,
        pub filter_state: Vec<String> = default,
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Provider {
        pub name: String,
        pub issuer: Option<String>,
        pub metadata: Option<Metadata>,
        pub clusters: Reached = default,
        pub client_id: Option<String>,
        pub client_secret: Option<Secret>,
        pub token_endpoint_auth_method: Option<AuthMethod>,
        pub scope: Option<String>,
        pub authorization_params: Vec<(String, String)> = default,
        pub account_prompt: Option<AccountPrompt>,
        pub response_mode: ResponseMode = default,
        pub redirect_uri: Option<String>,
        pub userinfo: Option<bool>,
        pub dangerously_assume_verified: Vec<String> = default,
        pub clock_skew_seconds: Option<u64>,
        pub algorithms: Option<Vec<String>>,
        pub timeout: Option<Span>,
        pub bearer: Option<Bearer>,
        pub allow_insecure_http: bool = default,
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Bearer {
        pub audiences: Vec<String>,
        pub algorithms: Option<Vec<String>>,
        pub kind: TokenKind as "type" = default,
        pub forward: bool = default,
        pub introspection: Option<Introspection>,
        pub jwks: Option<JwkSet>,
        pub public_keys: Option<Vec<PublicKey>>,
        pub secret: Option<Secret>,
    }
}

#[derive(Debug)]
#[allow(missing_docs, reason = "the names of RFC 7517")]
pub struct JwkSet {
    pub keys: Vec<Value>,
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Introspection {
        pub cache: Option<Span>,
        pub when: Option<String>,
        pub allow_missing_audience: bool = default,
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct PublicKey {
        pub pem: String,
        pub key_id: Option<String>,
    }
}

words! {
    #[derive(Clone, Copy, Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub enum TokenKind {
        #[default]
        AccessToken = "access_token",
        AtJwt = "at+jwt",
        IdToken = "id_token",
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "the names of OpenID Connect Discovery")]
    pub struct Metadata {
        pub issuer: String,
        pub authorization_endpoint: String,
        pub token_endpoint: String,
        pub jwks_uri: String,
        pub userinfo_endpoint: Option<String>,
        pub introspection_endpoint: Option<String>,
        pub end_session_endpoint: Option<String>,
        pub authorization_response_iss_parameter_supported: bool = default,
    }
}

words! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "the registered names")]
    pub enum AuthMethod {
        ClientSecretBasic = "client_secret_basic",
        ClientSecretPost = "client_secret_post",
        None = "none",
    }
}

words! {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[allow(missing_docs, reason = "the registered names")]
    pub enum ResponseMode {
        #[default]
        Query = "query",
        FormPost = "form_post",
    }
}

words! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "the values of `prompt`")]
    pub enum AccountPrompt {
        Login = "login",
        SelectAccount = "select_account",
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Session {
        pub keys: Vec<Secret> = default,
        pub form: SessionForm = default,
        pub jwt: Option<OwnToken>,
        pub cookie: Cookie = default,
        pub lifetime: Option<Span>,
        pub idle: Option<Span>,
        pub follow_provider: bool = default,
        pub claims: Vec<ClaimName> = default,
    }
}

words! {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub enum SessionForm {
        #[default]
        Sealed = "sealed",
        Jwt = "jwt",
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Cookie {
        pub name: Option<String>,
        pub same_site: Option<SameSite>,
    }
}

words! {
    #[derive(Clone, Copy, Debug)]
    #[allow(missing_docs, reason = "the attribute's names")]
    pub enum SameSite {
        Lax = "lax",
        None = "none",
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Endpoints {
        pub login: Option<String>,
        pub callback: Option<String>,
        pub logout: Option<String>,
        pub session: Option<String>,
        pub authorize: Option<String>,
        pub token: Option<String>,
        pub popup: Option<String>,
        pub jwks: Option<String>,
        pub password: Option<String>,
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Logout {
        pub provider: bool = default,
        pub post_logout_redirect_uri: Option<String>,
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct SignIn {
        pub timeout: Option<Span>,
        pub wait: Option<Span>,
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Rule {
        pub matches: Match as "match" = default,
        pub require: Requirement,
        pub unauthenticated: Option<Unauthenticated>,
        pub credentials: Option<Credentials>,
        pub audience: Option<String>,
        pub shared_cache: Option<SharedCache>,
    }
}

words! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub enum SharedCache {
        Refused = "refused",
        Allowed = "allowed",
    }
}

words! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub enum Credentials {
        Any = "any",
        Session = "session",
        Bearer = "bearer",
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Match {
        pub host: Option<String>,
        pub methods: Option<Vec<String>>,
        pub path: Option<String>,
        pub path_separated_prefix: Option<String>,
    }
}

words! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub enum Unauthenticated {
        Redirect = "redirect",
        Respond = "respond",
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct RoutePolicies {
        pub filter_metadata: String,
    }
}

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct ClaimToHeader {
        pub claim_name: ClaimName,
        pub header_name: String,
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Forward {
        pub access_token: bool = default,
        pub id_token: bool = default,
        pub session_cookie: bool = default,
        pub identity_jwt: Option<OwnToken>,
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Help {
        pub text: Option<String>,
        pub url: Option<String>,
    }
}

/// `public`, `authenticated`, or a condition.
#[derive(Debug)]
pub enum Requirement {
    /// A word.
    Word(String),
    /// A condition.
    Condition(Box<Condition>),
}

shape! {
    /// A condition; several members in one object must all hold.
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Condition {
        pub claim: Option<ClaimName>,
        pub any_of: Option<Vec<Value>>,
        pub scope: Option<Vec<String>>,
        pub bearer: Option<String>,
        pub audience: Option<Vec<String>>,
        pub acr: Option<Vec<String>>,
        pub max_auth_age: Option<Span>,
        pub email_domain: Option<Vec<String>>,
        pub provider: Option<String>,
        pub any_provider: bool = default,
        pub policy: Option<String>,
        pub all: Option<Vec<Condition>>,
        pub any: Option<Vec<Condition>>,
        pub not: Option<Box<Condition>>,
    }
}

impl Read for JwkSet {
    /// Other members are ignored, as RFC 7517 section 5 has it.
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        Ok(Self { keys: place.members()?.member("keys")? })
    }
}

impl Read for Requirement {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        match place.value {
            Value::String(word) => Ok(Self::Word(word.clone())),
            Value::Object(_) => Read::read(place).map(Self::Condition),
            _ => Err(place.mismatch(
                "public, authenticated or a condition",
                "write require: authenticated or require: {claim: groups, any_of: [admins]}",
            )),
        }
    }
}
