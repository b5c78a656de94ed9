//! The store in which replicas tell each other which sessions have ended: what is sent to it, and what its replies mean, as
//! values. An entry is opaque bytes here. This room sends nothing, keeps nothing, and knows neither sessions nor keys.

pub mod cursor;
pub mod exchanged;
pub mod redis;
pub mod store;
