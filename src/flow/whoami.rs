//! Tells a page who is signed in and until when.

use serde_json::json;

use crate::flow::authenticate::{Identity, authenticate};
use crate::flow::ending::json_answer;
use crate::flow::event::{Event, Outcome};
use crate::flow::gateway::Gateway;
use crate::flow::step::{Decision, Note, Pending, Step};
use crate::flow::visit::Visit;
use crate::session::Form;
use crate::words::reason::{Failure, Reason};
use crate::words::url::ReturnTo;
use crate::words::world::World;

/// The session endpoint: 200 with the session, or 401. Asking does not prolong a session.
pub fn tell(gateway: &mut Gateway, world: &mut dyn World, visit: &Visit) -> Step {
    let settings = std::rc::Rc::clone(&gateway.settings);
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return visit.refuse_method(&settings, "GET, HEAD");
    }
    let mut events = Vec::new();
    let identity = match authenticate(gateway, world, visit, &mut events) {
        Ok((verified, renewal)) => gateway.refreshed(world, visit, verified, renewal),
        Err(reason) => Identity::Unknown(Failure::new(reason, "")),
    };
    match identity {
        Identity::Unclear(resource) => {
            Step::waiting(resource, visit.patience, Pending::FromTheStart(visit.clone())).after(events)
        }
        Identity::Known(verified, _) => {
            let principal = &verified.principal;
            let body = match settings.session.form {
                Form::Sealed => json!({
                    "authenticated": true,
                    "provider": principal.provider,
                    "subject": principal.subject,
                    "claims": *principal.claims,
                    "expires_at": verified.ends.seconds(),
                    "idle_expires_at": principal.expires.seconds(),
                }),
                // The claims as they stand in the token.
                Form::Jwt(_) => {
                    let mut claims = principal.claims.as_ref().clone();
                    claims.insert("exp".to_owned(), json!(verified.ends.seconds()));
                    json!(claims)
                }
            };
            let mut step = Step::answered(json_answer(&body, Vec::new()), events);
            step.note.subject = Some(std::rc::Rc::clone(&verified.subject));
            step
        }
        // Providers are asked about tokens, never about sessions.
        Identity::Asked(..) => {
            visit.refuse(&settings, Failure::new(Reason::Internal, "a session that its provider is asked about"))
        }
        Identity::Unknown(failure) => {
            let response = visit.refusal(&settings, failure.reason, &ReturnTo::front_page());
            events.push(Event::Outcome(Outcome::of_status(response.status)));
            Step { decision: Decision::Respond(response), events, note: Note::default() }
        }
    }
}
