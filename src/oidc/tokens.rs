//! What the token endpoint answers, whatever it was asked for (RFC 6749, section 5): tokens, or why there are none. No ID token is
//! believed here.

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

/// What a code was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// For the provider's own services.
    pub access_token: Secret,
    /// For us; not verified yet.
    pub id_token: Secret,
    /// For new tokens later.
    pub refresh_token: Option<Secret>,
    /// How long the access token lives.
    pub expires_in: Option<Duration>,
    /// What was granted, when the provider says so.
    pub scope: Option<String>,
    /// The provider's clock, to the second, when its answer has a `Date`: for the words about a clock that is wrong.
    pub provider_clock: Option<Timestamp>,
}

/// What a refresh token was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedTokens {
    /// The new access token.
    pub access_token: Secret,
    /// Section 12.2: "the response body … might not contain an id_token". Not verified yet.
    pub id_token: Option<Secret>,
    /// The one to use from now on; without it, the former stays (RFC 6749, section 6).
    pub refresh_token: Option<Secret>,
    /// How long the access token lives.
    pub expires_in: Option<Duration>,
    /// The provider's clock, when its answer has a `Date`.
    pub provider_clock: Option<Timestamp>,
}

/// RFC 6749, section 5.2. Some say 200 to an error; it is one all the same.
pub(super) fn refusal(provider: &Provider, answer: &Answer<'_>) -> Option<Failure> {
    let members = answer.object().unwrap_or_default();
    let error = members.get("error").and_then(Value::as_str);
    let description = members.get("error_description").and_then(Value::as_str);
    let words = match error {
        Some(error) => format!("status {}, {}", answer.status, reply::error_words(error, description)),
        None => format!("status {}", answer.status),
    };
    if answer.status == 401 || error == Some("invalid_client") {
        let method = provider.authentication.method();
        let detail = format!("{words}; token_endpoint_auth_method {method} was tried: check it, client_id and client_secret");
        return Some(Failure::new(Reason::ClientAuthenticationFailed, answer.says(&detail)));
    }
    let refused = (400..500).contains(&answer.status) || members.contains_key("error");
    refused.then(|| Failure::new(Reason::CodeRefused, answer.says(&words)))
}

/// Tokens, as they stand in an answer.
pub(super) fn read(members: &Claims, provider_clock: Option<Timestamp>) -> Result<RefreshedTokens, String> {
    // RFC 6749, appendices A.12 and A.17: tokens are printable ASCII. Anything else could end a header that carries one.
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

/// Seconds; some write them as text.
fn expires_in(members: &Claims) -> Result<Option<Duration>, String> {
    let seconds = match members.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        // A fraction of a second is not worth having.
        Some(Value::Number(number)) => {
            number.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).map(|seconds| seconds as u64)
        }
        Some(Value::String(text)) => text.split('.').next().and_then(|whole| whole.parse().ok()),
        Some(_) => None,
    };
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| "expires_in is no number of seconds".to_owned())
}
