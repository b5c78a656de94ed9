//! What an operator writes: its shape, and every way it can be wrong. What comes out are settings that make sense. All mistakes
//! are refused at once, each with a sentence that a person can act on. Every default is applied here, and nothing of the
//! configuration is looked up or fetched later.
//!
//! Each part of a configuration has one file or folder with its shape, its meaning and its refusals. From the bottom up:
//!
//! | sub-room | what it knows |
//! |---|---|
//! | `described` | what each part looks like, as data for the schema and the reference; native only |
//! | `reading` | how any value is read, and how mistakes are collected |
//! | [`settings`] | what comes out: the types that the rest of the house works with |
//! | `providers` | providers, their clients, and the bearer tokens that are accepted |
//! | `transmitters` | who may end sessions by security events |
//! | `access` | who may go where, and what the upstream is told |
//! | `pages` | what people see |
//! | `sessions` | what a session is, and the tokens that Accredit signs itself |
//! | `signing_in` | password, popup and user service |
//! | `whole` | all of them, and what must fit together across them |
//! | `host` | what the host must be able to do |

use std::cell::RefCell;

mod access;
#[cfg(not(target_arch = "wasm32"))]
pub mod described;
#[cfg(not(target_arch = "wasm32"))]
pub mod envoy_schema;
mod host;
mod pages;
mod providers;
mod reading;
mod revocations;
#[cfg(not(target_arch = "wasm32"))]
pub mod schema;
mod sessions;
pub mod settings;
mod signing_in;
mod transmitters;
mod whole;

pub use host::check_host;
pub use reading::refusal::{Refusal, Refusals};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use reading::spellings::written;

use reading::document::document;
use settings::Settings;

use crate::words::secret::Secret;

/// Reads and checks a plugin's configuration: JSON, or a `google.protobuf.Struct` in its wire form. `environment` gives the value
/// of an environment variable, and is asked for those that the configuration names. Refusals never show such a value: it may be a
/// secret.
///
/// # Errors
/// Every mistake, in the order of the configuration reference.
pub fn load(bytes: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Refusals> {
    let filled_in = RefCell::new(Vec::new());
    let remembered = |name: &str| {
        let text = environment(name)?;
        filled_in.borrow_mut().push(Secret::new(text.trim()));
        Some(text)
    };
    let mut refusals = Refusals::default();
    let document = document(bytes, &remembered, &mut refusals);
    let settings = document.and_then(|document| whole::settings(&document, &mut refusals));
    refusals.or(settings).map_err(|refusals| refusals.without(filled_in.take()))
}

/// What a configuration looks like: all its fields, and what may stand in each.
#[cfg(not(target_arch = "wasm32"))]
pub fn described() -> described::Kind {
    whole::described()
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
