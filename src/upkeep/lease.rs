//! Who may fetch: an agreement between the workers of one process, by compare-and-swap in shared memory, with an end, so that a
//! worker that dies holds nothing up. It also spaces out attempts after failures, and limits what can be provoked from outside.

use std::time::Duration;

use crate::config::settings::{LONGEST_TIMEOUT, LONGEST_WAIT};
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The longest wait after repeated failures: a provider that is back must not be waited for much longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// Nobody holds a lease for longer: the longest `timeout` and `sign_in.wait` that may be configured, and a second.
const LONGEST_SPAN: Duration = LONGEST_TIMEOUT.saturating_add(LONGEST_WAIT).saturating_add(Duration::from_secs(1));

/// So many provoked fetches may follow each other at once …
const BURST: u32 = 3;

/// … and one more after each of these.
const REFILL: Duration = Duration::from_secs(10);

/// Why something is to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It is missing, or its time has come.
    Due,
    /// It is there, and a token names a key that it lacks: anybody can send such tokens.
    Provoked,
}

/// Whether to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Fetch, and then [`release`] or [`back_off`].
    Granted,
    /// Somebody else is about it; what comes will be in shared memory.
    InProgress,
    /// Nobody may before this.
    NotBefore(Timestamp),
}

/// The version of what stands in shared memory; another one is not read.
const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    /// Somebody fetches until then at most.
    held_until: Timestamp,
    /// After a failure: nobody fetches before.
    not_before: Timestamp,
    failures: u32,
    /// How many provoked fetches were used up, as of `counted`.
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

/// Asks for permission to fetch; it ends after `span`.
pub fn acquire(world: &mut dyn World, key: &str, now: Timestamp, span: Duration, urgency: Urgency) -> Grant {
    let Some((mut lease, version)) = read(world, key) else {
        // Written unconditionally first (there is no create-if-absent), swapped at the next look: two workers that begin at the
        // same moment both come here, and only one of them wins then.
        let _ = write(world, key, Lease::default(), Version::Any);
        return Grant::InProgress;
    };
    // Further ahead than anybody sets them: the clock was set back, or somebody else writes here. Another configuration may ask for
    // more time than this one does.
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

/// The fetch succeeded.
pub fn release(world: &mut dyn World, key: &str) {
    let (lease, version) = read(world, key).unwrap_or((Lease::default(), Version::Any));
    let lease = Lease { held_until: Timestamp::default(), not_before: Timestamp::default(), failures: 0, ..lease };
    // Whoever swapped it in the meantime holds it rightly: ours had ended.
    let _ = write(world, key, lease, version);
}

/// The fetch failed: nobody tries again before the moment that is returned.
pub fn back_off(world: &mut dyn World, key: &str, now: Timestamp) -> Timestamp {
    let (lease, version) = read(world, key).unwrap_or((Lease::default(), Version::Any));
    let doubled = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(lease.failures.min(16)));
    let not_before = now.plus(doubled.min(LONGEST_BACK_OFF));
    let failures = lease.failures.saturating_add(1);
    let _ = write(world, key, Lease { held_until: Timestamp::default(), not_before, failures, ..lease }, version);
    not_before
}

/// Whether the newest fetch failed.
pub fn is_failing(world: &dyn World, key: &str) -> bool {
    read(world, key).is_some_and(|(lease, _)| lease.failures > 0)
}

fn read(world: &dyn World, key: &str) -> Option<(Lease, Version)> {
    let shared = world.shared(key)?;
    // What cannot be read is from another version of us: it is written anew.
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
    fn a_worker_that_dies_is_taken_over_from() {
        let mut world = Still::default();
        ask(&mut world, 0, Urgency::Due);
        assert_eq!(ask(&mut world, 0, Urgency::Due), Grant::Granted);
        assert_eq!(ask(&mut world, 5, Urgency::Due), Grant::InProgress);
        assert_eq!(ask(&mut world, 6, Urgency::Due), Grant::Granted);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up() {
        let mut world = Still::default();
        ask(&mut world, 100_000, Urgency::Due);
        assert_eq!(ask(&mut world, 100_000, Urgency::Due), Grant::Granted);
        assert_eq!(ask(&mut world, 0, Urgency::Due), Grant::Granted);
    }

    #[test]
    fn whoever_asks_for_less_time_takes_no_lease_that_is_in_use() {
        let mut world = Still::default();
        ask(&mut world, 0, Urgency::Due);
        assert_eq!(acquire(&mut world, "k", at(0), LONGEST_SPAN, Urgency::Due), Grant::Granted);
        assert_eq!(ask(&mut world, 1, Urgency::Due), Grant::InProgress);
        assert_eq!(ask(&mut world, LONGEST_SPAN.as_secs(), Urgency::Due), Grant::Granted);
    }

    #[test]
    fn failures_are_spaced_out_up_to_ten_seconds() {
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
