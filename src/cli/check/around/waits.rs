//! How long Envoy gives the filter's own calls, beside their `timeout`: to connect to a server, and to a request that waits for an
//! answer. What is too short or too long for the filter to notice is told.

use std::time::Duration;

use crate::cli::envoy::around::{Around, duration, field, inner, text};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;
use crate::revocations::store::Store;
use crate::words::quote::quote;

/// How long Envoy tries to connect if a cluster does not say it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks the time-outs of the clusters that the filter calls, and those of requests that wait for them.
pub(super) fn of_waits(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let calls = calls(settings);
    let clusters = inner(around.bootstrap, &["static_resources", "clusters"]).map_or(&[][..], Node::elements);
    for cluster in clusters {
        let name = text(cluster, "name").unwrap_or_default();
        if let Some(wait) = calls.iter().filter(|(called, _)| *called == name).map(|(_, wait)| *wait).min() {
            let verifies = settings.accounts.as_ref().and_then(|accounts| accounts.verify.as_ref());
            let decides = match verifies {
                Some(verify) if verify.call.cluster == name => ", also where that decides whether a password was tried",
                _ => "",
            };
            of_cluster(cluster, name, wait, decides, report);
        }
    }
    let longest = calls.iter().map(|(_, wait)| *wait).chain([settings.wait]).max().unwrap_or_default();
    for path in [&["stream_idle_timeout"][..], &["common_http_protocol_options", "max_stream_duration"]] {
        let limit = inner(around.manager, path).and_then(|node| Some((node, duration(node)?)));
        if let Some((node, limit)) = limit.filter(|(_, limit)| !limit.is_zero() && *limit <= longest) {
            let field = path.last().unwrap_or(&"");
            let sentence = format!(
                "Envoy ends requests after {limit:?} that may wait {longest:?} for an answer to the filter, and a sign-in is lost with its code; write a longer {field}"
            );
            report.tell(Id::CallTimeout, node.spot, sentence);
        }
    }
}

fn of_cluster(cluster: &Node, name: &str, wait: Duration, decides: &str, report: &mut Report<'_>) {
    let written = field(cluster, "connect_timeout");
    let connects = written.map_or(Some(CONNECT_TIMEOUT), duration);
    if let Some(connects) = connects.filter(|connects| *connects >= wait) {
        let sentence = format!(
            "a server that cannot be reached looks like a slow one{decides}, because Envoy tries to connect to the cluster {} for {connects:?}, and the filter waits {wait:?} in all (timeout); write a shorter connect_timeout",
            quote(name)
        );
        report.tell(Id::CallTimeout, written.unwrap_or(cluster).spot, sentence);
    }
}

/// The clusters that the filter calls, each with how long it waits there.
fn calls(settings: &Settings) -> Vec<(&str, Duration)> {
    let asked = settings.publishers().filter(|provider| provider.is_asked());
    let of_providers = asked.flat_map(|provider| provider.clusters.names().map(|name| (name, provider.timeout)));
    let accounts = settings.accounts.as_ref();
    let verify = accounts.and_then(|accounts| accounts.verify.as_ref()).map(|verify| &verify.call);
    let directory = accounts.and_then(|accounts| accounts.directory.as_ref());
    let create = directory.and_then(|directory| directory.create.as_ref()).map(|create| &create.call);
    let notify = directory.and_then(|directory| directory.notify.as_ref());
    let of_accounts = [verify, directory.map(|directory| &directory.find.call), create, notify];
    let of_accounts = of_accounts.into_iter().flatten().map(|call| (call.cluster.as_str(), call.timeout));
    let of_store = settings.revocations.as_ref().map(|revocations| match &revocations.store {
        Store::Redis(redis) => (redis.cluster.as_str(), redis.timeout),
    });
    of_providers.chain(of_accounts).chain(of_store).collect()
}
