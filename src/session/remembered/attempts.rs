//! What became of sign-in attempts, in any worker: each is used up once, ends once, and lets two further callbacks wait for its end.
//! All of it is kept as marks in one table of fixed size. Marks of other attempts are overwritten only while thousands are under way:
//! then a callback may wait in vain, or send a code once more, which the provider refuses because it was spent.

use std::time::Duration;

use crate::session::remembered::tombstone::Tombstones;
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// How long an outcome is known, for callbacks that come again.
const OUTCOME_KNOWN: Duration = Duration::from_secs(120);

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A session began, and its cookies were sent with the first answer.
    SignedIn,
    /// It was refused.
    Failed,
}

impl Outcome {
    const ALL: [Self; 2] = [Self::SignedIn, Self::Failed];

    const fn mark(self) -> &'static str {
        match self {
            Self::SignedIn => "signed in",
            Self::Failed => "failed",
        }
    }
}

/// The attempts that were used up, as far as this worker knows.
pub struct UsedAttempts {
    marks: Tombstones,
}

impl Default for UsedAttempts {
    fn default() -> Self {
        Self { marks: Tombstones::attempts() }
    }
}

impl UsedAttempts {
    /// Uses up the attempt with this `state`, which can be finished until `until`. Of all callers in all workers, one gets `true`.
    pub fn use_up(&mut self, world: &mut dyn World, state: &Secret, until: Timestamp) -> bool {
        self.marks.mark_once(world, state.expose(), until)
    }

    /// Whether the attempt was used up, as was known up to 100 ms ago.
    pub fn is_used_up(&mut self, world: &dyn World, state: &Secret, now: Timestamp) -> bool {
        self.marks.has(world, state.expose(), now)
    }

    /// Notes how the attempt ended.
    pub fn end(&mut self, world: &mut dyn World, state: &Secret, outcome: Outcome) {
        let until = world.now().plus(OUTCOME_KNOWN);
        self.marks.mark(world, &about(state, outcome.mark()), until);
    }

    /// How the attempt ended, as was known up to 100 ms ago; `None` while it is under way, and some time after its end.
    pub fn outcome(&mut self, world: &dyn World, state: &Secret, now: Timestamp) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| self.marks.has(world, &about(state, outcome.mark()), now))
    }

    /// Whether one more sign-in may begin by itself in place of the attempt. Two may, in all workers together, because a service
    /// worker asks twice.
    pub fn may_begin_again(&mut self, world: &mut dyn World, state: &Secret, until: Timestamp) -> bool {
        ["again 1", "again 2"].iter().any(|mark| self.marks.mark_once(world, &about(state, mark), until))
    }

    /// Whether one more callback may wait for the end of the attempt: two may, in all workers together.
    pub fn may_wait(&mut self, world: &mut dyn World, state: &Secret, until: Timestamp) -> bool {
        ["waits 1", "waits 2"].iter().any(|mark| self.marks.mark_once(world, &about(state, mark), until))
    }
}

/// The identifier of a further mark about an attempt. No `state` has a space.
fn about(state: &Secret, mark: &str) -> String {
    [state.expose(), " ", mark].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    #[test]
    fn two_may_wait_for_one_attempt_in_all_workers_together_and_one_uses_it_up() {
        let (mut here, state) = (Still::default(), Secret::new("abc"));
        let mut there = here.clone();
        let until = here.now.plus(OUTCOME_KNOWN);
        let (mut ours, mut theirs) = (UsedAttempts::default(), UsedAttempts::default());
        assert!(ours.use_up(&mut here, &state, until) && !theirs.use_up(&mut there, &state, until));
        assert!(ours.may_wait(&mut here, &state, until) && theirs.may_wait(&mut there, &state, until));
        assert!(!ours.may_wait(&mut here, &state, until) && !theirs.may_wait(&mut there, &state, until));
        assert!(ours.may_wait(&mut here, &Secret::new("abd"), until));
    }

    #[test]
    fn how_an_attempt_ended_is_known_to_all_workers_for_two_minutes() {
        for outcome in Outcome::ALL {
            let (mut here, state) = (Still::default(), Secret::new("abc"));
            let mut there = here.clone();
            UsedAttempts::default().end(&mut here, &state, outcome);
            let mut theirs = UsedAttempts::default();
            assert_eq!(theirs.outcome(&there, &state, there.now), Some(outcome));
            assert_eq!(theirs.outcome(&there, &Secret::new("abd"), there.now), None);
            assert!(!theirs.is_used_up(&there, &state, there.now));
            there.now = there.now.plus(OUTCOME_KNOWN);
            assert_eq!(theirs.outcome(&there, &state, there.now), None);
        }
    }

    #[test]
    fn of_many_callbacks_of_one_attempt_one_uses_it_up_whatever_else_is_noted_about_it() {
        let (mut world, mut attempts) = (Still::default(), UsedAttempts::default());
        for number in 0..4_000 {
            // The marks of the attempt before count no more.
            world.now = world.now.plus(OUTCOME_KNOWN);
            let (state, until) = (Secret::new(format!("state {number}")), world.now.plus(OUTCOME_KNOWN));
            assert!(attempts.use_up(&mut world, &state, until), "{number}");
            for _ in 0..3 {
                attempts.may_wait(&mut world, &state, until);
                attempts.may_begin_again(&mut world, &state, until);
                assert!(!attempts.use_up(&mut world, &state, until), "{number}");
            }
            attempts.end(&mut world, &state, Outcome::SignedIn);
            assert!(!attempts.use_up(&mut world, &state, until), "{number}");
        }
    }

    #[test]
    fn a_thousand_attempts_at_the_same_time_push_out_none() {
        let (mut world, mut attempts) = (Still::default(), UsedAttempts::default());
        let until = world.now.plus(OUTCOME_KNOWN);
        let states: Vec<_> = (0..1_000).map(|number| Secret::new(format!("state {number}"))).collect();
        assert!(states.iter().all(|state| attempts.use_up(&mut world, state, until)));
        assert!(states.iter().all(|state| !attempts.use_up(&mut world, state, until)));
    }
}
