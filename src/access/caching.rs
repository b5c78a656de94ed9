//! What caches are told of an answer to somebody who is known. Who is known is not decided here.

pub mod caches;
pub mod private;
