//! Bearer tokens of an issuer whose keys are configured rather than fetched.

use serde_json::{Value, json};

use super::stage::{Stage, Worker, document, field, outcome, response, seconds, upstream_headers};
use crate::crypto::key::Algorithm;
use crate::crypto::signing::SigningKey;
use crate::crypto::testing::{OTHER_RSA, RSA, TestKey};
use crate::http::message::Headers;
use crate::step::event::Event;
use crate::words::secret::Secret;
use crate::words::world::testing::Still;

const SECRET: &str = "a secret of the tests, 32 bytes.";
const ISSUER: &str = "https://partner.example";

/// The usual configuration, with the partner as first provider: its bearer tokens are accepted, and nobody signs in there.
fn with_partner(bearer: Value) -> Value {
    let mut document = document();
    let mut partner = json!({"name": "partner", "issuer": ISSUER, "bearer": bearer});
    partner["bearer"]["audiences"] = json!(["api"]);
    document["providers"].as_array_mut().unwrap().insert(0, partner);
    document["rules"] = json!([
        {"match": {"path_separated_prefix": "/partner"}, "require": {"provider": "partner"}},
        {"require": "authenticated"}
    ]);
    document
}

fn by_key() -> Value {
    with_partner(json!({"jwks": {"keys": [RSA.jwk(&json!({"kid": "first"}))]}}))
}

fn by_secret(secret: &str) -> Value {
    with_partner(json!({"secret": secret, "algorithms": ["HS256"]}))
}

fn claims(worker: &Worker, issuer: &str) -> Value {
    json!({"iss": issuer, "sub": "robot", "aud": "api", "exp": worker.world.now.seconds() + 3_000})
}

fn signed(worker: &Worker, key: &TestKey, kid: &str) -> String {
    key.token(Algorithm::RS256, &json!({"kid": kid}), &claims(worker, ISSUER))
}

fn shared(claims: &Value, secret: &str) -> String {
    let key = SigningKey::shared_secret(&Secret::new(secret)).unwrap();
    key.sign(&Still::default(), "JWT", claims.as_object().unwrap()).unwrap()
}

fn with_token(target: &str, token: &str) -> Headers {
    let line = format!("Bearer {token}");
    let fields = [(":method", "GET"), (":authority", "app.example.com"), (":path", target), ("authorization", &line)];
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

fn navigation(target: &str) -> Headers {
    let fields = [
        (":method", "GET"),
        (":authority", "app.example.com"),
        (":path", target),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("accept", "text/html"),
    ];
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

#[test]
fn a_token_by_a_configured_key_is_accepted_at_once_and_without_a_call() {
    let mut worker = Worker::new(&by_key());
    let token = signed(&worker, &RSA, "first");
    // Nothing was fetched yet, not even for the other provider.
    let step = worker.begin(with_token("/partner", &token));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "robot"), ("x-forwarded-provider", "partner")]);
    assert!(step.events.contains(&Event::TokenVerified));
    let again = worker.begin(with_token("/partner", &token));
    assert!(again.events.contains(&Event::TokenFromMemory), "{:?}", again.events);
    worker.wait(seconds(7_200));
    assert_eq!(outcome(&worker.begin(with_token("/partner", &token))), (401, "token_expired"));
    for _ in 0..100 {
        worker.wait(seconds(60));
        assert!(worker.tick().fetches.iter().all(|fetch| fetch.provider == "main"));
    }
}

#[test]
fn a_token_by_another_key_or_kid_is_refused_at_once_and_causes_no_fetch() {
    let mut worker = Worker::new(&by_key());
    for (key, kid) in [(&*OTHER_RSA, "first"), (&*OTHER_RSA, "other"), (&*RSA, "other"), (&*OTHER_RSA, "other")] {
        let token = signed(&worker, key, kid);
        assert_eq!(outcome(&worker.begin(with_token("/partner", &token))), (401, "token_invalid"), "{kid}");
    }
    assert!(worker.tick().fetches.iter().all(|fetch| fetch.provider == "main"));
}

#[test]
fn a_shared_secret_verifies_the_tokens_of_its_own_issuer_and_no_others() {
    let mut worker = Worker::new(&by_secret(SECRET));
    let good = claims(&worker, ISSUER);
    assert_eq!(outcome(&worker.begin(with_token("/partner", &shared(&good, SECRET)))), (200, ""));
    let refused = (401, "token_invalid");
    let others = [
        shared(&good, "another secret of the tests, 32+"),
        shared(&claims(&worker, "https://sso.example.com"), SECRET),
        signed(&worker, &RSA, "first"),
    ];
    for token in others {
        assert_eq!(outcome(&worker.begin(with_token("/partner", &token))), refused);
    }
    let mut for_others = good.clone();
    for_others["aud"] = json!("other");
    assert_eq!(outcome(&worker.begin(with_token("/partner", &shared(&for_others, SECRET)))), refused);
    // Algorithm confusion (RFC 8725, section 2.1): a token that is "signed" with the public key as HMAC secret is refused.
    let mut worker = Worker::new(&by_key());
    for public in
        [RSA.jwk(&json!({"kid": "first"})).to_string(), include_str!("../../crypto/testdata/for-tests-only-rsa1.pub.pem").into()]
    {
        let token = shared(&claims(&worker, ISSUER), &public);
        assert_eq!(outcome(&worker.begin(with_token("/partner", &token))), refused);
    }
}

#[test]
fn a_token_that_was_good_under_other_keys_is_not_remembered_past_a_new_configuration() {
    let mut worker = Worker::new(&by_secret(SECRET));
    let token = shared(&claims(&worker, ISSUER), SECRET);
    assert_eq!(outcome(&worker.begin(with_token("/partner", &token))), (200, ""));
    let mut renewed = worker.beside(&by_secret("another secret of the tests, 32+"));
    assert_eq!(outcome(&renewed.begin(with_token("/partner", &token))), (401, "token_invalid"));
}

#[test]
fn a_provider_for_bearer_tokens_only_signs_nobody_in() {
    let mut stage = Stage::ready(&by_key());
    for target in ["/api/login?provider=partner", "/api/login?provider=nobody"] {
        assert_eq!(outcome(&stage.navigate(target)), (400, "provider_unknown"), "{target}");
    }
    // The other provider is the only one for sign-ins, and has the bare callback path.
    let begun = stage.navigate("/api/login");
    assert!(
        field(response(&begun), "location").unwrap().contains("redirect_uri=https%3A%2F%2Fapp.example.com%2Fapi%2Fcallback&")
    );
    // A rule that only accepts the partner's tokens redirects no browser.
    let mut worker = Worker::new(&by_key());
    assert_eq!(outcome(&worker.begin(navigation("/partner"))), (401, "session_missing"));

    let mut alone = by_key();
    alone["providers"].as_array_mut().unwrap().pop();
    let mut worker = Worker::new(&alone);
    let refused = worker.begin(navigation("/page"));
    assert_eq!(outcome(&refused), (401, "session_missing"));
    assert!(!response(&refused).body.contains("/api/login"), "nobody is offered what nobody can do");
    assert_eq!(outcome(&worker.begin(navigation("/api/login"))), (400, "provider_unknown"));
    assert_eq!(outcome(&worker.begin(with_token("/page", &signed(&worker, &RSA, "first")))), (200, ""));
    assert!(worker.tick().fetches.is_empty());
}
