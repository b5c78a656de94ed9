//! Announcing again what the store has lost, as far as this process knows it: piece by piece of the table, and only what the store
//! does not have. It makes no call.

use std::collections::HashSet;
use std::time::Duration;

use crate::http::message::{HttpCall, Reply};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::revocations::store::Store;
use crate::session::ended::announcement::announcement_again;
use crate::session::ended::mark::Mark;
use crate::session::remembered::agreed::PROCESS_BYTES;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// Of all processes, one announces again at a time. If it stops, another one may after this time, beside the time that an answer may take.
const CLAIMED_FOR: Duration = Duration::from_secs(3);

/// A claim that is older than this is made anew.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

/// The name that is claimed. What stands there is the name of the process.
const NAME: &str = "announce-again";

/// Every so many pieces of the tables, one is looked at to find out whether the store gains what it lacks. Who announces again goes
/// through the pieces in their order.
const COUNTED: usize = 16;

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
    /// The name of this process.
    process: [u8; PROCESS_BYTES],
    /// When the name was claimed last.
    claimed: Timestamp,
}

impl Again {
    /// What this process knows, and a store with these marks does not.
    pub(super) const fn new(known: Marks, process: [u8; PROCESS_BYTES], now: Timestamp) -> Self {
        Self { known, piece: 0, waiting: Vec::new(), process, claimed: now }
    }

    /// The claim.
    pub(super) fn claim(&self, store: &Store) -> HttpCall {
        store.claim(&NamedValue { name: NAME, value: &self.process, lifetime: claimed_for(store) })
    }

    /// Whether this process has the claim. (It also has one whose acknowledgement was lost, and that of a worker that died.)
    ///
    /// # Errors
    /// Unless the store has said it.
    pub(super) fn is_claimed(&self, store: &Store, reply: &Reply) -> Result<bool, Failure> {
        Ok(match store.claimed(reply)? {
            Claimed::Won => true,
            Claimed::Lost(by) => by == self.process,
            Claimed::JustEnded => false,
        })
    }

    /// The claim is another process's, and is taken over: it is made anew with the next announcements.
    pub(super) const fn take_over(&mut self) {
        self.claimed = Timestamp::from_millis(0);
    }

    /// How many marks the store lacks, in some of the pieces.
    pub(super) fn missing(&self, turn: &mut Turn<'_>) -> u64 {
        let mut missing = 0_u64;
        let mut number = 0_usize;
        while let Some(marks) = turn.ended.piece(turn.world, number, turn.now) {
            let count = marks.iter().filter(|(_, mark)| !self.known.has(mark)).count();
            missing = missing.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            number = number.saturating_add(COUNTED);
        }
        missing
    }

    /// What the store is to keep, so that nobody else announces again meanwhile, if it is time for that.
    pub(super) fn renewed_claim(&mut self, store: &Store, now: Timestamp) -> Option<(String, Vec<u8>, Duration)> {
        if now.since(self.claimed) < RENEWED_AFTER {
            return None;
        }
        self.claimed = now;
        Some((NAME.to_owned(), self.process.to_vec(), claimed_for(store)))
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

fn claimed_for(store: &Store) -> Duration {
    CLAIMED_FOR.saturating_add(store.timeout())
}
