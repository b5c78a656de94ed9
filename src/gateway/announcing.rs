//! A request that waits until the store has taken what it ended: plain values. Nothing is decided here.

use crate::step::decision::Note;
use crate::words::time::Timestamp;

/// A security event token whose ends are being announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncingEvents {
    /// How many announcements the store must acknowledge.
    pub number: usize,
}

/// Sessions that an operator has ended, while the store is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingSessions {
    /// The identifier that the answer has.
    pub id: String,
    /// Whether their end waits in the queue.
    pub queued: bool,
    /// What Envoy's access log can print.
    pub note: Note,
    /// The identifier of the operator's session; `None` with a token of a provider.
    pub by_session: Option<String>,
}

/// A logout token whose ends are being announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// How many announcements the store must acknowledge.
    pub number: usize,
    /// The name of the token, by its `jti`.
    pub token: String,
    /// Until when that name is remembered.
    pub until: Timestamp,
}
