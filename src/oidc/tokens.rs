//! Reads what the token endpoint answers to every kind of request (RFC 6749, section 5): tokens, or an error. No ID token is
//! verified here.

use std::time::Duration;

use serde_json::Value;

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

/// The tokens for an authorization code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// For the provider's own endpoints and services. It is not read here.
    pub access_token: Secret,
    /// About the person, for us. It is not verified yet.
    pub id_token: Secret,
    /// To get new tokens with later.
    pub refresh_token: Option<Secret>,
    /// How long the access token is valid from now on, if the provider says so.
    pub expires_in: Option<Duration>,
    /// The scope that was granted, if the provider says so.
    pub scope: Option<String>,
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
    /// How long the access token is valid from now on, if the provider says so.
    pub expires_in: Option<Duration>,
    /// The provider's clock, as in [`TokenSet`].
    pub provider_clock: Option<Timestamp>,
}

/// The failure that an error response tells (RFC 6749, section 5.2). Some providers send errors with the status 200.
pub(super) fn refusal(provider: &Provider, answer: &Answer<'_>) -> Option<Failure> {
    let members = answer.object().unwrap_or_default();
    let error = members.get("error").and_then(Value::as_str);
    let description = members.get("error_description").and_then(Value::as_str);
    let words = match error {
        Some(error) => format!("status {}, {}", answer.status, reply::error_words(error, description)),
        None => format!("status {}", answer.status),
    };
    if answer.status == 401 || error == Some("invalid_client") {
        let detail = format!("{words}; {}", provider.authentication.tried());
        return Some(Failure::new(Reason::ClientAuthenticationFailed, answer.says(&detail)));
    }
    let refused = (400..500).contains(&answer.status) || members.contains_key("error");
    refused.then(|| Failure::new(Reason::CodeRefused, answer.says(&words)))
}

/// Reads the tokens of a successful response (RFC 6749, section 5.1).
pub(super) fn read(members: &Claims, provider_clock: Option<Timestamp>) -> Result<RefreshedTokens, String> {
    // RFC 6749, appendices A.12 and A.17: tokens are printable ASCII. Other characters could end a header that carries the token.
    let token = |name: &str| match reply::text(members, name)?.filter(|text| !text.is_empty()) {
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(format!("{name} is not printable ASCII")),
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
        expires_in: expires_in(members)?,
        provider_clock,
    })
}

/// `expires_in`, in seconds. Some providers write it as a text.
fn expires_in(members: &Claims) -> Result<Option<Duration>, String> {
    let seconds = match members.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        // The fraction of a second is dropped.
        Some(Value::Number(number)) => {
            number.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).map(|seconds| seconds as u64)
        }
        Some(Value::String(text)) => text.split('.').next().and_then(|whole| whole.parse().ok()),
        Some(_) => None,
    };
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| "expires_in is no number of seconds".to_owned())
}
