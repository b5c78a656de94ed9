//! How many requests go on, or end, within one callback of the root, and how the kinds of work share that. What the kinds are is not
//! known here, nor how a request goes on.

/// How many requests one callback lets go on, or ends. Envoy does what follows after the callback, for each request from within the one
/// before; too many of them would overflow its stack.
const MOST: usize = 32;

/// The number of kinds of work.
const KINDS: usize = 4;

/// Of these requests, each kind has so many for sure, whatever the others have to do: whoever has thousands of streams ended delays
/// nobody's sign-in.
const SHARE: usize = MOST / KINDS;

/// What was done of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// How many requests have gone on or ended by it. Those that were tried in vain take no room from others.
    pub went_on: usize,
    /// Whether there may be more to do at once.
    pub has_more: bool,
}

/// Does some of each kind of work: first the share of each, then what is left of the callback's room, in this order. Each is told how
/// many requests it may let go on, and tries no more than these. Returns whether there may be more to do at once.
pub fn share_out<C>(context: &C, kinds: [fn(&C, usize) -> Done; KINDS]) -> bool {
    let (mut room, mut has_more) = (MOST, [true; KINDS]);
    for share in [SHARE, MOST] {
        for (work, has_more) in kinds.iter().zip(&mut has_more) {
            let most = share.min(room);
            if most > 0 && *has_more {
                let done = work(context, most);
                room = room.saturating_sub(done.went_on);
                *has_more = done.has_more;
            }
        }
    }
    has_more.contains(&true)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What each kind still has to do: the requests that go on, and before each of them so many that are tried in vain.
    #[derive(Default)]
    struct Queues {
        left: RefCell<[usize; KINDS]>,
        in_vain: RefCell<[usize; KINDS]>,
        /// The kinds, in the order in which their requests went on.
        order: RefCell<Vec<usize>>,
    }

    fn work<const KIND: usize>(queues: &Queues, most: usize) -> Done {
        let (mut left, mut in_vain) = (queues.left.borrow_mut(), queues.in_vain.borrow_mut());
        let failed = in_vain[KIND].min(most);
        in_vain[KIND] -= failed;
        let went_on = left[KIND].min(most - failed);
        left[KIND] -= went_on;
        queues.order.borrow_mut().extend(vec![KIND; went_on]);
        Done { went_on, has_more: left[KIND] + in_vain[KIND] > 0 }
    }

    /// How many of each kind go on in one callback, and whether there is more.
    fn callback(queues: &Queues) -> ([usize; KINDS], bool) {
        queues.order.take();
        let has_more = share_out(queues, [work::<0>, work::<1>, work::<2>, work::<3>]);
        let order = queues.order.borrow();
        assert!(order.len() <= MOST);
        ([0, 1, 2, 3].map(|kind| order.iter().filter(|one| **one == kind).count()), has_more)
    }

    #[test]
    fn whoever_has_thousands_of_streams_ended_delays_no_body_no_call_and_nobody_who_waits() {
        let queues = Queues { left: [10_000, 20, 9, 3].into(), ..Queues::default() };
        let callbacks = [(); 4].map(|()| callback(&queues));
        assert_eq!(callbacks, [([13, 8, 8, 3], true), ([23, 8, 1, 0], true), ([28, 4, 0, 0], true), ([32, 0, 0, 0], true)]);
    }

    #[test]
    fn each_kind_delays_the_others_as_little_and_takes_all_room_that_they_leave() {
        for kind in 0..KINDS {
            let mut left = [1; KINDS];
            left[kind] = 10_000;
            let queues = Queues { left: left.into(), ..Queues::default() };
            let mut expected = [1; KINDS];
            expected[kind] = MOST - 3;
            assert_eq!(callback(&queues), (expected, true), "{kind}");
        }
        let queues = Queues { left: [8, 8, 8, 8].into(), ..Queues::default() };
        assert_eq!(callback(&queues), ([8; KINDS], false));
        assert_eq!(callback(&queues), ([0; KINDS], false));
    }

    #[test]
    fn requests_that_are_tried_in_vain_take_no_room_from_others_and_hold_up_only_their_own_kind() {
        let queues = Queues { left: [5, 40, 0, 0].into(), in_vain: [100, 0, 0, 0].into(), ..Queues::default() };
        assert_eq!(callback(&queues), ([0, 32, 0, 0], true));
        assert_eq!(callback(&queues), ([0, 8, 0, 0], true));
    }
}
