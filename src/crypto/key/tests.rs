use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::crypto::pem;
use crate::crypto::testing::{BareHost, ED25519, P256, RSA, TestKey, WEAK_RSA, base64url};
use rsa::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};

/// A secret of 32 bytes that is not random.
fn secret() -> Secret {
    Secret::new("a secret of the tests, 32 bytes.")
}

fn refusal(jwk: &Value) -> &'static str {
    VerificationKey::from_jwk(jwk).map(|_| ()).unwrap_err().0
}

#[test]
fn a_key_that_is_not_for_verifying_signatures_is_passed_over() {
    let no_verify = "its key_ops do not include verify";
    let not_text = "a member that should be a text is not";
    for (further, why) in [
        (json!({"use": "enc"}), "its use is not sig"),
        (json!({"use": "SIG"}), "its use is not sig"),
        (json!({"use": 1}), not_text),
        (json!({"key_ops": ["encrypt"]}), no_verify),
        (json!({"key_ops": []}), no_verify),
        (json!({"key_ops": "verify"}), "its key_ops are not a list"),
        (json!({"d": "AQAB"}), "it holds a private or shared secret"),
        (json!({"k": "AQAB"}), "it holds a private or shared secret"),
        (json!({"alg": "HS256"}), "its alg is not understood, or not for this kind of key"),
        (json!({"alg": "none"}), "its alg is not understood, or not for this kind of key"),
        (json!({"alg": "RSA-OAEP"}), "its alg is not understood, or not for this kind of key"),
        (json!({"alg": "ES256"}), "its alg is not understood, or not for this kind of key"),
        (json!({"kid": 7}), not_text),
        (json!({"kid": "k".repeat(513)}), "its kid is too long"),
        (json!({"kty": "oct"}), "its kty is not RSA, EC or OKP"),
        (json!({"kty": "OKP"}), "its curve is not Ed25519"),
        (json!({"kty": null}), "it has no kty"),
        (json!({"n": "AQAB"}), "its modulus is shorter than 2048 bits"),
        (json!({"n": "not base64url!"}), "a part of it is not base64url"),
        (json!({"n": base64url([0; 300])}), "its modulus is shorter than 2048 bits"),
        (json!({"n": base64url([254; 256])}), "its modulus or exponent is not usable"),
        (json!({"e": ""}), "its exponent is not from 3 to 65537"),
        (json!({"e": "AQ"}), "its exponent is not from 3 to 65537"),
        (json!({"e": "Ag"}), "its exponent is not from 3 to 65537"),
        (json!({"e": "BA"}), "its modulus or exponent is not usable"),
    ] {
        assert_eq!(refusal(&RSA.jwk(&further)), why, "{further}");
    }
    assert_eq!(refusal(&WEAK_RSA.jwk(&json!({}))), "its modulus is shorter than 2048 bits");
    for nothing in [json!(null), json!([]), json!({}), json!("RSA"), json!({"alg": "RS256"})] {
        assert_eq!(refusal(&nothing), "it has no kty", "{nothing}");
    }
    assert_eq!(refusal(&json!({"kty": "RSA", "e": "AQAB"})), "a part of it is missing");
    assert_eq!(refusal(&json!({"kty": "RSA", "n": null, "e": "AQAB"})), "a part of it is missing");
}

#[test]
fn a_member_of_a_key_that_is_null_is_as_good_as_absent() {
    let bare = VerificationKey::from_jwk(&RSA.jwk(&json!({}))).unwrap();
    for name in ["use", "key_ops", "alg", "kid", "crv", "d", "p", "k", "x5c"] {
        assert_eq!(VerificationKey::from_jwk(&RSA.jwk(&json!({name: null}))).as_ref(), Ok(&bare), "{name}");
    }
}

#[test]
fn a_key_that_makes_verifying_slow_is_passed_over() {
    for (further, why) in [
        (json!({"n": base64url([255; 513])}), Some("its modulus is longer than 4096 bits")),
        (json!({"n": base64url([255; 1_024])}), Some("its modulus is longer than 4096 bits")),
        (json!({"n": base64url([255; 100_000])}), Some("its modulus is longer than 4096 bits")),
        (json!({"e": "AQAD"}), Some("its exponent is not from 3 to 65537")),
        (json!({"e": "Af____8"}), Some("its exponent is not from 3 to 65537")),
        (json!({"e": base64url([255; 9])}), Some("its exponent is not from 3 to 65537")),
        (json!({"n": base64url([255; 512])}), None),
        (json!({"n": base64url([[0].as_slice(), &[255; 512]].concat())}), None),
        (json!({"e": "Aw"}), None),
        (json!({"e": "AQAB"}), None),
    ] {
        let found = VerificationKey::from_jwk(&RSA.jwk(&further)).err().map(|unusable| unusable.0);
        assert_eq!(found, why, "{further}");
    }
}

#[test]
fn no_document_of_a_provider_becomes_a_shared_secret() {
    let of_secret = json!({"kty": "oct", "k": base64url(secret().expose()), "alg": "HS256", "use": "sig"});
    assert_eq!(refusal(&of_secret), "it holds a private or shared secret");
    assert_eq!(refusal(&json!({"kty": "oct", "alg": "HS256"})), "its kty is not RSA, EC or OKP");
    for key in [&*RSA, &*P256] {
        assert_eq!(refusal(&key.jwk(&json!({"alg": "HS256"}))), "its alg is not understood, or not for this kind of key");
        assert!(!key.verifying(&json!({})).serves(Algorithm::HS256));
    }
}

#[test]
fn a_shared_secret_has_at_least_256_bits_and_serves_hmac_alone() {
    for short in ["", "hunter2", "exactly 31 bytes are not enough"] {
        let refused = VerificationKey::shared_secret(None, &Secret::new(short)).unwrap_err();
        assert_eq!(refused.0, "it is shorter than 32 bytes", "{short}");
    }
    let key = VerificationKey::shared_secret(Some("s"), &secret()).unwrap();
    let served: Vec<_> = Algorithm::ALL.iter().copied().filter(|algorithm| key.serves(*algorithm)).collect();
    assert_eq!((served.as_slice(), key.key_id()), ([Algorithm::HS256].as_slice(), Some("s")));
    assert!(!format!("{key:?}").contains("32 bytes"));
}

#[test]
fn a_mac_is_good_only_whole_and_unchanged() {
    // A key that is longer than a block of the hash; the MAC was made with Python. (The key of RFC 7515's example is no text.)
    let key = VerificationKey::shared_secret(None, &Secret::new("*".repeat(131))).unwrap();
    let mac = [
        0x17, 0x72, 0x19, 0x68, 0xa1, 0x3c, 0xc3, 0x5e, 0xf1, 0x4c, 0x3e, 0x2e, 0xd2, 0xa9, 0x02, 0x8c, 0xb9, 0xfd, 0xff, 0x6e,
        0x72, 0x5c, 0x51, 0x0d, 0x5a, 0x6d, 0x4d, 0x6b, 0xa5, 0x8d, 0xf2, 0x24,
    ];
    let signed = |algorithm, mac: &[u8]| key.signed(&BareHost::always(HostVerdict::Valid), algorithm, b"message", mac);
    assert!(signed(Algorithm::HS256, &mac));
    for length in 0..mac.len() {
        assert!(!signed(Algorithm::HS256, &mac[..length]), "{length}");
    }
    for bit in 0..256 {
        let mut changed = mac;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!signed(Algorithm::HS256, &changed), "{bit}");
    }
    for other in Algorithm::ALL.iter().filter(|other| !other.is_symmetric()) {
        assert!(!signed(*other, &mac), "{other}");
    }
}

/// Made with `openssl genpkey`; the private key was not kept.
fn p384_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-384",
        "x": "zNYkvIRB2GLhpgUdr9GiwAKp88jlQKLYaoESv_Ap85TfaKvDZE1zH82-GV5bm0D5",
        "y": "g3mvOaF3IB_TCYdgZhLFhBA-OoWa5OYZwqBZRxyaxMgGDV6sh8LtJM7Fte8e9p7e",
    })
}

const P384_PEM: &str = "-----BEGIN PUBLIC KEY----- MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEzNYkvIRB2GLhpgUdr9GiwAKp88jlQKLYaoESv/Ap85TfaKvDZE1zH82+GV5bm0D5g3mvOaF3IB/TCYdgZhLFhBA+OoWa5OYZwqBZRxyaxMgGDV6sh8LtJM7Fte8e9p7e -----END PUBLIC KEY-----";
const ED25519_PEM: &str =
    "-----BEGIN PUBLIC KEY----- MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= -----END PUBLIC KEY-----";

#[test]
fn a_key_in_pem_is_the_same_as_in_a_set() {
    let rsa = include_str!("../testdata/for-tests-only-rsa1.pub.pem");
    let p256 = include_str!("../testdata/for-tests-only-p256.pub.pem");
    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "k"});
    for (pem, jwk) in [
        (rsa, RSA.jwk(&json!({"kid": "k"}))),
        (p256, P256.jwk(&json!({"kid": "k"}))),
        (ED25519_PEM, ed25519),
        (P384_PEM, {
            let mut jwk = p384_jwk();
            jwk["kid"] = json!("k");
            jwk
        }),
    ] {
        assert_eq!(VerificationKey::from_pem(Some("k"), pem), VerificationKey::from_jwk(&jwk), "{pem}");
    }
    assert_eq!(VerificationKey::from_pem(None, rsa).unwrap().key_id(), None);
    let refusal = |text: &str| VerificationKey::from_pem(None, text).unwrap_err().0;
    let weak = include_str!("../testdata/for-tests-only-weak.pub.pem");
    assert_eq!(refusal(weak), "its modulus is shorter than 2048 bits");
    assert!(refusal(include_str!("../testdata/for-tests-only-rsa1.pem")).contains("private key"));
    let der = |der: &[u8]| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(der));
    let good = pem::public_key(p256).unwrap();
    for cut in [0, 10, 26, 27, good.len() - 1] {
        assert!(VerificationKey::from_pem(None, &der(&good[..cut])).is_err(), "{cut}");
    }
    assert!(VerificationKey::from_pem(None, &der(&[good.as_slice(), &[0]].concat())).is_err());
    let mut compressed = good.to_vec();
    compressed[26] = 2;
    assert_eq!(refusal(&der(&compressed)), "it is no public key of RSA, P-256, P-384 or Ed25519");
}

#[test]
fn the_example_of_rfc_8037_is_good_and_nothing_else_is() {
    // RFC 8037, appendix A.4.
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let key = VerificationKey::from_jwk(&jwk).unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let encoded = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let good = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    let signed = |signature: &[u8]| key.signed(&BareHost::always(HostVerdict::Valid), Algorithm::EdDSA, message, signature);
    assert!(signed(&good));
    for bit in 0..512 {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!signed(&changed), "{bit}");
    }
    // S plus the order of the group is the same number in another encoding, which RFC 8032, section 5.1.7, refuses.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleated = good.clone();
    let mut carry = 0;
    for (digit, more) in malleated[32..].iter_mut().zip(order) {
        let sum = u16::from(*digit) + more + carry;
        (*digit, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_ne!(malleated, good);
    assert!(!signed(&malleated));
}

#[test]
fn a_key_of_small_order_is_no_key() {
    let mut points = vec![[0; 32], [0xff; 32]];
    let mut one = [0; 32];
    one[0] = 1;
    points.push(one);
    // A point of order 8, and the point with y = -1.
    points.push(*b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a");
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    points.push(minus_one);
    for point in points {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(point)});
        assert_eq!(refusal(&jwk), "it is no public key on Ed25519, or one that is not safe");
    }
    for (crv, x) in [("Ed448", base64url([1; 57])), ("X25519", base64url([9; 32])), ("Ed25519", base64url([1; 31]))] {
        let refused = VerificationKey::from_jwk(&json!({"kty": "OKP", "crv": crv, "x": x}));
        assert!(refused.is_err(), "{crv}");
    }
}

#[test]
fn p_384_is_verified_by_the_host_or_not_at_all() {
    let key = VerificationKey::from_jwk(&p384_jwk()).unwrap();
    let signed = |says, signature: &[u8]| {
        let host = BareHost::always(says);
        (key.signed(&host, Algorithm::ES384, b"message", signature), host.asked.take())
    };
    let mut signature = [0; 96];
    (signature[0], signature[95]) = (0x80, 1);
    let der = [b"\x30\x36\x02\x31\x00\x80".as_slice(), &[0; 47], b"\x02\x01\x01"].concat();
    assert_eq!(signed(HostVerdict::Valid, &signature), (true, vec![(Hash::Sha384, der)]));
    assert!(!signed(HostVerdict::Invalid, &signature).0);
    assert!(!signed(HostVerdict::NotOffered, &signature).0);
    for wrong in [&[0; 96], [1; 95].as_slice(), &[1; 97], &[1; 64], &[]] {
        assert_eq!(signed(HostVerdict::Valid, wrong), (false, vec![]));
    }
}

#[test]
fn the_der_form_of_a_signature_is_the_one_that_a_library_writes() {
    for message in 0..200_u8 {
        let signature = P256.sign(Algorithm::ES256, &[message]);
        let expected = p256::ecdsa::Signature::from_slice(&signature).unwrap().to_der();
        assert_eq!(der(&signature, 32).unwrap(), expected.as_bytes());
    }
}

#[test]
fn coordinates_that_are_no_point_on_the_curve_are_no_key() {
    let no_point = "its coordinates are no point on P-256";
    for (further, why) in [
        (json!({"x": base64url([1; 32])}), no_point),
        (json!({"x": base64url([0; 32]), "y": base64url([0; 32])}), no_point),
        (json!({"x": base64url([1; 31])}), no_point),
        (json!({"y": ""}), no_point),
        (json!({"crv": "P-384"}), "its coordinates are no point on P-384"),
        (json!({"crv": "secp256k1"}), "its curve is neither P-256 nor P-384"),
        (json!({"crv": 5}), "a member that should be a text is not"),
        (json!({"alg": "RS256"}), "its alg is not understood, or not for this kind of key"),
    ] {
        assert_eq!(refusal(&P256.jwk(&further)), why, "{further}");
    }
}

#[test]
fn a_key_serves_the_algorithms_that_it_names_and_that_its_kind_can() {
    let served = |key: &TestKey, further: &Value| {
        let key = key.verifying(further);
        Algorithm::ALL.iter().copied().filter(|algorithm| key.serves(*algorithm)).collect::<Vec<_>>()
    };
    use Algorithm::*;
    assert_eq!(served(&RSA, &json!({})), [RS256, RS384, RS512, PS256]);
    assert_eq!(served(&RSA, &json!({"alg": "PS256", "use": "sig", "key_ops": ["verify"]})), [PS256]);
    assert_eq!(served(&P256, &json!({})), [ES256]);
    assert_eq!(served(&ED25519, &json!({})), [EdDSA, Ed25519]);
    assert_eq!(served(&ED25519, &json!({"alg": "Ed25519"})), [Ed25519]);
    assert_eq!(VerificationKey::from_jwk(&p384_jwk()).unwrap().serves, [ES384]);
}

#[test]
fn every_algorithm_verifies_in_rust_and_refuses_what_was_changed() {
    for (key, algorithm) in [
        (&*RSA, Algorithm::RS256),
        (&*RSA, Algorithm::RS384),
        (&*RSA, Algorithm::RS512),
        (&*RSA, Algorithm::PS256),
        (&*P256, Algorithm::ES256),
        (&*ED25519, Algorithm::EdDSA),
        (&*ED25519, Algorithm::Ed25519),
    ] {
        let verifying = key.verifying(&json!({}));
        let signature = key.sign(algorithm, b"message");
        let signed =
            |algorithm, message: &[u8], signature: &[u8]| verifying.signed(&BareHost::none(), algorithm, message, signature);
        assert!(signed(algorithm, b"message", &signature), "{algorithm}");
        assert!(!signed(algorithm, b"massage", &signature), "{algorithm}");
        assert!(!signed(algorithm, b"message", &[]), "{algorithm}");
        assert!(!signed(algorithm, b"message", &vec![0; signature.len()]), "{algorithm}");
        assert!(!signed(algorithm, b"message", &vec![255; signature.len()]), "{algorithm}");
        let longer = [[0].as_slice(), &signature].concat();
        assert!(!signed(algorithm, b"message", &longer), "{algorithm}");
        for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
            // These are two names of one algorithm.
            let alike =
                matches!((algorithm, other), (Algorithm::EdDSA, Algorithm::Ed25519) | (Algorithm::Ed25519, Algorithm::EdDSA));
            assert_eq!(signed(*other, b"message", &signature), alike, "{algorithm} as {other}");
        }
    }
}

#[test]
fn the_host_is_asked_first_and_its_answer_counts() {
    let cases = [(&*RSA, Algorithm::RS384, Hash::Sha384), (&*P256, Algorithm::ES256, Hash::Sha256)];
    for (key, algorithm, hash) in cases {
        let signature = key.sign(algorithm, b"message");
        let verifying = key.verifying(&json!({}));
        let wrong = BareHost::always(HostVerdict::Invalid);
        assert!(!verifying.signed(&wrong, algorithm, b"message", &signature));
        let right = BareHost::always(HostVerdict::Valid);
        assert!(verifying.signed(&right, algorithm, b"other", &signature));
        assert_eq!(right.asked.borrow()[0].0, hash);
    }
}

#[test]
fn the_host_gets_ecdsa_signatures_in_der_and_no_pss_signatures() {
    let host = BareHost::always(HostVerdict::Valid);
    let signature = P256.sign(Algorithm::ES256, b"message");
    P256.verifying(&json!({})).signed(&host, Algorithm::ES256, b"message", &signature);
    let der = p256::ecdsa::Signature::from_slice(&signature).unwrap().to_der();
    assert_eq!(*host.asked.borrow(), [(Hash::Sha256, der.as_bytes().to_vec())]);

    let host = BareHost::always(HostVerdict::Valid);
    assert!(!RSA.verifying(&json!({})).signed(&host, Algorithm::PS256, b"message", &[1; 256]));
    assert!(host.asked.borrow().is_empty());
}

#[test]
fn the_host_gets_a_key_as_openssl_writes_it() {
    // As `openssl pkey -pubout` writes it: SubjectPublicKeyInfo, with the identifiers of rsaEncryption, or of id-ecPublicKey on
    // prime256v1.
    let start = |key: &TestKey, length: usize| key.verifying(&json!({})).spki[..length].to_vec();
    let rsa = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00";
    let p256 = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    assert_eq!(start(&RSA, rsa.len()), rsa);
    assert_eq!(start(&P256, p256.len()), p256);
    let Material::P256(p256) = &P256.verifying(&json!({})).material else { panic!("another kind") };
    let written = p256::PublicKey::from(p256).to_public_key_der().unwrap();
    assert_eq!(P256.verifying(&json!({})).spki, written.as_bytes());
}

#[test]
fn the_left_half_hash_is_the_one_of_the_specification() {
    // OpenID Connect Core, appendix A.3 and A.4.
    let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    assert_eq!(left_half_hash(Algorithm::RS256.hash(), access_token), "77QmUPtjPfzWtF2AnpK9RQ");
    let lengths = [Hash::Sha256, Hash::Sha384, Hash::Sha512].map(|hash| left_half_hash(hash, "x").len());
    assert_eq!(lengths, [22, 32, 43]);
    let hashes = [Algorithm::ES384, Algorithm::EdDSA, Algorithm::Ed25519].map(Algorithm::hash);
    assert_eq!(hashes, [Hash::Sha384, Hash::Sha512, Hash::Sha512]);
}

#[test]
fn an_algorithm_is_known_by_its_exact_name_only() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
    }
    for other in ["none", "None", "NONE", "", "HS384", "hs256", "rs256", "RS256 ", "eddsa", "ED25519", "Ed448", "ES512", "RS1"] {
        assert_eq!(other.parse::<Algorithm>(), Err(UnknownAlgorithm), "{other}");
    }
}
