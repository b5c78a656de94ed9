//! Keys and hosts for the tests of this room and of those above. The private keys are used by tests alone.

use std::cell::RefCell;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Signer as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::sha2::{Digest as _, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use serde_json::{Value, json};

use crate::crypto::key::{Algorithm, KeySet, VerificationKey};
use crate::words::time::Timestamp;
use crate::words::world::{
    Contended, Destination, Hash, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing,
    StreamId, Version, World,
};

/// A private key that signs tokens in tests.
pub(crate) enum TestKey {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_compact::SecretKey),
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap()
}

/// The RSA key of the provider.
pub(crate) static RSA: LazyLock<TestKey> = LazyLock::new(|| rsa(include_str!("testdata/for-tests-only-rsa1.pem")));
/// The RSA key of somebody else.
pub(crate) static OTHER_RSA: LazyLock<TestKey> = LazyLock::new(|| rsa(include_str!("testdata/for-tests-only-rsa2.pem")));
/// An RSA key of 1,024 bits.
pub(crate) static WEAK_RSA: LazyLock<TestKey> = LazyLock::new(|| rsa(include_str!("testdata/for-tests-only-weak.pem")));
/// The P-256 key of the provider.
pub(crate) static P256: LazyLock<TestKey> = LazyLock::new(|| {
    let der = der(include_str!("testdata/for-tests-only-p256.pem"));
    TestKey::P256(p256::ecdsa::SigningKey::from_pkcs8_der(&der).unwrap())
});

/// The P-256 key of somebody else.
pub(crate) static OTHER_P256: LazyLock<TestKey> =
    LazyLock::new(|| TestKey::P256(p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()));

/// The Ed25519 key of RFC 8037, appendix A.1.
pub(crate) static ED25519: LazyLock<TestKey> = LazyLock::new(|| {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    TestKey::Ed25519(ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::from_slice(&seed).unwrap()).sk)
});

fn rsa(pem: &str) -> TestKey {
    TestKey::Rsa(Box::new(RsaPrivateKey::from_pkcs8_der(&der(pem)).unwrap()))
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl TestKey {
    /// The public half as a provider publishes it, with further members.
    pub(crate) fn jwk(&self, further: &Value) -> Value {
        let mut jwk = match self {
            Self::Rsa(key) => {
                json!({"kty": "RSA", "n": base64url(key.n().to_bytes_be()), "e": base64url(key.e().to_bytes_be())})
            }
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                json!({"kty": "EC", "crv": "P-256", "x": base64url(point.x().unwrap()), "y": base64url(point.y().unwrap())})
            }
            Self::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().as_slice())}),
        };
        jwk.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        jwk
    }

    /// The public half, ready to verify with.
    pub(crate) fn verifying(&self, further: &Value) -> VerificationKey {
        VerificationKey::from_jwk(&self.jwk(further)).unwrap()
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match (self, algorithm) {
            (Self::Rsa(key), Algorithm::RS256) => key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
            (Self::Rsa(key), Algorithm::RS384) => key.sign(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)),
            (Self::Rsa(key), Algorithm::RS512) => key.sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
            (Self::Rsa(key), Algorithm::PS256) => {
                key.sign_with_rng(&mut Counting(0), Pss::new::<Sha256>(), &Sha256::digest(message))
            }
            (Self::P256(key), Algorithm::ES256) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_vec())
            }
            (Self::Ed25519(key), Algorithm::EdDSA | Algorithm::Ed25519) => Ok(key.sign(message, None).to_vec()),
            _ => panic!("this key does not sign so"),
        }
        .unwrap()
    }

    /// A token with these claims and this header, to which `alg` is added.
    pub(crate) fn token(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        header.as_object_mut().unwrap().insert("alg".to_owned(), algorithm.as_str().into());
        self.raw_token(algorithm, &header.to_string(), &claims.to_string())
    }

    /// A token whose header and payload are these texts, whatever they are.
    pub(crate) fn raw_token(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(claims));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", base64url(signature))
    }
}

/// The public halves of these keys, each with further members.
pub(crate) fn key_set(keys: &[(&TestKey, Value)]) -> KeySet {
    KeySet::new(keys.iter().map(|(key, further)| key.verifying(further)).collect())
}

/// A predictable generator of numbers, for signatures that can be repeated.
struct Counting(u8);

impl rsa::rand_core::CryptoRng for Counting {}

impl rsa::rand_core::RngCore for Counting {
    fn next_u32(&mut self) -> u32 {
        rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rsa::rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(101);
            *byte = self.0;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// A world that offers nothing but answers about signatures, and records what it was asked.
pub(crate) struct BareHost {
    says: HostVerdict,
    /// The answer to every request to sign.
    pub(crate) signs: HostSignature,
    /// The hash function and the signature of each question.
    pub(crate) asked: RefCell<Vec<(Hash, Vec<u8>)>>,
}

impl BareHost {
    pub(crate) const fn always(says: HostVerdict) -> Self {
        Self { says, signs: HostSignature::NotSigned, asked: RefCell::new(Vec::new()) }
    }

    /// A host that does not verify signatures.
    pub(crate) const fn none() -> Self {
        Self::always(HostVerdict::NotOffered)
    }
}

impl World for BareHost {
    fn destination(&self) -> Destination {
        Destination::Nobody
    }

    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn random(&mut self, _: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }

    fn shared(&self, _: &str) -> Option<Shared> {
        None
    }

    fn share(&mut self, _: &str, _: &[u8], _: Version) -> Result<(), Contended> {
        Err(Contended)
    }

    fn route_metadata(&self, _: &str, _: &str) -> RouteMetadata {
        RouteMetadata::Absent
    }

    fn client_address(&self) -> Option<String> {
        None
    }

    fn stream(&self) -> Option<StreamId> {
        None
    }

    fn kept_with_stream(&self) -> Option<Vec<u8>> {
        None
    }

    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict {
        self.asked.borrow_mut().push((check.hash, check.signature.to_vec()));
        self.says
    }

    fn sign(&self, _: &Signing<'_>) -> HostSignature {
        self.signs.clone()
    }
}
