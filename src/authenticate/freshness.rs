//! Whether a session's tokens are still good, where it lives as long as they do: a request goes on with those that are, and waits
//! for new ones when they have ended. Asking the provider is the background's.

use std::rc::Rc;

use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::session::remembered::refreshed::newer;
use crate::step::decision::{Cause, Renewal, Resource};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// What somebody's identity is worth when the tokens behind it may be due.
pub fn with_good_tokens(scene: &mut Scene<'_>, visit: &Visit, verified: Rc<Verified>, renewal: Option<Box<Renewal>>) -> Identity {
    let (settings, now) = (scene.settings, visit.now);
    let session = match &verified.credential {
        Credential::Session(session) if session.tokens.are_due(now) => session,
        _ => return Identity::Known(verified, renewal),
    };
    let (session, cause) = match newer(scene.world, &settings.sealer, session) {
        // The cookie is from before: another tab's, or the answer with the new one has not arrived.
        Some(newer) => (newer.last_renewed(session.renewed), Cause::Use),
        None => (session.as_ref().clone(), renewal.map_or(Cause::IfRefreshed, |renewal| renewal.cause)),
    };
    if now >= session.expires(settings.session.lifetimes) {
        return Identity::Unknown(Failure::new(Reason::SessionExpired, ""));
    }
    let ended = session.tokens.have_ended(now);
    if session.tokens.are_due(now) {
        let wanted = scene.kept.refreshes.want(&scene.kept.documents, &session, now);
        if ended && (!wanted || now >= visit.patience) {
            let detail = "the tokens have ended; refresh_failed lines say why";
            return Identity::Unknown(Failure::new(Reason::RefreshUnavailable, detail));
        }
        if ended {
            return Identity::Unclear(Resource::Refresh(session.id));
        }
    }
    let renewal = Renewal { session: session.renewed(now), cause, came: visit.request.headers.only("cookie") };
    Identity::Known(Rc::new(Verified::by_session(settings, session)), Some(Box::new(renewal)))
}
