//! Points in time, and the spans between them. The clock is read once for each step of a journey and handed down;
//! nothing here reads it.

use std::time::Duration;

use serde_json::Value;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Arithmetic saturates, so that no number overflows, whoever chose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch, as in a JWT's `NumericDate` (RFC 7519, section 2).
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// The point in time `span` later.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment so long before; the beginning of 1970 if it would be earlier.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The span since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a `NumericDate` (RFC 7519, section 2): a number of seconds since the epoch, of which a fraction is dropped. `None` if it is
/// no number, or negative.
pub fn numeric_date(value: &Value) -> Option<Timestamp> {
    let whole = |seconds: f64| (seconds >= 0.0).then_some(seconds as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole)).map(Timestamp::from_seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arithmetic_with_hostile_numbers_saturates() {
        let end = Timestamp::from_seconds(u64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(Timestamp::from_seconds(5).since(Timestamp::from_seconds(9)), Duration::ZERO);
    }

    #[test]
    fn a_numeric_date_may_have_a_fraction_and_is_nothing_but_a_number_since_1970() {
        for (value, seconds) in [
            (json!(0), Some(0)),
            (json!(1_700_000_000), Some(1_700_000_000)),
            (json!(1_700_000_000.9), Some(1_700_000_000)),
            (json!(9_007_199_254_740_993_u64), Some(9_007_199_254_740_993)),
            (json!(-1), None),
            (json!(-0.5), None),
            (json!("5"), None),
            (json!(true), None),
            (json!(null), None),
            (json!([5]), None),
        ] {
            assert_eq!(numeric_date(&value).map(Timestamp::seconds), seconds, "{value}");
        }
    }
}
