//! Streams that end, or that somebody else answers, before they are decided.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, LogLevel};

use crate::flow::unanswered::{ended, needs_decision};
use crate::shell::act::{Actor, Entry};
use crate::shell::report;
use crate::shell::root::House;
use crate::shell::stream::Progress;

/// Said once in a worker.
const UNSEEN: &str = "accredit: a request went past Accredit, which was called for its body or its response alone: \
                      proxy_on_request_headers is missing in capability_restriction_config, and what is behind it stands open. \
                      Remove that list";

impl House {
    /// A response leaves that is not ours, and its request is not decided. `seen` says whether its headers ever came.
    pub(super) fn not_ours(&self, actor: &Actor, seen: bool) -> Action {
        let details = code_details();
        if needs_decision(&details, seen) {
            return self.undecided(actor, seen, &details);
        }
        self.end(actor, &details, true);
        Action::Continue
    }

    /// More of a request is here whose headers never were.
    pub(super) fn went_past(&self, actor: &Actor) -> Action {
        let answered = actor.progress.try_borrow().is_ok_and(|progress| progress.is_decided());
        if answered { Action::Pause } else { self.undecided(actor, false, "nothing") }
    }

    fn undecided(&self, actor: &Actor, seen: bool, details: &str) -> Action {
        if !seen && !self.told_unseen.replace(true) {
            report::log(LogLevel::Critical, UNSEEN);
        }
        let step = self.with_gateway(|gateway, world| gateway.undecided(world, details));
        step.map_or(Action::Pause, |step| self.act(actor, step, Entry::OwnReply))
    }

    /// A stream is over.
    pub(super) fn gone(&self, actor: &Actor) {
        if actor.progress.try_borrow().is_ok_and(|progress| !progress.is_decided()) {
            self.end(actor, &code_details(), false);
        }
    }

    /// Tells of a request that has ended undecided.
    fn end(&self, actor: &Actor, details: &str, answered: bool) {
        let Ok(mut progress) = actor.progress.try_borrow_mut() else { return };
        let halt = match std::mem::replace(&mut *progress, Progress::Answered) {
            Progress::Reading { size, pending, .. } => pending.halt(Some(size)),
            Progress::Calling(pending) => pending.halt(None),
            Progress::Waiting(halt) => halt,
            Progress::Undecided | Progress::Forwarded { .. } | Progress::Answered => return,
        };
        self.counters.report(&[ended(halt, details, answered)]);
    }
}

/// What Envoy says of the response to the current stream; nothing while there is none.
fn code_details() -> String {
    let told = hostcalls::get_property(vec!["response", "code_details"]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&told).into_owned()
}
