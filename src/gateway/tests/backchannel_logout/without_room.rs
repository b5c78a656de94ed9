//! A logout token for whose end there is room under some of two keys alone, or under none.

use super::*;
use crate::gateway::tests::stage::{KEY, OTHER_KEY, Worker};
use crate::session::ended::announcement::Announced;
use crate::session::ended::end::End;
use crate::session::ended::mark::{Ends, Mark};

/// Leaves no room for the end of this `sid` under the first `keys` of two.
fn fill(stage: &mut Stage, document: &Value, keys: usize) {
    let mut other = Worker::new(document);
    let ended = &mut other.gateway.background.ended;
    let (now, until) = (stage.worker.world.now, stage.worker.world.now.plus(seconds(8 * 3_600)));
    let end = End::AtProvider { provider: "main", sid: "s-1", begun_by: now, until };
    let announcement = ended.end(&mut other.world, &end).announcement;
    let read = ended.read([announcement.as_slice()].into_iter());
    let [Announced::Marks(table, marks)] = read.as_slice() else { panic!("{read:?}") };
    for mark in &marks[..keys] {
        // The upper 16 bits of a name say in which piece it stands.
        let beside = |number: u64| Mark::new((mark.name & (u64::MAX << 48)) | number, until, Ends::begun_by(now));
        let full = (0..5_000).map(|number| (table.clone(), vec![beside(number)])).collect();
        let Worker { gateway, world } = &mut stage.worker;
        assert!(gateway.background.ended.take_over(world, full, &[]).proved > 0);
    }
}

#[test]
fn it_is_told_exactly_whether_an_end_holds_that_had_no_room_under_each_key() {
    for (keys, told) in [(1, "the end holds at this gateway, but "), (2, "there is no room for another end of this provider; ")] {
        let document = changed(taking(document()), "/session/keys", json!([KEY, OTHER_KEY]));
        let mut stage = Stage::ready(&document);
        stage.provider.claims["sid"] = json!("s-1");
        stage.sign_in("/page");
        fill(&mut stage, &document, keys);
        let token = token(&stage, &json!({"sub": null, "sid": "s-1"}));
        let step = logs_out(&mut stage, &token);
        assert_eq!(outcome(&step), (503, "revocations_unavailable"));
        let details = step.events.iter().filter_map(|event| match event {
            Event::Denied { failure, .. } => Some(failure.detail.as_str()),
            _ => None,
        });
        let details: Vec<_> = details.collect();
        assert!(matches!(details[..], [detail] if detail.starts_with(told)), "{details:?}");
        let holds = step.events.iter().any(|event| matches!(event, Event::LoggedOutByProvider { .. }));
        stage.worker.wait(seconds(1));
        assert_eq!((holds, is_signed_in(&mut stage)), (keys == 1, keys == 2));
    }
}
