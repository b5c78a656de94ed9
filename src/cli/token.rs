//! What stands in a token. Its signature is not checked, and the output says so: whoever reads it must not take it for verified.

pub(super) mod verify;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::cli::input;
use crate::cli::moment::moment;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::time::Timestamp;

/// The claims that are times, in seconds since 1970 (RFC 7519, section 4.1; OpenID Connect Core, section 2).
const TIMES: [&str; 4] = ["auth_time", "exp", "iat", "nbf"];

/// Where the token is.
#[derive(Debug, clap::Args)]
pub(super) struct Inspect {
    /// The file with the token; without it, or as `-`, the standard input.
    #[arg(default_value = "-")]
    file: String,
}

/// Writes the header and the claims of a token in the compact serialization (RFC 7515, section 7.1). The token itself, and its
/// signature, are not written.
///
/// # Errors
/// If it cannot be read, is no such token, or the result cannot be written.
pub(super) fn inspect(arguments: &Inspect, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let token = input::token(&arguments.file)?;
    let parts: Vec<_> = token.expose().split('.').collect();
    let [header, claims, _] = parts.as_slice() else {
        let parts = parts.len();
        let why = match parts {
            1 => "it is opaque, or no token at all".to_owned(),
            5 => "it is encrypted".to_owned(),
            _ => format!("it has {parts} parts instead of three"),
        };
        return Err(Trouble::told(format!("this is no signed token: {why}")));
    };
    let (header, claims) = (object("header", header)?, object("payload", claims)?);
    match terminal.form() {
        Form::Json => terminal.json(&json!({"signature": "not checked", "header": header, "claims": claims}))?,
        Form::Words => {
            terminal.line("The signature was not checked: anybody could have written this.")?;
            terminal.line(format_args!("header: {}", Value::Object(header)))?;
            terminal.line("claims:")?;
            for (name, value) in &claims {
                let time = value.as_u64().filter(|_| TIMES.contains(&name.as_str()));
                let time = time.map(|seconds| format!(" ({})", moment(Timestamp::from_seconds(seconds))));
                terminal.line(format_args!("  {name}: {value}{}", time.unwrap_or_default()))?;
            }
        }
    }
    Ok(Outcome::Fine)
}

/// The JSON object in a part of a token, as the filter reads it.
fn object(name: &str, part: &str) -> Result<Claims, Trouble> {
    let bytes = URL_SAFE_NO_PAD.decode(part);
    let bytes = bytes.map_err(|_| Trouble::told(format!("the {name} of the token is not base64url without padding")))?;
    json::object(&bytes).map_err(|why| Trouble::told(format!("the {name} of the token is malformed: {why}")))
}
