//! The bodies that are being read: how many at a time, and until when.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::flow::body;
use crate::flow::step::{News, Pending};
use crate::shell::act::Actor;
use crate::shell::root::{House, WOKEN_AT_ONCE};
use crate::shell::stream::Progress;
use crate::words::address::{Network, network};
use crate::words::reason::Reason;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// A body that is being read.
pub(super) struct Reader {
    id: u32,
    progress: Weak<RefCell<Progress>>,
    client: Option<Network>,
    until: Timestamp,
}

impl Reader {
    fn is_reading(&self) -> bool {
        let progress = self.progress.upgrade();
        progress.is_some_and(|progress| progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Reading { .. })))
    }
}

impl House {
    /// Takes a place for the body of a request; says whether there was one. Places are free again when a body has come, or its
    /// client has gone.
    pub(super) fn takes_place(&self, actor: &Actor, until: Timestamp) -> bool {
        let Ok(mut readers) = self.queues.reading.try_borrow_mut() else { return false };
        readers.retain(Reader::is_reading);
        let client = self.host.try_borrow().ok().and_then(|host| host.client_address()).as_deref().and_then(network);
        let place = body::may_read(readers.iter().map(|reader| reader.client.as_ref()), client.as_ref());
        if place {
            readers.push(Reader { id: actor.id, progress: Rc::downgrade(&actor.progress), client, until });
        }
        place
    }

    /// Ends the reading of bodies whose time is over, a few at a time.
    pub(super) fn end_slow_bodies(&self) {
        let Ok(mut readers) = self.queues.reading.try_borrow_mut() else { return };
        let Some(now) = (!readers.is_empty()).then(|| self.host.try_borrow().map(|host| host.now()).ok()).flatten() else {
            return;
        };
        readers.retain(Reader::is_reading);
        // In the order in which they came, and all have the same time.
        let over = readers.iter().take(WOKEN_AT_ONCE).take_while(|reader| reader.until <= now).count();
        let over: Vec<_> = readers.drain(..over).collect();
        drop(readers);
        for reader in over {
            if let Some(pending) = reader.progress.upgrade().and_then(|progress| take_pending(&progress)) {
                self.wake(reader.id, &reader.progress, pending, News::Missing(Reason::BodyTimeout));
            }
        }
        self.as_root();
    }
}

fn take_pending(progress: &RefCell<Progress>) -> Option<Pending> {
    match std::mem::take(&mut *progress.try_borrow_mut().ok()?) {
        Progress::Reading { pending, .. } => Some(*pending),
        // Not read any more; whoever asked has looked before.
        _ => None,
    }
}
