//! A configuration as Envoy hands it to the filter: a `google.protobuf.Struct`. What stands in it is not known here.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Wire};
use serde_json::{Map, Value};

/// Members as a `Struct` holds them: every number is a double, and the order in which they were written is lost.
pub fn in_wire_form(members: &Map<String, Value>) -> Struct {
    Struct { fields: members.iter().map(|(name, value)| (name.clone(), wire(value))).collect() }
}

fn wire(value: &Value) -> Wire {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(elements) => Kind::ListValue(ListValue { values: elements.iter().map(wire).collect() }),
        Value::Object(members) => Kind::StructValue(in_wire_form(members)),
    };
    Wire { kind: Some(kind) }
}
