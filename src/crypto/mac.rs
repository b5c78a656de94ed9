//! HMAC-SHA256 (RFC 2104) with a shared secret. What is signed, and what a good MAC proves, is not known here.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

use crate::words::secret::Secret;

/// The length of the shortest secret, in bytes: as long as the hash (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// A secret that makes and checks MACs. It prints as `[redacted]`.
#[derive(Clone)]
pub(super) struct MacKey {
    /// The secret itself, to compare two keys by.
    secret: Secret,
    /// The HMAC state after the key, which is the same for every message: it saves two blocks of hashing each time.
    keyed: Hmac<Sha256>,
}

/// Compiles only if the library wipes the state that is kept in `keyed`, which is one of its optional features.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Sha256>();
};

/// The secret is shorter than 32 bytes: it could be guessed from one MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooShort;

impl MacKey {
    /// The key is the bytes of the text.
    ///
    /// # Errors
    /// [`TooShort`].
    pub(super) fn new(secret: &Secret) -> Result<Self, TooShort> {
        if secret.len() < SHORTEST_SECRET {
            return Err(TooShort);
        }
        // This never fails: RFC 2104, section 3, allows keys of every length.
        let keyed = Hmac::new_from_slice(secret.expose().as_bytes()).map_err(|_| TooShort)?;
        Ok(Self { secret: secret.clone(), keyed })
    }

    /// The MAC of a message.
    pub(super) fn mac(&self, message: &[u8]) -> Vec<u8> {
        self.of(message).finalize().into_bytes().to_vec()
    }

    /// Whether `mac` is the MAC of a message, compared in constant time.
    pub(super) fn is_mac(&self, mac: &[u8], message: &[u8]) -> bool {
        self.of(message).verify_slice(mac).is_ok()
    }

    fn of(&self, message: &[u8]) -> Hmac<Sha256> {
        self.keyed.clone().chain_update(message)
    }
}

impl PartialEq for MacKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.secret.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hexadecimal(hexadecimal: &str) -> Vec<u8> {
        hexadecimal
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn macs_are_those_of_another_implementation_each_time_one_is_made() {
        // The MACs of "message", made with Python's `hmac`.
        for (secret, mac) in [
            ("\u{c}".repeat(32), "5cc411eea9e4414e65302f685a24eb57942f77de1fb22658f1239158067235b5"),
            // A key that is longer than a block.
            ("x".repeat(131), "5399ff5c88e06902a84dbe8b935ca6d297a48c160cfc364f45af23add077c0bd"),
        ] {
            let (key, mac) = (MacKey::new(&Secret::new(secret)).unwrap(), from_hexadecimal(mac));
            assert_eq!([key.mac(b"message"), key.mac(b"message")], [mac.as_slice(); 2]);
            assert!(key.is_mac(&mac, b"message") && !key.is_mac(&mac, b"Message"));
            assert!(!key.is_mac(&mac[..31], b"message") && !key.is_mac(&[], b"message"));
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_and_none_is_printed() {
        assert!(MacKey::new(&Secret::new("x".repeat(31))).is_err());
        let printed = format!("{:?}", MacKey::new(&Secret::new("hunter2".repeat(5))).unwrap());
        assert_eq!(printed, "[redacted]");
    }
}
