//! Envoy's filter for MCP, where the configuration says that it reads the bodies of calls: whether it does so, on every route by which
//! such a request reaches an application. Behind Accredit it compares them with what the header fields say, before Accredit it tells what
//! they call. What rules say of calls is not judged here.

use crate::access::examples::kinds_of_paths::written;
use crate::access::mcp::call::VERSIONS;
use crate::access::resources::BodyCheckedBy;
use crate::access::route::PathMatch;
use crate::cli::envoy::around::{Around, field, is_true, kind_of_filter, text};
use crate::cli::envoy::choice::host_of;
use crate::cli::envoy::plugins::plugins;
use crate::cli::envoy::routes::{Route, virtual_hosts};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::spot::Spot;
use crate::config::settings::Settings;
use crate::http::url::Origin;

/// Where the filter stands that reads bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Behind,
    Before,
}

impl Place {
    const fn checker(self) -> BodyCheckedBy {
        match self {
            Self::Behind => BodyCheckedBy::EnvoyMcpFilter,
            Self::Before => BodyCheckedBy::EnvoyMcpFilterBefore,
        }
    }

    /// What follows where the filter is not, for POSTs to a path.
    fn without(self, path: &str) -> String {
        match self {
            Self::Behind => format!("nobody compares what a POST to {path} says that it calls with what its body calls"),
            Self::Before => format!("nobody knows what a POST to {path} calls, which must then meet every rule for calls"),
        }
    }

    /// What is written on a route so that the filter does there what it should.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Behind => {
                "give the route a McpOverride with traffic_mode: REJECT_NO_MCP and reject_duplicate_keys: true in typed_per_filter_config"
            }
            Self::Before => {
                "let the route have no settings of that filter, or a McpOverride with traffic_mode: PASS_THROUGH and reject_duplicate_keys: true"
            }
        }
    }
}

/// A chain of filters that Accredit is in.
struct Chain<'a> {
    filters: &'a [Node],
    /// How many come before Accredit.
    position: usize,
    /// Which requests take it.
    whose: &'static str,
}

impl<'a> Chain<'a> {
    /// The filters for MCP at a place, and the first of those that are elsewhere.
    fn split(&self, place: Place) -> (Vec<&'a Node>, Option<&'a Node>) {
        let is_mcp = |filter: &&Node| kind_of_filter(filter) == Some("mcp");
        let (before, behind) = self.filters.split_at_checked(self.position).unwrap_or((self.filters, &[]));
        let (here, elsewhere) = if place == Place::Behind { (behind, before) } else { (before, behind) };
        (here.iter().filter(is_mcp).collect(), elsewhere.iter().find(is_mcp))
    }
}

/// The chains of a manager that Accredit is in: its own, and those for upgrades. (That one for upgrades lacks Accredit is another finding.)
fn chains<'a>(around: &Around<'a>) -> Vec<Chain<'a>> {
    let mut all = vec![Chain { filters: around.filters(), position: around.position, whose: "" }];
    let upgrades = field(around.manager, "upgrade_configs").map_or(&[][..], Node::elements);
    for filters in upgrades.iter().filter_map(|upgrade| field(upgrade, "filters")).map(Node::elements) {
        if let Some(position) = filters.iter().position(|filter| !plugins(filter).plugins.is_empty()) {
            all.push(Chain { filters, position, whose: "where requests are upgraded, " });
        }
    }
    all
}

/// Checks the filter for MCP, and the routes to the servers for which it is needed.
pub(super) fn of_mcp(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    for place in [Place::Behind, Place::Before] {
        let calls = calls(settings, place.checker());
        let mut told = Vec::new();
        for chain in chains(around).iter().filter(|_| !calls.is_empty()) {
            of_chain(chain, place, (around, &calls), &mut told, report);
        }
    }
}

/// Checks one chain. `told` are the places of which something was told.
fn of_chain(
    chain: &Chain<'_>,
    place: Place,
    (around, calls): (&Around<'_>, &[(&Origin, String)]),
    told: &mut Vec<Spot>,
    report: &mut Report<'_>,
) {
    let Some((_, first)) = calls.first() else { return };
    let (here, elsewhere) = chain.split(place);
    if here.is_empty() {
        let ours = chain.filters.get(chain.position).unwrap_or(around.filter);
        let (id, spot, what, remedy) = match (place, elsewhere) {
            (Place::Behind, None) => {
                (Id::McpMissing, ours.spot, "there is no filter for MCP", "put envoy.filters.http.mcp behind the filter")
            }
            (Place::Before, None) => {
                (Id::McpMissing, ours.spot, "there is no filter for MCP", "put envoy.filters.http.mcp before the filter")
            }
            (Place::Behind, Some(before)) => (Id::McpBefore, before.spot, "this filter stands before Accredit", "move it behind"),
            (Place::Before, Some(behind)) => (Id::McpBehind, behind.spot, "this filter stands behind Accredit", "move it before"),
        };
        return report.tell(id, spot, format!("{}{what}, so that {}; {remedy}", chain.whose, place.without(first)));
    }
    here.iter().for_each(|filter| of_filter(filter, place, report));
    let hosts = virtual_hosts(around.manager).collect::<Vec<_>>();
    for (origin, path) in calls {
        let Some(host) = host_of(&hosts, origin.authority()).or_else(|| host_of(&hosts, origin.host())) else { continue };
        for route in host.routes_of_post(path).filter(|route| route.to_cluster().is_some()) {
            let lacks: Vec<_> = here.iter().map(|filter| lack(filter, place, route)).collect();
            // Behind, one of several is enough, because each refuses. Before, what any of them tells is believed.
            let is_enough = place == Place::Behind && lacks.iter().any(Option::is_none);
            let Some(lack) = lacks.iter().flatten().next().filter(|_| !is_enough) else { continue };
            // One place lacks the same for each path that it is for.
            if !told.contains(&lack.spot) {
                told.push(lack.spot);
                let follows = match lack.id {
                    Id::McpShort => format!("a POST to {path} may call another tool than the one that is looked at"),
                    _ => place.without(path),
                };
                report.tell(lack.id, lack.spot, format!("{}{}, so that {follows}; {}", chain.whose, lack.why, place.remedy()));
            }
        }
    }
}

/// The requests by which rules tell calls apart, where this one is said to read their bodies: an example of each spelling of a path.
fn calls(settings: &Settings, checker: BodyCheckedBy) -> Vec<(&Origin, String)> {
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
                let is_asked = resource.is_some_and(|resource| resource.body_checked_by == Some(checker));
                if is_asked && !all.contains(&(origin, path.clone())) {
                    all.push((origin, path));
                }
            }
        }
    }
    all
}

/// Checks what the filter is told for all routes alike: of this, an override on a route changes nothing.
fn of_filter(filter: &Node, place: Place, report: &mut Report<'_>) {
    let Some(config) = field(filter, "typed_config") else { return };
    if let Some(source) = field(config, "attribute_source").filter(|source| matches!(source.text(), Some("HEADERS" | "2"))) {
        let remedy = if place == Place::Behind { "write attribute_source: VERIFY" } else { "remove attribute_source" };
        let sentence = format!("what the header fields say is taken for what the body says; {remedy}");
        report.tell(Id::McpOff, source.spot, sentence);
    }
    let newest = text(config, "max_supported_protocol_version");
    if place == Place::Behind && !newest.is_some_and(|version| VERSIONS.contains(&version)) {
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

/// What a route lacks so that the filter does there what it should; `None` if it lacks nothing. An override on a route takes over nothing of
/// what the filter is told elsewhere. (Tried with Envoy 1.40.)
fn lack(filter: &Node, place: Place, route: Route<'_>) -> Option<Lack> {
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
    let off = match (place, text(own, "traffic_mode"), told) {
        (Place::Behind, Some("REJECT_NO_MCP" | "1"), _) => None,
        (Place::Behind, None, Some(_)) => Some("without traffic_mode, this means PASS_THROUGH, whatever stands in http_filters"),
        (Place::Behind, ..) => Some("in this traffic_mode, the filter for MCP refuses nothing"),
        (Place::Before, Some("NOOP" | "2"), _) => Some("in this traffic_mode, the filter for MCP reads nothing"),
        (Place::Before, ..) if matches!(text(own, "request_storage_mode"), Some("FILTER_STATE" | "2")) => {
            Some("in this request_storage_mode, the filter for MCP tells Accredit nothing")
        }
        (Place::Before, ..) => None,
    };
    match off {
        Some(why) => lack(Id::McpOff, own.spot, why),
        None if is_true(own, "reject_duplicate_keys") => None,
        None if told.is_some() => lack(Id::McpShort, own.spot, "reject_duplicate_keys is not written, here too"),
        None => lack(Id::McpShort, own.spot, "reject_duplicate_keys is not written"),
    }
}
