use serde_json::{Value, json};

use super::*;
use crate::access::requirement::Requirement;
use crate::config::settings::FilterState;
use crate::config::testing::load;
use crate::http::cookie::SameSite;

mod audit;
mod calls;
mod claims;
mod described;
mod endpoints;
mod environment;
mod headers;
mod internal_redirects;
mod large;
mod meant;
mod operator_logout;
mod pages;
mod resources;
mod revocations;
mod rules;
mod sentences;
mod several;
mod upstream_tokens;

fn environment(name: &str) -> Option<String> {
    match name {
        "OIDC_CLIENT_SECRET" => Some("client-secret".into()),
        "ACCREDIT_KEY" => Some("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=".into()),
        _ => None,
    }
}

fn load_json(document: &Value) -> Result<Settings, Refusals> {
    load(document.to_string().as_bytes(), &environment)
}

/// The short example of the configuration reference.
fn short_example() -> Value {
    json!({
        "origins": ["https://app.example.com"],
        "providers": [{
            "name": "sso",
            "issuer": "https://sso.example.com/realms/main",
            "clusters": {"sso.example.com": "sso"},
            "client_id": "app",
            "client_secret": {"environment_variable": "OIDC_CLIENT_SECRET"}
        }],
        "session": {"keys": [{"environment_variable": "ACCREDIT_KEY"}]},
        "endpoints": {"login": "/api/login", "callback": "/api/callback", "logout": "/api/logout", "session": "/api/session"},
        "rules": [
            {"match": {"path_separated_prefix": "/api/chat"}, "require": {"claim": "groups", "any_of": ["oracle-ai-users", "oracle-ai-admins"]}},
            {"match": {"path_separated_prefix": "/api"}, "require": "authenticated"},
            {"require": "public"}
        ]
    })
}

/// That configuration with another value at the place to which a JSON pointer leads.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = short_example();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(name.into(), value);
        }
        Value::Array(members) => members[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    document
}

#[test]
fn the_short_example_of_the_documentation_loads_as_it_stands() {
    let settings = load_json(&short_example()).unwrap();
    assert_eq!(settings.rules.all().len(), 3);
    assert_eq!(settings.rules.otherwise().require, Requirement::Authenticated);
    assert_eq!(settings.session.cookie.name, "__Host-accredit");
    assert_eq!(settings.session.cookie.same_site, SameSite::Lax);
    assert!(!settings.session.follow_provider);
    let kept: Vec<_> = settings.kept_claims.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["email", "email_verified", "groups", "preferred_username", "sub"]);
}

#[test]
fn a_struct_on_the_wire_means_the_same_as_json() {
    fn value(json: &Value) -> prost_types::Value {
        use prost_types::value::Kind;
        let kind = match json {
            Value::Null => Kind::NullValue(0),
            Value::Bool(truth) => Kind::BoolValue(*truth),
            Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
            Value::String(text) => Kind::StringValue(text.clone()),
            Value::Array(members) => Kind::ListValue(prost_types::ListValue { values: members.iter().map(value).collect() }),
            Value::Object(_) => Kind::StructValue(object(json)),
        };
        prost_types::Value { kind: Some(kind) }
    }
    fn object(json: &Value) -> prost_types::Struct {
        let members = json.as_object().unwrap().iter().map(|(name, member)| (name.clone(), value(member)));
        prost_types::Struct { fields: members.collect() }
    }
    use prost::Message;
    let document = with("/providers/0/clock_skew_seconds", json!(30));
    let wire = object(&document).encode_to_vec();
    let from_wire = load(&wire, &environment).unwrap();
    assert_eq!(from_wire.providers[0].oidc, load_json(&document).unwrap().providers[0].oidc);
}

#[test]
fn what_is_wrong_is_named_by_its_path_with_a_remedy() {
    let claim = |claim: Value| with("/rules/0/require", json!({"claim": claim, "any_of": ["x"]}));
    let rule = |rule: Value| with("/rules/0", rule);
    let cases = [
        (
            claim(json!(5)),
            "rules[0].require.claim: expected a claim name or a path of names, found a number; write claim: groups or claim: [realm_access, roles]",
        ),
        (
            with("/rules/0/require", json!("admins")),
            "rules[0].require: expected public, authenticated or a condition, found another word",
        ),
        (
            with("/rules/0/require", json!(true)),
            "rules[0].require: expected public, authenticated or a condition, found true or false",
        ),
        (with("/rules/0/require", json!({})), "rules[0].require: expected a condition, found an empty object"),
        (with("/rules/0/require", json!({"claim": "groups"})), "rules[0].require.any_of: "),
        (with("/rules/0/require", json!({"any_of": ["x"]})), "rules[0].require.claim: "),
        (with("/rules/0/require", json!({"all": [{"clame": 1}]})), "rules[0].require.all[0].clame: expected one of `claim`"),
        (with("/rules/0/require", json!({"all": []})), "rules[0].require.all: "),
        (with("/rules/0/require", json!({"policy": "nobody"})), "rules[0].require.policy: "),
        (with("/rules/0/require", json!({"provider": "corp"})), "rules[0].require.provider: expected one of sso, found corp"),
        (with("/rules/0/require", json!({"email_domain": ["@example.com"]})), "rules[0].require.email_domain[0]: "),
        (with("/policies", json!({"a": {"policy": "b"}, "b": {"policy": "a"}})), "policies.a"),
        (
            with("/rules", json!([{"require": "public"}, {"require": "public"}])),
            "rules[1].match: expected requests that nothing before it takes, found that all are taken by rules[0]; move this rule up",
        ),
        (rule(json!({"match": {"host": "other.example.com"}, "require": "public"})), "rules[0].match.host: "),
        (rule(json!({"match": {"methods": ["post"]}, "require": "public"})), "rules[0].match.methods[0]: "),
        (rule(json!({"match": {"methods": []}, "require": "public"})), "rules[0].match.methods: "),
        (
            rule(json!({"match": {"path": "/a", "path_separated_prefix": "/b"}, "require": "public"})),
            "rules[0].match: expected path or path_separated_prefix",
        ),
        (rule(json!({"match": {"path": "/a/../b"}, "require": "public"})), "rules[0].match.path: "),
        (rule(json!({"match": {"path": "/a/x**"}, "require": "public"})), "rules[0].match.path: "),
        (rule(json!({"match": {"path": "/a/**/**"}, "require": "public"})), "rules[0].match.path: expected ** to stand alone"),
        (rule(json!({"match": {"path": "/**/**/b"}, "require": "public"})), "rules[0].match.path: expected ** to stand alone"),
        (rule(json!({"match": {"path": "/api/login"}, "require": "public"})), "rules[0].match.path: "),
        (
            rule(json!({"match": {"path_separated_prefix": "/api/"}, "require": "public"})),
            "rules[0].match.path_separated_prefix: ",
        ),
        (rule(json!({"match": {"path": "/x"}, "require": "public", "unauthenticated": "respond"})), "rules[0].unauthenticated: "),
        (rule(json!({"match": {"prefix": "/x"}, "require": "public"})), "rules[0].match.prefix: expected one of"),
        (rule(json!({"match": {"path": "/x"}})), "rules[0].require: expected a value, found none; add it"),
        (with("/origins", json!([])), "origins: "),
        (with("/origins", json!(["http://app.example.com"])), "origins[0]: expected https, found http"),
        (with("/origins", json!(["https://app.example.com/x"])), "origins[0]: "),
        (
            with("/origins/0", json!("https://a.example/")),
            "origins[0]: expected an origin, found a path behind it; remove the / at",
        ),
        (with("/origins", json!(["https://a.example", "https://A.example"])), "origins[1]: "),
        (with("/origins", json!("https://a.example")), "origins: expected a list, found a text; write [VALUE, …]"),
        (with("/providers", json!([])), "providers: "),
        (with("/providers/0/issuer", json!("http://sso.example.com")), "providers[0].issuer: "),
        (with("/providers/0/issuer", json!("sso")), "providers[0].issuer: expected an absolute https URL"),
        (
            with("/providers/0/clusters", json!({})),
            "providers[0].clusters: expected a cluster for sso.example.com, found none; write",
        ),
        (
            with("/providers/0/client_secret", json!({"environment_variable": "NOT_SET"})),
            "providers[0].client_secret: expected an environment variable, found none; set NOT_SET for Envoy",
        ),
        (
            with("/providers/0/client_secret", json!({"env": "X"})),
            "providers[0].client_secret: expected a secret, found an object; write {environment_variable: NAME}",
        ),
        (with("/providers/0/client_secret", json!("")), "providers[0].client_secret: "),
        (with("/providers/0/token_endpoint_auth_method", json!("none")), "providers[0].client_secret: expected none"),
        (
            with("/providers/0/token_endpoint_auth_method", json!("private_key_jwt")),
            "providers[0].token_endpoint_auth_method: expected one of",
        ),
        (with("/providers/0/scope", json!("profile")), "providers[0].scope: expected openid"),
        (with("/providers/0/authorization_params", json!({"state": "x"})), "providers[0].authorization_params.state: "),
        (with("/providers/0/algorithms", json!(["HS256"])), "providers[0].algorithms[0]: "),
        (
            with(
                "/providers/0/metadata",
                json!({"issuer": "x", "authorization_endpoint": "https://a", "token_endpoint": "https://a", "jwks_uri": "https://a"}),
            ),
            "providers[0].metadata.issuer: expected none beside the provider's issuer",
        ),
        (with("/providers/0/timeout", json!("0s")), "providers[0].timeout: "),
        (with("/providers/0/trace_context", json!("none")), "providers[0].trace_context: expected true or false"),
        (with("/providers/0/timeout", json!("soon")), "providers[0].timeout: expected a span of time, found a text; write 30m"),
        (with("/session/keys", json!([])), "session.keys: expected at least one key"),
        (with("/session/keys", json!(["short"])), "session.keys[0]: expected at least 32 bytes in base64"),
        (
            with("/session/keys", json!([{"environment_variable": "ACCREDIT_KEY"}, {"environment_variable": "ACCREDIT_KEY"}])),
            "session.keys[1]: ",
        ),
        (
            with("/session/keys", json!([{"environment_variable": "OIDC_CLIENT_SECRET"}])),
            "session.keys[0]: expected a key of its own, found a provider's client_secret",
        ),
        (with("/session/idle", json!("9h")), "session.idle: "),
        (with("/session/follow_provider", json!("yes")), "session.follow_provider: "),
        (with("/session/cookie", json!({"name": "a b"})), "session.cookie.name: "),
        (with("/session/cookie", json!({"name": "accredit"})), "session.cookie.name: "),
        (with("/session/cookie", json!({"same_site": "strict"})), "session.cookie.same_site: expected `lax` or `none`"),
        (with("/session/form", json!(5)), "session.form: expected `sealed` or `jwt`, found a number; write one of these"),
        (with("/endpoints/login", json!("login")), "endpoints.login: "),
        (with("/endpoints/login", json!("/api/callback")), "endpoints.callback: expected a path of its own"),
        (with("/logout", json!({"post_logout_redirect_uri": "https://evil.example/"})), "logout.post_logout_redirect_uri: "),
        (with("/route_policies", json!({"filter_metadata": "accredit"})), "route_policies: expected policies"),
        (with("/claim_to_headers", json!([{"claim_name": "sub", "header_name": "Host"}])), "claim_to_headers[0].header_name: "),
        (with("/claim_to_headers", json!([{"claim_name": "sub", "header_name": "x_user"}])), "claim_to_headers[0].header_name: "),
        (with("/help", json!({"url": "javascript:alert(1)"})), "help.url: "),
        (rule(json!({"match": {"path": null}, "require": "public"})), "rules[0].match.path: expected a value, found nothing"),
        (
            with("/rules/0/require", json!({"provider": "sso", "claim": "groups", "any_of": null})),
            "rules[0].require.any_of: expected a value, found nothing",
        ),
        (
            rule(json!({"match": {"path": "/files/%5Bx%5D/*"}, "require": "public"})),
            "rules[0].match.path: expected * and ** as the only wildcards",
        ),
        (rule(json!({"match": {"path": "/files/%2a/*"}, "require": "public"})), "rules[0].match.path: expected no escaped star"),
        (with("/rules/0/require", json!({"claim": "id", "any_of": [1e19]})), "rules[0].require.any_of[0]: "),
        (with("/providers/0/bearer", json!({"audiences": []})), "providers[0].bearer.audiences: "),
        (with("/providers/0/bearer", json!({"audiences": ["a"], "type": "opaque"})), "providers[0].bearer.type: expected one of"),
        (with("/providers/0/bearer", json!({"audiences": ["a"], "algorithms": ["none"]})), "providers[0].bearer.algorithms[0]: "),
        (
            rule(json!({"match": {"path": "/x"}, "require": {"bearer": "sso"}})),
            "rules[0].require.bearer: expected a provider with bearer",
        ),
        (rule(json!({"match": {"path": "/x"}, "require": "authenticated", "credentials": "bearer"})), "rules[0].credentials: "),
        (rule(json!({"match": {"path": "/x"}, "require": {"scope": ["a b"]}})), "rules[0].require.scope: "),
        (
            with("/providers/0/bearer", json!({"audiences": ["a"], "introspection": {"cache": "6m"}})),
            "providers[0].bearer.introspection.cache: expected at most 5m",
        ),
        (
            with("/providers/0/bearer", json!({"audiences": ["a"], "introspection": {"when": "never"}})),
            "providers[0].bearer.introspection.when: expected opaque, jwt or always",
        ),
        (with("/rules/0/require", json!({"audience": ["a"]})), "rules[0].credentials: expected a provider whose bearer tokens"),
        (with("/rules/0/require", json!({"audience": []})), "rules[0].require.audience: "),
        (with("/rules/0/require", json!({"acr": []})), "rules[0].require.acr: "),
        (with("/rules/0/require", json!({"acr": ["a b"]})), "rules[0].require.acr: "),
        (with("/rules/0/require", json!({"acr": ["a\""]})), "rules[0].require.acr: "),
        (with("/rules/0/require", json!({"max_auth_age": "10s"})), "rules[0].require.max_auth_age: expected a span from 30s"),
        (with("/typo", json!(1)), "typo: expected one of"),
    ];
    for (document, expected) in cases {
        let refusals = load_json(&document).expect_err(expected);
        assert!(refusals.to_string().starts_with(expected), "expected: {expected}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
    }
}

#[test]
fn a_refusal_never_shows_a_secret() {
    for document in [with("/session/keys", json!("hunter2hunter2")), with("/providers/0/client_secret", json!({"hunter2": 1}))] {
        let shown = load_json(&document).unwrap_err().to_string();
        assert!(!shown.contains("hunter2hunter2"), "{shown}");
    }
    let settings = load_json(&with("/providers/0/client_secret", json!("hunter2"))).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_access_log_is_told_what_is_listed_and_nothing_else() {
    let told = |names: Value| load_json(&with("/filter_state", names)).map(|settings| settings.filter_state);
    assert_eq!(load_json(&short_example()).unwrap().filter_state, FilterState::default());
    assert_eq!(told(json!(["rule"])).unwrap(), FilterState { rule: true, ..FilterState::default() });
    let all = FilterState { subject: true, rule: true, audit: true };
    assert_eq!(told(json!(["subject", "rule", "audit"])).unwrap(), all);
    let refusal = told(json!(["subject", "email"])).unwrap_err().to_string();
    let expected = "filter_state[1]: expected subject, rule or audit, found another word; write filter_state: [subject, rule]";
    assert_eq!(refusal, expected);
}

#[test]
fn bytes_that_are_neither_json_nor_a_struct_are_refused() {
    for bytes in [b"".as_slice(), b" \n", b"{", b"[]", b"null", b"\xff\xff", b"{\"origins\":", b"origins: []"] {
        assert!(load(bytes, &environment).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_member_that_comes_twice_is_refused_whichever_would_win() {
    let text = short_example().to_string();
    let twice = text.replacen("\"rules\":", "\"rules\": [], \"rules\":", 1);
    assert_ne!(text, twice);
    assert!(load(twice.as_bytes(), &environment).is_err());
}

#[test]
fn a_front_end_on_another_site_gets_its_cookie_by_default() {
    let settings = load_json(&with("/trusted_origins", json!(["https://front.example.org"]))).unwrap();
    assert_eq!(settings.session.cookie.same_site, SameSite::None);
}

#[test]
fn introspection_needs_an_endpoint_a_client_that_proves_itself_and_one_provider_for_opaque_tokens() {
    let bearer = |when: &str| json!({"audiences": ["a"], "introspection": {"when": when}});
    let mut public = with("/providers/0/bearer", bearer("opaque"));
    public["providers"][0]["token_endpoint_auth_method"] = json!("none");
    public["providers"][0].as_object_mut().unwrap().remove("client_secret");
    let refusal = |document: &Value| load_json(document).unwrap_err().to_string();
    assert!(refusal(&public).starts_with("providers[0].bearer.introspection: expected a client that can prove itself"));

    let mut given = with("/providers/0/bearer", bearer("opaque"));
    let endpoint = |name: &str| format!("https://sso.example.com/{name}");
    given["providers"][0].as_object_mut().unwrap().remove("issuer");
    given["providers"][0]["metadata"] = json!({
        "issuer": "x", "authorization_endpoint": endpoint("a"), "token_endpoint": endpoint("t"), "jwks_uri": endpoint("k")
    });
    assert!(refusal(&given).contains("introspection_endpoint is missing"), "{}", refusal(&given));
    given["providers"][0]["metadata"]["introspection_endpoint"] = json!("https://other.example.com/i");
    assert!(refusal(&given).contains("introspection_endpoint: no cluster is listed"), "{}", refusal(&given));
    given["providers"][0]["metadata"]["introspection_endpoint"] = json!(endpoint("i"));
    assert!(load_json(&given).is_ok());

    for (when, good) in [("jwt", true), ("opaque", false), ("always", false)] {
        let mut two = with("/providers/0/bearer", bearer("opaque"));
        let mut second = two["providers"][0].clone();
        second["name"] = json!("second");
        second["issuer"] = json!("https://sso.example.com/realms/second");
        second["bearer"] = bearer(when);
        two["providers"].as_array_mut().unwrap().push(second);
        two["rules"] = json!([]);
        let loaded = load_json(&two);
        assert_eq!(loaded.is_ok(), good, "{when}");
        if let Err(refusal) = loaded {
            assert!(refusal.to_string().starts_with("providers[1].bearer.introspection.when: expected one provider for opaque"));
        }
    }
}

#[test]
fn a_front_end_that_keeps_its_token_has_two_endpoints_and_a_page_for_each_provider() {
    let endpoints = json!({"authorize": "/api/authorize", "token": "/api/token"});
    let spa = |page: &str| {
        let mut document = with("/endpoints", endpoints.clone());
        document["trusted_origins"] = json!(["https://front.example.org"]);
        document["providers"][0]["redirect_uri"] = json!(page);
        document
    };
    let settings = load_json(&spa("https://front.example.org/auth/callback")).unwrap();
    assert_eq!(settings.endpoints.token.as_deref(), Some("/api/token"));
    assert!(load_json(&spa("https://app.example.com/auth/callback")).is_ok());
    let mut shared = spa("https://front.example.org/auth/callback");
    let mut second = shared["providers"][0].clone();
    second["name"] = json!("second");
    shared["providers"].as_array_mut().unwrap().push(second);
    shared["rules"] = json!([]);
    let mut taken = spa("https://front.example.org/auth/callback");
    taken["endpoints"]["token"] = json!("/api/login");
    for (document, expected) in [
        (with("/endpoints/token", json!("/api/token")), "endpoints.authorize: expected a path, because token is of no use alone"),
        (with("/endpoints/authorize", json!("/api/a")), "endpoints.token: expected a path, because authorize is of no use alone"),
        (taken, "endpoints.token: expected a path of its own"),
        (
            with("/endpoints", endpoints.clone()),
            "providers[0].redirect_uri: expected the page that the provider sends the code to",
        ),
        (
            with("/providers/0/redirect_uri", json!("https://app.example.com/x")),
            "providers[0].redirect_uri: expected endpoints.authorize",
        ),
        (spa("https://evil.example/auth/callback"), "providers[0].redirect_uri: expected a page on one of the origins"),
        (spa("https://app.example.com/api/token"), "providers[0].redirect_uri: expected a page, found one of the endpoints"),
        (spa("/auth/callback"), "providers[0].redirect_uri: expected an absolute https URL"),
        (spa("https://front.example.org/#x"), "providers[0].redirect_uri: expected an absolute https URL"),
        (shared, "providers[1].redirect_uri: expected a page for each provider"),
        (with("/providers/0/response_mode", json!("fragment")), "providers[0].response_mode: expected "),
        (
            with("/providers/0/authorization_params", json!({"response_mode": "form_post"})),
            "providers[0].authorization_params.response_mode: ",
        ),
    ] {
        let refusals = load_json(&document).expect_err(expected);
        assert!(refusals.to_string().starts_with(expected), "expected: {expected}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
    }
    let mut rule = spa("https://front.example.org/auth/callback");
    rule["rules"][0] = json!({"match": {"path": "/api/token"}, "require": "public"});
    assert!(load_json(&rule).unwrap_err().to_string().starts_with("rules[0].match.path: expected another path"));
}
