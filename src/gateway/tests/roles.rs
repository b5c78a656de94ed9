//! Journeys of people whose roles are the keys of an object, or whose groups are one text.

use super::stage::{BEGINNING, Stage, document, outcome, upstream_headers};
use crate::oidc::testing::ISSUER;
use serde_json::{Value, json};

const ROLES: &str = "urn:zitadel:iam:org:project:roles";

/// The usual configuration with these rules, each for one path.
fn with_rules(rules: &[(&str, Value)]) -> Value {
    let mut document = document();
    document["rules"] = rules.iter().map(|(path, require)| json!({"match": {"path": path}, "require": require})).collect();
    document
}

/// The outcome of a script's request for each of these paths.
fn outcomes(stage: &mut Stage, paths: &[&str]) -> Vec<u16> {
    paths.iter().map(|path| outcome(&stage.script("GET", path)).0).collect()
}

#[test]
fn a_role_that_is_the_key_of_an_object_opens_its_pages_and_one_of_another_organisation_does_not() {
    let role = |more: Value| {
        let mut condition = json!({"claim": ROLES, "has_key": ["admin"]});
        condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        condition
    };
    let document = with_rules(&[
        ("/any", role(json!({}))),
        ("/ours", role(json!({"within": ["17"]}))),
        ("/others", json!({"not": role(json!({}))})),
        ("/not-ours", json!({"not": role(json!({"within": ["17"]}))})),
    ]);
    let paths = ["/any", "/ours", "/others", "/not-ours"];
    for (roles, expected) in [
        (json!({"admin": {"17": "a.example"}, "user": {"17": "a.example"}}), [200, 200, 403, 403]),
        (json!({"admin": {"99": "evil.example"}, "user": {"17": "a.example"}}), [200, 403, 403, 200]),
        (json!({"user": {"17": "a.example"}}), [403, 403, 200, 200]),
        (json!({"admin": {}}), [403, 403, 200, 200]),
        (json!({"admin": false}), [403, 403, 200, 403]),
        // Absent, or of another type: nothing is known, and nothing opens.
        (json!(null), [403, 403, 403, 403]),
        (json!(["admin"]), [403, 403, 403, 403]),
        (json!("admin"), [403, 403, 403, 403]),
    ] {
        let mut stage = Stage::with_claims(&document, json!({ROLES: roles}));
        assert_eq!(outcomes(&mut stage, &paths), expected, "{roles}");
    }
}

#[test]
fn groups_in_one_text_open_their_pages_and_arrive_as_a_list() {
    let mut document = with_rules(&[
        ("/admins", json!({"claim": "groups", "any_of": ["admins"], "split": "; "})),
        ("/whole", json!({"claim": "groups", "any_of": ["admins"]})),
        ("/others", json!({"not": {"claim": "groups", "any_of": ["admins"], "split": "; "}})),
    ]);
    document["claim_to_headers"] = json!([
        {"claim_name": "groups", "header_name": "x-groups", "split": "; "},
        {"claim_name": "groups", "header_name": "x-whole"}
    ]);
    for (groups, expected, headers) in [
        (json!("users; admins"), [200, 403, 403], ["users,admins", "users; admins"]),
        (json!("admins"), [200, 200, 403], ["admins", "admins"]),
        (json!("users; admins, x"), [403, 403, 200], ["users,admins%2C x", "users; admins%2C x"]),
        (json!("users;admins"), [403, 403, 200], ["users;admins", "users;admins"]),
        (json!(["users; admins"]), [403, 403, 200], ["users; admins", "users; admins"]),
        (json!({"admins": true}), [403, 403, 403], ["", ""]),
        (json!(null), [403, 403, 403], ["", ""]),
    ] {
        let mut stage = Stage::with_claims(&document, json!({"groups": groups}));
        assert_eq!(outcomes(&mut stage, &["/admins", "/whole", "/others"]), expected, "{groups}");
        let step = stage.script("GET", "/page");
        let arrived = upstream_headers(&step);
        let value = |name: &str| arrived.iter().find(|(set, _)| *set == name).map_or("", |(_, value)| *value);
        assert_eq!(["x-groups", "x-whole"].map(value), headers, "{groups}");
    }
}

#[test]
fn the_keys_of_a_role_are_asked_of_bearer_tokens_as_of_sessions() {
    let mut document = with_rules(&[("/ours", json!({"claim": ROLES, "has_key": ["admin"], "within": ["17"]}))]);
    document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
    let mut stage = Stage::ready(&document);
    for (roles, expected) in [
        (json!({"admin": {"17": "a.example"}}), (200, "")),
        (json!({"admin": {"99": "a.example"}}), (403, "condition_failed")),
        (json!({"admin": {"17": ""}}), (403, "condition_failed")),
        (json!(["admin"]), (403, "condition_failed")),
    ] {
        let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": BEGINNING.seconds() + 300, ROLES: roles});
        let (key, algorithm, kid) = stage.provider.signs;
        let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
        let step = stage.send(stage.browser.send("GET", "/ours", &[("authorization", &line)]));
        assert_eq!(outcome(&step), expected, "{roles}");
    }
}
