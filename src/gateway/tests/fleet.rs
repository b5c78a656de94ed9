//! Several replicas that share a store: what has ended at one has ended at all, whatever becomes of the store.

mod claims;
mod clocks;
mod contended;
mod events;
mod histories;
mod lifetimes;
mod lost;
mod many;
mod old_cookies;
mod operators;
mod other_builds;
mod refresh;
mod shares;
mod shelf;
mod stale;
mod unproved;

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{BEGINNING, Browser, KEY, OTHER_KEY, Stage, Worker, changed, forwarded, outcome, seconds, with};
use crate::http::message::{Headers, Reply};
use crate::session::ended::end::End;
use crate::session::open::OpenStreams;
use crate::step::event::Event;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::words::time::Timestamp;
use shelf::Shelf;

/// The usual configuration with a store.
fn sharing() -> Value {
    with("/revocations", json!({"redis": {"cluster": "redis", "username": "accredit", "password": "a-password-of-redis"}}))
}

fn strict() -> Value {
    changed(sharing(), "/revocations/when_stale", json!("refuse"))
}

/// Replicas, each a process of its own with one worker, and the store.
struct Fleet {
    replicas: Vec<Worker>,
    shelf: Shelf,
    events: Vec<Event>,
    /// The calls by which replicas ask the provider for new tokens, with the replica's number, if they are kept from it.
    kept_back: Option<Vec<(usize, Fetch)>>,
}

impl Fleet {
    /// The worker of the stage, and so many further replicas, which have all read the store.
    fn of(stage: &mut Stage, document: &Value, others: usize) -> Self {
        let mut fleet = Self { replicas: Vec::new(), shelf: Shelf::default(), events: Vec::new(), kept_back: None };
        for _ in 0..others {
            fleet.join(document, stage.worker.world.now);
        }
        fleet.pass(stage, seconds(1));
        fleet
    }

    fn join(&mut self, document: &Value, now: Timestamp) {
        let mut replica = Worker::new(document);
        replica.world.now = now;
        replica.world.drawn = (self.replicas.len() as u64 + 2) << 40;
        self.replicas.push(replica);
    }

    /// Time passes: everybody ticks ten times a second, and at once when it is wanted.
    fn pass(&mut self, stage: &mut Stage, span: Duration) {
        let end = stage.worker.world.now.plus(span);
        loop {
            for (number, replica) in self.replicas.iter_mut().chain([&mut stage.worker]).enumerate() {
                let mut due = replica.tick().fetches;
                while let Some(fetch) = due.pop() {
                    if let (Errand::Refresh(_), Some(kept_back)) = (&fetch.errand, &mut self.kept_back) {
                        kept_back.push((number, fetch));
                        continue;
                    }
                    let is_of_store = |fetch: &Fetch| fetch.errand.is_of_store();
                    let reply = match is_of_store(&fetch) {
                        true => self.shelf.answer(&fetch.call, replica.world.now),
                        false => stage.provider.answer(&fetch.call, replica.world.now),
                    };
                    let upkeep = replica.fetch_answered(&fetch, &reply);
                    // Envoy would reset it, because the connection of the answer ends now.
                    assert!(!(is_of_store(&fetch) && upkeep.fetches.iter().any(is_of_store)), "a call from within an answer");
                    due.extend(upkeep.fetches);
                    self.events.extend(upkeep.events);
                    if due.is_empty() {
                        due = replica.tick().fetches;
                    }
                }
            }
            if stage.worker.world.now >= end {
                return;
            }
            for replica in self.replicas.iter_mut().chain([&mut stage.worker]) {
                replica.wait(Duration::from_millis(100));
            }
        }
    }

    fn outcomes(&mut self, browser: &Browser) -> Vec<(u16, String)> {
        let answer = |replica: &mut Worker| {
            let step = replica.begin(browser.script("GET", "/page"));
            let (status, reason) = outcome(&step);
            (status, reason.to_owned())
        };
        self.replicas.iter_mut().map(answer).collect()
    }

    fn count(&self, kind: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| kind(event)).count()
    }
}

fn lets_in(number: usize) -> Vec<(u16, String)> {
    vec![(200, String::new()); number]
}

fn refuses(number: usize) -> Vec<(u16, String)> {
    vec![(401, "session_expired".to_owned()); number]
}

#[test]
fn whoever_signs_out_at_one_replica_is_signed_out_at_all_within_a_second_and_a_tenth() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 4);
    let stolen = stage.browser.clone();
    assert_eq!(fleet.outcomes(&stolen), lets_in(4));
    assert!(!stage.worker.gateway.is_in_a_hurry());
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert!(stage.worker.gateway.is_in_a_hurry(), "the sign-out is announced at once");
    fleet.pass(&mut stage, Duration::from_millis(1_100));
    assert!(!stage.worker.gateway.is_in_a_hurry());
    assert_eq!(fleet.outcomes(&stolen), refuses(4));
    // One call a second for each replica, and one for the sign-out.
    fleet.shelf.calls = 0;
    fleet.pass(&mut stage, seconds(10));
    assert!((45..=55).contains(&fleet.shelf.calls), "{}", fleet.shelf.calls);
}

#[test]
fn a_new_replica_knows_what_ended_before_it_started() {
    let mut stage = Stage::signed_in(&sharing());
    let stolen = stage.browser.clone();
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(3_600));
    // Its session is an hour old, and not idle, because the thief has used it.
    let mut document = changed(sharing(), "/session/idle", json!("8h"));
    fleet.join(&document, stage.worker.world.now);
    fleet.pass(&mut stage, seconds(1));
    assert_ne!(fleet.outcomes(&stolen), lets_in(1));
    // The same for one with other keys beside the common one, and with another provider.
    document = changed(sharing(), "/session/keys", json!([OTHER_KEY, KEY]));
    fleet.join(&document, stage.worker.world.now);
    fleet.pass(&mut stage, seconds(1));
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsForged(_) | Event::RevocationsUnavailable { .. })), 0);
}

#[test]
fn who_is_strict_lets_nobody_in_before_everything_is_known_nor_when_it_is_known_no_longer() {
    let mut stage = Stage::signed_in(&strict());
    let browser = stage.browser.clone();
    let unavailable = (503, "revocations_unavailable");
    assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/page"))), unavailable);
    assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/public"))), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(Browser::default().script("GET", "/page"))), (401, "session_missing"));
    let mut fleet = Fleet::of(&mut stage, &strict(), 1);
    assert_eq!(fleet.outcomes(&browser), lets_in(1));
    fleet.shelf.instead = Some(Reply::Reset);
    fleet.pass(&mut stage, seconds(9));
    assert_eq!(fleet.outcomes(&browser), lets_in(1));
    fleet.pass(&mut stage, seconds(3));
    assert_eq!(fleet.outcomes(&browser), [(503, "revocations_unavailable".to_owned())]);
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.outcomes(&browser), lets_in(1));
}

#[test]
fn who_is_strict_ends_open_requests_once_it_is_no_longer_known_what_has_ended_and_others_leave_them_open() {
    for (document, expected) in [(strict(), Some((503, "revocations_unavailable"))), (sharing(), None)] {
        let mut stage = Stage::signed_in(&document);
        let mut fleet = Fleet::of(&mut stage, &document, 0);
        let mut open = OpenStreams::default();
        open.add(1, forwarded(&stage.script("GET", "/page")).let_in.clone().unwrap(), ());
        fleet.shelf.instead = Some(Reply::Reset);
        for (span, expected) in [(9, None), (3, expected), (1, None)] {
            fleet.pass(&mut stage, seconds(span));
            let ended = stage.worker.gateway.end_streams(&mut stage.worker.world, &mut open, 32);
            assert_eq!(ended.first().map(|(_, step)| outcome(step)), expected, "after {span} s");
        }
    }
}

#[test]
fn while_the_store_is_away_sessions_go_on_and_ends_are_delivered_when_it_is_back() {
    let mut stage = Stage::signed_in(&sharing());
    let stolen = stage.browser.clone();
    let mut fleet = Fleet::of(&mut stage, &sharing(), 2);
    fleet.shelf.instead = Some(Reply::Reset);
    fleet.pass(&mut stage, seconds(2));
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(180));
    assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    assert_eq!(fleet.outcomes(&stolen), lets_in(2));
    let told = fleet.count(|event| matches!(event, Event::RevocationsUnavailable { told: true, .. }));
    assert!(
        (6..=16).contains(&told),
        "once a minute three replicas tell that they cannot read, and one that it cannot announce: {told}"
    );
    // The configuration is loaded again meanwhile: the queue is not lost.
    stage.worker = stage.worker.beside(&sharing());
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, Duration::from_millis(2_200));
    assert_eq!(fleet.outcomes(&stolen), refuses(2));
    assert!(fleet.count(|event| matches!(event, Event::RevocationsAvailable { .. })) >= 2);
    assert_eq!(fleet.shelf.entries.len(), 1);
}

#[test]
fn a_store_that_is_read_and_takes_nothing_is_told_once_a_minute_and_again_when_it_takes_something() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    fleet.shelf.is_full = true;
    fleet.events.clear();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(170));
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsUnavailable { told: true, .. })), 3);
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsAvailable { .. })), 0);
    fleet.shelf.is_full = false;
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsAvailable { after } if *after >= seconds(169))), 1);
    assert_eq!(fleet.shelf.entries.len(), 1);
}

#[test]
fn what_an_emptied_store_has_lost_is_announced_again_by_whoever_knows_it() {
    let mut stage = Stage::signed_in(&sharing());
    let stolen = stage.browser.clone();
    let mut fleet = Fleet::of(&mut stage, &sharing(), 3);
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(5));
    // Everybody but one replica goes away, and the store is emptied.
    fleet.replicas.truncate(1);
    stage.worker = Worker::new(&sharing());
    stage.worker.world.now = fleet.replicas[0].world.now;
    fleet.shelf.entries.clear();
    fleet.shelf.names.clear();
    fleet.pass(&mut stage, seconds(5));
    assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    assert!(fleet.count(|event| *event == Event::RevocationsLost) >= 1);
    assert_eq!(fleet.shelf.entries.len(), 1);
    // Then it is quiet again.
    fleet.events.clear();
    fleet.pass(&mut stage, seconds(60));
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsLost | Event::RevocationsAnnounced(_))), 0);
}

#[test]
fn a_replica_of_the_store_that_takes_over_and_lacks_the_last_second_is_told_again() {
    let mut stage = Stage::ready(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 3);
    let until = BEGINNING.plus(seconds(8 * 3_600));
    let ends = |worker: &mut Worker, sid: &str| {
        let crate::gateway::Gateway { background, .. } = &mut worker.gateway;
        let recorded =
            background.ended.end(&mut worker.world, &End::AtProvider { provider: "main", sid, begun_by: until, until });
        assert!(background.ended.tell_later(&mut worker.world, &recorded.announcement));
    };
    for number in 0..1_200 {
        ends(&mut fleet.replicas[0], &number.to_string());
        fleet.pass(&mut stage, Duration::ZERO);
    }
    fleet.pass(&mut stage, seconds(3));
    assert_eq!(fleet.shelf.entries.len(), 1_200);
    let last = *fleet.shelf.entries.last_key_value().unwrap().0;
    fleet.shelf.entries.retain(|cursor, _| *cursor < last);
    // The new primary's clock is behind, and others go on announcing.
    ends(&mut fleet.replicas[1], "after");
    fleet.pass(&mut stage, seconds(12));
    let mut fresh = Worker::new(&sharing());
    fresh.world.now = stage.worker.world.now;
    fleet.replicas.push(fresh);
    fleet.pass(&mut stage, seconds(2));
    assert!(fleet.shelf.entries.len() <= 1_200 + 5, "only what was missing: {}", fleet.shelf.entries.len());
    let fresh = fleet.replicas.last_mut().unwrap();
    let marks: usize =
        (0..1_024).map(|number| fresh.gateway.background.ended.piece(&fresh.world, number, fresh.world.now).unwrap().len()).sum();
    assert_eq!(marks, 1_201);
}

#[test]
fn entries_are_removed_by_the_stores_own_clock_and_never_while_they_matter() {
    for ahead in [0, 300] {
        let mut stage = Stage::signed_in(&sharing());
        let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
        fleet.shelf.ahead = seconds(ahead);
        fleet.pass(&mut stage, seconds(2));
        let stolen = stage.browser.clone();
        stage.script("POST", "/api/logout");
        fleet.pass(&mut stage, seconds(2));
        let first = *fleet.shelf.entries.first_key_value().unwrap().0;
        // Eight hours later the session would end; an hour after that its end is removed, when the next one is announced.
        for (hours, is_there) in [(8, true), (2, false)] {
            for worker in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
                worker.wait(seconds(hours * 3_600 - 600));
            }
            fleet.pass(&mut stage, seconds(2));
            stage.browser = Browser::default();
            stage.sign_in("/page");
            stage.script("POST", "/api/logout");
            fleet.pass(&mut stage, seconds(2));
            assert_eq!(fleet.shelf.entries.contains_key(&first), is_there, "{hours} h, the store is {ahead} s ahead");
        }
        assert_ne!(fleet.outcomes(&stolen), lets_in(1));
        assert_eq!(fleet.count(|event| *event == Event::RevocationsLost), 0);
    }
}

#[test]
fn a_store_that_lies_ends_nobodys_session_and_hides_nothing_that_is_known() {
    let answered = |body: &str| Reply::Answered {
        status: 200,
        headers: Headers::new(vec![(":status".into(), "200".into())]),
        body: body.as_bytes().to_vec(),
    };
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(2));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    let bystander = stage.browser.clone();
    let time = "*2\r\n$10\r\n1750000100\r\n$1\r\n0\r\n";
    for lie in [
        String::new(),
        "-ERR no\r\n".to_owned(),
        "+OK\r\n".to_owned(),
        format!("+OK\r\n{time}*0\r\n"),
        format!("+OK\r\n{time}*0\r\n+OK\r\n"),
        format!("+OK\r\n{time}*0\r\n*0\r\n+OK\r\n"),
        format!("+OK\r\n{time}*1\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\ne\r\n$4\r\njunk\r\n+OK\r\n"),
        format!("+OK\r\n{time}*1\r\n*2\r\n$22\r\n18446744073709551615-0\r\n*2\r\n$1\r\ne\r\n$4\r\njunk\r\n+OK\r\n"),
        format!("+OK\r\n{time}:5\r\n+OK\r\n"),
        "x".repeat(5_000_000),
    ] {
        fleet.shelf.instead = Some(answered(&lie));
        fleet.pass(&mut stage, seconds(3));
        assert_eq!(fleet.outcomes(&stolen), refuses(1), "{}", &lie[..lie.len().min(60)]);
        assert_eq!(fleet.outcomes(&bystander), lets_in(1));
    }
    // Once it tells the truth again, everything goes on.
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, seconds(2));
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, Duration::from_millis(1_200));
    assert_eq!(fleet.outcomes(&bystander), refuses(1));
}

#[test]
fn with_two_workers_in_a_process_one_reads_and_both_know() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
    let second = fleet.replicas[0].beside(&sharing());
    fleet.replicas.push(second);
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, Duration::from_millis(1_200));
    assert_eq!(fleet.outcomes(&stolen), refuses(2));
    fleet.shelf.calls = 0;
    fleet.pass(&mut stage, seconds(10));
    assert!((18..=22).contains(&fleet.shelf.calls), "two processes: {}", fleet.shelf.calls);
}

#[test]
fn if_the_worker_that_reads_dies_another_one_goes_on_within_three_seconds() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 1);
    // The first worker asks, and never takes the answer.
    for worker in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
        worker.wait(seconds(1));
    }
    assert!(!fleet.replicas[0].tick().fetches.is_empty());
    fleet.replicas[0] = fleet.replicas[0].beside(&sharing());
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(3));
    assert_eq!(fleet.outcomes(&stolen), refuses(1));
}
