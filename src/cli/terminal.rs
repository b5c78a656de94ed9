//! Where the command writes: results to standard output, trouble to standard error, as words or as JSON. It never decides what is
//! written, and a reader who has read enough is no trouble.

use std::fmt;
use std::io::{self, Write};

use serde_json::Value;

use crate::cli::hidden::Hidden;
use crate::words::quote::escape_invisible;

/// How the results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Words,
    /// One JSON document, for programs.
    Json,
}

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is well: 0.
    Fine,
    /// Something was found that somebody should look at: 1.
    Findings,
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A sentence for the person who asked.
    Told(String),
    /// Nobody reads the output any more, as with `accredit reasons | head -1`.
    NobodyReads,
}

impl Trouble {
    /// Trouble that is told by this sentence.
    pub(super) fn told(sentence: impl Into<String>) -> Self {
        Self::Told(sentence.into())
    }

    /// The same without what must not be written.
    pub(super) fn hiding(self, hidden: &Hidden) -> Self {
        match self {
            Self::Told(sentence) => Self::Told(hidden.in_text(&sentence)),
            Self::NobodyReads => Self::NobodyReads,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Told(format!("the output cannot be written: {error}")),
        }
    }
}

/// The two outputs of the command, and the form of its results.
pub(super) struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    form: Form,
}

impl<'a> Terminal<'a> {
    /// Writes to these two.
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, form: Form) -> Self {
        Self { out, err, form }
    }

    /// How results are to be written.
    pub(super) const fn form(&self) -> Form {
        self.form
    }

    /// Writes a line of the result. What it quotes of a file cannot move the cursor or reorder the line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn line(&mut self, line: impl fmt::Display) -> Result<(), Trouble> {
        Ok(writeln!(self.out, "{}", escape_invisible(&line.to_string()))?)
    }

    /// Asks a person something, on standard error: results alone are on standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn ask(&mut self, question: &str) -> Result<(), Trouble> {
        write!(self.err, "{}", escape_invisible(question))?;
        Ok(self.err.flush()?)
    }

    /// Writes the result as JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn json(&mut self, value: &Value) -> Result<(), Trouble> {
        let text = format!("{value:#}");
        text.lines().try_for_each(|line| self.line(line))
    }

    /// Tells what went wrong, if something did, and returns the exit code.
    pub(super) fn finish(&mut self, outcome: Result<Outcome, Trouble>) -> u8 {
        match outcome.and_then(|outcome| Ok(self.out.flush().map(|()| outcome)?)) {
            Ok(Outcome::Fine) | Err(Trouble::NobodyReads) => 0,
            Ok(Outcome::Findings) => 1,
            Err(Trouble::Told(sentence)) => {
                // If standard error is closed, too, the exit code is all that is left to tell it.
                let _ = writeln!(self.err, "accredit: {}", escape_invisible(&sentence));
                2
            }
        }
    }
}
