//! A front end that keeps its own token: its page gets the authorization request as a URL, sends the code, and gets the access
//! token.

use super::stage::{
    Browser, CLIENT_SECRET, Stage, body, called, changed, field, location, outcome, query_parameters, response, seconds, status,
    with,
};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::{json_reply, reply};
use crate::step::decision::{BodyNews, Decision};
use crate::step::event::Event;
use crate::words::world::Destination;
use serde_json::{Value, json};

const FRONT: &str = "https://front.example.org";

fn spa() -> Value {
    let document = with("/trusted_origins", json!([FRONT]));
    let document = changed(document, "/endpoints", json!({"authorize": "/api/authorize", "token": "/api/token"}));
    changed(document, "/providers/0/redirect_uri", json!(format!("{FRONT}/auth/callback")))
}

/// A request by a script of the front end.
fn call(browser: &Browser, method: &str, target: &str) -> Headers {
    let fields = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", FRONT)];
    let json = [("content-type", "application/json")];
    let fields = if method == "POST" { [&fields[..], &json[..]].concat() } else { fields.to_vec() };
    browser.send(method, target, &fields)
}

/// The page gets the authorization request, and the person signs in; returns the code and the state that the page gets.
fn authorize(stage: &mut Stage) -> (String, String) {
    let step = stage.send(call(&stage.browser, "GET", "/api/authorize"));
    assert_eq!(status(&step), 200, "{:?}", step.events);
    let page = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    let (address, query) = page.split_once('?').unwrap();
    assert_eq!(address, format!("{FRONT}/auth/callback"));
    let mut query = query_parameters(Some(query));
    (query.remove("code").unwrap(), query.remove("state").unwrap())
}

fn post(stage: &mut Stage, content: &Value) -> Step {
    stage.browser.body = content.to_string();
    stage.send(call(&stage.browser, "POST", "/api/token"))
}

#[test]
fn a_page_gets_the_access_token_for_its_code_and_nothing_else() {
    let mut stage = Stage::ready(&spa());
    stage.provider.token_response = json!({"expires_in": 300, "refresh_token": "the-refresh-token"});
    let (code, _) = authorize(&mut stage);
    let step = post(&mut stage, &json!({ "code": code }));
    assert_eq!(status(&step), 200, "{:?}", step.events);
    let access_token = stage.provider.secrets[1].clone();
    assert_eq!(body(&step), json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 300}));
    assert_eq!(field(response(&step), "cache-control"), Some("private, no-store"));
    assert_eq!(field(response(&step), "access-control-allow-origin"), Some(FRONT), "the page can read it");
    assert!(matches!(step.events[0], Event::SignInCompleted { .. }), "{:?}", step.events);
    assert_eq!(stage.browser.names(), Vec::<&str>::new(), "no session, and the attempt is gone");
}

#[test]
fn a_script_gets_the_authorization_request_as_a_url_and_a_navigation_as_a_redirect_with_the_pages_redirect_uri() {
    let document = changed(spa(), "/providers/0/authorization_params", json!({"authentication_method": "siteminder"}));
    let mut stage = Stage::ready(&document);
    let by_script = stage.send(call(&stage.browser, "GET", "/api/authorize"));
    let by_navigation = stage.navigate("/api/authorize");
    assert_eq!(status(&by_navigation), 302);
    let url = body(&by_script)["authorize_url"].as_str().unwrap().to_owned();
    for url in [url.as_str(), location(&by_navigation)] {
        let query = query_parameters(url.split_once('?').map(|(_, query)| query));
        let expected = [
            ("client_id", "app"),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("redirect_uri", "https://front.example.org/auth/callback"),
            ("code_challenge_method", "S256"),
            ("authentication_method", "siteminder"),
        ];
        assert!(expected.iter().all(|(name, value)| query[*name] == *value), "{url}");
        assert!(!query["state"].is_empty() && !query["nonce"].is_empty() && !query.contains_key("response_mode"));
    }
    for step in [&by_script, &by_navigation] {
        assert!(field(response(step), "set-cookie").is_some_and(|cookie| cookie.contains("; SameSite=None; Secure")));
    }
}

#[test]
fn a_code_is_good_only_in_the_browser_that_asked_and_only_once() {
    let mut stage = Stage::ready(&spa());
    let (code, state) = authorize(&mut stage);
    let owner = stage.browser.clone();
    for content in [json!({"code": code}), json!({"code": code, "state": state})] {
        stage.browser = Browser::default();
        assert_eq!(outcome(&post(&mut stage, &content)), (400, "attempt_missing"));
    }
    stage.browser = owner.clone();
    assert_eq!(status(&post(&mut stage, &json!({ "code": code }))), 200);
    // The attempt's cookie comes again, as from a stolen cookie jar; here and on another worker.
    let asked = stage.provider.asked.len();
    stage.browser = owner.clone();
    assert_eq!(outcome(&post(&mut stage, &json!({ "code": code }))), (400, "attempt_replayed"));
    stage.browser = owner;
    stage.worker = stage.worker.beside(&spa());
    assert_eq!(outcome(&post(&mut stage, &json!({"code": code, "state": state}))), (400, "attempt_replayed"));
    assert_eq!(stage.provider.asked.len(), asked);
}

#[test]
fn without_a_state_the_newest_attempt_is_meant_and_with_one_that_very_one() {
    let mut stage = Stage::ready(&spa());
    let (first, first_state) = authorize(&mut stage);
    stage.worker.wait(seconds(1));
    let (second, _) = authorize(&mut stage);
    assert_eq!(status(&post(&mut stage, &json!({ "code": second }))), 200);
    assert_eq!(status(&post(&mut stage, &json!({"code": first, "state": first_state}))), 200);
}

#[test]
fn an_attempt_of_one_flow_is_worth_nothing_in_the_other() {
    let mut stage = Stage::ready(&spa());
    let callback = stage.go_to_the_provider("/page");
    let query = query_parameters(callback.split_once('?').map(|(_, query)| query));
    let stolen = json!({"code": query["code"], "state": query["state"]});
    assert_eq!(outcome(&post(&mut stage, &stolen)), (400, "attempt_missing"));
    assert_eq!(outcome(&post(&mut stage, &json!({"code": query["code"]}))), (400, "attempt_missing"));
    assert_eq!(status(&stage.navigate(&callback)), 303);
    let mut stage = Stage::ready(&spa());
    let (code, state) = authorize(&mut stage);
    let step = stage.navigate(&format!("/api/callback?code={code}&state={state}"));
    assert_eq!(outcome(&step), (400, "attempt_missing"));
}

#[test]
fn a_code_that_fails_gets_no_token_and_each_failure_has_its_reason() {
    let error = |status: u16, error: &str| json_reply(status, &json!({ "error": error }));
    for (instead, expected) in [
        (error(400, "invalid_grant"), (401, "exchange_refused")),
        (error(403, "access_denied"), (401, "exchange_refused")),
        (error(401, "invalid_client"), (502, "client_authentication_failed")),
        (Reply::Reset, (502, "token_endpoint_unreachable")),
        (reply(503, &[], b""), (502, "token_endpoint_unreachable")),
        (reply(504, &[], b""), (504, "token_endpoint_timeout")),
        (json_reply(200, &json!({"access_token": "x", "token_type": "Bearer"})), (502, "token_response_malformed")),
    ] {
        let mut stage = Stage::ready(&spa());
        let (code, _) = authorize(&mut stage);
        stage.provider.instead = Some(instead.clone());
        let step = post(&mut stage, &json!({ "code": code }));
        assert_eq!(outcome(&step), expected, "{instead:?}");
        let challenge = field(response(&step), "www-authenticate");
        assert_eq!(field(response(&step), "access-control-allow-origin"), Some(FRONT), "the page can read why");
        assert_eq!(challenge, (expected.0 == 401).then_some("Bearer realm=\"https://app.example.com\""));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
}

#[test]
fn no_token_before_the_id_token_is_verified() {
    for (claims, expected) in [
        (json!({"nonce": "another"}), "id_token_nonce"),
        (json!({"nonce": null}), "id_token_nonce"),
        (json!({"iss": "https://evil.example"}), "id_token_issuer"),
        (json!({"aud": "another"}), "id_token_audience"),
        (json!({"at_hash": "AAAA"}), "id_token_at_hash"),
    ] {
        let mut stage = Stage::ready(&spa());
        stage.provider.claims = claims;
        let (code, _) = authorize(&mut stage);
        let step = post(&mut stage, &json!({ "code": code }));
        assert_eq!(outcome(&step), (502, expected));
        assert!(!response(&step).body.contains("the-access-token"));
    }
}

#[test]
fn another_site_can_neither_begin_nor_finish_a_sign_in() {
    let mut stage = Stage::ready(&spa());
    authorize(&mut stage);
    for fields in [
        vec![("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "same-site")],
        vec![("x-requested-with", "XMLHttpRequest"), ("origin", "null")],
    ] {
        let step = stage.worker.begin(stage.browser.send("GET", "/api/authorize", &fields));
        assert_eq!(outcome(&step), (403, "cross_site"), "{fields:?}");
        let posted = [&fields[..], &[("content-type", "application/json")]].concat();
        let step = stage.worker.begin(stage.browser.send("POST", "/api/token", &posted));
        assert_eq!(outcome(&step), (403, "cross_site"), "{fields:?}");
        assert_eq!(field(response(&step), "access-control-allow-origin"), None, "{fields:?}");
    }
    let own = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
    assert_eq!(status(&stage.send(stage.browser.send("GET", "/api/authorize", &own))), 200);
}

#[test]
fn a_body_without_a_code_uses_up_no_attempt() {
    let mut stage = Stage::ready(&spa());
    let (code, state) = authorize(&mut stage);
    for (content, expected) in [
        (json!({}), (400, "code_missing")),
        (json!({"code": ""}), (400, "code_missing")),
        (json!({"code": null}), (400, "code_missing")),
        (json!({"code": 5}), (400, "body_malformed")),
        (json!({"code": code, "state": {}}), (400, "body_malformed")),
        (json!({"code": code, "state": "x"}), (400, "attempt_missing")),
        (json!([code]), (400, "body_malformed")),
        (json!({"code": "a".repeat(70_000)}), (413, "body_too_large")),
    ] {
        assert_eq!(outcome(&post(&mut stage, &content)), expected, "{content:.80}");
    }
    for (method, target) in [("GET", "/api/token"), ("PUT", "/api/token"), ("POST", "/api/authorize")] {
        assert_eq!(outcome(&stage.send(call(&stage.browser, method, target))), (405, "method_not_allowed"));
    }
    let content = json!({"code": code, "state": state, "iss": null, "session_state": "of no interest"});
    assert_eq!(status(&post(&mut stage, &content)), 200);
}

#[test]
fn with_several_providers_the_page_must_send_iss() {
    let mut document = spa();
    let mut second = document["providers"][0].clone();
    second["name"] = json!("second");
    second["redirect_uri"] = json!(format!("{FRONT}/auth/second"));
    document["providers"].as_array_mut().unwrap().push(second);
    document["rules"] = json!([]);
    for (issuer, expected) in [
        (json!(null), (400, "issuer_mismatch")),
        (json!("https://evil.example"), (400, "issuer_mismatch")),
        (json!(crate::oidc::testing::ISSUER), (200, "")),
    ] {
        let mut stage = Stage::ready(&document);
        let step = stage.send(call(&stage.browser, "GET", "/api/authorize?provider=second"));
        let page = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
        let query = query_parameters(page.split_once('?').map(|(_, query)| query));
        let step = post(&mut stage, &json!({"code": query["code"], "iss": issuer}));
        assert_eq!(outcome(&step), expected);
    }
}

#[test]
fn a_code_in_a_body_waits_for_the_providers_metadata() {
    let mut stage = Stage::ready(&spa());
    let (code, _) = authorize(&mut stage);
    stage.worker.world.memory.borrow_mut().clear();
    stage.worker = stage.worker.beside(&spa());
    assert_eq!(status(&post(&mut stage, &json!({ "code": code }))), 200);
}

#[test]
fn the_client_secret_goes_to_the_provider_and_the_code_with_its_verifier() {
    let mut stage = Stage::ready(&spa());
    let (code, _) = authorize(&mut stage);
    stage.browser.body = json!({ "code": code }).to_string();
    let Decision::ReadBody { pending, .. } = stage.worker.begin(call(&stage.browser, "POST", "/api/token")).decision else {
        panic!("the body is not read")
    };
    let read = crate::http::body::Body::Read(stage.browser.body.clone().into_bytes().into());
    let (asked, _) = called(stage.worker.resume(*pending, BodyNews::Came(read)));
    let form = query_parameters(std::str::from_utf8(&asked.body).ok());
    assert_eq!(
        [form["grant_type"].as_str(), &form["redirect_uri"]],
        ["authorization_code", "https://front.example.org/auth/callback"]
    );
    assert!(asked.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Basic ")));
    assert!(!format!("{asked:?}").contains(CLIENT_SECRET));
}

#[test]
fn no_body_is_read_on_a_route_with_a_cluster() {
    let mut stage = Stage::ready(&spa());
    let (code, _) = authorize(&mut stage);
    for destination in [Destination::Cluster("application".into()), Destination::Unknown] {
        stage.worker.world.destination = destination;
        let step = post(&mut stage, &json!({ "code": code }));
        assert_eq!(outcome(&step), (500, "internal"));
        let Event::Denied { failure, .. } = &step.events[0] else { panic!("{:?}", step.events) };
        assert!(failure.detail.contains("direct_response") && failure.detail.contains("buffer filter"), "{}", failure.detail);
    }
    stage.worker.world.destination = Destination::Nobody;
    assert_eq!(status(&post(&mut stage, &json!({ "code": code }))), 200);
}
