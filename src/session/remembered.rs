//! What is remembered of sessions beside the browser: those that a worker has verified, those whose tokens were refreshed, and those
//! that have ended. All of it may be lost; the cookie is what counts.

pub mod ended;
pub mod memory;
pub mod refreshed;
pub mod tombstone;
