//! What has ended although nobody has proved it: any page can open the address at which a provider says so in the browser. Such ends
//! have a table, a queue and a rate of their own, so that made-up ones take no room from others, neither here nor in the store that
//! replicas share. They are never announced again. How an end is proved is not known here.

use std::time::Duration;

use crate::crypto::end_key::EndKey;
use crate::http::address::network;
use crate::session::ended::announcement::unproved_announcement;
use crate::session::ended::mark::Mark;
use crate::session::ended::names::{Kind, names};
use crate::session::ended::pieces::{Pieces, Size};
use crate::session::ended::queue::Queue;
use crate::session::ended::rate::{Limit, Rate};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The table: 131,072 marks, each of 16 bytes.
pub(super) const SIZE: Size = Size { pieces: 512, marks: 256 };

/// How many are taken, by each Envoy. Sixty at once are those of one office behind one address.
const RATE: Rate = Rate {
    key: "accredit/4/ended/unproved/rate",
    of_each: Limit { at_once: 60, period: Duration::from_secs(1) },
    of_all: Limit { at_once: 300, period: Duration::from_millis(200) },
};

/// The most that wait for the store: somewhat more than are taken at once.
const MOST_WAITING: usize = 512;

/// What became of an end that nobody has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It holds.
    Ended,
    /// It does not: too many came from this client, or in all.
    TooMany,
    /// It does not: the table is full.
    WithoutRoom,
}

/// The ends that nobody has proved.
pub(super) struct Unproved {
    pub(super) table: Pieces,
    /// The queue of what other replicas are told; `None` where nobody is.
    pub(super) queue: Option<Queue>,
    /// What this worker has put into the queue, and nobody has sent yet.
    pub(super) unsent: Vec<Vec<u8>>,
}

impl Unproved {
    /// Nothing is known yet. `store` names the store that replicas share.
    pub(super) fn new(store: Option<&str>) -> Self {
        let queue = store.map(|store| Queue::new(&format!("unproved/{store}"), MOST_WAITING));
        Self { table: Pieces::new("unproved", SIZE), queue, unsent: Vec::new() }
    }

    /// Whether the client of the request that is under way may end something once more; then it is counted. Clients whose address is
    /// not known are counted as one.
    pub(super) fn allows(&self, world: &mut dyn World, keys: &[EndKey], now: Timestamp) -> bool {
        let network = world.client_address().as_deref().and_then(network).unwrap_or_default();
        let network: String = network.iter().map(|byte| format!("{byte:02x}")).collect();
        // The hash is keyed, so that nobody can choose whose place they share.
        let client = names(keys, Kind::Client, &[&network]).first().copied().unwrap_or_default();
        RATE.allows(world, client, now)
    }

    /// Ends something at this provider, and leaves it to the queue to tell other replicas. Returns what became of it, and whether the
    /// table has changed.
    pub(super) fn end(
        &mut self,
        world: &mut dyn World,
        keys: &[EndKey],
        provider: &str,
        marks: &[Mark],
        now: Timestamp,
    ) -> (Taken, bool) {
        let (refused, is_changed) = self.table.add(world, marks, now);
        if !refused.is_empty() {
            return (Taken::WithoutRoom, is_changed);
        }
        if let Some(queue) = self.queue.as_ref().filter(|_| is_changed) {
            let announcement = unproved_announcement(keys, provider, marks);
            // While the store is away, what finds no room there holds here alone.
            if queue.add(world, &announcement) && self.unsent.len() < MOST_WAITING {
                self.unsent.push(announcement);
            }
        }
        (Taken::Ended, is_changed)
    }
}

#[cfg(test)]
mod tests;
