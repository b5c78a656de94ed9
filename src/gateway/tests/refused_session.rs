//! Sessions that this gateway does not accept, because another replica or another configuration made them: a line says why, and
//! nobody is sent to the provider for ever.

use serde_json::json;

use super::stage::{KEY, OTHER_KEY, Stage, document, field, location, outcome, response, seconds, status, with};
use crate::crypto::seal::Sealer;
use crate::gateway::pending::Step;
use crate::step::audit;
use crate::step::event::Event;
use crate::words::secret::Secret;

/// The audit lines of a step, which show neither a cookie of this browser nor a key.
fn lines(stage: &Stage, step: &Step) -> Vec<String> {
    let lines: Vec<_> = step.events.iter().filter_map(audit::line).collect();
    for line in &lines {
        for value in stage.browser.jar.values().map(|(value, _)| value.as_str()).chain([KEY, OTHER_KEY]) {
            assert!(value.len() < 20 || !line.contains(&value[..20]), "{line}");
        }
    }
    lines
}

fn told(stage: &Stage, step: &Step, event: &str) -> Vec<String> {
    let event = format!("\"event\":\"{event}\"");
    lines(stage, step).into_iter().filter(|line| line.contains(&event)).collect()
}

fn key_id(key: &str) -> String {
    Sealer::new(&[Secret::new(key)]).unwrap().key_ids().next().unwrap()
}

#[test]
fn a_session_sealed_by_another_replica_says_so_in_a_line() {
    let mut stage = Stage::signed_in(&document());
    stage.worker = Stage::ready(&with("/session/keys", json!([OTHER_KEY]))).worker;
    let expected = format!(
        "sealed by key {}, and the keys here are {}: all replicas need the same session.keys",
        key_id(KEY),
        key_id(OTHER_KEY)
    );
    // A program is refused, and the line of the refusal says why.
    let browser = stage.browser.clone();
    let refused = stage.script("GET", "/page");
    let said = told(&stage, &refused, "denied");
    assert!(outcome(&refused) == (401, "session_invalid") && said.len() == 1 && said[0].contains(&expected), "{said:?}");
    assert!(told(&stage, &refused, "session_refused").is_empty());
    // A public page is served without a line: strangers could fill the log there.
    let public = stage.navigate("/public");
    assert_eq!((outcome(&public), lines(&stage, &public)), ((200, ""), Vec::new()));
    // Somebody who is sent to the provider for it.
    stage.browser = browser;
    let before = stage.browser.jar["__Host-accredit"].0.clone();
    let sent = stage.navigate("/page");
    let said = told(&stage, &sent, "session_refused");
    assert!(status(&sent) == 302 && said.len() == 1 && said[0].contains(&expected), "{said:?}");
    assert!(said[0].contains("\"path\":\"/page\"") && !said[0].contains(&before[..20]), "{said:?}");
    assert!(!stage.browser.jar.contains_key("__Host-accredit"));
}

#[test]
fn a_session_of_another_configuration_says_what_differs() {
    for (configuration, expected) in [
        (with("/session/claims", json!(["address"])), "under another configuration of provider \\\"main\\\""),
        (
            with("/providers/0/name", json!("another")),
            "of provider \\\"main\\\", which is not configured here, or not to sign in",
        ),
        (with("/origins", json!(["https://new.example.com", "https://app.example.com:8443"])), ""),
    ] {
        let stage = Stage::signed_in(&document());
        let mut other = stage.worker.beside(&configuration);
        let step = other.begin(stage.browser.script("GET", "/page"));
        let said = lines(&stage, &step);
        assert!(said.iter().any(|line| line.contains(expected)), "{said:?}");
    }
    // A cookie that was changed names no key.
    let mut stage = Stage::signed_in(&document());
    stage.browser.jar.get_mut("__Host-accredit").unwrap().0.push('A');
    let step = stage.script("GET", "/page");
    assert!(told(&stage, &step, "denied")[0].contains("the cookie was changed, or is no session"));
}

#[test]
fn the_third_redirect_in_a_row_is_a_page() {
    let mut stage = Stage::signed_in(&document());
    // The same key, and other claims: callbacks reach the first replica, and pages the second.
    let mut other = stage.worker.beside(&with("/session/claims", json!(["address"])));
    for round in 0..2 {
        std::mem::swap(&mut stage.worker, &mut other);
        let sent = stage.navigate("/wanted");
        assert_eq!((status(&sent), told(&stage, &sent, "session_refused").len()), (302, 1), "{round}");
        let callback = stage.provider.agree(location(&sent));
        std::mem::swap(&mut stage.worker, &mut other);
        let back = stage.navigate(&callback);
        assert_eq!((status(&back), location(&back)), (303, "/wanted"));
    }
    std::mem::swap(&mut stage.worker, &mut other);
    let last = stage.navigate("/wanted");
    assert_eq!(outcome(&last), (400, "session_refused_again"));
    assert!(response(&last).body.contains("Try again") && field(response(&last), "location").is_none());
    assert!(told(&stage, &last, "denied")[0].contains("under another configuration of provider"));
    assert!(last.events.iter().any(Event::is_trouble));
    // Another page has not been tried, and what the other replica accepts still counts there.
    let browser = stage.browser.clone();
    assert_eq!(status(&stage.navigate("/untried")), 302);
    stage.browser = browser;
    std::mem::swap(&mut stage.worker, &mut other);
    assert_eq!(outcome(&stage.navigate("/wanted")), (200, ""));
}

#[test]
fn the_third_redirect_in_a_row_is_a_page_however_many_other_sign_ins_are_open() {
    for tabs in 0..7 {
        let mut stage = Stage::signed_in(&document());
        let mut other = stage.worker.beside(&with("/session/claims", json!(["address"])));
        for tab in 0..tabs {
            assert_eq!(status(&stage.navigate(&format!("/api/login?return_to=/tab{tab}"))), 302);
            stage.worker.wait(seconds(1));
            other.wait(seconds(1));
        }
        for round in 0..2 {
            std::mem::swap(&mut stage.worker, &mut other);
            let sent = stage.navigate("/wanted");
            assert_eq!(status(&sent), 302, "{tabs} tabs, {round}");
            let callback = stage.provider.agree(location(&sent));
            std::mem::swap(&mut stage.worker, &mut other);
            assert_eq!(status(&stage.navigate(&callback)), 303, "{tabs} tabs, {round}");
        }
        std::mem::swap(&mut stage.worker, &mut other);
        assert_eq!(outcome(&stage.navigate("/wanted")), (400, "session_refused_again"), "{tabs} tabs");
    }
}

#[test]
fn somebody_who_signs_in_again_and_again_for_one_page_gets_no_page_of_refusal() {
    let mut stage = Stage::ready(&document());
    for _ in 0..4 {
        stage.sign_in("/page");
        assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
        stage.browser.jar.remove("__Host-accredit");
    }
    // And one forged cookie leads to the provider as ever.
    let mut fresh = Stage::ready(&document());
    fresh.browser.jar.insert("__Host-accredit".into(), ("1.forged".into(), "/".into()));
    assert_eq!(status(&fresh.navigate("/page")), 302);
}

#[test]
fn a_plain_http_callback_of_an_https_origin_says_what_to_set() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.browser.jar.clear();
    let fields = |scheme| [("sec-fetch-mode", "navigate"), ("accept", "text/html"), ("x-forwarded-proto", scheme)];
    for (scheme, told_so) in [("http", true), ("https", false)] {
        let step = stage.worker.begin(stage.browser.send("GET", &callback, &fields(scheme)));
        assert_eq!(outcome(&step), (400, "attempt_missing"));
        let line = told(&stage, &step, "sign_in_failed").concat();
        assert_eq!(line.contains("redirect http to https") && line.contains("xff_num_trusted_hops: 1"), told_so, "{line}");
        let page = &response(&step).body;
        assert_eq!(page.contains("What came: a request by http"), told_so, "{page}");
    }
}

#[test]
fn a_callback_at_a_replica_with_another_key_says_so() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker = Stage::ready(&with("/session/keys", json!([OTHER_KEY]))).worker;
    let step = stage.navigate(&callback);
    assert_eq!(outcome(&step), (400, "attempt_missing"));
    let line = told(&stage, &step, "sign_in_failed").concat();
    assert!(line.contains(&format!("one came that was sealed by key {}", key_id(KEY))), "{line}");
}
