//! Protected resources: what is told of each on each origin, and what is refused.

use super::*;
use crate::access::resources::ProtectedResource;

/// The short example with a provider whose tokens are accepted, these resources, and these rules.
fn with_resources(resources: Value, rules: Value) -> Value {
    let mut document = with("/rules", rules);
    document["providers"][0]["bearer"] = json!({});
    document["origins"] = json!(["https://app.example.com", "https://mcp.example.com:8443"]);
    document["resources"] = resources;
    document
}

fn refused(document: &Value) -> String {
    load_json(document).err().map(|refusals| refusals.to_string()).unwrap_or_else(|| panic!("{document} loads"))
}

fn loaded(document: &Value) -> Vec<ProtectedResource> {
    let settings = load_json(document).unwrap_or_else(|refusals| panic!("{refusals}"));
    let mut all: Vec<_> = settings.resources.all().cloned().collect();
    all.sort_by(|one, other| one.uri.cmp(&other.uri));
    all
}

fn told(resource: &ProtectedResource) -> Value {
    serde_json::from_str(&resource.document).unwrap()
}

#[test]
fn a_resource_is_one_of_its_own_on_each_origin_and_is_named_by_it() {
    let all = loaded(&with_resources(json!([{"path": "/mcp"}, {"host": "mcp.example.com"}]), json!([])));
    let uris: Vec<_> = all.iter().map(|resource| &*resource.uri).collect();
    assert_eq!(uris, ["https://app.example.com/mcp", "https://mcp.example.com:8443", "https://mcp.example.com:8443/mcp"]);
    let metadata: Vec<_> = all.iter().map(|resource| resource.metadata.as_str()).collect();
    assert_eq!(
        metadata,
        [
            "https://app.example.com/.well-known/oauth-protected-resource/mcp",
            "https://mcp.example.com:8443/.well-known/oauth-protected-resource",
            "https://mcp.example.com:8443/.well-known/oauth-protected-resource/mcp"
        ]
    );
    // Clients write the address of a whole origin with a slash or without, and any other as it is told.
    assert_eq!(all[1].audiences, ["https://mcp.example.com:8443", "https://mcp.example.com:8443/"]);
    assert_eq!(all[0].audiences, ["https://app.example.com/mcp"]);
    assert_eq!(told(&all[1])["resource"], "https://mcp.example.com:8443");
}

#[test]
fn the_metadata_say_what_is_written_and_leave_out_what_is_not() {
    let written = json!({
        "path": "/mcp", "host": "app.example.com", "providers": ["sso"], "scopes": ["b", "a", "b"], "audiences": ["api://mcp"],
        "name": "Notes", "documentation": "https://docs.example.com/mcp", "policy": "https://example.com/terms",
        "authorization_server_metadata": "redirect"
    });
    let all = loaded(&with_resources(json!([written]), json!([])));
    let expected = json!({
        "resource": "https://app.example.com/mcp",
        "authorization_servers": ["https://sso.example.com/realms/main"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["b", "a"],
        "resource_name": "Notes",
        "resource_documentation": "https://docs.example.com/mcp",
        "resource_policy_uri": "https://example.com/terms"
    });
    assert_eq!(told(&all[0]), expected);
    assert_eq!(all[0].audiences, ["https://app.example.com/mcp", "api://mcp"]);
    let redirected = "https://sso.example.com/.well-known/oauth-authorization-server/realms/main";
    assert_eq!(all[0].authorization_server.as_deref(), Some(redirected));
    let bare = &loaded(&with_resources(json!([{"path": "/mcp"}]), json!([])))[0];
    let members: Vec<_> = told(bare).as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["authorization_servers", "bearer_methods_supported", "resource"]);
    assert_eq!(bare.authorization_server, None);
}

#[test]
fn without_scopes_of_its_own_a_resource_has_those_of_the_rules_that_may_decide_about_it() {
    let scope = |path: &str, scope: &str| json!({"match": {"path_separated_prefix": path}, "require": {"scope": [scope]}});
    let rules = json!([
        scope("/api", "api"),
        scope("/mcp/admin", "mcp:admin"),
        {"match": {"path": "/mcp/x", "host": "mcp.example.com"}, "require": {"scope": ["of:another:host"]}},
        {"match": {"path": "/**/tools", "methods": ["POST"]}, "require": {"all": [{"bearer": "sso"}, {"scope": ["mcp:tools"]}]}},
        {"match": {"path": "/mcp/any"}, "require": {"any": [{"scope": ["one"]}, {"scope": ["other"]}]}},
        scope("/mcp", "mcp:read"),
        {"require": {"scope": ["never:here"]}}
    ]);
    let all = loaded(&with_resources(json!([{"path": "/mcp", "host": "app.example.com"}]), rules));
    assert_eq!(all[0].scopes, ["mcp:admin", "mcp:tools", "mcp:read"]);
}

#[test]
fn a_resource_that_clients_could_not_use_is_refused() {
    for (resource, sentence) in [
        (json!({"path": "mcp"}), "resources[0].path: expected an absolute path"),
        (json!({"path": "/mcp/"}), "resources[0].path: expected a path without a slash at its end, found one; write /mcp,"),
        (json!({"path": "/mcp/*"}), "resources[0].path: expected an absolute path"),
        (json!({"host": "x.example"}), "resources[0].host: expected the host of one of the origins"),
        (
            json!({"providers": ["ssso"]}),
            "resources[0].providers[0]: expected a provider with bearer, found ssso (did you mean `sso`?)",
        ),
        (json!({"providers": []}), "resources[0].providers: expected a provider whose tokens are accepted, found none"),
        (json!({"scopes": ["a b"]}), "resources[0].scopes: expected scopes without spaces"),
        (json!({"scopes": []}), "resources[0].scopes: expected scopes without spaces"),
        (json!({"scope_prefix": "a b"}), "resources[0].scope_prefix: expected the beginning of scopes"),
        (json!({"audiences": [""]}), "resources[0].audiences: expected the audiences"),
        (json!({"documentation": "docs"}), "resources[0].documentation: expected an absolute https URL"),
        (json!({"allowed_origins": ["*"]}), "resources[0].allowed_origins[0]: expected an origin"),
        (json!({"authorization_server_metadata": "copy"}), "resources[0].authorization_server_metadata: expected `redirect`"),
    ] {
        let said = refused(&with_resources(json!([resource]), json!([])));
        assert!(said.starts_with(sentence), "{said}");
    }
    let twice = refused(&with_resources(json!([{"path": "/mcp"}, {"path": "/mcp", "host": "app.example.com"}]), json!([])));
    assert!(twice.starts_with("resources[1]: expected a path of its own"), "{twice}");
}

#[test]
fn rules_that_count_on_sessions_are_refused_where_only_tokens_count() {
    for (member, value) in [("credentials", "session"), ("unauthenticated", "redirect")] {
        for (matches, refusal) in [
            (json!({"path_separated_prefix": "/mcp/x"}), true),
            (json!({"path": "/mcp"}), true),
            (json!({"path_separated_prefix": "/other"}), false),
            (json!({}), false),
        ] {
            let mut rule = json!({"match": matches, "require": "authenticated"});
            rule[member] = json!(value);
            let document = with_resources(json!([{"path": "/mcp"}]), json!([rule]));
            let said = load_json(&document).err().map(|refusals| refusals.to_string()).unwrap_or_default();
            assert_eq!(said.starts_with(&format!("rules[0].{member}: expected none for the paths of")), refusal, "{said}");
        }
    }
}

#[test]
fn a_provider_whose_tokens_would_be_accepted_nowhere_is_refused() {
    let mut document = with_resources(json!([{"path": "/mcp"}]), json!([]));
    assert!(load_json(&document).is_ok());
    document["resources"] = json!([]);
    assert!(refused(&document).starts_with("providers[0].bearer.audiences: expected the audiences"), "{}", refused(&document));
    document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
    assert!(load_json(&document).is_ok());
    document["providers"][0].as_object_mut().unwrap().remove("bearer");
    document["resources"] = json!([{"path": "/mcp"}]);
    assert!(refused(&document).starts_with("resources[0].providers: expected a provider whose tokens are accepted"));
}

#[test]
fn an_operator_is_warned_of_a_resource_whose_clients_do_not_know_what_to_ask_for() {
    let warned = |resource: Value| {
        let settings = load_json(&with_resources(json!([resource]), json!([]))).unwrap();
        settings.warnings.iter().any(|warning| warning.to_string().contains("some clients ask for none and others for all"))
    };
    assert!(warned(json!({"path": "/mcp"})));
    assert!(!warned(json!({"path": "/mcp", "scopes": ["mcp:read"]})));
}

#[test]
fn a_path_that_is_a_resources_in_one_reading_only_is_allowed_by_no_rule() {
    for (matches, refusal) in [
        (json!({"path_separated_prefix": "/mcp"}), true),
        (json!({"path_separated_prefix": "/mcp/files"}), true),
        (json!({}), true),
        (json!({"path": "/**/x"}), true),
        (json!({"path_separated_prefix": "/files"}), false),
        (json!({"host": "mcp.example.com"}), false),
    ] {
        let rule = json!({"match": matches, "require": "authenticated", "allow_in_path": [";"]});
        let document = with_resources(json!([{"path": "/mcp", "host": "app.example.com"}]), json!([rule]));
        let said = load_json(&document).err().map(|refusals| refusals.to_string()).unwrap_or_default();
        assert_eq!(said.starts_with("rules[0].allow_in_path: expected none where the rule may be for paths"), refusal, "{said}");
    }
}
