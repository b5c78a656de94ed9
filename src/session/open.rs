//! The requests that sessions have let in and that are open, in one worker: a WebSocket, an event stream, a gRPC stream, a long upload
//! or download, and for a moment any other request. It finds those whose session is over. How they are ended is not known here.
//!
//! Nothing is looked at while no mark was added anywhere and no session reached its end. Otherwise all are looked at, some at a time,
//! so that thousands of them hold nobody up.

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

/// The most that one look finds. Somebody must end each of them.
const MOST_FOUND: usize = 32;

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

    /// Takes out requests whose session is over, as was known up to 100 ms ago. Whether there may be more at once, is the second
    /// value.
    pub fn take_over(&mut self, world: &dyn World, ended: &mut EndedSessions, now: Timestamp) -> (Vec<Found<T>>, bool) {
        if self.streams.is_empty() || (now >= self.looked && now.since(self.looked) < PERIOD) {
            return (Vec::new(), false);
        }
        let state = ended.state(world, now);
        if self.look.is_none() {
            if self.seen == Some(state) && now < self.first_end {
                self.looked = now;
                return (Vec::new(), false);
            }
            self.look = Some(Look { state, after: None });
            self.first_end = Timestamp::from_millis(u64::MAX);
        }
        let after = self.look.as_ref().and_then(|look| look.after).map_or(Bound::Unbounded, Bound::Excluded);
        let (mut over, mut last, mut has_more) = (Vec::new(), None, false);
        for (looked_at, (number, (let_in, _))) in self.streams.range((after, Bound::Unbounded)).enumerate() {
            if looked_at >= MOST_LOOKED_AT || over.len() >= MOST_FOUND {
                has_more = true;
                break;
            }
            last = Some(*number);
            if now >= let_in.ends {
                over.push((*number, Over::Expired));
            } else if ended.has(world, &let_in.names, now) {
                over.push((*number, Over::Ended));
            } else {
                self.first_end = self.first_end.min(let_in.ends);
            }
        }
        match (&mut self.look, has_more) {
            (Some(look), true) => look.after = last,
            (look, _) => self.seen = look.take().map(|look| look.state),
        }
        let at_once = has_more && over.len() >= MOST_FOUND;
        if !at_once {
            self.looked = now;
        }
        let taken = |(number, over)| self.streams.remove(&number).map(|(let_in, kept)| Found { number, let_in, over, kept });
        (over.into_iter().filter_map(taken).collect(), at_once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::content::tests::{alice, session};
    use crate::session::content::{NewSession, Session};
    use crate::session::ended::end::End;
    use crate::session::ended::testing::keys;
    use crate::words::world::testing::Still;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    struct Table {
        world: Still,
        ended: EndedSessions,
        open: OpenStreams<()>,
    }

    impl Table {
        /// So many open requests, each of a session of its own, whose number is its subject.
        fn of(requests: u32) -> Self {
            let ended = EndedSessions::new(&keys(b"A"), ["idp"].into_iter(), None);
            let mut table = Self { world: Still { now: NOW, ..Still::default() }, ended, open: OpenStreams::default() };
            (0..requests).for_each(|number| table.add(number, NOW.plus(Duration::from_secs(3_600))));
            assert!(table.until_nothing_changes().is_empty());
            table
        }

        fn add(&mut self, number: u32, ends: Timestamp) {
            let names = Rc::new(Names::new(&keys(b"A"), &[], &of(number)));
            self.open.add(number, LetIn { names, subject: "x".into(), ends }, ());
        }

        fn end(&mut self, number: u32) {
            self.ended.mark(&mut self.world, &of(number));
        }

        /// What the next tick finds, and whether there may be more at once.
        fn look(&mut self) -> (Vec<u32>, bool) {
            let (found, has_more) = self.open.take_over(&self.world, &mut self.ended, self.world.now);
            (found.into_iter().map(|found| found.number).collect(), has_more)
        }

        /// What ticks find, until as many find nothing as a look at all takes.
        fn until_nothing_changes(&mut self) -> Vec<u32> {
            let mut found = Vec::new();
            for _ in 0..self.open.streams.len() / MOST_LOOKED_AT + 2 {
                self.world.now = self.world.now.plus(PERIOD);
                loop {
                    let (some, has_more) = self.look();
                    assert!(some.len() <= MOST_FOUND);
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
