//! What stands in the memory that workers and other plugins share, and what happens when several write there at once.

use super::*;
use crate::words::world::{
    Contended, Destination, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing, StreamId,
};

/// A worker beside which others write at the same moment: each attempt of `others` comes between its reading and its writing.
struct Busy {
    still: Still,
    others: Vec<(&'static str, Option<&'static str>)>,
}

impl World for Busy {
    fn now(&self) -> Timestamp {
        self.still.now
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.still.random(bytes)
    }

    fn shared(&self, key: &str) -> Option<Shared> {
        self.still.shared(key)
    }

    fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended> {
        if let Some((account, address)) = self.others.pop() {
            fail(1, &mut self.still, 0, account, address);
        }
        self.still.share(key, value, expected)
    }

    fn destination(&self) -> Destination {
        self.still.destination()
    }

    fn route_metadata(&self, namespace: &str, key: &str) -> RouteMetadata {
        self.still.route_metadata(namespace, key)
    }

    fn client_address(&self) -> Option<String> {
        self.still.client_address()
    }

    fn stream(&self) -> Option<StreamId> {
        self.still.stream()
    }

    fn kept_with_stream(&self) -> Option<Vec<u8>> {
        self.still.kept_with_stream()
    }

    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict {
        self.still.verify_signature(check)
    }

    fn sign(&self, signing: &Signing<'_>) -> HostSignature {
        self.still.sign(signing)
    }
}

#[test]
fn workers_that_count_at_the_same_moment_lose_no_failure_and_let_no_attempt_too_many_through() {
    let mut busy = Busy { still: Still::default(), others: Vec::new() };
    fail(1, &mut busy, 0, "alice", None);
    busy.others = vec![("alice", None); 3];
    fail(1, &mut busy, 0, "alice", None);
    assert_eq!(fails(&mut busy, 0, "alice", None), Err(30));

    fail(4, &mut busy, 0, "bob", None);
    busy.others = vec![("bob", None)];
    assert_eq!(fails(&mut busy, 0, "bob", None), Err(30));

    // The account was counted already when the address turns out to have to wait: that count is taken back.
    for number in 0..49 {
        fail(1, &mut busy, 0, &number.to_string(), Some("192.0.2.1"));
    }
    busy.others = vec![("x", Some("192.0.2.1"))];
    assert_eq!(fails(&mut busy, 0, "carol", Some("192.0.2.1")), Err(30));
    fail(5, &mut busy, 0, "carol", None);
}

#[test]
fn the_second_worker_takes_the_seed_of_the_first() {
    let mut still = Still::default();
    let mut other = Still { drawn: 99, ..still.clone() };
    assert_eq!(seed(&mut still), seed(&mut other));
    assert!(seed(&mut still).is_some_and(|seed| seed != [0; 16]));
}

#[test]
fn neither_account_names_nor_addresses_stand_in_shared_memory_or_in_counted_attempts() {
    let mut world = Still::default();
    let counted = throttle().begin(&mut world, at(0), "alice@example.com", Some("192.0.2.1:5")).unwrap();
    let memory = memory(&world);
    assert_eq!(memory.len(), 3);
    for (key, value) in memory {
        let all = [key.as_bytes(), &value].concat();
        for readable in [b"alice".as_slice(), b"example", b"192.0.2", &[192, 0, 2, 1]] {
            assert!(!all.windows(readable.len()).any(|part| part == readable), "{key}");
        }
    }
    assert!(!format!("{counted:?}").contains("alice"));
    // In another process the same account and address have other hashes.
    let mut other = Still { drawn: 5, ..Still::default() };
    let elsewhere = throttle().begin(&mut other, at(0), "alice@example.com", Some("192.0.2.1:5")).unwrap();
    assert_ne!(counted, elsewhere);
}

#[test]
fn what_another_plugin_writes_there_counts_as_no_failure_and_makes_nobody_wait() {
    let mut world = Still::default();
    fail(5, &mut world, 0, "alice", None);
    let key = memory(&world).into_keys().find(|key| key.contains("account")).unwrap();
    for junk in [b"".as_slice(), b"x", &[0xFF; 35], &[0xFF; 37], &[0xFF; 144], &[0; 1_000]] {
        world.share(&key, junk, Version::Any).unwrap();
        fail(5, &mut world, 0, "alice", None);
        assert_eq!(fails(&mut world, 0, "alice", None), Err(30));
        assert!(memory(&world)[&key].len() <= 176);
    }
    world.share(SEED, b"short", Version::Any).unwrap();
    fail(1, &mut world, 0, "alice", None);
    assert_eq!(memory(&world)[SEED].len(), 16);
}

#[test]
fn a_host_without_randomness_or_shared_memory_lets_nobody_guess() {
    let mut bare = crate::crypto::testing::BareHost::none();
    assert_eq!(fails(&mut bare, 0, "alice", Some("192.0.2.1")), Err(1));
}
