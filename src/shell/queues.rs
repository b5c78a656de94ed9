//! Who waits, and what was asked. They are the root's, not a configuration's: when it is configured anew, the requests that began
//! before are looked after by the house that ticks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use crate::gateway::pending::{PendingCall, PendingWait};
use crate::http::message::HttpCall;
use crate::shell::bodies::BodyReaders;
use crate::shell::progress::{Actor, Progress};
use crate::step::decision::Resource;
use crate::upkeep::fetch::Fetch;
use crate::words::time::Timestamp;

/// So many requests may wait in one worker; each holds its headers.
const MOST_WAITING: usize = 1_000;

/// Who waits, and what was asked.
#[derive(Default)]
pub(super) struct Queues {
    pub(super) waiting: RefCell<Vec<Waiting>>,
    asked: RefCell<HashMap<u32, CallFor>>,
    /// Calls that the root must make, so that it hears the answer when the stream is gone.
    unsent: RefCell<Vec<(HttpCall, Asker)>>,
    pub(super) reading: RefCell<BodyReaders>,
}

/// A request that waits for something shared.
pub(super) struct Waiting {
    pub(super) id: u32,
    pub(super) progress: Weak<RefCell<Progress>>,
    pub(super) resource: Resource,
    pub(super) until: Timestamp,
    pub(super) pending: Box<PendingWait>,
}

/// What a call of the root was for.
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
    pub(super) fn new(actor: &Actor, pending: Box<PendingCall>) -> Self {
        Self { id: actor.id, progress: Rc::downgrade(&actor.progress), pending }
    }
}

impl Queues {
    /// Lets a request wait. Gives it back when too many wait already.
    pub(super) fn wait(&self, waiting: Waiting) -> Option<Waiting> {
        match self.waiting.try_borrow_mut() {
            Ok(mut queue) if queue.len() < MOST_WAITING => queue.push(waiting),
            _ => return Some(waiting),
        }
        None
    }

    /// Whether nobody waits for anything shared.
    pub(super) fn nobody_waits(&self) -> bool {
        self.waiting.try_borrow().is_ok_and(|waiting| waiting.is_empty())
    }

    /// Remembers what a call of the root was for.
    pub(super) fn ask(&self, token: u32, asked: CallFor) {
        if let Ok(mut calls) = self.asked.try_borrow_mut() {
            calls.insert(token, asked);
        }
    }

    /// What an answered call was for.
    pub(super) fn answered(&self, token: u32) -> Option<CallFor> {
        self.asked.try_borrow_mut().ok().and_then(|mut asked| asked.remove(&token))
    }

    /// Leaves a call of a stream to the root.
    pub(super) fn leave_to_root(&self, call: HttpCall, asker: Asker) {
        if let Ok(mut unsent) = self.unsent.try_borrow_mut() {
            unsent.push((call, asker));
        }
    }

    /// A call that was left to the root.
    pub(super) fn unsent(&self) -> Option<(HttpCall, Asker)> {
        self.unsent.try_borrow_mut().ok().and_then(|mut unsent| unsent.pop())
    }
}
