//! Somebody signs out of all browsers at once.

use serde_json::json;

use super::stage::{BEGINNING, Browser, Stage, changed, document, location, outcome, response, seconds, with};

const EVERYWHERE: &str = "/api/logout?everywhere";

/// Another browser of somebody is signed in, besides the stage's own.
fn another_browser(stage: &mut Stage) -> Browser {
    let own = std::mem::take(&mut stage.browser);
    stage.sign_in("/page");
    std::mem::replace(&mut stage.browser, own)
}

fn is_in(stage: &mut Stage, browser: &Browser) -> bool {
    outcome(&stage.worker.begin(browser.script("GET", "/page"))) == (200, "")
}

#[test]
fn all_browsers_of_a_person_are_signed_out_and_nobody_elses_and_a_later_sign_in_stays() {
    for target in [EVERYWHERE, "/api/logout?everywhere=true"] {
        let mut stage = Stage::signed_in(&document());
        let other = another_browser(&mut stage);
        stage.provider.claims["sub"] = json!("bob");
        let bob = another_browser(&mut stage);
        stage.provider.claims["sub"] = json!("alice");
        assert_eq!(outcome(&stage.script("POST", target)), (200, ""));
        assert!(!is_in(&mut stage, &other) && is_in(&mut stage, &bob), "{target}");
        let mut second = stage.worker.beside(&document());
        assert_ne!(outcome(&second.begin(other.script("GET", "/page"))), (200, ""));
        stage.worker.wait(seconds(1));
        let later = another_browser(&mut stage);
        assert!(is_in(&mut stage, &later));
    }
}

#[test]
fn what_began_before_the_persons_own_session_ends_even_at_a_replica_whose_clock_is_behind() {
    let mut stage = Stage::ready(&document());
    let other = another_browser(&mut stage);
    stage.worker.wait(seconds(1));
    stage.sign_in("/page");
    stage.worker.world.now = BEGINNING.minus(seconds(20));
    assert_eq!(outcome(&stage.script("POST", EVERYWHERE)), (200, ""));
    stage.worker.world.now = BEGINNING.plus(seconds(3));
    assert!(!is_in(&mut stage, &other));
}

#[test]
fn a_session_from_a_clock_that_was_hours_ahead_ends_no_sign_in_of_the_hours_after() {
    let mut stage = Stage::ready(&document());
    let now = stage.worker.world.now;
    stage.worker.wait(seconds(7_200));
    stage.sign_in("/page");
    stage.worker.world.now = now;
    stage.script("POST", EVERYWHERE);
    stage.worker.wait(seconds(660));
    let later = another_browser(&mut stage);
    assert!(is_in(&mut stage, &later));
}

#[test]
fn without_the_parameter_only_this_browser_is_signed_out() {
    for target in ["/api/logout", "/api/logout?x=everywhere", "/api/logout?Everywhere"] {
        let mut stage = Stage::signed_in(&document());
        let other = another_browser(&mut stage);
        assert_eq!(outcome(&stage.script("POST", target)), (200, ""));
        assert!(is_in(&mut stage, &other), "{target}");
    }
    let mut stage = Stage::signed_in(&document());
    for target in ["/api/logout?everywhere=no", "/api/logout?everywhere&everywhere"] {
        assert_eq!(outcome(&stage.script("POST", target)), (400, "query_malformed"), "{target}");
    }
    let own = stage.browser.clone();
    assert!(is_in(&mut stage, &own));
}

#[test]
fn another_site_signs_nobody_out_anywhere_and_the_page_that_asks_ends_this_browser_only() {
    let mut stage = Stage::signed_in(&document());
    let other = another_browser(&mut stage);
    let crossing = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")];
    let asked = stage.send(stage.browser.send("GET", EVERYWHERE, &crossing));
    assert_eq!(response(&asked).status, 403);
    assert!(response(&asked).body.contains("action=\"/api/logout\""), "{}", response(&asked).body);
    assert!(is_in(&mut stage, &other));
}

#[test]
fn a_cookie_that_has_expired_or_ended_signs_nobody_else_out() {
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(3_601));
    let current = another_browser(&mut stage);
    stage.script("POST", EVERYWHERE);
    assert!(is_in(&mut stage, &current), "the cookie was idle for too long");
    let mut stage = Stage::signed_in(&document());
    let stolen = stage.browser.clone();
    stage.script("POST", "/api/logout");
    stage.worker.wait(seconds(1));
    let current = another_browser(&mut stage);
    stage.browser = stolen;
    stage.script("POST", EVERYWHERE);
    assert!(is_in(&mut stage, &current), "the cookie's session was signed out before");
}

#[test]
fn the_providers_session_ends_too_where_that_is_configured() {
    let mut stage = Stage::signed_in(&with("/logout", json!({"provider": true})));
    let headers = stage.browser.send("GET", EVERYWHERE, &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")]);
    let step = stage.send(headers);
    assert!(location(&step).starts_with("https://sso.example.com/"), "{}", location(&step));
}

#[test]
fn a_cookie_of_another_issuer_of_before_ends_nobody_of_the_present_one() {
    let mut stage = Stage::signed_in(&document());
    let before = stage.browser.clone();
    // The provider's name stays, and its client is another one now: the cookie is not accepted any more.
    let document = changed(document(), "/providers/0/client_id", json!("another"));
    stage.worker = stage.worker.beside(&document);
    stage.provider.claims["aud"] = json!("another");
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    let present = std::mem::replace(&mut stage.browser, before);
    stage.script("POST", EVERYWHERE);
    assert!(is_in(&mut stage, &present));
}
