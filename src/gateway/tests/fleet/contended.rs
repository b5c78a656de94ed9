//! Refreshes that two replicas attempt at the same time, because one of them cannot reach the store: whoever has new tokens, everybody
//! gets them.

use std::time::Duration;

use serde_json::json;

use super::super::refresh::{access_token, failures, finish};
use super::super::stage::{Stage, outcome, seconds};
use super::Fleet;
use super::refresh::{Waiting, ask, ask_or_answer, named, settled, taken, waits, with_ended_tokens};
use crate::http::message::Reply;
use crate::oidc::testing::json_reply;
use crate::upkeep::fetch::Fetch;

/// The two replicas, each with a request that waits, and its call to the provider, which has not got there.
struct Contention {
    stage: Stage,
    fleet: Fleet,
    requests: [Waiting; 2],
    calls: [Fetch; 2],
}

/// The first replica has claimed the refresh. The second asks the provider, too: the store is away, or has lost the claim.
fn contention(has_lost: bool) -> Contention {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    let first = waits(&mut fleet.replicas[0], &browser);
    fleet.pass(&mut stage, Duration::from_millis(300));
    match has_lost {
        true => fleet.shelf.names.clear(),
        false => fleet.shelf.instead = Some(Reply::Reset),
    }
    let second = waits(&mut stage.worker, &browser);
    fleet.pass(&mut stage, Duration::from_millis(300));
    fleet.shelf.instead = None;
    let calls: Vec<_> = fleet.kept_back.take().unwrap().into_iter().map(|(_, call)| call).collect();
    Contention { stage, fleet, requests: [first, second], calls: calls.try_into().unwrap() }
}

impl Contention {
    /// A replica gets its reply from the provider, if nothing else in its place, and goes on for a moment.
    fn replied(&mut self, number: usize, instead: Option<Reply>) {
        let Self { stage, calls, .. } = self;
        let reply = instead.unwrap_or_else(|| stage.provider.answer(&calls[number].call, stage.worker.world.now));
        self.gets(number, &reply);
    }

    fn gets(&mut self, number: usize, reply: &Reply) {
        let Self { stage, fleet, calls, .. } = self;
        let replica = fleet.replicas.get_mut(number).unwrap_or(&mut stage.worker);
        let mut answered = vec![(calls[number].clone(), reply.clone())];
        while let Some((fetch, reply)) = answered.pop() {
            let upkeep = replica.fetch_answered(&fetch, &reply);
            fleet.events.extend(upkeep.events);
            answered.extend(upkeep.fetches.into_iter().map(|fetch| {
                let reply = match fetch.errand.is_of_store() {
                    true => fleet.shelf.answer(&fetch.call, replica.world.now),
                    false => stage.provider.answer(&fetch.call, replica.world.now),
                };
                (fetch, reply)
            }));
        }
        fleet.pass(stage, Duration::from_millis(200));
    }
}

#[test]
fn who_is_refused_waits_for_the_replica_that_has_claimed_the_refresh_whose_result_comes_late() {
    let mut both = contention(false);
    // The provider has answered the first one, whose reply is on its way, and refuses the second.
    let reply = both.stage.provider.answer(&both.calls[0].call, both.stage.worker.world.now);
    both.replied(1, None);
    both.fleet.pass(&mut both.stage, seconds(2));
    assert_eq!(failures(&both.fleet.events), []);
    both.gets(0, &reply);
    let Contention { mut stage, mut fleet, requests: [first, second], .. } = both;
    let token = access_token(&settled(&mut fleet, &mut stage, 0, first));
    assert_eq!(access_token(&settled(&mut fleet, &mut stage, 1, second)), token);
    assert_eq!(taken(&fleet), 1);
}

#[test]
fn who_is_refused_ends_the_session_once_the_claim_of_a_replica_that_died_has_ended() {
    let mut both = contention(false);
    both.stage.provider.answer(&both.calls[0].call, both.stage.worker.world.now);
    both.replied(1, None);
    let Contention { mut stage, mut fleet, .. } = both;
    fleet.replicas.clear();
    let (browser, began) = (stage.browser.clone(), stage.worker.world.now);
    loop {
        match outcome(&ask_or_answer(&mut fleet, &mut stage, 0, &browser)) {
            (503, "refresh_unavailable") => {}
            other => break assert_eq!(other, (401, "session_expired")),
        }
    }
    // The claim stands for 22 seconds. Nobody has asked the provider once more.
    assert!(stage.worker.world.now.since(began) <= seconds(23));
    assert_eq!(stage.provider.refreshes, 2);
}

#[test]
fn giving_up_a_claim_overwrites_neither_a_result_nor_a_claim_of_another_replica() {
    for (has_lost, finished) in [(false, true), (true, true), (true, false)] {
        let mut both = contention(has_lost);
        if finished {
            both.replied(1, None);
        }
        let stands = named(&both.fleet);
        both.replied(0, Some(Reply::Reset));
        assert_eq!((named(&both.fleet), stands.len()), (stands.clone(), 1));
        if !finished {
            both.replied(1, None);
        }
        let Contention { mut stage, mut fleet, requests: [first, second], .. } = both;
        let token = access_token(&settled(&mut fleet, &mut stage, 1, second));
        assert_eq!(access_token(&settled(&mut fleet, &mut stage, 0, first)), token);
        assert_eq!((stage.provider.refreshes, taken(&fleet)), (1, 1));
    }
}

#[test]
fn a_late_reply_about_an_older_cookie_neither_ends_nor_delays_the_refresh_of_a_newer_one() {
    for late in [Reply::Reset, json_reply(400, &json!({"error": "invalid_grant"}))] {
        let mut both = contention(true);
        // The second replica refreshes the session, whose new tokens soon end.
        both.stage.provider.refresh_response = json!({"expires_in": 5});
        both.replied(1, None);
        let mut browser = both.stage.browser.clone();
        let step = both.stage.worker.begin(browser.script("GET", "/page"));
        finish(&mut both.stage.worker, &mut browser, &step);
        both.stage.provider.refresh_response = json!({});
        both.fleet.pass(&mut both.stage, seconds(5));
        let newer = waits(&mut both.fleet.replicas[0], &browser);
        both.fleet.pass(&mut both.stage, Duration::from_millis(200));
        both.gets(0, &late);
        let Contention { mut stage, mut fleet, .. } = both;
        let began = stage.worker.world.now;
        assert_eq!(outcome(&settled(&mut fleet, &mut stage, 0, newer)), (200, ""));
        assert!(stage.worker.world.now.since(began) < seconds(1));
        assert_eq!((stage.provider.refreshes, fleet.outcomes(&browser)), (2, super::lets_in(1)));
    }
}

#[test]
fn a_result_that_the_store_did_not_take_is_left_again_once_it_does() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let old = stage.browser.clone();
    fleet.shelf.instead = Some(Reply::Reset);
    let new = access_token(&ask(&mut fleet, &mut stage, 0, &old));
    fleet.pass(&mut stage, seconds(5));
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, seconds(5));
    assert_eq!(named(&fleet).len(), 1);
    assert_eq!(access_token(&ask(&mut fleet, &mut stage, 1, &old)), new);
    assert_eq!((stage.provider.refreshes, taken(&fleet)), (1, 1));
}
