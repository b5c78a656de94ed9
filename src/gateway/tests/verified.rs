//! E-mail addresses and phone numbers count only if they are verified, by whichever credential somebody is known.

use serde_json::{Value, json};

use super::password::{accounts, by_password};
use super::session_jwt::signing;
use super::stage::{Browser, Stage, body, changed, document, outcome, upstream_headers, with};
use crate::config;
use crate::oidc::testing::ISSUER;

fn rules() -> Value {
    json!([
        {"match": {"path": "/boss"}, "require": {"claim": "email", "any_of": ["alice@example.com"]}},
        {"match": {"path": "/not"}, "require": {"not": {"claim": "email", "any_of": ["mallory@example.com"]}}},
        {"match": {"path": "/domain"}, "require": {"email_domain": ["example.com"]}},
        {"match": {"path": "/phone"}, "require": {"claim": "phone_number", "any_of": ["+1"]}},
        {"match": {"path_separated_prefix": "/page"}, "require": "authenticated"}
    ])
}

const ON_EMAIL: [&str; 3] = ["/boss", "/not", "/domain"];

/// What a provider may state about an e-mail address: `email_verified`, whether the address counts, and whether it counts where
/// `dangerously_assume_verified` is configured.
fn verdicts() -> [(Value, bool, bool); 7] {
    [
        (json!(true), true, true),
        (json!("true"), true, true),
        (json!(false), false, false),
        (json!("false"), false, false),
        (json!("TRUE"), false, false),
        (json!(1), false, false),
        (Value::Null, false, true),
    ]
}

fn claims_with(email: &Value) -> Value {
    json!({"email": "alice@example.com", "email_verified": email, "phone_number": "+1", "phone_number_verified": email})
}

fn expected(counts: bool) -> (u16, &'static str) {
    if counts { (200, "") } else { (403, "condition_failed") }
}

fn sessions() -> [Value; 2] {
    let sealed = changed(document(), "/rules", rules());
    let claims = json!(["email", "email_verified", "phone_number", "phone_number_verified"]);
    [sealed, changed(changed(signing(), "/rules", rules()), "/session/jwt/claims", claims)]
}

#[test]
fn an_address_that_the_provider_does_not_call_verified_opens_nothing_in_a_session_sealed_or_signed() {
    for document in sessions() {
        for (said, counts, assumed_counts) in verdicts() {
            let assuming = changed(document.clone(), "/providers/0/dangerously_assume_verified", json!(["email"]));
            for (document, counts, phone) in [(&document, counts, counts), (&assuming, assumed_counts, counts)] {
                let mut stage = Stage::ready(document);
                stage.provider.claims = claims_with(&said);
                stage.sign_in("/page");
                for path in ON_EMAIL {
                    assert_eq!(outcome(&stage.script("GET", path)), expected(counts), "{path} {said}");
                }
                assert_eq!(outcome(&stage.script("GET", "/phone")), expected(phone), "{said}");
                let page = stage.script("GET", "/page");
                let passed = upstream_headers(&page).contains(&("x-forwarded-email", "alice@example.com"));
                assert_eq!(passed, counts, "{said}");
            }
        }
    }
}

#[test]
fn an_address_that_is_not_verified_opens_nothing_with_a_bearer_token_or_one_that_is_asked_about() {
    let accepting = with("/providers/0/bearer", json!({"audiences": ["api"], "introspection": {"when": "opaque"}}));
    let document = changed(accepting, "/rules", rules());
    for (said, counts, assumed_counts) in verdicts() {
        let assuming = changed(document.clone(), "/providers/0/dangerously_assume_verified", json!(["email"]));
        for (document, counts) in [(&document, counts), (&assuming, assumed_counts)] {
            let mut stage = Stage::ready(document);
            let now = stage.worker.world.now.seconds();
            let mut claims = claims_with(&said);
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let further = json!({"iss": ISSUER, "sub": "alice", "aud": "api", "exp": now + 300});
            claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
            let (key, algorithm, kid) = stage.provider.signs;
            let jwt = key.token(algorithm, &json!({"kid": kid}), &claims);
            claims
                .as_object_mut()
                .unwrap()
                .extend([("active".to_owned(), json!(true)), ("token_type".to_owned(), json!("Bearer"))]);
            stage.provider.introspection = claims;
            for token in [jwt.as_str(), "opaque"] {
                let line = format!("Bearer {token}");
                for path in ON_EMAIL {
                    let request = Browser::default().send("GET", path, &[("authorization", &line)]);
                    assert_eq!(outcome(&stage.send(request)), expected(counts), "{path} {said} {token}");
                }
                let page = stage.send(Browser::default().send("GET", "/page", &[("authorization", &line)]));
                assert_eq!(upstream_headers(&page).iter().any(|(name, _)| *name == "x-forwarded-email"), counts, "{said}");
            }
        }
    }
}

#[test]
fn an_email_of_the_user_service_counts_only_if_the_user_service_calls_it_verified() {
    let claims = json!({"userId": "id", "email": "email", "email_verified": "emailVerified", "role": "profile.role"});
    let keeping = |document: Value| {
        let document = changed(changed(document, "/accounts/claims", claims.clone()), "/rules", rules_by_password());
        changed(document, "/session/jwt/claims", json!(["userId", "email", "email_verified", "role"]))
    };
    for (said, counts, assumed_counts) in verdicts() {
        let document = keeping(by_password());
        let assuming = changed(document.clone(), "/accounts/dangerously_assume_verified", json!(["email"]));
        // What is assumed of a provider's claims is not assumed of the user service's.
        let other = changed(document.clone(), "/providers/0/dangerously_assume_verified", json!(["email"]));
        for (document, counts) in [(&document, counts), (&assuming, assumed_counts), (&other, counts)] {
            let mut stage = Stage::ready(document);
            let alice = stage.users.people[0].as_object_mut().unwrap();
            drop(alice.insert("emailVerified".to_owned(), said.clone()));
            stage.browser.body = json!({"email": "alice@example.com", "password": "right"}).to_string();
            let fields = [("content-type", "application/json"), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
            let answer = stage.send(stage.browser.send("POST", "/api/auth/login", &fields));
            let line = format!("Bearer {}", body(&answer)["token"].as_str().unwrap());
            let asked = stage.send(Browser::default().send("GET", "/boss", &[("authorization", &line)]));
            assert_eq!(outcome(&asked), expected(counts), "{said}");
        }
    }
}

fn rules_by_password() -> Value {
    json!([{"match": {"path": "/boss"}, "require": {"claim": "email", "any_of": ["alice@example.com"], "any_provider": true}}])
}

#[test]
fn claims_of_the_user_service_with_email_and_without_email_verified_are_refused_at_load() {
    let refusal =
        |document: &Value| config::load(document.to_string().as_bytes(), &|_| None).err().map(|refusal| refusal.to_string());
    let without = |claim: &str| changed(changed(by_password(), "/accounts", accounts()), "/accounts/claims", json!({claim: "x"}));
    for claim in ["email", "phone_number"] {
        let said = refusal(&without(claim)).unwrap();
        assert!(said.starts_with(&format!("accounts.claims.{claim}: expected {claim}_verified beside it")), "{said}");
        assert!(said.contains(&format!("add {claim}_verified: ")), "{said}");
    }
    let assuming = |claims: Value| changed(without("email"), "/accounts/dangerously_assume_verified", claims);
    assert!(!refusal(&assuming(json!(["email"]))).is_some_and(|said| said.starts_with("accounts.")));
    let said = refusal(&assuming(json!(["email", "phone_number"]))).unwrap();
    assert!(said.starts_with("accounts.dangerously_assume_verified[1]: "), "{said}");
    let said = refusal(&with("/providers/0/dangerously_assume_verified", json!(["groups"]))).unwrap();
    assert!(said.starts_with("providers[0].dangerously_assume_verified[0]: expected email or phone_number"), "{said}");
    // A session as a JWT must have the claim too, or no condition on the address could be met.
    let said = refusal(&changed(signing(), "/session/jwt/claims", json!(["email", "name"]))).unwrap();
    assert!(said.starts_with("session.jwt.claims: ") && said.contains("found no email_verified"), "{said}");
}

#[test]
fn what_is_assumed_of_the_user_service_is_not_assumed_of_tokens_that_it_is_not_asked_about() {
    let mut document = changed(document(), "/rules", rules_by_password());
    let robots =
        json!({"name": "main", "issuer": ISSUER, "clusters": {"sso.example.com": "sso"}, "bearer": {"audiences": ["api"]}});
    let mut people = document["providers"][0].clone();
    people["name"] = json!("people");
    document["providers"] = json!([robots, people]);
    document["accounts"] = json!({
        "cluster": "users", "subject": "id", "claims": {"email": "email", "email_verified": "emailVerified"},
        "find": {"path": "/api/users/email/{claims.email}"}, "dangerously_assume_verified": ["email"]
    });
    let of_the_provider = changed(document.clone(), "/providers/0/dangerously_assume_verified", json!(["email"]));
    for (document, counts) in [(document, false), (of_the_provider, true)] {
        let mut stage = Stage::ready(&document);
        let now = stage.worker.world.now.seconds();
        let claims = json!({"iss": ISSUER, "sub": "mallory", "aud": "api", "exp": now + 300, "email": "alice@example.com"});
        let (key, algorithm, kid) = stage.provider.signs;
        let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
        let request = Browser::default().send("GET", "/boss", &[("authorization", &line)]);
        assert_eq!(outcome(&stage.send(request)), expected(counts));
    }
}

#[test]
fn a_provider_that_calls_an_address_unverified_anywhere_is_not_overruled_by_what_is_assumed() {
    let address = || json!({"email": "alice@example.com"});
    for (id_token, userinfo, counts) in [
        (address(), json!({"email_verified": false}), false),
        (json!({"email_verified": false}), address(), false),
        (json!({"email": "m@example.com", "email_verified": false}), address(), false),
        (json!({"email": "alice@example.com", "email_verified": true}), json!({"email_verified": "no"}), false),
        // The verified claim belongs to another address. For this one there is none, so that the assumption counts.
        (json!({"email": "m@example.com", "email_verified": true}), address(), true),
        (
            json!({"email": "m@example.com", "email_verified": false}),
            json!({"email": "alice@example.com", "email_verified": true}),
            true,
        ),
        (address(), json!({}), true),
    ] {
        let document = changed(with("/providers/0/userinfo", json!(true)), "/rules", rules());
        let mut stage = Stage::ready(&changed(document, "/providers/0/dangerously_assume_verified", json!(["email"])));
        stage.provider.claims = id_token.clone();
        stage.provider.userinfo = userinfo.clone();
        stage.provider.userinfo["sub"] = json!("alice");
        stage.sign_in("/page");
        assert_eq!(outcome(&stage.script("GET", "/boss")), expected(counts), "{id_token} {userinfo}");
    }
}

#[test]
fn nobodys_account_is_found_by_a_number_that_is_not_verified() {
    let mut document = changed(document(), "/rules", rules());
    document["accounts"] =
        json!({"cluster": "users", "subject": "id", "find": {"path": "/api/users/email/{claims.phone_number}"}});
    for (said, assumed, found) in [
        (json!(true), false, true),
        (json!(false), false, false),
        (Value::Null, false, false),
        (Value::Null, true, true),
        (json!(false), true, false),
    ] {
        let assumed = if assumed { json!(["phone_number"]) } else { json!([]) };
        let mut stage = Stage::ready(&changed(document.clone(), "/providers/0/dangerously_assume_verified", assumed));
        stage.provider.claims = json!({"phone_number": "alice@example.com", "phone_number_verified": said});
        let callback = stage.go_to_the_provider("/page");
        let back = stage.navigate(&callback);
        let expected = if found { (303, "") } else { (403, "email_unverified") };
        assert_eq!((outcome(&back), stage.users.asked.is_empty()), (expected, !found), "{said}");
    }
}
