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
use crate::session::jwt::{JwtError, JwtSettings};
use crate::step::decision::{Cause, Renewal};
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::world::World;

/// A remembered session is opened and checked again after this time at the latest.
pub(super) const LONGEST_MEMORY: Duration = Duration::from_secs(60);

/// Finds out whose session came in the cookie, and whether it is due for renewal. It does not look at the provider's tokens in
/// the session; [`crate::authenticate::freshness`] does.
///
/// # Errors
/// [`Reason::SessionMissing`]; [`Reason::SessionInvalid`]; [`Reason::SessionAmbiguous`] when several different ones came;
/// [`Reason::SessionExpired`], also after sign-out; [`Reason::RevocationsUnavailable`] while nobody knows whether it has ended
/// elsewhere, if that is configured. The detail says why a session is invalid.
pub fn authenticate(
    scene: &mut Scene<'_>,
    visit: &Visit,
    events: &mut Vec<Event>,
) -> Result<(Rc<Verified>, Option<Box<Renewal>>), Failure> {
    let is_stale = scene.background.revocations.is_too_old(scene.settings, scene.world, visit.now);
    let (settings, recall, ended) = (scene.settings, &mut *scene.recall, &mut scene.background.ended);
    let sealed = match cookie::read(&settings.session.cookie, &visit.request.headers) {
        Found::Nothing => return Err(Failure::new(Reason::SessionMissing, "")),
        Found::Torn => {
            let missing = cookie::missing(&settings.session.cookie, &visit.request.headers).to_string();
            return Err(refused(Failure::new(Reason::SessionInvalid, missing), events));
        }
        Found::Several => return Err(refused(Failure::new(Reason::SessionAmbiguous, ""), events)),
        Found::Sealed(_) if is_stale => return Err(stale()),
        Found::Sealed(sealed) => sealed,
    };
    let name = recall.name(&sealed);
    if let Some(verified) = recall.sessions.recall(name, visit.now)
        && matches!(&verified.credential, Credential::Session(_))
        && !ended.has(scene.world, &verified.ended, visit.now)
    {
        events.push(Event::SessionFromMemory);
        return Ok((verified, None));
    }
    let opened = match &settings.session.form {
        Form::Sealed => unsealed(settings, visit, &sealed),
        Form::Jwt(jwt) => signed(jwt, &mut recall.last_header, scene.world, visit, &sealed),
    };
    let opened = opened.and_then(|session| {
        let names = ended.names(&session);
        match ended.has(scene.world, &names, visit.now) {
            true => Err(Failure::new(Reason::SessionExpired, "")),
            false => Ok((session, names)),
        }
    });
    match opened {
        Ok((session, names)) => {
            events.push(Event::SessionFromCookie);
            let renewal_due = session.renewal_due(settings.session.lifetimes);
            if visit.now < renewal_due {
                let verified = Rc::new(Verified::by_session(settings, session, names));
                let until =
                    renewal_due.min(verified.principal.expires).min(visit.now.plus(LONGEST_MEMORY)).min(verified.tokens_due());
                let bytes = verified.weight(sealed.len());
                if recall.sessions.admits(name, bytes) {
                    recall.sessions.remember(name, Rc::clone(&verified), bytes, until);
                }
                return Ok((verified, None));
            }
            let renewed = session.renewed(visit.now);
            let verified = Rc::new(Verified::by_session(settings, session, names));
            let renewal = Renewal { session: renewed, cause: Cause::Use, request_cookies: visit.request.headers.only("cookie") };
            Ok((verified, Some(Box::new(renewal))))
        }
        Err(failure) => Err(refused(failure, events)),
    }
}

/// The failure in place of a session while nobody knows whether it has ended elsewhere.
pub fn stale() -> Failure {
    let detail = "what has ended elsewhere is not known here, or no longer; revocations_unavailable lines say why";
    Failure::new(Reason::RevocationsUnavailable, detail)
}

fn refused(failure: Failure, events: &mut Vec<Event>) -> Failure {
    events.push(Event::SessionRefused { failure: failure.clone(), request: None });
    failure
}

fn unsealed(settings: &Settings, visit: &Visit, sealed: &[u8]) -> Result<Session, Failure> {
    let invalid = |why: String| Failure::new(Reason::SessionInvalid, why);
    let Some(plain) = settings.sealer.open(Purpose::Session, sealed) else {
        let elsewhere = sealed_elsewhere(settings, sealed).map(|by| ["the session was ", &by].concat());
        return Err(invalid(elsewhere.unwrap_or_else(|| "the cookie was changed, or is no session".to_owned())));
    };
    let session = Session::read(&plain, visit.now, settings.session.lifetimes);
    let session = session.map_err(|reason| match reason {
        Reason::SessionInvalid => invalid("another version of Accredit wrote the session".to_owned()),
        _ => Failure::new(reason, ""),
    })?;
    let (provider, origin) = (&session.provider, &session.origin);
    match settings.fingerprint(provider) {
        None => Err(invalid(format!(
            "the session is of provider {}, which is not configured here, or not to sign in",
            quote(provider)
        ))),
        Some(ours) if *ours != session.fingerprint => Err(invalid(format!(
            "the session was made under another configuration of provider {}: with another issuer, client_id or forward, or other claims for rules and headers",
            quote(provider)
        ))),
        Some(_) if !settings.has_origin(origin) => {
            Err(invalid(format!("the session was made at {}, which is none of the origins here", quote(origin))))
        }
        Some(_) => Ok(session),
    }
}

/// By which key a text was sealed, if it is none of ours, as a part of a sentence for the log.
pub fn sealed_elsewhere(settings: &Settings, sealed: &[u8]) -> Option<String> {
    let (theirs, ours) = (settings.sealer.unknown_key(sealed)?, settings.sealer.key_ids().collect::<Vec<_>>().join(", "));
    Some(format!("sealed by key {theirs}, and the keys here are {ours}: all replicas need the same session.keys"))
}

fn signed(jwt: &JwtSettings, last: &mut LastHeader, world: &dyn World, visit: &Visit, token: &[u8]) -> Result<Session, Failure> {
    let token = std::str::from_utf8(token).map_err(|_| Failure::new(Reason::SessionInvalid, "the cookie is no text"))?;
    jwt.read(world, token, last, visit.now).map_err(JwtError::failure_for_cookie)
}
