//! Keys that verify, and which algorithms each may serve (RFC 7517, RFC 7518). A key says what it is for; a token's header
//! never does. A shared secret comes from the configuration alone: no document of a provider, whatever it says, becomes one.
//! Private keys are never taken in, and nothing here fetches anything.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
// RSA takes its own generation of SHA-2 only.
use rsa::sha2::{Digest as _, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};

use crate::crypto::mac::{MacKey, TooShort};
use crate::words::secret::Secret;
use crate::words::world::{Hash, HostVerdict, SignatureCheck, World};

/// The signature algorithms that are understood. There is no `none` among them.
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
    /// ECDSA on P-384 with SHA-384. Only hosts verify it: [`Algorithm::needs_the_host`].
    ES384,
    /// Ed25519, by the name of RFC 8037.
    EdDSA,
    /// Ed25519, by the name of RFC 9864.
    Ed25519,
    /// HMAC with SHA-256: whoever can verify can sign too.
    HS256,
}

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: &[Self] =
        &[Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::ES256, Self::ES384, Self::EdDSA, Self::Ed25519, Self::HS256];

    /// The name in a JWS header.
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

    /// Whether it verifies with what it signs with: a secret, not a key that may be published.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256)
    }

    /// Whether it is verified by the host's native code alone: in Rust it would take too much room.
    pub const fn needs_the_host(self) -> bool {
        matches!(self, Self::ES384)
    }

    /// The hash of the signature, or under it.
    const fn hash(self) -> Hash {
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

/// A name that is none of an [`Algorithm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

/// Why a key of a set is passed over: a phrase that completes "the key is passed over, because …".
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

/// A public key, or a shared secret, ready to verify with.
#[derive(Clone, Debug, PartialEq)]
pub struct VerificationKey {
    pub(super) key_id: Option<String>,
    pub(super) serves: Vec<Algorithm>,
    /// Of a public key; a shared secret is never handed to the host.
    pub(super) spki: Vec<u8>,
    pub(super) material: Material,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Material {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    /// Of this kind there is only the SubjectPublicKeyInfo.
    P384,
    Ed25519(ed25519_compact::PublicKey),
    Shared(MacKey),
}

impl VerificationKey {
    /// A secret that is shared with whoever signs, for HS256 alone. Its bytes are those of the text.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes: it could be guessed from one token.
    pub fn shared_secret(key_id: Option<&str>, secret: &Secret) -> Result<Self, UnusableKey> {
        let material = Material::Shared(MacKey::new(secret)?);
        Ok(Self { key_id: key_id.map(str::to_owned), serves: vec![Algorithm::HS256], spki: Vec::new(), material })
    }

    /// `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether the key may be used with this algorithm.
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.serves.contains(&algorithm)
    }

    /// Whether a token may mean either of them.
    pub fn is_namesake(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.serves.iter().any(|algorithm| other.serves(*algorithm))
    }

    /// What it costs us to find out whether it signed, where no host does it for us: that grows with the square of the modulus. A key
    /// of 2,048 bits costs 4, one of 4,096 costs 16.
    pub(super) fn cost(&self, algorithm: Algorithm) -> usize {
        match &self.material {
            Material::Rsa(key) if algorithm == Algorithm::PS256 => (key.size() / 128).saturating_pow(2),
            _ => 0,
        }
    }

    /// Whether this key signed the message: by the host where it can, in Rust otherwise.
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
            // Hosts do not offer PSS; RFC 7518, section 3.5: the salt is as long as the hash.
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
                // RFC 7518, section 3.4: r and s, 32 bytes each; neither may be zero or as large as the order.
                let Ok(signature) = p256::ecdsa::Signature::from_slice(signature) else { return false };
                by_host(signature.to_der().as_bytes()).unwrap_or_else(|| key.verify(message, &signature).is_ok())
            }
            (Material::Shared(key), Algorithm::HS256) => key.is_code(signature, message),
            (Material::P384, Algorithm::ES384) => der(signature, 48).is_some_and(|der| by_host(&der) == Some(true)),
            // Keys and signatures with points of small order are refused, and every number has one encoding only.
            (Material::Ed25519(key), Algorithm::EdDSA | Algorithm::Ed25519) => {
                ed25519_compact::Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            // A kind and an algorithm that do not belong together.
            _ => false,
        }
    }
}

/// An ECDSA signature as the host wants it: two positive numbers as DER, which in a token have `size` bytes each (RFC 7518, section
/// 3.4). Zero is none of them; what is too large for the curve, the host refuses.
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
    // One byte tells the length, of less than 128.
    let length = u8::try_from(numbers.len()).ok().filter(|length| *length < 0x80)?;
    Some([[0x30, length].as_slice(), &numbers].concat())
}

/// The usable keys of one provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    kid_rule: KidRule,
}

/// How strictly `kid` chooses among the keys of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum KidRule {
    /// Whoever publishes several keys names them, in the set and in tokens.
    #[default]
    Required,
    /// Whoever wrote the keys down by hand may have left the names out: a key without one fits every token.
    Optional,
}

impl KeySet {
    /// Takes keys over that a provider publishes.
    pub const fn new(keys: Vec<VerificationKey>) -> Self {
        Self { keys, kid_rule: KidRule::Required }
    }

    /// Takes keys over that an operator wrote down, or keys of our own. They are few: a token without `kid` is tried with each.
    pub const fn configured(keys: Vec<VerificationKey>) -> Self {
        Self { keys, kid_rule: KidRule::Optional }
    }

    /// Whether a key without a name fits every token, and a token without `kid` every key.
    pub(super) fn kids_are_optional(&self) -> bool {
        self.kid_rule == KidRule::Optional
    }

    /// The keys, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &VerificationKey> {
        self.keys.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// The left half of a hash, base64url: `at_hash` (OpenID Connect Core, section 3.1.3.6). The hash is the signature's; for Ed25519,
/// where the specification names none, the one that it uses itself, as most providers do.
pub fn left_half_hash(algorithm: Algorithm, text: &str) -> String {
    let digest = match algorithm.hash() {
        Hash::Sha256 => Sha256::digest(text).to_vec(),
        Hash::Sha384 => Sha384::digest(text).to_vec(),
        Hash::Sha512 => Sha512::digest(text).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(digest.get(..digest.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests;
