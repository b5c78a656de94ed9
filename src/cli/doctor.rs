//! `accredit doctor`: asks the providers of a gateway themselves, its transmitters and its store of revocations, and says what will not
//! work. What they answer is judged by the filter's own code; what only a person in a browser can find out is said to be unknown. No
//! secret is printed, and nobody is signed in.

pub(crate) mod client;
mod clusters;
pub(crate) mod documents;
pub(crate) mod findings;
mod offers;
mod probes;
mod store;
pub(crate) mod trust;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::doctor::client::{Answered, Client};
use crate::cli::doctor::findings::{Finding, Id, Level, Report};
use crate::cli::doctor::store::Asked;
use crate::cli::doctor::trust::Trust;
use crate::cli::gateway::{Gateway, Place, gateways};
use crate::cli::machine::Machine;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::config::settings::Settings;
use crate::http::message::HttpCall;
use crate::oidc::discovery::metadata_request;
use crate::oidc::keys::keys_request;
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{MetadataSource, Provider};
use crate::revocations::redis::settings::Redis;
use crate::revocations::store::Store;
use crate::words::reason::Failure;

/// What is asked about, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The file with the gateway: an Envoy's file, an object of Kubernetes, or the configuration alone; - is the standard input.
    file: String,
    #[command(flatten)]
    place: Place,
    /// The authorities to trust, in PEM; by default the trusted_ca of the provider's cluster, or those of this machine.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    #[command(flatten)]
    client: Client,
    /// Ask for documents alone; try neither the redirect URI nor the client, and not the store.
    #[arg(long)]
    documents_only: bool,
    /// Give the client's secret to the provider's token endpoint, to see whether it is accepted, and log in to the store. For files
    /// of your own alone: the file says which environment variable is sent, and to whom.
    #[arg(long, conflicts_with = "documents_only")]
    try_secret: bool,
}

/// Asks the providers of a gateway and its store, and writes how they stand.
///
/// # Errors
/// If a file cannot be read or holds no gateway, or the result cannot be written.
pub(super) fn doctor(asked: &Doctor, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let gateways = gateways(&asked.file, &asked.place)?;
    let named = asked.ca_file.as_deref().map(Trust::of_file).transpose()?;
    let (mut found, mut seen) = (Vec::new(), Vec::<(&Provider, &Gateway)>::new());
    for gateway in &gateways {
        for (index, provider) in gateway.settings.providers.iter().enumerate() {
            // Two listeners of one file may have the same gateway.
            let is_same =
                |(other, of): &(&Provider, &Gateway)| **other == provider.oidc && of.settings.origins == gateway.settings.origins;
            if seen.iter().any(is_same) {
                continue;
            }
            seen.push((&provider.oidc, gateway));
            let mut report = Report::of(&provider.oidc.name);
            let (provider, callback) = (&provider.oidc, provider.callback.as_str());
            let visit = Visit { asked, named: named.as_ref(), gateway, provider, callback, path: format!("providers[{index}].") };
            visit.examine(provider.vouches_by_keys(), &mut report);
            found.extend(report.finish());
        }
    }
    // Nobody signs in at a transmitter of security events.
    let (callback, path) = ("", String::new());
    for gateway in &gateways {
        for transmitter in &gateway.settings.transmitters {
            let provider = &transmitter.publisher;
            if seen.iter().any(|(other, of)| *other == provider && of.settings.origins == gateway.settings.origins) {
                continue;
            }
            seen.push((provider, gateway));
            let mut report = Report::of(&provider.name);
            Visit { asked, named: named.as_ref(), gateway, provider, callback, path: path.clone() }.examine(true, &mut report);
            found.extend(report.finish());
        }
    }
    let mut stores = Vec::<&Redis>::new();
    for gateway in &gateways {
        let Some(Store::Redis(redis)) = gateway.settings.revocations.as_ref().map(|revocations| &revocations.store) else {
            continue;
        };
        if !stores.contains(&redis) {
            stores.push(redis);
            let Doctor { client, documents_only, try_secret, .. } = asked;
            let asked = Asked { client, named: named.as_ref(), documents_only: *documents_only, try_secret: *try_secret };
            found.extend(store::of_store(asked, gateway, redis));
        }
    }
    if seen.is_empty() && stores.is_empty() {
        return Err(Trouble::told(format!("{}: the configuration has no providers to ask", asked.file)));
    }
    tell(&found, terminal)
}

/// A visit to one provider, or to one transmitter.
struct Visit<'a> {
    asked: &'a Doctor,
    named: Option<&'a Trust>,
    gateway: &'a Gateway,
    provider: &'a Provider,
    /// The path that it sends browsers back to.
    callback: &'a str,
    /// What the paths of its members in the configuration begin with.
    path: String,
}

impl Visit<'_> {
    fn examine(&self, needs_keys: bool, report: &mut Report<'_>) {
        let provider = self.provider;
        if let Some(bootstrap) = self.gateway.bootstrap.as_ref().filter(|_| provider.is_asked()) {
            clusters::of_clusters(provider, bootstrap, self.named.is_none(), report);
        }
        let metadata = match &provider.source {
            MetadataSource::Discovery { .. } | MetadataSource::Transmitter { .. } => self.discovery(report),
            MetadataSource::Given(metadata) => {
                let sentence = "the metadata stand in the configuration, so that the provider is not asked for them";
                report.tell(Id::Discovery, Level::Note, sentence);
                Some(Metadata::clone(metadata))
            }
            MetadataSource::Never { .. } => {
                let sentence = "the filter never calls this provider: its keys stand in the configuration";
                return report.tell(Id::Discovery, Level::Note, sentence);
            }
        };
        let Some(metadata) = metadata else { return };
        if needs_keys && let Some(answered) = self.call(keys_request(provider, &metadata), report) {
            documents::keys(provider, &metadata, &answered.reply, report);
        }
        if !self.asked.documents_only && provider.signs_in() {
            self.redirect_uris(&metadata, report);
        }
        if !self.asked.documents_only && (provider.signs_in() || provider.has_client()) {
            self.client(&metadata, report);
        }
    }

    fn discovery(&self, report: &mut Report<'_>) -> Option<Metadata> {
        let provider = self.provider;
        let answered = self.call(metadata_request(provider), report)?;
        documents::clock(&answered, provider.clock_skew, report);
        let metadata = documents::discovery(provider, &answered.reply, report)?;
        if provider.transmits() {
            return Some(metadata);
        }
        let members = documents::members(&answered.reply);
        offers::of_document(provider, &metadata, &members, self.gateway.settings.sign_out.at_provider, report);
        if provider.signs_in() {
            offers::scopes_not_asked_for(provider, &members, &looked_at(&self.gateway.settings), report);
        }
        Some(metadata)
    }

    fn redirect_uris(&self, metadata: &Metadata, report: &mut Report<'_>) {
        let provider = self.provider;
        if let Err(why) = probes::may_be_asked(provider, metadata, &self.asked.client) {
            return report.tell(Id::RedirectUri, Level::Note, why);
        }
        let uris = self.uris();
        let Some(first) = uris.first() else { return };
        let Ok(random) = probes::made_up(&mut Machine) else { return };
        let made_up = format!("{first}/made-up-{}", random.expose());
        let Some(other) = self.authorization(metadata, &made_up, report) else { return };
        for uri in &uris {
            if let Some(ours) = self.authorization(metadata, uri, report) {
                probes::redirect_uri(provider, uri, &ours.reply, (&made_up, &other.reply), report);
            }
        }
    }

    /// Every redirect URI that the filter would send.
    fn uris(&self) -> Vec<String> {
        let of_origins = self.gateway.settings.origins.iter().map(|origin| format!("{origin}{}", self.callback));
        let of_page = self.provider.redirect_uri.iter().map(|url| url.as_str().to_owned());
        of_origins.chain(of_page).collect()
    }

    fn authorization(&self, metadata: &Metadata, uri: &str, report: &mut Report<'_>) -> Option<Answered> {
        self.call(probes::authorization_call(&mut Machine, self.provider, metadata, uri), report)
    }

    /// Whoever wrote the file chose the variable that the secret comes from, and the host that it is given to. So a secret is given
    /// away only by somebody who says so.
    fn client(&self, metadata: &Metadata, report: &mut Report<'_>) {
        let has_secret = self.provider.authentication.method() != "none";
        if has_secret && !self.asked.try_secret {
            let sentence =
                "the client's secret was not tried; --try-secret gives it to the token endpoint, if the file is your own";
            return report.tell(Id::Client, Level::Note, sentence);
        }
        if let Some((_, variable)) = self.gateway.stood_in.iter().find(|(path, _)| path.starts_with(&self.path)) {
            let sentence = format!("the variable {variable} is not set here, so that the client's secret was not tried");
            return report.tell(Id::Client, Level::Note, sentence);
        }
        let provider = self.provider;
        let uri = self.uris().into_iter().next().unwrap_or_default();
        if let Some(answered) = self.call(probes::token_call(&mut Machine, provider, metadata, &uri), report) {
            probes::client(provider, metadata, &answered.reply, report);
        }
    }

    /// Makes a call, and says why there is no answer if there is none.
    fn call(&self, call: Result<HttpCall, Failure>, report: &mut Report<'_>) -> Option<Answered> {
        let call = match call {
            Ok(call) => call,
            Err(failure) => {
                report.tell(Id::Endpoint, Level::Error, failure.detail);
                return None;
            }
        };
        let trust = Trust::for_call(self.named, self.gateway.bootstrap.as_ref(), self.provider, &call);
        let place = format!("{}://{}", call.scheme, call.authority);
        match self.asked.client.ask(&call, &trust) {
            Ok(answered) => {
                let sentence = match call.scheme.as_str() {
                    "https" => {
                        format!("{place} was reached, and its certificate is good by the authorities of {}", trust.whose())
                    }
                    _ => format!("{place} was reached, without TLS"),
                };
                report.tell(Id::Connection, Level::Well, sentence);
                if let Some(bootstrap) = self.gateway.bootstrap.as_ref().filter(|_| call.scheme == "https") {
                    clusters::of_name(self.provider, bootstrap, &place, report);
                }
                Some(answered)
            }
            Err(why) => {
                let path = call.path.split('?').next().unwrap_or_default();
                documents::unreached(&why, &format!("{place}{path}"), trust.whose(), report);
                None
            }
        }
    }
}

/// The claims that rules and policies look at.
fn looked_at(settings: &Settings) -> BTreeSet<String> {
    let of_rules = settings.rules.all().iter().flat_map(|rule| rule.require.claims());
    let mut of_policies = Vec::new();
    settings.policies.iter().for_each(|(_, policy)| policy.claims(&mut of_policies));
    of_rules.chain(of_policies.iter().map(ToString::to_string)).collect()
}

fn tell(found: &[Finding], terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let counted = |level: Level| found.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (counted(Level::Error), counted(Level::Warning));
    match terminal.form() {
        Form::Json => {
            let as_json = |finding: &Finding| {
                let Finding { provider, id, level, sentence } = finding;
                json!({"provider": provider, "id": id.name(), "level": level.name(), "sentence": sentence, "see": id.link()})
            };
            let findings: Value = found.iter().map(as_json).collect();
            terminal.json(&json!({"findings": findings, "errors": errors, "warnings": warnings}))?;
        }
        Form::Words => {
            for Finding { provider, id, level, sentence } in found {
                let link = if *level == Level::Well { String::new() } else { format!(" ({})", id.link()) };
                terminal.line(format_args!("{provider}: {} {}: {sentence}{link}", level.name(), id.name()))?;
            }
            let number = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            terminal.line(format_args!("{}, {}", number(errors, "error"), number(warnings, "warning")))?;
        }
    }
    Ok(if errors == 0 && warnings == 0 { Outcome::Fine } else { Outcome::Findings })
}

#[cfg(test)]
mod tests;
