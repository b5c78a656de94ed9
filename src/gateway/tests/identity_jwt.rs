use serde_json::{Value, json};

use super::session_jwt;
use super::stage::{KEY, Stage, changed, document, forwarded, outcome, seconds, upstream_headers};
use crate::crypto::jws;
use crate::crypto::key::{Algorithm, KeySet};
use crate::crypto::signing::SigningKey;
use crate::gateway::pending::Step;
use crate::oidc::testing::ISSUER;
use crate::words::secret::Secret;

const SECRET: &str = "a secret of the upstream, which is 32 bytes or more";

/// The usual configuration with identity JWTs, whose audience the rules name.
fn with_identity_jwts() -> Value {
    let rules = json!([
        {"match": {"path": "/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/billing"}, "require": "authenticated", "audience": "billing"}
    ]);
    let document = changed(document(), "/rules", rules);
    changed(document, "/forward", json!({"identity_jwt": {"keys": [SECRET], "claims": ["email"]}}))
}

/// The identity JWT that the upstream gets, and what it verifies of it.
fn identity_jwt(stage: &mut Stage, target: &str) -> (String, jws::VerifiedJws) {
    let step = stage.script("GET", target);
    read(stage, &step)
}

fn read(stage: &Stage, step: &Step) -> (String, jws::VerifiedJws) {
    let upstream = upstream_headers(step);
    let (_, token) = upstream.iter().find(|(name, _)| *name == "x-forwarded-identity").unwrap();
    let key = SigningKey::shared_secret(&Secret::new(SECRET)).unwrap();
    let keys = KeySet::configured(vec![key.verification_key().clone()]);
    ((*token).to_owned(), jws::verify(&stage.worker.world, token, &keys, &[Algorithm::HS256]).unwrap())
}

#[test]
fn the_identity_jwt_is_for_the_rules_audience_alone_and_lives_a_minute() {
    let mut stage = Stage::signed_in(&with_identity_jwts());
    let now = stage.worker.world.now.seconds();
    for (target, audience) in [("/x", "https://app.example.com"), ("/billing/1", "billing")] {
        let (_, verified) = identity_jwt(&mut stage, target);
        let expected = json!({"iss": "https://app.example.com", "sub": "alice", "aud": audience, "email": "alice@example.com", "iat": now, "exp": now + 60});
        assert_eq!((json!(verified.claims), verified.typ.as_deref()), (expected, Some("identity+jwt")));
    }
}

#[test]
fn an_identity_jwt_is_signed_again_after_half_of_its_lifetime() {
    let mut stage = Stage::signed_in(&with_identity_jwts());
    let (first, _) = identity_jwt(&mut stage, "/x");
    let (for_billing, _) = identity_jwt(&mut stage, "/billing");
    stage.worker.wait(seconds(29));
    assert_eq!(identity_jwt(&mut stage, "/x").0, first);
    assert_eq!(identity_jwt(&mut stage, "/billing").0, for_billing);
    stage.worker.wait(seconds(1));
    let (second, verified) = identity_jwt(&mut stage, "/x");
    assert_ne!(second, first);
    assert_eq!(verified.claims["exp"], json!(stage.worker.world.now.seconds() + 60));
}

#[test]
fn an_identity_jwt_does_not_outlive_its_session_or_bearer_token() {
    let mut stage = Stage::ready(&changed(with_identity_jwts(), "/session", json!({"keys": [KEY], "lifetime": "100s"})));
    stage.sign_in("/");
    let ends = stage.worker.world.now.seconds() + 100;
    stage.worker.wait(seconds(39));
    assert_eq!(identity_jwt(&mut stage, "/x").1.claims["exp"], json!(ends - 1));
    stage.worker.wait(seconds(30));
    assert_eq!(identity_jwt(&mut stage, "/x").1.claims["exp"], json!(ends));
    stage.worker.wait(seconds(30));
    assert_eq!(identity_jwt(&mut stage, "/x").1.claims["exp"], json!(ends));

    assert_eq!([300, 20].map(identity_jwt_life), [60, 20]);
}

#[test]
fn the_identity_jwt_for_a_bearer_token_that_expired_within_the_clock_skew_lives_five_seconds() {
    assert_eq!([-1, -20].map(identity_jwt_life), [5, 5]);
}

/// The lifetime, in seconds, of the identity JWT for a bearer token that expires in `left` seconds.
fn identity_jwt_life(left: i64) -> u64 {
    let mut stage = Stage::ready(&changed(with_identity_jwts(), "/providers/0/bearer", json!({"audiences": ["api"]})));
    let now = stage.worker.world.now.seconds();
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now.checked_add_signed(left).unwrap()});
    let (key, algorithm, kid) = stage.provider.signs;
    let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
    let step = stage.worker.begin(stage.browser.send("GET", "/x", &[("authorization", &line)]));
    read(&stage, &step).1.claims["exp"].as_u64().unwrap() - now
}

#[test]
fn a_client_cannot_send_the_header_of_the_identity_jwt() {
    for (name, configured) in
        [("x-forwarded-identity", "x-forwarded-identity"), ("X_Forwarded_Identity", "x-me"), ("x_me", "x-me")]
    {
        let mut stage = Stage::ready(&changed(with_identity_jwts(), "/forward/identity_jwt/header_name", json!(configured)));
        let step = stage.worker.begin(stage.browser.send("GET", "/public", &[(name, "forged")]));
        assert_eq!((upstream_headers(&step), &forwarded(&step).edits.remove), (vec![], &vec![name.to_owned()]));
    }
    // The header is removed even if the request gets no identity JWT.
    let mut stage = Stage::ready(&document());
    let step = stage.worker.begin(stage.browser.send("GET", "/public", &[("x-forwarded-identity", "forged")]));
    assert_eq!(forwarded(&step).edits.remove, ["x-forwarded-identity"]);
}

#[test]
fn the_identity_jwt_stands_alone_in_a_header_that_a_claim_would_have_too() {
    let mut stage =
        Stage::signed_in(&changed(with_identity_jwts(), "/forward/identity_jwt/header_name", json!("x-forwarded-user")));
    let step = stage.script("GET", "/x");
    let headers = upstream_headers(&step);
    let values: Vec<_> = headers.iter().filter(|(name, _)| *name == "x-forwarded-user").collect();
    assert!(matches!(values.as_slice(), [(_, token)] if token.matches('.').count() == 2), "{values:?}");
}

#[test]
fn an_identity_jwt_is_no_credential_here() {
    let mut stage = Stage::signed_in(&with_identity_jwts());
    let (token, _) = identity_jwt(&mut stage, "/x");
    stage.browser.jar.clear();
    let line = format!("Bearer {token}");
    let step = stage.worker.begin(stage.browser.send("GET", "/billing", &[("authorization", &line)]));
    assert_eq!(outcome(&step), (401, "session_missing"));
}

#[test]
fn an_identity_jwt_that_says_only_that_it_is_a_jwt_is_no_session_either() {
    for typ in ["JWT", "orders+jwt"] {
        let forward = json!({"identity_jwt": {"keys": [SECRET], "type": typ}});
        let mut stage = Stage::signed_in(&changed(session_jwt::signing(), "/forward", forward));
        let step = stage.script("GET", "/x");
        let (token, verified) = read(&stage, &step);
        assert_eq!(verified.typ.as_deref(), Some(typ));
        stage.browser.jar.clear();
        let line = format!("Bearer {token}");
        let step = stage.worker.begin(stage.browser.send("GET", "/x", &[("authorization", &line)]));
        assert_eq!(outcome(&step), (401, "token_invalid"), "{typ}");
        let cookie = format!("access_token={token}");
        let step = stage.worker.begin(stage.browser.send("GET", "/x", &[("cookie", &cookie)]));
        assert_eq!(outcome(&step), (401, "session_invalid"), "{typ}");
    }
}

#[test]
fn the_identity_jwt_tells_equal_subjects_of_two_providers_apart() {
    let mut document = with_identity_jwts();
    let pem = include_str!("../../crypto/testdata/for-tests-only-p256.pub.pem");
    let partner = json!({"name": "partner", "issuer": "https://partner.example", "bearer": {"audiences": ["x"], "public_keys": [{"pem": pem}]}});
    document["providers"].as_array_mut().unwrap().push(partner);
    document["rules"] = json!([]);
    let mut stage = Stage::signed_in(&document);
    assert_eq!(identity_jwt(&mut stage, "/x").1.claims["idp"], json!("main"));
}

#[test]
fn an_unverified_email_is_left_out_of_the_identity_jwt() {
    for (verified, address) in [(json!(false), None), (json!("false"), None), (json!(true), Some(json!("alice@example.com")))] {
        let mut stage = Stage::ready(&with_identity_jwts());
        stage.provider.claims["email_verified"] = verified;
        stage.sign_in("/");
        assert_eq!(identity_jwt(&mut stage, "/x").1.claims.get("email"), address.as_ref());
        let open = changed(with_identity_jwts(), "/forward/identity_jwt/claims", json!(["email", "email_verified"]));
        let mut stage = Stage::ready(&open);
        stage.provider.claims["email_verified"] = json!(false);
        stage.sign_in("/");
        assert_eq!(identity_jwt(&mut stage, "/x").1.claims["email_verified"], json!(false));
    }
}
