//! Redirects that Envoy follows itself: whether the filter is to keep what the next pass needs, and what that finds instead of what
//! the filter has kept, or of what the client has sent.

use crate::cli::check::around::identity::written_headers;
use crate::cli::envoy::around::{Around, field, inner, kind_of_filter, text};
use crate::cli::envoy::routes::{Route, all_settings_of, routes, virtual_hosts};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;

/// The name of the filter state in which Envoy keeps texts of filters in WebAssembly.
const KEPT_IN: &str = "envoy.string";

/// How the type of a redirect of `custom_response` ends.
const REDIRECT: &str = ".RedirectPolicy";

/// Checks redirects that Envoy follows itself.
pub(super) fn of_redirects(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    if settings.internal_redirects {
        around.filters().iter().for_each(|filter| of_writers(filter, report));
        return;
    }
    for policy in routes(around.manager).filter_map(policy) {
        let sentence = "nobody is signed in any more after a redirect that Envoy follows itself; write internal_redirects: true";
        report.tell(Id::InternalRedirect, policy.spot, sentence);
    }
    if settings.accepts_bearer_tokens() {
        for added in added_tokens(around) {
            let sentence = "behind a redirect that Envoy follows itself, this token counts as if the client had sent it, so that anybody may what it may; write internal_redirects: true";
            report.tell(Id::TokenAdded, added.spot, sentence);
        }
    }
}

fn policy(route: Route<'_>) -> Option<&Node> {
    field(route.to_cluster()?, "internal_redirect_policy")
}

/// Where Envoy adds a bearer token behind the filter, as far as the file shows, to requests that it may begin again.
fn added_tokens<'a>(around: &Around<'a>) -> Vec<&'a Node> {
    let mut any_answer_redirects = false;
    for filter in around.filters().iter().filter(|filter| kind_of_filter(filter) == Some("custom_response")) {
        filter.each_text(&mut |_, text| any_answer_redirects |= text.ends_with(REDIRECT));
    }
    let follows = |route: &Route<'_>| any_answer_redirects || policy(*route).is_some();
    let redirected: Vec<_> = routes(around.manager).filter(follows).map(|route| route.node).collect();
    if redirected.is_empty() {
        return Vec::new();
    }
    let hosts = virtual_hosts(around.manager).filter(|host| host.routes().any(|route| follows(&route))).map(|host| host.node);
    let levels = field(around.manager, "route_config").into_iter().chain(hosts).chain(redirected.iter().copied());
    // Routes may lead to several clusters, and headers may be added for each.
    let clusters = redirected.iter().filter_map(|route| inner(route, &["route", "weighted_clusters", "clusters"]));
    let levels = levels.chain(clusters.flat_map(Node::elements));
    let mut headers = Vec::new();
    levels.filter_map(|level| field(level, "request_headers_to_add")).for_each(|added| written_headers(added, &mut headers));
    let mut injectors = Vec::new();
    let own = around.filters().iter().skip(around.position.saturating_add(1));
    for filter in own.chain(filters_of_clusters(around.bootstrap)) {
        let settings = all_settings_of(around.manager, text(filter, "name").unwrap_or_default());
        match kind_of_filter(filter) {
            Some("header_mutation") => {
                let messages = field(filter, "typed_config").into_iter().chain(settings);
                messages.for_each(|message| written_headers(message, &mut headers));
            }
            kind => {
                let header_of = |names: &[&str]| inner(filter, names).and_then(Node::text).is_none_or(is_authorization);
                let is_injector = match kind {
                    Some("credential_injector") => header_of(&["typed_config", "credential", "typed_config", "header"]),
                    Some("gcp_authn") => header_of(&["typed_config", "token_header", "name"]),
                    Some("oauth2") => {
                        inner(filter, &["typed_config", "config", "forward_bearer_token"]).and_then(Node::text) == Some("true")
                    }
                    _ => false,
                };
                injectors.extend(Some(filter).filter(|_| is_injector));
            }
        }
    }
    let is_token = |header: &&Node| {
        let is_basic = text(header, "value").is_some_and(|value| value.to_ascii_lowercase().starts_with("basic "));
        text(header, "key").is_some_and(is_authorization) && !is_basic
    };
    headers.into_iter().filter(is_token).filter_map(|header| field(header, "key")).chain(injectors).collect()
}

fn is_authorization(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization")
}

/// The HTTP filters of clusters.
fn filters_of_clusters(bootstrap: &Node) -> impl Iterator<Item = &Node> {
    let clusters = inner(bootstrap, &["static_resources", "clusters"]).map_or(&[][..], Node::elements);
    let options = clusters.iter().filter_map(|cluster| field(cluster, "typed_extension_protocol_options"));
    let filters = options.flat_map(Node::members).filter_map(|options| field(&options.value, "http_filters"));
    filters.flat_map(Node::elements)
}

/// Looks for a filter that writes the filter state which the filter needs.
fn of_writers(node: &Node, report: &mut Report<'_>) {
    if let Some(key) = field(node, "object_key").filter(|key| key.text() == Some(KEPT_IN)) {
        let sentence = "nobody is signed in any more after an internal redirect, because this replaces what the filter keeps under the same name; write another object_key";
        report.tell(Id::RedirectState, key.spot, sentence);
    }
    node.elements().iter().for_each(|element| of_writers(element, report));
    node.members().iter().for_each(|member| of_writers(&member.value, report));
}
