//! From the session in a request's cookie to who is asking. A session that was verified before is recalled; otherwise its cookie
//! is opened, checked and remembered. It never decides what that person may do.

use std::rc::Rc;
use std::time::Duration;

use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::config::settings::Settings;
use crate::crypto::jws::LastHeader;
use crate::crypto::seal::Purpose;
use crate::session::Form;
use crate::session::content::Session;
use crate::session::cookie::{self, Found};
use crate::session::jwt::JwtSettings;
use crate::step::decision::{Cause, Renewal};
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::reason::Reason;
use crate::words::world::World;

/// A remembered session is opened and checked again after this time at the latest.
pub(super) const LONGEST_MEMORY: Duration = Duration::from_secs(60);

/// Finds out whose session came in the cookie, and whether it is due for renewal. It does not look at the provider's tokens in
/// the session; [`crate::authenticate::freshness`] does.
///
/// # Errors
/// [`Reason::SessionMissing`]; [`Reason::SessionInvalid`]; [`Reason::SessionAmbiguous`] when several different ones came;
/// [`Reason::SessionExpired`], also after sign-out.
pub fn authenticate(
    scene: &mut Scene<'_>,
    visit: &Visit,
    events: &mut Vec<Event>,
) -> Result<(Rc<Verified>, Option<Box<Renewal>>), Reason> {
    let (settings, recall, ended) = (scene.settings, &mut *scene.recall, &mut scene.background.ended);
    let sealed = match cookie::read(&settings.session.cookie, &visit.request.headers) {
        Found::Nothing => return Err(Reason::SessionMissing),
        Found::Torn => {
            events.push(Event::SessionRefused(Reason::SessionInvalid));
            return Err(Reason::SessionInvalid);
        }
        Found::Several => {
            events.push(Event::SessionRefused(Reason::SessionAmbiguous));
            return Err(Reason::SessionAmbiguous);
        }
        Found::Sealed(sealed) => sealed,
    };
    let name = recall.name(&sealed);
    if let Some(verified) = recall.sessions.recall(name, visit.now)
        && matches!(&verified.credential, Credential::Session(session) if !ended.has(scene.world, session, visit.now))
    {
        events.push(Event::SessionFromMemory);
        return Ok((verified, None));
    }
    let opened = match &settings.session.form {
        Form::Sealed => unsealed(settings, visit, &sealed),
        Form::Jwt(jwt) => signed(jwt, &mut recall.last_header, scene.world, visit, &sealed),
    };
    let opened = opened
        .and_then(|session| if ended.has(scene.world, &session, visit.now) { Err(Reason::SessionExpired) } else { Ok(session) });
    match opened {
        Ok(session) => {
            events.push(Event::SessionFromCookie);
            let renewal_due = session.renewal_due(settings.session.lifetimes);
            if visit.now < renewal_due {
                let verified = Rc::new(Verified::by_session(settings, session));
                let until =
                    renewal_due.min(verified.principal.expires).min(visit.now.plus(LONGEST_MEMORY)).min(verified.tokens_due());
                let bytes = verified.weight(sealed.len());
                if recall.sessions.admits(name, bytes) {
                    recall.sessions.remember(name, Rc::clone(&verified), bytes, until);
                }
                return Ok((verified, None));
            }
            let renewed = session.renewed(visit.now);
            let verified = Rc::new(Verified::by_session(settings, session));
            let renewal = Renewal { session: renewed, cause: Cause::Use, request_cookies: visit.request.headers.only("cookie") };
            Ok((verified, Some(Box::new(renewal))))
        }
        Err(reason) => {
            events.push(Event::SessionRefused(reason));
            Err(reason)
        }
    }
}

fn unsealed(settings: &Settings, visit: &Visit, sealed: &[u8]) -> Result<Session, Reason> {
    let plain = settings.sealer.open(Purpose::Session, sealed).ok_or(Reason::SessionInvalid)?;
    let session = Session::read(&plain, visit.now, settings.session.lifetimes)?;
    let fingerprint = settings.fingerprint(&session.provider);
    let made_here = fingerprint == Some(&session.fingerprint) && settings.has_origin(&session.origin);
    if made_here { Ok(session) } else { Err(Reason::SessionInvalid) }
}

fn signed(jwt: &JwtSettings, last: &mut LastHeader, world: &dyn World, visit: &Visit, token: &[u8]) -> Result<Session, Reason> {
    let token = std::str::from_utf8(token).map_err(|_| Reason::SessionInvalid)?;
    jwt.read(world, token, last, visit.now).map_err(|error| error.reason_for_cookie())
}
