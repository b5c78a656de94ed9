//! A memory of what has ended, shared by the workers of one process: a session after sign-out, an attempt after its callback. For
//! each kind it is one table of fixed size (shared data cannot be deleted), so it is a second line of defence and never the only
//! one: cookies are deleted in the browser, codes are spent at the provider.
//!
//! A worker has a copy of the table. To let somebody in, a copy of a moment ago is good enough; whoever writes a cookie, or spends
//! something, asks for the table itself.

use std::time::Duration;

use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// So many things of a kind, each in the one place where it may stand.
const PLACES: usize = 4_096;

/// What stands in a place: a name, and the moment after which it does not count any more, 8 bytes each.
const PLACE: usize = 16;

const TABLE: usize = PLACES * PLACE;

/// A copy is no older than this where it decides.
const FRESH: Duration = Duration::from_millis(100);

/// A write that comes after another worker's is tried again, so often at most.
const MOST_TRIES: usize = 100;

/// What has ended of one kind, as far as this worker knows.
pub struct Tombstones {
    key: &'static str,
    table: Vec<u8>,
    reloaded: Timestamp,
}

impl Tombstones {
    /// Sessions, by their identifier: base64url, and either random or a digest.
    pub const fn sessions() -> Self {
        Self::of("accredit/3/ended/sessions")
    }

    /// Sign-ins, by their `state`.
    pub const fn attempts() -> Self {
        Self::of("accredit/3/ended/attempts")
    }

    const fn of(key: &'static str) -> Self {
        // Nobody has looked yet: that is later than now.
        Self { key, table: Vec::new(), reloaded: Timestamp::from_millis(u64::MAX) }
    }

    /// Remembers, here at once, that something has ended, until a moment after which it would not count anyway. Where that has
    /// passed, its place is left to what may stand there.
    pub fn mark(&mut self, world: &mut dyn World, id: &str, until: Timestamp) {
        if until <= world.now() {
            return;
        }
        for tries in 1..=MOST_TRIES {
            let version = self.reload(world);
            // The last try cannot lose, whoever keeps writing there.
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            if self.write(world, id, until, version) {
                return;
            }
        }
    }

    /// The same for what may be used once: of all that ask, whichever worker they ask, this is true for the first alone. What would
    /// not count any more is nobody's, and so is what others' writing keeps from being decided.
    pub fn mark_once(&mut self, world: &mut dyn World, id: &str, until: Timestamp) -> bool {
        let now = world.now();
        for _ in 1..=MOST_TRIES {
            let version = self.reload(world);
            if until <= now || self.is_marked(id, now) {
                return false;
            }
            // Whoever has written since we looked may have claimed it.
            if self.write(world, id, until, version) {
                return true;
            }
        }
        false
    }

    /// Writes it down for all and here, unless somebody else has written since `version`: then nowhere.
    fn write(&mut self, world: &mut dyn World, id: &str, until: Timestamp, version: Version) -> bool {
        let (at, name) = place(id);
        self.table.resize(TABLE, 0);
        let Some(stood) = self.table.get_mut(at..).and_then(|place| place.first_chunk_mut::<PLACE>()) else { return false };
        let before = *stood;
        let (named, ends) = stood.split_at_mut(8);
        named.copy_from_slice(&name);
        ends.copy_from_slice(&until.millis().to_le_bytes());
        let written = world.share(self.key, &self.table, version).is_ok();
        if let (false, Some(stood)) = (written, self.table.get_mut(at..).and_then(|place| place.first_chunk_mut::<PLACE>())) {
            *stood = before;
        }
        written
    }

    /// Whether something has ended, as the table said a moment ago.
    pub fn has(&mut self, world: &dyn World, id: &str, now: Timestamp) -> bool {
        if now < self.reloaded || now.since(self.reloaded) >= FRESH {
            self.reload(world);
            self.reloaded = now;
        }
        self.is_marked(id, now)
    }

    /// Whether it stands in this worker's copy.
    fn is_marked(&self, id: &str, now: Timestamp) -> bool {
        let (at, name) = place(id);
        let Some((named, ends)) = self.table.get(at..).and_then(|place| place.get(..PLACE)?.split_first_chunk::<8>()) else {
            return false;
        };
        let ends = ends.first_chunk().map_or(0, |ends| u64::from_le_bytes(*ends));
        *named == name && now < Timestamp::from_millis(ends)
    }

    /// Whether something has ended, as the table says now.
    pub fn has_uncached(&mut self, world: &dyn World, id: &str, now: Timestamp) -> bool {
        self.reloaded = Timestamp::from_millis(u64::MAX);
        self.has(world, id, now)
    }

    /// Takes over what all workers know; says which write it comes from. What is no table was written by somebody else, and so was a
    /// place that is empty again: what is known here stays, and the next mark puts it back.
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

/// Where something stands, in bytes, and its name there. Nobody can choose what is named, so that it takes no secret (FNV-1a).
fn place(id: &str) -> (usize, [u8; 8]) {
    let name = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |name, byte| (name ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The lowest bits depend on fewer of the signs than others do, the highest not on the last one.
    let place = usize::try_from((name ^ (name >> 36)) & 0xfff).unwrap_or_default();
    (place.saturating_mul(PLACE), name.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

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
    fn another_worker_knows_what_has_ended_until_it_does_not_matter() {
        let mut here = Still::default();
        let there = here.clone();
        Tombstones::sessions().mark(&mut here, "abc", at(10));
        let mut sessions = Tombstones::sessions();
        assert!(sessions.has(&there, "abc", at(9)));
        assert!(!sessions.has(&there, "abc", at(10)));
        assert!(!sessions.has(&there, "abd", at(9)));
        assert!(!Tombstones::attempts().has(&there, "abc", at(9)));
    }

    #[test]
    fn what_may_be_used_once_is_had_once_and_not_after_its_end() {
        let mut here = Still::default();
        let mut there = here.clone();
        assert!(Tombstones::attempts().mark_once(&mut here, "abc", at(10)));
        assert!(
            !Tombstones::attempts().mark_once(&mut there, "abc", at(10))
                && !Tombstones::attempts().mark_once(&mut here, "abc", at(10))
        );
        assert!(Tombstones::attempts().mark_once(&mut there, "abd", at(10)));
        there.now = at(10);
        assert!(!Tombstones::attempts().mark_once(&mut there, "abe", at(10)));
        assert!(Tombstones::attempts().mark_once(&mut there, "abc", at(11)), "what it was claimed for is over");
    }

    #[test]
    fn the_worker_that_ends_something_knows_it_at_once_and_others_within_a_tenth_of_a_second() {
        let mut here = Still::default();
        let mut there = here.clone();
        let (mut ours, mut theirs) = (Tombstones::sessions(), Tombstones::sessions());
        assert!(!ours.has(&here, "abc", here.now));
        assert!(!theirs.has(&there, "abc", there.now));
        ours.mark(&mut here, "abc", LONG);
        assert!(ours.has(&here, "abc", here.now));
        // Whoever writes a cookie does not wait for it.
        assert!(Tombstones::sessions().has_uncached(&there, "abc", there.now));
        there.now = there.now.plus(FRESH);
        assert!(theirs.has(&there, "abc", there.now));
    }

    #[test]
    fn whoever_has_not_signed_out_is_not_kept_out_however_lately_one_looks() {
        let mut world = Still::default();
        Tombstones::sessions().mark(&mut world, "abc", at(10));
        let mut there = Tombstones::sessions();
        let ended = [("abc", 9), ("abd", 9), ("abc", 10)].map(|(id, seconds)| there.has_uncached(&world, id, at(seconds)));
        assert_eq!(ended, [true, false, false]);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_worker_from_looking() {
        let mut world = Still { now: at(1_000), ..Still::default() };
        let mut there = Tombstones::sessions();
        assert!(!there.has(&world, "abc", world.now));
        Tombstones::sessions().mark(&mut world, "abc", LONG);
        assert!(there.has(&world, "abc", at(10)));
    }

    #[test]
    fn while_nothing_ends_a_worker_looks_ten_times_a_second_however_many_come() {
        let mut world = Still::default();
        let mut there = Tombstones::sessions();
        assert!(!there.has(&world, "abc", at(0)));
        Tombstones::sessions().mark(&mut world, "abc", LONG);
        assert!((0..100).all(|millis| !there.has(&world, "abc", Timestamp::from_millis(millis))));
        assert!(there.has(&world, "abc", Timestamp::from_millis(100)));
    }

    #[test]
    fn of_two_workers_that_end_something_at_once_neither_loses() {
        /// Another worker writes between our reading and our writing, so often.
        struct Between {
            still: Still,
            times: std::cell::Cell<usize>,
        }
        impl World for Between {
            fn shared(&self, key: &str) -> Option<crate::words::world::Shared> {
                let read = self.still.shared(key);
                if self.times.replace(self.times.get().saturating_sub(1)) > 0 {
                    Tombstones::sessions().mark(&mut self.still.clone(), &format!("theirs {}", self.times.get()), LONG);
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
            fn verify_signature(&self, check: &crate::words::world::SignatureCheck<'_>) -> crate::words::world::HostVerdict {
                self.still.verify_signature(check)
            }
            fn sign(&self, signing: &crate::words::world::Signing<'_>) -> crate::words::world::HostSignature {
                self.still.sign(signing)
            }
        }
        // What is used once is had by whoever writes first, and by them alone: also when others have written in between.
        for times in [0, 1, 2, 20] {
            let mut world = Between { still: Still::default(), times: times.into() };
            assert!(Tombstones::sessions().mark_once(&mut world, "ours", LONG), "{times}");
            assert!(!Tombstones::sessions().mark_once(&mut world, "ours", LONG));
            // The other one wrote this very name just before us.
            let mut world = Between { still: Still::default(), times: times.into() };
            let theirs = format!("theirs {}", times.saturating_sub(1));
            assert_eq!(Tombstones::sessions().mark_once(&mut world, &theirs, LONG), times == 0);
        }
        // While somebody never stops writing, nothing is decided.
        let mut world = Between { still: Still::default(), times: 10_000.into() };
        assert!(!Tombstones::sessions().mark_once(&mut world, "ours", LONG));
        for times in [1, 2, 20] {
            let mut world = Between { still: Still::default(), times: times.into() };
            Tombstones::sessions().mark(&mut world, "ours", LONG);
            let mut all = Tombstones::sessions();
            assert!(all.has(&world, "ours", at(0)));
            assert!((0..times).all(|other| all.has(&world, &format!("theirs {other}"), at(0))), "{times}");
        }
        // Somebody who never stops writing keeps nobody from signing out.
        let mut world = Between { still: Still::default(), times: 10_000.into() };
        Tombstones::sessions().mark(&mut world, "ours", LONG);
        assert!(Tombstones::sessions().has(&world.still, "ours", at(0)));
    }

    #[test]
    fn a_flood_of_ended_sessions_takes_no_more_than_the_table_and_each_pushes_out_no_more_than_one() {
        let mut world = Still::default();
        let mut there = Tombstones::sessions();
        for id in ids(60_000) {
            there.mark(&mut world, &id, LONG);
        }
        let written: usize = world.memory.borrow().values().map(|(value, _)| value.len()).sum();
        assert_eq!((world.memory.borrow().len(), written), (1, 65_536));
        // As many are known as there are places, whichever of them a worker has seen before.
        let known = |ended: &mut Tombstones| ids(60_000).filter(|id| ended.has(&world, id, at(0))).count();
        assert_eq!(known(&mut there), PLACES);
        assert_eq!(known(&mut Tombstones::sessions()), PLACES);
        let all: Vec<_> = ids(60_000).collect();
        assert!(all.iter().rev().take(40).filter(|id| there.has(&world, id, at(0))).count() >= 38);
    }

    #[test]
    fn what_somebody_else_writes_there_makes_no_worker_forget_what_it_knew() {
        for junk in [&b""[..], b"{}", &[0xff; TABLE - 1], &[0; TABLE + 1]] {
            let mut world = Still::default();
            let mut here = Tombstones::sessions();
            here.mark(&mut world, "abc", LONG);
            world.share(here.key, junk, Version::Any).unwrap();
            assert!(!Tombstones::sessions().has(&world, "abc", at(0)));
            assert!(here.has_uncached(&world, "abc", at(0)));
            // And the next sign-out tells the others again.
            here.mark(&mut world, "abd", LONG);
            let mut there = Tombstones::sessions();
            assert!(there.has(&world, "abc", at(0)) && there.has(&world, "abd", at(0)));
        }
        // Nor does a table that is empty again.
        let mut world = Still::default();
        let mut here = Tombstones::sessions();
        here.mark(&mut world, "abc", LONG);
        world.share(here.key, &[0; TABLE], Version::Any).unwrap();
        assert!(here.has_uncached(&world, "abc", at(0)));
        // What has the right size is read as it is, and is nobody's name.
        let mut world = Still::default();
        world.share(Tombstones::sessions().key, &[0xff; TABLE], Version::Any).unwrap();
        assert!(ids(10_000).all(|id| !Tombstones::sessions().has(&world, &id, at(0))));
    }

    #[test]
    fn a_worker_of_another_build_finds_what_has_ended_by_the_same_name_in_the_same_place() {
        // The name is the one that the authors of FNV-1a publish for this text.
        assert_eq!(place("foobar"), (0x3ff * PLACE, 0x8594_4171_f739_67e8_u64.to_le_bytes()));
    }

    #[test]
    fn identifiers_are_spread_over_all_places() {
        let mut taken = [0; PLACES];
        ids(40_960).for_each(|id| taken[place(&id).0 / PLACE] += 1);
        assert!(taken.iter().all(|count| *count < 40) && taken.iter().filter(|count| **count == 0).count() < 10);
    }
}
