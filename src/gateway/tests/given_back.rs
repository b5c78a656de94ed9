//! At sign-out, a session's refresh token is given back to the provider.

use serde_json::{Value, json};

use super::refresh::{following, signed_in};
use super::stage::{Stage, document, outcome, seconds};
use crate::gateway::tests::provider::Provider;
use crate::http::message::Reply;
use crate::oidc::testing::json_reply;
use crate::step::event::Event;
use crate::upkeep::fetch::Errand;

pub(super) const REVOKE: &str = "https://sso.example.com/realms/main/revoke";

fn with_endpoint(mut stage: Stage, endpoint: Value) -> Stage {
    stage.provider.metadata["revocation_endpoint"] = endpoint;
    stage.worker.wait(seconds(2 * 3_600));
    stage
}

/// A stage where somebody is signed in, at a provider with this endpoint.
pub(super) fn at_provider_with(endpoint: &Value, document: &Value) -> Stage {
    let mut stage = Stage::new(document);
    if !endpoint.is_null() {
        stage.provider.metadata["revocation_endpoint"] = endpoint.clone();
    }
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": 600});
    stage.sign_in("/page");
    stage
}

/// Signs out, and returns what happened in the background afterwards.
fn after_sign_out(stage: &mut Stage, reply: Option<&Reply>) -> Vec<Event> {
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    let mut events = Vec::new();
    let mut due = stage.worker.tick().fetches;
    while let Some(fetch) = due.pop() {
        assert_eq!(fetch.errand, Errand::GiveBack);
        let reply = reply.cloned().unwrap_or_else(|| stage.provider.answer(&fetch.call, stage.worker.world.now));
        let upkeep = stage.worker.fetch_answered(&fetch, &reply);
        due.extend(upkeep.fetches);
        events.extend(upkeep.events);
    }
    events
}

pub(super) fn given_back(provider: &Provider) -> bool {
    provider.asked.iter().any(|path| path == "revoke")
}

#[test]
fn whoever_signs_out_leaves_no_refresh_token_that_counts() {
    let mut stage = at_provider_with(&json!(REVOKE), &following());
    assert_eq!(stage.provider.refresh_tokens.len(), 1);
    assert!(!stage.worker.gateway.is_in_a_hurry());
    let events = after_sign_out(&mut stage, None);
    assert_eq!(events, [Event::TokenGivenBack { provider: "main".into(), trouble: None }]);
    assert_eq!(stage.provider.refresh_tokens.len(), 0);
    // It is done once.
    assert!(stage.worker.tick().fetches.is_empty() && !stage.worker.gateway.is_in_a_hurry());
}

#[test]
fn a_provider_that_does_not_answer_changes_nothing_for_anybody_and_is_told() {
    for (reply, trouble) in [
        (Reply::Reset, "the connection was reset"),
        (Reply::NotSent, "Envoy could not send it; is there a cluster of that name, with a healthy host?"),
        (json_reply(503, &json!({})), "status 503"),
    ] {
        let mut stage = at_provider_with(&json!(REVOKE), &following());
        let stolen = stage.browser.clone();
        let events = after_sign_out(&mut stage, Some(&reply));
        assert_eq!(events, [Event::TokenGivenBack { provider: "main".into(), trouble: Some(trouble.into()) }]);
        assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    }
}

#[test]
fn where_there_is_no_refresh_token_or_no_endpoint_that_may_be_used_nobody_is_asked() {
    for (endpoint, document) in [
        (json!(REVOKE), document()),
        (json!(null), following()),
        (json!("http://sso.example.com/realms/main/revoke"), following()),
        (json!("https://elsewhere.example.com/revoke"), following()),
    ] {
        let mut stage = at_provider_with(&endpoint, &document);
        assert_eq!(after_sign_out(&mut stage, None), [], "{endpoint}");
        assert!(!given_back(&stage.provider));
    }
}

#[test]
fn of_a_session_that_was_refreshed_meanwhile_the_newest_token_is_given_back() {
    let mut stage = with_endpoint(signed_in(&following()), json!(REVOKE));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    stage.browser = super::stage::Browser::default();
    stage.sign_in("/page");
    let older = stage.browser.clone();
    stage.worker.wait(seconds(500));
    stage.script("GET", "/page");
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(stage.provider.refreshes, 1);
    // The browser still has the older cookie.
    stage.browser = older;
    after_sign_out(&mut stage, None);
    assert!(given_back(&stage.provider));
    assert_eq!(stage.provider.refresh_tokens.iter().filter(|token| token.contains("refresh")).count(), 1, "of the first sign-in");
}

#[test]
fn a_refresh_token_is_shown_to_no_other_client_or_provider_of_the_same_name() {
    let mut stage = at_provider_with(&json!(REVOKE), &following());
    let document = super::stage::changed(following(), "/providers/0/client_id", json!("another"));
    stage.worker = stage.worker.beside(&document);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(after_sign_out(&mut stage, None), []);
    assert!(!given_back(&stage.provider));
}

#[test]
fn the_new_token_of_a_refresh_that_finishes_after_the_sign_out_is_given_back_too() {
    let mut stage = at_provider_with(&json!(REVOKE), &following());
    stage.worker.wait(seconds(500));
    stage.script("GET", "/page");
    let fetch = super::refresh::until_it_asks(&mut stage.worker);
    assert_eq!(after_sign_out(&mut stage, None).len(), 1);
    let mut reply = stage.provider.answer(&fetch.call, stage.worker.world.now);
    // The provider did not mind that the former one was given back before.
    if stage.provider.refresh_tokens.is_empty() {
        stage.provider.refresh_tokens.insert("a-new-one".into());
        reply = json_reply(200, &json!({"access_token": "a", "token_type": "Bearer", "refresh_token": "a-new-one"}));
    }
    let upkeep = stage.worker.fetch_answered(&fetch, &reply);
    let [given_back] = &upkeep.fetches[..] else { panic!("{:?}", upkeep.fetches) };
    assert_eq!(given_back.errand, Errand::GiveBack);
    stage.provider.answer(&given_back.call, stage.worker.world.now);
    assert!(stage.provider.refresh_tokens.is_empty());
}

#[test]
fn a_token_that_cannot_be_given_back_because_the_metadata_are_missing_is_told() {
    let mut stage = at_provider_with(&json!(REVOKE), &following());
    let now = stage.worker.world.now;
    stage.worker = super::stage::Worker::new(&following());
    stage.worker.world.now = now;
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    let trouble = Some("the provider's metadata are not here; see its fetch_failed lines".to_owned());
    assert!(stage.worker.tick().events.contains(&Event::TokenGivenBack { provider: "main".into(), trouble }));
}
