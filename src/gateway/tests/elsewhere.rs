//! Another gateway with the same keys, provider names and cluster names, such as that of a staging environment: its sessions and
//! sign-ins do not count here.

use serde_json::{Value, json};

use super::password::by_password;
use super::session_jwt::signing;
use super::stage::{KEY, Stage, Worker, changed, document, location, outcome, status, with};
use crate::crypto::seal::{Purpose, Sealer};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::session::content::Session;
use crate::words::secret::Secret;
use crate::words::world::testing::Still;

const STAGING: &str = "staging.example.com";

/// The same configuration at another origin.
fn at_staging(document: Value) -> Value {
    changed(document, "/origins", json!([format!("https://{STAGING}")]))
}

/// The same request, to another host.
fn to(host: &str, headers: &Headers) -> Headers {
    let fields = headers.names().map(|name| {
        let value = if name == ":authority" { host.as_bytes() } else { headers.all(name).next().unwrap() };
        (name.to_owned(), value.to_vec())
    });
    Headers::new(fields.collect())
}

/// A stage where somebody is signed in at staging, as anybody they like.
fn signed_in_at_staging(document: Value) -> Stage {
    let mut stage = Stage::ready(&at_staging(document));
    let sent = stage.send(to(STAGING, &stage.browser.navigate("/page")));
    let back = stage.provider.agree(location(&sent));
    let callback = back.strip_prefix(&format!("https://{STAGING}")).unwrap().to_owned();
    assert_eq!(status(&stage.send(to(STAGING, &stage.browser.navigate(&callback)))), 303);
    assert_eq!(outcome(&stage.send(to(STAGING, &stage.browser.script("GET", "/page")))), (200, ""));
    stage
}

#[test]
fn a_session_that_another_gateway_made_with_the_same_key_is_no_session() {
    for document in [document(), signing()] {
        let staging = signed_in_at_staging(document.clone());
        let mut production = Stage::ready(&document);
        production.browser = staging.browser.clone();
        for path in ["/members", "/page", "/company"] {
            assert_eq!(outcome(&production.script("GET", path)), (401, "session_invalid"), "{path}");
        }
        assert_eq!(outcome(&production.script("GET", "/api/session")), (401, "session_invalid"));
        // Where both origins are configured, it counts: what matters is whether the origin at which it was made is configured.
        let both = changed(document, "/origins", json!(["https://app.example.com", format!("https://{STAGING}")]));
        let mut both = Worker::new(&both);
        assert_eq!(outcome(&both.begin(staging.browser.script("GET", "/page"))), (200, ""));
    }
}

#[test]
fn a_new_origin_in_the_list_signs_nobody_out_and_one_that_is_taken_away_does() {
    for document in [document(), signing()] {
        let stage = Stage::signed_in(&document);
        let longer = changed(document.clone(), "/origins", json!(["https://new.example.com", "https://app.example.com"]));
        assert_eq!(outcome(&stage.worker.beside(&longer).begin(stage.browser.script("GET", "/page"))), (200, ""));
        let others = changed(document, "/origins", json!(["https://new.example.com", "https://app.example.com:8443"]));
        let moved = to("new.example.com", &stage.browser.script("GET", "/page"));
        assert_eq!(outcome(&stage.worker.beside(&others).begin(moved)), (401, "session_invalid"));
    }
}

#[test]
fn a_token_by_password_of_another_gateway_with_the_same_secret_is_no_session() {
    let mut staging = Stage::ready(&at_staging(by_password()));
    staging.browser.body = json!({"email": "alice@example.com", "password": "right"}).to_string();
    let fields = [("content-type", "application/json"), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
    let step = staging.send(to(STAGING, &staging.browser.send("POST", "/api/auth/login", &fields)));
    let token = super::stage::body(&step)["token"].as_str().unwrap().to_owned();
    let line = format!("Bearer {token}");
    let with_token = staging.browser.send("GET", "/api/orders", &[("authorization", &line)]);
    assert_eq!(outcome(&staging.send(to(STAGING, &with_token))), (200, ""));
    let mut production = Worker::new(&by_password());
    assert_eq!(outcome(&production.begin(with_token)), (401, "token_invalid"));
}

#[test]
fn a_sign_in_that_another_gateway_began_sends_no_code_anywhere() {
    // Key, provider name and redirect URI are the same; the issuer, the client or the origin is another one.
    let other_issuer = with("/providers/0/issuer", json!("https://sso.example.com/realms/other"));
    let other_client = with("/providers/0/client_id", json!("other"));
    for (what, elsewhere) in [("issuer", other_issuer), ("client", other_client)] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page");
        let mut other = Stage::new(&elsewhere);
        other.browser = stage.browser.clone();
        other.provider.asked.clear();
        let step = other.navigate(&callback);
        assert_eq!(outcome(&step), (400, "attempt_missing"), "{what}");
        assert!(other.provider.asked.is_empty(), "{what}");
        assert!(other.browser.names().is_empty(), "{what}: it is of no more use");
    }
    let mut staging = Stage::ready(&at_staging(document()));
    let sent = staging.send(to(STAGING, &staging.browser.navigate("/page")));
    let back = staging.provider.agree(location(&sent));
    let mut production = Stage::ready(&document());
    production.browser = staging.browser.clone();
    production.provider.asked.clear();
    let callback = back.strip_prefix(&format!("https://{STAGING}")).unwrap();
    assert_eq!(outcome(&production.navigate(callback)), (400, "attempt_missing"));
    assert!(production.provider.asked.is_empty());
    assert_eq!(document()["providers"][0]["issuer"], ISSUER);
}

#[test]
fn a_session_whose_origin_was_written_otherwise_is_no_session() {
    let sealer = Sealer::new(&[Secret::new(KEY)]).ok().unwrap();
    let stage = Stage::signed_in(&document());
    let (cookie, path) = stage.browser.jar["__Host-accredit"].clone();
    let session = Session::parse(&sealer.open(Purpose::Session, cookie.as_bytes()).unwrap()).unwrap();
    for (origin, expected) in [
        ("https://app.example.com", (200, "")),
        ("https://app.example.com/", (401, "session_invalid")),
        ("https://app.example.com:443", (401, "session_invalid")),
        ("http://app.example.com", (401, "session_invalid")),
        ("https://APP.example.com", (401, "session_invalid")),
        ("app.example.com", (401, "session_invalid")),
        ("https://evil.example@https://app.example.com", (401, "session_invalid")),
        ("", (401, "session_invalid")),
    ] {
        let session = Session { origin: origin.to_owned(), ..session.clone() };
        let sealed = sealer.seal(&mut Still::default(), Purpose::Session, &session.write()).unwrap();
        let mut browser = stage.browser.clone();
        browser.jar.insert("__Host-accredit".into(), (sealed, path.clone()));
        assert_eq!(outcome(&stage.worker.beside(&document()).begin(browser.script("GET", "/page"))), expected, "{origin}");
    }
}

#[test]
fn a_session_that_does_not_count_now_or_here_ends_at_sign_out_all_the_same_and_does_not_come_back_later() {
    // A session of an origin that is removed from the configuration and added again later.
    for document in [document(), signing()] {
        let stage = Stage::signed_in(&document);
        let without = changed(document.clone(), "/origins", json!(["https://new.example.com"]));
        let mut worker = stage.worker.beside(&without);
        let fields = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
        let sign_out = to("new.example.com", &stage.browser.send("POST", "/api/logout", &fields));
        assert_eq!(outcome(&worker.begin(sign_out)), (200, ""));
        assert_eq!(outcome(&worker.beside(&document).begin(stage.browser.script("GET", "/page"))), (401, "session_expired"));
    }
    // A session that a service has issued for a later time.
    let mut stage = Stage::ready(&signing());
    let now = stage.worker.world.now.seconds();
    let claims = json!({"sub": "alice", "origin": "https://app.example.com", "iat": now, "nbf": now + 120, "exp": now + 3_000});
    let secret = signing()["session"]["jwt"]["keys"][0].as_str().unwrap().to_owned();
    let key = crate::crypto::signing::SigningKey::shared_secret(&Secret::new(secret)).unwrap();
    let token = key.sign(&Still::default(), "JWT", claims.as_object().unwrap()).unwrap();
    stage.browser.jar.insert("access_token".into(), (token, "/".into()));
    let copy = stage.browser.clone();
    assert_eq!(outcome(&stage.script("GET", "/page")), (401, "session_invalid"));
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (200, ""));
    stage.worker.wait(std::time::Duration::from_secs(130));
    assert_eq!(outcome(&stage.worker.begin(copy.script("GET", "/page"))), (401, "session_expired"));
}
