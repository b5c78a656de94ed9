use super::stage::{
    Browser, Stage, Worker, awaited, body, changed, document, field, forwarded, outcome, response, seconds, upstream_headers,
    with,
};
use crate::authenticate::carried;
use crate::gateway::pending::Step;
use crate::http::message::Reply;
use crate::oidc::testing::{json_reply, reply};
use crate::session::content::Session;
use crate::step::audit;
use crate::step::decision::{Decision, News};
use crate::step::event::{Aftermath, Event};
use crate::upkeep::fetch::{Errand, Fetch};
use crate::words::reason::Reason;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const LIFE: u64 = 600;
/// The age of the tokens at which a quarter of their life is left, in seconds.
pub(super) const DUE: u64 = 450;

pub(super) fn forwarding() -> Value {
    with("/forward", json!({"access_token": true}))
}

pub(super) fn following() -> Value {
    changed(document(), "/session/follow_provider", json!(true))
}

/// A stage where somebody has signed in at a provider that rotates refresh tokens. The access token lives for ten minutes.
pub(super) fn signed_in(document: &Value) -> Stage {
    let mut stage = Stage::ready(document);
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": LIFE});
    stage.sign_in("/page");
    stage
}

/// Lets the response to a forwarded request reach the browser.
pub(super) fn finish(worker: &mut Worker, browser: &mut Browser, step: &Step) -> Vec<Event> {
    let Decision::Forward(forward) = &step.decision else { return vec![] };
    let Some(renewal) = &forward.renewal else { return vec![] };
    let (fields, events) = worker.gateway.finish(&mut worker.world, renewal);
    browser.take(fields.iter().map(|(name, value)| (*name, value.as_str())));
    events
}

/// A request by a script of a page, and its response, whose cookies the browser takes.
pub(super) fn ask(stage: &mut Stage) -> Step {
    let step = stage.script("GET", "/page");
    finish(&mut stage.worker, &mut stage.browser, &step);
    step
}

pub(super) fn access_token(step: &Step) -> String {
    let headers = upstream_headers(step);
    headers.iter().find(|(name, _)| *name == "x-forwarded-access-token").unwrap().1.to_owned()
}

/// Ticks until the background makes a refresh request; returns that.
pub(super) fn until_it_asks(worker: &mut Worker) -> Fetch {
    for _ in 0..10 {
        if let Some(fetch) = worker.tick().fetches.pop() {
            assert!(matches!(fetch.errand, Errand::Refresh(_)));
            return fetch;
        }
        worker.wait(Duration::from_millis(20));
    }
    panic!("nobody asks");
}

/// The session in the browser's cookie.
pub(super) fn carried(stage: &mut Stage) -> Session {
    let visit = super::silence::visit(&stage.worker, stage.browser.script("GET", "/page"));
    let Worker { gateway, world } = &mut stage.worker;
    carried::in_cookies(&mut gateway.scene(world), &visit).sessions.remove(0)
}

pub(super) fn failures(events: &[Event]) -> Vec<(Reason, Aftermath)> {
    let failure = |event: &Event| match event {
        Event::Refreshed { failure: Some((failure, aftermath)), .. } => Some((failure.reason, *aftermath)),
        _ => None,
    };
    events.iter().filter_map(failure).collect()
}

#[test]
fn a_session_lives_until_its_own_lifetimes_however_often_its_tokens_end() {
    for document in [forwarding(), with("/forward", json!({"id_token": true})), following()] {
        let mut stage = signed_in(&document);
        stage.provider.claims["exp"] = json!(0);
        let began = stage.worker.world.now;
        let mut last = began;
        loop {
            stage.provider.claims["exp"] = json!(stage.worker.world.now.seconds() + LIFE);
            let step = ask(&mut stage);
            if outcome(&step) != (200, "") {
                assert_eq!(outcome(&step), (401, "session_expired"));
                break;
            }
            last = stage.worker.world.now;
            stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
            stage.worker.wait(seconds(99));
        }
        assert_eq!(last.since(began), seconds(8 * 3_600 - 100), "{document}");
    }
}

#[test]
fn a_request_with_good_tokens_goes_on_with_them_and_its_response_brings_the_new_ones_if_they_came_meanwhile() {
    let mut stage = signed_in(&forwarding());
    let first = access_token(&ask(&mut stage));
    stage.worker.wait(seconds(DUE));
    let before = stage.browser.jar.clone();
    let step = stage.script("GET", "/page");
    assert_eq!(access_token(&step), first);
    // Its response leaves before the provider has replied: the cookie is not written.
    assert_eq!(finish(&mut stage.worker, &mut stage.browser, &step), []);
    assert_eq!(stage.browser.jar, before);
    // After the provider's reply, the response to another request of that time brings the new cookie.
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(stage.provider.refreshes, 1);
    assert_eq!(finish(&mut stage.worker, &mut stage.browser, &step), [Event::SessionRenewed]);
    let step = stage.script("GET", "/page");
    assert_ne!(access_token(&step), first);
    assert_eq!(forwarded(&step).renewal, None);
    let session = carried(&mut stage);
    assert_eq!(session.tokens.refreshed, 1);
}

#[test]
fn a_request_whose_tokens_have_ended_waits_for_new_ones() {
    let mut stage = signed_in(&forwarding());
    let first = access_token(&ask(&mut stage));
    stage.worker.wait(seconds(LIFE));
    let step = ask(&mut stage);
    assert_ne!(access_token(&step), first);
    assert_eq!(stage.provider.refreshes, 1);
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    assert_eq!(stage.provider.refreshes, 1);
    // The session endpoint waits as well: otherwise a page would think that nobody is signed in.
    stage.worker.wait(seconds(LIFE));
    assert_eq!(body(&stage.script("GET", "/api/session"))["authenticated"], true);
    // A public page does not wait.
    stage.worker.wait(seconds(LIFE));
    let step = stage.worker.begin(stage.browser.script("GET", "/public"));
    assert_eq!((upstream_headers(&step), step.note.subject.as_deref()), (vec![], None));
}

#[test]
fn however_many_requests_and_workers_wait_the_provider_is_asked_once() {
    let mut stage = signed_in(&forwarding());
    let mut other = stage.worker.beside(&forwarding());
    stage.worker.wait(seconds(LIFE));
    other.wait(seconds(LIFE));
    let request = stage.browser.script("GET", "/page");
    let here: Vec<_> = (0..20).map(|_| awaited(stage.worker.begin(request.clone()))).collect();
    let there: Vec<_> = (0..20).map(|_| awaited(other.begin(request.clone()))).collect();
    for _ in 0..10 {
        stage.worker.fetch_due(&mut stage.provider);
        other.fetch_due(&mut stage.provider);
        stage.worker.wait(Duration::from_millis(20));
        other.wait(Duration::from_millis(20));
    }
    assert_eq!(stage.provider.refreshes, 1);
    let mut tokens = Vec::new();
    for (worker, waiting) in [(&mut stage.worker, here), (&mut other, there)] {
        for (resource, until, pending) in waiting {
            assert_eq!(worker.news(&resource, until), Some(News::Ready));
            let step = worker.resume(pending, News::Ready);
            tokens.push(access_token(&step));
        }
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

#[test]
fn new_tokens_are_kept_although_the_waiting_client_has_left() {
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(LIFE));
    // The request that waits is never resumed; the provider's reply is kept all the same.
    drop(awaited(stage.worker.begin(stage.browser.script("GET", "/page"))));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    stage.worker.wait(seconds(60));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn another_tab_with_the_old_cookie_finds_the_new_tokens_and_never_spends_the_old_refresh_token() {
    let mut stage = signed_in(&forwarding());
    let mut tab = stage.browser.clone();
    stage.worker.wait(seconds(LIFE));
    let refreshed = access_token(&ask(&mut stage));
    for _ in 0..3 {
        let step = stage.worker.begin(tab.script("GET", "/page"));
        assert_eq!(access_token(&step), refreshed);
    }
    // It gets the renewed cookie.
    let step = stage.worker.begin(tab.script("GET", "/page"));
    assert_eq!(finish(&mut stage.worker, &mut tab, &step), [Event::SessionRenewed]);
    let step = stage.worker.begin(tab.script("GET", "/page"));
    assert_eq!(forwarded(&step).renewal, None);
    // The next refresh, whichever tab causes it, renews the other tab's session too.
    for turn in 1..6 {
        stage.worker.wait(seconds(LIFE));
        let late = tab.clone();
        std::mem::swap(&mut stage.browser, &mut tab);
        let newest = access_token(&ask(&mut stage));
        assert_eq!(access_token(&stage.worker.begin(late.script("GET", "/page"))), newest);
        assert_eq!((stage.provider.refreshes, stage.provider.refresh_tokens.len()), (turn + 1, 1));
    }
}

#[test]
fn a_response_that_was_under_way_does_not_bring_the_spent_refresh_token_back() {
    let mut stage = signed_in(&forwarding());
    // The session is due for renewal, its tokens are not due yet.
    stage.worker = stage.worker.beside(&changed(forwarding(), "/session/idle", json!("10m")));
    stage.worker.wait(seconds(DUE - 5));
    let slow = stage.script("GET", "/page");
    assert!(forwarded(&slow).renewal.is_some());
    stage.worker.wait(seconds(10));
    ask(&mut stage);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let new = access_token(&ask(&mut stage));
    assert_eq!(finish(&mut stage.worker, &mut stage.browser, &slow), [Event::SessionRenewed]);
    assert_eq!(access_token(&ask(&mut stage)), new);
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn a_refusal_for_good_ends_the_session_everywhere_and_deletes_its_cookie() {
    for refusal in
        [json_reply(400, &json!({"error": "invalid_grant"})), json_reply(400, &json!({"error": "unauthorized_client"}))]
    {
        let mut stage = signed_in(&forwarding());
        let mut other = stage.worker.beside(&forwarding());
        stage.worker.wait(seconds(LIFE));
        other.wait(seconds(LIFE));
        stage.provider.instead_of_refreshing = Some(refusal);
        assert_eq!(outcome(&other.begin(stage.browser.script("GET", "/public"))), (200, ""));
        let step = stage.script("GET", "/page");
        assert_eq!(outcome(&step), (401, "session_expired"));
        assert!(field(response(&step), "set-cookie").unwrap().starts_with("__Host-accredit=; "));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
        assert_eq!(stage.provider.refreshes, 1);
    }
    // The session ends although its tokens were still good; a navigation is redirected to the provider.
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(DUE));
    stage.provider.refresh_tokens.clear();
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let mut other = stage.worker.beside(&forwarding());
    assert_eq!(outcome(&other.begin(stage.browser.script("GET", "/page"))), (401, "session_expired"));
    assert_eq!(outcome(&stage.navigate("/page")).0, 302);
    stage.sign_in("/page");
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
}

#[test]
fn while_the_provider_cannot_be_asked_the_session_goes_on_as_long_as_its_tokens_are_good() {
    for (silence, reason) in [
        (Reply::NotSent, Reason::TokenEndpointUnreachable),
        (Reply::Reset, Reason::TokenEndpointUnreachable),
        (reply(500, &[], b""), Reason::TokenEndpointUnreachable),
        (reply(504, &[], b""), Reason::TokenEndpointTimeout),
        (json_reply(401, &json!({"error": "invalid_client"})), Reason::ClientAuthenticationFailed),
        (reply(200, &[], b"<html>"), Reason::TokenResponseMalformed),
        (json_reply(429, &json!({})), Reason::TokenEndpointUnreachable),
    ] {
        let mut stage = signed_in(&forwarding());
        stage.worker.wait(seconds(DUE));
        stage.provider.instead_of_refreshing = Some(silence.clone());
        assert_eq!(outcome(&ask(&mut stage)), (200, ""));
        let fetch = until_it_asks(&mut stage.worker);
        let upkeep = stage.worker.fetch_answered(&fetch, &silence);
        assert_eq!(failures(&upkeep.events), [(reason, Aftermath::TriedAgain)]);
        assert!(upkeep.events.iter().all(|event| audit::line(event).unwrap().contains("\"ended\":false")));
        // The refresh is tried again, at growing intervals, while requests use the session.
        stage.provider.refreshes = 0;
        for _ in 0..10 {
            stage.worker.fetch_due_for(&mut stage.provider, seconds(9));
            assert_eq!(outcome(&ask(&mut stage)), (200, ""));
        }
        assert!((8..=14).contains(&stage.provider.refreshes), "{}", stage.provider.refreshes);
        // Once the tokens have ended, requests get 503 rather than a redirect to sign in.
        stage.worker.wait(seconds(LIFE - DUE));
        for step in [stage.script("GET", "/page"), stage.navigate("/page"), stage.script("GET", "/api/session")] {
            assert_eq!(outcome(&step), (503, "refresh_unavailable"));
            assert!(field(response(&step), "retry-after").is_some());
            assert_eq!(field(response(&step), "set-cookie"), None);
        }
        // The provider is back.
        stage.provider.instead_of_refreshing = None;
        stage.worker.wait(seconds(10));
        assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    }
}

#[test]
fn a_delayed_refresh_reads_no_shared_memory_before_its_time() {
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(DUE));
    ask(&mut stage);
    let fetch = until_it_asks(&mut stage.worker);
    stage.worker.fetch_answered(&fetch, &Reply::Reset);
    stage.worker.world.memory.borrow_mut().clear();
    let asked = |worker: &mut Worker| worker.tick().fetches.iter().any(|fetch| matches!(fetch.errand, Errand::Refresh(_)));
    for _ in 0..9 {
        stage.worker.wait(Duration::from_millis(100));
        assert!(!asked(&mut stage.worker));
    }
    stage.worker.wait(Duration::from_millis(100));
    until_it_asks(&mut stage.worker);
}

#[test]
fn a_session_that_is_not_used_is_not_refreshed() {
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(DUE));
    stage.provider.instead_of_refreshing = Some(Reply::Reset);
    ask(&mut stage);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(150));
    let refreshes = stage.provider.refreshes;
    stage.worker.fetch_due_for(&mut stage.provider, seconds(60));
    assert_eq!(stage.provider.refreshes, refreshes);
}

#[test]
fn a_session_that_was_signed_out_during_its_refresh_stays_so() {
    let mut stage = signed_in(&forwarding());
    let old = stage.browser.clone();
    stage.worker.wait(seconds(LIFE));
    let (resource, until, pending) = awaited(stage.worker.begin(old.script("GET", "/page")));
    let fetch = until_it_asks(&mut stage.worker);
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    let answer = stage.provider.answer(&fetch.call, stage.worker.world.now);
    stage.worker.fetch_answered(&fetch, &answer);
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    let step = stage.worker.resume(pending, News::Ready);
    assert_eq!(outcome(&step), (401, "session_expired"));

    // A response that was under way does not bring the session back either.
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(LIFE));
    let under_way = stage.script("GET", "/page");
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(finish(&mut stage.worker, &mut stage.browser, &under_way), []);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn a_reloaded_configuration_takes_the_reply_to_a_refresh_and_repeats_one_without_a_reply() {
    let mut stage = signed_in(&forwarding());
    stage.worker.wait(seconds(LIFE));
    drop(awaited(stage.worker.begin(stage.browser.script("GET", "/page"))));
    let fetch = until_it_asks(&mut stage.worker);
    // The configuration is loaded again before the reply comes.
    stage.worker = stage.worker.beside(&forwarding());
    let answer = stage.provider.answer(&fetch.call, stage.worker.world.now);
    stage.worker.fetch_answered(&fetch, &answer);
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    assert_eq!(stage.provider.refreshes, 1);

    stage.worker.wait(seconds(LIFE));
    drop(awaited(stage.worker.begin(stage.browser.script("GET", "/page"))));
    until_it_asks(&mut stage.worker);
    stage.worker = stage.worker.beside(&forwarding());
    let step = stage.script("GET", "/page");
    assert_eq!(outcome(&step), (503, "refresh_unavailable"));
    stage.worker.wait(seconds(10));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    assert_eq!(stage.provider.refreshes, 2);
}

#[test]
fn a_remembered_session_reads_no_shared_memory_while_no_refresh_is_due() {
    let mut stage = signed_in(&forwarding());
    ask(&mut stage);
    let memory = stage.worker.world.memory.clone();
    // Reading shared memory would panic now.
    let held = memory.borrow_mut();
    let step = stage.worker.begin(stage.browser.script("GET", "/page"));
    assert_eq!(outcome(&step), (200, ""));
    drop(held);
}
