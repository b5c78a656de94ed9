//! What audit lines say of a request's host and of its client, and where that is refused.

use super::*;
use crate::config::settings::Told;

fn word(told: &Told) -> &'static str {
    match told {
        Told::Plain => "plain",
        Told::Pseudonym(_) => "hash",
        Told::Nothing => "none",
    }
}

#[test]
fn host_and_address_are_told_unless_something_else_is_written() {
    let words = |document: &Value| {
        let audit = load_json(document).unwrap().audit;
        (word(&audit.host), word(&audit.address))
    };
    assert_eq!(words(&short_example()), ("plain", "plain"));
    for (written, expected) in [
        (json!({}), ("plain", "plain")),
        (json!({"host": "none", "address": "hash"}), ("none", "hash")),
        (json!({"host": "hash", "address": "none"}), ("hash", "none")),
        (json!({"address": "plain"}), ("plain", "plain")),
    ] {
        assert_eq!(words(&with("/audit", written.clone())), expected, "{written}");
    }
}

#[test]
fn other_words_and_hashes_without_a_key_are_refused_with_a_remedy() {
    let mut without_keys = with("/audit", json!({"address": "hash"}));
    without_keys["providers"] = json!([]);
    without_keys["rules"] = json!([{"require": "public"}]);
    without_keys["endpoints"] = json!({});
    let jwt = json!({"keys": ["a secret that services share, of 32 bytes at least"], "claims": [], "bearer": true});
    without_keys["session"] = json!({"form": "jwt", "jwt": jwt, "cookie": {"name": "access_token"}});
    for (document, expected) in [
        (
            with("/audit", json!({"address": "hashed"})),
            "audit.address: expected one of `plain`, `hash`, `none`, found `hashed` (did you mean `hash`?)",
        ),
        (
            with("/audit", json!({"adress": "hash"})),
            "audit.adress: expected one of `host`, `address`, `mcp_calls`, `mcp_calls_one_in`, found `adress`",
        ),
        (with("/audit", json!("json")), "audit: expected an object"),
        (
            without_keys,
            "audit.address: expected session.keys, the first of which makes hashes, found none; make one with: openssl",
        ),
    ] {
        let refused = load_json(&document).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "expected: {expected}\nfound:    {refused}");
    }
}

/// The short example with an MCP server, whose rules name these tools, and this `audit`.
fn with_server(audit: &Value, tools: &Value) -> Value {
    let mut document = with("/audit", audit.clone());
    document["providers"][0]["bearer"] = json!({});
    let strict = json!({"match": {"path_separated_prefix": "/mcp", "mcp": {"tools": tools}}, "require": {"scope": ["strict"]}});
    let scopes = json!({"tools/call": {"write_*": ["write"], "*": ["call"]}, "prompts/get": {"hello": ["get"]}});
    let lax = json!({"match": {"path_separated_prefix": "/mcp"}, "require": {"scope": ["lax"], "mcp": {"scopes": scopes}}});
    document["rules"] = json!([strict, lax]);
    document["resources"] = json!([{"path": "/mcp", "body_checked_by": "server"}]);
    document
}

#[test]
fn one_in_so_many_calls_is_told_that_are_let_through_and_none_unless_that_is_written() {
    for (audit, expected) in [
        (json!({}), None),
        (json!({"mcp_calls": "refused"}), None),
        (json!({"mcp_calls": "all"}), Some(1)),
        (json!({"mcp_calls": "all", "mcp_calls_one_in": 100}), Some(100)),
    ] {
        let settings = load_json(&with_server(&audit, &json!(["*"]))).unwrap();
        assert_eq!(settings.audit.calls.map(std::num::NonZeroU64::get), expected, "{audit}");
    }
}

#[test]
fn calls_are_not_told_where_nobody_checks_them_and_numbers_that_say_nothing_are_refused() {
    let mut unchecked = with_server(&json!({"mcp_calls": "all"}), &json!(["*"]));
    unchecked["rules"] = json!([{"require": {"scope": ["lax"]}}]);
    unchecked["resources"] = json!([{"path": "/mcp"}]);
    let number = |number: u64| with_server(&json!({"mcp_calls": "all", "mcp_calls_one_in": number}), &json!(["*"]));
    for (document, expected) in [
        (
            unchecked,
            "audit.mcp_calls: expected a resource with body_checked_by, whose calls are known, found none; write body_checked_by",
        ),
        (with("/audit", json!({"mcp_calls": "all"})), "audit.mcp_calls: expected a resource with body_checked_by"),
        (
            with("/audit", json!({"mcp_calls": "none"})),
            "audit.mcp_calls: expected `refused` or `all`, found `none`; write one of these",
        ),
        (number(0), "audit.mcp_calls_one_in: expected a number from 1 to 1000000, found another; write 10"),
        (number(1_000_001), "audit.mcp_calls_one_in: expected a number from 1 to 1000000"),
        (
            with_server(&json!({"mcp_calls_one_in": 10}), &json!(["*"])),
            "audit.mcp_calls_one_in: expected none, because no call has a line that is let through, found one; write mcp_calls: all",
        ),
    ] {
        let refused = load_json(&document).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "expected: {expected}\nfound:    {refused}");
    }
}

#[test]
fn calls_are_counted_under_a_bounded_number_of_names_of_the_configuration() {
    let names = |tools: &Value| load_json(&with_server(&json!({}), tools)).unwrap().counted_tools;
    assert_eq!(names(&json!(["delete_*", "read", "delete_*"])), ["delete_*".into(), "read".into(), "write_*".into()]);
    assert_eq!(names(&json!(["*"])), ["write_*".into()]);
    let many: Vec<_> = (0..1_000).map(|number| format!("tool_{number}")).collect();
    assert_eq!(names(&json!(many)).len(), 64);
}

#[test]
fn no_session_ends_because_calls_are_told() {
    let fingerprint = |audit: &Value| load_json(&with_server(audit, &json!(["*"]))).unwrap().providers[0].fingerprint.clone();
    assert_eq!(fingerprint(&json!({"mcp_calls": "all"})), fingerprint(&json!({})));
}
