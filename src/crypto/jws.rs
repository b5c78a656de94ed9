//! Verifies signed tokens (RFC 7515, RFC 7519): is the algorithm allowed, which key is meant, is the signature good, do the
//! claims have one meaning only. What the claims say is not judged here. Keys come from the caller alone, never from the token:
//! `jwk`, `jku`, `x5c` and `x5u` are ignored.

use std::fmt;
use std::rc::Rc;

use memchr::memchr_iter;
use serde_json::Value;

use crate::crypto::base64url;
use crate::crypto::key::{Algorithm, KeySet, VerificationKey};
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::world::World;

/// The length of the longest token that a stranger may send, in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1_024;

/// The most that may be spent on verifying one token, as a sum of [`VerificationKey::cost`]. It is bounded because anybody can
/// send a token with a wrong signature. It is enough for two of the largest or eight of the smallest keys with the same `kid`.
const MOST_COST: usize = 32;

/// The most published keys that a token without a `kid` is tried with. If more are for its algorithm, it is refused.
const MOST_WITHOUT_KID: usize = 4;

const WRONG_TYPE: &str = "a member is missing, or of the wrong type";

/// Below this number, every whole number can be written as a floating-point number.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A token whose signature was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedJws {
    /// The claims. `exp`, `nbf` and `iat`, if present, are whole seconds, rounded down.
    pub claims: Claims,
    /// The algorithm of the signature, as it was verified.
    pub algorithm: Algorithm,
    /// The `kid` of the key that signed.
    pub key_id: Option<String>,
    /// The `typ` of the header.
    pub typ: Option<String>,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// It is no JWS, or can be read in two ways. The phrase completes "the token is malformed: …".
    Malformed(&'static str),
    /// The header's algorithm is not allowed.
    AlgorithmNotAllowed {
        /// The header's `alg`, made safe for a log.
        found: String,
    },
    /// The key with the header's `kid` may not be used with the header's algorithm.
    AlgorithmNotForKey {
        /// That algorithm.
        found: Algorithm,
    },
    /// No key has the header's `kid`, and the signature is not by the only key without one; or the header has no `kid`, and no
    /// key is for the algorithm.
    KeyUnknown {
        /// The header's `kid`, made safe for a log.
        key_id: Option<String>,
    },
    /// The header has no `kid`, and too many keys are for the algorithm to try them all.
    KeyAmbiguous,
    /// The signature is not by the key that the header's `kid` names, which may have been replaced since under the same `kid`.
    SignatureInvalid,
    /// The header has no `kid`, and the signature is by none of the keys for the algorithm, which may have been replaced since.
    SignatureByNoKey,
}

impl JwsError {
    /// Whether the token may be signed with a key that was published after ours were fetched, perhaps under the `kid` of a former
    /// one.
    pub const fn newer_keys_may_help(&self) -> bool {
        match self {
            Self::AlgorithmNotForKey { .. } | Self::KeyUnknown { .. } | Self::SignatureInvalid | Self::SignatureByNoKey => true,
            Self::Malformed(_) | Self::AlgorithmNotAllowed { .. } | Self::KeyAmbiguous => false,
        }
    }
}

impl fmt::Display for JwsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(phrase) => write!(formatter, "the token is malformed: {phrase}"),
            Self::AlgorithmNotAllowed { found } => write!(formatter, "alg {found} is not allowed"),
            Self::AlgorithmNotForKey { found } => write!(formatter, "the key that the token names is not for alg {found}"),
            Self::KeyUnknown { key_id: Some(id) } => write!(formatter, "no usable key of the provider has the kid {id}"),
            Self::KeyUnknown { key_id: None } => formatter.write_str("no usable key of the provider is for this alg"),
            Self::KeyAmbiguous => write!(
                formatter,
                "the token names no kid, and more than {MOST_WITHOUT_KID} keys of the provider are for its alg; let the provider name one"
            ),
            Self::SignatureInvalid => formatter.write_str("the signature is not by the key that the token names"),
            Self::SignatureByNoKey => formatter.write_str("the signature is by no key that fits"),
        }
    }
}

/// A token in the compact serialization, taken apart. Nothing in it may be believed before [`Unverified::verify`] has succeeded.
pub struct Unverified<'a> {
    /// The header and the payload, as they were signed.
    signed: &'a [u8],
    signature: Vec<u8>,
    header: Rc<Header>,
    /// An error in the claims is reported only if the signature is good, because anybody can write anything into an unsigned
    /// token.
    claims: Result<Claims, &'static str>,
}

/// The members of a header that are used.
struct Header {
    algorithm: String,
    key_id: Option<String>,
    typ: Option<String>,
}

/// The header that was read last, kept because all tokens of an issuer begin with the same one while it signs with the same key.
/// This saves parsing it again, and no check: the header is not verified, the key and the algorithm are chosen anew for each
/// token, and another issuer's token can only replace it.
#[derive(Default)]
pub struct LastHeader(Option<(String, Rc<Header>)>);

impl LastHeader {
    fn read(&mut self, encoded: &str) -> Result<Rc<Header>, JwsError> {
        if let Some((_, header)) = self.0.as_ref().filter(|(last, _)| last == encoded) {
            return Ok(Rc::clone(header));
        }
        let members = json::object(&decoded(encoded)?);
        let header = Rc::new(members.and_then(Header::read).map_err(JwsError::Malformed)?);
        self.0 = Some((encoded.to_owned(), Rc::clone(&header)));
        Ok(header)
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, JwsError> {
    base64url::decode(part.as_bytes()).ok_or(JwsError::Malformed("a part of it is not base64url"))
}

/// Verifies a token in the compact serialization, which may be of any length: it came in a provider's own answer, whose length was
/// limited.
///
/// # Errors
/// See [`JwsError`].
pub fn verify(world: &dyn World, token: &str, keys: &KeySet, allowed: &[Algorithm]) -> Result<VerifiedJws, JwsError> {
    Unverified::of_any_length(token, &mut LastHeader::default())?.verify(world, keys, allowed)
}

impl<'a> Unverified<'a> {
    /// Takes a stranger's token apart (RFC 7515, section 5.2, without the signature), unless it is longer than [`LONGEST_TOKEN`]. A
    /// header that equals `last` is not parsed again.
    ///
    /// # Errors
    /// [`JwsError::Malformed`].
    pub fn read(token: &'a str, last: &mut LastHeader) -> Result<Self, JwsError> {
        if token.len() > LONGEST_TOKEN {
            return Err(JwsError::Malformed("it is longer than 16 KiB"));
        }
        Self::of_any_length(token, last)
    }

    /// Takes a token apart as [`Unverified::read`] does, however long it is.
    fn of_any_length(token: &'a str, last: &mut LastHeader) -> Result<Self, JwsError> {
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(JwsError::Malformed("it has not three parts (an encrypted token has five)"));
        };
        let part = |from: usize, to: usize| token.get(from..to).unwrap_or_default();
        let (header, payload) = (part(0, first), part(first.saturating_add(1), second));
        let (signed, signature) = (part(0, second), part(second.saturating_add(1), token.len()));
        let (header, payload, signature) = (last.read(header)?, decoded(payload)?, decoded(signature)?);
        Ok(Self { signed: signed.as_bytes(), signature, header, claims: json::object(&payload).and_then(floor_times) })
    }

    /// The issuer that the token claims to be from, to find out whose keys to try. It is not verified.
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.as_ref().ok()?.get("iss")?.as_str()
    }

    /// Verifies the signature (RFC 7515, section 5.2) with one of `keys`, by an algorithm that is `allowed` (RFC 8725, section
    /// 3.1).
    ///
    /// # Errors
    /// See [`JwsError`].
    pub fn verify(self, world: &dyn World, keys: &KeySet, allowed: &[Algorithm]) -> Result<VerifiedJws, JwsError> {
        let Header { algorithm: name, key_id: named, typ } = &*self.header;
        let algorithm = name.parse().ok().filter(|algorithm| allowed.contains(algorithm));
        let algorithm = algorithm.ok_or_else(|| JwsError::AlgorithmNotAllowed { found: quote(name) })?;
        let candidates = candidates(keys, named.as_deref(), algorithm)?;
        let mut budget = MOST_COST;
        let signed = |key: &&VerificationKey| {
            let rest = budget.checked_sub(key.cost(algorithm));
            budget = rest.unwrap_or_default();
            rest.is_some() && key.signed(world, algorithm, self.signed, &self.signature)
        };
        let Some(key) = candidates.keys.into_iter().find(signed) else { return Err(candidates.if_none_signed) };
        let claims = self.claims.map_err(JwsError::Malformed)?;
        Ok(VerifiedJws { claims, algorithm, key_id: key.key_id().map(str::to_owned), typ: typ.clone() })
    }
}

impl Header {
    fn read(members: Claims) -> Result<Self, &'static str> {
        // RFC 7515, section 4.1.11: a token with an extension that is not understood is refused. None is understood, nor the
        // unencoded payload of RFC 7797, whether `crit` names it or not.
        if ["crit", "b64"].iter().any(|extension| members.contains_key(*extension)) {
            return Err("its header demands an extension");
        }
        // RFC 7515, section 4: every member has a type, and `null` is of none.
        if members.values().any(Value::is_null) {
            return Err(WRONG_TYPE);
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(WRONG_TYPE),
        };
        if text("cty")?.is_some_and(|content| !content.eq_ignore_ascii_case("json")) {
            return Err("its content is not claims (cty)");
        }
        Ok(Self { algorithm: text("alg")?.ok_or(WRONG_TYPE)?, key_id: text("kid")?, typ: text("typ")? })
    }
}

/// Checks that times are numbers of seconds, perhaps with a fraction (RFC 7519, section 2), and rounds them down. One that is
/// `null` is left to the reader, who knows whether it is required.
fn floor_times(mut claims: Claims) -> Result<Claims, &'static str> {
    for name in ["exp", "nbf", "iat"] {
        if let Some(time) = claims.get_mut(name).filter(|time| !time.is_i64() && !time.is_null()) {
            let seconds = time.as_f64().map(f64::floor).filter(|seconds| seconds.abs() < LARGEST_EXACT).ok_or(WRONG_TYPE)?;
            #[allow(clippy::cast_possible_truncation, reason = "it is whole, and smaller than that")]
            let seconds = seconds as i64;
            *time = Value::from(seconds);
        }
    }
    Ok(claims)
}

/// The keys that may have signed a token.
struct Candidates<'a> {
    keys: Vec<&'a VerificationKey>,
    /// What is wrong with the token if none of them signed it.
    if_none_signed: JwsError,
}

/// The keys that may have signed. With a `kid`: those that have it. Where no published key has it, the one without a `kid`, if
/// exactly one of these is for the algorithm. Without a `kid`: all that are for the algorithm, if they are few.
///
/// If `kid`s are optional, keys without one fit every token, and there may be any number for a token without one.
fn candidates<'a>(keys: &'a KeySet, named: Option<&str>, algorithm: Algorithm) -> Result<Candidates<'a>, JwsError> {
    let optional = keys.kids_are_optional();
    let serving = || keys.iter().filter(|key| key.serves(algorithm));
    let Some(id) = named else {
        let keys: Vec<_> = serving().collect();
        return match keys.len() {
            0 => Err(JwsError::KeyUnknown { key_id: None }),
            many if many > MOST_WITHOUT_KID && !optional => Err(JwsError::KeyAmbiguous),
            _ => Ok(Candidates { keys, if_none_signed: JwsError::SignatureByNoKey }),
        };
    };
    let meant = |key: &&VerificationKey| key.key_id() == named || (optional && key.key_id().is_none());
    if keys.iter().any(|key| meant(&key)) {
        let keys: Vec<_> = serving().filter(meant).collect();
        if keys.is_empty() {
            return Err(JwsError::AlgorithmNotForKey { found: algorithm });
        }
        return Ok(Candidates { keys, if_none_signed: JwsError::SignatureInvalid });
    }
    // RFC 7517, section 4.5: a key need not have a `kid`. A provider that signs by one that has none may name it all the same.
    let unknown = JwsError::KeyUnknown { key_id: Some(quote(id)) };
    let unnamed: Vec<_> = serving().filter(|key| key.key_id().is_none()).collect();
    if unnamed.len() == 1 { Ok(Candidates { keys: unnamed, if_none_signed: unknown }) } else { Err(unknown) }
}

#[cfg(test)]
mod tests;
