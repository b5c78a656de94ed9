//! What transmitters of security events end: sessions of which several things are true, in a table and a queue of their own.

use super::*;
use crate::session::ended::shared::outboxes::{MOST_REPORTED, MOST_SIGNED_OUT};
use crate::words::principal::AssumedVerified;

/// Here these claims count as verified although the provider does not say so.
fn told(assumed: AssumedVerified) -> EndedSessions {
    ended(&[1]).of_people(vec![("idp".into(), People { assumed, ..People::default() })])
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
        let recorded = told(AssumedVerified::default()).end_as_reported(&mut world, &end);
        assert!(recorded.kept);
        let found =
            |world: &Still, ended: &mut EndedSessions| all.each_ref().map(|session| ended.has_uncached(world, session, NOW));
        assert_eq!(found(&world, &mut told(AssumedVerified::default())), expected, "{end:?}");
        // Another replica.
        let mut there = self::world();
        let mut replica = told(AssumedVerified::default());
        hear(&mut replica, &mut there, [recorded.announcement.as_slice()].into_iter());
        assert_eq!(found(&there, &mut replica), expected, "{end:?}");
    }
    // A provider whose addresses the operator vouches for need not say that they are verified.
    let mut world = world();
    let assumed = AssumedVerified { email: true, phone_number: false };
    let _ = told(assumed).end_as_reported(&mut world, &matching(None, None, address));
    assert!(told(assumed).has_uncached(&world, &all[3], NOW) && !told(assumed).has_uncached(&world, &all[2], NOW));
}

/// Fills the piece of a table in which a mark of this name stands: with marks of others, until there is no room.
fn fill(ended: &mut EndedSessions, world: &mut Still, table: &str, name: u64) {
    let other = |number: u64| Mark::new((name & (u64::MAX << 48)) | number, later(3_600), Ends::begun_by(NOW));
    let others: Vec<_> = (0..5_000).map(other).collect();
    assert!(!ended.table(table).add(world, &others, NOW).0.is_empty());
}

#[test]
fn sign_outs_push_out_no_security_event_and_security_events_push_out_no_sign_out_or_logout_token() {
    let event = matching(Some("alice"), None, None);
    let name = event.marks(&keys(&[1])).1[0].name;
    for (full, kept_as_reported) in [("idp", true), ("reported/idp", false)] {
        let mut world = world();
        let mut here = ended(&[1]);
        fill(&mut here, &mut world, full, name);
        let of_provider = here.end(&mut world, &by_person("idp", "alice", NOW));
        assert_eq!([of_provider.kept, of_provider.holds], [!kept_as_reported; 2], "{full}");
        let reported = here.end_as_reported(&mut world, &event);
        assert_eq!([reported.kept, reported.holds], [kept_as_reported; 2], "{full}");
        assert!(here.has_uncached(&world, &of("idp", "alice", None), NOW), "{full}");
        assert_eq!(here.take_troubles(), Troubles { without_room: 1, not_queued: 0 });
    }
}

#[test]
fn an_end_that_found_room_under_one_of_two_keys_is_not_kept_and_holds() {
    let event = matching(Some("alice"), Some("s1"), None);
    let mut world = world();
    let mut here = ended(&[1, 2]);
    fill(&mut here, &mut world, "reported/idp", event.marks(&keys(&[1, 2])).1[1].name);
    let recorded = here.end_as_reported(&mut world, &event);
    assert_eq!([recorded.kept, recorded.holds], [false, true]);
    assert!(here.has_uncached(&world, &of("idp", "alice", Some("s1")), NOW));
}

#[test]
fn what_was_reported_is_told_again_as_reported_and_ends_what_it_ended_after_its_transmitter_was_removed() {
    let mut world = world();
    let mut here = ended(&[1]);
    let recorded = here.end_as_reported(&mut world, &matching(Some("alice"), None, None));
    let mut without = ended(&[1]);
    assert!(without.has_uncached(&world, &of("idp", "alice", None), NOW));
    assert_eq!(recorded.announcement.len(), 1 + 40);
    let name = matching(Some("alice"), None, None).marks(&keys(&[1])).1[0].name;
    let number = usize::try_from(name >> 48).unwrap() % OF_A_PROVIDER.pieces;
    let again: Vec<_> = without.piece(&world, number, NOW).unwrap();
    let [(table, mark)] = again.as_slice() else { panic!("{again:?}") };
    let again = announcement::announcement_again(&keys(&[1]), table, mark);
    assert_eq!(again, recorded.announcement);
    assert_eq!(without.read([again.as_slice()].into_iter()), [Announced::Marks("reported/idp".into(), vec![*mark])]);
}

#[test]
fn a_flood_of_reported_ends_fills_a_queue_of_its_own_and_every_sign_out_still_waits_and_is_sent() {
    let mut world = world();
    let mut here = ended(&[1]);
    let announcements: Vec<_> = (0..MOST_REPORTED + 100)
        .map(|number| here.end_as_reported(&mut world, &matching(Some(&number.to_string()), None, None)).announcement)
        .collect();
    here.tell_reported(&mut world, &announcements, SentBy::Asker);
    assert_eq!(here.take_troubles(), Troubles { without_room: 0, not_queued: 100 });
    assert!(!here.has_unsent() && here.waiting(&world).len() == MOST_REPORTED);
    here.mark(&mut world, &of("idp", "alice", None));
    assert_eq!(here.take_troubles(), Troubles::default());
    // It is the first of what is sent at once, and of what waits.
    let unsent = here.take_unsent();
    assert_eq!((unsent.len(), &unsent[0]), (1, &here.waiting(&world)[0]));
    assert!(!announcements.contains(&unsent[0]));
    // What finds no room in the queue is sent once.
    here.tell_reported(&mut world, &announcements[MOST_REPORTED..], SentBy::Tick);
    assert_eq!(here.take_unsent(), announcements[MOST_REPORTED..]);
    here.stand_in_the_store(&mut world, announcements.iter().map(Vec::as_slice));
    assert_eq!(here.waiting(&world), unsent);
}

#[test]
fn a_sign_out_that_finds_the_queue_full_is_sent_once_all_the_same() {
    let mut world = world();
    let mut here = ended(&[1]);
    for number in 0..MOST_SIGNED_OUT {
        assert!(here.tell_when_asked(&mut world, &number.to_le_bytes()));
    }
    here.mark(&mut world, &of("idp", "alice", None));
    assert_eq!(here.take_troubles(), Troubles { without_room: 0, not_queued: 1 });
    assert_eq!(here.take_unsent().len(), 1);
}

#[test]
fn every_session_has_the_names_by_which_events_may_end_it_whatever_is_configured() {
    let claims = |verified: bool| serde_json::json!({"email": "a@example.com", "email_verified": verified});
    for (sid, claims, expected) in
        [(Some("s1"), claims(true), 5), (None, claims(true), 2), (Some("s1"), claims(false), 1), (None, claims(false), 0)]
    {
        for provider in ["idp", "partner"] {
            let session = with_address(provider, "alice", sid, claims.clone());
            let names = ended(&[1]).names(&session);
            let reported_alone = names.reported().len() - names.at_provider().len();
            assert_eq!(reported_alone, expected, "{sid:?} {claims} {provider}");
        }
    }
}
