//! The routes: whether each origin has a virtual host, and whether a policy that a route names counts for that route.

use crate::cli::envoy::around::{Around, field, inner, is_true};
use crate::cli::envoy::choice::fit;
use crate::cli::envoy::routes::{Route, virtual_hosts};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;
use crate::http::url::Origin;

/// Checks the routes of the manager.
pub(super) fn of_routes(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    of_origins(around, settings, report);
    if let Some(namespace) = &settings.route_policies {
        of_policies(around.manager, namespace, settings, report);
    }
}

/// Checks that each origin has a virtual host. One that another listener is for counts, too.
fn of_origins(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let hosts: Vec<_> = virtual_hosts(around.manager).collect();
    let Some(first) = hosts.first() else { return };
    let table = field(around.manager, "route_config");
    if table.is_some_and(|table| field(table, "vhds").is_some()) {
        return;
    }
    let mut domains = Vec::new();
    all_domains(around.bootstrap, &mut domains);
    let own_port = around.listener.and_then(|listener| inner(listener, &["address", "socket_address", "port_value"]));
    let without_port = |origin: &Origin| {
        let is_own = own_port.and_then(Node::text).is_some_and(|port| origin.authority().ends_with(&format!(":{port}")));
        table.is_some_and(|table| is_true(table, "ignore_port_in_host_matching"))
            || is_true(around.manager, "strip_any_host_port")
            || (is_own && is_true(around.manager, "strip_matching_host_port"))
    };
    for origin in &settings.origins {
        let host = if without_port(origin) { origin.host() } else { origin.authority() };
        if !domains.iter().any(|domain| fit(domain, host).is_some()) {
            let sentence = "Envoy has no route for one of the origins, and answers 404 there, because no virtual host has its host, with the port that browsers send, among its domains; add it";
            report.tell(Id::OriginUnrouted, first.node.spot, sentence);
        }
    }
}

/// The domains of all virtual hosts that stand anywhere in a file.
fn all_domains(node: &Node, found: &mut Vec<String>) {
    for host in field(node, "virtual_hosts").map_or(&[][..], Node::elements) {
        let domains = field(host, "domains").map_or(&[][..], Node::elements);
        found.extend(domains.iter().filter_map(Node::text).map(str::to_ascii_lowercase));
    }
    node.elements().iter().for_each(|element| all_domains(element, found));
    node.members().iter().for_each(|member| all_domains(&member.value, found));
}

/// Envoy chooses a route again when the filter has changed headers. The filter has read the policy of the first one.
fn of_policies(manager: &Node, namespace: &str, settings: &Settings, report: &mut Report<'_>) {
    let changes = |name: &str| matches!(name, "cookie" | "authorization") || settings.identity.takes_away(name.as_bytes());
    let has_policy = |route: Route<'_>| {
        let metadata = inner(route.node, &["metadata", "filter_metadata"]);
        metadata.is_some_and(|metadata| metadata.member(namespace).is_some())
    };
    for host in virtual_hosts(manager).filter(|host| host.routes().any(has_policy)) {
        for matched in host.routes().filter_map(|route| inner(route.node, &["match", "headers"])) {
            let named = matched.elements().iter().filter_map(|header| field(header, "name"));
            for name in named.filter(|name| name.text().is_some_and(|name| changes(&name.to_ascii_lowercase()))) {
                let sentence = "the policy of another route may count than that of the route which is taken, because the filter changes this header after Envoy has chosen; match on path, method and host alone, or write the policy into a rule";
                report.tell(Id::PolicyByHeader, name.spot, sentence);
            }
        }
    }
}
