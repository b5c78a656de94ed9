//! What has ended, in any worker of this process and, if they share a store, in any replica: single sessions, sessions of a
//! provider's, persons, everybody. A session has ended if any of its names is marked. Why something ended is not known here, nor
//! how replicas reach each other; `announcement` is what they say, and `outboxes` what they have not said yet.
//!
//! Each worker has a copy of the marks, as far as it needed them. A copy that is up to 100 ms old is good enough to let somebody
//! in. Before a cookie is written, or a token is used that can be used once, the marks themselves are read.

pub mod announcement;
pub mod end;
pub mod mark;
pub mod names;
pub mod operators;
pub mod pieces;
pub mod recorded;
mod reported;
pub mod shared;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod unproved;

use std::time::Duration;

use crate::crypto::end_key::EndKey;
use crate::session::content::{People, Session};
use crate::session::ended::announcement::{Announced, announcement, are_about_the_same};
use crate::session::ended::end::{End, Troubles};
use crate::session::ended::mark::Mark;
use crate::session::ended::names::Names;
use crate::session::ended::operators::OperatorsEnds;
use crate::session::ended::pieces::{Pieces, Size};
use crate::session::ended::recorded::{Recorded, Told, WithoutRoom, ends_among};
use crate::session::ended::reported::{ReportedEnds, table_of};
use crate::session::ended::shared::changes;
use crate::session::ended::shared::outbox::{Left, SentBy};
use crate::session::ended::shared::outboxes::Outboxes;
use crate::session::ended::unproved::{ShownBy, Taken, Unproved};
use crate::session::remembered::tombstone::Tombstones;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// How old what this worker knows may be when it is asked.
pub const FRESH: Duration = Duration::from_millis(100);

/// The table of each provider, and the one of ends that belong to none: 2,097,152 marks, each of 16 bytes.
const OF_A_PROVIDER: Size = Size { pieces: 1_024, marks: 2_048 };

/// What has ended, as far as this worker knows.
pub struct EndedSessions {
    keys: Vec<EndKey>,
    /// What is known of the people who signed in at these providers.
    people: Vec<(String, People)>,
    of_none: Pieces,
    of_providers: Vec<(String, Pieces)>,
    reported_ends: ReportedEnds,
    operators_ends: OperatorsEnds,
    unproved: Unproved,
    /// The state in which the tables were found last.
    changes: Option<u64>,
    looked: Timestamp,
    /// What other replicas are told.
    outboxes: Outboxes,
    /// What found no room since somebody asked.
    troubles: Troubles,
    /// The logout tokens that were answered with 200.
    tokens: Tombstones,
}

impl EndedSessions {
    /// Nothing is known yet. `keys` are those that open sessions; `providers` are the configured names of all by whom people sign
    /// in; `store` names the store that replicas share.
    pub fn new<'a>(keys: &[EndKey], providers: impl Iterator<Item = &'a str>, store: Option<&str>) -> Self {
        let of_provider = |name: &str| (name.to_owned(), Pieces::new(&format!("of/{name}"), OF_A_PROVIDER));
        let of_providers: Vec<_> = providers.map(of_provider).collect();
        Self {
            keys: keys.to_vec(),
            people: Vec::new(),
            of_none: Pieces::new("all", OF_A_PROVIDER),
            reported_ends: ReportedEnds::new(of_providers.iter().map(|(name, _)| name.as_str())),
            operators_ends: OperatorsEnds::new(),
            unproved: Unproved::new(),
            outboxes: Outboxes::new(of_providers.iter().map(|(name, _)| name.as_str()), store),
            of_providers,
            changes: None,
            // It was never looked. A time in the future makes it look when it is first asked.
            looked: Timestamp::from_millis(u64::MAX),
            troubles: Troubles::default(),
            tokens: Tombstones::logout_tokens(),
        }
    }

    /// The same, where this is known of the people who signed in at these providers.
    #[must_use]
    pub fn of_people(self, people: Vec<(String, People)>) -> Self {
        Self { people, ..self }
    }

    /// The same, where what has begun lasts at most for this time.
    #[must_use]
    pub fn of_sessions_that_last(mut self, span: Duration) -> Self {
        self.tables().for_each(|(_, table)| table.last_for(span));
        self.unproved.table.last_for(span);
        self
    }

    /// The names of a session.
    pub fn names(&self, session: &Session) -> Names {
        let people = self.people.iter().find(|(provider, _)| *provider == session.provider);
        Names::new(&self.keys, people.map(|(_, people)| *people).unwrap_or_default(), session)
    }

    /// Ends a session until it would expire, and leaves it to the queue to tell other replicas. This worker knows it at once. Returns
    /// whether there was room.
    pub fn mark(&mut self, world: &mut dyn World, session: &Session) -> bool {
        let recorded = self.end(world, &End::Session(session));
        if session.ends > world.now() {
            self.tell_later(world, &recorded.announcement);
        }
        recorded.kept
    }

    /// What found no room since this was asked last.
    pub fn take_troubles(&mut self) -> Troubles {
        std::mem::take(&mut self.troubles)
    }

    /// Ends something, and leaves it to the queue to tell other replicas. This worker knows it at once. Returns whether there was
    /// room.
    pub fn end_and_tell(&mut self, world: &mut dyn World, end: &End<'_>) -> bool {
        let recorded = self.end(world, end);
        self.tell_later(world, &recorded.announcement);
        recorded.kept
    }

    /// Leaves an announcement to the queue. Returns `false` if it is full, or if nobody is told.
    pub fn tell_later(&mut self, world: &mut dyn World, announcement: &[u8]) -> bool {
        let left = self.outboxes.signed_out.leave(world, announcement, SentBy::Tick);
        self.is_queued(left)
    }

    /// The same, for what somebody is about to send: it is sent from the queue only if it does not arrive.
    pub fn tell_when_asked(&mut self, world: &mut dyn World, announcement: &[u8]) -> bool {
        let left = self.outboxes.signed_out.leave(world, announcement, SentBy::Asker);
        self.is_queued(left)
    }

    fn is_queued(&mut self, left: Left) -> bool {
        self.troubles.not_queued = self.troubles.not_queued.saturating_add(usize::from(left == Left::QueueFull));
        left == Left::Queued
    }

    /// Leaves to a queue of its own what an operator has ended, for what somebody `is_about_to` send, or for what nobody is.
    pub fn tell_by_operator(&mut self, world: &mut dyn World, end: &End<'_>, announcement: &[u8], is_about_to: bool) -> bool {
        let sent_by = if is_about_to { SentBy::Asker } else { SentBy::Tick };
        let left = OperatorsEnds::outbox_of(&mut self.outboxes, end).leave(world, announcement, sent_by);
        self.is_queued(left)
    }

    /// Leaves to a queue of their own what a transmitter has reported.
    pub fn tell_reported(&mut self, world: &mut dyn World, announcements: &[Vec<u8>], sent_by: SentBy) {
        for announcement in announcements {
            let left = self.outboxes.reported.leave(world, announcement, sent_by);
            self.is_queued(left);
        }
    }

    /// Whether replicas need not be told of what a transmitter has reported: this process knew it before, and nothing of the same waits
    /// to be told. Whatever else the store may lack is not known here.
    pub fn was_told_as_reported(&self, world: &dyn World, recorded: &Recorded) -> bool {
        let of_the_same = |waiting: &[u8]| are_about_the_same(waiting, &recorded.announcement);
        let queue = self.outboxes.reported.queue();
        !recorded.is_new && queue.is_some_and(|queue| queue.has_none(world, of_the_same))
    }

    /// Whether this worker has announcements that nobody has sent yet.
    pub fn has_unsent(&self) -> bool {
        self.outboxes.has_unsent()
    }

    /// The same, and whoever asks sends them. What is too much for one call stays for the next.
    pub fn take_unsent(&mut self) -> Vec<Vec<u8>> {
        self.outboxes.take_unsent()
    }

    /// What waits to be told to other replicas, in the order in which it is told.
    pub fn waiting(&self, world: &dyn World) -> Vec<Vec<u8>> {
        self.outboxes.waiting(world)
    }

    /// Takes out of the queues what stands in the store. An acknowledgement alone is not enough: a store can lose what it has just
    /// acknowledged.
    pub fn stand_in_the_store<'a>(&self, world: &mut dyn World, entries: impl Iterator<Item = &'a [u8]>) {
        self.outboxes.stand_in_the_store(world, &entries.collect::<Vec<_>>());
    }

    /// Ends something in this process. This worker knows it at once, others within 100 ms. Who calls this tells other replicas.
    pub fn end(&mut self, world: &mut dyn World, end: &End<'_>) -> Recorded {
        let (provider, marks) = self.marks_of(end);
        self.keep(world, provider, &marks)
    }

    /// The same, for what a transmitter of security events ends. It stands in a table of its own, so that sign-outs and the providers'
    /// own logout tokens leave it the same room as it leaves them.
    pub fn end_as_reported(&mut self, world: &mut dyn World, end: &End<'_>) -> Recorded {
        let (provider, marks) = self.marks_of(end);
        self.keep(world, &table_of(provider), &marks)
    }

    /// The same, for what an operator ends, in tables of their own.
    pub fn end_by_operator(&mut self, world: &mut dyn World, end: &End<'_>) -> Recorded {
        let (_, marks) = end.marks(&self.keys);
        self.keep(world, OperatorsEnds::table_of(end), &marks)
    }

    /// Ends the sessions that began until now, by our own clock, with a session of the provider's, although nobody has proved that it
    /// ended, and tells other replicas; only so many for each client and each provider.
    pub fn end_unproved(
        &mut self,
        world: &mut dyn World,
        (provider, sid): (&str, &str),
        until: Timestamp,
        shown_by: ShownBy,
    ) -> Taken {
        let now = world.now();
        let (provider, marks) = self.marks_of(&End::AtProvider { provider, sid, begun_by: now, until });
        let outbox = self.outboxes.unproved(provider);
        let (taken, is_changed) = self.unproved.end(world, &self.keys, (provider, shown_by, outbox), &marks, now);
        self.count_up(world, is_changed);
        taken
    }

    /// Counts a request that would have ended something, and that no frame has made.
    pub fn not_in_frame(&self, world: &mut dyn World) -> Taken {
        Unproved::not_in_frame(world, &self.keys)
    }

    /// Reads the announcements of other replicas. What they say holds after [`EndedSessions::take_over`].
    pub fn read<'a>(&self, told: impl Iterator<Item = &'a [u8]>) -> Vec<Announced> {
        let (reported, operators) = (&self.reported_ends.tables, &self.operators_ends.tables);
        let tables = || self.of_providers.iter().chain(reported).chain(operators).map(|(name, _)| name.as_str());
        told.map(|bytes| announcement::read(&self.keys, tables(), bytes)).collect()
    }

    /// Takes over what other replicas have announced: the marks of each end, with the name of the table that they belong into. Each
    /// table is written once, so many at once cost less than one after another. What they have announced `unproved` is taken over,
    /// too, as far as its own table has room. Returns how many ends of both found no room under each key.
    pub fn take_over(&mut self, world: &mut dyn World, mut told: Vec<Told>, unproved: &[Vec<Mark>]) -> WithoutRoom {
        told.sort_by(|(one, _), (other, _)| one.cmp(other));
        let now = world.now();
        let (mut proved, mut changed) = (0_usize, false);
        for of_one in told.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((provider, _)) = of_one.first() else { continue };
            let ends: Vec<&[Mark]> = of_one.iter().map(|(_, marks)| marks.as_slice()).collect();
            let (refused, is_changed) = self.table(provider).add(world, &ends.concat(), now);
            proved = proved.saturating_add(ends_among(&ends, &refused));
            changed |= is_changed;
        }
        let ends: Vec<&[Mark]> = unproved.iter().map(Vec::as_slice).collect();
        let (refused, is_changed) = self.unproved.table.add(world, &ends.concat(), now);
        self.count_up(world, changed || is_changed);
        WithoutRoom { proved, unproved: ends_among(&ends, &refused) }
    }

    /// All marks that still matter of one piece of each table, with the table's name; `None` after the last piece.
    pub fn piece(&mut self, world: &dyn World, number: usize, now: Timestamp) -> Option<Vec<(String, Mark)>> {
        let mut all = Vec::new();
        for (name, table) in self.tables() {
            let marks = table.piece(world, number, now)?;
            all.extend(marks.into_iter().map(|mark| (name.to_owned(), mark)));
        }
        Some(all)
    }

    /// Whether the logout token of this name was answered with 200 in this process. (It may be forgotten: a token that comes again
    /// ends nothing that began after it.)
    pub fn was_answered(&mut self, world: &dyn World, token: &str, now: Timestamp) -> bool {
        self.tokens.has_uncached(world, token, now)
    }

    /// Notes that a logout token was answered with 200, until it is refused as too old.
    pub fn answered(&mut self, world: &mut dyn World, token: &str, until: Timestamp) {
        self.tokens.mark(world, token, until);
    }

    /// The keys by which ends are named and announced.
    pub fn keys(&self) -> &[EndKey] {
        &self.keys
    }

    /// The state that the marks are in, as was known up to 100 ms ago: a number that changes with each mark.
    pub fn state(&mut self, world: &dyn World, now: Timestamp) -> u64 {
        if now < self.looked || now.since(self.looked) >= FRESH {
            self.look(world);
            self.looked = now;
        }
        self.changes.unwrap_or_default()
    }

    /// Whether a session with these names has ended, as was known up to 100 ms ago. That is good enough to let somebody in.
    pub fn has(&mut self, world: &dyn World, names: &Names, now: Timestamp) -> bool {
        self.state(world, now);
        if self.changes.is_some() && names.not_found_in.get() == self.changes {
            return false;
        }
        let found = self.is_marked(world, names, now);
        names.not_found_in.set(self.changes.filter(|_| !found));
        found
    }

    /// Whether a session has ended, as was known up to 100 ms ago.
    pub fn has_session(&mut self, world: &dyn World, session: &Session, now: Timestamp) -> bool {
        self.has(world, &self.names(session), now)
    }

    /// Whether a session has ended, as is known now. Ask this before a cookie is written, or a refresh token is used.
    pub fn has_uncached(&mut self, world: &dyn World, session: &Session, now: Timestamp) -> bool {
        self.looked = Timestamp::from_millis(u64::MAX);
        self.has_session(world, session, now)
    }

    fn is_marked(&mut self, world: &dyn World, names: &Names, now: Timestamp) -> bool {
        let ended = |mark: Option<Mark>| mark.is_some_and(|mark| mark.ended(names.begun, now));
        let ended_here = |mark: Option<Mark>| mark.is_some_and(|mark| mark.ended(names.begun_here, now));
        if names.own().iter().any(|name| ended(self.of_none.find(world, *name)))
            || names.everybody().iter().any(|name| ended_here(self.of_none.find(world, *name)))
            || self.operators_ends.has(world, names, now)
            || names.provider_session().iter().any(|name| ended_here(self.unproved.table.find(world, *name)))
        {
            return true;
        }
        let table = self.table(&names.provider);
        if names.at_provider().iter().any(|name| ended(table.find(world, *name)))
            || names.here().iter().any(|name| ended_here(table.find(world, *name)))
        {
            return true;
        }
        let Some(table) = self.reported_ends.table_for(&names.provider) else { return false };
        names.reported().iter().any(|name| ended(table.find(world, *name)))
    }

    /// The table that an end belongs into, by the provider's name, and its marks, one under each key.
    fn marks_of<'a>(&self, end: &End<'a>) -> (&'a str, Vec<Mark>) {
        let (provider, marks) = end.marks(&self.keys);
        let known = self.of_providers.iter().any(|(name, _)| name == provider);
        // The end of a session whose provider is not configured counts once it is configured again.
        (if known { provider } else { "" }, marks)
    }

    /// Puts marks into the table of this name.
    fn keep(&mut self, world: &mut dyn World, table: &str, marks: &[Mark]) -> Recorded {
        let now = world.now();
        let (refused, is_changed) = self.table(table).add(world, marks, now);
        self.count_up(world, is_changed);
        let kept = refused.is_empty();
        self.troubles.without_room = self.troubles.without_room.saturating_add(usize::from(!kept));
        let holds = kept || refused.len() < marks.len();
        Recorded { announcement: announcement(&self.keys, table, marks), kept, holds, is_new: is_changed }
    }

    /// The table of this name; if there is none, the one of ends that belong to no provider.
    fn table(&mut self, named: &str) -> &mut Pieces {
        let mut others =
            self.of_providers.iter_mut().chain(&mut self.reported_ends.tables).chain(&mut self.operators_ends.tables);
        others.find(|(name, _)| name == named).map_or(&mut self.of_none, |(_, table)| table)
    }

    /// All tables of what was proved, with their names, which is empty for the one of ends that belong to no provider.
    fn tables(&mut self) -> impl Iterator<Item = (&str, &mut Pieces)> {
        let others = self.of_providers.iter_mut().chain(&mut self.reported_ends.tables).chain(&mut self.operators_ends.tables);
        std::iter::once(("", &mut self.of_none)).chain(others.map(|(name, table)| (name.as_str(), table)))
    }

    /// Finds out whether anything has changed, and in which pieces.
    fn look(&mut self, world: &dyn World) {
        let changes = changes::state(world);
        if changes.is_none() || changes != self.changes {
            self.tables().for_each(|(_, table)| table.look_for_changes(world));
            self.unproved.table.look_for_changes(world);
        }
        // Before the first mark, there is no number; what was asked then must not be asked again before something has changed.
        self.changes = changes.or(Some(0));
    }

    /// Tells all workers that something has changed, if it has.
    fn count_up(&mut self, world: &mut dyn World, is_changed: bool) {
        if is_changed {
            changes::count_up(world);
            // It looks again when it is next asked, because other workers may have changed something, too.
            self.looked = Timestamp::from_millis(u64::MAX);
        }
    }
}
