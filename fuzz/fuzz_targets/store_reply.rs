//! Fuzzes what a Redis says to every exchange with the store of revocations. Nothing that does not end as it must is an
//! acknowledgement, and a page has at most as many entries as were asked for, in increasing order.

#![no_main]

use std::time::Duration;

use accredit::revocations::cursor::Cursor;
use accredit::revocations::exchanged::LARGEST_ENTRY;
use accredit::revocations::redis::settings::{Login, Redis};
use accredit::revocations::store::Store;
use accredit_fuzz::answer;
use libfuzzer_sys::fuzz_target;

const MOST: usize = 9;

fuzz_target!(|bytes: &[u8]| {
    let (cluster, stream) = ("redis".to_owned(), "accredit".to_owned());
    let store = Store::Redis(Redis { cluster, timeout: Duration::from_secs(1), stream, login: Login::Nobody });
    let reply = answer(200, bytes);
    // An answer that ends with an acknowledgement can still have a refusal before it; unit tests have those.
    let ends = bytes.ends_with(b"+OK\r\n");
    assert!(ends || store.announced(1, 1, &reply).is_err());
    assert!(ends || store.claimed(&reply).is_err());
    assert!(ends || store.was_put(&reply).is_err());
    assert!(ends || store.got(&reply).is_err());
    if let Ok(page) = store.page(Cursor::START, MOST, &reply) {
        assert!(page.entries.len() <= MOST && page.entries.is_sorted_by_key(|entry| entry.cursor));
        assert!(page.entries.iter().all(|entry| entry.bytes.len() <= LARGEST_ENTRY && entry.cursor <= page.next));
    }
});
