//! Verifies the logout tokens that a provider posts (OpenID Connect Back-Channel Logout 1.0 with errata set 1, section 2.6), in the
//! order of its steps. No claim is looked at before the signature was found good. Keys are not fetched here, no session is looked
//! for, and which tokens came before (step 8) is not known.

use std::time::Duration;

use serde_json::Value;

use crate::crypto::jws::{JwsError, LastHeader, Unverified, VerifiedJws};
use crate::crypto::key::KeySet;
use crate::oidc::claims::{audience, authorized_party, issuer, kept_name, present, short_typ, shown, subject};
use crate::oidc::id_token::not_allowed;
use crate::oidc::provider::Provider;
use crate::oidc::times::{Clock, TheirClock};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The member of `events` that makes a token a logout token (section 2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How long a token without `exp` can be used after its `iat`: as long as section 2.4 recommends for `exp`, which is required only
/// since errata set 1.
const LIFETIME_WITHOUT_EXP: Duration = Duration::from_secs(120);

/// A logout token that was verified. It names a person, a session, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// `sub`: whose sessions end. If there is a `sid` too, only that session of this person ends.
    pub sub: Option<String>,
    /// `sid`: the provider's name for the session that ends, in the form in which sessions keep it.
    pub sid: Option<String>,
    /// `iat`, by the provider's clock. A session that began later is not meant.
    pub issued: Timestamp,
    /// `jti`, or the hash of a long one.
    pub jti: String,
    /// From when on the token is refused as too old, so that its `jti` need not be remembered any longer.
    pub until: Timestamp,
}

/// Why a logout token is refused. The reason is [`Reason::LogoutTokenInvalid`], and the detail says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutTokenError {
    /// It may be signed with a key that was published after ours were fetched, perhaps under the `kid` of a former one. The caller
    /// fetches the keys and verifies again; if there are no newer ones, this is the failure.
    KeyUnknown(Failure),
    /// It is refused for good.
    Refused(Failure),
}

impl From<Failure> for LogoutTokenError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

fn invalid(detail: impl Into<String>) -> Failure {
    Failure::new(Reason::LogoutTokenInvalid, detail)
}

/// Verifies a logout token, which anybody may have sent. The keys and the algorithms are those of the provider's ID tokens.
///
/// # Errors
/// See [`LogoutTokenError`].
pub fn verify(
    world: &dyn World,
    provider: &Provider,
    token: &str,
    keys: &KeySet,
    now: Timestamp,
) -> Result<LogoutToken, LogoutTokenError> {
    not_encrypted(token)?; // step 1
    let VerifiedJws { claims, typ, .. } = Unverified::read(token, &mut LastHeader::default())
        .and_then(|token| token.verify(world, keys, &provider.algorithms)) // steps 2 and 3
        .map_err(|error| refused_signature(&error, provider))?;
    check_typ(typ.as_deref())?; // section 2.4
    judge(provider, &claims, now).map_err(|detail| invalid(detail).into())
}

/// Steps 4 to 7, for a token whose signature was verified.
fn judge(provider: &Provider, claims: &Claims, now: Timestamp) -> Result<LogoutToken, String> {
    let clock = Clock { now, skew: provider.clock_skew, theirs: TheirClock::Unknown };
    issuer(claims, provider.issuer())?; // step 4, as for ID tokens
    let audiences = audience(claims, provider)?;
    authorized_party(claims, provider, audiences)?;
    let issued = clock.issued(claims)?;
    let end = end(claims, issued, &clock)?;
    clock.not_before(claims)?;
    let (sub, sid) = whose(claims)?; // step 5
    event(claims)?; // step 6
    no_nonce(claims)?; // step 7
    let jti = name(claims, "jti")?.ok_or("jti is missing")?; // section 2.4
    Ok(LogoutToken { sub, sid, issued, jti, until: end.plus(provider.clock_skew) })
}

fn not_encrypted(token: &str) -> Result<(), Failure> {
    // RFC 7516, section 9: an encrypted token has five parts.
    if token.split('.').count() == 5 {
        return Err(invalid(
            "encrypted logout tokens are not supported; let the provider sign them alone, as it signs ID tokens",
        ));
    }
    Ok(())
}

/// The refusal of a token whose signature does not verify.
fn refused_signature(error: &JwsError, provider: &Provider) -> LogoutTokenError {
    let detail = match error {
        JwsError::AlgorithmNotAllowed { found } => not_allowed(found, provider, "id_token_signed_response_alg"),
        _ => error.to_string(),
    };
    let failure = invalid(detail);
    if error.newer_keys_may_help() { LogoutTokenError::KeyUnknown(failure) } else { LogoutTokenError::Refused(failure) }
}

/// A token of another kind is refused (RFC 8725, section 3.11). Older providers write `JWT`, or nothing: `logout+jwt` is only
/// recommended.
fn check_typ(typ: Option<&str>) -> Result<(), Failure> {
    match typ {
        None => Ok(()),
        Some(typ) if matches!(short_typ(typ).as_str(), "logout+jwt" | "jwt") => Ok(()),
        Some(typ) => Err(invalid(format!("expected typ logout+jwt, found {}", quote(typ)))),
    }
}

/// When the token ends: as `exp` says, or a while after `iat` where an older provider does not say it.
fn end(claims: &Claims, issued: Timestamp, clock: &Clock) -> Result<Timestamp, String> {
    if let Some(expires) = clock.expires(claims)? {
        return Ok(expires);
    }
    let end = issued.plus(LIFETIME_WITHOUT_EXP);
    if clock.is_over(end) {
        let complaint = clock.complaint("iat", issued);
        return Err(format!("there is no exp, and {complaint} beyond {} s", LIFETIME_WITHOUT_EXP.as_secs()));
    }
    Ok(end)
}

/// Who and which session is meant: `sub`, `sid` or both.
fn whose(claims: &Claims) -> Result<(Option<String>, Option<String>), String> {
    let sub = present(claims, "sub").map(|_| subject(claims)).transpose()?;
    let sid = name(claims, "sid")?;
    if sub.is_none() && sid.is_none() {
        return Err("neither sub nor sid says which sessions end".to_owned());
    }
    Ok((sub, sid))
}

/// A claim that names something, if it is there, in the form in which it is kept.
fn name(claims: &Claims, claim: &str) -> Result<Option<String>, String> {
    match present(claims, claim) {
        None => Ok(None),
        Some(Value::String(name)) if name.is_empty() => Err(format!("{claim} is empty")),
        Some(Value::String(name)) => Ok(Some(kept_name(name))),
        Some(_) => Err(format!("{claim} is not a text")),
    }
}

fn event(claims: &Claims) -> Result<(), String> {
    match claims.get("events") {
        Some(Value::Object(events)) => match events.get(LOGOUT_EVENT) {
            Some(Value::Object(_)) => Ok(()),
            Some(_) => Err(format!("the member {LOGOUT_EVENT} of events is not an object")),
            None => {
                let found = Value::Array(events.keys().cloned().map(Value::String).collect());
                Err(format!("expected the member {LOGOUT_EVENT} in events, found {}", shown(Some(&found))))
            }
        },
        Some(_) => Err("events is not an object".to_owned()),
        None => Err("events is missing: this is no logout token".to_owned()),
    }
}

/// A nonce would make it an ID token, for which a logout token must never pass: whatever its value is, also `null`.
fn no_nonce(claims: &Claims) -> Result<(), String> {
    if claims.contains_key("nonce") {
        return Err("it has a nonce, which a logout token never has".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
