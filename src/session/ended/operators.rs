//! What operators end, and how often one may. Such ends have tables of their own, so that whatever operators end takes no room
//! from sign-outs, from the providers' own logout tokens and from security events. The end of everybody has room and a rate
//! apart from all others: it is possible whatever an operator, or a program in their name, has ended before. Who is an operator is
//! not known here.

use std::time::Duration;

use crate::crypto::end_key::EndKey;
use crate::session::ended::end::End;
use crate::session::ended::mark::Mark;
use crate::session::ended::names::{Kind, Names, names};
use crate::session::ended::pieces::{Pieces, Size};
use crate::session::ended::shared::outbox::Outbox;
use crate::session::ended::shared::outboxes::Outboxes;
use crate::session::ended::shared::rate::{Counted, Limit, allows};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The names of the tables: of sessions and persons, and of everybody. No provider has such a name.
const OF_SOME: &str = "operators/some";
const OF_EVERYBODY: &str = "operators/everybody";

/// The table of sessions and persons: 1,048,576 marks, each of 16 bytes. With a `lifetime` of 8 hours, 151,000 ends of one operator at
/// one Envoy matter at a time, and as many marks under each key: it has room for six times that.
const SIZE_OF_SOME: Size = Size { pieces: 1_024, marks: 1_024 };

/// The table of everybody. There is one name for all, and one for each provider, each under each key: it is never full.
const SIZE_OF_EVERYBODY: Size = Size { pieces: 1_024, marks: 64 };

/// How often one operator may end a session or a person, and all together, at each Envoy.
const SOME_OF_EACH: Limit = Limit { at_once: 1_000, period: Duration::from_millis(200) };
const SOME_OF_ALL: Limit = Limit { at_once: 4_000, period: Duration::from_millis(50) };

/// How often one operator may end everybody. What others do takes nothing of it.
const EVERYBODY_OF_EACH: Limit = Limit { at_once: 60, period: Duration::from_secs(1) };

/// Where that is counted in shared data.
const RATE: &str = "accredit/4/ended/operators/rate";

/// Whether the operator whom this provider knows by this subject may end something once more; then it is counted.
pub fn may_end(world: &mut dyn World, keys: &[EndKey], (provider, subject): (&str, &str), end: &End<'_>) -> bool {
    let now = world.now();
    let operator = names(keys, Kind::Account, &[provider, subject]).first().copied().unwrap_or_default();
    if is_everybody(end) {
        return allows(world, &[Counted::of(&format!("{RATE}/everybody"), operator, EVERYBODY_OF_EACH)], now);
    }
    let of_each = Counted::of(&format!("{RATE}/some"), operator, SOME_OF_EACH);
    allows(world, &[of_each, Counted::of_all(&format!("{RATE}/all"), SOME_OF_ALL)], now)
}

const fn is_everybody(end: &End<'_>) -> bool {
    matches!(end, End::EverybodyHere { .. })
}

/// The ends of operators.
pub(super) struct OperatorsEnds {
    /// The tables, with their names: of some, and of everybody.
    pub(super) tables: [(String, Pieces); 2],
}

impl OperatorsEnds {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        let table = |name: &str, size| (name.to_owned(), Pieces::new(name, size));
        Self { tables: [table(OF_SOME, SIZE_OF_SOME), table(OF_EVERYBODY, SIZE_OF_EVERYBODY)] }
    }

    /// The name of the table that this end belongs into.
    pub(super) const fn table_of(end: &End<'_>) -> &'static str {
        if is_everybody(end) { OF_EVERYBODY } else { OF_SOME }
    }

    /// Where replicas are told of this end.
    pub(super) const fn outbox_of<'a>(outboxes: &'a mut Outboxes, end: &End<'_>) -> &'a mut Outbox {
        if is_everybody(end) { &mut outboxes.everybody } else { &mut outboxes.by_operators }
    }

    /// Whether an operator has ended a session with these names.
    pub(super) fn has(&mut self, world: &dyn World, names: &Names, now: Timestamp) -> bool {
        let ended = |mark: Option<Mark>| mark.is_some_and(|mark| mark.ended(names.begun_here, now));
        let [(_, some), (_, everybody)] = &mut self.tables;
        names.own().iter().chain(names.here()).any(|name| ended(some.find(world, *name)))
            || names.here().iter().chain(names.everybody()).any(|name| ended(everybody.find(world, *name)))
    }
}
