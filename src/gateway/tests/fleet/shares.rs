//! What refreshes take of the store, however many sessions are refreshed, and whoever they are of: so many calls at a time, and so many
//! results of each account.

use serde_json::json;

use super::super::refresh::{LIFE, finish};
use super::super::stage::{Browser, Stage, outcome, seconds};
use super::Fleet;
use super::refresh::{ask, pass_quickly, settled, taken, waits, with_ended_tokens};
use crate::http::message::Reply;
use crate::oidc::testing::json_reply;
use crate::upkeep::fetch::{Errand, Fetch};

/// So many further sessions of whoever is known to the provider.
fn sign_in(stage: &mut Stage, times: usize) -> Vec<Browser> {
    let mut sign_in = || {
        stage.browser = Browser::default();
        stage.sign_in("/page");
        stage.browser.clone()
    };
    (0..times).map(|_| sign_in()).collect()
}

#[test]
fn whatever_its_calls_to_the_store_are_for_a_worker_has_at_most_64_under_way() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browsers = sign_in(&mut stage, 150);
    pass_quickly(&mut stage, &mut fleet, LIFE);
    let waiting: Vec<_> = browsers.iter().map(|browser| waits(&mut fleet.replicas[0], browser)).collect();
    let Fleet { replicas, shelf, .. } = &mut fleet;
    let replica = &mut replicas[0];
    // The store answers claims alone. Of three refreshes, one succeeds, one fails, and one is refused.
    let (mut claims, mut others, mut asked): (Vec<Fetch>, Vec<Fetch>, usize) = (Vec::new(), Vec::new(), 0);
    let mut most = 0;
    for _ in 0..200 {
        let mut due = replica.tick().fetches;
        if let Some(claim) = claims.pop() {
            let answer = shelf.answer(&claim.call, replica.world.now);
            due.extend(replica.fetch_answered(&claim, &answer).fetches);
        }
        while let Some(fetch) = due.pop() {
            match fetch.errand {
                Errand::ClaimRefresh(_) => claims.push(fetch),
                Errand::LookAtRefresh(_) | Errand::LeaveRefresh(_) => others.push(fetch),
                Errand::Refresh(_) => {
                    asked += 1;
                    let reply = match asked % 3 {
                        0 => stage.provider.answer(&fetch.call, replica.world.now),
                        1 => Reply::Reset,
                        _ => json_reply(400, &json!({"error": "invalid_grant"})),
                    };
                    due.extend(replica.fetch_answered(&fetch, &reply).fetches);
                }
                _ => {}
            }
        }
        most = most.max(claims.len() + others.len());
    }
    assert_eq!((most, claims.len(), others.len()), (64, 0, 64));
    let looks = others.iter().filter(|fetch| matches!(fetch.errand, Errand::LookAtRefresh(_))).count();
    assert!((1..64).contains(&looks), "{looks}");
    // As soon as it answers, everything goes on.
    for fetch in others {
        let answer = shelf.answer(&fetch.call, replica.world.now);
        replica.fetch_answered(&fetch, &answer);
    }
    let mut outcomes: Vec<_> =
        waiting.into_iter().map(|waiting| outcome(&settled(&mut fleet, &mut stage, 0, waiting)).0).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    assert_eq!(outcomes, [200, 401]);
}

/// How many names the store has.
fn standing(fleet: &Fleet, stage: &Stage) -> usize {
    fleet.shelf.names.values().filter(|(_, until)| stage.worker.world.now < *until).count()
}

#[test]
fn an_account_that_refreshes_in_a_loop_fills_only_its_share_of_the_store() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let mut browsers = sign_in(&mut stage, 40);
    for round in 0..4 {
        pass_quickly(&mut stage, &mut fleet, LIFE);
        for browser in &mut browsers {
            let step = ask(&mut fleet, &mut stage, 0, &browser.clone());
            if round < 3 {
                finish(&mut fleet.replicas[0], browser, &step);
            }
        }
        assert!(standing(&fleet, &stage) <= 128, "{}", standing(&fleet, &stage));
    }
    // Whoever waits for such a result gets it, for a minute.
    assert_eq!(outcome(&ask(&mut fleet, &mut stage, 1, &browsers[39])), (200, ""));
    assert_eq!((stage.provider.refreshes, taken(&fleet)), (160, 1));
    fleet.pass(&mut stage, seconds(62));
    assert_eq!(standing(&fleet, &stage), 64);
    // Another account has a share of its own.
    stage.provider.claims = json!({"sub": "bob"});
    let [bob] = &sign_in(&mut stage, 1)[..] else { panic!("one") };
    pass_quickly(&mut stage, &mut fleet, LIFE);
    assert_eq!(outcome(&ask(&mut fleet, &mut stage, 0, bob)), (200, ""));
    fleet.pass(&mut stage, seconds(62));
    assert_eq!(standing(&fleet, &stage), 65);
}

#[test]
fn results_that_find_no_room_to_wait_while_the_store_is_away_take_nothing_of_their_accounts_shares() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let claims = |account: usize| json!({"sub": format!("account {account}")});
    let of_accounts: Vec<_> = (0..5)
        .map(|account| {
            stage.provider.claims = claims(account);
            sign_in(&mut stage, 100)
        })
        .collect();
    pass_quickly(&mut stage, &mut fleet, LIFE);
    fleet.shelf.instead = Some(Reply::Reset);
    let refreshes = stage.provider.refreshes;
    for (account, browsers) in of_accounts.iter().enumerate() {
        stage.provider.claims = claims(account);
        browsers.iter().for_each(|browser| drop(waits(&mut fleet.replicas[0], browser)));
        fleet.pass(&mut stage, seconds(2));
    }
    assert_eq!(stage.provider.refreshes - refreshes, 500);
    let memory = fleet.replicas[0].world.memory.borrow();
    let of_results = memory.iter().filter(|(key, _)| key.starts_with("accredit/5/results/"));
    let counted: usize = of_results.map(|(_, (value, _))| value.len() / 16).sum();
    assert!((256..300).contains(&counted), "256 wait: {counted}");
}
