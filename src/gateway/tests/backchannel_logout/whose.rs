//! Whose sessions end by a logout token, where they have no `sid`, or do not say what `sub` at the provider is.

use super::super::first_visit::looked_up;
use super::super::session_jwt::{SECRET, minted, signing};
use super::*;

fn of(changes: &Value, jti: &str) -> Value {
    changed(changes.clone(), "/jti", json!(jti))
}

#[test]
fn a_token_with_sub_and_sid_ends_the_persons_sessions_without_sid_too_and_those_with_another_sid_go_on() {
    for (of_session, changes, ends) in [
        (None, json!({"sub": "alice", "sid": "s-1"}), true),
        (None, json!({"sub": "alice", "sid": null}), true),
        (None, json!({"sub": "bob", "sid": "s-1"}), false),
        (None, json!({"sub": null, "sid": "s-1"}), false),
        (Some("s-1"), json!({"sub": "alice", "sid": "s-1"}), true),
        (Some("s-2"), json!({"sub": "alice", "sid": "s-1"}), false),
    ] {
        let mut stage = Stage::ready(&taking(document()));
        if let Some(sid) = of_session {
            stage.provider.claims["sid"] = json!(sid);
        }
        stage.sign_in("/page");
        let good = token(&stage, &changes);
        assert_eq!(response(&logs_out(&mut stage, &good)).status, 200);
        assert_eq!(is_signed_in(&mut stage), !ends, "{of_session:?} {changes}");
        let mut other = stage.worker.beside(&taking(document()));
        assert_eq!(outcome(&other.begin(stage.browser.script("GET", "/page"))) == (200, ""), !ends, "{of_session:?} {changes}");
        // A late one ends no sign-in that came after it.
        stage.worker.wait(seconds(1));
        let late = token(&stage, &of(&changes, "late"));
        stage.worker.wait(seconds(1));
        stage.browser = Browser::default();
        stage.sign_in("/page");
        assert_eq!(response(&logs_out(&mut stage, &late)).status, 200);
        assert!(is_signed_in(&mut stage), "{of_session:?} {changes}");
    }
}

#[test]
fn a_token_with_sub_and_sid_is_answered_with_200_only_when_the_store_has_taken_both_ends() {
    let sharing = taking(with("/revocations", json!({"redis": {"cluster": "redis"}})));
    let replied = |ids: &str| {
        let body = format!("{ids}+OK\r\n$1\r\n1\r\n+OK\r\n").into_bytes();
        Reply::Answered { status: 200, headers: Headers::new(vec![(":status".into(), "200".into())]), body }
    };
    for (ids, expected) in [("$3\r\n5-0\r\n$3\r\n5-1\r\n", 200), ("$3\r\n5-0\r\n", 503), ("$3\r\n5-0\r\n-OOM no\r\n", 503)] {
        let mut stage = Stage::ready(&sharing);
        let good = token(&stage, &of_sid("s-1"));
        let headers = Browser::default().send("POST", PATH, &[("content-type", "application/x-www-form-urlencoded")]);
        let begun = stage.worker.begin(headers);
        let Decision::ReadBody { pending, .. } = begun.decision else { panic!("{begun:?}") };
        let form = crate::http::body::Body::Read(format!("logout_token={good}").into_bytes().into());
        let step = stage.worker.resume(*pending, crate::step::decision::BodyNews::Came(form));
        let Decision::Call(_, pending) = step.decision else { panic!("{step:?}") };
        assert_eq!(stage.worker.gateway.background.ended.waiting(&stage.worker.world).len(), 2);
        assert_eq!(response(&stage.worker.resume(*pending, replied(ids))).status, expected, "{ids:?}");
    }
}

/// A configuration whose sessions are JWTs, which services make, too; the user service may give people their subjects.
fn signed(document: Value) -> Value {
    let document = changed(document, "/session", signing()["session"].clone());
    taking(changed(document, "/rules", json!([{"require": "authenticated"}])))
}

fn is_in(stage: &mut Stage, session: &str) -> bool {
    let cookie = format!("access_token={session}");
    outcome(&stage.worker.begin(Browser::default().send("GET", "/page", &[("cookie", &cookie)]))) == (200, "")
}

#[test]
fn a_strangers_logout_token_ends_no_session_of_a_service_whose_sub_is_the_user_services() {
    let (of_users, of_provider) = (signed(looked_up()), signed(document()));
    for (document, session, changes, ends) in [
        // The user service calls somebody by a text that the provider has given to a stranger.
        (&of_users, json!({"sub": "alice"}), json!({}), false),
        (&of_users, json!({"sub": "alice"}), of_sid("s-1"), false),
        (&of_users, json!({"sub": "alice", "idp_sub": "bob"}), json!({}), false),
        (&of_users, json!({"sub": "17", "idp_sub": "alice"}), json!({}), true),
        (&of_users, json!({"sub": "alice", "idp_sub": "alice"}), json!({}), true),
        (&of_users, json!({"sub": "17", "idp_sub": "alice"}), of_sid("s-1"), true),
        (&of_users, json!({"sub": "17", "sid": "s-1"}), of_sid("s-1"), true),
        // Where nobody is looked up, `sub` is the provider's.
        (&of_provider, json!({"sub": "alice"}), json!({}), true),
        (&of_provider, json!({"sub": "bob"}), json!({}), false),
    ] {
        let mut stage = Stage::ready(document);
        let session = minted(SECRET, "JWT", session.clone());
        assert!(is_in(&mut stage, &session));
        let good = token(&stage, &changes);
        assert_eq!(response(&logs_out(&mut stage, &good)).status, 200);
        assert_eq!(is_in(&mut stage, &session), !ends, "{changes}");
    }
}

#[test]
fn a_logout_token_ends_the_session_of_somebody_whom_the_user_service_calls_as_the_provider_does() {
    let mut stage = Stage::ready(&signed(looked_up()));
    stage.provider.claims = json!({"email": "alice@example.com", "email_verified": true, "sub": "17"});
    stage.sign_in("/page");
    let good = token(&stage, &json!({"sub": "17"}));
    assert!(is_signed_in(&mut stage));
    assert_eq!(response(&logs_out(&mut stage, &good)).status, 200);
    assert!(!is_signed_in(&mut stage));
}

#[test]
fn whoever_signs_out_everywhere_ends_also_the_sessions_of_services_that_do_not_say_their_sub_at_the_provider() {
    for (session, ends) in [(json!({"sub": "17"}), true), (json!({"sub": "alice"}), false)] {
        let mut stage = Stage::ready(&signed(looked_up()));
        stage.provider.claims = json!({"email": "alice@example.com", "email_verified": true});
        stage.sign_in("/page");
        let session = minted(SECRET, "JWT", session);
        assert!(is_signed_in(&mut stage) && is_in(&mut stage, &session));
        assert_eq!(outcome(&stage.script("POST", "/api/logout?everywhere")), (200, ""));
        assert_eq!(is_in(&mut stage, &session), !ends);
    }
}
