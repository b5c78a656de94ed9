//! The bodies that are being read: how many at a time, and until when.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::flow::body;
use crate::flow::step::News;
use crate::shell::act::Actor;
use crate::shell::root::{AT_ONCE, House, WOKEN_AT_ONCE};
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
    /// client has gone; and one that does not come loses its place to another one.
    pub(super) fn takes_place(&self, actor: &Actor, until: Timestamp) -> bool {
        let Ok(mut readers) = self.queues.reading.try_borrow_mut() else { return false };
        readers.retain(Reader::is_reading);
        let Ok(host) = self.host.try_borrow() else { return false };
        let (client, now) = (host.client_address().as_deref().and_then(network), host.now());
        let mut place = body::may_read(readers.iter().map(|reader| reader.client.as_ref()), client.as_ref());
        if !place {
            let held = readers.iter().map(|reader| (reader.client.as_ref(), reader.until));
            let slow = body::makes_room(held, client.as_ref(), now).and_then(|position| readers.get_mut(position));
            if let Some(slow) = slow {
                slow.until = now;
                place = true;
                self.look_after(AT_ONCE);
            }
        }
        if place {
            readers.push(Reader { id: actor.id, progress: Rc::downgrade(&actor.progress), client, until });
        }
        place
    }

    /// Ends the reading of bodies whose time is over, a few at a time.
    pub(super) fn end_slow_bodies(&self) {
        for _ in 0..WOKEN_AT_ONCE {
            let Some(reader) = self.over() else { return };
            let taken = reader.progress.upgrade().and_then(|progress| {
                let mut progress = progress.try_borrow_mut().ok()?;
                match &*progress {
                    Progress::Reading { .. } => Some(std::mem::take(&mut *progress)),
                    _ => None,
                }
            });
            if let Some(Progress::Reading { pending, .. }) = taken {
                self.wake(reader.id, &reader.progress, *pending, News::Missing(Reason::BodyTimeout));
                self.as_root();
            }
        }
    }

    /// One whose time is over.
    fn over(&self) -> Option<Reader> {
        let mut readers = self.queues.reading.try_borrow_mut().ok()?;
        let now = self.host.try_borrow().ok()?.now();
        let position = readers.iter().position(|reader| reader.until <= now)?;
        Some(readers.remove(position))
    }
}
