//! One round of reading: from where the last one ended, or a minute earlier, up to now, in one or more pages. It hears what other
//! replicas have announced, and finds out whether the store has lost anything. It makes no call.

use std::collections::BTreeSet;

use crate::http::message::{HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::{Entry, Rest};
use crate::revocations::store::Store;
use crate::session::ended::announcement::Announced;
use crate::session::ended::mark::Mark;
use crate::session::ended::recorded::WithoutRoom;
use crate::step::event::Event;
use crate::upkeep::revocations::again::Marks;
use crate::upkeep::revocations::shared::Progress;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// The most entries of a page.
const MOST: usize = 1_000;

/// If more entries than these were heard in the last minute, they are not read again: Redis sends 64 KiB at a time.
const MOST_AGAIN: usize = 400;

/// The places of the most entries that are remembered as heard: the newest. Others are heard again, which changes nothing: so a
/// store that always has more takes no memory.
const MOST_HEARD: usize = 10_000;

/// Of so many entries, what they say is taken over together: a replica that starts hears of hundreds of thousands, and each table
/// is cut into a thousand pieces, of which each is written anew when it changes.
const MOST_TOGETHER: usize = 20_000;

/// A round under way.
pub(super) struct Round {
    /// Where the next page begins.
    from: Cursor,
    /// The entry that was read last in an earlier round, which must still be there.
    expected: Option<Cursor>,
    /// Whether it was.
    found: bool,
    /// How often the store had lost something when the round began.
    losses: u64,
    /// The last entry that was read.
    last: Option<Cursor>,
    /// What was read, and is not taken over yet.
    told: Vec<(String, Vec<Mark>)>,
    /// The marks of each end that nobody has proved.
    unproved: Vec<Vec<Mark>>,
    /// The places of the entries that were read, and whose marks are not taken over yet.
    read: Vec<Cursor>,
    /// All marks in the store, if the round reads everything to find out what the store lacks.
    known: Option<Marks>,
    /// How many announcements were read that are for a table which is not here.
    of_unknown_tables: usize,
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
        let (told, unproved, read) = (Vec::new(), Vec::new(), Vec::new());
        let (expected, losses, last, known) = (progress.last, progress.losses, None, None);
        Self { from, expected, found: false, losses, last, told, unproved, read, known, of_unknown_tables: 0 }
    }

    /// A round that reads everything, to find out what the store lacks.
    pub(super) fn of_all(progress: &Progress) -> Self {
        Self { from: Cursor::START, known: Some(Marks::default()), ..Self::new(progress) }
    }

    /// Whether it reads everything, to find out what the store lacks.
    pub(super) const fn reads_all(&self) -> bool {
        self.known.is_some()
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
    /// If it cannot be read. What was read before holds nevertheless.
    pub(super) fn page(
        &mut self,
        turn: &mut Turn<'_>,
        store: &Store,
        heard: &mut BTreeSet<Cursor>,
        reply: &Reply,
    ) -> Result<Next, Failure> {
        let page = store.page(self.from, MOST, reply).inspect_err(|_| self.take_over(turn, heard))?;
        if page.foreign > 0 {
            turn.events.push(Event::RevocationsForged(page.foreign));
        }
        self.found |= page.entries.iter().any(|entry| Some(entry.cursor) == self.expected);
        self.last = page.entries.last().map(|entry| entry.cursor).or(self.last);
        turn.ended.stand_in_the_store(turn.world, page.entries.iter().map(|entry| entry.bytes.as_slice()));
        let reads_all = self.reads_all();
        let new: Vec<_> = page.entries.iter().filter(|entry| reads_all || !heard.contains(&entry.cursor)).collect();
        self.read(turn, &new);
        let is_complete = page.rest != Rest::More;
        if is_complete || self.read.len() >= MOST_TOGETHER {
            self.take_over(turn, heard);
        }
        if !is_complete {
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

    /// Reads what entries say.
    fn read(&mut self, turn: &mut Turn<'_>, entries: &[&Entry]) {
        let said = turn.ended.read(entries.iter().map(|entry| entry.bytes.as_slice()));
        let count = |kind: Announced| said.iter().filter(|one| **one == kind).count();
        for (number, event) in [
            (count(Announced::Forged), Event::RevocationsForged as fn(usize) -> Event),
            (count(Announced::ByUnknownKeys), Event::RevocationsByUnknownKeys),
        ] {
            turn.events.extend((number > 0).then(|| event(number)));
        }
        self.read.extend(entries.iter().map(|entry| entry.cursor));
        for one in said {
            match one {
                Announced::Marks(provider, marks) => {
                    if let Some(known) = &mut self.known {
                        marks.iter().for_each(|mark| known.add(mark));
                    }
                    self.told.push((provider, marks));
                }
                Announced::Unproved(marks) => self.unproved.push(marks),
                Announced::OfUnknownTable => self.of_unknown_tables = self.of_unknown_tables.saturating_add(1),
                Announced::ByUnknownKeys | Announced::Forged => {}
            }
        }
    }

    /// How many announcements were skipped since this was asked last, because they are for a table that is not here.
    pub(super) const fn take_of_unknown_tables(&mut self) -> usize {
        std::mem::replace(&mut self.of_unknown_tables, 0)
    }

    /// From now on, what was read holds, and is not read again.
    pub(super) fn take_over(&mut self, turn: &mut Turn<'_>, heard: &mut BTreeSet<Cursor>) {
        let (told, unproved) = (std::mem::take(&mut self.told), std::mem::take(&mut self.unproved));
        let WithoutRoom { proved, unproved } = turn.ended.take_over(turn.world, told, &unproved);
        turn.events.extend((proved > 0).then_some(Event::RevocationsWithoutRoom(proved)));
        turn.events.extend((unproved > 0).then_some(Event::UnprovedWithoutRoom(unproved)));
        heard.extend(self.read.drain(..));
        while heard.len() > MOST_HEARD {
            heard.pop_first();
        }
    }

    /// Whether the entry that was read last in an earlier round is not there any more, although it is not so old that it could have
    /// been removed.
    pub(super) fn has_lost(&self, removed_before: Timestamp) -> bool {
        !self.found && self.expected.is_some_and(|expected| expected.time() >= removed_before)
    }

    /// Whether the store has lost something since the round began: what was read may be gone.
    pub(super) const fn is_outdated(&self, progress: &Progress) -> bool {
        self.losses != progress.losses
    }

    /// All marks in the store, if the round has read everything.
    pub(super) fn known(self) -> Option<Marks> {
        self.known
    }
}
