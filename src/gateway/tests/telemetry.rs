//! What is measured besides counters: how long calls and sign-ins take, and how old a provider's documents are.

use super::hung_up::asked;
use super::password::by_password;
use super::refresh::{DUE, ask, following, signed_in, until_it_asks};
use super::stage::{BEGINNING, Provider, Stage, Worker, called, document, seconds, with};
use crate::http::message::Reply;
use crate::step::event::{CallKind, DocumentKind, Event};
use crate::words::time::Timestamp;
use serde_json::json;

/// The documents that an idle worker tells of, and when it says they were fetched.
fn told(worker: &mut Worker) -> Vec<(DocumentKind, Timestamp)> {
    let held = |event| match event {
        Event::DocumentHeld { kind, provider, fetched } if provider == "main" => Some((kind, fetched)),
        _ => None,
    };
    worker.tick().events.into_iter().filter_map(held).collect()
}

#[test]
fn each_worker_tells_once_when_the_documents_that_it_holds_were_fetched_by_whichever_worker() {
    let mut stage = Stage::ready(&document());
    let before = stage.worker.world.now;
    let mut other = stage.worker.beside(&document());
    other.wait(seconds(100));
    let moments: Vec<_> =
        told(&mut other).into_iter().map(|(kind, fetched)| (kind, fetched >= BEGINNING && fetched <= before)).collect();
    assert_eq!(moments, [(DocumentKind::Metadata, true), (DocumentKind::Keys, true)]);
    assert_eq!(told(&mut other), []);
    // The documents become due, and one worker fetches them again: both tell of the new ones.
    for worker in [&mut stage.worker, &mut other] {
        worker.wait(seconds(3_600));
    }
    let later = other.world.now;
    other.fetch_due_for(&mut stage.provider, seconds(1));
    stage.worker.world.now = other.world.now;
    assert!(told(&mut stage.worker).iter().any(|(kind, fetched)| *kind == DocumentKind::Keys && *fetched >= later));
}

#[test]
fn documents_that_never_came_or_stand_in_the_configuration_have_no_time() {
    let mut worker = Worker::new(&document());
    for _ in 0..5 {
        assert_eq!(told(&mut worker), []);
        worker.wait(seconds(1));
    }
    let mut written = with("/providers/0/metadata", Provider::new().metadata);
    written["providers"][0].as_object_mut().unwrap().remove("issuer");
    let mut given = Worker::new(&written);
    given.fetch_due_for(&mut Provider::new(), seconds(1));
    let mut other = given.beside(&written);
    assert_eq!(told(&mut other).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>(), [DocumentKind::Keys]);
}

#[test]
fn a_sign_in_takes_as_long_as_the_person_was_away() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker.wait(seconds(42));
    assert!(stage.navigate(&callback).events.contains(&Event::SignInTook(seconds(42))));
}

#[test]
fn a_call_is_measured_by_what_it_is_for_from_the_request_to_the_reply() {
    let now = |stage: &Stage| stage.worker.world.now.plus(seconds(3));
    let ended = |kind| Some(Event::CallEnded { kind, took: seconds(3) });

    let mut stage = Stage::ready(&with("/providers/0/userinfo", json!(true)));
    let callback = stage.go_to_the_provider("/page");
    stage.worker.wait(seconds(60));
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    assert_eq!(pending.ended(now(&stage), &Reply::Reset), ended(CallKind::Token));
    assert_eq!(pending.ended(now(&stage), &Reply::NotSent), None);
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    stage.worker.wait(seconds(5));
    let (_, pending) = called(stage.worker.resume(pending, reply));
    assert_eq!(pending.ended(now(&stage), &Reply::Reset), ended(CallKind::Userinfo));

    let mut stage = Stage::ready(&by_password());
    let pending = asked(&mut stage, "right");
    assert_eq!(pending.ended(now(&stage), &Reply::Reset), ended(CallKind::UserService));

    let mut stage = signed_in(&following());
    stage.worker.wait(seconds(DUE));
    ask(&mut stage);
    let fetch = until_it_asks(&mut stage.worker);
    assert_eq!(fetch.ended(now(&stage), &Reply::Reset), ended(CallKind::Refresh));
}
