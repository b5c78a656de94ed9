//! From a session of ours that comes as a bearer token (RFC 6750) to who is asking. It is tried before the token is taken for a
//! provider's. It never decides what that person may do.

use std::rc::Rc;

use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::session::{LONGEST_MEMORY, stale};
use crate::authenticate::verified::{Credential, Verified};
use crate::session::jwt::JwtError;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::secret::LentSecret;

/// Finds out whose session this token is; `None` if it is no session of ours, and may be a provider's token. Only a signature by
/// one of our keys makes it a session, so that a provider's token cannot be taken for one.
pub fn authenticate(scene: &mut Scene<'_>, visit: &Visit, token: LentSecret<'_>, events: &mut Vec<Event>) -> Option<Identity> {
    let is_stale = scene.background.revocations.is_too_old(scene.settings, scene.world, visit.now);
    let (settings, recall, ended) = (scene.settings, &mut *scene.recall, &mut scene.background.ended);
    let jwt = settings.session.as_bearer()?;
    let name = recall.name(token.expose().as_bytes());
    if let Some(verified) = recall.tokens.recall(name, visit.now) {
        let Credential::Session(_) = &verified.credential else { return None };
        if is_stale {
            return Some(Identity::Unknown(stale()));
        }
        if !ended.has(scene.world, &verified.ended, visit.now) {
            events.push(Event::TokenFromMemory);
            return Some(Identity::Known(verified, None));
        }
    }
    let session = match jwt.read(scene.world, token.expose(), &mut recall.last_header, visit.now) {
        Ok(session) => session,
        Err(JwtError::Invalid(_)) if settings.accepts_provider_tokens() => return None,
        Err(error) => return Some(Identity::Unknown(error.failure_for_bearer())),
    };
    if is_stale {
        return Some(Identity::Unknown(stale()));
    }
    let names = ended.names(&session);
    if ended.has(scene.world, &names, visit.now) {
        return Some(Identity::invalid_token("its session was signed out"));
    }
    events.push(Event::TokenVerified);
    let verified = Rc::new(Verified::by_session_token(settings, session, names));
    let until = verified.principal.expires.min(visit.now.plus(LONGEST_MEMORY));
    let bytes = verified.weight(token.len());
    if recall.tokens.admits(name, bytes) {
        recall.tokens.remember(name, Rc::clone(&verified), bytes, until);
    }
    Some(Identity::Known(verified, None))
}
