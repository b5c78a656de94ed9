//! What an operator ends at one replica ends at all, and while the store is away it holds at one.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::operator_logout::{request, staffed, told, with_operators};
use super::super::stage::{Browser, Stage, body, outcome, response, seconds};
use super::shelf::Shelf;
use super::{Fleet, lets_in, refuses, sharing};
use crate::gateway::pending::Step;
use crate::http::body::Body;
use crate::http::message::Reply;
use crate::step::decision::{BodyNews, Decision};
use crate::step::event::Event;
use crate::words::world::Destination;

/// An operator's page asks; the store answers. The step has the events of all steps.
fn asks(stage: &mut Stage, shelf: &mut Shelf, operator: &Browser, wanted: &Value) -> Step {
    stage.worker.world.destination = Destination::Nobody;
    let fields = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let begun = stage.worker.begin(request(operator, "POST", &fields));
    let Decision::ReadBody { pending, .. } = begun.decision else { panic!("{:?}", begun.decision) };
    let body = Body::Read(wanted.to_string().into_bytes().into());
    let ended = stage.worker.resume(*pending, BodyNews::Came(body));
    let Decision::Call(call, pending) = ended.decision else { panic!("{:?}", ended.decision) };
    let reply = shelf.answer(&call, stage.worker.world.now);
    let mut step = stage.worker.resume(*pending, reply);
    step.events = ended.events.into_iter().chain(step.events).collect();
    step
}

#[test]
fn what_an_operator_ends_at_one_replica_has_ended_at_all_within_a_second_and_a_tenth() {
    for wanted in [json!({"provider": "main", "sub": "alice"}), json!({"everybody": true})] {
        let document = with_operators(sharing());
        let (mut stage, operator) = staffed(&document, "admins");
        let alice = stage.browser.clone();
        let mut fleet = Fleet::of(&mut stage, &document, 3);
        assert_eq!(fleet.outcomes(&alice), lets_in(3));
        let step = asks(&mut stage, &mut fleet.shelf, &operator, &wanted);
        assert_eq!((outcome(&step), body(&step)), ((202, ""), json!({"id": told(&step).unwrap().id})));
        assert_eq!(step.note.subject.as_deref(), Some("olga"));
        assert_eq!(fleet.shelf.entries.len(), 1);
        fleet.pass(&mut stage, Duration::from_millis(1_100));
        assert_eq!(fleet.outcomes(&alice), refuses(3), "{wanted}");
        assert_eq!(fleet.outcomes(&operator) == lets_in(3), wanted.get("everybody").is_none());
    }
}

#[test]
fn while_the_store_is_away_an_operators_end_holds_here_the_answer_says_so_and_it_is_delivered_later() {
    let document = with_operators(sharing());
    let (mut stage, operator) = staffed(&document, "operators");
    let alice = stage.browser.clone();
    let mut fleet = Fleet::of(&mut stage, &document, 2);
    for instead in [Reply::Reset, Reply::Answered { status: 200, headers: Default::default(), body: b"+OK\r\n".to_vec() }] {
        fleet.shelf.instead = Some(instead);
        let step = asks(&mut stage, &mut fleet.shelf, &operator, &json!({"provider": "main", "sub": "alice"}));
        assert_eq!(outcome(&step), (503, "revocations_unavailable"));
        let problem = body(&step);
        assert_eq!((&problem["id"], &problem["queued"]), (&json!(told(&step).unwrap().id), &json!(true)));
        assert!(problem["detail"].as_str().unwrap().starts_with("the end holds at this gateway; "), "{problem}");
        assert!(response(&step).headers.iter().any(|(name, _)| name == "retry-after"));
        let named = step.events.iter().any(|event| match event {
            Event::Denied { rule: Some(rule), subject: Some(by), session: Some(_), .. } => rule == "rules[0]" && by == "olga",
            _ => false,
        });
        assert!(named, "{:?}", step.events);
    }
    assert_eq!(outcome(&stage.worker.begin(alice.script("GET", "/page"))), (401, "session_expired"));
    assert_eq!(fleet.outcomes(&alice), lets_in(2));
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, seconds(4));
    assert_eq!(fleet.outcomes(&alice), refuses(2));
    assert_eq!(fleet.shelf.entries.len(), 1, "the same end was asked for twice");
}
