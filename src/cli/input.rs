//! What the command reads: files, its standard input, and environment variables. Secrets come from there alone, because other
//! people on a machine can read the arguments of a program. What was read is never written again.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use crate::cli::terminal::Trouble;
use crate::words::secret::Secret;

/// The most bytes that are read of one input.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// The text of a file, or of the standard input if the path is `-`.
///
/// # Errors
/// If it cannot be read, is no UTF-8, or has more than 8 MiB.
pub(super) fn text(path: &Path) -> Result<String, Trouble> {
    let name = path.display();
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => stdin().lock().take(MOST_BYTES.saturating_add(1)).read_to_string(&mut text),
        _ => File::open(path).and_then(|file| file.take(MOST_BYTES.saturating_add(1)).read_to_string(&mut text)),
    };
    match read {
        Err(error) => Err(Trouble::told(format!("{name} cannot be read: {error}"))),
        Ok(bytes) if u64::try_from(bytes).is_ok_and(|bytes| bytes > MOST_BYTES) => {
            Err(Trouble::told(format!("{name} has more than 8 MiB")))
        }
        Ok(_) => Ok(text),
    }
}

/// The secret in an environment variable.
///
/// # Errors
/// If the variable is not set.
pub(super) fn secret(variable: &str) -> Result<Secret, Trouble> {
    let text = std::env::var(variable);
    text.map(Secret::new).map_err(|_| Trouble::told(format!("the environment variable {variable} is not set, or is no UTF-8")))
}
