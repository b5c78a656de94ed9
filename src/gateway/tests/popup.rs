//! A sign-in in a popup: the page gets the authorization request as a URL, opens a window with it, and is told how the sign-in
//! ended.

use super::stage::{
    Browser, Stage, awaited, body, changed, document, field, location, outcome, query_parameters, response, seconds, status, with,
};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::{json_reply, reply};
use crate::step::decision::News;
use crate::step::event::Event;
use crate::words::reason::Reason;
use serde_json::{Value, json};

pub(super) const FRONT: &str = "https://front.example.org";
pub(super) const OWN: &str = "https://app.example.com";

/// The configuration for a front end on another site.
pub(super) fn popup() -> Value {
    let document = with("/trusted_origins", json!([FRONT]));
    let document = changed(document, "/endpoints", json!({"popup": "/api/popup"}));
    changed(document, "/popup", json!({"origin": FRONT, "url_member": "authUrl"}))
}

/// The shortest configuration: for a front end on the gateway's own origin.
fn own_popup() -> Value {
    with("/endpoints", json!({"popup": "/api/popup"}))
}

const SCRIPT: [(&str, &str); 3] = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", FRONT)];

fn ask(stage: &mut Stage, target: &str) -> Step {
    stage.send(stage.browser.send("GET", target, &SCRIPT))
}

/// The page gets the authorization request, and the person signs in; returns the URL to which the provider redirects the window.
pub(super) fn go_to_the_provider(stage: &mut Stage) -> String {
    let step = ask(stage, "/api/popup");
    assert_eq!(status(&step), 200, "{:?}", step.events);
    let answer = body(&step);
    stage.provider.agree(answer.get("authUrl").or(answer.get("authorize_url")).unwrap().as_str().unwrap())
}

/// The origin to which the page posts its message, and the message; `None` if it posts none.
pub(super) fn posted_message(step: &Step) -> Option<(String, Value)> {
    let response = response(step);
    let (_, rest) = response.body.split_once("id=\"message\">")?;
    let mut data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    let policy = field(response, "content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-") && policy.ends_with("; frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && policy.contains("; form-action 'none'; base-uri 'none'; "), "{policy}");
    for (name, value) in [
        ("cache-control", "private, no-store"),
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "unsafe-none"),
    ] {
        let values: Vec<_> = response.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value).collect();
        assert_eq!(values, [value]);
    }
    Some((data["origin"].as_str().unwrap().to_owned(), data["message"].take()))
}

/// A refusal's status, and the error in the message to the opener.
pub(super) fn posted_error(step: &Step) -> (u16, String) {
    let (origin, message) = posted_message(step).expect("the opener is told");
    let error = message["error"].as_str().unwrap().to_owned();
    assert_eq!((origin.as_str(), &message), (FRONT, &json!({ "error": error })));
    assert_eq!(outcome(step), (status(step), error.as_str()));
    assert!(response(step).body.contains(&format!("<footer>{error} · request r-1</footer>")), "people can read it too");
    assert!(!response(step).body.contains("<a ") && !response(step).body.contains("<form"));
    (status(step), error)
}

#[test]
fn the_page_that_opened_the_window_is_told_of_the_session_and_a_person_can_read_it() {
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    let step = stage.navigate(&callback);
    assert_eq!(status(&step), 200, "{:?}", step.events);
    assert_eq!(posted_message(&step), Some((FRONT.to_owned(), json!({"authenticated": true}))));
    assert!(response(&step).body.contains("You are signed in") && response(&step).body.contains("You can close this window."));
    assert!(
        matches!(step.events[..], [Event::SignInCompleted { .. }, Event::SignInTook(_), Event::Outcome(_)]),
        "{:?}",
        step.events
    );
    assert_eq!(step.note.subject.as_deref(), Some("alice"));
    assert_eq!(stage.browser.names(), ["__Host-accredit"], "the attempt is gone");
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}

#[test]
fn the_authorization_request_for_a_popup_is_a_url_for_a_script_and_for_a_navigation() {
    let mut stage = Stage::ready(&popup());
    let navigation = stage.navigate("/api/popup?prompt=login&acr_values=gold&provider=main");
    let head = stage.send(stage.browser.send("HEAD", "/api/popup", &SCRIPT));
    for step in [&ask(&mut stage, "/api/popup"), &navigation, &head] {
        assert_eq!(status(step), 200, "{:?}", step.events);
        let answer = body(step);
        let url = answer["authUrl"].as_str().unwrap();
        assert_eq!(answer, json!({ "authUrl": url }));
        let query = query_parameters(url.split_once('?').map(|(_, query)| query));
        assert_eq!(query["redirect_uri"], format!("{OWN}/api/callback"), "the one of every sign-in");
        assert!(!query["nonce"].is_empty() && !query["code_challenge"].is_empty());
        assert_eq!(field(response(step), "cache-control"), Some("private, no-store"));
        assert!(field(response(step), "set-cookie").unwrap().contains("; SameSite=None; Secure"));
    }
    let answer = body(&navigation);
    assert!(["prompt=login", "acr_values=gold"].iter().all(|part| answer["authUrl"].as_str().unwrap().contains(part)));
    for (target, expected) in [
        ("/api/popup?provider=other", (400, "provider_unknown")),
        ("/api/popup?prompt=none", (400, "query_malformed")),
        ("/api/popup?max_age=x", (400, "query_malformed")),
    ] {
        assert_eq!(outcome(&ask(&mut stage, target)), expected, "{target}");
    }
    assert_eq!(outcome(&stage.script("POST", "/api/popup")), (405, "method_not_allowed"));
}

#[test]
fn by_default_a_page_of_the_gateways_own_origin_is_told_and_the_cookie_is_lax() {
    let document = changed(own_popup(), "/origins", json!([OWN, "https://two.example.com"]));
    let mut stage = Stage::ready(&document);
    let step = stage.script("GET", "/api/popup");
    assert!(field(response(&step), "set-cookie").unwrap().contains("; SameSite=Lax; Secure"));
    let callback = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    let step = stage.navigate(&callback);
    assert_eq!(posted_message(&step).unwrap().0, OWN);
    // With several origins it is the one that the request was for.
    let fields =
        [(":method", "GET"), (":authority", "two.example.com"), (":path", "/api/callback"), ("sec-fetch-mode", "navigate")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let step = stage.worker.begin(Headers::new(fields.to_vec()));
    assert_eq!(posted_message(&step).unwrap(), ("https://two.example.com".to_owned(), json!({"error": "state_missing"})));
}

#[test]
fn another_site_cannot_begin_a_popup_sign_in_in_the_background_and_cannot_read_the_url() {
    let mut stage = Stage::ready(&popup());
    let before = stage.browser.jar.clone();
    for fields in [
        vec![("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image")],
        vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "same-site")],
        vec![("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")],
        vec![("x-requested-with", "XMLHttpRequest"), ("origin", "null")],
    ] {
        let step = stage.send(stage.browser.send("GET", "/api/popup", &fields));
        assert_eq!(outcome(&step), (403, "cross_site"), "{fields:?}");
        assert_eq!(field(response(&step), "access-control-allow-origin"), None, "{fields:?}");
    }
    assert_eq!(stage.browser.jar, before);
    for (target, expected) in [("/api/popup", 200), ("/api/popup?provider=other", 400)] {
        let step = ask(&mut stage, target);
        assert_eq!(status(&step), expected);
        assert_eq!(field(response(&step), "access-control-allow-origin"), Some(FRONT), "the page of a trusted site can");
    }
    let step = stage.script("GET", "/api/popup");
    assert_eq!(field(response(&step), "access-control-allow-origin"), None);
}

#[test]
fn an_attempt_for_a_session_a_popup_or_a_token_cannot_be_used_for_another_of_these() {
    let document =
        changed(popup(), "/endpoints", json!({"popup": "/api/popup", "authorize": "/api/authorize", "token": "/api/token"}));
    let document = changed(document, "/providers/0/redirect_uri", json!(format!("{FRONT}/auth/callback")));
    // An attempt for a session ends without a message; its state, changed to look like a popup's, is not found.
    let mut stage = Stage::ready(&document);
    let callback = stage.go_to_the_provider("/page");
    let marked = callback.replacen('.', ".popup.", 1);
    assert_eq!(posted_error(&stage.glance(&marked)), (400, "state_mismatch".into()));
    let step = stage.navigate(&callback);
    assert_eq!((status(&step), location(&step), posted_message(&step)), (303, "/page", None));
    // An attempt for a popup is not accepted at the token endpoint, nor at the callback if its state is changed to look like a
    // session's.
    let mut stage = Stage::ready(&document);
    let callback = go_to_the_provider(&mut stage);
    let query = query_parameters(callback.split_once('?').map(|(_, query)| query));
    let json = [&SCRIPT[..], &[("content-type", "application/json")]].concat();
    for content in [json!({"code": query["code"], "state": query["state"]}), json!({"code": query["code"]})] {
        stage.browser.body = content.to_string();
        let step = stage.send(stage.browser.send("POST", "/api/token", &json));
        assert_eq!((outcome(&step), posted_message(&step)), ((400, "attempt_missing"), None));
    }
    let step = stage.glance(&callback.replacen(".popup.", ".", 1));
    assert_eq!((outcome(&step), posted_message(&step)), ((400, "state_mismatch"), None));
    assert_eq!(posted_message(&stage.navigate(&callback)).unwrap().1, json!({"authenticated": true}));
    // An attempt for a page's token is not accepted at the callback.
    let mut stage = Stage::ready(&document);
    let step = ask(&mut stage, "/api/authorize");
    let page = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    let (_, query) = page.split_once('?').unwrap();
    assert_eq!(outcome(&stage.navigate(&format!("/api/callback?{query}"))), (400, "attempt_missing"));
}

#[test]
fn the_attempt_of_a_popup_does_not_count_where_popups_are_not_configured() {
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    stage.worker = stage.worker.beside(&with("/trusted_origins", json!([FRONT])));
    let step = stage.navigate(&callback);
    assert_eq!((outcome(&step), posted_message(&step)), ((400, "attempt_missing"), None));
}

#[test]
fn the_opener_is_told_of_an_error_at_the_provider() {
    let error = |status: u16, error: &str| json_reply(status, &json!({ "error": error }));
    for (instead, expected) in [
        (error(400, "invalid_grant"), (400, "code_refused")),
        (error(401, "invalid_client"), (502, "client_authentication_failed")),
        (Reply::Reset, (502, "token_endpoint_unreachable")),
        (reply(504, &[], b""), (504, "token_endpoint_timeout")),
        (json_reply(200, &json!({"access_token": "</script>"})), (502, "token_response_malformed")),
    ] {
        let mut stage = Stage::ready(&popup());
        let callback = go_to_the_provider(&mut stage);
        stage.provider.instead = Some(instead);
        assert_eq!(posted_error(&stage.navigate(&callback)), (expected.0, expected.1.into()));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
    for (query, expected) in [
        ("error=access_denied&error_description=%3C/script%3E", (403, "authorization_denied")),
        ("error=server_error", (502, "authorization_server_error")),
        ("code=", (400, "code_missing")),
        ("code=x&iss=https://evil.example", (400, "issuer_mismatch")),
    ] {
        let mut stage = Stage::ready(&popup());
        let callback = go_to_the_provider(&mut stage);
        let (_, state) = callback.split_once("&state=").unwrap();
        let step = stage.navigate(&format!("/api/callback?{query}&state={state}"));
        assert_eq!(posted_error(&step), (expected.0, expected.1.into()));
    }
    let mut stage = Stage::ready(&popup());
    stage.provider.claims = json!({"nonce": "another"});
    let callback = go_to_the_provider(&mut stage);
    assert_eq!(posted_error(&stage.navigate(&callback)), (502, "id_token_nonce".into()));
}

#[test]
fn a_callback_whose_attempt_is_not_found_tells_the_opener_too() {
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    let owner = stage.browser.clone();
    stage.browser = Browser::default();
    assert_eq!(posted_error(&stage.navigate(&callback)), (400, "attempt_missing".into()));
    stage.browser = owner.clone();
    assert_eq!(posted_error(&stage.glance(&callback.replace("&state=", "&x="))), (400, "state_missing".into()));
    assert_eq!(posted_error(&stage.glance(&format!("{callback}&state=x"))), (400, "query_malformed".into()));
    assert!(posted_message(&stage.navigate(&callback)).is_some());
    // The same callback comes again, with the session that it led to: the opener is posted_message, and the session stays.
    let before = stage.browser.jar.clone();
    assert_eq!(posted_error(&stage.navigate(&callback)), (400, "attempt_missing".into()));
    assert_eq!(stage.browser.jar, before);
    stage.browser = owner.clone();
    assert_eq!(posted_error(&stage.navigate(&callback)), (400, "attempt_replayed".into()));
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    stage.worker.wait(seconds(600));
    assert_eq!(posted_error(&stage.navigate(&callback)), (400, "attempt_expired".into()));
}

#[test]
fn an_unsolicited_response_to_a_sign_in_without_a_popup_is_an_ordinary_page() {
    let mut stage = Stage::ready(&popup());
    let callback = stage.go_to_the_provider("/page");
    stage.browser = Browser::default();
    let step = stage.navigate(&callback);
    assert_eq!((outcome(&step), posted_message(&step)), ((400, "attempt_missing"), None));
    assert!(response(&step).body.contains("Try again"));
    let mut stage = Stage::signed_in(&popup());
    for target in ["/api/callback", "/api/callback?code=x&state=AAAAAAAA.B"] {
        let step = stage.navigate(target);
        assert_eq!((status(&step), location(&step)), (303, "/"), "{target}");
    }
    // Where popups are not configured, no page posts a message.
    let mut stage = Stage::ready(&document());
    assert_eq!(posted_message(&stage.navigate("/api/callback?code=x&state=AAAAAAAA.popup.B")), None);
}

#[test]
fn the_opener_is_told_of_a_wait_in_vain_and_the_attempt_is_not_used_up() {
    let mut stage = Stage::ready(&popup());
    let callback = go_to_the_provider(&mut stage);
    stage.worker.world.memory.borrow_mut().clear();
    stage.worker = stage.worker.beside(&popup());
    let (_, _, pending) = awaited(stage.worker.begin(stage.browser.navigate(&callback)));
    let step = stage.worker.resume(pending, News::Missing(Reason::MetadataUnavailable));
    assert_eq!(posted_error(&step), (503, "metadata_unavailable".into()));
    assert_eq!(field(response(&step), "retry-after"), Some("5"));
    assert!(posted_message(&stage.navigate(&callback)).is_some_and(|(_, message)| message == json!({"authenticated": true})));
}

#[test]
fn the_page_holds_nothing_from_the_request() {
    let evil = [
        ("sec-fetch-mode", "navigate"),
        ("accept", "text/html"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
    ];
    let mut stage = Stage::ready(&popup());
    let step = ask(&mut stage, "/api/popup?origin=https://evil.example&return_to=https://evil.example&popup=evil");
    assert!(!response(&step).body.contains("evil"));
    let callback = stage.provider.agree(body(&step)["authUrl"].as_str().unwrap());
    let target = format!("{callback}&origin=https://evil.example&x=%3Cevil%3E");
    let failed = stage.worker.begin(Browser::default().send("GET", &target, &evil));
    let succeeded = stage.send(stage.browser.send("GET", &target, &evil));
    for (step, expected) in [(failed, json!({"error": "attempt_missing"})), (succeeded, json!({"authenticated": true}))] {
        assert_eq!(posted_message(&step), Some((FRONT.to_owned(), expected)));
        assert!(!response(&step).body.contains("evil"), "{}", response(&step).body);
    }
}

#[test]
fn a_sign_in_by_form_post_ends_in_a_popup_too() {
    let document = changed(own_popup(), "/providers/0/response_mode", json!("form_post"));
    let mut stage = Stage::ready(&document);
    let step = stage.script("GET", "/api/popup");
    assert!(field(response(&step), "set-cookie").unwrap().contains("; SameSite=None; Secure"));
    let callback = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    stage.browser.body = callback.split_once('?').unwrap().1.to_owned();
    let form = [("sec-fetch-mode", "navigate"), ("content-type", "application/x-www-form-urlencoded"), ("origin", "null")];
    let step = stage.send(stage.browser.send("POST", "/api/callback", &form));
    assert_eq!(posted_message(&step), Some((OWN.to_owned(), json!({"authenticated": true}))), "{:?}", step.events);
}

impl Stage {
    /// Navigates without keeping the cookies of the response.
    fn glance(&mut self, target: &str) -> Step {
        let before = self.browser.clone();
        let step = self.navigate(target);
        self.browser = before;
        step
    }
}
