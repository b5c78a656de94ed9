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

/// Counts one more result of the session's account, which is wanted until then. Returns until when it may stand in the store; `None` if
/// it may not.
pub fn one_more(world: &mut dyn World, session: &Session, wanted: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let account = Sha256::digest([&session.provider, "\n", &session.subject].concat());
    let account: &[u8; 8] = account.first_chunk()?;
    let piece = u64::from_be_bytes(*account).checked_rem(PIECES).unwrap_or_default();
    let key = format!("accredit/5/results/{piece}");
    for _ in 0..MOST_TRIES {
        let shared = world.shared(&key);
        let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
        let counted = shared.map(|shared| shared.value).unwrap_or_default();
        let (results, _) = counted.as_chunks::<RESULT>();
        let standing: Vec<_> = results.iter().map(read).filter(|(_, until)| now < *until).collect();
        let of_account = standing.iter().filter(|(of, _)| of == account).count();
        let until = match of_account {
            _ if standing.len() >= MOST_IN_A_PIECE => return None,
            0..MOST_LONG => wanted,
            MOST_LONG..MOST => wanted.min(now.plus(SHORT)),
            _ => return None,
        };
        let written: Vec<_> = standing.into_iter().chain([(*account, until)]).flat_map(write).collect();
        if world.share(&key, &written, version).is_ok() {
            return Some(until);
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

    fn of(subject: &str) -> Session {
        Session { subject: subject.into(), ..session(alice()) }
    }

    #[test]
    fn an_account_has_64_results_as_long_as_they_are_wanted_64_for_a_minute_and_no_more_in_all_workers_together() {
        let mut workers = [Still::default(), Still::default()];
        workers[1] = workers[0].clone();
        let mut counted = |subject, wanted, now, times: usize| {
            let until = |worker: &mut Still| one_more(worker, &of(subject), at(wanted), at(now));
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
        assert!((0..128).all(|_| one_more(&mut world, &of("alice"), at(9), at(0)) == Some(at(9))));
    }

    #[test]
    fn the_memory_for_counting_is_given_back_as_results_end() {
        let mut world = Still::default();
        for round in 0..5 {
            for number in 0..5_000 {
                one_more(&mut world, &of(&number.to_string()), at(round + 1), at(round)).unwrap();
            }
            let bytes: usize = world.memory.borrow().values().map(|(value, _)| value.len()).sum();
            assert!(bytes <= 2 * 5_000 * RESULT, "{bytes}");
        }
    }

    #[test]
    fn what_somebody_else_has_written_there_counts_for_nobody() {
        let mut world = Still::default();
        one_more(&mut world, &of("alice"), at(9), at(0)).unwrap();
        let key = world.memory.borrow().keys().next().unwrap().clone();
        for junk in [&b"junk"[..], &[255; 1_000], b""] {
            world.share(&key, junk, Version::Any).unwrap();
            assert_eq!(one_more(&mut world, &of("alice"), at(9), at(0)), Some(at(9)));
        }
    }
}
