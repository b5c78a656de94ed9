//! Tests of the marks of what was used up.

use super::*;
use crate::words::world::testing::Still;

fn others() -> Tombstones {
    Tombstones::of("accredit/5/others")
}

const LONG: Timestamp = Timestamp::from_seconds(1_000_000);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn ids(number: usize) -> impl Iterator<Item = String> {
    use base64::Engine;
    use sha2::Digest;
    let id = |session: usize| sha2::Sha256::digest(session.to_le_bytes());
    (0..number).map(move |session| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&id(session)[..16]))
}

#[test]
fn another_worker_knows_what_has_ended_until_it_would_expire() {
    let mut here = Still::default();
    let there = here.clone();
    Tombstones::attempts().mark(&mut here, "abc", at(10));
    let mut sessions = Tombstones::attempts();
    assert!(sessions.has(&there, "abc", at(9)));
    assert!(!sessions.has(&there, "abc", at(10)));
    assert!(!sessions.has(&there, "abd", at(9)));
    assert!(!others().has(&there, "abc", at(9)));
}

#[test]
fn any_time_is_noted_for_all_workers_in_place_of_the_one_before() {
    let mut here = Still { now: at(100), ..Still::default() };
    let there = here.clone();
    let mut sessions = Tombstones::attempts();
    for time in [at(200), at(50)] {
        sessions.note(&mut here, "abc", time);
        assert_eq!(sessions.noted(&here, "abc", here.now), Some(time));
        assert_eq!(Tombstones::attempts().noted_uncached(&there, "abc", there.now), Some(time));
    }
    assert_eq!(sessions.noted(&here, "abd", here.now), None);
}

#[test]
fn what_may_be_used_once_is_used_once_and_not_after_its_end() {
    let mut here = Still::default();
    let mut there = here.clone();
    assert!(others().mark_once(&mut here, "abc", at(10)));
    assert!(!others().mark_once(&mut there, "abc", at(10)) && !others().mark_once(&mut here, "abc", at(10)));
    assert!(others().mark_once(&mut there, "abd", at(10)));
    there.now = at(10);
    assert!(!others().mark_once(&mut there, "abe", at(10)));
    assert!(others().mark_once(&mut there, "abc", at(11)), "what it was claimed for is over");
}

#[test]
fn the_worker_that_ends_something_knows_it_at_once_and_others_within_a_tenth_of_a_second() {
    let mut here = Still::default();
    let mut there = here.clone();
    let (mut ours, mut theirs) = (Tombstones::attempts(), Tombstones::attempts());
    assert!(!ours.has(&here, "abc", here.now));
    assert!(!theirs.has(&there, "abc", there.now));
    ours.mark(&mut here, "abc", LONG);
    assert!(ours.has(&here, "abc", here.now));
    // Before a cookie is written, the copy is not asked.
    assert!(Tombstones::attempts().has_uncached(&there, "abc", there.now));
    there.now = there.now.plus(FRESH);
    assert!(theirs.has(&there, "abc", there.now));
}

#[test]
fn only_sessions_that_were_signed_out_have_ended_in_the_shared_table() {
    let mut world = Still::default();
    Tombstones::attempts().mark(&mut world, "abc", at(10));
    let mut there = Tombstones::attempts();
    let ended = [("abc", 9), ("abd", 9), ("abc", 10)].map(|(id, seconds)| there.has_uncached(&world, id, at(seconds)));
    assert_eq!(ended, [true, false, false]);
}

#[test]
fn the_table_is_loaded_again_even_if_the_clock_is_set_back() {
    let mut world = Still { now: at(1_000), ..Still::default() };
    let mut there = Tombstones::attempts();
    assert!(!there.has(&world, "abc", world.now));
    Tombstones::attempts().mark(&mut world, "abc", LONG);
    assert!(there.has(&world, "abc", at(10)));
}

#[test]
fn the_table_is_loaded_ten_times_a_second_however_many_requests_come() {
    let mut world = Still::default();
    let mut there = Tombstones::attempts();
    assert!(!there.has(&world, "abc", at(0)));
    Tombstones::attempts().mark(&mut world, "abc", LONG);
    assert!((0..100).all(|millis| !there.has(&world, "abc", Timestamp::from_millis(millis))));
    assert!(there.has(&world, "abc", Timestamp::from_millis(100)));
}

#[test]
fn if_two_workers_mark_something_at_the_same_time_neither_mark_is_lost() {
    /// A world in which another worker writes between our read and our write, this many times.
    struct Between {
        still: Still,
        times: std::cell::Cell<usize>,
    }
    impl World for Between {
        fn shared(&self, key: &str) -> Option<crate::words::world::Shared> {
            let read = self.still.shared(key);
            if self.times.replace(self.times.get().saturating_sub(1)) > 0 {
                Tombstones::attempts().mark(&mut self.still.clone(), &format!("theirs {}", self.times.get()), LONG);
            }
            read
        }
        fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), crate::words::world::Contended> {
            self.still.share(key, value, expected)
        }
        fn now(&self) -> Timestamp {
            self.still.now()
        }
        fn random(&mut self, bytes: &mut [u8]) -> Result<(), crate::words::world::NoRandomness> {
            self.still.random(bytes)
        }
        fn destination(&self) -> crate::words::world::Destination {
            self.still.destination()
        }
        fn route_metadata(&self, namespace: &str, key: &str) -> crate::words::world::RouteMetadata {
            self.still.route_metadata(namespace, key)
        }
        fn client_address(&self) -> Option<String> {
            self.still.client_address()
        }
        fn stream(&self) -> Option<crate::words::world::StreamId> {
            self.still.stream()
        }
        fn kept_with_stream(&self) -> Option<Vec<u8>> {
            self.still.kept_with_stream()
        }
        fn verify_signature(&self, check: &crate::words::world::SignatureCheck<'_>) -> crate::words::world::HostVerdict {
            self.still.verify_signature(check)
        }
        fn sign(&self, signing: &crate::words::world::Signing<'_>) -> crate::words::world::HostSignature {
            self.still.sign(signing)
        }
    }
    // The first worker that writes may use it, and no other, even if others have written in between.
    for times in [0, 1, 2, 20] {
        let mut world = Between { still: Still::default(), times: times.into() };
        assert!(Tombstones::attempts().mark_once(&mut world, "ours", LONG), "{times}");
        assert!(!Tombstones::attempts().mark_once(&mut world, "ours", LONG));
        // The other worker has marked the same just before us.
        let mut world = Between { still: Still::default(), times: times.into() };
        let theirs = format!("theirs {}", times.saturating_sub(1));
        assert_eq!(Tombstones::attempts().mark_once(&mut world, &theirs, LONG), times == 0);
    }
    // Nothing is decided while another worker never stops writing.
    let mut world = Between { still: Still::default(), times: 10_000.into() };
    assert!(!Tombstones::attempts().mark_once(&mut world, "ours", LONG));
    for times in [1, 2, 20] {
        let mut world = Between { still: Still::default(), times: times.into() };
        Tombstones::attempts().mark(&mut world, "ours", LONG);
        let mut all = Tombstones::attempts();
        assert!(all.has(&world, "ours", at(0)));
        assert!((0..times).all(|other| all.has(&world, &format!("theirs {other}"), at(0))), "{times}");
    }
    // Sign-out succeeds even if another worker never stops writing.
    let mut world = Between { still: Still::default(), times: 10_000.into() };
    Tombstones::attempts().mark(&mut world, "ours", LONG);
    assert!(Tombstones::attempts().has(&world.still, "ours", at(0)));
}

#[test]
fn many_ended_sessions_take_no_more_than_the_table_and_each_overwrites_at_most_one() {
    let mut world = Still::default();
    let mut there = Tombstones::attempts();
    for id in ids(60_000) {
        there.mark(&mut world, &id, LONG);
    }
    let written: usize = world.memory.borrow().values().map(|(value, _)| value.len()).sum();
    assert_eq!((world.memory.borrow().len(), written), (1, 65_536));
    // The number of known marks is the number of places, in a worker that has seen them all and in a new one.
    let known = |ended: &mut Tombstones| ids(60_000).filter(|id| ended.has(&world, id, at(0))).count();
    assert_eq!(known(&mut there), ROWS * IN_A_ROW);
    assert_eq!(known(&mut Tombstones::attempts()), ROWS * IN_A_ROW);
    let all: Vec<_> = ids(60_000).collect();
    assert!(all.iter().rev().take(40).filter(|id| there.has(&world, id, at(0))).count() >= 38);
}

#[test]
fn a_worker_keeps_its_marks_if_somebody_else_writes_to_the_table() {
    for junk in [&b""[..], b"{}", &[0xff; TABLE - 1], &[0; TABLE + 1]] {
        let mut world = Still::default();
        let mut here = Tombstones::attempts();
        here.mark(&mut world, "abc", LONG);
        world.share(here.key, junk, Version::Any).unwrap();
        assert!(!Tombstones::attempts().has(&world, "abc", at(0)));
        assert!(here.has_uncached(&world, "abc", at(0)));
        // The next sign-out tells the other workers again.
        here.mark(&mut world, "abd", LONG);
        let mut there = Tombstones::attempts();
        assert!(there.has(&world, "abc", at(0)) && there.has(&world, "abd", at(0)));
    }
    // The same holds for a table that is empty again.
    let mut world = Still::default();
    let mut here = Tombstones::attempts();
    here.mark(&mut world, "abc", LONG);
    world.share(here.key, &[0; TABLE], Version::Any).unwrap();
    assert!(here.has_uncached(&world, "abc", at(0)));
    // A value of the right size is read as it is, and marks nothing.
    let mut world = Still::default();
    world.share(Tombstones::attempts().key, &[0xff; TABLE], Version::Any).unwrap();
    assert!(ids(10_000).all(|id| !Tombstones::attempts().has(&world, &id, at(0))));
}

#[test]
fn workers_of_all_builds_use_the_same_name_and_row_for_a_mark() {
    // The authors of FNV-1a publish this hash for this text.
    assert_eq!(row_of("foobar"), (0x1ff * ROW, 0x8594_4171_f739_67e8_u64.to_le_bytes()));
}

#[test]
fn identifiers_are_spread_over_all_rows() {
    let mut taken = [0; ROWS];
    ids(40_960).for_each(|id| taken[row_of(&id).0 / ROW] += 1);
    assert!(taken.iter().all(|count| (40..130).contains(count)), "{taken:?}");
}
