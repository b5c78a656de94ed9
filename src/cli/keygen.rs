//! New keys: random bytes that seal sessions. A key is written to standard output alone, and kept nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};

/// How many random bytes a key has: as many as the algorithm that seals can use.
const KEY_BYTES: usize = 32;

/// Makes a key, and writes it.
///
/// # Errors
/// If this machine gives no randomness, or the key cannot be written.
pub(super) fn keygen(terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let text = key()?;
    match terminal.form() {
        Form::Words => terminal.line(text.as_str())?,
        Form::Json => terminal.json(&json!({"key": text.as_str()}))?,
    }
    Ok(Outcome::Fine)
}

/// A new key, as `session.keys` has it.
///
/// # Errors
/// If this machine gives no randomness.
pub(super) fn key() -> Result<Zeroizing<String>, Trouble> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::getrandom(key.as_mut()).map_err(|error| Trouble::told(format!("this machine gives no randomness: {error}")))?;
    Ok(Zeroizing::new(STANDARD.encode(key.as_ref())))
}
