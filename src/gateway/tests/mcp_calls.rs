//! What audit lines and counters tell of calls to an MCP server: who called what, through which client, and what was decided.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::mcp::{CALL, DELETE, NEW, OLD, READ, rule, server};
use super::stage::{Stage, changed, outcome};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::step::audit;
use crate::step::event::Event;

/// A server whose tools need a scope each, of which all calls are told.
fn told() -> Value {
    let rules = json!([rule(json!({"tools": ["delete_*"]}), "delete"), rule(Value::Null, "read")]);
    changed(server(rules), "/audit", json!({"mcp_calls": "all"}))
}

/// A request with a token that has these claims besides.
fn request(stage: &Stage, method: &str, claims: &Value, fields: &[(&str, &str)]) -> Headers {
    let expires = stage.worker.world.now.seconds() + 300;
    let mut all = json!({"iss": ISSUER, "sub": "robot", "aud": "https://app.example.com/mcp", "exp": expires, "scope": "read"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &all));
    let own = [(":method", method), (":authority", "app.example.com"), (":path", "/mcp"), ("authorization", line.as_str())];
    let all = own.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    Headers::new(all.collect())
}

/// The lines of the events that tell of a call or a refusal.
fn lines(events: &[Event]) -> Vec<String> {
    let telling = events.iter().filter(|event| matches!(event, Event::Denied { .. } | Event::Called { .. }));
    telling.filter_map(audit::line).collect()
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line.strip_prefix(audit::PREFIX).unwrap()).unwrap()
}

/// The names of the counters of calls.
fn counted(events: &[Event]) -> Vec<String> {
    let called = events.iter().filter(|event| matches!(event, Event::Called { .. }));
    called.map(|event| event.metric().name.into_owned()).collect()
}

#[test]
fn each_call_is_told_once_with_who_called_what_through_which_client_and_what_was_decided() {
    let mut stage = Stage::ready(&told());
    let client = json!({"client_id": "agent"});
    let wrong = json!({"client_id": "agent", "aud": "https://app.example.com/other"});
    let foreign = ("origin", "https://evil.example");
    for (claims, fields, event, decided, call) in [
        (&client, vec![NEW, CALL, READ], "mcp_call", json!(["allowed", null, "rules[1]"]), json!(["tools/call", "read_note"])),
        (
            &client,
            vec![NEW, ("mcp-method", "tools/list")],
            "mcp_call",
            json!(["allowed", null, "rules[1]"]),
            json!(["tools/list", null]),
        ),
        (
            &client,
            vec![NEW, CALL, DELETE],
            "denied",
            json!(["refused", "scope_missing", "rules[0]"]),
            json!(["tools/call", "delete_note"]),
        ),
        (
            &client,
            vec![OLD, CALL, READ],
            "denied",
            json!(["refused", "scope_missing", "rules[0], rules[1]"]),
            json!([null, null]),
        ),
        (&client, vec![NEW, CALL], "denied", json!(["refused", "mcp_fields_invalid", "rules[0], rules[1]"]), json!([null, null])),
        (
            &wrong,
            vec![NEW, CALL, DELETE],
            "denied",
            json!(["refused", "token_invalid", "rules[0]"]),
            json!(["tools/call", "delete_note"]),
        ),
        (
            &client,
            vec![NEW, CALL, READ, foreign],
            "denied",
            json!(["refused", "origin_refused", null]),
            json!(["tools/call", "read_note"]),
        ),
    ] {
        let headers = request(&stage, "POST", claims, &fields);
        let step = stage.worker.begin(headers);
        let [line] = &lines(&step.events)[..] else { panic!("{fields:?} {:?}", step.events) };
        let line = parsed(line);
        assert_eq!(line["event"], event, "{fields:?}");
        assert_eq!(json!([line["decision"], line["reason"], line["rule"]]), decided, "{fields:?}");
        assert_eq!(json!([line["mcp_method"], line["mcp_name"]]), call, "{fields:?}");
        assert_eq!(line["resource"], "https://app.example.com/mcp");
        let version = fields.iter().find(|(name, _)| *name == "mcp-protocol-version").map(|(_, version)| *version);
        assert_eq!(line["mcp_version"].as_str(), version);
        // Nobody is known whose token does not count.
        let known = !["token_invalid", "origin_refused"].contains(&line["reason"].as_str().unwrap_or_default());
        let who = if known { json!(["robot", "agent"]) } else { json!([null, null]) };
        assert_eq!(json!([line["subject"], line["client"]]), who, "{fields:?}");
    }
}

#[test]
fn calls_that_are_let_through_have_lines_only_where_that_is_configured_and_refusals_always_have_one() {
    for (audit, expected) in [
        (json!({}), 0),
        (json!({"mcp_calls": "refused"}), 0),
        (json!({"mcp_calls": "all"}), 40),
        (json!({"mcp_calls": "all", "mcp_calls_one_in": 1}), 40),
        (json!({"mcp_calls": "all", "mcp_calls_one_in": 4}), 10),
    ] {
        let mut stage = Stage::ready(&changed(told(), "/audit", audit.clone()));
        let (mut allowed, mut refused, mut counts) = (0, 0, 0);
        for _ in 0..40 {
            let headers = request(&stage, "POST", &json!({}), &[NEW, CALL, READ]);
            let step = stage.worker.begin(headers);
            allowed += lines(&step.events).len();
            counts += counted(&step.events).len();
            let headers = request(&stage, "POST", &json!({}), &[NEW, CALL, DELETE]);
            refused += lines(&stage.worker.begin(headers).events).len();
        }
        assert_eq!((allowed, refused, counts), (expected, 40, 40), "{audit}");
    }
}

#[test]
fn no_client_chooses_by_its_request_id_which_calls_are_told() {
    let audit = json!({"mcp_calls": "all", "mcp_calls_one_in": 4});
    let mut stage = Stage::ready(&changed(told(), "/audit", audit));
    let told = (0..40).filter(|_| {
        let headers = request(&stage, "POST", &json!({}), &[NEW, CALL, READ, ("x-request-id", "the-same-each-time")]);
        !lines(&stage.worker.begin(headers).events).is_empty()
    });
    assert_eq!(told.count(), 10);
}

#[test]
fn what_is_no_call_to_a_checked_server_is_neither_told_nor_counted_as_one() {
    let unchecked =
        json!([{"path": "/mcp", "scopes": ["read"]}, {"path": "/other", "body_checked_by": "server", "scopes": ["read"]}]);
    let unchecked = changed(changed(told(), "/rules", json!([rule(Value::Null, "read")])), "/resources", unchecked);
    for (document, method) in [(&told(), "GET"), (&told(), "DELETE"), (&told(), "OPTIONS"), (&unchecked, "POST")] {
        let mut stage = Stage::ready(document);
        let headers = request(&stage, method, &json!({}), &[NEW, CALL, READ]);
        let step = stage.worker.begin(headers);
        assert_eq!(outcome(&step).0, 200, "{method}");
        assert_eq!((lines(&step.events), counted(&step.events)), (vec![], vec![]), "{method}");
        // A refusal there says nothing of a call.
        let headers = request(&stage, method, &json!({"scope": "other"}), &[NEW, CALL, READ]);
        let refused = lines(&stage.worker.begin(headers).events);
        assert!(refused.len() == 1 && parsed(&refused[0]).get("decision").is_none(), "{method} {refused:?}");
    }
}

#[test]
fn calls_are_counted_by_the_tools_of_the_configuration_whatever_names_come() {
    let mut stage = Stage::ready(&told());
    for (scope, fields, name) in [
        ("read", vec![NEW, CALL, DELETE], "accredit_mcp_tool_calls_forbidden_delete_*"),
        ("delete", vec![NEW, CALL, ("mcp-name", "delete_everything")], "accredit_mcp_tool_calls_forwarded_delete_*"),
        ("read", vec![NEW, CALL, ("mcp-name", "made_up")], "accredit_mcp_other_calls_forwarded"),
        ("read", vec![NEW, ("mcp-method", "made/up")], "accredit_mcp_other_calls_forwarded"),
        ("read delete", vec![OLD, CALL, DELETE], "accredit_mcp_unnamed_calls_forwarded"),
        ("read", vec![OLD, CALL, DELETE], "accredit_mcp_unnamed_calls_forbidden"),
        ("read", vec![NEW, CALL], "accredit_mcp_unnamed_calls_refused"),
        ("read", vec![NEW, CALL, READ, ("origin", "null")], "accredit_mcp_other_calls_forbidden"),
    ] {
        let headers = request(&stage, "POST", &json!({"scope": scope}), &fields);
        assert_eq!(counted(&stage.worker.begin(headers).events), [name], "{fields:?}");
    }
    let mut headers = request(&stage, "POST", &json!({}), &[NEW, CALL, DELETE]);
    headers.remove("authorization");
    assert_eq!(counted(&stage.worker.begin(headers).events), ["accredit_mcp_tool_calls_unauthenticated_delete_*"]);
}

#[test]
fn no_name_forges_or_fills_a_line_and_no_token_gets_into_one() {
    let mut stage = Stage::ready(&told());
    let of_another = request(&stage, "POST", &json!({"sub": "another"}), &[]);
    let token = of_another.single("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    let encoded = |name: &str| format!("=?base64?{}?=", STANDARD.encode(name));
    let forged = "x\"}\naccredit audit {\"event\":\"mcp_call\",\"subject\":\"admin\"}\r\n\u{2028}\u{202e}\u{200b}\u{1b}[2J";
    for (name, shown) in [
        (encoded(forged), forged.to_owned()),
        ("a".repeat(10_000), ["a".repeat(200).as_str(), "..."].concat()),
        (encoded(&"\u{202e}".repeat(10_000)), ["\u{202e}".repeat(200).as_str(), "..."].concat()),
        (encoded("gr\u{f6}\u{df}e"), "gr\u{f6}\u{df}e".to_owned()),
        (token.clone(), "[left out]...".to_owned()),
        (encoded(&["note of ", &token].concat()), "note of [left out]...".to_owned()),
    ] {
        for scope in ["read", "none"] {
            let headers = request(&stage, "POST", &json!({"scope": scope}), &[NEW, CALL, ("mcp-name", &name)]);
            let step = stage.worker.begin(headers);
            let [line] = &lines(&step.events)[..] else { panic!("{:?}", step.events) };
            assert!(line.lines().count() == 1 && !line.contains(['\u{2028}', '\u{202e}', '\u{200b}', '\u{1b}']), "{line}");
            assert!(line.len() < 2_500 && !line.contains(&token[..60]), "{line}");
            assert_eq!((&parsed(line)["mcp_name"], &parsed(line)["subject"]), (&json!(shown), &json!("robot")));
        }
    }
}

#[test]
fn a_request_whose_name_is_its_own_token_is_refused_and_told_without_it() {
    for rules in
        [json!([rule(json!({"tools": ["delete_*"]}), "delete"), rule(Value::Null, "read")]), json!([rule(Value::Null, "read")])]
    {
        let mut stage = Stage::ready(&changed(told(), "/rules", rules));
        let headers = request(&stage, "POST", &json!({}), &[]);
        let token = headers.single("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let own = [(":method", "POST"), (":authority", "app.example.com"), (":path", "/mcp")];
        let further = [("authorization", bearer.as_str()), NEW, CALL, ("mcp-name", token.as_str())];
        let all = own.iter().chain(&further).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let step = stage.worker.begin(Headers::new(all.collect()));
        let [line] = &lines(&step.events)[..] else { panic!("{:?}", step.events) };
        assert!(!line.contains(&token[..60]), "{line}");
        assert_eq!(json!([parsed(line)["mcp_method"], parsed(line)["mcp_name"]]), json!([null, null]));
    }
}

#[test]
fn the_client_of_a_call_is_the_one_that_its_token_names() {
    let mut stage = Stage::ready(&told());
    for (claims, client) in [
        (json!({"client_id": "agent", "azp": "other"}), json!("agent")),
        (json!({"azp": "agent"}), json!("agent")),
        (json!({"appid": "agent"}), json!("agent")),
        (json!({"cid": "agent"}), json!("agent")),
        (json!({"client_id": "https://agent.example/client.json"}), json!("https://agent.example/client.json")),
        (json!({"client_id": 1}), Value::Null),
        (json!({}), Value::Null),
    ] {
        let headers = request(&stage, "POST", &claims, &[NEW, CALL, READ]);
        // Also of a token that this worker remembers.
        for _ in 0..2 {
            let step = stage.worker.begin(headers.clone());
            assert_eq!(parsed(&lines(&step.events)[0])["client"], client, "{claims}");
        }
    }
}
