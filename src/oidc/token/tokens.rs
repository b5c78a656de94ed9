//! Reads what the token endpoint answers to every kind of request (RFC 6749, section 5): tokens, or an error. No ID token is
//! verified here.

use std::time::Duration;

use serde_json::Value;

use crate::http::cause::error_words;
use crate::oidc::provider::Provider;
use crate::oidc::reply::{self, Answer, FailureReasons};
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

pub(super) const REASONS: FailureReasons = FailureReasons {
    timeout: Reason::TokenEndpointTimeout,
    unreachable: Reason::TokenEndpointUnreachable,
    malformed: Reason::TokenResponseMalformed,
};

/// The failure of a call to an endpoint that is missing or must not be used; `why` is the sentence about it.
pub(super) fn no_endpoint(why: String) -> Failure {
    Failure::new(Reason::TokenEndpointUnreachable, why)
}

/// How long a token is valid (RFC 6749, section 5.1: `expires_in`, which is optional).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// For so long, from the response on.
    Said(Duration),
    /// The provider does not say it.
    NotSaid,
    /// The provider says it in a way that cannot be read. That matters only where something depends on it.
    Unreadable,
}

impl Lifetime {
    /// The time that the provider said.
    pub const fn said(self) -> Option<Duration> {
        match self {
            Self::Said(span) => Some(span),
            Self::NotSaid | Self::Unreadable => None,
        }
    }
}

/// The tokens for an authorization code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// For the provider's own endpoints and services. It is not read here.
    pub access_token: Secret,
    /// About the person, for us. It is not verified yet.
    pub id_token: Secret,
    /// To get new tokens with later.
    pub refresh_token: Option<Secret>,
    /// How long the access token is valid from now on.
    pub expires_in: Lifetime,
    /// The provider's clock, to the second, from the `Date` of its response. It only helps to say whose clock is wrong.
    pub provider_clock: Option<Timestamp>,
}

/// The tokens for a refresh token.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedTokens {
    pub access_token: Secret,
    /// It is not verified yet. OpenID Connect Core, section 12.2, allows a response without it.
    pub id_token: Option<Secret>,
    /// The refresh token from now on; if absent, the former one stays valid (RFC 6749, section 6).
    pub refresh_token: Option<Secret>,
    /// How long the access token is valid from now on.
    pub expires_in: Lifetime,
    /// The provider's clock, as in [`TokenSet`].
    pub provider_clock: Option<Timestamp>,
}

/// The failure that an error response tells (RFC 6749, section 5.2). Some providers send errors with the status 200.
pub(super) fn refusal(provider: &Provider, answer: &Answer<'_>) -> Option<Failure> {
    let members = answer.object().unwrap_or_default();
    let error = members.get("error").and_then(Value::as_str);
    let description = members.get("error_description").and_then(Value::as_str);
    let words = match error {
        Some(error) => format!("status {}, {}", answer.status, error_words(error, description)),
        None => format!("status {}", answer.status),
    };
    let tried = || format!("{words}; {}", provider.authentication.tried(&provider.client_id));
    let (reason, detail) = match error {
        // Something before the provider answered, such as a firewall.
        None if (400..500).contains(&answer.status) && answer.is_foreign() => (
            Reason::TokenEndpointUnreachable,
            format!("{words} with something that is not JSON; a firewall, or another address?"),
        ),
        Some("invalid_client") => (Reason::ClientAuthenticationFailed, tried()),
        // Some providers say so of a wrong secret.
        Some("unauthorized_client") => (Reason::TokenRequestRefused, tried()),
        Some("unsupported_grant_type" | "invalid_scope" | "invalid_request") => (Reason::TokenRequestRefused, words),
        _ if answer.status == 401 => (Reason::ClientAuthenticationFailed, tried()),
        None if (400..500).contains(&answer.status) => (Reason::CodeRefused, format!("{words}, and no error is named")),
        Some(_) => (Reason::CodeRefused, words),
        None if members.get("error").is_some_and(|error| !error.is_null()) => (Reason::CodeRefused, words),
        None => return None,
    };
    Some(Failure::new(reason, answer.says(&detail)))
}

/// Reads the tokens of a successful response (RFC 6749, section 5.1).
pub(super) fn read(members: &Claims, provider_clock: Option<Timestamp>) -> Result<RefreshedTokens, String> {
    // RFC 6749, appendices A.12 and A.17: tokens are printable ASCII, and may have spaces. Other characters could end a header that
    // carries the token.
    let token = |name: &str| match reply::text(members, name)?.filter(|text| !text.is_empty()) {
        Some(text) if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Err(format!("{name} is not printable ASCII")),
        text => Ok(text),
    };
    // RFC 6749, section 5.1: the type is compared without case.
    let token_type = reply::text(members, "token_type")?.ok_or("token_type is missing")?;
    if !token_type.eq_ignore_ascii_case("bearer") {
        return Err("token_type is not Bearer".to_owned());
    }
    Ok(RefreshedTokens {
        access_token: token("access_token")?.map(Secret::new).ok_or("access_token is missing")?,
        id_token: token("id_token")?.map(Secret::new),
        refresh_token: token("refresh_token")?.map(Secret::new),
        expires_in: expires_in(members),
        provider_clock,
    })
}

/// `expires_in`, in seconds. Some providers write it as a text.
fn expires_in(members: &Claims) -> Lifetime {
    let seconds = match members.get("expires_in") {
        None | Some(Value::Null) => return Lifetime::NotSaid,
        Some(Value::String(text)) if text.is_empty() => return Lifetime::NotSaid,
        // The fraction of a second is dropped.
        Some(Value::Number(number)) => {
            number.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).map(|seconds| seconds as u64)
        }
        Some(Value::String(text)) => text.split('.').next().and_then(|whole| whole.parse().ok()),
        Some(_) => None,
    };
    seconds.map_or(Lifetime::Unreadable, |seconds| Lifetime::Said(Duration::from_secs(seconds)))
}
