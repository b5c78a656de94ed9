//! Whether what is known of ends is too old to accept a session by it. The clock may be set, and the machine may stand still for hours:
//! then what is known looks old at once, although nobody had a chance to read the store since. So a worker doubts for a while, within
//! which the store is read, before it refuses. It reads nothing itself.

use std::time::Duration;

use crate::words::time::Timestamp;

/// How long a worker doubts, beside the time that an answer may take: until the next reading begins, a second at most, and until a worker
/// has seen what it found.
const DOUBT: Duration = Duration::from_secs(2);

/// The longest time between two looks of a worker that is counted. It looks ten times a second, or once when nothing happens.
const LONGEST_STEP: Duration = Duration::from_secs(1);

const fn doubt(timeout: Duration) -> Duration {
    timeout.saturating_add(DOUBT)
}

/// What this worker thinks of what is known.
pub(super) struct Staleness {
    /// For how long this worker doubts it, as far as it has looked: by steps, so that a clock that jumps adds none.
    doubted: Option<Duration>,
    looked: Timestamp,
}

impl Staleness {
    /// Of a worker that starts: what is too old then has been for long.
    pub(super) const fn new() -> Self {
        Self { doubted: Some(Duration::MAX), looked: Timestamp::from_millis(0) }
    }

    /// Whether what is known until `current` is older than `refuse_after`, and the store was read in vain, or could have been. It must
    /// be asked about every second.
    pub(super) fn is_too_old(
        &mut self,
        current: Option<Timestamp>,
        now: Timestamp,
        (refuse_after, timeout): (Duration, Duration),
    ) -> bool {
        let step = now.since(self.looked).min(LONGEST_STEP);
        self.looked = now;
        // This process has never read everything.
        let Some(current) = current else { return true };
        let doubt = doubt(timeout);
        // What is known until a time that is still to come was read before the clock was set back.
        if current <= now && now.since(current) <= refuse_after.saturating_sub(doubt) {
            self.doubted = None;
            return false;
        }
        let doubted = self.doubted.map_or(Duration::ZERO, |doubted| doubted.saturating_add(step));
        self.doubted = Some(doubted);
        doubted >= doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const TEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

    /// A worker that looks ten times a second, and knows everything until a time.
    struct Worker {
        staleness: Staleness,
        current: Option<Timestamp>,
        now: Timestamp,
    }

    impl Worker {
        fn current() -> Self {
            let mut worker = Self { staleness: Staleness::new(), current: Some(NOW), now: NOW };
            assert!(!worker.refuses());
            worker
        }

        fn refuses(&mut self) -> bool {
            self.staleness.is_too_old(self.current, self.now, TEN)
        }

        /// After how many tenths of a second it refuses, if nothing is read.
        fn refuses_after(&mut self) -> Option<usize> {
            (1..300).find(|_| {
                self.now = self.now.plus(Duration::from_millis(100));
                self.refuses()
            })
        }
    }

    #[test]
    fn when_the_store_is_away_sessions_are_refused_after_the_configured_time() {
        let after = Worker::current().refuses_after().unwrap();
        assert!((99..=102).contains(&after), "{after}");
        // Also by a worker that nobody asks, and that looks once a second.
        let mut worker = Worker::current();
        let after = (1..30).find(|_| {
            worker.now = worker.now.plus(Duration::from_secs(1));
            worker.refuses()
        });
        assert_eq!(after, Some(11));
    }

    #[test]
    fn who_has_never_read_everything_and_who_starts_while_the_store_is_away_refuses_at_once() {
        let mut fresh = Worker { current: None, ..Worker::current() };
        assert!(fresh.refuses());
        let mut late = Worker { staleness: Staleness::new(), current: Some(NOW), now: NOW.plus(Duration::from_secs(11)) };
        assert!(late.refuses());
        late.current = Some(late.now);
        assert!(!late.refuses());
    }

    #[test]
    fn a_clock_that_is_set_or_a_machine_that_stood_still_gives_the_store_time_to_be_read() {
        let hours = [1, 24 * 365].map(|hours| Duration::from_secs(3_600 * hours));
        for now in hours.map(|span| NOW.plus(span)).into_iter().chain(hours.map(|span| NOW.minus(span))) {
            let mut worker = Worker { now, ..Worker::current() };
            assert!(!worker.refuses());
            // It is read.
            let mut reads = Worker { now: now.plus(Duration::from_millis(2_000)), ..worker };
            assert!(!reads.refuses());
            reads.current = Some(reads.now);
            assert!(!reads.refuses());
            // The store is away: what is known until a time in the future is not fresh for that.
            worker = Worker { now, ..Worker::current() };
            assert_eq!((worker.refuses(), worker.refuses_after()), (false, Some(30)), "{now:?}");
        }
    }

    #[test]
    fn a_clock_that_jumps_again_while_a_worker_doubts_shortens_its_doubt_by_a_second_at_most() {
        let mut worker = Worker::current();
        for _ in 0..3 {
            worker.now = worker.now.plus(Duration::from_secs(3_600));
            assert!(!worker.refuses());
        }
        assert!(worker.refuses_after().is_some_and(|after| (9..=11).contains(&after)));
    }

    /// The shortest `stale_after` that is accepted.
    fn shortest(timeout: Duration) -> Duration {
        Duration::from_secs(3) + 2 * timeout
    }

    #[test]
    fn with_the_shortest_time_a_store_that_answers_at_the_last_moment_is_never_doubted_for_long() {
        for timeout in [1, 10].map(Duration::from_secs) {
            let mut worker = Worker::current();
            for tenth in 1..1_000_u64 {
                worker.now = NOW.plus(Duration::from_millis(tenth * 100));
                // Each reading begins a second after the one before, and is answered as late as may be.
                let period = Duration::from_secs(1) + timeout;
                if tenth % (period.as_millis() as u64 / 100) == 0 {
                    worker.current = Some(worker.now.minus(timeout));
                }
                assert!(!worker.staleness.is_too_old(worker.current, worker.now, (shortest(timeout), timeout)), "{tenth}");
            }
        }
    }
}
