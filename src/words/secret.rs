//! Text that must never be printed: client secrets, keys, codes, tokens.
//! It redacts itself in every debug output. What is owned here compares in constant time, and is wiped when dropped.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret text. Reading it takes an explicit [`Secret::expose`]; it is never formatted.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every call is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
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

/// A secret text that stands in somebody else's memory, a request's header for example. It redacts itself like a [`Secret`], and does
/// not wipe what it does not own.
#[derive(Clone, Copy)]
pub struct LentSecret<'a>(&'a str);

impl<'a> LentSecret<'a> {
    /// Takes the text for a secret from here on.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text itself. Every call is a place to review.
    pub const fn expose(self) -> &'a str {
        self.0
    }

    /// Size in bytes.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for LentSecret<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// Whether two byte strings are the same, in a time that depends on their lengths only.
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
