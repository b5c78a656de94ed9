//! What is special about a request for a protected resource: what it calls, what a client without a good token is told, and the
//! metadata that clients read. Who may pass is never decided here.

pub(crate) mod called;
pub(crate) mod challenge;
pub(crate) mod metadata;
