//! Password sign-ins whose client hangs up, and bodies that are never complete: which attempts count.

use super::password::{by_password, login};
use super::stage::{Stage, called, field, outcome, response, status};
use crate::gateway::pending::PendingCall;
use crate::oidc::testing::json_reply;
use crate::step::decision::{BodyNews, Decision};
use crate::words::reason::Reason;
use serde_json::json;

/// Sends a password, as far as the call to the user service; returns what the request goes on with.
pub(super) fn asked(stage: &mut Stage, password: &str) -> PendingCall {
    stage.browser.body = json!({"email": "alice@example.com", "password": password}).to_string();
    let headers = stage.browser.send("POST", "/api/auth/login", &[("content-type", "application/json")]);
    let Decision::ReadBody { pending, .. } = stage.worker.begin(headers).decision else { panic!() };
    let body = crate::http::body::Body::Read(stage.browser.body.clone().into_bytes().into());
    called(stage.worker.resume(*pending, BodyNews::Came(body))).1
}

#[test]
fn a_wrong_password_counts_and_is_reported_although_its_client_hung_up() {
    let mut stage = Stage::ready(&by_password());
    for _ in 0..5 {
        let pending = asked(&mut stage, "wrong");
        assert!(pending.outlives_its_request());
        let event = stage.worker.gateway.orphaned_reply(&mut stage.worker.world, &pending, &json_reply(401, &json!({})));
        assert_eq!(event.unwrap().metric().name, "accredit_sign_in_failed_credentials_refused");
    }
    assert_eq!(outcome(&login(&mut stage, "alice@example.com", "right")), (429, "too_many_failures"));
}

#[test]
fn a_right_password_whose_client_hung_up_is_neither_a_failure_nor_a_session() {
    let mut stage = Stage::ready(&by_password());
    for _ in 0..8 {
        let pending = asked(&mut stage, "right");
        let reply = json_reply(200, &json!({"id": 17, "email": "alice@example.com"}));
        assert_eq!(stage.worker.gateway.orphaned_reply(&mut stage.worker.world, &pending, &reply), None);
    }
    assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), 200);
}

#[test]
fn an_attempt_whose_body_was_not_read_does_not_count() {
    let mut stage = Stage::ready(&by_password());
    for (news, reason) in [(BodyNews::TimedOut, Reason::BodyTimeout), (BodyNews::TooMany, Reason::TooManyBodies)] {
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
