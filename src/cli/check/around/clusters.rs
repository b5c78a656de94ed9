//! The clusters that the configuration names: whether they are there, and whether the provider's is called by TLS that verifies
//! whom it talks to. What the store's cluster needs beside being there is not known here.

use std::path::Path;

use serde_json::Value;

use crate::cli::envoy::around::{field, text};
use crate::cli::envoy::plugins::Plugin;
use crate::cli::envoy::servers::takes_bodies_alone;
use crate::cli::envoy::tls::{self, Socket, names_its_server};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::http::url::Url;
use crate::words::quote::quote;

/// Where the configuration names the cluster of the store of revocations.
const STORE: &str = "revocations.redis.cluster";

/// Checks the clusters that the plugin's configuration names.
pub(crate) fn of_clusters(plugin: &Plugin<'_>, written: &Value, report: &mut Report<'_>) {
    let (Some(around), Some(held)) = (&plugin.around, &plugin.held) else { return };
    let Some(clusters) = tls::clusters(around.bootstrap) else { return };
    let all_are_here = tls::all_are_in_file(around.bootstrap);
    // What is the value of a variable is not printed.
    let literal = held.value().unwrap_or_default().to_string();
    let shown = |text: &str| {
        let is_written = [format!("\"{text}"), format!("//{text}")].iter().any(|begins| literal.contains(begins));
        if is_written { quote(text) } else { "that of a variable".to_owned() }
    };
    let all = named(written);
    for Named { path, name, host } in &all {
        let found = clusters.iter().find(|cluster| text(cluster, "name") == Some(name));
        if let Some(cluster) = found.filter(|cluster| *path != STORE && takes_bodies_alone(cluster)) {
            let sentence = format!(
                "every call to the cluster {} fails, because Envoy sends there the bodies of calls alone, and no HTTP; remove upstream_config, or name another cluster",
                quote(text(cluster, "name").unwrap_or_default())
            );
            report.tell(Id::TcpPool, field(cluster, "upstream_config").unwrap_or(cluster).spot, sentence);
        }
        match (found, host) {
            (Some(cluster), Some(host)) => {
                of_tls(cluster, report);
                of_authorities(cluster, report);
                let same = all.iter().filter(|other| other.name == *name);
                let hosts: Vec<_> = same.filter_map(|other| other.host.as_deref()).collect();
                if let Some(other) = tls::other_name(cluster, host, &hosts) {
                    let does = if other.is_verified { "verifies" } else { "calls its servers by sni" };
                    let sentence = format!(
                        "the cluster {} {does} {}, and the host of the issuer or endpoint is {}; write that name as sni and in match_typed_subject_alt_names, unless the certificate is meant to be for another one",
                        quote(name),
                        quote(&other.name),
                        shown(host)
                    );
                    report.tell(Id::ClusterName, other.spot, sentence);
                }
            }
            (None, _) if all_are_here => {
                let sentence = format!("expected the name of a cluster, found {}; {}", shown(name), tls::names(around.bootstrap));
                report.tell_of(Id::ClusterMissing, held.at(path, plugin.node.spot), path, sentence);
            }
            _ => {}
        }
    }
}

/// A cluster that a configuration names.
struct Named {
    /// Where it is named.
    path: String,
    name: String,
    /// The host that a provider is called by, without port and brackets, if that is by https.
    host: Option<String>,
}

/// The clusters that a configuration names.
fn named(written: &Value) -> Vec<Named> {
    let mut found = Vec::new();
    let called = ["providers", "transmitters"].into_iter().flat_map(|part| {
        let each = written.get(part).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        each.iter().enumerate().map(move |(index, one)| (format!("{part}[{index}].clusters"), one))
    });
    for (path, provider) in called {
        let issuer = provider.get("issuer").and_then(Value::as_str).filter(|issuer| issuer.starts_with("https://"));
        let host = |url: &str| Some(bare(Url::parse(url).ok()?.host()));
        match provider.get("clusters") {
            Some(Value::String(name)) => found.push(Named { path, name: name.clone(), host: issuer.and_then(host) }),
            Some(Value::Object(hosts)) => found.extend(hosts.iter().filter_map(|(listed, name)| {
                let host = issuer.and_then(|_| host(&format!("https://{listed}")));
                Some(Named { path: format!("{path}.{listed}"), name: name.as_str()?.to_owned(), host })
            })),
            _ => {}
        }
    }
    if let Some(name) = written.pointer("/revocations/redis/cluster").and_then(Value::as_str) {
        found.push(Named { path: STORE.to_owned(), name: name.to_owned(), host: None });
    }
    if let Some(accounts) = written.get("accounts").and_then(Value::as_object) {
        let own = accounts.get("cluster").map(|name| ("accounts.cluster".to_owned(), name));
        let calls = accounts.iter().filter_map(|(call, value)| Some((format!("accounts.{call}.cluster"), value.get("cluster")?)));
        let texts = own
            .into_iter()
            .chain(calls)
            .filter_map(|(path, name)| Some(Named { path, name: name.as_str()?.to_owned(), host: None }));
        found.extend(texts);
    }
    found
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn of_tls(cluster: &Node, report: &mut Report<'_>) {
    if field(cluster, "transport_socket_matches").is_some() {
        return;
    }
    let shown = quote(text(cluster, "name").unwrap_or_default());
    let socket = match Socket::of(cluster) {
        Socket::Tls(socket) => socket,
        Socket::Plain => {
            let sentence = format!(
                "the provider's issuer is https, and the cluster {shown} has no TLS; give it a transport_socket with UpstreamTlsContext"
            );
            return report.tell(Id::ClusterPlain, cluster.spot, sentence);
        }
        Socket::Other => return,
    };
    if !names_its_server(cluster, socket) {
        let sentence = format!(
            "servers of several sites answer with the certificate of another one, or not at all, because the TLS of the cluster {shown} names none; write sni, or auto_sni: true"
        );
        report.tell(Id::ClusterSni, socket.spot, sentence);
    }
    if let Some(lacking) = tls::unverified(socket, tls::verifies_the_host(cluster, socket)) {
        let sentence = format!(
            "anybody on the way can answer in place of the provider, because the TLS of the cluster {shown} verifies {lacking}; add it"
        );
        report.tell(Id::ClusterUnverified, cluster.spot, sentence);
    }
}

/// Says so if the authorities stand in a file that is not here. It may be where Envoy runs.
fn of_authorities(cluster: &Node, report: &mut Report<'_>) {
    let file = tls::trusted_file(cluster).and_then(|node| Some((node.spot, node.text()?)));
    if let Some((spot, file)) = file.filter(|(_, file)| !Path::new(file).exists()) {
        let sentence = format!("trusted_ca is {}, which is not on this machine; Envoy needs it where it runs", quote(file));
        report.tell(Id::Elsewhere, spot, sentence);
    }
}
