//! An operator's end for which there is room under one key alone, or none.

use serde_json::{Value, json};

use super::{alice_is_in, asks, staffed, told, with_operators};
use crate::gateway::tests::stage::{KEY, OTHER_KEY, Stage, Worker, body, changed, document, outcome, response, seconds};
use crate::session::ended::announcement::Announced;
use crate::session::ended::end::End;
use crate::session::ended::mark::{Ends, Mark};
use crate::step::event::Event;

/// Leaves no room for the end of Alice's sessions under the first `keys` of two.
fn fill(stage: &mut Stage, document: &Value, keys: usize) {
    let mut other = Worker::new(document);
    let ended = &mut other.gateway.background.ended;
    let (now, until) = (stage.worker.world.now, stage.worker.world.now.plus(seconds(8 * 3_600)));
    let end = End::PersonHere { provider: "main", sub: "alice", begun_by: now, until };
    let announcement = ended.end_by_operator(&mut other.world, &end).announcement;
    let read = ended.read([announcement.as_slice()].into_iter());
    let [Announced::Marks(table, marks)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(marks.len(), 2, "one under each key");
    for mark in &marks[..keys] {
        // The upper 16 bits of a name say in which piece it stands.
        let beside = |number: u64| Mark::new((mark.name & (u64::MAX << 48)) | number, until, Ends::begun_by(now));
        let full = vec![(table.clone(), (0..5_000).map(beside).collect())];
        let Worker { gateway, world } = &mut stage.worker;
        assert!(gateway.background.ended.take_over(world, full, &[]).proved > 0);
    }
}

#[test]
fn an_end_that_has_room_under_one_key_alone_is_told_to_the_log_and_to_replicas_and_the_answer_says_to_send_it_again() {
    let sharing = changed(document(), "/revocations", json!({"redis": {"cluster": "redis"}}));
    for (document, queued) in [(sharing, true), (document(), false)] {
        let document = changed(with_operators(document), "/session/keys", json!([KEY, OTHER_KEY]));
        let (mut stage, operator) = staffed(&document, "operators");
        fill(&mut stage, &document, 1);
        let step = asks(&mut stage, &operator, &json!({"provider": "main", "sub": "alice"}));
        assert_eq!(outcome(&step), (503, "revocations_unavailable"));
        assert!(response(&step).headers.iter().any(|(name, _)| name == "retry-after"));
        let (end, problem) = (told(&step).unwrap(), body(&step));
        assert_eq!((&problem["id"], &problem["queued"]), (&json!(end.id), &json!(queued)));
        assert!(problem["detail"].as_str().unwrap().starts_with("the end holds at this gateway, but "), "{problem}");
        assert_eq!(stage.worker.gateway.background.ended.waiting(&stage.worker.world).len(), usize::from(queued));
        assert!(!alice_is_in(&mut stage));
    }
}

#[test]
fn an_end_that_has_room_under_no_key_is_refused_and_no_line_says_that_it_holds() {
    let document = changed(with_operators(document()), "/session/keys", json!([KEY, OTHER_KEY]));
    let (mut stage, operator) = staffed(&document, "operators");
    fill(&mut stage, &document, 2);
    let step = asks(&mut stage, &operator, &json!({"provider": "main", "sub": "alice"}));
    assert_eq!(outcome(&step), (503, "revocations_unavailable"));
    assert!(told(&step).is_none() && alice_is_in(&mut stage));
    assert_eq!(body(&step)["queued"], Value::Null);
}

#[test]
fn an_operator_who_ends_too_much_gets_429_and_when_to_come_back_and_can_still_end_the_sessions_of_everybody() {
    let (mut stage, operator) = staffed(&with_operators(document()), "admins");
    let wanted = |number: usize| json!({"provider": "main", "sub": format!("made up {number}")});
    for number in 0..1_000 {
        assert_eq!(outcome(&asks(&mut stage, &operator, &wanted(number))), (202, ""), "{number}");
    }
    let step = asks(&mut stage, &operator, &wanted(1_000));
    assert_eq!(outcome(&step), (429, "too_many_ends"));
    assert!(response(&step).headers.iter().any(|(name, _)| name == "retry-after"));
    assert!(told(&step).is_none() && alice_is_in(&mut stage));
    let denied = step.events.iter().any(|event| match event {
        Event::Denied { subject: Some(by), .. } => by == "olga" && event.is_trouble(),
        _ => false,
    });
    assert!(denied, "the log says who: {:?}", step.events);
    stage.worker.wait(seconds(1));
    let again = (0..10).filter(|number| outcome(&asks(&mut stage, &operator, &wanted(1_000 + number))).0 == 202).count();
    assert_eq!(again, 5);
    assert_eq!(outcome(&asks(&mut stage, &operator, &json!({"everybody": true}))), (202, ""));
    assert!(!alice_is_in(&mut stage));
}
