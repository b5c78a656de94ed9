//! The other filters of the chain: what answers before the filter is asked, and what passes without it.

use serde_json::Value;

use crate::cli::envoy::around::{Around, field, is_true, kind_of_filter, text};
use crate::cli::envoy::plugins::plugins;
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;

/// Checks the chain that the filter is in.
pub(crate) fn of_filters(around: &Around<'_>, written: &Value, report: &mut Report<'_>) {
    of_caches(around, written, report);
    of_upgrades(around, report);
    if let Some(off) = field(around.filter, "disabled").filter(|_| is_true(around.filter, "disabled")) {
        let sentence = "requests pass without the filter unless their route turns it on; remove disabled";
        report.tell(Id::FilterDisabled, off.spot, sentence);
    }
    let config = field(around.filter, "typed_config");
    if let Some(matcher) = config.and_then(|config| field(config, "xds_matcher").or_else(|| field(config, "matcher"))) {
        let sentence = "requests that this matcher skips pass without the filter; write rules instead";
        report.tell(Id::FilterMatched, matcher.spot, sentence);
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
        let kind = kind_of_filter(filter);
        if !matches!(kind, Some("cache" | "cache_v2")) {
            continue;
        }
        if position < around.position {
            let sentence =
                "the cache answers without asking the filter, which is behind it; remove the cache, or put it behind the filter";
            report.tell(Id::CacheBefore, filter.spot, sentence);
        } else if shares_what_is_personal(written) {
            let sentence = "the cache gives the page of one person to everybody where shared_cache is allowed and sign-in is required; write shared_cache: refused for those rules";
            report.tell(Id::CacheBehind, filter.spot, sentence);
        } else if kind == Some("cache_v2") && has_personal_pages(written) {
            let sentence = "before Envoy 1.40, cache_v2 keeps what must not be stored, and gives the page of one person to another; run a newer Envoy, or use cache";
            report.tell(Id::CacheVersion, filter.spot, sentence);
        }
    }
}

/// Whether a shared cache may keep answers of a rule that lets in only some.
fn shares_what_is_personal(written: &Value) -> bool {
    let allows = |value: &Value| value.get("shared_cache").and_then(Value::as_str).map(|word| word == "allowed");
    let by_default = allows(written).unwrap_or(false);
    by_default || rules(written).iter().any(|rule| !is_public(rule) && allows(rule).unwrap_or(false))
}

/// Whether a rule lets in only some. (Without rules, everything needs a sign-in.)
fn has_personal_pages(written: &Value) -> bool {
    rules(written).is_empty() || rules(written).iter().any(|rule| !is_public(rule))
}

fn rules(written: &Value) -> &[Value] {
    written.get("rules").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_public(rule: &Value) -> bool {
    rule.get("require").and_then(Value::as_str) == Some("public")
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
