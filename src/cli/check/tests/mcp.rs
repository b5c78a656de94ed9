//! What `check` finds of Envoy's filter for MCP, where a resource says that it compares header fields with bodies.

use std::fs;

use super::{PUBLIC, found, root};

/// The file of a planted mistake.
fn planted(name: &str) -> String {
    fs::read_to_string(root().join(format!("tests/fixtures/check/{name}.yaml"))).unwrap()
}

/// The ids of what is found, each with its line, without a file that is not on this machine.
fn ids(text: &str) -> Vec<String> {
    let told = found(text, PUBLIC).into_iter().filter(|line| !line.contains("is not on this machine"));
    told.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// Where the one route to the server is written, and what it is told.
const ROUTE: &str = "- match: {path: /mcp}";
const OVERRIDE: &str = "config: {traffic_mode: REJECT_NO_MCP, reject_duplicate_keys: true}";
const OFF_IN_CHAIN: &str = "            disabled: true\n";
const REST: &str = "              - match: {prefix: /} # planted\n";

#[test]
fn every_route_that_takes_a_call_in_any_spelling_of_its_path_must_refuse_what_its_body_belies() {
    let good = planted("mcp-off").replace(ROUTE, "- match: {prefix: /mcp}");
    let of = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replace(old, new)
    };
    let (before, behind) = good.split_once("\n  clusters:\n").unwrap();
    let without_rest = format!("{}  clusters:\n{behind}", before.split(REST).next().unwrap());
    let config_of_all = "{disabled: false, config: {traffic_mode: REJECT_NO_MCP, reject_duplicate_keys: true}}";
    for (text, expected) in [
        (good.clone(), &[][..]),
        (of("{prefix: /mcp}", "{path_separated_prefix: /mcp}"), &[]),
        (of("{prefix: /mcp}", "{safe_regex: {regex: '/mcp(/.*)?'}}"), &[]),
        // What leads to no cluster reaches no server.
        (without_rest.replace("{prefix: /mcp}", "{path: /mcp}"), &[]),
        (of("{prefix: /mcp}", "{path: /mcp}").replace("# planted\n                route: {cluster: application}", "\n                direct_response: {status: 404}"), &[]),
        (of("{prefix: /mcp}", "{path: /mcp}"), &["mcp-off"]),
        // One of these may take it.
        (of("{prefix: /mcp}", "{prefix: /mcp, headers: [{name: x-a}]}"), &["mcp-off"]),
        (of("{prefix: /mcp}", "{prefix: /mcp, headers: [{name: ':method', string_match: {exact: GET}}]}"), &["mcp-off"]),
        (of(OVERRIDE, "disabled: true"), &["mcp-off"]),
        (of(OVERRIDE, "config: {max_request_body_size: 1000, reject_duplicate_keys: true}"), &["mcp-off"]),
        (of(OVERRIDE, "config: {traffic_mode: PASS_THROUGH, reject_duplicate_keys: true}"), &["mcp-off"]),
        (of(OVERRIDE, "config: {traffic_mode: NOOP, reject_duplicate_keys: true}"), &["mcp-off"]),
        (of(OVERRIDE, "traffic_mode: REJECT_NO_MCP\n                    reject_duplicate_keys: true"), &[]),
        (of(OVERRIDE, "config: {traffic_mode: REJECT_NO_MCP, reject_duplicate_keys: false}"), &["mcp-short"]),
        // It is told under the name in the chain.
        (of("- name: envoy.filters.http.mcp\n", "- name: my-mcp\n"), &["mcp-off"]),
        // It is on for all routes, or for all of the host.
        (of(OFF_IN_CHAIN, "").replace("{prefix: /mcp}", "{path: /mcp}"), &[]),
        (of("typed_per_filter_config:\n                envoy.filters.http.cors:", &format!("typed_per_filter_config:\n                envoy.filters.http.mcp: {config_of_all}\n                envoy.filters.http.cors:")).replace("{prefix: /mcp}", "{path: /mcp}"), &[]),
        (of("attribute_source: VERIFY", "attribute_source: VERIFY\n              early_terminate_when_routable: true"), &["mcp-short"]),
        (of("max_supported_protocol_version: \"2026-07-28\"", "max_request_body_size: 65536"), &["mcp-unverified"]),
        (of("max_supported_protocol_version: \"2026-07-28\"", "max_supported_protocol_version: \"2030-01-01\""), &["mcp-unverified"]),
        (of("attribute_source: VERIFY", "attribute_source: BODY"), &[]),
        // Nobody says that it checks, or nothing is to be checked.
        (of("{path: /mcp, scopes: [read], body_checked_by: envoy_mcp_filter}", "{path: /mcp, scopes: [read], body_checked_by: server}").replace("{prefix: /mcp}", "{path: /mcp}"), &[]),
        (of(", mcp: {tools: [\"delete_*\"]}", "").replace("{prefix: /mcp}", "{path: /mcp}"), &[]),
    ] {
        assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
}

#[test]
fn a_filter_before_us_is_no_filter_behind_us_and_one_of_two_behind_is_enough() {
    let good = planted("mcp-off").replace(ROUTE, "- match: {prefix: /mcp}");
    let filter = &good[good.find("          - name: envoy.filters.http.mcp").unwrap()
        ..good.find("          - name: envoy.filters.http.router").unwrap()];
    let of_metadata = filter.replace("name: envoy.filters.http.mcp", "name: reads").replace("REJECT_NO_MCP", "PASS_THROUGH");
    let ours = "          - name: accredit\n";
    for (text, expected) in [
        (good.replace(ours, &format!("{of_metadata}{ours}")), vec![]),
        (good.replace(filter, &format!("{of_metadata}{filter}")), vec![]),
        (good.replace(filter, &of_metadata), vec!["mcp-off"]),
        (good.replace(filter, "").replace(ours, &format!("{of_metadata}{ours}")), vec!["mcp-before"]),
        (good.replace(filter, ""), vec!["mcp-missing"]),
    ] {
        assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
}
