//! Tests that the schema and the filter agree: on what both take, on what both refuse, and on what only the filter can know; and that
//! defaults are what the descriptions say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config;
use crate::config::described::{Field, Object};
use crate::config::envoy_schema::envoy_schema;
use crate::config::schema::schema;
use crate::config::testing::{by_schema, load};

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const SECRET: &str = "a secret that services share, of 32 bytes at least";

/// A configuration with sealed sessions, and one with JWTs; between them they have every object.
fn documents() -> [Value; 2] {
    let provider = json!({
        "name": "sso", "issuer": "https://sso.example.com", "clusters": {"sso.example.com": "sso"}, "client_id": "app",
        "client_secret": "the-client-secret", "metadata": {"end_session_endpoint": "https://sso.example.com/bye"},
    });
    let sealed = json!({
        "origins": ["https://app.example.com"],
        "providers": [provider],
        "session": {"keys": [KEY], "cookie": {}},
        "endpoints": {"operator_logout": "/e"}, "operator_logout": {"everybody": {"claim": "groups", "any_of": ["a"]}}, "logout": {}, "sign_in": {}, "help": {}, "audit": {},
        "forward": {"identity_jwt": {"keys": [SECRET]}},
        "rules": [{"match": {"path": "/e"}, "require": {"provider": "sso", "claim": "groups", "any_of": ["a"]}}, {"require": "authenticated", "forward": {"client_credentials": {"audience": "a"}}}],
        "policies": {"p": {"claim": "groups", "any_of": ["a"]}},
        "claim_to_headers": [{"claim_name": "sub", "header_name": "x-forwarded-user"}],
        "revocations": {"redis": {"cluster": "redis"}, "when_stale": "refuse"},
        "accounts": {
            "cluster": "users", "subject": "id", "find": {"path": "/users/{claims.sub}"},
            "create": {"path": "/users", "body": {"sub": "{claims.sub}"}}, "notify": {"path": "/mail", "body": {"to": "{claims.sub}"}},
        },
    });
    let given = json!({
        "issuer": "https://other.example.com", "authorization_endpoint": "https://other.example.com/a",
        "token_endpoint": "https://other.example.com/t", "jwks_uri": "https://other.example.com/j",
    });
    let jwt = json!({
        "origins": ["https://app.example.com"],
        "providers": [
            {
                "name": "api", "issuer": "https://api.example.com", "clusters": "api", "client_id": "app", "client_secret": "another-client-secret",
                "bearer": {"audiences": ["a"], "introspection": {"client_ids": ["c"], "assume": {"audience": "a"}}},
            },
            {"name": "other", "metadata": given, "clusters": {"other.example.com": "other"}, "client_id": "app", "client_secret": "a-third-client-secret"},
        ],
        "session": {"keys": [KEY], "form": "jwt", "jwt": {"keys": [SECRET], "claims": ["email", "email_verified", "groups", "preferred_username"]}},
        "endpoints": {"password": "/p", "popup": "/o", "security_events": "/e"}, "popup": {},
        "transmitters": [{"issuer": "https://api.example.com/events", "providers": ["api"], "events": ["credential-change"]}],
        "rules": [{"match": {"path": "/t"}, "require": {"bearer": "api"}, "forward": {"token_exchange": {"audience": "a"}}}],
        "password": {"fields": {}, "throttle": {"account": {}, "address": {}}},
        "accounts": {"cluster": "users", "subject": "id", "verify": {"path": "/v", "body": {"n": "{account}", "p": "{password}"}}},
    });
    [sealed, jwt]
}

/// All fields, by their paths.
fn fields() -> Vec<(String, Field)> {
    fn collect(path: &str, object: &Object, around: &[&str], all: &mut Vec<(String, Field)>) {
        for field in (object.fields)() {
            let path = [path, "/", field.name].concat();
            if let Some(inner) = field.kind.object().filter(|inner| !around.contains(&inner.name)) {
                collect(&path, inner, &[around, &[inner.name]].concat(), all);
            }
            all.push((path, field));
        }
    }
    let mut all = Vec::new();
    let document = config::described();
    let object = document.object().unwrap();
    collect("", object, &[object.name], &mut all);
    all
}

/// The first object at this path, in any element of a list, and in any policy.
fn object_at<'v>(value: &'v mut Value, steps: &[&str]) -> Option<&'v mut serde_json::Map<String, Value>> {
    let Some((name, rest)) = steps.split_first() else { return value.as_object_mut() };
    let inner = value.as_object_mut()?.get_mut(*name)?;
    if inner.is_array() {
        return inner.as_array_mut()?.iter_mut().find_map(|element| object_at(element, rest));
    }
    if *name == "policies" {
        return inner.as_object_mut()?.values_mut().find_map(|policy| object_at(policy, rest));
    }
    object_at(inner, rest)
}

#[test]
fn a_default_that_is_written_changes_nothing() {
    let mut compared = Vec::new();
    for (path, field) in fields() {
        let Some(default) = field.default_value() else { continue };
        for document in documents() {
            let (mut without, mut with) = (document.clone(), document);
            let steps: Vec<_> =
                path.trim_start_matches('/').rsplit_once('/').map_or(Vec::new(), |(around, _)| around.split('/').collect());
            let Some(object) = object_at(&mut without, &steps) else { continue };
            object.remove(field.name);
            let inserted = object_at(&mut with, &steps).unwrap();
            inserted.insert(field.name.to_owned(), default.clone());
            let read = |document: &Value| load(document.to_string().as_bytes(), &|_| None);
            let Ok(expected) = read(&without) else { continue };
            // Beside some other fields it may not be written at all.
            let Ok(settings) = read(&with) else { continue };
            assert_eq!(format!("{settings:?}"), format!("{expected:?}"), "{path}: {default}");
            compared.push(path.clone());
            break;
        }
    }
    let with_default = fields().into_iter().filter(|(_, field)| field.default_value().is_some());
    let missing: Vec<_> = with_default.map(|(path, _)| path).filter(|path| !compared.contains(path)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_field_says_what_it_means_in_a_row_of_a_table() {
    let bad = |text: &str| text.is_empty() || text.contains(['|', '\n']) || text.ends_with('.');
    let wrong: Vec<_> = fields().into_iter().filter(|(_, field)| bad(&field.meaning)).map(|(path, _)| path).collect();
    assert_eq!(
        wrong,
        Vec::<String>::new(),
        "write `///` above these fields, in their shape in src/config, without a dot at the end"
    );
}

#[test]
fn two_objects_that_differ_have_two_names() {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (path, field) in fields() {
        let Some(object) = field.kind.object() else { continue };
        let names = (object.fields)().iter().map(|field| format!("{} {:?}", field.name, field.meaning)).collect::<String>();
        let before = seen.entry(object.name).or_insert_with(|| names.clone());
        assert_eq!(*before, names, "{path}: {}", object.name);
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn the_schemas_are_schemas() {
    for schema in [schema(&config::described()), envoy_schema(&config::described())] {
        assert!(jsonschema::draft202012::meta::validate(&schema).is_ok());
    }
}

/// The first of the documents with a change at a JSON pointer; `null` removes.
fn changed(pointer: &str, value: Value) -> Value {
    let [mut document, _] = documents();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (document.pointer_mut(parent).unwrap(), value) {
        (Value::Object(members), Value::Null) => drop(members.remove(name)),
        (Value::Object(members), value) => drop(members.insert(name.to_owned(), value)),
        (Value::Array(elements), value) => elements[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    document
}

#[test]
fn thirty_and_more_mistakes_are_refused_by_the_filter_and_by_the_schema() {
    let schema = by_schema();
    for document in documents() {
        assert!(load(document.to_string().as_bytes(), &|_| None).is_ok());
    }
    let mistakes = [
        ("/rulez", json!([])),
        ("/origins", Value::Null),
        ("/session", Value::Null),
        ("/origins", json!([])),
        ("/origins", json!("https://app.example.com")),
        ("/origins/0", json!("https://app.example.com/")),
        ("/origins/0", json!("app.example.com")),
        ("/origins/0", json!(7)),
        ("/providers/0/client_idd", json!("x")),
        ("/providers/0/name", Value::Null),
        ("/providers/0/name", json!("a b")),
        ("/providers/0/client_secret", json!(" ")),
        ("/providers/0/clusters", json!(["sso"])),
        ("/providers/0/scope", json!(["openid", "email"])),
        ("/providers/0/scope", json!("email profile")),
        ("/providers/0/token_endpoint_auth_method", json!("private_key")),
        ("/providers/0/clock_skew_seconds", json!(601)),
        ("/providers/0/clock_skew_seconds", json!("60")),
        ("/providers/0/algorithms", json!(["HS256"])),
        ("/providers/0/algorithms", json!([])),
        ("/providers/0/timeout", json!(0)),
        ("/providers/0/timeout", json!(61)),
        ("/providers/0/timeout", json!("5 fortnights")),
        ("/providers/0/userinfo", json!("true")),
        ("/providers/0/dangerously_assume_verified", json!(["groups"])),
        ("/providers/0/authorization_params", json!({"prompt": true})),
        ("/providers/0/bearer", json!({"audiences": []})),
        ("/providers/0/metadata/token_endpoint", json!("sso.example.com/token")),
        ("/session/idle", json!("30M")),
        ("/session/lifetime", json!("8")),
        ("/session/cookie/name", json!("a;b")),
        ("/session/cookie/same_site", json!("strict")),
        ("/session/claims", json!([7])),
        ("/session/groups", json!("some")),
        ("/endpoints/login", json!("api/login")),
        ("/endpoints/logout", json!("/*")),
        ("/help/url", json!("http://help.example.com")),
        ("/site", json!({"nam": "x"})),
        ("/site", json!({"name": "x", "accent": "blue"})),
        ("/site", json!({"name": "x", "accent": {"light": "#0b6b45"}})),
        ("/site", json!({"name": "x", "logo": "https://cdn.example.com/logo.svg"})),
        ("/texts", json!({"en": {"sign_in": 7}})),
        ("/diagnose", json!("true")),
        ("/filter_state", json!(["subjects"])),
        ("/internal_redirects", json!("yes")),
        ("/shared_cache", json!("private")),
        ("/rules/0/require", Value::Null),
        ("/rules/0/require", json!("admins")),
        ("/rules/0/require", json!({})),
        ("/rules/0/require", json!({"claims": "groups", "any_of": ["a"]})),
        ("/rules/0/require/any_of", json!([])),
        ("/rules/0/require/any_of", json!([["a"]])),
        ("/rules/0/require/max_auth_age", json!(29)),
        ("/rules/0/require/email_domain", json!(["@example.com"])),
        ("/rules/0/require/scope", json!("read")),
        ("/rules/0/require/all", json!([])),
        ("/rules/0/require/not", json!({})),
        ("/rules/0/match/methods", json!(["get"])),
        ("/rules/0/match/path", json!("x")),
        ("/rules/0/match/prefix", json!("/x")),
        ("/rules/0/allow_in_path", json!(["%2f"])),
        ("/rules/0/credentials", json!("cookie")),
        ("/policies/p", json!("public")),
        ("/claim_to_headers/0/header_name", json!("x_user")),
        ("/claim_to_headers/0/split", json!("")),
        ("/request_headers_to_remove", json!(["x user"])),
        ("/forward/identity_jwt/bearer", json!(true)),
        ("/forward/identity_jwt/type", json!("jwt")),
        ("/accounts", json!({"cluster": "users"})),
        ("/accounts", json!({"subject": "id", "cluster": "u", "find": {"path": "/{claims.sub}", "found": [500]}})),
        ("/accounts", json!({"subject": "id", "cluster": "u", "find": {"path": "/{claims.sub}", "created": [200]}})),
    ];
    assert!(mistakes.len() >= 30);
    for (pointer, value) in mistakes {
        let document = changed(pointer, value.clone());
        assert!(load(document.to_string().as_bytes(), &|_| None).is_err(), "the filter takes {pointer}: {value}");
        assert!(!schema.is_valid(&document), "the schema takes {pointer}: {value}");
    }
}

#[test]
fn what_follows_from_several_values_only_the_filter_knows() {
    let schema = by_schema();
    for (what, pointer, value) in [
        (
            "a rule that an earlier one hides",
            "/rules",
            json!([{"require": "public"}, {"match": {"path": "/x"}, "require": "public"}]),
        ),
        ("a host that is not served", "/rules/0/match/host", json!("other.example.com")),
        ("a policy that does not exist", "/rules/0/require", json!({"policy": "q"})),
        ("a policy that names itself", "/policies/p", json!({"policy": "p"})),
        ("a provider that does not exist", "/rules/0/require/provider", json!("ssso")),
        ("a provider without a cluster for its host", "/providers/0/clusters", json!({"other.example.com": "sso"})),
        ("a provider without issuer and metadata", "/providers/0/issuer", Value::Null),
        ("a client without a secret", "/providers/0/client_secret", Value::Null),
        ("a key that is too short", "/session/keys", json!(["QUFB"])),
        ("a key that stands twice", "/session/keys", json!([KEY, KEY])),
        ("no key", "/session/keys", json!([])),
        ("an idle span longer than the lifetime", "/session/idle", json!("9h")),
        ("a span that is too long, as a text", "/providers/0/timeout", json!("61s")),
        ("a member that means nothing beside another", "/session/jwt", json!({"keys": [SECRET]})),
        ("two paths of one rule", "/rules/0/match/path_separated_prefix", json!("/y")),
        ("an endpoint at the path of another", "/endpoints/login", json!("/api/logout")),
        ("a header that has another use", "/claim_to_headers/0/header_name", json!("host")),
        ("an http origin outside loopback", "/origins/0", json!("http://app.example.com")),
        ("a placeholder that nobody filled in", "/providers/0/client_id", json!("${CLIENT_ID}")),
        ("an environment variable that is not set", "/providers/0/client_id", json!({"environment_variable": "NO_SUCH"})),
        ("a gap that cannot be filled", "/accounts", json!({"subject": "id", "cluster": "u", "find": {"path": "/{token}"}})),
    ] {
        let document = changed(pointer, value);
        assert!(schema.is_valid(&document), "the schema refuses {what}");
        assert!(load(document.to_string().as_bytes(), &|_| None).is_err(), "the filter takes {what}");
    }
}

#[test]
fn a_text_may_come_from_the_environment_wherever_one_may_stand() {
    let schema = by_schema();
    for pointer in
        ["/origins/0", "/providers/0/issuer", "/rules/0/require", "/session/idle", "/shared_cache", "/rules/0/require/any_of/0"]
    {
        assert!(schema.is_valid(&changed(pointer, json!({"environment_variable": "NAME"}))), "{pointer}");
    }
    for (pointer, value) in [
        ("/internal_redirects", json!({"environment_variable": "NAME"})),
        ("/origins/0", json!({"environment_variable": 7})),
        ("/origins/0", json!({"environment_variable": "NAME", "default": "x"})),
        ("/origins/0", json!({"env": "NAME"})),
    ] {
        assert!(!schema.is_valid(&changed(pointer, value)), "{pointer}");
    }
}
