//! Whom an event is about: subject identifiers (RFC 9493), complex subjects (SSF 1.0, section 3.2), and the forms of their drafts. A
//! subject of which any part cannot be told ends nothing. Whether a session is meant is compared elsewhere.

use serde_json::Value;

use crate::oidc::claims::{kept_name, present, subject};
use crate::oidc::security_event::event::EventKind;
use crate::oidc::security_event::transmitter::{EmailSubjects, InReach, Transmitter};
use crate::words::principal::{Claims, canonical_email};
use crate::words::quote::quote;

/// The length of the longest e-mail address, in bytes (RFC 5321, section 4.5.3.1).
const LONGEST_ADDRESS: usize = 320;

/// Sessions that end: those of this provider that every part of the subject is true of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSubject {
    /// The configured name of the provider.
    pub provider: String,
    /// The parts. There is at least one.
    pub all_of: Vec<SubjectPart>,
}

/// A part of a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectPart {
    /// The session is of this person.
    Person {
        /// `sub` in the ID token.
        sub: String,
    },
    /// It is this session of the provider.
    Session {
        /// `sid` in the ID token, in the form in which sessions keep it.
        sid: String,
    },
    /// The session is of the person with this e-mail address. It must be verified (`is_verified` in `words::principal`); a session
    /// that does not keep the address is not meant.
    Email {
        /// The address, as [`canonical_email`] has it.
        address: String,
    },
}

/// What a subject says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The sessions of each of these.
    Subjects(Vec<EndedSubject>),
    /// It cannot be told whose sessions are meant, or none of those that the transmitter may end are; this is why.
    Nobody(String),
}

/// The subject of an event: `sub_id` of the token (RFC 9493, section 4.1), or from older transmitters `subject` of the event.
///
/// # Errors
/// A phrase that says what is wrong: there is none, there are two that differ, or it is not what its format says.
pub(super) fn of_event(transmitter: &Transmitter, kind: EventKind, claims: &Claims, payload: &Claims) -> Result<Told, String> {
    let read = |found: Option<&Value>, name: &str| match found {
        None => Ok(None),
        Some(Value::Object(identifier)) => {
            top(kind, transmitter.email, identifier).map(Some).map_err(|wrong| format!("{name}: {wrong}"))
        }
        Some(_) => Err(format!("{name} is not an object")),
    };
    let parts = match (read(present(claims, "sub_id"), "sub_id")?, read(present(payload, "subject"), "subject")?) {
        (Some(one), Some(other)) if one != other => return Err("sub_id and subject are about different subjects".to_owned()),
        (Some(parts), _) | (None, Some(parts)) => parts,
        (None, None) => return Err("there is neither sub_id nor subject".to_owned()),
    };
    Ok(match parts {
        Read::Parts(parts) => of_providers(transmitter, &parts),
        Read::Unknown(why) => Told::Nobody(why),
    })
}

/// A part of a subject, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Somebody, by the name that this issuer has for them.
    Named { issuer: String, sub: String },
    /// A session or an address, which may be of every provider.
    OfAny(SubjectPart),
}

/// What was read of an identifier.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// All its parts, sorted.
    Parts(Vec<Part>),
    /// It is well-formed, and we cannot tell whether a session is meant; this is why.
    Unknown(String),
}

impl Read {
    fn one(part: Part) -> Self {
        Self::Parts(vec![part])
    }
}

/// What an identifier stands for, which decides which formats can be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// For a person.
    Person,
    /// For a session.
    Session,
    /// For a session or a person.
    Either,
}

/// A subject as a whole.
fn top(kind: EventKind, email: EmailSubjects, identifier: &Claims) -> Result<Read, String> {
    match format(identifier)?.as_deref() {
        Some("complex") => complex(email, identifier),
        Some(format) => {
            // Only this event is about a session by itself, all others are about an account.
            let place = if kind == EventKind::SessionRevoked { Place::Either } else { Place::Person };
            simple(place, email, format, identifier)
        }
        // SSF's first drafts had complex subjects without a format, and authentik sends them.
        None if !identifier.is_empty() && identifier.values().all(Value::is_object) => complex(email, identifier),
        None => Err("format is missing".to_owned()),
    }
}

/// The format of an identifier, in the spelling of RFC 9493. Its drafts, and Google, say `subject_type`, and `iss-sub`.
fn format(identifier: &Claims) -> Result<Option<String>, String> {
    let named = |name: &str| match present(identifier, name) {
        None => Ok(None),
        Some(Value::String(format)) => Ok(Some(format.replace('-', "_"))),
        Some(_) => Err(format!("{name} is not a text")),
    };
    match (named("format")?, named("subject_type")?) {
        (Some(format), Some(older)) if format != older => Err("format and subject_type differ".to_owned()),
        (format, older) => Ok(format.or(older)),
    }
}

/// A complex subject: the sessions that every member is true of.
fn complex(email: EmailSubjects, identifier: &Claims) -> Result<Read, String> {
    let members = identifier.iter().filter(|(name, _)| !matches!(name.as_str(), "format" | "subject_type"));
    let mut parts = Vec::new();
    let mut unknown = None;
    for (name, member) in members {
        let Value::Object(member) = member else { return Err(format!("{} is not an object", quote(name))) };
        let format = format(member)?.ok_or_else(|| format!("{} has no format", quote(name)))?;
        let read = match name.as_str() {
            "user" => simple(Place::Person, email, &format, member)?,
            "session" => simple(Place::Session, email, &format, member)?,
            _ => Read::Unknown(format!("its {} cannot be told", quote(name))),
        };
        match read {
            Read::Parts(read) => parts.extend(read),
            Read::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    match unknown {
        Some(why) => Ok(Read::Unknown(why)),
        None if parts.is_empty() => Err("a complex subject has no member".to_owned()),
        None => {
            parts.sort();
            Ok(Read::Parts(parts))
        }
    }
}

/// An identifier of one member.
fn simple(place: Place, email: EmailSubjects, format: &str, identifier: &Claims) -> Result<Read, String> {
    let is_person = matches!(place, Place::Person | Place::Either);
    match format {
        // `id_token_claims` is of a draft; Google may send it.
        "iss_sub" | "id_token_claims" if is_person => named(identifier),
        "opaque" if place != Place::Person => {
            let sid = kept_name(text(identifier, "id")?);
            Ok(Read::one(Part::OfAny(SubjectPart::Session { sid })))
        }
        "email" if is_person => address(email, text(identifier, "email")?),
        _ => Ok(Read::Unknown(format!("whose sessions are meant cannot be told by a subject of the format {}", quote(format)))),
    }
}

fn named(identifier: &Claims) -> Result<Read, String> {
    let issuer = text(identifier, "iss")?.to_owned();
    text(identifier, "sub")?;
    Ok(match subject(identifier) {
        Ok(sub) => Read::one(Part::Named { issuer, sub }),
        Err(why) => Read::Unknown(format!("nobody signs in with it: {why}")),
    })
}

fn address(email: EmailSubjects, address: &str) -> Result<Read, String> {
    if !address.contains('@') || address.len() > LONGEST_ADDRESS {
        return Err("email is not an e-mail address".to_owned());
    }
    Ok(match email {
        EmailSubjects::Accepted => Read::one(Part::OfAny(SubjectPart::Email { address: canonical_email(address) })),
        EmailSubjects::Ignored => {
            Read::Unknown("it names somebody by e-mail address, which is not accepted from this transmitter".to_owned())
        }
    })
}

fn text<'a>(identifier: &'a Claims, name: &str) -> Result<&'a str, String> {
    let text = present(identifier, name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("{name} is missing, empty, or not a text"))
}

/// Those of the providers in reach whose sessions can be meant: where somebody is named by an issuer, the providers with that issuer.
fn of_providers(transmitter: &Transmitter, parts: &[Part]) -> Told {
    let of_provider = |reach: &InReach| {
        let part = |part: &Part| match part {
            Part::Named { issuer, sub } if reach.issuers.contains(issuer) => Some(SubjectPart::Person { sub: sub.clone() }),
            Part::Named { .. } => None,
            Part::OfAny(part) => Some(part.clone()),
        };
        let all_of = parts.iter().map(part).collect::<Option<Vec<_>>>()?;
        Some(EndedSubject { provider: reach.provider.clone(), all_of })
    };
    let subjects: Vec<_> = transmitter.providers.iter().filter_map(of_provider).collect();
    if !subjects.is_empty() {
        return Told::Subjects(subjects);
    }
    let issuers: Vec<_> =
        parts.iter().filter_map(|part| if let Part::Named { issuer, .. } = part { Some(issuer) } else { None }).collect();
    let found = quote(&issuers.into_iter().cloned().collect::<Vec<_>>().join(" "));
    Told::Nobody(format!("its iss {found} is none of the providers of transmitter {}", transmitter.name))
}
