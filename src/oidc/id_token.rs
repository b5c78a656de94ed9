//! Verifies ID tokens by the rules of OpenID Connect Core, section 3.1.3.7, in their order, each in a function of its own. No
//! claim is looked at before the signature was found good. Keys are not fetched here: the caller does that, and verifies again.

use std::fmt;

use serde_json::Value;

use crate::crypto::jws::{self, JwsError, VerifiedJws};
use crate::crypto::key::{Algorithm, KeySet, left_half_hash};
use crate::oidc::claims::{audience, authorized_party, issuer, kept_name, present, short_typ, subject};
use crate::oidc::provider::Provider;
use crate::oidc::times::{Clock, time};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::{Secret, equal};
use crate::words::time::Timestamp;
use crate::words::world::{Hash, World};

/// An ID token that was verified. Debug output shows only the names of its claims, because one is the nonce, and others may be
/// private.
#[derive(Clone, PartialEq)]
pub struct IdToken {
    /// All claims of the token.
    pub claims: Claims,
    /// `sub`.
    pub subject: String,
    /// `sid`: the provider's name for its session.
    pub sid: Option<String>,
    /// `auth_time`, in seconds since 1970.
    pub auth_time: Option<u64>,
    /// `exp`.
    pub expires: Timestamp,
}

impl fmt::Debug for IdToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IdToken of {} with {:?}", quote(&self.subject), self.claims.keys().collect::<Vec<_>>())
    }
}

/// What an ID token is verified against.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The provider's keys, as far as they were fetched.
    pub keys: &'a KeySet,
    /// The nonce of the authorization request.
    pub nonce: ExpectedNonce<'a>,
    /// The access token that came in the same token response.
    pub issued_with: IssuedWith<'a>,
    /// The present time, by our clock.
    pub now: Timestamp,
    /// The provider's clock, from the `Date` of its response. It only helps to say whose clock is wrong.
    pub provider_clock: Option<Timestamp>,
}

/// The nonce that the token must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedNonce<'a> {
    /// The one that was sent.
    Value(&'a str),
    /// None was sent, for example when tokens are refreshed.
    NoneWasSent,
}

/// The access token that `at_hash` must belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedWith<'a> {
    /// The one that came with the ID token.
    AccessToken(&'a Secret),
    /// None came with the ID token.
    NoAccessToken,
}

/// Why an ID token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdTokenError {
    /// It may be signed with a key that was published after ours were fetched, perhaps under the `kid` of a former one. The caller
    /// fetches the keys and verifies again; if there are no newer ones, this is the failure.
    KeyUnknown(Failure),
    /// It is refused for good.
    Refused(Failure),
}

impl From<Failure> for IdTokenError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// The refusal of a token whose signature does not verify.
fn refused_signature(error: &JwsError, provider: &Provider) -> IdTokenError {
    let failure = |reason| Failure::new(reason, error.to_string());
    match error {
        JwsError::Malformed(_) => IdTokenError::Refused(failure(Reason::IdTokenMalformed)),
        JwsError::AlgorithmNotAllowed { found } => IdTokenError::Refused(Failure::new(
            Reason::IdTokenAlgorithm,
            not_allowed(found, provider, "id_token_signed_response_alg"),
        )),
        JwsError::AlgorithmNotForKey { .. } => IdTokenError::KeyUnknown(failure(Reason::IdTokenAlgorithm)),
        JwsError::KeyUnknown { .. } => IdTokenError::KeyUnknown(failure(Reason::IdTokenKeyUnknown)),
        JwsError::KeyAmbiguous => IdTokenError::Refused(failure(Reason::IdTokenKeyUnknown)),
        JwsError::SignatureInvalid | JwsError::SignatureByNoKey => IdTokenError::KeyUnknown(failure(Reason::IdTokenSignature)),
    }
}

/// What to do about an ID token or userinfo whose `alg` is not among those of the configuration. `member` is the name of the
/// provider's setting (OpenID Connect Dynamic Client Registration, section 2).
pub(super) fn not_allowed(found: &str, provider: &Provider, member: &str) -> String {
    let name = found.trim_matches('"');
    let listed = provider.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ");
    let remedy = format!("let the provider sign with RS256 or ES256 ({member})");
    match name.parse::<Algorithm>() {
        Ok(algorithm) if !algorithm.is_symmetric() => {
            format!("alg {found} is not among algorithms of provider {}; write algorithms: [{listed}, {name}]", provider.name)
        }
        _ if name.starts_with("HS") => {
            format!("alg {found} is by a shared secret, which verifies neither ID tokens nor userinfo here; {remedy}")
        }
        _ => format!("alg {found} is not supported; {remedy}"),
    }
}

/// Verifies an ID token from the token endpoint (OpenID Connect Core, section 3.1.3.7).
///
/// # Errors
/// See [`IdTokenError`].
pub fn verify(
    world: &dyn World,
    provider: &Provider,
    token: &Secret,
    expected: &Expectations<'_>,
) -> Result<IdToken, IdTokenError> {
    // Rules 1 and 6 to 8: an encrypted token is refused, and the signature is verified before any claim is read.
    let VerifiedJws { claims, algorithm, typ, .. } = jws::verify(world, token.expose(), expected.keys, &provider.algorithms)
        .map_err(|error| refused_signature(&error, provider))?;
    let refused = |reason| move |detail: String| Failure::new(reason, detail);
    let clock = Clock { now: expected.now, skew: provider.clock_skew, theirs: expected.provider_clock.into() };
    kind(&claims, typ.as_deref())?;
    issuer(&claims, provider.issuer()).map_err(refused(Reason::IdTokenIssuer))?; // rule 2
    let audiences = audience(&claims, provider).map_err(refused(Reason::IdTokenAudience))?; // rule 3
    // Rules 4 and 5, and the end of rule 3.
    authorized_party(&claims, provider, audiences).map_err(refused(Reason::IdTokenAuthorizedParty))?;
    let expires = clock.expires(&claims).and_then(|expires| expires.ok_or_else(|| "exp is missing".to_owned())); // rule 9
    let expires = expires.map_err(refused(Reason::IdTokenExpired))?;
    clock.issued(&claims).map_err(refused(Reason::IdTokenIssuedAt))?; // rule 10
    clock.not_before(&claims).map_err(refused(Reason::IdTokenIssuedAt))?; // RFC 7519, section 4.1.5
    nonce(&claims, expected.nonce)?; // rule 11
    // Rules 12 and 13 are the caller's, which knows whether `acr_values` or `max_age` were requested.
    let subject = subject(&claims).map_err(|detail| Failure::new(Reason::IdTokenSubject, detail))?; // section 2
    access_token_hash(&claims, algorithm, expected.issued_with)?; // section 3.1.3.8
    Ok(IdToken { subject, sid: sid(&claims), auth_time: auth_time(&claims), expires, claims })
}

/// Refuses what the same provider signs with the same keys for another purpose (RFC 8725, sections 3.11 and 3.12): logout tokens
/// and other security event tokens. They have no nonce, but none is expected of a refreshed ID token either.
fn kind(claims: &Claims, typ: Option<&str>) -> Result<(), Failure> {
    let says_event = typ.is_some_and(|typ| matches!(short_typ(typ).as_str(), "logout+jwt" | "secevent+jwt"));
    if says_event || matches!(claims.get("events"), Some(Value::Object(_))) {
        return Err(Failure::new(Reason::IdTokenMalformed, "it tells of events, as logout tokens do, and is no ID token"));
    }
    Ok(())
}

fn nonce(claims: &Claims, expected: ExpectedNonce<'_>) -> Result<(), Failure> {
    let refused = |detail: &str| Err(Failure::new(Reason::IdTokenNonce, detail));
    match (expected, claims.get("nonce")) {
        (ExpectedNonce::NoneWasSent, _) => Ok(()),
        (ExpectedNonce::Value(sent), Some(Value::String(found))) if equal(sent.as_bytes(), found.as_bytes()) => Ok(()),
        (ExpectedNonce::Value(_), None) => refused("nonce is missing"),
        (ExpectedNonce::Value(_), Some(_)) => refused("nonce is not the one that was sent"),
    }
}

fn access_token_hash(claims: &Claims, algorithm: Algorithm, issued_with: IssuedWith<'_>) -> Result<(), Failure> {
    let refused = |detail: &str| Err(Failure::new(Reason::IdTokenAtHash, detail));
    match (present(claims, "at_hash"), issued_with) {
        (None, _) | (Some(Value::String(_)), IssuedWith::NoAccessToken) => Ok(()),
        (Some(Value::String(found)), IssuedWith::AccessToken(token)) => {
            let is_it = |hash: Hash| equal(found.as_bytes(), left_half_hash(hash, token.expose()).as_bytes());
            if at_hashes(algorithm).iter().any(|hash| is_it(*hash)) {
                return Ok(());
            }
            refused("at_hash is not the access token's")
        }
        (Some(_), _) => refused("at_hash is not a text"),
    }
}

/// The hashes that `at_hash` may be made with. It is that of the signature's algorithm (OpenID Connect Core, section 3.1.3.6).
/// EdDSA names none: providers take SHA-512, which Ed25519 uses itself, or SHA-256.
const fn at_hashes(algorithm: Algorithm) -> &'static [Hash] {
    match algorithm.hash() {
        Hash::Sha256 => &[Hash::Sha256],
        Hash::Sha384 => &[Hash::Sha384],
        Hash::Sha512 if matches!(algorithm, Algorithm::EdDSA | Algorithm::Ed25519) => &[Hash::Sha512, Hash::Sha256],
        Hash::Sha512 => &[Hash::Sha512],
    }
}

/// The provider's name for its session, as it is kept. One that is not a text is ignored: no sign-in needs it.
fn sid(claims: &Claims) -> Option<String> {
    claims.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(kept_name)
}

/// When the person was authenticated; `None` if the token does not say so in a number. A rule that asks for it does not hold then.
fn auth_time(claims: &Claims) -> Option<u64> {
    time(claims, "auth_time").ok().flatten().map(Timestamp::seconds)
}

#[cfg(test)]
mod tests;
