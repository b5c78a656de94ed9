//! Passwords of requests that break off, and bodies that never came to their end: what counts, and what does not.

use super::password::{by_password, login};
use super::stage::{Stage, called, field, outcome, response, status};
use crate::gateway::pending::PendingCall;
use crate::oidc::testing::json_reply;
use crate::step::decision::{BodyNews, Decision};
use crate::words::reason::Reason;
use serde_json::json;

/// As far as the user service is asked; how the request goes on then.
fn asked(stage: &mut Stage, password: &str) -> PendingCall {
    stage.browser.body = json!({"email": "alice@example.com", "password": password}).to_string();
    let headers = stage.browser.send("POST", "/api/auth/login", &[("content-type", "application/json")]);
    let Decision::ReadBody { pending, .. } = stage.worker.begin(headers).decision else { panic!() };
    let body = crate::http::body::Body::Read(stage.browser.body.clone().into_bytes().into());
    called(stage.worker.resume(*pending, BodyNews::Came(body))).1
}

#[test]
fn guesses_that_are_broken_off_count_like_any_other_and_are_told_of() {
    let mut stage = Stage::ready(&by_password());
    for _ in 0..5 {
        let pending = asked(&mut stage, "wrong");
        assert!(pending.outlives_its_request());
        let told = stage.worker.gateway.unheard(&mut stage.worker.world, &pending, &json_reply(401, &json!({})));
        assert_eq!(told.unwrap().counter(), "accredit_sign_in_failed_credentials_refused");
    }
    assert_eq!(outcome(&login(&mut stage, "alice@example.com", "right")), (429, "too_many_failures"));
}

#[test]
fn a_right_password_that_nobody_hears_of_is_no_failure_and_no_session() {
    let mut stage = Stage::ready(&by_password());
    for _ in 0..8 {
        let pending = asked(&mut stage, "right");
        let reply = json_reply(200, &json!({"id": 17, "email": "alice@example.com"}));
        assert_eq!(stage.worker.gateway.unheard(&mut stage.worker.world, &pending, &reply), None);
    }
    assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), 200);
}

#[test]
fn what_was_never_read_counts_for_nobody() {
    let mut stage = Stage::ready(&by_password());
    for (news, reason) in [(BodyNews::TimedOut, Reason::BodyTimeout), (BodyNews::NoPlace, Reason::TooManyBodies)] {
        for _ in 0..8 {
            let headers = stage.browser.send("POST", "/api/auth/login", &[("content-type", "application/json")]);
            let Decision::ReadBody { pending, .. } = stage.worker.begin(headers).decision else { panic!() };
            let step = stage.worker.resume(*pending, news.clone());
            let expected = if reason == Reason::BodyTimeout { 408 } else { 503 };
            assert_eq!(outcome(&step), (expected, reason.id()));
            assert_eq!(field(response(&step), "retry-after").is_some(), expected == 503);
        }
    }
    assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), 200);
}
