use super::*;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{P256, RSA, WEAK_RSA};
use crate::oidc::testing::{json_reply, metadata, provider, reply};
use serde_json::json;

fn read(document: &Value) -> Result<KeySet, Failure> {
    keys_response(&provider(), &metadata(), &json_reply(200, document))
}

#[test]
fn the_keys_are_requested_from_the_jwks_uri() {
    let call = keys_request(&provider(), &metadata()).unwrap();
    assert_eq!(format!("{call:?}"), "GET https://sso.example.com/realms/main/keys by sso");
}

#[test]
fn a_key_that_cannot_be_used_does_not_spoil_the_others() {
    let keys = json!({"keys": [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric"},
        RSA.jwk(&json!({"kid": "encryption", "use": "enc"})),
        RSA.jwk(&json!({"kid": "r", "use": "sig", "x5c": ["MIIB"], "x5t": "?"})),
        WEAK_RSA.jwk(&json!({"kid": "weak"})),
        {"kty": "OKP", "crv": "Ed448", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "nonsense", null, 7, {},
        P256.jwk(&json!({"kid": "e"})),
    ]});
    let names: Vec<_> = read(&keys).unwrap().iter().map(|key| key.key_id().map(str::to_owned)).collect();
    assert_eq!(names, [Some("r".to_owned()), Some("e".to_owned())]);
}

#[test]
fn a_set_without_a_usable_key_is_a_failure_that_says_why() {
    for (document, part) in [
        (json!({}), "keys are missing, or not a list"),
        (json!({"keys": {}}), "keys are missing, or not a list"),
        (json!({"keys": []}), "no key of 0 is usable: "),
        (
            json!({"keys": [{"kty": "oct", "k": "a"}, WEAK_RSA.jwk(&json!({}))]}),
            "no key of 2 is usable: it holds a private or shared secret, its modulus is shorter than 2048 bits",
        ),
    ] {
        let failure = read(&document).unwrap_err();
        assert_eq!(failure.reason, Reason::KeysUnavailable);
        assert!(failure.detail.ends_with(part), "{}", failure.detail);
    }
    for reply in [Reply::Reset, Reply::NotSent, reply(504, &[], b""), reply(404, &[], b""), reply(200, &[], b"<html>")] {
        assert_eq!(keys_response(&provider(), &metadata(), &reply).unwrap_err().reason, Reason::KeysUnavailable);
    }
}

#[test]
fn a_flood_of_keys_is_cut_off() {
    let flood: Vec<_> = (0..200).map(|number| P256.jwk(&json!({"kid": number.to_string()}))).collect();
    assert_eq!(read(&json!({"keys": flood})).unwrap().len(), MOST_KEYS);
}

#[test]
fn four_keys_are_kept_that_one_token_may_be_signed_with_and_other_keys_stay() {
    let many = |further: Value| vec![RSA.jwk(&further); 15];
    let several = ["RS384", "RS512"].map(|alg| RSA.jwk(&json!({"kid": "a", "alg": alg})));
    let flood = [
        many(json!({"kid": "a", "alg": "RS256"})),
        many(json!({"kid": "b"})),
        many(json!({})),
        many(json!({"kid": "a", "alg": "RS256"})),
        several.to_vec(),
        vec![P256.jwk(&json!({"kid": "a"})), RSA.jwk(&json!({"kid": "good"}))],
    ];
    let keys = read(&json!({"keys": flood.concat()})).unwrap();
    for (name, algorithm, expected) in [
        (Some("a"), Algorithm::RS256, 4),
        (Some("a"), Algorithm::RS384, 1),
        (Some("a"), Algorithm::RS512, 1),
        (Some("a"), Algorithm::ES256, 1),
        (Some("b"), Algorithm::RS256, 4),
        (Some("b"), Algorithm::PS256, 4),
        (None, Algorithm::RS256, 4),
        (Some("good"), Algorithm::RS256, 1),
    ] {
        let found = keys.iter().filter(|key| key.key_id() == name && key.serves(algorithm)).count();
        assert_eq!(found, expected, "{name:?} {algorithm}");
    }
}

#[test]
fn a_key_without_alg_serves_what_its_kind_can() {
    let keys = read(&json!({"keys": [RSA.jwk(&json!({}))]})).unwrap();
    assert!(keys.iter().all(|key| key.serves(Algorithm::RS256) && !key.serves(Algorithm::ES256)));
}
