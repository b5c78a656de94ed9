//! What has ended although nobody has proved it: any page can open the address at which a provider says so in the browser. Such ends
//! have a table, outboxes and a rate of their own, so that made-up ones take no room from others, neither here nor in the store that
//! replicas share. They are never announced again. How an end is proved is not known here.

#[cfg(test)]
mod tests;

use crate::crypto::end_key::EndKey;
use crate::session::ended::announcement::unproved_announcement;
use crate::session::ended::mark::Mark;
use crate::session::ended::names::{Kind, names};
use crate::session::ended::pieces::{Pieces, Size};
pub use crate::session::ended::shared::limits::ShownBy;
use crate::session::ended::shared::limits::{Client, Untaken};
use crate::session::ended::shared::outbox::{Left, Outbox, SentBy};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The table of all providers: 2,097,152 marks, each of 16 bytes. With a `lifetime` of 8 hours, 80,300 ends of one provider at one
/// Envoy matter at a time, and as many marks under each key: it has room for twenty-three times that.
pub(super) const SIZE: Size = Size { pieces: 1_024, marks: 2_048 };

/// What became of an end that nobody has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It holds, and other replicas are told until they know.
    Ended,
    /// It holds here. Too many of this provider's wait for the store, so that other replicas are told once.
    EndedToldOnce,
    /// It holds here, but there was room for it under some keys alone: replicas that have none of these do not know it.
    EndedInPart,
    /// It does not: too many came from this client, or for this provider.
    TooMany {
        /// How many did not count since that was told last of this client; `None` if it is not to be told now.
        told: Option<u32>,
    },
    /// It does not: the browser did not show it in a frame.
    NotInFrame {
        /// As for [`Taken::TooMany`].
        told: Option<u32>,
    },
    /// It does not: the table is full.
    WithoutRoom,
}

impl Taken {
    /// Whether it holds here.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Ended | Self::EndedToldOnce | Self::EndedInPart)
    }
}

/// The ends that nobody has proved.
pub(super) struct Unproved {
    pub(super) table: Pieces,
}

impl Unproved {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { table: Pieces::new("unproved", SIZE) }
    }

    /// Counts a request of no frame.
    pub(super) fn not_in_frame(world: &mut dyn World, keys: &[EndKey]) -> Taken {
        let now = world.now();
        Taken::NotInFrame { told: client(world, keys).to_tell(world, Untaken::NotInFrame, now) }
    }

    /// Ends something at this provider, if the client of the request that is under way may end one more; then it is counted. Leaves it
    /// to the provider's `outbox` to tell other replicas. Returns what became of it, and whether the table has changed.
    pub(super) fn end(
        &mut self,
        world: &mut dyn World,
        keys: &[EndKey],
        (provider, shown_by, outbox): (&str, ShownBy, Option<&mut Outbox>),
        marks: &[Mark],
        now: Timestamp,
    ) -> (Taken, bool) {
        let client = client(world, keys);
        if !client.may_end(world, provider, shown_by, now) {
            return (Taken::TooMany { told: client.to_tell(world, Untaken::TooMany, now) }, false);
        }
        let (refused, is_changed) = self.table.add(world, marks, now);
        if !refused.is_empty() && refused.len() >= marks.len() {
            return (Taken::WithoutRoom, is_changed);
        }
        let left = match outbox.filter(|_| is_changed) {
            Some(outbox) => outbox.leave(world, &unproved_announcement(keys, provider, marks), SentBy::Tick),
            None => Left::ToNobody,
        };
        let taken = match left {
            _ if !refused.is_empty() => Taken::EndedInPart,
            Left::QueueFull => Taken::EndedToldOnce,
            Left::Queued | Left::ToNobody => Taken::Ended,
        };
        (taken, is_changed)
    }
}

/// The client of the request that is under way. The hashes of its networks are keyed, so that nobody can choose whose place they share.
fn client(world: &dyn World, keys: &[EndKey]) -> Client {
    Client::of(world, |network| names(keys, Kind::Client, &[network]).first().copied().unwrap_or_default())
}
