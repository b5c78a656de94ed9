//! Transmitters end sessions by security events.

mod attacks;
mod without_room;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::stage::{Browser, Stage, body, changed, document, field, outcome, response, seconds, with};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_P256, P256, TestKey, base64url};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::security_event::event::EventKind;
use crate::oidc::testing::ISSUER;
use crate::step::decision::Decision;
use crate::step::event::{Event, Followed};
use crate::words::world::Destination;

pub(super) const PATH: &str = "/api/security_events";
pub(super) const SECEVENT: &str = "application/secevent+jwt";

/// A configuration with this transmitter: the provider itself, with these changes.
pub(super) fn taking(document: Value, changes: &Value) -> Value {
    let mut transmitter = json!({
        "name": "events", "issuer": ISSUER, "providers": ["main"],
        "metadata_url": format!("{ISSUER}/.well-known/ssf-configuration"),
    });
    transmitter.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    transmitter.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let with_path = changed(document, "/endpoints", json!({"security_events": PATH}));
    changed(with_path, "/transmitters", json!([transmitter]))
}

fn usual() -> Value {
    taking(document(), &json!({}))
}

pub(super) fn person() -> Value {
    json!({"format": "iss_sub", "iss": ISSUER, "sub": "alice"})
}

/// A token of now about this subject, with these changes; `null` removes a claim.
pub(super) fn token(stage: &Stage, kind: EventKind, subject: &Value, changes: &Value) -> String {
    let now = stage.worker.world.now.seconds();
    let mut claims =
        json!({"iss": ISSUER, "aud": "app", "iat": now, "jti": "j-1", "sub_id": subject, "events": {kind.uri(): {}}});
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid, "typ": "secevent+jwt"}), &claims)
}

fn revoked(stage: &Stage, subject: &Value) -> String {
    token(stage, EventKind::SessionRevoked, subject, &json!({}))
}

/// A transmitter posts this: from its own server, without any cookie.
fn post_with(stage: &mut Stage, body: &str, fields: &[(&str, &str)]) -> Step {
    let headers: Headers = Browser::default().send("POST", PATH, fields);
    let kept = std::mem::replace(&mut stage.browser, Browser { body: body.to_owned(), ..Browser::default() });
    stage.worker.world.destination = Destination::Nobody;
    let begun = stage.worker.begin(headers);
    let step = stage.settle(begun);
    stage.browser = kept;
    step
}

fn post(stage: &mut Stage, body: &str) -> Step {
    post_with(stage, body, &[("content-type", SECEVENT)])
}

fn is_signed_in(stage: &mut Stage) -> bool {
    outcome(&stage.script("GET", "/page")) == (200, "")
}

/// The status, and `err` of the answer if it has one.
fn verdict(step: &Step) -> (u16, String) {
    let answered = serde_json::from_str::<Value>(&response(step).body).unwrap_or_default();
    (response(step).status, answered["err"].as_str().unwrap_or_default().to_owned())
}

/// What followed from the events of a token.
fn followed(step: &Step) -> Vec<Followed> {
    let followed = |event: &Event| match event {
        Event::Transmitted(event) => Some(event.followed.clone()),
        _ => None,
    };
    step.events.iter().filter_map(followed).collect()
}

#[test]
fn an_event_ends_the_sessions_that_it_is_about_at_every_worker_and_no_other() {
    let opaque = |id: &str| json!({"format": "opaque", "id": id});
    let complex = |sub: &str, sid: &str| json!({"format": "complex", "user": {"format": "iss_sub", "iss": ISSUER, "sub": sub}, "session": opaque(sid)});
    let with_device = json!({"format": "complex", "user": person(), "device": opaque("d")});
    for (subject, ends) in [
        (person(), true),
        (json!({"format": "iss_sub", "iss": ISSUER, "sub": "bob"}), false),
        (json!({"format": "iss_sub", "iss": "https://another.example.com", "sub": "alice"}), false),
        (opaque("s-1"), true),
        (opaque("s-2"), false),
        (complex("alice", "s-1"), true),
        (complex("alice", "s-2"), false),
        (complex("bob", "s-1"), false),
        (with_device, false),
        (json!({"format": "email", "email": "alice@example.com"}), false),
        (json!({"format": "phone_number", "phone_number": "+41440000000"}), false),
    ] {
        let mut stage = Stage::ready(&usual());
        stage.provider.claims["sid"] = json!("s-1");
        stage.sign_in("/page");
        assert!(is_signed_in(&mut stage));
        let token = revoked(&stage, &subject);
        let step = post(&mut stage, &token);
        assert_eq!((response(&step).status, response(&step).body.as_str()), (202, ""), "{subject}");
        assert_eq!(field(response(&step), "cache-control"), Some("no-store"));
        assert_eq!(followed(&step).len(), 1, "a line tells what followed");
        stage.worker.wait(seconds(1));
        assert_eq!(is_signed_in(&mut stage), !ends, "{subject}");
        let mut other = stage.worker.beside(&usual());
        assert_eq!(outcome(&other.begin(stage.browser.script("GET", "/page"))) == (200, ""), !ends, "{subject}");
    }
}

#[test]
fn the_keys_of_a_transmitter_are_fetched_also_where_their_address_is_written() {
    for place in ["metadata_url", "jwks_uri"] {
        let address = if place == "jwks_uri" { "keys" } else { ".well-known/ssf-configuration" };
        let changes = json!({"metadata_url": null, place: format!("{ISSUER}/{address}")});
        let mut stage = Stage::ready(&taking(document(), &changes));
        stage.sign_in("/page");
        let token = revoked(&stage, &person());
        assert_eq!(verdict(&post(&mut stage, &token)).0, 202, "{place}");
        assert!(!is_signed_in(&mut stage), "{place}");
    }
}

#[test]
fn each_kind_of_event_ends_sessions_if_it_is_configured() {
    for kind in EventKind::ALL {
        for (events, change_type, ends) in [
            (json!(EventKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>()), "update", true),
            (json!(["session-revoked", "credential-change"]), "create", *kind == EventKind::SessionRevoked),
        ] {
            let mut stage = Stage::signed_in(&taking(document(), &json!({"events": events})));
            let token = token(&stage, *kind, &person(), &json!({"events": {kind.uri(): {"change_type": change_type}}}));
            assert_eq!(response(&post(&mut stage, &token)).status, 202);
            stage.worker.wait(seconds(1));
            assert_eq!(is_signed_in(&mut stage), !ends, "{kind:?} {change_type}");
        }
    }
}

#[test]
fn an_event_ends_what_began_before_it_happened_and_a_repeated_or_late_one_no_later_sign_in() {
    let mut stage = Stage::ready(&usual());
    stage.worker.wait(seconds(100));
    stage.sign_in("/page");
    let now = stage.worker.world.now.seconds();
    let of = |stage: &Stage, happened: u64| {
        let events = json!({EventKind::SessionRevoked.uri(): {"event_timestamp": happened}});
        token(stage, EventKind::SessionRevoked, &person(), &json!({"events": events}))
    };
    let before = of(&stage, now - 1);
    assert_eq!(response(&post(&mut stage, &before)).status, 202);
    stage.worker.wait(seconds(1));
    assert!(is_signed_in(&mut stage), "it happened before this session began");
    let after = of(&stage, now);
    assert_eq!(response(&post(&mut stage, &after)).status, 202);
    stage.worker.wait(seconds(1));
    assert!(!is_signed_in(&mut stage));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    for repeated in [&after, &before, &after] {
        assert_eq!(response(&post(&mut stage, repeated)).status, 202);
        stage.worker.wait(seconds(1));
        assert!(is_signed_in(&mut stage), "it began after the event");
    }
}

#[test]
fn people_are_named_by_address_only_where_that_is_configured_and_only_by_a_verified_one() {
    let by_address = taking(document(), &json!({"email": true}));
    let subject = |address: &str| json!({"format": "email", "email": address});
    let and_session = |sid: &str| json!({"user": subject("alice@example.com"), "session": {"format": "opaque", "id": sid}});
    for (claims, subject, ends) in [
        (json!({"email": "alice@example.com", "email_verified": true}), subject("alice@example.com"), true),
        (json!({"email": "alice@example.com", "email_verified": true}), subject("alice@EXAMPLE.com"), true),
        (json!({"email": "alice@example.com", "email_verified": true}), subject("Alice@example.com"), false),
        (json!({"email": "alice@example.com", "email_verified": false}), subject("alice@example.com"), false),
        (json!({"email": "alice@example.com"}), subject("alice@example.com"), false),
        (json!({"email": "bob@example.com", "email_verified": true}), subject("alice@example.com"), false),
        (json!({"email": "alice@example.com", "email_verified": true, "sid": "s-1"}), and_session("s-1"), true),
        (json!({"email": "alice@example.com", "email_verified": true, "sid": "s-1"}), and_session("s-2"), false),
        (json!({"email": "bob@example.com", "email_verified": true, "sid": "s-1"}), and_session("s-1"), false),
    ] {
        let mut stage = Stage::with_claims(&by_address, claims.clone());
        let token = revoked(&stage, &subject);
        assert_eq!(response(&post(&mut stage, &token)).status, 202);
        stage.worker.wait(seconds(1));
        assert_eq!(is_signed_in(&mut stage), !ends, "{claims} {subject}");
    }
}

#[test]
fn googles_shape_ends_the_sessions_of_its_people() {
    let slashed = format!("{ISSUER}/");
    let google = taking(document(), &json!({"issuer": slashed, "typ": "optional"}));
    for kind in [
        EventKind::SessionsRevoked,
        EventKind::TokensRevoked,
        EventKind::AccountDisabled,
        EventKind::AccountCredentialChangeRequired,
    ] {
        let mut stage = Stage::new(&google);
        stage.provider.transmitter["issuer"] = json!(slashed);
        stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
        stage.sign_in("/page");
        let subject = json!({"subject_type": "iss-sub", "iss": slashed, "sub": "alice"});
        let claims = json!({
            "iss": slashed, "aud": ["app"], "iat": stage.worker.world.now.seconds(), "jti": "j",
            "events": {kind.uri(): {"subject": subject, "reason": "hijacking"}},
        });
        let (key, algorithm, kid) = stage.provider.signs;
        let token = key.token(algorithm, &json!({"kid": kid}), &claims);
        assert_eq!(response(&post(&mut stage, &token)).status, 202, "{kind:?}");
        stage.worker.wait(seconds(1));
        assert!(!is_signed_in(&mut stage), "{kind:?}");
    }
}

#[test]
fn a_verification_event_is_answered_with_202_and_a_line() {
    let mut stage = Stage::signed_in(&usual());
    for family in ["ssf", "risc"] {
        let uri = format!("https://schemas.openid.net/secevent/{family}/event-type/verification");
        let changes = json!({"events": {uri: {"state": "try"}}, "sub_id": {"format": "opaque", "id": "the-stream"}});
        let token = token(&stage, EventKind::SessionRevoked, &json!(null), &changes);
        let step = post(&mut stage, &token);
        assert_eq!(response(&step).status, 202);
        assert_eq!(followed(&step), [Followed::Verified { state: Some("\"try\"".into()) }]);
    }
    assert!(is_signed_in(&mut stage));
}

#[test]
fn with_a_store_the_answer_is_202_when_it_has_taken_every_end_and_503_when_not_and_the_end_holds_here() {
    let sharing = taking(with("/revocations", json!({"redis": {"cluster": "redis"}})), &json!({}));
    let reply = |status: u16, body: &str| Reply::Answered {
        status,
        headers: Headers::new(vec![(":status".into(), status.to_string().into())]),
        body: body.into(),
    };
    let taken = "$3\r\n5-0\r\n+OK\r\n";
    for (reply, expected) in [
        (reply(200, taken), 202),
        (reply(503, ""), 503),
        (reply(200, ""), 503),
        (reply(200, "-OOM command not allowed\r\n+OK\r\n"), 503),
        (Reply::Reset, 503),
    ] {
        let mut stage = Stage::ready(&sharing);
        stage.sign_in("/page");
        let token = revoked(&stage, &person());
        for _ in 0..2 {
            let begun = stage.worker.begin(Browser::default().send("POST", PATH, &[("content-type", SECEVENT)]));
            let Decision::ReadBody { pending, .. } = begun.decision else { panic!("{begun:?}") };
            let read = crate::http::body::Body::Read(token.clone().into_bytes().into());
            let step = stage.worker.resume(*pending, crate::step::decision::BodyNews::Came(read));
            assert!(!is_signed_in(&mut stage), "it has ended here before the store has answered");
            assert_eq!(followed(&step).len(), 1, "the line does not wait for the store");
            let Decision::Call(call, pending) = step.decision else { panic!("{step:?}") };
            assert_eq!(call.cluster, "redis");
            let step = stage.worker.resume(*pending, reply.clone());
            assert_eq!(response(&step).status, expected, "{reply:?}");
            assert_eq!(followed(&step), []);
            assert_eq!(
                stage.worker.gateway.background.ended.waiting(&stage.worker.world).len(),
                1,
                "it is told until it was read"
            );
        }
    }
}
