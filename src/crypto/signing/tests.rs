use super::*;
use crate::crypto::jws::{self, VerifiedJws};
use crate::crypto::key::KeySet;
use crate::crypto::testing::{BareHost, P256, RSA};
use crate::words::world::testing::Still;

const RSA_PEM: &str = include_str!("../testdata/for-tests-only-rsa1.pem");
const P256_PEM: &str = include_str!("../testdata/for-tests-only-p256.pem");
const WEAK_PEM: &str = include_str!("../testdata/for-tests-only-weak.pem");

fn from_pem(text: &str) -> SigningKey {
    SigningKey::from_pem(&Secret::new(text)).unwrap()
}

fn shared() -> SigningKey {
    SigningKey::shared_secret(&Secret::new("a secret of the tests, 32 bytes.")).unwrap()
}

fn claims(json: &Value) -> Claims {
    json.as_object().unwrap().clone()
}

fn verified(token: &str, keys: Vec<VerificationKey>) -> Result<VerifiedJws, jws::JwsError> {
    jws::verify(&BareHost::none(), token, &KeySet::configured(keys), Algorithm::ALL)
}

#[test]
fn a_signature_is_verified_by_the_key_that_belongs_to_it_and_by_no_other() {
    let keys = [from_pem(RSA_PEM), from_pem(P256_PEM), shared()];
    let all = || keys.iter().map(|key| key.verification_key().clone());
    for key in &keys {
        let token = key.sign(&Still::default(), "at+jwt", &claims(&json!({"sub": "a", "exp": 5}))).unwrap();
        let read = verified(&token, all().collect()).unwrap();
        assert_eq!((read.algorithm, read.typ.as_deref()), (key.algorithm(), Some("at+jwt")));
        assert_eq!(read.claims, claims(&json!({"sub": "a", "exp": 5})));
        assert_eq!(read.key_id, key.key_id);
        let others: Vec<_> = all().filter(|other| other != key.verification_key()).collect();
        assert!(verified(&token, others).is_err(), "{key:?}");
    }
}

#[test]
fn a_token_signed_with_a_shared_secret_is_the_one_that_another_library_makes() {
    // Made with Python's hmac.
    let expected = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhIn0.lrhmc965lTFBRlOZ53k1WeZj-cUr3vXcO3fsErBGKvA";
    assert_eq!(shared().sign(&Still::default(), "JWT", &claims(&json!({"sub": "a"}))).as_deref(), Ok(expected));
}

#[test]
fn a_published_key_is_the_public_half_with_its_thumbprint_as_kid() {
    for (pem, test_key, algorithm) in [(RSA_PEM, &*RSA, "RS256"), (P256_PEM, &*P256, "ES256")] {
        let key = from_pem(pem);
        let jwk = key.jwk().unwrap();
        assert_eq!(*jwk, test_key.jwk(&json!({"use": "sig", "alg": algorithm, "kid": key.key_id})));
        assert_eq!(VerificationKey::from_jwk(jwk).as_ref(), Ok(key.verification_key()));
    }
    assert_eq!(shared().jwk(), None);
    // RFC 7638, section 3.1.
    let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
                   hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ\
                   vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKn\
                   qDKgw";
    let example = json!({"kty": "RSA", "n": modulus, "e": "AQAB"});
    assert_eq!(thumbprint(&example), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn a_key_that_is_weak_or_of_another_form_is_refused_with_a_remedy() {
    let refusal = |text: &str| SigningKey::from_pem(&Secret::new(text)).unwrap_err().0;
    assert_eq!(refusal(WEAK_PEM), "its modulus is shorter than 2048 bits");
    assert!(refusal(&RSA_PEM.replace("PRIVATE", "RSA PRIVATE")).contains("openssl pkcs8 -topk8 -nodes"));
    let other = "it is no private key for RS256 or ES256 (RSA, or EC on P-256)";
    assert_eq!(refusal("-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----"), other);
    assert!(SigningKey::shared_secret(&Secret::new("too short")).is_err());
}

#[test]
fn a_key_whose_parts_do_not_belong_together_signs_nothing() {
    let der = pem::private_key(RSA_PEM).unwrap();
    for position in (0..der.len()).step_by(7) {
        let mut changed = der.clone();
        changed[position] ^= 1;
        let body = base64::engine::general_purpose::STANDARD.encode(&changed);
        let text = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
        let Ok(key) = SigningKey::from_pem(&Secret::new(text)) else { continue };
        // Some bytes are not used for signing.
        assert!(!key.signs(&Still::default()) || key.jwk() == from_pem(RSA_PEM).jwk(), "{position}");
    }
}

#[test]
fn the_host_signs_if_it_can_and_its_signature_is_checked() {
    let signed = |key: &SigningKey, signature: &[u8]| {
        let mut host = BareHost::none();
        host.signs = HostSignature::Signed(signature.to_vec());
        let token = key.sign(&host, "JWT", &Claims::new());
        token.map(|token| URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap())
    };
    let rsa = from_pem(RSA_PEM);
    assert_eq!(signed(&rsa, &[7; 256]), Ok(vec![7; 256]));
    let mut lying = BareHost::none();
    lying.signs = HostSignature::Signed(vec![7; 256]);
    assert!(!rsa.signs(&lying) && !rsa.signs(&BareHost::none()) && rsa.signs(&Still::default()));

    let elliptic = from_pem(P256_PEM);
    let der = P256.sign(Algorithm::ES256, b"message");
    let signature = p256::ecdsa::Signature::from_slice(&der).unwrap();
    assert_eq!(signed(&elliptic, signature.to_der().as_bytes()), Ok(signature.to_vec()));
    let in_rust = signed(&elliptic, b"no DER").unwrap();
    assert_eq!(in_rust.len(), 64);
    assert_ne!(in_rust, signature.to_vec());
}

#[test]
fn no_key_prints_itself() {
    for key in [from_pem(RSA_PEM), from_pem(P256_PEM), shared()] {
        assert_eq!(format!("{key:?}"), format!("SigningKey for {}", key.algorithm()));
    }
}
