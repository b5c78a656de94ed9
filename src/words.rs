//! The vocabulary that every room speaks: plain values, no decisions, no input or output.

pub mod bytes;
pub mod demand;
pub mod json;
pub mod principal;
pub mod quote;
pub mod reason;
pub mod record;
pub mod secret;
pub mod time;
pub mod world;
