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
        (filter("attribute_source: VERIFY", "attribute_source: HEADERS"), &["mcp-off"]),
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

/// A good file with the filter before Accredit, as the documentation has it.
fn before() -> String {
    let good = planted("mcp-off").replace(ROUTE, "- match: {prefix: /mcp}");
    let (from, to) =
        (good.find("          - name: envoy.filters.http.mcp\n"), good.find("          - name: envoy.filters.http.router\n"));
    let behind = &good[from.unwrap()..to.unwrap()];
    let filter = "          - name: envoy.filters.http.mcp\n            typed_config: {traffic_mode: PASS_THROUGH, max_request_body_size: 65536, reject_duplicate_keys: true}\n";
    let ours = "          - name: accredit\n";
    let settings = format!(
        "                typed_per_filter_config:\n                  envoy.filters.http.mcp:\n                    {OVERRIDE}\n"
    );
    assert!(good.contains(&settings));
    good.replace(behind, "")
        .replace(&settings, "")
        .replace(ours, &format!("{filter}{ours}"))
        .replace("body_checked_by: envoy_mcp_filter", "body_checked_by: envoy_mcp_filter_before")
}

#[test]
fn a_filter_that_should_tell_accredit_what_bodies_call_does_so_on_every_route_and_without_a_doubt() {
    let good = before();
    let of = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replace(old, new)
    };
    let all = "traffic_mode: PASS_THROUGH, max_request_body_size: 65536, reject_duplicate_keys: true";
    let filter = |settings: &str| of(all, settings);
    let cluster = "                route: {cluster: application}\n";
    let on_routes = |settings: &str| {
        of(cluster, &format!("{cluster}                typed_per_filter_config: {{envoy.filters.http.mcp: {{{settings}}}}}\n"))
    };
    let with = |more: &str| filter(&format!("{all}, {more}"));
    let named = "          - name: envoy.filters.http.mcp\n";
    for (text, expected) in [
        (good.clone(), &[][..]),
        (filter("reject_duplicate_keys: true"), &[]),
        (with("attribute_source: BODY"), &[]),
        (with("attribute_source: HEADERS"), &["mcp-off"]),
        (with("request_storage_mode: FILTER_STATE"), &["mcp-off"]),
        (with("request_storage_mode: DYNAMIC_METADATA_AND_FILTER_STATE"), &[]),
        (with("early_terminate_when_routable: true"), &["mcp-short"]),
        (filter("traffic_mode: NOOP, reject_duplicate_keys: true"), &["mcp-off"]),
        (filter("traffic_mode: PASS_THROUGH"), &["mcp-short"]),
        (of(named, &format!("{named}            disabled: true\n")), &["mcp-off"]),
        // On the two routes, of which one takes calls.
        (on_routes("config: {traffic_mode: PASS_THROUGH, reject_duplicate_keys: true}"), &[]),
        (on_routes("disabled: true"), &["mcp-off"]),
        (on_routes("config: {traffic_mode: PASS_THROUGH}"), &["mcp-short"]),
        (on_routes("max_request_body_size: 1000"), &["mcp-short"]),
        (on_routes("config: {traffic_mode: NOOP, reject_duplicate_keys: true}"), &["mcp-off"]),
        (on_routes("config: {request_storage_mode: FILTER_STATE, reject_duplicate_keys: true}"), &["mcp-off"]),
        // What the filter is told is not taken over, be it good or bad.
        (
            on_routes("config: {reject_duplicate_keys: true}")
                .replace(all, &format!("{all}, request_storage_mode: FILTER_STATE")),
            &[],
        ),
    ] {
        assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
    }
}

#[test]
fn upgraded_requests_that_take_filters_of_their_own_need_the_filter_for_mcp_among_these() {
    let behind = planted("mcp-off").replace(ROUTE, "- match: {prefix: /mcp}");
    for (file, ids_of) in [(behind, ["mcp-before", "mcp-missing"]), (before(), ["mcp-behind", "mcp-missing"])] {
        let ours = "          - name: accredit\n            typed_config:\n";
        let rest = "            - name: envoy.filters.http.router\n";
        let mcp = "            - name: envoy.filters.http.mcp\n              disabled: false\n              typed_config: {traffic_mode: REJECT_NO_MCP, max_supported_protocol_version: \"2026-07-28\", reject_duplicate_keys: true}\n";
        let own = "            - *ours\n";
        let with = |filters: &[&str]| {
            let file = file.replace(ours, &ours.replace("- name", "- &ours\n            name"));
            let upgrades = format!(
                "          upgrade_configs:\n          - upgrade_type: websocket\n            filters:\n{}",
                filters.concat()
            );
            let route = "          route_config:\n";
            file.replace(route, &format!("{upgrades}{route}"))
        };
        let is_before = ids_of[0] == "mcp-behind";
        let (good, wrong) = if is_before { ([mcp, own, rest], [own, mcp, rest]) } else { ([own, mcp, rest], [mcp, own, rest]) };
        for (filters, expected) in [
            (&[][..], &[][..]),
            (&good, &[]),
            (&wrong, &ids_of[..1]),
            (&[own, rest], &ids_of[1..]),
            (&[mcp, rest], &["upgrade-filters"]),
        ] {
            let text = with(filters);
            assert_eq!(ids(&text), expected, "{text}\n{:#?}", found(&text, PUBLIC));
        }
    }
}
