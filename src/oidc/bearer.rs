//! Bearer tokens of a provider: which are accepted, how those that are JWTs are verified, and how a provider is asked about others.

pub mod accepted;
pub mod access_token;
pub mod introspection;
