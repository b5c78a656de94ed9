//! A session was refreshed, and its new cookie has not reached the browser: as long as the old one counts, it gets the new tokens at every
//! replica, from a provider that takes each refresh token once and ends the session at a second use.

use std::time::Duration;

use super::super::refresh::{DUE, LIFE, access_token, finish, signed_in};
use super::super::stage::{outcome, seconds};
use super::Fleet;
use super::refresh::{ask, ask_or_answer, document, pass_quickly, taken, waits, with_ended_tokens};
use crate::http::message::Reply;
use crate::upkeep::fetch::Errand;

#[test]
fn one_request_with_due_tokens_then_minutes_of_silence_and_another_replica_ends_nobodys_session() {
    let mut stage = signed_in(&document());
    let mut fleet = Fleet::of(&mut stage, &document(), 2);
    pass_quickly(&mut stage, &mut fleet, DUE);
    let mut browser = stage.browser.clone();
    // It goes on at once, and its response is there before the new tokens are.
    let step = fleet.replicas[0].begin(browser.script("GET", "/page"));
    assert_eq!((outcome(&step), finish(&mut fleet.replicas[0], &mut browser, &step)), ((200, ""), vec![]));
    fleet.pass(&mut stage, seconds(1));
    assert_eq!(stage.provider.refreshes, 1);
    for (number, silence) in [(1, 120), (2, 1_500)] {
        let mut later = browser.clone();
        pass_quickly(&mut stage, &mut fleet, silence);
        let step = ask_or_answer(&mut fleet, &mut stage, number, &later);
        assert_eq!(outcome(&step), (200, ""), "{number}");
        let replica = fleet.replicas.get_mut(number).unwrap_or(&mut stage.worker);
        finish(replica, &mut later, &step);
        fleet.pass(&mut stage, seconds(1));
    }
    // The new tokens have ended when the last replica takes them: it asks for the next ones, by the new refresh token.
    assert_eq!((stage.provider.refreshes, stage.provider.refresh_tokens.len()), (2, 1));
}

#[test]
fn the_old_cookie_whose_answer_was_lost_gets_the_new_tokens_at_every_replica_by_one_call() {
    let (mut stage, mut fleet) = with_ended_tokens(3);
    let old = stage.browser.clone();
    let new = access_token(&ask(&mut fleet, &mut stage, 3, &old));
    for (number, later) in [(0, 1), (1, 120), (2, 300)] {
        pass_quickly(&mut stage, &mut fleet, later);
        fleet.shelf.calls = 0;
        assert_eq!(access_token(&ask(&mut fleet, &mut stage, number, &old)), new);
        assert!(fleet.shelf.calls <= 5, "{}", fleet.shelf.calls);
    }
    assert_eq!((stage.provider.refreshes, taken(&fleet)), (1, 3));
}

#[test]
fn a_cookie_from_before_two_refreshes_gets_the_newest_tokens_at_a_replica_that_knows_of_none() {
    let (mut stage, mut fleet) = with_ended_tokens(3);
    let oldest = stage.browser.clone();
    ask(&mut fleet, &mut stage, 0, &oldest);
    pass_quickly(&mut stage, &mut fleet, LIFE);
    let newest = access_token(&ask(&mut fleet, &mut stage, 1, &oldest));
    pass_quickly(&mut stage, &mut fleet, 120);
    assert_eq!(access_token(&ask(&mut fleet, &mut stage, 2, &oldest)), newest);
    assert_eq!((stage.provider.refreshes, taken(&fleet)), (2, 3));
}

#[test]
fn the_result_stands_in_the_store_until_no_cookie_from_before_it_counts() {
    // Sessions are idle after an hour, and end after eight.
    for (hours, left) in [(0, 3_600 + LIFE - DUE), (7, 3_600 - DUE - 10)] {
        let mut stage = signed_in(&document());
        let mut fleet = Fleet::of(&mut stage, &document(), 1);
        for _ in 0..hours * 2 {
            let mut browser = stage.browser.clone();
            pass_quickly(&mut stage, &mut fleet, 1_800);
            let step = ask_or_answer(&mut fleet, &mut stage, 1, &browser);
            finish(&mut stage.worker, &mut browser, &step);
            stage.browser = browser;
        }
        fleet.shelf.names.clear();
        pass_quickly(&mut stage, &mut fleet, DUE);
        let browser = stage.browser.clone();
        assert_eq!(outcome(&ask_or_answer(&mut fleet, &mut stage, 0, &browser)), (200, ""));
        fleet.pass(&mut stage, seconds(1));
        let [(_, until)] = &fleet.shelf.names.values().collect::<Vec<_>>()[..] else { panic!("one name") };
        let stands = until.since(stage.worker.world.now).as_secs();
        assert!((left - 15..=left + 15).contains(&stands), "{stands} of {left}");
    }
}

#[test]
fn a_refusal_ends_no_session_that_another_replica_has_refreshed_while_the_store_was_away() {
    for comes_back in [true, false] {
        let (mut stage, mut fleet) = with_ended_tokens(2);
        let old = stage.browser.clone();
        let new = access_token(&ask(&mut fleet, &mut stage, 1, &old));
        (fleet.shelf.instead, fleet.kept_back) = (Some(Reply::Reset), Some(Vec::new()));
        let (resource, until, pending) = waits(&mut fleet.replicas[0], &old);
        fleet.pass(&mut stage, Duration::from_millis(300));
        let (_, call) = fleet.kept_back.take().unwrap().remove(0);
        fleet.shelf.instead = fleet.shelf.instead.filter(|_| !comes_back);
        let reply = stage.provider.answer(&call.call, stage.worker.world.now);
        let replica = &mut fleet.replicas[0];
        let upkeep = replica.fetch_answered(&call, &reply);
        let look = upkeep.fetches.iter().find(|fetch| matches!(fetch.errand, Errand::LookAtRefresh(_))).unwrap();
        assert_eq!(replica.news(&resource, until), None);
        let reply = fleet.shelf.answer(&look.call, replica.world.now);
        replica.fetch_answered(look, &reply);
        let news = replica.news(&resource, until).unwrap();
        let step = replica.resume(pending, news);
        match comes_back {
            true => assert_eq!(access_token(&step), new),
            false => assert_eq!(outcome(&step), (401, "session_expired")),
        }
    }
}

#[test]
fn where_the_store_has_lost_the_result_the_old_cookie_is_a_second_use_which_the_provider_may_answer_by_ending_the_session() {
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let old = stage.browser.clone();
    let mut browser = old.clone();
    let step = ask(&mut fleet, &mut stage, 2, &old);
    finish(&mut stage.worker, &mut browser, &step);
    fleet.shelf.names.clear();
    // Whoever has the new cookie goes on.
    assert_eq!(outcome(&fleet.replicas[1].begin(browser.script("GET", "/page"))), (200, ""));
    assert_eq!(outcome(&ask(&mut fleet, &mut stage, 0, &old)), (401, "session_expired"));
    assert_eq!(stage.provider.refreshes, 2);
    fleet.pass(&mut stage, Duration::from_millis(1_200));
    for cookie in [&old, &browser] {
        assert_eq!(fleet.outcomes(cookie), super::refuses(2));
    }
}
