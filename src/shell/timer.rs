//! What the root's timer, and the replies to its calls, set going: what the background wants done, and the requests that can go on or
//! must end after it, some at a time. It never decides which requests these are, and leaves what becomes of each to the runner.

use std::time::Duration;

use crate::gateway::Gateway;
use crate::http::message::Reply;
use crate::session::open;
use crate::shell::calls::dispatch;
use crate::shell::progress::{Progress, Resumption};
use crate::shell::queues::{Asker, CallFor};
use crate::shell::runner::{AT_ONCE, Ending, Runner};
use crate::step::decision::BodyNews;
use crate::step::share::{Done, share_out};
use crate::upkeep::fetch::{Fetch, Upkeep};
use crate::words::time::Timestamp;

/// The time between two ticks while requests wait.
const WHILE_REQUESTS_WAIT: Duration = Duration::from_millis(20);

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
    // First those that must end: nobody can keep them open by letting others wait.
    let kinds = [end_streams, end_slow_bodies, send_for_streams, wake_those_with_news];
    let more = store_answers || share_out(runner, kinds);
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
fn end_streams(runner: &Runner, most: usize) -> Done {
    let open = &runner.queues.open;
    let over = runner
        .with_gateway(|gateway, world| open.try_borrow_mut().ok().map(|mut open| gateway.end_streams(world, &mut open, most)));
    let over = over.flatten().unwrap_or_default();
    let (mut went_on, has_more) = (0_usize, over.len() >= most);
    for (found, step) in over {
        match runner.end(found.number, &found.kept, &step) {
            Ending::Ended => went_on = went_on.saturating_add(1),
            Ending::WasOver => {}
            Ending::Refused => {
                if let Ok(mut open) = open.try_borrow_mut() {
                    open.put_back(found);
                }
            }
        }
    }
    Done { went_on, has_more }
}

/// Ends the reading of some of the bodies whose time is over.
fn end_slow_bodies(runner: &Runner, most: usize) -> Done {
    let over = |now: Timestamp| runner.queues.reading.try_borrow_mut().ok()?.over(now);
    some_of(most, || {
        let reader = runner.with_gateway(|_, world| world.now()).and_then(over)?;
        let taken = reader.progress.upgrade().and_then(|progress| {
            let mut progress = progress.try_borrow_mut().ok()?;
            match &*progress {
                Progress::Reading { .. } => Some(std::mem::take(&mut *progress)),
                _ => None,
            }
        });
        let Some(Progress::Reading { pending, .. }) = taken else { return Some(false) };
        let goes_on = runner.wake(reader.id, &reader.progress, Resumption::Body(pending, BodyNews::TimedOut));
        runner.as_root();
        Some(goes_on)
    })
}

/// Makes some of the calls that were left to the root, the oldest first.
fn send_for_streams(runner: &Runner, most: usize) -> Done {
    some_of(most, || {
        let (call, asker) = runner.queues.unsent()?;
        match dispatch(&call) {
            Some(token) => {
                runner.queues.remember_call(token, CallFor::ForStream(asker));
                Some(true)
            }
            None => {
                let goes_on = runner.wake(asker.id, &asker.progress, Resumption::Call(asker.pending, Reply::NotSent));
                runner.as_root();
                Some(goes_on)
            }
        }
    })
}

/// Does one thing after another, until there is nothing more or so many were tried. `next` says whether a request went on by it.
fn some_of(most: usize, mut next: impl FnMut() -> Option<bool>) -> Done {
    let mut went_on = 0_usize;
    for _ in 0..most {
        match next() {
            Some(goes_on) => went_on = went_on.saturating_add(usize::from(goes_on)),
            None => return Done { went_on, has_more: false },
        }
    }
    Done { went_on, has_more: true }
}

/// Wakes some of the requests whose wait is over.
fn wake_those_with_news(runner: &Runner, most: usize) -> Done {
    let queue = &runner.queues.waiting;
    let waiting = queue.try_borrow_mut().map(|mut waiting| std::mem::take(&mut *waiting)).unwrap_or_default();
    let (mut still, mut woken, mut went_on) = (Vec::new(), 0_usize, 0_usize);
    for waiting in waiting {
        if waiting.progress.strong_count() == 0 {
            continue;
        }
        let find = || runner.with_gateway(|gateway, world| gateway.news(world, &waiting.resource, waiting.until)).flatten();
        match (woken < most).then(find).flatten() {
            Some(news) => {
                woken = woken.saturating_add(1);
                let goes_on = runner.wake(waiting.id, &waiting.progress, Resumption::Wait(waiting.pending, news));
                went_on = went_on.saturating_add(usize::from(goes_on));
            }
            None => still.push(waiting),
        }
    }
    runner.as_root();
    if let Ok(mut queue) = queue.try_borrow_mut() {
        // Those that have begun to wait meanwhile come behind them.
        still.append(&mut queue);
        *queue = still;
    }
    Done { went_on, has_more: woken >= most }
}
