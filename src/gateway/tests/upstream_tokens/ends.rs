//! How long a token of its own is used: not longer than itself, the token that it was exchanged for, and the session.

use serde_json::json;

use super::super::refresh::finish;
use super::super::stage::{BEGINNING, awaited, status};
use super::*;
use crate::step::decision::News;

#[test]
fn a_token_is_asked_for_again_before_it_ends_and_after_five_minutes_at_the_latest() {
    for (expires_in, used_for) in [(json!(3_600), 300), (json!(60), 50), (json!(20), 15), (json!(2), 1), (json!(null), 50)] {
        let mut stage = Stage::ready(&exchanging());
        let clients = token(&stage, json!({}));
        stage.provider.exchange_response = json!({"expires_in": expires_in});
        ask(&mut stage, "/notes", &clients);
        stage.worker.wait(seconds(used_for - 1));
        ask(&mut stage, "/notes", &clients);
        assert_eq!(stage.provider.exchanged.len(), 1, "{expires_in}");
        stage.worker.wait(seconds(2));
        assert_eq!(ask(&mut stage, "/notes", &clients).as_deref(), Some("Bearer for-the-application-1"), "{expires_in}");
    }
}

#[test]
fn a_token_is_not_used_longer_than_the_one_that_it_was_exchanged_for() {
    let mut stage = Stage::ready(&exchanging());
    // Beyond its end, a token is accepted for as long as the clocks may differ; what was exchanged for it is not used by then.
    let clients = token(&stage, json!({"exp": BEGINNING.seconds() + 31}));
    ask(&mut stage, "/notes", &clients);
    stage.worker.wait(seconds(25));
    ask(&mut stage, "/notes", &clients);
    assert_eq!(stage.provider.exchanged.len(), 1);
    stage.worker.wait(seconds(120));
    assert_eq!(outcome(&stage.send(with_token("/notes", &clients))), (401, "token_expired"));
    assert_eq!(stage.provider.exchanged.len(), 1);
    let newer = token(&stage, json!({}));
    assert_eq!(ask(&mut stage, "/notes", &newer).as_deref(), Some("Bearer for-the-application-1"));
}

#[test]
fn a_token_that_has_expired_within_the_clock_skew_is_exchanged_once_and_not_in_a_loop() {
    let mut stage = Stage::ready(&exchanging());
    let clients = token(&stage, json!({"exp": BEGINNING.seconds() - 10}));
    for _ in 0..3 {
        assert_eq!(ask(&mut stage, "/notes", &clients).as_deref(), Some("Bearer for-the-application-0"));
    }
    assert_eq!(stage.provider.exchanged.len(), 1);
}

#[test]
fn after_its_end_a_session_gets_none_and_the_next_session_of_the_person_another() {
    let mut stage = signed_in();
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-0"));
    let old = stage.browser.clone();
    assert_eq!(status(&stage.script("POST", "/api/logout")), 200);
    assert_eq!(outcome(&stage.send(old.script("GET", "/notes"))).0, 401);
    assert_eq!(stage.provider.exchanged.len(), 1);
    stage.sign_in("/page");
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-1"));
}

#[test]
fn a_session_that_ends_while_its_token_is_asked_for_does_not_pass() {
    let mut stage = signed_in();
    let (resource, until, pending) = awaited(stage.worker.begin(stage.browser.script("GET", "/notes")));
    let call = stage.worker.tick().fetches.pop().unwrap();
    assert_eq!(status(&stage.script("POST", "/api/logout")), 200);
    let answer = stage.provider.answer(&call.call, stage.worker.world.now);
    stage.worker.fetch_answered(&call, &answer);
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    assert_eq!(outcome(&stage.worker.resume(pending, News::Ready)).0, 401);
}

#[test]
fn a_refreshed_session_gets_a_token_for_its_new_one() {
    let mut stage = Stage::ready(&exchanging());
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": 600});
    stage.sign_in("/page");
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-0"));
    stage.worker.wait(seconds(601));
    let step = stage.script("GET", "/notes");
    finish(&mut stage.worker, &mut stage.browser, &step);
    assert_eq!(arrives(&step), Some("Bearer for-the-application-1"));
    let shown: Vec<_> = stage.provider.exchanged.iter().map(|form| form["subject_token"].clone()).collect();
    assert_ne!(shown[0], shown[1]);
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-1"));
}

#[test]
fn another_configuration_begins_without_any_and_takes_no_answer_that_an_earlier_one_asked_for() {
    let mut stage = Stage::ready(&exchanging());
    let clients = token(&stage, json!({}));
    let (resource, until, pending) = awaited(stage.worker.begin(with_token("/notes", &clients)));
    let call = stage.worker.tick().fetches.pop().unwrap();
    let mut document = exchanging();
    document["rules"][0]["forward"]["token_exchange"]["audience"] = json!("others");
    stage.worker = stage.worker.beside(&document);
    stage.worker.fetch_due(&mut stage.provider);
    let answer = stage.provider.answer(&call.call, stage.worker.world.now);
    assert!(stage.worker.fetch_answered(&call, &answer).events.is_empty());
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready), "it begins again");
    let step = stage.worker.resume(pending, News::Ready);
    let step = stage.settle(step);
    assert_eq!(arrives(&step), Some("Bearer for-the-application-1"));
    assert_eq!(stage.provider.exchanged[1]["audience"], "others");
}
