//! `accredit explain`: the way of one request, step by step. The gateway itself answers; what is written here says how it came to
//! that.

pub(crate) mod account;
mod arguments;
mod endpoints;

use crate::cli::desk::Desk;
use crate::cli::desk::who::Who;
use crate::cli::explain::account::account;
pub(crate) use crate::cli::explain::arguments::{Explain, navigation};
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::words::secret::LentSecret;

/// Explains what becomes of a request.
///
/// # Errors
/// If the question cannot be read or asked, or the result cannot be written.
pub(crate) fn explain(asked: &Explain, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let (question, who) = (asked.question()?, asked.who()?);
    let mut desk = Desk::open(&asked.file, &asked.place, Some(&question.target.authority))?;
    desk.name_policy(asked.policy.as_deref());
    let hidden = desk.hidden_from(&question);
    if let (Some(keys), Who::Token(token)) = (asked.keys()?, &who) {
        desk.bring_keys(LentSecret::new(token.expose()), keys).map_err(|trouble| trouble.hiding(&hidden))?;
    }
    let told = desk.ask(&question, &who).map_err(|trouble| trouble.hiding(&hidden))?;
    let account = account(&desk, &question, &told);
    match terminal.form() {
        Form::Json => terminal.json(&hidden.in_json(account.as_json()))?,
        Form::Words => account.lines().iter().try_for_each(|line| terminal.line(hidden.in_text(line)))?,
    }
    Ok(if told.answer.is_let_through() { Outcome::Fine } else { Outcome::Findings })
}

#[cfg(test)]
mod tests;
