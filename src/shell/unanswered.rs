//! Streams that end, or that somebody else answers, before the gateway has decided about them. It does not know which responses
//! must not pass; `gateway::unanswered` does.

use proxy_wasm::types::{Action, LogLevel};

use crate::gateway::unanswered::{needs_decision, unanswered};
use crate::shell::current::code_details;
use crate::shell::host_calls::Refused;
use crate::shell::progress::{CalledFrom, Progress, StreamHandle};
use crate::shell::report;
use crate::shell::runner::Runner;

/// The line for the log, once per worker, when requests pass without their headers coming here.
const UNSEEN: &str = "accredit: a request went past Accredit, which was called for its body or its response alone: \
                      proxy_on_request_headers is missing in capability_restriction_config, and what is behind it stands open. \
                      Remove that list";

/// A response that is not ours comes to a request that is not decided: lets it pass, or puts a refusal in its place.
/// `headers_came` says whether the request's headers ever came here.
pub(super) fn foreign_response(runner: &Runner, handle: &StreamHandle, headers_came: bool) -> Action {
    let details = code_details();
    if needs_decision(&details, headers_came) {
        return undecided(runner, handle, headers_came, &details);
    }
    report_ended(runner, handle, &details, true);
    Action::Continue
}

/// The body or the trailers of a request come whose headers never came here: refuses it.
pub(super) fn headers_withheld(runner: &Runner, handle: &StreamHandle) -> Action {
    let answered = handle.progress.try_borrow().is_ok_and(|progress| progress.is_decided());
    if answered { Action::Pause } else { undecided(runner, handle, false, "nothing") }
}

fn undecided(runner: &Runner, handle: &StreamHandle, headers_came: bool, details: &str) -> Action {
    if !headers_came && !runner.reported_unseen.replace(true) {
        report::log(LogLevel::Critical, UNSEEN);
    }
    let step = runner.with_gateway(|gateway, world| gateway.undecided(world, details));
    step.map_or(Action::Pause, |step| runner.carry_out(handle, step, CalledFrom::OwnCallback))
}

/// Puts a refusal in place of a response whose fields could not be changed.
pub(super) fn edit_failed(runner: &Runner, handle: &StreamHandle, refused: Refused) -> Action {
    runner.edit_failed(refused).map_or(Action::Pause, |step| runner.carry_out(handle, step, CalledFrom::OwnCallback))
}

/// Reports a stream that has ended, if it was not decided.
pub(super) fn stream_ended(runner: &Runner, handle: &StreamHandle) {
    if handle.progress.try_borrow().is_ok_and(|progress| !progress.is_decided()) {
        report_ended(runner, handle, &code_details(), false);
    }
}

/// Reports a request that has ended undecided, and why.
fn report_ended(runner: &Runner, handle: &StreamHandle, details: &str, answered: bool) {
    let Ok(mut progress) = handle.progress.try_borrow_mut() else { return };
    let stage = match std::mem::replace(&mut *progress, Progress::Answered) {
        Progress::Reading { size, pending, .. } => pending.stage(size),
        Progress::Calling(pending) => pending.stage(),
        Progress::Waiting(stage) => stage,
        Progress::Undecided | Progress::Forwarded { .. } | Progress::Answered => return,
    };
    runner.reporter.report(&[unanswered(stage, details, answered)]);
}
