//! How often something may happen, for each client and in all: so often at once, and then once more after each period. It is counted
//! in memory that the workers of a process share, and takes the same room whoever comes. What happens is not known here.

use std::time::Duration;

use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The places of clients: in so many pieces, each with so many places. Clients that share a place share what is allowed there.
const PIECES: u64 = 16;
const PLACES: usize = 256;

/// A place: the time at which all is allowed again, in milliseconds since 1970.
const PLACE_BYTES: usize = 8;

/// How often a write is tried if other workers have written in between. After that, nothing is allowed.
const MOST_TRIES: usize = 100;

/// So often at once, and once more after each period.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// How often at once.
    pub at_once: u32,
    /// The period.
    pub period: Duration,
}

/// A limit for each client, and one for all of them together.
#[derive(Clone, Debug)]
pub struct Rate {
    /// What the keys in shared data begin with.
    pub key: &'static str,
    /// The limit for each client.
    pub of_each: Limit,
    /// The limit for all together.
    pub of_all: Limit,
}

impl Rate {
    /// Whether it may happen once more, by the client with this hash; then it is counted. What may not happen is not counted, neither
    /// as the client's nor among all.
    pub fn allows(&self, world: &mut dyn World, client: u64, now: Timestamp) -> bool {
        let piece = client.checked_rem(PIECES).unwrap_or_default();
        let place = client.checked_div(PIECES).and_then(|rest| usize::try_from(rest % PLACES as u64).ok()).unwrap_or_default();
        let of_client = Place { key: format!("{}/of/{piece}", self.key), places: PLACES, place, limit: self.of_each };
        let of_all = Place { key: format!("{}/all", self.key), places: 1, place: 0, limit: self.of_all };
        of_client.next(world, now).is_some() && of_all.take(world, now) && of_client.take(world, now)
    }
}

/// One of the places under a key, and the limit that holds there.
struct Place {
    key: String,
    places: usize,
    place: usize,
    limit: Limit,
}

impl Place {
    /// What stands under the key after once more, and the version that it replaces; `None` if the limit is reached.
    fn next(&self, world: &dyn World, now: Timestamp) -> Option<(Vec<u8>, Version)> {
        let shared = world.shared(&self.key);
        let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
        let mut value = shared.map(|shared| shared.value).unwrap_or_default();
        // What has another size was written by somebody else.
        value.resize(self.places.saturating_mul(PLACE_BYTES), 0);
        let bytes = value.as_chunks_mut::<PLACE_BYTES>().0.get_mut(self.place)?;
        *bytes = self.limit.after(Timestamp::from_millis(u64::from_le_bytes(*bytes)), now)?.millis().to_le_bytes();
        Some((value, version))
    }

    /// Counts once more, unless the limit is reached.
    fn take(&self, world: &mut dyn World, now: Timestamp) -> bool {
        for _ in 0..MOST_TRIES {
            let Some((value, version)) = self.next(world, now) else { return false };
            if world.share(&self.key, &value, version).is_ok() {
                return true;
            }
        }
        false
    }
}

impl Limit {
    /// When all is allowed again after once more now, if it was at `before`; `None` if it is too often.
    fn after(self, before: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let latest = now.plus(self.period.saturating_mul(self.at_once));
        // A later time was written before the clock was set back, and would forbid everything until then.
        let before = if before > latest { now } else { before.max(now) };
        Some(before.plus(self.period)).filter(|next| *next <= latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    const RATE: Rate = Rate {
        key: "k",
        of_each: Limit { at_once: 3, period: Duration::from_secs(10) },
        of_all: Limit { at_once: 5, period: Duration::from_secs(1) },
    };

    fn world() -> Still {
        Still { now: Timestamp::from_seconds(1_000), ..Still::default() }
    }

    fn allowed(world: &mut Still, client: u64, times: usize) -> usize {
        let now = world.now;
        (0..times).filter(|_| RATE.allows(world, client, now)).count()
    }

    #[test]
    fn a_client_may_do_it_so_often_at_once_and_then_once_in_each_period() {
        let mut world = world();
        assert_eq!(allowed(&mut world, 1, 10), 3);
        for (after, times) in [(9_999, 0), (1, 1), (9_999, 0), (20_001, 3), (3_600_000, 3)] {
            world.now = world.now.plus(Duration::from_millis(after));
            assert_eq!(allowed(&mut world, 1, 10), times, "{after}");
        }
    }

    #[test]
    fn one_client_over_its_limit_takes_nothing_from_others_and_all_together_have_a_limit() {
        let mut world = world();
        assert_eq!(allowed(&mut world, 1, 1_000), 3);
        assert_eq!([2, 3, 4].map(|client| allowed(&mut world, client, 10)), [2, 0, 0]);
        world.now = world.now.plus(Duration::from_secs(1));
        assert_eq!([2, 3, 4].map(|client| allowed(&mut world, client, 10)), [1, 0, 0]);
    }

    #[test]
    fn workers_count_together_in_the_same_room_however_many_clients_come() {
        let mut world = world();
        let mut other = world.clone();
        assert_eq!((allowed(&mut world, 1, 2), allowed(&mut other, 1, 10)), (2, 1));
        for client in 10..100_010 {
            world.now = world.now.plus(Duration::from_secs(1));
            assert_eq!(allowed(&mut world, client, 1), 1, "{client}");
        }
        let memory = world.memory.borrow();
        let bytes: usize = memory.values().map(|(value, _)| value.len()).sum();
        assert_eq!((memory.len(), bytes), (17, 16 * 2_048 + 8));
    }

    #[test]
    fn a_clock_that_was_set_back_forbids_nothing_and_what_others_wrote_there_is_no_count() {
        let mut world = world();
        assert_eq!(allowed(&mut world, 1, 10), 3);
        world.now = Timestamp::from_seconds(10);
        assert_eq!(allowed(&mut world, 1, 10), 3);
        for junk in [&b"junk"[..], &[255; 2_048], &[7; 4_000]] {
            for key in ["k/of/1", "k/all"] {
                world.share(key, junk, Version::Any).unwrap();
            }
            assert_eq!(allowed(&mut world, 1, 10), 3, "{}", junk.len());
        }
    }
}
