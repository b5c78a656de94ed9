//! Who may refresh a session, among replicas that share a store: how long others wait, and what becomes of claims after failures.

use std::time::Duration;

use super::super::given_back::{REVOKE, at_provider_with, given_back};
use super::super::refresh::{LIFE, access_token};
use super::super::stage::{Browser, Stage, outcome, seconds};
use super::Fleet;
use super::refresh::{ask, document, pass_quickly, settled, taken, waits, with_ended_tokens};
use crate::http::message::Reply;
use crate::step::event::Event;
use crate::upkeep::fetch::{Errand, Fetch};

/// What the replica of this number gets from the provider, in answer to the one call that was kept back; what it then does in the store.
fn answer_kept_back(fleet: &mut Fleet, stage: &mut Stage, reply: Option<Reply>) {
    let kept_back = std::mem::take(fleet.kept_back.as_mut().unwrap());
    let [(number, call)] = &kept_back[..] else { panic!("{} calls", kept_back.len()) };
    let reply = reply.unwrap_or_else(|| stage.provider.answer(&call.call, stage.worker.world.now));
    let replica = &mut fleet.replicas[*number];
    let mut due = replica.fetch_answered(call, &reply).fetches;
    while let Some(fetch) = due.pop() {
        assert!(fetch.errand.is_of_store());
        let answer = fleet.shelf.answer(&fetch.call, replica.world.now);
        replica.fetch_answered(&fetch, &answer);
        due.extend(replica.tick().fetches);
    }
}

#[test]
fn a_replica_that_dies_in_a_refresh_delays_it_and_another_one_makes_it() {
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    drop(waits(&mut fleet.replicas[0], &browser));
    fleet.pass(&mut stage, seconds(1));
    assert_eq!(fleet.kept_back.take().unwrap().len(), 1);
    fleet.replicas.remove(0);
    let began = stage.worker.world.now;
    loop {
        let step = ask(&mut fleet, &mut stage, 0, &browser);
        if outcome(&step) == (200, "") {
            break;
        }
        assert_eq!(outcome(&step), (503, "refresh_unavailable"));
    }
    let delay = stage.worker.world.now.since(began);
    // Its claim ends after 22 seconds, of which one is over.
    assert!(delay <= seconds(22), "{delay:?}");
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn after_a_failure_the_same_process_tries_again_as_soon_as_without_a_store() {
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let browser = stage.browser.clone();
    stage.provider.instead_of_refreshing = Some(Reply::Reset);
    let waiting = waits(&mut fleet.replicas[0], &browser);
    fleet.pass(&mut stage, Duration::from_millis(500));
    assert_eq!(stage.provider.refreshes, 1);
    stage.provider.instead_of_refreshing = None;
    // Another replica, and another worker of the same process, find it due meanwhile.
    let second = fleet.replicas[0].beside(&document());
    fleet.replicas.push(second);
    let others = [1, 2].map(|number| (number, waits(&mut fleet.replicas[number], &browser)));
    let token = access_token(&settled(&mut fleet, &mut stage, 0, waiting));
    for (number, waiting) in others {
        assert_eq!(access_token(&settled(&mut fleet, &mut stage, number, waiting)), token);
    }
    assert_eq!((stage.provider.refreshes, stage.provider.refresh_tokens.len()), (2, 1));
}

#[test]
fn where_only_one_replica_cannot_reach_the_provider_another_one_refreshes_the_session_soon() {
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    drop(waits(&mut fleet.replicas[0], &browser));
    for _ in 0..3 {
        while fleet.kept_back.as_ref().unwrap().is_empty() {
            fleet.pass(&mut stage, Duration::from_millis(100));
        }
        answer_kept_back(&mut fleet, &mut stage, Some(Reply::Reset));
    }
    fleet.kept_back = None;
    fleet.replicas.remove(0);
    let began = stage.worker.world.now;
    assert_eq!(outcome(&ask(&mut fleet, &mut stage, 0, &browser)), (200, ""));
    // It would have tried again after four seconds.
    assert!(stage.worker.world.now.since(began) <= seconds(3));
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn a_provider_that_takes_as_long_as_a_request_waits_keeps_nobody_at_another_replica_from_the_new_tokens() {
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    let first = waits(&mut fleet.replicas[0], &browser);
    fleet.pass(&mut stage, Duration::from_millis(200));
    let second = waits(&mut fleet.replicas[1], &browser);
    fleet.pass(&mut stage, Duration::from_millis(4_300));
    answer_kept_back(&mut fleet, &mut stage, None);
    let tokens =
        [(0, first), (1, second)].map(|(number, waiting)| access_token(&settled(&mut fleet, &mut stage, number, waiting)));
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn a_thousand_due_sessions_do_not_take_all_connections_to_the_store() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let mut browsers = Vec::new();
    for _ in 0..90 {
        stage.browser = Browser::default();
        stage.sign_in("/page");
        browsers.push(stage.browser.clone());
    }
    pass_quickly(&mut stage, &mut fleet, LIFE);
    let waiting: Vec<_> = browsers.iter().map(|browser| waits(&mut fleet.replicas[0], browser)).collect();
    let replica = &mut fleet.replicas[0];
    let is_claim = |fetch: &Fetch| matches!(fetch.errand, Errand::ClaimRefresh(_));
    let mut claims: Vec<_> = (0..3).flat_map(|_| replica.tick().fetches).filter(is_claim).collect();
    assert_eq!(claims.len(), 64);
    // As soon as one is answered, another one follows.
    let claim = claims.pop().unwrap();
    let reply = fleet.shelf.answer(&claim.call, replica.world.now);
    let asked = replica.fetch_answered(&claim, &reply).fetches;
    assert!(matches!(&asked[..], [Fetch { errand: Errand::Refresh(_), .. }]), "{asked:?}");
    let next: Vec<_> = replica.tick().fetches.into_iter().filter(is_claim).collect();
    assert_eq!(next.len(), 1);
    let mut due = [asked, claims, next].concat();
    while let Some(fetch) = due.pop() {
        let reply = match fetch.errand.is_of_store() {
            true => fleet.shelf.answer(&fetch.call, replica.world.now),
            false => stage.provider.answer(&fetch.call, replica.world.now),
        };
        due.extend(replica.fetch_answered(&fetch, &reply).fetches);
    }
    for waiting in waiting {
        assert_eq!(outcome(&settled(&mut fleet, &mut stage, 0, waiting)), (200, ""));
    }
    assert_eq!(stage.provider.refreshes, 90);
}

#[test]
fn a_configuration_that_is_loaded_while_the_store_is_asked_delays_no_refresh() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browser = stage.browser.clone();
    drop(waits(&mut fleet.replicas[0], &browser));
    let replica = &mut fleet.replicas[0];
    let claim =
        (0..3).flat_map(|_| replica.tick().fetches).find(|fetch| matches!(fetch.errand, Errand::ClaimRefresh(_))).unwrap();
    let reply = fleet.shelf.answer(&claim.call, replica.world.now);
    *replica = replica.beside(&document());
    let waiting = waits(replica, &browser);
    assert!(replica.fetch_answered(&claim, &reply).fetches.iter().all(|fetch| !matches!(fetch.errand, Errand::Refresh(_))));
    let began = stage.worker.world.now;
    assert_eq!(outcome(&settled(&mut fleet, &mut stage, 0, waiting)), (200, ""));
    assert!(stage.worker.world.now.since(began) <= seconds(1));
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn a_value_by_a_key_that_is_not_here_is_no_forgery_and_delays_no_refresh() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browser = stage.browser.clone();
    ask(&mut fleet, &mut stage, 1, &browser);
    // The name of another key stands before the same value.
    for (value, _) in fleet.shelf.names.values_mut() {
        value[0] = if value[0] == b'A' { b'B' } else { b'A' };
    }
    fleet.events.clear();
    ask(&mut fleet, &mut stage, 0, &browser);
    assert_eq!((stage.provider.refreshes, taken(&fleet)), (2, 0));
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsForged(_))), 0);
}

#[test]
fn new_tokens_that_another_replica_has_left_for_a_session_that_has_ended_meanwhile_are_given_back() {
    let mut stage = at_provider_with(&REVOKE.into(), &document());
    let mut fleet = Fleet::of(&mut stage, &document(), 1);
    pass_quickly(&mut stage, &mut fleet, LIFE);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    drop(waits(&mut fleet.replicas[0], &browser));
    fleet.pass(&mut stage, Duration::from_millis(300));
    let waiting = waits(&mut stage.worker, &browser);
    fleet.pass(&mut stage, Duration::from_millis(300));
    assert_eq!(outcome(&stage.worker.begin(browser.script("POST", "/api/logout"))), (200, ""));
    // The replica that has asked the provider has not heard of it yet.
    answer_kept_back(&mut fleet, &mut stage, None);
    assert_eq!(stage.provider.refresh_tokens.len(), 1);
    assert_eq!(outcome(&settled(&mut fleet, &mut stage, 1, waiting)), (401, "session_expired"));
    fleet.pass(&mut stage, seconds(1));
    assert!(given_back(&stage.provider) && stage.provider.refresh_tokens.is_empty());
    assert_eq!((stage.provider.refreshes, taken(&fleet)), (1, 0));
}
