//! Calls to an MCP server behind a resource: which rule decides about each, by whatever version and with whatever header fields.

use serde_json::{Value, json};

use super::stage::{Stage, body, changed, field, forwarded, outcome, response, with};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::step::decision::Decision;
use crate::step::event::Event;

/// The usual configuration with an MCP server at `/mcp`, and these rules.
pub(super) fn server(rules: Value) -> Value {
    let document = changed(with("/providers/0/bearer", json!({})), "/rules", rules);
    changed(document, "/resources", json!([{"path": "/mcp", "scopes": ["read"], "body_checked_by": "server"}]))
}

pub(super) fn rule(mcp: Value, scope: &str) -> Value {
    let mut matches = json!({"path_separated_prefix": "/mcp"});
    if !mcp.is_null() {
        matches["mcp"] = mcp;
    }
    json!({"match": matches, "require": {"scope": [scope]}})
}

/// A strict rule for `delete_*`, and a lax one for all else.
fn strict_then_lax() -> Value {
    json!([rule(json!({"tools": ["delete_*"]}), "delete"), rule(Value::Null, "read")])
}

/// A lax rule for `read_*` and what every client calls, and a strict one for all else.
fn lax_then_strict() -> Value {
    let lax = json!({"tools": ["read_*"], "methods": ["tools/list", "server/*", "ping"]});
    json!([rule(lax, "read"), rule(Value::Null, "delete")])
}

fn request(stage: &Stage, method: &str, scope: &str, fields: &[(&str, &str)]) -> Headers {
    let expires = stage.worker.world.now.seconds() + 300;
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "https://app.example.com/mcp", "exp": expires, "scope": scope});
    let (key, algorithm, kid) = stage.provider.signs;
    let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
    let own = [(":method", method), (":authority", "app.example.com"), (":path", "/mcp"), ("authorization", line.as_str())];
    let all = own.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    Headers::new(all.collect())
}

pub(super) const NEW: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
pub(super) const OLD: (&str, &str) = ("mcp-protocol-version", "2025-11-25");
pub(super) const CALL: (&str, &str) = ("mcp-method", "tools/call");
pub(super) const READ: (&str, &str) = ("mcp-name", "read_note");
pub(super) const DELETE: (&str, &str) = ("mcp-name", "delete_note");

/// What becomes of a request, of a client whose token has these scopes.
fn passes(stage: &mut Stage, method: &str, scope: &str, fields: &[(&str, &str)]) -> Result<(), (u16, String)> {
    let headers = request(stage, method, scope, fields);
    let step = stage.worker.begin(headers);
    if matches!(step.decision, Decision::Forward(_)) {
        return Ok(());
    }
    let (status, reason) = outcome(&step);
    Err((status, reason.to_owned()))
}

#[test]
fn a_tool_is_called_by_whoever_has_its_scope_in_both_orders_of_a_lax_and_a_strict_rule() {
    for rules in [strict_then_lax(), lax_then_strict()] {
        let mut stage = Stage::ready(&server(rules));
        for (fields, scope, good) in [
            (vec![NEW, CALL, READ], "read", true),
            (vec![NEW, CALL, DELETE], "read", false),
            (vec![NEW, CALL, DELETE], "delete", true),
            (vec![NEW, CALL, ("mcp-name", "=?base64?ZGVsZXRlX25vdGU=?=")], "read", false),
            (vec![NEW, CALL, ("mcp-name", " delete_note ")], "read", false),
            (vec![NEW, ("mcp-method", "tools/list")], "read", true),
            (vec![NEW, ("mcp-method", "server/discover")], "read", true),
        ] {
            let passed = passes(&mut stage, "POST", scope, &fields);
            assert_eq!(passed, if good { Ok(()) } else { Err((403, "scope_missing".into())) }, "{fields:?} {scope}");
        }
    }
}

#[test]
fn a_request_that_names_no_tool_may_be_any_tools_and_meets_every_rule_or_none() {
    for rules in [strict_then_lax(), lax_then_strict()] {
        let mut stage = Stage::ready(&server(rules));
        for fields in [
            vec![],
            vec![OLD],
            vec![OLD, CALL, READ],
            vec![CALL, READ],
            vec![("mcp-protocol-version", "2026-07-29"), CALL, READ],
            vec![("mcp-protocol-version", "2026-07-28, 2025-11-25"), CALL, READ],
            vec![("mcp-protocol-version", "latest"), CALL, READ],
            vec![("mcp-protocol-version", ""), CALL, READ],
        ] {
            assert_eq!(passes(&mut stage, "POST", "read delete", &fields), Ok(()), "{fields:?}");
            for scope in ["read", "delete", ""] {
                let refused = passes(&mut stage, "POST", scope, &fields);
                assert_eq!(refused, Err((403, "scope_missing".into())), "{fields:?} {scope}");
            }
        }
        // It is told all scopes at once.
        let headers = request(&stage, "POST", "read", &[OLD]);
        let step = stage.worker.begin(headers);
        let challenge = field(response(&step), "www-authenticate").unwrap();
        assert!(challenge.ends_with("scope=\"read delete\""), "{challenge}");
    }
}

#[test]
fn what_carries_no_call_is_decided_by_path_and_scope() {
    for (method, scope) in [("GET", "read"), ("DELETE", "read"), ("OPTIONS", "read")] {
        let mut stage = Stage::ready(&server(strict_then_lax()));
        assert_eq!(passes(&mut stage, method, scope, &[OLD]), Ok(()), "{method}");
        assert_eq!(passes(&mut stage, method, scope, &[NEW, CALL, DELETE]), Ok(()), "{method}");
    }
}

#[test]
fn a_body_behind_a_method_that_carries_none_calls_nothing_past_the_rules() {
    for checker in ["server", "envoy_mcp_filter", "envoy_mcp_filter_before"] {
        let mut stage = Stage::ready(&changed(server(strict_then_lax()), "/resources/0/body_checked_by", json!(checker)));
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            for fields in [vec![], vec![OLD], vec![NEW, CALL, READ]] {
                let headers = request(&stage, method, "read", &fields);
                let step = stage.worker.begin_with_body(headers);
                assert_eq!(outcome(&step), (403, "scope_missing"), "{checker} {method} {fields:?}");
                assert_eq!(passes(&mut stage, method, "read", &fields), Ok(()), "{checker} {method} {fields:?}");
                let headers = request(&stage, method, "read delete", &fields);
                forwarded(&stage.worker.begin_with_body(headers));
            }
        }
    }
}

/// Two rules, of which the first is for `delete_*`, each with this member and value.
fn with_members(strict: &Value, lax: &Value) -> Value {
    let mut rules = strict_then_lax();
    for (rule, members) in rules.as_array_mut().unwrap().iter_mut().zip([strict, lax]) {
        rule["credentials"] = json!("bearer");
        rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    }
    changed(server(rules), "/forward", json!({"identity_jwt": {"keys": ["a secret of the upstream, which is 32 bytes or more"]}}))
}

#[test]
fn a_token_for_some_calls_is_never_sent_for_a_call_that_may_be_another() {
    let exchange = |audience: &str| json!({"forward": {"token_exchange": {"audience": audience}}});
    let credentials = |scope: &str| json!({"forward": {"client_credentials": {"scope": [scope]}}});
    let none = json!({});
    for (strict, lax) in [
        (exchange("all"), none.clone()),
        (none.clone(), exchange("all")),
        (exchange("all"), exchange("notes")),
        (exchange("all"), credentials("all")),
        (credentials("all"), credentials("notes")),
        (json!({"audience": "all"}), none.clone()),
        (none.clone(), json!({"audience": "all"})),
        (json!({"audience": "all"}), json!({"audience": "notes"})),
    ] {
        let mut stage = Stage::ready(&with_members(&strict, &lax));
        let refused = |reason: &str| Err((400, reason.to_owned()));
        for fields in [vec![], vec![OLD], vec![OLD, CALL, READ], vec![("mcp-protocol-version", "2027-01-01"), CALL, READ]] {
            for scope in ["read", "read delete"] {
                let answered = passes(&mut stage, "POST", scope, &fields);
                assert_eq!(answered, refused("mcp_version_refused"), "{strict} {lax} {fields:?} {scope}");
            }
        }
        let tunnel = [NEW, CALL, READ, ("connection", "upgrade"), ("upgrade", "websocket")];
        assert_eq!(passes(&mut stage, "POST", "read delete", &tunnel), refused("mcp_fields_invalid"));
        assert_eq!(passes(&mut stage, "PUT", "read delete", &[NEW, CALL, READ]), refused("mcp_fields_invalid"));
        let get = request(&stage, "GET", "read delete", &[OLD]);
        assert_eq!(outcome(&stage.worker.begin_with_body(get)), (400, "mcp_fields_invalid"));
        // Who is asking comes first.
        let mut stranger = request(&stage, "POST", "read", &[OLD]);
        stranger.remove("authorization");
        assert_eq!(outcome(&stage.worker.begin(stranger)), (401, "token_missing"));
    }
}

#[test]
fn a_request_that_may_call_anything_comes_with_the_token_that_all_its_rules_send() {
    let forward = json!({"forward": {"token_exchange": {"audience": "all"}}, "audience": "notes"});
    let mut stage = Stage::ready(&with_members(&forward, &forward));
    let headers = request(&stage, "POST", "read delete", &[OLD]);
    let step = stage.send(headers);
    let sent: Vec<_> = forwarded(&step).edits.add.iter().filter(|(name, _)| &**name == "authorization").collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(stage.provider.exchanged[0]["audience"], "all");
}

#[test]
fn fields_that_servers_could_read_in_two_ways_are_answered_as_clients_show_it() {
    let mut stage = Stage::ready(&server(strict_then_lax()));
    for (fields, message) in [
        (vec![NEW, CALL, READ, DELETE], "Mcp-Name came more than once"),
        (vec![NEW, CALL, ("mcp-method", "tools/list"), READ], "Mcp-Method came more than once"),
        (vec![NEW, OLD, CALL, READ], "MCP-Protocol-Version came more than once"),
        (vec![NEW, READ], "Mcp-Method is missing, which this version of MCP demands"),
        (vec![NEW, CALL], "Mcp-Name is missing, which this version of MCP demands"),
        (vec![NEW, CALL, ("mcp-name", "=?BASE64?cmVhZF9ub3Rl?=")], "Mcp-Name cannot be read"),
        (vec![NEW, CALL, ("mcp-name", "r\u{e9}ad")], "Mcp-Name cannot be read"),
        (vec![NEW, CALL, READ, ("mcp-param-a", "=?base64?_?=")], "an Mcp-Param field cannot be read"),
        (
            vec![NEW, CALL, READ, ("content-type", "application/json; charset=utf-7")],
            "Content-Type says something else of the body than that it is JSON in UTF-8",
        ),
    ] {
        let headers = request(&stage, "POST", "read delete", &fields);
        let step = stage.worker.begin(headers);
        assert_eq!(outcome(&step), (400, "mcp_fields_invalid"), "{fields:?}");
        let expected = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_020, "message": message}});
        assert_eq!((body(&step), field(response(&step), "content-type")), (expected, Some("application/json")));
        assert_eq!(field(response(&step), "www-authenticate"), None);
    }
    // Who is asking comes first.
    let mut headers = request(&stage, "POST", "read", &[NEW, CALL]);
    headers.remove("authorization");
    assert_eq!(outcome(&stage.worker.begin(headers)), (401, "token_missing"));
    // Where no rule looks at calls, nothing of theirs is read.
    let mut stage = Stage::ready(&server(json!([rule(Value::Null, "read")])));
    assert_eq!(passes(&mut stage, "POST", "read", &[NEW, CALL, READ, DELETE]), Ok(()));
}

#[test]
fn a_server_that_refuses_older_versions_says_which_it_takes_and_does_so_after_the_token_was_accepted() {
    let document = changed(server(json!([rule(Value::Null, "read")])), "/resources/0/older_versions", json!("refuse"));
    let mut stage = Stage::ready(&document);
    for (fields, requested) in [
        (vec![], Value::Null),
        (vec![OLD, CALL, READ], json!("2025-11-25")),
        (vec![("mcp-protocol-version", "<script>")], Value::Null),
    ] {
        let headers = request(&stage, "POST", "read", &fields);
        let step = stage.worker.begin(headers);
        assert_eq!(outcome(&step), (400, "mcp_version_refused"));
        let error = json!({
            "code": -32_022,
            "message": "this server takes MCP-Protocol-Version 2026-07-28 only",
            "data": {"supported": ["2026-07-28"], "requested": requested}
        });
        assert_eq!(body(&step), json!({"jsonrpc": "2.0", "id": null, "error": error}));
        let mut headers = request(&stage, "POST", "read", &fields);
        headers.remove("authorization");
        assert_eq!(outcome(&stage.worker.begin(headers)), (401, "token_missing"));
    }
    assert_eq!(passes(&mut stage, "POST", "read", &[NEW, CALL, READ]), Ok(()));
    assert_eq!(passes(&mut stage, "GET", "read", &[OLD]), Ok(()));
}

#[test]
fn each_tool_can_need_scopes_of_its_own_within_one_rule() {
    let scopes = json!({"tools/call": {"delete_*": ["delete"], "*_note": ["notes"]}, "prompts/get": {"*": ["prompts"]}});
    let rules = json!([{"match": {"path_separated_prefix": "/mcp"}, "require": {"scope": ["read"], "mcp": {"scopes": scopes}}}]);
    let mut stage = Stage::ready(&server(rules));
    let missing = |scope: &str| Err((403, scope.to_owned()));
    for (fields, scope, expected) in [
        (vec![NEW, CALL, ("mcp-name", "list")], "read", Ok(())),
        (vec![NEW, CALL, READ], "read", missing("scope_missing")),
        (vec![NEW, CALL, READ], "read notes", Ok(())),
        (vec![NEW, CALL, DELETE], "read notes", missing("scope_missing")),
        (vec![NEW, CALL, DELETE], "read notes delete", Ok(())),
        (vec![NEW, ("mcp-method", "prompts/get"), READ], "read", missing("scope_missing")),
        (vec![NEW, ("mcp-method", "tools/list")], "read", Ok(())),
        (vec![OLD], "read notes delete", missing("scope_missing")),
        (vec![OLD], "read notes delete prompts", Ok(())),
    ] {
        assert_eq!(passes(&mut stage, "POST", scope, &fields), expected, "{fields:?} {scope}");
    }
    let told = |stage: &mut Stage, fields: &[(&str, &str)]| {
        let headers = request(stage, "POST", "read other", fields);
        field(response(&stage.worker.begin(headers)), "www-authenticate").unwrap().to_owned()
    };
    let of_read = told(&mut stage, &[NEW, CALL, READ]);
    assert!(of_read.ends_with("scope=\"read notes other\""), "{of_read}");
    let of_delete = told(&mut stage, &[NEW, CALL, DELETE]);
    assert!(of_delete.ends_with("scope=\"read notes delete other\""), "{of_delete}");
    assert_eq!(told(&mut stage, &[NEW, CALL, DELETE]), of_delete);
}

#[test]
fn a_condition_on_calls_that_are_not_known_does_not_hold_whichever_way_it_is_asked() {
    let tools = json!({"mcp": {"tools": ["read_*"]}});
    for (require, of_read, of_delete, of_any) in [
        (tools.clone(), true, false, false),
        (json!({"not": tools}), false, true, false),
        (json!({"any": [tools, {"scope": ["delete"]}]}), true, false, false),
    ] {
        let rules = json!([{"match": {"path_separated_prefix": "/mcp"}, "require": require}]);
        let mut stage = Stage::ready(&server(rules));
        for (fields, good) in
            [(vec![NEW, CALL, READ], of_read), (vec![NEW, CALL, DELETE], of_delete), (vec![OLD, CALL, READ], of_any)]
        {
            assert_eq!(passes(&mut stage, "POST", "read", &fields).is_ok(), good, "{require} {fields:?}");
        }
    }
}

#[test]
fn where_envoy_has_read_the_body_it_decides_whatever_the_version_and_the_fields_say() {
    let document = changed(server(strict_then_lax()), "/resources/0/body_checked_by", json!("envoy_mcp_filter_before"));
    let mut stage = Stage::ready(&document);
    let good: [(&str, &[u8]); 4] =
        [("is_mcp_request", &[1]), ("status", b"mcp_ok"), ("jsonrpc", b"2.0"), ("method", b"tools/call")];
    for (body, fields, scope, expected) in [
        (Some(&b"read_note"[..]), vec![OLD], "read", Ok(())),
        (Some(b"read_note"), vec![], "read", Ok(())),
        (Some(b"delete_note"), vec![OLD], "read", Err((403, "scope_missing".to_owned()))),
        (Some(b"delete_note"), vec![OLD, CALL, READ], "read", Err((403, "scope_missing".to_owned()))),
        (Some(b"delete_note"), vec![OLD], "delete", Ok(())),
        (Some(b"read_note"), vec![NEW, CALL, READ], "read", Ok(())),
        (Some(b"delete_note"), vec![NEW, CALL, READ], "read delete", Err((400, "mcp_fields_invalid".to_owned()))),
        // A body that was not read may call anything.
        (None, vec![NEW, CALL, READ], "read", Err((403, "scope_missing".to_owned()))),
        (None, vec![NEW, CALL, READ], "read delete", Ok(())),
    ] {
        let name = body.map(|name| ("params.name", name));
        stage.worker.world.request_metadata = good.into_iter().chain(name).collect();
        assert_eq!(passes(&mut stage, "POST", scope, &fields), expected, "{body:?} {fields:?} {scope}");
    }
}

#[test]
fn trailers_behind_which_envoys_filter_reads_no_body_are_refused_wherever_it_is_the_one_who_checks() {
    let by_envoy = |rules| changed(server(rules), "/resources/0/body_checked_by", json!("envoy_mcp_filter"));
    let anybody = json!([{"match": {"path_separated_prefix": "/mcp"}, "require": "public"}, {"require": "public"}]);
    let old = [OLD];
    for (document, method, target, fields, refused) in [
        (by_envoy(strict_then_lax()), "POST", "/mcp", &[NEW, CALL, READ][..], true),
        (by_envoy(strict_then_lax()), "POST", "/mcp/", &old, true),
        (by_envoy(strict_then_lax()), "GET", "/mcp", &old, true),
        (by_envoy(strict_then_lax()), "DELETE", "/mcp", &old, true),
        (by_envoy(anybody.clone()), "POST", "/mcp", &old, true),
        (by_envoy(anybody), "POST", "/other", &old, false),
        (server(strict_then_lax()), "POST", "/mcp", &[NEW, CALL, READ], false),
    ] {
        let mut stage = Stage::ready(&document);
        let mut headers = request(&stage, method, "read delete", fields);
        headers.remove(":path");
        headers.add(":path", target);
        let step = stage.worker.begin(headers);
        let Some(request) = forwarded(&step).without_trailers.clone() else {
            assert!(!refused, "{method} {target}");
            continue;
        };
        assert!(refused, "{method} {target}");
        assert_eq!((&*request.host, &*request.method, &*request.path), ("app.example.com", method, target));
        let step = stage.worker.gateway.refuse_trailers(request);
        assert_eq!((response(&step).status, field(response(&step), "x-accredit-reason")), (400, Some("mcp_fields_invalid")));
        let message = "trailers came, behind which Envoy's mcp filter would not read the body";
        let expected = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_020, "message": message}});
        assert_eq!((body(&step), field(response(&step), "content-type")), (expected, Some("application/json")));
        // That it was forwarded has been counted.
        assert!(matches!(step.events.as_slice(), [Event::Denied { .. }]), "{:?}", step.events);
    }
}
