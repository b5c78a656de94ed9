//! Which bearer tokens of a provider are accepted, and which keys verify them: those that the provider publishes, or those that
//! the configuration has. What a token may do is never known here.

use std::rc::Rc;

use serde_json::Value;

#[cfg(not(target_arch = "wasm32"))]
use crate::config::providers::algorithms;
use crate::config::providers::algorithms::{Names, algorithms};
use crate::config::providers::introspection::{IntrospectionShape, introspection};
use crate::config::reading::place::{Place, Read, shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::{Parts, each, either, is_written};
use crate::crypto::key::{Algorithm, KeySet, UnusableKey, VerificationKey};
use crate::oidc::bearer::accepted::{Bearer, BearerKeys, TokenKind};
use crate::words::secret::Secret;

/// The most keys in a configuration: all of them may have to be tried for one token.
const MOST_KEYS: usize = 16;

shape! {
    pub(super) struct BearerShape {
        /// one of these must be in `aud`, outside of [`resources`](#protected-resources)
        /// Default: required; or none, and then this provider's tokens are accepted under `resources` alone
        pub(super) audiences: Option<Vec<Checked<String>>> where list(named("text")).at_least(1),
        /// [as for ID tokens](#providers); with `secret`, only `[HS256]`
        /// Default: `[RS256, PS256, ES256]`
        pub(super) algorithms: Option<Vec<Checked<String>>>
            where list(words(algorithms::published().chain([Algorithm::HS256.as_str()]))).at_least(1),
        /// `access_token` refuses what looks like an ID or refresh token (`nonce`, `at_hash`, `c_hash`, `s_hash`, a claim `typ` other
        /// than `Bearer` or `token_use` other than `access`); `at+jwt` requires that `typ` (RFC 9068); `id_token` accepts ID tokens
        /// too
        /// Default: `access_token`
        pub(super) kind: TokenKindWord as "type" = default,
        /// whether the application gets the client's own token too
        /// Default: `false`
        pub(super) forward: bool = default,
        /// [asks the provider](#opaque-tokens) about tokens
        pub(super) introspection: Option<IntrospectionShape>,
        /// 1 to 16 keys as a JWK set: `{keys: [{kty: …}]}`
        /// Default: the keys that the provider publishes
        pub(super) jwks: Option<JwkSet>,
        /// public keys in PEM (`BEGIN PUBLIC KEY`); `key_id` is optional. RSA: 2,048 to 4,096 bits, exponent from 3 to 65,537
        /// Default: the keys that the provider publishes
        pub(super) public_keys: Option<Vec<Checked<PublicKey>>> where list(PublicKey::kind()).at_least(1).at_most(MOST_KEYS),
        /// at least 32 bytes; for `algorithms: [HS256]`
        pub(super) secret: Option<Secret>,
    }
}

/// A JWK set (RFC 7517, section 5).
pub(crate) struct JwkSet {
    keys: Checked<Vec<Checked<Value>>>,
}

shape! {
    pub(super) struct PublicKey {
        /// the key, from `-----BEGIN PUBLIC KEY-----` on
        pem: String where text("text", "-----BEGIN "),
        /// the `kid` of the tokens that it verifies
        /// Default: it is tried for every token
        key_id: Option<String>,
    }
}

words! {
    #[derive(Clone, Copy, Default)]
    pub(super) enum TokenKindWord {
        #[default]
        AccessToken = "access_token",
        AtJwt = "at+jwt",
        IdToken = "id_token",
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl crate::config::described::Described for JwkSet {
    fn kind() -> crate::config::described::Kind {
        use crate::config::described::{Field, Kind, list};
        let keys = || {
            let keys = list(Kind::Map(Box::new(Kind::Json))).at_least(1).at_most(MOST_KEYS);
            vec![Field::new("keys", keys, true, &["the keys (RFC 7517, section 4)"])]
        };
        Kind::with_fields("JwkSet", keys).open()
    }
}

impl Read for JwkSet {
    /// Ignores other members than `keys`, as RFC 7517 section 5 demands.
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        Ok(Self { keys: place.members(refusals)?.member("keys", refusals) })
    }
}

impl BearerShape {
    /// Whether keys are configured, so that the provider is not asked for its own.
    pub(super) fn has_keys(&self) -> Checked<bool> {
        either(either(is_written(&self.jwks), is_written(&self.public_keys)), is_written(&self.secret))
    }
}

/// Checks which tokens of a provider are accepted.
pub(super) fn bearer(path: &str, shape: BearerShape, refusals: &mut Refusals) -> Checked<Bearer> {
    let audiences = shape.audiences.and_then(|audiences| match audiences {
        Some(audiences) => self::audiences(path, audiences, refusals),
        None => Ok(Vec::new()),
    });
    let kind = shape.kind.map(|kind| match kind {
        TokenKindWord::AccessToken => TokenKind::AccessToken,
        TokenKindWord::AtJwt => TokenKind::AtJwt,
        TokenKindWord::IdToken => TokenKind::IdToken,
    });
    let at_algorithms = format!("{path}.algorithms");
    let keys = match (shape.jwks, shape.public_keys, shape.secret) {
        (Ok(None), Ok(None), Ok(None)) => {
            algorithms(&at_algorithms, shape.algorithms, refusals).map(|algorithms| (BearerKeys::Published, algorithms))
        }
        (Ok(None), Ok(None), Ok(Some(secret))) => shared_secret(path, &secret, shape.algorithms, refusals),
        (Ok(Some(jwks)), Ok(None), Ok(None)) => {
            of_jwks(&format!("{path}.jwks.keys"), jwks, &at_algorithms, shape.algorithms, refusals).map(bearer_keys)
        }
        (Ok(None), Ok(Some(written)), Ok(None)) => {
            let key = |key: PublicKey| Ok(VerificationKey::from_pem(key.key_id?.as_deref(), &key.pem?));
            let keys = Ok(each_key(written, key));
            configured(&format!("{path}.public_keys"), keys, &at_algorithms, shape.algorithms, refusals).map(bearer_keys)
        }
        (Ok(_), Ok(_), Ok(_)) => {
            let sentence = "expected one of jwks, public_keys and secret, found several; remove all but one";
            Err(refusals.refuse(path, sentence))
        }
        (Err(refused), _, _) | (_, Err(refused), _) | (_, _, Err(refused)) => Err(refused),
    };
    let introspection = shape.introspection.and_then(|shape| {
        shape.map(|shape| introspection(&format!("{path}.introspection"), shape, &audiences, refusals)).transpose()
    });
    let (keys, algorithms) = keys?;
    let (audiences, kind, introspection) = (audiences?, kind?, introspection?);
    Ok(Bearer { audiences, resource_audiences: Vec::new(), algorithms, kind, forward: shape.forward?, introspection, keys })
}

/// Checks the keys of a JWK set, at this path, and the algorithms at the other, which they must be for.
pub(crate) fn of_jwks(
    path: &str,
    jwks: JwkSet,
    at_algorithms: &str,
    names: Names,
    refusals: &mut Refusals,
) -> Checked<Configured> {
    let keys = jwks.keys.map(|keys| each_key(keys, |key| Ok(VerificationKey::from_jwk(&key))));
    configured(path, keys, at_algorithms, names, refusals)
}

pub(crate) fn audiences(path: &str, audiences: Vec<Checked<String>>, refusals: &mut Refusals) -> Checked<Vec<String>> {
    if audiences.is_empty() || audiences.iter().any(|audience| audience.as_ref().is_ok_and(String::is_empty)) {
        let sentence = "expected the audiences that tokens for these services have, found none; write audiences: [app]";
        return Err(refusals.refuse(format!("{path}.audiences"), sentence));
    }
    audiences.into_iter().collect()
}

/// Keys, and the algorithms that are accepted with them.
type Verifying = (BearerKeys, Vec<Algorithm>);

/// The same, of keys that stand in the configuration.
pub(crate) type Configured = (Rc<KeySet>, Vec<Algorithm>);

fn bearer_keys((keys, algorithms): Configured) -> Verifying {
    (BearerKeys::Configured(keys), algorithms)
}

/// Checks a secret that the provider shares with us, which verifies HMAC alone.
fn shared_secret(path: &str, secret: &Secret, names: Names, refusals: &mut Refusals) -> Checked<Verifying> {
    let mut parts = Parts::default();
    let names = names.and_then(|names| names.map(|names| names.into_iter().collect::<Checked<Vec<String>>>()).transpose());
    parts.part(names.and_then(|names| {
        if names.is_some_and(|names| names == [Algorithm::HS256.as_str()]) {
            return Ok(());
        }
        let sentence = "expected HS256 alone, because a secret verifies nothing else; write algorithms: [HS256]";
        Err(refusals.refuse(format!("{path}.algorithms"), sentence))
    }));
    // As a secret, a public key would be known to everybody.
    if secret.expose().starts_with("-----") {
        let sentence = "expected a secret, found a key in PEM; write it under public_keys";
        return Err(refusals.refuse(format!("{path}.secret"), sentence));
    }
    let key = VerificationKey::shared_secret(None, secret).map_err(|UnusableKey(why)| {
        let sentence = format!("expected a secret that cannot be guessed; {why}; make one with: openssl rand -base64 32");
        refusals.refuse(format!("{path}.secret"), sentence)
    })?;
    parts.whole((BearerKeys::Configured(Rc::new(KeySet::configured(vec![key]))), vec![Algorithm::HS256]))
}

/// A configured key, or why it cannot be used.
type Key = Result<VerificationKey, UnusableKey>;

fn each_key<T>(keys: Vec<Checked<T>>, read: impl Fn(T) -> Checked<Key>) -> Vec<Checked<Key>> {
    keys.into_iter().map(|key| key.and_then(&read)).collect()
}

/// Checks configured public keys. All must be usable, unlike those that a provider publishes: whoever wrote them down meant them.
fn configured(
    path: &str,
    keys: Checked<Vec<Checked<Key>>>,
    at_algorithms: &str,
    names: Names,
    refusals: &mut Refusals,
) -> Checked<Configured> {
    let algorithms = algorithms(at_algorithms, names, refusals);
    let keys = keys?;
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(refusals.refuse(path, format!("expected 1 to {MOST_KEYS} keys, found {}", keys.len())));
    }
    let keys = each(keys, |index, key| {
        let mut refuse =
            |why: &str| refusals.refuse(format!("{path}[{index}]"), format!("expected a public key that can be used; {why}"));
        let key = key.map_err(|UnusableKey(why)| refuse(why))?;
        let Ok(algorithms) = &algorithms else { return Ok(key) };
        if algorithms.iter().any(|algorithm| key.serves(*algorithm)) {
            return Ok(key);
        }
        let fitting = Algorithm::ALL.iter().find(|algorithm| key.serves(**algorithm)).map_or("", |algorithm| algorithm.as_str());
        Err(refuse(&format!("none of the algorithms is for this one; add {fitting} to {at_algorithms}")))
    })?;
    Ok((Rc::new(KeySet::configured(keys)), algorithms?))
}

#[cfg(test)]
mod tests;
