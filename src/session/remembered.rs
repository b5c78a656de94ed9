//! What workers remember of sessions beside the cookies: those that were verified, those whose tokens were refreshed, and those
//! that have ended. All of it may be lost, because the cookie is what counts.

pub mod ended;
pub mod memory;
pub mod refreshed;
pub mod tombstone;
