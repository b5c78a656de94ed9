//! What workers remember of sessions beside the cookies: those that were verified, and those whose tokens were refreshed, and how
//! many of these each account has left for other replicas; and what became of sign-in attempts. All of it may be lost, because the
//! cookie is what counts.

pub mod account_share;
pub mod agreed;
pub mod attempts;
pub mod memory;
pub mod refreshed;
pub mod tombstone;
