//! What the application is told of who is asking: by header fields, and by a token. Who is asking is not known here.

pub mod believed;
pub mod headers;
pub mod identity_jwt;
