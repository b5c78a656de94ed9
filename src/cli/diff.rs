//! `accredit diff`: which decisions change between two configurations. Both are asked the same, by the cases of a file and by
//! requests that are made up around the edges of all rules of both; what is said here is what the two gateways answered.

mod around;
mod changes;
mod comparison;
mod outcome;
mod side;

use serde_json::json;

use crate::cli::cases::of_file;
use crate::cli::diff::comparison::{Comparison, Limits};
use crate::cli::diff::side::Side;
use crate::cli::gateway::Place;
use crate::cli::hidden::Hidden;
use crate::cli::machine::Machine;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::words::world::World as _;

/// What is to be compared.
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The file with the filter's configuration as it is.
    old: String,
    /// The file with the filter's configuration as it will be.
    new: String,
    /// A file with cases, as accredit test takes them, which are asked about, too.
    cases: Option<String>,
    /// Show every change, and not only one of each kind.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: Place,
}

/// Compares two configurations, and writes what changes.
///
/// # Errors
/// If a file cannot be read, holds mistakes, or the result cannot be written.
pub(crate) fn diff(asked: &Diff, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let now = Machine.now();
    let old = Side::open(0, &asked.old, &asked.place, now)?;
    let new = Side::open(1, &asked.new, &asked.place, now)?;
    let hidden = Hidden::of_all([&old.hidden(), &new.hidden()]);
    let mut comparison = Comparison::new([old, new]);
    if let Some(file) = &asked.cases {
        for case in of_file(file)? {
            let told = |sentence| Trouble::told(format!("{file}:{}:{}: {sentence}", case.spot.line, case.spot.column));
            comparison.ask_case(&case).map_err(told)?;
        }
    }
    comparison.ask_around(Limits::USUAL);
    let Comparison { changes, asked: questions, notes, .. } = &comparison;
    match terminal.form() {
        Form::Json => {
            let changes = changes.as_json(comparison.sources());
            terminal.json(&hidden.in_json(json!({"changes": changes, "asked": questions, "notes": notes})))?;
        }
        Form::Words => {
            changes.lines(asked.all).iter().try_for_each(|line| terminal.line(hidden.in_text(line)))?;
            notes.iter().try_for_each(|note| terminal.line(format_args!("note: {}", hidden.in_text(note))))?;
        }
    }
    Ok(if changes.is_empty() && !comparison.unasked { Outcome::Fine } else { Outcome::Findings })
}

#[cfg(test)]
mod tests;
