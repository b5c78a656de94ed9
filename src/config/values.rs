//! Values that several parts of a configuration have: secrets, spans of time.

use std::time::Duration;

use crate::config::Refusal;
use crate::config::spellings::{SecretSource, Span, written};
use crate::words::secret::Secret;

/// Where environment variables are looked up.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A secret, wherever it comes from.
pub(super) fn resolve(path: &str, source: SecretSource, environment: Environment<'_>) -> Result<Secret, Refusal> {
    let (text, remedy) = match source {
        SecretSource::Inline(text) => (Some(text), "write the secret, or {environment_variable: NAME}".to_owned()),
        SecretSource::Environment(name) => {
            let remedy = format!("set {name} for Envoy and list it in vm_config.environment_variables.host_env_keys");
            (environment(&name), remedy)
        }
    };
    match text.filter(|text| !text.trim().is_empty()) {
        // A line break at the end comes from `echo`, not from the provider.
        Some(text) => Ok(Secret::new(text.trim())),
        None => Err(Refusal::new(path, format!("expected a secret, found none; {remedy}"))),
    }
}

/// A span of at least a second and at most `longest`.
pub(super) fn positive(path: &str, span: Option<Span>, usual: Duration, longest: Duration) -> Result<Duration, Refusal> {
    let span = span.map_or(usual, |span| span.0);
    if span < Duration::from_secs(1) || span > longest {
        let sentence = format!("expected a span from 1s to {}, found {}; write another", written(longest), written(span));
        return Err(Refusal::new(path, sentence));
    }
    Ok(span)
}
