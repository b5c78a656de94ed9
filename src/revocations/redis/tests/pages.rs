//! Tests of pages: what is read, what is skipped, and what a store that lies can do.

use super::*;
use crate::revocations::exchanged::LARGEST_ENTRY;

/// An entry as XRANGE writes it.
fn entry(id: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut written = format!("*2\r\n${}\r\n{id}\r\n*{}\r\n", id.len(), fields.len()).into_bytes();
    for field in fields {
        written.extend(bulk(field));
    }
    written
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

const TIME: &[u8] = b"*2\r\n$3\r\n100\r\n$6\r\n250000\r\n";

/// The reply to the reading of a page, at 100.25 s of the server's clock.
fn page_of(entries: &[Vec<u8>]) -> Vec<u8> {
    [TIME, format!("*{}\r\n", entries.len()).as_bytes(), &entries.concat(), b"+OK\r\n"].concat()
}

fn ours(id: &str) -> Vec<u8> {
    entry(id, &[b"e", id.as_bytes()])
}

fn read(from: &str, most: usize, bytes: impl Into<Vec<u8>>) -> Result<Page, Failure> {
    nobody().page(cursor(from), most, &said(bytes))
}

fn refused(from: &str, most: usize, bytes: impl Into<Vec<u8>>) -> String {
    let failure = read(from, most, bytes).unwrap_err();
    assert_eq!(failure.reason, Reason::RevocationsUnavailable);
    failure.detail
}

#[test]
fn a_page_has_the_servers_clock_its_entries_and_where_to_read_on() {
    let entries = [ours("99000-0"), ours("99000-1"), ours("100200-0")];
    let page = read("99000-0", 4, page_of(&entries)).unwrap();
    let read_entries: Vec<_> = page.entries.iter().map(|entry| (entry.cursor.to_string(), entry.bytes.as_slice())).collect();
    let expected = ["99000-0", "99000-1", "100200-0"].map(|id| (id.to_owned(), id.as_bytes()));
    assert_eq!(read_entries, expected);
    assert_eq!((page.now.millis(), page.next, page.rest), (100_250, cursor("100200-1"), Rest::Nothing));
    assert_eq!(page.foreign, 0);
    // As many as were asked for: there may be more.
    assert_eq!(read("99000-0", 3, page_of(&entries)).unwrap().rest, Rest::More);
    let empty = read("99000-0", 3, page_of(&[])).unwrap();
    assert_eq!((empty.next, empty.rest), (cursor("99000-0"), Rest::Nothing));
}

#[test]
fn a_page_that_is_cut_anywhere_has_only_whole_entries_and_lacks_none_of_those_before_where_to_read_on() {
    let whole = page_of(&[ours("99000-0"), ours("99000-1"), ours("99000-2")]);
    let all = read("1-0", 9, whole.clone()).unwrap();
    let mut lengths = Vec::new();
    for end in 1..whole.len() {
        let Ok(page) = read("1-0", 9, &whole[..end]) else { continue };
        assert_eq!(page.entries, all.entries[..page.entries.len()]);
        assert_eq!(page.next, page.entries.last().unwrap().cursor.next());
        assert_eq!(page.rest == Rest::Nothing, page.entries.len() == 3);
        lengths.push(page.entries.len());
    }
    assert!(lengths.is_sorted() && lengths.first() == Some(&1) && lengths.last() == Some(&3), "{lengths:?}");
}

#[test]
fn entries_of_another_form_are_skipped_and_counted() {
    let long = vec![b'x'; LARGEST_ENTRY + 1];
    for fields in [
        [b"f".as_slice(), b"x"].as_slice(),
        &[b"e", &long],
        &[b"e", b"x", b"f", b"y"],
        &[b"e"],
        &[],
        &[b"e", b"x", b"e", b"y"],
        &[b"E", b"x"],
    ] {
        let entries = [ours("99000-0"), entry("99000-1", fields), ours("99000-2")];
        let page = read("1-0", 9, page_of(&entries)).unwrap();
        assert_eq!((page.entries.len(), page.foreign, page.next), (2, 1, cursor("99000-3")), "{fields:?}");
    }
    let largest = entry("99000-1", &[b"e", &long[1..]]);
    assert_eq!(read("1-0", 9, page_of(&[largest])).unwrap().foreign, 0);
}

#[test]
fn an_entry_too_large_to_come_whole_hides_nothing_behind_it() {
    let huge = entry("99000-1", &[b"e", &vec![b'x'; 5_000_000]]);
    let whole = page_of(&[ours("99000-0"), huge.clone(), ours("99000-2")]);
    let page = read("1-0", 9, &whole[..300 * 1_024]).unwrap();
    assert_eq!((page.entries.len(), page.foreign, page.next, page.rest), (1, 1, cursor("99000-2"), Rest::More));
    // Also where it is the first one.
    let page = read("99000-1", 9, &page_of(&[huge.clone(), ours("99000-2")])[..65_536]).unwrap();
    assert_eq!((page.entries.len(), page.foreign, page.next, page.rest), (0, 1, cursor("99000-2"), Rest::More));
    // Also where it has too many fields.
    let fields = vec![b"x".as_slice(); 100_000];
    let page = read("99000-1", 9, &page_of(&[entry("99000-1", &fields)])[..65_536]).unwrap();
    assert_eq!((page.foreign, page.rest), (1, Rest::More));
}

#[test]
fn an_entry_of_ours_that_has_not_come_whole_is_never_skipped() {
    let largest = entry("99000-0", &[b"e", &[b'x'; LARGEST_ENTRY]]);
    let whole = page_of(&[largest]);
    for end in 1..whole.len() - b"+OK\r\n".len() {
        assert!(refused("1-0", 9, &whole[..end]).contains("closed the connection early"), "{end}");
    }
}

#[test]
fn places_that_no_honest_store_gives_make_the_page_a_failure() {
    for (from, entries, words) in [
        ("99000-0", vec![ours("98999-9")], "expected ids from 99000-0 on, found 98999-9"),
        ("1-0", vec![ours("99000-1"), ours("99000-1")], "expected ids from 99000-2 on, found 99000-1"),
        ("1-0", vec![ours("99000-1"), ours("5-0")], "expected ids from 99000-2 on, found 5-0"),
        ("1-0", vec![ours("99000")], "the id of an entry"),
        ("1-0", vec![ours("+9-0")], "the id of an entry"),
        ("1-0", vec![ours("")], "the id of an entry"),
        ("1-0", vec![b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n".to_vec()], "expected an array of two, found one of 3"),
        ("1-0", vec![b"$3\r\n5-0\r\n".to_vec()], "expected an array, found bytes"),
        ("1-0", vec![b"*2\r\n:5\r\n*0\r\n".to_vec()], "expected bytes, found a number"),
        ("1-0", vec![b"*2\r\n$3\r\n5-0\r\n*-1\r\n".to_vec()], "expected an array, found null"),
        ("1-0", vec![b"*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\ne\r\n*0\r\n".to_vec()], "expected bytes, found an array"),
        ("1-0", vec![b"*2\r\n$3\r\n5-0\r\n*1\r\n-ERR no\r\n".to_vec()], "refused XRANGE: \"ERR no\""),
        ("1-0", vec![ours("5-0"), ours("6-0"), ours("7-0")], "expected at most 2 entries, found 3"),
    ] {
        let detail = refused(from, 2, page_of(&entries));
        assert!(detail.contains(words), "{detail}");
    }
}

#[test]
fn a_page_without_a_clock_or_with_an_end_of_another_kind_is_a_failure() {
    let good = page_of(&[ours("99000-0")]);
    let behind_time = &good[TIME.len()..];
    for time in
        ["*2\r\n$1\r\nx\r\n$1\r\n0\r\n", "*1\r\n$1\r\n5\r\n", "*2\r\n$2\r\n-5\r\n$1\r\n0\r\n", ":100\r\n", "-NOPERM no\r\n", ""]
    {
        assert!(read("1-0", 9, [time.as_bytes(), behind_time].concat()).is_err(), "{time:?}");
    }
    for (more, words) in [("x", "found 1 bytes"), ("+OK\r\n", "found 5 bytes")] {
        let detail = refused("1-0", 9, [&good, more.as_bytes()].concat());
        assert!(detail.contains(words), "{detail}");
    }
    let without_end = |end: &str| [TIME, b"*0\r\n", end.as_bytes()].concat();
    for end in ["*0\r\n+OK\r\n", "-ERR no\r\n", "-NOPERM no\r\n+OK\r\n", ":1\r\n", "+OK\r\n+OK\r\n"] {
        assert!(read("1-0", 9, without_end(end)).is_err(), "{end}");
    }
    assert!(refused("1-0", 9, "-WRONGTYPE Operation against a key\r\n").contains("TIME"));
    let wrong_type = [TIME, b"-WRONGTYPE Operation against a key\r\n+OK\r\n"].concat();
    assert!(refused("1-0", 9, wrong_type).contains("choose another name for the stream"));
}

#[test]
fn entries_in_the_future_are_read_and_the_next_round_begins_at_the_servers_clock() {
    let last = "18446744073709551615-18446744073709551615";
    let entries = [ours("160250-0"), ours("160251-0"), ours(last)];
    let page = read("1-0", 9, page_of(&entries)).unwrap();
    assert_eq!((page.entries.len(), page.next), (3, cursor(last)));
    assert_eq!(page.next_round(), cursor("40250-0"));
    // The server's own clock may be anything.
    let mut lie = page_of(&entries);
    lie.splice(..TIME.len(), b"*2\r\n$20\r\n18446744073709551615\r\n$20\r\n18446744073709551615\r\n".to_vec());
    assert_eq!(read("1-0", 9, lie).unwrap().entries.len(), 3);
}
