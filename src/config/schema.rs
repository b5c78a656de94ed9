//! The JSON Schema (draft 2020-12) of what was described. It takes everything that the filter takes, and says what it cannot know. It
//! never looks at a configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::described::{Field, Kind, List, Object, Word};

/// Which JSON Schema it is.
pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What it says of itself.
pub(crate) const DESCRIPTION: &str = "The configuration of Accredit. It knows fields, types, words and bounds of single values. What follows from several values together is only known to the filter, and to `accredit check`: a rule that an earlier one hides, a policy, provider or cluster that does not exist, a key that is too short or stands twice, a field that has no effect beside another, an address that is not https, an environment variable that is not set.";

/// The definitions that are not shapes.
const VARIABLE: &str = "environment_variable";
const JSON: &str = "json";

/// The schema of a document that is written as this.
pub fn schema(document: &Kind) -> Value {
    let (mut schema, definitions) = definitions(document);
    let members = [
        ("$schema", DIALECT.into()),
        ("title", "The configuration of Accredit".into()),
        ("description", DESCRIPTION.into()),
        ("$defs", json!(definitions)),
    ];
    add(&mut schema, members);
    schema
}

/// A reference to the definition of a document that is written as this, and all definitions.
pub(crate) fn definitions(document: &Kind) -> (Value, BTreeMap<String, Value>) {
    let mut definitions = Definitions::default();
    let reference = definitions.of(document);
    definitions.0.insert(VARIABLE.to_owned(), variable());
    definitions.0.insert(JSON.to_owned(), any_json());
    (reference, definitions.0)
}

/// The objects that were met, by the names of their shapes.
#[derive(Default)]
struct Definitions(BTreeMap<String, Value>);

impl Definitions {
    fn of(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Text(text) => match &text.pattern {
                Some(pattern) => or_variable(&json!({"type": "string", "pattern": pattern})),
                None => or_variable(&json!({"type": "string"})),
            },
            Kind::Secret => or_variable(&json!({"type": "string", "pattern": "\\S"})),
            Kind::Words(words) => or_variable(&words_of(words)),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::Number(least, most) => bounded(*least, *most),
            Kind::Span(least, most) => span(*least, *most),
            Kind::Scalar => json!({"anyOf": [{"type": ["string", "number", "boolean"]}, reference(VARIABLE)]}),
            Kind::Json => reference(JSON),
            Kind::List(list) => self.list(list),
            Kind::Map(of) => json!({"type": "object", "additionalProperties": self.of(of)}),
            Kind::Object(object) => self.object(object),
            Kind::Either(_, kinds) => json!({"anyOf": kinds.iter().map(|kind| self.of(kind)).collect::<Vec<_>>()}),
        }
    }

    fn list(&mut self, list: &List) -> Value {
        let mut schema = json!({"type": "array", "items": self.of(&list.of)});
        let bounds = [("minItems", (list.least > 0).then_some(list.least)), ("maxItems", list.most)];
        add(&mut schema, bounds.into_iter().filter_map(|(name, bound)| Some((name, bound?.into()))));
        schema
    }

    /// A reference to the definition of an object, which is made when it is met first.
    fn object(&mut self, object: &Object) -> Value {
        if !self.0.contains_key(object.name) {
            // Conditions hold conditions: those inside find this place taken.
            self.0.insert(object.name.to_owned(), Value::Null);
            let fields = (object.fields)();
            let properties: Map<_, _> = fields.iter().map(|field| (field.name.to_owned(), self.field(field))).collect();
            let required: Vec<_> = fields.iter().filter(|field| field.is_required).map(|field| field.name).collect();
            let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": object.is_open});
            if !required.is_empty() {
                add(&mut schema, [("required", required.into())]);
            }
            if object.never_empty {
                add(&mut schema, [("minProperties", 1.into())]);
            }
            self.0.insert(object.name.to_owned(), schema);
        }
        reference(object.name)
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut schema = self.of(&field.kind);
        if !field.meaning.is_empty() {
            add(&mut schema, [("description", without_links(&field.meaning).into())]);
        }
        add(&mut schema, field.default_value().map(|default| ("default", default)));
        schema
    }
}

fn add(schema: &mut Value, members: impl IntoIterator<Item = (&'static str, Value)>) {
    if let Value::Object(object) = schema {
        object.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}

fn reference(name: &str) -> Value {
    let place = ["#/$defs/", name].concat();
    json!({"$ref": place})
}

/// Wherever a text may stand, the name of the environment variable that holds it may stand too.
fn or_variable(text: &Value) -> Value {
    json!({"anyOf": [text, reference(VARIABLE)]})
}

fn words_of(words: &[Word]) -> Value {
    if words.iter().all(|word| word.meaning.is_empty()) {
        return json!({"enum": words.iter().map(|word| word.word).collect::<Vec<_>>()});
    }
    let each = words.iter().map(|word| json!({"const": word.word, "description": without_links(word.meaning)}));
    json!({"anyOf": each.collect::<Vec<_>>()})
}

fn bounded(least: u64, most: Option<u64>) -> Value {
    let mut schema = json!({"type": "integer", "minimum": least});
    add(&mut schema, most.map(|most| ("maximum", most.into())));
    schema
}

/// A span: a text with units, whose length only the filter reckons, or a number of seconds.
fn span(least: Duration, most: Option<Duration>) -> Value {
    let least_seconds = least.as_millis().div_ceil(1_000);
    let seconds = bounded(u64::try_from(least_seconds).unwrap_or(u64::MAX), most.map(|most| most.as_secs()));

    let text = "^\\s*([0-9]+\\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)\\s*)+$";
    json!({"anyOf": [{"type": "string", "pattern": text}, seconds, reference(VARIABLE)]})
}

fn variable() -> Value {
    json!({
        "description": "A text that the environment variable of this name holds. It must be set for Envoy, and listed in vm_config.environment_variables.host_env_keys.",
        "type": "object",
        "properties": {"environment_variable": {"type": "string"}},
        "required": ["environment_variable"],
        "additionalProperties": false,
    })
}

fn any_json() -> Value {
    json!({
        "type": ["string", "number", "boolean", "array", "object"],
        "items": reference(JSON),
        "additionalProperties": reference(JSON),
    })
}

/// Markdown without the addresses of its links, which lead into the reference.
fn without_links(markdown: &str) -> String {
    let mut plain = String::new();
    let mut rest = markdown;
    while let Some((before, text, after)) = link(rest) {
        plain.push_str(before);
        plain.push_str(text);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// What stands before the first link, its text, and what stands behind it.
fn link(markdown: &str) -> Option<(&str, &str, &str)> {
    let (head, tail) = markdown.split_once("](")?;
    let (before, text) = head.rsplit_once('[')?;
    let (_, after) = tail.split_once(')')?;
    Some((before, text, after))
}
