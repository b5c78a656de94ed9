//! What other replicas are to be told of one kind of ends: a queue that all workers share, and what this worker has to send at once.
//! Both are bounded, so that one kind takes no room from another. Who sends it is not known here, nor what has ended.

use std::collections::VecDeque;

use crate::session::ended::shared::queue::Queue;
use crate::words::world::World;

/// The most announcements that are sent at once.
pub const MOST_UNSENT: usize = 500;

/// Who sends an announcement first. What does not arrive is sent from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentBy {
    /// Whoever leaves it here is about to send it.
    Asker,
    /// The next tick of this worker. What finds no room in the queue is sent this once.
    Tick,
}

/// What became of an announcement that was left here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It waits until it stands in the store.
    Queued,
    /// Too many wait.
    QueueFull,
    /// Nobody is told: there is no store.
    ToNobody,
}

/// What is to be told.
pub struct Outbox {
    /// `None` where nobody is told.
    queue: Option<Queue>,
    /// What nobody has sent yet.
    unsent: VecDeque<Vec<u8>>,
}

impl Outbox {
    /// Nothing is to be told yet. `queue` is the name of the queue, which holds at most so many; `None` where nobody is told.
    pub fn new(queue: Option<&str>, most: usize) -> Self {
        Self { queue: queue.map(|name| Queue::new(name, most)), unsent: VecDeque::new() }
    }

    /// Leaves an announcement here.
    pub fn leave(&mut self, world: &mut dyn World, announcement: &[u8], sent_by: SentBy) -> Left {
        let Some(queue) = &self.queue else { return Left::ToNobody };
        if sent_by == SentBy::Tick && self.unsent.len() < MOST_UNSENT {
            self.unsent.push_back(announcement.to_vec());
        }
        if queue.add(world, announcement) { Left::Queued } else { Left::QueueFull }
    }

    /// Whether something is to be sent at once.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What is to be sent at once. What is taken from it is taken out.
    pub fn take_unsent(&mut self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::from_fn(|| self.unsent.pop_front())
    }

    /// The queue.
    pub const fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }
}
