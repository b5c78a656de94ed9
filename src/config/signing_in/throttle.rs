//! The part `password.throttle`: how many failures of an account or an address are let through before the next has to wait, and
//! for how long. How they are counted, [`crate::accounts::throttle`] knows.

use std::time::Duration;

use crate::accounts::throttle::{Limit, Throttle};
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Span;
use crate::config::reading::values::positive;

const MINUTE: u64 = 60;
const DAY: Duration = Duration::from_secs(24 * 60 * MINUTE);

/// The most `failures`.
const MOST_FAILURES: u32 = 1_000;

shape! {
    pub(crate) struct ThrottleShape {
        /// how often a password may be wrong for one account, from whatever address
        /// Default: [limits](#throttle)
        account: LimitShape = empty,
        /// how often one may be wrong from one client address, for whatever accounts
        /// Default: [limits](#throttle)
        address: LimitShape = empty,
    }
}

shape! {
    struct LimitShape {
        /// after this many failures, attempts have to wait
        /// Default: `5` for `account`, `50` for `address`
        failures: Option<u64> where numbers(1, MOST_FAILURES.into()),
        /// after this time without a failure, all are forgotten
        /// Default: `15m`
        window: Option<Span> where positive_spans(DAY),
        /// the wait after that many failures; it doubles with each further failure. At most `longest_delay`
        /// Default: `30s`, or `longest_delay` if that is shorter
        delay: Option<Span> where positive_spans(DAY),
        /// the longest wait. At most `window`
        /// Default: `5m` for `account`, `15m` for `address`; or `window` if that is shorter
        longest_delay: Option<Span> where positive_spans(DAY),
    }
}

impl ThrottleShape {
    /// The part where it is not written.
    pub(crate) const UNWRITTEN: Self = Self { account: Ok(LimitShape::UNWRITTEN), address: Ok(LimitShape::UNWRITTEN) };
}

impl LimitShape {
    const UNWRITTEN: Self = Self { failures: Ok(None), window: Ok(None), delay: Ok(None), longest_delay: Ok(None) };
}

/// Checks the limits, with their defaults where they are not written.
pub(crate) fn throttle(shape: ThrottleShape, refusals: &mut Refusals) -> Checked<Throttle> {
    let ThrottleShape { account, address } = shape;
    let account = account.and_then(|shape| limit("password.throttle.account.", shape, 5, 5 * MINUTE, refusals));
    let address = address.and_then(|shape| limit("password.throttle.address.", shape, 50, 15 * MINUTE, refusals));
    Ok(Throttle { account: account?, address: address? })
}

fn limit(path: &str, shape: LimitShape, failures: u32, longest_delay: u64, refusals: &mut Refusals) -> Checked<Limit> {
    let at = |member: &str| [path, member].concat();
    let failures = shape.failures.and_then(|written| match written {
        None => Ok(failures),
        Some(written) => u32::try_from(written).ok().filter(|failures| (1..=MOST_FAILURES).contains(failures)).ok_or_else(|| {
            let sentence = format!("expected a number from 1 to 1000, found {written}; write another");
            refusals.refuse(at("failures"), sentence)
        }),
    });
    let window = positive(&at("window"), shape.window, Duration::from_secs(15 * MINUTE), DAY, refusals);
    // A wait must end before the failures are forgotten that it is for, so that no delay is longer than the window. A default is
    // lowered to what is written.
    let longest = window.unwrap_or(DAY);
    let default = Duration::from_secs(longest_delay).min(longest);
    let longest_delay = positive(&at("longest_delay"), shape.longest_delay, default, longest, refusals);
    let longest = longest_delay.unwrap_or(longest);
    let default = Duration::from_secs(30).min(longest);
    let delay = positive(&at("delay"), shape.delay, default, longest, refusals);
    Ok(Limit { failures: failures?, window: window?, delay: delay?, longest_delay: longest_delay? })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::reading::place::{Place, Read};

    fn read(written: &Value) -> Result<Throttle, String> {
        let mut refusals = Refusals::default();
        let throttle = ThrottleShape::read(&Place::top(written), &mut refusals).and_then(|shape| throttle(shape, &mut refusals));
        refusals.or(throttle).map_err(|refusals| refusals.to_string())
    }

    fn limit(failures: u32, [window, delay, longest_delay]: [u64; 3]) -> Limit {
        let [window, delay, longest_delay] = [window, delay, longest_delay].map(Duration::from_secs);
        Limit { failures, window, delay, longest_delay }
    }

    #[test]
    fn limits_hold_even_if_none_are_written() {
        let defaults = Throttle { account: limit(5, [900, 30, 300]), address: limit(50, [900, 30, 900]) };
        assert_eq!(throttle(ThrottleShape::UNWRITTEN, &mut Refusals::default()), Ok(defaults.clone()));
        for empty in [json!({}), json!({"account": {}}), json!({"account": {}, "address": {}})] {
            assert_eq!(read(&empty), Ok(defaults.clone()), "{empty}");
        }
    }

    #[test]
    fn a_limit_that_is_written_counts_and_defaults_give_way_to_it() {
        for (written, expected) in [
            (json!({"failures": 1, "window": "1h", "delay": "1s", "longest_delay": "1h"}), limit(1, [3_600, 1, 3_600])),
            (json!({"failures": 1_000, "window": "24h"}), limit(1_000, [86_400, 30, 300])),
            (json!({"window": "2m"}), limit(5, [120, 30, 120])),
            (json!({"window": 1}), limit(5, [1, 1, 1])),
            (json!({"longest_delay": "10s"}), limit(5, [900, 10, 10])),
            (json!({"delay": "5m"}), limit(5, [900, 300, 300])),
        ] {
            assert_eq!(read(&json!({"account": written})).map(|throttle| throttle.account), Ok(expected), "{written}");
        }
        let address = read(&json!({"address": {"failures": 7}})).unwrap();
        assert_eq!((address.account.failures, address.address.failures), (5, 7));
    }

    #[test]
    fn limits_out_of_range_and_waits_longer_than_the_window_are_refused_with_a_remedy() {
        for (written, member, remedy) in [
            (json!({"failures": 0}), "failures", "expected a number from 1 to 1000, found 0; write another"),
            (json!({"failures": 1_001}), "failures", "expected a number from 1 to 1000, found 1001; write another"),
            (json!({"failures": u64::MAX}), "failures", "expected a number from 1 to 1000, found 18446744073709551615; write"),
            (json!({"window": "999ms"}), "window", "expected a span from 1s to 1d, found 999ms; write another"),
            (json!({"window": "25h"}), "window", "expected a span from 1s to 1d, found 25h; write another"),
            (json!({"delay": 0}), "delay", "expected a span from 1s to 5m, found 0ms; write another"),
            (json!({"longest_delay": 0}), "longest_delay", "expected a span from 1s to 15m, found 0ms; write another"),
            (json!({"longest_delay": "16m"}), "longest_delay", "expected a span from 1s to 15m, found 16m; write another"),
            (json!({"window": "1m", "longest_delay": "2m"}), "longest_delay", "expected a span from 1s to 1m, found 2m; write"),
            (json!({"delay": "16m"}), "delay", "expected a span from 1s to "),
            (json!({"delay": "2m", "longest_delay": "90s"}), "delay", "expected a span from 1s to 90s, found 2m; write another"),
        ] {
            for kind in ["account", "address"] {
                let remedy = if kind == "address" { remedy.replace("to 5m", "to 15m") } else { remedy.to_owned() };
                let refused = read(&json!({ kind: written })).unwrap_err();
                assert!(refused.starts_with(&format!("password.throttle.{kind}.{member}: {remedy}")), "{refused}");
            }
        }
        assert!(read(&json!({"accounts": {}})).unwrap_err().contains("expected `account` or `address`, found `accounts`"));
        assert!(read(&json!({"account": {"delay": "5M"}})).unwrap_err().starts_with("account.delay: expected a span of time"));
        assert!(
            read(&json!({"account": {"failures": "5"}})).unwrap_err().starts_with("account.failures: expected a whole number")
        );
    }
}
