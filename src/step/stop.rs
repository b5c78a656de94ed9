//! What stops a journey: which kind of journey it was, why it stopped, and what had happened before. It does not know how that is
//! answered; `step::answers` does.

use crate::oidc::security_event::ErrorCode;
use crate::session::attempt::Attempt;
use crate::session::attempt::in_state::LinkOnly;
use crate::session::attempt::place::Place;
use crate::step::event::{Counted, Event, McpCall};
use crate::words::reason::{Failure, Reason};

/// Why a journey cannot go on.
#[derive(Debug, PartialEq)]
pub struct Stop {
    /// The kind of journey: it decides where the page leads, and which event is logged.
    pub kind: JourneyKind,
    /// Why it stopped.
    pub failure: Failure,
    /// What had happened before.
    pub events: Vec<Event>,
    /// Further header fields of the refusal.
    pub fields: Vec<(&'static str, String)>,
    /// What is told of the call to an MCP server that is refused by this; `None` of any other request.
    pub call: Option<Box<(Box<McpCall>, Counted)>>,
}

/// The kind of a journey that was stopped.
#[derive(Debug, PartialEq)]
pub enum JourneyKind {
    /// A request that belongs to no sign-in, or that only begins one.
    Request,
    /// The way back from a provider. The sign-in's attempt is over.
    SignIn(Box<Attempt>),
    /// The way back from a provider, of an attempt that can no longer be finished. Its place is known from its own cookie.
    KnownPlace(Box<Place>),
    /// An authorization response, or a code from a page, that belongs to no attempt of this browser.
    UnsolicitedResponse,
    /// An authorization response whose attempt's cookie did not come. `state` says where the person wanted to go, and the redirect
    /// URI at which provider.
    LostAttempt(Box<LostAttempt>),
    /// A sign-in by name and password.
    Password,
    /// A logout token that a provider has posted.
    LogoutToken,
    /// A security event token that a transmitter has posted. It is told this code.
    SecurityEvent(ErrorCode),
}

/// What is known of a sign-in whose attempt's cookie did not come.
#[derive(Debug, PartialEq)]
pub struct LostAttempt {
    /// Where the page's link leads.
    pub link: LinkOnly,
    /// The configured name of the provider.
    pub provider: String,
}

impl Stop {
    /// Stops a journey of this kind.
    pub fn new(kind: JourneyKind, failure: Failure) -> Self {
        Self { kind, failure, events: Vec::new(), fields: Vec::new(), call: None }
    }

    /// Stops a sign-in at a provider.
    pub fn sign_in(attempt: &Attempt, failure: Failure) -> Self {
        Self::new(JourneyKind::SignIn(Box::new(attempt.clone())), failure)
    }

    /// The attempt that is over by this stop.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match &self.kind {
            JourneyKind::SignIn(attempt) => Some(attempt),
            JourneyKind::Request
            | JourneyKind::KnownPlace(_)
            | JourneyKind::UnsolicitedResponse
            | JourneyKind::LostAttempt(_)
            | JourneyKind::Password
            | JourneyKind::LogoutToken
            | JourneyKind::SecurityEvent(_) => None,
        }
    }

    /// Stops a request to one of our endpoints that takes only the methods in `allow` (405; RFC 9110, section 15.5.6).
    pub fn method(allow: &str) -> Self {
        let failure = Failure::new(Reason::MethodNotAllowed, format!("allowed are {allow}"));
        Self { fields: vec![("allow", allow.to_owned())], ..failure.into() }
    }

    /// The same stop with these events before its own.
    pub fn after(self, mut events: Vec<Event>) -> Self {
        events.extend(self.events);
        Self { events, ..self }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::new(JourneyKind::Request, failure)
    }
}
