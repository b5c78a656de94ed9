//! What an operator writes: its shape, and every way it can be wrong. What comes out are settings that make sense; what is wrong
//! is refused, all of it at once, each with a sentence that a person can act on. Nothing is looked up, fetched or defaulted later
//! than here.
//!
//! [`reading`] knows how anything is read. Each part of a configuration has one file or folder: its shape, its meaning and its refusals.
//! [`whole`] knows the parts, and what must fit together across them; [`host`] what the host must be able to do.

use std::cell::RefCell;

mod accounts;
mod claim_to_headers;
mod delivery;
mod endpoints;
mod filter_state;
mod fingerprints;
mod forward;
mod header_names;
mod help;
mod host;
mod logout;
mod origins;
mod own_tokens;
mod password;
mod policies;
mod popup;
mod providers;
mod reading;
mod requirements;
mod rules;
mod secrets;
mod session;
pub mod settings;
mod sign_in;
mod throttle;
mod whole;

pub use host::check_host;
pub use reading::refusal::{Refusal, Refusals};

use reading::document::document;
use settings::Settings;

use crate::words::secret::Secret;

/// Reads and checks a plugin's configuration: JSON, or a `google.protobuf.Struct` in its wire form. Environment variables are
/// looked up where the configuration names them. What stands in them is taken out of refusals: it may be a secret.
///
/// # Errors
/// All that is wrong, in the order of the configuration reference.
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

#[cfg(test)]
mod tests;
