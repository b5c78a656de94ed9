//! How far a request has come, and what it goes on with. Values only; nothing is done here.

use std::cell::RefCell;
use std::rc::Rc;

use crate::gateway::pending::{PendingBody, PendingCall, PendingWait};
use crate::http::message::Reply;
use crate::step::decision::{BodyNews, News, PendingStage, Renewal};
use crate::step::event::RequestRef;

/// How far a request has come.
#[derive(Debug, Default)]
pub(super) enum Progress {
    /// The gateway has not decided. Nothing of the request may pass.
    #[default]
    Undecided,
    /// The request is for an endpoint of ours, and its body is being read. Envoy's `buffer` filter holds its headers.
    Reading {
        /// The most bytes that are read.
        limit: usize,
        /// How many bytes have come.
        size: usize,
        pending: Box<PendingBody>,
    },
    /// The request waits for the reply to an HTTP call of its own context.
    Calling(Box<PendingCall>),
    /// The request waits for something that the root context gets: a shared resource, or the reply to a call that the root made.
    Waiting(PendingStage),
    /// The request goes upstream.
    Forwarded {
        /// The session that the response may have to renew.
        renewal: Option<Box<Renewal>>,
        /// Whether the response must be kept from shared caches.
        private: bool,
        /// The request, if it is refused once trailers come.
        without_trailers: Option<RequestRef>,
    },
    /// The request was answered, by us or by somebody else.
    Answered,
}

impl Progress {
    /// Whether the request was forwarded or answered.
    pub(super) const fn is_decided(&self) -> bool {
        matches!(self, Self::Forwarded { .. } | Self::Answered)
    }
}

/// What is needed to act on a stream, from wherever.
#[derive(Clone)]
pub(super) struct StreamHandle {
    /// Envoy's id of the stream's context.
    pub(super) id: u32,
    /// How far its request has come. Others hold it weakly, so that it is gone when the stream is.
    pub(super) progress: Rc<RefCell<Progress>>,
}

/// The callback in which a step is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CalledFrom {
    /// The stream's request headers. A request that is forwarded goes on by the callback's return value.
    RequestHeaders,
    /// Another callback of the stream: its own call's reply, its body, its response.
    OwnCallback,
    /// A callback of the root. HTTP calls are then made by the root, because only the context that made a call gets the reply.
    Root,
}

/// The end of a wait: what the request goes on with, and how the wait ended.
pub(super) enum Resumption {
    Call(Box<PendingCall>, Reply),
    Wait(Box<PendingWait>, News),
    Body(Box<PendingBody>, BodyNews),
}
