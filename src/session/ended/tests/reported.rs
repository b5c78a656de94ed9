//! What transmitters of security events end: sessions of which several things are true, and no more than half of a table.

use super::*;
use crate::words::principal::AssumedVerified;

/// Here transmitters may end the sessions of one provider, and name people by address.
fn told(by_address: Option<AssumedVerified>) -> EndedSessions {
    ended(&[1]).reported(vec![Reported { provider: "idp".into(), by_address }])
}

fn with_address(provider: &str, subject: &str, sid: Option<&str>, claims: serde_json::Value) -> Session {
    let mut session = of(provider, subject, sid);
    session.claims = std::rc::Rc::new(claims.as_object().unwrap().clone());
    session
}

fn matching<'a>(sub: Option<&'a str>, sid: Option<&'a str>, address: Option<&'a str>) -> End<'a> {
    End::Matching { provider: "idp", sub, sid, address, begun_by: NOW, until: later(3_600) }
}

#[test]
fn sessions_end_only_if_all_is_true_of_them_that_an_event_says() {
    let verified = serde_json::json!({"email": "alice@EXAMPLE.com", "email_verified": true});
    let all = [
        with_address("idp", "alice", Some("s1"), verified.clone()),
        with_address("idp", "alice", Some("s2"), verified.clone()),
        with_address("idp", "alice", None, serde_json::json!({"email": "alice@example.com", "email_verified": false})),
        with_address("idp", "bob", Some("s1"), serde_json::json!({"email": "alice@example.com"})),
        of("idp", "carol", Some("s1")),
        with_address("partner", "alice", Some("s1"), verified),
    ];
    let address = Some("alice@example.com");
    for (end, expected) in [
        (matching(Some("alice"), None, None), [true, true, true, false, false, false]),
        (matching(None, Some("s1"), None), [true, false, false, true, true, false]),
        (matching(None, None, address), [true, true, false, false, false, false]),
        (matching(Some("alice"), Some("s1"), None), [true, false, false, false, false, false]),
        (matching(Some("bob"), Some("s1"), None), [false, false, false, true, false, false]),
        (matching(Some("bob"), Some("s2"), None), [false; 6]),
        (matching(None, Some("s2"), address), [false, true, false, false, false, false]),
        (matching(Some("alice"), None, address), [true, true, false, false, false, false]),
        (matching(Some("bob"), None, address), [false; 6]),
        (matching(Some("alice"), Some("s2"), address), [false, true, false, false, false, false]),
        (matching(None, None, Some("alice@other.example")), [false; 6]),
        (matching(None, None, None), [false; 6]),
    ] {
        let mut world = world();
        let recorded = told(Some(AssumedVerified::default())).end_as_reported(&mut world, &end);
        assert!(recorded.kept);
        let found =
            |world: &Still, ended: &mut EndedSessions| all.each_ref().map(|session| ended.has_uncached(world, session, NOW));
        assert_eq!(found(&world, &mut told(Some(AssumedVerified::default()))), expected, "{end:?}");
        // Another replica.
        let mut there = self::world();
        let mut replica = told(Some(AssumedVerified::default()));
        hear(&mut replica, &mut there, [recorded.announcement.as_slice()].into_iter());
        assert_eq!(found(&there, &mut replica), expected, "{end:?}");
    }
    // A provider whose addresses the operator vouches for need not say that they are verified.
    let mut world = world();
    let assumed = Some(AssumedVerified { email: true, phone_number: false });
    let _ = told(assumed).end_as_reported(&mut world, &matching(None, None, address));
    assert!(told(assumed).has_uncached(&world, &all[3], NOW) && !told(assumed).has_uncached(&world, &all[2], NOW));
    assert!(!told(None).has_uncached(&world, &all[0], NOW), "where nobody is named by address");
}

#[test]
fn a_transmitter_fills_half_of_a_table_and_sign_outs_and_logout_tokens_still_find_room() {
    let mut world = world();
    let mut pieces = Pieces::new("small", Size { pieces: 1, marks: 8 });
    let mark = |name: u64| Mark::new(name, later(100), Ends::begun_by(NOW));
    let made_up: Vec<_> = (0..100).map(mark).collect();
    assert_eq!(pieces.add_to_half(&mut world, &made_up, NOW).0, made_up[4..]);
    assert_eq!(pieces.add(&mut world, &[mark(200), mark(201), mark(202)], NOW).0, []);
    assert_eq!(pieces.add_to_half(&mut world, &[mark(300)], NOW).0, [mark(300)]);
    // What is there already may be ended again, up to a later time.
    let later_by = Mark::new(1, later(200), Ends::begun_by(later(9)));
    assert_eq!(pieces.add_to_half(&mut world, &[later_by], NOW).0, []);
    assert_eq!(pieces.find(&world, 1), Some(later_by));
    assert!((0..4).chain(200..203).all(|name| pieces.find(&world, name).is_some()));
}

#[test]
fn sessions_of_providers_that_no_transmitter_may_end_have_no_further_names() {
    let claims = serde_json::json!({"email": "a@example.com", "email_verified": true});
    let session = |provider| with_address(provider, "alice", Some("s1"), claims.clone());
    let number = |ended: EndedSessions, provider| ended.names(&session(provider)).reported.len();
    assert_eq!(number(ended(&[1]), "idp"), 0);
    assert_eq!(number(told(Some(AssumedVerified::default())), "partner"), 0);
    assert_eq!(number(told(None), "idp"), 1);
    assert_eq!(number(told(Some(AssumedVerified::default())), "idp"), 5);
}
