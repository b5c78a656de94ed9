//! Keys that verify signatures, and the algorithms that each may be used with (RFC 7517, RFC 7518). The key decides that, never a
//! token's header. A shared secret comes from the configuration alone: no provider's document can become one. Private keys are
//! not accepted, and nothing is fetched here.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
// The `rsa` crate works with its own version of SHA-2 only.
use rsa::sha2::{Digest as _, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};

use crate::crypto::mac::{MacKey, TooShort};
use crate::words::secret::Secret;
use crate::words::world::{Hash, HostVerdict, SignatureCheck, World};

/// The signature algorithms that are supported. `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384. Only the host can verify it: [`Algorithm::needs_the_host`].
    ES384,
    /// Ed25519, under the name of RFC 8037.
    EdDSA,
    /// Ed25519, under the name of RFC 9864.
    Ed25519,
    /// HMAC with SHA-256. Whoever can verify such a signature can make one, too.
    HS256,
}

impl Algorithm {
    /// All of these algorithms.
    pub const ALL: &[Self] =
        &[Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::ES256, Self::ES384, Self::EdDSA, Self::Ed25519, Self::HS256];

    /// The name in a JWS header (`alg`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::HS256 => "HS256",
        }
    }

    /// Whether one secret both signs and verifies, so that the key must not be published.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256)
    }

    /// Whether only the host's native code verifies it: the Rust code would make the module too large.
    pub const fn needs_the_host(self) -> bool {
        matches!(self, Self::ES384)
    }

    /// The hash function that the signature algorithm uses.
    pub const fn hash(self) -> Hash {
        match self {
            Self::RS256 | Self::PS256 | Self::ES256 | Self::HS256 => Hash::Sha256,
            Self::RS384 | Self::ES384 => Hash::Sha384,
            Self::RS512 | Self::EdDSA | Self::Ed25519 => Hash::Sha512,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// No [`Algorithm`] has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

/// Why a key cannot be used: a phrase that completes "the key is passed over, because …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableKey(pub &'static str);

impl fmt::Display for UnusableKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl From<TooShort> for UnusableKey {
    fn from(_: TooShort) -> Self {
        Self("it is shorter than 32 bytes")
    }
}

/// A public key or a shared secret, ready to verify with.
#[derive(Clone, Debug, PartialEq)]
pub struct VerificationKey {
    pub(super) key_id: Option<String>,
    pub(super) serves: Vec<Algorithm>,
    /// The public key as SubjectPublicKeyInfo in DER, for the host. Empty for a shared secret, which the host never gets.
    pub(super) spki: Vec<u8>,
    pub(super) material: Material,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Material {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    /// The host verifies with the SubjectPublicKeyInfo alone.
    P384,
    Ed25519(ed25519_compact::PublicKey),
    Shared(MacKey),
}

impl VerificationKey {
    /// A secret that is shared with whoever signs, for HS256 alone. The key is the bytes of the text.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes (RFC 7518, section 3.2): it could be guessed from one token.
    pub fn shared_secret(key_id: Option<&str>, secret: &Secret) -> Result<Self, UnusableKey> {
        let material = Material::Shared(MacKey::new(secret)?);
        Ok(Self { key_id: key_id.map(str::to_owned), serves: vec![Algorithm::HS256], spki: Vec::new(), material })
    }

    /// The `kid` of the key, if it has one.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether the key may be used with this algorithm.
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.serves.contains(&algorithm)
    }

    /// Whether both keys have the same `kid`, or none, and an algorithm in common, so that one token may be signed by either.
    pub fn is_namesake(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.serves.iter().any(|algorithm| other.serves(*algorithm))
    }

    /// The work to verify one signature in Rust, relative to others: it grows with the square of the modulus. A key of 2,048 bits
    /// costs 4, one of 4,096 bits costs 16. What the host verifies costs nothing.
    pub(super) fn cost(&self, algorithm: Algorithm) -> usize {
        match &self.material {
            Material::Rsa(key) if algorithm == Algorithm::PS256 => (key.size() / 128).saturating_pow(2),
            _ => 0,
        }
    }

    /// Whether this key signed the message with this algorithm. The host verifies that if it can, else Rust code does.
    pub(super) fn signed(&self, world: &dyn World, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.serves(algorithm) {
            return false;
        }
        let by_host = |signature: &[u8]| {
            let check = SignatureCheck { hash: algorithm.hash(), spki: &self.spki, signature, message };
            match world.verify_signature(&check) {
                HostVerdict::Valid => Some(true),
                HostVerdict::Invalid => Some(false),
                HostVerdict::NotOffered => None,
            }
        };
        match (&self.material, algorithm) {
            (Material::Rsa(key), _) if signature.len() != key.size() => false,
            // Hosts do not offer PSS. RFC 7518, section 3.5: the salt is as long as the hash.
            (Material::Rsa(key), Algorithm::PS256) => {
                key.verify(Pss::new::<Sha256>(), &Sha256::digest(message), signature).is_ok()
            }
            (Material::Rsa(key), Algorithm::RS256) => by_host(signature)
                .unwrap_or_else(|| key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature).is_ok()),
            (Material::Rsa(key), Algorithm::RS384) => by_host(signature)
                .unwrap_or_else(|| key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature).is_ok()),
            (Material::Rsa(key), Algorithm::RS512) => by_host(signature)
                .unwrap_or_else(|| key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature).is_ok()),
            (Material::P256(key), Algorithm::ES256) => {
                // RFC 7518, section 3.4: r and s have 32 bytes each; neither may be zero, or as large as the order of the group.
                let Ok(signature) = p256::ecdsa::Signature::from_slice(signature) else { return false };
                by_host(signature.to_der().as_bytes()).unwrap_or_else(|| key.verify(message, &signature).is_ok())
            }
            (Material::Shared(key), Algorithm::HS256) => key.is_mac(signature, message),
            (Material::P384, Algorithm::ES384) => der(signature, 48).is_some_and(|der| by_host(&der) == Some(true)),
            // The library refuses keys and signatures with points of small order, and numbers that are not in their one encoding.
            (Material::Ed25519(key), Algorithm::EdDSA | Algorithm::Ed25519) => {
                ed25519_compact::Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            // This algorithm is not for this kind of key.
            _ => false,
        }
    }
}

/// The DER form of an ECDSA signature, which hosts expect. In a token it is r and s, with `size` bytes each (RFC 7518, section
/// 3.4). `None` if one of them is zero; the host refuses what is too large for the curve.
fn der(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(size).filter(|(_, s)| s.len() == size)?;
    let mut numbers = Vec::new();
    for number in [r, s] {
        let digits = number.get(number.iter().position(|digit| *digit != 0)?..)?;
        let sign = digits.first().is_some_and(|digit| *digit >= 0x80);
        let length = digits.len().saturating_add(sign.into());
        numbers.extend([0x02, u8::try_from(length).ok()?]);
        numbers.extend(sign.then_some(0));
        numbers.extend(digits);
    }
    // A length below 128 is one byte in DER.
    let length = u8::try_from(numbers.len()).ok().filter(|length| *length < 0x80)?;
    Some([[0x30, length].as_slice(), &numbers].concat())
}

/// The usable keys of one issuer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    kid_rule: KidRule,
}

/// Whether a token and a key must name each other by `kid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum KidRule {
    /// Yes: a provider that publishes several keys names them, in the set and in its tokens.
    #[default]
    Required,
    /// No: an operator who lists keys may leave the names out. A key without `kid` fits every token.
    Optional,
}

impl KeySet {
    /// The keys that a provider publishes.
    pub const fn new(keys: Vec<VerificationKey>) -> Self {
        Self { keys, kid_rule: KidRule::Required }
    }

    /// Keys from the configuration: another issuer's, or our own. They are few, so each is tried with a token that has no `kid`.
    pub const fn configured(keys: Vec<VerificationKey>) -> Self {
        Self { keys, kid_rule: KidRule::Optional }
    }

    /// Whether a key without `kid` fits every token, and every key a token without `kid`.
    pub(super) fn kids_are_optional(&self) -> bool {
        self.kid_rule == KidRule::Optional
    }

    /// The keys, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &VerificationKey> {
        self.keys.iter()
    }

    /// How many keys there are.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// The left half of the hash of a text, in base64url, as in `at_hash` (OpenID Connect Core, section 3.1.3.6).
pub fn left_half_hash(hash: Hash, text: &str) -> String {
    let digest = match hash {
        Hash::Sha256 => Sha256::digest(text).to_vec(),
        Hash::Sha384 => Sha384::digest(text).to_vec(),
        Hash::Sha512 => Sha512::digest(text).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(digest.get(..digest.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests;
