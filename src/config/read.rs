//! From the bytes that Envoy hands over to shapes. Envoy passes a `StringValue` as it was written and a `Struct` as protobuf;
//! control planes such as Istio send JSON. What the fields mean is checked elsewhere.

use prost::Message;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

use crate::config::Refusal;
use crate::config::place::{Place, Read};
use crate::config::shapes::Configuration;
use crate::words::json::{self, Unambiguous};

/// Reads a configuration.
///
/// # Errors
/// What cannot be read, and where.
pub fn read(bytes: &[u8]) -> Result<Configuration, Refusal> {
    let document = document(bytes)?;
    refuse_nothing("", &document)?;
    Configuration::read(&Place::top(&document))
}

fn document(bytes: &[u8]) -> Result<Value, Refusal> {
    let refused = |sentence: String| Err(Refusal::new("", sentence));
    if bytes.trim_ascii().is_empty() {
        return refused(
            "expected a configuration, found none; give the plugin a configuration with origins and providers".into(),
        );
    }
    // Protobuf holds bytes that JSON cannot, so that nothing is both.
    match serde_json::from_slice::<Unambiguous>(bytes) {
        Ok(Unambiguous(members)) => Ok(Value::Object(members)),
        Err(error) => match prost_types::Struct::decode(bytes) {
            Ok(object) if bytes.first() != Some(&b'{') => Ok(from_struct(object)),
            _ => {
                let why = json::phrase(&error);
                refused(format!(
                    "expected a JSON object or a google.protobuf.Struct, found neither ({why}); give the plugin one of both"
                ))
            }
        },
    }
}

/// A template that had no value to fill in leaves nothing (`null`), and a rule without its condition would let everybody in.
fn refuse_nothing(path: &str, value: &Value) -> Result<(), Refusal> {
    let separator = if path.is_empty() { "" } else { "." };
    match value {
        Value::Null => Err(Refusal::new(path, "expected a value, found nothing; give it one, or remove the field")),
        Value::Array(members) => {
            let mut each = members.iter().enumerate();
            each.try_for_each(|(index, member)| refuse_nothing(&format!("{path}[{index}]"), member))
        }
        Value::Object(members) => {
            let mut each = members.iter();
            each.try_for_each(|(name, member)| refuse_nothing(&format!("{path}{separator}{name}"), member))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn from_struct(object: prost_types::Struct) -> Value {
    let mut members = Map::new();
    members.extend(object.fields.into_iter().map(|(name, value)| (name, from_value(value))));
    Value::Object(members)
}

/// Depth is bounded by the protobuf decoder.
fn from_value(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(truth),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => from_number(number),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_value).collect()),
        Some(Kind::StructValue(object)) => from_struct(object),
    }
}

/// A Struct knows doubles only; whole ones are meant as integers.
fn from_number(number: f64) -> Value {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        // Exact, because of the bound above.
        #[allow(clippy::cast_possible_truncation)]
        return Value::Number((number as i64).into());
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
