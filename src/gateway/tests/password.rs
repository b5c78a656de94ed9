//! Sign-in by name and password, which the user service checks.

use super::stage::{
    Browser, CLIENT_SECRET, Stage, body, called, changed, document, field, outcome, reasons, response, seconds, status,
    upstream_headers,
};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::{json_reply, reply};
use crate::step::audit;
use crate::step::decision::{BodyNews, Decision};
use crate::step::event::Event;
use crate::words::reason::Reason;
use crate::words::world::Destination;
use serde_json::{Value, json};

const FRONT: &str = "https://front.example.org";

/// The usual configuration with a password endpoint; sessions are JWTs, which are accepted as bearer tokens.
pub(super) fn by_password() -> Value {
    let document = changed(document(), "/endpoints", json!({"password": "/api/auth/login"}));
    let document = changed(document, "/trusted_origins", json!([FRONT]));
    let document = changed(
        document,
        "/session",
        json!({"keys": [super::stage::KEY], "form": "jwt", "jwt": {
            "keys": ["a secret that nobody guesses, 32 bytes"], "claims": ["userId", "email", "email_verified", "role", "groups", "status"], "bearer": true
        }}),
    );
    let document = changed(document, "/accounts", accounts());
    let document = changed(
        document,
        "/rules",
        json!([
            {"match": {"path_separated_prefix": "/public"}, "require": "public"},
            {"match": {"path_separated_prefix": "/api"}, "require": "authenticated", "unauthenticated": "respond"}
        ]),
    );
    changed(
        document,
        "/password",
        json!({
            "fields": {"account": "email"},
            "answer": {"message": "Connexion réussie", "token": "{token}", "user": {"id": "{user.id}", "email": "{user.email}"}},
            "refusal": {"message": "Wrong name or password"}
        }),
    )
}

pub(super) fn accounts() -> Value {
    json!({
        "cluster": "users",
        "headers": {"authorization": "Bearer between-services"},
        "subject": "id",
        "claims": {"userId": "id", "email": "email", "email_verified": "emailVerified", "role": "profile.role"},
        "verify": {"path": "/api/users/verify", "body": {"email": "{account}", "password": "{password}"}}
    })
}

pub(super) fn with_cookies() -> Value {
    let document = changed(by_password(), "/password/answer", json!({"signed_in": true}));
    changed(changed(document, "/password/cookie", json!(true)), "/session", json!({"keys": [super::stage::KEY]}))
}

fn post(stage: &mut Stage, content: &str, fields: &[(&str, &str)]) -> Step {
    stage.browser.body = content.to_owned();
    let json = [("content-type", "application/json")];
    let headers = stage.browser.send("POST", "/api/auth/login", &[&json[..], fields].concat());
    stage.send(headers)
}

/// Signs in as a page of the front end does.
pub(super) fn login(stage: &mut Stage, email: &str, password: &str) -> Step {
    let content = json!({"email": email, "password": password}).to_string();
    post(stage, &content, &[("origin", FRONT), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")])
}

fn with_token(token: &str) -> Headers {
    Browser::default().send("GET", "/api/orders", &[("authorization", &format!("Bearer {token}"))])
}

#[test]
fn a_right_password_brings_a_token_and_of_the_user_what_is_listed_and_no_more() {
    let mut stage = Stage::ready(&by_password());
    let step = login(&mut stage, "alice@example.com", "right");
    assert_eq!(status(&step), 200, "{:?}", step.events);
    let answer = body(&step);
    let token = answer["token"].as_str().unwrap().to_owned();
    let expected = json!({"message": "Connexion réussie", "token": token, "user": {"id": 17, "email": "alice@example.com"}});
    assert_eq!(answer, expected);
    assert_eq!(field(response(&step), "cache-control"), Some("private, no-store"));
    assert_eq!(field(response(&step), "access-control-allow-origin"), Some(FRONT), "the page can read it");
    assert!(stage.browser.names().is_empty(), "no cookie was asked for");
    let (_, _, asked) = &stage.users.asked[0];
    assert_eq!(serde_json::from_str::<Value>(asked).unwrap(), json!({"email": "alice@example.com", "password": "right"}));
    let Event::SignInCompleted { provider, subject, .. } = &step.events[0] else { panic!("{:?}", step.events) };
    assert_eq!((provider.as_str(), subject.as_str()), ("password", "17"));

    let used = stage.send(with_token(&token));
    let headers = upstream_headers(&used);
    assert!(
        headers.contains(&("x-forwarded-user", "17")) && headers.contains(&("x-forwarded-email", "alice@example.com")),
        "{headers:?}"
    );
}

#[test]
fn a_wrong_password_and_an_unknown_name_cannot_be_told_apart_by_calls_answer_or_counters() {
    let seen = |email: &str| {
        let mut stage = Stage::ready(&by_password());
        let step = login(&mut stage, email, "wrong");
        let counters: Vec<_> = step.events.iter().map(|event| event.metric().name.into_owned()).collect();
        let audits: Vec<_> = step.events.iter().filter_map(audit::line).collect();
        (stage.users.calls(), response(&step).clone(), response(&step).headers.clone(), counters, audits)
    };
    let (wrong, unknown) = (seen("alice@example.com"), seen("nobody@example.com"));
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.0, ["POST users/api/users/verify"]);
    assert_eq!((wrong.1.status, wrong.1.body.as_str()), (401, r#"{"message":"Wrong name or password"}"#));
    assert_eq!(field(&wrong.1, "content-type"), Some("application/json"));
    assert_eq!(field(&wrong.1, "www-authenticate"), Some("Bearer realm=\"https://app.example.com\""));
    assert!(!format!("{:?}", wrong.4).contains("alice"), "what somebody typed is not logged");
}

#[test]
fn a_failing_user_service_is_not_quoted_and_only_an_attempt_that_did_not_reach_it_does_not_count() {
    let html = |status| reply(status, &[], b"<html>Stack trace: secret</html>");
    let envoy = |said: &str| reply(503, &[], said.as_bytes());
    let failed = |why: &str| format!("upstream connect error or disconnect/reset before headers. reset reason: {why}");
    for (index, (instead, expected, reason)) in [
        (Reply::NotSent, 502, "accounts_unreachable"),
        (envoy("no healthy upstream"), 502, "accounts_unreachable"),
        (envoy(&failed("remote connection failure")), 502, "accounts_unreachable"),
        (envoy(&failed("connection timeout")), 502, "accounts_unreachable"),
        (envoy(&failed("overflow")), 502, "accounts_unreachable"),
        // In these cases the user service was reached.
        (envoy(&failed("connection termination")), 502, "accounts_unreachable"),
        (envoy("overflow: no healthy upstream"), 502, "accounts_unreachable"),
        (html(503), 502, "accounts_unreachable"),
        (html(502), 502, "accounts_unreachable"),
        (html(500), 502, "accounts_unreachable"),
        (html(504), 504, "accounts_timeout"),
        (html(200), 502, "accounts_malformed"),
        (html(302), 502, "accounts_malformed"),
        (html(403), 502, "accounts_malformed"),
        (json_reply(200, &json!({"email": "alice@example.com"})), 502, "accounts_malformed"),
        (json_reply(200, &json!({"id": ""})), 502, "accounts_malformed"),
        (json_reply(200, &json!({"id": 1.5})), 502, "accounts_malformed"),
        (json_reply(200, &json!({"id": ["a"]})), 502, "accounts_malformed"),
        (json_reply(200, &json!({"id": "client:x"})), 502, "accounts_malformed"),
        (json_reply(200, &json!({"id": "username:x"})), 502, "accounts_malformed"),
        (json_reply(200, &json!({"id": "a\r\nx-admin: 1"})), 502, "accounts_malformed"),
        (json_reply(200, &json!([])), 502, "accounts_malformed"),
        (reply(200, &[], br#"{"id":1,"id":2}"#), 502, "accounts_malformed"),
        (reply(200, &[], &vec![b' '; 300 * 1_024]), 502, "accounts_malformed"),
        (Reply::Reset, 502, "accounts_unreachable"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stage = Stage::ready(&by_password());
        stage.users.instead = vec![("users", instead)];
        // The attempt counts whatever the user service replied: it had the password.
        let counts = index >= 5;
        for attempt in 0..8 {
            let step = login(&mut stage, "alice@example.com", "right");
            if counts && attempt >= 5 {
                assert_eq!(outcome(&step), (429, "too_many_failures"));
                continue;
            }
            assert_eq!(outcome(&step), (expected, reason), "{:?}", step.events);
            assert_eq!(field(response(&step), "content-type"), Some("application/problem+json"));
            assert!(!response(&step).body.contains("Stack"));
        }
        stage.users.instead.clear();
        let then = if counts { 429 } else { 200 };
        assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), then, "whoever reached nobody is not locked out");
    }
}

#[test]
fn after_too_many_failures_even_the_right_password_waits_and_nobody_is_asked() {
    let mut stage = Stage::ready(&by_password());
    for _ in 0..5 {
        assert_eq!(outcome(&login(&mut stage, "alice@example.com", "wrong")), (401, "credentials_refused"));
    }
    let asked = stage.users.asked.len();
    let step = login(&mut stage, " Alice@Example.com", "right");
    assert_eq!(outcome(&step), (429, "too_many_failures"));
    assert_eq!(field(response(&step), "retry-after"), Some("30"));
    assert_eq!(stage.users.asked.len(), asked);
    assert_eq!(status(&login(&mut stage, "bob@example.com", "wrong")), 401, "others are not stopped");
    stage.worker.wait(seconds(30));
    assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), 200);
    for _ in 0..5 {
        assert_eq!(status(&login(&mut stage, "alice@example.com", "wrong")), 401, "success has reset the account");
    }
}

#[test]
fn a_thousand_guesses_at_once_are_counted_before_the_service_is_asked() {
    let mut stage = Stage::ready(&by_password());
    stage.browser.body = json!({"email": "alice@example.com", "password": "guess"}).to_string();
    let mut asked = 0;
    for _ in 0..1_000 {
        let headers = stage.browser.send("POST", "/api/auth/login", &[("content-type", "application/json")]);
        let Decision::ReadBody { pending, .. } = stage.worker.begin(headers).decision else { panic!() };
        let body = crate::http::body::Body::Read(stage.browser.body.clone().into_bytes().into());
        asked += usize::from(matches!(stage.worker.resume(*pending, BodyNews::Came(body)).decision, Decision::Call(..)));
    }
    assert_eq!(asked, 5);
}

#[test]
fn one_address_that_tries_many_accounts_is_stopped() {
    let mut stage = Stage::ready(&by_password());
    stage.worker.world.client_address = Some("203.0.113.7:40000".to_owned());
    let outcomes: Vec<_> = (0..60).map(|n| status(&login(&mut stage, &format!("p{n}@example.com"), "x"))).collect();
    assert_eq!(outcomes.iter().filter(|status| **status == 401).count(), 50);
    assert_eq!(outcomes[50..], [429; 10]);
    stage.worker.world.client_address = Some("203.0.113.8:40000".to_owned());
    assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), 200);
}

#[test]
fn bodies_that_are_not_a_name_and_a_password_ask_nobody() {
    let mut stage = Stage::ready(&by_password());
    let deep = format!("{{\"email\":\"a\",\"password\":\"b\",\"x\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let long = json!({"email": "a", "password": "x".repeat(5_000)}).to_string();
    for content in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"email":"a"}"#,
        r#"{"email":"a","password":""}"#,
        r#"{"email":" ","password":"b"}"#,
        r#"{"email":1,"password":"b"}"#,
        r#"{"email":"a","password":["b"]}"#,
        r#"{"email":"a","password":"b","password":"c"}"#,
        r#"{"username":"a","password":"b"}"#,
        &deep,
        &long,
    ] {
        assert_eq!(outcome(&post(&mut stage, content, &[])), (400, "body_malformed"), "{content:.60}");
    }
    let huge = json!({"email": "a", "password": "x".repeat(70_000)}).to_string();
    assert_eq!(status(&post(&mut stage, &huge, &[])), 413);
    let text = stage.browser.send("POST", "/api/auth/login", &[("content-type", "text/plain")]);
    assert_eq!(status(&stage.send(text)), 415);
    for method in ["GET", "PUT"] {
        let other = stage.browser.send(method, "/api/auth/login", &[("content-type", "application/json")]);
        let step = stage.send(other);
        assert_eq!((status(&step), field(response(&step), "allow")), (405, Some("POST")));
    }
    stage.worker.world.destination = Destination::Cluster("application".to_owned());
    assert_eq!(outcome(&login(&mut stage, "alice@example.com", "right")).0, 500, "the upstream would see the password");
    assert!(stage.users.asked.is_empty());
}

#[test]
fn a_page_of_another_site_neither_signs_anybody_in_nor_guesses() {
    for document in [by_password(), with_cookies()] {
        let mut stage = Stage::ready(&document);
        let content = json!({"email": "alice@example.com", "password": "right"}).to_string();
        for evidence in [
            vec![("origin", "https://evil.example")],
            vec![("origin", "null")],
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "none")],
        ] {
            assert_eq!(outcome(&post(&mut stage, &content, &evidence)), (403, "cross_site"), "{evidence:?}");
        }
        assert!(stage.users.asked.is_empty());
    }
    let mut stage = Stage::ready(&with_cookies());
    let content = json!({"email": "alice@example.com", "password": "right"}).to_string();
    assert_eq!(outcome(&post(&mut stage, &content, &[])), (403, "cross_site"), "a cookie is given to this site's pages only");
}

#[test]
fn a_cookie_is_a_session_like_any_other() {
    let mut stage = Stage::ready(&with_cookies());
    let step = login(&mut stage, "alice@example.com", "right");
    assert_eq!(body(&step), json!({"signed_in": true}), "{:?}", step.events);
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    let page = stage.navigate("/api/orders");
    assert!(upstream_headers(&page).contains(&("x-forwarded-user", "17")));
    let who = stage.script("GET", "/api/session");
    assert_eq!((&body(&who)["provider"], &body(&who)["subject"]), (&json!("password"), &json!("17")));
    let out = stage.script("POST", "/api/logout");
    assert_eq!(status(&out), 200);
    assert!(stage.browser.names().is_empty());
}

#[test]
fn a_session_can_come_as_a_token_and_as_a_cookie_at_once_with_claims_from_wherever_they_stand() {
    let document = changed(by_password(), "/password/cookie", json!(true));
    let mut stage = Stage::ready(&document);
    let step = login(&mut stage, "alice@example.com", "right");
    let token = body(&step)["token"].as_str().unwrap().to_owned();
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    assert_eq!(stage.browser.jar["__Host-accredit"].0, token);
    let claims = body(&stage.script("GET", "/api/session"));
    assert_eq!((&claims["sub"], &claims["userId"], &claims["role"]), (&json!("17"), &json!(17), &json!("admin")));
    assert!(claims.get("hash").is_none() && claims.get("password").is_none());
    assert_eq!(outcome(&stage.send(with_token(&token))), (200, ""));
}

#[test]
fn a_posted_form_is_redirected_to_its_return_to_on_this_site_only() {
    for (target, expected) in [
        ("/api/auth/login", "/"),
        ("/api/auth/login?return_to=/orders", "/orders"),
        ("/api/auth/login?return_to=//evil.example", "/"),
        ("/api/auth/login?return_to=https://evil.example", "/"),
    ] {
        let mut stage = Stage::ready(&with_cookies());
        stage.browser.body = "email=alice%40example.com&password=right".to_owned();
        let fields = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://app.example.com"),
        ];
        let step = stage.send(stage.browser.send("POST", target, &fields));
        assert_eq!((status(&step), field(response(&step), "location")), (303, Some(expected)), "{:?}", step.events);
        assert_eq!(stage.browser.names(), ["__Host-accredit"]);
        stage.browser.body = "email=alice%40example.com&password=wrong".to_owned();
        let step = stage.send(stage.browser.send("POST", target, &fields));
        assert_eq!(outcome(&step), (401, "credentials_refused"));
        assert!(response(&step).body.starts_with("<!doctype html>"), "a person gets a page");
    }
}

#[test]
fn without_any_provider_a_login_endpoint_and_tokens_are_enough() {
    let mut document = by_password();
    document.as_object_mut().unwrap().remove("providers");
    document.as_object_mut().unwrap().remove("trusted_origins");
    let document = changed(document, "/endpoints", json!({"password": "/login"}));
    let document = changed(document, "/accounts/verify/path", json!("/api/users/verify"));
    let document = changed(document, "/accounts/verify/body", json!({"email": "{account}", "password": "{password}"}));
    let document = changed(document, "/password", json!({}));
    let mut stage = Stage::new(&document);
    stage.browser.body = json!({"username": "alice@example.com", "password": "right"}).to_string();
    let step = stage.send(stage.browser.send("POST", "/login", &[("content-type", "application/json")]));
    assert_eq!(status(&step), 200, "{:?}", step.events);
    let answer = body(&step);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    let token = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(outcome(&stage.send(with_token(&token))), (200, ""));
    stage.worker.wait(seconds(3_600));
    assert_eq!(outcome(&stage.send(with_token(&token))), (401, "token_expired"));
    let none = stage.send(Browser::default().send("GET", "/api/orders", &[]));
    assert_eq!(outcome(&none), (401, "token_missing"));
}

#[test]
fn neither_password_nor_token_is_printed_anywhere() {
    let mut stage = Stage::ready(&by_password());
    stage.browser.body = json!({"email": "alice@example.com", "password": "right-password"}).to_string();
    let begun = stage.worker.begin(stage.browser.send("POST", "/api/auth/login", &[("content-type", "application/json")]));
    let mut printed = format!("{begun:?}");
    let Decision::ReadBody { pending, .. } = begun.decision else { panic!() };
    let body = crate::http::body::Body::Read(stage.browser.body.clone().into_bytes().into());
    let step = stage.worker.resume(*pending, BodyNews::Came(body));
    printed.push_str(&format!("{step:?}"));
    let (call, pending) = called(step);
    printed.push_str(&format!("{call:?} {pending:?}"));
    assert!(String::from_utf8_lossy(&call.body).contains("right-password"));
    let reply = json_reply(200, &json!({"id": 17, "email": "alice@example.com", "password_hash": "hash-of-it"}));
    printed.push_str(&format!("{reply:?}"));
    let step = stage.worker.resume(pending, reply);
    printed.push_str(&format!("{step:?}"));
    for secret in ["right-password", "hash-of-it", "eyJ", "between-services", CLIENT_SECRET] {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    assert!(response(&step).body.contains("eyJ") && !response(&step).body.contains("hash-of-it"));
    assert_eq!(reasons(&step), Vec::<Reason>::new());
}

#[test]
fn a_user_service_that_fails_on_known_names_or_wrong_passwords_gives_no_uncounted_guesses() {
    let mut stage = Stage::ready(&by_password());
    stage.worker.world.client_address = Some("203.0.113.7:1".to_owned());
    for password in ["a\0b", "a\nb", "\u{85}"] {
        assert_eq!(outcome(&login(&mut stage, "alice@example.com", password)), (400, "body_malformed"));
    }
    assert!(stage.users.asked.is_empty());
    stage.users.instead = vec![("users", reply(500, &[], b""))];
    let outcomes: Vec<_> = (0..60).map(|n| status(&login(&mut stage, &format!("p{n}@example.com"), "x"))).collect();
    assert_eq!(outcomes.iter().filter(|status| **status == 502).count(), 50, "whoever provokes it is counted");
    for n in 0..8 {
        stage.worker.world.client_address = Some(format!("203.0.113.{}:1", n + 8));
        let status = status(&login(&mut stage, "alice@example.com", "x"));
        assert_eq!(status, if n < 5 { 502 } else { 429 }, "and so is the account, from wherever");
    }
}
