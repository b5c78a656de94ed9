//! The command `accredit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    accredit::cli::main()
}
