//! A request that waits until the store has taken what it ended: plain values. Nothing is decided here.

use crate::words::time::Timestamp;

/// A security event token whose ends are being announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncingEvents {
    /// How many announcements the store must acknowledge.
    pub number: usize,
}

/// A logout token whose end is being announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// The name of the token, by its `jti`.
    pub token: String,
    /// Until when that name is remembered.
    pub until: Timestamp,
}
