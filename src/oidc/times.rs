//! The times of a token (RFC 7519, sections 4.1.4 to 4.1.6) against our clock. Which of them must be there is not known here.

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

/// The time that a claim says, if it is there. `null` is as good as none.
pub(crate) fn time(claims: &Claims, name: &str) -> Result<Option<Timestamp>, String> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Number(_)) => numeric_date(value).map(Some).ok_or_else(|| format!("{name} lies before 1970")),
        Some(_) => Err(format!("{name} is not a number")),
    }
}

/// Our clock, and what is known of the one that the times of a token were taken from.
pub(crate) struct Clock {
    /// The present time, by our clock.
    pub(crate) now: Timestamp,
    /// How far their clock may differ from ours.
    pub(crate) skew: Duration,
    /// Their clock. It only helps to say whose clock is wrong.
    pub(crate) theirs: TheirClock,
}

/// The clock of whoever issued a token.
#[derive(Clone, Copy)]
pub(crate) enum TheirClock {
    /// The `Date` of the response that the token came in.
    Date(Timestamp),
    /// That response had no `Date`.
    NoDate,
    /// The token came in a request.
    Unknown,
}

impl From<Option<Timestamp>> for TheirClock {
    fn from(date: Option<Timestamp>) -> Self {
        date.map_or(Self::NoDate, Self::Date)
    }
}

impl Clock {
    /// `exp`, if it is there; a sentence if it is over.
    pub(crate) fn expires(&self, claims: &Claims) -> Result<Option<Timestamp>, String> {
        match time(claims, "exp")? {
            Some(expires) if self.is_over(expires) => Err(self.complaint("exp", expires)),
            expires => Ok(expires),
        }
    }

    /// `iat`; a sentence if it is missing or ahead of our clock.
    pub(crate) fn issued(&self, claims: &Claims) -> Result<Timestamp, String> {
        let issued = time(claims, "iat")?.ok_or_else(|| "iat is missing".to_owned())?;
        if self.is_ahead(issued) { Err(self.complaint("iat", issued)) } else { Ok(issued) }
    }

    /// A sentence if `nbf` is there and ahead of our clock.
    pub(crate) fn not_before(&self, claims: &Claims) -> Result<(), String> {
        match time(claims, "nbf")? {
            Some(begin) if self.is_ahead(begin) => Err(self.complaint("nbf", begin)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a token that ends then has ended, also by a clock that is behind ours.
    pub(crate) fn is_over(&self, end: Timestamp) -> bool {
        self.now >= end.plus(self.skew)
    }

    fn is_ahead(&self, begin: Timestamp) -> bool {
        begin > self.now.plus(self.skew)
    }

    /// How far a time is from our clock, and what is known of theirs.
    pub(crate) fn complaint(&self, claim: &str, time: Timestamp) -> String {
        let distance = |time: Timestamp| match (time.since(self.now).as_secs(), self.now.since(time).as_secs()) {
            (0, 0) => "the same as our clock".to_owned(),
            (ahead, 0) => format!("{ahead} s ahead of our clock"),
            (_, behind) => format!("{behind} s behind our clock"),
        };
        let date = match self.theirs {
            TheirClock::Date(date) => format!("; the provider's own Date is {}", distance(date)),
            TheirClock::NoDate => "; the provider sent no Date to compare".to_owned(),
            TheirClock::Unknown => String::new(),
        };
        format!("{claim} is {}, {} s are tolerated{date}", distance(time), self.skew.as_secs())
    }
}
