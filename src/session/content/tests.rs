//! Sessions as they are written and read, and when they count.

use super::*;
use crate::words::world::testing::Still;

pub(crate) const LIFETIMES: Lifetimes = Lifetimes { absolute: Duration::from_secs(8 * 3_600), idle: Duration::from_secs(1_800) };

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

pub(crate) fn alice() -> NewSession {
    NewSession {
        origin: "https://app.example.com".into(),
        provider: "demo".into(),
        subject: "alice".into(),
        provider_subject: None,
        provider_session: Some("s1".into()),
        auth_time: Some(1),
        issued: None,
        claims: serde_json::json!({"sub": "alice", "groups": ["staff"]}).as_object().unwrap().clone(),
        fingerprint: Fingerprint::of(["demo"]),
        tokens: Tokens::default(),
        tokens_end: None,
    }
}

pub(crate) fn session(new: NewSession) -> Session {
    Session::begin(&mut Still::default(), at(0), LIFETIMES, new).unwrap()
}

#[test]
fn when_the_provider_issued_the_id_token_is_kept_by_its_own_clock_and_earlier_builds_can_read_the_session() {
    for issued in [None, Some(at(0)), Some(at(7)), Some(at(0).plus(Duration::from_millis(900))), Some(Timestamp::default())] {
        let session = session(NewSession { issued, ..alice() });
        assert_eq!(session.issued.seconds(), issued.unwrap_or(at(0)).seconds());
        assert_eq!(Session::parse(&session.write()), Some(session));
    }
    // Earlier builds take everything before `@` for the identifier.
    let ahead = session(NewSession { issued: Some(at(7)), ..alice() });
    let written = String::from_utf8_lossy(&ahead.write()).into_owned();
    assert!(written.contains(&format!("{}.-7@https://app.example.com", ahead.id)), "{written}");
    let plain = String::from_utf8_lossy(&session(alice()).write()).into_owned();
    assert!(plain.contains(&format!("{}@https://app.example.com", ahead.id)), "{plain}");
}

#[test]
fn a_session_that_says_no_time_of_its_id_token_is_none() {
    for id in ["a.", "a.x", "a.1.2", "a.9223372036854775808", "a.99999999999"] {
        let session = Session { id: id.into(), ..session(alice()) };
        assert_eq!(Session::parse(&session.write()), None, "{id}");
    }
}

#[test]
fn a_session_ends_when_idle_and_when_old_whichever_is_first() {
    let session = session(alice());
    let read = |now| Session::read(&session.write(), now, LIFETIMES);
    assert_eq!(read(at(1_799)), Ok(session.clone()));
    assert_eq!(read(at(1_800)), Err(Reason::SessionExpired));
    let kept_busy = session.renewed(at(8 * 3_600 - 10));
    assert_eq!(Session::read(&kept_busy.write(), at(8 * 3_600 - 1), LIFETIMES), Ok(kept_busy.clone()));
    assert_eq!(Session::read(&kept_busy.write(), at(8 * 3_600), LIFETIMES), Err(Reason::SessionExpired));
}

#[test]
fn a_shorter_lifetime_in_a_new_configuration_holds_for_old_sessions() {
    let session = session(alice());
    let shorter = Lifetimes { absolute: Duration::from_secs(60), ..LIFETIMES };
    assert_eq!(Session::read(&session.write(), at(61), shorter), Err(Reason::SessionExpired));
}

#[test]
fn a_session_does_not_outlive_the_access_token_it_forwards() {
    let session = session(NewSession { tokens_end: Some(at(300)), ..alice() });
    assert_eq!(Session::read(&session.write(), at(300), LIFETIMES), Err(Reason::SessionExpired));
}

#[test]
fn the_content_of_a_session_is_read_as_it_was_written() {
    let tokens = Tokens {
        access_token: Some(Secret::new("a")),
        id_token: Some(Secret::new("b.c.d")),
        refresh_token: Some(Secret::new("")),
        due: Some(at(1)),
        end: Some(at(2)),
        id_token_end: Some(at(3)),
        refreshed: u32::MAX,
    };
    let full = NewSession { provider_subject: Some("p".into()), tokens, tokens_end: Some(at(9)), ..alice() };
    let bare = NewSession { provider_session: None, auth_time: None, claims: Claims::new(), ..alice() };
    for new in [alice(), full, bare] {
        let session = session(new).renewed(at(5));
        assert_eq!(Session::parse(&session.write()), Some(session));
    }
}

#[test]
fn another_version_or_form_is_not_read() {
    let plain = session(alice()).write();
    let json = br#"{"v":2,"i":"a","p":"demo","s":"alice","c":1,"r":1,"e":9999999999999,"cl":{},"f":"x"}"#;
    let other = [&[VERSION - 1], &plain[1..]].concat();
    let longer = [&plain[..], b"x"].concat();
    for other in [&other, &longer, &plain[1..], &plain[..plain.len() - 1], b"{}", b"", json] {
        assert_eq!(Session::read(other, at(0), LIFETIMES), Err(Reason::SessionInvalid), "{other:?}");
    }
}

#[test]
fn a_session_that_names_no_origin_is_not_read() {
    let plain = |id: &str| Session { id: id.into(), ..session(alice()) }.write();
    assert_eq!(Session::parse(&plain("a")).unwrap().origin, "https://app.example.com");
    let unnamed = session(alice());
    let with = unnamed.write();
    let named = [unnamed.id.as_str(), ORIGIN_SEPARATOR, &unnamed.origin].concat();
    // The length of that text is the first number of the content, and the text is the first of all texts.
    let mut without = with.clone();
    let at = with.windows(named.len()).position(|window| window == named.as_bytes()).unwrap();
    without.drain(at + unnamed.id.len()..at + named.len());
    without[2] = u8::try_from(unnamed.id.len()).unwrap();
    assert_eq!((with[2], Session::parse(&without)), (u8::try_from(named.len()).unwrap(), None));
}

#[test]
fn fingerprints_of_differently_cut_parts_differ() {
    assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
    assert_ne!(Fingerprint::of(["a"]), Fingerprint::of(["a", ""]));
}
