//! The user service and the password endpoint: how they are read, and every way to write them wrong.

use serde_json::{Value, json};

use crate::access::route::Credentials;
use crate::config::Refusals;
use crate::config::settings::Settings;
use crate::config::testing::load;

fn load_json(document: &Value) -> Result<Settings, Refusals> {
    load(document.to_string().as_bytes(), &|_| None)
}

/// The path of the first refusal.
fn first(document: &Value) -> String {
    load_json(document).unwrap_err().all()[0].path.clone()
}

fn complete() -> Value {
    json!({
        "origins": ["https://app.example.com"],
        "providers": [{
            "name": "sso",
            "issuer": "https://sso.example.com",
            "clusters": {"sso.example.com": "sso"},
            "client_id": "app",
            "client_secret": "the-client-secret"
        }],
        "session": {"form": "jwt", "keys": ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="], "jwt": {
            "keys": ["a secret that nobody guesses, 32 bytes"], "claims": ["role", "email", "email_verified", "groups", "preferred_username"], "bearer": true
        }},
        "endpoints": {"password": "/api/auth/login"},
        "password": {},
        "accounts": {
            "cluster": "users",
            "authority": "users.internal:8080",
            "headers": {"authorization": "Bearer x"},
            "subject": "id",
            "claims": {"role": "profile.role", "email": ["e.mail"], "email_verified": "verified"},
            "verify": {"path": "/verify", "body": {"name": "{account}", "password": "{password}"}},
            "find": {"path": "/users/{claims.sub}"},
            "create": {"path": "/users", "body": {"sub": "{claims.sub}"}, "method": "PUT"},
            "notify": {"cluster": "mail", "path": "/mail", "body": {"to": "{user.email}"}}
        }
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut document = complete();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    drop(document.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.into(), value));
    document
}

fn without(pointer: &str) -> Value {
    let mut document = complete();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    assert!(document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).is_some(), "{pointer}");
    document
}

#[test]
fn each_call_goes_where_it_is_written_to_and_otherwise_by_the_defaults() {
    let settings = load_json(&complete()).unwrap();
    let accounts = settings.accounts.unwrap();
    let (verify, directory) = (accounts.verify.unwrap(), accounts.directory.unwrap());
    let (create, notify) = (directory.create.unwrap(), directory.notify.unwrap());
    let methods = [&verify.call, &directory.find.call, &create.call, &notify].map(|call| call.method);
    assert_eq!(methods, ["POST", "GET", "PUT", "POST"]);
    assert_eq!((verify.call.cluster.as_str(), verify.call.authority.as_str()), ("users", "users.internal:8080"));
    assert_eq!((notify.cluster.as_str(), notify.authority.as_str()), ("mail", "mail"));
    assert_eq!(verify.call.headers.len(), 1);
    assert!(notify.headers.is_empty(), "the headers authenticate us at one service, and another must not see them");
    assert_eq!((verify.succeeded, verify.refused), (vec![200], vec![400, 401, 404]));
    assert_eq!((create.created, create.conflict), (vec![200, 201], vec![409]));
    let password = settings.password.unwrap();
    assert_eq!(
        (password.account.as_str(), password.password.as_str(), password.delivery.cookie),
        ("username", "password", false)
    );
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    for (document, path) in [
        (without("/accounts"), "accounts.verify"),
        (without("/accounts/verify"), "accounts.verify"),
        (without("/accounts/find"), "accounts.create"),
        (without("/accounts/create"), "accounts.notify"),
        (without("/accounts/subject"), "accounts.subject"),
        (without("/accounts/cluster"), "accounts.verify.cluster"),
        (with("/accounts/subject", json!("a..b")), "accounts.subject"),
        (with("/accounts/subject", json!([])), "accounts.subject"),
        (with("/accounts/claims", json!({"sub": "id"})), "accounts.claims.sub"),
        (with("/accounts/claims", json!({"exp": "id"})), "accounts.claims.exp"),
        (with("/accounts/claims", json!({"acr": "id"})), "accounts.claims.acr"),
        (with("/accounts/claims", json!({"auth_time": "lastLogin"})), "accounts.claims.auth_time"),
        (with("/accounts/headers", json!({"x-key": "the-client-secret"})), "accounts.headers.x-key"),
        (with("/accounts/headers", json!({"Host": "x"})), "accounts.headers.Host"),
        (with("/accounts/headers", json!({"host": "x"})), "accounts.headers.host"),
        (with("/accounts/headers", json!({"x-key": "a\u{7}b"})), "accounts.headers.x-key"),
        (with("/accounts/authority", json!("a/b")), "accounts.verify.authority"),
        (with("/accounts/verify/path", json!("verify")), "accounts.verify.path"),
        (with("/accounts/verify/path", json!("//evil")), "accounts.verify.path"),
        (with("/accounts/verify/path", json!("{account}")), "accounts.verify.path"),
        (with("/accounts/verify/path", json!("/a b")), "accounts.verify.path"),
        (with("/accounts/verify/path", json!("/{password}")), "accounts.verify.path"),
        (with("/accounts/verify/body", json!({"p": "{password}"})), "accounts.verify.body"),
        (with("/accounts/verify/refused", json!([70_000])), "accounts.verify.refused"),
        (with("/accounts/verify/cluster", json!("")), "accounts.verify.cluster"),
        (with("/accounts/verify/authority", json!("a b")), "accounts.verify.authority"),
        (with("/accounts/claims", json!({"": "id"})), "accounts.claims."),
        (with("/password/fields", json!({"account": ""})), "password.fields"),
        (with("/accounts/verify/path", json!("/{claims.sub}")), "accounts.verify.path"),
        (without("/accounts/verify/body"), "accounts.verify.body"),
        (with("/accounts/verify/body", json!({"a": "{account}"})), "accounts.verify.body"),
        (with("/accounts/verify/body", json!("{password}")), "accounts.verify.body"),
        (with("/accounts/verify/body", json!({"a": {"b": "{user.id}"}})), "accounts.verify.body.a.b"),
        (with("/accounts/verify/method", json!("GET")), "accounts.verify.body"),
        (with("/accounts/verify/method", json!("DELETE")), "accounts.verify.method"),
        (with("/accounts/verify/timeout", json!("2m")), "accounts.verify.timeout"),
        (with("/accounts/verify/found", json!([200])), "accounts.verify.found"),
        (with("/accounts/verify/refused", json!([500])), "accounts.verify.refused"),
        (with("/accounts/verify/refused", json!([200])), "accounts.verify.refused"),
        (with("/accounts/find/path", json!("/users")), "accounts.find.path"),
        (with("/accounts/find/path", json!("/{token}")), "accounts.find.path"),
        (with("/accounts/create/body", json!({"p": "{password}"})), "accounts.create.body.p"),
        (with("/accounts/notify/user", json!("a")), "accounts.notify.user"),
        (without("/endpoints/password"), "password"),
        (with("/password/fields", json!({"account": "password"})), "password.fields"),
        (with("/password/answer", json!({"p": "{claims.sub}"})), "password.answer.p"),
        (with("/password/answer", json!("{token}")), "password.answer"),
        (with("/password/answer", json!({"a": "{"})), "password.answer.a"),
        (with("/password/refusal", json!({"a": "{user.id}"})), "password.refusal.a"),
        (with("/password", json!({"answer": {}, "cookie": false})), "password.cookie"),
        (with("/endpoints/password", json!("/api/login")), "endpoints.password"),
        (with("/endpoints/password", json!("login")), "endpoints.password"),
    ] {
        let refusals = load_json(&document).err().unwrap_or_else(|| panic!("taken: {path}"));
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it: {path}\n{refusals}");
        let refusal = &refusals.all()[0];
        assert_eq!(refusal.path, path, "{}", refusal.sentence);
        assert!(refusal.sentence.contains("expected") && refusal.sentence.contains("found"), "{}", refusal.sentence);
    }
    let mut nothing_to_check = without("/endpoints/password");
    drop(nothing_to_check.as_object_mut().unwrap().remove("password"));
    assert_eq!(first(&nothing_to_check), "accounts.verify");
    let mut taken = complete();
    taken["providers"][0]["name"] = json!("password");
    assert_eq!(first(&taken), "providers[0].name");
    let mut neither = complete();
    neither["accounts"] = json!({"cluster": "users", "subject": "id"});
    assert_eq!(first(&neither), "accounts");
    neither["accounts"] = without("/accounts/find")["accounts"].clone();
    neither["accounts"]["dangerously_match_unverified_email"] = json!(true);
    assert_eq!(first(&neither), "accounts.dangerously_match_unverified_email");
}

#[test]
fn a_sealed_session_needs_a_key_and_cannot_be_told_as_a_token() {
    let sealed = with("/session", json!({"keys": ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]}));
    assert!(load_json(&sealed).unwrap().password.unwrap().delivery.cookie);
    let mut told = sealed.clone();
    told["password"] = json!({"answer": {"t": "{token}"}});
    assert_eq!(first(&told), "password.answer");
    let mut without_key = sealed;
    without_key["session"] = json!({});
    drop(without_key.as_object_mut().unwrap().remove("providers"));
    assert_eq!(first(&without_key), "session.keys");
}

#[test]
fn without_a_provider_and_without_a_cookie_only_bearer_tokens_count() {
    let mut document = complete();
    drop(document.as_object_mut().unwrap().remove("providers"));
    assert_eq!(first(&document), "accounts.find", "nobody is vouched for");
    for call in ["find", "create", "notify"] {
        drop(document["accounts"].as_object_mut().unwrap().remove(call));
    }
    let rules = json!([{"match": {"path": "/x"}, "require": "authenticated"}]);
    document["rules"] = rules;
    let settings = load_json(&document).unwrap();
    assert_eq!(settings.rules.all()[0].credentials, Credentials::Bearer);
    assert_eq!(settings.rules.otherwise().credentials, Credentials::Bearer);
    document["password"] = json!({"cookie": true});
    let settings = load_json(&document).unwrap();
    assert_eq!(settings.rules.all()[0].credentials, Credentials::Any);
}

#[test]
fn where_people_of_the_only_provider_are_looked_up_rules_need_not_say_whose_claims_they_mean() {
    let rules = json!([{"match": {"path": "/x"}, "require": {"claim": "role", "any_of": ["admin"]}}]);
    let mut document = with("/rules", rules.clone());
    assert!(!load_json(&document).unwrap().several_claimants);
    for call in ["find", "create", "notify"] {
        drop(document["accounts"].as_object_mut().unwrap().remove(call));
    }
    let refusal = load_json(&document).unwrap_err();
    assert!(refusal.to_string().starts_with("rules[0]"), "{refusal}: a provider's role is not the user service's");
    document["rules"][0]["require"] = json!({"claim": "role", "any_of": ["admin"], "provider": "password"});
    assert!(load_json(&document).unwrap().several_claimants);
}

#[test]
fn no_look_up_takes_somebody_of_one_provider_for_somebody_of_another() {
    let mut document = complete();
    let mut other = document["providers"][0].clone();
    other["name"] = json!("public");
    other["issuer"] = json!("https://public.example.com");
    other["clusters"] = json!({"public.example.com": "public"});
    document["providers"].as_array_mut().unwrap().push(other);
    document["endpoints"]["callback"] = json!("/cb");
    assert_eq!(first(&document), "accounts.find.path");
    for path in ["/users/{claims.iss}/{claims.sub}", "/users/{claims.email}"] {
        document["accounts"]["find"]["path"] = json!(path);
        assert!(load_json(&document).unwrap().several_claimants, "what the service does not say, either may claim");
    }
    document["rules"] = json!([{"match": {"path": "/x"}, "require": {"claim": "groups", "any_of": ["staff"]}}]);
    assert!(first(&document).starts_with("rules[0]"));

    let mut tokens = complete();
    tokens["providers"][0]["bearer"] = json!({"audiences": ["app"]});
    assert_eq!(first(&tokens), "providers[0].bearer");
}
