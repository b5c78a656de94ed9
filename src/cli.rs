//! The command `accredit`: what an operator asks before, beside and after Envoy. It asks the same code that the filter is made of,
//! so that the two never disagree, and decides nothing itself. It is native only: the module does not contain it.
//!
//! The exit code is 0 if all is well, 1 if something was found, 2 if the command could not do what it was asked.

mod arguments;
mod cases;
mod check;
mod desk;
mod diff;
mod doctor;
mod environment;
mod envoy;
mod explain;
mod findings;
mod gateway;
mod hidden;
mod init;
mod input;
mod keygen;
mod machine;
mod moment;
mod reasons;
pub mod reference;
mod schema;
mod session;
mod stream;
mod terminal;
#[cfg(test)]
mod testing;
mod token;
pub mod wire;
mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command, SessionCommand, TokenCommand};
use terminal::{Form, Outcome, Terminal, Trouble};

/// Runs the command that the process was started as, and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let form = if arguments.json { Form::Json } else { Form::Words };
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let mut terminal = Terminal::new(&mut out, &mut err, form);
    let outcome = run(&arguments.command, &mut terminal);
    ExitCode::from(terminal.finish(outcome))
}

fn run(command: &Command, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    match command {
        Command::Check { files, env_file, notes } => {
            check::check(&check::Asked { files, env_file: env_file.as_deref(), notes: *notes }, terminal)
        }
        Command::Diff(asked) => diff::diff(asked, terminal),
        Command::Doctor(asked) => doctor::doctor(asked, terminal),
        Command::Explain(asked) => explain::explain(asked, terminal),
        Command::Init(asked) => init::init(asked, terminal),
        Command::Keygen => keygen::keygen(terminal),
        Command::Reasons { id } => reasons::reasons(id.as_deref(), terminal),
        Command::Schema(arguments) => schema::write(arguments, terminal),
        Command::Test(asked) => cases::test(asked, terminal),
        Command::Session(SessionCommand::Inspect(arguments)) => session::inspect(arguments, terminal),
        Command::Token(TokenCommand::Inspect(arguments)) => token::inspect(arguments, terminal),
        Command::Token(TokenCommand::Verify(arguments)) => token::verify::verify(arguments, terminal),
    }
}
