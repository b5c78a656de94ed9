use super::session_jwt::signing;
use super::stage::{
    BEGINNING, Browser, Stage, Worker, body, changed, document, field, forwarded, location, outcome, query_parameters, response,
    seconds, with,
};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::ISSUER;
use crate::step::event::{Event, Outcome, RequestRef};
use serde_json::{Value, json};
use std::time::Duration;

/// A navigation to the logout endpoint by a link on our own page.
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
        let mut stage = Stage::ready(&document());
        let begun = stage.sign_in("/page");
        let session = begun.events.iter().find_map(|event| match event {
            Event::SignInCompleted { session, .. } => session.clone(),
            _ => None,
        });
        assert!(session.is_some());
        let stolen = stage.browser.clone();
        let step = stage.send(stage.browser.send(method, "/api/logout", fields));
        assert_eq!(response(&step).status, expected, "{method} {fields:?}");
        let request = RequestRef::new("r-1", "app.example.com", method, "/api/logout");
        let signed_out = Event::SignedOut { request, provider: Some("main".into()), subject: Some("alice".into()), session };
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
    // This worker remembers the session as verified, until the sign-out.
    assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (200, ""));
    let mut never_saw_it = stage.worker.beside(&document());
    assert_eq!(outcome(&never_saw_it.begin(Browser::default().script("GET", "/page"))), (401, "session_missing"));
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    for worker in [&mut remembers, &mut never_saw_it] {
        worker.wait(Duration::from_millis(100));
        assert_eq!(outcome(&worker.begin(stolen.script("GET", "/page"))), (401, "session_expired"));
    }
    // A worker that starts only now, and one after a reload, know of the sign-out too.
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
    other.fetch_due(&mut stage.provider);
    let again = leave(&stage);
    // The session is due for renewal: the response would write its cookie.
    let renewal = forwarded(&other.begin(stage.browser.script("GET", "/page"))).renewal.clone().unwrap();
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(other.gateway.finish(&mut other.world, &renewal), (vec![], vec![]));
    // A second sign-out does not redirect to the provider again.
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
        ("POST", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]),
        ("GET", &[]),
        ("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-site")]),
        ("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "same-origin")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none"), ("sec-purpose", "prefetch")]),
    ] {
        let step = stage.send(stage.browser.send(method, "/api/logout", fields));
        // A person is asked; a program or a script is refused.
        let reason = if fields.contains(&("sec-fetch-mode", "navigate")) { "sign_out_unconfirmed" } else { "cross_site" };
        assert_eq!(outcome(&step), (403, reason), "{method} {fields:?}");
        assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    }
    let step = stage.send(stage.browser.script("DELETE", "/api/logout"));
    assert_eq!((outcome(&step), field(response(&step), "allow")), ((405, "method_not_allowed"), Some("GET, HEAD, POST")));
    assert_eq!(outcome(&stage.script("GET", "/page")), (200, ""));
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
fn the_session_at_the_provider_ends_too_where_that_is_configured() {
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
    let sent: Vec<_> = query_parameters(Some(query)).into_iter().collect();
    let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("client_id", "app"),
        ("id_token_hint", id_token.as_str()),
        ("post_logout_redirect_uri", "https://app.example.com/goodbye"),
    ];
    assert_eq!(sent, expected);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());

    // Without a valid session nobody is redirected to the provider, not even with the cookies of one that was signed out.
    let again = stage.worker.begin(again);
    assert_eq!(location(&again), "/goodbye");

    let mut stage = Stage::signed_in(&document);
    let answer = body(&stage.script("POST", "/api/logout"));
    assert_eq!(answer["logout"], "ok");
    assert!(answer["end_session_url"].as_str().unwrap().starts_with("https://sso.example.com/realms/main/logout?"));
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
    // The request began just before the idle time of the session ended, and its response leaves just after the sign-out.
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(3_595));
    let renewal = forwarded(&stage.script("GET", "/page")).renewal.clone().unwrap();
    stage.worker.wait(seconds(6));
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    assert_eq!(stage.worker.gateway.finish(&mut stage.worker.world, &renewal), (vec![], vec![]));

    // A response that took long does not renew either: somebody may have signed out meanwhile, anywhere.
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
    // The hint cookie of the former sign-in, in the session of a later one.
    earlier.sign_in("/page");
    earlier.browser.jar.insert("__Secure-accredit-hint".into(), planted);
    let step = earlier.send(leave(&earlier));
    assert!(location(&step).starts_with("https://sso.example.com/") && !location(&step).contains("id_token_hint"));
}

/// Signs out as a script of our own page does, with these cookies and this token.
fn sign_out(stage: &mut Stage, cookie: &str, token: Option<&str>) -> Step {
    let line = token.map(|token| format!("Bearer {token}")).unwrap_or_default();
    let mut fields = vec![("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
    fields.extend((!cookie.is_empty()).then_some(("cookie", cookie)));
    fields.extend(token.map(|_| ("authorization", line.as_str())));
    stage.send(Browser::default().send("POST", "/api/logout", &fields))
}

/// Whether a session still counts, in a cookie and as a bearer token, here and on another worker.
fn counts(stage: &mut Stage, document: &Value, token: &str) -> [bool; 3] {
    let line = format!("Bearer {token}");
    let as_token = Browser::default().send("GET", "/hooks", &[("authorization", &line)]);
    let mut browser = Browser::default();
    browser.jar.insert("access_token".into(), (token.into(), "/".into()));
    let mut other = stage.worker.beside(document);
    [
        outcome(&stage.worker.begin(browser.script("GET", "/sessions"))).0 == 200,
        outcome(&stage.worker.begin(as_token.clone())).0 == 200,
        outcome(&other.begin(as_token)).0 == 200,
    ]
}

/// A new session as a JWT.
fn session_jwt(stage: &mut Stage) -> String {
    stage.worker.wait(seconds(2));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    stage.browser.jar["access_token"].0.clone()
}

#[test]
fn a_session_that_comes_as_a_bearer_token_ends_at_sign_out_as_a_cookie_and_as_a_token() {
    let document = signing();
    let mut stage = Stage::ready(&document);
    let (one, other) = (session_jwt(&mut stage), session_jwt(&mut stage));
    assert_eq!(counts(&mut stage, &document, &one), [true; 3]);
    let step = sign_out(&mut stage, "", Some(&one));
    assert_eq!(body(&step), json!({"logout": "ok"}));
    let of_main = |provider: &str, subject: &str| provider == "main" && subject == "alice";
    assert!(matches!(&step.events[0], Event::SignedOut { provider: Some(p), subject: Some(s), .. } if of_main(p, s)));
    assert_eq!(counts(&mut stage, &document, &one), [false; 3]);
    assert_eq!(counts(&mut stage, &document, &other), [true; 3]);
    // With a session cookie beside it, both sessions end.
    let (third, cookie) = (session_jwt(&mut stage), format!("access_token={other}"));
    assert_eq!(outcome(&sign_out(&mut stage, &cookie, Some(&third))), (200, ""));
    for token in [&other, &third] {
        assert_eq!(counts(&mut stage, &document, token), [false; 3]);
    }
    // A token that was signed out before, or has expired, is no obstacle.
    assert_eq!(outcome(&sign_out(&mut stage, "", Some(&one))), (200, ""));
    let last = session_jwt(&mut stage);
    stage.worker.wait(seconds(3_600));
    let nobody = sign_out(&mut stage, "", Some(&last));
    assert_eq!(outcome(&nobody), (200, ""));
    assert!(matches!(&nobody.events[0], Event::SignedOut { provider: None, subject: None, .. }));
}

#[test]
fn every_valid_one_of_several_session_cookies_ends_at_sign_out_whatever_its_position() {
    let document = signing();
    for order in [["one", "junk", "two"], ["junk", "one", "two"], ["two", "one", "junk"]] {
        let mut stage = Stage::ready(&document);
        let (one, two) = (session_jwt(&mut stage), session_jwt(&mut stage));
        let value = |name: &str| match name {
            "one" => one.clone(),
            "two" => two.clone(),
            _ => "a.b.c".to_owned(),
        };
        let cookies = order.map(|name| format!("access_token={}", value(name))).join("; ");
        let step = sign_out(&mut stage, &cookies, None);
        assert_eq!(outcome(&step), (200, ""), "{order:?}");
        assert_eq!(step.events.iter().filter(|event| matches!(event, Event::SignedOut { subject: Some(_), .. })).count(), 2);
        for token in [&one, &two] {
            assert_eq!(counts(&mut stage, &document, token), [false; 3], "{order:?}");
        }
    }
}

#[test]
fn every_sealed_session_ends_at_sign_out_whether_it_came_in_one_cookie_or_in_parts() {
    let document = document();
    // The second one is so large that it stands in several cookies.
    let mut stage = Stage::ready(&document);
    let mut signed_in = |groups: Value| {
        stage.browser = Browser::default();
        stage.provider.claims["groups"] = groups;
        stage.sign_in("/page");
        stage.browser.clone()
    };
    let small = signed_in(json!(["staff"]));
    let large = signed_in(json!((0..400).map(|number| format!("a-group-of-some-length-{number}")).collect::<Vec<_>>()));
    let parts: Vec<_> = large.jar.iter().map(|(name, (value, _))| format!("{name}={value}")).collect();
    assert!(parts.len() > 1, "{parts:?}");
    let cookies = format!("__Host-accredit={}; {}; __Host-accredit-1=junk", small.jar["__Host-accredit"].0, parts.join("; "));
    for browser in [&small, &large] {
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/page"))), (200, ""));
    }
    assert_eq!(outcome(&sign_out(&mut stage, &cookies, None)), (200, ""));
    for browser in [&small, &large] {
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/page"))), (401, "session_expired"));
    }
}

#[test]
fn a_credential_that_cannot_be_ended_here_makes_sign_out_incomplete_and_all_others_end() {
    let accepting = changed(signing(), "/providers/0/bearer", json!({"audiences": ["api"]}));
    let mut stage = Stage::ready(&accepting);
    let (key, algorithm, kid) = stage.provider.signs;
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": BEGINNING.seconds() + 6_000});
    let theirs = key.token(algorithm, &json!({"kid": kid}), &claims);
    for token in [theirs.as_str(), "opaque", "a.b.c", "a b", ""] {
        let session = session_jwt(&mut stage);
        let step = sign_out(&mut stage, &format!("access_token={session}"), Some(token));
        assert_eq!(outcome(&step), (400, "sign_out_incomplete"), "{token}");
        assert!(field(response(&step), "set-cookie").is_some_and(|cookie| cookie.ends_with("Max-Age=0")));
        assert_eq!(counts(&mut stage, &accepting, &session), [false; 3], "{token}");
    }
    // A page says it, too.
    let line = format!("Bearer {theirs}");
    let fields =
        [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("accept", "text/html"), ("authorization", &line)];
    let step = stage.send(Browser::default().send("GET", "/api/logout", &fields));
    assert!(response(&step).body.contains("Not everything was signed out"), "{}", response(&step).body);
    // Where no tokens are accepted, `Authorization` is the application's.
    let mut stage = Stage::signed_in(&document());
    let fields = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin"), ("authorization", "Bearer opaque")];
    assert_eq!(outcome(&stage.send(stage.browser.send("POST", "/api/logout", &fields))), (200, ""));
}

#[test]
fn a_bearer_token_is_no_evidence_that_this_site_asked_for_the_sign_out_of_the_cookie_beside_it() {
    let mut stage = Stage::ready(&signing());
    let token = session_jwt(&mut stage);
    let line = format!("Bearer {token}");
    for fields in [vec![("authorization", line.as_str())], vec![("authorization", &line), ("sec-fetch-site", "cross-site")]] {
        assert_eq!(outcome(&stage.send(stage.browser.send("POST", "/api/logout", &fields))), (403, "cross_site"));
    }
    assert_eq!(counts(&mut stage, &signing(), &token), [true; 3]);
}

#[test]
fn signing_in_ends_every_session_that_the_browser_brought() {
    let document = signing();
    let mut stage = Stage::ready(&document);
    let (one, two) = (session_jwt(&mut stage), session_jwt(&mut stage));
    stage.worker.wait(seconds(2));
    stage.browser = Browser::default();
    let callback = stage.go_to_the_provider("/page");
    let attempt = stage.browser.send("GET", &callback, &[]);
    let attempt = String::from_utf8(attempt.all("cookie").next().unwrap().to_vec()).unwrap();
    stage.browser = Browser::default();
    let cookies = format!("access_token={one}; {attempt}; access_token={two}");
    let back = stage.send(Browser::default().send("GET", &callback, &[("sec-fetch-mode", "navigate"), ("cookie", &cookies)]));
    assert_eq!(outcome(&back).0, 303);
    for token in [&one, &two] {
        assert_eq!(counts(&mut stage, &document, token), [false; 3]);
    }
}
