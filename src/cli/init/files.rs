//! Writes the files of a new gateway. Secrets stand in a file of their own, which only its owner can read. No file is overwritten,
//! unless the person says so, and a file with secrets never is.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};

use zeroize::Zeroizing;

use crate::cli::init::plan::{Plan, Target};
use crate::cli::keygen;
use crate::cli::terminal::Trouble;

/// What became of the file with the secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// It is new.
    Written,
    /// It was there, and is as it was.
    Kept,
}

/// Refuses to go on if the file is there.
///
/// # Errors
/// If it is there, and may not be overwritten.
pub(crate) fn refuse_existing(file: &str, force: bool) -> Result<(), Trouble> {
    if !force && std::fs::symlink_metadata(file).is_ok() {
        return Err(Trouble::told(format!("{file} is there already; name another by --output, or write --force")));
    }
    Ok(())
}

/// Writes a file that holds no secret.
///
/// # Errors
/// If it cannot be written, or is there and may not be overwritten.
pub(crate) fn write(file: &str, text: &str, force: bool) -> Result<(), Trouble> {
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    let written = options.open(file).and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| Trouble::told(format!("{file} cannot be written: {error}")))
}

/// Writes new keys into the file of the secrets, unless there is one: whoever has keys keeps them, and all sessions with them.
///
/// # Errors
/// If it cannot be written, or there is no randomness.
pub(crate) fn write_secrets(plan: &Plan) -> Result<Secrets, Trouble> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(&plan.secrets) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Secrets::Kept),
        Err(error) => return Err(Trouble::told(format!("{} cannot be written: {error}", plan.secrets))),
    };
    let text = secrets(plan)?;
    file.write_all(text.as_bytes()).map_err(|error| Trouble::told(format!("{} cannot be written: {error}", plan.secrets)))?;
    Ok(Secrets::Written)
}

fn secrets(plan: &Plan) -> Result<Zeroizing<String>, Trouble> {
    let (keys, secret): (&[&str], &str) = match plan.target {
        Target::Laptop | Target::Compose => (&["ACCREDIT_KEY"], plan.secret_variable.as_str()),
        // The names that deploy/kubernetes/base/deployment.yaml has for them.
        Target::Kubernetes => (&["session-key", "other-session-key"], "oidc-client-secret"),
    };
    let mut text = Zeroizing::new(String::from(
        "# The secrets of a gateway: keep this file from others, and out of version control. Another key ends all sessions.\n",
    ));
    for name in keys.iter().copied() {
        let key = keygen::key()?;
        text.extend([name, "=", key.as_str(), "\n"]);
    }
    text.extend(["# The client's secret at the provider, unless it is in the environment already:\n# ", secret, "=\n"]);
    Ok(text)
}
