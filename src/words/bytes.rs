//! Sets of bytes as lookup tables, which test the bytes of a long text faster than comparisons do. What a set is for is not known
//! here.

/// A set of bytes: a table with an entry for each of the 256 values, filled at compile time.
pub struct ByteSet([bool; 256]);

impl ByteSet {
    /// The set without any byte.
    pub const EMPTY: Self = Self([false; 256]);

    /// This set and the bytes from `first` to `last`, both included. Nothing is added if `first` is greater than `last`.
    #[must_use]
    #[allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a byte is smaller than the table, for constants"
    )]
    pub const fn with_range(mut self, first: u8, last: u8) -> Self {
        let mut next = first as usize;
        while next <= last as usize {
            self.0[next] = true;
            next += 1;
        }
        self
    }

    /// This set and `bytes`.
    #[must_use]
    pub const fn with(self, bytes: &[u8]) -> Self {
        self.set(bytes, true)
    }

    /// This set without `bytes`.
    #[must_use]
    pub const fn without(self, bytes: &[u8]) -> Self {
        self.set(bytes, false)
    }

    #[allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a byte is smaller than the table, for constants"
    )]
    const fn set(mut self, bytes: &[u8], members: bool) -> Self {
        let mut next = 0;
        while next < bytes.len() {
            self.0[bytes[next] as usize] = members;
            next += 1;
        }
        self
    }

    /// Whether every byte of `text` is in the set; true for an empty text.
    pub fn has_all(&self, text: &[u8]) -> bool {
        text.iter().all(|byte| self.0.get(usize::from(*byte)) == Some(&true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_bytes_that_it_was_made_of_and_no_others() {
        const SET: ByteSet = ByteSet::EMPTY.with_range(b'a', b'f').with(b"-\xff").without(b"c");
        for byte in 0..=u8::MAX {
            assert_eq!(SET.has_all(&[byte]), matches!(byte, b'a' | b'b' | b'd'..=b'f' | b'-' | 0xff), "{byte}");
        }
        assert!(SET.has_all(b"") && SET.has_all(b"fade-") && !SET.has_all(b"facade") && !SET.has_all(b"fadec"));
        assert!(ByteSet::EMPTY.with_range(0, u8::MAX).has_all(b"\0~\xff") && !ByteSet::EMPTY.with_range(2, 1).has_all(&[1]));
    }
}
