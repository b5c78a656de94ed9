//! Tells a page who is signed in and until when.

use serde_json::json;

use crate::flow::authenticate::{Identity, authenticate};
use crate::flow::ending::json_answer;
use crate::flow::event::{Event, Outcome};
use crate::flow::gateway::Gateway;
use crate::flow::step::{Decision, Note, Step};
use crate::flow::visit::Visit;
use crate::words::url::ReturnTo;
use crate::words::world::World;

/// The session endpoint: 200 with the session, or 401. Asking does not prolong a session.
pub fn tell(gateway: &mut Gateway, world: &mut dyn World, visit: &Visit) -> Step {
    let settings = std::rc::Rc::clone(&gateway.settings);
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return visit.refuse_method(&settings, "GET, HEAD");
    }
    let mut events = Vec::new();
    match authenticate(&settings, &mut gateway.memory, world, visit, &mut events) {
        Identity::Known(verified, _) => {
            let (session, lifetimes) = (&verified.session, settings.session.lifetimes);
            let body = json!({
                "authenticated": true,
                "provider": session.provider,
                "subject": session.subject,
                "claims": session.claims,
                "expires_at": session.ends.min(session.created.plus(lifetimes.absolute)).seconds(),
                "idle_expires_at": session.expires(lifetimes).seconds(),
            });
            let mut step = Step::answered(json_answer(&body, Vec::new()), events);
            step.note.subject = Some(std::rc::Rc::clone(&verified.subject));
            step
        }
        Identity::Unknown(reason) => {
            let response = visit.refusal(&settings, reason, &ReturnTo::front_page());
            events.push(Event::Outcome(Outcome::Unauthenticated));
            Step { decision: Decision::Respond(response), events, note: Note::default() }
        }
    }
}
