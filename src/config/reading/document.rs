//! From the bytes that Envoy hands over to JSON values. Envoy passes a `StringValue` as it was written and a `Struct` as
//! protobuf; control planes such as Istio send JSON. Environment variables that the configuration names are replaced by their
//! values here, so that nothing after this asks where a text came from. What the fields mean is never looked at here.

use prost::Message;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

use crate::config::reading::refusal::{Checked, Refusals};
use crate::words::json;

/// Gives the value of an environment variable, if it is set.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads a configuration. `{environment_variable: NAME}` may stand wherever a text may stand. What is refused here becomes
/// `null`, and nothing else is `null` afterwards.
pub(crate) fn document(bytes: &[u8], environment: Environment<'_>, refusals: &mut Refusals) -> Checked<Value> {
    let mut document = parsed(bytes, refusals)?;
    fill_in("", &mut document, environment, refusals);
    Ok(document)
}

fn parsed(bytes: &[u8], refusals: &mut Refusals) -> Checked<Value> {
    let mut refused = |sentence: String| Err(refusals.refuse("", sentence));
    if bytes.trim_ascii().is_empty() {
        return refused(
            "expected a configuration, found none; give the plugin a configuration with origins and providers".into(),
        );
    }
    // An encoded Struct has bytes that JSON cannot have, so that no configuration is both.
    match json::object(bytes) {
        Ok(members) => Ok(Value::Object(members)),
        Err(why) => match prost_types::Struct::decode(bytes) {
            Ok(object) if bytes.first() != Some(&b'{') => Ok(from_struct(object)),
            _ => refused(format!(
                "expected a JSON object or a google.protobuf.Struct, found neither ({why}); give the plugin one of both"
            )),
        },
    }
}

/// Puts the values of environment variables in their places, and refuses every `null`: a template of the deployment that had no
/// value leaves one, and a rule that lost its condition in this way would let everybody in.
fn fill_in(path: &str, value: &mut Value, environment: Environment<'_>, refusals: &mut Refusals) {
    let separator = if path.is_empty() { "" } else { "." };
    if let Some(name) = variable(value) {
        // A line break at the end comes from `echo` and is not meant.
        let text = environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if text.is_none() {
            let sentence = [
                "expected an environment variable, found none; set ",
                name,
                " for Envoy, and list it in vm_config.environment_variables.host_env_keys",
            ];
            let _ = refusals.refuse(path, sentence.concat());
        }
        *value = text.map_or(Value::Null, Value::String);
        return;
    }
    match value {
        Value::Null => {
            let _ = refusals.refuse(path, "expected a value, found nothing; give it one, or remove the field");
        }
        Value::Array(members) => {
            for (index, member) in members.iter_mut().enumerate() {
                fill_in(&format!("{path}[{index}]"), member, environment, refusals);
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                fill_in(&format!("{path}{separator}{name}"), member, environment, refusals);
            }
        }
        Value::String(text) => {
            if let Some(remedy) = unfilled(text) {
                let sentence = ["expected a value, found a placeholder that nobody has filled in; write ", &remedy].concat();
                let _ = refusals.refuse(path, sentence);
                *value = Value::Null;
            }
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What to write instead of a text that is nothing but a placeholder, for which a shell or a template of the deployment should
/// have put a value: `${NAME}`, `${NAME:-default}`, `$(NAME)` or `{{ … }}`. Of the text only the NAME is told, which is in upper
/// case: in a template for the user service `${account}` is a dollar sign and a gap. Braces within braces are no placeholder, but
/// may be a query.
fn unfilled(text: &str) -> Option<String> {
    let text = text.trim();
    let within = |open: &str, close: char| text.strip_prefix(open)?.strip_suffix(close);
    if let Some(inner) = within("${", '}').or_else(|| within("$(", ')')) {
        let end = inner.find(|sign: char| !matches!(sign, 'A'..='Z' | '0'..='9' | '_')).unwrap_or(inner.len());
        let (name, default) = inner.split_at_checked(end)?;
        let is_name = name.starts_with(|sign: char| !sign.is_ascii_digit());
        let is_default = default.is_empty() || default.starts_with([':', '-', '?']);
        return (is_name && is_default).then(|| ["{environment_variable: ", name, "}"].concat());
    }
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let is_expression = !inner.trim().is_empty() && !inner.contains(['{', '}']);
    is_expression.then(|| "the value itself, or {environment_variable: NAME}".to_owned())
}

/// The NAME in `{environment_variable: NAME}`.
fn variable(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("environment_variable")?.as_str()
}

fn from_struct(object: prost_types::Struct) -> Value {
    let mut members = Map::new();
    members.extend(object.fields.into_iter().map(|(name, value)| (name, from_value(value))));
    Value::Object(members)
}

/// Calls itself for nested values. The protobuf decoder bounds how deep they are.
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

/// A Struct has only doubles. Whole numbers are meant as integers.
fn from_number(number: f64) -> Value {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "it is whole, and smaller than the bound above")]
        return Value::Number((number as i64).into());
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
