//! Requests that end without an answer of ours: the client left, or Envoy or another of its filters ended or answered them. Nobody
//! is left to be told but the log; what a password was worth is counted all the same. Only a response from upstream to a request
//! that was never decided is answered here.

use crate::flow::ending;
use crate::flow::event::{Event, Place};
use crate::flow::gateway::Gateway;
use crate::flow::password;
use crate::flow::step::{Halt, Pending, Step};
use crate::words::message::Reply;
use crate::words::reason::{Failure, Reason};
use crate::words::world::World;

/// Whether a response may hold what only a decision gives: it comes from upstream, from a cache of such responses, or from a filter
/// that does not say what it did. What Envoy answers by itself does not.
pub fn needs_decision(details: &str) -> bool {
    details.is_empty() || details == "via_upstream" || details.starts_with("cache")
}

/// What the log is told of a request that has ended. `details` is Envoy's own word (`%RESPONSE_CODE_DETAILS%` of its access log);
/// `answered` says whether a response passed that is not ours.
pub fn ended(halt: Halt, details: &str, answered: bool) -> Event {
    // Whoever sends too slowly, too much or what is no HTTP is answered by Envoy, too: that must not fill the log with warnings.
    let by_the_client = ["stream_", "request_", "max_duration", "downstream_", "http", "codec", "overload"];
    let (reason, advice) = match answered && !by_the_client.iter().any(|begin| details.starts_with(begin)) {
        false => (Reason::RequestEnded, ""),
        true => (
            Reason::AnsweredElsewhere,
            "; does Envoy's buffer filter stand directly behind Accredit, and is it enabled on the route of this endpoint?",
        ),
    };
    let read = halt.read.map(|size| [" after ", &size.to_string(), " bytes of the body"].concat()).unwrap_or_default();
    let failure = Failure::new(reason, ["Envoy says ", details, &read, advice].concat());
    Event::Unanswered { place: halt.place, stage: halt.stage, failure }
}

impl Gateway {
    /// A call is answered whose request is gone. Only passwords are settled: whoever hangs up must not have guessed for nothing, and
    /// a right one that nobody heard of must not count as wrong.
    pub fn unheard(&mut self, world: &mut dyn World, pending: &Pending, reply: &Reply) -> Option<Event> {
        match pending {
            Pending::CheckingPassword(checking) => password::unheard(&self.settings, world, checking, reply),
            _ => None,
        }
    }

    /// A response that needs a decision belongs to a request that has none. Of that, Envoy tells only the id by now.
    pub fn undecided(&self, request_id: &str, details: &str) -> Step {
        let place = Place::new(request_id, "-", "-");
        let detail = ["Envoy says ", details, " of a request that was not decided; the application may have had it"].concat();
        ending::not_a_visit(&self.settings, false, place, Failure::new(Reason::Undecided, detail))
    }
}
