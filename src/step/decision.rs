//! What a journey decides, what it waits for, and what it is told then. Nothing here acts.

use std::convert::Infallible;
use std::rc::Rc;

use crate::http::body::Body;
use crate::http::message::{Edits, Headers, HttpCall, Response};
use crate::session::content::Session;
use crate::step::event::{Event, RequestRef};
use crate::step::stop::Stop;
use crate::words::reason::Reason;
use crate::words::time::Timestamp;

/// One step of a journey: what to do now, and what happened on the way.
///
/// A journey that has to wait leaves behind how it goes on: a `C` when it has asked somebody, a `W` when it waits for something
/// that all requests share, a `B` when it wants the body. So a call can only be answered by a reply, a wait by [`News`], a body by
/// [`BodyNews`].
#[derive(Debug, PartialEq)]
pub struct Step<C = Infallible, W = FromTheStart, B = FromTheStart> {
    /// What to do.
    pub decision: Decision<C, W, B>,
    /// For counters and the audit log.
    pub events: Vec<Event>,
    /// For Envoy's access log.
    pub note: Note,
}

/// A step, or what stopped the journey.
pub type Journey<C = Infallible, W = FromTheStart> = Result<Step<C, W>, Stop>;

/// How a journey goes on that has spent nothing yet: from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromTheStart;

/// What Envoy's access log can print, as filter state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Who.
    pub subject: Option<Rc<str>>,
    /// Under which rule.
    pub rule: Option<Rc<str>>,
}

/// What to do with a request.
#[derive(Debug, PartialEq)]
pub enum Decision<C, W, B> {
    /// Let it through, with these changes.
    Forward(Forward),
    /// Answer it here.
    Respond(Response),
    /// Read the body of a request to one of our own endpoints, up to `limit` bytes, and come back with it. The request's headers go
    /// on as far as Envoy's `buffer` filter; everything else is held back.
    ReadBody {
        /// How much, in bytes.
        limit: usize,
        /// Until when.
        until: Timestamp,
        /// How to go on.
        pending: B,
    },
    /// Ask somebody, and come back with the answer.
    Call(HttpCall, C),
    /// Wait for something that all requests share, and come back when it is there, or at `until`.
    Await {
        /// What for.
        resource: Resource,
        /// Until when.
        until: Timestamp,
        /// How to go on.
        pending: W,
    },
}

impl<C, W, B> Step<C, W, B> {
    /// A step of which nothing else is to be told.
    pub fn new(decision: Decision<C, W, B>) -> Self {
        Self { decision, events: Vec::new(), note: Note::default() }
    }

    /// Waits for something that all requests share.
    pub fn waiting(resource: Resource, until: Timestamp, pending: W) -> Self {
        Self::new(Decision::Await { resource, until, pending })
    }

    /// Asks somebody.
    pub fn calling(call: HttpCall, pending: C) -> Self {
        Self::new(Decision::Call(call, pending))
    }

    /// The same step, after these events.
    pub fn after(self, mut events: Vec<Event>) -> Self {
        events.extend(self.events);
        Self { events, ..self }
    }

    /// The same step, whose answer also sets these cookies.
    pub fn set_cookies(&mut self, cookies: Vec<String>) {
        if let Decision::Respond(response) = &mut self.decision {
            response.set_cookies(cookies);
        }
    }

    /// The same step as one of a larger journey, which may go on in more ways.
    pub fn within<C2: From<C>, W2: From<W>>(self) -> Step<C2, W2, B> {
        let decision = match self.decision {
            Decision::Forward(forward) => Decision::Forward(forward),
            Decision::Respond(response) => Decision::Respond(response),
            Decision::ReadBody { limit, until, pending } => Decision::ReadBody { limit, until, pending },
            Decision::Call(call, pending) => Decision::Call(call, pending.into()),
            Decision::Await { resource, until, pending } => Decision::Await { resource, until, pending: pending.into() },
        };
        Step { decision, events: self.events, note: self.note }
    }
}

/// How a request goes on, and what its response must carry.
#[derive(Debug, Default, PartialEq)]
pub struct Forward {
    /// Changes to the request.
    pub edits: Edits,
    /// A session to renew with the response.
    pub renewal: Option<Box<Renewal>>,
    /// Whether it is somebody's own: no shared cache may keep the response.
    pub private: bool,
}

/// A session whose cookie is due to be written again.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    /// The session as it will be.
    pub session: Session,
    /// Why.
    pub cause: Cause,
    /// The `Cookie` lines that came.
    pub came: Headers,
}

/// Why a session's cookie is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is in use, and its time has come.
    Use,
    /// Only if its tokens have been refreshed by the time that the response leaves.
    IfRefreshed,
}

/// Where a request stands that waits, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Which request it is.
    pub request: RequestRef,
    /// What it waits for, in one word.
    pub stage: &'static str,
    /// How many bytes of its body have come, if that is being read.
    pub read: Option<usize>,
}

/// Something that all requests share, and that is fetched once for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A provider's metadata, by the provider's name.
    Metadata(String),
    /// A provider's keys, fetched after a moment.
    Keys {
        /// The provider's name.
        provider: String,
        /// Older ones were tried already.
        newer_than: Option<Timestamp>,
    },
    /// A session's new tokens, by the session's identifier.
    Refresh(String),
}

impl Resource {
    /// Why a request is refused that waited in vain.
    pub const fn missing(&self) -> Reason {
        match self {
            Self::Metadata(_) => Reason::MetadataUnavailable,
            Self::Keys { .. } => Reason::KeysUnavailable,
            Self::Refresh(_) => Reason::RefreshUnavailable,
        }
    }
}

/// What somebody is told who waits for a [`Resource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there.
    Ready,
    /// It did not come.
    Missing(Reason),
}

/// What becomes of a body that was to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyNews {
    /// It came, or turned out to be too large.
    Came(Body),
    /// Its end did not come in time.
    TimedOut,
    /// Too many bodies are being read already.
    NoPlace,
}
