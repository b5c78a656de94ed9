//! How far a request has come, and what it goes on with.

use std::cell::RefCell;
use std::rc::Rc;

use crate::gateway::pending::{PendingBody, PendingCall, PendingWait};
use crate::http::message::Reply;
use crate::step::decision::{BodyNews, Halt, News, Renewal};

/// How far a request has come.
#[derive(Debug, Default)]
pub(super) enum Progress {
    /// Nothing is decided: nothing may pass.
    #[default]
    Undecided,
    /// It is for an endpoint of ours, and its body is being read. Envoy's `buffer` filter holds its headers.
    Reading {
        /// How much is read, in bytes.
        limit: usize,
        /// How much has come.
        size: usize,
        /// How to go on.
        pending: Box<PendingBody>,
    },
    /// It waits for the answer to a call of its own.
    Calling(Box<PendingCall>),
    /// It waits for the root.
    Waiting(Halt),
    /// It goes upstream.
    Forwarded {
        /// The session that its response renews.
        renewal: Option<Box<Renewal>>,
        /// Whether no shared cache may keep the response.
        private: bool,
    },
    /// It was answered, here or by somebody else.
    Answered,
}

impl Progress {
    /// Whether nothing more is to be done with it.
    pub(super) const fn is_decided(&self) -> bool {
        matches!(self, Self::Forwarded { .. } | Self::Answered)
    }
}

/// A stream, as far as acting on it goes.
#[derive(Clone)]
pub(super) struct Actor {
    /// Envoy's id of its context.
    pub(super) id: u32,
    /// How far it has come; gone when the stream is gone.
    pub(super) progress: Rc<RefCell<Progress>>,
}

/// From where a step is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CalledFrom {
    /// From the stream's request headers: what goes on does so by the callback's return value.
    RequestHeaders,
    /// From the answer to the stream's own call, or from its body.
    OwnReply,
    /// From the root: calls are the root's then, because only it is told of their answers.
    Root,
}

/// How a request goes on: what it waited for, with what came of that.
pub(super) enum GoesOn {
    /// Its call was answered.
    Call(Box<PendingCall>, Reply),
    /// What all share is there, or will not come.
    Wait(Box<PendingWait>, News),
    /// Its body has come, or will not.
    Body(Box<PendingBody>, BodyNews),
}
