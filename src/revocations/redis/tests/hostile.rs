//! Tests of replies that nobody wrote as a reply: lengths that are not there, arrays in arrays, megabytes, arbitrary bytes.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::revocations::exchanged::LARGEST_ENTRY;
use crate::revocations::redis::resp::Value;

/// Whether any exchange takes these bytes for its reply.
fn taken(bytes: &[u8]) -> bool {
    let reply = said(bytes);
    let redis = nobody();
    let page = redis.page(Cursor::START, 1_000, &reply).is_ok();
    redis.announced(1, 0, &reply).is_ok() || redis.claimed(&reply).is_ok() || redis.got(&reply).is_ok() || page
}

#[test]
fn lengths_and_counts_that_are_not_there_cost_nothing_and_are_no_reply() {
    const TIME: &str = "*2\r\n$1\r\n5\r\n$1\r\n5\r\n";
    for hostile in [
        "*1000000000\r\n",
        "*9999999999\r\n",
        "*18446744073709551615\r\n",
        "*99999999999999999999999\r\n",
        "*2147483647\r\n",
        "*-2\r\n",
        "*+1\r\n",
        "*\r\n",
        "*1",
        "*1\n",
        "$9999999999\r\n",
        "$2147483647\r\nx",
        "$9223372036854775807\r\nx",
        "$18446744073709551615\r\nx",
        "$-2\r\n",
        "$\r\n",
        "$3\r\nabcde",
        ":99999999999999999999999\r\n",
        ":\r\n",
        "+\r\n",
        "-\r\n",
        "%1\r\n+a\r\n+b\r\n",
        "_\r\n",
        "#t\r\n",
        ">1\r\n+x\r\n",
        "\r\n",
    ] {
        for before in ["", TIME, "*2\r\n$1\r\n5\r\n$1\r\n5\r\n*1\r\n*2\r\n$3\r\n5-0\r\n", "+OK\r\n", "$3\r\n5-0\r\n"] {
            assert!(!taken([before, hostile].concat().as_bytes()), "{before:?} {hostile:?}");
        }
    }
}

#[test]
fn arrays_in_arrays_do_not_use_up_the_stack() {
    for head in ["*1\r\n", "*2\r\n:1\r\n", "*1000000000\r\n"] {
        let nested = head.repeat(300_000);
        assert!(!taken(nested.as_bytes()));
        assert!(!taken(["*2\r\n$1\r\n5\r\n$1\r\n5\r\n", &nested].concat().as_bytes()));
        assert!(!taken(["*2\r\n$1\r\n5\r\n$1\r\n5\r\n*1\r\n*2\r\n$3\r\n5-0\r\n", &nested].concat().as_bytes()));
    }
}

#[test]
fn five_megabytes_of_anything_are_no_reply() {
    for piece in ["x", "\r\n", "+", "*", "$5000000\r\n", "+OK\r\n", "-ERR no\r\n", "*0\r\n", ":1\r\n", "\0"] {
        let bytes = piece.repeat(5_000_000 / piece.len());
        assert!(!taken(bytes.as_bytes()), "{piece:?}");
        let failure = nobody().claimed(&said(bytes)).unwrap_err();
        assert!(failure.detail.len() < 600, "{}", failure.detail);
    }
}

/// Bytes of which many are as in a reply.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> =
        vec![b"+OK\r\n", b"$-1\r\n", b"*0\r\n", b"*1\r\n", b"*2\r\n", b"$3\r\n5-0\r\n", b"$1\r\ne\r\n", b"-ERR x\r\n"];
    let piece = proptest::prop_oneof![
        3 => proptest::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// Reads commands as a server does.
fn commands(bytes: &[u8]) -> Option<Vec<Vec<Vec<u8>>>> {
    let mut values = Values::of(bytes);
    let mut commands = Vec::new();
    while !values.left().is_empty() {
        let Ok(Value::Array(length)) = values.next() else { return None };
        let argument = |_| match values.next() {
            Ok(Value::Bulk(bytes)) => Some(bytes.to_vec()),
            _ => None,
        };
        commands.push((0..length).map(argument).collect::<Option<_>>()?);
    }
    Some(commands)
}

proptest! {
    #[test]
    fn arbitrary_bytes_stop_nobody_and_a_reply_is_good_only_as_a_whole(bytes in pieces()) {
        let reply = said(bytes.clone());
        for redis in [nobody(), user()] {
            if let Ok(announced) = redis.announced(1, 1, &reply) {
                prop_assert_eq!(announced.cursors.len(), 1);
                prop_assert!(bytes.ends_with(b"+OK\r\n"));
            }
            prop_assert!(redis.was_put(&reply).is_err() || bytes.ends_with(b"+OK\r\n+OK\r\n"));
            if let Ok(page) = redis.page(Cursor::START, 9, &reply) {
                prop_assert!(page.entries.len() <= 9 && page.entries.is_sorted_by_key(|entry| entry.cursor));
            }
            drop((redis.claimed(&reply), redis.got(&reply)));
        }
    }

    #[test]
    fn whatever_is_in_an_entry_a_name_or_a_value_the_server_reads_these_commands(
        entries in vec(vec(any::<u8>(), 0..LARGEST_ENTRY), 0..4), name in ".*", value in vec(any::<u8>(), 0..99), stream in ".+",
    ) {
        let redis = Redis { stream: stream.clone(), ..user() };
        let call = redis.announce(&entries, &[claim(&name, &value)], None);
        let mut expected: Vec<Vec<&[u8]>> = vec![vec![b"AUTH", b"gateway", PASSWORD.as_bytes()]];
        expected.extend(entries.iter().map(|entry| vec![b"XADD".as_slice(), stream.as_bytes(), b"*", b"e", entry]));
        let key = format!("{stream}:{name}");
        expected.push(vec![b"SET", key.as_bytes(), &value, b"NX", b"PX", b"60000"]);
        expected.push(vec![b"GET", key.as_bytes()]);
        expected.push(vec![b"QUIT"]);
        prop_assert_eq!(commands(&call.body).unwrap(), expected);
    }
}
