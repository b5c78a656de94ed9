//! Signed tokens (RFC 7515, RFC 7519): which algorithm, which key, is the signature good, can the claims be read in one way
//! only. What the claims say is not judged here. Keys come from the caller alone, never from the token: `jwk`, `jku`, `x5c`
//! and `x5u` are not looked at.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use jwt_compact::{AlgorithmExt as _, AlgorithmSignature, ParseError, UntrustedToken, ValidationError};
use serde_json::Value;

use crate::crypto::key::{Algorithm, KeySet, VerificationKey};
use crate::words::json::{self, Unambiguous};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::world::World;

/// A token is at most this long, in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1_024;

/// What a token says whose signature is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The claims. `exp`, `nbf` and `iat`, where they are present, are whole seconds, rounded down.
    pub claims: Claims,
    /// The algorithm of the signature.
    pub algorithm: Algorithm,
    /// `kid` of the key.
    pub key_id: Option<String>,
    /// `typ` of the header.
    pub typ: Option<String>,
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Not a JWS, or one that can be read in two ways: a phrase that completes "the token is malformed: …".
    Malformed(&'static str),
    /// The header names an algorithm that is not allowed, or that the key with this `kid` does not serve.
    AlgorithmNotAllowed {
        /// What the header says, fit for a log.
        found: String,
    },
    /// No key with this `kid`; or none was named and no key serves the algorithm.
    KeyUnknown {
        /// What the header says, fit for a log.
        key_id: Option<String>,
    },
    /// No `kid`, and several keys that it might be.
    KeyAmbiguous,
    /// The signature is not by the key that the header names.
    SignatureInvalid,
    /// No `kid`, and the signature is not by the only key that it might be (that key may have been replaced), or by none of
    /// those that were written down.
    SignatureNotByTheOnlyKey,
}

impl fmt::Display for JwsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(phrase) => write!(formatter, "the token is malformed: {phrase}"),
            Self::AlgorithmNotAllowed { found } => write!(formatter, "alg {found} is not allowed, or not for this key"),
            Self::KeyUnknown { key_id: Some(id) } => write!(formatter, "no usable key of the provider has the kid {id}"),
            Self::KeyUnknown { key_id: None } => formatter.write_str("no usable key of the provider is for this alg"),
            Self::KeyAmbiguous => formatter.write_str("the token names no kid, and several keys of the provider fit"),
            Self::SignatureInvalid => formatter.write_str("the signature is not by the key that the token names"),
            Self::SignatureNotByTheOnlyKey => formatter.write_str("the signature is by no key that fits"),
        }
    }
}

/// Verifies a token in the compact serialization.
///
/// # Errors
/// See [`JwsError`]. Nothing about the token is believed before this function returns it.
pub fn verify(world: &dyn World, token: &str, keys: &KeySet, allowed: &[Algorithm]) -> Result<Verified, JwsError> {
    if token.len() > LONGEST_TOKEN {
        return Err(JwsError::Malformed("it is longer than 16 KiB"));
    }
    let untrusted = UntrustedToken::<Unambiguous>::try_from(token).map_err(|error| JwsError::Malformed(parse_phrase(&error)))?;
    let header = untrusted.header();
    // RFC 7515, section 4.1.11: extensions that are not understood are refused, and none is understood. Nor is an unencoded
    // payload (RFC 7797), whether `crit` names it or not.
    if ["crit", "b64"].iter().any(|extension| header.other_fields.0.contains_key(*extension)) {
        return Err(JwsError::Malformed("its header demands an extension"));
    }
    let algorithm = untrusted
        .algorithm()
        .parse()
        .ok()
        .filter(|algorithm| allowed.contains(algorithm))
        .ok_or_else(|| JwsError::AlgorithmNotAllowed { found: quote(untrusted.algorithm()) })?;
    let named = header.key_id.as_deref();
    let checked = HostOrRust { world, algorithm };
    for key in candidates(keys, named, algorithm)? {
        match checked.validator::<Unambiguous>(key).validate(&untrusted) {
            Ok(token) => {
                let (header, claims) = token.into_parts();
                return Ok(Verified {
                    claims: whole(claims),
                    algorithm,
                    key_id: key.key_id().map(str::to_owned),
                    typ: header.token_type,
                });
            }
            Err(ValidationError::InvalidSignature) => {}
            Err(ValidationError::MalformedClaims(error)) => return Err(JwsError::Malformed(json::phrase(&error))),
            Err(_) => return Err(JwsError::Malformed("its signature cannot be read")),
        }
    }
    Err(if named.is_some() { JwsError::SignatureInvalid } else { JwsError::SignatureNotByTheOnlyKey })
}

/// The keys that may have signed: with a `kid`, those of that name; without, the only one that fits. Where names are optional,
/// with a `kid` also those without a name, and without one all that fit.
fn candidates<'a>(keys: &'a KeySet, named: Option<&str>, algorithm: Algorithm) -> Result<Vec<&'a VerificationKey>, JwsError> {
    let optional = keys.names_are_optional();
    let meant = |key: &&VerificationKey| named.is_none() || key.key_id() == named || (optional && key.key_id().is_none());
    if let Some(id) = named
        && !keys.iter().any(|key| meant(&key))
    {
        return Err(JwsError::KeyUnknown { key_id: Some(quote(id)) });
    }
    let fitting: Vec<_> = keys.iter().filter(meant).filter(|key| key.serves(algorithm)).collect();
    match (named, fitting.len()) {
        (Some(_), 0) => Err(JwsError::AlgorithmNotAllowed { found: quote(algorithm.as_str()) }),
        (None, 0) => Err(JwsError::KeyUnknown { key_id: None }),
        (Some(_), _) | (None, 1) => Ok(fitting),
        (None, _) if optional => Ok(fitting),
        (None, _) => Err(JwsError::KeyAmbiguous),
    }
}

/// Puts the members that the library took out back into their place.
fn whole(claims: jwt_compact::Claims<Unambiguous>) -> Claims {
    let Unambiguous(mut members) = claims.custom;
    for (name, time) in [("exp", claims.expiration), ("nbf", claims.not_before), ("iat", claims.issued_at)] {
        if let Some(time) = time {
            members.insert(name.to_owned(), Value::from(time.timestamp()));
        }
    }
    members
}

fn parse_phrase(error: &ParseError) -> &'static str {
    match error {
        ParseError::InvalidTokenStructure => "it has not three parts (an encrypted token has five)",
        ParseError::InvalidBase64Encoding => "a part of it is not base64url",
        ParseError::MalformedHeader(error) => json::phrase(error),
        ParseError::UnsupportedContentType(_) => "its content is not claims (cty)",
        _ => "it is no JWS",
    }
}

/// One of our algorithms, as the library wants to see it.
struct HostOrRust<'a> {
    world: &'a dyn World,
    algorithm: Algorithm,
}

struct Signature(Vec<u8>);

impl AlgorithmSignature for Signature {
    fn try_from_slice(bytes: &[u8]) -> Result<Self, anyhow::Error> {
        Ok(Self(bytes.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl jwt_compact::Algorithm for HostOrRust<'_> {
    /// We sign nothing here.
    type SigningKey = Infallible;
    type VerifyingKey = VerificationKey;
    type Signature = Signature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.algorithm.as_str())
    }

    fn sign(&self, signing_key: &Infallible, _message: &[u8]) -> Signature {
        match *signing_key {}
    }

    fn verify_signature(&self, signature: &Signature, verifying_key: &VerificationKey, message: &[u8]) -> bool {
        verifying_key.signed(self.world, self.algorithm, message, &signature.0)
    }
}

#[cfg(test)]
mod tests;
