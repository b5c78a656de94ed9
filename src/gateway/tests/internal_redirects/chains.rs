//! More than one internal redirect in a row, and what the first pass leaves to all that follow.

use super::*;

/// A redirect of Envoy to this URL: the field that its router writes, and the new address.
fn redirected_to(headers: &Headers, from: &str, authority: &str, path: &str) -> Headers {
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
        ("http://app.example.com/public", false),
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
