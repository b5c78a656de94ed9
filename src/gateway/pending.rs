//! Requests that wait, and what each goes on with. By type, a call can only be answered by a reply, a wait by news, a body by a
//! body. All are plain values, and secrets in them are redacted in debug output. Nothing is decided here.

use std::convert::Infallible;

use crate::authenticate::identity::Asking;
use crate::gateway::announcing::{Announcing, AnnouncingEvents, EndingSessions};
use crate::http::message::Reply;
use crate::sign_in::password::Checking;
use crate::sign_in::redeem::{AfterNews, SignInCall};
use crate::step::decision::{self, Decision, FromTheStart, PendingStage};
use crate::step::event::{CallKind, Event};
use crate::step::visit::Visit;
use crate::words::time::Timestamp;

/// A step of any journey, with the request in whatever it leaves behind.
pub type Step = decision::Step<Box<PendingCall>, Box<PendingWait>, Box<PendingBody>>;

/// A request that waits for the reply to its HTTP call.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PendingCall {
    pub visit: Visit,
    pub then: AfterReply,
}

/// A request that waits for something that all requests share.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PendingWait {
    pub visit: Visit,
    pub then: AfterNews,
}

/// A request whose body is being read. It begins again with the body.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the name says it")]
pub struct PendingBody {
    pub visit: Visit,
}

/// How a request goes on after the reply to its HTTP call.
#[derive(Clone, Debug, PartialEq)]
pub enum AfterReply {
    /// A provider was asked about the request's bearer token.
    Introspecting(Asking),
    /// A sign-in at a provider made the call.
    SigningIn(SignInCall),
    /// The user service was asked to check a name and a password.
    CheckingPassword(Box<Checking>),
    /// The store was told that a provider has ended sessions.
    Announcing(Box<Announcing>),
    /// The store was told what a transmitter has ended.
    AnnouncingEvents(Box<AnnouncingEvents>),
    /// The store was told that an operator has ended sessions.
    EndingSessions(Box<EndingSessions>),
}

impl AfterReply {
    /// The configured name of the provider that is called; `None` for the user service.
    pub(super) fn provider(&self) -> Option<&str> {
        match self {
            Self::Introspecting(asking) => Some(&asking.provider),
            Self::SigningIn(SignInCall::TokenEndpoint(attempt)) => Some(&attempt.provider),
            Self::SigningIn(SignInCall::UserinfoEndpoint(asking)) => Some(&asking.proved.attempt.provider),
            Self::SigningIn(SignInCall::UserService(_)) | Self::CheckingPassword(_) => None,
            Self::Announcing(_) | Self::AnnouncingEvents(_) | Self::EndingSessions(_) => None,
        }
    }
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

impl From<SignInCall> for AfterReply {
    fn from(call: SignInCall) -> Self {
        Self::SigningIn(call)
    }
}

impl From<Announcing> for AfterReply {
    fn from(announcing: Announcing) -> Self {
        Self::Announcing(Box::new(announcing))
    }
}

impl From<AnnouncingEvents> for AfterReply {
    fn from(announcing: AnnouncingEvents) -> Self {
        Self::AnnouncingEvents(Box::new(announcing))
    }
}

impl From<EndingSessions> for AfterReply {
    fn from(ending: EndingSessions) -> Self {
        Self::EndingSessions(Box::new(ending))
    }
}

impl From<Checking> for AfterReply {
    fn from(checking: Checking) -> Self {
        Self::CheckingPassword(Box::new(checking))
    }
}

/// The same step, with the request in whatever it leaves behind.
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
    decision::Step { decision, events: step.events, note: step.note, next_pass: step.next_pass }
}

impl PendingCall {
    /// Whether the reply must be taken even if the request has ended by then. The root makes such calls.
    pub const fn outlives_its_request(&self) -> bool {
        matches!(self.then, AfterReply::CheckingPassword(_))
    }

    /// How long the call took that was ended by this reply; `None` if it was not sent.
    pub fn ended(&self, now: Timestamp, reply: &Reply) -> Option<Event> {
        let kind = match &self.then {
            AfterReply::Introspecting(_) => CallKind::Introspection,
            AfterReply::SigningIn(SignInCall::TokenEndpoint(_)) => CallKind::Token,
            AfterReply::SigningIn(SignInCall::UserinfoEndpoint(_)) => CallKind::Userinfo,
            AfterReply::SigningIn(SignInCall::UserService(_)) | AfterReply::CheckingPassword(_) => CallKind::UserService,
            AfterReply::Announcing(_) | AfterReply::AnnouncingEvents(_) | AfterReply::EndingSessions(_) => CallKind::Revocations,
        };
        Event::call_ended(kind, self.visit.now, now, reply)
    }

    /// What the request waits for, for the log.
    pub fn stage(&self) -> PendingStage {
        let stage = match &self.then {
            AfterReply::Introspecting(_) => "introspection",
            AfterReply::SigningIn(SignInCall::TokenEndpoint(_)) => "code",
            AfterReply::SigningIn(SignInCall::UserinfoEndpoint(..)) => "userinfo",
            AfterReply::SigningIn(SignInCall::UserService(_)) => "account",
            AfterReply::CheckingPassword(_) => "password",
            AfterReply::Announcing(_) | AfterReply::AnnouncingEvents(_) | AfterReply::EndingSessions(_) => "revocations",
        };
        PendingStage { request: self.visit.reference(), stage, read: None }
    }
}

impl PendingWait {
    /// What the request waits for, for the log.
    pub fn stage(&self) -> PendingStage {
        let stage = match &self.then {
            AfterNews::FromTheStart => "provider",
            AfterNews::Verifying(_) | AfterNews::VerifyingUserinfo(_) => "keys",
            AfterNews::Repeated(_) => "sign_in",
        };
        PendingStage { request: self.visit.reference(), stage, read: None }
    }
}

impl PendingBody {
    /// What the request waits for, for the log; `read` bytes of its body have come.
    pub fn stage(&self, read: usize) -> PendingStage {
        PendingStage { request: self.visit.reference(), stage: "body", read: Some(read) }
    }
}
