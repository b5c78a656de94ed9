//! Token introspection (RFC 7662): asks a provider about a token that only it can read, and reads the response. The caller
//! decides when to ask, and how long a response counts. Signed responses (RFC 9701) are not requested.

use std::time::Duration;

use serde_json::Value;

use crate::crypto::jws::LONGEST_TOKEN;
use crate::http::message::{HttpCall, Reply};
use crate::oidc::bearer::accepted::{Bearer, MissingAudience, TokenKind};
use crate::oidc::bearer::access_token::{self, AccessToken, invalid};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::Provider;
use crate::oidc::reply::{self, FailureReasons};
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;
use crate::words::world::World;

const REASONS: FailureReasons = FailureReasons {
    timeout: Reason::IntrospectionUnavailable,
    unreachable: Reason::IntrospectionUnavailable,
    malformed: Reason::IntrospectionUnavailable,
};

/// The introspection request (RFC 7662, section 2.1).
///
/// # Errors
/// [`Reason::TokenInvalid`] for a token that is too long to ask about; [`Reason::IntrospectionUnavailable`] if the provider has
/// no such endpoint, or no listed cluster reaches it.
pub fn introspection_request(
    world: &mut dyn World,
    provider: &Provider,
    metadata: &Metadata,
    token: LentSecret<'_>,
) -> Result<HttpCall, Failure> {
    if token.len() > LONGEST_TOKEN {
        return Err(invalid("it is longer than 16 KiB"));
    }
    let url = metadata.introspection_endpoint.as_ref().ok_or_else(no_endpoint)?;
    let parameters = [("token", token.expose()), ("token_type_hint", "access_token")];
    provider.call_as_client(world, url, &parameters, Reason::IntrospectionUnavailable)
}

/// Reads the introspection response (RFC 7662, section 2.2). If the token is a JWT that was verified before, `known` is its
/// subject, and `aud` may be missing in the response.
///
/// # Errors
/// [`Reason::TokenInvalid`] or [`Reason::TokenExpired`] if the token is not accepted; [`Reason::IntrospectionUnavailable`] if the
/// response says nothing about the token, which may be good.
pub fn introspection_response(
    provider: &Provider,
    metadata: &Metadata,
    accepted: &Bearer,
    reply: &Reply,
    known: KnownBefore<'_>,
    now: Timestamp,
) -> Result<AccessToken, Failure> {
    let url = metadata.introspection_endpoint.as_ref().ok_or_else(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    if matches!(answer.status, 401 | 403) {
        let method = provider.authentication.method();
        let detail = format!("status {}; {method} was tried: may this client ask about tokens?", answer.status);
        return Err(answer.malformed(&detail));
    }
    let mut claims = answer.typed_document("application/json (signed answers are not supported)")?;
    claims.retain(|_, value| !value.is_null());
    match claims.get("active") {
        Some(Value::Bool(true)) => read(provider, accepted, claims, known, now),
        Some(Value::Bool(false)) => Err(invalid("the provider says that it is not active")),
        _ => Err(answer.malformed("active is neither true nor false")),
    }
}

/// What is known about a token before its provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum KnownBefore<'a> {
    Nothing,
    /// It is a verified JWT with this subject.
    Subject(&'a str),
}

fn read(
    provider: &Provider,
    accepted: &Bearer,
    claims: Claims,
    known: KnownBefore<'_>,
    now: Timestamp,
) -> Result<AccessToken, Failure> {
    // `at+jwt` stands in the header of a JWT, which an opaque token does not have.
    let wanted = if accepted.kind == TokenKind::IdToken { TokenKind::IdToken } else { TokenKind::AccessToken };
    access_token::kind(&claims, wanted)?;
    let token_type = claims.get("token_type");
    if token_type.is_some_and(|found| !found.as_str().is_some_and(|found| found.eq_ignore_ascii_case("bearer"))) {
        return Err(invalid("its token_type is not Bearer"));
    }
    if claims.contains_key("iss") {
        access_token::issuer(&claims, provider)?;
    }
    let allowed = accepted.introspection.as_ref().is_some_and(|asked| asked.missing_audience == MissingAudience::Allowed);
    match (claims.contains_key("aud"), known) {
        (false, KnownBefore::Subject(_)) => {}
        // Some providers answer about refresh tokens, too, and leave out what only access tokens have.
        (false, KnownBefore::Nothing) if allowed && token_type.is_none() => {
            return Err(invalid("neither aud nor token_type says that it is an access token"));
        }
        (false, KnownBefore::Nothing) if allowed => {}
        (false, KnownBefore::Nothing) => {
            return Err(invalid("the provider does not say for whom it is (aud); let it, or write allow_missing_audience: true"));
        }
        (true, _) => access_token::audience(&claims, accepted)?,
    }
    let lasts = accepted.introspection.as_ref().map_or(Duration::ZERO, |asked| asked.cache);
    let expires = access_token::times(&claims, provider, now)?.unwrap_or_else(|| now.plus(lasts));
    let subject = match known {
        KnownBefore::Subject(known) if !claims.contains_key("sub") => known.to_owned(),
        KnownBefore::Subject(known) if claims.get("sub").and_then(Value::as_str) != Some(known) => {
            return Err(invalid("the provider names another subject than the token"));
        }
        KnownBefore::Subject(_) | KnownBefore::Nothing => access_token::subject(&claims)?,
    };
    Ok(AccessToken { claims, subject, expires })
}

fn no_endpoint() -> Failure {
    Failure::new(Reason::IntrospectionUnavailable, "the provider has no introspection_endpoint")
}

#[cfg(test)]
mod tests;
