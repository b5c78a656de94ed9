//! The members of a provider, as an operator writes them. What they mean is never checked here.

use serde_json::Value;

#[cfg(not(target_arch = "wasm32"))]
use crate::config::providers::algorithms;
use crate::config::providers::bearer::BearerShape;
use crate::config::providers::source::MetadataShape;
use crate::config::reading::place::{Place, Read, shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::{Reached, Span};
#[cfg(not(target_arch = "wasm32"))]
use crate::config::settings::LONGEST_TIMEOUT;
use crate::words::secret::Secret;

shape! {
    pub(crate) struct ProviderShape {
        /// letters, digits, `-`, `_`, `.`, no `.` at the end; unique; it appears in logs and redirect URIs
        pub(super) name: String where text("text", "^[A-Za-z0-9_.-]*[A-Za-z0-9_-]$"),
        /// https, no query, without `/.well-known/…`; compared character by character, a slash at the end included
        /// Default: this or `metadata`
        pub(super) issuer: Option<String> where named("URL"),
        /// for a provider without discovery; single endpoints may be written beside `issuer`. See below
        /// Default: this or `issuer`
        pub(super) metadata: Option<MetadataShape>,
        /// which of Envoy's clusters reaches which host; see below
        /// Default: required for every host that is called
        pub(super) clusters: Reached = default,
        /// without it nobody can sign in at this provider, and only its `bearer` has an effect: [Bearer tokens](#bearer-tokens)
        /// Default: required to sign in
        pub(super) client_id: Option<String> where text("text", "\\S"),
        /// `false` for a client by which Accredit only gets tokens for [applications](#a-token-of-its-own-for-the-application), or asks about
        /// bearer tokens: nobody signs in there
        /// Default: `true` where there is a `client_id`
        pub(super) sign_in: Option<bool>,
        /// white space around it is trimmed
        /// Default: required; refused with `token_endpoint_auth_method: none`
        pub(super) client_secret: Option<Secret>,
        /// how the client proves at the provider who it is
        /// Default: `client_secret_basic`
        pub(super) token_endpoint_auth_method: Option<AuthMethod>,
        /// one text, no list: separated by spaces; `openid` must be among them
        /// Default: `openid profile email`
        pub(super) scope: Option<Scope>,
        /// further parameters of the authorization request
        /// Default: `{}`
        pub(super) authorization_params: Vec<(String, Checked<String>)> = default,
        /// how the provider sends its response: in the address, or in a form; see below
        /// Default: `query`
        pub(super) response_mode: ResponseModeWord = default,
        /// the page of a [front end that keeps its own token](#a-front-end-that-keeps-its-own-token)
        pub(super) redirect_uri: Option<String> where urls(),
        /// the `prompt` for a person who wants another account; see below
        /// Default: `login`
        pub(super) account_prompt: Option<AccountPrompt>,
        /// whose pages may show [`endpoints.frontchannel_logout`](#front-channel-logout) in a frame
        /// Default: the origin of the issuer
        pub(super) frame_ancestors: Option<Vec<Checked<String>>> where list(origins()).at_least(1),
        /// ask the userinfo endpoint at every sign-in
        /// Default: `false`
        pub(super) userinfo: Option<bool>,
        /// who else may be among the audiences (`aud`) of an ID token that has no `azp`; see below
        pub(super) trusted_audiences: Option<Vec<Checked<String>>> where list(named("text")).at_least(1),
        /// counts as verified where the provider does not say it; see below
        /// Default: none
        pub(super) dangerously_assume_verified: Vec<Checked<String>> = default where verifiable_claims(),
        /// how far the provider's clock may be from this one
        /// Default: `60`
        pub(super) clock_skew_seconds: Option<u64> where numbers(0, 600),
        /// accepts this provider's access tokens: [Bearer tokens](#bearer-tokens)
        pub(super) bearer: Option<BearerShape>,
        /// how ID tokens may be signed; see below
        /// Default: `[RS256, PS256, ES256]`
        pub(super) algorithms: Option<Vec<Checked<String>>> where list(words(algorithms::published())).at_least(1),
        /// for each call
        /// Default: `5s`
        pub(super) timeout: Option<Span> where positive_spans(LONGEST_TIMEOUT),
        /// whether calls that a request causes carry its `traceparent`; see below
        /// Default: `true`
        pub(super) trace_context: Option<bool>,
        /// allows plain http to a provider on another machine; see below
        /// Default: `false`
        pub(super) allow_insecure_http: bool = default,
    }
}

words! {
    /// `token_endpoint_auth_method`, by the names that are registered for it (RFC 7591, section 2).
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum AuthMethod {
        ClientSecretBasic = "client_secret_basic",
        ClientSecretPost = "client_secret_post",
        None = "none",
    }
}

words! {
    /// `response_mode`, by the names of OAuth 2.0 Multiple Response Type Encoding Practices and Form Post Response Mode.
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    pub(super) enum ResponseModeWord {
        #[default]
        Query = "query",
        FormPost = "form_post",
    }
}

words! {
    /// `account_prompt`: the value of `prompt` in the authorization request of somebody who wants another account.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum AccountPrompt {
        Login = "login",
        SelectAccount = "select_account",
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl crate::config::described::Described for Scope {
    fn kind() -> crate::config::described::Kind {
        crate::config::described::text("text", "(^| )openid( |$)")
    }
}

/// `scope` of the authorization request, as it is written: one text (RFC 6749, section 3.3).
pub(super) struct Scope(pub(super) String);

impl Read for Scope {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        match place.value {
            Value::String(text) => Ok(Self(text.clone())),
            _ => Err(place.mismatch("one text with spaces between the scopes", "write scope: openid profile email", refusals)),
        }
    }
}
