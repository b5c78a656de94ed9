//! Asks a provider about a token that only it can read (RFC 7662), and reads what it says. When to ask, and for how long an
//! answer counts, is the caller's. Signed answers (RFC 9701) are not asked for.

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

/// Asks about a token (RFC 7662, section 2.1).
///
/// # Errors
/// [`Reason::TokenInvalid`] for one that is too long to ask about; [`Reason::IntrospectionUnavailable`] when there is no such
/// endpoint, or no listed cluster reaches it.
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

/// Reads what the provider says about a token (RFC 7662, section 2.2). Of an answer about a JWT that was verified before, `aud`
/// may be missing; `proved` is that token's subject.
///
/// # Errors
/// [`Reason::TokenInvalid`] and [`Reason::TokenExpired`] for a token that is not accepted; [`Reason::IntrospectionUnavailable`]
/// when the answer says nothing about the token: then it may be good.
pub fn introspection_response(
    provider: &Provider,
    metadata: &Metadata,
    accepted: &Bearer,
    reply: &Reply,
    proved: KnownBefore<'_>,
    now: Timestamp,
) -> Result<AccessToken, Failure> {
    let url = metadata.introspection_endpoint.as_ref().ok_or_else(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    if matches!(answer.status, 401 | 403) {
        let method = provider.authentication.method();
        let detail = format!("status {}; {method} was tried: may this client ask about tokens?", answer.status);
        return Err(answer.malformed(&detail));
    }
    if answer.status == 200 && !answer.is_json() {
        return Err(answer.malformed("the content type is not application/json (signed answers are not supported)"));
    }
    let mut claims = answer.document()?;
    claims.retain(|_, value| !value.is_null());
    match claims.get("active") {
        Some(Value::Bool(true)) => read(provider, accepted, claims, proved, now),
        Some(Value::Bool(false)) => Err(invalid("the provider says that it is not active")),
        _ => Err(answer.malformed("active is neither true nor false")),
    }
}

/// What is known of a token before its provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBefore<'a> {
    /// Nothing.
    Nothing,
    /// It is a good JWT of this subject.
    Subject(&'a str),
}

fn read(
    provider: &Provider,
    accepted: &Bearer,
    claims: Claims,
    proved: KnownBefore<'_>,
    now: Timestamp,
) -> Result<AccessToken, Failure> {
    // What a `type` of at+jwt demands stands in a header, which an opaque token has not.
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
    match (claims.contains_key("aud"), proved) {
        (false, KnownBefore::Subject(_)) => {}
        // Providers tell about refresh tokens too, by leaving out what only access tokens have.
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
    let subject = match proved {
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
