//! `accredit test`: asks the gateway of a file about each case of another, and says which ended otherwise than expected. The gateway
//! itself answers; only what it said is compared here.

pub(crate) mod case;
mod junit;
pub(crate) mod read;

use std::fs;

use serde_json::{Value, json};

use crate::cli::cases::case::{Case, Tested};
use crate::cli::cases::read::{Mistake, cases};
use crate::cli::desk::Desk;
use crate::cli::explain::account::account;
use crate::cli::gateway::Place;
use crate::cli::input;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};

/// What is to be tested.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// The file with the filter's configuration.
    file: String,
    /// The file with the cases.
    cases: String,
    /// Also write the results to this file, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Tests the cases, and writes which failed.
///
/// # Errors
/// If a file cannot be read, holds mistakes, a question cannot be asked, or the results cannot be written.
pub(crate) fn test(asked: &Test, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let all = of_file(&asked.cases)?;
    let results = all.iter().map(|case| ask(asked, case)).collect::<Result<Vec<_>, _>>()?;
    if let Some(file) = &asked.junit {
        fs::write(file, junit::xml(&asked.cases, &results))
            .map_err(|why| Trouble::told(format!("{file} cannot be written: {why}")))?;
    }
    let failed = results.iter().filter(|result| !result.differences.is_empty()).count();
    match terminal.form() {
        Form::Json => terminal.json(&as_json(&results))?,
        Form::Words => {
            for Tested { name, spot, differences, way } in results.iter().filter(|result| !result.differences.is_empty()) {
                terminal.line(format_args!(
                    "{}:{}:{}: {name}: {}",
                    asked.cases,
                    spot.line,
                    spot.column,
                    differences.join("; ")
                ))?;
                terminal.line(format_args!("  {way}"))?;
            }
            let plural = if results.len() == 1 { "" } else { "s" };
            terminal.line(format_args!("{} case{plural}, {failed} failed", results.len()))?;
        }
    }
    Ok(if failed == 0 { Outcome::Fine } else { Outcome::Findings })
}

/// The cases of a file.
///
/// # Errors
/// If it cannot be read, or holds mistakes, which are all told.
pub(crate) fn of_file(file: &str) -> Result<Vec<Case>, Trouble> {
    let told = |Mistake { spot, sentence }: &Mistake| format!("{file}:{}:{}: {sentence}", spot.line, spot.column);
    let text = input::text(file)?;
    cases(&text).map_err(|mistakes| Trouble::told(mistakes.iter().map(told).collect::<Vec<_>>().join("\n")))
}

fn ask(asked: &Test, case: &Case) -> Result<Tested, Trouble> {
    // A gateway of its own for each: no case can change the next one, as a sign-out would.
    let mut desk = Desk::open(&asked.file, &asked.place, Some(&case.question.target.authority))?;
    desk.name_policy(case.policy.as_deref());
    let hidden = desk.hidden_from(&case.question);
    let told = desk.ask(&case.question, &case.who).map_err(|trouble| match trouble.hiding(&hidden) {
        Trouble::Told(sentence) => Trouble::told(format!("{}:{}:{}: {sentence}", asked.cases, case.spot.line, case.spot.column)),
        Trouble::NobodyReads => Trouble::NobodyReads,
    })?;
    let account = account(&desk, &case.question, &told);
    let differences = case.expected.differences(&told, &account).iter().map(|text| hidden.in_text(text)).collect();
    Ok(Tested { name: case.name.clone(), spot: case.spot, differences, way: hidden.in_text(&account.short()) })
}

fn as_json(results: &[Tested]) -> Value {
    let cases = results.iter().map(|Tested { name, spot, differences, way }| {
        json!({"name": name, "line": spot.line, "column": spot.column, "passed": differences.is_empty(), "differences": differences, "way": way})
    });
    let failed = results.iter().filter(|result| !result.differences.is_empty()).count();
    json!({"cases": cases.collect::<Value>(), "failed": failed})
}

#[cfg(test)]
mod tests;
