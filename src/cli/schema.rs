//! The JSON Schema of the configuration, and that of files that hold one, for editors and for checks without Envoy. What stands in
//! them is known to [`crate::config::described`] alone.

use clap::Args;

use crate::cli::terminal::{Outcome, Terminal, Trouble};
use crate::config;
use crate::config::envoy_schema::envoy_schema;
use crate::config::schema::schema;

/// Which schema is written.
#[derive(Args, Debug)]
pub(crate) struct Schema {
    /// Write the schema of files that hold the configuration: an Envoy's file, or an object of Kubernetes.
    #[arg(long)]
    envoy: bool,
}

/// Writes a schema.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(arguments: &Schema, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let document = config::described();
    terminal.json(&if arguments.envoy { envoy_schema(&document) } else { schema(&document) })?;
    Ok(Outcome::Fine)
}
