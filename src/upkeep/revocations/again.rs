//! Announcing again what the store has lost, as far as this process knows it: piece by piece of the table, and only what the store
//! does not have. It makes no call.

use std::collections::HashSet;
use std::time::Duration;

use crate::http::message::{HttpCall, Reply};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::revocations::store::Store;
use crate::session::ended::announcement::announcement_again;
use crate::session::ended::mark::Mark;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// How long a replica waits before it looks again what the store lacks.
pub(super) const PAUSE: Duration = Duration::from_secs(3);

/// The longest such time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Of all replicas, one announces again at a time. If it stops, another one may after this time.
const CLAIMED_FOR: Duration = Duration::from_secs(3);

/// A claim that is older than this is made anew.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

/// The name that is claimed.
const NAME: &str = "announce-again";

/// What stands there. It says nothing.
const VALUE: &[u8] = b"1";

/// After so many claims in a row that were lost, nobody else is believed to announce again: whoever can write to the store could keep
/// the name for ever.
const MOST_LOST: u32 = 5;

/// The most announcements of one call: 20 KiB, with two keys twice as much.
const MOST_AT_ONCE: usize = 500;

/// The marks that a store has: eight bytes of each, because there may be hundreds of thousands.
#[derive(Default)]
pub(super) struct Marks(HashSet<u64>);

impl Marks {
    /// Adds a mark.
    pub(super) fn add(&mut self, mark: &Mark) {
        self.0.insert(digest(mark));
    }

    /// Whether this very mark is there. (One that says more than all that the store has under its name is not.)
    fn has(&self, mark: &Mark) -> bool {
        self.0.contains(&digest(mark))
    }
}

/// The name of a mark, which is a keyed hash, changed by what else it says: so that no two marks of one name have the same, and
/// others only by chance (one in 2^64).
fn digest(mark: &Mark) -> u64 {
    let bytes = mark.write();
    let says = bytes.last_chunk().map(|says| u64::from_be_bytes(*says)).unwrap_or_default();
    mark.name ^ says.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What is announced again.
pub(super) struct Again {
    /// The marks that the store has.
    known: Marks,
    /// The next piece of the tables.
    piece: usize,
    /// The announcements of the pieces before, that were not sent yet.
    waiting: Vec<Vec<u8>>,
    /// When the name was claimed last.
    claimed: Timestamp,
}

impl Again {
    /// What this process knows, and a store with these marks does not.
    pub(super) const fn new(known: Marks, now: Timestamp) -> Self {
        Self { known, piece: 0, waiting: Vec::new(), claimed: now }
    }

    /// What the store is to keep, so that nobody else announces again meanwhile, if it is time for that.
    pub(super) fn renewed_claim(&mut self, now: Timestamp) -> Option<(String, &'static [u8], Duration)> {
        if now.since(self.claimed) < RENEWED_AFTER {
            return None;
        }
        self.claimed = now;
        Some((NAME.to_owned(), VALUE, CLAIMED_FOR))
    }

    /// Looks for the next announcements, unless there are enough already.
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>) {
        while self.waiting.len() < MOST_AT_ONCE {
            let Some(marks) = turn.ended.piece(turn.world, self.piece, turn.now) else { break };
            self.piece = self.piece.saturating_add(1);
            let missing = marks.iter().filter(|(_, mark)| !self.known.has(mark));
            let keys = turn.ended.keys();
            self.waiting.extend(missing.map(|(provider, mark)| announcement_again(keys, provider, mark)));
        }
    }

    /// Whether nothing is left, after [`Again::prepare`].
    pub(super) const fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the next announcements out; none after the last.
    pub(super) fn batch(&mut self) -> Vec<Vec<u8>> {
        let rest = self.waiting.split_off(MOST_AT_ONCE.min(self.waiting.len()));
        std::mem::replace(&mut self.waiting, rest)
    }
}

/// How long this worker waits before it looks again what the store lacks, after so many failures in a row: twice as long after each,
/// because it then reads everything.
pub(super) fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST_PAUSE)
}

/// The claim.
pub(super) fn claim(store: &Store) -> HttpCall {
    store.claim(&NamedValue { name: NAME, value: VALUE, lifetime: CLAIMED_FOR })
}

/// Whether this process announces again: it has won the claim, or has `lost` so many in a row, of which it keeps count.
///
/// # Errors
/// Unless the store has said it.
pub(super) fn may_begin(store: &Store, reply: &Reply, lost: &mut u32) -> Result<bool, Failure> {
    *lost = if store.claimed(reply)? == Claimed::Won || *lost >= MOST_LOST { 0 } else { lost.saturating_add(1) };
    Ok(*lost == 0)
}
