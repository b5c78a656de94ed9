//! The requests that wait or are open, and the HTTP calls of the root that are under way. They belong to the root, not to a configuration:
//! after a new one is loaded, its runner wakes the requests that began before. Nothing is decided here.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

use crate::gateway::pending::{PendingCall, PendingWait};
use crate::http::message::HttpCall;
use crate::session::open::{LetIn, OpenStreams};
use crate::shell::bodies::BodyReaders;
use crate::shell::progress::{Progress, StreamHandle};
use crate::step::decision::Resource;
use crate::upkeep::fetch::Fetch;
use crate::words::time::Timestamp;

/// The most requests that may wait in one worker. Each keeps its headers in memory.
const MOST_WAITING: usize = 1_000;

/// The most of them that may wait for the end of somebody's sign-in. Whoever begins many sign-ins and leaves them open cannot take
/// the place of requests that wait for a provider.
const MOST_REPEATED: usize = 100;

/// The requests that wait, and the root's calls.
#[derive(Default)]
pub(super) struct Queues {
    pub(super) waiting: RefCell<Vec<Waiting>>,
    /// What the calls under way are for, by their tokens.
    calls: RefCell<HashMap<u32, CallFor>>,
    /// Calls of streams that the root must make, because their replies are needed even if the stream is gone.
    unsent: RefCell<VecDeque<(HttpCall, Asker)>>,
    pub(super) reading: RefCell<BodyReaders>,
    /// The requests that sessions have let in and that are open, by the ids of their streams.
    pub(super) open: RefCell<OpenStreams<Weak<RefCell<Progress>>>>,
}

/// A request that waits for something shared.
pub(super) struct Waiting {
    pub(super) id: u32,
    pub(super) progress: Weak<RefCell<Progress>>,
    pub(super) resource: Resource,
    pub(super) until: Timestamp,
    pub(super) pending: Box<PendingWait>,
}

impl Waiting {
    /// Whether it is a callback that came again, and waits for the end of the first one.
    const fn is_repeated(&self) -> bool {
        matches!(self.resource, Resource::SignIn(_))
    }
}

/// Whether one more callback that came again may wait.
fn has_room(queue: &[Waiting]) -> bool {
    queue.iter().filter(|waiting| waiting.is_repeated()).count() < MOST_REPEATED
}

/// What a call of the root is for.
pub(super) enum CallFor {
    Fetch(Box<Fetch>),
    ForStream(Asker),
}

/// A stream for which the root makes a call.
pub(super) struct Asker {
    pub(super) id: u32,
    pub(super) progress: Weak<RefCell<Progress>>,
    pub(super) pending: Box<PendingCall>,
}

impl Asker {
    pub(super) fn new(handle: &StreamHandle, pending: Box<PendingCall>) -> Self {
        Self { id: handle.id, progress: Rc::downgrade(&handle.progress), pending }
    }
}

impl Queues {
    /// Adds a request that waits. Returns it if too many wait already.
    pub(super) fn wait(&self, waiting: Waiting) -> Option<Waiting> {
        match self.waiting.try_borrow_mut() {
            Ok(mut queue) if queue.len() < MOST_WAITING && (!waiting.is_repeated() || has_room(&queue)) => queue.push(waiting),
            _ => return Some(waiting),
        }
        None
    }

    /// Whether no request waits for anything shared.
    pub(super) fn nobody_waits(&self) -> bool {
        self.waiting.try_borrow().is_ok_and(|waiting| waiting.is_empty())
    }

    /// Adds a request to those that sessions have let in and that are open.
    pub(super) fn opened(&self, handle: &StreamHandle, let_in: LetIn) {
        if let Ok(mut open) = self.open.try_borrow_mut() {
            open.add(handle.id, let_in, Rc::downgrade(&handle.progress));
        }
    }

    /// A stream has ended.
    pub(super) fn closed(&self, id: u32) {
        if let Ok(mut open) = self.open.try_borrow_mut() {
            open.remove(id);
        }
    }

    /// Whether no request is open that a session has let in.
    pub(super) fn nothing_is_open(&self) -> bool {
        self.open.try_borrow().is_ok_and(|open| open.is_empty())
    }

    /// Remembers what the call with this token is for.
    pub(super) fn remember_call(&self, token: u32, call: CallFor) {
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.insert(token, call);
        }
    }

    /// Takes out what the call with this token is for.
    pub(super) fn take_call(&self, token: u32) -> Option<CallFor> {
        self.calls.try_borrow_mut().ok().and_then(|mut calls| calls.remove(&token))
    }

    /// Leaves a call of a stream to the root.
    pub(super) fn leave_to_root(&self, call: HttpCall, asker: Asker) {
        if let Ok(mut unsent) = self.unsent.try_borrow_mut() {
            unsent.push_back((call, asker));
        }
    }

    /// Takes out the call that was left to the root first and is not sent yet.
    pub(super) fn unsent(&self) -> Option<(HttpCall, Asker)> {
        self.unsent.try_borrow_mut().ok().and_then(|mut unsent| unsent.pop_front())
    }
}
