//! What the root's timer, and the replies to its calls, set going: what the background wants done, and the requests that can go on or
//! must end after it, some at a time. It never decides which requests these are, and leaves what becomes of each to the runner.

use std::time::Duration;

use crate::gateway::Gateway;
use crate::http::message::Reply;
use crate::session::open;
use crate::shell::calls::dispatch;
use crate::shell::progress::{Progress, Resumption};
use crate::shell::queues::{Asker, CallFor};
use crate::shell::runner::{AT_ONCE, Runner};
use crate::step::decision::BodyNews;
use crate::upkeep::fetch::{Fetch, Upkeep};
use crate::words::time::Timestamp;

/// The time between two ticks while requests wait.
const WHILE_REQUESTS_WAIT: Duration = Duration::from_millis(20);

/// How many requests one callback may still let go on, or end. Envoy does what follows after the callback, for each request from
/// within the one before; too many of them would overflow its stack.
struct Room(usize);

impl Room {
    /// As much as one callback has, for all that it does.
    const fn of_a_callback() -> Self {
        Self(32)
    }

    /// One more goes on, or ends.
    const fn take(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    const fn is_used_up(&self) -> bool {
        self.0 == 0
    }
}

/// The root's timer has run out.
pub(super) fn tick(runner: &Runner) {
    if let Some(upkeep) = runner.with_gateway(Gateway::tick) {
        do_upkeep(runner, upkeep, false);
    }
}

/// A call of the root was answered.
pub(super) fn answered(runner: &Runner, token: u32, reply: Reply) {
    match runner.queues.take_call(token) {
        Some(CallFor::Fetch(fetch)) => {
            let upkeep = runner.with_gateway(|gateway, world| {
                runner.reporter.report(fetch.ended(world.now(), &reply).as_slice());
                gateway.fetch_answered(world, &fetch, &reply)
            });
            if let Some(upkeep) = upkeep {
                do_upkeep(runner, upkeep, fetch.errand.is_of_store());
            }
        }
        Some(CallFor::ForStream(Asker { id, progress, pending })) => {
            runner.wake(id, &progress, Resumption::Call(pending, reply));
            runner.as_root();
        }
        None => {}
    }
}

/// Does what the background wants done. `store_answers` says that the store of revocations is handing over an answer: a call that is
/// made meanwhile could get its connection, which has ended, so requests go on with the next tick.
fn do_upkeep(runner: &Runner, upkeep: Upkeep, store_answers: bool) {
    runner.reporter.report(&upkeep.events);
    for due in upkeep.fetches {
        fetch(runner, due);
    }
    let mut room = Room::of_a_callback();
    if !store_answers {
        // First those that must end: nobody can keep them open by letting others wait.
        end_streams(runner, &mut room);
        end_slow_bodies(runner, &mut room);
        send_for_streams(runner, &mut room);
        wake_those_with_news(runner, &mut room);
    }
    let more = store_answers || room.is_used_up();
    // Where streams are open, it is often looked whether they may go on.
    let next = if runner.queues.nothing_is_open() { upkeep.next } else { upkeep.next.min(open::PERIOD) };
    let hurry = runner.with_gateway(|gateway, _| gateway.is_in_a_hurry()) == Some(true);
    runner.set_period(match (more || hurry, runner.queues.nobody_waits()) {
        (true, _) => AT_ONCE,
        (false, true) => next,
        (false, false) => WHILE_REQUESTS_WAIT,
    });
}

fn fetch(runner: &Runner, due: Fetch) {
    match dispatch(&due.call) {
        Some(token) => runner.queues.remember_call(token, CallFor::Fetch(Box::new(due))),
        None => {
            let upkeep = runner.with_gateway(|gateway, world| gateway.fetch_answered(world, &due, &Reply::NotSent));
            if let Some(upkeep) = upkeep {
                runner.reporter.report(&upkeep.events);
                // What the background has found to be due besides. This fetch is not among it: after its failure, the lease
                // delays the next attempt. So this recursion ends.
                for further in upkeep.fetches {
                    fetch(runner, further);
                }
            }
        }
    }
}

/// Ends some of the open requests whose session is over. Those that the host does not end are looked at again.
fn end_streams(runner: &Runner, room: &mut Room) {
    let open = &runner.queues.open;
    let over = runner
        .with_gateway(|gateway, world| open.try_borrow_mut().ok().map(|mut open| gateway.end_streams(world, &mut open, room.0)));
    for (found, step) in over.flatten().unwrap_or_default() {
        room.take();
        if !runner.end(found.number, &found.kept, &step)
            && let Ok(mut open) = open.try_borrow_mut()
        {
            open.put_back(found);
        }
    }
}

/// Ends the reading of some of the bodies whose time is over.
fn end_slow_bodies(runner: &Runner, room: &mut Room) {
    let over = |now: Timestamp| runner.queues.reading.try_borrow_mut().ok()?.over(now);
    while !room.is_used_up() {
        let Some(reader) = runner.with_gateway(|_, world| world.now()).and_then(over) else { return };
        let taken = reader.progress.upgrade().and_then(|progress| {
            let mut progress = progress.try_borrow_mut().ok()?;
            match &*progress {
                Progress::Reading { .. } => Some(std::mem::take(&mut *progress)),
                _ => None,
            }
        });
        if let Some(Progress::Reading { pending, .. }) = taken {
            room.take();
            runner.wake(reader.id, &reader.progress, Resumption::Body(pending, BodyNews::TimedOut));
            runner.as_root();
        }
    }
}

/// Makes some of the calls that were left to the root.
fn send_for_streams(runner: &Runner, room: &mut Room) {
    while !room.is_used_up() {
        let Some((call, asker)) = runner.queues.unsent() else { return };
        room.take();
        match dispatch(&call) {
            Some(token) => runner.queues.remember_call(token, CallFor::ForStream(asker)),
            None => {
                runner.wake(asker.id, &asker.progress, Resumption::Call(asker.pending, Reply::NotSent));
                runner.as_root();
            }
        }
    }
}

/// Wakes some of the requests whose wait is over.
fn wake_those_with_news(runner: &Runner, room: &mut Room) {
    let queue = &runner.queues.waiting;
    let waiting = queue.try_borrow_mut().map(|mut waiting| std::mem::take(&mut *waiting)).unwrap_or_default();
    let mut still = Vec::new();
    for waiting in waiting {
        if waiting.progress.strong_count() == 0 {
            continue;
        }
        let find = || runner.with_gateway(|gateway, world| gateway.news(world, &waiting.resource, waiting.until)).flatten();
        match (!room.is_used_up()).then(find).flatten() {
            Some(news) => {
                room.take();
                runner.wake(waiting.id, &waiting.progress, Resumption::Wait(waiting.pending, news));
            }
            None => still.push(waiting),
        }
    }
    runner.as_root();
    if let Ok(mut queue) = queue.try_borrow_mut() {
        queue.append(&mut still);
    }
}
