//! Values that an operator may write in more than one way: secrets, claims, spans of time. What they mean is checked elsewhere.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::config::Refusal;
use crate::config::place::{Place, Read};

/// A secret, inline or from an environment variable. It never prints.
#[derive(PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Inline(String),
    /// `{environment_variable: NAME}`.
    Environment(String),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => formatter.write_str("[redacted]"),
            Self::Environment(name) => write!(formatter, "environment variable {name}"),
        }
    }
}

/// A claim's name, or a path of names.
#[derive(Debug)]
pub struct ClaimName(pub Vec<String>);

/// A span of time: `30m`, `8h`, or a number of seconds.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl Read for SecretSource {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        const VARIABLE: &str = "environment_variable";
        match place.value {
            Value::String(secret) => Ok(Self::Inline(secret.clone())),
            Value::Object(_) => place.members_of(&[VARIABLE])?.member(VARIABLE).map(Self::Environment),
            _ => Err(place.mismatch("a secret", "write it as a text, or as {environment_variable: NAME}")),
        }
    }
}

impl Read for ClaimName {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        match place.value {
            Value::String(name) => Ok(Self(vec![name.clone()])),
            Value::Array(_) => Read::read(place).map(Self),
            _ => Err(place.mismatch("a claim name or a path of names", "write claim: groups or claim: [realm_access, roles]")),
        }
    }
}

impl Read for Span {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        let span = match place.value {
            Value::String(text) => humantime::parse_duration(text).ok(),
            value => value.as_u64().map(Duration::from_secs),
        };
        span.map(Self).ok_or_else(|| place.mismatch("a span of time", "write 30m, 8h or a number of seconds"))
    }
}
