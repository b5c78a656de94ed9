//! HTTP as values: requests, responses and calls, addresses, cookies, the bodies that are read, and traces. What a request means, and
//! what is answered, is decided elsewhere.

pub mod address;
pub mod body;
pub mod cause;
pub mod cookie;
pub mod internal_redirect;
pub mod message;
pub mod return_to;
pub mod trace_context;
pub mod url;
