//! How long people are let in by what is known of ends: by a clock that is set, on a machine that stood still, and while a store is read
//! for long.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::super::stage::{Browser, Stage, Worker, forwarded, outcome, seconds};
use super::many::{MANY, many_end};
use super::{Fleet, lets_in, refuses, sharing, strict};
use crate::http::message::Reply;
use crate::revocations::cursor::Cursor;
use crate::session::ended::end::End;
use crate::session::open::OpenStreams;
use crate::step::event::Event;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::question::Question;
use crate::words::time::Timestamp;

fn unavailable() -> Vec<(u16, String)> {
    vec![(503, "revocations_unavailable".to_owned())]
}

/// The clocks of all are set.
fn set_clocks(stage: &mut Stage, fleet: &mut Fleet, set: impl Fn(Timestamp) -> Timestamp) {
    for worker in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
        worker.world.now = set(worker.world.now);
    }
}

/// Strict replicas, with an open request at one of them, and the browser at the other.
struct Open {
    stage: Stage,
    fleet: Fleet,
    browser: Browser,
    open: OpenStreams<()>,
}

impl Open {
    fn new() -> Self {
        let mut stage = Stage::signed_in(&strict());
        let fleet = Fleet::of(&mut stage, &strict(), 1);
        let mut open = OpenStreams::default();
        open.add(1, forwarded(&stage.script("GET", "/page")).let_in.clone().unwrap(), ());
        Self { browser: stage.browser.clone(), stage, fleet, open }
    }

    /// What the other replica answers, and how many open requests end here.
    fn now(&mut self) -> (Vec<(u16, String)>, usize) {
        let ended = self.stage.worker.gateway.end_streams(&mut self.stage.worker.world, &mut self.open, 32);
        (self.fleet.outcomes(&self.browser), ended.len())
    }
}

#[test]
fn a_clock_that_jumps_ahead_or_a_machine_that_stood_still_ends_nobody_before_the_store_could_be_read() {
    for is_away in [false, true] {
        let mut all = Open::new();
        all.fleet.shelf.instead = is_away.then_some(Reply::Reset);
        set_clocks(&mut all.stage, &mut all.fleet, |now| now.plus(seconds(600)));
        assert_eq!(all.now(), (lets_in(1), 0), "nothing was read yet");
        all.fleet.pass(&mut all.stage, seconds(2));
        assert_eq!(all.now(), (lets_in(1), 0));
        all.fleet.pass(&mut all.stage, seconds(2));
        assert_eq!(all.now(), if is_away { (unavailable(), 1) } else { (lets_in(1), 0) });
    }
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_fresh_and_stops_no_reading() {
    for is_away in [false, true] {
        let mut all = Open::new();
        set_clocks(&mut all.stage, &mut all.fleet, |now| now.plus(seconds(700)));
        all.fleet.pass(&mut all.stage, seconds(3));
        set_clocks(&mut all.stage, &mut all.fleet, |now| now.minus(seconds(600)));
        all.fleet.shelf.instead = is_away.then_some(Reply::Reset);
        assert_eq!(all.now(), (lets_in(1), 0), "nothing was read yet");
        all.fleet.pass(&mut all.stage, seconds(4));
        assert_eq!(all.now(), if is_away { (unavailable(), 1) } else { (lets_in(1), 0) });
        if !is_away {
            assert_eq!(outcome(&all.stage.script("POST", "/api/logout")), (200, ""));
            all.fleet.pass(&mut all.stage, seconds(2));
            assert_eq!(all.now(), (refuses(1), 1));
        }
    }
}

#[test]
fn a_worker_that_starts_while_the_store_is_away_does_not_let_in_whom_the_others_refuse() {
    let mut all = Open::new();
    all.fleet.shelf.instead = Some(Reply::Reset);
    all.fleet.pass(&mut all.stage, seconds(12));
    all.fleet.replicas[0] = all.fleet.replicas[0].beside(&strict());
    assert_eq!(all.fleet.outcomes(&all.browser), unavailable());
}

/// A worker to whose calls the store answers one by one, each half a second.
struct Slow {
    stage: Stage,
    fleet: Fleet,
    asked: VecDeque<Fetch>,
}

impl Slow {
    /// One that knows many ends, of which the store has lost the last.
    fn of(mut stage: Stage, document: &Value) -> Self {
        let mut fleet = Fleet::of(&mut stage, document, 0);
        let now = stage.worker.world.now;
        many_end(&mut fleet, now, MANY);
        // Ten in a second: so what came in the last minute fits into one page.
        let ago = |number: u64| now.minus(Duration::from_millis((MANY - number) * 100));
        let told = std::mem::take(&mut fleet.shelf.entries).into_values();
        fleet.shelf.entries = (0..MANY).zip(told).map(|(number, entry)| (Cursor::at(ago(number)), entry)).collect();
        fleet.pass(&mut stage, seconds(5));
        fleet.shelf.entries.pop_last();
        Self { stage, fleet, asked: VecDeque::new() }
    }

    /// Time passes. After each answer it is looked.
    fn pass(&mut self, half_seconds: usize, mut look: impl FnMut(&mut Worker)) {
        let worker = &mut self.stage.worker;
        for _ in 0..half_seconds {
            for _ in 0..5 {
                worker.wait(Duration::from_millis(100));
                self.asked.extend(worker.tick().fetches);
            }
            if let Some(fetch) = self.asked.pop_front() {
                let reply = self.fleet.shelf.answer(&fetch.call, worker.world.now);
                let upkeep = worker.fetch_answered(&fetch, &reply);
                self.asked.extend(upkeep.fetches);
                self.fleet.events.extend(upkeep.events);
            }
            look(worker);
        }
    }
}

#[test]
fn while_everything_is_read_for_long_what_is_new_is_heard_and_nothing_counts_as_unknown() {
    let stage = Stage::signed_in(&strict());
    let browser = stage.browser.clone();
    let asks = |worker: &mut Worker| outcome(&worker.begin(browser.script("GET", "/page"))).0;
    let mut slow = Slow::of(stage, &strict());
    // It takes 25 pages to find out what the store lacks.
    slow.pass(30, |worker| assert_eq!(asks(worker), 200));
    assert_eq!(slow.fleet.count(|event| *event == Event::RevocationsLost), 1);
    let now = slow.stage.worker.world.now;
    let end = End::Person { provider: "main", sub: "alice", begun_by: now, until: now.plus(seconds(3_600)) };
    slow.fleet.join(&strict(), now);
    let other = &mut slow.fleet.replicas[0];
    let announcement = other.gateway.background.ended.end(&mut other.world, &end).announcement;
    slow.fleet.shelf.entries.insert(Cursor::at(now), announcement);
    let mut answers = Vec::new();
    slow.pass(6, |worker| answers.push(asks(worker)));
    assert_eq!(answers.last(), Some(&401));
    let count = slow.fleet.shelf.entries.len();
    assert_eq!(count, MANY as usize, "it is still being read what the store lacks");
    slow.pass(60, |_| {});
    assert_eq!(slow.fleet.shelf.entries.len(), count + 1, "what the store lacked was announced again");
}

#[test]
fn what_the_store_loses_while_it_is_read_to_find_out_what_it_lacks_is_told_again_too() {
    let mut slow = Slow::of(Stage::ready(&sharing()), &sharing());
    slow.pass(12, |_| {});
    // Of what was read already, it loses all but the newest entry, and that is announced anew.
    let (_, newest) = slow.fleet.shelf.entries.pop_last().unwrap();
    slow.fleet.shelf.entries.clear();
    slow.fleet.shelf.entries.insert(Cursor::at(slow.stage.worker.world.now), newest);
    slow.pass(250, |_| {});
    assert_eq!(slow.fleet.shelf.entries.len(), MANY as usize);
}

/// The call of this kind that the worker wants made now.
fn wanted(worker: &mut Worker, kind: impl Fn(&Question) -> bool) -> Fetch {
    let is_wanted = |fetch: &Fetch| matches!(&fetch.errand, Errand::Revocations(question) if kind(question));
    worker.tick().fetches.into_iter().find(is_wanted).unwrap()
}

#[test]
fn a_clock_that_is_set_ahead_removes_nothing_from_the_store_that_matters() {
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(2));
    let (first, stores_clock) = (fleet.shelf.entries.clone(), stage.worker.world.now);
    assert_eq!(first.len(), 1);
    stage.worker.wait(seconds(24 * 3_600));
    let now = stage.worker.world.now;
    let until = now.plus(seconds(3_600));
    let background = &mut stage.worker.gateway.background;
    let end = End::Person { provider: "main", sub: "somebody", begun_by: now, until };
    assert!(background.ended.end_and_tell(&mut stage.worker.world, &end));
    let announces = wanted(&mut stage.worker, |question| matches!(question, Question::Announce(_)));
    fleet.shelf.answer(&announces.call, stores_clock);
    assert_eq!(fleet.shelf.entries.len(), 2);
    assert!(first.keys().all(|cursor| fleet.shelf.entries.contains_key(cursor)));
}

#[test]
fn an_answer_to_a_reading_that_was_given_up_does_not_say_that_the_store_works() {
    let reads = |question: &Question| matches!(question, Question::Read(_));
    let mut stage = Stage::signed_in(&sharing());
    let mut fleet = Fleet::of(&mut stage, &sharing(), 0);
    stage.worker.wait(seconds(1));
    let late = wanted(&mut stage.worker, reads);
    let reply = fleet.shelf.answer(&late.call, stage.worker.world.now);
    stage.worker.wait(seconds(5));
    let next = wanted(&mut stage.worker, reads);
    let failed = stage.worker.fetch_answered(&next, &Reply::Reset).events;
    assert!(failed.iter().any(|event| matches!(event, Event::RevocationsUnavailable { .. })), "{failed:?}");
    let events = stage.worker.fetch_answered(&late, &reply).events;
    assert!(events.is_empty(), "{events:?}");
    fleet.events.clear();
    fleet.pass(&mut stage, seconds(2));
    assert_eq!(fleet.count(|event| matches!(event, Event::RevocationsAvailable { .. })), 1);
}
