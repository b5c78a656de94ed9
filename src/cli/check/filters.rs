//! The other filters of the chain, and the routes: what answers or passes without the filter, and what an endpoint that reads a
//! body needs.

use serde_json::Value;

use crate::cli::check::findings::{Id, Report};
use crate::cli::envoy::around::{Around, field, inner, is_true, kind_of_filter, text};
use crate::cli::envoy::plugins::plugins;
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;
use crate::oidc::provider::ResponseMode;

/// Checks the chain that the filter is in.
pub(crate) fn of_filters(around: &Around<'_>, written: &Value, report: &mut Report<'_>) {
    of_caches(around, written, report);
    of_upgrades(around, report);
    if let Some(off) = field(around.filter, "disabled").filter(|_| is_true(around.filter, "disabled")) {
        let sentence = "requests pass without the filter unless their route turns it on; remove disabled";
        report.tell(Id::FilterDisabled, off.spot, sentence);
    }
    if let Some(name) = text(around.filter, "name") {
        match field(around.manager, "route_config") {
            Some(routes) => off_for_a_route(routes, name, report),
            None => report.tell(
                Id::Elsewhere,
                around.manager.spot,
                "the routes are not in this file, so that it cannot be seen whether one of them turns the filter off; check them, too",
            ),
        }
    }
}

fn of_caches(around: &Around<'_>, written: &Value, report: &mut Report<'_>) {
    for (position, filter) in around.filters().iter().enumerate() {
        if !matches!(kind_of_filter(filter), Some("cache" | "cache_v2")) {
            continue;
        }
        if position < around.position {
            let sentence =
                "the cache answers without asking the filter, which is behind it; remove the cache, or put it behind the filter";
            report.tell(Id::CacheBefore, filter.spot, sentence);
        } else if shares_what_is_personal(written) {
            let sentence = "the cache gives the page of one person to everybody where shared_cache is allowed and sign-in is required; write shared_cache: refused for those rules";
            report.tell(Id::CacheBehind, filter.spot, sentence);
        }
    }
}

/// Whether a shared cache may keep answers of a rule that lets in only some.
fn shares_what_is_personal(written: &Value) -> bool {
    let allows = |value: &Value| value.get("shared_cache").and_then(Value::as_str).map(|word| word == "allowed");
    let by_default = allows(written).unwrap_or(false);
    let rules = written.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_public = |rule: &Value| rule.get("require").and_then(Value::as_str) == Some("public");
    by_default || rules.iter().any(|rule| !is_public(rule) && allows(rule).unwrap_or(false))
}

fn of_upgrades(around: &Around<'_>, report: &mut Report<'_>) {
    let upgrades = field(around.manager, "upgrade_configs").map_or(&[][..], Node::elements);
    for chain in upgrades.iter().filter_map(|upgrade| field(upgrade, "filters")) {
        if !chain.elements().is_empty() && plugins(chain).plugins.is_empty() {
            let sentence =
                "upgraded requests, such as WebSocket handshakes, pass by these filters and without a decision; remove filters";
            report.tell(Id::UpgradeFilters, chain.spot, sentence);
        }
    }
}

/// Looks for a place in the routes that turns the filter of this name off.
fn off_for_a_route(node: &Node, name: &str, report: &mut Report<'_>) {
    let own = field(node, "typed_per_filter_config").and_then(|all| all.member(name));
    if let Some(own) = own.filter(|own| is_true(own, "disabled")) {
        let sentence = "these requests pass without the filter; write a rule with require: public instead";
        report.tell(Id::RouteDisabled, own.spot, sentence);
    }
    node.elements().iter().for_each(|element| off_for_a_route(element, name, report));
    node.members().iter().for_each(|member| off_for_a_route(&member.value, name, report));
}

/// Checks what the endpoints need that read a body.
pub(crate) fn of_bodies(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let paths = paths_with_a_body(settings);
    let Some(first) = paths.first() else { return };
    let buffer = around.filters().iter().position(|filter| kind_of_filter(filter) == Some("buffer"));
    let Some(position) = buffer else {
        let sentence =
            format!("{first} reads a body, and there is no buffer; put envoy.filters.http.buffer directly after the filter");
        return report.tell(Id::BufferMissing, around.filter.spot, sentence);
    };
    if let Some(filter) = around.filters().get(position).filter(|_| Some(position) != around.position.checked_add(1)) {
        let sentence = format!("{first} reads a body, and this buffer is not directly after the filter; move it there");
        report.tell(Id::BufferNotBehind, filter.spot, sentence);
    }
    for path in &paths {
        of_route(around, path, report);
    }
}

fn paths_with_a_body(settings: &Settings) -> Vec<&str> {
    let endpoints = [&settings.endpoints.token, &settings.endpoints.password].into_iter().flatten().map(String::as_str);
    let posted = settings.providers.iter().filter(|provider| provider.oidc.response_mode == ResponseMode::FormPost);
    endpoints.chain(posted.map(|provider| provider.callback.as_str())).collect()
}

/// Checks that Envoy leads this path to no cluster.
fn of_route(around: &Around<'_>, path: &str, report: &mut Report<'_>) {
    let hosts = inner(around.manager, &["route_config", "virtual_hosts"]).map_or(&[][..], Node::elements);
    for routes in hosts.iter().filter_map(|host| field(host, "routes")) {
        let first = routes.elements().iter().find_map(|route| Some((route, takes(route, path)?)));
        if let Some((route, true)) = first.filter(|(route, _)| field(route, "route").is_some()) {
            let sentence = format!(
                "{path} reads a body, and this route leads it to a cluster; put a route with direct_response for it first"
            );
            report.tell(Id::BodyRoute, route.spot, sentence);
        }
    }
}

/// Whether the route takes a POST to this path: `None` if it does not, false if that cannot be told.
fn takes(route: &Node, path: &str) -> Option<bool> {
    let Some(matched) = field(route, "match") else { return Some(false) };
    let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let by_path = match (text(matched, "path"), text(matched, "prefix"), text(matched, "path_separated_prefix")) {
        (Some(exact), ..) => exact == path,
        (_, Some(prefix), _) => path.starts_with(prefix),
        (.., Some(prefix)) => below(prefix),
        (None, None, None) => return Some(false),
    };
    let headers = field(matched, "headers").map_or(&[][..], Node::elements);
    let only_posts = headers.iter().all(|header| {
        text(header, "name") == Some(":method") && inner(header, &["string_match", "exact"]).and_then(Node::text) == Some("POST")
    });
    by_path.then_some(only_posts)
}
