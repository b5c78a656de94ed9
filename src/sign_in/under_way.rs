//! What the journeys of a sign-in at a provider have in common: how far it has come, the attempt that it belongs to, and what follows
//! if it cannot be finished. No code is sent here, and no session begins.

pub mod again;
pub mod attempt;
pub mod newer_keys;
pub mod proved;
pub mod repeated;
