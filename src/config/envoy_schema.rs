//! The JSON Schema of files that hold a configuration: an Envoy's file, or an object of Kubernetes. It lets through whatever else
//! stands there, because Envoy and Kubernetes check that themselves.

use serde_json::{Value, json};

use crate::config::described::Kind;
use crate::config::schema::{DESCRIPTION, DIALECT, definitions};

/// The schema of a file that holds documents which are written as this.
pub fn envoy_schema(document: &Kind) -> Value {
    let (configuration, mut definitions) = definitions(document);
    definitions.insert("configuration".to_owned(), configuration);
    definitions.insert("plugin".to_owned(), plugin());
    definitions.insert("part".to_owned(), part());
    json!({
        "$schema": DIALECT,
        "title": "A file that holds Accredit",
        "description": DESCRIPTION,
        "$ref": "#/$defs/part",
        "$defs": definitions,
    })
}

/// Any part of the file: the filter's configuration, a plugin of Envoy that is Accredit, or something that may have one inside.
fn part() -> Value {
    let inside = json!({"items": {"$ref": "#/$defs/part"}, "additionalProperties": {"$ref": "#/$defs/part"}});
    json!({
        "if": is_configuration(),
        "then": {"$ref": "#/$defs/configuration"},
        "else": {"if": is_plugin(), "then": {"$ref": "#/$defs/plugin"}, "else": inside},
    })
}

/// Nothing else in these files has a list of this name.
fn is_configuration() -> Value {
    json!({"type": "object", "required": ["origins"], "properties": {"origins": {"type": "array"}}})
}

/// A plugin that is Accredit by its name, so that it is recognised when `origins` is missing or mistyped.
fn is_plugin() -> Value {
    let named = |member: &str| {
        let name = json!({"type": "string", "pattern": "[Aa][Cc][Cc][Rr][Ee][Dd][Ii][Tt]"});
        json!({"required": [member], "properties": {member: name}})
    };
    json!({"type": "object", "required": ["configuration", "vm_config"], "anyOf": [named("name"), named("root_id")]})
}

fn plugin() -> Value {
    // In a StringValue the configuration is a text, of which a schema says nothing.
    let value = json!({"if": {"type": "object"}, "then": {"$ref": "#/$defs/configuration"}});
    json!({"properties": {"configuration": {"properties": {"value": value}}}})
}
