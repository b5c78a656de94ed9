//! Cryptography behind two doors: signatures of others are verified, content of our own is sealed.
//! This room knows keys and bytes; it does not know what a session, a token's claim or a request is.

pub mod jws;
pub mod key;
pub mod seal;

#[cfg(test)]
pub(crate) mod testing;
