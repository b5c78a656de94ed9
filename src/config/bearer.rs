//! Bearer tokens as written → which are accepted, and by which keys: those that the provider publishes, or those that stand here.

use std::rc::Rc;
use std::time::Duration;

use crate::config::Refusal;
use crate::config::providers::algorithms;
use crate::config::shapes;
use crate::crypto::key::{Algorithm, KeySet, UnusableKey, VerificationKey};
use crate::oidc::accepted::{About, Bearer, BearerKeys, Introspection, MissingAudience, TokenKind};
use crate::words::secret::Secret;

/// Each may be tried for one token.
const MOST_KEYS: usize = 16;

/// Checks which tokens of a provider are accepted. `secret` is the one that the provider shares with us.
pub(super) fn bearer(path: &str, shape: shapes::Bearer, secret: Option<&Secret>) -> Result<Bearer, Refusal> {
    if shape.audiences.is_empty() || shape.audiences.iter().any(String::is_empty) {
        return Err(Refusal::new(
            format!("{path}.audiences"),
            "expected the audiences that tokens for these services have, found none; write audiences: [app]",
        ));
    }
    let kind = match shape.kind {
        shapes::TokenKind::AccessToken => TokenKind::AccessToken,
        shapes::TokenKind::AtJwt => TokenKind::AtJwt,
        shapes::TokenKind::IdToken => TokenKind::IdToken,
    };
    let at_algorithms = format!("{path}.algorithms");
    let (keys, algorithms) = match (shape.jwks, shape.public_keys, secret) {
        (None, None, None) => (BearerKeys::Published, algorithms(&at_algorithms, shape.algorithms)?),
        (None, None, Some(secret)) => {
            if shape.algorithms.is_none_or(|names| names != [Algorithm::HS256.as_str()]) {
                let sentence = "expected HS256 alone, because a secret verifies nothing else; write algorithms: [HS256]";
                return Err(Refusal::new(at_algorithms, sentence));
            }
            // Everybody has the public half.
            if secret.expose().starts_with("-----") {
                let sentence = "expected a secret, found a key in PEM; write it under public_keys";
                return Err(Refusal::new(format!("{path}.secret"), sentence));
            }
            let key = VerificationKey::shared_secret(None, secret).map_err(|UnusableKey(why)| {
                let sentence = format!("expected a secret that cannot be guessed; {why}; make one with: openssl rand -base64 32");
                Refusal::new(format!("{path}.secret"), sentence)
            })?;
            (BearerKeys::Configured(Rc::new(KeySet::configured(vec![key]))), vec![Algorithm::HS256])
        }
        (Some(jwks), None, None) => {
            let keys = jwks.keys.iter().map(VerificationKey::from_jwk).collect();
            configured(&format!("{path}.jwks.keys"), keys, &at_algorithms, shape.algorithms)?
        }
        (None, Some(written), None) => {
            let keys = written.iter().map(|key| VerificationKey::from_pem(key.key_id.as_deref(), &key.pem)).collect();
            configured(&format!("{path}.public_keys"), keys, &at_algorithms, shape.algorithms)?
        }
        _ => {
            let sentence = "expected one of jwks, public_keys and secret, found several; remove all but one";
            return Err(Refusal::new(path, sentence));
        }
    };
    let introspection = shape.introspection.map(|shape| introspection(&format!("{path}.introspection"), &shape)).transpose()?;
    Ok(Bearer { audiences: shape.audiences, algorithms, kind, forward: shape.forward, introspection, keys })
}

fn introspection(path: &str, shape: &shapes::Introspection) -> Result<Introspection, Refusal> {
    const LONGEST_CACHE: Duration = Duration::from_secs(300);
    let cache = shape.cache.map_or(Duration::from_secs(30), |span| span.0);
    if cache > LONGEST_CACHE {
        let sentence = "expected at most 5m, found more; a token that was withdrawn is accepted for so long";
        return Err(Refusal::new(format!("{path}.cache"), sentence));
    }
    let about = match shape.when.as_deref() {
        None | Some("opaque") => About::OpaqueTokens,
        Some("jwt") => About::Jwts,
        Some("always") => About::EveryToken,
        Some(_) => {
            let sentence = "expected opaque, jwt or always, found another word; write opaque";
            return Err(Refusal::new(format!("{path}.when"), sentence));
        }
    };
    let missing_audience = if shape.allow_missing_audience { MissingAudience::Allowed } else { MissingAudience::Refused };
    Ok(Introspection { about, cache, missing_audience })
}

/// Keys that stand here must all be usable: whoever wrote them down meant them.
fn configured(
    path: &str,
    keys: Vec<Result<VerificationKey, UnusableKey>>,
    at_algorithms: &str,
    names: Option<Vec<String>>,
) -> Result<(BearerKeys, Vec<Algorithm>), Refusal> {
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(Refusal::new(path, format!("expected 1 to {MOST_KEYS} keys, found {}", keys.len())));
    }
    let algorithms = algorithms(at_algorithms, names)?;
    let each = keys.into_iter().enumerate().map(|(index, key)| {
        let refusal = |why| Refusal::new(format!("{path}[{index}]"), format!("expected a public key that can be used; {why}"));
        let key = key.map_err(|UnusableKey(why)| refusal(why.to_owned()))?;
        if algorithms.iter().any(|algorithm| key.serves(*algorithm)) {
            return Ok(key);
        }
        let fitting = Algorithm::ALL.iter().find(|algorithm| key.serves(**algorithm)).map_or("", |algorithm| algorithm.as_str());
        Err(refusal(format!("none of the algorithms is for this one; add {fitting} to {at_algorithms}")))
    });
    let keys = each.collect::<Result<Vec<_>, Refusal>>()?;
    Ok((BearerKeys::Configured(Rc::new(KeySet::configured(keys))), algorithms))
}

#[cfg(test)]
mod tests;
