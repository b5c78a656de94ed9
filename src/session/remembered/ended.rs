//! The sessions that have ended, in any worker. Callers pass the whole session; only this file knows that it is found by
//! its identifier. Why a session ended is not known here.

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
    /// Marks a session as ended until it would expire. This worker knows it at once.
    pub fn mark(&mut self, world: &mut dyn World, session: &Session) {
        self.by_id.mark(world, &session.id, session.ends);
    }

    /// Whether a session has ended, as was known up to 100 ms ago. That is good enough to let somebody in.
    pub fn has(&mut self, world: &dyn World, session: &Session, now: Timestamp) -> bool {
        self.by_id.has(world, &session.id, now)
    }

    /// Whether a session has ended, as is known now. Ask this before a cookie is written, or a refresh token is used.
    pub fn has_uncached(&mut self, world: &dyn World, session: &Session, now: Timestamp) -> bool {
        self.by_id.has_uncached(world, &session.id, now)
    }
}
