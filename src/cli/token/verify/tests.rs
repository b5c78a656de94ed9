use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::cli::testing::Folder;
use crate::crypto::testing::{OTHER_RSA, P256, RSA, base64url, key_set as keys};
use crate::oidc::bearer::accepted::TokenKind;
use crate::oidc::testing::{ISSUER, provider};

const NOW: u64 = 1_900_000_000;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

fn published() -> KeySet {
    keys(&[(&RSA, json!({"kid": "a"})), (&P256, json!({"kid": "b"}))])
}

/// A token of the provider with these claims instead of its own; `null` removes one.
fn token(change: &Value) -> Secret {
    let mut claims = json!({"iss": ISSUER, "aud": "app", "sub": "alice", "exp": NOW + 300, "iat": NOW});
    let members = claims.as_object_mut().unwrap();
    members.extend(change.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    Secret::new(RSA.token(Algorithm::RS256, &json!({"kid": "a"}), &claims))
}

fn bearer() -> Bearer {
    Bearer {
        audiences: vec!["orders".to_owned()],
        resource_audiences: vec![],
        algorithms: vec![Algorithm::RS256],
        kind: TokenKind::AccessToken,
        forward: false,
        introspection: None,
        keys: BearerKeys::Published,
    }
}

fn told(found: &Found) -> String {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    found.in_words(&mut Terminal::new(&mut out, &mut err, Form::Words)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_id_token_is_judged_by_the_rules_of_the_filter() {
    for (change, reason, said) in [
        (json!({}), None, "the claims are those of an ID token of provider main for \"alice\", until Sun, 17 Mar 2030"),
        (json!({"nonce": "n"}), None, "not looked at: nonce and at_hash"),
        (json!({"iss": "https://evil.example"}), Some("id_token_issuer"), "expected iss"),
        (json!({"aud": "other"}), Some("id_token_audience"), "expected aud \"app\", found \"other\""),
        (json!({"exp": NOW - 61}), Some("id_token_expired"), "61 s behind our clock"),
        (json!({"exp": null}), Some("id_token_expired"), "exp is missing"),
        (json!({"iat": NOW + 61}), Some("id_token_issued_at"), "ahead of our clock"),
        (json!({"sub": null}), Some("id_token_subject"), "sub is missing"),
    ] {
        let token = token(&change);
        let found = as_id_token(&token, &provider(), &published(), now());
        let told = told(&found);
        assert_eq!(found.refused.as_ref().and_then(|(reason, _)| *reason), reason, "{told}");
        assert!(told.contains(said) && told.starts_with("holds: the signature is by the key \"a\", with RS256\n"), "{told}");
        assert!(!told.contains(token.expose()), "{told}");
    }
}

#[test]
fn a_bearer_token_is_judged_by_what_the_provider_accepts() {
    for (change, accepted) in [
        (json!({"aud": "orders"}), true),
        (json!({"aud": ["orders", "app"]}), true),
        (json!({}), false),
        (json!({"aud": "orders", "nonce": "n"}), false),
        (json!({"aud": "orders", "exp": NOW - 61}), false),
    ] {
        let found = as_bearer_token(&token(&change), &provider(), &bearer(), &published(), now());
        assert_eq!(found.refused.is_none(), accepted, "{change} {found:?}");
    }
}

#[test]
fn a_signature_by_another_key_is_refused_and_its_claims_are_not_told() {
    let claims = json!({"iss": ISSUER, "aud": "app", "sub": "mallory", "exp": NOW + 300, "iat": NOW});
    let forged = Secret::new(OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "a"}), &claims));
    let found = as_id_token(&forged, &provider(), &published(), now());
    assert_eq!((found.holds.len(), found.refused.as_ref().unwrap().0), (0, Some("id_token_signature")));
    assert!(!told(&found).contains("mallory"));
    let found = by_keys(&forged, &published(), now());
    assert_eq!((found.is_signed, found.holds.len(), found.as_json()["accepted"].clone()), (false, 0, json!(false)));
}

#[test]
fn keys_alone_accept_nothing_and_refuse_what_is_out_of_time() {
    for (change, accepted, said) in [
        (json!({}), Value::Null, "holds: by the clock of this machine it is in time, until Sun, 17 Mar 2030"),
        (json!({"iss": "https://evil.example", "aud": "other"}), Value::Null, "neither issuer nor audience"),
        (json!({"exp": null}), Value::Null, "not looked at: how long it is good: it has no exp"),
        (json!({"exp": NOW - 1}), json!(false), "refused: it expired 1 s ago"),
        (json!({"iat": NOW + 1}), json!(false), "refused: iat is 1 s ahead of our clock"),
        (json!({"nbf": NOW + 1}), json!(false), "refused: nbf is 1 s ahead of our clock"),
    ] {
        let found = by_keys(&token(&change), &published(), now());
        let (as_json, told) = (found.as_json(), told(&found));
        assert_eq!((&as_json["accepted"], &as_json["signature"]), (&accepted, &json!(true)), "{change} {told}");
        assert!(told.contains(said) && told.contains("not looked at: whether it is accepted"), "{said}: {told}");
    }
}

#[test]
fn a_signature_that_the_filter_leaves_to_envoy_is_verified_natively() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(48);
    let set = json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "c", "x": base64url(x), "y": base64url(y)}]});
    let set = key_set(set.as_object().unwrap()).unwrap();
    let signed = format!("{}.{}", base64url(r#"{"alg":"ES384","kid":"c"}"#), base64url("{}"));
    let signature = key.sign(&random, signed.as_bytes()).unwrap();
    let good = Secret::new(format!("{signed}.{}", base64url(signature.as_ref())));
    assert_eq!(by_keys(&good, &set, now()).refused, None);
    let mut other = signature.as_ref().to_vec();
    other[60] ^= 1;
    let bad = Secret::new(format!("{signed}.{}", base64url(other)));
    assert!(by_keys(&bad, &set, now()).refused.is_some());
}

#[test]
fn what_the_machine_has_not_is_said_to_be_missing() {
    use crate::words::world::{Contended, Destination, HostSignature, RouteMetadata, Signing, Version};
    let mut machine = Machine;
    assert!(machine.now() > Timestamp::from_seconds(1_700_000_000));
    let (mut one, mut other) = ([0; 32], [0; 32]);
    machine.random(&mut one).unwrap();
    machine.random(&mut other).unwrap();
    assert_ne!(one, other);
    assert_eq!((machine.shared("x"), machine.share("x", b"", Version::Any)), (None, Err(Contended)));
    assert_eq!((machine.destination(), machine.route_metadata("a", "b")), (Destination::Unknown, RouteMetadata::Unreadable));
    assert_eq!((machine.client_address(), machine.stream(), machine.kept_with_stream()), (None, None, None));
    let signing = Signing { hash: crate::words::world::Hash::Sha256, pkcs8: &[], message: &[] };
    assert_eq!(machine.sign(&signing), HostSignature::NotSigned);
}

#[test]
fn the_configuration_chooses_the_provider_by_the_issuer_and_says_what_is_missing() {
    let folder = Folder::new("verify");
    let of_main = |keys: Value| {
        json!({
            "origins": ["https://app.example.com"], "session": {"keys": ["ab".repeat(32)]},
            "providers": [{
                "name": "main", "issuer": ISSUER, "clusters": {"sso.example.com": "sso"},
                "bearer": {"audiences": ["orders"], "jwks": keys},
            }],
        })
    };
    let jwks = json!({"keys": [RSA.jwk(&json!({"kid": "a"}))]});
    let now = Machine.now().seconds();
    let fresh = json!({"iss": ISSUER, "aud": "orders", "sub": "alice", "exp": now + 300, "iat": now});
    let fresh = RSA.token(Algorithm::RS256, &json!({"kid": "a"}), &fresh);
    let stranger = RSA.token(Algorithm::RS256, &json!({"kid": "a"}), &json!({"iss": "https://evil.example"}));
    let mut listed = of_main(jwks.clone());
    // A provider whose keys are listed is never called.
    listed["providers"][0].as_object_mut().unwrap().remove("clusters");
    let listed = folder.file("listed.json", &listed.to_string());
    let mut published = of_main(Value::Null);
    published["providers"][0]["bearer"].as_object_mut().unwrap().remove("jwks");
    let published = folder.file("published.json", &published.to_string());
    let keys = folder.file("keys.json", &jwks.to_string());
    let no_keys = folder.file("none.json", r#"{"keys": []}"#);
    for (token, config, keys, kind, said) in [
        (&fresh, &published, Some(&keys), None, "Fine"),
        (&fresh, &published, None, None, "sso.example.com was not reached"),
        (&fresh, &published, Some(&no_keys), None, "no key of 0 is usable"),
        (&fresh, &published, Some(&keys), Some(Kind::IdToken), "Findings"),
        (&stranger, &published, Some(&keys), None, "no provider has the issuer"),
        (&"secret-text".to_owned(), &published, Some(&keys), None, "malformed"),
        (&fresh, &listed, None, None, "Fine"),
    ] {
        let file = folder.file("token.txt", &format!("Bearer {token}\n"));
        let arguments = Verify {
            file,
            keys: keys.cloned(),
            config: Some(config.clone()),
            kind,
            client: Client::at("sso.example.com:443:127.0.0.1"),
            ..Verify::default()
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outcome = format!("{:?}", verify(&arguments, &mut Terminal::new(&mut out, &mut err, Form::Words)));
        let out = String::from_utf8(out).unwrap();
        assert!(outcome.contains(said) && !outcome.contains("secret-text"), "{said}: {outcome} {out}");
    }
}

#[test]
fn of_several_gateways_with_one_issuer_the_one_that_judged_is_named_and_so_are_the_others() {
    let folder = Folder::new("verify-two");
    let jwks = json!({"keys": [RSA.jwk(&json!({"kid": "a"}))]});
    let gateway = |audience: &str| {
        json!({
            "origins": ["https://app.example.com"], "session": {"keys": ["ab".repeat(32)]},
            "providers": [{"name": "main", "issuer": ISSUER, "bearer": {"audiences": [audience], "jwks": jwks}}],
        })
    };
    let now = Machine.now().seconds();
    let claims = json!({"iss": ISSUER, "aud": "orders", "sub": "alice", "exp": now + 300, "iat": now});
    let file = folder.file("token.txt", &RSA.token(Algorithm::RS256, &json!({"kid": "a"}), &claims));
    for (audiences, accepted) in [(["orders", "other"], true), (["other", "orders"], false)] {
        let config = folder.file("two.yaml", &audiences.map(|audience| gateway(audience).to_string()).join("\n---\n"));
        let arguments = Verify { file: file.clone(), config: Some(config.clone()), ..Verify::default() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outcome = verify(&arguments, &mut Terminal::new(&mut out, &mut err, Form::Json)).unwrap();
        assert_eq!(outcome == Outcome::Fine, accepted);
        let told: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&told["accepted"], &told["judged_by"]), (&json!(accepted), &json!(format!("provider main at {config}:1:1"))));
        let unknown = told["not_looked_at"].to_string();
        assert!(unknown.contains(&format!("provider main at {config}:3:1, which has the same issuer")), "{unknown}");
        assert!(unknown.contains("what rules ask for besides"), "{unknown}");
    }
}
