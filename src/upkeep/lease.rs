//! Which worker may fetch: the workers of one process agree on it by a lease, an entry in shared memory that is changed by
//! compare-and-swap. A lease ends by itself, so that a worker that dies holds nothing up. It also delays attempts after failures,
//! and limits the fetches that clients can provoke. It does not know what is fetched.

use std::time::Duration;

use crate::config::settings::{LONGEST_TIMEOUT, LONGEST_WAIT};
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The longest delay after repeated failures: once a provider is back, it is asked again within this time.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// The longest time for which a lease is held: the longest `timeout` and `sign_in.wait` that can be configured, a second to agree with
/// other replicas, and a second.
const LONGEST_SPAN: Duration = LONGEST_TIMEOUT.saturating_add(LONGEST_WAIT).saturating_add(Duration::from_secs(2));

/// How many provoked fetches may follow each other without a pause.
const BURST: u32 = 3;

/// After this time, one more provoked fetch is allowed.
const REFILL: Duration = Duration::from_secs(10);

/// Why something is to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It is missing, or due for renewal.
    Due,
    /// It is there, but a token is signed with none of its keys. Anybody can send such tokens.
    Provoked,
}

/// Whether to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Fetch, then call [`release`] or [`back_off`].
    Granted,
    /// Another worker fetches; the result will stand in shared memory.
    InProgress,
    /// No worker may fetch before this time.
    NotBefore(Timestamp),
}

/// The version of the format in shared memory. Entries of another version are not read.
const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    /// A worker fetches, and has time until then.
    held_until: Timestamp,
    /// After a failure, no worker fetches before then.
    not_before: Timestamp,
    /// How many fetches have failed since the last success.
    failures: u32,
    /// How many of the `BURST` provoked fetches were used up at the time `counted`.
    provoked: u32,
    counted: Timestamp,
}

impl Lease {
    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for moment in [self.held_until, self.not_before, self.counted] {
            writer.number(moment.millis());
        }
        writer.number(self.failures.into());
        writer.number(self.provoked.into());
        writer.finish(VERSION)
    }

    fn read(written: &[u8]) -> Option<Self> {
        let mut read = Reader::new(written, VERSION)?;
        let [held_until, not_before, counted] = [read.number()?, read.number()?, read.number()?].map(Timestamp::from_millis);
        let lease = Self {
            held_until,
            not_before,
            counted,
            failures: read.number()?.try_into().ok()?,
            provoked: read.number()?.try_into().ok()?,
        };
        read.is_empty().then_some(lease)
    }
}

/// Asks for the lease under this key in shared memory, for `span`.
pub fn acquire(world: &mut dyn World, key: &str, now: Timestamp, span: Duration, urgency: Urgency) -> Grant {
    let Some((mut lease, version)) = read(world, key) else {
        // Shared memory has no create-if-absent. So the entry is first written unconditionally, and the lease is taken by
        // compare-and-swap at the next call: of two workers that both come here at first, only one succeeds then.
        let _ = write(world, key, Lease::default(), Version::Any);
        return Grant::InProgress;
    };
    // Times that are further ahead than any worker sets them: the clock was set back, or another plugin writes here.
    // (`LONGEST_SPAN`, because a worker with another configuration may have asked for more time than `span`.)
    if lease.held_until > now.plus(span.max(LONGEST_SPAN)) || lease.not_before > now.plus(LONGEST_BACK_OFF) || lease.counted > now
    {
        lease = Lease::default();
    }
    if now < lease.held_until {
        return Grant::InProgress;
    }
    if now < lease.not_before {
        return Grant::NotBefore(lease.not_before);
    }
    if urgency == Urgency::Provoked {
        let refilled = now.since(lease.counted).as_millis().checked_div(REFILL.as_millis()).unwrap_or_default();
        if refilled > 0 {
            lease.provoked = lease.provoked.saturating_sub(u32::try_from(refilled).unwrap_or(u32::MAX));
            lease.counted = now;
        }
        if lease.provoked >= BURST {
            return Grant::NotBefore(lease.counted.plus(REFILL));
        }
        lease.provoked = lease.provoked.saturating_add(1);
    }
    lease.held_until = now.plus(span);
    if write(world, key, lease, version) { Grant::Granted } else { Grant::InProgress }
}

/// Holds the lease until then, which this worker holds: the fetch begins only now.
pub fn prolong(world: &mut dyn World, key: &str, until: Timestamp) {
    if let Some((lease, version)) = read(world, key) {
        let _ = write(world, key, Lease { held_until: lease.held_until.max(until), ..lease }, version);
    }
}

/// Gives the lease back: the fetch succeeded.
pub fn release(world: &mut dyn World, key: &str) {
    let (lease, version) = read(world, key).unwrap_or((Lease::default(), Version::Any));
    let lease = Lease { held_until: Timestamp::default(), not_before: Timestamp::default(), failures: 0, ..lease };
    // If another worker has taken the lease meanwhile, ours had ended, and the write rightly fails.
    let _ = write(world, key, lease, version);
}

/// Gives the lease back: the fetch failed. Returns the time before which no worker tries again.
pub fn back_off(world: &mut dyn World, key: &str, now: Timestamp) -> Timestamp {
    let (lease, version) = read(world, key).unwrap_or((Lease::default(), Version::Any));
    let doubled = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(lease.failures.min(16)));
    let not_before = now.plus(doubled.min(LONGEST_BACK_OFF));
    let failures = lease.failures.saturating_add(1);
    let _ = write(world, key, Lease { held_until: Timestamp::default(), not_before, failures, ..lease }, version);
    not_before
}

/// Whether the newest fetch under this lease failed.
pub fn is_failing(world: &dyn World, key: &str) -> bool {
    read(world, key).is_some_and(|(lease, _)| lease.failures > 0)
}

fn read(world: &dyn World, key: &str) -> Option<(Lease, Version)> {
    let shared = world.shared(key)?;
    // An entry that cannot be read was written by another version of this filter: it is replaced.
    Some((Lease::read(&shared.value).unwrap_or_default(), shared.version))
}

fn write(world: &mut dyn World, key: &str, lease: Lease, version: Version) -> bool {
    world.share(key, &lease.write(), version).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    const SPAN: Duration = Duration::from_secs(6);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000 + seconds)
    }

    fn ask(world: &mut Still, seconds: u64, urgency: Urgency) -> Grant {
        acquire(world, "k", at(seconds), SPAN, urgency)
    }

    #[test]
    fn of_two_workers_one_fetches() {
        let mut one = Still::default();
        let mut two = one.clone();
        assert_eq!([ask(&mut one, 0, Urgency::Due), ask(&mut two, 0, Urgency::Due)], [Grant::InProgress, Grant::Granted]);
        assert_eq!(ask(&mut one, 1, Urgency::Due), Grant::InProgress);
    }

    #[test]
    fn the_lease_of_a_worker_that_died_ends_after_its_time() {
        let mut world = Still::default();
        ask(&mut world, 0, Urgency::Due);
        assert_eq!(ask(&mut world, 0, Urgency::Due), Grant::Granted);
        assert_eq!(ask(&mut world, 5, Urgency::Due), Grant::InProgress);
        assert_eq!(ask(&mut world, 6, Urgency::Due), Grant::Granted);
    }

    #[test]
    fn a_lease_that_was_prolonged_ends_after_that_time_and_never_sooner_than_before() {
        let mut world = Still::default();
        prolong(&mut world, "k", at(100));
        ask(&mut world, 0, Urgency::Due);
        assert_eq!(ask(&mut world, 0, Urgency::Due), Grant::Granted);
        prolong(&mut world, "k", at(3));
        assert_eq!(ask(&mut world, 5, Urgency::Due), Grant::InProgress);
        prolong(&mut world, "k", at(9));
        assert_eq!(ask(&mut world, 8, Urgency::Due), Grant::InProgress);
        assert_eq!(ask(&mut world, 9, Urgency::Due), Grant::Granted);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_fetch() {
        let mut world = Still::default();
        ask(&mut world, 100_000, Urgency::Due);
        assert_eq!(ask(&mut world, 100_000, Urgency::Due), Grant::Granted);
        assert_eq!(ask(&mut world, 0, Urgency::Due), Grant::Granted);
    }

    #[test]
    fn a_worker_that_asks_for_less_time_does_not_take_a_lease_that_is_held() {
        let mut world = Still::default();
        ask(&mut world, 0, Urgency::Due);
        assert_eq!(acquire(&mut world, "k", at(0), LONGEST_SPAN, Urgency::Due), Grant::Granted);
        assert_eq!(ask(&mut world, 1, Urgency::Due), Grant::InProgress);
        assert_eq!(ask(&mut world, LONGEST_SPAN.as_secs(), Urgency::Due), Grant::Granted);
    }

    #[test]
    fn attempts_after_failures_are_delayed_by_up_to_ten_seconds() {
        let mut world = Still::default();
        let waits: Vec<_> = (0..6).map(|_| back_off(&mut world, "k", at(0)).since(at(0)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(ask(&mut world, 9, Urgency::Due), Grant::NotBefore(at(10)));
        release(&mut world, "k");
        assert_eq!(back_off(&mut world, "k", at(20)), at(21));
    }

    #[test]
    fn a_flood_of_unknown_keys_provokes_few_fetches() {
        let mut world = Still::default();
        release(&mut world, "k");
        let mut granted = 0;
        for tenth in 0..600_u64 {
            let now = Timestamp::from_millis(1_000_000 + tenth * 100);
            if acquire(&mut world, "k", now, SPAN, Urgency::Provoked) == Grant::Granted {
                granted += 1;
                release(&mut world, "k");
            }
        }
        assert!((8..=9).contains(&granted), "{granted} in a minute");
        assert_eq!(ask(&mut world, 60, Urgency::Due), Grant::Granted);
    }
}
