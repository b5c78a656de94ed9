//! What is to be left in the store for other replicas, and is sent again until the store has acknowledged it: a bounded number of
//! values, each a bounded number of times. No call is made here.

use std::time::Duration;

use crate::session::remembered::agreed::Left;
use crate::words::time::Timestamp;

/// The most values that wait. What comes on top is not left: others find the claim, and ask the provider when that has ended.
const MOST_WAITING: usize = 256;

/// How often a result is sent again: after a second, then after twice the time each, so for half a minute.
const MOST_AGAIN: u32 = 5;

/// The time after which it is sent again first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The values that wait, each with the time before which it is not sent.
#[derive(Default)]
pub(super) struct Waiting(Vec<(Timestamp, Left)>);

impl Waiting {
    /// Whether one more can wait.
    pub(super) const fn has_room(&self) -> bool {
        self.0.len() < MOST_WAITING
    }

    /// Adds the result of a refresh, which is to stand there until then, and is sent again if the store does not acknowledge it.
    pub(super) fn add_result(&mut self, name: String, value: String, until: Timestamp, now: Timestamp) {
        self.add(Left { name, value, until, tries_left: MOST_AGAIN }, now);
    }

    fn add(&mut self, left: Left, from: Timestamp) {
        if self.has_room() {
            self.0.push((from, left));
        }
    }

    /// Adds a value again that the store has not acknowledged, if it is to be sent again. It may stand there nevertheless.
    pub(super) fn add_again(&mut self, left: &Left, now: Timestamp) {
        let Some(tries_left) = left.tries_left.checked_sub(1) else { return };
        let times = 2_u32.saturating_pow(MOST_AGAIN.saturating_sub(left.tries_left));
        self.add(Left { tries_left, ..left.clone() }, now.plus(FIRST_PAUSE.saturating_mul(times)));
    }

    /// Takes out the next value that is to be sent by now. Those that would not stand there any more are gone.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Left> {
        self.0.retain(|(_, left)| now < left.until);
        let position = self.0.iter().position(|(from, _)| *from <= now)?;
        Some(self.0.remove(position).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(waiting: &mut Waiting, until: u64) {
        waiting.add_result("name".into(), "value".into(), Timestamp::from_seconds(until), Timestamp::default());
    }

    #[test]
    fn what_the_store_does_not_take_is_sent_six_times_within_half_a_minute_and_never_once_it_would_not_stand_there() {
        for (until, expected) in [(1_000, &[0, 1, 3, 7, 15, 31][..]), (7, &[0, 1, 3]), (0, &[])] {
            let mut waiting = Waiting::default();
            add(&mut waiting, until);
            let mut sent = Vec::new();
            for second in 0..2_000 {
                let now = Timestamp::from_seconds(second);
                while let Some(left) = waiting.next(now) {
                    sent.push(second);
                    waiting.add_again(&left, now);
                }
            }
            assert_eq!(sent, expected, "until {until}");
        }
    }

    #[test]
    fn however_much_is_to_be_left_what_waits_is_bounded() {
        let mut waiting = Waiting::default();
        (0..1_000).for_each(|_| add(&mut waiting, 100));
        assert_eq!((waiting.0.len(), waiting.has_room()), (MOST_WAITING, false));
    }
}
