//! Requests that are still open when their session is over.

use serde_json::json;

use super::backchannel_logout::{post, taking, token};
use super::session_jwt::{minted, request, signing};
use super::stage::{Browser, KEY, OTHER_KEY, Stage, body, changed, document, forwarded, outcome, seconds};
use crate::gateway::pending::Step;
use crate::http::message::Headers;
use crate::session::ended::end::End;
use crate::session::open::{OpenStreams, PERIOD};
use crate::step::audit;
use crate::step::event::Event;

/// The open requests of the stage's worker, under the names that a test gives them.
#[derive(Default)]
struct Open {
    streams: OpenStreams<&'static str>,
    added: u32,
}

impl Open {
    /// Sends a request that is forwarded and stays open.
    fn begin(&mut self, stage: &mut Stage, headers: Headers, name: &'static str) {
        let step = stage.send(headers);
        self.added += 1;
        if let Some(let_in) = forwarded(&step).let_in.clone() {
            self.streams.add(self.added, let_in, name);
        }
    }

    /// The same, by the stage's own browser, as `alice`.
    fn begin_own(&mut self, stage: &mut Stage, target: &str) {
        let headers = stage.browser.script("GET", target);
        self.begin(stage, headers, "alice");
    }

    /// The requests that are ended when this worker's timer next runs, with the steps that end them.
    fn ended(&mut self, stage: &mut Stage) -> Vec<(&'static str, Step)> {
        stage.worker.wait(PERIOD);
        let ended = stage.worker.gateway.end_streams(&mut stage.worker.world, &mut self.streams, 32);
        ended.into_iter().map(|(found, step)| (found.kept, step)).collect()
    }

    fn names_of_ended(&mut self, stage: &mut Stage) -> Vec<&'static str> {
        self.ended(stage).into_iter().map(|(name, _)| name).collect()
    }
}

/// Signs the stage's browser in as somebody.
fn signed_in(stage: &mut Stage, subject: &str, sid: &str) -> Browser {
    stage.browser = Browser::default();
    (stage.provider.claims["sub"], stage.provider.claims["sid"]) = (json!(subject), json!(sid));
    stage.sign_in("/page");
    stage.browser.clone()
}

fn stream(browser: &Browser) -> Headers {
    browser.script("GET", "/page")
}

#[test]
fn whatever_ends_a_session_ends_its_open_requests_and_nobody_elses() {
    type Ends = fn(&mut Stage);
    let cases: [(&str, Ends, &[&str]); 5] = [
        ("the person signs out", |stage| assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, "")), &["alice"]),
        (
            "the person signs out of all browsers",
            |stage| assert_eq!(outcome(&stage.script("POST", "/api/logout?everywhere")), (200, "")),
            &["alice", "alice elsewhere"],
        ),
        (
            "the provider ends one of its sessions",
            |stage| {
                let token = token(stage, &json!({"sid": "s-2"}));
                assert_eq!(outcome(&post(stage, "/api/backchannel_logout", &format!("logout_token={token}"))), (200, ""));
            },
            &["alice elsewhere"],
        ),
        (
            "the provider ends all sessions of a person",
            |stage| {
                let token = token(stage, &json!({}));
                assert_eq!(outcome(&post(stage, "/api/backchannel_logout", &format!("logout_token={token}"))), (200, ""));
            },
            &["alice", "alice elsewhere"],
        ),
        ("the same browser signs in again", |stage| drop(stage.sign_in("/api/login")), &["alice"]),
    ];
    for (what, ends, expected) in cases {
        let mut stage = Stage::ready(&taking(document()));
        let mut open = Open::default();
        let bob = signed_in(&mut stage, "bob", "s-3");
        let elsewhere = signed_in(&mut stage, "alice", "s-2");
        let alice = signed_in(&mut stage, "alice", "s-1");
        for (browser, name) in [(&alice, "alice"), (&elsewhere, "alice elsewhere"), (&bob, "bob")] {
            open.begin(&mut stage, stream(browser), name);
        }
        assert_eq!(open.names_of_ended(&mut stage), Vec::<&str>::new(), "{what}");
        stage.worker.wait(seconds(1));
        ends(&mut stage);
        assert_eq!(open.names_of_ended(&mut stage), expected, "{what}");
        assert_eq!(open.names_of_ended(&mut stage), Vec::<&str>::new(), "{what}: each is ended once");
    }
}

#[test]
fn what_another_worker_has_ended_ends_open_requests_here() {
    let mut stage = Stage::signed_in(&document());
    let mut open = Open::default();
    open.begin_own(&mut stage, "/page");
    assert!(open.ended(&mut stage).is_empty());
    let mut other = stage.worker.beside(&document());
    assert_eq!(outcome(&other.begin(stage.browser.script("POST", "/api/logout"))), (200, ""));
    assert_eq!(open.names_of_ended(&mut stage), ["alice"]);
}

#[test]
fn what_ends_under_another_configuration_ends_open_requests_as_long_as_both_have_one_of_the_keys() {
    let (other, third) = (OTHER_KEY, "Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M=");
    let with_keys = |keys: &[&str]| changed(document(), "/session/keys", json!(keys));
    for (later, ends) in [(&[KEY][..], true), (&[other], true), (&[third, other], true), (&[third], false)] {
        let mut stage = Stage::signed_in(&with_keys(&[KEY, other]));
        let mut open = Open::default();
        open.begin_own(&mut stage, "/page");
        let mut next = stage.worker.beside(&with_keys(later));
        let now = next.world.now;
        let end = End::PersonHere { provider: "main", sub: "alice", begun_by: now, until: now.plus(seconds(8 * 3_600)) };
        assert!(next.gateway.background.ended.end(&mut next.world, &end).kept);
        assert_eq!(open.names_of_ended(&mut stage).len(), usize::from(ends), "{later:?}");
    }
}

#[test]
fn an_open_request_ends_with_its_session_at_the_latest_and_not_because_it_is_idle() {
    let mut stage = Stage::signed_in(&document());
    let mut open = Open::default();
    open.begin_own(&mut stage, "/page");
    stage.worker.wait(seconds(8 * 3_600 - 1));
    assert!(open.ended(&mut stage).is_empty());
    assert_ne!(outcome(&stage.script("GET", "/page")), (200, ""), "the cookie was idle for too long");
    stage.worker.wait(seconds(1));
    let ended = open.ended(&mut stage);
    assert_eq!(ended.len(), 1);
    let [Event::StreamReset { failure, .. }] = ended[0].1.events.as_slice() else { panic!("{:?}", ended[0].1.events) };
    assert_eq!(failure.detail, "the session reached its end while the request was open");
}

#[test]
fn a_request_that_has_no_answer_yet_is_refused_like_a_later_one_and_told_once() {
    let mut stage = Stage::signed_in(&document());
    let mut open = Open::default();
    open.begin_own(&mut stage, "/page");
    stage.script("POST", "/api/logout");
    let ended = open.ended(&mut stage);
    let step = &ended[0].1;
    assert_eq!(outcome(step), (401, "session_expired"));
    assert_eq!(body(step)["reason"], "session_expired");
    assert_eq!(step.events.len(), 1);
    assert_eq!(step.events[0].metric().name, "accredit_stream_reset");
    let line = audit::line(&step.events[0]).unwrap();
    for part in ["\"event\":\"stream_reset\"", "\"provider\":\"main\"", "\"subject\":\"alice\"", "\"reason\":\"session_expired\""]
    {
        assert!(line.contains(part), "{line}");
    }
    assert!(!step.events[0].is_trouble());
}

#[test]
fn a_session_of_ours_as_a_bearer_token_ends_its_open_requests_with_its_own_end() {
    let mut stage = Stage::ready(&signing());
    let mut open = Open::default();
    let secret = "a secret that services share, of 32 bytes at least";
    let token = minted(secret, "JWT", json!({"exp": stage.worker.world.now.seconds() + 600}));
    open.begin(&mut stage, request("/hooks", &token), "robot");
    stage.worker.wait(seconds(590));
    assert!(open.ended(&mut stage).is_empty());
    stage.worker.wait(seconds(10));
    assert_eq!(open.names_of_ended(&mut stage), ["robot"]);
}

#[test]
fn a_page_for_everybody_ends_for_those_who_were_signed_in_and_for_nobody_else() {
    let mut stage = Stage::signed_in(&document());
    let mut open = Open::default();
    open.begin(&mut stage, Browser::default().script("GET", "/public/events"), "nobody");
    open.begin_own(&mut stage, "/public/events");
    stage.script("POST", "/api/logout");
    assert_eq!(open.names_of_ended(&mut stage), ["alice"], "the application was told that it is she");
}
