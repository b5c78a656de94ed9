use serde_json::{Value, json};

use super::stage::{KEY, Stage, changed, document, forwarded, outcome, seconds, told_upstream};
use crate::crypto::jws;
use crate::crypto::key::{Algorithm, KeySet};
use crate::crypto::signing::SigningKey;
use crate::gateway::pending::Step;
use crate::oidc::testing::ISSUER;
use crate::words::secret::Secret;

const SECRET: &str = "a secret of the upstream, which is 32 bytes or more";

/// The upstream is told by a JWT; rules name whom it is for.
fn telling() -> Value {
    let rules = json!([
        {"match": {"path": "/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/billing"}, "require": "authenticated", "audience": "billing"}
    ]);
    let document = changed(document(), "/rules", rules);
    changed(document, "/forward", json!({"identity_jwt": {"keys": [SECRET], "claims": ["email"]}}))
}

/// The token that the upstream gets, as it verifies it.
fn told(stage: &mut Stage, target: &str) -> (String, jws::VerifiedJws) {
    let step = stage.script("GET", target);
    read(stage, &step)
}

fn read(stage: &Stage, step: &Step) -> (String, jws::VerifiedJws) {
    let upstream = told_upstream(step);
    let (_, token) = upstream.iter().find(|(name, _)| *name == "x-forwarded-identity").unwrap();
    let key = SigningKey::shared_secret(&Secret::new(SECRET)).unwrap();
    let keys = KeySet::configured(vec![key.verification_key().clone()]);
    ((*token).to_owned(), jws::verify(&stage.worker.world, token, &keys, &[Algorithm::HS256]).unwrap())
}

#[test]
fn the_upstream_is_told_by_a_token_for_it_alone_and_for_a_minute() {
    let mut stage = Stage::signed_in(&telling());
    let now = stage.worker.world.now.seconds();
    for (target, audience) in [("/x", "https://app.example.com"), ("/billing/1", "billing")] {
        let (_, verified) = told(&mut stage, target);
        let expected = json!({"iss": "https://app.example.com", "sub": "alice", "aud": audience, "email": "alice@example.com", "iat": now, "exp": now + 60});
        assert_eq!((json!(verified.claims), verified.typ.as_deref()), (expected, Some("identity+jwt")));
    }
}

#[test]
fn a_token_is_signed_again_when_half_of_its_life_is_over() {
    let mut stage = Stage::signed_in(&telling());
    let (first, _) = told(&mut stage, "/x");
    let (for_billing, _) = told(&mut stage, "/billing");
    stage.worker.wait(seconds(29));
    assert_eq!(told(&mut stage, "/x").0, first);
    assert_eq!(told(&mut stage, "/billing").0, for_billing);
    stage.worker.wait(seconds(1));
    let (second, verified) = told(&mut stage, "/x");
    assert_ne!(second, first);
    assert_eq!(verified.claims["exp"], json!(stage.worker.world.now.seconds() + 60));
}

#[test]
fn a_token_does_not_outlive_the_session_or_bearer_token_that_it_tells_of() {
    let mut stage = Stage::ready(&changed(telling(), "/session", json!({"keys": [KEY], "lifetime": "100s"})));
    stage.sign_in("/");
    let ends = stage.worker.world.now.seconds() + 100;
    stage.worker.wait(seconds(39));
    assert_eq!(told(&mut stage, "/x").1.claims["exp"], json!(ends - 1));
    stage.worker.wait(seconds(30));
    assert_eq!(told(&mut stage, "/x").1.claims["exp"], json!(ends));
    stage.worker.wait(seconds(30));
    assert_eq!(told(&mut stage, "/x").1.claims["exp"], json!(ends));

    assert_eq!([300, 20].map(life_told_of_a_bearer_token), [60, 20]);
}

#[test]
fn of_a_bearer_token_past_its_end_that_its_provider_may_still_call_good_a_token_tells_for_five_seconds() {
    assert_eq!([-1, -20].map(life_told_of_a_bearer_token), [5, 5]);
}

/// How long the token lives, in seconds, that tells of a bearer token with so many left.
fn life_told_of_a_bearer_token(left: i64) -> u64 {
    let mut stage = Stage::ready(&changed(telling(), "/providers/0/bearer", json!({"audiences": ["api"]})));
    let now = stage.worker.world.now.seconds();
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now.checked_add_signed(left).unwrap()});
    let (key, algorithm, kid) = stage.provider.signs;
    let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
    let step = stage.worker.begin(stage.browser.send("GET", "/x", &[("authorization", &line)]));
    read(&stage, &step).1.claims["exp"].as_u64().unwrap() - now
}

#[test]
fn nobody_else_can_say_who_they_are_in_that_header() {
    for (name, configured) in
        [("x-forwarded-identity", "x-forwarded-identity"), ("X_Forwarded_Identity", "x-me"), ("x_me", "x-me")]
    {
        let mut stage = Stage::ready(&changed(telling(), "/forward/identity_jwt/header_name", json!(configured)));
        let step = stage.worker.begin(stage.browser.send("GET", "/public", &[(name, "forged")]));
        assert_eq!((told_upstream(&step), &forwarded(&step).edits.remove), (vec![], &vec![name.to_owned()]));
    }
    // Not even where there is no such token.
    let mut stage = Stage::ready(&document());
    let step = stage.worker.begin(stage.browser.send("GET", "/public", &[("x-forwarded-identity", "forged")]));
    assert_eq!(forwarded(&step).edits.remove, ["x-forwarded-identity"]);
}

#[test]
fn a_token_for_the_upstream_that_comes_back_is_nobody() {
    let mut stage = Stage::signed_in(&telling());
    let (token, _) = told(&mut stage, "/x");
    stage.browser.jar.clear();
    let line = format!("Bearer {token}");
    let step = stage.worker.begin(stage.browser.send("GET", "/billing", &[("authorization", &line)]));
    assert_eq!(outcome(&step), (401, "session_missing"));
}

#[test]
fn a_person_of_one_provider_is_not_taken_for_the_namesake_at_another() {
    let mut document = telling();
    let pem = include_str!("../../crypto/testdata/for-tests-only-p256.pub.pem");
    let partner = json!({"name": "partner", "issuer": "https://partner.example", "bearer": {"audiences": ["x"], "public_keys": [{"pem": pem}]}});
    document["providers"].as_array_mut().unwrap().push(partner);
    document["rules"] = json!([]);
    let mut stage = Stage::signed_in(&document);
    assert_eq!(told(&mut stage, "/x").1.claims["idp"], json!("main"));
}

#[test]
fn an_address_that_nobody_verified_is_not_passed_on_in_the_token_either() {
    for (verified, address) in [(json!(false), None), (json!("false"), None), (json!(true), Some(json!("alice@example.com")))] {
        let mut stage = Stage::ready(&telling());
        stage.provider.claims["email_verified"] = verified;
        stage.sign_in("/");
        assert_eq!(told(&mut stage, "/x").1.claims.get("email"), address.as_ref());
        let open = changed(telling(), "/forward/identity_jwt/claims", json!(["email", "email_verified"]));
        let mut stage = Stage::ready(&open);
        stage.provider.claims["email_verified"] = json!(false);
        stage.sign_in("/");
        assert_eq!(told(&mut stage, "/x").1.claims["email_verified"], json!(false));
    }
}
