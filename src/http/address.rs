//! Which client an IP address belongs to, for limits that are counted by client. What is counted is not known here.

use std::net::IpAddr;

/// The bytes of an IPv4 address, or the first 64 bits of an IPv6 address.
pub type Network = Vec<u8>;

/// The network that an address belongs to: an IPv4 address is one client's, and of IPv6 one client has at least a /64. The port
/// does not count, because it changes with each connection. `address` is written as
/// [`crate::words::world::World::client_address`] returns it; `None` if it is no IP address.
pub fn network(address: &str) -> Option<Network> {
    Some(match ip(address)? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => match address.octets() {
            // All clients behind a NAT64 (RFC 6052, section 2.1) share one /64: they are told apart by their IPv4 addresses.
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ipv4 @ ..] => ipv4.to_vec(),
            [a, b, c, d, e, f, g, h, ..] => vec![a, b, c, d, e, f, g, h],
        },
    })
}

/// The network of an address, as [`network`] gives it, and after it the wider ones of IPv6 that one line or one site may have: the
/// /56 and the /48. Empty if it is no IP address.
pub fn networks(address: &str) -> Vec<Network> {
    let Some(network) = network(address) else { return Vec::new() };
    let wider: Vec<_> = match network.as_slice() {
        [a, b, c, d, e, f, g, _] => vec![vec![*a, *b, *c, *d, *e, *f, *g], vec![*a, *b, *c, *d, *e, *f]],
        _ => Vec::new(),
    };
    [vec![network], wider].concat()
}

/// The address itself, without port and scope, and as IPv4 if it is one that is mapped to IPv6. `None` if it is no IP address.
pub fn ip(address: &str) -> Option<IpAddr> {
    let host = address.trim_start_matches('[').split([']', '%']).next()?;
    let parsed = host.parse::<IpAddr>().or_else(|_| host.split(':').next().unwrap_or_default().parse());
    Some(parsed.ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_network_whatever_its_port_and_its_spelling() {
        let same = |addresses: &[&str]| {
            let networks: Vec<_> = addresses.iter().map(|address| network(address)).collect();
            assert!(networks.iter().all(|network| network.is_some() && *network == networks[0]), "{addresses:?}: {networks:?}");
        };
        same(&[
            "192.0.2.1",
            "192.0.2.1:1",
            "192.0.2.1:65535",
            "::ffff:192.0.2.1",
            "[::ffff:c000:201]:80",
            "[64:ff9b::192.0.2.1]:80",
        ]);
        same(&["2001:db8:1:2::1", "[2001:db8:1:2::1]:443", "[2001:DB8:1:2:ffff:ffff:ffff:ffff]:1", "2001:db8:1:2::5%eth0"]);
        let others = ["192.0.2.2", "192.0.2.1:1", "[::1]:9", "fe80::1", "2001:db8:1:3::1", "[64:ff9b::c000:203]:80"];
        let networks: std::collections::BTreeSet<_> = others.iter().map(|address| network(address)).collect();
        assert_eq!(networks.len(), others.len());
        for none in
            ["", "/run/envoy.sock", "@abstract", "envoy://internal_client_address/x", "localhost:80", "[", "::1:2::3", ":"]
        {
            assert_eq!(network(none), None, "{none}");
        }
    }

    #[test]
    fn all_of_one_line_and_of_one_site_of_ipv6_are_found_to_be_one_and_an_ipv4_address_is_alone() {
        let one = networks("[2001:db8:1:2a02::1]:443");
        let shared = |other: &str| networks(other).iter().filter(|network| one.contains(network)).count();
        for (other, expected) in [
            ("2001:db8:1:2a02::2", 3),
            ("2001:db8:1:2a03::1", 2),
            ("2001:db8:1:2aff::1", 2),
            ("2001:db8:1:2b02::1", 1),
            ("2001:db8:2:2a02::1", 0),
            ("192.0.2.1", 0),
        ] {
            assert_eq!(shared(other), expected, "{other}");
        }
        assert_eq!(one.iter().map(Vec::len).collect::<Vec<_>>(), [8, 7, 6]);
        for (address, number) in [("192.0.2.1:1", 1), ("[64:ff9b::192.0.2.1]:80", 1), ("/run/envoy.sock", 0)] {
            assert_eq!(networks(address).len(), number, "{address}");
        }
    }
}
