//! More than one internal redirect in a row, and what the first pass leaves to all that follow.

use super::*;

/// A redirect of Envoy to this URL: the field that its router writes, and the new address.
pub(super) fn redirected_to(headers: &Headers, from: &str, authority: &str, path: &str) -> Headers {
    let named = changed_field(headers, "x-envoy-original-url", from);
    changed_field(&changed_field(&named, ":authority", authority), ":path", path)
}

#[test]
fn a_redirect_that_comes_back_from_another_origin_is_nobodys() {
    // The person's own page posts to a public page, whose application sends it on to another origin, which sends it back.
    for target in ["/members", "/api/logout"] {
        let mut stage = signed_in();
        let first = changed_field(&stage.browser.script("POST", "/public"), ":scheme", "https");
        let second = first_pass(&mut stage, first, "/public");
        let second = redirected_to(&second, "https://app.example.com/public", "other.example.com", "/public");
        let third = pass(&mut stage, second, target);
        let third = redirected_to(&third, "https://other.example.com/public", "app.example.com", target);
        let step = stage.worker.begin(third);
        assert_eq!(step.note.subject, None, "{target}");
        stage.worker.world.kept_with_stream = None;
        assert_eq!(outcome(&stage.script("GET", "/members")), (200, ""), "{target}: the session has not ended");
    }
}

#[test]
fn a_redirect_that_comes_back_from_where_there_is_no_accredit_is_nobodys() {
    let mut stage = signed_in();
    let first = changed_field(&stage.browser.script("GET", "/public"), ":scheme", "https");
    let second = first_pass(&mut stage, first, "/members");
    for (from, known) in [
        ("https://app.example.com/public?x=https://other.example.com/", true),
        ("https://app.example.com", true),
        ("https://elsewhere.example.com/public", false),
        ("https://other.example.com/public", false),
        // So it is written where a proxy in front has ended TLS.
        ("http://app.example.com/public", true),
        ("http://elsewhere.example.com/public", false),
        ("https://app.example.com@elsewhere.example.com/", false),
        ("app.example.com/public", false),
        ("", false),
    ] {
        let step = stage.worker.begin(redirected_to(&second, from, "app.example.com", "/members"));
        assert_eq!(step.note.subject.is_some(), known, "{from}");
    }
    // Without the field (a redirect that is not the router's), the origin of the pass before is the kept one.
    assert!(stage.worker.begin(second).note.subject.is_some());
}

#[test]
fn what_follows_from_an_answer_for_one_person_is_for_one_person() {
    let shared = json!({"match": {"path_separated_prefix": "/public"}, "require": "public", "shared_cache": "allowed"});
    let mut stage = Stage::signed_in(&changed(switched_on(), "/rules/0", shared));
    let first = stage.browser.script("GET", "/members");
    assert!(forwarded(&stage.worker.begin(first.clone())).private);
    let second = first_pass(&mut stage, first, "/public/alice");
    assert!(forwarded(&stage.worker.begin(second.clone())).private);
    // Also where nobody is known any more, and in a third pass.
    let elsewhere = changed_field(&second, ":authority", "other.example.com");
    assert!(forwarded(&stage.worker.begin(elsewhere.clone())).private);
    let third = pass(&mut stage, elsewhere, "/public/alice");
    assert!(forwarded(&stage.worker.begin(third)).private);
    // A pass of its own is not.
    stage.worker.world.kept_with_stream = None;
    let own = stage.browser.script("GET", "/public/alice");
    assert!(!forwarded(&stage.worker.begin(own)).private);
}

#[test]
fn a_credential_that_an_origins_own_pass_sent_upstream_is_nobodys_at_another_origin() {
    let mut cookies = changed(session_jwt::signing(), "/internal_redirects", json!(true));
    cookies["forward"]["session_cookie"] = json!(true);
    cookies["rules"] = json!([
        {"match": {"path_separated_prefix": "/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/members"}, "require": "authenticated"}
    ]);
    cookies["origins"] = json!(["https://app.example.com", "https://other.example.com"]);
    let mut tokens = switched_on();
    tokens["providers"][0]["bearer"]["forward"] = json!(true);
    let open = json!({"match": {"path_separated_prefix": "/open"}, "require": "public", "credentials": "session"});
    for document in [&mut cookies, &mut tokens] {
        document["rules"].as_array_mut().unwrap().insert(0, open.clone());
    }
    for (document, by_token) in [(cookies, false), (tokens, true)] {
        for target in ["/members", "/api/logout"] {
            let mut stage = Stage::signed_in(&document);
            let first = match by_token {
                false => stage.browser.script("POST", "/public"),
                true => with_token("/public", &token(&stage, 300)),
            };
            let second = first_pass(&mut stage, changed_field(&first, ":scheme", "https"), "/public");
            assert!(second.contains(if by_token { "authorization" } else { "cookie" }), "it went upstream");
            let second = redirected_to(&second, "https://app.example.com/public", "other.example.com", "/public");
            let step = stage.worker.begin(second.clone());
            assert_eq!(step.note.subject, None, "{target}");
            let arrives = sent_upstream(&second, &step);
            assert!(!arrives.contains("authorization") && !arrives.contains("cookie"), "{arrives:?}");
            // Also where the rule leaves `Authorization` to the application.
            let open = changed_field(&second, ":path", "/open");
            let step_at_open = stage.worker.begin(open.clone());
            assert!(!sent_upstream(&open, &step_at_open).contains("authorization"), "{step_at_open:?}");
            // It comes back with the credential nevertheless, as from a server that echoes it.
            stage.worker.world.kept_with_stream = step.next_pass.map(String::into_bytes);
            let third = redirected_to(&second, "https://other.example.com/public", "app.example.com", target);
            let step = stage.worker.begin(third);
            assert_eq!(step.note.subject, None, "{target}");
            assert!(!format!("{:?}", step.events).contains("alice"), "nobody is signed out: {:?}", step.events);
            stage.worker.world.kept_with_stream = None;
            assert_eq!(outcome(&stage.script("GET", "/members")), (200, ""), "{target}: the session has not ended");
        }
    }
}

#[test]
fn what_is_withheld_leaves_the_applications_own_cookies_and_credentials() {
    let mut stage = signed_in();
    let first = changed_field(&stage.browser.script("GET", "/public"), ":scheme", "https");
    let second = first_pass(&mut stage, first, "/public");
    let session = format!("theme=dark; __Host-accredit={}; a=b", stage.browser.jar["__Host-accredit"].0);
    let second = changed_field(&changed_field(&second, "cookie", &session), "authorization", "Basic eDp5");
    let second = redirected_to(&second, "https://app.example.com/public", "other.example.com", "/public");
    let step = stage.worker.begin(second.clone());
    assert_eq!(step.note.subject, None);
    let arrives = sent_upstream(&second, &step);
    assert_eq!(arrives.all("cookie").collect::<Vec<_>>(), [b"theme=dark; a=b"]);
    assert_eq!(arrives.all("authorization").collect::<Vec<_>>(), [b"Basic eDp5"]);
}

#[test]
fn a_page_that_a_filter_in_front_puts_in_place_of_our_answer_is_for_one_person() {
    let shared = json!({"match": {"path_separated_prefix": "/public"}, "require": "public", "shared_cache": "allowed"});
    let document = changed(switched_on(), "/rules/0", shared);
    for (target, refused) in [("/admin", (403, "condition_failed")), ("/members", (401, "session_missing"))] {
        let mut stage = Stage::signed_in(&document);
        let nobody = refused.0 == 401;
        let first = if nobody { Browser::default().script("GET", target) } else { stage.browser.script("GET", target) };
        stage.worker.world.stream = Some(STREAM);
        let step = stage.worker.begin(first.clone());
        assert_eq!(outcome(&step), refused);
        stage.worker.world.kept_with_stream = step.next_pass.map(String::into_bytes);
        // Our answer went nowhere, so that the next pass has the request's own headers, and who asked still counts there.
        let second = changed_field(&first, ":path", "/public/open");
        let step = stage.worker.begin(second.clone());
        assert!(forwarded(&step).private, "{target}");
        assert_eq!(step.note.subject.is_none(), nobody);
        let elsewhere = redirected_to(&second, "https://app.example.com/admin", "other.example.com", "/public/open");
        let step = stage.worker.begin(elsewhere);
        assert!(forwarded(&step).private && step.note.subject.is_none(), "{target}: another origin");
    }
    // A credential that was put back counts after a refusal, too.
    let mut stage = Stage::signed_in(&document);
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(&mut stage, first, "/admin");
    let step = stage.worker.begin(second.clone());
    assert_eq!(outcome(&step), (403, "condition_failed"));
    stage.worker.world.kept_with_stream = step.next_pass.map(String::into_bytes);
    assert_eq!(outcome(&stage.worker.begin(changed_field(&second, ":path", "/members"))), (200, ""));
    // Without the switch nothing is kept.
    let mut off = stage.worker.beside(&changed(document, "/internal_redirects", json!(false)));
    assert_eq!(off.begin(Browser::default().script("GET", "/members")).next_pass, None);
}

#[test]
fn a_token_that_was_left_to_the_application_is_nobodys_at_another_origin() {
    let mut document = switched_on();
    document["rules"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"match": {"path_separated_prefix": "/open"}, "require": "public", "credentials": "session"}));
    let mut stage = Stage::signed_in(&document);
    let first = changed_field(&with_token("/open", &token(&stage, 300)), ":scheme", "https");
    let second = first_pass(&mut stage, first, "/members");
    assert!(second.contains("authorization"), "it is the application's here");
    assert_eq!(outcome(&stage.worker.begin(second.clone())), (200, ""), "at the same origin it counts");
    let elsewhere = redirected_to(&second, "https://app.example.com/open", "other.example.com", "/members");
    assert_eq!(outcome(&stage.worker.begin(elsewhere)), (401, "session_missing"));
}

#[test]
fn a_token_of_the_applications_own_reaches_it_in_every_pass() {
    // Where tokens are accepted elsewhere, as long as the origin stays the same.
    let open = json!({"match": {"path_separated_prefix": "/open"}, "require": "public", "credentials": "session"});
    let mut document = switched_on();
    document["rules"].as_array_mut().unwrap().insert(0, open.clone());
    let mut stage = Stage::signed_in(&document);
    let mut next = first_pass(&mut stage, with_token("/open", "the-applications-own"), "/open/2");
    for target in ["/open/3", "/open/4"] {
        next = pass(&mut stage, next, target);
        assert_eq!(next.all("authorization").collect::<Vec<_>>(), [b"Bearer the-applications-own"], "{target}");
    }
    // Where none is accepted, at another origin too.
    document["providers"][0].as_object_mut().unwrap().remove("bearer");
    let mut stage = Stage::signed_in(&document);
    let first = changed_field(&stage.browser.script("GET", "/open"), "authorization", "Bearer the-applications-own");
    let second = first_pass(&mut stage, changed_field(&first, ":scheme", "https"), "/open");
    let second = redirected_to(&second, "https://app.example.com/open", "other.example.com", "/open");
    let third = pass(&mut stage, second, "/open");
    assert_eq!(third.all("authorization").collect::<Vec<_>>(), [b"Bearer the-applications-own"]);
}

#[test]
fn a_token_of_the_applications_own_reaches_it_although_the_session_beside_it_ended_on_the_way() {
    let mut document = switched_on();
    let open = json!({"match": {"path_separated_prefix": "/open"}, "require": "public", "credentials": "session"});
    document["rules"].as_array_mut().unwrap().insert(0, open);
    let mut stage = Stage::signed_in(&document);
    let (first, out) = (stage.browser.script("GET", "/open"), stage.browser.script("POST", "/api/logout"));
    let mut next = first_pass(&mut stage, changed_field(&first, "authorization", "Bearer the-applications-own"), "/open/2");
    let kept = stage.worker.world.kept_with_stream.take();
    assert_eq!(outcome(&stage.worker.begin(out)), (200, ""));
    stage.worker.world.kept_with_stream = kept;
    for target in ["/open/3", "/open/4"] {
        next = pass(&mut stage, next, target);
        assert_eq!(next.all("authorization").collect::<Vec<_>>(), [b"Bearer the-applications-own"], "{target}");
    }
}
