//! Resources, calls to MCP servers and tokens that are for one resource: what changes of them is told, and where nothing is said to
//! change, nothing changes.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::agreement::agree;
use super::{ANSWERED, LET_IN, REFUSED, comparison, told_in_short};
use crate::cli::desk::target::{Question, Target};
use crate::cli::desk::who::By;
use crate::cli::diff::around::people::{Asker, Person};
use crate::cli::diff::comparison::Limits;
use crate::gateway::tests::stage::{changed, with};

/// How many pairs are made up.
const PAIRS: u32 = 10;

const MCP: &str = "https://app.example.com/m";

fn rule(mcp: Value, require: Value) -> Value {
    let mut matches = json!({"path_separated_prefix": "/m"});
    if !mcp.is_null() {
        matches["mcp"] = mcp;
    }
    json!({"match": matches, "require": require})
}

fn scope(scope: &str) -> Value {
    json!({"scope": [scope]})
}

/// The usual configuration with an MCP server at `/m`.
fn server(rules: &[Value], resource: Value) -> Value {
    let document = changed(with("/providers/0/bearer", json!({"audiences": ["api"]})), "/rules", json!(rules));
    let mut whole = json!({"path": "/m", "scopes": ["read"], "body_checked_by": "server"});
    whole.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
    changed(document, "/resources", json!([whole]))
}

/// A strict rule for `delete_*`, and a lax one for all else.
fn usual() -> Vec<Value> {
    vec![rule(json!({"tools": ["delete_*"]}), scope("delete")), rule(Value::Null, scope("read"))]
}

#[test]
fn what_changes_of_calls_resources_and_who_may_call_them_is_told() {
    let lax = || vec![rule(json!({"tools": ["delete_all"]}), scope("delete")), rule(Value::Null, scope("read"))];
    let by_requirement =
        |scopes: Value| vec![rule(Value::Null, json!({"all": [scope("read"), {"mcp": {"scopes": {"tools/call": scopes}}}]}))];
    let with_params =
        |region: &str| vec![rule(json!({"params": {"region": [region]}}), scope("delete")), rule(Value::Null, scope("read"))];
    let (old, none) = (server(&usual(), json!({})), json!({}));
    let twice = changed(
        old.clone(),
        "/resources",
        json!([
            {"path": "/m", "scopes": ["read"], "body_checked_by": "server"}, {"path": "/m/inner", "scopes": ["read"], "body_checked_by": "server"},
        ]),
    );
    for (old, new, heading, says) in [
        (&old, server(&lax(), none.clone()), LET_IN, "mcp-name: delete_x; "),
        (&server(&lax(), none.clone()), server(&usual(), none.clone()), REFUSED, "mcp-name: delete_x; "),
        (
            &server(&by_requirement(json!({"a_*": ["delete"]})), none.clone()),
            server(&by_requirement(json!({"a_b": ["delete"]})), none.clone()),
            LET_IN,
            "mcp-name: a_x; ",
        ),
        (&server(&with_params("eu"), none.clone()), server(&with_params("us"), none.clone()), LET_IN, "mcp-param-region: eu; "),
        (&old, server(&usual(), json!({"older_versions": "refuse"})), REFUSED, "400 mcp_version_refused"),
        (
            &old,
            server(&usual(), json!({"allowed_origins": ["https://pages.example"]})),
            LET_IN,
            "from a page of https://pages.example; ",
        ),
        (&old, server(&usual(), json!({"audiences": ["api"]})), LET_IN, "aud [\"api\"]"),
        (&old, server(&usual(), json!({"name": "Notes"})), ANSWERED, "resource_name was absent, is \"Notes\""),
        (
            &old,
            server(&usual(), json!({"scopes": ["read", "write"]})),
            ANSWERED,
            "scopes_supported was [\"read\"], is [\"read\",\"write\"]",
        ),
        (
            &old,
            server(&usual(), json!({"authorization_server_metadata": "redirect"})),
            ANSWERED,
            "/.well-known/oauth-authorization-server",
        ),
        (&old, twice, REFUSED, "https://app.example.com/m/inner"),
    ] {
        let told = told_in_short(old, &new);
        let mut within = told.iter().skip_while(|line| *line != heading).skip(1).take_while(|line| line.starts_with(' '));
        assert!(within.any(|line| line.contains(says)), "{heading} {says}: {told:#?}");
    }
}

#[test]
fn another_order_of_rules_for_calls_that_do_not_cross_changes_nothing_and_of_those_that_do_it_is_told() {
    let pair = |one: &str, other: &str| {
        let rules = [rule(json!({"tools": [one]}), scope("delete")), rule(json!({"tools": [other]}), scope("write"))];
        let all = |rules: [&Value; 2]| [rules[0].clone(), rules[1].clone(), rule(Value::Null, scope("read"))];
        let [first, second] = &rules;
        (server(&all([first, second]), json!({})), server(&all([second, first]), json!({})))
    };
    let (old, new) = pair("a_*", "b_*");
    assert_eq!(told_in_short(&old, &new), Vec::<String>::new());
    let (old, new) = pair("a_*", "*_b");
    assert!(told_in_short(&old, &new).iter().any(|line| line.contains("mcp-name: a_")), "{:#?}", told_in_short(&old, &new));
}

#[test]
fn who_compares_header_fields_with_bodies_is_nothing_that_a_request_shows_and_so_is_told_apart() {
    let mut comparison =
        comparison(&server(&usual(), json!({})), &server(&usual(), json!({"body_checked_by": "envoy_mcp_filter"})));
    comparison.ask_around(Limits::USUAL);
    assert!(comparison.changes.is_empty() && comparison.unasked);
    assert!(comparison.notes.iter().any(|note| note.starts_with("body_checked_by differs, ")), "{:?}", comparison.notes);
}

fn some_rule() -> impl Strategy<Value = Value> {
    let mcp = select(vec![
        json!(null),
        json!({"tools": ["delete_*"]}),
        json!({"tools": ["delete_all"]}),
        json!({"tools": ["*_all", "read_*"]}),
        json!({"methods": ["tools/list", "ping"]}),
        json!({"methods": ["tools/*"]}),
        json!({"tools": ["read_*"], "params": {"region": ["eu"]}}),
    ]);
    let require = select(vec![
        scope("read"),
        scope("delete"),
        json!("authenticated"),
        json!({"scope": ["read"], "mcp": {"scopes": {"tools/call": {"delete_*": ["delete"]}}}}),
        json!({"any": [scope("delete"), {"mcp": {"tools": ["read_*"]}}]}),
    ]);
    (mcp, require).prop_map(|(mcp, require)| rule(mcp, require))
}

fn some_resource() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"older_versions": "refuse"}),
        json!({"allowed_origins": ["https://pages.example"]}),
        json!({"audiences": ["api"]}),
    ])
}

/// Often something that makes no difference.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    let rules = || vec(some_rule(), 1..4);
    let rules = prop_oneof![
        3 => (rules(), any::<Index>(), any::<Index>()).prop_map(|(old, one, other)| {
            let mut new = old.clone();
            new.swap(one.index(old.len()), other.index(old.len()));
            (old, new)
        }),
        3 => (rules(), any::<Index>()).prop_map(|(old, gone)| {
            let mut new = old.clone();
            new.remove(gone.index(old.len()));
            (old, new)
        }),
        2 => (rules(), any::<Index>()).prop_map(|(old, place)| {
            let mut new = old.clone();
            let require = new[place.index(old.len())]["require"].clone();
            if require.is_object() {
                new[place.index(old.len())]["require"] = json!({"all": [require]});
            }
            new.push(json!({"match": {"path": "/z/z/z"}, "require": "authenticated"}));
            (old, new)
        }),
    ];
    let resources = prop_oneof![3 => some_resource().prop_map(|one| (one.clone(), one)), 1 => (some_resource(), some_resource())];
    (rules, resources).prop_map(|((old, new), (before, after))| (server(&old, before), server(&new, after)))
}

fn question() -> impl Strategy<Value = Question> {
    let path = select(vec!["/m", "/m", "/m", "/m/", "/m/x", "/mx", "/", "/M", "/.well-known/oauth-protected-resource/m"]);
    let method = select(vec!["POST", "POST", "POST", "POST", "GET", "DELETE", "OPTIONS"]);
    let version = select(vec!["2026-07-28", "2026-07-28", "2026-07-28", "2025-11-25", "2027-01-01", ""]);
    let called = select(vec!["tools/call", "tools/call", "tools/call", "tools/list", "ping", "prompts/get", "Tools/Call", ""]);
    let name =
        select(vec!["delete_all", "delete_note", "read_all", "read_note", "write", "x_all", "=?base64?ZGVsZXRlX2FsbA==?=", ""]);
    let region = select(vec!["", "", "eu", "us"]);
    let origin = select(vec!["", "", "", "https://app.example.com", "https://pages.example", "https://evil.example", "null"]);
    (method, path, version, called, name, region, origin).prop_map(|(method, path, version, called, name, region, origin)| {
        let all = [
            ("mcp-protocol-version", version),
            ("mcp-method", called),
            ("mcp-name", name),
            ("mcp-param-region", region),
            ("origin", origin),
        ];
        let headers = all.into_iter().filter(|(_, value)| !value.is_empty());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let target = Target { scheme: "https", authority: "app.example.com".into(), target: path.into(), fragment: None };
        Question { method: method.into(), target, headers }
    })
}

fn asker() -> impl Strategy<Value = Asker> {
    let audience = select(vec![json!(null), json!(MCP), json!("api"), json!(["api", MCP]), json!("https://other.example")]);
    let scope = select(vec!["", "read", "delete", "read delete", "read delete write"]);
    let by = select(vec![By::Token, By::Token, By::Token, By::Session]);
    let somebody = (audience, scope, by).prop_map(|(audience, scope, by)| {
        let mut claims = json!({"aud": audience, "scope": scope}).as_object().unwrap().clone();
        claims.retain(|_, value| !value.is_null() && value != "" && by == By::Token);
        Asker::Somebody(Person { source: None, by, claims, age: None, says: String::new() })
    });
    prop_oneof![1 => Just(Asker::Nobody), 6 => somebody]
}

#[test]
fn where_nothing_is_said_to_change_both_agree_on_calls_and_tokens_that_are_made_up() {
    agree(PAIRS, pair(), (question(), asker()));
}
