//! What a scalar of YAML becomes on its way to the filter. There are two ways, and they differ: Envoy reads YAML with yaml-cpp
//! and rules of its own; Kubernetes reads it as YAML 1.1 and hands on JSON. Neither is the "core schema" of YAML 1.2. The
//! end-to-end tests ask both.

use serde_json::{Number, Value};

use crate::cli::yaml::spot::Origin;

/// Who reads the YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Envoy reads a file of its own.
    Envoy,
    /// `kubectl` and the controllers read an object of Kubernetes.
    Kubernetes,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotation marks: it may be something else than a text.
    Plain,
    /// As a text.
    Text,
}

/// A value that has no parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// The text, without quotation marks and indentation.
    pub(crate) text: String,
    /// How it was written.
    pub(crate) style: Style,
    /// Its tag, such as `!!str`, written as `tag:yaml.org,2002:str`.
    pub(crate) tag: Option<String>,
    /// Where the text itself stands.
    pub(crate) origin: Origin,
}

impl Scalar {
    /// What the filter gets for it.
    pub(crate) fn value(&self, dialect: Dialect) -> Value {
        match dialect {
            Dialect::Envoy => self.for_envoy(),
            Dialect::Kubernetes => self.for_kubernetes(),
        }
    }

    fn for_envoy(&self) -> Value {
        let is_text = match self.tag.as_deref() {
            // A text in quotation marks has this tag, too, unless it has another.
            Some(tag) => tag == "!",
            None => self.style == Style::Text,
        };
        if is_text {
            return Value::String(self.text.clone());
        }
        if self.tag.is_none() && is_null(&self.text) {
            return Value::Null;
        }
        if let Some(truth) = truth(&self.text) {
            return Value::Bool(truth);
        }
        match integer(&self.text) {
            Some(number) if i32::try_from(number).is_ok() => Value::Number(number.into()),
            // A number that may not fit into a double is handed on as a text, in decimal.
            Some(number) => Value::String(number.to_string()),
            None => Value::String(self.text.clone()),
        }
    }

    fn for_kubernetes(&self) -> Value {
        let is_text = match self.tag.as_deref() {
            Some(tag) => matches!(tag, "!" | "tag:yaml.org,2002:str"),
            None => self.style == Style::Text,
        };
        if is_text {
            return Value::String(self.text.clone());
        }
        if is_null(&self.text) {
            return Value::Null;
        }
        let truth = truth(&self.text).map(Value::Bool);
        let number = || go_number(&self.text).map(Value::Number);
        truth.or_else(number).unwrap_or_else(|| Value::String(self.text.clone()))
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The words for true and false of YAML 1.1: in lower case, in upper case, or with a capital.
fn truth(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let upper = text.to_ascii_uppercase();
    let rest_is_lower = text.get(1..).is_some_and(|rest| lower.get(1..) == Some(rest));
    if text != lower && text != upper && !rest_is_lower {
        return None;
    }
    match lower.as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// A whole number as a C++ stream reads it: `0x` begins a hexadecimal and `0` an octal one.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = without_sign(text);
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => radix(hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => radix(digits, 8),
        None => radix(digits, 10),
    }?;
    signed(negative, magnitude)
}

/// A number as Go reads it, with underscores between its digits.
fn go_number(text: &str) -> Option<Number> {
    // A number begins with a digit, a sign or a point.
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = without_sign(&plain);
    let lower = digits.to_ascii_lowercase();
    let magnitude = match lower.split_at_checked(2) {
        Some(("0x", rest)) => radix(rest, 16),
        Some(("0o", rest)) => radix(rest, 8),
        Some(("0b", rest)) => radix(rest, 2),
        _ if lower.len() > 1 && lower.starts_with('0') => radix(&lower, 8),
        _ => radix(&lower, 10),
    };
    if let Some(number) = magnitude.and_then(|magnitude| signed(negative, magnitude)) {
        return Some(number.into());
    }
    if let (Some(magnitude), false) = (magnitude, negative) {
        return Some(magnitude.into());
    }
    let of_decimal = |sign: char| sign.is_ascii_digit() || matches!(sign, '.' | 'e' | 'E' | '+' | '-');
    let decimal = plain.chars().all(of_decimal) && plain.contains(|sign: char| sign.is_ascii_digit());
    plain.parse().ok().filter(|_| decimal).and_then(Number::from_f64)
}

fn without_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn radix(digits: &str, radix: u32) -> Option<u64> {
    // `from_str_radix` also takes a sign.
    digits.chars().all(|digit| digit.is_digit(radix)).then(|| u64::from_str_radix(digits, radix).ok())?
}

fn signed(negative: bool, magnitude: u64) -> Option<i64> {
    let number = i128::from(magnitude);
    i64::try_from(if negative { number.checked_neg()? } else { number }).ok()
}
