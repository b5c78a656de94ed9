//! How far the workers of this process have read the store, in the memory that they share: under a key with a digest of the store
//! and of what is understood here, so that a configuration with further keys or providers reads from the beginning, and so does a
//! build that understands more. It reads nothing from the store itself.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::settings::{Revocations, Settings};
use crate::revocations::cursor::Cursor;
use crate::session::content::Fingerprint;
use crate::upkeep::revocations::attempts::Attempts;
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The version of the record. No other is read.
const VERSION: u8 = 2;

/// How often a change is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// The kinds of tables that announcements are for. A further one belongs here: what an earlier build has skipped is then read again,
/// also by workers of the same process.
const TABLES: [&str; 4] = ["of a provider", "reported", "unproved", "operators"];

/// How far this process has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Where the next round begins; `None` for the beginning.
    pub(super) next: Option<Cursor>,
    /// The last entry that was read. If it is not there any more, the store has lost something.
    pub(super) last: Option<Cursor>,
    /// How often the store was found to have lost something.
    pub(super) losses: u64,
    /// When the newest call was made.
    pub(super) asked: Timestamp,
    /// Whether this process may know what the store lacks: it has never read the store, the store has lost something, or the queue
    /// was full.
    pub(super) owes: bool,
    /// How it stands with announcing that.
    pub(super) attempts: Attempts,
    /// Until when everything is known that was announced, by our clock; `None` until the first round is complete.
    pub(super) current: Option<Timestamp>,
    /// What the store's clock said then.
    pub(super) store_clock: Option<Timestamp>,
}

impl Default for Progress {
    /// Of a process that has read nothing.
    fn default() -> Self {
        let (asked, attempts) = (Timestamp::default(), Attempts::default());
        Self { next: None, last: None, losses: 0, asked, owes: true, attempts, current: None, store_clock: None }
    }
}

impl Progress {
    /// Whether a round began so long ago that something new may be there. (A time that is still to come was written before the clock
    /// was set back.)
    pub(super) fn is_older_than(&self, span: Duration, now: Timestamp) -> bool {
        self.current.is_some_and(|current| current > now || now.since(current) >= span)
    }

    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for cursor in [self.next, self.last] {
            writer.optional_text(cursor.map(|cursor| cursor.to_string()).as_deref());
        }
        writer.number(self.losses);
        writer.number(self.owes.into());
        writer.number(self.asked.millis());
        self.attempts.write(&mut writer);
        for time in [self.current, self.store_clock] {
            writer.optional_number(time.map(Timestamp::millis));
        }
        writer.finish(VERSION)
    }

    fn read(written: &[u8]) -> Option<Self> {
        let mut read = Reader::new(written, VERSION)?;
        let cursor = |text: Option<String>| match text {
            Some(text) => Cursor::read(text.as_bytes()).map(Some),
            None => Some(None),
        };
        let progress = Self {
            next: cursor(read.optional_text()?)?,
            last: cursor(read.optional_text()?)?,
            losses: read.number()?,
            owes: read.number()? != 0,
            asked: Timestamp::from_millis(read.number()?),
            attempts: Attempts::read(&mut read)?,
            current: read.optional_number()?.map(Timestamp::from_millis),
            store_clock: read.optional_number()?.map(Timestamp::from_millis),
        };
        read.is_empty().then_some(progress)
    }
}

/// Where the progress stands in shared data.
pub(super) struct Place {
    key: String,
}

impl Place {
    /// The place for this store, these keys and these providers.
    pub(super) fn new(settings: &Settings, revocations: &Revocations) -> Self {
        let keys: Vec<_> = settings.sealer.key_ids().collect();
        let understood = [
            ("keys", keys.iter().map(String::as_str).collect()),
            ("providers", settings.names_of_beginnings().collect()),
            ("tables", BTreeSet::from(TABLES)),
        ];
        Self::of(revocations.store.names(), understood)
    }

    /// The place for this store, and for sets of what is understood, each with its name. In which order they were written does not
    /// matter: what was announced is understood by any one of the keys.
    fn of(store: [&str; 2], understood: [(&str, BTreeSet<&str>); 3]) -> Self {
        let understood = understood.into_iter().flat_map(|(name, set)| std::iter::once(name).chain(set));
        let digest = Fingerprint::of(store.into_iter().chain(understood));
        Self { key: format!("accredit/4/revocations/{}", digest.as_str()) }
    }

    /// The key of the lease by which workers agree who reads.
    pub(super) fn lease(&self) -> String {
        format!("{}/lease", self.key)
    }

    /// How far this process has read. A call that is still to come was noted before the clock was set back, and delays no other.
    pub(super) fn load(&self, world: &dyn World, now: Timestamp) -> Progress {
        self.read(world, now).0
    }

    /// The same, and which write that was.
    pub(super) fn read(&self, world: &dyn World, now: Timestamp) -> (Progress, Version) {
        let Some(shared) = world.shared(&self.key) else { return (Progress::default(), Version::Absent) };
        let mut progress = Progress::read(&shared.value).unwrap_or_default();
        if progress.asked > now {
            progress.asked = Timestamp::default();
        }
        progress.attempts.believe_no_clock_ahead_of(now);
        (progress, shared.version)
    }

    /// Notes how far this process has read, unless another worker has written since. Returns whether it was noted.
    pub(super) fn write(&self, world: &mut dyn World, progress: &Progress, expected: Version) -> bool {
        world.share(&self.key, &progress.write(), expected).is_ok()
    }

    /// Changes what is noted. What other workers write meanwhile is not lost. Returns what the change returns.
    pub(super) fn change<T>(&self, world: &mut dyn World, now: Timestamp, change: impl Fn(&mut Progress) -> T) -> T {
        let mut tries = 1_usize;
        loop {
            let (mut progress, version) = self.read(world, now);
            let changed = change(&mut progress);
            // The last try has no condition, so it succeeds whatever other workers write.
            let expected = if tries < MOST_TRIES { version } else { Version::Any };
            if self.write(world, &progress, expected) || tries >= MOST_TRIES {
                return changed;
            }
            tries = tries.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    fn place() -> Place {
        Place { key: "k".into() }
    }

    #[test]
    fn a_place_is_another_for_further_or_fewer_keys_or_providers_or_another_store_and_the_same_in_any_order() {
        let place = |store: [&str; 2], keys: &[&'static str], providers: &[&'static str]| {
            let set = |all: &[&'static str]| all.iter().copied().collect();
            Place::of(store, [("keys", set(keys)), ("providers", set(providers)), ("tables", BTreeSet::from(TABLES))]).key
        };
        let store = ["redis", "accredit"];
        let usual = place(store, &["k1", "k2"], &["main", "partner"]);
        assert_eq!(place(store, &["k2", "k1", "k2"], &["partner", "main"]), usual);
        for other in [
            place(store, &["k1"], &["main", "partner"]),
            place(store, &["k1", "k2", "k3"], &["main", "partner"]),
            place(store, &["k1", "k2"], &["main"]),
            place(store, &["k1", "main"], &["k2", "partner"]),
            place(["accredit", "redis"], &["k1", "k2"], &["main", "partner"]),
        ] {
            assert_ne!(other, usual);
        }
    }

    #[test]
    fn another_worker_goes_on_where_one_has_stopped() {
        let mut world = Still::default();
        let now = Timestamp::from_seconds(100);
        assert_eq!(place().load(&world, now), Progress::default());
        let mut progress = Progress {
            next: Some(Cursor::at(Timestamp::from_seconds(30))),
            last: Some(Cursor::at(Timestamp::from_seconds(90)).next()),
            losses: 3,
            asked: Timestamp::from_seconds(99),
            current: Some(Timestamp::from_seconds(98)),
            ..Progress::default()
        };
        for store in [40, 100, 160] {
            progress.store_clock = Some(Timestamp::from_seconds(store));
            progress.attempts.failed(now);
            place().change(&mut world, now, |noted| *noted = progress);
            assert_eq!(place().load(&world, now), progress);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_knowledge_fresh_and_delays_no_call() {
        let mut world = Still::default();
        let [now, later] = [100, 5_000].map(Timestamp::from_seconds);
        let mut ahead = Progress { asked: later, current: Some(later), ..Progress::default() };
        ahead.attempts.failed(later);
        place().change(&mut world, later, |noted| *noted = ahead);
        let loaded = place().load(&world, now);
        assert_eq!((loaded.asked, loaded.current), (Timestamp::default(), Some(later)));
        assert!(loaded.is_older_than(Duration::from_secs(1), now) && loaded.attempts.may_begin(now));
    }

    #[test]
    fn what_two_workers_note_at_the_same_time_is_all_noted() {
        let mut world = Still::default();
        let now = Timestamp::from_seconds(100);
        place().change(&mut world, now, |noted| noted.owes = false);
        let (read, version) = place().read(&world, now);
        // Another worker has found the queue full, since this one has read.
        place().change(&mut world, now, |noted| noted.owes = true);
        assert!(!place().write(&mut world, &Progress { owes: false, ..read }, version));
        place().change(&mut world, now, |noted| noted.current = Some(now));
        let noted = place().load(&world, now);
        assert_eq!((noted.owes, noted.current), (true, Some(now)));
    }

    #[test]
    fn what_somebody_else_has_written_there_is_no_progress() {
        let mut world = Still::default();
        for junk in [&b"junk"[..], &[VERSION], &[VERSION, 9, 9]] {
            world.share("k", junk, Version::Any).unwrap();
            assert_eq!(place().load(&world, Timestamp::from_seconds(9)), Progress::default());
        }
    }
}
