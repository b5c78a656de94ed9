//! Security events at several replicas: what the store was told already is not written there again, and what it may lack is.

use serde_json::{Value, json};

use super::super::security_events::{PATH, SECEVENT, person, taking, token};
use super::super::stage::{Browser, Stage, Worker, response, seconds};
use super::shelf::Shelf;
use super::{Fleet, sharing};
use crate::http::body::Body;
use crate::http::message::Reply;
use crate::oidc::security_event::event::EventKind;
use crate::session::ended::shared::outbox::SentBy;
use crate::step::decision::{BodyNews, Decision};
use crate::step::event::Event;

fn transmitting() -> Value {
    taking(sharing(), &json!({}))
}

/// A transmitter and replicas, so many beside that of the stage.
fn ready(others: usize) -> (Stage, Fleet) {
    let mut stage = Stage::ready(&transmitting());
    stage.sign_in("/page");
    let fleet = Fleet::of(&mut stage, &transmitting(), others);
    (stage, fleet)
}

fn revoked(stage: &Stage, changes: &Value) -> String {
    token(stage, EventKind::SessionRevoked, &person(), changes)
}

/// The status of the answer, and whether the store was called.
fn post(worker: &mut Worker, shelf: &mut Shelf, token: &str) -> (u16, bool) {
    let begun = worker.begin(Browser::default().send("POST", PATH, &[("content-type", SECEVENT)]));
    let Decision::ReadBody { pending, .. } = begun.decision else { panic!("{begun:?}") };
    let step = worker.resume(*pending, BodyNews::Came(Body::Read(token.as_bytes().to_vec().into())));
    let Decision::Call(call, pending) = step.decision else { return (response(&step).status, false) };
    let reply = shelf.answer(&call, worker.world.now);
    (response(&worker.resume(*pending, reply)).status, true)
}

#[test]
fn whoever_posts_an_event_again_and_again_gets_the_same_answer_and_has_it_written_to_the_store_once_in_ten_minutes_at_most() {
    let (mut stage, mut fleet) = ready(1);
    let captured = revoked(&stage, &json!({}));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, true));
    fleet.pass(&mut stage, seconds(3));
    let written = fleet.shelf.entries.len();
    for _ in 0..200 {
        assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, false));
        assert_eq!(post(&mut fleet.replicas[0], &mut fleet.shelf, &captured), (202, false), "another that has heard of it");
    }
    fleet.pass(&mut stage, seconds(3));
    assert_eq!((fleet.shelf.entries.len(), fleet.count(Event::is_trouble)), (written, 0));
    // Until when it matters is told in steps of ten minutes.
    for worker in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
        worker.wait(seconds(600));
    }
    fleet.pass(&mut stage, seconds(1));
    let again = [(); 3].map(|()| {
        let posted = post(&mut stage.worker, &mut fleet.shelf, &captured);
        fleet.pass(&mut stage, seconds(3));
        posted
    });
    assert_eq!(again, [(202, true), (202, false), (202, false)]);
    // An event that ends more is written, and one that ends less is not.
    let now = stage.worker.world.now.seconds();
    for (issued, is_written) in [(now, true), (now - 1, false)] {
        let token = revoked(&stage, &json!({"iat": issued, "jti": format!("{issued}")}));
        assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &token), (202, is_written));
        fleet.pass(&mut stage, seconds(3));
    }
}

#[test]
fn an_event_whose_end_the_store_has_not_acknowledged_is_sent_again_whenever_it_comes() {
    let (mut stage, mut fleet) = ready(0);
    let captured = revoked(&stage, &json!({}));
    // One that ends less is not acknowledged either, as long as the other waits.
    let earlier = revoked(&stage, &json!({"iat": stage.worker.world.now.seconds() - 1, "jti": "j-2"}));
    fleet.shelf.instead = Some(Reply::Reset);
    for token in [&captured, &captured, &earlier] {
        assert_eq!(post(&mut stage.worker, &mut fleet.shelf, token), (503, true));
    }
    fleet.pass(&mut stage, seconds(60));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (503, true));
    fleet.shelf.instead = None;
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, true));
    fleet.pass(&mut stage, seconds(3));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, false));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &earlier), (202, false));
}

#[test]
fn an_event_that_the_store_may_have_lost_is_sent_again_until_it_is_known_what_it_lacks() {
    let (mut stage, mut fleet) = ready(0);
    let captured = revoked(&stage, &json!({}));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, true));
    fleet.pass(&mut stage, seconds(3));
    fleet.shelf.entries.clear();
    fleet.shelf.is_full = true;
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.count(|event| *event == Event::RevocationsLost), 1);
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (503, true));
    fleet.shelf.is_full = false;
    fleet.pass(&mut stage, seconds(30));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, false));
    assert!(!fleet.shelf.entries.is_empty());
}

#[test]
fn an_event_that_finds_the_queue_full_is_sent_again_whenever_it_comes_until_the_store_has_it() {
    let (mut stage, mut fleet) = ready(0);
    fleet.shelf.instead = Some(Reply::Reset);
    let others: Vec<_> = (0..2_048_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    let Worker { gateway, world } = &mut stage.worker;
    gateway.background.ended.tell_reported(world, &others, SentBy::Asker);
    let captured = revoked(&stage, &json!({}));
    for _ in 0..3 {
        assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (503, true));
        fleet.pass(&mut stage, seconds(1));
    }
    // There is room again, before the store was told what found none.
    let waiting: Vec<_> = stage.worker.gateway.background.ended.waiting(&stage.worker.world);
    let Worker { gateway, world } = &mut stage.worker;
    gateway.background.ended.stand_in_the_store(world, waiting.iter().map(Vec::as_slice));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (503, true));
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, seconds(30));
    assert_eq!(post(&mut stage.worker, &mut fleet.shelf, &captured), (202, false));
    assert!(!fleet.shelf.entries.is_empty());
}
