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
    /// How many places are more than a minute ahead of the store's clock.
    pub ahead: usize,
    /// Where to read on.
    pub next: Cursor,
    /// Whether to read on at once.
    pub rest: Rest,
    /// The oldest entry of the stream.
    pub oldest: Oldest,
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

/// The oldest entry of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oldest {
    /// It is at this place.
    At(Cursor),
    /// The stream is empty.
    Nowhere,
    /// The connection ended before it was said.
    NotSaid,
}

impl Page {
    /// Where the next round of reading begins, when nothing is left to read in this one: a minute before the place that was
    /// reached, or before the store's clock if that is earlier. So no entry with a place in the future, whoever wrote it, hides
    /// later ones that an honest store adds at lower places.
    pub fn next_round(&self) -> Cursor {
        self.next.min(Cursor::at(self.now)).a_minute_before()
    }

    /// Whether this is still the stream whose oldest entry was `known`, with only entries removed that were added before
    /// `trim_before`. If not, the stream was emptied, replaced or cut by somebody else: it must be read again from the start, and
    /// what it lacks be announced again. (It can also be false when nothing is lost, after a pause in which nothing was added.)
    pub fn continues(&self, known: Oldest, trim_before: Timestamp) -> bool {
        match (known, self.oldest) {
            (Oldest::NotSaid | Oldest::Nowhere, _) | (_, Oldest::NotSaid) => true,
            (Oldest::At(_), Oldest::Nowhere) => false,
            (Oldest::At(known), Oldest::At(now)) => known == now || (known < now && now <= Cursor::at(trim_before)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(next: u64, oldest: Oldest) -> Page {
        Page {
            now: Timestamp::from_millis(1_000_000),
            entries: Vec::new(),
            foreign: 0,
            ahead: 0,
            next: at(next),
            rest: Rest::Nothing,
            oldest,
        }
    }

    const fn at(millis: u64) -> Cursor {
        Cursor::at(Timestamp::from_millis(millis))
    }

    #[test]
    fn the_next_round_reads_a_minute_again_and_never_begins_in_the_future() {
        for (reached, next) in [(900_000, 840_000), (1_000_000, 940_000), (2_000_000, 940_000), (u64::MAX, 940_000), (0, 0)] {
            assert_eq!(page(reached, Oldest::NotSaid).next_round(), at(next), "{reached}");
        }
    }

    #[test]
    fn a_stream_that_was_emptied_replaced_or_cut_is_told_from_one_that_was_trimmed() {
        use Oldest::{At, NotSaid, Nowhere};
        let trim_before = Timestamp::from_millis(500);
        for (known, oldest, continues) in [
            (At(at(100)), At(at(100)), true),
            (At(at(100)), At(at(500)), true),
            (At(at(100)), At(at(501)), false),
            (At(at(100)), At(at(99)), false),
            (At(at(100)), Nowhere, false),
            (At(at(100)), NotSaid, true),
            (Nowhere, At(at(900)), true),
            (Nowhere, Nowhere, true),
            (NotSaid, At(at(900)), true),
        ] {
            assert_eq!(page(0, oldest).continues(known, trim_before), continues, "{known:?} {oldest:?}");
        }
    }
}
