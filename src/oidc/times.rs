//! The times of a token that may leave them out (RFC 7519, sections 4.1.4 to 4.1.6). Which of them must be there is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::words::principal::Claims;
use crate::words::time::{Timestamp, numeric_date};

/// Why the times of a token are wrong, in a phrase.
pub(crate) enum WrongTime {
    /// `exp` is over.
    Expired(String),
    /// Something else is wrong.
    Other(String),
}

/// Checks `exp`, `nbf` and `iat`, as far as they are there, and returns `exp`. `skew` is how far the issuer's clock may differ from
/// ours.
pub(crate) fn check(claims: &Claims, skew: Duration, now: Timestamp) -> Result<Option<Timestamp>, WrongTime> {
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => numeric_date(value).map(Some).ok_or_else(|| WrongTime::Other(format!("{name} is not a time"))),
    };
    let expires = time("exp")?;
    if let Some(expires) = expires.filter(|expires| now >= expires.plus(skew)) {
        return Err(WrongTime::Expired(format!("it expired {} s ago by our clock", now.since(expires).as_secs())));
    }
    for name in ["nbf", "iat"] {
        if let Some(begin) = time(name)?.filter(|begin| *begin > now.plus(skew)) {
            return Err(WrongTime::Other(format!("{name} is {} s ahead of our clock", begin.since(now).as_secs())));
        }
    }
    Ok(expires)
}
