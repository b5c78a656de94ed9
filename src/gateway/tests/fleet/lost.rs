//! What a store has lost is told again by whoever knows it.

use std::time::Duration;

use serde_json::json;

use super::super::stage::{Browser, Stage, Worker, changed, seconds};
use super::shelf::Shelf;
use super::{Fleet, refuses, sharing};
use crate::session::ended::end::End;

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
    let for_ever = stage.worker.world.now.plus(seconds(1_000_000));
    fleet.shelf.names.insert(b"accredit:announce-again".to_vec(), (b"1".to_vec(), for_ever));
    fleet.shelf.entries.clear();
    fleet.pass(&mut stage, seconds(30));
    fleet.replicas.clear();
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(1));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}
