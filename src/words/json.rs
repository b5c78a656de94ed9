//! JSON from strangers, read only if it has one meaning: it is an object, no member comes twice at any depth, and it is nested no
//! deeper than [`DEEPEST`]. (Of two members with one name `serde_json` takes the last, other parsers the first: two programs
//! would see different texts.) What the members mean is not known here, and no error repeats what was in them.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may be nested, the outermost object included.
pub const DEEPEST: usize = 32;

const NOT_JSON: &str = "it is not JSON";
const NOT_AN_OBJECT: &str = "it is not a JSON object";
const MEMBER_TWICE: &str = "a member comes twice";
const TOO_DEEP: &str = "it is nested too deeply";

/// A JSON object in which no member comes twice.
struct Unambiguous(Map<String, Value>);

/// Reads a JSON object in UTF-8.
///
/// # Errors
/// A phrase that says what is wrong, without repeating the content.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, &'static str> {
    // Checked once for the whole text: given bytes, the parser would check every string.
    let text = std::str::from_utf8(text).map_err(|_| NOT_JSON)?;
    serde_json::from_str(text).map(|Unambiguous(members)| members).map_err(|error| phrase(&error))
}

/// Replaces the parser's error by a phrase of ours: its own message may quote the content, which may be a secret.
fn phrase(error: &serde_json::Error) -> &'static str {
    let text = error.to_string();
    [MEMBER_TWICE, TOO_DEEP, NOT_AN_OBJECT].into_iter().find(|ours| text.starts_with(ours)).unwrap_or(NOT_JSON)
}

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Nested(DEEPEST).deserialize(deserializer)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(D::Error::custom(NOT_AN_OBJECT)),
        }
    }
}

/// Reads a value in which objects and arrays are nested at most this many levels deep.
#[derive(Clone, Copy)]
struct Nested(usize);

impl Nested {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is none"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut read = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            read.push(element);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if read.insert(name, value).is_some() {
                return Err(A::Error::custom(MEMBER_TWICE));
            }
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_with_two_meanings_is_refused_and_not_quoted() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        for (text, found) in [
            (r#"{"sub":"a","sub":"b"}"#, MEMBER_TWICE),
            (r#"{"sub":"a","\u0073ub":"b"}"#, MEMBER_TWICE),
            (r#"{"a":[{"b":{"c":1,"c":1}}]}"#, MEMBER_TWICE),
            (nested(DEEPEST).as_str(), TOO_DEEP),
            (nested(5_000).as_str(), TOO_DEEP),
            (r#""secret""#, NOT_AN_OBJECT),
            ("[]", NOT_AN_OBJECT),
            ("", "it is not JSON"),
            (r#"{"a":1} {"#, "it is not JSON"),
            (r#"{"a":1e999}"#, "it is not JSON"),
            ("{\"a\":\"\u{1}\"}", "it is not JSON"),
        ] {
            assert_eq!(object(text.as_bytes()), Err(found), "{text:.40}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err("it is not JSON"));
        assert!(object(nested(DEEPEST - 1).as_bytes()).is_ok());
    }

    #[test]
    fn all_other_json_is_read_unchanged() {
        let value = json!({"a": [1, -1, 1.5, true, null, "x", {"b": {}}], "c": u64::MAX});
        assert_eq!(Value::Object(object(value.to_string().as_bytes()).unwrap()), value);
    }
}
