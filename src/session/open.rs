//! The requests that sessions have let in and that are open, in one worker: a WebSocket, an event stream, a gRPC stream, a long upload
//! or download, and for a moment any other request. It finds those whose session is over. How they are ended is not known here.
//!
//! Nothing is looked at while no mark was added anywhere, no session reached its end, and what is known of ends is recent enough.
//! Otherwise all are looked at, some at a time, so that thousands of them hold nobody up.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

use crate::session::ended::names::Names;
use crate::session::ended::{EndedSessions, FRESH};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The time between two looks: as often as [`EndedSessions`] finds out whether anything has changed.
pub const PERIOD: Duration = FRESH;

/// The most requests at which one look looks.
const MOST_LOOKED_AT: usize = 1_000;

/// The session that let a request in.
#[derive(Clone, Debug, PartialEq)]
pub struct LetIn {
    /// Under which names it may have ended.
    pub names: Rc<Names>,
    /// Its subject, for the log.
    pub subject: Rc<str>,
    /// When it ends, however often it is renewed. (That nobody uses it otherwise does not end it while a request is open.)
    pub ends: Timestamp,
}

/// How a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It was ended: somebody signed out, or whatever else ends sessions.
    Ended,
    /// Its time is over.
    Expired,
    /// Whether it was ended is not known, and that is no longer accepted.
    Unknown,
}

/// What is known of ends when somebody looks.
#[expect(missing_docs, reason = "the types of the fields say it")]
pub struct Known<'a> {
    pub world: &'a dyn World,
    pub ended: &'a mut EndedSessions,
    /// Whether what other replicas have ended is known no longer, so that no session is accepted.
    pub is_too_old: bool,
}

/// An open request whose session is over.
#[derive(Debug, PartialEq)]
pub struct Found<T> {
    /// The number under which the request was added.
    pub number: u32,
    /// The session that let it in.
    pub let_in: LetIn,
    /// How that is over.
    pub over: Over,
    /// What was added with the request.
    pub kept: T,
}

/// The open requests. `T` is what its owner needs to end one.
pub struct OpenStreams<T> {
    streams: BTreeMap<u32, (LetIn, T)>,
    /// The state of the marks when the last complete look began.
    seen: Option<u64>,
    /// No session ends before this time.
    first_end: Timestamp,
    /// The look that is under way.
    look: Option<Look>,
    looked: Timestamp,
}

/// A look at all open requests: it goes on behind the number `after`, which is the last one that was looked at.
struct Look {
    state: u64,
    after: Option<u32>,
}

impl<T> Default for OpenStreams<T> {
    fn default() -> Self {
        let never = Timestamp::from_millis(u64::MAX);
        Self { streams: BTreeMap::new(), seen: None, first_end: never, look: None, looked: never }
    }
}

impl<T> OpenStreams<T> {
    /// Adds a request, whose session was asked for in this callback. `number` is larger than those of earlier requests.
    pub fn add(&mut self, number: u32, let_in: LetIn, kept: T) {
        self.first_end = self.first_end.min(let_in.ends);
        self.streams.insert(number, (let_in, kept));
    }

    /// Forgets a request that is no longer open.
    pub fn remove(&mut self, number: u32) {
        self.streams.remove(&number);
    }

    /// Whether no request is open.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Adds a request again that was taken out, but could not be ended. It is soon looked at again.
    pub fn put_back(&mut self, Found { number, let_in, kept, .. }: Found<T>) {
        self.streams.insert(number, (let_in, kept));
        // The look that is under way may be past it already.
        self.first_end = Timestamp::default();
    }

    /// Takes out requests whose session is over, as was known up to 100 ms ago, and not more than `most`. If it takes so many, there
    /// may be more at once; otherwise there is nothing more before [`PERIOD`] has passed.
    pub fn take_over(&mut self, known: Known<'_>, now: Timestamp, most: usize) -> Vec<Found<T>> {
        let Known { world, ended, is_too_old } = known;
        if self.streams.is_empty() || (now >= self.looked && now.since(self.looked) < PERIOD) {
            return Vec::new();
        }
        let state = ended.state(world, now);
        if self.look.is_none() {
            if !is_too_old && self.seen == Some(state) && now < self.first_end {
                self.looked = now;
                return Vec::new();
            }
            self.look = Some(Look { state, after: None });
            self.first_end = Timestamp::from_millis(u64::MAX);
        }
        let after = self.look.as_ref().and_then(|look| look.after).map_or(Bound::Unbounded, Bound::Excluded);
        let (mut over, mut last, mut has_more) = (Vec::new(), None, false);
        for (looked_at, (number, (let_in, _))) in self.streams.range((after, Bound::Unbounded)).enumerate() {
            if looked_at >= MOST_LOOKED_AT || over.len() >= most {
                has_more = true;
                break;
            }
            last = Some(*number);
            let how = if now >= let_in.ends {
                Some(Over::Expired)
            } else if ended.has(world, &let_in.names, now) {
                Some(Over::Ended)
            } else {
                is_too_old.then_some(Over::Unknown)
            };
            match how {
                Some(how) => over.push((*number, how)),
                None => self.first_end = self.first_end.min(let_in.ends),
            }
        }
        match (&mut self.look, has_more) {
            (Some(look), true) => look.after = last.or(look.after),
            (look, _) => self.seen = look.take().map(|look| look.state),
        }
        if !(has_more && over.len() >= most) {
            self.looked = now;
        }
        let taken = |(number, over)| self.streams.remove(&number).map(|(let_in, kept)| Found { number, let_in, over, kept });
        over.into_iter().filter_map(taken).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::content::tests::{alice, session};
    use crate::session::content::{NewSession, People, Session};
    use crate::session::ended::end::End;
    use crate::session::ended::testing::keys;
    use crate::words::world::testing::Still;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// For how many there is room.
    const MOST: usize = 32;

    struct Table {
        world: Still,
        ended: EndedSessions,
        is_too_old: bool,
        open: OpenStreams<()>,
    }

    impl Table {
        /// So many open requests, each of a session of its own, whose number is its subject.
        fn of(requests: u32) -> Self {
            let ended = EndedSessions::new(&keys(b"A"), ["idp"].into_iter(), None);
            let world = Still { now: NOW, ..Still::default() };
            let mut table = Self { world, ended, is_too_old: false, open: OpenStreams::default() };
            (0..requests).for_each(|number| table.add(number, NOW.plus(Duration::from_secs(3_600))));
            assert!(table.until_nothing_changes().is_empty());
            table
        }

        fn add(&mut self, number: u32, ends: Timestamp) {
            let names = Rc::new(Names::new(&keys(b"A"), People::default(), &of(number)));
            self.open.add(number, LetIn { names, subject: "x".into(), ends }, ());
        }

        fn end(&mut self, number: u32) {
            self.ended.mark(&mut self.world, &of(number));
        }

        /// What the next tick finds, with room for so many.
        fn find(&mut self, most: usize) -> Vec<Found<()>> {
            let known = Known { world: &self.world, ended: &mut self.ended, is_too_old: self.is_too_old };
            let found = self.open.take_over(known, self.world.now, most);
            assert!(found.len() <= most);
            found
        }

        /// What the next tick finds, and whether there may be more at once.
        fn look(&mut self) -> (Vec<u32>, bool) {
            let found = self.find(MOST);
            let has_more = found.len() == MOST;
            (found.into_iter().map(|found| found.number).collect(), has_more)
        }

        /// What ticks find, until as many find nothing as a look at all takes.
        fn until_nothing_changes(&mut self) -> Vec<u32> {
            let mut found = Vec::new();
            for _ in 0..self.open.streams.len() / MOST_LOOKED_AT + 2 {
                self.world.now = self.world.now.plus(PERIOD);
                loop {
                    let (some, has_more) = self.look();
                    found.extend(some);
                    if !has_more {
                        break;
                    }
                }
            }
            found
        }
    }

    fn of(number: u32) -> Session {
        let mut session = session(NewSession { provider: "idp".into(), subject: number.to_string(), ..alice() });
        (session.id, session.created, session.issued) = (number.to_string(), NOW, NOW);
        session.ends = NOW.plus(Duration::from_secs(3_600));
        session
    }

    #[test]
    fn of_thousands_a_tick_looks_at_some_and_all_that_are_over_are_found() {
        let mut table = Table::of(3_500);
        for number in [3_499, 0, 2_000] {
            table.end(number);
        }
        // Each tick looks at a thousand: the first finds the first, the third the next.
        let mut found = Vec::new();
        for _ in 0..4 {
            table.world.now = table.world.now.plus(PERIOD);
            found.push(table.look());
        }
        assert_eq!(found, [(vec![0], false), (vec![], false), (vec![2_000], false), (vec![3_499], false)]);
        assert!(table.until_nothing_changes().is_empty());
    }

    #[test]
    fn what_ends_while_a_look_is_under_way_is_found_by_the_next_one() {
        let mut table = Table::of(1_500);
        table.end(1_400);
        table.world.now = table.world.now.plus(PERIOD);
        assert_eq!(table.look(), (vec![], false));
        table.end(5);
        table.add(2_000, NOW.plus(Duration::from_secs(3_600)));
        table.end(2_000);
        assert_eq!(table.until_nothing_changes(), [1_400, 2_000, 5]);
    }

    #[test]
    fn many_that_are_over_are_ended_some_at_a_time_without_waiting_for_the_next_tick() {
        let mut table = Table::of(100);
        let end = End::EverybodyHere { provider: "idp", begun_by: NOW, until: NOW.plus(Duration::from_secs(3_600)) };
        let _ = table.ended.end(&mut table.world, &end);
        table.world.now = table.world.now.plus(PERIOD);
        let looks: Vec<_> = (0..4).map(|_| table.look()).map(|(found, has_more)| (found.len(), has_more)).collect();
        assert_eq!(looks, [(32, true), (32, true), (32, true), (4, false)]);
        assert!(table.open.is_empty());
    }

    #[test]
    fn no_more_are_ended_than_there_is_room_for_beside_others_and_none_is_forgotten_for_that() {
        let mut table = Table::of(40);
        (0..40).for_each(|number| table.end(number));
        table.world.now = table.world.now.plus(PERIOD);
        let found: Vec<_> = [0, 5, 0, 1, 32, 32].into_iter().map(|most| table.find(most).len()).collect();
        assert_eq!(found, [0, 5, 0, 1, 32, 2]);
    }

    #[test]
    fn one_that_could_not_be_ended_is_found_again_also_by_a_look_that_is_past_it() {
        let mut table = Table::of(1_500);
        table.end(5);
        table.world.now = table.world.now.plus(PERIOD);
        let found = table.find(MOST);
        assert_eq!(found.len(), 1);
        found.into_iter().for_each(|found| table.open.put_back(found));
        assert_eq!(table.look(), (vec![], false), "not before it is time again");
        assert_eq!(table.until_nothing_changes(), [5]);
        assert!(table.until_nothing_changes().is_empty());
    }

    #[test]
    fn all_are_over_once_what_is_known_is_too_old_and_those_that_come_later_are_not() {
        let mut table = Table::of(40);
        table.end(1);
        table.is_too_old = true;
        table.world.now = table.world.now.plus(PERIOD);
        let mut over: Vec<_> = [32, 32].into_iter().flat_map(|most| table.find(most)).map(|found| found.over).collect();
        assert_eq!(over.remove(1), Over::Ended);
        assert_eq!(over, [Over::Unknown; 39]);
        table.is_too_old = false;
        table.add(100, NOW.plus(Duration::from_secs(3_600)));
        assert!(table.until_nothing_changes().is_empty());
    }

    #[test]
    fn each_is_found_when_its_session_reaches_its_end_in_whatever_order_they_came() {
        let mut table = Table::of(0);
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        for (number, ends) in [(1, 30), (2, 10), (3, 20), (4, 3_600)] {
            table.add(number, at(ends));
        }
        for (now, expected) in [(9, vec![]), (10, vec![2]), (25, vec![3]), (26, vec![]), (31, vec![1]), (3_000, vec![])] {
            table.world.now = at(now);
            assert_eq!(table.look(), (expected, false), "{now}");
        }
    }

    #[test]
    fn one_that_is_closed_is_not_found() {
        let mut table = Table::of(3);
        table.end(1);
        table.open.remove(1);
        assert!(table.until_nothing_changes().is_empty());
    }

    #[test]
    fn between_two_looks_nobody_is_asked_and_after_the_clock_was_set_back_everybody_is() {
        let mut table = Table::of(3);
        table.end(1);
        assert_eq!(table.look(), (vec![], false), "100 ms have not passed");
        table.world.now = NOW;
        assert_eq!(table.look(), (vec![1], false));
    }
}
