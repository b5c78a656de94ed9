//! Time-outs: those that end WebSockets, however much is sent through them, and the one that ends requests which would wait for
//! ever. (Tried with Envoy 1.40: the `timeout` of a route, and time-outs of an idle stream, do not end a WebSocket in use.)

use std::time::Duration;

use crate::cli::envoy::around::{Around, duration, field, inner, is_true, text};
use crate::cli::envoy::routes::{Route, routes};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;

/// WebSockets that live shorter than this are hardly meant to. A longer limit may be meant: a WebSocket outlives its session.
const SHORTEST: Duration = Duration::from_secs(600);

/// Where a message for the protocol has its limit.
const IN_PROTOCOL_OPTIONS: [&str; 2] = ["common_http_protocol_options", "max_stream_duration"];

/// Checks the time-outs of the manager, its routes and the clusters that these lead to.
pub(super) fn of_sockets(around: &Around<'_>, report: &mut Report<'_>) {
    of_silence(around.manager, report);
    let clusters = inner(around.bootstrap, &["static_resources", "clusters"]).map_or(&[][..], Node::elements);
    for route in routes(around.manager).filter(|route| upgrades(*route, around.manager)) {
        let Some(action) = route.to_cluster() else { continue };
        let of_route = inner(action, &["max_stream_duration", "max_stream_duration"]);
        let of_stream = of_route.or_else(|| inner(around.manager, &IN_PROTOCOL_OPTIONS));
        let cluster =
            text(action, "cluster").and_then(|name| clusters.iter().find(|cluster| text(cluster, "name") == Some(name)));
        let limits = of_stream.into_iter().chain(cluster.into_iter().flat_map(limits_of_cluster));
        for limit in limits.filter(|limit| duration(limit).is_some_and(|limit| !limit.is_zero() && limit < SHORTEST)) {
            let sentence = "every WebSocket is ended after this time, also if it is in use; write a longer time, or 0s in max_stream_duration of the route";
            report.tell(Id::WebsocketTimeout, limit.spot, sentence);
        }
    }
}

/// A request that waits in a worker whose filter has crashed is ended by nothing else.
fn of_silence(manager: &Node, report: &mut Report<'_>) {
    let Some(idle) = field(manager, "stream_idle_timeout").filter(|idle| duration(idle) == Some(Duration::ZERO)) else { return };
    let of_route = |route: Route<'_>| field(route.to_cluster()?, "idle_timeout").and_then(duration);
    let mut to_clusters = routes(manager).filter(|route| route.to_cluster().is_some()).peekable();
    let all_are_limited =
        to_clusters.peek().is_some() && to_clusters.all(|route| of_route(route).is_some_and(|idle| !idle.is_zero()));
    if !all_are_limited {
        let sentence =
            "a request that waits in a worker whose filter has crashed is never ended; write stream_idle_timeout: 30s, or longer";
        report.tell(Id::NoIdleTimeout, idle.spot, sentence);
    }
}

/// Whether WebSockets are on for a route: by itself, or else by the manager.
fn upgrades(route: Route<'_>, manager: &Node) -> bool {
    let own = route.to_cluster().and_then(enabled);
    own.unwrap_or_else(|| enabled(manager) == Some(true))
}

fn enabled(message: &Node) -> Option<bool> {
    let all = field(message, "upgrade_configs")?.elements();
    let of_sockets = |upgrade: &&Node| text(upgrade, "upgrade_type").is_some_and(|kind| kind.eq_ignore_ascii_case("websocket"));
    let upgrade = all.iter().find(of_sockets)?;
    Some(field(upgrade, "enabled").is_none() || is_true(upgrade, "enabled"))
}

fn limits_of_cluster(cluster: &Node) -> impl Iterator<Item = &Node> {
    let options = field(cluster, "typed_extension_protocol_options").map_or(&[][..], Node::members);
    let messages = options.iter().map(|member| &member.value).chain([cluster]);
    messages.filter_map(|message| inner(message, &IN_PROTOCOL_OPTIONS))
}
