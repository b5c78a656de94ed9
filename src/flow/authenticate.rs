//! From what a request carries to who is asking. A session verified before is recalled; else its cookie is opened, checked and
//! remembered. It decides nothing about what that person may do.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::access::headers::{ACCESS_TOKEN, ID_TOKEN, PROVIDER};
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::flow::event::Event;
use crate::flow::step::Renewal;
use crate::flow::visit::Visit;
use crate::session::content::Session;
use crate::session::cookie::{self, Carried};
use crate::session::memory::Memory;
use crate::session::tombstone::{self, Ended};
use crate::words::principal::Principal;
use crate::words::reason::Reason;
use crate::words::world::World;

/// A remembered session is opened anew after this long, so that a sign-out on another worker holds here too.
const LONGEST_MEMORY: Duration = Duration::from_secs(60);

/// A session that was verified, with everything that follows from it. Debug output shows the session, which redacts itself, and
/// of the headers the names: forwarded tokens are among the values.
#[derive(PartialEq)]
pub struct Verified {
    /// The session.
    pub session: Session,
    /// Who it speaks for.
    pub principal: Principal,
    /// The same, for Envoy's access log.
    pub subject: Rc<str>,
    /// The headers for the upstream.
    pub headers: Vec<(Rc<str>, String)>,
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        formatter.debug_struct("Verified").field("session", &self.session).field("headers", &names).finish_non_exhaustive()
    }
}

/// Who is asking.
#[derive(Debug)]
pub enum Identity {
    /// Somebody with a good session, which may be due for renewal.
    Known(Rc<Verified>, Option<Box<Renewal>>),
    /// Nobody we know, and why.
    Unknown(Reason),
}

/// Finds out who is asking.
pub fn authenticate(
    settings: &Settings,
    memory: &mut Memory<Verified>,
    world: &mut dyn World,
    visit: &Visit,
    events: &mut Vec<Event>,
) -> Identity {
    let sealed = match cookie::read(&settings.session.cookie, &visit.request.headers) {
        Carried::Nothing => return Identity::Unknown(Reason::SessionMissing),
        Carried::Torn => {
            events.push(Event::SessionRefused(Reason::SessionInvalid));
            return Identity::Unknown(Reason::SessionInvalid);
        }
        Carried::Sealed(sealed) => sealed,
    };
    if let Some(verified) = memory.recall(&sealed, visit.now) {
        events.push(Event::SessionFromMemory);
        return Identity::Known(verified, None);
    }
    match open(settings, world, visit, &sealed) {
        Ok(verified) => {
            events.push(Event::SessionFromCookie);
            let verified = Rc::new(verified);
            let renewal_due = verified.session.renewal_due(settings.session.lifetimes);
            if visit.now < renewal_due {
                let until = renewal_due.min(verified.principal.expires).min(visit.now.plus(LONGEST_MEMORY));
                memory.remember(&sealed, Rc::clone(&verified), weight(&verified, sealed.len()), until);
                return Identity::Known(verified, None);
            }
            let renewal = Renewal { session: verified.session.renewed(visit.now), came: visit.request.headers.only("cookie") };
            Identity::Known(verified, Some(Box::new(renewal)))
        }
        Err(reason) => {
            events.push(Event::SessionRefused(reason));
            Identity::Unknown(reason)
        }
    }
}

/// Forgets the session that a request carries, and returns it, good or not: one that has just expired may still be renewed by a
/// request under way.
pub fn forget(settings: &Settings, memory: &mut Memory<Verified>, visit: &Visit) -> Option<Session> {
    let Carried::Sealed(sealed) = cookie::read(&settings.session.cookie, &visit.request.headers) else { return None };
    memory.forget(&sealed);
    Session::parse(&settings.sealer.open(Purpose::Session, &sealed)?)
}

fn open(settings: &Settings, world: &dyn World, visit: &Visit, sealed: &[u8]) -> Result<Verified, Reason> {
    let plain = settings.sealer.open(Purpose::Session, sealed).ok_or(Reason::SessionInvalid)?;
    let session = Session::read(&plain, visit.now, settings.session.lifetimes)?;
    let provider = settings.provider(&session.provider).ok_or(Reason::SessionInvalid)?;
    if provider.fingerprint != session.fingerprint {
        return Err(Reason::SessionInvalid);
    }
    if tombstone::is_marked(world, Ended::Session(&session.id), visit.now) {
        return Err(Reason::SessionExpired);
    }
    let mut headers = settings.identity.values(&session.claims);
    let tokens = [
        (settings.forward.access_token, ACCESS_TOKEN, &session.tokens.access_token),
        (settings.forward.id_token, ID_TOKEN, &session.tokens.id_token),
    ];
    for (wanted, name, token) in tokens {
        if let (true, Some(token)) = (wanted, token) {
            headers.push((Rc::from(name), token.expose().to_owned()));
        }
    }
    if settings.providers.len() > 1 {
        headers.push((Rc::from(PROVIDER), session.provider.clone()));
    }
    let principal = session.principal(settings.session.lifetimes);
    Ok(Verified { subject: Rc::from(principal.subject.as_str()), principal, headers, session })
}

/// About how many bytes a verified session takes: its claims are there three times, as text of the cookie's size at most.
fn weight(verified: &Verified, sealed: usize) -> usize {
    let headers: usize = verified.headers.iter().map(|(_, value)| value.len()).sum();
    sealed.saturating_mul(3).saturating_add(headers)
}
