//! A sign-in in a window that a page opened: the page asks for the provider's address, and is told how it ended.

use super::stage::{Browser, Stage, awaited, body, changed, document, field, location, outcome, response, seconds, status, with};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::http::url::query_parameters;
use crate::oidc::testing::{json_reply, reply};
use crate::step::decision::News;
use crate::step::event::Event;
use crate::words::reason::Reason;
use serde_json::{Value, json};

pub(super) const FRONT: &str = "https://front.example.org";
pub(super) const OWN: &str = "https://app.example.com";

/// A front end on another site.
pub(super) fn popup() -> Value {
    let document = with("/trusted_origins", json!([FRONT]));
    let document = changed(document, "/endpoints", json!({"popup": "/api/popup"}));
    changed(document, "/popup", json!({"origin": FRONT, "url_member": "authUrl"}))
}

/// One on the gateway's own origin, in the fewest words.
fn own_popup() -> Value {
    with("/endpoints", json!({"popup": "/api/popup"}))
}

const SCRIPT: [(&str, &str); 3] = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", FRONT)];

fn ask(stage: &mut Stage, target: &str) -> Step {
    stage.send(stage.browser.send("GET", target, &SCRIPT))
}

/// The page asks for the address, and the person signs in there: where the window is sent then.
pub(super) fn as_far_as_the_provider(stage: &mut Stage) -> String {
    let step = ask(stage, "/api/popup");
    assert_eq!(status(&step), 200, "{:?}", step.events);
    let told = body(&step);
    stage.provider.agree(told.get("authUrl").or(told.get("authorize_url")).unwrap().as_str().unwrap())
}

/// Whom a page tells, and what; nothing where it tells nobody.
pub(super) fn told(step: &Step) -> Option<(String, Value)> {
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

/// A refusal's status, and what the opener is told.
pub(super) fn told_error(step: &Step) -> (u16, String) {
    let (origin, message) = told(step).expect("the opener is told");
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
    let callback = as_far_as_the_provider(&mut stage);
    let step = stage.navigate(&callback);
    assert_eq!(status(&step), 200, "{:?}", step.events);
    assert_eq!(told(&step), Some((FRONT.to_owned(), json!({"authenticated": true}))));
    assert!(response(&step).body.contains("You are signed in") && response(&step).body.contains("You can close this window."));
    assert!(matches!(step.events[..], [Event::SignInCompleted { .. }, Event::Outcome(_)]), "{:?}", step.events);
    assert_eq!(step.note.subject.as_deref(), Some("alice"));
    assert_eq!(stage.browser.names(), ["__Host-accredit"], "the attempt is gone");
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}

#[test]
fn the_address_is_json_for_a_script_and_for_a_navigation() {
    let mut stage = Stage::ready(&popup());
    let navigation = stage.navigate("/api/popup?prompt=login&acr_values=gold&provider=main");
    let head = stage.send(stage.browser.send("HEAD", "/api/popup", &SCRIPT));
    for step in [&ask(&mut stage, "/api/popup"), &navigation, &head] {
        assert_eq!(status(step), 200, "{:?}", step.events);
        let answer = body(step);
        let url = answer["authUrl"].as_str().unwrap();
        assert_eq!(answer, json!({ "authUrl": url }));
        let query = query_parameters(url.split_once('?').map(|(_, query)| query)).unwrap();
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
fn without_further_words_the_gateways_own_page_is_told_and_the_cookie_is_lax() {
    let document = changed(own_popup(), "/origins", json!([OWN, "https://two.example.com"]));
    let mut stage = Stage::ready(&document);
    let step = stage.script("GET", "/api/popup");
    assert!(field(response(&step), "set-cookie").unwrap().contains("; SameSite=Lax; Secure"));
    let callback = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    let step = stage.navigate(&callback);
    assert_eq!(told(&step).unwrap().0, OWN);
    // It is the origin that was asked, on each of them.
    let fields =
        [(":method", "GET"), (":authority", "two.example.com"), (":path", "/api/callback"), ("sec-fetch-mode", "navigate")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let step = stage.worker.begin(Headers::new(fields.to_vec()));
    assert_eq!(told(&step).unwrap(), ("https://two.example.com".to_owned(), json!({"error": "state_missing"})));
}

#[test]
fn another_site_cannot_ask_for_the_address_unseen_and_cannot_read_it() {
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
fn an_attempt_of_one_ending_never_ends_as_another() {
    let document =
        changed(popup(), "/endpoints", json!({"popup": "/api/popup", "authorize": "/api/authorize", "token": "/api/token"}));
    let document = changed(document, "/providers/0/redirect_uri", json!(format!("{FRONT}/auth/callback")));
    // A session's attempt tells no page, and its state, marked as a popup's, is not its state.
    let mut stage = Stage::ready(&document);
    let callback = stage.as_far_as_the_provider("/page");
    let marked = callback.replacen('.', ".popup.", 1);
    assert_eq!(told_error(&stage.glance(&marked)), (400, "state_mismatch".into()));
    let step = stage.navigate(&callback);
    assert_eq!((status(&step), location(&step), told(&step)), (303, "/page", None));
    // A popup's attempt is worth nothing at the token endpoint, and at the callback without its mark.
    let mut stage = Stage::ready(&document);
    let callback = as_far_as_the_provider(&mut stage);
    let query = query_parameters(callback.split_once('?').map(|(_, query)| query)).unwrap();
    let json = [&SCRIPT[..], &[("content-type", "application/json")]].concat();
    for content in [json!({"code": query["code"], "state": query["state"]}), json!({"code": query["code"]})] {
        stage.browser.body = content.to_string();
        let step = stage.send(stage.browser.send("POST", "/api/token", &json));
        assert_eq!((outcome(&step), told(&step)), ((400, "attempt_missing"), None));
    }
    let step = stage.glance(&callback.replacen(".popup.", ".", 1));
    assert_eq!((outcome(&step), told(&step)), ((400, "state_mismatch"), None));
    assert_eq!(told(&stage.navigate(&callback)).unwrap().1, json!({"authenticated": true}));
    // A page's attempt cannot be finished at the callback, for whomever.
    let mut stage = Stage::ready(&document);
    let step = ask(&mut stage, "/api/authorize");
    let page = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    let (_, query) = page.split_once('?').unwrap();
    assert_eq!(outcome(&stage.navigate(&format!("/api/callback?{query}"))), (400, "attempt_missing"));
}

#[test]
fn where_popups_are_no_more_their_attempts_are_nothing() {
    let mut stage = Stage::ready(&popup());
    let callback = as_far_as_the_provider(&mut stage);
    stage.worker = stage.worker.beside(&with("/trusted_origins", json!([FRONT])));
    let step = stage.navigate(&callback);
    assert_eq!((outcome(&step), told(&step)), ((400, "attempt_missing"), None));
}

#[test]
fn what_goes_wrong_at_the_provider_reaches_the_opener() {
    let error = |status: u16, error: &str| json_reply(status, &json!({ "error": error }));
    for (instead, expected) in [
        (error(400, "invalid_grant"), (400, "code_refused")),
        (error(401, "invalid_client"), (502, "client_authentication_failed")),
        (Reply::Reset, (502, "token_endpoint_unreachable")),
        (reply(504, &[], b""), (504, "token_endpoint_timeout")),
        (json_reply(200, &json!({"access_token": "</script>"})), (502, "token_response_malformed")),
    ] {
        let mut stage = Stage::ready(&popup());
        let callback = as_far_as_the_provider(&mut stage);
        stage.provider.instead = Some(instead);
        assert_eq!(told_error(&stage.navigate(&callback)), (expected.0, expected.1.into()));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
    for (query, expected) in [
        ("error=access_denied&error_description=%3C/script%3E", (403, "authorization_denied")),
        ("error=server_error", (502, "authorization_server_error")),
        ("code=", (400, "code_missing")),
        ("code=x&iss=https://evil.example", (400, "issuer_mismatch")),
    ] {
        let mut stage = Stage::ready(&popup());
        let callback = as_far_as_the_provider(&mut stage);
        let (_, state) = callback.split_once("&state=").unwrap();
        let step = stage.navigate(&format!("/api/callback?{query}&state={state}"));
        assert_eq!(told_error(&step), (expected.0, expected.1.into()));
    }
    let mut stage = Stage::ready(&popup());
    stage.provider.claims = json!({"nonce": "another"});
    let callback = as_far_as_the_provider(&mut stage);
    assert_eq!(told_error(&stage.navigate(&callback)), (502, "id_token_nonce".into()));
}

#[test]
fn a_callback_whose_attempt_is_not_found_tells_the_opener_too() {
    let mut stage = Stage::ready(&popup());
    let callback = as_far_as_the_provider(&mut stage);
    let owner = stage.browser.clone();
    stage.browser = Browser::default();
    assert_eq!(told_error(&stage.navigate(&callback)), (400, "attempt_missing".into()));
    stage.browser = owner.clone();
    assert_eq!(told_error(&stage.glance(&callback.replace("&state=", "&x="))), (400, "state_missing".into()));
    assert_eq!(told_error(&stage.glance(&format!("{callback}&state=x"))), (400, "query_malformed".into()));
    assert!(told(&stage.navigate(&callback)).is_some());
    // It comes again, with the session that came of it: the opener is told, and the session stays.
    let before = stage.browser.jar.clone();
    assert_eq!(told_error(&stage.navigate(&callback)), (400, "attempt_missing".into()));
    assert_eq!(stage.browser.jar, before);
    stage.browser = owner.clone();
    assert_eq!(told_error(&stage.navigate(&callback)), (400, "attempt_replayed".into()));
    let mut stage = Stage::ready(&popup());
    let callback = as_far_as_the_provider(&mut stage);
    stage.worker.wait(seconds(600));
    assert_eq!(told_error(&stage.navigate(&callback)), (400, "attempt_expired".into()));
}

#[test]
fn a_stray_answer_to_an_ordinary_sign_in_closes_no_window() {
    let mut stage = Stage::ready(&popup());
    let callback = stage.as_far_as_the_provider("/page");
    stage.browser = Browser::default();
    let step = stage.navigate(&callback);
    assert_eq!((outcome(&step), told(&step)), ((400, "attempt_missing"), None));
    assert!(response(&step).body.contains("Try again"));
    let mut stage = Stage::signed_in(&popup());
    for target in ["/api/callback", "/api/callback?code=x&state=AAAAAAAA.B"] {
        let step = stage.navigate(target);
        assert_eq!((status(&step), location(&step)), (303, "/"), "{target}");
    }
    // Nor is anybody told where there are no popups.
    let mut stage = Stage::ready(&document());
    assert_eq!(told(&stage.navigate("/api/callback?code=x&state=AAAAAAAA.popup.B")), None);
}

#[test]
fn a_wait_in_vain_reaches_the_opener_and_spends_nothing() {
    let mut stage = Stage::ready(&popup());
    let callback = as_far_as_the_provider(&mut stage);
    stage.worker.world.memory.borrow_mut().clear();
    stage.worker = stage.worker.beside(&popup());
    let (_, _, pending) = awaited(stage.worker.begin(stage.browser.navigate(&callback)));
    let step = stage.worker.resume(pending, News::Missing(Reason::MetadataUnavailable));
    assert_eq!(told_error(&step), (503, "metadata_unavailable".into()));
    assert_eq!(field(response(&step), "retry-after"), Some("5"));
    assert!(told(&stage.navigate(&callback)).is_some_and(|(_, message)| message == json!({"authenticated": true})));
}

#[test]
fn nothing_that_a_request_says_stands_in_the_page() {
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
        assert_eq!(told(&step), Some((FRONT.to_owned(), expected)));
        assert!(!response(&step).body.contains("evil"), "{}", response(&step).body);
    }
}

#[test]
fn an_answer_that_is_posted_ends_the_same_way() {
    let document = changed(own_popup(), "/providers/0/response_mode", json!("form_post"));
    let mut stage = Stage::ready(&document);
    let step = stage.script("GET", "/api/popup");
    assert!(field(response(&step), "set-cookie").unwrap().contains("; SameSite=None; Secure"));
    let callback = stage.provider.agree(body(&step)["authorize_url"].as_str().unwrap());
    stage.browser.body = callback.split_once('?').unwrap().1.to_owned();
    let form = [("sec-fetch-mode", "navigate"), ("content-type", "application/x-www-form-urlencoded"), ("origin", "null")];
    let step = stage.send(stage.browser.send("POST", "/api/callback", &form));
    assert_eq!(told(&step), Some((OWN.to_owned(), json!({"authenticated": true}))), "{:?}", step.events);
}

impl Stage {
    /// The browser goes there, and keeps nothing of the answer.
    fn glance(&mut self, target: &str) -> Step {
        let before = self.browser.clone();
        let step = self.navigate(target);
        self.browser = before;
        step
    }
}
