//! Whether the store of revocations can be used: whether its servers are reached, take the login, and carry out what the filter sends;
//! and whether they keep what they get. Which commands these are, and what the answers mean, the store's own code says.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::ServerName;

use crate::cli::doctor::client::{Client, TlsFault, Unreached, by_io};
use crate::cli::doctor::documents::unreached;
use crate::cli::doctor::findings::{Finding, Id, Level, Report};
use crate::cli::doctor::probes;
use crate::cli::doctor::trust::Trust;
use crate::cli::envoy::around::{field, text};
use crate::cli::envoy::servers::{Server, servers};
use crate::cli::envoy::tls::{self, Socket};
use crate::cli::gateway::Gateway;
use crate::cli::machine::Machine;
use crate::cli::stream::{Stream, Tls};
use crate::cli::yaml::node::Node;
use crate::http::message::{Headers, Reply};
use crate::revocations::redis::settings::{Login, Redis};
use crate::words::quote::quote;

/// What the findings are about.
const NAME: &str = "revocations.redis";

/// How the store is looked at.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    /// The authorities that were named.
    pub(super) named: Option<&'a Trust>,
    pub(super) documents_only: bool,
    pub(super) try_secret: bool,
}

/// A visit to the servers of a store.
struct Visit<'a> {
    asked: Asked<'a>,
    gateway: &'a Gateway,
    redis: &'a Redis,
    cluster: &'a Node,
    trust: Trust,
}

/// How it stands with the store of a gateway.
pub(super) fn of_store(asked: Asked<'_>, gateway: &Gateway, redis: &Redis) -> Vec<Finding> {
    let mut report = Report::of(NAME);
    let shown = quote(&redis.cluster);
    let found = gateway.bootstrap.as_ref().and_then(|file| Some((file, tls::cluster(file, &redis.cluster)?)));
    match (found, gateway.bootstrap.as_ref()) {
        _ if asked.documents_only => report.tell(Id::Store, Level::Note, "the store has no documents, so that it was not asked"),
        (Some((file, cluster)), _) => {
            let trust = Trust::for_cluster(asked.named, file, &redis.cluster);
            Visit { asked, gateway, redis, cluster, trust }.examine(asked.named.is_none(), &mut report);
        }
        (None, Some(file)) if tls::clusters(file).is_some() && tls::all_are_in_file(file) => {
            let there = tls::names(file);
            let sentence = format!("there is no cluster {shown} in this file, so that Envoy reaches no store; {there}");
            report.tell(Id::Connection, Level::Error, sentence);
        }
        (None, _) => {
            let sentence = format!("the cluster {shown} is not in this file, so that the store was not asked");
            report.tell(Id::Connection, Level::Note, sentence);
        }
    }
    report.finish()
}

impl Visit<'_> {
    /// `by_cluster` is whether the authorities are those that the cluster trusts.
    fn examine(&self, by_cluster: bool, report: &mut Report<'_>) {
        let note = |sentence: String, report: &mut Report<'_>| report.tell(Id::Connection, Level::Note, sentence);
        let shown = quote(&self.redis.cluster);
        if matches!(Socket::of(self.cluster), Socket::Other) {
            let sentence = format!(
                "the transport_socket of the cluster {shown} is neither TLS nor raw_buffer, and is not spoken here, so that the store was not asked"
            );
            return note(sentence, report);
        }
        let socket = Socket::of(self.cluster).tls();
        let shows = ["tls_certificates", "tls_certificate_sds_secret_configs"];
        if socket
            .and_then(|socket| field(socket, "common_tls_context"))
            .is_some_and(|context| shows.iter().any(|name| field(context, name).is_some()))
        {
            let sentence = format!(
                "the cluster {shown} shows a certificate of its own, which is not used here, so that the store was not asked"
            );
            return note(sentence, report);
        }
        let authorities = tls::trusted_file(self.cluster).and_then(Node::text).filter(|file| !Path::new(file).exists());
        if let Some(file) = authorities.filter(|_| by_cluster) {
            let sentence = format!(
                "trusted_ca of the cluster {shown} is {}, which is not on this machine; the authorities of this machine were taken in its place, and Envoy needs the file where it runs",
                quote(file)
            );
            note(sentence, report);
        }
        let all = servers(self.cluster);
        if all.is_empty() {
            note(
                format!("where the servers of the cluster {shown} are is not in this file, so that the store was not asked"),
                report,
            );
        }
        let mut replicas: usize = 0;
        for server in &all {
            match server {
                Server::At(host, port) => replicas = replicas.saturating_add(usize::from(self.server(host, *port, report))),
                Server::Pipe(path) => {
                    let sentence = format!("{} is a socket of the machine where Envoy runs, and was not tried", quote(path));
                    note(sentence, report);
                }
            }
        }
        if replicas > 0 && replicas == all.len() {
            let sentence = "no server is the primary, so that no end is recorded; let the cluster lead to the primary";
            report.tell(Id::Store, Level::Error, sentence);
        }
    }

    /// Looks at one server. Whether it is a replica that takes nothing, beside which Envoy looks for the primary.
    fn server(&self, host: &str, port: u16, report: &mut Report<'_>) -> bool {
        let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let socket = Socket::of(self.cluster).tls();
        let name = socket.and_then(|socket| text(socket, "sni")).filter(|name| !name.is_empty()).unwrap_or(host);
        let timeout = self.asked.client.timeout(self.redis.timeout);
        let stream = match self.open((host, port), socket.map(|_| name), timeout) {
            Ok(stream) => stream,
            Err(why) => {
                self.unreached(&why, &place, report);
                return false;
            }
        };
        let sentence = match socket {
            Some(_) => format!(
                "{place} was reached, and its certificate is good for {name} by the authorities of {}",
                self.trust.whose()
            ),
            None => format!("{place} was reached, without TLS"),
        };
        report.tell(Id::Connection, Level::Well, sentence);
        if let Some(why) = self.not_tried() {
            report.tell(Id::Store, Level::Note, why);
            return false;
        }
        let Ok(random) = probes::made_up(&mut Machine) else { return false };
        let name = format!("trial:{}", random.expose());
        match stream.exchange(&self.redis.trial(&name).body) {
            Ok(body) => self.tried(&place, body, report),
            Err(error) => {
                self.unreached(&by_io(&error, timeout), &place, report);
                false
            }
        }
    }

    /// Connects to a server, by TLS to one of this name if there is one.
    fn open(&self, (host, port): (&str, u16), name: Option<&str>, timeout: Duration) -> Result<Stream, Unreached> {
        let addresses = self.asked.client.addresses(host, port)?;
        let failed = |words: String| Unreached::Tls(TlsFault::Other(words));
        let tls = match name {
            None => None,
            Some(name) => {
                let config = self.trust.tls().map_err(|error| failed(error.to_string()))?;
                let name = ServerName::try_from(name.to_owned()).map_err(|error| failed(error.to_string()))?;
                Some(Tls { config, name })
            }
        };
        Stream::open(&addresses, tls, timeout).map_err(|error| by_io(&error, timeout))
    }

    /// Why nothing is sent. Whoever wrote the file chose the variable that the password comes from, and the server that it is given
    /// to. So it is sent only by somebody who says so.
    fn not_tried(&self) -> Option<String> {
        if !self.asked.try_secret {
            return Some(
                "neither the login nor the commands were tried; --try-secret sends them, if the file is your own".to_owned(),
            );
        }
        let (_, variable) = self.gateway.stood_in.iter().find(|(path, _)| path.starts_with(NAME))?;
        Some(format!("the variable {variable} is not set here, so that neither the login nor the commands were tried"))
    }

    /// Says how a server has answered to the trial. Whether it is a replica that Envoy passes over.
    fn tried(&self, place: &str, body: Vec<u8>, report: &mut Report<'_>) -> bool {
        let trial = self.redis.tried(&Reply::Answered { status: 200, headers: Headers::default(), body });
        let is_replica = trial.refused.iter().any(|refused| refused.by_replica);
        let is_passed_over = is_replica && field(self.cluster, "health_checks").is_some();
        for refused in trial.refused.iter().filter(|refused| !(refused.by_replica && is_passed_over)) {
            report.tell(Id::Store, Level::Error, format!("{place}: {}", refused.failure.detail));
        }
        if is_passed_over {
            let sentence = format!("{place} is a replica; the health checks of the cluster keep calls from it");
            report.tell(Id::Store, Level::Note, sentence);
        } else if trial.refused.is_empty() {
            let who = match &self.redis.login {
                Login::Nobody => "without a login",
                Login::Password(_) => "by the password of the default user",
                Login::User { .. } => "by the user and password",
            };
            let sentence = format!(
                "{place} carries out TIME, XADD, XRANGE, SET and GET for the keys of {}, {who}",
                quote(&self.redis.stream)
            );
            report.tell(Id::Store, Level::Well, sentence);
        }
        if let Some(policy) = trial.maxmemory_policy.filter(|policy| policy.starts_with("allkeys-")) {
            let sentence = format!(
                "{place}: maxmemory-policy is {}, by which it may evict the stream, and with it all ends; set volatile-lru",
                quote(&policy)
            );
            report.tell(Id::Store, Level::Warning, sentence);
        }
        is_passed_over
    }

    fn unreached(&self, why: &Unreached, place: &str, report: &mut Report<'_>) {
        let sentence = match why {
            Unreached::Tls(TlsFault::NoTls) => {
                "it speaks no TLS at this port; correct the port, or let the cluster have no TLS".to_owned()
            }
            Unreached::Tls(TlsFault::OtherName(words)) => {
                format!(
                    "its certificate is for other names: {words}; correct sni of the cluster, or give the Redis a certificate for it"
                )
            }
            other => return unreached(other, place, self.trust.whose(), report),
        };
        report.tell(Id::Connection, Level::Error, format!("{place} was not reached: {sentence}"));
    }
}
