//! Userinfo that the provider has signed, while it replaces its keys.

use std::time::Duration;

use super::popup::{FRONT, go_to_the_provider, popup, posted_message};
use super::stage::{
    BEGINNING, Browser, Stage, awaited, called, changed, document, outcome, seconds, status, upstream_headers, with,
};
use crate::config;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_P256, P256, RSA};
use crate::gateway::Gateway;
use crate::gateway::pending::PendingWait;
use crate::oidc::testing::reply;
use crate::sign_in::redeem::AfterNews;
use crate::step::decision::{News, Resource};
use crate::words::time::Timestamp;
use serde_json::{Value, json};

fn asks_userinfo() -> Value {
    with("/providers/0/userinfo", json!(true))
}

/// The worker knows the provider's keys. Since then the provider has published a second one, which signs userinfo.
fn with_a_new_key(document: &Value) -> Stage {
    let mut stage = Stage::ready(document);
    stage.provider.publishes.push((&RSA, "second"));
    stage.provider.signs_userinfo = Some((&RSA, Algorithm::RS256, "second"));
    stage.provider.userinfo = json!({"sub": "alice", "email": "told@example.com", "email_verified": true});
    stage
}

/// A sign-in, as far as its wait for the key that signed the userinfo.
fn waiting(stage: &mut Stage) -> (Resource, Timestamp, PendingWait) {
    let callback = stage.go_to_the_provider("/page");
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let (call, pending) = called(stage.worker.resume(pending, reply));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    awaited(stage.worker.resume(pending, reply))
}

#[test]
fn the_first_person_after_a_new_key_signs_in() {
    let mut stage = with_a_new_key(&asks_userinfo());
    let asked = stage.provider.asked.len();
    stage.sign_in("/page");
    assert_eq!(stage.provider.asked[asked..], ["token", "userinfo", "keys"]);
    let page = stage.navigate("/page");
    assert!(upstream_headers(&page).contains(&("x-forwarded-email", "told@example.com")), "{page:?}");
    // The next one need not wait.
    let (asked, before) = (stage.provider.asked.len(), stage.worker.world.now);
    stage.browser = Browser::default();
    stage.sign_in("/page");
    assert_eq!(stage.provider.asked[asked..], ["token", "userinfo"]);
    assert_eq!(stage.worker.world.now, before);
}

#[test]
fn a_new_key_under_the_former_kid_is_fetched_when_the_signature_of_userinfo_fails() {
    let mut stage = with_a_new_key(&asks_userinfo());
    // One key signs ID tokens, the other one userinfo.
    stage.provider.publishes = vec![(&P256, "first"), (&OTHER_P256, "userinfo")];
    stage.worker.wait(seconds(3_600));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    stage.provider.publishes = vec![(&P256, "first"), (&RSA, "userinfo")];
    stage.provider.signs_userinfo = Some((&RSA, Algorithm::RS256, "userinfo"));
    let asked = stage.provider.asked.len();
    stage.sign_in("/page");
    assert_eq!(stage.provider.asked[asked..], ["token", "userinfo", "keys"]);
}

#[test]
fn the_wait_is_for_keys_newer_than_those_that_are_here_and_has_its_whole_time() {
    let mut stage = with_a_new_key(&asks_userinfo());
    let (resource, until, pending) = waiting(&mut stage);
    let Resource::Keys { provider, newer_than: Some(newer_than) } = &resource else { panic!("{resource:?}") };
    assert_eq!((provider.as_str(), *newer_than < BEGINNING.plus(seconds(1))), ("main", true));
    assert_eq!(until, stage.worker.world.now.plus(seconds(5)));
    assert!(matches!(pending.then, AfterNews::VerifyingUserinfo(_)));
    assert_eq!(pending.stage().stage, "keys");
    let printed = format!("{pending:?}");
    assert!(!printed.contains("told@example.com") && !printed.contains("eyJ"), "{printed}");
    assert_eq!(stage.worker.news(&resource, until), None);
    stage.worker.fetch_due(&mut stage.provider);
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    assert_eq!(status(&stage.worker.resume(pending, News::Ready)), 303);
}

#[test]
fn userinfo_that_no_published_key_has_signed_lets_nobody_in_and_is_refused_after_one_fetch() {
    for (key, algorithm, kid) in
        [(&OTHER_P256, Algorithm::ES256, "nobody's"), (&OTHER_P256, Algorithm::ES256, "first"), (&RSA, Algorithm::RS256, "first")]
    {
        let mut stage = Stage::ready(&asks_userinfo());
        stage.provider.signs_userinfo = Some((key, algorithm, kid));
        let asked = stage.provider.asked.len();
        let callback = stage.go_to_the_provider("/page");
        let step = stage.navigate(&callback);
        assert_eq!(outcome(&step), (502, "userinfo_malformed"), "{kid}");
        assert_eq!(stage.provider.asked[asked..], ["token", "userinfo", "keys"]);
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
}

#[test]
fn a_sign_in_waits_for_keys_once_and_not_again_for_userinfo_after_it_waited_for_its_id_token() {
    let mut stage = with_a_new_key(&asks_userinfo());
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    stage.provider.signs_userinfo = Some((&OTHER_P256, Algorithm::ES256, "third"));
    let asked = stage.provider.asked.len();
    let callback = stage.go_to_the_provider("/page");
    assert_eq!(outcome(&stage.navigate(&callback)), (502, "userinfo_malformed"));
    assert_eq!(stage.provider.asked[asked..], ["token", "keys", "userinfo"]);
    // The keys that verified the ID token serve for userinfo too.
    stage.provider.signs_userinfo = Some((&RSA, Algorithm::RS256, "second"));
    stage.browser = Browser::default();
    stage.sign_in("/page");
}

#[test]
fn what_newer_keys_cannot_mend_is_refused_without_a_wait_and_provokes_no_fetch() {
    for (userinfo, reason) in [
        (json!({"sub": "bob"}), "userinfo_subject"),
        (json!({"sub": "alice", "iss": "https://evil.example"}), "userinfo_malformed"),
        (json!({"sub": "alice", "aud": "other"}), "userinfo_malformed"),
        (json!({"sub": "alice", "exp": 1}), "userinfo_malformed"),
    ] {
        let mut stage = Stage::ready(&asks_userinfo());
        stage.provider.signs_userinfo = Some((&P256, Algorithm::ES256, "first"));
        stage.provider.userinfo = userinfo;
        let asked = stage.provider.asked.len();
        let callback = stage.go_to_the_provider("/page");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, reason));
        assert_eq!(stage.worker.fetch_due(&mut stage.provider), []);
        assert_eq!(stage.provider.asked[asked..], ["token", "userinfo"]);
    }
}

#[test]
fn userinfo_by_a_new_key_must_still_be_about_the_person_of_the_id_token_and_for_us() {
    for (userinfo, reason) in [
        (json!({"sub": "bob"}), "userinfo_subject"),
        (json!({"groups": ["staff"]}), "userinfo_subject"),
        (json!({"sub": "alice", "aud": "other"}), "userinfo_malformed"),
    ] {
        let mut stage = with_a_new_key(&asks_userinfo());
        stage.provider.userinfo = userinfo;
        let callback = stage.go_to_the_provider("/page");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, reason));
    }
}

/// How often the keys were fetched, and how each of these sign-ins ended, with userinfo signed by a key that is not published.
fn flood(stage: &mut Stage, kid: &'static str) -> (usize, Vec<(u16, String)>) {
    let asked = stage.provider.asked.len();
    stage.provider.signs_userinfo = Some((&OTHER_P256, Algorithm::ES256, kid));
    let outcomes = (0..20).map(|_| {
        stage.browser = Browser::default();
        let callback = stage.go_to_the_provider("/page");
        let step = stage.navigate(&callback);
        stage.worker.wait(Duration::from_millis(20));
        let (status, reason) = outcome(&step);
        (status, reason.to_owned())
    });
    let outcomes = outcomes.collect();
    let fetches = stage.provider.asked[asked..].iter().filter(|path| *path == "keys").count();
    stage.provider.signs_userinfo = Some((&P256, Algorithm::ES256, "first"));
    let before = stage.worker.world.now;
    stage.browser = Browser::default();
    stage.sign_in("/page");
    assert_eq!(stage.worker.world.now, before, "a person with good userinfo does not wait");
    (fetches, outcomes)
}

#[test]
fn a_flood_of_userinfo_by_unknown_keys_provokes_few_fetches_and_holds_nobody_else_up() {
    let mut stage = Stage::ready(&asks_userinfo());
    let (fetches, outcomes) = flood(&mut stage, "nobody's");
    assert!((3..=5).contains(&fetches), "{fetches} in {:?}", stage.worker.world.now.since(BEGINNING));
    let (refused, unknown) = ((502, "userinfo_malformed".to_owned()), (503, "keys_unavailable".to_owned()));
    assert_eq!(outcomes[..3], [refused.clone(), refused.clone(), refused.clone()]);
    assert!(
        outcomes.contains(&unknown) && outcomes.iter().all(|outcome| [&refused, &unknown].contains(&outcome)),
        "{outcomes:?}"
    );
}

#[test]
fn a_flood_of_wrong_signatures_on_userinfo_provokes_few_fetches_and_each_is_told_as_what_it_is() {
    let mut stage = Stage::ready(&asks_userinfo());
    let (fetches, outcomes) = flood(&mut stage, "first");
    let span = stage.worker.world.now.since(BEGINNING);
    assert!(fetches as u64 <= 4 + span.as_secs() / 10, "{fetches} in {span:?}");
    assert!(outcomes.iter().all(|outcome| *outcome == (502, "userinfo_malformed".to_owned())), "{outcomes:?}");
}

#[test]
fn while_the_keys_cannot_be_fetched_a_signature_on_userinfo_is_not_called_wrong_and_nobody_is_let_in() {
    for kid in ["second", "first"] {
        let mut stage = with_a_new_key(&asks_userinfo());
        stage.provider.signs_userinfo = Some((&OTHER_P256, Algorithm::ES256, kid));
        let (resource, until, pending) = waiting(&mut stage);
        stage.provider.instead = Some(reply(503, &[], b""));
        while stage.worker.news(&resource, until).is_none() {
            stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
        }
        assert!(stage.worker.world.now <= until.plus(seconds(1)), "{kid}");
        let news = stage.worker.news(&resource, until).unwrap();
        assert_eq!(outcome(&stage.worker.resume(pending, news)), (503, "keys_unavailable"), "{kid}");
    }
}

#[test]
fn a_popup_whose_userinfo_is_signed_by_a_new_key_is_told_of_the_session() {
    let mut stage = with_a_new_key(&changed(popup(), "/providers/0/userinfo", json!(true)));
    let asked = stage.provider.asked.len();
    let callback = go_to_the_provider(&mut stage);
    let step = stage.navigate(&callback);
    assert_eq!(status(&step), 200, "{:?}", step.events);
    assert_eq!(
        posted_message(&step).map(|(origin, message)| (origin, message["error"].clone())),
        Some((FRONT.into(), json!(null)))
    );
    assert_eq!(stage.provider.asked[asked..], ["token", "userinfo", "keys"]);
}

#[test]
fn a_sign_in_that_waits_while_its_provider_is_removed_ends() {
    let mut stage = with_a_new_key(&asks_userinfo());
    let (_, _, pending) = waiting(&mut stage);
    let document = changed(document(), "/providers/0/name", json!("another"));
    let settings = config::load(document.to_string().as_bytes(), &|_| None).unwrap();
    stage.worker.gateway = Gateway::new(&mut stage.worker.world, settings).unwrap();
    assert_eq!(outcome(&stage.worker.resume(pending, News::Ready)), (400, "attempt_missing"));
}
