//! A request that waits until the store has taken what it ended: plain values. Nothing is decided here.

use crate::words::time::Timestamp;

/// A logout token whose end is being announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// The provider's configured name.
    pub provider: String,
    /// `sub` of the token.
    pub subject: Option<String>,
    /// `sid` of the token.
    pub session: Option<String>,
    /// The name of the token, by its `jti`.
    pub token: String,
    /// Until when that name is remembered.
    pub until: Timestamp,
}
