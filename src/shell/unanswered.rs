//! Streams that end, or that somebody else answers, before they are decided.

use proxy_wasm::types::{Action, LogLevel};

use crate::gateway::unanswered::{needs_decision, unanswered};
use crate::shell::current::code_details;
use crate::shell::host_calls::Refused;
use crate::shell::house::House;
use crate::shell::progress::{Actor, CalledFrom, Progress};
use crate::shell::report;

/// Said once in a worker.
const UNSEEN: &str = "accredit: a request went past Accredit, which was called for its body or its response alone: \
                      proxy_on_request_headers is missing in capability_restriction_config, and what is behind it stands open. \
                      Remove that list";

/// A response leaves that is not ours, and its request is not decided. `seen` says whether its headers ever came.
pub(super) fn not_ours(house: &House, actor: &Actor, seen: bool) -> Action {
    let details = code_details();
    if needs_decision(&details, seen) {
        return undecided(house, actor, seen, &details);
    }
    end(house, actor, &details, true);
    Action::Continue
}

/// More of a request is here whose headers never were.
pub(super) fn went_past(house: &House, actor: &Actor) -> Action {
    let answered = actor.progress.try_borrow().is_ok_and(|progress| progress.is_decided());
    if answered { Action::Pause } else { undecided(house, actor, false, "nothing") }
}

fn undecided(house: &House, actor: &Actor, seen: bool, details: &str) -> Action {
    if !seen && !house.told_unseen.replace(true) {
        report::log(LogLevel::Critical, UNSEEN);
    }
    let step = house.with_gateway(|gateway, world| gateway.undecided(world, details));
    step.map_or(Action::Pause, |step| house.act(actor, step, CalledFrom::OwnReply))
}

/// A response was to be changed, and could not be: it does not leave.
pub(super) fn unchanged(house: &House, actor: &Actor, refused: Refused) -> Action {
    house.unchanged(refused).map_or(Action::Pause, |step| house.act(actor, step, CalledFrom::OwnReply))
}

/// A stream is over.
pub(super) fn gone(house: &House, actor: &Actor) {
    if actor.progress.try_borrow().is_ok_and(|progress| !progress.is_decided()) {
        end(house, actor, &code_details(), false);
    }
}

/// Tells of a request that has ended undecided.
fn end(house: &House, actor: &Actor, details: &str, answered: bool) {
    let Ok(mut progress) = actor.progress.try_borrow_mut() else { return };
    let halt = match std::mem::replace(&mut *progress, Progress::Answered) {
        Progress::Reading { size, pending, .. } => pending.halt(size),
        Progress::Calling(pending) => pending.halt(),
        Progress::Waiting(halt) => halt,
        Progress::Undecided | Progress::Forwarded { .. } | Progress::Answered => return,
    };
    house.counters.report(&[unanswered(halt, details, answered)]);
}
