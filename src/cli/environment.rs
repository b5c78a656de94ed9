//! The environment variables that a configuration names: from a file, from the process, or from the file that holds the plugin.
//! A secret that is missing here gets a random stand-in, so that the rest can be checked. No value is ever printed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::pkcs8::EncodePrivateKey as _;
use serde_json::Value;

use crate::cli::envoy::variables::Variables;
use crate::cli::hidden::Hidden;

/// How many random bytes a stand-in has: as many as the longest key needs.
const RANDOM_BYTES: usize = 32;

/// Where values of variables come from.
#[derive(Default)]
pub(crate) struct Environment {
    of_file: BTreeMap<String, String>,
    of_process: bool,
}

impl Environment {
    /// The variables of these lines, as a `.env` file has them: `NAME=value`. With `of_process`, those of this process besides.
    ///
    /// # Errors
    /// The number of the first line that is something else.
    pub(crate) fn new(lines: &str, of_process: bool) -> Result<Self, usize> {
        let mut of_file = BTreeMap::new();
        for (index, line) in lines.lines().enumerate().filter(|(_, line)| !is_empty(line)) {
            let line = line.trim();
            let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=').ok_or(index.saturating_add(1))?;
            of_file.insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
        }
        Ok(Self { of_file, of_process })
    }

    fn get(&self, name: &str) -> Option<String> {
        let of_process = || std::env::var(name).ok().filter(|_| self.of_process);
        self.of_file.get(name).cloned().or_else(of_process).filter(|value| !value.trim().is_empty())
    }

    /// The values of all variables that a configuration names.
    pub(crate) fn given(&self, configuration: &Value, variables: &Variables) -> Given {
        let mut given = Given::default();
        for (path, name) in asked(configuration) {
            if given.values.contains_key(&name) {
                continue;
            }
            if let Some(value) = variables.value(&name) {
                given.values.insert(name, value.to_owned());
            } else if let Some(value) = self.get(&name) {
                given.of_surroundings.push(name.clone());
                given.values.insert(name, value);
            } else if let Some(stand_in) = is_secret(&path).then(|| stand_in(configuration, &path)).flatten() {
                given.stood_in.push(name.clone());
                given.values.insert(name, stand_in);
            } else {
                given.missing.push((path, name));
            }
        }
        given
    }
}

/// What a configuration gets for the variables that it names.
#[derive(Default)]
pub(crate) struct Given {
    values: BTreeMap<String, String>,
    /// The variables whose values the configuration's own file does not have.
    of_surroundings: Vec<String>,
    /// The variables that got a stand-in.
    pub(crate) stood_in: Vec<String>,
    /// The variables without a value, each with the path of the field that names it first.
    pub(crate) missing: Vec<(String, String)>,
}

impl Given {
    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// The values that only the surroundings of the command have, and that must not be written.
    pub(crate) fn hidden(&self) -> Hidden {
        let value = |name: &'_ String| self.values.get_key_value(name);
        Hidden::of(self.of_surroundings.iter().filter_map(value).map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The same configuration with the values in their places. It holds secrets, and is never printed.
    pub(crate) fn filled_in(&self, value: &Value) -> Value {
        if let Some(name) = variable(value) {
            return self.values.get(name).map_or(Value::Null, |text| Value::String(text.trim().to_owned()));
        }
        match value {
            Value::Array(elements) => elements.iter().map(|element| self.filled_in(element)).collect(),
            Value::Object(members) => {
                let filled_in = members.iter().map(|(name, member)| (name.clone(), self.filled_in(member)));
                Value::Object(filled_in.collect())
            }
            other => other.clone(),
        }
    }
}

/// Each field of a configuration that names a variable: its path, and the name.
pub(crate) fn asked(configuration: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each_text(configuration, &mut |path, value| found.extend(variable(value).map(|name| (path.to_owned(), name.to_owned()))));
    found
}

/// The paths of secrets that are written into the configuration as they are.
pub(crate) fn written_secrets(configuration: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_text(configuration, &mut |path, value| {
        if value.is_string() && is_secret(path) {
            found.push(path.to_owned());
        }
    });
    found
}

/// Whether the field at this path holds a secret.
fn is_secret(path: &str) -> bool {
    let own_key = (path.starts_with("session.") || path.starts_with("forward.")) && path.contains("keys[");
    let of_provider = path.starts_with("providers[") && (path.ends_with(".client_secret") || path.ends_with(".secret"));
    let of_store = path.starts_with("revocations.") && path.ends_with(".password");
    let of_transmitter = path.starts_with("transmitters[") && path.ends_with(".authorization");
    own_key || of_provider || of_store || of_transmitter || (path.starts_with("accounts.") && path.contains("headers."))
}

/// Calls `look` with the path of each text, and of each object that stands for one.
fn each_text(configuration: &Value, look: &mut dyn FnMut(&str, &Value)) {
    fn walk(path: &str, value: &Value, look: &mut dyn FnMut(&str, &Value)) {
        match value {
            Value::Array(elements) => {
                elements.iter().enumerate().for_each(|(index, element)| walk(&format!("{path}[{index}]"), element, look));
            }
            Value::Object(members) if variable(value).is_none() => {
                let separator = if path.is_empty() { "" } else { "." };
                members.iter().for_each(|(name, member)| walk(&format!("{path}{separator}{name}"), member, look));
            }
            Value::Object(_) | Value::String(_) => look(path, value),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    walk("", configuration, look);
}

/// The variable that an object stands for.
fn variable(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("environment_variable")?.as_str()
}

/// A secret that nobody knows, of the kind that this field needs; `None` for an RSA key, which takes long to make.
fn stand_in(configuration: &Value, path: &str) -> Option<String> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::getrandom(&mut bytes).ok()?;
    match algorithm(configuration, path) {
        None | Some("HS256") => Some(STANDARD.encode(bytes)),
        Some("ES256") => {
            let key = p256::SecretKey::from_slice(&bytes).ok()?;
            let der = key.to_pkcs8_der().ok()?;
            Some(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_bytes())))
        }
        Some(_) => None,
    }
}

/// The algorithm of the tokens that the key at this path signs.
fn algorithm<'a>(configuration: &'a Value, path: &str) -> Option<&'a str> {
    let signs = ["session.jwt", "forward.identity_jwt"].into_iter().find(|place| path.starts_with(&format!("{place}.keys")))?;
    configuration.pointer(&format!("/{}/algorithm", signs.replace('.', "/")))?.as_str()
}

fn is_empty(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn unquoted(value: &str) -> &str {
    let inside = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}
