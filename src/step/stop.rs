//! What stops a journey: whose it was, why, and what had happened by then. How that is answered, `step::answers` knows.

use crate::session::attempt::Attempt;
use crate::step::event::Event;
use crate::words::reason::{Failure, Reason};

/// What stops a journey.
#[derive(Debug, PartialEq)]
pub struct Stop {
    /// Whose journey it was: that says what must be taken back, and what the log is told.
    pub whose: Whose,
    /// Why.
    pub failure: Failure,
    /// What had happened before.
    pub events: Vec<Event>,
    /// Further fields of the answer.
    pub fields: Vec<(&'static str, String)>,
}

/// Whose journey was stopped.
#[derive(Debug, PartialEq)]
pub enum Whose {
    /// A request's that was to sign nobody in.
    Visitor,
    /// A sign-in's, whose attempt is over by that.
    SignIn(Box<Attempt>),
    /// That of a provider's answer which belongs to no attempt of this browser.
    NoSignIn {
        /// Deletes the cookie of the attempt that it names.
        forgotten: Option<String>,
    },
    /// A sign-in's by name and password.
    Password,
}

impl Stop {
    /// Stops a journey of this kind.
    pub fn new(whose: Whose, failure: Failure) -> Self {
        Self { whose, failure, events: Vec::new(), fields: Vec::new() }
    }

    /// Stops a sign-in.
    pub fn sign_in(attempt: &Attempt, failure: Failure) -> Self {
        Self::new(Whose::SignIn(Box::new(attempt.clone())), failure)
    }

    /// Stops a request to one of our endpoints whose method it does not have (RFC 9110, section 15.5.6).
    pub fn method(allow: &str) -> Self {
        let failure = Failure::new(Reason::MethodNotAllowed, format!("allowed are {allow}"));
        Self { fields: vec![("allow", allow.to_owned())], ..failure.into() }
    }

    /// The same, after these events.
    pub fn after(self, mut events: Vec<Event>) -> Self {
        events.extend(self.events);
        Self { events, ..self }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::new(Whose::Visitor, failure)
    }
}
