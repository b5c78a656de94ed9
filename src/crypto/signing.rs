//! Keys of our own that sign: a shared secret (HMAC), or a private key. What is signed is not judged here, and no private key can
//! be read: only its public half. RSA signatures are made by the host alone, because the code for them would be as large as the
//! rest of this room.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use rsa::pkcs1;
use rsa::pkcs8::{DecodePrivateKey as _, PrivateKeyInfo};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::crypto::key::{Algorithm, UnusableKey, VerificationKey};
use crate::crypto::mac::MacKey;
use crate::crypto::pem;
use crate::words::principal::Claims;
use crate::words::secret::Secret;
use crate::words::world::{Hash, HostSignature, Signing, World};

/// A key that signs with one algorithm. Its private part is wiped when it is dropped, and is never printed.
pub struct SigningKey {
    private: Private,
    /// The thumbprint (RFC 7638); a shared secret has none.
    key_id: Option<String>,
    jwk: Option<Value>,
    verification: VerificationKey,
}

enum Private {
    Secret(MacKey),
    Rsa { pkcs8: Zeroizing<Vec<u8>> },
    P256 { key: p256::ecdsa::SigningKey, pkcs8: Zeroizing<Vec<u8>> },
}

/// The key does not sign: its parts do not belong together, or only the host could sign with it, and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSigned;

impl SigningKey {
    /// HS256 with a secret that is shared with whoever verifies. The key is the bytes of the text.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes (RFC 7518, section 3.2).
    pub fn shared_secret(secret: &Secret) -> Result<Self, UnusableKey> {
        let verification = VerificationKey::shared_secret(None, secret)?;
        Ok(Self { private: Private::Secret(MacKey::new(secret)?), key_id: None, jwk: None, verification })
    }

    /// RS256 or ES256, depending on the kind of the key, with a private key in PEM (PKCS#8).
    ///
    /// # Errors
    /// If it is no such key, or a weak one. The phrase names the remedy if there is one.
    pub fn from_pem(text: &Secret) -> Result<Self, UnusableKey> {
        let pkcs8 = pem::private_key(text.expose())?;
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (private, algorithm, mut jwk) = if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(&pkcs8) {
            let point = key.verifying_key().to_encoded_point(false);
            let coordinate = |bytes: Option<_>| bytes.map(|bytes: &p256::FieldBytes| encoded(bytes)).unwrap_or_default();
            let jwk = json!({"crv": "P-256", "kty": "EC", "x": coordinate(point.x()), "y": coordinate(point.y())});
            (Private::P256 { key, pkcs8 }, Algorithm::ES256, jwk)
        } else {
            let unusable = UnusableKey("it is no private key for RS256 or ES256 (RSA, or EC on P-256)");
            let info = PrivateKeyInfo::try_from(pkcs8.as_slice()).map_err(|_| unusable)?;
            let info = Some(info).filter(|info| info.algorithm.oid == pkcs1::ALGORITHM_OID).ok_or(unusable)?;
            let key = pkcs1::RsaPrivateKey::try_from(info.private_key).map_err(|_| unusable)?;
            let number = |number: pkcs1::UintRef<'_>| encoded(number.as_bytes());
            let jwk = json!({"e": number(key.public_exponent), "kty": "RSA", "n": number(key.modulus)});
            (Private::Rsa { pkcs8 }, Algorithm::RS256, jwk)
        };
        let key_id = thumbprint(&jwk);
        if let Some(members) = jwk.as_object_mut() {
            let further = [("kid", key_id.as_str()), ("alg", algorithm.as_str()), ("use", "sig")];
            members.extend(further.map(|(name, value)| (name.to_owned(), Value::from(value))));
        }
        let verification = VerificationKey::from_jwk(&jwk)?;
        Ok(Self { private, key_id: Some(key_id), jwk: Some(jwk), verification })
    }

    /// The algorithm that the key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match self.private {
            Private::Secret(_) => Algorithm::HS256,
            Private::Rsa { .. } => Algorithm::RS256,
            Private::P256 { .. } => Algorithm::ES256,
        }
    }

    /// The key that verifies this key's signatures.
    pub const fn verification_key(&self) -> &VerificationKey {
        &self.verification
    }

    /// The public key as a JWK (RFC 7517), to be published; `None` for a shared secret.
    pub const fn jwk(&self) -> Option<&Value> {
        self.jwk.as_ref()
    }

    /// Signs claims as a JWS in the compact serialization (RFC 7515, section 7.1). Its header has `alg`, `typ` and, for a key
    /// that is published, `kid`.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn sign(&self, world: &dyn World, typ: &str, claims: &Claims) -> Result<String, NotSigned> {
        let mut header = json!({"alg": self.algorithm().as_str(), "typ": typ});
        if let (Some(key_id), Some(members)) = (&self.key_id, header.as_object_mut()) {
            members.insert("kid".to_owned(), Value::from(key_id.as_str()));
        }
        let claims = serde_json::to_vec(claims).map_err(|_| NotSigned)?;
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(world, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Whether the key can sign here, and its public half verifies the signature. Tried when a configuration is loaded.
    pub fn signs(&self, world: &dyn World) -> bool {
        let probe = b"accredit";
        let signature = self.signature(world, probe);
        signature.is_ok_and(|signature| self.verification.signed(world, self.algorithm(), probe, &signature))
    }

    /// The host signs if it can; if not, Rust code does, except with RSA.
    fn signature(&self, world: &dyn World, message: &[u8]) -> Result<Vec<u8>, NotSigned> {
        let by_host = |world: &dyn World, pkcs8: &[u8]| match world.sign(&Signing { hash: Hash::Sha256, pkcs8, message }) {
            HostSignature::Signed(signature) => Some(signature),
            HostSignature::NotSigned => None,
        };
        match &self.private {
            Private::Secret(key) => Ok(key.mac(message)),
            Private::Rsa { pkcs8 } => by_host(world, pkcs8).ok_or(NotSigned),
            Private::P256 { key, pkcs8 } => {
                // The host's signature is DER; a token has r and s (RFC 7518, section 3.4).
                let by_host = by_host(world, pkcs8).and_then(|der| p256::ecdsa::Signature::from_der(&der).ok());
                let signature = by_host.or_else(|| key.try_sign(message).ok()).ok_or(NotSigned)?;
                Ok(signature.to_bytes().to_vec())
            }
        }
    }
}

/// The thumbprint of a public key (RFC 7638). `jwk` must have the required members alone. Their order (section 3.3) is
/// alphabetical, as in all our JSON objects.
fn thumbprint(jwk: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.to_string()))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey for {}", self.algorithm())
    }
}

#[cfg(test)]
mod tests;
