//! Envoy's filter for MCP, where the configuration says that it compares what a request says that it calls with what its body calls:
//! whether it does so, on every route by which such a request reaches an application. What rules say of calls is not judged here.

use crate::access::examples::kinds_of_paths::written;
use crate::access::mcp::call::VERSIONS;
use crate::access::resources::BodyCheckedBy;
use crate::access::route::PathMatch;
use crate::cli::envoy::around::{Around, field, is_true, kind_of_filter, text};
use crate::cli::envoy::choice::host_of;
use crate::cli::envoy::routes::{Route, virtual_hosts};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::spot::Spot;
use crate::config::settings::Settings;
use crate::http::url::Origin;

/// What is written on a route so that the filter refuses there what it should.
const REMEDY: &str =
    "give the route a McpOverride with traffic_mode: REJECT_NO_MCP and reject_duplicate_keys: true in typed_per_filter_config";

/// Checks the filter for MCP, and the routes to the servers for which it is needed.
pub(super) fn of_mcp(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let calls = calls(settings);
    let Some((_, first)) = calls.first() else { return };
    let is_mcp = |filter: &&Node| kind_of_filter(filter) == Some("mcp");
    let behind: Vec<_> = around.filters().iter().skip(around.position.saturating_add(1)).filter(is_mcp).collect();
    if behind.is_empty() {
        let sentence = |what: &str, remedy: &str| {
            format!(
                "{what}, so that nobody compares what a POST to {first} says that it calls with what its body calls; {remedy}"
            )
        };
        return match around.filters().iter().find(is_mcp) {
            None => {
                let sentence = sentence("there is no filter for MCP", "put envoy.filters.http.mcp behind the filter");
                report.tell(Id::McpMissing, around.filter.spot, sentence);
            }
            Some(before) => {
                report.tell(Id::McpBefore, before.spot, sentence("this filter stands before Accredit", "move it behind"));
            }
        };
    }
    behind.iter().for_each(|filter| of_filter(filter, report));
    let (hosts, mut told) = (virtual_hosts(around.manager).collect::<Vec<_>>(), Vec::new());
    for (origin, path) in &calls {
        let Some(host) = host_of(&hosts, origin.authority()).or_else(|| host_of(&hosts, origin.host())) else { continue };
        for route in host.routes_of_post(path).filter(|route| route.to_cluster().is_some()) {
            let lacks: Vec<_> = behind.iter().map(|filter| lack(filter, route)).collect();
            // One of several is enough.
            let Some(Some(lack)) = lacks.iter().min_by_key(|lack| lack.is_some()) else { continue };
            // One place lacks the same for each path that it is for.
            if !told.contains(&lack.spot) {
                told.push(lack.spot);
                report.tell(lack.id, lack.spot, format!("a POST to {path} passes: {}; {REMEDY}", lack.why));
            }
        }
    }
}

/// The requests by which rules tell calls apart, where the filter is said to compare them: an example of each spelling of a path.
fn calls(settings: &Settings) -> Vec<(&Origin, String)> {
    let rules = settings.rules.all().iter();
    let mut wanted: Vec<_> = rules
        .filter(|rule| rule.matches.calls.is_some() || rule.require.looks_at_calls())
        .map(|rule| (rule.matches.host.as_deref(), rule.matches.path.clone()))
        .collect();
    if settings.policies.iter().any(|(_, policy)| policy.tests().iter().any(|test| test.looks_at_calls())) {
        wanted.extend(settings.resources.all().map(|resource| (None, PathMatch::SeparatedPrefix(resource.path.clone()))));
    }
    let mut all = Vec::new();
    for (host, path) in wanted {
        let spellings = match &path {
            PathMatch::Exact(path) => vec![path.clone()],
            PathMatch::SeparatedPrefix(path) => vec![path.clone(), format!("{path}/"), format!("{path}/x")],
            PathMatch::Any | PathMatch::Glob(_) => vec!["/".to_owned(), "/x".to_owned()],
        };
        for origin in settings.origins.iter().filter(|origin| host.is_none_or(|host| origin.host() == host)) {
            for path in spellings.iter().filter_map(|path| written(path)) {
                let resource = settings.resources.find(origin, &path);
                let is_asked = resource.is_some_and(|resource| resource.body_checked_by == Some(BodyCheckedBy::EnvoyMcpFilter));
                if is_asked && !all.contains(&(origin, path.clone())) {
                    all.push((origin, path));
                }
            }
        }
    }
    all
}

/// Checks what the filter is told for all routes alike.
fn of_filter(filter: &Node, report: &mut Report<'_>) {
    let Some(config) = field(filter, "typed_config") else { return };
    if let Some(source) = field(config, "attribute_source").filter(|source| matches!(source.text(), Some("HEADERS" | "2"))) {
        let sentence = "what the header fields say is taken for what the body says; write attribute_source: VERIFY";
        report.tell(Id::McpUnverified, source.spot, sentence);
    }
    let newest = text(config, "max_supported_protocol_version");
    if !newest.is_some_and(|version| VERSIONS.contains(&version)) {
        let spot = field(config, "max_supported_protocol_version").unwrap_or(filter).spot;
        let sentence = format!(
            "what requests of other versions say is not compared with their bodies; write max_supported_protocol_version: \"{}\"",
            VERSIONS.join(" or ")
        );
        report.tell(Id::McpUnverified, spot, sentence);
    }
    if let Some(early) =
        field(config, "early_terminate_when_routable").filter(|_| is_true(config, "early_terminate_when_routable"))
    {
        let sentence = "what stands behind the first name in a body is not read, and may be another name; remove it";
        report.tell(Id::McpShort, early.spot, sentence);
    }
}

/// What a route lacks of the filter.
struct Lack {
    id: Id,
    spot: Spot,
    why: &'static str,
}

/// What a route lacks so that the filter refuses there what it should; `None` if it lacks nothing.
fn lack(filter: &Node, route: Route<'_>) -> Option<Lack> {
    let told = text(filter, "name").and_then(|name| route.settings_of(name));
    let lack = |id: Id, spot: Spot, why: &'static str| Some(Lack { id, spot, why });
    // They may be wrapped in a FilterConfig.
    let own = match told {
        Some(told) if is_true(told, "disabled") => return lack(Id::McpOff, told.spot, "this turns the filter for MCP off"),
        Some(told) => field(told, "config").unwrap_or(told),
        None if is_true(filter, "disabled") => {
            return lack(Id::McpOff, route.node.spot, "the filter for MCP is disabled, and this route does not turn it on");
        }
        None => field(filter, "typed_config").unwrap_or(filter),
    };
    let why = match (field(own, "traffic_mode").and_then(Node::text), told) {
        (Some("REJECT_NO_MCP" | "1"), _) if is_true(own, "reject_duplicate_keys") => return None,
        (Some("REJECT_NO_MCP" | "1"), Some(_)) => {
            return lack(Id::McpShort, own.spot, "without reject_duplicate_keys, here too, its body may name two tools");
        }
        (Some("REJECT_NO_MCP" | "1"), None) => {
            return lack(Id::McpShort, own.spot, "without reject_duplicate_keys, its body may name two tools");
        }
        (None, Some(_)) => "without traffic_mode, this means PASS_THROUGH, whatever stands in http_filters",
        _ => "in this traffic_mode, the filter for MCP refuses nothing",
    };
    lack(Id::McpOff, own.spot, why)
}
