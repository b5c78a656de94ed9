//! HTTP as values: requests, responses and calls, addresses, cookies, and the bodies that are read. What a request means, and
//! what is answered, is decided elsewhere.

pub mod address;
pub mod body;
pub mod cause;
pub mod cookie;
pub mod message;
pub mod return_to;
pub mod url;
