//! How often something may happen, for each client, for each network and in all: so often at once, and then once more after each
//! period; and how often it is told that it happened too often. It is counted in memory that the workers of a process share, and
//! takes the same room whoever comes. What happens is not known here.

use std::time::Duration;

use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The places of clients: in so many pieces, each with so many places. Clients that share a place share what is allowed there.
const PIECES: u64 = 16;
const PLACES: usize = 256;

/// A place holds two numbers of 32 bits, or one of 64.
const PLACE_BYTES: usize = 8;
type Bytes = [u8; PLACE_BYTES];

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

/// A limit, and where it is counted: the time at which all is allowed again, in milliseconds since 1970.
pub struct Counted {
    place: Place,
    limit: Limit,
}

impl Counted {
    /// Counted for one client, under a key for this limit alone: a place means something else under another limit. `client` is a hash.
    pub fn of(key: &str, client: u64, limit: Limit) -> Self {
        Self { place: Place::of(key, client), limit }
    }

    /// Counted for all together, under a key for this limit alone.
    pub fn of_all(key: &str, limit: Limit) -> Self {
        Self { place: Place { key: key.to_owned(), places: 1, place: 0 }, limit }
    }
}

/// Whether it may happen once more by all of these limits; then each counts it. What may not happen is counted by none.
pub fn allows(world: &mut dyn World, counted: &[Counted], now: Timestamp) -> bool {
    counted.iter().all(|counted| counted.place.next(world, counted.limit.once_more(now)).is_some())
        && counted.iter().all(|counted| counted.place.change(world, counted.limit.once_more(now)).is_some())
}

/// Counts that something happened too often by the client with this hash. Returns how often it did since that was told last, if it is
/// to be told now: at most once in each period, under a key for this alone.
pub fn to_tell(world: &mut dyn World, key: &str, client: u64, period: Duration, now: Timestamp) -> Option<u32> {
    let seconds = |time: Timestamp| u32::try_from(time.seconds()).unwrap_or(u32::MAX);
    let (time, latest) = (seconds(now), seconds(now.plus(period)));
    let told = Place::of(key, client).change(world, |[a, b, c, d, e, f, g, h]| {
        let (again, untold) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        // A later time was written before the clock was set back, or by somebody else.
        let (again, untold) = if again > latest { (0, 0) } else { (again, untold) };
        let number = untold.saturating_add(1);
        let (again, untold, told) = if time >= again { (latest, 0, Some(number)) } else { (again, number, None) };
        let ([a, b, c, d], [e, f, g, h]) = (again.to_le_bytes(), untold.to_le_bytes());
        Some(([a, b, c, d, e, f, g, h], told))
    });
    told.flatten()
}

/// One of the places under a key.
struct Place {
    key: String,
    places: usize,
    place: usize,
}

impl Place {
    fn of(key: &str, client: u64) -> Self {
        let piece = client.checked_rem(PIECES).unwrap_or_default();
        let place = client.checked_div(PIECES).and_then(|rest| rest.checked_rem(PLACES as u64)).unwrap_or_default();
        Self { key: format!("{key}/{piece}"), places: PLACES, place: usize::try_from(place).unwrap_or_default() }
    }

    /// What stands under the key after a change of this place, what the change returns, and the version that it replaces; `None` if
    /// the change is `None`.
    fn next<T>(&self, world: &dyn World, change: impl Fn(Bytes) -> Option<(Bytes, T)>) -> Option<(Vec<u8>, T, Version)> {
        let shared = world.shared(&self.key);
        let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
        let mut value = shared.map(|shared| shared.value).unwrap_or_default();
        // What has another size was written by somebody else.
        value.resize(self.places.saturating_mul(PLACE_BYTES), 0);
        let bytes = value.as_chunks_mut::<PLACE_BYTES>().0.get_mut(self.place)?;
        let (after, returned) = change(*bytes)?;
        *bytes = after;
        Some((value, returned, version))
    }

    /// Changes the place, unless the change is `None`, or other workers write all the time.
    fn change<T>(&self, world: &mut dyn World, change: impl Fn(Bytes) -> Option<(Bytes, T)>) -> Option<T> {
        for _ in 0..MOST_TRIES {
            let (value, returned, version) = self.next(world, &change)?;
            if world.share(&self.key, &value, version).is_ok() {
                return Some(returned);
            }
        }
        None
    }
}

impl Limit {
    /// The change of a place by once more now; `None` if it is too often.
    fn once_more(self, now: Timestamp) -> impl Fn(Bytes) -> Option<(Bytes, ())> {
        move |before| {
            let after = self.after(Timestamp::from_millis(u64::from_le_bytes(before)), now)?;
            Some((after.millis().to_le_bytes(), ()))
        }
    }

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

    const OF_EACH: Limit = Limit { at_once: 3, period: Duration::from_secs(10) };
    const OF_ALL: Limit = Limit { at_once: 5, period: Duration::from_secs(1) };

    fn world() -> Still {
        Still { now: Timestamp::from_seconds(1_000), ..Still::default() }
    }

    fn allowed(world: &mut Still, client: u64, times: usize) -> usize {
        let now = world.now;
        let counted = [Counted::of_all("k/all", OF_ALL), Counted::of("k/of", client, OF_EACH)];
        (0..times).filter(|_| allows(world, &counted, now)).count()
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

    #[test]
    fn what_happens_too_often_is_told_once_in_each_period_and_client_with_the_number_since_in_bounded_memory() {
        let mut world = world();
        let mut other = world.clone();
        let minute = Duration::from_secs(60);
        let tell = |world: &mut Still, client| {
            let now = world.now;
            to_tell(world, "told", client, minute, now)
        };
        assert_eq!(tell(&mut world, 1), Some(1));
        let told = (0..10_000).filter(|_| tell(&mut world, 1).is_some() || tell(&mut other, 1).is_some()).count();
        assert_eq!((told, tell(&mut world, 2)), (0, Some(1)), "workers count together, clients apart");
        world.now = world.now.plus(minute);
        assert_eq!([tell(&mut world, 1), tell(&mut world, 1)], [Some(20_001), None]);
        world.now = Timestamp::from_seconds(10);
        assert_eq!([tell(&mut world, 1), tell(&mut world, 1)], [Some(1), None], "the clock was set back");
        world.share("told/1", &[255; 2_048], Version::Any).unwrap();
        assert_eq!([tell(&mut world, 1), tell(&mut world, 1)], [Some(1), None], "others wrote there");
        for client in 0..100_000 {
            tell(&mut world, client);
        }
        assert_eq!(world.memory.borrow().values().map(|(value, _)| value.len()).sum::<usize>(), 16 * 2_048);
    }
}
