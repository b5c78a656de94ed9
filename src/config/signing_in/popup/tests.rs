use serde_json::{Value, json};

use crate::config::testing::load;
use crate::http::url::Origin;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const SECRET: &str = "a secret that services share, of 32 bytes at least";

/// A configuration with these top-level members.
fn with(members: Value) -> Value {
    let mut document = json!({
        "origins": ["https://app.example.com"],
        "trusted_origins": ["https://front.example.org"],
        "providers": [{"name": "sso", "issuer": "https://sso.example.com", "clusters": {"sso.example.com": "sso"}, "client_id": "app",
            "client_secret": "a client secret that is long enough for any purpose"}],
        "session": {"keys": [KEY]},
        "endpoints": {"popup": "/api/popup"}
    });
    let Value::Object(members) = members else { panic!("{members}") };
    document.as_object_mut().unwrap().extend(members);
    document
}

fn load_document(document: &Value) -> Result<crate::config::settings::Settings, crate::config::Refusals> {
    load(document.to_string().as_bytes(), &|_| None)
}

#[test]
fn a_popup_needs_no_more_than_its_endpoint() {
    let settings = load_document(&with(json!({}))).unwrap();
    assert_eq!(settings.endpoints.popup.as_deref(), Some("/api/popup"));
    let popup = settings.popup.unwrap();
    assert_eq!((popup.origin, popup.url_member.as_str()), (None, "authorize_url"));
    let settings =
        load_document(&with(json!({"popup": {"origin": "https://front.example.org", "url_member": "authUrl"}}))).unwrap();
    let popup = settings.popup.unwrap();
    assert_eq!((popup.origin, popup.url_member.as_str()), (Origin::parse("https://front.example.org").ok(), "authUrl"));
    assert!(load_document(&with(json!({"popup": {"origin": "https://app.example.com"}}))).is_ok());
    assert!(load_document(&with(json!({"endpoints": {}}))).unwrap().popup.is_none());
}

#[test]
fn only_a_listed_origin_is_ever_told_and_every_mistake_is_named() {
    for (members, expected) in [
        (json!({"popup": {"origin": "https://evil.example"}}), "popup.origin: expected one of the origins or trusted_origins"),
        (json!({"popup": {"origin": "https://front.example.org:8443"}}), "popup.origin: expected one of the origins"),
        (json!({"popup": {"origin": "http://front.example.org"}}), "popup.origin: expected one of the origins"),
        (json!({"popup": {"origin": "https://front.example.org/"}}), "popup.origin: expected an origin, found a path behind it"),
        (json!({"popup": {"origin": "https://*.example.org"}}), "popup.origin: expected an origin, found "),
        (json!({"popup": {"origin": "*"}}), "popup.origin: expected an origin, found "),
        (json!({"popup": {"origin": "null"}}), "popup.origin: expected an origin, found "),
        (json!({"popup": {"answer": {"x": "{token}"}}}), "popup.answer: expected no {token}, because a sealed session"),
        (json!({"popup": {"answer": {"x": "{user.id}"}}}), "popup.answer.x: expected a gap that can be filled here"),
        (json!({"popup": {"answer": {"x": "{password}"}}}), "popup.answer.x: expected a gap that can be filled here"),
        (json!({"popup": {"cookie": false}}), "popup.cookie: expected true, or {token} in the answer"),
        (json!({"popup": {"origins": []}}), "popup.origins: expected one of "),
        (json!({"popup": {}, "endpoints": {}}), "endpoints.popup: expected a path, because popup is of no use alone"),
        (json!({"endpoints": {"popup": "/api/callback"}}), "endpoints.popup: expected a path of its own"),
        (json!({"endpoints": {"popup": "api"}}), "endpoints.popup: expected an absolute path"),
        (
            json!({"providers": [], "session": {"form": "jwt", "jwt": {"bearer": true, "keys": [SECRET]}}}),
            "endpoints: expected none that signs people in",
        ),
        (
            json!({"rules": [{"match": {"path": "/api/popup"}, "require": "public"}]}),
            "rules[0].match.path: expected another path, found one of the endpoints",
        ),
    ] {
        let refusals = load_document(&with(members)).expect_err(expected);
        assert!(refusals.to_string().starts_with(expected), "expected: {expected}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
    }
}
