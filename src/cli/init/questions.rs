//! Asks for what no option told, on a terminal alone: a script that forgot an option is told so, and never waits.

use std::io::{BufRead, IsTerminal as _, stdin};

use crate::cli::terminal::{Terminal, Trouble};

/// The person at the terminal, if there is one.
pub(crate) struct Questions<'a> {
    answers: Option<Box<dyn BufRead + 'a>>,
}

impl<'a> Questions<'a> {
    /// Whoever sits at the terminal of this process.
    pub(crate) fn of_process() -> Questions<'static> {
        let input = stdin();
        Questions { answers: input.is_terminal().then(|| Box::new(input.lock()) as Box<dyn BufRead>) }
    }

    /// Somebody who answers with these lines.
    #[cfg(test)]
    pub(crate) fn answered(lines: &'a [u8]) -> Self {
        Self { answers: Some(Box::new(lines)) }
    }

    /// The value of an option; if it was not given, the answer to a question. An empty answer means `otherwise`.
    ///
    /// # Errors
    /// If there is neither, or it has characters that end a line or move a cursor.
    pub(crate) fn value(
        &mut self,
        given: Option<&String>,
        option: &str,
        question: &str,
        otherwise: Option<&str>,
        terminal: &mut Terminal<'_>,
    ) -> Result<String, Trouble> {
        let value = match (given, &mut self.answers) {
            (Some(given), _) => given.clone(),
            (None, Some(answers)) => {
                let shown = otherwise.filter(|text| !text.is_empty()).map(|text| format!(" [{text}]")).unwrap_or_default();
                terminal.ask(&format!("{question}{shown}: "))?;
                let mut line = String::new();
                answers.read_line(&mut line).map_err(|error| Trouble::told(format!("no answer could be read: {error}")))?;
                line.trim().to_owned()
            }
            (None, None) => String::new(),
        };
        let value = if value.is_empty() { otherwise.unwrap_or_default().to_owned() } else { value };
        if value.is_empty() && otherwise.is_none() {
            return Err(Trouble::told(format!("expected {option}, found none; give it, or call this on a terminal, which asks")));
        }
        if value.chars().any(char::is_control) {
            return Err(Trouble::told(format!("{option}: expected one line of text, found control characters")));
        }
        Ok(value)
    }
}
