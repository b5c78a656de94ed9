//! OpenID Connect and OAuth 2.0 as a client (relying party) speaks them, and as a resource server checks bearer tokens: one file
//! per exchange of the specifications. An exchange over the network is a pair of functions, `…_request` and `…_response`.
//! Sending, waiting, storing, and what a browser gets to see, belong to other rooms. Nothing that was received is believed before
//! such a function has returned it.

pub mod authorization;
pub mod bearer;
pub(crate) mod claims;
pub mod client;
pub mod discovery;
pub mod id_token;
pub mod keys;
pub mod logout;
pub mod metadata;
pub mod provider;
mod reply;
pub mod security_event;
pub(crate) mod times;
pub mod token;
pub mod userinfo;

#[cfg(test)]
pub(crate) mod testing;
