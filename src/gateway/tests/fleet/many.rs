//! Replicas that share a store in which very much has ended.

use super::super::stage::{Browser, KEY, Stage, seconds};
use super::{Fleet, lets_in, refuses, sharing};
use crate::crypto::seal::Sealer;
use crate::revocations::cursor::Cursor;
use crate::session::ended::announcement::announcement;
use crate::session::ended::mark::{Ends, MARK_BYTES, Mark};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

/// More than are remembered as heard, and more than are taken over together.
pub(super) const MANY: u64 = 25_000;

/// So many further sessions end within half a minute before this time.
pub(super) fn many_end(fleet: &mut Fleet, now: Timestamp, number: u64) {
    let sealer = Sealer::new(&[Secret::new(KEY)]).unwrap();
    let keys = sealer.end_keys();
    let until = now.plus(seconds(3_600));
    for number in 0..number {
        let name = |kind| keys[0].name(kind, &["a session", &number.to_string()]);
        let mark = Mark::new(name(1), until, Ends::by_account(name(5)));
        let at = Cursor::at(Timestamp::from_millis(now.millis() - 30_000 + number));
        fleet.shelf.entries.insert(at, announcement(keys, "main", &[mark]));
    }
}

#[test]
fn a_replica_that_starts_after_many_ends_knows_the_first_and_the_last_and_reads_none_of_them_every_second() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    let first = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(40));
    many_end(&mut fleet, stage.worker.world.now, MANY);
    stage.browser = Browser::default();
    stage.sign_in("/page");
    let last = stage.browser.clone();
    stage.browser = Browser::default();
    stage.sign_in("/page");
    let goes_on = stage.browser.clone();
    fleet.pass(&mut stage, seconds(2));
    stage.browser = last.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(2));
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(1));
    assert_eq!([fleet.outcomes(&first), fleet.outcomes(&last), fleet.outcomes(&goes_on)], [refuses(1), refuses(1), lets_in(1)]);
    fleet.shelf.read = 0;
    fleet.pass(&mut stage, seconds(10));
    assert!(fleet.shelf.read < 200, "{} entries were read by two replicas within ten seconds", fleet.shelf.read);
    let marks = MANY as usize + 2;
    assert_eq!(fleet.shelf.entries.len(), marks, "nothing that stands in the store is told again");
    let shared = fleet.replicas[0].world.memory.borrow();
    let memory: usize = shared.iter().filter(|(key, _)| key.contains("/ended/")).map(|(_, (value, _))| value.len()).sum();
    assert!((marks * MARK_BYTES..marks * MARK_BYTES + 32_768).contains(&memory), "{memory} bytes for {marks} marks");
}

#[test]
fn what_was_read_before_the_store_went_away_holds() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    let first = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(40));
    many_end(&mut fleet, stage.worker.world.now, MANY);
    for (pages, expected) in [(0, lets_in(1)), (3, refuses(1))] {
        fleet.replicas.clear();
        fleet.join(&sharing(), stage.worker.world.now);
        fleet.shelf.stops_after = Some(pages);
        fleet.pass(&mut stage, seconds(1));
        assert_eq!(fleet.outcomes(&first), expected, "after {pages} pages");
    }
}

#[test]
fn a_store_that_takes_nothing_is_read_from_the_beginning_ever_more_seldom_by_all_workers_together() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    many_end(&mut fleet, stage.worker.world.now, MANY);
    fleet.pass(&mut stage, seconds(100));
    stage.script("POST", "/api/logout");
    for _ in 0..3 {
        let worker = stage.worker.beside(&sharing());
        fleet.replicas.push(worker);
    }
    fleet.pass(&mut stage, seconds(3));
    fleet.shelf.entries.pop_last();
    (fleet.shelf.is_full, fleet.shelf.read) = (true, 0);
    fleet.pass(&mut stage, seconds(120));
    // At once, and after 3, 6, 12, 24 and 48 seconds.
    let times = fleet.shelf.read / MANY as usize;
    assert!((5..=6).contains(&times), "{times}");
    fleet.shelf.is_full = false;
    fleet.pass(&mut stage, seconds(62));
    assert_eq!(fleet.shelf.entries.len(), MANY as usize + 1);
}
