//! The background: it fetches and renews the metadata and keys of providers, refreshes the tokens of sessions, asks for those that
//! applications get, and knows which sessions have ended. A request says what it needs as a [`crate::step::decision::Resource`], and
//! learns by [`crate::step::decision::News`] whether it came. No request is known here.

pub mod background;
pub mod documents;
mod failing;
pub mod fetch;
pub mod given_back;
pub mod kept_claims;
pub mod lease;
mod process;
mod provider_documents;
pub mod question;
pub mod refresh;
pub mod revocations;
pub mod tokens;
mod turn;
pub mod upstream_tokens;
