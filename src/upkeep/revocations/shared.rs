//! How far the workers of this process have read the store, in the memory that they share: under a key with a digest of the store
//! and of what is understood here, so that a configuration with further keys or providers reads from the beginning, and so does a
//! build that understands more. It reads nothing from the store itself.

use std::time::Duration;

use crate::config::settings::{Revocations, Settings};
use crate::revocations::cursor::Cursor;
use crate::session::content::Fingerprint;
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The version of the record. No other is read.
const VERSION: u8 = 1;

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
    /// When the newest call was made.
    pub(super) asked: Timestamp,
    /// Whether this process may know what the store lacks: it has never read the store, the store has lost something, or the queue
    /// was full.
    pub(super) owes: bool,
    /// Until when everything is known that was announced; `None` until the first round is complete.
    pub(super) current: Option<Timestamp>,
    /// How far the store's clock is ahead of ours, in milliseconds, if it is; with `behind`, if it is behind.
    pub(super) ahead: u64,
    pub(super) behind: u64,
}

impl Default for Progress {
    /// Of a process that has read nothing.
    fn default() -> Self {
        Self { next: None, last: None, owes: true, asked: Timestamp::default(), current: None, ahead: 0, behind: 0 }
    }
}

impl Progress {
    /// Notes what the store's clock says.
    pub(super) fn compare_clocks(&mut self, store: Timestamp, ours: Timestamp) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        (self.ahead, self.behind) = (millis(store.since(ours)), millis(ours.since(store)));
    }

    /// What the store's clock says at this time of ours.
    pub(super) fn store_clock(&self, ours: Timestamp) -> Timestamp {
        Timestamp::from_millis(ours.millis().saturating_add(self.ahead).saturating_sub(self.behind))
    }

    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for cursor in [self.next, self.last] {
            writer.optional_text(cursor.map(|cursor| cursor.to_string()).as_deref());
        }
        writer.number(self.owes.into());
        writer.number(self.asked.millis());
        writer.optional_number(self.current.map(Timestamp::millis));
        writer.number(self.ahead);
        writer.number(self.behind);
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
            owes: read.number()? != 0,
            asked: Timestamp::from_millis(read.number()?),
            current: read.optional_number()?.map(Timestamp::from_millis),
            ahead: read.number()?,
            behind: read.number()?,
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
        let understood = keys
            .iter()
            .map(String::as_str)
            .chain(["providers"])
            .chain(settings.names_of_beginnings())
            .chain(["tables"])
            .chain(TABLES);
        let digest = Fingerprint::of(revocations.store.names().into_iter().chain(["keys"]).chain(understood));
        Self { key: format!("accredit/4/revocations/{}", digest.as_str()) }
    }

    /// The key of the lease by which workers agree who reads.
    pub(super) fn lease(&self) -> String {
        format!("{}/lease", self.key)
    }

    /// How far this process has read. Times that are still to come, because the clock was set back, are not believed.
    pub(super) fn load(&self, world: &dyn World, now: Timestamp) -> Progress {
        let progress = world.shared(&self.key).and_then(|shared| Progress::read(&shared.value)).unwrap_or_default();
        Progress { asked: progress.asked.min(now), current: progress.current.map(|time| time.min(now)), ..progress }
    }

    /// Notes how far this process has read.
    pub(super) fn store(&self, world: &mut dyn World, progress: &Progress) {
        // Whoever holds the lease writes. A write without a condition succeeds.
        let _ = world.share(&self.key, &progress.write(), Version::Any);
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
    fn another_worker_goes_on_where_one_has_stopped() {
        let mut world = Still::default();
        let now = Timestamp::from_seconds(100);
        assert_eq!(place().load(&world, now), Progress::default());
        let mut progress = Progress {
            next: Some(Cursor::at(Timestamp::from_seconds(30))),
            last: Some(Cursor::at(Timestamp::from_seconds(90)).next()),
            asked: Timestamp::from_seconds(99),
            current: Some(Timestamp::from_seconds(98)),
            ..Progress::default()
        };
        for store in [40, 100, 160] {
            progress.compare_clocks(Timestamp::from_seconds(store), now);
            place().store(&mut world, &progress);
            assert_eq!(place().load(&world, now), progress);
            assert_eq!(progress.store_clock(Timestamp::from_seconds(105)), Timestamp::from_seconds(store + 5));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_known_in_advance_and_delays_no_call() {
        let mut world = Still::default();
        let [now, later] = [100, 5_000].map(Timestamp::from_seconds);
        place().store(&mut world, &Progress { asked: later, current: Some(later), ..Progress::default() });
        let loaded = place().load(&world, now);
        assert_eq!((loaded.asked, loaded.current), (now, Some(now)));
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
