//! Verifies access tokens that are JWTs, as a resource server does (RFC 7519, RFC 8725, RFC 9068). How the token was sent, and
//! what it gives access to, is not known here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::crypto::jws::{JwsError, LONGEST_TOKEN, Unverified};
use crate::crypto::key::KeySet;
use crate::oidc::bearer::accepted::{Bearer, TokenKind};
use crate::oidc::provider::Provider;
use crate::oidc::times::{self, WrongTime};
use crate::words::principal::{CLIENT_PREFIX, Claims, has_any, is_reserved};
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// An access token that was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// All claims of the token.
    pub claims: Claims,
    /// `sub`, or the identifier of the client for a token that is about no person.
    pub subject: String,
    /// `exp`.
    pub expires: Timestamp,
}

impl AccessToken {
    /// The client that it was issued to: `client_id` (RFC 9068, section 2.2; RFC 7662, section 2.2) or `azp` (OpenID Connect Core, section
    /// 2), or what some providers have in their place; `None` if none of them is a text.
    pub fn client(&self) -> Option<&str> {
        ["client_id", "azp", "appid", "cid"].iter().find_map(|name| self.claims.get(*name)?.as_str())
    }
}

/// Why an access token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTokenError {
    /// It may be signed with a key that was published after ours were fetched. If there are no newer keys, this is the failure.
    KeyUnknown(Failure),
    /// The key that it names has not signed it. That key may have been replaced under the same `kid`.
    SignatureInvalid(Failure),
    /// It is refused for good.
    Refused(Failure),
}

impl From<Failure> for AccessTokenError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// The issuer that a token claims to be from, to find out whose keys to try. It is read even from a token that is malformed
/// otherwise, so that the refusal can name the provider. Nothing about it is verified.
pub fn claimed_issuer<'a>(token: LentSecret<'_>, read: &'a Result<Unverified<'_>, JwsError>) -> Option<Cow<'a, str>> {
    if let Some(issuer) = read.as_ref().ok().and_then(Unverified::claimed_issuer) {
        return Some(issuer.into());
    }
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("iss")?.as_str().map(|issuer| issuer.to_owned().into())
}

/// Whether a text has the form of a signed JWT, whoever made it: three parts, of which the first is a JSON object with `alg`.
pub fn is_signed(token: LentSecret<'_>) -> bool {
    let mut parts = token.expose().split('.');
    let header = parts.next().and_then(|header| URL_SAFE_NO_PAD.decode(header.trim_end_matches('=')).ok()).unwrap_or_default();
    let names_algorithm = serde_json::from_slice::<Value>(&header).is_ok_and(|header| header.get("alg").is_some());
    names_algorithm && parts.count() == 2
}

/// Verifies an access token of a provider (RFC 9068, section 4; RFC 8725, section 3).
///
/// # Errors
/// See [`AccessTokenError`]. The reason is [`Reason::TokenExpired`] or [`Reason::TokenInvalid`], and the detail says what is
/// wrong.
pub fn verify(
    world: &dyn World,
    provider: &Provider,
    accepted: &Bearer,
    token: Result<Unverified<'_>, JwsError>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<AccessToken, AccessTokenError> {
    let verified = token.and_then(|token| token.verify(world, keys, &accepted.algorithms)).map_err(refused_signature)?;
    judge(provider, accepted, verified.typ.as_deref(), verified.claims, now)
}

/// Judges what a token says, whose signature was verified before: the `typ` of its header, and its claims.
///
/// # Errors
/// [`AccessTokenError::Refused`].
pub fn judge(
    provider: &Provider,
    accepted: &Bearer,
    typ: Option<&str>,
    claims: Claims,
    now: Timestamp,
) -> Result<AccessToken, AccessTokenError> {
    check_typ(typ, accepted.kind)?;
    kind(&claims, accepted.kind)?;
    issuer(&claims, provider)?;
    audience(&claims, accepted)?;
    let expires = times(&claims, provider, now)?.ok_or_else(|| invalid("exp is missing"))?;
    let subject = subject(&claims)?;
    Ok(AccessToken { claims, subject, expires })
}

pub(super) fn invalid(detail: impl Into<String>) -> Failure {
    Failure::new(Reason::TokenInvalid, detail)
}

fn refused_signature(error: JwsError) -> AccessTokenError {
    let failure = invalid(error.to_string());
    match error {
        JwsError::KeyUnknown { .. } | JwsError::SignatureByNoKey => AccessTokenError::KeyUnknown(failure),
        JwsError::AlgorithmNotForKey { .. } | JwsError::SignatureInvalid => AccessTokenError::SignatureInvalid(failure),
        JwsError::Malformed(_) | JwsError::AlgorithmNotAllowed { .. } | JwsError::KeyAmbiguous => {
            AccessTokenError::Refused(failure)
        }
    }
}

/// The kind of the token, by its `typ`: tokens of other kinds are refused (RFC 8725, section 3.11).
fn check_typ(typ: Option<&str>, wanted: TokenKind) -> Result<(), Failure> {
    let typ = typ.map(str::to_ascii_lowercase);
    let says_at_jwt = matches!(typ.as_deref(), Some("at+jwt" | "application/at+jwt"));
    if !says_at_jwt && !matches!(typ.as_deref(), None | Some("jwt")) {
        return Err(invalid("its typ says that it is no access token"));
    }
    if wanted == TokenKind::AtJwt && !says_at_jwt {
        return Err(invalid("expected typ at+jwt, found another; write type: access_token if the provider does not set it"));
    }
    Ok(())
}

/// The kind of the token, by its claims (RFC 8725, section 3.12): ID tokens are for the client, logout tokens are for its back
/// channel, and a token that is bound to a key proves nothing without that key.
pub(super) fn kind(claims: &Claims, wanted: TokenKind) -> Result<(), Failure> {
    if has_any(claims, &["cnf", "events"]) {
        return Err(invalid("it is bound to a key (cnf), or tells of events"));
    }
    let other_than = |name: &str, expected: &[&str]| {
        let good = |found: &str| expected.iter().any(|expected| found.eq_ignore_ascii_case(expected));
        claims.get(name).is_some_and(|found| !found.as_str().is_some_and(good))
    };
    let for_the_client = has_any(claims, &["nonce", "at_hash", "c_hash", "s_hash"])
        || other_than("typ", &["Bearer"])
        || other_than("token_use", &["access", "access_token"]);
    // RFC 6749, section 1.5: refresh tokens are for authorization servers alone, and never sent to a resource server. (idpyoidc
    // says it by token_class alone.)
    let says_refresh = |name: &str| {
        let found = claims.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        found.starts_with("refresh") || found == "offline"
    };
    if ["typ", "token_use", "token_class"].iter().any(|name| says_refresh(name)) {
        return Err(invalid("this is a refresh token"));
    }
    if wanted == TokenKind::AccessToken && for_the_client {
        return Err(invalid("this is an ID token or a refresh token; write type: id_token if the provider has nothing else"));
    }
    Ok(())
}

pub(super) fn issuer(claims: &Claims, provider: &Provider) -> Result<(), Failure> {
    match claims.get("iss").and_then(Value::as_str) {
        Some(issuer) if issuer == provider.issuer() => Ok(()),
        _ => Err(invalid(format!("expected iss {}, found another", quote(provider.issuer())))),
    }
}

pub(super) fn audience(claims: &Claims, accepted: &Bearer) -> Result<(), Failure> {
    let all = || accepted.audiences.iter().chain(&accepted.resource_audiences);
    let is_ours = |audience: &Value| audience.as_str().is_some_and(|audience| all().any(|ours| ours == audience));
    let found = claims.get("aud");
    let ours = match found {
        Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
        Some(audience) => is_ours(audience),
        None => false,
    };
    if ours {
        return Ok(());
    }
    let found = found.map_or_else(|| "none".to_owned(), |found| quote(&found.to_string()));
    let expected = all().map(String::as_str).collect::<Vec<_>>().join(" or ");
    Err(invalid(format!("expected aud {}, found {found}", quote(&expected))))
}

/// Checks the times, as far as they are there, and returns `exp`.
pub(super) fn times(claims: &Claims, provider: &Provider, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    times::check(claims, provider.clock_skew, now).map_err(|wrong| match wrong {
        WrongTime::Expired(detail) => Failure::new(Reason::TokenExpired, detail),
        WrongTime::Other(detail) => invalid(detail),
    })
}

/// `sub`; or, for a token that is about no person, the client, with a prefix that no `sub` has.
pub(super) fn subject(claims: &Claims) -> Result<String, Failure> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = match claims.get("sub") {
        Some(_) => text("sub").filter(|subject| !is_reserved(subject)).map(str::to_owned),
        None => text("client_id").or_else(|| text("azp")).map(|client| format!("{CLIENT_PREFIX}{client}")),
    };
    subject
        .filter(|subject| is_plain(subject))
        .ok_or_else(|| invalid("it names neither a subject nor a client, or a subject that begins with client: or username:"))
}

/// Whether a subject fits into headers, logs and tokens: 1 to 255 printable ASCII characters.
pub(super) fn is_plain(subject: &str) -> bool {
    !subject.is_empty() && subject.len() <= 255 && subject.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests;
