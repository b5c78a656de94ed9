//! Several replicas that share a store, and a session whose tokens must be refreshed: the provider, which takes each refresh token once,
//! is asked once, and everybody gets the new tokens.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::refresh::{LIFE, access_token, finish, forwarding, signed_in};
use super::super::stage::{Browser, Stage, Worker, awaited, changed, outcome, seconds};
use super::{Fleet, sharing};
use crate::gateway::pending::{PendingWait, Step};
use crate::http::message::{Headers, Reply};
use crate::session::content::Session;
use crate::session::remembered::agreed;
use crate::step::decision::{Decision, Resource};
use crate::step::event::Event;
use crate::words::time::Timestamp;

pub(super) fn document() -> Value {
    changed(sharing(), "/forward", forwarding()["forward"].clone())
}

/// A stage and further replicas, where somebody is signed in, whose tokens have just ended.
pub(super) fn with_ended_tokens(others: usize) -> (Stage, Fleet) {
    let mut stage = signed_in(&document());
    let mut fleet = Fleet::of(&mut stage, &document(), others);
    pass_quickly(&mut stage, &mut fleet, LIFE);
    fleet.events.clear();
    (stage, fleet)
}

/// Time passes in which nothing happens but that the store is read.
pub(super) fn pass_quickly(stage: &mut Stage, fleet: &mut Fleet, span: u64) {
    for replica in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
        replica.wait(seconds(span - 1));
    }
    fleet.pass(stage, seconds(1));
}

pub(super) type Waiting = (Resource, Timestamp, PendingWait);

/// A request at a replica, which waits for new tokens.
pub(super) fn waits(replica: &mut Worker, browser: &Browser) -> Waiting {
    awaited(replica.begin(browser.script("GET", "/page")))
}

/// What becomes of it, within the time for which it waits. It waits again if the new tokens have ended, too.
pub(super) fn settled(fleet: &mut Fleet, stage: &mut Stage, number: usize, waiting: Waiting) -> Step {
    let (mut resource, mut until, mut pending) = waiting;
    loop {
        let replica = fleet.replicas.get_mut(number).unwrap_or(&mut stage.worker);
        if let Some(news) = replica.news(&resource, until) {
            let step = replica.resume(pending, news);
            if !matches!(step.decision, Decision::Await { .. }) {
                return step;
            }
            (resource, until, pending) = awaited(step);
        }
        fleet.pass(stage, Duration::from_millis(100));
    }
}

/// A request at a replica, and what becomes of it.
pub(super) fn ask(fleet: &mut Fleet, stage: &mut Stage, number: usize, browser: &Browser) -> Step {
    let waiting = waits(fleet.replicas.get_mut(number).unwrap_or(&mut stage.worker), browser);
    settled(fleet, stage, number, waiting)
}

pub(super) fn taken(fleet: &Fleet) -> usize {
    fleet.count(|event| matches!(event, Event::RefreshedElsewhere { .. }))
}

pub(super) fn named(fleet: &Fleet) -> Vec<(Vec<u8>, Vec<u8>)> {
    fleet.shelf.names.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
}

#[test]
fn however_many_replicas_find_a_session_due_the_provider_is_asked_once_and_all_get_the_new_tokens() {
    let (mut stage, mut fleet) = with_ended_tokens(3);
    let old = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    let mut waiting: Vec<_> =
        fleet.replicas.iter_mut().flat_map(|replica| [waits(replica, &old), waits(replica, &old)]).collect();
    waiting.push(waits(&mut stage.worker, &old));
    fleet.shelf.calls = 0;
    fleet.pass(&mut stage, seconds(2));
    // Beside the call in each second, each replica has claimed the refresh, and three have looked for its result a few times.
    assert!((4 * 2 + 4..=4 * 3 + 4 + 3 * 5).contains(&fleet.shelf.calls), "{}", fleet.shelf.calls);
    let kept_back = fleet.kept_back.take().unwrap();
    let [(number, call)] = kept_back.as_slice() else { panic!("{kept_back:?}") };
    let reply = stage.provider.answer(&call.call, stage.worker.world.now);
    let upkeep = fleet.replicas.get_mut(*number).unwrap_or(&mut stage.worker).fetch_answered(call, &reply);
    for left in upkeep.fetches {
        fleet.shelf.answer(&left.call, stage.worker.world.now);
    }
    let tokens: Vec<_> = waiting
        .into_iter()
        .enumerate()
        .map(|(position, waiting)| access_token(&settled(&mut fleet, &mut stage, position / 2, waiting)))
        .collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!((stage.provider.refreshes, stage.provider.refresh_tokens.len(), taken(&fleet)), (1, 1, 3));
    // Each response brings the new cookie, with which everybody goes on, also after the next refresh.
    let mut browser = old.clone();
    let step = fleet.replicas[0].begin(old.script("GET", "/page"));
    assert_eq!(finish(&mut fleet.replicas[0], &mut browser, &step), [Event::SessionRenewed]);
    pass_quickly(&mut stage, &mut fleet, LIFE);
    for number in [2, 0, 1] {
        assert_eq!(outcome(&ask_or_answer(&mut fleet, &mut stage, number, &browser)), (200, ""));
    }
    assert_eq!((stage.provider.refreshes, stage.provider.refresh_tokens.len()), (2, 1));
}

/// A request, whether it waits or not.
pub(super) fn ask_or_answer(fleet: &mut Fleet, stage: &mut Stage, number: usize, browser: &Browser) -> Step {
    let replica = fleet.replicas.get_mut(number).unwrap_or(&mut stage.worker);
    let step = replica.begin(browser.script("GET", "/page"));
    if !matches!(step.decision, Decision::Await { .. }) {
        return step;
    }
    settled(fleet, stage, number, awaited(step))
}

#[test]
fn a_store_that_is_away_slow_or_full_or_that_lies_changes_nothing() {
    let answered = |body: &[u8]| Reply::Answered {
        status: 200,
        headers: Headers::new(vec![(":status".into(), "200".into())]),
        body: body.to_vec(),
    };
    let taken_by = |value: &[u8]| {
        let value = [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat();
        answered(&[b"+OK\r\n$-1\r\n".as_slice(), &value, b"+OK\r\n"].concat())
    };
    for lie in [
        Reply::Reset,
        Reply::NotSent,
        Reply::Answered { status: 504, headers: Headers::default(), body: Vec::new() },
        answered(b""),
        answered(b"+OK\r\n-OOM command not allowed\r\n"),
        answered(b"+OK\r\n+OK\r\n"),
        answered(b"+OK\r\n:1\r\n:1\r\n+OK\r\n"),
        // The name is taken, and nothing stands under it.
        answered(b"+OK\r\n$-1\r\n$-1\r\n+OK\r\n"),
        taken_by(b""),
        taken_by(b"somebody"),
        taken_by(&vec![b'A'; 5_000_000]),
        answered(&vec![b'x'; 5_000_000]),
    ] {
        let (mut stage, mut fleet) = with_ended_tokens(1);
        (fleet.shelf.instead, fleet.shelf.calls) = (Some(lie), 0);
        let (browser, began) = (stage.browser.clone(), stage.worker.world.now);
        assert_eq!(outcome(&ask(&mut fleet, &mut stage, 0, &browser)), (200, ""));
        assert!(stage.worker.world.now.since(began) < seconds(1));
        assert_eq!(stage.provider.refreshes, 1);
        assert!(fleet.shelf.calls < 20, "{}", fleet.shelf.calls);
    }
}

#[test]
fn whoever_writes_to_the_store_neither_gives_anybody_a_session_nor_delays_a_refresh_by_a_minute() {
    // The session of Mallory stands where that of Alice is looked for.
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let alice = stage.browser.clone();
    stage.browser = Browser::default();
    stage.provider.claims = json!({"sub": "mallory"});
    stage.sign_in("/page");
    pass_quickly(&mut stage, &mut fleet, LIFE);
    let mallory = stage.browser.clone();
    ask(&mut fleet, &mut stage, 2, &mallory);
    let value = named(&fleet)[0].1.clone();
    let place = agreed::name(&session(&mut fleet.replicas[0], &alice)).unwrap();
    let until = stage.worker.world.now.plus(seconds(60));
    fleet.shelf.names.insert(format!("accredit:{place}").into_bytes(), (value, until));
    stage.provider.claims = json!({"sub": "alice"});
    let step = ask(&mut fleet, &mut stage, 0, &alice);
    assert_eq!((outcome(&step), step.note.subject.as_deref()), ((200, ""), Some("alice")));
    assert_eq!((fleet.count(|event| *event == Event::RevocationsForged(1)), taken(&fleet)), (1, 0));

    // A claim of another replica is put there again and again.
    let (mut stage, mut fleet) = with_ended_tokens(2);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    drop(waits(&mut fleet.replicas[1], &browser));
    fleet.pass(&mut stage, seconds(1));
    fleet.kept_back = None;
    fleet.replicas.truncate(1);
    for (_, until) in fleet.shelf.names.values_mut() {
        *until = Timestamp::from_seconds(u64::MAX / 1_000);
    }
    let began = stage.worker.world.now;
    while outcome(&ask(&mut fleet, &mut stage, 0, &browser)) != (200, "") {
        assert!(stage.worker.world.now.since(began) < seconds(60));
    }
}

/// The session in a browser's cookie.
pub(super) fn session(replica: &mut Worker, browser: &Browser) -> Session {
    let visit = super::super::silence::visit(replica, browser.script("GET", "/page"));
    let Worker { gateway, world } = replica;
    crate::authenticate::carried::in_cookies(&mut gateway.scene(world), &visit).sessions.remove(0)
}

#[test]
fn a_session_that_has_ended_meanwhile_does_not_come_back_from_the_store() {
    // It ends here while another replica, which does not know that yet, refreshes it.
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browser = stage.browser.clone();
    fleet.kept_back = Some(Vec::new());
    drop(waits(&mut fleet.replicas[0], &browser));
    fleet.pass(&mut stage, Duration::from_millis(300));
    let waiting = waits(&mut stage.worker, &browser);
    fleet.pass(&mut stage, Duration::from_millis(300));
    let (_, call) = fleet.kept_back.take().unwrap().remove(0);
    assert_eq!(outcome(&stage.worker.begin(browser.script("POST", "/api/logout"))), (200, ""));
    let reply = stage.provider.answer(&call.call, stage.worker.world.now);
    for left in fleet.replicas[0].fetch_answered(&call, &reply).fetches {
        fleet.shelf.answer(&left.call, stage.worker.world.now);
    }
    assert_eq!(outcome(&settled(&mut fleet, &mut stage, 1, waiting)), (401, "session_expired"));
    assert_eq!(taken(&fleet), 0);
    fleet.pass(&mut stage, Duration::from_millis(1_200));
    assert_eq!(fleet.outcomes(&browser), super::refuses(1));

    // It has ended everywhere, and the store still has it.
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let old = stage.browser.clone();
    ask(&mut fleet, &mut stage, 1, &old);
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, Duration::from_millis(1_200));
    assert_eq!(named(&fleet).len(), 1);
    assert_eq!((fleet.outcomes(&old), taken(&fleet)), (super::refuses(1), 0));
}

#[test]
fn what_stands_in_the_store_says_nothing_about_anybody() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browser = stage.browser.clone();
    ask(&mut fleet, &mut stage, 0, &browser);
    let [(name, value)] = &named(&fleet)[..] else { panic!("one name") };
    let session = session(&mut fleet.replicas[0], &browser);
    let readable = [String::from_utf8_lossy(name), String::from_utf8_lossy(value)].concat();
    for secret in [&session.id, &session.subject, session.tokens.refresh_token.as_ref().unwrap().expose()] {
        assert!(!readable.contains(secret), "{secret}");
    }
}

#[test]
fn without_a_store_and_without_a_refresh_nobody_is_asked_anything() {
    let (mut stage, mut fleet) = with_ended_tokens(1);
    let browser = stage.browser.clone();
    ask(&mut fleet, &mut stage, 0, &browser);
    let new = fleet.replicas[0].begin(browser.script("GET", "/page"));
    let mut renewed = browser.clone();
    finish(&mut fleet.replicas[0], &mut renewed, &new);
    fleet.shelf.calls = 0;
    for _ in 0..20 {
        assert_eq!(outcome(&fleet.replicas[0].begin(renewed.script("GET", "/page"))), (200, ""));
        fleet.pass(&mut stage, Duration::from_millis(100));
    }
    // Two replicas, two seconds.
    assert!(fleet.shelf.calls <= 6, "{}", fleet.shelf.calls);
}
