//! Sessions that have ended, in whichever worker: the one place where that is asked, and always with the whole session, so that what
//! ended it may be any part of it.

use crate::session::content::Session;
use crate::session::remembered::tombstone::Tombstones;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The sessions that have ended, as far as this worker knows.
pub struct EndedSessions {
    by_id: Tombstones,
}

impl Default for EndedSessions {
    fn default() -> Self {
        Self { by_id: Tombstones::sessions() }
    }
}

impl EndedSessions {
    /// Ends a session, here at once, until it would not count anyway.
    pub fn mark(&mut self, world: &mut dyn World, session: &Session) {
        self.by_id.mark(world, &session.id, session.ends);
    }

    /// Whether a session has ended, as was known a moment ago: to let somebody in, that is good enough.
    pub fn has(&mut self, world: &dyn World, session: &Session, now: Timestamp) -> bool {
        self.by_id.has(world, &session.id, now)
    }

    /// Whether a session has ended, as is known now: for whoever writes its cookie, or spends what it holds.
    pub fn has_uncached(&mut self, world: &dyn World, session: &Session, now: Timestamp) -> bool {
        self.by_id.has_uncached(world, &session.id, now)
    }
}
