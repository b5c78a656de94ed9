//! Reads public keys: members of a JWK set (RFC 7517), or SubjectPublicKeyInfo in PEM. It decides which algorithms a key may be
//! used with, by its kind and by what it says of itself. No private key and no shared secret is read here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::Error;
use rsa::pkcs8::{EncodePublicKey as _, SubjectPublicKeyInfoRef};
use rsa::{BigUint, RsaPublicKey, pkcs1};
use serde_json::Value;

use crate::crypto::key::{Algorithm, Material, UnusableKey, VerificationKey};
use crate::crypto::pem;

/// The shortest modulus, in bits. RFC 7518, section 3.3: "A key of size 2048 bits or larger MUST be used".
const SMALLEST_MODULUS: usize = 2_048;
/// The longest modulus, in bits. Verifying takes longer with a longer one, and anybody can send tokens to verify.
const LARGEST_MODULUS: usize = 4_096;
/// The largest public exponent, which nearly every key has. Verifying takes longer with a larger one.
const LARGEST_EXPONENT: u32 = 65_537;
/// The length of the longest `kid`, in bytes.
const LONGEST_KEY_ID: usize = 512;

// The beginning of SubjectPublicKeyInfo, which is the same for all keys of a kind. Behind it stands the key: two coordinates (RFC
// 5480), or 32 bytes (RFC 8410).
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04";
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A key, and its SubjectPublicKeyInfo in DER.
type Parsed = (Material, Vec<u8>);

impl VerificationKey {
    /// Reads one key of a JWK set.
    ///
    /// # Errors
    /// If the key is not for verifying signatures, is not public, is weak, or is of an unknown kind.
    pub fn from_jwk(jwk: &Value) -> Result<Self, UnusableKey> {
        // A member that is `null` is as good as absent.
        let member = |name: &str| jwk.get(name).filter(|value| !value.is_null());
        let text = |name: &str| match member(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(UnusableKey("a member that should be a text is not")),
        };
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|private| member(private).is_some()) {
            return Err(UnusableKey("it holds a private or shared secret"));
        }
        if text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(UnusableKey("its use is not sig"));
        }
        if let Some(operations) = member("key_ops") {
            let operations = operations.as_array().ok_or(UnusableKey("its key_ops are not a list"))?;
            if !operations.iter().any(|operation| operation == "verify") {
                return Err(UnusableKey("its key_ops do not include verify"));
            }
        }
        let key_id = text("kid")?;
        let bytes = |name: &str| {
            let encoded = text(name)?.ok_or(UnusableKey("a part of it is missing"))?;
            URL_SAFE_NO_PAD.decode(encoded).map_err(|_| UnusableKey("a part of it is not base64url"))
        };
        let read = match (text("kty")?.ok_or(UnusableKey("it has no kty"))?, text("crv")?) {
            ("RSA", _) => rsa(&bytes("n")?, &bytes("e")?)?,
            ("EC", Some("P-256")) => p256(&bytes("x")?, &bytes("y")?)?,
            ("EC", Some("P-384")) => p384(&bytes("x")?, &bytes("y")?)?,
            ("EC", _) => return Err(UnusableKey("its curve is neither P-256 nor P-384")),
            ("OKP", Some("Ed25519")) => ed25519(&bytes("x")?)?,
            ("OKP", _) => return Err(UnusableKey("its curve is not Ed25519")),
            _ => return Err(UnusableKey("its kty is not RSA, EC or OKP")),
        };
        Self::of(read, key_id, text("alg")?)
    }

    /// Reads a public key in PEM (`BEGIN PUBLIC KEY`), and gives it this `kid`.
    ///
    /// # Errors
    /// If it is no such key, or a weak one. The phrase names the remedy if there is one.
    pub fn from_pem(key_id: Option<&str>, text: &str) -> Result<Self, UnusableKey> {
        let der = pem::public_key(text)?;
        let halves = |point: &'_ [u8]| point.split_at_checked(point.len() / 2).map(|(x, y)| (x.to_vec(), y.to_vec()));
        let read = if let Some((x, y)) = der.strip_prefix(P256).and_then(halves) {
            p256(&x, &y)?
        } else if let Some((x, y)) = der.strip_prefix(P384).and_then(halves) {
            p384(&x, &y)?
        } else if let Some(key) = der.strip_prefix(ED25519) {
            ed25519(key)?
        } else {
            let unusable = UnusableKey("it is no public key of RSA, P-256, P-384 or Ed25519");
            let info = SubjectPublicKeyInfoRef::try_from(der.as_slice()).map_err(|_| unusable)?;
            let bits = info.subject_public_key.as_bytes().filter(|_| info.algorithm.oid == pkcs1::ALGORITHM_OID);
            let key = bits.and_then(|bits| pkcs1::RsaPublicKey::try_from(bits).ok()).ok_or(unusable)?;
            rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())?
        };
        Self::of(read, key_id, None)
    }

    fn of((material, spki): Parsed, key_id: Option<&str>, algorithm: Option<&str>) -> Result<Self, UnusableKey> {
        if key_id.is_some_and(|id| id.len() > LONGEST_KEY_ID) {
            return Err(UnusableKey("its kid is too long"));
        }
        let possible: &[Algorithm] = match material {
            Material::Rsa(_) => &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256],
            Material::P256(_) => &[Algorithm::ES256],
            Material::P384 => &[Algorithm::ES384],
            Material::Ed25519(_) => &[Algorithm::EdDSA, Algorithm::Ed25519],
            Material::Shared(_) => &[],
        };
        let said = |possible: &&Algorithm| algorithm.is_none_or(|name| possible.as_str() == name);
        let serves: Vec<_> = possible.iter().filter(said).copied().collect();
        if serves.is_empty() {
            return Err(UnusableKey("its alg is not understood, or not for this kind of key"));
        }
        Ok(Self { key_id: key_id.map(str::to_owned), serves, spki, material })
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Parsed, UnusableKey> {
    let too_long = UnusableKey("its modulus is longer than 4096 bits");
    if modulus.len() > LARGEST_MODULUS / 8 + 1 {
        return Err(too_long);
    }
    let (modulus, exponent) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent));
    if modulus.bits() > LARGEST_MODULUS {
        return Err(too_long);
    }
    if modulus.bits() < SMALLEST_MODULUS {
        return Err(UnusableKey("its modulus is shorter than 2048 bits"));
    }
    if exponent < BigUint::from(3_u32) || exponent > BigUint::from(LARGEST_EXPONENT) {
        return Err(UnusableKey("its exponent is not from 3 to 65537"));
    }
    let key = RsaPublicKey::new_with_max_size(modulus, exponent, LARGEST_MODULUS)
        .map_err(|_| UnusableKey("its modulus or exponent is not usable"))?;
    let spki = key.to_public_key_der().map_err(|_| UnusableKey("it cannot be encoded"))?.into_vec();
    Ok((Material::Rsa(key), spki))
}

fn p256(x: &[u8], y: &[u8]) -> Result<Parsed, UnusableKey> {
    let unusable = UnusableKey("its coordinates are no point on P-256");
    let x: [u8; 32] = x.try_into().map_err(|_| unusable)?;
    let y: [u8; 32] = y.try_into().map_err(|_| unusable)?;
    let point = p256::EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
    let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point).map_err(|_| unusable)?;
    Ok((Material::P256(key), [P256, &x, &y].concat()))
}

/// Whether the coordinates are a point on the curve is not checked here: only the host verifies with this key, and it refuses
/// others.
fn p384(x: &[u8], y: &[u8]) -> Result<Parsed, UnusableKey> {
    if x.len() != 48 || y.len() != 48 {
        return Err(UnusableKey("its coordinates are no point on P-384"));
    }
    Ok((Material::P384, [P384, x, y].concat()))
}

fn ed25519(key: &[u8]) -> Result<Parsed, UnusableKey> {
    let unusable = UnusableKey("it is no public key on Ed25519, or one that is not safe");
    let public = ed25519_compact::PublicKey::from_slice(key).map_err(|_| unusable)?;
    // With a key of small order, almost any signature would be good. The library checks the key before it looks at the signature.
    let looked_at = public.verify([], &ed25519_compact::Signature::new([0; 64]));
    if matches!(looked_at, Err(Error::InvalidPublicKey | Error::WeakPublicKey)) {
        return Err(unusable);
    }
    Ok((Material::Ed25519(public), [ED25519, key].concat()))
}
