//! Writes the files of a new gateway. Secrets stand in a file of their own, which only its owner can read. No file is overwritten,
//! unless the person says so, and a file with secrets never is.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

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
    Kept {
        /// Whether its modes let others on this machine read it.
        others_read: bool,
    },
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

/// Refuses to go on if the two files are one: with `--force`, the secrets would be overwritten.
///
/// # Errors
/// If they are one, or a folder is not there.
pub(crate) fn refuse_same(output: &str, secrets: &str) -> Result<(), Trouble> {
    let whole = |file: &str| place(file).map_err(|error| Trouble::told(format!("{file} cannot be written: {error}")));
    if whole(output)? == whole(secrets)? {
        let sentence =
            format!("--output: expected another file than --secrets, found the same one, {output}; name another by --output");
        return Err(Trouble::told(sentence));
    }
    Ok(())
}

/// Where a file is, or will be: without `..` and symbolic links.
fn place(file: &str) -> io::Result<PathBuf> {
    let path = Path::new(file);
    if let Ok(whole) = path.canonicalize() {
        return Ok(whole);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "this is no name of a file"))?;
    Ok(folder.canonicalize()?.join(name))
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
    // An empty file, if there were no text for it, would be kept the next time.
    let text = secrets(plan)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(&plan.secrets) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Ok(Secrets::Kept { others_read: others_read(&plan.secrets) });
        }
        Err(error) => return Err(Trouble::told(format!("{} cannot be written: {error}", plan.secrets))),
    };
    file.write_all(text.as_bytes()).map_err(|error| Trouble::told(format!("{} cannot be written: {error}", plan.secrets)))?;
    Ok(Secrets::Written)
}

#[cfg(unix)]
fn others_read(file: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

/// Here, modes do not say who reads a file.
#[cfg(not(unix))]
const fn others_read(_file: &str) -> bool {
    false
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
