//! One round of reading: from where the last one ended, or a minute earlier, up to now, in one or more pages. It hears what other
//! replicas have announced, and finds out whether the store has lost anything. It makes no call.

use std::collections::{BTreeSet, HashMap};

use crate::http::message::{HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::{Entry, Rest};
use crate::revocations::store::Store;
use crate::session::ended::announcement::Announced;
use crate::session::ended::mark::Mark;
use crate::step::event::Event;
use crate::upkeep::revocations::shared::Progress;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// The most entries of a page.
const MOST: usize = 1_000;

/// If more entries than these were heard in the last minute, they are not read again: Redis sends 64 KiB at a time.
const MOST_AGAIN: usize = 400;

/// The places of the most entries that are remembered as heard. Further ones are heard again, which changes nothing: so a store
/// that always has more takes no memory.
const MOST_HEARD: usize = 10_000;

/// A round under way.
pub(super) struct Round {
    /// Where the next page begins.
    from: Cursor,
    /// The entry that was read last in an earlier round, which must still be there.
    expected: Option<Cursor>,
    /// Whether it was.
    found: bool,
    /// The last entry that was read.
    last: Option<Cursor>,
    /// All marks in the store, by their names, if the round reads everything to find out what the store lacks.
    known: Option<HashMap<u64, Mark>>,
}

/// What follows a page.
pub(super) enum Next {
    /// Another page.
    Page,
    /// Nothing: the round is complete.
    Complete(Complete),
}

/// A round that is complete.
pub(super) struct Complete {
    /// What the store's clock said.
    pub(super) store_clock: Timestamp,
    /// Where the next round begins.
    pub(super) next: Cursor,
    /// The last entry that was read; `None` if there was none.
    pub(super) last: Option<Cursor>,
}

impl Round {
    /// A round that begins where the last one ended.
    pub(super) fn new(progress: &Progress) -> Self {
        let from = progress.next.unwrap_or(Cursor::START);
        Self { from, expected: progress.last, found: false, last: None, known: None }
    }

    /// A round that reads everything, to find out what the store lacks.
    pub(super) fn of_all() -> Self {
        Self { from: Cursor::START, expected: None, found: false, last: None, known: Some(HashMap::new()) }
    }

    /// Where the next page begins.
    pub(super) const fn from(&self) -> Cursor {
        self.from
    }

    /// The call for the next page.
    pub(super) fn call(&self, store: &Store) -> HttpCall {
        store.read(self.from, MOST)
    }

    /// Takes a page. `heard` are the places of entries that this worker has heard within about a minute.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn page(
        &mut self,
        turn: &mut Turn<'_>,
        store: &Store,
        heard: &mut BTreeSet<Cursor>,
        reply: &Reply,
    ) -> Result<Next, Failure> {
        let page = store.page(self.from, MOST, reply)?;
        if page.foreign > 0 {
            turn.events.push(Event::RevocationsForged(page.foreign));
        }
        self.found |= page.entries.iter().any(|entry| Some(entry.cursor) == self.expected);
        self.last = page.entries.last().map(|entry| entry.cursor).or(self.last);
        turn.ended.stand_in_the_store(turn.world, page.entries.iter().map(|entry| entry.bytes.as_slice()));
        let reads_all = self.known.is_some();
        let is_new = |entry: &&Entry| match heard.len() < MOST_HEARD {
            true => heard.insert(entry.cursor) || reads_all,
            false => !heard.contains(&entry.cursor) || reads_all,
        };
        let new: Vec<_> = page.entries.iter().filter(is_new).collect();
        self.hear(turn, &new);
        if page.rest == Rest::More {
            self.from = page.next;
            return Ok(Next::Page);
        }
        let a_minute_before = page.next_round();
        *heard = heard.split_off(&a_minute_before);
        let next = match self.last {
            Some(last) if heard.len() > MOST_AGAIN => last,
            _ => a_minute_before,
        };
        Ok(Next::Complete(Complete { store_clock: page.now, next, last: self.last }))
    }

    fn hear(&mut self, turn: &mut Turn<'_>, entries: &[&Entry]) {
        let (heard, without_room) = turn.ended.hear(turn.world, entries.iter().map(|entry| entry.bytes.as_slice()));
        let count = |kind: Announced| heard.iter().filter(|one| **one == kind).count();
        for (number, event) in [
            (count(Announced::Forged), Event::RevocationsForged as fn(usize) -> Event),
            (count(Announced::ByUnknownKeys), Event::RevocationsByUnknownKeys),
            (without_room, Event::RevocationsWithoutRoom),
        ] {
            turn.events.extend((number > 0).then(|| event(number)));
        }
        if let Some(known) = &mut self.known {
            let marks = heard.iter().filter_map(|one| if let Announced::Marks(_, marks) = one { Some(marks) } else { None });
            for mark in marks.flatten() {
                known.entry(mark.name).and_modify(|known| *known = known.and(*mark)).or_insert(*mark);
            }
        }
    }

    /// Whether the entry that was read last in an earlier round is not there any more, although it is not so old that it could have
    /// been removed.
    pub(super) fn has_lost(&self, removed_before: Timestamp) -> bool {
        !self.found && self.expected.is_some_and(|expected| expected.time() >= removed_before)
    }

    /// All marks in the store, by their names, if the round has read everything.
    pub(super) fn known(self) -> Option<HashMap<u64, Mark>> {
        self.known
    }
}
