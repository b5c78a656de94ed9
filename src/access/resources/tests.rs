//! Which requests are for a resource, what stands at its addresses, who may call it from where, and for whom its tokens are.

use serde_json::json;

use super::*;
use crate::words::principal::{AssumedVerified, Proof};
use crate::words::time::Timestamp;

fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap()
}

fn own() -> Origin {
    origin("https://app.example.com")
}

fn resource(path: &str) -> ProtectedResource {
    ProtectedResource {
        uri: format!("https://app.example.com{path}").into(),
        path: path.into(),
        audiences: vec![format!("https://app.example.com{path}")],
        providers: vec!["main".into()],
        scopes: vec![],
        scope_prefix: String::new(),
        allowed_origins: vec![origin("https://inspector.example.com:6274")],
        metadata: format!("https://app.example.com{METADATA}{path}"),
        document: format!("of {path}"),
        refuses_older_versions: false,
        body_checked_by: None,
        authorization_server: Some(format!("as of {path}")),
    }
}

fn resources(paths: &[&str]) -> ProtectedResources {
    ProtectedResources::new(paths.iter().map(|path| (own(), resource(path))))
}

#[test]
fn a_request_is_for_the_innermost_resource_whose_path_it_is_below() {
    let all = resources(&["/mcp", "/mcp/admin", "/c d"]);
    for (path, found) in [
        ("/mcp", Some("/mcp")),
        ("/mcp/", Some("/mcp")),
        ("/mcp/x", Some("/mcp")),
        ("/mc%70/x", Some("/mcp")),
        ("/mcp/admin", Some("/mcp/admin")),
        ("/mcp/admin/x", Some("/mcp/admin")),
        ("/mcp/administrator", Some("/mcp")),
        ("/c%20d", Some("/c d")),
        ("/mcpx", None),
        ("/MCP", None),
        ("/", None),
    ] {
        assert_eq!(all.find(&own(), path).map(|resource| resource.path.as_str()), found, "{path}");
    }
    assert_eq!(all.find(&origin("https://other.example.com"), "/mcp"), None);
    assert_eq!(resources(&[""]).find(&own(), "/x").map(|resource| resource.path.as_str()), Some(""));
    assert_eq!(ProtectedResources::default().find(&own(), "/mcp"), None);
}

#[test]
fn metadata_stand_at_exact_addresses_and_nothing_else_stands_below_their_prefix() {
    let (one, several, root) = (resources(&["/mcp"]), resources(&["/mcp", "/other"]), resources(&["", "/mcp"]));
    for (path, of_one, of_several, of_root) in [
        (METADATA.to_owned(), Some("of /mcp"), Some(""), Some("of ")),
        (format!("{METADATA}/"), Some("of /mcp"), Some(""), Some("of ")),
        (format!("{METADATA}/mcp"), Some("of /mcp"), Some("of /mcp"), Some("of /mcp")),
        (format!("{METADATA}/mcp/"), Some("of /mcp"), Some("of /mcp"), Some("of /mcp")),
        (format!("{METADATA}/mcp//"), Some(""), Some(""), Some("")),
        (format!("{METADATA}/mcp/x"), Some(""), Some(""), Some("")),
        (format!("{METADATA}/MCP"), Some(""), Some(""), Some("")),
        (format!("{METADATA}x"), None, None, None),
        ("/.well-known/openid-configuration".to_owned(), None, None, None),
        (format!("/x{METADATA}"), None, None, None),
    ] {
        let at = |all: &ProtectedResources| match all.well_known(&own(), &path) {
            None => None,
            Some(WellKnown::Metadata(document)) => Some(document.to_owned()),
            Some(WellKnown::Nothing) => Some(String::new()),
            Some(WellKnown::AuthorizationServer(_)) => panic!("{path}"),
        };
        let found = [&one, &several, &root].map(at);
        assert_eq!(found, [of_one, of_several, of_root].map(|found| found.map(str::to_owned)), "{path}");
    }
    assert_eq!(one.well_known(&origin("https://other.example.com"), METADATA), None);
}

#[test]
fn the_metadata_of_the_authorization_server_are_never_ours_but_where_to_find_them_is_told() {
    let all = resources(&["/mcp", "/other"]);
    for (path, told) in [("", Some("as of /other")), ("/mcp", Some("as of /mcp")), ("/mcp/", Some("as of /mcp")), ("/x", None)] {
        let path = format!("{AUTHORIZATION_SERVER_METADATA}{path}");
        let found = all.well_known(&own(), &path);
        assert_eq!(found, told.map(WellKnown::AuthorizationServer), "{path}");
    }
    let silent = ProtectedResources::new([(own(), ProtectedResource { authorization_server: None, ..resource("/mcp") })]);
    assert_eq!(silent.well_known(&own(), AUTHORIZATION_SERVER_METADATA), None);
}

#[test]
fn a_page_of_another_site_cannot_call_a_resource_whatever_its_origin_is_made_to_look_like() {
    let resource = resource("/mcp");
    for (lines, good) in [
        (vec![], true),
        (vec!["https://app.example.com"], true),
        (vec!["https://app.example.com:443"], true),
        (vec!["https://inspector.example.com:6274"], true),
        (vec!["https://inspector.example.com"], false),
        (vec!["http://app.example.com"], false),
        (vec!["https://app.example.com:8443"], false),
        (vec!["https://app.example.com.evil.example"], false),
        (vec!["https://app.example.com@evil.example"], false),
        (vec!["https://app.example.com, https://app.example.com"], false),
        (vec!["https://app.example.com", "https://app.example.com"], false),
        (vec!["https://app.example.com/"], false),
        (vec!["null"], false),
        (vec![""], false),
        (vec!["file://"], false),
    ] {
        let headers = lines.iter().map(|line| ("origin".to_owned(), line.as_bytes().to_vec())).collect();
        assert_eq!(resource.check_origin(&own(), &Headers::new(headers)).is_ok(), good, "{lines:?}");
    }
}

#[test]
fn a_token_for_another_resource_that_looks_alike_is_not_meant_for_this_one() {
    let resource =
        ProtectedResource { audiences: vec!["https://app.example.com/mcp".into(), "api://mcp".into()], ..resource("/mcp") };
    for (aud, good) in [
        (json!("https://app.example.com/mcp"), true),
        (json!("api://mcp"), true),
        (json!(["x", "https://app.example.com/mcp"]), true),
        (json!("https://app.example.com/mcp/"), false),
        (json!("https://app.example.com/MCP"), false),
        (json!("https://APP.example.com/mcp"), false),
        (json!("https://app.example.com:443/mcp"), false),
        (json!("https://app.example.com"), false),
        (json!("https://app.example.com/mcp?x"), false),
        (json!("https://app.example.com/mcp https://x.example"), false),
        (json!("http://app.example.com/mcp"), false),
        (json!([["https://app.example.com/mcp"]]), false),
        (json!({"https://app.example.com/mcp": true}), false),
        (json!([]), false),
        (json!(null), false),
    ] {
        let token = Principal {
            provider: "main".into(),
            subject: "alice".into(),
            claims: json!({"sub": "alice", "aud": aud}).as_object().unwrap().clone().into(),
            assumed: AssumedVerified::default(),
            proof: Proof::BearerToken,
            expires: Timestamp::default(),
        };
        assert_eq!(resource.check_token(&token).is_ok(), good, "{aud}");
        let of_another = Principal { provider: "other".into(), ..token };
        assert!(resource.check_token(&of_another).is_err(), "{aud}");
    }
}

#[test]
fn a_scope_that_tokens_have_by_a_shorter_name_is_asked_for_by_its_long_one() {
    let resource = ProtectedResource { scope_prefix: "api://4711/".into(), ..resource("/mcp") };
    for (scope, asked) in [
        ("mcp:read", "api://4711/mcp:read"),
        ("api://4711/mcp:read", "api://4711/mcp:read"),
        ("offline_access", "offline_access"),
        ("openid", "openid"),
    ] {
        assert_eq!(resource.asked(scope), asked);
    }
}
