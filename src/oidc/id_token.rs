//! Verifies ID tokens by the rules of OpenID Connect Core, section 3.1.3.7, in their order, each in a function of its own. No
//! claim is looked at before the signature was found good. Keys are not fetched here: the caller does that, and verifies again.

use std::fmt;

use serde_json::Value;

use crate::crypto::jws::{self, JwsError, VerifiedJws};
use crate::crypto::key::{Algorithm, KeySet, left_half_hash};
use crate::oidc::provider::Provider;
use crate::words::principal::{CLIENT_PREFIX, Claims};
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::{Secret, equal};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The length of the longest `sub`, in bytes. OpenID Connect Core, section 2: "It MUST NOT exceed 255 ASCII characters in
/// length."
const LONGEST_SUBJECT: usize = 255;

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
    /// It may be signed with a key that was published after ours were fetched. The caller fetches the keys and verifies again; if
    /// there are no newer ones, this is the failure.
    KeyUnknown(Failure),
    /// It is refused for good.
    Refused(Failure),
}

impl From<Failure> for IdTokenError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<JwsError> for IdTokenError {
    fn from(error: JwsError) -> Self {
        let failure = |reason| Failure::new(reason, error.to_string());
        match error {
            JwsError::Malformed(_) => Self::Refused(failure(Reason::IdTokenMalformed)),
            JwsError::AlgorithmNotAllowed { .. } => Self::Refused(failure(Reason::IdTokenAlgorithm)),
            JwsError::KeyUnknown { .. } => Self::KeyUnknown(failure(Reason::IdTokenKeyUnknown)),
            JwsError::KeyAmbiguous => Self::Refused(failure(Reason::IdTokenKeyUnknown)),
            JwsError::SignatureInvalid => Self::Refused(failure(Reason::IdTokenSignature)),
            JwsError::SignatureNotByTheOnlyKey => Self::KeyUnknown(failure(Reason::IdTokenSignature)),
        }
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
    let VerifiedJws { claims, algorithm, .. } = jws::verify(world, token.expose(), expected.keys, &provider.algorithms)?;
    let clock = Clock { expected, provider };
    issuer(&claims, provider)?; // rule 2
    let audiences = audience(&claims, provider)?; // rule 3
    authorized_party(&claims, provider, audiences)?; // rules 4 and 5
    let expires = expiry(&claims, &clock)?; // rule 9
    issued_at(&claims, &clock)?; // rule 10
    not_before(&claims, &clock)?; // RFC 7519, section 4.1.5
    nonce(&claims, expected.nonce)?; // rule 11
    // Rules 12 and 13 are the caller's, which knows whether `acr_values` or `max_age` were requested.
    let subject = subject(&claims)?; // section 2
    access_token_hash(&claims, algorithm, expected.issued_with)?; // section 3.1.3.8
    let sid = sid(&claims)?;
    let auth_time = auth_time(&claims)?;
    Ok(IdToken { subject, sid, auth_time, expires, claims })
}

fn issuer(claims: &Claims, provider: &Provider) -> Result<(), Failure> {
    match claims.get("iss") {
        Some(Value::String(issuer)) if issuer == provider.issuer() => Ok(()),
        found => {
            let detail = format!("expected iss {}, found {}", quote(provider.issuer()), shown(found));
            Err(Failure::new(Reason::IdTokenIssuer, detail))
        }
    }
}

/// The number of audiences, of which one must be our client identifier.
fn audience(claims: &Claims, provider: &Provider) -> Result<usize, Failure> {
    let found = claims.get("aud");
    let ours = |audience: &Value| audience.as_str() == Some(provider.client_id.as_str());
    match found {
        Some(audience @ Value::String(_)) if ours(audience) => Ok(1),
        Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) && audiences.iter().any(ours) => {
            Ok(audiences.len())
        }
        _ => {
            let detail = format!(
                "expected aud {}, found {}; if it should be there, add it by an audience mapper at the provider",
                quote(&provider.client_id),
                shown(found)
            );
            Err(Failure::new(Reason::IdTokenAudience, detail))
        }
    }
}

fn authorized_party(claims: &Claims, provider: &Provider, audiences: usize) -> Result<(), Failure> {
    match claims.get("azp") {
        Some(Value::String(party)) if *party == provider.client_id => Ok(()),
        None if audiences <= 1 => Ok(()),
        found => {
            let detail = format!("expected azp {}, found {}", quote(&provider.client_id), shown(found));
            Err(Failure::new(Reason::IdTokenAuthorizedParty, detail))
        }
    }
}

fn expiry(claims: &Claims, clock: &Clock<'_>) -> Result<Timestamp, Failure> {
    let refused = |detail: String| Failure::new(Reason::IdTokenExpired, detail);
    let expires = numeric_date(claims, "exp").map_err(refused)?.ok_or_else(|| refused("exp is missing".to_owned()))?;
    if clock.expected.now >= expires.plus(clock.provider.clock_skew) {
        return Err(refused(clock.complaint("exp", expires)));
    }
    Ok(expires)
}

fn issued_at(claims: &Claims, clock: &Clock<'_>) -> Result<(), Failure> {
    let refused = |detail: String| Failure::new(Reason::IdTokenIssuedAt, detail);
    let issued = numeric_date(claims, "iat").map_err(refused)?.ok_or_else(|| refused("iat is missing".to_owned()))?;
    if issued > clock.expected.now.plus(clock.provider.clock_skew) {
        return Err(refused(clock.complaint("iat", issued)));
    }
    Ok(())
}

fn not_before(claims: &Claims, clock: &Clock<'_>) -> Result<(), Failure> {
    let refused = |detail: String| Failure::new(Reason::IdTokenIssuedAt, detail);
    match numeric_date(claims, "nbf").map_err(refused)? {
        Some(begin) if begin > clock.expected.now.plus(clock.provider.clock_skew) => Err(refused(clock.complaint("nbf", begin))),
        Some(_) | None => Ok(()),
    }
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

fn subject(claims: &Claims) -> Result<String, Failure> {
    let refused = |detail: &str| Err(Failure::new(Reason::IdTokenSubject, detail));
    match claims.get("sub") {
        Some(Value::String(subject)) if subject.is_empty() => refused("sub is empty"),
        Some(Value::String(subject)) if subject.starts_with(CLIENT_PREFIX) => {
            refused("sub is like the name of a client (client:…)")
        }
        Some(Value::String(subject)) if subject.len() > LONGEST_SUBJECT => refused("sub is longer than 255 characters"),
        Some(Value::String(subject)) if subject.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok(subject.clone()),
        Some(Value::String(_)) => refused("sub has characters that are not printable ASCII"),
        Some(_) => refused("sub is not a text"),
        None => refused("sub is missing"),
    }
}

fn access_token_hash(claims: &Claims, algorithm: Algorithm, issued_with: IssuedWith<'_>) -> Result<(), Failure> {
    let refused = |detail: &str| Err(Failure::new(Reason::IdTokenAtHash, detail));
    match (claims.get("at_hash"), issued_with) {
        (None, _) | (Some(Value::String(_)), IssuedWith::NoAccessToken) => Ok(()),
        (Some(Value::String(found)), IssuedWith::AccessToken(token)) => {
            let expected = left_half_hash(algorithm, token.expose());
            if equal(found.as_bytes(), expected.as_bytes()) { Ok(()) } else { refused("at_hash is not the access token's") }
        }
        (Some(_), _) => refused("at_hash is not a text"),
    }
}

fn sid(claims: &Claims) -> Result<Option<String>, Failure> {
    match claims.get("sid") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(sid)) if sid.len() <= LONGEST_SUBJECT => Ok(Some(sid.clone())),
        Some(_) => Err(Failure::new(Reason::IdTokenMalformed, "sid is not a text, or too long")),
    }
}

fn auth_time(claims: &Claims) -> Result<Option<u64>, Failure> {
    let time = numeric_date(claims, "auth_time").map_err(|detail| Failure::new(Reason::IdTokenMalformed, detail))?;
    Ok(time.map(Timestamp::seconds))
}

/// Reads a number of seconds, perhaps with a fraction (RFC 7519, section 2).
fn numeric_date(claims: &Claims, name: &str) -> Result<Option<Timestamp>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => Ok(Some(Timestamp::from_seconds(seconds))),
            (None, Some(seconds)) if seconds >= 0.0 => Ok(Some(Timestamp::from_seconds(seconds as u64))),
            _ => Err(format!("{name} lies before 1970")),
        },
        Some(_) => Err(format!("{name} is not a number")),
    }
}

/// A claim, made safe for a log.
fn shown(claim: Option<&Value>) -> String {
    match claim {
        None => "none".to_owned(),
        Some(Value::String(text)) => quote(text),
        Some(Value::Array(elements)) if elements.iter().all(Value::is_string) => {
            quote(&elements.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        Some(_) => "a value of the wrong type".to_owned(),
    }
}

/// Our clock and the provider's, to say how they differ.
struct Clock<'a> {
    expected: &'a Expectations<'a>,
    provider: &'a Provider,
}

impl Clock<'_> {
    fn complaint(&self, claim: &str, time: Timestamp) -> String {
        let now = self.expected.now;
        let skew = self.provider.clock_skew.as_secs();
        let distance = |time: Timestamp| match (time.since(now).as_secs(), now.since(time).as_secs()) {
            (0, 0) => "the same as our clock".to_owned(),
            (ahead, 0) => format!("{ahead} s ahead of our clock"),
            (_, behind) => format!("{behind} s behind our clock"),
        };
        let date = match self.expected.provider_clock {
            Some(date) => format!("the provider's own Date is {}", distance(date)),
            None => "the provider sent no Date to compare".to_owned(),
        };
        format!("{claim} is {}, {skew} s are tolerated; {date}", distance(time))
    }
}

#[cfg(test)]
mod tests;
