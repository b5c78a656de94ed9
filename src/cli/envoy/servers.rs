//! Where the servers of a cluster are, and in which protocol Envoy speaks to them, as far as the file says so. Nobody is asked here.

use std::net::IpAddr;

use crate::cli::envoy::around::{field, inner, text};
use crate::cli::yaml::node::Node;

/// The end of the type of the message by which a cluster gets the bodies of calls as they are, over TCP.
const TCP_POOL: &str = ".TcpConnectionPoolProto";

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server<'a> {
    /// At this host, a name or an address without brackets, and this port.
    At(&'a str, u16),
    /// At this socket of the same machine.
    Pipe(&'a str),
}

/// How far a server is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distance {
    /// On the same machine.
    SameMachine,
    /// In the network of a compose file or of a Kubernetes, by the name that it has there.
    SameNetwork,
    /// Elsewhere, or nobody knows where.
    Elsewhere,
}

/// The servers of a cluster that stand in its `load_assignment`.
pub(crate) fn servers(cluster: &Node) -> Vec<Server<'_>> {
    let groups = inner(cluster, &["load_assignment", "endpoints"]).map_or(&[][..], Node::elements);
    let all = groups.iter().filter_map(|group| field(group, "lb_endpoints")).flat_map(Node::elements);
    all.filter_map(|one| server(inner(one, &["endpoint", "address"])?)).collect()
}

fn server(address: &Node) -> Option<Server<'_>> {
    if let Some(path) = inner(address, &["pipe", "path"]) {
        return Some(Server::Pipe(path.text()?));
    }
    let socket = field(address, "socket_address")?;
    Some(Server::At(text(socket, "address")?, text(socket, "port_value")?.parse().ok()?))
}

/// How far the farthest server of a cluster is away.
pub(crate) fn distance(cluster: &Node) -> Distance {
    let of = |server: &Server<'_>| match server {
        Server::Pipe(_) => Distance::SameMachine,
        Server::At(host, _) => of_host(host),
    };
    servers(cluster).iter().map(of).max().unwrap_or(Distance::Elsewhere)
}

fn of_host(host: &str) -> Distance {
    let is_loopback = host.parse().map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |ip: IpAddr| ip.is_loopback());
    let is_service = || host.trim_end_matches('.').split('.').any(|label| label == "svc");
    let is_address = || host.parse::<IpAddr>().is_ok();
    match () {
        () if is_loopback => Distance::SameMachine,
        () if !is_address() && (!host.contains('.') || is_service()) => Distance::SameNetwork,
        () => Distance::Elsewhere,
    }
}

/// Whether Envoy sends the bodies of calls to a cluster as they are, over TCP, and not in HTTP.
pub(crate) fn takes_bodies_alone(cluster: &Node) -> bool {
    let Some(config) = field(cluster, "upstream_config") else { return false };
    let typed = field(config, "typed_config").and_then(|message| message.member("@type")).and_then(Node::text);
    typed.map_or_else(|| text(config, "name") == Some("envoy.upstreams.http.tcp"), |url| url.ends_with(TCP_POOL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::yaml::reader::read;
    use crate::cli::yaml::spot::Origin;

    #[test]
    fn how_far_a_server_is_away_is_told_by_its_name() {
        for (host, expected) in [
            ("127.0.0.1", Distance::SameMachine),
            ("127.9.9.9", Distance::SameMachine),
            ("::1", Distance::SameMachine),
            ("LocalHost", Distance::SameMachine),
            ("redis", Distance::SameNetwork),
            ("redis.accredit.svc", Distance::SameNetwork),
            ("redis.accredit.svc.cluster.local.", Distance::SameNetwork),
            ("redis.internal", Distance::Elsewhere),
            ("svc-redis.example.com", Distance::Elsewhere),
            ("10.0.0.7", Distance::Elsewhere),
            ("2001:db8::1", Distance::Elsewhere),
            ("127.0.0.1.example.com", Distance::Elsewhere),
        ] {
            assert_eq!(of_host(host), expected, "{host}");
        }
    }

    #[test]
    fn servers_are_read_in_both_spellings_and_the_farthest_counts() {
        let file = "loadAssignment: {endpoints: [{lbEndpoints: [{endpoint: {address: {socketAddress: {address: redis, portValue: 6379}}}}, {endpoint: {address: {pipe: {path: /run/redis}}}}]}]}";
        let stream = read(file, Origin::FILE).unwrap();
        let cluster = &stream.documents[0];
        assert_eq!(servers(cluster), [Server::At("redis", 6379), Server::Pipe("/run/redis")]);
        assert_eq!(distance(cluster), Distance::SameNetwork);
        // Where they come from elsewhere, nobody knows.
        assert_eq!(distance(&read("type: EDS", Origin::FILE).unwrap().documents[0]), Distance::Elsewhere);
    }
}
