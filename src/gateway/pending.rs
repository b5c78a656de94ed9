//! Requests that wait: which, and how each goes on. A call is answered by a reply, a wait by news, a body by a body: by type. All are
//! plain values, and what is secret in them redacts itself.

use std::convert::Infallible;

use crate::authenticate::identity::Asking;
use crate::sign_in::password::Checking;
use crate::sign_in::redeem::{AfterNews, Redeeming};
use crate::step::decision::{self, Decision, FromTheStart, Halt};
use crate::step::visit::Visit;

/// A step of any journey, with the requests that wait.
pub type Step = decision::Step<Box<PendingCall>, Box<PendingWait>, Box<PendingBody>>;

/// A request that waits for the answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingCall {
    /// The request.
    pub visit: Visit,
    /// How it goes on.
    pub then: AfterReply,
}

/// A request that waits for something that all share.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingWait {
    /// The request.
    pub visit: Visit,
    /// How it goes on.
    pub then: AfterNews,
}

/// A request whose body is being read. It begins again with it.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingBody {
    /// The request.
    pub visit: Visit,
}

/// How a journey goes on when a call was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum AfterReply {
    /// A provider was asked about the token that the request brings.
    Introspecting(Asking),
    /// A sign-in at a provider.
    Redeeming(Redeeming),
    /// The user service was asked about a name and a password.
    CheckingPassword(Box<Checking>),
}

impl From<Infallible> for AfterReply {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Asking> for AfterReply {
    fn from(asking: Asking) -> Self {
        Self::Introspecting(asking)
    }
}

impl From<Redeeming> for AfterReply {
    fn from(redeeming: Redeeming) -> Self {
        Self::Redeeming(redeeming)
    }
}

impl From<Checking> for AfterReply {
    fn from(checking: Checking) -> Self {
        Self::CheckingPassword(Box::new(checking))
    }
}

/// The step with the request, which goes on from here.
pub(super) fn with_request(step: decision::Step<AfterReply, AfterNews, FromTheStart>, visit: Visit) -> Step {
    let decision = match step.decision {
        Decision::Forward(forward) => Decision::Forward(forward),
        Decision::Respond(response) => Decision::Respond(response),
        Decision::ReadBody { limit, until, pending: FromTheStart } => {
            Decision::ReadBody { limit, until, pending: Box::new(PendingBody { visit }) }
        }
        Decision::Call(call, then) => Decision::Call(call, Box::new(PendingCall { visit, then })),
        Decision::Await { resource, until, pending: then } => {
            Decision::Await { resource, until, pending: Box::new(PendingWait { visit, then }) }
        }
    };
    decision::Step { decision, events: step.events, note: step.note }
}

impl PendingCall {
    /// Whether the answer must be heard, even when the request is gone by then.
    pub const fn outlives_its_request(&self) -> bool {
        matches!(self.then, AfterReply::CheckingPassword(_))
    }

    /// Where the request stands, for the log.
    pub fn halt(&self) -> Halt {
        let stage = match &self.then {
            AfterReply::Introspecting(_) => "introspection",
            AfterReply::Redeeming(Redeeming::Exchanging(_)) => "code",
            AfterReply::Redeeming(Redeeming::AskingUserinfo(..)) => "userinfo",
            AfterReply::Redeeming(Redeeming::Visiting(_)) => "account",
            AfterReply::CheckingPassword(_) => "password",
        };
        Halt { request: self.visit.reference(), stage, read: None }
    }
}

impl PendingWait {
    /// Where the request stands, for the log.
    pub fn halt(&self) -> Halt {
        let stage = match &self.then {
            AfterNews::FromTheStart => "provider",
            AfterNews::Verifying(..) => "keys",
        };
        Halt { request: self.visit.reference(), stage, read: None }
    }
}

impl PendingBody {
    /// Where the request stands, for the log, when so many bytes have come.
    pub fn halt(&self, read: usize) -> Halt {
        Halt { request: self.visit.reference(), stage: "body", read: Some(read) }
    }
}
