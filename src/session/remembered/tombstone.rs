//! Tombstones: marks of what was used up, shared by the workers of one process. Sign-in attempts get one at their callback. Each
//! kind has one table of fixed size, because shared data cannot be deleted, and a mark may be overwritten by
//! another. So they are a second line of defence: cookies are deleted in the browser, too, and codes are accepted once by the
//! provider.
//!
//! Each worker has a copy of the table. A copy that is up to 100 ms old is good enough to let somebody in. Before a cookie is
//! written, or something is used that can be used once, the table itself is read.

use std::time::Duration;

use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// How many marks a table holds. Each mark has one place.
const PLACES: usize = 4_096;

/// The size of a mark, in bytes: 8 for its name, and 8 for a time, which is that until which it counts.
const PLACE: usize = 16;

const TABLE: usize = PLACES * PLACE;

/// How old the copy may be when it is asked.
const FRESH: Duration = Duration::from_millis(100);

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// The marks of one kind, as far as this worker knows them.
pub struct Tombstones {
    key: &'static str,
    table: Vec<u8>,
    reloaded: Timestamp,
}

impl Tombstones {
    /// The marks of sign-in attempts, by their `state`.
    pub const fn attempts() -> Self {
        Self::of("accredit/3/ended/attempts")
    }

    /// The marks of logout tokens, by a digest of their `jti`.
    pub const fn logout_tokens() -> Self {
        Self::of("accredit/4/logout_tokens")
    }

    /// The table under this key of the shared data.
    pub(super) const fn of(key: &'static str) -> Self {
        // The copy was never loaded. A time in the future makes it be loaded when it is first asked.
        Self { key, table: Vec::new(), reloaded: Timestamp::from_millis(u64::MAX) }
    }

    /// Marks something as ended until `until`, after which it would not count anyway. This worker knows it at once. Nothing is
    /// written if that time has passed.
    pub fn mark(&mut self, world: &mut dyn World, id: &str, until: Timestamp) {
        if until > world.now() {
            self.note(world, id, until);
        }
    }

    /// Notes a time under an identifier, in place of one that was noted before. This worker knows it at once.
    pub(super) fn note(&mut self, world: &mut dyn World, id: &str, time: Timestamp) {
        for tries in 1..=MOST_TRIES {
            let version = self.reload(world);
            // The last try has no condition, so it succeeds whatever other workers write.
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            if self.write(world, id, time, version) {
                return;
            }
        }
    }

    /// Marks something that may be used once, and returns whether this was the first call for it in any worker. Also `false` if
    /// `until` has passed, or if other workers' writes prevent a decision.
    pub fn mark_once(&mut self, world: &mut dyn World, id: &str, until: Timestamp) -> bool {
        let now = world.now();
        for _ in 1..=MOST_TRIES {
            let version = self.reload(world);
            if until <= now || self.in_copy(id).is_some_and(|marked_until| now < marked_until) {
                return false;
            }
            // If another worker has written since the table was read, it may have marked the same.
            if self.write(world, id, until, version) {
                return true;
            }
        }
        false
    }

    /// Writes a time to the shared table and to the copy. If another worker has written since `version`, neither changes, and the
    /// result is `false`.
    fn write(&mut self, world: &mut dyn World, id: &str, time: Timestamp, version: Version) -> bool {
        let (at, name) = place(id);
        self.table.resize(TABLE, 0);
        let Some(stood) = self.table.get_mut(at..).and_then(|place| place.first_chunk_mut::<PLACE>()) else { return false };
        let before = *stood;
        let (named, noted) = stood.split_at_mut(8);
        named.copy_from_slice(&name);
        noted.copy_from_slice(&time.millis().to_le_bytes());
        let written = world.share(self.key, &self.table, version).is_ok();
        if let (false, Some(stood)) = (written, self.table.get_mut(at..).and_then(|place| place.first_chunk_mut::<PLACE>())) {
            *stood = before;
        }
        written
    }

    /// Whether something has ended, as was known up to 100 ms ago.
    pub fn has(&mut self, world: &dyn World, id: &str, now: Timestamp) -> bool {
        self.noted(world, id, now).is_some_and(|until| now < until)
    }

    /// Whether something has ended, as the shared table says now.
    pub fn has_uncached(&mut self, world: &dyn World, id: &str, now: Timestamp) -> bool {
        self.noted_uncached(world, id, now).is_some_and(|until| now < until)
    }

    /// The time that is noted under an identifier, as was known up to 100 ms ago.
    pub(super) fn noted(&mut self, world: &dyn World, id: &str, now: Timestamp) -> Option<Timestamp> {
        if now < self.reloaded || now.since(self.reloaded) >= FRESH {
            self.reload(world);
            self.reloaded = now;
        }
        self.in_copy(id)
    }

    /// The time that is noted under an identifier, as the shared table says now.
    pub(super) fn noted_uncached(&mut self, world: &dyn World, id: &str, now: Timestamp) -> Option<Timestamp> {
        self.reloaded = Timestamp::from_millis(u64::MAX);
        self.noted(world, id, now)
    }

    /// The time that is noted in this worker's copy.
    fn in_copy(&self, id: &str) -> Option<Timestamp> {
        let (at, name) = place(id);
        let (named, noted) = self.table.get(at..)?.get(..PLACE)?.split_first_chunk::<8>()?;
        let noted = noted.first_chunk().map(|millis| Timestamp::from_millis(u64::from_le_bytes(*millis)));
        noted.filter(|_| *named == name)
    }

    /// Loads the shared table into the copy, and returns its version. A value of another size, or an empty place that was not
    /// empty before, was written by somebody else: the copy keeps its marks there, and the next mark writes them back.
    fn reload(&mut self, world: &dyn World) -> Version {
        let Some(shared) = world.shared(self.key) else { return Version::Absent };
        if shared.value.len() == TABLE {
            let mut table = shared.value;
            for (theirs, ours) in table.chunks_exact_mut(PLACE).zip(self.table.chunks_exact(PLACE)) {
                if theirs.iter().all(|byte| *byte == 0) {
                    theirs.copy_from_slice(ours);
                }
            }
            self.table = table;
        }
        shared.version
    }
}

/// Where a mark stands in the table, in bytes, and its name: the FNV-1a hash of the identifier. It needs no secret key, because
/// nobody can choose an identifier.
fn place(id: &str) -> (usize, [u8; 8]) {
    let name = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |name, byte| (name ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The lowest bits depend on fewer characters than the others, and the highest do not depend on the last character.
    let place = usize::try_from((name ^ (name >> 36)) & 0xfff).unwrap_or_default();
    (place.saturating_mul(PLACE), name.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    fn others() -> Tombstones {
        Tombstones::of("accredit/3/ended/others")
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
        assert_eq!(known(&mut there), PLACES);
        assert_eq!(known(&mut Tombstones::attempts()), PLACES);
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
    fn workers_of_all_builds_use_the_same_name_and_place_for_a_mark() {
        // The authors of FNV-1a publish this hash for this text.
        assert_eq!(place("foobar"), (0x3ff * PLACE, 0x8594_4171_f739_67e8_u64.to_le_bytes()));
    }

    #[test]
    fn identifiers_are_spread_over_all_places() {
        let mut taken = [0; PLACES];
        ids(40_960).for_each(|id| taken[place(&id).0 / PLACE] += 1);
        assert!(taken.iter().all(|count| *count < 40) && taken.iter().filter(|count| **count == 0).count() < 10);
    }
}
