//! What a journey decides, what it waits for, and what it gets when the wait is over. Nothing here acts.

use std::convert::Infallible;
use std::rc::Rc;

use crate::http::body::Body;
use crate::http::message::{Edits, Headers, HttpCall, Response};
use crate::session::content::Session;
use crate::session::open::LetIn;
use crate::session::remembered::memory::Name;
use crate::step::event::{Event, RequestRef};
use crate::step::stop::Stop;
use crate::words::reason::Reason;
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

/// One step of a journey: what to do now, and what happened since the last one.
///
/// A journey that has to wait leaves a value behind with which it goes on: a `C` while an HTTP call is under way, a `W` while it
/// waits for something that all requests share, a `B` while its body is read. By type, a call can only be answered by a reply, a
/// wait by [`News`], a body by [`BodyNews`].
#[derive(Debug, PartialEq)]
pub struct Step<C = Infallible, W = FromTheStart, B = FromTheStart> {
    /// What to do with the request.
    pub decision: Decision<C, W, B>,
    /// For counters and the audit log.
    pub events: Vec<Event>,
    /// For Envoy's access log.
    pub note: Note,
    /// What is kept with the stream for the pass after an internal redirect, sealed; `None` if nothing is.
    pub next_pass: Option<String>,
}

/// The next step of a journey, or what stopped it.
pub type Journey<C = Infallible, W = FromTheStart> = Result<Step<C, W>, Stop>;

/// A journey that has used up nothing yet (no code, no attempt, no body) goes on by beginning again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromTheStart;

/// What Envoy's access log can print of a request: filter state, and the details of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The subject of whoever is signed in.
    pub subject: Option<Rc<str>>,
    /// The name of the rule that applied.
    pub rule: Option<Rc<str>>,
    /// Why the browser is sent somewhere else than it asked for. (A refusal has its reason in its own fields.)
    pub diverted: Option<Reason>,
}

/// What to do with a request.
#[derive(Debug, PartialEq)]
pub enum Decision<C, W, B> {
    /// Let it through to the upstream, with these changes.
    Forward(Forward),
    /// Send this response.
    Respond(Response),
    /// Read the body of a request to one of our own endpoints, then go on with it. The request's headers go on to Envoy's
    /// `buffer` filter meanwhile; the body is held back.
    ReadBody {
        /// The most that is read, in bytes.
        limit: usize,
        /// When the body must be complete.
        until: Timestamp,
        /// What the journey goes on with.
        pending: B,
    },
    /// Make this HTTP call, then go on with the reply.
    Call(HttpCall, C),
    /// Wait for something that all requests share, then go on.
    Await {
        /// What is waited for.
        resource: Resource,
        /// When the wait ends without it.
        until: Timestamp,
        /// What the journey goes on with.
        pending: W,
    },
}

impl<C, W, B> Step<C, W, B> {
    /// A step without events and note.
    pub fn new(decision: Decision<C, W, B>) -> Self {
        Self { decision, events: Vec::new(), note: Note::default(), next_pass: None }
    }

    /// Waits for something that all requests share, until the given time.
    pub fn waiting(resource: Resource, until: Timestamp, pending: W) -> Self {
        Self::new(Decision::Await { resource, until, pending })
    }

    /// Makes an HTTP call.
    pub fn calling(call: HttpCall, pending: C) -> Self {
        Self::new(Decision::Call(call, pending))
    }

    /// The same step with these events before its own.
    pub fn after(self, mut events: Vec<Event>) -> Self {
        events.extend(self.events);
        Self { events, ..self }
    }

    /// Adds these `Set-Cookie` values to the response, if the step has one.
    pub fn set_cookies(&mut self, cookies: Vec<String>) {
        if let Decision::Respond(response) = &mut self.decision {
            response.set_cookies(cookies);
        }
    }

    /// The same step, with what it leaves behind converted to the types of a larger journey, which this one is a part of.
    pub fn widen<C2: From<C>, W2: From<W>>(self) -> Step<C2, W2, B> {
        let decision = match self.decision {
            Decision::Forward(forward) => Decision::Forward(forward),
            Decision::Respond(response) => Decision::Respond(response),
            Decision::ReadBody { limit, until, pending } => Decision::ReadBody { limit, until, pending },
            Decision::Call(call, pending) => Decision::Call(call, pending.into()),
            Decision::Await { resource, until, pending } => Decision::Await { resource, until, pending: pending.into() },
        };
        Step { decision, events: self.events, note: self.note, next_pass: self.next_pass }
    }
}

/// How a request goes on, and what its response must carry.
#[derive(Debug, Default, PartialEq)]
pub struct Forward {
    /// Changes to the request's headers.
    pub edits: Edits,
    /// The session whose cookie the response may have to write again.
    pub renewal: Option<Box<Renewal>>,
    /// Whether the response is for one person only: no shared cache may store it (RFC 9111, section 5.2.2.7). Then the client's
    /// own `Cache-Control` is among what `edits` removes.
    pub private: bool,
    /// The session that let it in: when that is over, so is the request. `None` if there was none.
    pub let_in: Option<LetIn>,
    /// The request, if it is refused once trailers follow its body, because whoever checks the body behind us would not read it.
    pub without_trailers: Option<RequestRef>,
}

/// A session whose cookie is due to be written again.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct Renewal {
    /// The session as it will be written.
    pub session: Session,
    pub cause: Cause,
    /// The request's `Cookie` lines.
    pub request_cookies: Headers,
}

/// Why a session's cookie is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is in use, and its idle time has to be counted anew.
    Use,
    /// Its tokens are being refreshed. It is only written if the new ones are here when the response leaves.
    IfRefreshed,
}

/// What a request waits for, for the log line of one that ends before it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct PendingStage {
    pub request: RequestRef,
    /// What it waits for, in one word.
    pub stage: &'static str,
    /// How many bytes of its body have come, if its body is being read.
    pub read: Option<usize>,
}

/// Something that all requests share, and that is fetched once for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A provider's metadata, by the provider's name.
    Metadata(String),
    /// A provider's keys (its JWK Set, RFC 7517).
    Keys {
        /// The provider's name.
        provider: String,
        /// They must have been fetched after this time: older ones did not verify the token. `None`: any keys will do.
        newer_than: Option<Timestamp>,
    },
    /// A session's new tokens, by the session's identifier.
    Refresh(String),
    /// A token of its own for the application, by the name under which it is kept.
    UpstreamToken(Name),
    /// The end of a sign-in whose first callback is under way, by the attempt's `state`.
    SignIn(Secret),
}

impl Resource {
    /// Why a request is refused if this does not come in time.
    pub const fn missing(&self) -> Reason {
        match self {
            Self::Metadata(_) => Reason::MetadataUnavailable,
            Self::Keys { .. } => Reason::KeysUnavailable,
            Self::Refresh(_) => Reason::RefreshUnavailable,
            Self::UpstreamToken(_) => Reason::UpstreamTokenUnavailable,
            Self::SignIn(_) => Reason::AttemptReplayed,
        }
    }
}

/// How the wait for a [`Resource`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The resource is here.
    Ready,
    /// It did not come in time.
    Missing(Reason),
}

/// How the reading of a request's body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyNews {
    /// The body is complete, or too large.
    Came(Body),
    /// It was not complete in time.
    TimedOut,
    /// It was not read, because too many bodies are being read already.
    TooMany,
}
