//! Token introspection (RFC 7662): asks a provider about a token that only it can read, and reads the response. The caller
//! decides when to ask, and how long a response counts. Signed responses (RFC 9701) are not requested.

use serde_json::Value;

use crate::crypto::jws::LONGEST_TOKEN;
use crate::http::message::{HttpCall, Reply};
use crate::oidc::bearer::accepted::{
    Bearer, Clients, Introspection, MissingAudience, MissingSubject, MissingTokenType, TokenKind,
};
use crate::oidc::bearer::access_token::{self, AccessToken, invalid};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::oidc::reply::{self, FailureReasons};
use crate::words::principal::{Claims, USERNAME_PREFIX, is_reserved};
use crate::words::quote::quote;
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
    let url = metadata.needed(EndpointName::Introspection).map_err(no_endpoint)?;
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
    let asked = accepted.introspection.as_ref().ok_or_else(not_asked)?;
    let url = metadata.needed(EndpointName::Introspection).map_err(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    if matches!(answer.status, 401 | 403) {
        let tried = provider.authentication.tried(&provider.client_id);
        let detail = format!("status {}; {tried}; may this client ask about tokens?", answer.status);
        return Err(answer.malformed(&detail));
    }
    let mut claims = answer.typed_document("application/json (signed answers are not supported)")?;
    claims.retain(|_, value| !value.is_null());
    match claims.get("active") {
        Some(Value::Bool(true)) => read(provider, accepted, asked, claims, known, now),
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
    asked: &Introspection,
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
    client(&claims, &asked.clients)?;
    if claims.contains_key("aud") {
        access_token::audience(&claims, accepted)?;
    } else if known == KnownBefore::Nothing {
        missing_audience(&claims, asked.missing_audience)?;
    }
    let expires = access_token::times(&claims, provider, now)?.unwrap_or_else(|| now.plus(asked.cache));
    let subject = subject(&claims, known, asked.missing_subject)?;
    Ok(AccessToken { claims, subject, expires })
}

fn no_endpoint(why: String) -> Failure {
    Failure::new(Reason::IntrospectionUnavailable, why)
}

/// Checks whose token it is: that of a client that is listed, if any are.
fn client(claims: &Claims, clients: &Clients) -> Result<(), Failure> {
    let Clients::Listed(listed) = clients else { return Ok(()) };
    match claims.get("client_id") {
        Some(Value::String(client)) if listed.contains(client) => Ok(()),
        Some(Value::String(client)) => Err(invalid(format!("its client_id {} is none of client_ids", quote(client)))),
        Some(_) => Err(invalid("its client_id is not a text")),
        None => {
            Err(invalid("the provider does not say of which client it is (client_id), and client_ids lists whose are accepted"))
        }
    }
}

/// Whether a token for nobody in particular is accepted. Whatever is taken for granted, no claim is added, so that a rule that asks
/// for an audience still asks for what the provider said.
fn missing_audience(claims: &Claims, missing: MissingAudience) -> Result<(), Failure> {
    // Some providers answer about refresh tokens, too, and leave out what only access tokens have.
    let is_access_token = claims.contains_key("token_type") || missing == MissingAudience::Assumed(MissingTokenType::Assumed);
    match missing {
        MissingAudience::Refused => {
            Err(invalid("the provider does not say for whom it is (aud); let it, or write assume: {audience: …}, and client_ids"))
        }
        MissingAudience::Allowed | MissingAudience::Assumed(_) if is_access_token => Ok(()),
        MissingAudience::Allowed => Err(invalid("neither aud nor token_type says that it is an access token")),
        MissingAudience::Assumed(_) => Err(invalid(
            "neither aud nor token_type says that it is an access token; if the provider answers for no others, write token_type: Bearer under assume",
        )),
    }
}

/// Who is asking. A verified JWT has said so before.
fn subject(claims: &Claims, known: KnownBefore<'_>, missing: MissingSubject) -> Result<String, Failure> {
    let stated = claims.get("sub");
    match (known, missing, claims.get("username")) {
        (KnownBefore::Subject(known), _, _) if stated.is_none_or(|stated| *stated == *known) => Ok(known.to_owned()),
        (KnownBefore::Subject(_), _, _) => Err(invalid("the provider names another subject than the token")),
        (KnownBefore::Nothing, MissingSubject::Username, Some(username)) if stated.is_none() => by_username(username),
        (KnownBefore::Nothing, _, _) => access_token::subject(claims),
    }
}

/// Somebody whom the provider names by `username` alone, with a prefix that no `sub` has.
fn by_username(username: &Value) -> Result<String, Failure> {
    let name = username.as_str().filter(|name| !name.is_empty() && !is_reserved(name));
    let subject = name.map(|name| format!("{USERNAME_PREFIX}{name}"));
    subject.filter(|subject| access_token::is_plain(subject)).ok_or_else(|| {
        invalid("its username is not a text of printable ASCII characters, is too long, or begins with client: or username:")
    })
}

fn not_asked() -> Failure {
    Failure::new(Reason::IntrospectionUnavailable, "this provider is not asked about tokens")
}

#[cfg(test)]
mod tests;
