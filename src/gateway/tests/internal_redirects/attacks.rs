//! What others do between two passes: an Envoy that adds credentials of its own, origins that choose the request of the next pass,
//! and answers that a filter in front replaces.

use super::chains::redirected_to;
use super::*;

/// The line of a bearer token of the provider, accepted here, which somebody else than the client has.
fn of_service(stage: &Stage) -> String {
    format!("Bearer {}", token(stage, 300))
}

fn authorization(headers: &Headers) -> Vec<&[u8]> {
    headers.all("authorization").collect()
}

/// With a rule that leaves `Authorization` to the application.
fn with_open() -> Value {
    let open = json!({"match": {"path_separated_prefix": "/open"}, "require": "public", "credentials": "session"});
    let mut document = switched_on();
    document["rules"].as_array_mut().unwrap().insert(0, open);
    document
}

#[test]
fn a_token_that_envoy_adds_behind_us_makes_nobody_somebody_and_goes_no_further() {
    let mut stage = Stage::signed_in(&with_open());
    let service = of_service(&stage);
    let own = with_token("/open", "the-applications-own");
    for first in [Browser::default().script("GET", "/public"), with_token("/public", "forged"), own] {
        let second = first_pass(&mut stage, first, "/members");
        let added = changed_field(&second, "authorization", &service);
        assert_eq!(outcome(&stage.worker.begin(added.clone())), (401, "session_missing"));
        let mut beside = second.clone();
        beside.add("authorization", &service);
        assert_eq!(outcome(&stage.worker.begin(beside)), (401, "session_missing"), "a second line");
        // Where nobody is needed, the upstream does not get it either; nor does it count after an answer of ours, or in a third pass.
        for target in ["/public", "/open", "/sessions"] {
            let second = changed_field(&added, ":path", target);
            let kept = stage.worker.world.kept_with_stream.clone();
            let step = stage.worker.begin(second.clone());
            let third = match outcome(&step).0 {
                200 => sent_upstream(&second, &step),
                _ => second,
            };
            assert!(target == "/sessions" || authorization(&third).is_empty(), "{target}");
            stage.worker.world.kept_with_stream = step.next_pass.map(String::into_bytes);
            let third = changed_field(&changed_field(&third, "authorization", &service), ":path", "/members");
            assert_eq!(outcome(&stage.worker.begin(third)), (401, "session_missing"), "{target}");
            stage.worker.world.kept_with_stream = kept;
        }
    }
}

#[test]
fn the_token_that_one_application_got_goes_to_no_other_one() {
    for accepts_tokens in [true, false] {
        let mut document = switched_on();
        document["forward"] = json!({"access_token": true});
        let rule = |path: &str| json!({"match": {"path": path}, "require": "authenticated"});
        let mut rules =
            json!([rule("/notes"), rule("/others"), rule("/plain"), {"match": {"path": "/open"}, "require": "public"}]);
        for (index, audience) in [(0, "notes"), (1, "others")] {
            rules[index]["forward"] = json!({"token_exchange": {"audience": audience}});
        }
        document["rules"] = rules;
        if !accepts_tokens {
            document["providers"][0].as_object_mut().unwrap().remove("bearer");
        }
        let mut stage = Stage::signed_in(&document);
        let notes = stage.browser.script("GET", "/notes");
        // Both tokens are here from now on.
        stage.send(notes.clone());
        stage.script("GET", "/others");
        for (target, arrives) in [("/plain", None), ("/open", None), ("/others", Some("Bearer for-the-application-1"))] {
            let second = first_pass(&mut stage, notes.clone(), target);
            assert_eq!(authorization(&second), [b"Bearer for-the-application-0"]);
            let step = stage.worker.begin(second.clone());
            assert_eq!(step.note.subject.as_deref(), Some("alice"), "{target}");
            let arrived: Vec<_> = arrives.into_iter().map(str::as_bytes).collect();
            assert_eq!(authorization(&sent_upstream(&second, &step)), arrived, "{target} {accepts_tokens}");
        }
        assert_eq!(stage.provider.exchanged.len(), 2);
    }
}

#[test]
fn a_token_that_envoy_adds_behind_us_does_not_stand_in_the_way_of_who_was_asking() {
    let mut stage = signed_in();
    let service = of_service(&stage);
    for added in [service.as_str(), "Bearer the-upstreams-secret", "Basic eDp5"] {
        let first = stage.browser.script("GET", "/public");
        let second = changed_field(&first_pass(&mut stage, first, "/members"), "authorization", added);
        let third = pass(&mut stage, second, "/admin");
        let third = changed_field(&third, "authorization", added);
        let step = stage.worker.begin(third);
        assert_eq!((step.note.subject.as_deref(), outcome(&step)), (Some("alice"), (403, "condition_failed")), "{added}");
    }
}

#[test]
fn a_token_that_replaced_the_clients_own_on_the_way_does_not_count_in_its_place() {
    let mut document = switched_on();
    document["providers"][0]["bearer"]["forward"] = json!(true);
    let mut stage = Stage::signed_in(&document);
    let mine = token(&stage, 200);
    let first = with_token("/public", &mine);
    let second = first_pass(&mut stage, first, "/members");
    assert_eq!(authorization(&second), [format!("Bearer {mine}").as_bytes()], "it went upstream");
    let claims = json!({
        "iss": ISSUER, "sub": "service", "aud": "api", "exp": stage.worker.world.now.seconds() + 300, "groups": ["admins"]
    });
    let (key, algorithm, kid) = stage.provider.signs;
    let service = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
    let added = changed_field(&second, "authorization", &service);
    let step = stage.worker.begin(added.clone());
    assert_eq!(step.note.subject.as_deref(), Some("robot"));
    assert!(authorization(&sent_upstream(&added, &step)).is_empty());
    assert_eq!(outcome(&stage.worker.begin(changed_field(&added, ":path", "/admin"))), (403, "condition_failed"));
}

#[test]
fn a_session_that_was_added_behind_us_counts_for_nobody() {
    let mut stage = signed_in();
    let bob = Stage::with_claims(&switched_on(), json!({"sub": "bob", "groups": ["staff"]}));
    for added in [bob.browser.jar["__Host-accredit"].0.as_str(), "forged"] {
        let cookie = format!("theme=dark; __Host-accredit={added}");
        let first = stage.browser.script("GET", "/public");
        let second = changed_field(&first_pass(&mut stage, first, "/members"), "cookie", &cookie);
        let step = stage.worker.begin(second.clone());
        assert_eq!(step.note.subject.as_deref(), Some("alice"), "{added}");
        assert_eq!(sent_upstream(&second, &step).all("cookie").collect::<Vec<_>>(), [b"theme=dark"]);
        let first = Browser::default().script("GET", "/public");
        let second = changed_field(&first_pass(&mut stage, first, "/members"), "cookie", &cookie);
        assert_eq!(outcome(&stage.worker.begin(second)), (401, "session_missing"), "{added}");
    }
}

#[test]
fn a_pass_of_which_nothing_was_kept_leaves_no_token_and_from_another_host_nothing() {
    // Where Accredit is off for a route, or another filter has overwritten what was kept.
    let mut stage = signed_in();
    let by_cookie = changed_field(&stage.browser.script("GET", "/members"), ":scheme", "https");
    let by_token = with_token("/members", &token(&stage, 300));
    stage.worker.world.stream = Some(STREAM);
    for (kept, from, session, token) in [
        (None, None, true, true),
        (None, Some("https://app.example.com/static"), true, false),
        (None, Some("https://elsewhere.example.com/go"), false, false),
        (None, Some("http://other.example.com/go"), false, false),
        (Some(b"overwritten".to_vec()), None, true, true),
        (Some(b"overwritten".to_vec()), Some("https://app.example.com/static"), true, false),
        (Some(b"overwritten".to_vec()), Some("https://elsewhere.example.com/go"), false, false),
    ] {
        for (headers, counts) in [(&by_cookie, session), (&by_token, token)] {
            let headers = match from {
                Some(url) => redirected_to(headers, url, "app.example.com", "/members"),
                None => headers.clone(),
            };
            stage.worker.world.kept_with_stream.clone_from(&kept);
            let step = stage.worker.begin(headers);
            assert_eq!(step.note.subject.is_some(), counts, "{kept:?} {from:?}");
        }
    }
}

#[test]
fn after_a_request_that_was_turned_away_nobody_counts_and_the_page_is_for_one_person() {
    let shared = json!({"match": {"path_separated_prefix": "/public"}, "require": "public", "shared_cache": "allowed"});
    let mut stage = Stage::signed_in(&changed(switched_on(), "/rules/0", shared));
    for (field, value) in
        [(":path", "/a;b"), (":authority", "unknown.example"), ("connection", "x-forwarded-user"), (":method", "G T")]
    {
        for by_token in [false, true] {
            let asks = match by_token {
                false => stage.browser.script("GET", "/public"),
                true => with_token("/public", &token(&stage, 300)),
            };
            // Also in a later pass of somebody who was known.
            for later in [false, true] {
                let first = if later { first_pass(&mut stage, asks.clone(), "/public") } else { asks.clone() };
                if !later {
                    stage.worker.world.stream = Some(STREAM);
                    stage.worker.world.kept_with_stream = None;
                }
                let step = stage.worker.begin(changed_field(&first, field, value));
                assert!(outcome(&step).0 >= 400, "{field}");
                stage.worker.world.kept_with_stream = step.next_pass.map(String::into_bytes);
                for authority in ["app.example.com", "other.example.com"] {
                    let second = changed_field(&first, ":authority", authority);
                    let step = stage.worker.begin(second.clone());
                    assert_eq!(step.note.subject, None, "{field} {authority}");
                    assert!(forwarded(&step).private, "{field} {authority}");
                    let arrives = sent_upstream(&second, &step);
                    assert!(!arrives.contains("authorization") && !arrives.contains("cookie"), "{field} {authority}");
                }
            }
        }
    }
}

#[test]
fn a_page_of_one_origin_cannot_have_another_asked_in_the_name_of_its_own_pages() {
    // Nobody is signed in: a page of the other origin posts to it, and its server answers with a redirect that Envoy follows.
    let mut stage = signed_in();
    let page = Browser::default().script("POST", "/public");
    let page = changed_field(&changed_field(&page, ":scheme", "https"), ":authority", "other.example.com");
    let (other, app) = ("https://other.example.com/public", "app.example.com");
    let second = first_pass(&mut stage, page, "/api/logout");
    assert_eq!(outcome(&stage.worker.begin(changed_field(&second, ":authority", app))), (403, "cross_site"));
    let at_once = redirected_to(&second, other, app, "/api/logout");
    assert_eq!(outcome(&stage.worker.begin(at_once.clone())), (403, "cross_site"));
    // By way of a public page of the origin itself.
    let kept = stage.worker.world.kept_with_stream.clone();
    let third = pass(&mut stage, redirected_to(&second, other, app, "/public"), "/api/logout");
    let third = redirected_to(&third, "https://app.example.com/public", app, "/api/logout");
    assert_eq!(outcome(&stage.worker.begin(third)), (403, "cross_site"));
    // Without the switch, what Envoy says of the redirect tells it.
    let mut off = stage.worker.beside(&changed(switched_on(), "/internal_redirects", json!(false)));
    assert_eq!(outcome(&off.begin(at_once)), (403, "cross_site"));
    // A page of the origin itself may.
    stage.worker.world.kept_with_stream = kept;
    let own = changed_field(&Browser::default().script("POST", "/public"), ":scheme", "https");
    let second = first_pass(&mut stage, own, "/api/logout");
    let second = redirected_to(&second, "https://app.example.com/public", app, "/api/logout");
    assert_eq!(outcome(&stage.worker.begin(second)), (200, ""));
}
