//! Tests of what a real Redis does with the calls of `accredit::revocations`, and of what its replies then mean. A call is sent as
//! Envoy sends it by a cluster with `TcpConnectionPoolProto`: the body as bytes, then the end of our half of the connection.
//!
//! `make redis` runs them. They are ignored otherwise, because they need the program that REDIS_SERVER names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod doctor;
mod server;

use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use accredit::revocations::cursor::Cursor;
use accredit::revocations::exchanged::{Announced, Claimed, NamedValue, Page, Rest};
use accredit::revocations::redis::settings::{Login, Redis};
use accredit::revocations::store::Store;
use accredit::words::reason::Failure;
use accredit::words::secret::Secret;
use accredit::words::time::Timestamp;

use crate::server::Server;

/// What the documents say an ACL user needs.
const ACL: &str = "on >s3cret resetkeys ~accredit ~accredit:* resetchannels -@all +time +xadd +xrange +set +get";

/// A replica of Accredit.
struct Replica<'a> {
    server: &'a Server,
    store: Store,
}

impl<'a> Replica<'a> {
    fn at(server: &'a Server) -> Self {
        Self::logged_in(server, Login::Nobody)
    }

    fn logged_in(server: &'a Server, login: Login) -> Self {
        let timeout = Duration::from_secs(1);
        Self { server, store: Store::Redis(Redis { cluster: "redis".into(), timeout, stream: "accredit".into(), login }) }
    }

    fn announce(&self, entries: &[Vec<u8>], claims: &[NamedValue<'_>], trim: Option<Timestamp>) -> Result<Announced, Failure> {
        let reply = self.server.answer(&self.store.announce(entries, claims, trim));
        self.store.announced(entries.len(), claims.len(), &reply)
    }

    fn page(&self, from: Cursor, most: usize) -> Result<Page, Failure> {
        self.store.page(from, most, &self.server.answer(&self.store.read(from, most)))
    }

    /// Reads on until nothing is left. Returns the bytes of all entries, how many were not ours, and how many calls it took.
    fn round(&self, mut from: Cursor, most: usize) -> (Vec<Vec<u8>>, usize, usize) {
        let (mut read, mut foreign) = (Vec::new(), 0);
        for calls in 1..1_000 {
            let page = self.page(from, most).unwrap();
            read.extend(page.entries.into_iter().map(|entry| entry.bytes));
            foreign += page.foreign;
            if page.rest == Rest::Nothing {
                return (read, foreign, calls);
            }
            from = page.next;
        }
        panic!("this round has no end");
    }

    fn claim(&self, name: &str, value: &[u8], lifetime: Duration) -> Result<Claimed, Failure> {
        self.store.claimed(&self.server.answer(&self.store.claim(&NamedValue { name, value, lifetime })))
    }

    fn put(&self, name: &str, value: &[u8], lifetime: Duration) -> Result<(), Failure> {
        self.store.was_put(&self.server.answer(&self.store.put(&NamedValue { name, value, lifetime })))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.store.got(&self.server.answer(&self.store.get(name)))
    }

    /// Every exchange once: what its failure says, and nothing for one that succeeds.
    fn all_exchanges(&self) -> [String; 5] {
        let told = |failure: Option<Failure>| failure.map(|failure| failure.detail).unwrap_or_default();
        [
            told(self.announce(&entries(2, 20), &[], Some(Timestamp::from_millis(1))).err()),
            told(self.page(Cursor::START, 9).err()),
            told(self.claim("claimed", b"me", MINUTE).err()),
            told(self.put("put", b"value", MINUTE).err()),
            told(self.get("put").err()),
        ]
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// So many different entries of this size, with every byte in them.
fn entries(count: usize, size: usize) -> Vec<Vec<u8>> {
    let entry = |number: usize| {
        let bytes = number.to_be_bytes().into_iter().chain((0..=255).cycle());
        bytes.take(size).collect()
    };
    (0..count).map(entry).collect()
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn what_one_replica_announces_the_others_read_in_the_same_order() {
    let server = Server::start(&[]);
    let (one, other) = (Replica::at(&server), Replica::at(&server));
    assert_eq!(other.page(Cursor::START, 10).unwrap().entries, []);
    let sent = [b"".to_vec(), b"\r\n*1\r\n$4\r\nQUIT\r\n".to_vec(), vec![0; 512], vec![255; 512]];
    let announced = one.announce(&sent, &[], None).unwrap();
    assert!(announced.cursors.is_sorted() && announced.cursors.len() == 4);
    let page = other.page(Cursor::START, 10).unwrap();
    let read: Vec<_> = page.entries.iter().map(|entry| (entry.cursor, entry.bytes.clone())).collect();
    assert_eq!(read, announced.cursors.iter().copied().zip(sent).collect::<Vec<_>>());
    assert_eq!((page.rest, page.foreign), (Rest::Nothing, 0));
    assert!(page.now >= announced.cursors[3].time());
    // Further entries are read alone, and the last minute again.
    one.announce(&[b"later".to_vec()], &[], None).unwrap();
    assert_eq!(other.round(page.next, 10).0, [b"later"]);
    assert_eq!(other.round(page.next_round(), 2).0.len(), 5);
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn more_than_redis_sends_at_once_is_read_whole_by_further_calls() {
    let server = Server::start(&[]);
    let replica = Replica::at(&server);
    let sent = entries(4_000, 512);
    for part in sent.chunks(1_000) {
        replica.announce(part, &[], None).unwrap();
    }
    let (read, _, calls) = replica.round(Cursor::START, 1_000);
    assert!(read == sent, "{} of {}", read.len(), sent.len());
    // Redis sends 64 KiB at least.
    assert!((4..=40).contains(&calls), "{calls}");
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn entries_of_others_in_the_same_stream_hide_none_of_ours() {
    let server = Server::start(&[]);
    let replica = Replica::at(&server);
    server.does_with("XADD accredit * e", &[&vec![b'x'; 5_000_000]]);
    replica.announce(&entries(2, 20), &[], None).unwrap();
    server.does("XADD accredit * name value");
    server.does_with("XADD accredit * e", &[&vec![b'x'; 5_000_000]]);
    server.does("XADD accredit * a b c d e f");
    replica.announce(&entries(1, 20), &[], None).unwrap();
    let (read, foreign, _) = replica.round(Cursor::START, 1_000);
    assert_eq!((read.len(), foreign), (3, 4));
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn of_all_who_claim_a_name_one_wins_and_the_others_learn_its_value_until_the_time_is_over() {
    let server = Server::start(&[]);
    let replica = Replica::at(&server);
    assert_eq!(replica.claim("jti", b"\r\none", MINUTE), Ok(Claimed::Won));
    assert_eq!(replica.claim("jti", b"two", MINUTE), Ok(Claimed::Lost(b"\r\none".to_vec())));
    // Together with an announcement, which is made whether the claim wins or not.
    let claims = [("jti", 60), ("new", 60)].map(|(name, seconds)| NamedValue { name, value: b"x", lifetime: MINUTE * seconds });
    let announced = replica.announce(&entries(1, 9), &claims, None).unwrap();
    assert_eq!(announced.claims, [Claimed::Lost(b"\r\none".to_vec()), Claimed::Won]);
    assert_eq!(replica.round(Cursor::START, 9).0.len(), 1);

    assert_eq!(replica.claim("short", b"x", Duration::from_millis(20)), Ok(Claimed::Won));
    sleep(Duration::from_millis(60));
    assert_eq!(replica.claim("short", b"y", MINUTE), Ok(Claimed::Won));

    assert_eq!(replica.get("value"), Ok(None));
    let value: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    assert_eq!(replica.put("value", b"first", MINUTE), Ok(()));
    assert_eq!(replica.put("value", &value, Duration::from_millis(200)), Ok(()));
    assert_eq!(replica.get("value"), Ok(Some(value)));
    sleep(Duration::from_millis(300));
    assert_eq!(replica.get("value"), Ok(None));
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn trimming_removes_nothing_that_is_not_old_and_most_of_what_is() {
    let server = Server::start(&[]);
    let replica = Replica::at(&server);
    replica.announce(&entries(1_000, 20), &[], None).unwrap();
    sleep(Duration::from_millis(5));
    let before = replica.page(Cursor::START, 1).unwrap();
    sleep(Duration::from_millis(5));
    replica.announce(&entries(50, 30), &[], None).unwrap();
    // A moment that is long past removes nothing.
    replica.announce(&entries(1, 40), &[], Some(Timestamp::from_millis(1))).unwrap();
    assert_eq!(replica.round(Cursor::START, 2_000).0.len(), 1_051);
    replica.announce(&entries(1, 40), &[], Some(before.now)).unwrap();
    let left = replica.round(Cursor::START, 2_000).0;
    assert!(left.iter().filter(|entry| entry.len() > 20).count() == 52 && left.len() < 52 + 200, "{}", left.len());
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn ids_in_the_future_and_the_loss_of_the_stream_hide_nothing_that_is_added_later() {
    let server = Server::start(&[]);
    let replica = Replica::at(&server);
    replica.announce(&entries(2, 20), &[], None).unwrap();
    let known = replica.page(Cursor::START, 9).unwrap();

    server.does("XADD accredit 99999999999999-0 e lie");
    replica.announce(&[b"behind the lie".to_vec()], &[], None).unwrap();
    let page = replica.page(known.next_round(), 9).unwrap();
    assert_eq!(page.entries.len(), 4);
    assert_eq!(replica.round(page.next_round(), 9).0.last().unwrap(), b"behind the lie");

    sleep(Duration::from_millis(5));
    server.does("FLUSHALL");
    assert_eq!(replica.page(page.next_round(), 9).unwrap().entries, []);
    replica.announce(&[b"after the loss".to_vec()], &[], None).unwrap();
    let found = replica.page(page.next_round(), 9).unwrap();
    assert_eq!(found.entries[0].bytes, b"after the loss");

    server.does("XADD accredit 18446744073709551615-18446744073709551615 e lie");
    let failure = replica.announce(&entries(1, 20), &[], None).unwrap_err();
    assert!(failure.detail.contains("delete the stream"), "{}", failure.detail);
    server.does("DEL accredit");
    assert!(replica.announce(&entries(1, 20), &[], None).is_ok());
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_user_with_the_documented_rights_can_do_all_and_without_one_of_them_is_told_which() {
    let server = Server::start(&[]);
    let login = || Login::User { name: "gateway".into(), password: Secret::new("s3cret") };
    let setuser = |rights: &str| assert_eq!(server.does(&format!("ACL SETUSER gateway reset {rights}")), "+OK\r\n");
    let replica = Replica::logged_in(&server, login());
    setuser(ACL);
    assert_eq!(replica.all_exchanges(), [""; 5].map(str::to_owned));
    // Every right is needed: which exchanges fail without it, and what is refused.
    let sayings = |refused: &str, failing: &[usize]| {
        let told = replica.all_exchanges();
        for (exchange, told) in told.iter().enumerate() {
            assert_eq!(!told.is_empty(), failing.contains(&exchange), "{refused} {exchange}: {told}");
            assert!(
                told.is_empty() || (told.contains(&format!("refused {refused}: \"NOPERM")) && told.contains("+xadd")),
                "{told}"
            );
        }
    };
    for (right, refused, failing) in [
        ("xadd", "XADD", &[0][..]),
        ("time", "TIME", &[1]),
        ("xrange", "XRANGE", &[1]),
        ("set", "SET", &[2, 3]),
        ("get", "GET", &[2, 4]),
    ] {
        setuser(&ACL.replace(&format!(" +{right}"), ""));
        sayings(refused, failing);
    }
    setuser(&ACL.replace(" ~accredit ", " "));
    assert_eq!(replica.all_exchanges().map(|told| told.contains("NOPERM")), [true, true, false, false, false]);
    setuser(&ACL.replace(" ~accredit:*", ""));
    assert_eq!(replica.all_exchanges().map(|told| told.contains("NOPERM")), [false, false, true, true, true]);
    setuser(&ACL.replace("on ", "off "));
    assert!(replica.all_exchanges().iter().all(|told| told.contains("\"WRONGPASS\"; check the user's name and password")));
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_wrong_a_missing_and_a_needless_password_are_told_apart() {
    let (locked, open) = (Server::start(&["--requirepass", "s3cret"]), Server::start(&[]));
    let password = |text: &str| Login::Password(Secret::new(text));
    for (server, login, words) in [
        (&locked, password("s3cret"), ""),
        (&locked, password("guess"), "refused AUTH: \"WRONGPASS\"; check the user's name and password"),
        (&locked, Login::Nobody, "NOAUTH Authentication required.\"; set the password"),
        (&open, password("s3cret"), "refused AUTH: \"ERR\"; no password is set there"),
    ] {
        for told in Replica::logged_in(server, login.clone()).all_exchanges() {
            assert!(told.contains(words) && (told.is_empty() == words.is_empty()), "{login:?}: {told}");
        }
    }
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_server_that_takes_no_entries_acknowledges_none_and_is_still_read() {
    let primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
    Replica::at(&primary).announce(&entries(3, 20), &[], None).unwrap();
    let port = primary.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let of_replica = Replica::at(&replica);
    for _ in 0..1_000 {
        if of_replica.page(Cursor::START, 9).is_ok_and(|page| page.entries.len() == 3) {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    let told = of_replica.all_exchanges();
    assert_eq!(told.clone().map(|told| told.contains("READONLY")), [true, false, true, true, false], "{told:?}");
    assert_eq!(of_replica.round(Cursor::START, 9).0.len(), 3);

    let server = Server::start(&[]);
    let full = Replica::at(&server);
    full.announce(&entries(3, 20), &[], None).unwrap();
    server.does("CONFIG SET maxmemory 1");
    let told = full.all_exchanges();
    assert_eq!(told.clone().map(|told| told.contains("(maxmemory) is full")), [true, false, true, true, false], "{told:?}");
    assert_eq!(full.round(Cursor::START, 9).0.len(), 3);
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_key_of_another_kind_and_a_server_without_room_are_told() {
    let server = Server::start(&[]);
    let replica = Replica::at(&server);
    server.does("SET accredit text");
    server.does("LPUSH accredit:put a");
    let told = replica.all_exchanges();
    assert_eq!(told.clone().map(|told| told.contains("WRONGTYPE")), [true, true, false, false, false], "{told:?}");
    server.does("LPUSH accredit:name a");
    assert!(replica.get("name").unwrap_err().detail.contains("WRONGTYPE"));

    server.does("CONFIG SET maxclients 1");
    let held = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    sleep(Duration::from_millis(50));
    let told = replica.all_exchanges();
    assert!(
        told.iter().all(|told| told.contains("(maxclients) is reached") || told.contains("closed the connection")),
        "{told:?}"
    );
    drop(held);
}
