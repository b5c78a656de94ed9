//! What has ended, told to other replicas and heard from them, by the store that they share: what this process has ended is sent
//! at once, and one worker of the process reads the store every second. No request waits for what is done here. How entries are
//! kept in a store is not known here, nor who may end what.
//!
//! A store may lose what it has acknowledged: it was emptied, restored from a copy, or a replica of it took over that lacked the
//! last second. That is seen when the entry that was read last is not there. Then everything is read again, and what this process
//! knows and the store does not is announced again.

mod again;
mod round;
mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::settings::{Revocations as Configured, Settings};
use crate::http::message::{HttpCall, Reply};
use crate::revocations::cursor::Cursor;
use crate::revocations::exchanged::NamedValue;
use crate::step::event::Event;
use crate::upkeep::failing::Failing;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::lease::{self, Grant, Urgency};
use crate::upkeep::question::Question;
use crate::upkeep::revocations::again::Again;
use crate::upkeep::revocations::round::{Complete, Next, Round};
use crate::upkeep::revocations::shared::{Place, Progress};
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

/// How long an entry is left in the store, by the store's clock, after the longest session that it could end when it was added. It
/// matters for up to twenty minutes of that; the rest is for clocks that differ.
const MARGIN: Duration = Duration::from_secs(3_600);

/// How long [`Revocations::current`] is content with what it read before.
const FRESH: Duration = Duration::from_millis(100);

/// How this worker tells and hears.
pub struct Revocations {
    place: Option<Place>,
    /// The round that this worker reads, and when it is given up.
    round: Option<(Round, Timestamp)>,
    /// The places of the entries that this worker has heard within about a minute.
    heard: BTreeSet<Cursor>,
    /// What this worker announces again, because the store has lost it.
    again: Option<Again>,
    /// Before this time, nothing that was lost is announced again: another replica does it.
    again_not_before: Timestamp,
    /// How often in a row another replica did.
    claims_lost: u32,
    /// How often in a row the store did not take it.
    again_fails: u32,
    /// What the store is to keep under names, and for how long.
    to_put: Vec<(String, &'static [u8], Duration)>,
    /// Whether reading fails.
    reading: Failing,
    /// Whether announcing fails: a store that is full, or whose user may not add entries, fails in that alone.
    announcing: Failing,
    /// Whether keeping something under a name fails, which its user may not be allowed either.
    keeping: Failing,
    /// Whether the log was told of announcements for a table that is not here.
    told_of_unknown_tables: bool,
    /// Before this time, what is new is not sent at once, because the store has just refused something.
    announce_not_before: Timestamp,
    /// Until when everything is known, and when that was looked up.
    current: (Option<Timestamp>, Timestamp),
}

impl Revocations {
    /// Nothing was read yet. Where no store is configured, nothing ever is.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            place: settings.revocations.as_ref().map(|configured| Place::new(settings, configured)),
            round: None,
            heard: BTreeSet::new(),
            again: None,
            again_not_before: Timestamp::default(),
            claims_lost: 0,
            again_fails: 0,
            to_put: Vec::new(),
            reading: Failing::default(),
            announcing: Failing::default(),
            keeping: Failing::default(),
            told_of_unknown_tables: false,
            announce_not_before: Timestamp::default(),
            current: (None, Timestamp::from_millis(u64::MAX)),
        }
    }

    /// Has the store keep a value under a name for this time, soon. It may get lost.
    pub fn put(&mut self, name: String, value: &'static [u8], lifetime: Duration) {
        if self.to_put.len() < MOST_AT_ONCE {
            self.to_put.push((name, value, lifetime));
        }
    }

    /// Whether a tick is wanted at once.
    pub const fn is_in_a_hurry(&self) -> bool {
        !self.to_put.is_empty()
    }

    /// Whether what is known is too old to accept a session by it, as is configured.
    pub fn is_too_old(&mut self, settings: &Settings, world: &dyn World, now: Timestamp) -> bool {
        let configured = settings.revocations.as_ref();
        let Some(refuse_after) = configured.and_then(|configured| configured.refuse_after) else { return false };
        self.current(world, now).is_none_or(|current| now.since(current) > refuse_after)
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
        let (Some(place), Some(configured)) = (&self.place, &turn.settings.revocations) else { return PERIOD };
        let unsent = turn.ended.take_unsent();
        // While the store takes nothing, what is in the queue waits for the next round.
        if turn.now >= self.announce_not_before {
            announce(turn, configured, place, unsent);
        }
        tell_troubles(turn, place);
        for (name, value, lifetime) in self.to_put.drain(..) {
            let lifetime = lifetime.max(Duration::from_secs(1));
            ask(turn, configured.store.put(&NamedValue { name: &name, value, lifetime }), Question::Put);
        }
        if self.round.as_ref().is_some_and(|(_, until)| turn.now < *until) {
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
        let looks = progress.owes && self.again.is_none() && turn.now >= self.again_not_before;
        let round = if looks { Round::of_all() } else { Round::new(&progress) };
        self.round = read(turn, configured, place, round, &mut self.heard);
        SOON
    }

    /// Takes the store's answer to a call that was made at `began`.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, question: &Question, began: Timestamp, reply: &Reply) {
        let (Some(place), Some(configured)) = (self.place.take(), &turn.settings.revocations) else { return };
        let outcome = match question {
            Question::Read(from) => self.page(turn, (configured, &place), (*from, began), reply),
            // They stay in the queue until they were read: a store can lose what it has just acknowledged.
            Question::Announce(announcements) => configured.store.announced(announcements.len(), 0, reply).map(|_| {
                turn.events.push(Event::RevocationsAnnounced(announcements.len()));
            }),
            Question::Put => configured.store.was_put(reply),
            Question::ClaimAgain => match again::may_begin(&configured.store, reply, &mut self.claims_lost) {
                Ok(true) => {
                    self.go_on_announcing(turn, configured);
                    Ok(())
                }
                other => {
                    self.again_fails = self.again_fails.saturating_add(u32::from(other.is_err()));
                    self.look_again_later(turn);
                    other.map(|_| ())
                }
            },
            Question::AnnounceAgain(number) => match configured.store.announced(*number, 0, reply) {
                Ok(_) => {
                    turn.events.push(Event::RevocationsAnnounced(*number));
                    self.go_on_announcing(turn, configured);
                    Ok(())
                }
                Err(failure) => {
                    self.again_fails = self.again_fails.saturating_add(1);
                    self.look_again_later(turn);
                    Err(failure)
                }
            },
        };
        match outcome {
            Ok(()) => {
                let after = self.failing(question).works(turn.now);
                turn.events.extend(after.map(|after| Event::RevocationsAvailable { after }));
            }
            Err(failure) => self.failed(turn, question, failure),
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

    fn failed(&mut self, turn: &mut Turn<'_>, question: &Question, failure: Failure) {
        let told = self.failing(question).failed(turn.now);
        if matches!(question, Question::Announce(_)) {
            self.announce_not_before = turn.now.plus(PERIOD);
        }
        turn.events.push(Event::RevocationsUnavailable { failure, told });
    }

    /// Takes a page, and reads on, or ends the round.
    fn page(
        &mut self,
        turn: &mut Turn<'_>,
        (configured, place): (&Configured, &Place),
        (from, began): (Cursor, Timestamp),
        reply: &Reply,
    ) -> Result<(), Failure> {
        // An answer to a round that was given up, or to one of an earlier configuration.
        if self.round.as_ref().is_none_or(|(round, _)| round.from() != from) {
            return Ok(());
        }
        let Some((mut round, _)) = self.round.take() else { return Ok(()) };
        lease::release(turn.world, &place.lease());
        let next = round.page(turn, &configured.store, &mut self.heard, reply);
        let number = round.take_of_unknown_tables();
        if number > 0 {
            let told = !std::mem::replace(&mut self.told_of_unknown_tables, true);
            turn.events.push(Event::RevocationsOfUnknownTable { number, told });
        }
        match next? {
            Next::Page => self.round = read(turn, configured, place, round, &mut self.heard),
            Next::Complete(complete) => self.end_round(turn, (configured, place), began, round, &complete),
        }
        Ok(())
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
        let mut progress = place.load(turn.world, turn.now);
        progress.compare_clocks(complete.store_clock, began);
        progress.next = Some(complete.next);
        progress.current = Some(began);
        let removed_before = complete.store_clock.minus(kept_for(turn.settings));
        if round.has_lost(removed_before) && !progress.owes {
            turn.events.push(Event::RevocationsLost);
            progress.owes = true;
        }
        if !progress.owes {
            progress.last = complete.last.or(progress.last.filter(|last| last.time() >= removed_before));
        }
        place.store(turn.world, &progress);
        self.current = (progress.current, turn.now);
        turn.events.push(Event::RevocationsCurrent(began));
        match round.known() {
            Some(known) => {
                self.again_not_before = turn.now.plus(again::PAUSE);
                let mut again = Again::new(known, turn.now);
                again.prepare(turn);
                if again.is_complete() {
                    self.claims_lost = 0;
                    owes_nothing(turn, place, complete.last);
                } else {
                    self.again = Some(again);
                    ask(turn, again::claim(&configured.store), Question::ClaimAgain);
                }
            }
            None if progress.owes && self.again.is_none() && turn.now >= self.again_not_before => {
                self.round = read(turn, configured, place, Round::of_all(), &mut self.heard);
            }
            None => {}
        }
        let mut waiting = turn.ended.waiting(turn.world);
        waiting.truncate(MOST_AT_ONCE);
        announce(turn, configured, place, waiting);
    }

    /// This replica has announced what the store lacked, or could not, or another one does it: later it looks again what is missing.
    fn look_again_later(&mut self, turn: &Turn<'_>) {
        self.again = None;
        self.again_not_before = turn.now.plus(again::pause(self.again_fails));
    }

    fn go_on_announcing(&mut self, turn: &mut Turn<'_>, configured: &Configured) {
        let Some(again) = &mut self.again else { return };
        let batch = again.batch();
        again.prepare(turn);
        if batch.is_empty() {
            // Whether the store has kept it all, the next round that reads everything finds out.
            self.again_fails = 0;
            self.look_again_later(turn);
            return;
        }
        self.to_put.extend(again.renewed_claim(turn.now));
        let call = configured.store.announce(&batch, &[], None);
        ask(turn, call, Question::AnnounceAgain(batch.len()));
    }
}

/// Notes that the store lacks nothing that this process knows, up to this entry.
fn owes_nothing(turn: &mut Turn<'_>, place: &Place, last: Option<Cursor>) {
    let progress = Progress { last, owes: false, ..place.load(turn.world, turn.now) };
    place.store(turn.world, &progress);
}

/// Tells of ends that found no room. What found none in the queue, the store will be found to lack.
fn tell_troubles(turn: &mut Turn<'_>, place: &Place) {
    let troubles = turn.ended.take_troubles();
    if troubles.without_room > 0 {
        turn.events.push(Event::RevocationsWithoutRoom(troubles.without_room));
    }
    if troubles.not_queued > 0 {
        turn.events.push(Event::RevocationsQueueFull);
        let progress = Progress { owes: true, ..place.load(turn.world, turn.now) };
        place.store(turn.world, &progress);
    }
}

/// Asks for the next page of a round, unless another worker reads. Returns the round, and when it is given up.
fn read(
    turn: &mut Turn<'_>,
    configured: &Configured,
    place: &Place,
    mut round: Round,
    heard: &mut BTreeSet<Cursor>,
) -> Option<(Round, Timestamp)> {
    // As long as the answer may take, and a second. If this worker dies meanwhile, another one goes on after this time.
    let span = configured.store.timeout().saturating_add(Duration::from_secs(1));
    if lease::acquire(turn.world, &place.lease(), turn.now, span, Urgency::Due) != Grant::Granted {
        round.take_over(turn, heard);
        return None;
    }
    let progress = Progress { asked: turn.now, ..place.load(turn.world, turn.now) };
    place.store(turn.world, &progress);
    ask(turn, round.call(&configured.store), Question::Read(round.from()));
    Some((round, turn.now.plus(span)))
}

/// How long entries matter, by the store's clock.
fn kept_for(settings: &Settings) -> Duration {
    settings.session.longest().saturating_add(MARGIN)
}

/// Sends announcements, if there are any. Entries that nobody needs any more are removed from the store with them: by the store's
/// own clock, because ours may be wrong.
fn announce(turn: &mut Turn<'_>, configured: &Configured, place: &Place, announcements: Vec<Vec<u8>>) {
    if announcements.is_empty() {
        return;
    }
    let progress = place.load(turn.world, turn.now);
    let store_clock = progress.current.map(|_| progress.store_clock(turn.now));
    let removed_before = store_clock.map(|clock| clock.minus(kept_for(turn.settings)));
    let call = configured.store.announce(&announcements, &[], removed_before);
    ask(turn, call, Question::Announce(announcements));
}

/// Has a call made.
fn ask(turn: &mut Turn<'_>, call: HttpCall, question: Question) {
    let errand = Errand::Revocations(Box::new(question));
    turn.fetches.push(Fetch { provider: String::new(), errand, call, began: turn.now });
}
