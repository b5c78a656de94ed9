//! Bearer tokens of a provider: which are accepted, how JWTs are verified, and how the provider is asked about tokens
//! (introspection).

pub mod accepted;
pub mod access_token;
pub mod introspection;
