//! What has ended, in any worker of this process and, if they share a store, in any replica: single sessions, sessions of a
//! provider's, persons, everybody. A session has ended if any of its names is marked. Why something ended is not known here, nor
//! how replicas reach each other; `announcement` is what they say, and `queue` what they have not said yet.
//!
//! Each worker has a copy of the marks, as far as it needed them. A copy that is up to 100 ms old is good enough to let somebody
//! in. Before a cookie is written, or a token is used that can be used once, the marks themselves are read.

pub mod announcement;
pub mod end;
pub mod mark;
pub mod names;
pub mod pieces;
pub mod queue;
pub mod rate;
mod reported;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod unproved;

use std::time::Duration;

use crate::crypto::end_key::EndKey;
use crate::session::content::{People, Session};
use crate::session::ended::announcement::{Announced, announcement};
use crate::session::ended::end::{End, Troubles};
use crate::session::ended::mark::Mark;
use crate::session::ended::names::Names;
use crate::session::ended::pieces::{Pieces, Size};
use crate::session::ended::queue::Queue;
use crate::session::ended::reported::{ReportedEnds, table_of};
use crate::session::ended::unproved::{Taken, Unproved};
use crate::session::remembered::tombstone::Tombstones;
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// How old what this worker knows may be when it is asked.
pub const FRESH: Duration = Duration::from_millis(100);

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// Which state the tables are in: a number that changes with each mark.
const CHANGES: &str = "accredit/4/ended/changes";

/// The table of each provider, and the one of ends that belong to none: 2,097,152 marks, each of 16 bytes.
const OF_A_PROVIDER: Size = Size { pieces: 1_024, marks: 2_048 };

/// The most announcements that wait in the queue.
const MOST_WAITING: usize = 4_096;

/// What became of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Recorded {
    /// What other replicas are to be told.
    pub announcement: Vec<u8>,
    /// Whether it stands in the table, under each key. If not, there was no room.
    pub kept: bool,
    /// Whether it holds in this process: it stands in the table under one key at least. Then others are told of it, whether it was
    /// kept or not.
    pub holds: bool,
}

/// The most announcements that are sent at once.
const MOST_UNSENT: usize = 500;

/// What has ended, as far as this worker knows.
pub struct EndedSessions {
    keys: Vec<EndKey>,
    /// What is known of the people who signed in at these providers.
    people: Vec<(String, People)>,
    of_none: Pieces,
    of_providers: Vec<(String, Pieces)>,
    reported_ends: ReportedEnds,
    unproved: Unproved,
    /// The state in which the tables were found last.
    changes: Option<u64>,
    looked: Timestamp,
    /// The queue of what other replicas are told; `None` where nobody is.
    queue: Option<Queue>,
    /// What this worker has put into the queue, and nobody has sent yet.
    unsent: Vec<Vec<u8>>,
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
            reported_ends: ReportedEnds::new(of_providers.iter().map(|(name, _)| name.as_str()), store),
            of_providers,
            unproved: Unproved::new(store),
            changes: None,
            // It was never looked. A time in the future makes it look when it is first asked.
            looked: Timestamp::from_millis(u64::MAX),
            queue: store.map(|store| Queue::new(store, MOST_WAITING)),
            unsent: Vec::new(),
            troubles: Troubles::default(),
            tokens: Tombstones::logout_tokens(),
        }
    }

    /// The same, where this is known of the people who signed in at these providers.
    #[must_use]
    pub fn of_people(self, people: Vec<(String, People)>) -> Self {
        Self { people, ..self }
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
        let queued = self.tell_when_asked(world, announcement);
        // What cannot wait is sent once.
        if self.queue.is_some() && self.unsent.len() < MOST_UNSENT {
            self.unsent.push(announcement.to_vec());
        }
        queued
    }

    /// The same, for what somebody is about to send: it is sent from the queue only if it does not arrive.
    pub fn tell_when_asked(&mut self, world: &mut dyn World, announcement: &[u8]) -> bool {
        let Some(queue) = &self.queue else { return false };
        let queued = queue.add(world, announcement);
        self.troubles.not_queued = self.troubles.not_queued.saturating_add(usize::from(!queued));
        queued
    }

    /// Leaves to a queue of their own what a transmitter has reported, for what somebody is about to send.
    pub fn tell_reported_when_asked(&mut self, world: &mut dyn World, announcements: &[Vec<u8>]) {
        let refused = self.reported_ends.queue(world, announcements);
        self.troubles.not_queued = self.troubles.not_queued.saturating_add(refused);
    }

    /// The same, for what nobody is about to send.
    pub fn tell_reported_later(&mut self, world: &mut dyn World, announcements: &[Vec<u8>]) {
        self.tell_reported_when_asked(world, announcements);
        self.reported_ends.send(announcements, MOST_UNSENT);
    }

    /// Whether this worker has put announcements into the queue that nobody has sent yet.
    pub const fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || !self.reported_ends.unsent.is_empty() || !self.unproved.unsent.is_empty()
    }

    /// The same, and whoever asks sends them. What is too much for one call stays in the queue.
    pub fn take_unsent(&mut self) -> Vec<Vec<u8>> {
        let mut unsent = std::mem::take(&mut self.unsent);
        unsent.append(&mut self.reported_ends.unsent);
        unsent.append(&mut self.unproved.unsent);
        unsent.truncate(MOST_UNSENT);
        unsent
    }

    /// What waits to be told to other replicas, the oldest first: behind it what was reported, and then what nobody has proved.
    pub fn waiting(&self, world: &dyn World) -> Vec<Vec<u8>> {
        self.queues().flat_map(|queue| queue.waiting(world)).collect()
    }

    fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queue.iter().chain(&self.reported_ends.queue).chain(&self.unproved.queue)
    }

    /// Takes out of the queue what stands in the store. An acknowledgement alone is not enough: a store can lose what it has just
    /// acknowledged.
    pub fn stand_in_the_store<'a>(&self, world: &mut dyn World, entries: impl Iterator<Item = &'a [u8]>) {
        let entries: Vec<_> = entries.collect();
        self.queues().for_each(|queue| queue.remove(world, &entries));
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

    /// Ends the sessions that began until now, by our own clock, with a session of the provider's, although nobody has proved that it
    /// ended, and tells other replicas; only so many for each client and each provider.
    pub fn end_unproved(&mut self, world: &mut dyn World, provider: &str, sid: &str, until: Timestamp) -> Taken {
        let now = world.now();
        if let Err(too_many) = Unproved::allows(world, &self.keys, provider, now) {
            return too_many;
        }
        let (provider, marks) = self.marks_of(&End::AtProvider { provider, sid, begun_by: now, until });
        let (taken, is_changed) = self.unproved.end(world, &self.keys, provider, &marks, now);
        self.count_up(world, is_changed);
        taken
    }

    /// Reads the announcements of other replicas. What they say holds after [`EndedSessions::take_over`].
    pub fn read<'a>(&self, told: impl Iterator<Item = &'a [u8]>) -> Vec<Announced> {
        let tables = || self.of_providers.iter().chain(&self.reported_ends.tables).map(|(name, _)| name.as_str());
        told.map(|bytes| announcement::read(&self.keys, tables(), bytes)).collect()
    }

    /// Takes over what other replicas have announced: marks, with the name of the table that they belong into. Each table
    /// is written once, so many at once cost less than one after another. Returns how many had no room.
    /// What they have announced `unproved` is taken over, too, as far as its own table has room.
    pub fn take_over(&mut self, world: &mut dyn World, mut told: Vec<(String, Vec<Mark>)>, unproved: &[Mark]) -> usize {
        told.sort_by(|(one, _), (other, _)| one.cmp(other));
        let now = world.now();
        let (mut without_room, mut changed) = (0_usize, false);
        for of_one in told.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((provider, _)) = of_one.first() else { continue };
            let marks: Vec<Mark> = of_one.iter().flat_map(|(_, marks)| marks).copied().collect();
            let (refused, is_changed) = self.table(provider).add(world, &marks, now);
            without_room = without_room.saturating_add(refused.len());
            changed |= is_changed;
        }
        let (refused, is_changed) = self.unproved.table.add(world, unproved, now);
        self.count_up(world, changed || is_changed);
        without_room.saturating_add(refused.len())
    }

    /// All marks that still matter of one piece of each table, with the table's name; `None` after the last piece.
    pub fn piece(&mut self, world: &dyn World, number: usize, now: Timestamp) -> Option<Vec<(String, Mark)>> {
        let mut all = Vec::new();
        let named = |name: &str, marks: Vec<Mark>| marks.into_iter().map(|mark| (name.to_owned(), mark)).collect::<Vec<_>>();
        all.extend(named("", self.of_none.piece(world, number, now)?));
        for (name, table) in self.of_providers.iter_mut().chain(&mut self.reported_ends.tables) {
            all.extend(named(name, table.piece(world, number, now)?));
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
        let ended_since = |mark: Option<Mark>, begun| mark.is_some_and(|mark: Mark| mark.matters(now) && mark.ends.end(begun));
        let ended = |mark| ended_since(mark, names.begun);
        let ended_here = |mark| ended_since(mark, names.begun_here);
        if names.own.iter().any(|name| ended(self.of_none.find(world, *name)))
            || names.everybody.iter().any(|name| ended_here(self.of_none.find(world, *name)))
            || names.provider_session.iter().any(|name| ended_here(self.unproved.table.find(world, *name)))
        {
            return true;
        }
        let at_provider = || names.at_provider.iter().chain(&names.provider_session);
        let table = self.table(&names.provider);
        if at_provider().any(|name| ended(table.find(world, *name)))
            || names.here.iter().any(|name| ended_here(table.find(world, *name)))
        {
            return true;
        }
        let Some(table) = self.reported_ends.table(&table_of(&names.provider)) else { return false };
        at_provider().chain(&names.reported).any(|name| ended(table.find(world, *name)))
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
        Recorded { announcement: announcement(&self.keys, table, marks), kept, holds }
    }

    /// The table of this name: of a provider, or of what was reported of one; otherwise the one of ends that belong to none.
    fn table(&mut self, named: &str) -> &mut Pieces {
        let mut tables = self.of_providers.iter_mut().chain(&mut self.reported_ends.tables);
        tables.find(|(name, _)| name == named).map_or(&mut self.of_none, |(_, table)| table)
    }

    /// Finds out whether anything has changed, and in which pieces.
    fn look(&mut self, world: &dyn World) {
        let changes = world.shared(CHANGES).and_then(|shared| Some(u64::from_le_bytes(shared.value.try_into().ok()?)));
        if changes.is_none() || changes != self.changes {
            let of_providers = self.of_providers.iter_mut().chain(&mut self.reported_ends.tables).map(|(_, table)| table);
            for table in of_providers.chain([&mut self.of_none, &mut self.unproved.table]) {
                table.look_for_changes(world);
            }
        }
        // Before the first mark, there is no number; what was asked then must not be asked again before something has changed.
        self.changes = changes.or(Some(0));
    }

    /// Tells all workers that something has changed, if it has.
    fn count_up(&mut self, world: &mut dyn World, is_changed: bool) {
        if !is_changed {
            return;
        }
        for tries in 1..=MOST_TRIES {
            let shared = world.shared(CHANGES);
            let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            let number = shared.and_then(|shared| Some(u64::from_le_bytes(shared.value.try_into().ok()?))).unwrap_or_default();
            if world.share(CHANGES, &number.wrapping_add(1).to_le_bytes(), version).is_ok() {
                break;
            }
        }
        // It looks again when it is next asked, because other workers may have changed something, too.
        self.looked = Timestamp::from_millis(u64::MAX);
    }
}
