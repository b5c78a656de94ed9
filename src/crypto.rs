//! Cryptography: signatures of others are verified, tokens of our own are signed, content of our own is sealed, and pseudonyms are made. This room
//! knows keys and bytes; it does not know what a session, a claim or a request is.

mod base64url;
pub mod end_key;
pub mod jws;
pub mod key;
mod mac;
mod pem;
pub mod pseudonym;
mod public_key;
pub mod seal;
pub mod signing;

#[cfg(test)]
pub(crate) mod testing;
