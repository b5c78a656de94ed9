//! HTTP as values: requests, responses and calls, addresses, cookies, and the bodies that are read. What any of it means for somebody
//! is known elsewhere.

pub mod address;
pub mod body;
pub mod cookie;
pub mod message;
pub mod url;
