use super::stage::{
    Browser, Stage, Worker, body, changed, document, field, forwarded, location, outcome, response, seconds, with,
};
use crate::flow::event::{Event, Outcome, Place};
use crate::words::message::{Headers, Reply};
use crate::words::url::query_parameters;
use serde_json::json;
use std::time::Duration;

/// A link of our own page is followed.
fn leave(stage: &Stage) -> Headers {
    stage.browser.send("GET", "/api/logout", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")])
}

#[test]
fn sign_out_by_a_script_or_a_person_ends_the_session_in_the_browser_and_here() {
    for (method, fields, expected) in [
        ("POST", [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")].as_slice(), 200),
        ("POST", &[("sec-fetch-mode", "navigate"), ("origin", "https://app.example.com")], 303),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")], 303),
    ] {
        let mut stage = Stage::signed_in(&document());
        let stolen = stage.browser.clone();
        let step = stage.send(stage.browser.send(method, "/api/logout", fields));
        assert_eq!(response(&step).status, expected, "{method} {fields:?}");
        let place = Place { request_id: "r-1".into(), method: method.into(), path: "/api/logout".into() };
        let signed_out = Event::SignedOut { place, subject: Some("alice".into()) };
        assert_eq!(step.events, [signed_out, Event::Outcome(Outcome::Answered)]);
        assert_eq!(field(response(&step), "location"), (expected == 303).then_some("/"));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
        assert_eq!(outcome(&stage.script("GET", "/page")), (401, "session_missing"));
        assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    }
}

#[test]
fn a_cookie_replayed_after_sign_out_is_refused_at_once_here_and_a_tenth_of_a_second_later_everywhere_in_the_process() {
    let mut stage = Stage::signed_in(&document());
    let stolen = stage.browser.clone();
    let mut remembers = stage.worker.beside(&document());
    assert_eq!(outcome(&remembers.begin(stolen.script("GET", "/page"))), (200, ""));
    // This worker remembers it too, until the sign-out.
    assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (200, ""));
    let mut never_saw_it = stage.worker.beside(&document());
    assert_eq!(outcome(&never_saw_it.begin(Browser::default().script("GET", "/page"))), (401, "session_missing"));
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    for worker in [&mut remembers, &mut never_saw_it] {
        worker.wait(Duration::from_millis(100));
        assert_eq!(outcome(&worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    }
    // One that starts only now knows it from the beginning; a reload forgets nothing of it.
    for document in [document(), with("/sign_in", json!({"wait": "1s"}))] {
        let mut new = stage.worker.beside(&document);
        assert_eq!(outcome(&new.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    }
}

#[test]
fn whoever_signs_out_on_one_worker_cannot_be_renewed_or_signed_out_again_on_another_at_that_very_moment() {
    let mut stage = Stage::signed_in(&with("/logout", json!({"provider": true})));
    stage.worker.wait(seconds(20 * 60));
    let mut other = stage.worker.beside(&with("/logout", json!({"provider": true})));
    other.keep_up(&mut stage.provider);
    let again = leave(&stage);
    // It is due, and its cookie would be written with the answer.
    let renewal = forwarded(&other.begin(stage.browser.script("GET", "/page"))).renewal.clone().unwrap();
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(other.gateway.finish(&mut other.world, &renewal), (vec![], vec![]));
    // Nor is anybody sent to the provider for it twice.
    assert_eq!(location(&other.begin(again)), "/");
}

#[test]
fn an_older_cookie_of_a_session_that_was_renewed_ends_with_it() {
    let mut stage = Stage::signed_in(&document());
    let older = stage.browser.clone();
    stage.worker.wait(seconds(20 * 60));
    let step = stage.script("GET", "/page");
    let renewal = forwarded(&step).renewal.clone().unwrap();
    let (fields, _) = stage.worker.gateway.finish(&mut stage.worker.world, &renewal);
    stage.browser.take(fields.iter().map(|(name, value)| (*name, value.as_str())));
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(older.script("GET", "/page"))), (401, "session_expired"));
}

#[test]
fn another_sign_in_survives_the_sign_out_of_an_earlier_one() {
    let mut stage = Stage::signed_in(&document());
    let phone = stage.browser.clone();
    stage.browser = Browser::default();
    stage.sign_in("/page");
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(phone.script("GET", "/page"))), (200, ""));
}

#[test]
fn another_site_cannot_sign_anybody_out() {
    let mut stage = Stage::signed_in(&document());
    for (method, fields) in [
        ("POST", [].as_slice()),
        ("POST", &[("origin", "https://evil.example")]),
        ("POST", &[("origin", "null")]),
        ("POST", &[("sec-fetch-site", "cross-site")]),
        ("POST", &[("sec-fetch-site", "none")]),
        ("GET", &[]),
        ("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-site")]),
        ("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "same-origin")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none"), ("sec-purpose", "prefetch")]),
    ] {
        let step = stage.send(stage.browser.send(method, "/api/logout", fields));
        assert_eq!(outcome(&step), (403, "cross_site"), "{method} {fields:?}");
        assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    }
    let step = stage.send(stage.browser.script("DELETE", "/api/logout"));
    assert_eq!((outcome(&step), field(response(&step), "allow")), ((405, "method_not_allowed"), Some("GET, HEAD, POST")));
    assert_eq!(outcome(&stage.script("GET", "/page")), (200, ""));
}

#[test]
fn another_site_that_was_opened_from_the_address_bar_and_redirects_to_sign_out_gets_a_page_that_asks() {
    // The first address was typed, so that a browser says `none` of the redirect to here, too.
    let mut stage = Stage::signed_in(&document());
    let step = stage.navigate("/api/logout");
    assert_eq!(outcome(&step), (403, "cross_site"));
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    assert!(response(&step).body.contains("<form method=\"post\" action=\"/api/logout\">"), "{}", response(&step).body);
    let pressed = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("origin", "null")];
    assert_eq!(outcome(&stage.send(stage.browser.send("POST", "/api/logout", &pressed))).0, 303);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn a_session_that_is_over_cannot_push_out_the_memory_of_one_that_was_signed_out() {
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(9 * 3_600));
    let before = stage.worker.world.memory.borrow().clone();
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(*stage.worker.world.memory.borrow(), before);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn the_providers_session_ends_too_when_that_is_wanted() {
    let document = with("/logout", json!({"provider": true, "post_logout_redirect_uri": "/goodbye"}));
    let mut stage = Stage::signed_in(&document);
    assert_eq!(stage.browser.names(), ["__Host-accredit", "__Secure-accredit-hint"]);
    let hint = stage.browser.send("GET", "/page", &[]);
    assert!(hint.all("cookie").all(|line| !line.windows(4).any(|part| part == b"hint")), "only sign-out gets the hint");
    let id_token = stage.provider.secrets[2].clone();
    let again = leave(&stage);
    let step = stage.send(leave(&stage));
    let (endpoint, query) = location(&step).split_once('?').unwrap();
    assert_eq!(endpoint, "https://sso.example.com/realms/main/logout");
    let told: Vec<_> = query_parameters(Some(query)).unwrap().into_iter().collect();
    let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("client_id", "app"),
        ("id_token_hint", id_token.as_str()),
        ("post_logout_redirect_uri", "https://app.example.com/goodbye"),
    ];
    assert_eq!(told, expected);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());

    // Without a session that is good, nobody is sent to the provider: not even with the cookies of one that was signed out.
    let again = stage.worker.begin(again);
    assert_eq!(location(&again), "/goodbye");

    let mut stage = Stage::signed_in(&document);
    let told = body(&stage.script("POST", "/api/logout"));
    assert_eq!(told["logout"], "ok");
    assert!(told["end_session_url"].as_str().unwrap().starts_with("https://sso.example.com/realms/main/logout?"));
}

#[test]
fn sign_out_waits_for_nobody() {
    let document = with("/logout", json!({"provider": true}));
    let before = Stage::signed_in(&document);
    let mut stage = Stage { worker: Worker::new(&document), ..before };
    stage.provider.instead = Some(Reply::Reset);
    let step = stage.send(leave(&stage));
    assert_eq!((outcome(&step).0, location(&step)), (303, "/"));
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn sign_out_without_a_good_session_clears_the_browser_all_the_same() {
    let mut stage = Stage::ready(&document());
    for (name, value) in [("__Host-accredit", "3.junk"), ("__Host-accredit-2", "junk"), ("__Host-accredit-7", "junk")] {
        stage.browser.jar.insert(name.into(), (value.into(), "/".into()));
    }
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn a_trusted_front_end_may_sign_people_out() {
    let document = changed(document(), "/trusted_origins", json!(["https://front.example.com"]));
    let mut stage = Stage::signed_in(&document);
    let fields = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", "https://front.example.com")];
    assert_eq!(outcome(&stage.send(stage.browser.send("POST", "/api/logout", &fields))), (200, ""));
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn a_request_that_was_under_way_as_the_session_idled_out_does_not_bring_it_back_after_sign_out() {
    // One that began a moment before the session idled out, and is answered a moment after somebody signed out.
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(3_595));
    let renewal = forwarded(&stage.script("GET", "/page")).renewal.clone().unwrap();
    stage.worker.wait(seconds(6));
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(stage.worker.gateway.finish(&mut stage.worker.world, &renewal), (vec![], vec![]));

    // Nor does one that took long, wherever somebody may have signed out meanwhile.
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(1_000));
    let renewal = forwarded(&stage.script("GET", "/page")).renewal.clone().unwrap();
    stage.worker.wait(seconds(31));
    assert_eq!(stage.worker.gateway.finish(&mut stage.worker.world, &renewal), (vec![], vec![]));
}

#[test]
fn a_hint_of_another_session_is_not_sent_to_the_provider() {
    let document = with("/logout", json!({"provider": true}));
    let mut earlier = Stage::signed_in(&document);
    let planted = earlier.browser.jar["__Secure-accredit-hint"].clone();
    let step = earlier.send(leave(&earlier));
    assert!(location(&step).contains("id_token_hint="));
    // The same person, or another, in a session of their own.
    earlier.sign_in("/page");
    earlier.browser.jar.insert("__Secure-accredit-hint".into(), planted);
    let step = earlier.send(leave(&earlier));
    assert!(location(&step).starts_with("https://sso.example.com/") && !location(&step).contains("id_token_hint"));
}
