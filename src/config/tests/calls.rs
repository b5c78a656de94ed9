//! Calls to MCP servers in rules: what is refused, because it would decide nothing, or because nobody compares it with the body.

use super::*;

fn server(resource: Value, matches: Value, require: Value) -> Value {
    let mut document = with("/rules", json!([{"match": matches, "require": require}]));
    document["providers"][0]["bearer"] = json!({});
    document["resources"] = json!([resource]);
    document
}

fn refused(document: &Value) -> String {
    load_json(document).err().map(|refusals| refusals.to_string()).unwrap_or_default()
}

#[test]
fn calls_that_could_not_be_told_apart_are_refused() {
    let mut document = server(json!({"path": "/mcp", "body_checked_by": "server"}), json!({}), json!("authenticated"));
    for (mcp, sentence) in [
        (json!({}), "rules[0].match.mcp: expected calls, found none"),
        (json!({"tools": []}), "rules[0].match.mcp.tools: expected at least one, found none"),
        (json!({"tools": [""]}), "rules[0].match.mcp.tools[0]: expected a name, or a pattern with *"),
        (json!({"tools": [" a"]}), "rules[0].match.mcp.tools[0]: expected a name, or a pattern with *"),
        (json!({"tools": ["a[bc]"]}), "rules[0].match.mcp.tools[0]: expected * and ** as the only wildcards"),
        (json!({"tools": ["a**b"]}), "rules[0].match.mcp.tools[0]: expected ** to be a whole segment"),
        (
            json!({"methods": ["tools/*"], "tools": ["a"]}),
            "rules[0].match.mcp.tools: expected none beside methods with tools/call",
        ),
        (json!({"params": {"a b": ["x"]}}), "rules[0].match.mcp.params.a b: expected the NAME of a field Mcp-Param-NAME"),
        (json!({"params": {"region": []}}), "rules[0].match.mcp.params.region: expected at least one value"),
        (json!({"scopes": {"tools/call": {"a": ["b"]}}}), "rules[0].match.mcp.scopes: expected none in match"),
        (json!({"tool": ["a"]}), "rules[0].match.mcp.tool: expected one of"),
    ] {
        document["rules"][0]["match"] = json!({"path_separated_prefix": "/mcp", "mcp": mcp});
        let said = refused(&document);
        assert!(said.starts_with(sentence), "{mcp}: {said}");
    }
    document["rules"][0]["match"] = json!({"path_separated_prefix": "/mcp"});
    for (mcp, sentence) in [
        (
            json!({"scopes": {"tools/call": {"a": []}}}),
            "rules[0].require.mcp.scopes.tools/call.a: expected scopes without spaces",
        ),
        (json!({"scopes": {"tools/call": {"a": ["b c"]}}}), "rules[0].require.mcp.scopes.tools/call.a: expected scopes"),
        (json!({"scopes": {"tools/list": {"a": ["b"]}}}), "rules[0].require.mcp.scopes.tools/list.a: expected * for a method"),
    ] {
        document["rules"][0]["require"] = json!({ "mcp": mcp });
        let said = refused(&document);
        assert!(said.starts_with(sentence), "{mcp}: {said}");
    }
}

#[test]
fn rules_that_look_at_calls_are_refused_where_nobody_compares_them_with_the_body() {
    let tools = json!({"path_separated_prefix": "/mcp", "mcp": {"tools": ["delete_*"]}});
    let params = json!({"path_separated_prefix": "/mcp", "mcp": {"params": {"region": ["eu"]}}});
    let plain = json!({"path_separated_prefix": "/mcp"});
    let scopes = json!({"mcp": {"scopes": {"tools/call": {"*": ["write"]}}}});
    let by = |checker: &str| json!({"path": "/mcp", "body_checked_by": checker});
    let nobody =
        "resources[0].body_checked_by: expected who compares the header fields with the body, because rules[0] looks at them";
    for (resource, matches, require, sentence) in [
        (json!({"path": "/mcp"}), tools.clone(), json!("authenticated"), nobody),
        (json!({"path": "/mcp"}), plain.clone(), scopes.clone(), nobody),
        (json!({"path": "/mcp"}), plain.clone(), json!({"not": {"mcp": {"tools": ["x"]}}}), nobody),
        (by("server"), tools.clone(), json!("authenticated"), ""),
        (by("envoy_mcp_filter"), tools.clone(), scopes, ""),
        (by("server"), params.clone(), json!("authenticated"), ""),
        (
            by("envoy_mcp_filter"),
            params,
            json!("authenticated"),
            "rules[0].match.mcp.params: expected no arguments where Envoy's filter",
        ),
        (
            by("server"),
            json!({"mcp": {"tools": ["x"]}}),
            json!("authenticated"),
            "rules[0]: expected a rule for the paths of a resource",
        ),
        (
            json!({"path": "/other", "body_checked_by": "server"}),
            tools,
            json!("authenticated"),
            "rules[0]: expected a rule for the paths",
        ),
        (json!({"body_checked_by": "server"}), json!({"mcp": {"tools": ["x"]}}), json!("authenticated"), ""),
    ] {
        let said = refused(&server(resource.clone(), matches.clone(), require.clone()));
        assert!(said.starts_with(sentence) && said.is_empty() == sentence.is_empty(), "{resource} {matches} {require}: {said}");
    }
}

#[test]
fn a_policy_that_a_route_may_name_is_refused_where_nobody_compares_the_arguments_that_it_looks_at() {
    let params = json!({"any": [{"claim": "a", "any_of": ["b"]}, {"not": {"mcp": {"params": {"region": ["eu"]}}}}]});
    let tools = json!({"mcp": {"tools": ["read"]}});
    let sentence = "policies.local: expected no arguments where Envoy's filter";
    for (checkers, policy, named_by_routes, by_rule, expected) in [
        (&["envoy_mcp_filter"][..], &params, true, false, sentence),
        (&["envoy_mcp_filter_before"], &params, true, false, sentence),
        (&["server"], &params, true, false, ""),
        // The route of either may name it.
        (&["server", "envoy_mcp_filter"], &params, true, false, sentence),
        (&["envoy_mcp_filter"], &tools, true, false, ""),
        (&["envoy_mcp_filter"], &params, false, false, ""),
        (&["envoy_mcp_filter"], &params, false, true, "rules[0].require: expected no arguments where Envoy's filter"),
    ] {
        let mut document = server(json!({}), json!({"path_separated_prefix": "/mcp0"}), json!("authenticated"));
        let resource = |(index, by): (usize, &&str)| json!({"path": format!("/mcp{index}"), "body_checked_by": by});
        document["resources"] = checkers.iter().enumerate().map(resource).collect();
        document["policies"] = json!({"local": policy});
        if named_by_routes {
            document["route_policies"] = json!({"filter_metadata": "accredit"});
        }
        if by_rule {
            document["rules"][0]["require"] = json!({"policy": "local"});
        }
        let said = refused(&document);
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{document}: {said}");
    }
}

#[test]
fn a_path_that_servers_read_differently_is_not_allowed_for_certain_calls_alone() {
    let mut document = server(json!({"body_checked_by": "server"}), json!({"mcp": {"tools": ["x"]}}), json!("authenticated"));
    assert_eq!(refused(&document), "");
    document["rules"][0]["allow_in_path"] = json!([";"]);
    let said = refused(&document);
    assert!(said.starts_with("rules[0].allow_in_path: expected none beside match.mcp"), "{said}");
}

#[test]
fn a_rule_for_certain_calls_leaves_the_others_to_the_next_one() {
    let rules = |second: Value| {
        let first = json!({"match": {"path_separated_prefix": "/mcp", "mcp": {"tools": ["a"]}}, "require": "authenticated"});
        let mut document = server(json!({"path": "/mcp", "body_checked_by": "server"}), json!({}), json!("authenticated"));
        document["rules"] = json!([first, {"match": second, "require": "authenticated"}]);
        document
    };
    assert_eq!(refused(&rules(json!({"path_separated_prefix": "/mcp"}))), "");
    assert_eq!(refused(&rules(json!({"path_separated_prefix": "/mcp", "mcp": {"tools": ["b"]}}))), "");
    let twice = refused(&rules(json!({"path_separated_prefix": "/mcp", "mcp": {"tools": ["a"]}})));
    assert!(twice.starts_with("rules[1].match: expected requests that nothing before it takes"), "{twice}");
}
