//! What becomes of an open request whose session is over: it is refused as one that comes later would be. It never decides that a
//! session is over.

use crate::authenticate::session::stale;
use crate::config::settings::Settings;
use crate::gateway::pending::Step;
use crate::session::open::{LetIn, Over};
use crate::step::answers::{Reader, not_a_visit};
use crate::step::event::{Event, RequestRef};
use crate::words::reason::{Failure, Reason};

/// The step that ends a request of this session. Envoy gives the client the answer if it has none yet; if the application has begun
/// one, Envoy resets the stream. The request's headers are not known any more.
pub(super) fn ended(settings: &Settings, request_id: &str, let_in: &LetIn, over: Over) -> Step {
    let request = RequestRef::new(request_id, "-", "-", "-");
    let failure = match over {
        Over::Ended => Failure::new(Reason::SessionExpired, "the session was ended while the request was open"),
        Over::Expired => Failure::new(Reason::SessionExpired, "the session reached its end while the request was open"),
        Over::Unknown => stale(),
    };
    let [provider, subject, session] = [let_in.names.provider(), &let_in.subject, let_in.names.session()].map(str::to_owned);
    let reset = Event::StreamReset { request: request.clone(), provider, subject, session, failure: failure.clone() };
    Step { events: vec![reset], ..not_a_visit(settings, Reader::Program, request, failure) }
}
