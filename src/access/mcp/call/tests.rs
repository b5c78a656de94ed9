//! What a request calls, whatever its fields look like, and which calls fit a list.

use super::*;
use crate::access::mcp::calls::{Calls, Listed, ScopesOfCalls, fits};
use crate::access::truth::Truth;
use crate::http::message::Headers;

fn request(method: &str, fields: &[(&str, &[u8])]) -> Request {
    let own: [(&str, &[u8]); 3] = [(":method", method.as_bytes()), (":authority", b"app.example"), (":path", b"/mcp")];
    let all = own.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), value.to_vec()));
    Request::from_headers(Headers::new(all.collect())).unwrap()
}

fn named(method: &str, name: Option<&str>) -> Call {
    Call::Named(Named { method: method.into(), name: name.map(str::to_owned), params: vec![] })
}

const NEW: (&str, &[u8]) = ("mcp-protocol-version", b"2026-07-28");
const CALL: (&str, &[u8]) = ("mcp-method", b"tools/call");

#[test]
fn only_a_post_of_a_version_that_names_calls_says_what_it_calls() {
    let named = named("tools/call", Some("read"));
    for (method, version, expected) in [
        ("POST", Some("2026-07-28"), &named),
        ("POST", Some(" 2026-07-28\t"), &named),
        ("POST", Some("2027-01-01"), &Call::Any),
        ("POST", Some("2025-11-25"), &Call::Any),
        ("POST", Some("2026-07-28, 2025-11-25"), &Call::Any),
        ("POST", Some("9"), &Call::Any),
        ("POST", Some("DRAFT-2026"), &Call::Any),
        ("POST", Some(""), &Call::Any),
        ("POST", None, &Call::Any),
        ("GET", Some("2026-07-28"), &Call::Nothing),
        ("HEAD", None, &Call::Nothing),
        ("DELETE", None, &Call::Nothing),
        ("OPTIONS", None, &Call::Nothing),
        ("PUT", Some("2026-07-28"), &Call::Any),
        ("QUERY", Some("2026-07-28"), &Call::Any),
    ] {
        let version = version.map(|text| ("mcp-protocol-version", text.as_bytes()));
        let fields: Vec<_> = version.into_iter().chain([CALL, ("mcp-name", &b"read"[..])]).collect();
        assert_eq!(call(&request(method, &fields)).as_ref(), Ok(expected), "{method} {version:?}");
        // Nobody knows what comes behind it.
        let upgrading: Vec<_> = fields.into_iter().chain([("upgrade", &b"websocket"[..])]).collect();
        assert_eq!(call(&request(method, &upgrading)), Ok(Call::Any), "{method} {version:?}");
    }
}

#[test]
fn a_method_that_carries_no_call_may_carry_any_with_a_body() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for fields in [vec![], vec![NEW, CALL, ("mcp-name", &b"read"[..])]] {
            let alone = request(method, &fields);
            assert_eq!(call(&alone), Ok(Call::Nothing), "{method}");
            assert_eq!(call(&Request { following: Following::Body, ..alone }), Ok(Call::Any), "{method}");
        }
    }
}

#[test]
fn a_name_is_read_as_servers_read_it_or_not_at_all() {
    for (value, name) in [
        (&b"read_note"[..], Some("read_note")),
        (b"  read_note ", Some("read_note")),
        (b"a b", Some("a b")),
        (b"=?base64?Z3LDtsOfZQ==?=", Some("gr\u{f6}\u{df}e")),
        (b" =?base64?cmVhZF9ub3Rl?= ", Some("read_note")),
        // Encoded twice: it is decoded once.
        (b"=?base64?PT9iYXNlNjQ/eD89?=", Some("=?base64?x?=")),
        (b"=?BASE64?cmVhZF9ub3Rl?=", None),
        (b"=?utf-8?B?cmVhZF9ub3Rl?=", None),
        (b"=?base64?cmVhZF9ub3Rl", None),
        (b"=?base64?Z3LDtsOfZQ?=", None),
        (b"=?base64?Z3LDtsOf ZQ==?=", None),
        (b"=?base64?_w==?=", None),
        (b"=?base64?/w==?=", None),
        (b"=?base64??=", Some("")),
        (b"gr\xc3\xb6\xc3\x9fe", None),
        (b"read\x01note", None),
        (b"\xff", None),
        (b"", None),
    ] {
        let found = call(&request("POST", &[NEW, CALL, ("mcp-name", value)]));
        let expected = name.map_or(Err(Fault::Unreadable("Mcp-Name")), |name| Ok(named("tools/call", Some(name))));
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(value));
    }
}

#[test]
fn fields_that_come_twice_or_are_missing_say_nothing() {
    let read: (&str, &[u8]) = ("mcp-name", b"read");
    for (fields, fault) in [
        (vec![NEW, NEW, CALL, read], Fault::Twice("MCP-Protocol-Version")),
        (vec![NEW, CALL, CALL, read], Fault::Twice("Mcp-Method")),
        (vec![NEW, CALL, read, ("mcp-name", b"delete")], Fault::Twice("Mcp-Name")),
        (vec![NEW, CALL, read, ("mcp-param-a", b"1"), ("mcp-param-a", b"2")], Fault::Twice("an Mcp-Param field")),
        (vec![NEW, CALL, read, ("mcp_name", b"delete")], Fault::Lookalike),
        (vec![("mcp_protocol_version", b"2025-11-25"), NEW, CALL, read], Fault::Lookalike),
        (vec![NEW, CALL, read, ("content_encoding", b"gzip")], Fault::Lookalike),
        (vec![NEW, CALL, read, ("content_type", b"application/json; charset=utf-7")], Fault::Lookalike),
        (vec![NEW, read], Fault::Missing("Mcp-Method")),
        (vec![NEW, CALL], Fault::Missing("Mcp-Name")),
        (vec![NEW, ("mcp-method", b"prompts/get")], Fault::Missing("Mcp-Name")),
        (vec![NEW, ("mcp-method", b"resources/read")], Fault::Missing("Mcp-Name")),
        (vec![NEW, ("mcp-method", b""), read], Fault::Unreadable("Mcp-Method")),
        (vec![NEW, CALL, read, ("mcp-param-a", b"\xff")], Fault::Unreadable("an Mcp-Param field")),
    ] {
        assert_eq!(call(&request("POST", &fields)), Err(fault), "{fields:?}");
    }
    // A name where none belongs is not looked at by servers either.
    assert_eq!(call(&request("POST", &[NEW, ("mcp-method", b"tools/list"), read])), Ok(named("tools/list", None)));
    let with_param = call(&request("POST", &[NEW, CALL, read, ("mcp-param-region", b"=?base64?ZXU=?=")]));
    assert!(matches!(with_param, Ok(Call::Named(Named { params, .. })) if params == [("region".to_owned(), "eu".to_owned())]));
}

#[test]
fn a_request_that_repeats_its_token_in_another_field_says_nothing() {
    let token: (&str, &[u8]) = ("authorization", b"Bearer mF_9.B5f-4.1JqM0");
    let encoded: &[u8] = b"=?base64?YSBtRl85LkI1Zi00LjFKcU0wIGI=?=";
    for (name, fault) in [
        (&b"mF_9.B5f-4.1JqM0"[..], Some(Fault::Credential("Mcp-Name"))),
        (b"read_mF_9.B5f-4.1JqM0_note", Some(Fault::Credential("Mcp-Name"))),
        (b"mF_9.B5f-4.1JqM0_", Some(Fault::Credential("Mcp-Name"))),
        (b"_mF_9.B5f-4.1JqM0", Some(Fault::Credential("Mcp-Name"))),
        (b"mF_9.B5f-4.1JqM", None),
        (b"F_9.B5f-4.1JqM0_note", None),
        (encoded, Some(Fault::Credential("Mcp-Name"))),
        (b"Bearer", None),
        (b"mF_9", None),
    ] {
        let found = call(&request("POST", &[NEW, CALL, token, ("mcp-name", name)]));
        assert_eq!(found.err(), fault, "{}", String::from_utf8_lossy(name));
    }
    let in_param = call(&request("POST", &[NEW, CALL, token, ("mcp-name", b"a"), ("mcp-param-a", b"mF_9.B5f-4.1JqM0")]));
    assert_eq!(in_param, Err(Fault::Credential("an Mcp-Param field")));
}

#[test]
fn a_body_that_servers_would_read_as_another_text_says_nothing() {
    let kind = |text: &'static str| ("content-type", text.as_bytes());
    let coding = Err(Fault::Recoded("Content-Encoding"));
    let charset = Err(Fault::Recoded("Content-Type"));
    let good = Ok(named("tools/call", Some("read")));
    for (fields, expected) in [
        (vec![], &good),
        (vec![kind("application/json")], &good),
        (vec![kind("Application/JSON ; Charset=\"UTF-8\"")], &good),
        (vec![kind("application/json; charset=utf-7")], &charset),
        (vec![kind("application/json; charset=utf-16")], &charset),
        (vec![kind("application/json; charset=utf-8; charset=utf-7")], &charset),
        (vec![kind("application/json; charset*=utf-7''x")], &charset),
        (vec![kind("application/json; x=\"\\\"; charset=utf-7\"")], &charset),
        (vec![kind("application/json;")], &charset),
        (vec![kind("text/plain")], &charset),
        (vec![kind("")], &charset),
        (vec![kind("application/json"), kind("application/json; charset=utf-7")], &Err(Fault::Twice("Content-Type"))),
        (vec![kind("application/json"), ("content-encoding", b"br")], &coding),
        (vec![("content-encoding", b"identity")], &coding),
    ] {
        let all: Vec<_> = [NEW, CALL, ("mcp-name", &b"read"[..])].into_iter().chain(fields.iter().copied()).collect();
        assert_eq!(&call(&request("POST", &all)), expected, "{fields:?}");
    }
    // An older version may call anything, so that nothing depends on how its body is read.
    assert_eq!(call(&request("POST", &[CALL, kind("application/json; charset=utf-7")])), Ok(Call::Any));
}

fn listed(method: &str, name: Option<&str>) -> Listed {
    Listed { method: method.into(), name: name.map(str::to_owned) }
}

#[test]
fn a_call_that_is_not_named_is_neither_listed_nor_not_listed() {
    let calls = Calls { listed: vec![listed("tools/call", Some("delete_*")), listed("tools/l*", None)], params: vec![] };
    for (call, truth) in [
        (named("tools/call", Some("delete_note")), Truth::True),
        (named("tools/call", Some("DELETE_note")), Truth::False),
        (named("tools/call", Some("read_note")), Truth::False),
        (named("tools/list", None), Truth::True),
        (named("prompts/get", Some("delete_note")), Truth::False),
        (Call::Any, Truth::Unknown),
        (Call::Nothing, Truth::False),
    ] {
        assert_eq!(calls.fits(&call), truth, "{call:?}");
    }
}

#[test]
fn a_star_stands_for_slashes_too_where_no_path_is_meant() {
    for (pattern, text, fitting) in [
        ("*", "tools/call", true),
        ("**", "tools/call", true),
        ("tools/*", "tools/call", true),
        ("*/list", "tools/list", true),
        ("delete_*", "delete_a/b", true),
        ("delete_*", "delete_", true),
        ("delete_*", "undelete_a", false),
        ("tools/call", "tools/call", true),
        ("tools", "tools/call", false),
    ] {
        assert_eq!(fits(pattern, text), fitting, "{pattern} {text}");
    }
    let every = Calls { listed: vec![listed("*", None)], params: vec![] };
    assert_eq!(every.fits(&named("tools/call", Some("a/b"))), Truth::True);
    let scopes = ScopesOfCalls(vec![(listed("*", None), vec!["admin".into()])]);
    assert_eq!(scopes.of(&named("tools/call", Some("a"))).collect::<Vec<_>>(), ["admin"]);
}

#[test]
fn an_argument_that_no_field_names_may_be_in_the_body() {
    let calls = Calls { listed: vec![listed("tools/call", Some("*"))], params: vec![("region".into(), vec!["eu".into()])] };
    let with = |params: &[(&str, &str)]| {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Call::Named(Named { method: "tools/call".into(), name: Some("read".into()), params })
    };
    assert_eq!(calls.fits(&with(&[("region", "eu")])), Truth::True);
    assert_eq!(calls.fits(&with(&[("region", "us")])), Truth::False);
    assert_eq!(calls.fits(&with(&[("other", "eu")])), Truth::Unknown);
    assert_eq!(calls.fits(&named("tools/list", None)), Truth::False);
}

#[test]
fn an_address_that_servers_may_read_differently_is_neither_listed_nor_not_listed() {
    let calls = Calls { listed: vec![listed("resources/read", Some("file:///docs/**"))], params: vec![] };
    for (uri, truth) in [
        ("file:///docs/a/b", Truth::True),
        ("file:///secret/a", Truth::False),
        ("note:1", Truth::False),
        ("file:///docs/../secret/a", Truth::Unknown),
        ("file:///docs/./a", Truth::Unknown),
        ("file:///docs/a/..", Truth::Unknown),
        ("file:///secret/%2e%2e/docs", Truth::Unknown),
        ("file:///%64ocs/a", Truth::Unknown),
        ("file:///docs//a", Truth::Unknown),
        ("file:///docs\\..\\secret", Truth::Unknown),
        ("FILE:///docs/a", Truth::Unknown),
        ("file://HOST/docs/a", Truth::Unknown),
        ("docs/a", Truth::Unknown),
        // So some servers write what they were asked for, before they look it up.
        ("file:/secret/a", Truth::Unknown),
        ("file:secret/a", Truth::Unknown),
        ("file://localhost/secret/a", Truth::Unknown),
        (" file:///secret/a", Truth::Unknown),
        ("file:///secret/a ", Truth::Unknown),
        ("file:///secret/\u{e9}", Truth::Unknown),
        ("file:///secret/{a}", Truth::Unknown),
        ("https:/host/a", Truth::Unknown),
        ("https://host", Truth::Unknown),
        ("https://host:443/a", Truth::Unknown),
        ("https://user@host/a", Truth::Unknown),
        ("http://0x7f.1/a", Truth::Unknown),
        ("https://host.example/a", Truth::False),
        ("note://a/b", Truth::False),
    ] {
        assert_eq!(calls.fits(&named("resources/read", Some(uri))), truth, "{uri}");
    }
}

#[test]
fn a_call_needs_the_scopes_of_all_entries_that_it_may_fall_under() {
    let scopes = ScopesOfCalls(vec![
        (listed("tools/call", Some("delete_*")), vec!["files:delete".into()]),
        (listed("tools/call", Some("*_note")), vec!["notes".into()]),
        (listed("prompts/get", None), vec!["prompts".into()]),
    ]);
    for (call, needed) in [
        (named("tools/call", Some("delete_note")), vec!["files:delete", "notes"]),
        (named("tools/call", Some("read_note")), vec!["notes"]),
        (named("tools/list", None), vec![]),
        (Call::Any, vec!["files:delete", "notes", "prompts"]),
        (Call::Nothing, vec![]),
    ] {
        assert_eq!(scopes.of(&call).collect::<Vec<_>>(), needed, "{call:?}");
    }
}

#[test]
fn fields_that_say_something_else_than_the_body_are_refused_and_the_body_decides() {
    let read = named("tools/call", Some("read"));
    let body = Some(Named { method: "tools/call".into(), name: Some("read".into()), params: vec![] });
    let fields = |name: &'static [u8]| request("POST", &[NEW, CALL, ("mcp-name", name)]);
    assert_eq!(call_by_body(&fields(b"read"), body.clone()), Ok(read.clone()));
    assert_eq!(call_by_body(&fields(b"=?base64?cmVhZA==?="), body.clone()), Ok(read.clone()));
    for (came, by_body) in
        [(fields(b"delete"), body.clone()), (fields(b"read"), Some(Named { method: "tools/list".into(), ..Named::default() }))]
    {
        assert_eq!(call_by_body(&came, by_body), Err(Fault::Differs));
    }
    // Older versions say nothing in their fields, and a body that was not read says nothing either.
    let old = request("POST", &[("mcp-protocol-version", b"2025-11-25"), CALL, ("mcp-name", b"delete")]);
    assert_eq!(call_by_body(&old, body.clone()), Ok(read.clone()));
    let recoded = request("POST", &[("content-type", b"application/json; charset=utf-7")]);
    assert_eq!(call_by_body(&recoded, body), Ok(Call::Any));
    assert_eq!(call_by_body(&fields(b"read"), None), Ok(Call::Any));
    assert_eq!(call_by_body(&request("GET", &[]), None), Ok(Call::Nothing));
    assert_eq!(call_by_body(&request("POST", &[NEW, NEW, CALL]), None), Err(Fault::Twice("MCP-Protocol-Version")));
}
