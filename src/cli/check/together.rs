//! What several plugins, or several listeners, of one file do to each other.

use std::ptr;

use serde_json::Value;

use crate::cli::check::configuration::Known;
use crate::cli::envoy::around::{Around, field, inner, is_true, kind_of_filter, text};
use crate::cli::envoy::plugins::{Held, Kind, Plugin};
use crate::cli::envoy::routes::routes;
use crate::cli::envoy::tls::Socket;
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::words::quote::quote;

/// Filters that may decide by themselves who gets to the application.
const DECIDING: [&str; 10] =
    ["wasm", "ext_authz", "ext_proc", "jwt_authn", "oauth2", "rbac", "basic_auth", "api_key_auth", "lua", "golang"];

/// Checks all plugins of a document together.
pub(super) fn of_all(document: &Node, all: &[(&Plugin<'_>, Known)], report: &mut Report<'_>) {
    for (index, one) in all.iter().enumerate() {
        for other in all.get(..index).unwrap_or_default() {
            of_cookies(one, other, report);
            of_memory(one.0, other.0, report);
        }
        if one.0.kind == Kind::Envoy {
            of_strangers(document, one.0, all, report);
        }
    }
    let arounds: Vec<_> = all.iter().filter_map(|(plugin, _)| plugin.around.as_ref()).collect();
    for listener in inner(document, &["static_resources", "listeners"]).map_or(&[][..], Node::elements) {
        of_listener(listener, &arounds, report);
    }
}

fn vm_id(config: &Node) -> &str {
    field(config, "vm_config").and_then(|vm| text(vm, "vm_id")).unwrap_or_default()
}

/// Plugins with one configuration may have one memory: they are one gateway.
fn of_memory(one: &Plugin<'_>, other: &Plugin<'_>, report: &mut Report<'_>) {
    let are_of_envoy = one.kind == Kind::Envoy && other.kind == Kind::Envoy;
    if are_of_envoy && vm_id(one.node) == vm_id(other.node) && written(one) != written(other) {
        same_memory(one.node, report);
    }
}

/// Looks for plugins that are not Accredit, and share a plugin's memory.
fn of_strangers(node: &Node, plugin: &Plugin<'_>, all: &[(&Plugin<'_>, Known)], report: &mut Report<'_>) {
    let is_known = all.iter().any(|(other, _)| ptr::eq(other.node, node));
    if !is_known && field(node, "vm_config").is_some() && vm_id(node) == vm_id(plugin.node) {
        same_memory(plugin.node, report);
    }
    node.elements().iter().for_each(|element| of_strangers(element, plugin, all, report));
    node.members().iter().for_each(|member| of_strangers(&member.value, plugin, all, report));
}

fn same_memory(config: &Node, report: &mut Report<'_>) {
    let vm = field(config, "vm_config");
    let spot = vm.and_then(|vm| field(vm, "vm_id")).or(vm).unwrap_or(config).spot;
    let sentence = "another plugin can read and change what this one remembers of wrong passwords and sign-outs, because the two share their memory; write a vm_id that no other has";
    report.tell(Id::VmIdShared, spot, sentence);
}

/// Cookies belong to a host, whatever the port: two gateways there must have the same sessions, or different cookies.
fn of_cookies(one: &(&Plugin<'_>, Known), other: &(&Plugin<'_>, Known), report: &mut Report<'_>) {
    let (plugin, known) = one;
    let (Some(settings), Some(held), Some(others)) = (&known.settings, &plugin.held, &other.1.settings) else { return };
    let share_a_host = settings.origins.iter().any(|origin| others.origins.iter().any(|other| origin.host() == other.host()));
    let (name, other_name) = (&settings.session.cookie.name, &others.session.cookie.name);
    let is_one_name = name.starts_with(other_name.as_str()) || other_name.starts_with(name.as_str());
    if share_a_host && is_one_name && !have_the_same_sessions(plugin, other.0) {
        let sentence = format!(
            "two gateways on this host have the cookie {}, so that whoever signs in at one is signed out at the other; write another name into session.cookie.name",
            quote(name)
        );
        report.tell_of(Id::CookieShared, held.at("session.cookie.name", plugin.node.spot), "session.cookie.name", sentence);
    }
}

fn have_the_same_sessions(one: &Plugin<'_>, other: &Plugin<'_>) -> bool {
    let (one, other) = (written(one), written(other));
    ["session", "providers"].iter().all(|name| one.get(name) == other.get(name))
}

/// The configuration as it is written: a variable has one value for all plugins.
fn written(plugin: &Plugin<'_>) -> Value {
    plugin.held.as_ref().and_then(Held::value).unwrap_or_default()
}

/// Looks for a listener without the filter that leads to an application which others reach through the filter.
fn of_listener(listener: &Node, arounds: &[&Around<'_>], report: &mut Report<'_>) {
    let address = inner(listener, &["address", "socket_address", "address"]).and_then(Node::text);
    let is_of_this_machine = address.is_none_or(|address| address.starts_with("127.") || address == "::1");
    if is_of_this_machine {
        return;
    }
    for chain in field(listener, "filter_chains").map_or(&[][..], Node::elements) {
        let by_certificate = Socket::of(chain).tls().is_some_and(|tls| is_true(tls, "require_client_certificate"));
        let networks = field(chain, "filters").map_or(&[][..], Node::elements);
        for manager in networks.iter().filter_map(|filter| field(filter, "typed_config")) {
            let filters = field(manager, "http_filters").map_or(&[][..], Node::elements);
            let decides = filters.iter().any(|filter| kind_of_filter(filter).is_none_or(|kind| DECIDING.contains(&kind)));
            let is_ours = arounds.iter().any(|around| ptr::eq(around.manager, manager));
            if is_ours || decides || by_certificate {
                continue;
            }
            for (cluster, name) in routes(manager).filter_map(|route| named_cluster(route.to_cluster()?)) {
                let is_protected = |around: &&Around<'_>| {
                    routes(around.manager).filter_map(|route| named_cluster(route.to_cluster()?)).any(|(_, other)| other == name)
                };
                if arounds.iter().any(is_protected) {
                    let sentence = "requests to this listener reach the application without a decision; remove the route, or give the listener the filter, too";
                    report.tell(Id::WayAround, cluster.spot, sentence);
                }
            }
        }
    }
}

fn named_cluster(action: &Node) -> Option<(&Node, &str)> {
    let cluster = field(action, "cluster")?;
    Some((cluster, cluster.text()?))
}
