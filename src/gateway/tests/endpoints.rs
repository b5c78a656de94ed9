//! Documents of a provider that lack endpoints, or name some that must not be used.

use serde_json::{Value, json};

use super::stage::{BEGINNING, Stage, changed, document, field, outcome, response, seconds, with};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::step::audit;
use crate::step::event::{DocumentKind, Event};

/// The usual configuration, whose provider's tokens are accepted: JWTs by its keys, others by introspection.
fn accepting() -> Value {
    with("/providers/0/bearer", json!({"audiences": ["api"], "introspection": {}}))
}

/// A stage whose provider leaves this out of its document.
fn without(document: &Value, endpoint: &str) -> Stage {
    let mut stage = Stage::new(document);
    stage.provider.metadata[endpoint] = Value::Null;
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    stage
}

fn by_token(target: &str, token: &str) -> Headers {
    let line = format!("Bearer {token}");
    let fields = [(":method", "POST"), (":authority", "app.example.com"), (":path", target), ("authorization", &line)];
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

fn jwt(stage: &Stage) -> String {
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": stage.worker.world.now.seconds() + 300});
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims)
}

/// Fetches the metadata once more, whether they are due or not; returns the events.
fn metadata_events(stage: &mut Stage) -> Vec<Event> {
    stage.worker.wait(seconds(24 * 3_600));
    let fetch = loop {
        if let Some(fetch) = stage.worker.tick().fetches.into_iter().find(|fetch| fetch.call.path.ends_with("configuration")) {
            break fetch;
        }
    };
    let reply = stage.provider.answer(&fetch.call, BEGINNING);
    stage.worker.fetch_answered(&fetch, &reply).events
}

#[test]
fn without_an_introspection_endpoint_people_sign_in_jwts_are_verified_and_opaque_tokens_are_503() {
    let mut stage = without(&accepting(), "introspection_endpoint");
    let token = jwt(&stage);
    assert_eq!(outcome(&stage.send(by_token("/members/x", &token))), (403, "condition_failed"));
    assert_eq!(outcome(&stage.send(by_token("/page", &token))), (200, ""));
    assert_eq!(outcome(&stage.send(by_token("/page", "opaque"))), (503, "introspection_unavailable"));
    assert!(!stage.provider.asked.contains(&"introspect".to_owned()));
    stage.sign_in("/page");
    let told = metadata_events(&mut stage);
    let [Event::Fetched { failure: None, .. }, Event::EndpointUnusable { detail, .. }, ..] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(detail.contains("write metadata: {introspection_endpoint: URL} beside issuer"), "{detail}");
}

#[test]
fn an_introspection_endpoint_that_is_written_beside_the_issuer_is_asked() {
    let metadata = json!({"introspection_endpoint": format!("{ISSUER}/introspect")});
    let mut stage = without(&changed(accepting(), "/providers/0/metadata", metadata), "introspection_endpoint");
    let exp = stage.worker.world.now.seconds() + 300;
    stage.provider.introspection = json!({"active": true, "aud": "api", "sub": "robot", "token_type": "Bearer", "exp": exp});
    assert_eq!(outcome(&stage.send(by_token("/page", "opaque"))), (200, ""));
    assert_eq!(stage.provider.asked.last().map(String::as_str), Some("introspect"));
    stage.sign_in("/page");
}

#[test]
fn a_token_endpoint_beside_the_issuer_gets_the_codes_and_the_documents_own_never_does() {
    let metadata = json!({"token_endpoint": format!("{ISSUER}/token")});
    let mut stage = Stage::new(&with("/providers/0/metadata", metadata));
    // The provider of these tests panics when anybody else is called.
    stage.provider.metadata["token_endpoint"] = json!("https://sso.example.com/realms/main/evil");
    stage.sign_in("/page");
    assert!(stage.provider.asked.contains(&"token".to_owned()));
}

#[test]
fn without_the_address_of_the_keys_nobody_is_sent_to_the_provider_and_no_request_waits() {
    let mut stage = without(&accepting(), "jwks_uri");
    let (before, token) = (stage.worker.world.now, jwt(&stage));
    assert_eq!(outcome(&stage.navigate("/page")), (503, "metadata_unavailable"));
    let refused = stage.send(by_token("/page", &token));
    assert_eq!(outcome(&refused), (503, "metadata_unavailable"));
    assert!(field(response(&refused), "retry-after").is_some());
    assert_eq!(outcome(&stage.navigate("/public")), (200, ""));
    assert_eq!((stage.worker.world.now, stage.provider.asked.len()), (before, 1));
    assert_eq!(stage.worker.tick().next, seconds(1), "the worker does not look for it in each turn");
    assert!(stage.browser.names().is_empty());
}

#[test]
fn a_sign_in_that_was_begun_before_sends_its_code_nowhere_when_an_endpoint_is_gone() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    // A worker with another configuration, which takes part in nothing that was fetched before.
    let mut other = stage.worker.beside(&with("/providers/0/userinfo", json!(true)));
    stage.provider.metadata["userinfo_endpoint"] = json!("https://evil.example/me");
    other.fetch_due_for(&mut stage.provider, seconds(1));
    std::mem::swap(&mut stage.worker, &mut other);
    stage.provider.asked.clear();
    assert_eq!(outcome(&stage.navigate(&callback)), (503, "metadata_unavailable"));
    assert_eq!(stage.provider.asked, Vec::<String>::new());
}

#[test]
fn an_incomplete_document_is_fetched_again_within_a_minute() {
    let mut stage = without(&document(), "token_endpoint");
    assert_eq!(outcome(&stage.navigate("/page")), (503, "metadata_unavailable"));
    stage.provider.metadata["token_endpoint"] = json!(format!("{ISSUER}/token"));
    assert_eq!(stage.worker.fetch_due_for(&mut stage.provider, seconds(50)), [], "not in each second");
    assert_eq!(stage.worker.fetch_due_for(&mut stage.provider, seconds(15)), [DocumentKind::Metadata]);
    stage.sign_in("/page");
    assert_eq!(stage.worker.fetch_due_for(&mut stage.provider, seconds(600)), []);
}

#[test]
fn a_renewed_document_that_lacks_what_is_needed_changes_nothing_and_the_log_says_so() {
    for wrong in [Value::Null, json!("https://evil.example/token"), json!("http://sso.example.com/token")] {
        let mut stage = Stage::ready(&document());
        stage.provider.metadata["token_endpoint"] = wrong;
        let told = metadata_events(&mut stage);
        let [Event::Fetched { failure: Some(failure), .. }] = told.as_slice() else { panic!("{told:?}") };
        assert!(failure.detail.starts_with("token_endpoint"), "{}", failure.detail);
        stage.sign_in("/page");
    }
}

#[test]
fn a_document_without_end_session_endpoint_is_told_where_sign_out_is_to_reach_the_provider() {
    for (at_provider, lines) in [(true, 1), (false, 0)] {
        let mut stage = without(&with("/logout", json!({"provider": at_provider})), "end_session_endpoint");
        stage.sign_in("/page");
        let told = metadata_events(&mut stage);
        let unusable =
            |event: &&Event| matches!(event, Event::EndpointUnusable { detail, .. } if detail.contains("logout.provider"));
        assert_eq!(told.iter().filter(unusable).count(), lines, "{told:?}");
    }
}

#[test]
fn a_document_whose_algorithms_are_not_accepted_is_told_and_a_token_that_is_good_signs_in() {
    let mut stage = Stage::ready(&document());
    stage.provider.metadata["id_token_signing_alg_values_supported"] = json!(["EdDSA"]);
    let told = metadata_events(&mut stage);
    let [Event::Fetched { failure: None, .. }, differ @ Event::AlgorithmsDiffer { detail, .. }, ..] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(detail.ends_with("write algorithms: [EdDSA]"), "{detail}");
    assert!(differ.is_trouble() && audit::line(differ).unwrap().contains("\"algorithms_differ\""));
    stage.sign_in("/page");
}
