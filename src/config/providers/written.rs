//! The members of a provider, as an operator writes them. What they mean is never checked here.

use serde_json::Value;

use crate::config::providers::bearer::BearerShape;
use crate::config::providers::source::MetadataShape;
use crate::config::reading::place::{Place, Read, shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::{Reached, Span};
use crate::words::secret::Secret;

shape! {
    pub(crate) struct ProviderShape {
        pub(super) name: String,
        pub(super) issuer: Option<String>,
        pub(super) metadata: Option<MetadataShape>,
        pub(super) clusters: Reached = default,
        pub(super) client_id: Option<String>,
        pub(super) client_secret: Option<Secret>,
        pub(super) token_endpoint_auth_method: Option<AuthMethod>,
        pub(super) scope: Option<Scope>,
        pub(super) authorization_params: Vec<(String, Checked<String>)> = default,
        pub(super) response_mode: ResponseModeWord = default,
        pub(super) redirect_uri: Option<String>,
        pub(super) account_prompt: Option<AccountPrompt>,
        pub(super) userinfo: Option<bool>,
        pub(super) trusted_audiences: Option<Vec<Checked<String>>>,
        pub(super) dangerously_assume_verified: Vec<Checked<String>> = default,
        pub(super) clock_skew_seconds: Option<u64>,
        pub(super) bearer: Option<BearerShape>,
        pub(super) algorithms: Option<Vec<Checked<String>>>,
        pub(super) timeout: Option<Span>,
        pub(super) trace_context: Option<bool>,
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
