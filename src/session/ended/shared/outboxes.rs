//! What other replicas are told of ends, and in which order: each kind of ends has an outbox of its own, and all of them are told in
//! turn. So no kind takes room from another, and none waits until another has nothing left to tell. What ends is not known here.

use std::collections::VecDeque;

use crate::session::ended::shared::outbox::{MOST_UNSENT, Outbox};
use crate::words::world::World;

/// The most announcements of sign-outs and logout tokens that wait for the store.
pub const MOST_SIGNED_OUT: usize = 4_096;

/// The same, of what transmitters report.
pub const MOST_REPORTED: usize = 2_048;

/// The same, of what operators end, of some and of everybody each.
const MOST_BY_OPERATORS: usize = 1_024;

/// The most of one provider that wait and that nobody has proved. Each further one would be copied with all that wait, for which a flood
/// of twenty thousand made-up ones in one second leaves no time.
pub const MOST_UNPROVED: usize = 512;

/// Of what is told, one in so many is of ends that nobody has proved, as long as others wait.
const ONE_UNPROVED_OF: usize = 10;

/// The outbox of each kind.
pub struct Outboxes {
    /// Everybody, whom operators have ended. They are few, and are the first in each turn.
    pub everybody: Outbox,
    /// Sign-outs, and what providers end by logout tokens.
    pub signed_out: Outbox,
    /// What transmitters of security events have reported.
    pub reported: Outbox,
    /// Sessions and persons that operators have ended.
    pub by_operators: Outbox,
    /// What nobody has proved, of each provider by its name.
    unproved: Vec<(String, Outbox)>,
}

impl Outboxes {
    /// Nothing is to be told yet. `store` names the store that replicas share; `None` where nobody is told.
    pub fn new<'a>(providers: impl Iterator<Item = &'a str>, store: Option<&str>) -> Self {
        let outbox = |kind: &str, most| Outbox::new(store.map(|store| format!("{kind}{store}")).as_deref(), most);
        let unproved = |provider: &str| (provider.to_owned(), outbox(&format!("unproved/{provider}/"), MOST_UNPROVED));
        Self {
            everybody: outbox("operators/everybody/", MOST_BY_OPERATORS),
            signed_out: outbox("", MOST_SIGNED_OUT),
            reported: outbox("reported/", MOST_REPORTED),
            by_operators: outbox("operators/some/", MOST_BY_OPERATORS),
            unproved: providers.map(unproved).collect(),
        }
    }

    /// The outbox of what nobody has proved, of this provider.
    pub fn unproved(&mut self, provider: &str) -> Option<&mut Outbox> {
        self.unproved.iter_mut().find(|(name, _)| name == provider).map(|(_, outbox)| outbox)
    }

    /// Whether this worker has announcements that nobody has sent yet.
    pub fn has_unsent(&self) -> bool {
        self.all().any(Outbox::has_unsent)
    }

    /// The same, and whoever asks sends them. What is too much for one call stays for the next.
    pub fn take_unsent(&mut self) -> Vec<Vec<u8>> {
        let proved = [&mut self.everybody, &mut self.signed_out, &mut self.reported, &mut self.by_operators];
        let proved = in_turn(proved.map(Outbox::take_unsent));
        let unproved = in_turn(self.unproved.iter_mut().map(|(_, outbox)| outbox.take_unsent()));
        mixed(proved, unproved).take(MOST_UNSENT).collect()
    }

    /// What waits to be told to other replicas, in the order in which it is told: one of each kind in turn, the oldest of each first.
    pub fn waiting(&self, world: &dyn World) -> Vec<Vec<u8>> {
        let waiting = |outbox: &Outbox| Some(outbox.queue()?.waiting(world).into_iter());
        let (proved, unproved) = (self.proved().into_iter(), self.of_unproved());
        mixed(in_turn(proved.filter_map(waiting)), in_turn(unproved.filter_map(waiting))).collect()
    }

    /// Takes out of the queues what stands in the store.
    pub fn stand_in_the_store(&self, world: &mut dyn World, entries: &[&[u8]]) {
        self.all().filter_map(Outbox::queue).for_each(|queue| queue.remove(world, entries));
    }

    /// The outboxes of what was proved, in the order of their turns.
    const fn proved(&self) -> [&Outbox; 4] {
        [&self.everybody, &self.signed_out, &self.reported, &self.by_operators]
    }

    /// The outboxes of what was not.
    fn of_unproved(&self) -> impl Iterator<Item = &Outbox> {
        self.unproved.iter().map(|(_, outbox)| outbox)
    }

    fn all(&self) -> impl Iterator<Item = &Outbox> {
        self.proved().into_iter().chain(self.of_unproved())
    }
}

/// One of each in turn, until all have ended.
fn in_turn<I: Iterator>(all: impl IntoIterator<Item = I>) -> impl Iterator<Item = I::Item> {
    let mut all: VecDeque<I> = all.into_iter().collect();
    std::iter::from_fn(move || {
        loop {
            let mut first = all.pop_front()?;
            if let Some(item) = first.next() {
                all.push_back(first);
                return Some(item);
            }
        }
    })
}

/// What was proved, and after each nine of that one that was not; of each the rest, when the other has ended.
fn mixed<T>(mut proved: impl Iterator<Item = T>, mut unproved: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let mut places = (1..=ONE_UNPROVED_OF).cycle();
    std::iter::from_fn(move || match places.next() {
        Some(ONE_UNPROVED_OF) => unproved.next().or_else(|| proved.next()),
        _ => proved.next().or_else(|| unproved.next()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ended::shared::outbox::SentBy;
    use crate::words::world::testing::Still;

    /// Outboxes of which each holds as much as it can of announcements that begin with its letter.
    fn full(world: &mut Still) -> Outboxes {
        let mut all = Outboxes::new(["idp", "partner"].into_iter(), Some("a store"));
        for number in 0..5_000_u32 {
            let announcement = |kind: u8| [&[kind][..], &number.to_be_bytes()].concat();
            all.everybody.leave(world, &announcement(b'e'), SentBy::Tick);
            all.signed_out.leave(world, &announcement(b's'), SentBy::Tick);
            all.reported.leave(world, &announcement(b'r'), SentBy::Tick);
            all.by_operators.leave(world, &announcement(b'o'), SentBy::Tick);
            for (provider, kind) in [("idp", b'i'), ("partner", b'p')] {
                all.unproved(provider).unwrap().leave(world, &announcement(kind), SentBy::Tick);
            }
        }
        all
    }

    /// How many of each kind there are: of everybody, signed out, reported, by operators, and of two providers unproved.
    fn counted(told: &[Vec<u8>]) -> [usize; 6] {
        b"esroip".map(|kind| told.iter().filter(|announcement| announcement.first() == Some(&kind)).count())
    }

    #[test]
    fn however_much_waits_of_one_kind_others_are_told_at_the_same_time_and_what_nobody_has_proved_is_a_tenth_of_it() {
        let mut world = Still::default();
        let mut all = full(&mut world);
        let waiting = all.waiting(&world);
        assert_eq!(counted(&waiting), [1_024, 4_096, 2_048, 1_024, 512, 512], "each has its own room");
        let share = [113, 113, 112, 112, 25, 25];
        assert_eq!((counted(&waiting[..500]), waiting[0][0]), (share, b'e'), "of the first call");
        let numbers = |kind: u8| waiting.iter().filter(|told| told[0] == kind).map(|told| &told[1..]).collect::<Vec<_>>();
        assert!(b"esroip".iter().all(|kind| numbers(*kind).is_sorted()), "the oldest first");
        // The same of what is sent at once. What is too much for one call is sent by the next.
        assert_eq!(counted(&all.take_unsent()), share);
        let mut sent = share;
        while all.has_unsent() {
            let more = counted(&all.take_unsent());
            sent = std::array::from_fn(|kind| sent[kind] + more[kind]);
        }
        assert_eq!(sent, [MOST_UNSENT; 6]);
    }

    #[test]
    fn a_kind_that_the_store_never_shows_again_keeps_no_other_from_being_told() {
        let mut world = Still::default();
        let all = full(&mut world);
        // Each second 500 are told. The store shows all of them but sign-outs.
        for _ in 0..60 {
            let told = all.waiting(&world);
            let shown: Vec<&[u8]> = told.iter().take(500).filter(|told| told[0] != b's').map(Vec::as_slice).collect();
            all.stand_in_the_store(&mut world, &shown);
        }
        assert_eq!(counted(&all.waiting(&world)), [0, 4_096, 0, 0, 0, 0]);
    }
}
