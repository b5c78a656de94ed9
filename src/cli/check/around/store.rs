//! The cluster of the store of revocations: whether Envoy sends there what it is given as it is, and whether others on the way can
//! read the password. Whether a server is there is not known here.

use serde_json::Value;

use crate::cli::envoy::around::{field, is_true, text};
use crate::cli::envoy::plugins::Plugin;
use crate::cli::envoy::servers::{Distance, distance, takes_bodies_alone};
use crate::cli::envoy::tls::{self, Socket};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::words::quote::quote;

/// Checks the cluster that `revocations.redis` names, if it is in the file.
pub(super) fn of_store(plugin: &Plugin<'_>, written: &Value, report: &mut Report<'_>) {
    let Some(redis) = written.pointer("/revocations/redis") else { return };
    let (Some(around), Some(name)) = (&plugin.around, redis.get("cluster").and_then(Value::as_str)) else { return };
    let Some(cluster) = tls::cluster(around.bootstrap, name) else { return };
    if !takes_bodies_alone(cluster) {
        let sentence = format!(
            "Envoy speaks HTTP to the Redis of the cluster {}, and no end is ever told; write upstream_config with TcpConnectionPoolProto",
            quote(text(cluster, "name").unwrap_or_default())
        );
        report.tell(Id::TcpPool, field(cluster, "upstream_config").unwrap_or(cluster).spot, sentence);
    }
    let far = distance(cluster);
    if redis.get("password").is_some() && far > Distance::SameMachine {
        of_password(cluster, far, report);
    }
}

/// Looks at the TLS of a cluster that gets the password.
fn of_password(cluster: &Node, far: Distance, report: &mut Report<'_>) {
    if field(cluster, "transport_socket_matches").is_some() {
        return;
    }
    let shown = quote(text(cluster, "name").unwrap_or_default());
    let socket = match Socket::of(cluster) {
        Socket::Tls(socket) => socket,
        Socket::Plain if far == Distance::Elsewhere => {
            let sentence = format!(
                "anybody on the way can read the password of the Redis, because its cluster {shown} has no TLS; give it a transport_socket with UpstreamTlsContext"
            );
            return report.tell(Id::StorePlain, cluster.spot, sentence);
        }
        Socket::Plain | Socket::Other => return,
    };
    // By these, Envoy takes the name in the call, and a call to the store has the name of none of its servers.
    if let Some(option) = tls::option_by_call(cluster) {
        let sentence = format!(
            "Envoy takes revocations, which is what a call to the store has for a host, for the name of the Redis, because the cluster {shown} has {option}; write sni and match_typed_subject_alt_names in its place"
        );
        report.tell(Id::ClusterName, cluster.spot, sentence);
    } else if text(socket, "sni").is_none_or(str::is_empty) && !is_true(socket, "auto_host_sni") {
        let sentence = format!(
            "a Redis that shares its address with others answers with the certificate of another one, or not at all, because the TLS of the cluster {shown} names none; write sni, or auto_host_sni: true"
        );
        report.tell(Id::ClusterSni, socket.spot, sentence);
    }
    if let Some(lacking) = tls::unverified(socket, tls::verifies_the_host(cluster, socket)) {
        let sentence = format!(
            "anybody on the way can answer in place of the Redis and read its password, because the TLS of the cluster {shown} verifies {lacking}; add it"
        );
        report.tell(Id::ClusterUnverified, cluster.spot, sentence);
    }
}
