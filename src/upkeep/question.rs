//! What the store of revocations is asked in the background, as values. Nothing is asked here.

use crate::revocations::cursor::Cursor;

/// What the store was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// To read on from this place, in a round of this worker.
    Read(Cursor),
    /// To take these announcements.
    Announce(Vec<Vec<u8>>),
    /// To keep something under a name.
    Put,
    /// Whether this replica may announce again what the store has lost.
    ClaimAgain,
    /// To take again what it has lost: so many announcements.
    AnnounceAgain(usize),
}
