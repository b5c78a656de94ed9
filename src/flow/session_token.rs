//! A session of ours that comes as a bearer token (RFC 6750), before anybody asks whether it is a provider's. It decides nothing
//! about what that person may do.

use std::rc::Rc;

use crate::flow::authenticate::{Credential, Identity, LONGEST_MEMORY, Verified, weight};
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::visit::Visit;
use crate::session::jwt::JwtError;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;
use crate::words::world::World;

/// Finds out whose session came; `None` when it is none of ours and a provider may know the token. Nothing but a signature by
/// our keys makes it ours, so that one can never be taken for the other.
pub fn authenticate(
    gateway: &mut Gateway,
    world: &dyn World,
    visit: &Visit,
    token: LentSecret<'_>,
    events: &mut Vec<Event>,
) -> Option<Identity> {
    let settings = Rc::clone(&gateway.settings);
    let jwt = settings.session.as_bearer()?;
    let name = gateway.naming.name(token.expose().as_bytes());
    if let Some(verified) = gateway.tokens.recall(name, visit.now) {
        let Credential::Session(session) = &verified.credential else { return None };
        if !gateway.background.ended.has(world, &session.id, visit.now) {
            events.push(Event::TokenFromMemory);
            return Some(Identity::Known(verified, None));
        }
    }
    let session = match jwt.read(world, token.expose(), &mut gateway.last_header, visit.now) {
        Ok(session) => session,
        Err(JwtError::Invalid(_)) if settings.providers.iter().any(|provider| provider.oidc.bearer.is_some()) => return None,
        Err(error) => return Some(Identity::Unknown(error.of_bearer())),
    };
    if gateway.background.ended.has(world, &session.id, visit.now) {
        return Some(Identity::Unknown(Failure::new(Reason::TokenInvalid, "its session was signed out")));
    }
    events.push(Event::TokenVerified);
    let verified = Rc::new(Verified::by_session_token(&settings, session));
    let until = verified.principal.expires.min(visit.now.plus(LONGEST_MEMORY));
    let bytes = weight(&verified, token.len());
    if gateway.tokens.admits(name, bytes) {
        gateway.tokens.remember(name, Rc::clone(&verified), bytes, until);
    }
    Some(Identity::Known(verified, None))
}
