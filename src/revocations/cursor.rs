//! A place in the stream of what has ended. Places are given by the store, by the store's clock; nothing here reads a clock.

use std::fmt;
use std::time::Duration;

use crate::words::time::Timestamp;

/// How far a reader goes back before the place that it has reached. A primary that takes over from another may lack the last
/// second of it, and gives later entries lower places than the lost ones had.
const OVERLAP: Duration = Duration::from_secs(60);

/// The place of an entry: the time of the store's clock when it was added, in milliseconds, and a number among those of the same
/// millisecond. Later entries have larger places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    millis: u64,
    sequence: u64,
}

impl Cursor {
    /// Before every entry.
    pub const START: Self = Self { millis: 0, sequence: 0 };

    /// Before every entry that was added at this time of the store's clock, or later.
    pub const fn at(time: Timestamp) -> Self {
        Self { millis: time.millis(), sequence: 0 }
    }

    /// When the entry was added, by the store's clock.
    pub const fn time(self) -> Timestamp {
        Timestamp::from_millis(self.millis)
    }

    /// The next place behind this one; of the last place there can be, itself.
    pub const fn next(self) -> Self {
        match (self.sequence.checked_add(1), self.millis.checked_add(1)) {
            (Some(sequence), _) => Self { millis: self.millis, sequence },
            (None, Some(millis)) => Self { millis, sequence: 0 },
            (None, None) => self,
        }
    }

    /// Before everything that was added in the minute before this place.
    pub fn a_minute_before(self) -> Self {
        let minute = u64::try_from(OVERLAP.as_millis()).unwrap_or(u64::MAX);
        Self { millis: self.millis.saturating_sub(minute), sequence: 0 }
    }

    /// Reads the form that [`fmt::Display`] writes, which is that of an entry's id in Redis: two numbers with a hyphen between
    /// them. `None` for anything else.
    pub fn read(text: &[u8]) -> Option<Self> {
        let (millis, sequence) = std::str::from_utf8(text).ok()?.split_once('-')?;
        // `parse` alone accepts a plus sign.
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        Some(Self { millis: number(millis)?, sequence: number(sequence)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.millis, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Cursor {
        Cursor::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in ["0-0", "1764500000000-17", "18446744073709551615-18446744073709551615"] {
            assert_eq!(cursor(text).to_string(), text);
        }
        for other in
            ["", "-", "5", "5-", "-5", "+5-0", "5-+1", " 5-0", "5-0 ", "5-0-0", "5-a", "18446744073709551616-0", "5\u{2d}-1"]
        {
            assert_eq!(Cursor::read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(Cursor::read(b"\xff-0"), None);
    }

    #[test]
    fn places_are_in_the_order_in_which_entries_were_added() {
        assert!(cursor("9-5") < cursor("10-0") && cursor("10-9") < cursor("10-10"));
        for (place, next) in [
            ("5-0", "5-1"),
            ("5-18446744073709551615", "6-0"),
            ("18446744073709551615-18446744073709551615", "18446744073709551615-18446744073709551615"),
        ] {
            assert_eq!(cursor(place).next(), cursor(next));
        }
    }

    #[test]
    fn a_minute_before_the_first_minute_is_the_beginning() {
        assert_eq!(cursor("59999-3").a_minute_before(), Cursor::START);
        assert_eq!(cursor("90000-3").a_minute_before(), cursor("30000-0"));
    }
}
