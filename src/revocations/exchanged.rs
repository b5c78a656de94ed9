//! What is exchanged with the store, whichever kind of store it is: pages of entries, and names that one replica claims. How it
//! is written for a store is not known here.

use std::time::Duration;

use crate::revocations::cursor::Cursor;
use crate::words::time::Timestamp;

/// The most entries to announce in one call, so that the acknowledgements of all come whole.
pub const MOST_ENTRIES: usize = 1_000;

/// The most bytes of an entry. Readers skip what is longer: it is not ours.
pub const LARGEST_ENTRY: usize = 512;

/// A value under a name, until a time. Of all who claim a name, one wins.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct NamedValue<'a> {
    pub name: &'a str,
    /// What others learn who claim the name later, or ask for it. At most 32 KiB, so that it comes whole. If the reply to a claim
    /// was lost, and it is claimed again, a value that nobody else uses tells that the first claim had won.
    pub value: &'a [u8],
    /// How long it stays there, in whole milliseconds, at least one.
    pub lifetime: Duration,
}

/// How a claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The name is ours.
    Won,
    /// The name was taken, with this value.
    Lost(Vec<u8>),
    /// The name was taken, but the time of the claim was over before its value was read. It may be claimed again.
    JustEnded,
}

/// Entries and claims that the store has acknowledged, each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The places of the entries, in their order.
    pub cursors: Vec<Cursor>,
    /// How the claims ended, in their order.
    pub claims: Vec<Claimed>,
}

/// A piece of the stream, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The store's clock when the page was read. Only by this clock, never by our own, may somebody say which entries are so old
    /// that they can be removed: their places are times of this clock.
    pub now: Timestamp,
    /// The entries, in the order of their places, each larger than the one before. Nothing says yet that they are ours.
    pub entries: Vec<Entry>,
    /// How many entries were skipped because ours have another form.
    pub foreign: usize,
    /// Where to read on.
    pub next: Cursor,
    /// Whether to read on at once.
    pub rest: Rest,
}

/// An entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Entry {
    pub cursor: Cursor,
    pub bytes: Vec<u8>,
}

/// What of the stream is behind a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: whoever has read this page knows the stream up to now.
    Nothing,
    /// There may be more: the page was full, or the connection ended before the whole page had come.
    More,
}

impl Page {
    /// Where the next round of reading begins, when nothing is left to read in this one: a minute before the place that was
    /// reached, or before the store's clock if that is earlier. So no entry with a place in the future, whoever wrote it, hides
    /// later ones that an honest store adds at lower places.
    pub fn next_round(&self) -> Cursor {
        self.next.min(Cursor::at(self.now)).a_minute_before()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(next: u64) -> Page {
        let now = Timestamp::from_millis(1_000_000);
        Page { now, entries: Vec::new(), foreign: 0, next: at(next), rest: Rest::Nothing }
    }

    const fn at(millis: u64) -> Cursor {
        Cursor::at(Timestamp::from_millis(millis))
    }

    #[test]
    fn the_next_round_reads_a_minute_again_and_never_begins_in_the_future() {
        for (reached, next) in [(900_000, 840_000), (1_000_000, 940_000), (2_000_000, 940_000), (u64::MAX, 940_000), (0, 0)] {
            assert_eq!(page(reached).next_round(), at(next), "{reached}");
        }
    }
}
