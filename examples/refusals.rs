//! Reads plugin configurations as the filter does, without Envoy, and prints why each is refused. The end-to-end tests check
//! hundreds of them by it, in the time in which one Envoy starts. It is never part of a release.
//!
//! Each line of standard input is one JSON object with `text`, the configuration as a `StringValue` holds it, or `fields`, which
//! is encoded as Envoy encodes a `Struct`; and `environment`, the environment variables. Each line of standard output is the
//! answer to one: the refusal as a JSON text, or `null`.

use std::error::Error;
use std::io::{self, BufRead, Write};

use accredit::cli::wire::in_wire_form;
use accredit::config;
use prost::Message;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let bytes = match (asked.get("text").and_then(Value::as_str), asked.get("fields")) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(Value::Object(fields))) => in_wire_form(fields).encode_to_vec(),
            _ => return Err("expected either text or fields in each line".into()),
        };
        let variable = |name: &str| asked.get("environment")?.get(name)?.as_str().map(str::to_owned);
        let refusal = config::load(&bytes, &variable).err().map(|refusal| refusal.to_string());
        writeln!(output, "{}", serde_json::to_string(&refusal)?)?;
    }
    Ok(())
}
