//! How many results of refreshes one account has in the store that replicas share: so many, and no more, however many sessions it has
//! and however often they are refreshed. It is counted for one process, in the memory that its workers share: 16 bytes for each
//! result, for as long as that stands in the store, where it takes some KiB. What stands there is not known here.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::session::content::Session;
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The most results of an account that stand as long as they are wanted.
const MOST_LONG: usize = 64;

/// The most results of an account.
const MOST: usize = 128;

/// How long the others stand: long enough for whoever waits for them.
const SHORT: Duration = Duration::from_secs(60);

/// The pieces in which the results of all accounts are counted.
const PIECES: u64 = 1_024;

/// The most results that are counted in a piece: four million in all.
const MOST_IN_A_PIECE: usize = 4_096;

/// A result: eight bytes that tell its account, and until when it stands there.
const RESULT: usize = 16;

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// Counts one more result of the session's account, which is wanted until then, and of which none is wanted after `latest`. Returns until
/// when it may stand in the store; `None` if it may not.
pub fn one_more(
    world: &mut dyn World,
    session: &Session,
    (wanted, latest): (Timestamp, Timestamp),
    now: Timestamp,
) -> Option<Timestamp> {
    let account = Sha256::digest([&session.provider, "\n", &session.subject].concat());
    let account: &[u8; 8] = account.first_chunk()?;
    let piece = u64::from_be_bytes(*account).checked_rem(PIECES).unwrap_or_default();
    let key = format!("accredit/5/results/{piece}");
    for _ in 0..MOST_TRIES {
        let shared = world.shared(&key);
        let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
        let counted = shared.map(|shared| shared.value).unwrap_or_default();
        let (results, _) = counted.as_chunks::<RESULT>();
        // One that stands for longer was counted before the clock was set back, or was written by somebody else. It is counted for as
        // long as it can stand there from now on.
        let read: Vec<_> = results.iter().map(read).collect();
        let is_from_ahead = read.iter().any(|(_, until)| *until > latest);
        let standing = read.into_iter().map(|(of, until)| (of, until.min(latest)));
        let standing: Vec<_> = standing.filter(|(_, until)| now < *until).collect();
        let until = match standing.iter().filter(|(of, _)| of == account).count() {
            _ if standing.len() >= MOST_IN_A_PIECE => None,
            0..MOST_LONG => Some(wanted),
            MOST_LONG..MOST => Some(wanted.min(now.plus(SHORT))),
            _ => None,
        };
        if until.is_none() && !is_from_ahead {
            return None;
        }
        let one_more = until.map(|until| (*account, until));
        let written: Vec<_> = standing.into_iter().chain(one_more).flat_map(write).collect();
        if world.share(&key, &written, version).is_ok() {
            return until;
        }
    }
    None
}

fn read(result: &[u8; RESULT]) -> ([u8; 8], Timestamp) {
    let halves = result.first_chunk().zip(result.last_chunk());
    let (account, millis) = halves.map_or_else(Default::default, |(account, millis)| (*account, u64::from_le_bytes(*millis)));
    (account, Timestamp::from_millis(millis))
}

fn write((account, until): ([u8; 8], Timestamp)) -> Vec<u8> {
    [account, until.millis().to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::content::tests::{alice, at, session};
    use crate::words::world::testing::Still;

    const HOUR: u64 = 3_600;

    /// No result is wanted for longer, in seconds.
    const LONGEST: u64 = 3 * HOUR;

    /// One more of this account, wanted until then.
    fn counts(world: &mut Still, subject: &str, wanted: u64, now: u64) -> Option<Timestamp> {
        let session = Session { subject: subject.into(), ..session(alice()) };
        one_more(world, &session, (at(wanted), at(now + LONGEST)), at(now))
    }

    #[test]
    fn an_account_has_64_results_as_long_as_they_are_wanted_64_for_a_minute_and_no_more_in_all_workers_together() {
        let mut workers = [Still::default(), Still::default()];
        workers[1] = workers[0].clone();
        let mut counted = |subject, wanted, now, times: usize| {
            let until = |worker: &mut Still| counts(worker, subject, wanted, now);
            (0..times).map(|time| until(&mut workers[time % 2])).collect::<Vec<_>>()
        };
        let all = counted("alice", HOUR, 0, 1_000);
        assert!(all[..64].iter().all(|until| *until == Some(at(HOUR))));
        assert!(all[64..128].iter().all(|until| *until == Some(at(60))));
        assert!(all[128..].iter().all(Option::is_none));
        // Others have as many. After a minute the account has some again, and after an hour all.
        assert_eq!(counted("bob", HOUR, 0, 64), vec![Some(at(HOUR)); 64]);
        let later = counted("alice", 2 * HOUR, 60, 100);
        assert_eq!((later[0], later.iter().flatten().count()), (Some(at(120)), 64));
        assert_eq!(counted("alice", 2 * HOUR, HOUR, 64), vec![Some(at(2 * HOUR)); 64]);
    }

    #[test]
    fn a_result_that_is_wanted_for_less_than_a_minute_is_never_left_for_longer() {
        let mut world = Still::default();
        assert!((0..128).all(|_| counts(&mut world, "alice", 9, 0) == Some(at(9))));
    }

    #[test]
    fn the_memory_for_counting_is_given_back_as_results_end() {
        let mut world = Still::default();
        for round in 0..5 {
            for number in 0..5_000 {
                counts(&mut world, &number.to_string(), round + 1, round).unwrap();
            }
            let bytes: usize = world.memory.borrow().values().map(|(value, _)| value.len()).sum();
            assert!(bytes <= 2 * 5_000 * RESULT, "{bytes}");
        }
    }

    #[test]
    fn what_somebody_else_has_written_there_counts_for_nobody() {
        let mut world = Still::default();
        counts(&mut world, "alice", 9, 0).unwrap();
        let key = world.memory.borrow().keys().next().unwrap().clone();
        for junk in [&b"junk"[..], &[255; 1_000], b""] {
            world.share(&key, junk, Version::Any).unwrap();
            assert_eq!(counts(&mut world, "alice", 9, 0), Some(at(9)));
        }
    }

    #[test]
    fn after_a_clock_was_set_back_and_after_others_wrote_there_an_account_has_results_again_as_soon_as_none_can_stand() {
        let mut world = Still::default();
        let ahead = 1_000 * HOUR;
        assert!((0..128).all(|_| counts(&mut world, "alice", ahead + HOUR, ahead).is_some()));
        // The clock is set back: those that stand in the store count for as long as they can stand there, and no longer.
        assert_eq!(counts(&mut world, "alice", HOUR, 0), None);
        assert_eq!(counts(&mut world, "alice", LONGEST + HOUR - 1, LONGEST - 1), None);
        assert_eq!(counts(&mut world, "alice", LONGEST + HOUR, LONGEST), Some(at(LONGEST + HOUR)));
        let key = world.memory.borrow().keys().next().unwrap().clone();
        world.share(&key, &[255; MOST_IN_A_PIECE * RESULT], Version::Any).unwrap();
        assert_eq!(counts(&mut world, "alice", HOUR, 0), None, "no room");
        assert_eq!(counts(&mut world, "alice", LONGEST + HOUR, LONGEST), Some(at(LONGEST + HOUR)));
    }
}
