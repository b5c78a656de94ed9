//! Signatures: what was signed by whom. What a signed text means is not known here.

pub mod jws;
pub mod key;

#[cfg(test)]
pub(crate) mod testing;
