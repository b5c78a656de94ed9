//! Verifies Security Event Tokens (RFC 8417) as transmitters push them (RFC 8935), and reads which sessions end by their events:
//! those of CAEP 1.0, RISC 1.0, and the older form in which Google sends them. No claim is looked at before the signature was found
//! good. Keys are not fetched here, no session is looked for, and which tokens came before is not known: an event ends only what
//! began before it, so that a repeated token does no harm.

pub mod event;
pub mod subject;
pub mod transmitter;
pub mod transmitter_metadata;

use serde_json::Value;

use crate::crypto::jws::{JwsError, LastHeader, Unverified, VerifiedJws};
use crate::crypto::key::KeySet;
use crate::oidc::claims::{issuer, kept_name, present, short_typ, shown};
use crate::oidc::security_event::event::{EventKind, is_verification};
use crate::oidc::security_event::subject::{EndedSubject, Told};
use crate::oidc::security_event::transmitter::{MissingTyp, Transmitter};
use crate::oidc::times::{Clock, TheirClock};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The most events that one token may tell of. (SSF 1.0, section 4.1.6, wants one, or one under several names.)
const MOST_EVENTS: usize = 16;

/// The most ends that may follow from one token: as many as one event can have subjects.
const MOST_ENDS: usize = 32;

/// A Security Event Token that was verified, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityEvent {
    /// `jti`, or the hash of a long one.
    pub jti: String,
    /// What ends, for each event that is configured and whose subject can be told.
    pub ends: Vec<End>,
    /// The events that end nothing, for a line in the log.
    pub ignored: Vec<Ignored>,
    /// Whether the transmitter only tries whether its events arrive.
    pub verification: Verification,
}

/// Sessions that end by an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What happened.
    pub event: EventKind,
    /// Whose sessions end: those of each of these. There is at least one.
    pub subjects: Vec<EndedSubject>,
    /// Only sessions that began before this end. It is never later than `iat`.
    pub before: Timestamp,
}

/// An event that ends nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The name of the event; of one that is not known, the URI, made safe for a log.
    pub event: String,
    /// Why, and if an operator can change it, how.
    pub why: String,
}

/// A verification event (SSF 1.0, section 8.1.4.1): the transmitter tries whether its events arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is none.
    NotOne,
    /// It is one, with the `state` of whoever asked the transmitter for it.
    Event {
        /// That `state`, made safe for a log; absent if it has none.
        state: Option<String>,
    },
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// It may be signed with a key that was published after ours were fetched, perhaps under the `kid` of a former one. The caller
    /// fetches the keys and verifies again; if there are no newer ones, this is the refusal.
    KeyUnknown(SetRefusal),
    /// It is refused for good.
    Refused(SetRefusal),
}

/// A refusal, for the transmitter and for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRefusal {
    /// What the transmitter is told as `err`.
    pub err: ErrorCode,
    /// For the log. The reason is [`Reason::SecurityEventInvalid`].
    pub failure: Failure,
}

/// The error codes of RFC 8935, section 2.4, that are used here. (`access_denied` is not: who a transmitter is, its signature says.)
#[expect(missing_docs, reason = "the names are those of the registry")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    InvalidRequest,
    InvalidKey,
    InvalidIssuer,
    InvalidAudience,
    AuthenticationFailed,
}

impl ErrorCode {
    /// The value of `err`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::AuthenticationFailed => "authentication_failed",
        }
    }
}

fn refusal(err: ErrorCode, detail: impl Into<String>) -> SetRefusal {
    SetRefusal { err, failure: Failure::new(Reason::SecurityEventInvalid, detail) }
}

/// The issuer that a token claims to be from, to find out which transmitter it may be from. Nothing about it is verified.
pub fn claimed_issuer(set: &str) -> Option<String> {
    Unverified::read(set, &mut LastHeader::default()).ok()?.claimed_issuer().map(str::to_owned)
}

/// Verifies a Security Event Token, which anybody may have sent, and reads its events (RFC 8417, section 2; RFC 8935, section 2).
///
/// # Errors
/// See [`SetError`].
pub fn verify(
    world: &dyn World,
    transmitter: &Transmitter,
    set: &str,
    keys: &KeySet,
    now: Timestamp,
) -> Result<SecurityEvent, SetError> {
    let VerifiedJws { claims, typ, .. } = Unverified::read(set, &mut LastHeader::default())
        .and_then(|token| token.verify(world, keys, &transmitter.algorithms))
        .map_err(|error| refused_signature(&error, transmitter))?;
    judge(transmitter, typ.as_deref(), &claims, now).map_err(SetError::Refused)
}

/// The refusal of a token whose signature does not verify.
fn refused_signature(error: &JwsError, transmitter: &Transmitter) -> SetError {
    let err = match error {
        JwsError::Malformed(_) => ErrorCode::InvalidRequest,
        JwsError::SignatureInvalid | JwsError::SignatureByNoKey => ErrorCode::AuthenticationFailed,
        JwsError::AlgorithmNotAllowed { .. }
        | JwsError::AlgorithmNotForKey { .. }
        | JwsError::KeyUnknown { .. }
        | JwsError::KeyAmbiguous => ErrorCode::InvalidKey,
    };
    let detail = match error {
        JwsError::AlgorithmNotAllowed { found } => {
            let listed = transmitter.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ");
            format!("expected one of the algorithms of transmitter {} ({listed}), found alg {found}", transmitter.name)
        }
        _ => error.to_string(),
    };
    let refusal = refusal(err, detail);
    if error.newer_keys_may_help() { SetError::KeyUnknown(refusal) } else { SetError::Refused(refusal) }
}

/// Judges a token whose signature was verified.
fn judge(transmitter: &Transmitter, typ: Option<&str>, claims: &Claims, now: Timestamp) -> Result<SecurityEvent, SetRefusal> {
    let invalid = |detail: String| refusal(ErrorCode::InvalidRequest, detail);
    let clock = Clock { now, skew: transmitter.clock_skew, theirs: TheirClock::Unknown };
    check_typ(typ, transmitter.missing_typ).map_err(invalid)?;
    issuer(claims, &transmitter.issuer).map_err(|detail| refusal(ErrorCode::InvalidIssuer, detail))?;
    audience(claims, transmitter).map_err(|detail| refusal(ErrorCode::InvalidAudience, detail))?;
    no_other_token(claims).map_err(invalid)?;
    let issued = clock.issued(claims).map_err(invalid)?;
    clock.not_before(claims).map_err(invalid)?;
    let jti = jti(claims).map_err(|detail| invalid(detail.to_owned()))?;
    let mut read = SecurityEvent { jti, ends: vec![], ignored: vec![], verification: Verification::NotOne };
    for (uri, payload) in events(claims).map_err(invalid)? {
        let happened =
            event(transmitter, claims, uri, payload, issued).map_err(|detail| invalid(format!("{}: {detail}", quote(uri))))?;
        match happened {
            Happened::End(end) => read.ends.push(end),
            Happened::Nothing(why) => {
                let event = EventKind::of_uri(uri).map_or_else(|| quote(uri), |kind| kind.name().to_owned());
                read.ignored.push(Ignored { event, why });
            }
            Happened::Verification(state) => read.verification = Verification::Event { state },
        }
    }
    if read.ends.iter().map(|end| end.subjects.len()).sum::<usize>() > MOST_ENDS {
        return Err(invalid(format!(
            "more than {MOST_ENDS} ends would follow from it: its events, each at every provider that is meant"
        )));
    }
    Ok(read)
}

/// `secevent+jwt` keeps every other token of the same issuer from passing for an event (RFC 8417, section 2.3).
fn check_typ(typ: Option<&str>, missing: MissingTyp) -> Result<(), String> {
    let kind = typ.map(short_typ);
    match (kind.as_deref(), missing) {
        (Some("secevent+jwt"), _) | (None | Some("jwt"), MissingTyp::Accepted) => Ok(()),
        _ => {
            let found = typ.map_or_else(|| "none".to_owned(), quote);
            Err(format!("expected typ secevent+jwt, found {found}"))
        }
    }
}

/// One of the audiences must be ours. Others may be there too: one event may be for many.
fn audience(claims: &Claims, transmitter: &Transmitter) -> Result<(), String> {
    let ours = |audience: &Value| audience.as_str().is_some_and(|found| transmitter.audiences.iter().any(|ours| ours == found));
    let found = claims.get("aud");
    let is_ours = match found {
        Some(Value::Array(audiences)) => audiences.iter().all(Value::is_string) && audiences.iter().any(ours),
        Some(audience) => ours(audience),
        None => false,
    };
    if is_ours {
        return Ok(());
    }
    Err(format!("expected aud {}, found {}", quote(&transmitter.audiences.join(" or ")), shown(found)))
}

/// What ID tokens, access tokens and logout tokens have, an event does not have (RFC 8417, sections 2.2 and 4.5 to 4.8; SSF 1.0,
/// section 4.1): whatever the value is, also `null`.
fn no_other_token(claims: &Claims) -> Result<(), String> {
    match ["exp", "sub", "nonce"].iter().find(|name| claims.contains_key(**name)) {
        Some(name) => Err(format!("it has {name}, which a security event token does not have beside its events")),
        None => Ok(()),
    }
}

fn jti(claims: &Claims) -> Result<String, &'static str> {
    match present(claims, "jti") {
        None => Err("jti is missing"),
        Some(Value::String(jti)) if jti.is_empty() => Err("jti is empty"),
        Some(Value::String(jti)) => Ok(kept_name(jti)),
        Some(_) => Err("jti is not a text"),
    }
}

/// The events, each with its payload.
fn events(claims: &Claims) -> Result<Vec<(&str, &Claims)>, String> {
    let events = match claims.get("events") {
        Some(Value::Object(events)) if events.is_empty() => return Err("events is empty".to_owned()),
        Some(Value::Object(events)) if events.len() > MOST_EVENTS => {
            return Err(format!("it tells of more than {MOST_EVENTS} events"));
        }
        Some(Value::Object(events)) => events,
        Some(_) => return Err("events is not an object".to_owned()),
        None => return Err("events is missing: this is no security event token".to_owned()),
    };
    events
        .iter()
        .map(|(uri, payload)| match payload {
            Value::Object(payload) => Ok((uri.as_str(), payload)),
            _ => Err(format!("{}: the event is not an object", quote(uri))),
        })
        .collect()
}

/// What follows from an event.
enum Happened {
    End(End),
    /// Nothing, for this reason.
    Nothing(String),
    /// The transmitter tries whether its events arrive, with this `state`.
    Verification(Option<String>),
}

fn event(transmitter: &Transmitter, claims: &Claims, uri: &str, payload: &Claims, issued: Timestamp) -> Result<Happened, String> {
    if is_verification(uri) {
        return match present(payload, "state") {
            None => Ok(Happened::Verification(None)),
            Some(Value::String(state)) => Ok(Happened::Verification(Some(quote(state)))),
            Some(_) => Err("state is not a text".to_owned()),
        };
    }
    let Some(kind) = EventKind::of_uri(uri) else {
        return Ok(Happened::Nothing("it is not an event by which sessions end".to_owned()));
    };
    if !transmitter.events.contains(&kind) {
        return Ok(Happened::Nothing(format!("it is not among events of transmitter {}", transmitter.name)));
    }
    if kind == EventKind::CredentialChange && !transmitter.change_types.contains(&event::change_type(payload)?) {
        return Ok(Happened::Nothing(format!("its change_type is not among change_types of transmitter {}", transmitter.name)));
    }
    let before = event::time(payload)?.map_or(issued, |time| time.min(issued));
    match subject::of_event(transmitter, kind, claims, payload)? {
        Told::Subjects(subjects) => Ok(Happened::End(End { event: kind, subjects, before })),
        Told::Nobody(why) => Ok(Happened::Nothing(why)),
    }
}

#[cfg(test)]
mod tests;
