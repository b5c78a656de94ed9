//! The bodies that are being read: how many at a time, and until when. Whether one may be read, and which makes room for it,
//! `step::body` says.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::http::address::Network;
use crate::shell::progress::{Actor, Progress};
use crate::step::body;
use crate::words::time::Timestamp;

/// A body that is being read.
pub(super) struct BodyReader {
    pub(super) id: u32,
    pub(super) progress: Weak<RefCell<Progress>>,
    client: Option<Network>,
    until: Timestamp,
}

/// All of them.
#[derive(Default)]
pub(super) struct BodyReaders(Vec<BodyReader>);

/// Whether there was a place for one more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// One was free.
    Free,
    /// A body that does not come makes room: its time is over now.
    Made,
    /// None.
    None,
}

impl BodyReader {
    fn is_reading(&self) -> bool {
        let progress = self.progress.upgrade();
        progress.is_some_and(|progress| progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Reading { .. })))
    }
}

impl BodyReaders {
    /// Takes a place for the body of a request. Places are free again when a body has come, or its client has gone; and one that
    /// does not come loses its place to another one.
    pub(super) fn take_place(&mut self, actor: &Actor, client: Option<Network>, now: Timestamp, until: Timestamp) -> Admission {
        self.0.retain(BodyReader::is_reading);
        let mut place = Admission::Free;
        if !body::may_read(self.0.iter().map(|reader| reader.client.as_ref()), client.as_ref()) {
            let held = self.0.iter().map(|reader| (reader.client.as_ref(), reader.until));
            let slow = body::makes_room(held, client.as_ref(), now).and_then(|position| self.0.get_mut(position));
            let Some(slow) = slow else { return Admission::None };
            slow.until = now;
            place = Admission::Made;
        }
        self.0.push(BodyReader { id: actor.id, progress: Rc::downgrade(&actor.progress), client, until });
        place
    }

    /// One whose time is over. It is gone from here.
    pub(super) fn over(&mut self, now: Timestamp) -> Option<BodyReader> {
        let position = self.0.iter().position(|reader| reader.until <= now)?;
        Some(self.0.remove(position))
    }
}
