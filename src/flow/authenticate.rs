//! From what a request carries to who is asking. A session verified before is recalled; else its cookie is opened, checked and
//! remembered. It decides nothing about what that person may do.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::access::believed::{ACCESS_TOKEN, ID_TOKEN, PROVIDER};
use crate::config::settings::Settings;
use crate::crypto::jws::LastHeader;
use crate::crypto::seal::Purpose;
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::identity_jwt;
use crate::flow::step::{Asking, Cause, Renewal, Resource};
use crate::flow::visit::Visit;
use crate::session::Form;
use crate::session::content::Session;
use crate::session::cookie::{self, Carried};
use crate::session::jwt::JwtSettings;
use crate::words::message::HttpCall;
use crate::words::principal::{Claims, Principal, Proof};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// What somebody who is remembered takes without anything that differs from one to another, in bytes, roughly.
const FIXED: usize = 1_024;

/// A remembered session is opened anew after this long, whatever it says of itself.
pub(super) const LONGEST_MEMORY: Duration = Duration::from_secs(60);

/// Somebody who was verified, with everything that follows from it. Debug output shows the credential, which redacts itself, and
/// of the headers the names: forwarded tokens are among the values.
#[derive(PartialEq)]
pub struct Verified {
    /// What proved it.
    pub credential: Credential,
    /// Who it speaks for.
    pub principal: Principal,
    /// When it ends, renewed or not.
    pub ends: Timestamp,
    /// The same, for Envoy's access log.
    pub subject: Rc<str>,
    /// The headers for the upstream.
    pub headers: Rc<[(Rc<str>, String)]>,
    /// The tokens that told upstreams of it lately.
    pub identity_jwts: identity_jwt::Remembered,
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        formatter.debug_struct("Verified").field("credential", &self.credential).field("headers", &names).finish_non_exhaustive()
    }
}

/// What proved an identity.
#[derive(Debug, PartialEq)]
pub enum Credential {
    /// A session.
    Session(Box<Session>),
    /// A bearer token, verified by keys that have been the same since then. It counts only as long as these are the provider's keys.
    Token {
        /// When.
        keys_since: Timestamp,
    },
    /// A bearer token that its provider was asked about.
    OpaqueToken,
}

/// Who is asking.
#[derive(Debug)]
pub enum Identity {
    /// Somebody with a good session, which may be due for renewal.
    Known(Rc<Verified>, Option<Box<Renewal>>),
    /// Nobody we know, and why.
    Unknown(Failure),
    /// That cannot be said before this is here.
    Unclear(Resource),
    /// That cannot be said before the provider has answered.
    Asked(Box<HttpCall>, Asking),
}

/// Finds out whose session came, and whether it is due for renewal. Whether the provider's tokens in it are still good is for
/// [`Gateway::refreshed`](crate::flow::gateway::Gateway) to say.
///
/// # Errors
/// Why it is nobody's.
pub fn authenticate(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: &Visit,
    events: &mut Vec<Event>,
) -> Result<(Rc<Verified>, Option<Box<Renewal>>), Reason> {
    let settings = gateway.settings.as_ref();
    let sealed = match cookie::read(&settings.session.cookie, &visit.request.headers) {
        Carried::Nothing => return Err(Reason::SessionMissing),
        Carried::Torn => {
            events.push(Event::SessionRefused(Reason::SessionInvalid));
            return Err(Reason::SessionInvalid);
        }
        Carried::Several => {
            events.push(Event::SessionRefused(Reason::SessionAmbiguous));
            return Err(Reason::SessionAmbiguous);
        }
        Carried::Sealed(sealed) => sealed,
    };
    let name = gateway.naming.name(&sealed);
    let ended = &mut gateway.background.ended;
    if let Some(verified) = gateway.memory.recall(name, visit.now)
        && matches!(&verified.credential, Credential::Session(session) if !ended.has(world, &session.id, visit.now))
    {
        events.push(Event::SessionFromMemory);
        return Ok((verified, None));
    }
    let opened = match &settings.session.form {
        Form::Sealed => unsealed(settings, visit, &sealed),
        Form::Jwt(jwt) => signed(jwt, &mut gateway.last_header, world, visit, &sealed),
    };
    let opened = opened
        .and_then(|session| if ended.has(world, &session.id, visit.now) { Err(Reason::SessionExpired) } else { Ok(session) });
    match opened {
        Ok(session) => {
            events.push(Event::SessionFromCookie);
            let renewal_due = session.renewal_due(settings.session.lifetimes);
            if visit.now < renewal_due {
                let verified = Rc::new(Verified::by_session(settings, session));
                let until =
                    renewal_due.min(verified.principal.expires).min(visit.now.plus(LONGEST_MEMORY)).min(verified.tokens_due());
                let bytes = weight(&verified, sealed.len());
                if gateway.memory.admits(name, bytes) {
                    gateway.memory.remember(name, Rc::clone(&verified), bytes, until);
                }
                return Ok((verified, None));
            }
            let renewed = session.renewed(visit.now);
            let verified = Rc::new(Verified::by_session(settings, session));
            let renewal = Renewal { session: renewed, cause: Cause::Use, came: visit.request.headers.only("cookie") };
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
    jwt.read(world, token, last, visit.now).map_err(|error| error.of_cookie())
}

impl Verified {
    /// What follows from a session of ours that came as a bearer token.
    pub fn by_session_token(settings: &Settings, session: Session) -> Self {
        let mut verified = Self::by_session(settings, session);
        verified.principal.proof = Proof::SessionToken;
        verified
    }

    /// When the tokens behind it should be refreshed.
    fn tokens_due(&self) -> Timestamp {
        let due = match &self.credential {
            Credential::Session(session) => session.tokens.due,
            Credential::Token { .. } | Credential::OpaqueToken => None,
        };
        due.unwrap_or(Timestamp::from_millis(u64::MAX))
    }

    /// What follows from a session.
    pub(super) fn by_session(settings: &Settings, session: Session) -> Self {
        let principal = session.principal(settings.session.lifetimes, settings.assumed_verified(&session.provider));
        let mut headers = identity_headers(settings, &principal, &principal.claims);
        let tokens = [
            (settings.forward.access_token, ACCESS_TOKEN, &session.tokens.access_token),
            (settings.forward.id_token, ID_TOKEN, &session.tokens.id_token),
        ];
        for (wanted, name, token) in tokens {
            if let (true, Some(token)) = (wanted, token) {
                headers.push((Rc::from(name), token.expose().to_owned()));
            }
        }
        let subject = Rc::from(principal.subject.as_str());
        let ends = session.ends.min(session.created.plus(settings.session.lifetimes.absolute));
        Self {
            credential: Credential::Session(Box::new(session)),
            principal,
            ends,
            subject,
            headers: headers.into(),
            identity_jwts: identity_jwt::Remembered::for_some(settings),
        }
    }

    /// What follows from a verified bearer token. The application is told these claims.
    pub fn by_token(settings: &Settings, principal: Principal, told: &Claims, credential: Credential) -> Self {
        let headers = identity_headers(settings, &principal, told);
        let (subject, ends) = (Rc::from(principal.subject.as_str()), principal.expires);
        let identity_jwts = identity_jwt::Remembered::for_some(settings);
        Self { credential, ends, subject, headers: headers.into(), principal, identity_jwts }
    }
}

fn identity_headers(settings: &Settings, principal: &Principal, told: &Claims) -> Vec<(Rc<str>, String)> {
    let mut headers = settings.identity.values(told, principal.assumed);
    if settings.several_claimants && !principal.provider.is_empty() {
        headers.push((Rc::from(PROVIDER), principal.provider.clone()));
    }
    headers
}

/// About how many bytes it takes, for a credential of so many: what a session has beside its claims is no larger than that.
pub fn weight(verified: &Verified, credential: usize) -> usize {
    let claims: usize = verified.principal.claims.iter().map(|(name, value)| name.len().saturating_add(size(value))).sum();
    let headers: usize = verified.headers.iter().map(|(_, value)| value.len()).sum();
    let tokens = verified.identity_jwts.most_bytes(claims);
    [FIXED, credential, claims, headers, tokens].into_iter().fold(0, usize::saturating_add)
}

/// About how many bytes a claim takes: what it holds, and a place and an allocation for each text and list.
fn size(claim: &Value) -> usize {
    let held = match claim {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(members) => members.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len().saturating_add(size(value))).sum(),
    };
    held.saturating_add(48)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_weigh_what_they_take_however_short_the_token_is_that_brought_them() {
        let text = "x".repeat(100_000);
        for (claim, least) in [(json!(text), 100_000), (json!({"a": [{"b": text}]}), 100_000), (json!(vec![0; 1_000]), 32_000)] {
            assert!(size(&claim) >= least, "{}", size(&claim));
        }
    }
}
