//! What has ended although nobody has proved it: any page can open the address at which a provider says so in the browser. Such ends
//! have a table, a queue and a rate of their own, so that made-up ones take no room from others, neither here nor in the store that
//! replicas share. They are never announced again. How an end is proved is not known here.

use std::time::Duration;

use crate::crypto::end_key::EndKey;
use crate::http::address::networks;
use crate::session::ended::announcement::unproved_announcement;
use crate::session::ended::mark::Mark;
use crate::session::ended::names::{Kind, names};
use crate::session::ended::pieces::{Pieces, Size};
use crate::session::ended::queue::Queue;
use crate::session::ended::rate::{Counted, Limit, allows, to_tell};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The table of all providers: 1,048,576 marks, each of 16 bytes. By [`OF_A_PROVIDER`] and a `lifetime` of 8 hours, 30,300 ends of one
/// provider at one Envoy matter at a time, and as many marks under each key: it has room for thirty times that.
pub(super) const SIZE: Size = Size { pieces: 1_024, marks: 1_024 };

/// How many of one provider are taken by each Envoy.
const OF_A_PROVIDER: Limit = Limit { at_once: 300, period: Duration::from_secs(1) };

/// How many of one client are taken, and of the wider networks that one line and one site may have. Sixty at once are those of one
/// office behind one address.
const OF_CLIENTS: [(&str, Limit); 3] = [
    ("client", Limit { at_once: 60, period: Duration::from_secs(60) }),
    ("line", Limit { at_once: 60, period: Duration::from_secs(60) }),
    ("site", Limit { at_once: 120, period: Duration::from_secs(15) }),
];

/// What the keys in shared data begin with where they are counted.
const RATE: &str = "accredit/4/ended/unproved/rate";

/// How often it is told of each client that too many came.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The most that wait for the store: somewhat more than are taken at once.
const MOST_WAITING: usize = 512;

/// What became of an end that nobody has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It holds.
    Ended,
    /// It does not: too many came from this client, or for this provider.
    TooMany {
        /// How many did not count since that was told last of this client; `None` if it is not to be told now.
        told: Option<u32>,
    },
    /// It does not: the browser did not show it in a frame.
    NotInFrame,
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

    /// Whether the client of the request that is under way may end something once more at this provider; then it is counted. Clients
    /// whose address is not known are counted as one.
    ///
    /// # Errors
    /// [`Taken::TooMany`].
    pub(super) fn allows(world: &mut dyn World, keys: &[EndKey], provider: &str, now: Timestamp) -> Result<(), Taken> {
        let mut networks = world.client_address().as_deref().map(networks).unwrap_or_default();
        if networks.is_empty() {
            networks.push(Vec::new());
        }
        // The hash is keyed, so that nobody can choose whose place they share.
        let hash = |network: &Vec<u8>| {
            let network: String = network.iter().map(|byte| format!("{byte:02x}")).collect();
            names(keys, Kind::Client, &[&network]).first().copied().unwrap_or_default()
        };
        let clients: Vec<u64> = networks.iter().map(hash).collect();
        let of_clients = clients.iter().zip(OF_CLIENTS);
        let mut counted: Vec<_> =
            of_clients.map(|(client, (name, limit))| Counted::of(&format!("{RATE}/{name}"), *client, limit)).collect();
        counted.push(Counted::of_all(&format!("{RATE}/provider/{provider}"), OF_A_PROVIDER));
        if allows(world, &counted, now) {
            return Ok(());
        }
        let widest = clients.last().copied().unwrap_or_default();
        Err(Taken::TooMany { told: to_tell(world, &format!("{RATE}/told"), widest, TOLD_EVERY, now) })
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
