//! A store whose clock is ahead: nothing that matters is removed by it, and what others have removed by it is told again.

use std::time::Duration;

use super::super::stage::{Browser, Stage, seconds};
use super::{Fleet, refuses, sharing};
use crate::step::event::Event;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Somebody signs in and out again at the stage's replica. Returns the browser, which still has the cookie.
fn signs_out(stage: &mut Stage, fleet: &mut Fleet) -> Browser {
    stage.browser = Browser::default();
    stage.sign_in("/page");
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(stage, seconds(3));
    stolen
}

/// How often it was told that the store's clock is ahead.
fn told(fleet: &Fleet) -> usize {
    fleet.count(|event| matches!(event, Event::RevocationsClockAhead(_)))
}

#[test]
fn a_store_whose_clock_is_set_ahead_loses_no_end_and_it_is_told_once_in_ten_minutes() {
    let mut stage = Stage::ready(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    let stolen = signs_out(&mut stage, &mut fleet);
    assert_eq!(told(&fleet), 0);
    fleet.shelf.ahead = DAY;
    fleet.pass(&mut stage, seconds(3));
    let later = signs_out(&mut stage, &mut fleet);
    assert_eq!((fleet.shelf.entries.len(), told(&fleet)), (2, 1));
    assert!(fleet.events.contains(&Event::RevocationsClockAhead(DAY)));
    fleet.pass(&mut stage, seconds(60));
    assert_eq!((fleet.shelf.entries.len(), told(&fleet)), (2, 1), "nothing is announced again without need");
    stage.worker.wait(seconds(600));
    fleet.pass(&mut stage, seconds(3));
    assert_eq!(told(&fleet), 2);
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(2));
    for browser in [stolen, later] {
        assert_eq!(fleet.outcomes(&browser), refuses(1));
    }
    // It is right again: entries are removed as always, and nothing is told.
    fleet.shelf.ahead = Duration::ZERO;
    fleet.events.clear();
    fleet.pass(&mut stage, seconds(700));
    assert_eq!((told(&fleet), fleet.count(|event| *event == Event::RevocationsLost)), (0, 0));
}

#[test]
fn what_somebody_who_believes_a_clock_that_is_ahead_has_removed_is_told_again() {
    let mut stage = Stage::ready(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    let stolen = signs_out(&mut stage, &mut fleet);
    // An Envoy on the machine of the store, whose clock is ahead too, has it remove all but what is new.
    let removes = |fleet: &mut Fleet| fleet.shelf.entries.clear();
    fleet.shelf.ahead = DAY;
    removes(&mut fleet);
    signs_out(&mut stage, &mut fleet);
    fleet.pass(&mut stage, seconds(10));
    assert_eq!(fleet.shelf.entries.len(), 2);
    // It does so later, and leaves the newest entry.
    let (newest, entry) = fleet.shelf.entries.pop_last().unwrap();
    removes(&mut fleet);
    fleet.shelf.entries.insert(newest, entry);
    stage.worker.wait(seconds(600));
    fleet.pass(&mut stage, seconds(10));
    fleet.join(&sharing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}
