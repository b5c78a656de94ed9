//! The keys that a provider publishes (RFC 7517, section 5). A key that cannot be used is passed over, because it may be meant
//! for somebody else. When they are fetched again is not known here.

use serde_json::Value;

use crate::crypto::key::{KeySet, VerificationKey};
use crate::http::message::{HttpCall, Reply};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{Provider, ProviderRequest};
use crate::oidc::reply::{self, FailureReasons};
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};

/// How many keys of a set are looked at.
const MOST_KEYS: usize = 64;

/// How many keys are kept that one token may be signed with: they have the same `kid`, or none, and an algorithm in common. A
/// token is tried with each of them.
const MOST_NAMESAKES: usize = 4;

const REASONS: FailureReasons =
    FailureReasons { timeout: Reason::KeysUnavailable, unreachable: Reason::KeysUnavailable, malformed: Reason::KeysUnavailable };

/// The request for the keys.
///
/// # Errors
/// [`Reason::KeysUnavailable`] if the provider has no usable `jwks_uri`.
pub fn keys_request(provider: &Provider, metadata: &Metadata) -> Result<HttpCall, Failure> {
    let url = metadata.needed(EndpointName::Jwks).map_err(no_endpoint)?;
    // RFC 7517, section 8.5.1, has a media type of its own for them; some providers send them as that alone.
    let request = ProviderRequest::get(url, "application/jwk-set+json, application/json");
    provider.call(request, Reason::KeysUnavailable)
}

/// Reads the keys that can be used.
///
/// # Errors
/// [`Reason::KeysUnavailable`]. The detail says that there was no response, or what is wrong with it; if no key can be used, it
/// says why each was passed over.
pub fn keys_response(provider: &Provider, metadata: &Metadata, reply: &Reply) -> Result<KeySet, Failure> {
    let url = metadata.needed(EndpointName::Jwks).map_err(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    let members = answer.document()?;
    key_set(&members).map_err(|what| answer.malformed(&what))
}

/// The keys of a set that can be used (RFC 7517, section 5).
///
/// # Errors
/// If there is none: a sentence that says why each was passed over.
pub fn key_set(members: &Claims) -> Result<KeySet, String> {
    let Some(Value::Array(listed)) = members.get("keys") else {
        return Err("keys are missing, or not a list".to_owned());
    };
    let (usable, unusable): (Vec<_>, Vec<_>) =
        listed.iter().take(MOST_KEYS).map(VerificationKey::from_jwk).partition(Result::is_ok);
    if usable.is_empty() {
        let mut why: Vec<_> = unusable.into_iter().filter_map(Result::err).map(|unusable| unusable.0).collect();
        why.dedup();
        return Err(format!("no key of {} is usable: {}", listed.len(), why.join(", ")));
    }
    let mut keys: Vec<VerificationKey> = Vec::new();
    for key in usable.into_iter().flatten() {
        let is_namesake = |other: &&VerificationKey| key.is_namesake(other);
        if keys.iter().filter(is_namesake).count() < MOST_NAMESAKES {
            keys.push(key);
        }
    }
    Ok(KeySet::new(keys))
}

fn no_endpoint(why: String) -> Failure {
    Failure::new(Reason::KeysUnavailable, why)
}

#[cfg(test)]
mod tests;
