//! What is told of requests for a protected resource and for its metadata: what counts there, what is called, and what it must meet.

use serde_json::{Value, json};

use super::{desk, lines, question, somebody, told};
use crate::cli::desk::Desk;
use crate::cli::desk::who::{By, Who};
use crate::gateway::tests::stage::{changed, with};

const MCP: &str = "https://app.example.com/mcp";
const NEW: &str = "MCP-Protocol-Version: 2026-07-28";
const CALL: &str = "Mcp-Method: tools/call";

/// The usual configuration with an MCP server at `/mcp`, for whose tools there are two rules.
fn server() -> Desk {
    let rule = |matches: Value, scope: &str| json!({"match": matches, "require": {"scope": [scope]}});
    let rules = json!([
        rule(json!({"path_separated_prefix": "/mcp", "mcp": {"tools": ["delete_*"]}}), "delete"),
        rule(json!({"path_separated_prefix": "/mcp"}), "read"),
        {"match": {"path_separated_prefix": "/public"}, "require": "public"},
    ]);
    let document = changed(with("/providers/0/bearer", json!({})), "/rules", rules);
    let resource =
        json!({"path": "/mcp", "scopes": ["read"], "body_checked_by": "server", "authorization_server_metadata": "redirect"});
    desk(&changed(document, "/resources", json!([resource])))
}

fn robot(scope: &str) -> Who {
    somebody(json!({"sub": "robot", "scope": scope}), By::Token)
}

#[test]
fn which_resource_what_is_called_and_each_rule_that_must_be_met_is_told() {
    let resource = "https://app.example.com/mcp; nothing but a bearer token for it counts there, of main";
    let together = "rules[0], rules[1]: it may fall under each of these, and must meet them all; they ask for somebody with ";
    let (deleting, all_else) =
        ("rules[0]: /mcp and everything below it, for calls: tools/call of delete_*; ", "rules[1]: /mcp and ");
    let other = "rules[0]: it is for other calls: tools/call of delete_*";
    let unsaid = "it does not say what it calls, as MCP-Protocol-Version 2026-07-28 does";
    for (method, headers, calls, rule, passed, answer) in [
        (
            "POST",
            vec![NEW, CALL, "Mcp-Name: read_note"],
            "it calls \"tools/call\" of \"read_note\"",
            all_else,
            Some(other),
            "let through",
        ),
        (
            "POST",
            vec![NEW, CALL, "Mcp-Name: delete_note"],
            "it calls \"tools/call\" of \"delete_note\"",
            deleting,
            None,
            "403 scope_missing",
        ),
        ("POST", vec![CALL, "Mcp-Name: read_note"], unsaid, together, None, "403 scope_missing"),
        ("POST", vec![NEW, CALL], "mcp_fields_invalid (Mcp-Name is missing, ", together, None, "400 mcp_fields_invalid"),
        ("GET", vec![], "it calls nothing", all_else, Some(other), "let through"),
    ] {
        let (told, _) = told(&mut server(), &question(method, MCP, &headers), &robot("read"));
        assert_eq!(lines(&told, "resource"), [resource], "{told:#?}");
        assert!(lines(&told, "calls")[0].starts_with(calls), "{told:#?}");
        assert!(lines(&told, "rule")[0].starts_with(rule), "{told:#?}");
        assert_eq!(lines(&told, "passed over"), passed.into_iter().collect::<Vec<_>>());
        assert!(lines(&told, "answer")[0].starts_with(answer), "{told:#?}");
    }
}

#[test]
fn a_session_and_a_token_for_something_else_are_nobody_there_and_nothing_of_it_is_told_elsewhere() {
    for who in [somebody(json!({"sub": "alice"}), By::Session), somebody(json!({"aud": "https://other.example"}), By::Token)] {
        let (told, _) = told(&mut server(), &question("GET", MCP, &[]), &who);
        assert!(lines(&told, "who")[0].starts_with("nobody: token_"), "{told:#?}");
        assert!(lines(&told, "answer")[0].starts_with("401 token_"), "{told:#?}");
    }
    let (told, _) = told(&mut server(), &question("GET", "https://app.example.com/public", &[]), &Who::Nobody);
    assert_eq!((lines(&told, "resource").len(), lines(&told, "calls").len()), (0, 0), "{told:#?}");
}

#[test]
fn of_a_page_that_may_not_call_it_no_rule_is_said_to_decide() {
    let (told, _) = told(&mut server(), &question("POST", MCP, &["Origin: https://evil.example"]), &robot("read delete"));
    assert!(lines(&told, "resource")[0].ends_with(", and no rule was asked"), "{told:#?}");
    assert_eq!((lines(&told, "rule").len(), lines(&told, "passed over").len()), (0, 0));
    assert!(lines(&told, "answer")[0].starts_with("403 origin_refused"), "{told:#?}");
}

#[test]
fn the_metadata_are_answered_before_any_rule() {
    let metadata = "tells every client where it gets a token for https://app.example.com/mcp";
    for (path, does, answer) in [
        ("/oauth-protected-resource/mcp", metadata, "200, by the endpoint"),
        ("/oauth-protected-resource", metadata, "200, by the endpoint"),
        ("/oauth-protected-resource/other", "answers 404, because no resource has its metadata here", "404 resource_unknown"),
        ("/oauth-authorization-server", "redirects to https://sso.example.com/", "302"),
    ] {
        let asked = question("GET", &format!("https://app.example.com/.well-known{path}"), &[]);
        let (told, _) = told(&mut server(), &asked, &Who::Nobody);
        let rule = lines(&told, "rule");
        assert!(rule[0].starts_with(&format!("resources: it is answered before any rule, and {does}")), "{told:#?}");
        assert!(lines(&told, "answer")[0].starts_with(answer), "{told:#?}");
        assert_eq!(lines(&told, "passed over"), Vec::<&str>::new());
    }
}
