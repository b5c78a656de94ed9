//! Reads plugin configurations as the filter does, on this machine and without Envoy, and says of each why it is refused. The end-to-end tests ask it about
//! hundreds in the time in which one Envoy starts; it is no part of what is built for anybody.
//!
//! Each line of standard input is one JSON object: `text`, the configuration as a `StringValue` would hold it, or `fields`, which becomes a `Struct` in its wire
//! form as Envoy makes it; and `environment`, the variables that there are. Each line of standard output answers one: the refusal as a JSON text, or `null`.

use std::error::Error;
use std::io::{self, BufRead, Write};

use accredit::config;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Held};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let bytes = match (asked.get("text").and_then(Value::as_str), asked.get("fields")) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(Value::Object(fields))) => in_wire_form(fields).encode_to_vec(),
            _ => return Err("expected either text or fields in each line".into()),
        };
        let variable = |name: &str| asked.get("environment")?.get(name)?.as_str().map(str::to_owned);
        let refusal = config::load(&bytes, &variable).err().map(|refusal| refusal.to_string());
        writeln!(output, "{}", serde_json::to_string(&refusal)?)?;
    }
    Ok(())
}

/// As a `Struct` holds it: every number is a double, and names have no order of the writer's.
fn in_wire_form(fields: &serde_json::Map<String, Value>) -> Struct {
    Struct { fields: fields.iter().map(|(name, value)| (name.clone(), held(value))).collect() }
}

fn held(value: &Value) -> Held {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(members) => Kind::ListValue(ListValue { values: members.iter().map(held).collect() }),
        Value::Object(fields) => Kind::StructValue(in_wire_form(fields)),
    };
    Held { kind: Some(kind) }
}
