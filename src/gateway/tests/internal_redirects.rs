//! A request that Envoy sends through the filters again, by an internal redirect: the second pass has the headers with which the
//! first one went upstream, and what the first one kept with the stream.

use serde_json::{Value, json};

use super::session_jwt;
use super::stage::{
    Browser, KEY, OTHER_KEY, Stage, changed, document, forwarded, outcome, response, seconds, upstream_headers, with,
};
use crate::crypto::seal::{Purpose, Sealer};
use crate::gateway::pending::Step;
use crate::http::message::{CookieEdit, Headers};
use crate::oidc::testing::ISSUER;
use crate::words::secret::Secret;
use crate::words::world::StreamId;

mod attacks;
mod chains;

const STREAM: StreamId = StreamId { connection: 7, began: 1_750_000_000_123_456_000 };

/// The usual configuration, with the switch and the provider's bearer tokens.
fn switched_on() -> Value {
    let rules = json!([
        {"match": {"path_separated_prefix": "/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/members"}, "require": {"claim": "groups", "any_of": ["staff"]}},
        {"match": {"path_separated_prefix": "/admin"}, "require": {"claim": "groups", "any_of": ["admins"]}},
        {"match": {"path_separated_prefix": "/sessions"}, "require": "authenticated", "credentials": "session"}
    ]);
    let document = changed(with("/internal_redirects", json!(true)), "/rules", rules);
    let document = changed(document, "/origins", json!(["https://app.example.com", "https://other.example.com"]));
    changed(document, "/providers/0/bearer", json!({"audiences": ["api"]}))
}

fn signed_in() -> Stage {
    Stage::signed_in(&switched_on())
}

fn lines(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<_> = headers.names().collect();
    names.sort_unstable();
    names.dedup();
    names.iter().flat_map(|name| headers.all(name).map(|value| ((*name).to_owned(), value.to_vec()))).collect()
}

fn changed_field(headers: &Headers, name: &str, value: &str) -> Headers {
    let others = lines(headers).into_iter().filter(|(other, _)| other != name);
    Headers::new(others.chain([(name.to_owned(), value.as_bytes().to_vec())]).collect())
}

/// The headers with which a request goes upstream after this step.
fn sent_upstream(headers: &Headers, step: &Step) -> Headers {
    let edits = &forwarded(step).edits;
    let mut all: Vec<_> = lines(headers).into_iter().filter(|(name, _)| !edits.remove.contains(name)).collect();
    all.extend(edits.add.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
    if edits.cookie != CookieEdit::Untouched {
        all.retain(|(name, _)| name != "cookie");
    }
    if let CookieEdit::Replaced(left) = &edits.cookie {
        all.push(("cookie".to_owned(), left.clone()));
    }
    Headers::new(all)
}

/// The first pass of a new stream; returns the headers with which the second one begins at `target`.
fn first_pass(stage: &mut Stage, headers: Headers, target: &str) -> Headers {
    stage.worker.world.stream = Some(STREAM);
    stage.worker.world.kept_with_stream = None;
    pass(stage, headers, target)
}

/// A pass of the same stream; returns the headers with which the next one begins at `target`.
fn pass(stage: &mut Stage, headers: Headers, target: &str) -> Headers {
    let step = stage.worker.begin(headers.clone());
    stage.worker.world.kept_with_stream = step.next_pass.clone().map(String::into_bytes);
    changed_field(&sent_upstream(&headers, &step), ":path", target)
}

/// Both passes of a script's request, which begins at a public page.
fn redirected(stage: &mut Stage, target: &str) -> Step {
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(stage, first, target);
    stage.worker.begin(second)
}

fn with_token(target: &str, token: &str) -> Headers {
    changed_field(&Browser::default().script("GET", target), "authorization", &format!("Bearer {token}"))
}

fn token(stage: &Stage, lifetime: u64) -> String {
    let claims = json!({
        "iss": ISSUER, "sub": "robot", "aud": "api", "exp": stage.worker.world.now.seconds() + lifetime, "groups": ["staff"]
    });
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims)
}

#[test]
fn the_second_pass_knows_who_was_asking_and_takes_no_header_of_the_first_for_its_own() {
    let mut stage = signed_in();
    let first = changed_field(&stage.browser.script("GET", "/public"), "x-forwarded-user", "root");
    let second = first_pass(&mut stage, first, "/members");
    assert_eq!(second.all("x-forwarded-user").collect::<Vec<_>>(), [b"alice"]);
    let step = stage.worker.begin(second.clone());
    assert_eq!(step.note.subject.as_deref(), Some("alice"));
    let arrives = sent_upstream(&second, &step);
    assert_eq!(arrives.all("x-forwarded-user").collect::<Vec<_>>(), [b"alice"]);
    // Nor does it keep them where nobody is known.
    stage.worker.world.kept_with_stream = None;
    let second = changed_field(&second, ":path", "/public");
    let step = stage.worker.begin(second.clone());
    assert!(sent_upstream(&second, &step).names().all(|name| !name.starts_with("x-forwarded-")), "{step:?}");
}

#[test]
fn every_further_pass_knows_it_too_for_30_seconds_after_the_one_before() {
    let mut stage = signed_in();
    let first = stage.browser.script("GET", "/public");
    let mut next = first_pass(&mut stage, first, "/members/1");
    for target in ["/members/2", "/members/3"] {
        stage.worker.wait(seconds(30));
        next = pass(&mut stage, next, target);
    }
    assert_eq!(outcome(&stage.worker.begin(next)), (200, ""));
}

#[test]
fn a_member_whom_a_public_page_sends_to_a_page_of_administrators_is_refused() {
    let mut stage = signed_in();
    assert_eq!(outcome(&redirected(&mut stage, "/members")), (200, ""));
    assert_eq!(outcome(&redirected(&mut stage, "/admin")), (403, "condition_failed"));
}

#[test]
fn what_others_write_with_the_stream_makes_nobody_somebody() {
    let mut stage = signed_in();
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(&mut stage, first, "/members");
    let good = stage.worker.world.kept_with_stream.clone().unwrap();
    let session = stage.browser.jar["__Host-accredit"].0.clone().into_bytes();
    let sealer = |key: &str| Sealer::new(&[Secret::new(key)]).ok().unwrap();
    let opened = sealer(KEY).open(Purpose::NextPass, &good).unwrap();
    let mut sealed = |key: &str, purpose: Purpose, plain: &[u8]| {
        sealer(key).seal(&mut stage.worker.world, purpose, plain).unwrap().into_bytes()
    };
    let again = sealed(KEY, Purpose::NextPass, &opened);
    let planted = [
        b"".to_vec(),
        vec![0xff; 100],
        b"alice".to_vec(),
        br#"{"sub":"alice"}"#.to_vec(),
        opened.clone(),
        session.clone(),
        [b"__Host-accredit=".as_slice(), &session].concat(),
        good[..good.len() - 1].to_vec(),
        [good.as_slice(), b"A"].concat(),
        sealed(KEY, Purpose::Session, &opened),
        sealed(KEY, Purpose::Refreshed, &opened),
        sealed(OTHER_KEY, Purpose::NextPass, &opened),
        sealed(KEY, Purpose::NextPass, b"alice"),
        sealed(KEY, Purpose::NextPass, &opened[..opened.len() - 1]),
    ];
    for text in planted {
        let told = String::from_utf8_lossy(&text).into_owned();
        stage.worker.world.kept_with_stream = Some(text);
        assert_eq!(outcome(&stage.worker.begin(second.clone())), (401, "session_missing"), "{told}");
        // A session that the request itself brings is not harmed.
        assert_eq!(outcome(&stage.script("GET", "/members")), (200, ""), "{told}");
    }
    stage.worker.world.kept_with_stream = Some(again);
    assert_eq!(outcome(&stage.worker.begin(second)), (200, ""), "this alone is good");
}

#[test]
fn what_was_kept_for_another_stream_counts_for_nobody() {
    let mut stage = signed_in();
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(&mut stage, first, "/members");
    for (stream, expected) in [
        (Some(STREAM), (200, "")),
        (Some(StreamId { connection: 8, ..STREAM }), (401, "session_missing")),
        (Some(StreamId { began: STREAM.began + 1, ..STREAM }), (401, "session_missing")),
        (None, (401, "session_missing")),
    ] {
        stage.worker.world.stream = stream;
        assert_eq!(outcome(&stage.worker.begin(second.clone())), expected, "{stream:?}");
    }
    // A host that does not name streams gets nothing to keep.
    stage.worker.world.stream = None;
    assert_eq!(stage.script("GET", "/public").next_pass, None);
}

#[test]
fn another_origin_is_nobodys_although_it_is_one_of_ours() {
    let mut stage = signed_in();
    let first = changed_field(&stage.browser.script("GET", "/public"), ":scheme", "https");
    let second = first_pass(&mut stage, first, "/members");
    for (field, value, expected) in [
        (":authority", "app.example.com", (200, "")),
        (":authority", "App.example.com:443", (200, "")),
        (":authority", "other.example.com", (401, "session_missing")),
        (":authority", "evil.example", (421, "host_unknown")),
        (":scheme", "http", (401, "session_missing")),
    ] {
        let step = stage.worker.begin(changed_field(&second, field, value));
        assert_eq!(outcome(&step), expected, "{field} {value}");
    }
}

#[test]
fn a_redirect_that_comes_after_30_seconds_or_before_its_request_is_nobodys() {
    let mut stage = signed_in();
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(&mut stage, first, "/members");
    let began = stage.worker.world.now;
    stage.worker.wait(seconds(30));
    assert_eq!(outcome(&stage.worker.begin(second.clone())), (200, ""));
    stage.worker.wait(std::time::Duration::from_millis(1));
    assert_eq!(outcome(&stage.worker.begin(second.clone())), (401, "session_missing"));
    stage.worker.world.now = crate::words::time::Timestamp::from_millis(began.millis() - 1);
    assert_eq!(outcome(&stage.worker.begin(second)), (401, "session_missing"));
}

#[test]
fn a_session_that_ended_between_the_passes_has_ended() {
    let mut stage = signed_in();
    let (first, out) = (stage.browser.script("GET", "/public"), stage.browser.script("POST", "/api/logout"));
    let second = first_pass(&mut stage, first, "/members");
    assert_eq!(outcome(&stage.worker.begin(out)), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(second)), (401, "session_expired"));

    let mut stage = signed_in();
    stage.worker.wait(seconds(3_600 - 20));
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(&mut stage, first, "/members");
    stage.worker.wait(seconds(19));
    assert_eq!(outcome(&stage.worker.begin(second.clone())), (200, ""));
    stage.worker.wait(seconds(1));
    assert_eq!(outcome(&stage.worker.begin(second)), (401, "session_expired"));
}

#[test]
fn what_came_by_a_bearer_token_stays_a_bearers_and_the_session_beside_it_is_not_taken() {
    let mut stage = signed_in();
    let session = stage.browser.jar["__Host-accredit"].0.clone();
    for beside in [None, Some(format!("__Host-accredit={session}"))] {
        let mut first = with_token("/public", &token(&stage, 300));
        if let Some(cookie) = &beside {
            first = changed_field(&first, "cookie", cookie);
        }
        let second = first_pass(&mut stage, first, "/members");
        assert!(!second.contains("authorization") && !second.contains("cookie"));
        let step = stage.worker.begin(second.clone());
        assert_eq!(upstream_headers(&step)[0], ("x-forwarded-user", "robot"));
        for (target, expected) in [("/admin", (403, "condition_failed")), ("/sessions", (401, "session_missing"))] {
            assert_eq!(outcome(&stage.worker.begin(changed_field(&second, ":path", target))), expected, "{target} {beside:?}");
        }
        // No same-origin evidence is needed for a token, as in the first pass.
        let foreign = changed_field(&changed_field(&second, ":method", "POST"), "sec-fetch-site", "cross-site");
        assert_eq!(outcome(&stage.worker.begin(foreign)), (200, ""));
    }
    // Its time is checked again: 60 seconds of clock skew are accepted.
    let first = with_token("/public", &token(&stage, 5));
    stage.worker.wait(seconds(55));
    let second = first_pass(&mut stage, first, "/members");
    stage.worker.wait(seconds(15));
    assert_eq!(outcome(&stage.worker.begin(second)), (401, "token_expired"));
}

#[test]
fn a_session_that_came_as_a_bearer_token_stays_one() {
    let mut document = changed(session_jwt::signing(), "/internal_redirects", json!(true));
    document["rules"][0] = json!({"match": {"path": "/public"}, "require": "public"});
    let mut stage = Stage::signed_in(&document);
    let session = stage.browser.jar["access_token"].0.clone();
    let second = first_pass(&mut stage, with_token("/public", &session), "/hooks");
    assert_eq!(outcome(&stage.worker.begin(second.clone())), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(changed_field(&second, ":path", "/sessions"))), (401, "session_missing"));
    // And one that came in a cookie is no bearer token.
    let first =
        changed_field(&stage.browser.script("GET", "/public"), "cookie", &format!("access_token={session}; access_token-1=x"));
    let second = first_pass(&mut stage, first, "/sessions");
    let step = stage.worker.begin(second.clone());
    assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Replaced(b"access_token-1=x".to_vec()), "the application's");
    assert_eq!(outcome(&stage.worker.begin(changed_field(&second, ":path", "/hooks"))), (401, "token_missing"));
}

#[test]
fn what_belongs_to_the_application_stays_with_the_request_once() {
    let mut stage = signed_in();
    let session = format!("theme=dark; __Host-accredit={}", stage.browser.jar["__Host-accredit"].0);
    let first = changed_field(&stage.browser.script("GET", "/public"), "cookie", &session);
    let second = first_pass(&mut stage, changed_field(&first, "authorization", "Basic eDp5"), "/members");
    let step = stage.worker.begin(second.clone());
    let arrives = sent_upstream(&second, &step);
    assert_eq!(arrives.all("cookie").collect::<Vec<_>>(), [b"theme=dark"]);
    assert_eq!(arrives.all("authorization").collect::<Vec<_>>(), [b"Basic eDp5"]);
}

#[test]
fn by_default_nothing_is_kept_and_nothing_counts() {
    let mut stage = signed_in();
    let first = stage.browser.script("GET", "/public");
    let second = first_pass(&mut stage, first.clone(), "/members");
    let mut off = stage.worker.beside(&changed(switched_on(), "/internal_redirects", json!(false)));
    assert_eq!(off.begin(first.clone()).next_pass, None);
    assert_eq!(off.begin(changed_field(&first, ":path", "/a;b")).next_pass, None);
    assert_eq!(outcome(&off.begin(second)), (401, "session_missing"));
    assert_eq!(Stage::signed_in(&document()).navigate("/members").next_pass, None);
}

#[test]
fn what_is_kept_of_nobody_makes_nobody_somebody() {
    let mut stage = signed_in();
    let foreign = stage.browser.send("POST", "/public", &[("sec-fetch-site", "cross-site")]);
    for first in [foreign, Browser::default().script("GET", "/public")] {
        let second = first_pass(&mut stage, first, "/members");
        assert!(stage.worker.world.kept_with_stream.is_some());
        assert_eq!(outcome(&stage.worker.begin(second)), (401, "session_missing"));
    }
}

#[test]
fn an_unsafe_method_needs_its_evidence_in_each_pass() {
    let mut stage = signed_in();
    let first = stage.browser.script("POST", "/public");
    let second = first_pass(&mut stage, first, "/members");
    assert_eq!(outcome(&stage.worker.begin(second.clone())), (200, ""));
    let foreign = changed_field(&second, "sec-fetch-site", "cross-site");
    assert_eq!(outcome(&stage.worker.begin(foreign)), (403, "cross_site"));
}

#[test]
fn a_session_of_several_cookies_is_known_renewed_and_signed_out_in_the_second_pass() {
    let mut document = switched_on();
    document["session"]["claims"] = json!(["notes"]);
    let notes: Vec<_> = (0..2_000_u64).map(|number| (number * number * 7_919).to_string()).collect();
    let claims = json!({"sub": "alice", "groups": ["staff"], "notes": notes});
    let mut stage = Stage::with_claims(&document, claims);
    assert!(stage.browser.names().len() > 2, "{:?}", stage.browser.names());
    stage.worker.wait(seconds(1_800));
    let step = redirected(&mut stage, "/members");
    assert!(forwarded(&step).renewal.is_some());
    let first = stage.browser.script("POST", "/public");
    let second = first_pass(&mut stage, first, "/api/logout");
    let step = stage.worker.begin(second);
    stage.browser.take_response(response(&step));
    assert_eq!((outcome(&step), stage.browser.names()), ((200, ""), Vec::new()));
}
