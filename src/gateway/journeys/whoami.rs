//! The session endpoint: tells a page who is signed in and until when. It never renews a session.

use std::rc::Rc;

use serde_json::json;

use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::who::by_cookie;
use crate::http::return_to::ReturnTo;
use crate::session::Form;
use crate::step::answers::json_answer;
use crate::step::decision::{Decision, FromTheStart, Journey, Step};
use crate::step::event::{Event, Outcome};
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// The session endpoint: 200 with the session, or 401.
pub(super) fn begin(scene: &mut Scene<'_>, visit: &Visit) -> Journey {
    let settings = scene.settings;
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return Err(Stop::method("GET, HEAD"));
    }
    let mut events = Vec::new();
    match by_cookie(scene, visit, &mut events) {
        Identity::Unclear(resource) => Ok(Step::waiting(resource, visit.wait_until, FromTheStart).after(events)),
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
                // The same claims as in the token.
                Form::Jwt(_) => {
                    let mut claims = principal.claims.as_ref().clone();
                    claims.insert("exp".to_owned(), json!(verified.ends.seconds()));
                    json!(claims)
                }
            };
            let mut step = Step::answered(json_answer(&body, Vec::new()), events);
            step.note.subject = Some(Rc::clone(&verified.subject));
            Ok(step)
        }
        // This cannot happen: providers are asked about bearer tokens, never about sessions.
        Identity::Asked(..) => Err(Failure::new(Reason::Internal, "a session that its provider is asked about").into()),
        Identity::Unknown(failure) => {
            let response = visit.refusal(settings, &failure, &ReturnTo::front_page());
            events.push(Event::Outcome(Outcome::of_status(response.status)));
            Ok(Step { events, ..Step::new(Decision::Respond(response)) })
        }
    }
}
