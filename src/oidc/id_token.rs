//! Verifies ID tokens by the rules of OpenID Connect Core, section 3.1.3.7, in their order, each in a function of its own. No
//! claim is looked at before the signature was found good. Keys are not fetched here: the caller does that, and verifies again.

use std::fmt;

use serde_json::Value;

use crate::crypto::jws::{self, JwsError, VerifiedJws};
use crate::crypto::key::{Algorithm, KeySet, left_half_hash};
use crate::oidc::provider::Provider;
use crate::words::principal::{Claims, is_reserved};
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::{Secret, equal};
use crate::words::time::{Timestamp, numeric_date};
use crate::words::world::{Hash, World};

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
    let VerifiedJws { claims, algorithm, .. } = jws::verify(world, token.expose(), expected.keys, &provider.algorithms)
        .map_err(|error| refused_signature(&error, provider))?;
    let clock = Clock { expected, provider };
    issuer(&claims, provider)?; // rule 2
    let audiences = audience(&claims, provider)?; // rule 3
    authorized_party(&claims, provider, audiences)?; // rules 4 and 5, and the end of rule 3
    let expires = expiry(&claims, &clock)?; // rule 9
    issued_at(&claims, &clock)?; // rule 10
    not_before(&claims, &clock)?; // RFC 7519, section 4.1.5
    nonce(&claims, expected.nonce)?; // rule 11
    // Rules 12 and 13 are the caller's, which knows whether `acr_values` or `max_age` were requested.
    let subject = subject(&claims)?; // section 2
    access_token_hash(&claims, algorithm, expected.issued_with)?; // section 3.1.3.8
    Ok(IdToken { subject, sid: sid(&claims), auth_time: auth_time(&claims), expires, claims })
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

/// For whom a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audiences {
    /// For us alone, or also for those whom the configuration trusts.
    Trusted,
    /// For us, and for others.
    WithOthers,
}

/// Checks that our client identifier is among the audiences.
fn audience(claims: &Claims, provider: &Provider) -> Result<Audiences, Failure> {
    let found = claims.get("aud");
    let ours = |audience: &Value| audience.as_str() == Some(provider.client_id.as_str());
    let trusted = |audience: &Value| ours(audience) || provider.trusted_audiences.iter().any(|trusted| audience == trusted);
    match found {
        Some(audience @ Value::String(_)) if ours(audience) => Ok(Audiences::Trusted),
        Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) && audiences.iter().any(ours) => {
            Ok(if audiences.iter().all(trusted) { Audiences::Trusted } else { Audiences::WithOthers })
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

/// Checks that an `azp` names us, and that there is one if the token is for others too whom the configuration does not trust.
fn authorized_party(claims: &Claims, provider: &Provider, audiences: Audiences) -> Result<(), Failure> {
    match present(claims, "azp") {
        Some(Value::String(party)) if *party == provider.client_id => Ok(()),
        None if audiences == Audiences::Trusted => Ok(()),
        None => {
            let detail = format!(
                "the token is for others too ({}), and no azp says that we asked for it; if it should be so, write the others as trusted_audiences",
                shown(claims.get("aud"))
            );
            Err(Failure::new(Reason::IdTokenAuthorizedParty, detail))
        }
        found => {
            let detail = format!("expected azp {}, found {}", quote(&provider.client_id), shown(found));
            Err(Failure::new(Reason::IdTokenAuthorizedParty, detail))
        }
    }
}

fn expiry(claims: &Claims, clock: &Clock<'_>) -> Result<Timestamp, Failure> {
    let refused = |detail: String| Failure::new(Reason::IdTokenExpired, detail);
    let expires = time(claims, "exp").map_err(refused)?.ok_or_else(|| refused("exp is missing".to_owned()))?;
    if clock.expected.now >= expires.plus(clock.provider.clock_skew) {
        return Err(refused(clock.complaint("exp", expires)));
    }
    Ok(expires)
}

fn issued_at(claims: &Claims, clock: &Clock<'_>) -> Result<(), Failure> {
    let refused = |detail: String| Failure::new(Reason::IdTokenIssuedAt, detail);
    let issued = time(claims, "iat").map_err(refused)?.ok_or_else(|| refused("iat is missing".to_owned()))?;
    if issued > clock.expected.now.plus(clock.provider.clock_skew) {
        return Err(refused(clock.complaint("iat", issued)));
    }
    Ok(())
}

fn not_before(claims: &Claims, clock: &Clock<'_>) -> Result<(), Failure> {
    let refused = |detail: String| Failure::new(Reason::IdTokenIssuedAt, detail);
    match time(claims, "nbf").map_err(refused)? {
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
        Some(Value::String(subject)) if is_reserved(subject) => {
            refused("sub begins like the name of a client (client:) or of a person without sub (username:)")
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

/// The provider's name for its session, as it is kept ([`kept_sid`]). One that is not a text is ignored: no sign-in needs it.
fn sid(claims: &Claims) -> Option<String> {
    claims.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(kept_sid)
}

/// How a `sid` is kept: as it is, or the hash of a long one, because no specification limits its length.
fn kept_sid(sid: &str) -> String {
    if sid.len() <= LONGEST_SUBJECT { sid.to_owned() } else { left_half_hash(Hash::Sha256, sid) }
}

/// When the person was authenticated; `None` if the token does not say so in a number. A rule that asks for it does not hold then.
fn auth_time(claims: &Claims) -> Option<u64> {
    time(claims, "auth_time").ok().flatten().map(Timestamp::seconds)
}

/// An optional claim. `null` is as good as none.
fn present<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

/// The time that a claim says, if it is there.
fn time(claims: &Claims, name: &str) -> Result<Option<Timestamp>, String> {
    match present(claims, name) {
        None => Ok(None),
        Some(value @ Value::Number(_)) => numeric_date(value).map(Some).ok_or_else(|| format!("{name} lies before 1970")),
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
