//! HMAC-SHA256 (RFC 2104) with a secret that is shared. What is signed, and what a good code proves, is not known here.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

use crate::words::secret::Secret;

/// RFC 7518, section 3.2: a key of the same size as the hash output, in bytes.
const SHORTEST_SECRET: usize = 32;

/// A secret that makes codes. It redacts itself.
#[derive(Clone)]
pub(super) struct MacKey {
    /// To compare two keys by.
    secret: Secret,
    /// HMAC with the key taken in already: two of the blocks of every code, which are the same each time.
    keyed: Hmac<Sha256>,
}

/// What the kept key consists of is wiped: a feature of the library that must stay.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Sha256>();
};

/// The secret is shorter than 32 bytes: it could be guessed from one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooShort;

impl MacKey {
    /// Takes the bytes of the text.
    ///
    /// # Errors
    /// [`TooShort`].
    pub(super) fn new(secret: &Secret) -> Result<Self, TooShort> {
        if secret.len() < SHORTEST_SECRET {
            return Err(TooShort);
        }
        // RFC 2104, section 3: keys of every length are taken.
        let keyed = Hmac::new_from_slice(secret.expose().as_bytes()).map_err(|_| TooShort)?;
        Ok(Self { secret: secret.clone(), keyed })
    }

    /// The code of a message.
    pub(super) fn code(&self, message: &[u8]) -> Vec<u8> {
        self.of(message).finalize().into_bytes().to_vec()
    }

    /// Whether this is the code of a message, in a time that does not depend on where it differs.
    pub(super) fn is_code(&self, code: &[u8], message: &[u8]) -> bool {
        self.of(message).verify_slice(code).is_ok()
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
    fn codes_are_those_of_another_implementation_however_often_one_is_made() {
        // Of "message", as Python's `hmac` makes them.
        for (secret, code) in [
            ("\u{c}".repeat(32), "5cc411eea9e4414e65302f685a24eb57942f77de1fb22658f1239158067235b5"),
            // Longer than a block.
            ("x".repeat(131), "5399ff5c88e06902a84dbe8b935ca6d297a48c160cfc364f45af23add077c0bd"),
        ] {
            let (key, code) = (MacKey::new(&Secret::new(secret)).unwrap(), from_hexadecimal(code));
            assert_eq!([key.code(b"message"), key.code(b"message")], [code.as_slice(); 2]);
            assert!(key.is_code(&code, b"message") && !key.is_code(&code, b"Message"));
            assert!(!key.is_code(&code[..31], b"message") && !key.is_code(&[], b"message"));
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_and_none_is_printed() {
        assert!(MacKey::new(&Secret::new("x".repeat(31))).is_err());
        let printed = format!("{:?}", MacKey::new(&Secret::new("hunter2".repeat(5))).unwrap());
        assert_eq!(printed, "[redacted]");
    }
}
