//! The message to the page that opened a popup: the session as a token, and claims of the provider and the user service.

use super::popup::{FRONT, OWN, go_to_the_provider, popup, posted_error, posted_message};
use super::stage::{Browser, KEY, Stage, called, changed, outcome, response, seconds, with};
use crate::gateway::pending::Step;
use crate::http::message::Reply;
use crate::oidc::testing::{json_reply, reply};
use serde_json::{Value, json};

/// Sessions are JWTs, which the page gets in the message and keeps.
fn with_token() -> Value {
    let jwt = json!({"keys": ["a secret that services share, of 32 bytes at least"], "bearer": true, "lifetime": "1h"});
    let document = changed(popup(), "/session", json!({"keys": [KEY], "form": "jwt", "jwt": jwt}));
    changed(document, "/rules", json!([]))
}

/// Accounts are looked up at the user service; `answer` is the configured message.
fn with_users(answer: Value) -> Value {
    let find = json!({"path": "/users/{claims.email}"});
    let document = changed(with_token(), "/accounts", json!({"cluster": "users", "subject": "id", "find": find}));
    changed(document, "/popup/answer", answer)
}

#[test]
fn a_token_is_told_to_the_page_alone_and_counts_as_a_bearer_token() {
    let mut stage = Stage::ready(&with_token());
    let callback = go_to_the_provider(&mut stage);
    let step = stage.navigate(&callback);
    let (origin, message) = posted_message(&step).unwrap();
    let token = message["access_token"].as_str().unwrap().to_owned();
    assert_eq!(origin, FRONT);
    assert_eq!(message, json!({"access_token": token, "token_type": "Bearer", "expires_in": 3_600}));
    assert_eq!(stage.browser.names(), Vec::<&str>::new(), "no cookie beside it");
    let bearer = [("authorization", format!("Bearer {token}"))];
    let fields = bearer.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(outcome(&stage.send(Browser::default().send("GET", "/page", &fields))), (200, ""));
    assert!(!format!("{step:?}").contains(&token), "nor does it stand in a log");
    // And with a session cookie, where that is configured.
    let mut stage = Stage::ready(&changed(with_token(), "/popup", json!({"answer": {"token": "{token}"}, "cookie": true})));
    let callback = go_to_the_provider(&mut stage);
    let step = stage.navigate(&callback);
    assert_eq!(posted_message(&step).unwrap(), (OWN.to_owned(), json!({"token": stage.browser.jar["__Host-accredit"].0})));
}

#[test]
fn what_a_provider_and_a_user_service_say_reaches_the_page_as_values_and_never_as_markup() {
    let evil = "</script><script>alert(1)</script><!--\u{2028}\"&";
    let answer =
        json!({"user": {"id": "{user.id}", "name": "{user.name}", "hash": "{user.absent}"}, "given": "I am {claims.given_name}"});
    let mut document = with_users(answer);
    document["popup"]["cookie"] = json!(true);
    let mut stage = Stage::ready(&document);
    stage.provider.claims["given_name"] = json!(evil);
    stage.provider.claims["email"] = json!("alice@example.com");
    let callback = go_to_the_provider(&mut stage);
    let (step, path) = visit(&mut stage, &callback, json_reply(200, &json!({"id": 7, "name": evil, "password_hash": "secret"})));
    assert_eq!(path, "/users/alice%40example.com");
    let message = json!({"user": {"id": 7, "name": evil}, "given": format!("I am {evil}")});
    assert_eq!(posted_message(&step), Some((FRONT.to_owned(), message)));
    assert!(!response(&step).body.contains("alert(1)</script>") && !response(&step).body.contains("secret"));
    assert_eq!(step.note.subject.as_deref(), Some("7"));
}

#[test]
fn whom_the_user_service_does_not_know_gets_no_token_and_the_opener_is_told() {
    for (answered, expected) in [
        (json_reply(404, &json!({})), (403, "account_missing")),
        (json_reply(500, &json!({"error": "</script>"})), (502, "accounts_unreachable")),
        (reply(504, &[], b""), (504, "accounts_timeout")),
        (json_reply(200, &json!({"name": "nobody"})), (502, "accounts_malformed")),
    ] {
        let mut stage = Stage::ready(&with_users(json!({"token": "{token}"})));
        let callback = go_to_the_provider(&mut stage);
        let (step, _) = visit(&mut stage, &callback, answered);
        assert_eq!(posted_error(&step), (expected.0, expected.1.into()));
    }
    let mut stage = Stage::ready(&with_users(json!({"token": "{token}"})));
    stage.provider.claims["email_verified"] = json!(false);
    let callback = go_to_the_provider(&mut stage);
    assert_eq!(posted_error(&stage.navigate(&callback)), (403, "email_unverified".into()));
}

#[test]
fn a_popup_whose_configuration_goes_away_under_way_ends_as_no_session() {
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    stage.worker = stage.worker.beside(&with("/trusted_origins", json!([FRONT])));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let begun = stage.worker.resume(pending, reply);
    let step = stage.settle(begun);
    assert_eq!((outcome(&step), posted_message(&step)), ((500, "internal"), None));
    assert!(!response(&step).headers.iter().any(|(name, value)| name == "set-cookie" && value.starts_with("__Host-accredit=")));
}

/// The popup's callback, with this reply of the user service; returns the last step, and the path of the user service's call.
fn visit(stage: &mut Stage, callback: &str, answered: Reply) -> (Step, String) {
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(callback)));
    let tokens = stage.provider.answer(&call, stage.worker.world.now);
    let (call, pending) = called(stage.worker.resume(pending, tokens));
    assert_eq!(call.cluster, "users");
    (stage.worker.resume(pending, answered), call.path)
}
