//! The arguments of the command: its subcommands, their options, and the help that each prints. A secret is never an argument,
//! because other people on a machine can read the arguments of a process.

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::cli::{cases, diff, doctor, explain, init, schema, session, token};
use crate::words::reason::Reason;

/// The sign-in gateway for Envoy, asked without Envoy.
#[derive(Debug, Parser)]
#[command(name = "accredit", version, propagate_version = true, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Find mistakes in files that hold the filter: an Envoy's file, an object of Kubernetes, or the filter's configuration alone.
    #[command(after_help = "Example:\n  accredit check envoy.yaml")]
    Check {
        /// The files; - is the standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// A file of lines NAME=value, with the environment variables that the configuration names.
        #[arg(long, value_name = "FILE")]
        env_file: Option<String>,
        /// Also show notes, which are no mistakes.
        #[arg(long)]
        notes: bool,
    },
    /// Say which decisions change between two configurations. What more is let in stands first.
    #[command(
        after_help = "Example:\n  accredit diff envoy.yaml envoy.new.yaml\n  accredit diff envoy.yaml envoy.new.yaml cases.yaml\n\nThe exit code is 0 if nothing changes, and 1 if something does."
    )]
    Diff(diff::Diff),
    /// Ask the providers of a gateway, and say what will not work.
    #[command(
        after_help = "Example:\n  accredit doctor --try-secret --env-file .env envoy.yaml\n  accredit doctor --ca-file ca.pem --resolve sso.example.com:443:10.0.0.7 envoy.yaml"
    )]
    Doctor(doctor::Doctor),
    /// Explain what becomes of a request: which rule decides, who is asking, what is wanted and what came.
    #[command(
        after_help = "Example:\n  accredit explain envoy.yaml --url https://app.example.com/admin --claims alice.json\n\nThe exit code is 0 if the request is let through, and 1 if it is not."
    )]
    Explain(Box<explain::Explain>),
    /// Write an Envoy's file with a gateway of your own, and ask for what no option tells.
    #[command(
        after_help = "Example:\n  accredit init\n  accredit init --for compose --origin https://app.example.com --application app:8080 --issuer https://sso.example.com --client-id app"
    )]
    Init(init::Init),
    /// Make a key.
    #[command(after_help = "Example:\n  export ACCREDIT_KEY=\"$(accredit keygen)\"")]
    Keygen,
    /// Say what a reason means that a log, a counter or a page names; without one, list them all.
    #[command(after_help = "Example:\n  accredit reasons host_unknown")]
    Reasons {
        /// The reason, such as `host_unknown`.
        #[arg(value_parser = PossibleValuesParser::new(Reason::ALL.iter().map(|reason| reason.id())), hide_possible_values = true)]
        id: Option<String>,
    },
    /// Write the JSON Schema of the configuration, for editors.
    #[command(after_help = "Example:\n  accredit schema > accredit.schema.json")]
    Schema(schema::Schema),
    /// Look at a session.
    #[command(subcommand, after_help = "Example:\n  ACCREDIT_KEY=… accredit session inspect cookies.txt")]
    Session(SessionCommand),
    /// Ask about the cases of a file, and say which ended otherwise than expected.
    #[command(after_help = "Example:\n  accredit test envoy.yaml cases.yaml --junit results.xml")]
    Test(cases::Test),
    /// Look at a token.
    #[command(subcommand, after_help = "Example:\n  accredit token inspect token.txt")]
    Token(TokenCommand),
}

/// What can be done with a session.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Open a sealed session with its key, and say what it holds and weighs.
    #[command(after_help = "Example:\n  ACCREDIT_KEY=… accredit session inspect cookies.txt")]
    Inspect(session::Inspect),
}

/// What can be done with a token.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Say what stands in a signed token, without checking its signature.
    #[command(after_help = "Example:\n  accredit token inspect token.txt")]
    Inspect(token::Inspect),
    /// Say whether the filter would accept a token, and why not. The token is not printed.
    #[command(
        after_help = "Example:\n  accredit token verify --keys keys.json token.txt\n  accredit token verify --config envoy.yaml --env-file .env token.txt"
    )]
    Verify(token::verify::Verify),
}
