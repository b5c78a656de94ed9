//! What the command reads: files, its standard input, and environment variables. Secrets come from there alone, because other
//! people on a machine can read the arguments of a program. What was read is never written again.

use std::fs::{File, metadata};
use std::io::{Read, stdin};

use crate::cli::terminal::Trouble;
use crate::cli::yaml::reader::MOST_BYTES;
use crate::words::secret::Secret;

/// The text of a file, or of the standard input if its name is `-`.
///
/// # Errors
/// If it cannot be read, is no UTF-8, or has more than [`MOST_BYTES`].
pub(super) fn text(file: &str) -> Result<String, Trouble> {
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    let read = match file {
        "-" => stdin().lock().take(most.saturating_add(1)).read_to_string(&mut text),
        _ => File::open(file).and_then(|open| open.take(most.saturating_add(1)).read_to_string(&mut text)),
    };
    match read {
        Err(error) => Err(Trouble::told(format!("{file} cannot be read: {error}"))),
        Ok(bytes) if bytes > MOST_BYTES => Err(Trouble::told(format!("{file} cannot be read: it has more than 8 MiB"))),
        Ok(_) => Ok(text),
    }
}

/// The text of a regular file. This is for names that stand in another file: whoever has written that could name a pipe, which would
/// be waited for, or a device without an end.
///
/// # Errors
/// As [`text`], and for anything that is no regular file.
pub(super) fn text_of_regular(file: &str) -> Result<String, Trouble> {
    match metadata(file) {
        Ok(found) if found.is_file() && file != "-" => text(file),
        Ok(_) => Err(Trouble::told(format!("{file} cannot be read: it is no regular file"))),
        Err(error) => Err(Trouble::told(format!("{file} cannot be read: {error}"))),
    }
}

/// The token in a file, with or without the scheme of the header that it came in.
///
/// # Errors
/// As [`text`].
pub(super) fn token(file: &str) -> Result<Secret, Trouble> {
    let text = Secret::new(text(file)?);
    let token = text.expose().trim();
    Ok(Secret::new(token.strip_prefix("Bearer ").unwrap_or(token)))
}

/// The secret in an environment variable.
///
/// # Errors
/// If the variable is not set.
pub(super) fn secret(variable: &str) -> Result<Secret, Trouble> {
    let text = std::env::var(variable);
    text.map(Secret::new).map_err(|_| Trouble::told(format!("the environment variable {variable} is not set, or is no UTF-8")))
}
