//! Texts that must never be printed: client secrets, keys, codes, tokens. In debug output they are `[redacted]`. Those that are
//! owned compare in constant time, and are wiped when they are dropped. What a secret is for is not known here.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret text. It is never formatted; reading it takes an explicit [`Secret::expose`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Makes a text a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Every call deserves a reviewer's look.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

/// A secret text in memory that belongs to somebody else, for example in a request's header. It does not print itself either, but
/// it does not wipe what it does not own.
#[derive(Clone, Copy)]
pub struct LentSecret<'a>(&'a str);

impl<'a> LentSecret<'a> {
    /// Makes a borrowed text a secret.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text. Every call deserves a reviewer's look.
    pub const fn expose(self) -> &'a str {
        self.0
    }

    /// The length in bytes.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for LentSecret<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([redacted])");
        assert_eq!(format!("{:?}", Some(LentSecret::new("hunter2"))), "Some([redacted])");
    }

    #[test]
    fn secrets_compare_by_content() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("b"));
        assert_ne!(Secret::new("a"), Secret::new("aa"));
    }
}
