//! What an operator writes: its shape, and every way it can be wrong. What comes out are settings that make sense; what is wrong
//! is refused with a sentence that a person can act on. Nothing is looked up, fetched or defaulted later than here.

use std::fmt;

mod bearer;
pub mod check;
mod conditions;
mod identity;
mod place;
mod providers;
pub mod read;
mod rules;
pub mod settings;
pub mod shapes;
pub mod spellings;
mod values;

use settings::Settings;

use crate::words::world::{Hash, HostVerdict, SignatureCheck, World};

/// Why a configuration is refused: the field's path, and a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `rules[2].require.claim`.
    pub path: String,
    /// Such as `expected …, found …; write …`. Never the value of a secret.
    pub sentence: String,
}

impl Refusal {
    /// A refusal of the field at `path`.
    pub fn new(path: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { path: path.into(), sentence: sentence.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return formatter.write_str(&self.sentence);
        }
        write!(formatter, "{}: {}", self.path, self.sentence)
    }
}

/// Reads and checks a plugin's configuration: JSON, or a `google.protobuf.Struct` in its wire form. Environment variables are
/// looked up where the configuration names them.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(bytes: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Refusal> {
    check::check(read::read(bytes)?, environment)
}

/// Refuses what a configuration asks for and this host cannot do.
///
/// # Errors
/// The first thing that it cannot do.
pub fn check_host(settings: &Settings, world: &dyn World) -> Result<(), Refusal> {
    let question = SignatureCheck { hash: Hash::Sha384, spki: &[], signature: &[], message: &[] };
    if world.verify_signature(&question) != HostVerdict::NotOffered {
        return Ok(());
    }
    let sentence =
        "expected algorithms that are verified without the host, because this one verifies no signatures, found ES384; remove it";
    for (index, provider) in settings.providers.iter().enumerate() {
        let of_bearer = provider.oidc.bearer.as_ref().map(|bearer| bearer.algorithms.as_slice()).unwrap_or_default();
        for (member, algorithms) in [("algorithms", provider.oidc.algorithms.as_slice()), ("bearer.algorithms", of_bearer)] {
            if algorithms.iter().any(|algorithm| algorithm.needs_the_host()) {
                return Err(Refusal::new(format!("providers[{index}].{member}"), sentence));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
