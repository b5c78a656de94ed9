//! How a process stands with announcing again what the store has lost: when it looks next what is missing there, and whether it leaves it
//! to another process that has the claim. All workers of the process share this. It asks the store nothing.

use std::time::Duration;

use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;

/// How long a process waits before it looks again what the store lacks; after a failure twice as long, and so on, because it then
/// reads everything.
pub(super) const PAUSE: Duration = Duration::from_secs(3);

/// The longest such time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After so many looks in a row at which another process had the claim and the store has gained nothing, nobody is believed to announce
/// again: whoever can write to the store could keep the name for ever.
const MOST_LEFT: u64 = 5;

/// What has become of the attempts of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    /// Before this time, no worker of this process looks what the store lacks.
    not_before: Timestamp,
    /// How often in a row the store did not take it.
    failures: u64,
    /// How often in a row another process had the claim, and the store has gained nothing.
    left: u64,
    /// How many marks the store lacked when it lacked the fewest, of those that were counted since another process has the claim.
    fewest: Option<u64>,
}

impl Attempts {
    /// Whether a worker may look now what the store lacks.
    pub(super) fn may_begin(&self, now: Timestamp) -> bool {
        now >= self.not_before
    }

    /// What a worker found is outdated: it looks again at once.
    pub(super) const fn begin_anew(&mut self) {
        self.not_before = Timestamp::from_millis(0);
    }

    /// A worker looks, or announces. If it dies, another one may begin after this time.
    pub(super) fn under_way(&mut self, now: Timestamp, span: Duration) {
        self.not_before = self.not_before.max(now.plus(span.min(LONGEST_PAUSE)));
    }

    /// The store has taken it. Whether it has kept it all, the next look finds out.
    pub(super) fn announced(&mut self, now: Timestamp) {
        *self = Self { not_before: now.plus(PAUSE), ..Self::default() };
    }

    /// The store was not reached, or has not taken it.
    pub(super) fn failed(&mut self, now: Timestamp) {
        let doubled = 2_u32.saturating_pow(u32::try_from(self.failures).unwrap_or(u32::MAX).min(16));
        self.not_before = now.plus(PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE));
        self.failures = self.failures.saturating_add(1);
    }

    /// Another process has the claim, and the store lacks so many marks of those that are counted. Returns whether this process
    /// announces nevertheless.
    pub(super) fn takes_over(&mut self, now: Timestamp, missing: u64) -> bool {
        if self.fewest.is_none_or(|fewest| missing < fewest) {
            (self.fewest, self.left) = (Some(missing), 0);
        }
        let takes_over = self.left >= MOST_LEFT;
        if takes_over {
            (self.fewest, self.left) = (None, 0);
        } else {
            self.left = self.left.saturating_add(1);
            self.not_before = now.plus(PAUSE);
        }
        takes_over
    }

    /// Times that are further ahead than any worker sets them were written before the clock was set back.
    pub(super) fn believe_no_clock_ahead_of(&mut self, now: Timestamp) {
        if self.not_before > now.plus(LONGEST_PAUSE) {
            self.not_before = now;
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.number(self.not_before.millis());
        writer.number(self.failures);
        writer.number(self.left);
        writer.optional_number(self.fewest);
    }

    pub(super) fn read(read: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            not_before: Timestamp::from_millis(read.number()?),
            failures: read.number()?,
            left: read.number()?,
            fewest: read.optional_number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn pause(attempts: &Attempts) -> u64 {
        attempts.not_before.since(NOW).as_secs()
    }

    #[test]
    fn after_failures_a_process_looks_again_after_longer_and_longer_times_up_to_a_minute() {
        let mut attempts = Attempts::default();
        assert!(attempts.may_begin(NOW));
        let failed = [(); 7].map(|()| {
            attempts.failed(NOW);
            pause(&attempts)
        });
        assert_eq!(failed, [3, 6, 12, 24, 48, 60, 60]);
        // Nothing makes the time shorter while a worker looks; once the store has taken something, it begins anew.
        attempts.under_way(NOW, PAUSE);
        assert_eq!(pause(&attempts), 60);
        attempts.announced(NOW);
        assert_eq!(pause(&attempts), 3);
        attempts.failed(NOW);
        assert_eq!(pause(&attempts), 3);
    }

    #[test]
    fn as_long_as_the_store_gains_what_was_missing_it_is_left_to_the_process_that_has_the_claim() {
        let mut attempts = Attempts::default();
        // Two million marks take minutes.
        assert!((0..1_000).rev().all(|missing| !attempts.takes_over(NOW, missing)));
        assert_eq!(pause(&attempts), 3);
    }

    #[test]
    fn whoever_keeps_the_claim_and_announces_nothing_is_believed_for_some_looks_only() {
        for missing in [
            &[5, 5, 5, 5, 5, 5][..],
            // Nor if he adds something, removes it again, and so on.
            &[5, 4, 5, 4, 5, 4, 5],
            &[5, 9, 9, 9, 9, 9],
        ] {
            let mut attempts = Attempts::default();
            let (last, before) = missing.split_last().unwrap();
            assert!(before.iter().all(|missing| !attempts.takes_over(NOW, *missing)), "{missing:?}");
            assert!(attempts.takes_over(NOW, *last), "{missing:?}");
            assert!(!attempts.takes_over(NOW, *last), "the next time it begins anew");
        }
    }
}
