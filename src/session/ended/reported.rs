//! What has ended because a transmitter of security events has reported it. Such ends have tables and a queue of their own: whatever
//! transmitters report takes no room from sign-outs and from the providers' own logout tokens, nor these from it. Which sessions a
//! transmitter may end is not known here.

use crate::session::ended::pieces::{Pieces, Size};
use crate::session::ended::shared::queue::Queue;
use crate::words::world::World;

/// The table of each provider: 1,048,576 marks, each of 16 bytes.
pub(super) const SIZE: Size = Size { pieces: 1_024, marks: 1_024 };

/// The most announcements that wait for the store.
pub(super) const MOST_WAITING: usize = 2_048;

/// The name of the table of what was reported of this provider's sessions. No provider has such a name.
pub(super) fn table_of(provider: &str) -> String {
    format!("reported/{provider}")
}

/// The ends that transmitters have reported.
pub(super) struct ReportedEnds {
    /// One table for each provider, whether a transmitter is configured for it now or not: with its name.
    pub(super) tables: Vec<(String, Pieces)>,
    /// The queue of what other replicas are told; `None` where nobody is.
    pub(super) queue: Option<Queue>,
    /// What this worker has put into the queue, and nobody has sent yet.
    pub(super) unsent: Vec<Vec<u8>>,
}

impl ReportedEnds {
    /// Nothing is known yet. `store` names the store that replicas share.
    pub(super) fn new<'a>(providers: impl Iterator<Item = &'a str>, store: Option<&str>) -> Self {
        let table = |provider: &str| (table_of(provider), Pieces::new(&table_of(provider), SIZE));
        let queue = store.map(|store| Queue::new(&table_of(store), MOST_WAITING));
        Self { tables: providers.map(table).collect(), queue, unsent: Vec::new() }
    }

    /// The table of this name.
    pub(super) fn table(&mut self, named: &str) -> Option<&mut Pieces> {
        self.tables.iter_mut().find(|(name, _)| name == named).map(|(_, table)| table)
    }

    /// Leaves announcements to the queue. Returns how many found no room there.
    pub(super) fn queue(&self, world: &mut dyn World, announcements: &[Vec<u8>]) -> usize {
        let Some(queue) = &self.queue else { return 0 };
        announcements.iter().filter(|announcement| !queue.add(world, announcement)).count()
    }

    /// Has announcements sent, as long as fewer than `most` are about to be. Those in the queue are sent later then.
    pub(super) fn send(&mut self, announcements: &[Vec<u8>], most: usize) {
        if self.queue.is_some() {
            let room = most.saturating_sub(self.unsent.len());
            self.unsent.extend(announcements.iter().take(room).cloned());
        }
    }
}
