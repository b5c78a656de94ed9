//! What a store has lost is told again by whoever knows it.

use std::time::Duration;

use serde_json::json;

use super::super::stage::{Browser, Stage, Worker, changed, seconds};
use super::many::many_end;
use super::shelf::Shelf;
use super::{Fleet, refuses, sharing};
use crate::http::message::Reply;
use crate::session::ended::end::End;
use crate::step::event::Event;
use crate::words::time::Timestamp;

/// Ends a person's sessions until now, at a replica.
fn ends_person(worker: &mut Worker, sub: &str) {
    let now = worker.world.now;
    let until = now.plus(seconds(8 * 3_600));
    let ended = &mut worker.gateway.background.ended;
    assert!(ended.end_and_tell(&mut worker.world, &End::Person { provider: "main", sub, begun_by: now, until }));
}

/// Somebody has signed out at one of the replicas, beside which there are so many others, and the store has it. The browser still has
/// the session's cookie.
fn signed_out(others: usize) -> (Stage, Fleet, Browser) {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), others);
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(3));
    (stage, fleet, stolen)
}

#[test]
fn an_end_that_the_store_acknowledged_and_lost_before_it_was_read_is_told_again() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
    ends_person(&mut stage.worker, "somebody");
    fleet.pass(&mut stage, seconds(3));
    let before = fleet.shelf.entries.clone();
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, Duration::ZERO);
    assert_eq!(fleet.shelf.entries.len(), 2, "the store has acknowledged it");
    fleet.shelf.entries = before;
    fleet.pass(&mut stage, seconds(4));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}

#[test]
fn an_end_that_says_more_than_an_earlier_one_of_the_same_person_is_told_again_if_the_store_lost_it() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
    ends_person(&mut stage.worker, "alice");
    fleet.pass(&mut stage, seconds(3));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    let second = stage.browser.clone();
    let before = fleet.shelf.entries.clone();
    fleet.pass(&mut stage, seconds(2));
    ends_person(&mut stage.worker, "alice");
    fleet.pass(&mut stage, seconds(3));
    fleet.shelf.entries = before;
    fleet.pass(&mut stage, seconds(5));
    fleet.replicas.clear();
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.outcomes(&second), refuses(1));
}

#[test]
fn a_claim_that_fails_delays_what_is_announced_again_and_does_not_prevent_it() {
    let (mut stage, mut fleet, stolen) = signed_out(0);
    fleet.shelf.entries.clear();
    fleet.shelf.claims_fail = 2;
    fleet.pass(&mut stage, seconds(12));
    assert_eq!((fleet.shelf.claims_fail, fleet.shelf.entries.len()), (0, 1));
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}

#[test]
fn what_is_known_is_told_to_another_store_when_a_new_configuration_names_one() {
    let (mut stage, mut fleet, stolen) = signed_out(0);
    let other = changed(sharing(), "/revocations/redis/stream", json!("another"));
    fleet.shelf = Shelf::default();
    stage.worker = stage.worker.beside(&other);
    fleet.pass(&mut stage, seconds(3));
    fleet.join(&other, stage.worker.world.now);
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}

#[test]
fn a_store_that_loses_what_it_was_told_again_is_told_once_more() {
    let (mut stage, mut fleet, stolen) = signed_out(0);
    fleet.shelf.entries.clear();
    // It is emptied again as soon as it was told.
    for _ in 0..60 {
        fleet.pass(&mut stage, Duration::ZERO);
        if !fleet.shelf.entries.is_empty() {
            break;
        }
        fleet.pass(&mut stage, Duration::from_millis(100));
    }
    fleet.shelf.entries.clear();
    fleet.pass(&mut stage, seconds(8));
    assert_eq!(fleet.shelf.entries.len(), 1);
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}

#[test]
fn whoever_keeps_the_name_for_ever_by_which_replicas_agree_who_announces_again_hides_nothing() {
    let (mut stage, mut fleet, stolen) = signed_out(1);
    claim_for_ever(&mut fleet, stage.worker.world.now, b"1");
    fleet.shelf.entries.clear();
    fleet.pass(&mut stage, seconds(30));
    fleet.replicas.clear();
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(1));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}

/// Whoever keeps the name for ever by which processes agree who announces again.
fn claim_for_ever(fleet: &mut Fleet, now: Timestamp, process: &[u8]) {
    let for_ever = now.plus(seconds(1_000_000));
    fleet.shelf.names.insert(b"accredit:announce-again".to_vec(), (process.to_vec(), for_ever));
}

#[test]
fn while_another_process_that_has_the_claim_gives_the_store_what_it_lacks_nobody_else_announces_again() {
    let mut stage = Stage::ready(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    let worker = stage.worker.beside(&sharing());
    fleet.replicas.push(worker);
    many_end(&mut fleet, stage.worker.world.now, 2_000);
    fleet.pass(&mut stage, seconds(3));
    claim_for_ever(&mut fleet, stage.worker.world.now, b"another process!");
    let lost: Vec<_> = std::mem::take(&mut fleet.shelf.entries).into_iter().collect();
    let announced = |event: &Event| matches!(event, Event::RevocationsAnnounced(_));
    for some in lost.chunks(100).take(15) {
        fleet.pass(&mut stage, seconds(3));
        fleet.shelf.entries.extend(some.iter().cloned());
    }
    assert_eq!(fleet.count(announced), 0);
    // It stops in the middle, and keeps the name.
    fleet.pass(&mut stage, seconds(40));
    assert!(fleet.count(announced) > 0);
    let entries = fleet.shelf.entries.len();
    assert!((2_000..2_100).contains(&entries), "each is announced once: {entries}");
}

#[test]
fn a_claim_of_this_process_whose_acknowledgement_was_lost_delays_nothing() {
    let (mut stage, mut fleet, _) = signed_out(0);
    let process = stage.worker.world.memory.borrow()["accredit/4/process"].0.clone();
    claim_for_ever(&mut fleet, stage.worker.world.now, &process);
    fleet.shelf.entries.clear();
    fleet.pass(&mut stage, seconds(4));
    assert_eq!(fleet.shelf.entries.len(), 1);
}

#[test]
fn what_finds_no_room_in_the_queue_is_counted_each_and_told_to_the_store_all_the_same() {
    let mut stage = Stage::ready(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    fleet.shelf.instead = Some(Reply::Reset);
    for number in 0..4_100 {
        ends_person(&mut stage.worker, &number.to_string());
    }
    let events = stage.worker.tick().events;
    assert!(events.contains(&Event::RevocationsQueueFull(4)), "{events:?}");
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, seconds(20));
    assert!(fleet.shelf.entries.len() >= 4_100, "{}", fleet.shelf.entries.len());
}
