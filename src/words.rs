//! The vocabulary that all rooms share, as plain values. Nothing is decided, read or written here.

pub mod bytes;
pub mod demand;
pub mod json;
pub mod principal;
pub mod quote;
pub mod reason;
pub mod record;
pub mod secret;
pub mod time;
pub mod upstream_token;
pub mod world;
