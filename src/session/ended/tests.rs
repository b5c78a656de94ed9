//! What has ended, in several workers, replicas and configurations.

mod names;
mod operators;
mod reported;
mod without_room;

use super::*;
use crate::session::content::NewSession;
use crate::session::content::tests::{alice, session};
use crate::session::ended::mark::Ends;
use crate::session::ended::testing::keys;
use crate::words::world::Version;
use crate::words::world::testing::Still;

/// 2027: marks know no time before 2020.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn world() -> Still {
    Still { now: NOW, ..Still::default() }
}

fn ended(bytes: &[u8]) -> EndedSessions {
    EndedSessions::new(&keys(bytes), ["idp", "partner"].into_iter(), Some("a store"))
}

/// Takes over announcements. Returns what each of them was, and how many ends had no room.
fn hear<'a>(here: &mut EndedSessions, world: &mut Still, told: impl Iterator<Item = &'a [u8]>) -> (Vec<Announced>, usize) {
    let heard = here.read(told);
    let marks = heard.iter().filter_map(|one| match one {
        Announced::Marks(provider, marks) => Some((provider.clone(), marks.clone())),
        _ => None,
    });
    let without_room = here.take_over(world, marks.collect(), &[]).proved;
    (heard, without_room)
}

/// A session that began now.
fn of(provider: &str, subject: &str, sid: Option<&str>) -> Session {
    let new =
        NewSession { provider: provider.into(), subject: subject.into(), provider_session: sid.map(str::to_owned), ..alice() };
    let mut session = session(new);
    (session.id, session.created, session.issued, session.ends) =
        (format!("{provider} {subject} {sid:?}"), NOW, NOW, later(3_600));
    session
}

fn by_sid<'a>(provider: &'a str, sid: &'a str) -> End<'a> {
    End::AtProvider { provider, sid, begun_by: NOW, until: later(3_600) }
}

fn by_person<'a>(provider: &'a str, sub: &'a str, begun_by: Timestamp) -> End<'a> {
    End::Person { provider, sub, begun_by, until: later(3_600) }
}

#[test]
fn each_end_ends_what_it_names_and_nothing_else() {
    let alice = of("idp", "alice", Some("s1"));
    let all = [
        alice.clone(),
        of("idp", "alice", Some("s2")),
        of("idp", "alice", None),
        of("idp", "bob", Some("s3")),
        of("partner", "alice", Some("s1")),
    ];
    let everybody = |provider| End::EverybodyHere { provider, begun_by: NOW, until: later(3_600) };
    for (end, expected) in [
        (End::Session(&alice), [true, false, false, false, false]),
        (End::SessionId { id: &alice.id, begun_by: NOW, until: later(9) }, [true, false, false, false, false]),
        (by_sid("idp", "s1"), [true, false, false, false, false]),
        (by_person("idp", "alice", NOW), [true, true, true, false, false]),
        (by_person("idp", "alice", Timestamp::from_seconds(NOW.seconds() - 1)), [false; 5]),
        // The user service may have given them the subject that they have at the provider, and a service's session need not say it.
        (
            End::SubjectHere { provider: "idp", subject: "alice", begun_by: NOW, until: later(9) },
            [true, true, true, false, false],
        ),
        (everybody("idp"), [true, true, true, true, false]),
        (everybody(""), [true; 5]),
        (by_sid("idp", ""), [false; 5]),
        (by_person("", "alice", NOW), [false; 5]),
    ] {
        let mut world = world();
        let mut here = ended(&[1]);
        assert!(all.iter().all(|session| !here.has_uncached(&world, session, NOW)));
        assert!(here.end(&mut world, &end).kept);
        let found = |ended: &mut EndedSessions| all.each_ref().map(|session| ended.has_session(&world, session, NOW));
        assert_eq!(found(&mut here), expected, "{end:?}, where it was ended");
        assert_eq!(found(&mut ended(&[1])), expected, "{end:?}, in another worker");
    }
}

#[test]
fn the_same_end_again_changes_nothing_and_waits_for_the_store_once() {
    let mut world = world();
    let mut here = ended(&[1]);
    let announcements = [0, 7, 300].map(|seconds| {
        world.now = later(seconds);
        let recorded = here.end(&mut world, &by_person("idp", "alice", NOW));
        assert!(here.tell_when_asked(&mut world, &recorded.announcement));
        (recorded.announcement, here.waiting(&world).len(), shared::changes::state(&world))
    });
    assert!(announcements.iter().all(|one| *one == announcements[0] && one.1 == 1));
}

#[test]
fn a_session_that_begins_after_its_persons_end_stays() {
    let mut world = world();
    let mut here = ended(&[1]);
    let recorded = here.end(&mut world, &by_person("idp", "alice", NOW));
    let mut after = of("idp", "alice", None);
    after.issued = later(1);
    assert!(!here.has_uncached(&world, &after, later(2)));
    // The same token comes again, or late.
    hear(&mut here, &mut world, [recorded.announcement.as_slice()].into_iter());
    assert!(!here.has_uncached(&world, &after, later(2)));
    assert!(here.has_uncached(&world, &of("idp", "alice", None), later(2)));
}

#[test]
fn an_end_is_forgotten_when_no_session_is_left_that_it_could_end() {
    let mut world = world();
    let (mut here, session) = (ended(&[1]), of("idp", "alice", None));
    here.mark(&mut world, &session);
    assert!(here.has_uncached(&world, &session, later(3_599)));
    assert!(!here.has_uncached(&world, &session, later(3_600)));
    // Nothing is written for one that has expired.
    let before = world.memory.borrow().clone();
    world.now = later(3_600);
    here.mark(&mut world, &of("idp", "bob", None));
    assert!(before == *world.memory.borrow() && here.waiting(&world).len() == 1);
}

#[test]
fn the_worker_that_ends_something_knows_it_at_once_and_others_within_a_tenth_of_a_second() {
    let mut world = world();
    let (mut here, mut there, session) = (ended(&[1]), ended(&[1]), of("idp", "alice", None));
    let names = Names::new(&keys(&[1]), People::default(), &session);
    let of_there = names.clone();
    assert!(!here.has(&world, &names, NOW) && !there.has(&world, &of_there, NOW));
    here.mark(&mut world, &session);
    assert!(here.has(&world, &names, NOW));
    let at = |millis| NOW.plus(Duration::from_millis(millis));
    assert!(!there.has(&world, &of_there, at(99)));
    assert!(there.has(&world, &of_there, at(100)));
    // Before a cookie is written, nobody is content with what was known before.
    assert!(ended(&[1]).has_uncached(&world, &session, NOW));
    // A clock that was set back changes nothing.
    assert!(there.has(&world, &of_there, Timestamp::from_seconds(NOW.seconds() - 500)));
}

#[test]
fn a_hundred_thousand_requests_read_the_shared_memory_ten_times_a_second() {
    struct Counting<'a>(&'a Still, std::cell::Cell<usize>);
    impl World for Counting<'_> {
        fn shared(&self, key: &str) -> Option<crate::words::world::Shared> {
            self.1.set(self.1.get() + 1);
            self.0.shared(key)
        }
        fn share(&mut self, _: &str, _: &[u8], _: Version) -> Result<(), crate::words::world::Contended> {
            Err(crate::words::world::Contended)
        }
        fn now(&self) -> Timestamp {
            self.0.now()
        }
        fn random(&mut self, _: &mut [u8]) -> Result<(), crate::words::world::NoRandomness> {
            Err(crate::words::world::NoRandomness)
        }
        fn destination(&self) -> crate::words::world::Destination {
            self.0.destination()
        }
        fn route_metadata(&self, namespace: &str, key: &str) -> crate::words::world::RouteMetadata {
            self.0.route_metadata(namespace, key)
        }
        fn client_address(&self) -> Option<String> {
            None
        }
        fn stream(&self) -> Option<crate::words::world::StreamId> {
            None
        }
        fn kept_with_stream(&self) -> Option<Vec<u8>> {
            None
        }
        fn verify_signature(&self, check: &crate::words::world::SignatureCheck<'_>) -> crate::words::world::HostVerdict {
            self.0.verify_signature(check)
        }
        fn sign(&self, signing: &crate::words::world::Signing<'_>) -> crate::words::world::HostSignature {
            self.0.sign(signing)
        }
    }
    let mut still = world();
    let (mut here, session) = (ended(&[1]), of("idp", "alice", Some("s1")));
    for number in 0..2_000 {
        let _ = here.end(&mut still, &by_sid("idp", &number.to_string()));
    }
    let counting = Counting(&still, 0.into());
    let names = Names::new(&keys(&[1]), People::default(), &session);
    let mut there = ended(&[1]);
    // The first look reads the generations of all tables, and the pieces that the session's names are in.
    assert!(!there.has(&counting, &names, NOW));
    assert!(counting.1.replace(0) <= 29);
    for request in 0..100_000_u64 {
        assert!(!there.has(&counting, &names, NOW.plus(Duration::from_micros(request * 10))));
    }
    assert_eq!(counting.1.get(), 9, "one number, nine times within the second that has begun");
}

#[test]
fn an_end_is_known_at_replicas_that_share_one_key_in_whichever_order_keys_are_changed() {
    let (old, both, other_order, new) = (&[1][..], &[1, 2][..], &[2, 1][..], &[2][..]);
    let session = of("idp", "alice", Some("s1"));
    // The documented steps: the new key is added behind the old one, then put before it, then the old one is removed.
    for (announcer, reader) in
        [(old, both), (old, other_order), (both, other_order), (other_order, both), (both, new), (other_order, new)]
    {
        for end in [End::Session(&session), by_sid("idp", "s1"), by_person("idp", "alice", NOW)] {
            let recorded = ended(announcer).end(&mut world(), &end);
            let mut there = world();
            let mut replica = ended(reader);
            let (heard, without_room) = hear(&mut replica, &mut there, [recorded.announcement.as_slice()].into_iter());
            assert!(matches!(heard[..], [Announced::Marks(..)]) && without_room == 0);
            assert!(replica.has_uncached(&there, &session, NOW), "{announcer:?} {reader:?} {end:?}");
        }
    }
    // What this process knew before the keys were changed counts, too.
    let mut world = world();
    ended(old).mark(&mut world, &session);
    assert!(ended(both).has_uncached(&world, &session, NOW) && ended(other_order).has_uncached(&world, &session, NOW));
}

#[test]
fn what_nobody_with_our_keys_has_announced_ends_nothing() {
    let session = of("idp", "alice", Some("s1"));
    let mut world = world();
    let mut here = ended(&[1]);
    let foreign = ended(&[9]).end(&mut Still { now: NOW, ..Still::default() }, &End::Session(&session)).announcement;
    let third = EndedSessions::new(&keys(&[1]), ["third"].into_iter(), None)
        .end(&mut Still { now: NOW, ..Still::default() }, &by_person("third", "alice", NOW))
        .announcement;
    let told = [foreign.as_slice(), &third, b"", b"junk"];
    let (heard, _) = hear(&mut here, &mut world, told.into_iter());
    assert_eq!(heard, [Announced::ByUnknownKeys, Announced::OfUnknownTable, Announced::Forged, Announced::Forged]);
    assert!(!here.has_uncached(&world, &session, NOW) && world.memory.borrow().is_empty());
}

#[test]
fn one_account_that_signs_out_without_end_pushes_out_nobody_elses_end() {
    let mut world = world();
    let mut here = ended(&[1]);
    let bystander = of("idp", "bob", Some("s1"));
    here.mark(&mut world, &bystander);
    let mut session = of("idp", "mallory", None);
    for number in 0..6_000 {
        session.id = number.to_string();
        here.mark(&mut world, &session);
    }
    assert!(here.has_uncached(&world, &bystander, NOW));
    let marks = |here: &mut EndedSessions| -> usize {
        (0..OF_A_PROVIDER.pieces).map(|number| here.piece(&world, number, NOW).unwrap().len()).sum()
    };
    let most = OF_A_PROVIDER.pieces * 4 + 1;
    assert!(marks(&mut here) <= most, "{} of {most}", marks(&mut here));
    assert_eq!(here.piece(&world, OF_A_PROVIDER.pieces, NOW), None);
}

#[test]
fn a_full_table_refuses_new_ends_and_says_so_and_loses_none_that_it_has() {
    let small = Size { pieces: 2, marks: 8 };
    let mut world = world();
    let mut pieces = Pieces::new("small", small);
    let mark = |name: u64, until: u64| Mark::new(name, later(until), Ends::All { account: 0 });
    // The upper half of a name says in which piece it stands.
    let marks: Vec<_> = (0..10).map(|name| mark(name, 100 + name)).collect();
    assert_eq!(pieces.add(&mut world, &marks, NOW).0, marks[8..]);
    assert!((0..8).all(|name| pieces.find(&world, name).is_some()) && pieces.find(&world, 8).is_none());
    assert_eq!(pieces.add(&mut world, &[mark(1 << 48, 9)], NOW).0, [], "another piece has room");
    // Those that no longer matter make room.
    assert_eq!(pieces.add(&mut world, &marks[8..], later(102)).0, []);
    assert!(pieces.find(&world, 9).is_some() && pieces.find(&world, 0).is_none());
}

#[test]
fn workers_that_end_things_at_the_same_time_lose_none() {
    let mut world = world();
    let (mut one, mut two) = (ended(&[1]), ended(&[1]));
    let sids: Vec<_> = (0..3_000).map(|number| number.to_string()).collect();
    for pair in sids.chunks(2) {
        let _ = one.end(&mut world, &by_sid("idp", &pair[0]));
        let _ = two.end(&mut world, &by_sid("idp", &pair[1]));
    }
    let mut third = ended(&[1]);
    for ended in [&mut one, &mut two, &mut third] {
        assert!(sids.iter().all(|sid| ended.has_uncached(&world, &of("idp", "alice", Some(sid)), NOW)));
    }
}

#[test]
fn a_worker_keeps_its_marks_if_somebody_else_writes_to_the_tables() {
    let mut world = world();
    let (mut here, session) = (ended(&[1]), of("idp", "alice", None));
    here.mark(&mut world, &session);
    let keys: Vec<_> = world.memory.borrow().keys().cloned().collect();
    for key in keys {
        world.share(&key, b"junk", Version::Any).unwrap();
    }
    assert!(!ended(&[1]).has_uncached(&world, &session, NOW));
    assert!(here.has_uncached(&world, &session, NOW));
    here.mark(&mut world, &session);
    assert!(ended(&[1]).has_uncached(&world, &session, NOW), "the next mark in that piece writes it back");
}

#[test]
fn an_end_whose_provider_is_not_configured_now_counts_when_it_is_again() {
    let mut world = world();
    let session = of("partner", "alice", None);
    EndedSessions::new(&keys(&[1]), ["idp"].into_iter(), None).mark(&mut world, &session);
    assert!(ended(&[1]).has_uncached(&world, &session, NOW));
    assert_eq!(ended(&[1]).waiting(&world).len(), 0, "nobody is told where replicas share nothing");
}

#[test]
fn an_end_by_our_own_clock_holds_whatever_the_clock_of_the_provider_says() {
    let until = later(3_600);
    let mut ends = vec![End::EverybodyHere { provider: "", begun_by: NOW, until }];
    ends.push(End::EverybodyHere { provider: "idp", begun_by: NOW, until });
    ends.push(End::PersonHere { provider: "idp", sub: "alice", begun_by: NOW, until });
    for end in ends {
        for (created, issued, is_ended) in [
            // The provider's clock is an hour ahead, or behind.
            (NOW, later(3_600), true),
            (later(1), Timestamp::from_seconds(NOW.seconds() - 3_600), false),
            // A service that makes sessions does not say when they began.
            (later(1), Timestamp::default(), true),
        ] {
            let mut world = world();
            let mut here = ended(&[1]);
            assert!(here.end(&mut world, &end).kept);
            let mut session = of("idp", "alice", None);
            (session.created, session.issued) = (created, issued);
            assert_eq!(here.has_uncached(&world, &session, later(2)), is_ended, "{end:?} {created:?} {issued:?}");
        }
    }
}

#[test]
fn a_persons_end_is_not_that_of_another_whom_the_user_service_gives_the_same_subject() {
    let until = later(3_600);
    let mut one = of("idp", "account-7", None);
    one.provider_subject = Some("alice".to_owned());
    let mut other = of("idp", "account-8", None);
    other.provider_subject = Some("account-7".to_owned());
    for (end, expected) in [
        (End::PersonHere { provider: "idp", sub: "account-7", begun_by: NOW, until }, [false, true]),
        (End::SubjectHere { provider: "idp", subject: "account-7", begun_by: NOW, until }, [true, false]),
        (End::SubjectHere { provider: "partner", subject: "account-7", begun_by: NOW, until }, [false, false]),
        (End::SubjectHere { provider: "idp", subject: "alice", begun_by: NOW, until }, [false, false]),
    ] {
        let mut world = world();
        let mut here = ended(&[1]);
        assert!(here.end(&mut world, &end).kept);
        assert_eq!([&one, &other].map(|session| here.has_uncached(&world, session, NOW)), expected, "{end:?}");
    }
}

#[test]
fn the_sessions_of_services_which_name_no_provider_end_too() {
    let until = later(3_600);
    for end in [
        End::PersonHere { provider: "", sub: "alice", begun_by: NOW, until },
        End::EverybodyHere { provider: "", begun_by: NOW, until },
    ] {
        let mut world = world();
        let mut here = EndedSessions::new(&keys(&[1]), std::iter::empty(), None);
        assert!(here.end(&mut world, &end).kept);
        assert!(here.has_uncached(&world, &of("", "alice", None), NOW), "{end:?}");
        assert!(!here.has_uncached(&world, &Session { created: later(1), ..of("", "alice", None) }, later(1)), "{end:?}");
    }
}
