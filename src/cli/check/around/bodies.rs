//! What the endpoints need that read a body: a buffer directly behind the filter, which is on for their routes, and routes that
//! lead to no cluster.

use crate::cli::envoy::around::{Around, field, is_true, kind_of_filter, text};
use crate::cli::envoy::routes::{Route, virtual_hosts};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::{Endpoints, Settings};
use crate::oidc::provider::ResponseMode;

/// Checks what the endpoints need that read a body.
pub(super) fn of_bodies(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let paths = paths_with_a_body(settings);
    let Some(first) = paths.first() else { return };
    let buffer = around.filters().iter().enumerate().find(|(_, filter)| kind_of_filter(filter) == Some("buffer"));
    let Some((position, buffer)) = buffer else {
        let sentence =
            format!("{first} reads a body, and there is no buffer; put envoy.filters.http.buffer directly after the filter");
        return report.tell(Id::BufferMissing, around.filter.spot, sentence);
    };
    if Some(position) != around.position.checked_add(1) {
        let sentence = format!("{first} reads a body, and this buffer is not directly after the filter; move it there");
        report.tell(Id::BufferNotBehind, buffer.spot, sentence);
    }
    for path in &paths {
        for route in virtual_hosts(around.manager).filter_map(|host| host.route_of_post(path)) {
            of_route(route, path, buffer, report);
        }
    }
}

/// The paths of the endpoints that read a body.
pub(super) fn paths_with_a_body(settings: &Settings) -> Vec<&str> {
    let Endpoints { token, password, operator_logout, .. } = &settings.endpoints;
    let endpoints = [token, password, operator_logout].into_iter().flatten().map(String::as_str);
    let posted = settings.providers.iter().filter(|provider| provider.oidc.response_mode == ResponseMode::FormPost);
    let told = settings.providers.iter().filter_map(|provider| provider.backchannel_logout.as_deref());
    let events = settings.endpoints.security_events.as_deref();
    endpoints.chain(posted.map(|provider| provider.callback.as_str())).chain(told).chain(events).collect()
}

/// Checks that Envoy leads this path to no cluster, and that the buffer is on there.
fn of_route(route: Route<'_>, path: &str, buffer: &Node, report: &mut Report<'_>) {
    if route.to_cluster().is_some() {
        let sentence =
            format!("{path} reads a body, and this route leads it to a cluster; put a route with direct_response for it first");
        return report.tell(Id::BodyRoute, route.node.spot, sentence);
    }
    let told = text(buffer, "name").and_then(|name| route.settings_of(name));
    let off = match told {
        // They may be wrapped in a FilterConfig.
        Some(told) => is_true(told, "disabled") || field(told, "config").is_some_and(|told| is_true(told, "disabled")),
        None => is_true(buffer, "disabled"),
    };
    if off && field(route.node, "direct_response").is_some() {
        let spot = told.map_or(route.node.spot, |told| told.spot);
        let sentence = format!(
            "every request to {path} is answered 404, because the buffer is off for this route; give the route a BufferPerRoute with max_request_bytes in typed_per_filter_config"
        );
        report.tell(Id::BufferNotOnRoute, spot, sentence);
    }
}
