use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{
    BEGINNING, Browser, KEY, Stage, Worker, body, changed, document, field, forwarded, outcome, reasons, response, seconds,
    status, upstream_headers,
};
use crate::crypto::signing::SigningKey;
use crate::http::message::{CookieEdit, Headers};
use crate::step::event::Event;
use crate::words::reason::Reason;
use crate::words::secret::Secret;
use crate::words::world::testing::Still;

pub(super) const SECRET: &str = "a secret that services share, of 32 bytes at least";
const OTHER_SECRET: &str = "another secret that nobody shares, of 32 bytes";
const P256_PEM: &str = include_str!("../../crypto/testdata/for-tests-only-p256.pem");
const RSA_PEM: &str = include_str!("../../crypto/testdata/for-tests-only-rsa1.pem");

/// A configuration whose sessions are JWTs, in the cookie `access_token`.
pub(super) fn signing() -> Value {
    let rules = json!([
        {"match": {"path": "/"}, "require": "public"},
        {"match": {"path_separated_prefix": "/company"}, "require": {"claim": "email", "any_of": ["alice@example.com"]}},
        {"match": {"path_separated_prefix": "/hooks"}, "require": "authenticated", "credentials": "bearer"},
        {"match": {"path_separated_prefix": "/sessions"}, "require": "authenticated", "credentials": "session"}
    ]);
    let document = changed(document(), "/rules", rules);
    changed(
        document,
        "/session",
        json!({
            "keys": [KEY],
            "form": "jwt",
            "jwt": {"keys": [SECRET], "claims": ["email", "email_verified", "name"], "bearer": true},
            "cookie": {"name": "access_token"}
        }),
    )
}

/// A program's request with this token.
pub(super) fn request(target: &str, token: &str) -> Headers {
    let mut fields = vec![(":method", "GET"), (":authority", "app.example.com"), (":path", target), ("x-request-id", "r-1")];
    let line = format!("Bearer {token}");
    fields.push(("authorization", &line));
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

/// A session JWT that a service signs with this secret.
pub(super) fn minted(secret: &str, typ: &str, changes: Value) -> String {
    let mut claims = json!({
        "sub": "robot", "iat": BEGINNING.seconds(), "exp": BEGINNING.seconds() + 600, "origin": "https://app.example.com"
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let key = SigningKey::shared_secret(&Secret::new(secret)).unwrap();
    key.sign(&Still::default(), typ, claims.as_object().unwrap()).unwrap()
}

fn session_of(stage: &Stage) -> String {
    stage.browser.jar["access_token"].0.clone()
}

fn with_cookie(value: &str) -> Browser {
    let mut browser = Browser::default();
    browser.jar.insert("access_token".into(), (value.into(), "/".into()));
    browser
}

#[test]
fn signing_in_leaves_one_jwt_that_lasts_an_hour_and_is_not_renewed() {
    let mut stage = Stage::signed_in(&signing());
    assert_eq!(stage.browser.names(), ["access_token"]);
    let step = stage.script("GET", "/company");
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "alice"), ("x-forwarded-email", "alice@example.com")]);
    assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Dropped);
    let session = body(&stage.script("GET", "/api/session"));
    let ends = session["exp"].as_u64().unwrap();
    assert_eq!((session["sub"].as_str(), session["email"].as_str()), (Some("alice"), Some("alice@example.com")));
    // A quarter of an hour before its end the cookie has not changed.
    stage.worker.wait(seconds(ends - stage.worker.world.now.seconds() - 1));
    assert_eq!(forwarded(&stage.script("GET", "/company")).renewal, None);
    stage.worker.wait(seconds(1));
    assert_eq!(outcome(&stage.script("GET", "/api/session")), (401, "session_expired"));
    assert_eq!(outcome(&stage.script("GET", "/company")), (401, "session_expired"));
    assert_eq!(outcome(&stage.navigate("/company")).0, 302);
}

#[test]
fn on_a_public_page_a_missing_expired_or_forged_session_is_nobody_and_never_an_error() {
    let mut stage = Stage::ready(&signing());
    let expired = minted(SECRET, "JWT", json!({"exp": BEGINNING.seconds() - 1}));
    let forged = minted(OTHER_SECRET, "JWT", json!({}));
    let identity = minted(SECRET, "identity+jwt", json!({}));
    for (value, reason) in [
        (expired.as_str(), "session_expired"),
        (&forged, "session_invalid"),
        (&identity, "session_invalid"),
        ("a.b.c", "session_invalid"),
        ("", "session_invalid"),
        (&"x.".repeat(9_000), "session_invalid"),
    ] {
        let browser = with_cookie(value);
        let step = stage.worker.begin(browser.navigate("/"));
        assert_eq!(upstream_headers(&step), []);
        assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Dropped, "an upstream might believe it");
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/company"))), (401, reason));
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/api/session"))), (401, reason));
    }
}

#[test]
fn two_tabs_that_sign_in_within_one_second_do_not_sign_each_other_out() {
    let mut stage = Stage::ready(&signing());
    let tabs = [stage.go_to_the_provider("/company"), stage.go_to_the_provider("/company")];
    for callback in tabs {
        assert_eq!(status(&stage.navigate(&callback)), 303);
        assert_eq!(outcome(&stage.script("GET", "/company")), (200, ""));
    }
}

#[test]
fn a_second_session_that_a_sibling_domain_planted_signs_nobody_in_and_loops_nowhere() {
    let mut stage = Stage::signed_in(&signing());
    let attackers = minted(SECRET, "JWT", json!({"sub": "mallory"}));
    let both = format!("access_token={attackers}; access_token={}", session_of(&stage));
    for method in ["navigate", "cors"] {
        let planted = Browser::default().send("GET", "/company", &[("sec-fetch-mode", method), ("cookie", &both)]);
        let step = stage.worker.begin(planted);
        assert_eq!((outcome(&step), reasons(&step)[0]), ((401, "session_ambiguous"), Reason::SessionAmbiguous));
    }
    let public = stage.worker.begin(Browser::default().send("GET", "/", &[("cookie", &both)]));
    assert_eq!((upstream_headers(&public), &forwarded(&public).edits.cookie), (vec![], &CookieEdit::Dropped));
}

#[test]
fn a_session_that_was_signed_out_is_over_in_the_cookie_and_as_a_bearer_token() {
    let mut stage = Stage::signed_in(&signing());
    let (stolen, token) = (stage.browser.clone(), session_of(&stage));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &token))), (200, ""));
    let mut remembers = stage.worker.beside(&signing());
    assert_eq!(outcome(&remembers.begin(request("/hooks", &token))), (200, ""));
    assert_eq!(outcome(&remembers.begin(stolen.script("GET", "/company"))), (200, ""));
    let out = stage.script("POST", "/api/logout");
    remembers.wait(Duration::from_millis(100));
    assert_eq!((status(&out), stage.browser.names()), (200, vec![]));
    assert!(
        out.events.iter().any(|event| matches!(event, Event::SignedOut { subject: Some(subject), .. } if subject == "alice"))
    );
    for worker in [&mut stage.worker.beside(&signing()), &mut stage.worker, &mut remembers] {
        assert_eq!(outcome(&worker.begin(stolen.script("GET", "/company"))), (401, "session_expired"));
        assert_eq!(outcome(&worker.begin(request("/hooks", &token))), (401, "token_invalid"));
    }
}

#[test]
fn a_session_of_ours_is_a_bearer_token_where_that_is_configured_with_a_reason_for_each_refusal() {
    let mut stage = Stage::signed_in(&signing());
    let step = stage.worker.begin(request("/company", &session_of(&stage)));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "alice"), ("x-forwarded-email", "alice@example.com")]);
    assert_eq!(forwarded(&step).edits.remove, ["authorization"]);
    let good = minted(SECRET, "JWT", json!({}));
    assert!(stage.worker.begin(request("/hooks", &good)).events.contains(&Event::TokenVerified));
    assert!(stage.worker.begin(request("/hooks", &good)).events.contains(&Event::TokenFromMemory));
    let expired = minted(SECRET, "JWT", json!({"exp": BEGINNING.seconds() - 1}));
    let realm = "Bearer realm=\"https://app.example.com\"";
    for (token, expected, challenge) in [
        (expired.as_str(), (401, "token_expired"), "error=\"invalid_token\""),
        (&minted(OTHER_SECRET, "JWT", json!({})), (401, "token_invalid"), "error=\"invalid_token\""),
        (&minted(SECRET, "identity+jwt", json!({})), (401, "token_invalid"), "error=\"invalid_token\""),
        ("a.b.c", (401, "token_invalid"), "error=\"invalid_token\""),
    ] {
        let step = stage.worker.begin(request("/hooks", token));
        assert_eq!(outcome(&step), expected, "{token}");
        let header = field(response(&step), "www-authenticate").unwrap();
        assert!(header.starts_with(realm) && header.contains(challenge), "{header}");
    }
    let missing = stage.worker.begin(Browser::default().script("GET", "/hooks"));
    assert_eq!((outcome(&missing), field(response(&missing), "www-authenticate")), ((401, "token_missing"), Some(realm)));
    // It is not accepted under a rule for session cookies only, nor where it is not configured.
    assert_eq!(outcome(&stage.worker.begin(request("/sessions", &good))), (401, "session_missing"));
    let mut stage = Stage::ready(&changed(signing_without_bearer(), "/session/jwt/bearer", json!(false)));
    assert_eq!(outcome(&stage.worker.begin(request("/company", &good))), (401, "session_missing"));
}

fn signing_without_bearer() -> Value {
    let mut document = signing();
    document["rules"].as_array_mut().unwrap().retain(|rule| rule["credentials"] != "bearer");
    document
}

#[test]
fn a_session_as_bearer_token_grants_nothing_that_a_providers_token_does() {
    let document = changed(signing(), "/providers/0/bearer", json!({"audiences": ["api"]}));
    let document = changed(document, "/session/jwt/claims", json!(["email", "email_verified", "scope", "scp"]));
    let document = changed(document, "/rules/0", json!({"match": {"path": "/deploy"}, "require": {"bearer": "main"}}));
    let document = changed(document, "/rules/1", json!({"match": {"path": "/scoped"}, "require": {"scope": ["all"]}}));
    let mut stage = Stage::ready(&document);
    let token = minted(SECRET, "JWT", json!({"scope": "all"}));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &token))), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(request("/deploy", &token))), (403, "condition_failed"));
    assert_eq!(outcome(&stage.worker.begin(request("/scoped", &token))).0, 403);
    // A provider's token is still accepted as one.
    let (key, algorithm, kid) = stage.provider.signs;
    let claims = json!({"iss": crate::oidc::testing::ISSUER, "sub": "robot", "aud": "api", "exp": BEGINNING.seconds() + 600});
    let theirs = key.token(algorithm, &json!({"kid": kid}), &claims);
    assert_eq!(outcome(&stage.worker.begin(request("/deploy", &theirs))), (200, ""));
    for (browser, expected) in [(with_cookie(&theirs), "session_invalid"), (with_cookie(&token), "")] {
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/sessions"))).1, expected);
    }
}

#[test]
fn an_application_that_reads_the_session_sees_only_one_that_counted() {
    let mut stage = Stage::signed_in(&changed(signing(), "/forward", json!({"session_cookie": true})));
    stage.browser.jar.retain(|name, _| !name.contains("-attempt-"));
    let edit = |stage: &mut Stage, headers: Headers| forwarded(&stage.worker.begin(headers)).edits.cookie.clone();
    let own = stage.browser.script("GET", "/company");
    assert_eq!(edit(&mut stage, own), CookieEdit::Untouched);
    let token = session_of(&stage);
    let with_attempt = stage.browser.send("GET", "/", &[("cookie", "__Host-access_token-attempt-AAAAAAAA=x")]);
    assert_eq!(edit(&mut stage, with_attempt), CookieEdit::Replaced(format!("access_token={token}").into_bytes()));
    let forged = with_cookie("a.b.c").navigate("/");
    assert_eq!(edit(&mut stage, forged), CookieEdit::Dropped);
    // Another site's POST to a public page is forwarded as anonymous, and without the session cookie.
    let across = stage.browser.send("POST", "/", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")]);
    assert_eq!(edit(&mut stage, across), CookieEdit::Dropped);
}

#[test]
fn without_a_provider_tokens_are_all_that_counts_and_nothing_leads_to_a_sign_in() {
    let mut document = signing();
    document["session"] = json!({"form": "jwt", "jwt": {"keys": [SECRET], "claims": ["role"], "bearer": true}});
    document["rules"] =
        json!([{"match": {"path_separated_prefix": "/admin"}, "require": {"claim": "role", "any_of": ["admin"]}}]);
    document["claim_to_headers"] = json!([{"claim_name": "sub", "header_name": "x-user"}]);
    document.as_object_mut().unwrap().remove("providers");
    let mut worker = Worker::new(&document);
    assert_eq!(upstream_headers(&worker.begin(request("/api", &minted(SECRET, "JWT", json!({}))))), [("x-user", "robot")]);
    assert_eq!(outcome(&worker.begin(request("/admin", &minted(SECRET, "JWT", json!({}))))), (403, "condition_failed"));
    assert_eq!(outcome(&worker.begin(request("/admin", &minted(SECRET, "JWT", json!({"role": "admin"}))))), (200, ""));
    for path in ["/api", "/api/login", "/api/callback", "/"] {
        for headers in [Browser::default().navigate(path), Browser::default().script("GET", path)] {
            let step = worker.begin(headers);
            assert_eq!(outcome(&step), (401, "token_missing"), "{path}");
            assert!(!response(&step).body.contains("Sign in"));
        }
    }
    assert!(worker.tick().fetches.is_empty());
}

#[test]
fn public_keys_are_published_and_another_gateway_believes_what_they_sign() {
    let jwt = json!({"algorithm": "ES256", "keys": [P256_PEM], "issuer": "https://app.example.com", "audience": "apps"});
    let mut document = changed(signing(), "/session/jwt", jwt);
    document["rules"] = json!([]);
    document["endpoints"] = json!({"jwks": "/.well-known/jwks.json"});
    document["forward"] = json!({"identity_jwt": {"algorithm": "RS256", "keys": [RSA_PEM]}});
    let mut stage = Stage::signed_in(&document);
    let step = stage.worker.begin(Browser::default().send("GET", "/.well-known/jwks.json", &[]));
    assert_eq!(field(response(&step), "cache-control"), Some("public, max-age=300"));
    let algorithms: Vec<_> = body(&step)["keys"].as_array().unwrap().iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(algorithms, ["ES256", "RS256"]);
    for private in ["\"d\"", "\"k\"", "\"p\"", "PRIVATE"] {
        assert!(!response(&step).body.contains(private), "{private}");
    }
    let refused = stage.worker.begin(Browser::default().send("POST", "/.well-known/jwks.json", &[]));
    assert_eq!(outcome(&refused), (405, "method_not_allowed"));

    let endpoint = |name: &str| format!("https://sso.example.com/realms/main/{name}");
    let mut elsewhere = changed(
        super::stage::document(),
        "/providers/0",
        json!({
            "name": "gateway",
            "metadata": {
                "issuer": "https://app.example.com",
                "authorization_endpoint": endpoint("auth"),
                "token_endpoint": endpoint("token"),
                "jwks_uri": endpoint("keys")
            },
            "clusters": {"sso.example.com": "sso"},
            "client_id": "x",
            "token_endpoint_auth_method": "none",
            "bearer": {"audiences": ["apps"]}
        }),
    );
    elsewhere["rules"] = json!([]);
    let mut other = Stage::new(&elsewhere);
    other.provider.instead = Some(crate::oidc::testing::json_reply(200, &body(&step)));
    other.worker.fetch_due_for(&mut other.provider, seconds(1));
    assert_eq!(outcome(&other.worker.begin(request("/x", &session_of(&stage)))), (200, ""));
    let identity = upstream_headers(&stage.script("GET", "/x")).last().unwrap().1.to_owned();
    assert_eq!(outcome(&other.worker.begin(request("/x", &identity))), (401, "token_invalid"));
}

#[test]
fn a_partner_s_token_is_not_taken_for_the_namesake_s_session() {
    const PARTNER: &str = "a secret of the partner, of 32 bytes";
    let mut document = signing();
    let bearer = json!({"audiences": ["api"], "algorithms": ["HS256"], "secret": PARTNER});
    document["providers"] = json!([{"name": "partner", "issuer": "partner", "bearer": bearer}]);
    document["rules"] = json!([]);
    document["claim_to_headers"] = json!([{"claim_name": "sub", "header_name": "x-user"}]);
    let mut worker = Worker::new(&document);
    assert_eq!(upstream_headers(&worker.begin(request("/", &minted(SECRET, "JWT", json!({}))))), [("x-user", "robot")]);
    let theirs = minted(PARTNER, "JWT", json!({"iss": "partner", "aud": "api"}));
    let step = worker.begin(request("/", &theirs));
    assert_eq!(upstream_headers(&step), [("x-user", "robot"), ("x-forwarded-provider", "partner")]);
}
