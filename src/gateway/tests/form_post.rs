//! Callbacks that another site's form posts (OAuth 2.0 Form Post Response Mode).

use super::stage::{Stage, document, field, location, outcome, query_parameters, response, status, with};
use crate::http::message::Headers;
use crate::step::audit;
use serde_json::{Value, json};

fn form_post() -> Value {
    with("/providers/0/response_mode", json!("form_post"))
}

const FORM: [(&str, &str); 4] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "cross-site"),
    ("origin", "https://sso.example.com"),
    ("content-type", "application/x-www-form-urlencoded"),
];

/// The cross-site POST of the provider's form. `SameSite=Lax` cookies, such as the session's, are not sent with it.
fn posted(stage: &mut Stage, form: &str) -> Headers {
    stage.browser.body = form.to_owned();
    let mut away = stage.browser.clone();
    away.jar.retain(|name, _| name.contains("-attempt-"));
    away.send("POST", "/api/callback", &FORM)
}

#[test]
fn a_posted_answer_signs_in() {
    let mut stage = Stage::ready(&form_post());
    let sent = stage.navigate("/page");
    assert!(location(&sent).contains("&response_mode=form_post"), "{}", location(&sent));
    assert!(field(response(&sent), "set-cookie").unwrap().contains("; SameSite=None; Secure"));
    let callback = stage.provider.agree(location(&sent));
    let (_, form) = callback.split_once('?').unwrap();
    let request = posted(&mut stage, form);
    let back = stage.send(request);
    assert_eq!((status(&back), location(&back)), (303, "/page"), "{:?}", back.events);
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    assert!(field(response(&back), "set-cookie").unwrap().contains("; SameSite=Lax; Secure"), "the session's own cookie is Lax");
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}

#[test]
fn another_site_cannot_displace_our_attempts_by_sign_ins_in_the_background() {
    let script = [("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image")];
    let frame = |dest| [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-site"), ("sec-fetch-dest", dest)];
    for fields in [script, frame("iframe"), frame("frame"), frame("embed"), frame("object")] {
        let mut stage = Stage::ready(&form_post());
        let _ = stage.navigate("/page");
        let before = stage.browser.jar.clone();
        for target in ["/api/login", "/always"] {
            let step = stage.send(stage.browser.send("GET", target, &fields));
            assert_eq!(outcome(&step), (403, "cross_site"), "{target} {fields:?}");
        }
        assert_eq!(stage.browser.jar, before);
        // With `SameSite=Lax` cookies, a browser neither sends nor stores them on such a request.
        assert_eq!(outcome(&Stage::ready(&document()).send(stage.browser.send("GET", "/always", &fields))).0, 302);
    }
    let mut stage = Stage::ready(&form_post());
    for (site, dest) in [("cross-site", "document"), ("same-origin", "iframe")] {
        let fields = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", site), ("sec-fetch-dest", dest)];
        assert_eq!(outcome(&stage.send(stage.browser.send("GET", "/api/login", &fields))).0, 302, "{site} {dest}");
    }
}

#[test]
fn a_code_in_the_address_is_refused_and_an_error_there_is_told() {
    for (query, expected) in [
        ("code=x", (400, "response_mode_mismatch")),
        ("error=access_denied", (403, "authorization_denied")),
        ("error=server_error", (502, "authorization_server_error")),
    ] {
        let mut stage = Stage::ready(&form_post());
        let callback = stage.go_to_the_provider("/page");
        let state = query_parameters(callback.split_once('?').map(|(_, query)| query)).remove("state").unwrap();
        let step = stage.navigate(&format!("/api/callback?{query}&state={state}"));
        assert_eq!(outcome(&step), expected, "{query}");
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
}

#[test]
fn an_unsolicited_form_leaves_the_session_as_it_is() {
    let mut stage = Stage::signed_in(&document());
    stage.worker = stage.worker.beside(&form_post());
    let before = stage.browser.jar.clone();
    for form in ["", "code=x&state=AAAAAAAA.B", "error=access_denied&state=x", "state=a&state=b"] {
        let request = posted(&mut stage, form);
        assert_eq!(outcome(&stage.send(request)).0, 400, "{form}");
    }
    assert_eq!(stage.browser.jar, before);
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}

#[test]
fn the_log_says_whether_the_missing_cookie_is_one_that_comes_with_another_sites_form() {
    let mut stage = Stage::ready(&form_post());
    let request = posted(&mut stage, "code=x&state=AAAAAAAA.B");
    let by_form = stage.send(request);
    let by_address = stage.navigate("/api/callback?code=x&state=AAAAAAAA.B");
    for (step, same_site) in [(by_form, "SameSite=None"), (by_address, "SameSite=Lax")] {
        let line = step.events.iter().find_map(audit::line).unwrap();
        assert!(line.contains(same_site), "{line}");
    }
}

#[test]
fn a_form_is_taken_only_where_it_was_asked_for_and_only_as_a_form() {
    let mut stage = Stage::ready(&document());
    let request = posted(&mut stage, "code=x");
    assert_eq!(outcome(&stage.send(request)), (405, "method_not_allowed"));
    let mut stage = Stage::ready(&form_post());
    let json = [("sec-fetch-mode", "navigate"), ("content-type", "application/json")];
    assert_eq!(outcome(&stage.worker.begin(stage.browser.send("POST", "/api/callback", &json))), (415, "body_type_refused"));
    let request = posted(&mut stage, &format!("code={}", "a".repeat(70_000)));
    assert_eq!(outcome(&stage.send(request)), (413, "body_too_large"));
    let request = posted(&mut stage, "code=%ff&state=a&state=b");
    assert_eq!(outcome(&stage.send(request)), (400, "body_malformed"));
    assert_eq!(outcome(&stage.worker.begin(stage.browser.send("PUT", "/api/callback", &FORM))), (405, "method_not_allowed"));
}

#[test]
fn a_posted_code_waits_for_the_providers_metadata() {
    let mut stage = Stage::ready(&form_post());
    let callback = stage.go_to_the_provider("/page");
    let form = callback.split_once('?').unwrap().1.to_owned();
    stage.worker.world.memory.borrow_mut().clear();
    stage.worker = stage.worker.beside(&form_post());
    let request = posted(&mut stage, &form);
    assert_eq!(status(&stage.send(request)), 303);
}
