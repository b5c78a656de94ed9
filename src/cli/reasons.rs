//! What the reasons mean that logs, counters, headers and pages name. Nothing is known here of why a request was refused for one.

use serde_json::{Value, json};

use crate::answer::explanation::explanation;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::words::reason::Reason;

/// Writes what one reason means, or all of them.
///
/// # Errors
/// If the result cannot be written.
pub(super) fn reasons(id: Option<&str>, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let mut wanted = Reason::ALL.iter().copied().filter(|reason| id.is_none_or(|id| reason.id() == id));
    match terminal.form() {
        Form::Json => terminal.json(&wanted.map(as_json).collect())?,
        Form::Words => wanted.try_for_each(|reason| in_words(reason, terminal))?,
    }
    Ok(Outcome::Fine)
}

fn in_words(reason: Reason, terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
    let told = explanation(reason);
    terminal.line(format_args!("{} ({})", reason.id(), told.status))?;
    terminal.line(format_args!("  {}", reason.meaning()))?;
    terminal.line(format_args!("  People read: {}. {}", told.heading.english(), told.text.english()))
}

fn as_json(reason: Reason) -> Value {
    let told = explanation(reason);
    json!({"id": reason.id(), "status": told.status, "meaning": reason.meaning(), "title": told.heading.english(), "text": told.text.english()})
}
