//! The list of bodies that are being read in this worker, with the time until when. It reads none; `step::body` decides whether
//! one more may be read, and which is ended for it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::http::address::Network;
use crate::shell::progress::{Progress, StreamHandle};
use crate::step::body;
use crate::words::time::Timestamp;

/// A body that is being read.
pub(super) struct BodyReader {
    pub(super) id: u32,
    pub(super) progress: Weak<RefCell<Progress>>,
    client: Option<Network>,
    until: Timestamp,
}

/// All bodies that are being read in this worker.
#[derive(Default)]
pub(super) struct BodyReaders(Vec<BodyReader>);

/// Whether a body may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    /// It may, and a slow body's time is over at once for it.
    AnotherEnds,
    Refused,
}

impl BodyReader {
    fn is_reading(&self) -> bool {
        let progress = self.progress.upgrade();
        progress.is_some_and(|progress| progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Reading { .. })))
    }
}

impl BodyReaders {
    /// Adds the body of a request, until the given time, unless too many are being read already and none of them is slow. Bodies
    /// that are complete, and those of clients that have left, no longer count.
    pub(super) fn admit(
        &mut self,
        handle: &StreamHandle,
        client: Option<Network>,
        now: Timestamp,
        until: Timestamp,
    ) -> Admission {
        self.0.retain(BodyReader::is_reading);
        let mut admission = Admission::Admitted;
        if !body::may_read(self.0.iter().map(|reader| reader.client.as_ref()), client.as_ref()) {
            let readers = self.0.iter().map(|reader| (reader.client.as_ref(), reader.until));
            let slow = body::slow_body_to_end(readers, client.as_ref(), now).and_then(|position| self.0.get_mut(position));
            let Some(slow) = slow else { return Admission::Refused };
            slow.until = now;
            admission = Admission::AnotherEnds;
        }
        self.0.push(BodyReader { id: handle.id, progress: Rc::downgrade(&handle.progress), client, until });
        admission
    }

    /// Takes one body whose time is over from the list.
    pub(super) fn over(&mut self, now: Timestamp) -> Option<BodyReader> {
        let position = self.0.iter().position(|reader| reader.until <= now)?;
        Some(self.0.remove(position))
    }
}
