//! The shapes of a configuration, field by field, as an operator writes them. Unknown fields are refused; what the values mean,
//! and whether they make sense together, is checked elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::config::own_tokens::OwnToken;
use crate::config::spellings::{ClaimName, SecretSource, Span};

/// The whole of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the configuration reference documents the fields, under the same names")]
pub struct Configuration {
    pub origins: Vec<String>,
    #[serde(default)]
    pub trusted_origins: Vec<String>,
    #[serde(default)]
    pub providers: Vec<Provider>,
    pub session: Session,
    #[serde(default)]
    pub endpoints: Endpoints,
    #[serde(default)]
    pub logout: Logout,
    #[serde(default)]
    pub sign_in: SignIn,
    #[serde(default)]
    pub policies: BTreeMap<String, Requirement>,
    #[serde(default)]
    pub rules: Vec<Rule>,
    pub route_policies: Option<RoutePolicies>,
    pub claim_to_headers: Option<Vec<ClaimToHeader>>,
    #[serde(default)]
    pub forward: Forward,
    #[serde(default)]
    pub help: Help,
    #[serde(default)]
    pub filter_state: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Provider {
    pub name: String,
    pub issuer: Option<String>,
    pub metadata: Option<Metadata>,
    #[serde(default)]
    pub clusters: BTreeMap<String, String>,
    pub client_id: Option<String>,
    pub client_secret: Option<SecretSource>,
    pub token_endpoint_auth_method: Option<AuthMethod>,
    pub scope: Option<String>,
    #[serde(default)]
    pub authorization_params: BTreeMap<String, String>,
    pub account_prompt: Option<AccountPrompt>,
    #[serde(default)]
    pub response_mode: ResponseMode,
    pub redirect_uri: Option<String>,
    pub userinfo: Option<bool>,
    pub clock_skew_seconds: Option<u64>,
    pub algorithms: Option<Vec<String>>,
    pub timeout: Option<Span>,
    pub bearer: Option<Bearer>,
    #[serde(default)]
    pub allow_insecure_http: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Bearer {
    pub audiences: Vec<String>,
    pub algorithms: Option<Vec<String>>,
    #[serde(default, rename = "type")]
    pub kind: TokenKind,
    #[serde(default)]
    pub forward: bool,
    pub introspection: Option<Introspection>,
    pub jwks: Option<JwkSet>,
    pub public_keys: Option<Vec<PublicKey>>,
    pub secret: Option<SecretSource>,
}

#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "the names of RFC 7517")]
pub struct JwkSet {
    pub keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Introspection {
    pub cache: Option<Span>,
    pub when: Option<String>,
    #[serde(default)]
    pub allow_missing_audience: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct PublicKey {
    pub pem: String,
    pub key_id: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub enum TokenKind {
    #[default]
    #[serde(rename = "access_token")]
    AccessToken,
    #[serde(rename = "at+jwt")]
    AtJwt,
    #[serde(rename = "id_token")]
    IdToken,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names of OpenID Connect Discovery")]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    pub introspection_endpoint: Option<String>,
    pub end_session_endpoint: Option<String>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the registered names")]
pub enum AuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the registered names")]
pub enum ResponseMode {
    #[default]
    Query,
    FormPost,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the values of `prompt`")]
pub enum AccountPrompt {
    Login,
    SelectAccount,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Session {
    #[serde(default)]
    pub keys: Vec<SecretSource>,
    #[serde(default)]
    pub form: SessionForm,
    pub jwt: Option<OwnToken>,
    #[serde(default)]
    pub cookie: Cookie,
    pub lifetime: Option<Span>,
    pub idle: Option<Span>,
    #[serde(default)]
    pub follow_provider: bool,
    #[serde(default)]
    pub claims: Vec<ClaimName>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "see the configuration reference")]
pub enum SessionForm {
    #[default]
    Sealed,
    Jwt,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Cookie {
    pub name: Option<String>,
    pub same_site: Option<SameSite>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the attribute's names")]
pub enum SameSite {
    Lax,
    None,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Endpoints {
    pub login: Option<String>,
    pub callback: Option<String>,
    pub logout: Option<String>,
    pub session: Option<String>,
    pub authorize: Option<String>,
    pub token: Option<String>,
    pub jwks: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Logout {
    #[serde(default)]
    pub provider: bool,
    pub post_logout_redirect_uri: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct SignIn {
    pub timeout: Option<Span>,
    pub wait: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Rule {
    #[serde(default, rename = "match")]
    pub matches: Match,
    pub require: Requirement,
    pub unauthenticated: Option<Unauthenticated>,
    pub credentials: Option<Credentials>,
    pub audience: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "see the configuration reference")]
pub enum Credentials {
    Any,
    Session,
    Bearer,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Match {
    pub host: Option<String>,
    pub methods: Option<Vec<String>>,
    pub path: Option<String>,
    pub path_separated_prefix: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "see the configuration reference")]
pub enum Unauthenticated {
    Redirect,
    Respond,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct RoutePolicies {
    pub filter_metadata: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct ClaimToHeader {
    pub claim_name: ClaimName,
    pub header_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Forward {
    #[serde(default)]
    pub access_token: bool,
    #[serde(default)]
    pub id_token: bool,
    #[serde(default)]
    pub session_cookie: bool,
    pub identity_jwt: Option<OwnToken>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see the configuration reference")]
pub struct Help {
    pub text: Option<String>,
    pub url: Option<String>,
}

/// `public`, `authenticated`, or a condition.
#[derive(Debug)]
pub enum Requirement {
    /// A word.
    Word(String),
    /// A condition.
    Condition(Box<Condition>),
}

/// A condition; several members in one object must all hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default)]
    pub any_provider: bool,
    pub policy: Option<String>,
    pub all: Option<Vec<Condition>>,
    pub any: Option<Vec<Condition>>,
    pub not: Option<Box<Condition>>,
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Requirement;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "public, authenticated or a condition; write require: authenticated or require: {claim: groups, any_of: [admins]}",
                )
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Requirement, E> {
                Ok(Requirement::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Requirement, A::Error> {
                let condition = Condition::deserialize(MapAccessDeserializer::new(members))?;
                Ok(Requirement::Condition(Box::new(condition)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
