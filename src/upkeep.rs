//! What is kept of providers and sessions, and of their ends, without anybody asking: metadata and keys are fetched and renewed,
//! sessions whose tokens are due are refreshed. Requests only say what they need, and are told by [`crate::step::decision::News`];
//! no request is known here.

pub mod background;
pub mod documents;
pub mod fetch;
mod keep;
pub mod kept;
pub mod lease;
pub mod refresh;
pub mod tokens;
mod turn;
