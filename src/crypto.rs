//! Cryptography: signatures of others are verified, tokens of our own are signed, and content of our own is sealed. This room
//! knows keys and bytes; it does not know what a session, a claim or a request is.

mod base64url;
pub mod jws;
pub mod key;
mod mac;
mod pem;
mod public_key;
pub mod seal;
pub mod signing;

#[cfg(test)]
pub(crate) mod testing;
