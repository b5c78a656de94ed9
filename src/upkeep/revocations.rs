//! What has ended, told to other replicas and heard from them, by the store that they share: what this process has ended is sent
//! at once, and one worker of the process reads the store every second. No request waits for what is done here. How entries are
//! kept in a store is not known here, nor who may end what.
//!
//! A store may lose what it has acknowledged: it was emptied, restored from a copy, or a replica of it took over that lacked the
//! last second. That is seen when the entry that was read last is not there. Then everything is read again, and what this process
//! knows and the store does not is announced again.

mod again;
mod asking;
mod attempts;
mod round;
mod shared;
mod stale;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::settings::{Revocations as Configured, Settings};
use crate::http::message::Reply;
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::NamedValue;
use crate::step::event::Event;
use crate::upkeep::failing::Failing;
use crate::upkeep::lease;
use crate::upkeep::process;
use crate::upkeep::question::Question;
use crate::upkeep::revocations::again::{Again, Marks};
use crate::upkeep::revocations::asking::{announce, ask, is_ahead, patience, read, removed_before, under_way};
use crate::upkeep::revocations::attempts::Attempts;
use crate::upkeep::revocations::round::{Complete, Next, Round};
use crate::upkeep::revocations::shared::{Place, Progress};
use crate::upkeep::revocations::stale::Staleness;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The time between two rounds of reading.
const PERIOD: Duration = Duration::from_secs(1);

/// When another worker is asking the store, look again after this time.
const SOON: Duration = Duration::from_millis(100);

/// The most announcements of one call: 40 KiB, with two keys twice as much.
const MOST_AT_ONCE: usize = 500;

/// While the store's clock is ahead, the log is told so often, and it is found out so often what the store has lost by that.
const AHEAD_AGAIN: Duration = Duration::from_secs(600);

/// How long [`Revocations::current`] is content with what it read before.
const FRESH: Duration = Duration::from_millis(100);

/// How this worker tells and hears.
pub struct Revocations {
    place: Option<Place>,
    /// The round that this worker reads, and when its page was asked for.
    round: Option<(Round, Timestamp)>,
    /// A round of everything that waits until what is new was read, and since when it waits.
    aside: Option<(Round, Timestamp)>,
    /// The places of the entries that this worker has heard within about a minute.
    heard: BTreeSet<Cursor>,
    /// What this worker announces again, because the store has lost it.
    again: Option<Again>,
    /// What the store is to keep under names, and for how long.
    to_put: Vec<(String, Vec<u8>, Duration)>,
    /// Whether reading fails.
    reading: Failing,
    /// Whether announcing fails: a store that is full, or whose user may not add entries, fails in that alone.
    announcing: Failing,
    /// Whether keeping something under a name fails, which its user may not be allowed either.
    keeping: Failing,
    /// When the log was told that the store's clock is ahead.
    told_ahead: Option<Timestamp>,
    /// Whether the log was told of announcements for a table that is not here.
    told_of_unknown_tables: bool,
    /// When the store did not take something. For a moment, what is new is not sent at once.
    announce_failed: Timestamp,
    /// Until when everything is known, and when that was looked up.
    current: (Option<Timestamp>, Timestamp),
    /// What this worker thinks of that.
    staleness: Staleness,
}

impl Revocations {
    /// Nothing was read yet. Where no store is configured, nothing ever is.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            place: settings.revocations.as_ref().map(|configured| Place::new(settings, configured)),
            round: None,
            aside: None,
            heard: BTreeSet::new(),
            again: None,
            to_put: Vec::new(),
            reading: Failing::default(),
            announcing: Failing::default(),
            keeping: Failing::default(),
            told_ahead: None,
            told_of_unknown_tables: false,
            announce_failed: Timestamp::default(),
            current: (None, Timestamp::from_millis(u64::MAX)),
            staleness: Staleness::new(),
        }
    }

    /// Has the store keep a value under a name for this time, soon. It may get lost.
    pub fn put(&mut self, name: String, value: &[u8], lifetime: Duration) {
        if self.to_put.len() < MOST_AT_ONCE {
            self.to_put.push((name, value.to_vec(), lifetime));
        }
    }

    /// Whether a tick is wanted at once.
    pub const fn is_in_a_hurry(&self) -> bool {
        !self.to_put.is_empty()
    }

    /// Whether the store lacks nothing that this process knows, as far as it was found out.
    pub fn owes_nothing(&self, world: &dyn World, now: Timestamp) -> bool {
        self.place.as_ref().is_some_and(|place| !place.load(world, now).owes)
    }

    /// Whether what is known is too old to accept a session by it, as is configured.
    pub fn is_too_old(&mut self, settings: &Settings, world: &dyn World, now: Timestamp) -> bool {
        let Some(configured) = &settings.revocations else { return false };
        let Some(refuse_after) = configured.refuse_after else { return false };
        let current = self.current(world, now);
        self.staleness.is_too_old(current, now, (refuse_after, configured.store.timeout()))
    }

    /// Until when everything is known that other replicas have announced; `None` until this process has read it all once.
    fn current(&mut self, world: &dyn World, now: Timestamp) -> Option<Timestamp> {
        let (current, looked) = self.current;
        if now >= looked && now.since(looked) < FRESH {
            return current;
        }
        let current = self.place.as_ref().and_then(|place| place.load(world, now).current);
        self.current = (current, now);
        current
    }

    /// Does what is due. Returns after which time it wants to be called again.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) -> Duration {
        // It is looked all the time, so that a clock that jumps is not taken for time that passes.
        self.is_too_old(turn.settings, turn.world, turn.now);
        let (Some(place), Some(configured)) = (&self.place, &turn.settings.revocations) else { return PERIOD };
        let unsent = turn.ended.take_unsent();
        // While the store takes nothing, what is in the queue waits for the next round.
        if turn.now.since(self.announce_failed) >= PERIOD || turn.now < self.announce_failed {
            announce(turn, configured, place, unsent);
        }
        tell_troubles(turn, place);
        for (name, value, lifetime) in self.to_put.drain(..) {
            let lifetime = lifetime.max(Duration::from_secs(1));
            ask(turn, configured.store.put(&NamedValue { name: &name, value: &value, lifetime }), Question::Put);
        }
        let waits = |asked: Timestamp| asked <= turn.now && turn.now.since(asked) < patience(configured);
        if self.round.as_ref().is_some_and(|(_, asked)| waits(*asked)) {
            return SOON;
        }
        // No answer came. What was read before holds nevertheless.
        if let Some((mut given_up, _)) = self.round.take() {
            given_up.take_over(turn, &mut self.heard);
        }
        let progress = place.load(turn.world, turn.now);
        let due = progress.asked.plus(PERIOD);
        if turn.now < due {
            return due.since(turn.now);
        }
        let round = if self.looks(turn, &progress) { Round::of_all(&progress) } else { Round::new(&progress) };
        self.round = read(turn, configured, place, round, &mut self.heard);
        SOON
    }

    /// Takes the store's answer to a call that was made at `began`.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, question: &Question, began: Timestamp, reply: &Reply) {
        let (Some(place), Some(configured)) = (self.place.take(), &turn.settings.revocations) else { return };
        let outcome = match question {
            Question::Read(from) => match self.page(turn, (configured, &place), (*from, began), reply) {
                Some(read) => read,
                None => {
                    // Nobody asks for this page any more: whether the store works, the next ones say.
                    self.place = Some(place);
                    return;
                }
            },
            // They stay in the queue until they were read: a store can lose what it has just acknowledged.
            Question::Announce(announcements) => configured.store.announced(announcements.len(), 0, reply).map(|_| {
                turn.events.push(Event::RevocationsAnnounced(announcements.len()));
            }),
            Question::Put => configured.store.was_put(reply),
            Question::ClaimAgain => self.claimed(turn, (configured, &place), reply),
            Question::AnnounceAgain(number) => configured.store.announced(*number, 0, reply).map(|_| {
                turn.events.push(Event::RevocationsAnnounced(*number));
                self.go_on_announcing(turn, (configured, &place));
            }),
        };
        match outcome {
            Ok(()) => {
                let after = self.failing(question).works(turn.now);
                turn.events.extend(after.map(|after| Event::RevocationsAvailable { after }));
            }
            Err(failure) => self.failed(turn, &place, question, failure),
        }
        self.place = Some(place);
    }

    const fn failing(&mut self, question: &Question) -> &mut Failing {
        match question {
            Question::Read(_) => &mut self.reading,
            Question::Announce(_) | Question::AnnounceAgain(_) => &mut self.announcing,
            Question::Put | Question::ClaimAgain => &mut self.keeping,
        }
    }

    fn failed(&mut self, turn: &mut Turn<'_>, place: &Place, question: &Question, failure: Failure) {
        let told = self.failing(question).failed(turn.now);
        match question {
            Question::Announce(_) => self.announce_failed = turn.now,
            Question::ClaimAgain | Question::AnnounceAgain(_) => {
                self.again = None;
                place.change(turn.world, turn.now, |progress| progress.attempts.failed(turn.now));
            }
            Question::Read(_) | Question::Put => {}
        }
        turn.events.push(Event::RevocationsUnavailable { failure, told });
    }

    /// Takes a page, and reads on, or ends the round. `None` if the page belongs to a round that was given up, or to one of an earlier
    /// configuration.
    fn page(
        &mut self,
        turn: &mut Turn<'_>,
        (configured, place): (&Configured, &Place),
        (from, began): (Cursor, Timestamp),
        reply: &Reply,
    ) -> Option<Result<(), Failure>> {
        let (mut round, _) = self.round.take_if(|(round, _)| round.from() == from)?;
        lease::release(turn.world, &place.lease());
        let next = round.page(turn, &configured.store, &mut self.heard, reply);
        let number = round.take_of_unknown_tables();
        if number > 0 {
            let told = !std::mem::replace(&mut self.told_of_unknown_tables, true);
            turn.events.push(Event::RevocationsOfUnknownTable { number, told });
        }
        let next = match next {
            Ok(next) => next,
            Err(failure) => return Some(Err(failure)),
        };
        match next {
            Next::Page => {
                // However long it takes to read everything, what is new is heard every second.
                let progress = place.load(turn.world, turn.now);
                if round.reads_all() && progress.is_older_than(PERIOD, turn.now) {
                    self.aside = Some((round, turn.now));
                    round = Round::new(&progress);
                }
                self.round = read(turn, configured, place, round, &mut self.heard);
            }
            Next::Complete(complete) => self.end_round(turn, (configured, place), began, round, &complete),
        }
        Some(Ok(()))
    }

    /// Notes what is known now, sends what is waiting, and sees to it that what the store has lost is announced again.
    fn end_round(
        &mut self,
        turn: &mut Turn<'_>,
        (configured, place): (&Configured, &Place),
        began: Timestamp,
        round: Round,
        complete: &Complete,
    ) {
        let removed_before = removed_before(turn.settings, complete.store_clock, turn.now);
        let may_lack = self.tells_ahead(turn, complete.store_clock);
        let has_lost = round.has_lost(removed_before);
        if has_lost && !place.load(turn.world, turn.now).owes {
            turn.events.push(Event::RevocationsLost);
        }
        let progress = place.change(turn.world, turn.now, |progress| {
            progress.store_clock = Some(complete.store_clock);
            progress.next = Some(complete.next);
            progress.current = Some(began);
            progress.owes |= has_lost || may_lack;
            progress.losses = progress.losses.wrapping_add(has_lost.into());
            let before = progress.last.filter(|last| !has_lost && last.time() >= removed_before);
            progress.last = complete.last.or(before);
            *progress
        });
        self.current = (progress.current, turn.now);
        turn.events.push(Event::RevocationsCurrent(began));
        let aside = self.aside.take().filter(|(_, since)| turn.now.since(*since) < under_way(configured));
        let is_outdated = round.is_outdated(&progress);
        match (round.known(), aside) {
            // It is looked again with the next round.
            (Some(_), _) if is_outdated => place.change(turn.world, turn.now, |progress| progress.attempts.begin_anew()),
            (Some(known), _) => self.begin_announcing(turn, (configured, place), known),
            (None, Some((aside, _))) => self.round = read(turn, configured, place, aside, &mut self.heard),
            (None, None) if self.looks(turn, &progress) => {
                self.round = read(turn, configured, place, Round::of_all(&progress), &mut self.heard);
            }
            (None, None) => {}
        }
        let mut waiting = turn.ended.waiting(turn.world);
        waiting.truncate(MOST_AT_ONCE);
        announce(turn, configured, place, waiting);
    }

    /// Tells if the store's clock is ahead, unless that was just told. By such a clock, whoever believes it has removed what still
    /// matters.
    fn tells_ahead(&mut self, turn: &mut Turn<'_>, store_clock: Timestamp) -> bool {
        let Some(ahead) = is_ahead(store_clock, turn.now) else { return false };
        let was_told = |told: Timestamp| told <= turn.now && turn.now.since(told) < AHEAD_AGAIN;
        if self.told_ahead.is_some_and(was_told) {
            return false;
        }
        self.told_ahead = Some(turn.now);
        turn.events.push(Event::RevocationsClockAhead(ahead));
        true
    }

    /// Whether this worker is to find out now what the store lacks.
    fn looks(&self, turn: &Turn<'_>, progress: &Progress) -> bool {
        progress.owes && self.again.is_none() && self.aside.is_none() && progress.attempts.may_begin(turn.now)
    }

    /// The store has these marks: claims to announce again what it lacks, or notes that it lacks nothing.
    fn begin_announcing(&mut self, turn: &mut Turn<'_>, (configured, place): (&Configured, &Place), known: Marks) {
        // If another worker finds something missing from here on, this process owes it.
        let (noted, version) = place.read(turn.world, turn.now);
        let Some(process) = process::name(turn.world) else {
            place.change(turn.world, turn.now, |progress| progress.attempts.failed(turn.now));
            return;
        };
        let mut again = Again::new(known, process, turn.now);
        again.prepare(turn);
        if again.is_complete() {
            let owes_nothing = Progress { owes: false, attempts: Attempts::default(), ..noted };
            place.write(turn.world, &owes_nothing, version);
            return;
        }
        // Other workers of this process leave it to this one meanwhile.
        place.change(turn.world, turn.now, |progress| progress.attempts.under_way(turn.now, under_way(configured)));
        ask(turn, again.claim(&configured.store), Question::ClaimAgain);
        self.again = Some(again);
    }

    /// Announces again what the store lacks, if this process has the claim, or whoever has it does nothing by it.
    fn claimed(&mut self, turn: &mut Turn<'_>, (configured, place): (&Configured, &Place), reply: &Reply) -> Result<(), Failure> {
        let Some(again) = &mut self.again else { return Ok(()) };
        if !again.is_claimed(&configured.store, reply)? {
            let missing = again.missing(turn);
            if !place.change(turn.world, turn.now, |progress| progress.attempts.takes_over(turn.now, missing)) {
                self.again = None;
                return Ok(());
            }
            again.take_over();
        }
        self.go_on_announcing(turn, (configured, place));
        Ok(())
    }

    fn go_on_announcing(&mut self, turn: &mut Turn<'_>, (configured, place): (&Configured, &Place)) {
        let Some(again) = &mut self.again else { return };
        let batch = again.batch();
        again.prepare(turn);
        if batch.is_empty() {
            self.again = None;
            place.change(turn.world, turn.now, |progress| progress.attempts.announced(turn.now));
            return;
        }
        place.change(turn.world, turn.now, |progress| progress.attempts.under_way(turn.now, under_way(configured)));
        self.to_put.extend(again.renewed_claim(&configured.store, turn.now));
        let call = configured.store.announce(&batch, &[], None);
        ask(turn, call, Question::AnnounceAgain(batch.len()));
    }
}

/// Tells of ends that found no room. What found none in the queue, the store will be found to lack.
fn tell_troubles(turn: &mut Turn<'_>, place: &Place) {
    let troubles = turn.ended.take_troubles();
    if troubles.without_room > 0 {
        turn.events.push(Event::RevocationsWithoutRoom(troubles.without_room));
    }
    if troubles.not_queued > 0 {
        turn.events.push(Event::RevocationsQueueFull(troubles.not_queued));
        place.change(turn.world, turn.now, |progress| progress.owes = true);
    }
}
