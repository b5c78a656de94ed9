//! Whether the provider's tokens in a session are still good: a request goes on with tokens that are only due for a refresh, and
//! waits for new ones once they have ended. It never asks the provider; the background does.

use std::rc::Rc;

use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::session::remembered::refreshed::newer;
use crate::step::decision::{Cause, Renewal, Resource};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// The identity of somebody with a valid session, after a look at the tokens in it: the session with newer tokens if there are
/// any, a wait for them if the present ones have ended, or the reason why the session no longer counts.
pub fn with_good_tokens(scene: &mut Scene<'_>, visit: &Visit, verified: Rc<Verified>, renewal: Option<Box<Renewal>>) -> Identity {
    let (settings, now) = (scene.settings, visit.now);
    let session = match &verified.credential {
        Credential::Session(session) if session.tokens.are_due(now) => session,
        _ => return Identity::Known(verified, renewal),
    };
    let (session, cause) = match newer(scene.world, &settings.sealer, session) {
        // The session was refreshed, but this cookie is older: the response with the new one has not reached the browser yet.
        Some(newer) => (newer.last_renewed(session.renewed), Cause::Use),
        None => (session.as_ref().clone(), renewal.map_or(Cause::IfRefreshed, |renewal| renewal.cause)),
    };
    if now >= session.expires(settings.session.lifetimes) {
        return Identity::Unknown(Failure::new(Reason::SessionExpired, ""));
    }
    let ended = session.tokens.have_ended(now);
    if session.tokens.are_due(now) {
        let wanted = scene.background.refreshes.want(&scene.background.documents, &session, now);
        if ended && (!wanted || now >= visit.wait_until) {
            let detail = "the tokens have ended; refresh_failed lines say why";
            return Identity::Unknown(Failure::new(Reason::RefreshUnavailable, detail));
        }
        if ended {
            return Identity::Unclear(Resource::Refresh(session.id));
        }
    }
    let renewal = Renewal { session: session.renewed(now), cause, request_cookies: visit.request.headers.only("cookie") };
    let ended = scene.background.ended.names(&session);
    Identity::Known(Rc::new(Verified::by_session(settings, session, ended)), Some(Box::new(renewal)))
}
