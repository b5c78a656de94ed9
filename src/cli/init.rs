//! `accredit init`: from a few answers to an Envoy's file that runs. The file is a shipped one with other lines where somebody's
//! gateway differs; the filter and `accredit check` have read it before it is written. What the provider's document says is
//! written, too, if it can be had. No secret is ever in that file.

mod files;
mod plan;
mod questions;
mod template;

use std::path::Path;

use serde_json::json;

use crate::cli::check;
use crate::cli::doctor::client::Client;
use crate::cli::doctor::documents;
use crate::cli::doctor::findings::{Level, Report};
use crate::cli::doctor::trust::Trust;
use crate::cli::environment::Environment;
use crate::cli::gateway::{self, Gateway};
use crate::cli::init::files::Secrets;
use crate::cli::init::plan::{Address, Discovered, Group, Plan, Target};
use crate::cli::init::questions::Questions;
use crate::cli::init::template::{CA_OF_IMAGE, Drift, written};
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::http::url::Url;
use crate::oidc::discovery::metadata_request;
use crate::oidc::provider::Provider;

/// Where systems keep the authorities that they trust.
const CA_OF_SYSTEMS: [&str; 3] = [CA_OF_IMAGE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What is to be written.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Init {
    /// Where the gateway runs.
    #[arg(long = "for", value_enum, default_value = "laptop")]
    target: Target,
    /// The provider's issuer, exactly as its discovery document has it.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The gateway's address, as in a browser: https://app.example.com, or http://localhost:10000.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Where Envoy reaches the application.
    #[arg(long, value_name = "HOST:PORT")]
    application: Option<String>,
    /// The client's identifier at the provider.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The name of the environment variable with the client's secret.
    #[arg(long, value_name = "NAME", default_value = "OIDC_CLIENT_SECRET")]
    client_secret_variable: String,
    /// A group, or what else a claim says, that people need for --group-path.
    #[arg(long, value_name = "VALUE")]
    group: Option<String>,
    /// The path that only the group may see.
    #[arg(long, value_name = "PATH", requires = "group")]
    group_path: Option<String>,
    /// The claim that names groups.
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    group_claim: String,
    /// The filter's module, for a laptop.
    #[arg(long, value_name = "FILE", default_value = "accredit.wasm")]
    module: String,
    /// The authorities that the provider's certificate is verified by, in PEM; by default those of this machine.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    #[command(flatten)]
    client: Client,
    /// Do not ask the provider for its document.
    #[arg(long)]
    offline: bool,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "envoy.yaml")]
    output: String,
    /// The file with the secrets, which is never overwritten.
    #[arg(long, value_name = "FILE", default_value = "accredit.env")]
    secrets: String,
    /// Overwrite --output.
    #[arg(long)]
    force: bool,
}

/// Writes the files of a gateway, and what is to be done with them.
///
/// # Errors
/// If an answer is missing or refused, the provider's document is another's, or a file cannot be written.
pub(super) fn init(asked: &Init, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    begin(asked, &mut Questions::of_process(), terminal)
}

fn begin(asked: &Init, questions: &mut Questions<'_>, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let names = [&asked.output, &asked.secrets, &asked.module].into_iter().chain(&asked.ca_file);
    if names.flat_map(|name| name.chars()).any(char::is_control) {
        return Err(Trouble::told("expected names of files, found control characters in one; rename it"));
    }
    files::refuse_same(&asked.output, &asked.secrets)?;
    files::refuse_existing(&asked.output, asked.force)?;
    let (mut plan, issuer) = answers(asked, questions, terminal)?;
    let gateway = understood(&plan)?;
    let mut told = if asked.offline { Vec::new() } else { discover(asked, &mut plan, &issuer, &gateway)? };
    let text = text(&plan)?;
    understood(&plan)?;
    let mistakes = check::mistakes(&text, &Environment::default());
    if !mistakes.is_empty() {
        return Err(Trouble::told(format!("nothing was written: {}", mistakes.join("; "))));
    }
    let secrets = files::write_secrets(&plan)?;
    files::write(&plan.output, &text, asked.force)?;
    if secrets == (Secrets::Kept { others_read: true }) {
        told.push(format!("others on this machine can read {0}; chmod 600 {0}", plan.secrets));
    }
    tell(&plan, &told, secrets, terminal)
}

fn answers(asked: &Init, questions: &mut Questions<'_>, terminal: &mut Terminal<'_>) -> Result<(Plan, Url), Trouble> {
    let mut ask = |given: &Option<String>, option: &str, question: &str, otherwise: Option<&str>| {
        questions.value(given.as_ref(), option, question, otherwise, terminal)
    };
    let local = (asked.target != Target::Kubernetes).then_some("http://localhost:10000");
    let origin = ask(&asked.origin, "--origin", "The gateway's address, as in a browser", local)?;
    let application = ask(&asked.application, "--application", "Where Envoy reaches the application (HOST:PORT)", None)?;
    let issuer = ask(&asked.issuer, "--issuer", "The provider's issuer", None)?;
    let client_id = ask(&asked.client_id, "--client-id", "The client's identifier there", None)?;
    let group = ask(&asked.group, "--group", "A group for a part of the application (empty for none)", Some(""))?;
    let group = match group.as_str() {
        "" => None,
        _ => Some(Group {
            path: ask(&asked.group_path, "--group-path", "The path that only this group may see", Some("/"))?,
            claim: ask(&Some(asked.group_claim.clone()), "--group-claim", "", None)?,
            name: group,
        }),
    };
    let told = |option: &str, what: &str| Trouble::told(format!("{option}: {what}"));
    let application = Address::parse(&application).map_err(|what| told("--application", &what))?;
    let url = Url::parse(&issuer).map_err(|what| told("--issuer", &format!("expected an absolute https URL, {what}")))?;
    let plain_provider = match (url.is_https(), asked.target) {
        (true, _) => None,
        (false, Target::Kubernetes) => return Err(told("--issuer", "expected https for Kubernetes, found http; write https")),
        (false, _) => Some(Address::parse(&url.host_and_port()).map_err(|what| told("--issuer", &what))?),
    };
    if !is_variable(&asked.client_secret_variable) {
        return Err(told(
            "--client-secret-variable",
            "expected the name of an environment variable, and never the secret itself",
        ));
    }
    let of_system = || CA_OF_SYSTEMS.into_iter().find(|file| Path::new(file).exists()).unwrap_or(CA_OF_IMAGE);
    let ca_file = match (asked.target, &asked.ca_file) {
        (Target::Laptop, Some(file)) => file.clone(),
        (Target::Laptop, None) => of_system().to_owned(),
        (Target::Compose | Target::Kubernetes, _) => CA_OF_IMAGE.to_owned(),
    };
    let plan = Plan {
        target: asked.target,
        origin: origin.trim_end_matches('/').to_owned(),
        issuer,
        client_id,
        secret_variable: asked.client_secret_variable.clone(),
        application,
        group,
        plain_provider,
        module: asked.module.clone(),
        ca_file,
        found: Discovered::nothing(&url),
        output: asked.output.clone(),
        secrets: asked.secrets.clone(),
    };
    Ok((plan, url))
}

fn is_variable(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|first| first.is_ascii_uppercase() || first == '_');
    first && name.chars().all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_')
}

fn text(plan: &Plan) -> Result<String, Trouble> {
    written(plan).map_err(|Drift(what)| Trouble::told(format!("this build cannot write the file: {what}")))
}

/// The gateway that the filter understands in the file.
fn understood(plan: &Plan) -> Result<Gateway, Trouble> {
    let mut gateways = gateway::in_text(&plan.output, &text(plan)?, &Environment::default())?;
    gateways.pop().ok_or_else(|| Trouble::told("this build cannot write the file: it holds no gateway"))
}

/// Asks the provider for its document, and adds to the plan what it says. Returns what the person should know.
fn discover(asked: &Init, plan: &mut Plan, issuer: &Url, gateway: &Gateway) -> Result<Vec<String>, Trouble> {
    let provider = only_provider(gateway)?;
    let trust = asked.ca_file.as_deref().map_or(Ok(Trust::OfMachine), Trust::of_file)?;
    let call = metadata_request(provider).map_err(|failure| Trouble::told(failure.detail))?;
    let mut report = Report::of(&provider.name);
    let answered = match asked.client.ask(&call, &trust) {
        Ok(answered) => answered,
        Err(why) => {
            documents::unreached(&why, issuer.as_str(), trust.whose(), &mut report);
            let sentences = report.finish().into_iter().map(|finding| finding.sentence);
            let unread = "so the file has only the issuer's host in clusters; run accredit doctor before you start it".to_owned();
            return Ok(sentences.chain([unread]).collect());
        }
    };
    plan.found = Discovered::of_document(issuer, &documents::members(&answered.reply), &provider.algorithms);
    // With the hosts that it names, the document is judged as the filter will judge it.
    let gateway = understood(plan)?;
    let usable = documents::discovery(only_provider(&gateway)?, &answered.reply, &mut report).is_some();
    let found = report.finish().into_iter().filter(|finding| matches!(finding.level, Level::Error | Level::Warning));
    let sentences: Vec<_> = found.map(|finding| finding.sentence).collect();
    if !usable {
        return Err(Trouble::told(format!("nothing was written: {}", sentences.join("; "))));
    }
    Ok(sentences)
}

fn only_provider(gateway: &Gateway) -> Result<&Provider, Trouble> {
    let first = gateway.settings.providers.first();
    first.map(|provider| &provider.oidc).ok_or_else(|| Trouble::told("this build cannot write the file: it has no provider"))
}

fn tell(plan: &Plan, told: &[String], secrets: Secrets, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let kept = match secrets {
        Secrets::Written => "with a new key, readable by its owner alone",
        Secrets::Kept { .. } => "was there already, and is as it was",
    };
    match terminal.form() {
        Form::Json => terminal.json(&json!({
            "output": plan.output, "secrets": plan.secrets, "secrets_kept": secrets != Secrets::Written, "hosts": plan.found.hosts,
            "told": told, "next": plan.steps(),
        }))?,
        Form::Words => {
            terminal.line(format_args!("{}: the gateway for {}", plan.output, plan.origin))?;
            terminal.line(format_args!("{}: {kept}", plan.secrets))?;
            terminal.line(format_args!("the filter will call {}", plan.found.hosts.join(", ")))?;
            for sentence in told {
                terminal.line(format_args!("look at this: {sentence}"))?;
            }
            terminal.line("next:")?;
            for step in plan.steps() {
                terminal.line(format_args!("  {step}"))?;
            }
        }
    }
    Ok(if told.is_empty() { Outcome::Fine } else { Outcome::Findings })
}

#[cfg(test)]
mod tests;
