//! Replicas that share a store with replicas of another build, or with other gateways.

use super::super::stage::{KEY, Stage, seconds};
use super::{Fleet, refuses, sharing};
use crate::crypto::seal::Sealer;
use crate::revocations::cursor::Cursor;
use crate::session::ended::announcement::announcement;
use crate::session::ended::mark::{Ends, Mark};
use crate::step::audit;
use crate::step::event::Event;
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

/// Somebody with our keys has announced so many ends for a table that is not here, just before this time.
fn announce_for_another_table(fleet: &mut Fleet, number: u64, now: Timestamp) {
    let sealer = Sealer::new(&[Secret::new(KEY)]).unwrap();
    for number in 0..number {
        let mark = Mark::new(number, now.plus(seconds(3_600)), Ends::begun_by(now));
        let at = Cursor::at(Timestamp::from_millis(now.millis() - 50 + number));
        fleet.shelf.entries.insert(at, announcement(sealer.end_keys(), "of a later build", &[mark]));
    }
}

#[test]
fn announcements_that_only_another_build_understands_are_counted_and_told_once_and_hide_no_end() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
    let stolen = stage.browser.clone();
    fleet.pass(&mut stage, seconds(2));
    announce_for_another_table(&mut fleet, 7, stage.worker.world.now);
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(2));
    announce_for_another_table(&mut fleet, 3, stage.worker.world.now);
    fleet.pass(&mut stage, seconds(5));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
    let numbers: Vec<_> = fleet
        .events
        .iter()
        .filter_map(|event| match event {
            Event::RevocationsOfUnknownTable { number, told } => Some((*number, *told, audit::line(event).is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(numbers.iter().map(|(number, ..)| number).sum::<usize>(), 2 * (7 + 3), "each at each replica: {numbers:?}");
    assert_eq!(numbers.iter().filter(|(_, told, line)| *told && *line).count(), 2, "once at each replica: {numbers:?}");
    assert!(numbers.iter().all(|(_, told, line)| told == line));
    let troubles = |event: &Event| matches!(event, Event::RevocationsForged(_) | Event::RevocationsUnavailable { .. });
    assert_eq!(fleet.count(troubles), 0);
}
