//! Values that an operator may write in more than one way: secrets, claims, spans of time. What they mean is checked elsewhere.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FromEnvironment {
            environment_variable: String,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = SecretSource;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a secret; write it as a text, or as {environment_variable: NAME}")
            }

            fn visit_str<E: Error>(self, secret: &str) -> Result<SecretSource, E> {
                Ok(SecretSource::Inline(secret.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<SecretSource, A::Error> {
                let from = FromEnvironment::deserialize(MapAccessDeserializer::new(members))?;
                Ok(SecretSource::Environment(from.environment_variable))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for ClaimName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ClaimName;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a claim name or a path of names; write claim: groups or claim: [realm_access, roles]")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ClaimName, E> {
                Ok(ClaimName(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<ClaimName, A::Error> {
                let mut path = Vec::new();
                while let Some(name) = names.next_element()? {
                    path.push(name);
                }
                Ok(ClaimName(path))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a span of time; write 30m, 8h or a number of seconds")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Span, E> {
                Ok(Span(Duration::from_secs(seconds)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                let span = humantime::parse_duration(text);
                span.map(Span).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
