//! Values that an operator may write in more than one way: secrets, clusters, claims, spans of time. Whether they are good is
//! never decided here, only whether they can be read.

use std::time::Duration;

use serde_json::Value;

use crate::config::reading::place::{Place, Read};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;

/// `clusters` of a provider, which says by which of Envoy's clusters it is reached.
pub(crate) enum Reached {
    /// `{HOST: CLUSTER}`, where HOST is `host` or `host:port`.
    Hosts(Vec<(String, Checked<String>)>),
    /// One cluster, which reaches the host of the issuer and no other.
    Issuer(String),
}

/// A claim, written as its name or as a list of names that lead to it. A dot has no meaning: it may be a part of a name.
#[derive(Clone)]
pub(crate) struct ClaimName(pub(crate) Vec<String>);

/// A place in JSON, written as names with dots between them or as a list of names.
pub(crate) struct Dotted(pub(crate) ClaimPath);

/// A span of time: `30m`, `8h`, `1h 30m`, or a number of seconds.
#[derive(Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

impl Read for Secret {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        let remedy = "write {environment_variable: NAME}, or the secret as a text";
        match place.value {
            Value::String(secret) if !secret.trim().is_empty() => Ok(Self::new(secret.trim())),
            Value::String(_) => Err(refusals.refuse(place.path(), ["expected a secret, found an empty text; ", remedy].concat())),
            _ => Err(place.mismatch("a secret", remedy, refusals)),
        }
    }
}

impl Read for Reached {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        match place.value {
            Value::String(cluster) => Ok(Self::Issuer(cluster.clone())),
            Value::Object(_) => Read::read(place, refusals).map(Self::Hosts),
            _ => Err(place.mismatch(
                "the name of an Envoy cluster, or one for each host",
                "write clusters: {sso.example.com: sso}",
                refusals,
            )),
        }
    }
}

impl Default for Reached {
    fn default() -> Self {
        Self::Hosts(Vec::new())
    }
}

impl Reached {
    /// Whether there is no cluster at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Hosts(hosts) if hosts.is_empty())
    }
}

impl Read for ClaimName {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        match place.value {
            Value::String(name) => Ok(Self(vec![name.clone()])),
            Value::Array(_) => <Vec<Checked<String>>>::read(place, refusals)?.into_iter().collect::<Checked<_>>().map(Self),
            _ => Err(place.mismatch(
                "a claim name or a path of names",
                "write claim: groups or claim: [realm_access, roles]",
                refusals,
            )),
        }
    }
}

impl Read for Dotted {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        let path = match place.value {
            Value::String(text) => ClaimPath::dotted(text),
            Value::Array(names) if !names.is_empty() => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                names.collect::<Option<Vec<_>>>().map(ClaimPath::new)
            }
            _ => None,
        };
        path.map(Self)
            .ok_or_else(|| place.mismatch("names with dots between them", "write profile.id, or a list of names", refusals))
    }
}

impl Read for Span {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        let span = match place.value {
            Value::String(text) => milliseconds(text).map(Duration::from_millis),
            value => value.as_u64().map(Duration::from_secs),
        };
        span.map(Self).ok_or_else(|| place.mismatch("a span of time", "write 30m, 8h, 7d or a number of seconds", refusals))
    }
}

/// The milliseconds of a text such as `1h 30m`. There is no unit below milliseconds or above days: `5M`, for five months, would
/// more often be meant as five minutes.
fn milliseconds(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text.trim(), None);
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|sign: char| !sign.is_ascii_digit())?)?;
        let after = after.trim_start();
        let (unit, after) =
            after.split_at_checked(after.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(after.len()))?;
        let unit = match unit {
            "ms" => 1,
            "s" | "sec" | "second" | "seconds" => 1_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return None,
        };
        sum = Some(number.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(sum.unwrap_or_default())?);
        rest = after.trim_start();
    }
    sum
}

/// A span as an operator would write it, in the largest unit of which it is a whole number.
pub(crate) fn written(span: Duration) -> String {
    let milliseconds = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| milliseconds >= *unit && milliseconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "ms"));
    format!("{}{name}", milliseconds.checked_div(unit).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Option<u64> {
        Span::read(&Place::top(value), &mut Refusals::default()).ok().map(|span| u64::try_from(span.0.as_millis()).unwrap())
    }

    #[test]
    fn a_span_is_read_in_one_way_only() {
        for (text, expected) in [
            (json!("30m"), 1_800_000),
            (json!("8h"), 28_800_000),
            (json!("1h 30m"), 5_400_000),
            (json!("1h30m"), 5_400_000),
            (json!("500ms"), 500),
            (json!("90s"), 90_000),
            (json!("7d"), 604_800_000),
            (json!("30days"), 2_592_000_000),
            (json!("2 hours 1 min"), 7_260_000),
            (json!(90), 90_000),
        ] {
            assert_eq!(read(&text), Some(expected), "{text}");
        }
        for text in ["", " ", "90", "m", "5 ", "-5m", "1.5h", "5m x", "5mm", "99999999999999999999s", "9999999999999999d"] {
            assert_eq!(read(&json!(text)), None, "{text}");
        }
    }

    #[test]
    fn other_units_are_refused_because_one_letter_would_make_five_minutes_five_months() {
        for text in ["5M", "5month", "5months", "1y", "1year", "2years", "1h 5M", "1w", "1us", "1ns"] {
            let mut refusals = Refusals::default();
            assert!(Span::read(&Place::top(&json!(text)), &mut refusals).is_err());
            let refusal = refusals.to_string();
            assert!(refusal.contains("write 30m, 8h, 7d or a number of seconds"), "{refusal}");
        }
    }

    #[test]
    fn a_span_is_written_in_the_largest_unit_of_which_it_is_a_whole_number() {
        for text in ["400d", "36h", "1h", "90m", "90s", "1500ms"] {
            assert_eq!(milliseconds(text).map(|span| written(Duration::from_millis(span))).as_deref(), Some(text));
        }
        assert_eq!(written(Duration::ZERO), "0ms");
        assert_eq!(written(Duration::from_secs(86_400)), "1d");
    }
}
