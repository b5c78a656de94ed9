//! Rules whose application gets a token of its own: in exchange for the one that proved who sends the request, or for our client.

use serde_json::{Value, json};

use super::stage::{Browser, Stage, changed, document, forwarded, location, outcome, query_parameters, seconds};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::RSA;
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::{ISSUER, json_reply, reply};
use crate::step::event::{Event, UpstreamTokenAnswer};

mod client_alone;
mod ends;
mod together;

const PARTNER: &str = "https://partner.example";

/// The usual configuration, where sessions keep the access token, tokens of two issuers are accepted, and `/notes` gets a token of its
/// own.
fn exchanging() -> Value {
    let bearer = json!({"audiences": ["api"]});
    let mut document = changed(changed(document(), "/forward", json!({"access_token": true})), "/providers/0/bearer", bearer);
    let partner = json!({
        "name": "partner",
        "issuer": PARTNER,
        "bearer": {"audiences": ["api"], "algorithms": ["RS256"], "jwks": {"keys": [RSA.jwk(&json!({"kid": "p"}))]}}
    });
    document["providers"].as_array_mut().unwrap().push(partner);
    let rule = |path: &str, forward: Value| json!({"match": {"path_separated_prefix": path}, "require": "authenticated", "forward": forward});
    let rules = json!([
        rule("/notes", json!({"token_exchange": {"audience": "notes", "scope": ["notes:read"], "provider": "main"}})),
        rule("/others", json!({"token_exchange": {"audience": "notes", "scope": ["notes:read"], "provider": "main"}})),
        rule("/own", json!({"client_credentials": {"resource": "https://own.example.com/", "provider": "main"}})),
        {"match": {"path_separated_prefix": "/plain"}, "require": "authenticated"}
    ]);
    changed(document, "/rules", rules)
}

fn signed_in() -> Stage {
    Stage::signed_in(&exchanging())
}

/// A token of the provider `main` with these claims in place of the usual ones.
fn token(stage: &Stage, changes: Value) -> String {
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims(stage, ISSUER, changes))
}

/// The same, of the other issuer.
fn token_of_partner(stage: &Stage, changes: Value) -> String {
    RSA.token(Algorithm::RS256, &json!({"kid": "p"}), &claims(stage, PARTNER, changes))
}

fn claims(stage: &Stage, issuer: &str, changes: Value) -> Value {
    let now = stage.worker.world.now.seconds();
    let mut claims = json!({
        "iss": issuer, "sub": "alice", "client_id": "one", "aud": "api", "exp": now + 3_600, "scope": "notes:read notes:write"
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn with_token(target: &str, token: &str) -> Headers {
    let line = format!("Bearer {token}");
    Browser::default().send("GET", target, &[("authorization", &line)])
}

/// The `Authorization` with which the request of this step arrives at the application, whatever the client has sent.
fn arrives(step: &Step) -> Option<&str> {
    let edits = &forwarded(step).edits;
    let mut lines = edits.add.iter().filter(|(name, _)| &**name == "authorization").map(|(_, value)| value.as_str());
    let line = lines.next();
    assert!(lines.next().is_none(), "two tokens");
    line
}

/// Sends a request with this token; returns what arrives.
fn ask(stage: &mut Stage, target: &str, token: &str) -> Option<String> {
    let step = stage.send(with_token(target, token));
    assert!(forwarded(&step).edits.remove.contains(&"authorization".to_owned()), "the client's own token stays");
    arrives(&step).map(str::to_owned)
}

#[test]
fn the_application_gets_the_exchanged_token_and_no_other_one_of_a_session() {
    let mut stage = signed_in();
    let before = stage.script("GET", "/plain");
    let kept = forwarded(&before).edits.add.iter().find(|(name, _)| &**name == "x-forwarded-access-token").unwrap().1.clone();
    let step = stage.script("GET", "/notes/1");
    assert_eq!(arrives(&step), Some("Bearer for-the-application-0"));
    let names: Vec<_> = forwarded(&step).edits.add.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-provider", "authorization"]);
    let form = stage.provider.exchanged.remove(0);
    let expected = [
        ("audience", "notes"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "notes:read"),
        ("subject_token", kept.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    assert_eq!(form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    // What the client sends in that field, its application does not get.
    let with_another = stage.browser.send("GET", "/notes/1", &[("authorization", "Basic YTpi")]);
    let step = stage.send(with_another);
    assert!(forwarded(&step).edits.remove.contains(&"authorization".to_owned()));
    assert_eq!(arrives(&step), Some("Bearer for-the-application-0"));
    assert!(stage.provider.exchanged.is_empty(), "it is here");
}

#[test]
fn a_bearer_token_is_exchanged_and_never_handed_on() {
    let mut stage = Stage::ready(&exchanging());
    let clients = token(&stage, json!({}));
    assert_eq!(ask(&mut stage, "/notes", &clients).as_deref(), Some("Bearer for-the-application-0"));
    assert_eq!(stage.provider.exchanged[0]["subject_token"], clients);
    assert_eq!(ask(&mut stage, "/notes", &clients).as_deref(), Some("Bearer for-the-application-0"));
    assert_eq!(ask(&mut stage, "/plain", &clients), None);
    assert_eq!(stage.provider.exchanged.len(), 1);
}

#[test]
fn nobody_gets_the_token_that_was_exchanged_for_somebody_who_is_like_them() {
    let mut stage = Stage::signed_in(&exchanging());
    stage.script("GET", "/notes");
    let first = token(&stage, json!({}));
    ask(&mut stage, "/notes", &first);
    assert_eq!(stage.provider.exchanged.len(), 2, "the same person, by a session and by a token");
    for (who, another) in [
        ("the same sub of another issuer", token_of_partner(&stage, json!({}))),
        ("the same sub by another client", token(&stage, json!({"client_id": "two"}))),
        ("the same with a narrower scope", token(&stage, json!({"scope": "notes:read"}))),
        ("the same, issued again", token(&stage, json!({"jti": "2"}))),
    ] {
        let calls = stage.provider.exchanged.len();
        let arrived = ask(&mut stage, "/notes", &another);
        assert_eq!(arrived, Some(format!("Bearer for-the-application-{calls}")), "{who}");
        assert_eq!(stage.provider.exchanged[calls]["subject_token"], another, "{who}");
    }
    // Another rule asks for itself, also where it asks for the same.
    let calls = stage.provider.exchanged.len();
    assert_eq!(ask(&mut stage, "/others", &first), Some(format!("Bearer for-the-application-{calls}")));
    // Everybody still has their own.
    assert_eq!(ask(&mut stage, "/notes", &first).as_deref(), Some("Bearer for-the-application-1"));
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-0"));
}

#[test]
fn a_token_of_our_client_is_everybodys_and_asked_for_without_theirs() {
    let mut stage = signed_in();
    let [one, two] = [json!({"client_id": "one"}), json!({"client_id": "two"})].map(|changes| token(&stage, changes));
    for token in [&one, &two] {
        assert_eq!(ask(&mut stage, "/own", token).as_deref(), Some("Bearer for-the-application-0"));
    }
    assert_eq!(arrives(&stage.script("GET", "/own")), Some("Bearer for-the-application-0"));
    let [form] = stage.provider.exchanged.as_slice() else { panic!("{:?}", stage.provider.exchanged) };
    let expected = [("grant_type", "client_credentials"), ("resource", "https://own.example.com/")];
    assert_eq!(form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn a_refusal_is_forbidden_and_not_asked_for_again_at_once() {
    let mut stage = Stage::ready(&exchanging());
    let clients = token(&stage, json!({}));
    let refusal = json!({"error": "invalid_target", "error_description": "alice may not"});
    stage.provider.instead_of_exchanging = Some(json_reply(400, &refusal));
    let step = stage.send(with_token("/notes", &clients));
    assert_eq!(outcome(&step), (403, "upstream_token_refused"));
    let detail = step.events.iter().find_map(|event| match event {
        Event::Denied { failure, subject, .. } => Some((failure.detail.clone(), subject.clone())),
        _ => None,
    });
    let (detail, subject) = detail.unwrap();
    assert!(detail.contains("error \"invalid_target\", \"alice may not\"") && !detail.contains(&clients), "{detail}");
    assert_eq!(subject.as_deref(), Some("alice"));
    stage.provider.instead_of_exchanging = None;
    for (after, status, calls) in [(0, 403, 1), (9, 403, 1), (1, 200, 2)] {
        stage.worker.wait(seconds(after));
        assert_eq!(outcome(&stage.send(with_token("/notes", &clients))).0, status);
        assert_eq!(stage.provider.exchanged.len(), calls);
    }
}

#[test]
fn without_a_good_answer_the_request_does_not_go_on_with_the_clients_token() {
    for bad in [
        Reply::NotSent,
        Reply::Reset,
        json_reply(503, &json!({})),
        json_reply(504, &json!({})),
        json_reply(401, &json!({"error": "invalid_client"})),
        json_reply(404, &json!({})),
        reply(200, &[("content-type", "text/html")], b"<html>"),
        json_reply(200, &json!({"access_token": "x", "token_type": "Bearer"})),
        json_reply(
            200,
            &json!({"access_token": "x", "token_type": "N_A", "issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}),
        ),
    ] {
        let mut stage = Stage::ready(&exchanging());
        let clients = token(&stage, json!({}));
        stage.provider.instead_of_exchanging = Some(bad.clone());
        for (after, calls) in [(0, 1), (1, 1), (1, 2)] {
            stage.worker.wait(seconds(after));
            let step = stage.send(with_token("/notes", &clients));
            assert_eq!(outcome(&step), (503, "upstream_token_unavailable"), "{bad:?}");
            assert_eq!(stage.provider.exchanged.len(), calls, "{bad:?}");
        }
        stage.provider.instead_of_exchanging = None;
        stage.worker.wait(seconds(2));
        assert_eq!(ask(&mut stage, "/notes", &clients).as_deref(), Some("Bearer for-the-application-2"));
    }
}

#[test]
fn a_token_that_allows_more_than_was_asked_for_is_not_used() {
    for (scope, status) in [("notes:read", 200), ("", 200), ("notes:read notes:delete", 503), ("admin", 503)] {
        let mut stage = Stage::ready(&exchanging());
        let clients = token(&stage, json!({}));
        stage.provider.exchange_response = json!({"scope": scope});
        assert_eq!(outcome(&stage.send(with_token("/notes", &clients))).0, status, "{scope}");
    }
}

#[test]
fn whoever_may_not_pass_causes_no_call() {
    let mut stage = Stage::ready(&exchanging());
    let bad = token(&stage, json!({"aud": "elsewhere"}));
    for (headers, status) in [
        (with_token("/notes", &bad), 401),
        (with_token("/notes", "opaque"), 401),
        (Browser::default().script("GET", "/notes"), 401),
        (Browser::default().navigate("/notes"), 302),
        (Browser::default().send("GET", "/notes", &[("authorization", "Bearer a, Bearer b")]), 400),
    ] {
        assert_eq!(outcome(&stage.send(headers)).0, status);
    }
    assert!(stage.provider.exchanged.is_empty());
}

#[test]
fn an_opaque_token_is_exchanged_once_and_nothing_of_that_is_used_when_it_is_withdrawn() {
    let mut document = exchanging();
    document["providers"][0]["bearer"]["introspection"] = json!({"cache": 0});
    let mut stage = Stage::ready(&document);
    let end = stage.worker.world.now.seconds() + 600;
    stage.provider.introspection = json!({"active": true, "iss": ISSUER, "sub": "alice", "aud": "api", "exp": end});
    // The provider is asked about it before the wait and after it, and then with each request.
    for introspections in [2, 3] {
        assert_eq!(ask(&mut stage, "/notes", "opaque").as_deref(), Some("Bearer for-the-application-0"));
        assert_eq!(stage.provider.asked.iter().filter(|path| *path == "introspect").count(), introspections);
    }
    stage.provider.introspection = json!({"active": false});
    assert_eq!(outcome(&stage.send(with_token("/notes", "opaque"))), (401, "token_invalid"));
    assert_eq!(stage.provider.exchanged.len(), 1);
}

#[test]
fn what_has_no_token_that_could_be_exchanged_is_refused_without_a_call() {
    let mut document = exchanging();
    document["rules"][0]["forward"]["token_exchange"].as_object_mut().unwrap().remove("provider");
    document["rules"][0]["credentials"] = json!("session");
    let mut stage = Stage::signed_in(&document);
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-0"), "of its own provider");
    // A session that an earlier configuration has made without the token is of another fingerprint, and does not count.
    let mut without = document.clone();
    without["forward"] = json!({});
    without["rules"] = json!([]);
    let mut stage = Stage::signed_in(&without);
    stage.worker = stage.worker.beside(&document);
    assert_eq!(outcome(&stage.script("GET", "/notes")), (401, "session_invalid"));
    assert!(stage.provider.exchanged.is_empty());
}
