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
    // The same with one route for /mcp alone, so that the route for all else takes /mcp/.
    let narrow = |text: String| text.replace("{prefix: /mcp}", "{path: /mcp}");
    let route = |matched: &str| of("{prefix: /mcp}", matched);
    let told = |told: &str| of(OVERRIDE, told);
    let filter = |old: &str, new: &str| of(old, &format!("{new}\n              max_request_body_size: 65536"));
    let cors = "                envoy.filters.http.cors:";
    let of_host = format!("                envoy.filters.http.mcp: {{{OVERRIDE}}}\n{cors}");
    let to_cluster = "# planted\n                route: {cluster: application}";
    let version = "max_supported_protocol_version: \"2026-07-28\"";
    for (text, expected) in [
        (good.clone(), &[][..]),
        (route("{path_separated_prefix: /mcp}"), &[]),
        (route("{safe_regex: {regex: '/mcp(/.*)?'}}"), &[]),
        (narrow(good.clone()), &["mcp-off"]),
        // What leads to no cluster reaches no server.
        (narrow(without_rest), &[]),
        (narrow(of(to_cluster, "\n                direct_response: {status: 404}")), &[]),
        // One of these may take it.
        (route("{prefix: /mcp, headers: [{name: x-a}]}"), &["mcp-off"]),
        (route("{prefix: /mcp, headers: [{name: ':method', string_match: {exact: GET}}]}"), &["mcp-off"]),
        (told("disabled: true"), &["mcp-off"]),
        (told("config: {max_request_body_size: 1000, reject_duplicate_keys: true}"), &["mcp-off"]),
        (told("config: {traffic_mode: PASS_THROUGH, reject_duplicate_keys: true}"), &["mcp-off"]),
        (told("config: {traffic_mode: NOOP, reject_duplicate_keys: true}"), &["mcp-off"]),
        (told("config: {traffic_mode: REJECT_NO_MCP}"), &["mcp-short"]),
        (told("config: {traffic_mode: REJECT_NO_MCP, reject_duplicate_keys: false}"), &["mcp-short"]),
        // Without a FilterConfig around it.
        (told("traffic_mode: REJECT_NO_MCP\n                    reject_duplicate_keys: true"), &[]),
        // It is told under the name in the chain.
        (of("- name: envoy.filters.http.mcp\n", "- name: my-mcp\n"), &["mcp-off"]),
        // It is on for all routes, or for all of the host.
        (narrow(of(OFF_IN_CHAIN, "")), &[]),
        (narrow(of(cors, &of_host)), &[]),
        (filter("attribute_source: VERIFY", "early_terminate_when_routable: true"), &["mcp-short"]),
        (filter("attribute_source: VERIFY", "attribute_source: BODY"), &[]),
        (filter("attribute_source: VERIFY", "attribute_source: HEADERS"), &["mcp-unverified"]),
        (filter(version, ""), &["mcp-unverified"]),
        (filter(version, "max_supported_protocol_version: \"2030-01-01\""), &["mcp-unverified"]),
        // Nobody says that it checks, or nothing is to be checked.
        (narrow(of("body_checked_by: envoy_mcp_filter", "body_checked_by: server")), &[]),
        (narrow(of(", mcp: {tools: [\"delete_*\"]}", "")), &[]),
    ] {
        assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
}

#[test]
fn a_filter_before_us_is_no_filter_behind_us_and_one_of_two_behind_is_enough() {
    let good = planted("mcp-off").replace(ROUTE, "- match: {prefix: /mcp}");
    let (from, to) =
        (good.find("          - name: envoy.filters.http.mcp\n"), good.find("          - name: envoy.filters.http.router\n"));
    let filter = &good[from.unwrap()..to.unwrap()];
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
