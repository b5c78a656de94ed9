//! Announcements that the store has not confirmed yet, in the memory that the workers of a process share, so that they outlive the
//! worker that made them and the configuration. The queue is bounded. What it holds, and who sends it, is not known here.

use std::collections::HashSet;

use crate::words::world::{Version, World};

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// The queue for one store.
pub struct Queue {
    /// Where it stands in shared data.
    key: String,
    /// The most announcements that wait.
    most: usize,
}

impl Queue {
    /// The queue for the store of this name. Two configurations of one process may have different stores.
    pub fn new(store: &str, most: usize) -> Self {
        Self { key: format!("accredit/4/unannounced/{store}"), most }
    }

    /// The announcements that wait, the oldest first.
    pub fn waiting(&self, world: &dyn World) -> Vec<Vec<u8>> {
        world.shared(&self.key).map(|shared| read(&shared.value)).unwrap_or_default()
    }

    /// Whether no announcement waits that is like this, and none was refused: there is room.
    pub fn has_none(&self, world: &dyn World, is_like: impl Fn(&[u8]) -> bool) -> bool {
        let waiting = self.waiting(world);
        waiting.len() < self.most && !waiting.iter().any(|announcement| is_like(announcement))
    }

    /// Adds an announcement, unless it waits already; returns `false` if too many wait.
    pub fn add(&self, world: &mut dyn World, announcement: &[u8]) -> bool {
        self.change(world, |queue| {
            if queue.iter().any(|waiting| waiting == announcement) {
                return true;
            }
            let room = queue.len() < self.most;
            if room {
                queue.push(announcement.to_vec());
            }
            room
        })
    }

    /// Removes announcements that stand in the store.
    pub fn remove(&self, world: &mut dyn World, stand_there: &[&[u8]]) {
        let waiting = self.waiting(world);
        if waiting.is_empty() {
            return;
        }
        let there: HashSet<&[u8]> = stand_there.iter().copied().collect();
        if waiting.iter().any(|announcement| there.contains(announcement.as_slice())) {
            self.change(world, |queue| {
                queue.retain(|announcement| !there.contains(announcement.as_slice()));
                true
            });
        }
    }

    fn change(&self, world: &mut dyn World, change: impl Fn(&mut Vec<Vec<u8>>) -> bool) -> bool {
        for tries in 1..=MOST_TRIES {
            let shared = world.shared(&self.key);
            let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
            // The last try has no condition, so it succeeds whatever other workers write.
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            let mut queue = shared.map(|shared| read(&shared.value)).unwrap_or_default();
            let changed = change(&mut queue);
            if !changed || world.share(&self.key, &written(&queue), version).is_ok() {
                return changed;
            }
        }
        false
    }
}

/// The version of the queue's format, which also keeps an empty queue from being an empty value.
const FORMAT: u8 = 1;

fn written(queue: &[Vec<u8>]) -> Vec<u8> {
    let mut written = vec![FORMAT];
    for announcement in queue {
        // Announcements are short: a longer one would be read as junk, and dropped.
        written.extend(u16::try_from(announcement.len()).unwrap_or_default().to_le_bytes());
        written.extend(announcement);
    }
    written
}

fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut queue = Vec::new();
    let Some((&FORMAT, mut rest)) = bytes.split_first() else { return queue };
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let Some((announcement, after)) = after.split_at_checked(u16::from_le_bytes(*length).into()) else { break };
        queue.push(announcement.to_vec());
        rest = after;
    }
    queue
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    const MOST: usize = 4_096;

    fn queue() -> Queue {
        Queue::new("a store", MOST)
    }

    fn add(world: &mut Still, announcement: &[u8]) -> bool {
        queue().add(world, announcement)
    }

    fn waiting(world: &Still) -> Vec<Vec<u8>> {
        queue().waiting(world)
    }

    #[test]
    fn what_one_worker_could_not_announce_another_one_finds_until_it_is_confirmed() {
        let mut here = Still::default();
        let mut there = here.clone();
        assert!(add(&mut here, b"one") && add(&mut there, b"two") && add(&mut here, b"") && add(&mut there, b"one"));
        assert_eq!(waiting(&there), [&b"one"[..], b"two", b""]);
        queue().remove(&mut there, &[b"one", b"never added"]);
        assert_eq!(waiting(&here), [&b"two"[..], b""]);
        queue().remove(&mut here, &[b"two", b""]);
        assert_eq!(waiting(&there), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn while_the_store_is_away_a_bounded_number_waits_and_the_oldest_stay() {
        let mut world = Still::default();
        for number in 0..MOST {
            assert!(add(&mut world, &number.to_le_bytes()));
        }
        assert!(!add(&mut world, b"one too many"));
        assert_eq!(waiting(&world).len(), MOST);
        assert_eq!(waiting(&world)[0], 0_usize.to_le_bytes());
    }

    #[test]
    fn of_a_queue_that_is_full_nobody_knows_what_it_has_refused() {
        let mut world = Still::default();
        let small = Queue::new("a store", 2);
        let has_none = |world: &Still, of: &[u8]| small.has_none(world, |waiting| waiting == of);
        assert!(has_none(&world, b"one"));
        assert!(small.add(&mut world, b"one"));
        assert_eq!([has_none(&world, b"one"), has_none(&world, b"two")], [false, true]);
        assert!(small.add(&mut world, b"three"));
        assert!(!has_none(&world, b"two"));
    }

    #[test]
    fn what_somebody_else_has_written_there_is_no_announcement() {
        for junk in [&b"junk"[..], &[FORMAT, 9], &[FORMAT, 255, 255, 1]] {
            let mut world = Still::default();
            world.share(&queue().key, junk, Version::Any).unwrap();
            assert_eq!(waiting(&world), Vec::<Vec<u8>>::new());
            assert!(add(&mut world, b"one"));
            assert_eq!(waiting(&world), [b"one"]);
        }
    }
}
