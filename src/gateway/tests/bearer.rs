use serde_json::{Value, json};

use super::stage::{Stage, changed, document, field, forwarded, outcome, response, seconds, upstream_headers, with};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_RSA, RSA};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::step::decision::News;
use crate::step::event::Event;
use crate::words::reason::Reason;

/// The usual configuration, whose provider's tokens are accepted; `/hooks` is for tokens with a scope.
fn accepting() -> Value {
    let document = with("/providers/0/bearer", json!({"audiences": ["api"]}));
    let rules = json!([
        {"match": {"path_separated_prefix": "/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/hooks"}, "require": {"bearer": "main", "scope": ["hooks:write"]}},
        {"match": {"path_separated_prefix": "/members"}, "require": {"claim": "groups", "any_of": ["staff"]}},
        {"match": {"path_separated_prefix": "/sessions"}, "require": "authenticated", "credentials": "session"}
    ]);
    changed(document, "/rules", rules)
}

fn token(stage: &Stage, changes: Value) -> String {
    let now = stage.worker.world.now.seconds();
    let mut claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now + 300, "groups": ["staff"]});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims)
}

/// A token that a client got for itself: without `sub`.
fn without_sub(stage: &Stage, client: Value) -> String {
    let mut claims = json!({"iss": ISSUER, "aud": "api", "exp": stage.worker.world.now.seconds() + 300, "groups": ["staff"]});
    claims.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims)
}

/// A program's request with these `Authorization` lines.
fn request(target: &str, authorization: &[&str]) -> Headers {
    request_in_bytes(target, &authorization.iter().map(|line| line.as_bytes()).collect::<Vec<_>>())
}

/// A program's request with these `Authorization` lines, which need not be UTF-8.
fn request_in_bytes(target: &str, authorization: &[&[u8]]) -> Headers {
    let fields = [(":method", "POST"), (":authority", "app.example.com"), (":path", target), ("x-request-id", "r-1")];
    let fields = fields.into_iter().map(|(name, value)| (name, value.as_bytes()));
    let lines = authorization.iter().map(|line| ("authorization", *line));
    Headers::new(fields.chain(lines).map(|(name, value)| (name.to_owned(), value.to_vec())).collect())
}

#[test]
fn a_bearer_token_proves_who_is_asking_and_goes_no_further() {
    let mut stage = Stage::ready(&accepting());
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let line = format!("{scheme} {}", token(&stage, json!({})));
        let step = stage.worker.begin(request("/members", &[&line]));
        // No same-origin evidence is needed: another site cannot make a browser send a bearer token.
        assert_eq!(upstream_headers(&step), [("x-forwarded-user", "robot"), ("x-forwarded-groups", "staff")]);
        assert_eq!(forwarded(&step).edits.remove, ["authorization"]);
        assert_eq!(step.note.subject.as_deref(), Some("robot"));
    }
    let mut stage = Stage::ready(&changed(accepting(), "/providers/0/bearer/forward", json!(true)));
    let line = format!("Bearer {}", token(&stage, json!({})));
    assert!(forwarded(&stage.worker.begin(request("/members", &[&line]))).edits.remove.is_empty());
}

#[test]
fn a_token_of_a_client_without_a_person_names_the_client_upstream_and_conditions_see_no_sub() {
    let rules = json!([
        {"match": {"path": "/it"}, "require": {"claim": "sub", "any_of": ["client:deploy"]}},
        {"match": {"path": "/not"}, "require": {"not": {"claim": "sub", "any_of": ["root"]}}}
    ]);
    let mut stage = Stage::ready(&changed(accepting(), "/rules", rules));
    for (client, named) in [(json!({"client_id": "deploy"}), "client:deploy"), (json!({"azp": "ci"}), "client:ci")] {
        let line = format!("Bearer {}", without_sub(&stage, client));
        let step = stage.worker.begin(request("/x", &[&line]));
        assert_eq!(upstream_headers(&step), [("x-forwarded-user", named), ("x-forwarded-groups", "staff")]);
        assert_eq!(step.note.subject.as_deref(), Some(named));
        for page in ["/it", "/not"] {
            assert_eq!(outcome(&stage.worker.begin(request(page, &[&line]))), (403, "condition_failed"));
        }
    }
}

#[test]
fn nobody_whose_sub_is_like_the_name_of_a_client_or_of_somebody_without_sub_is_taken_for_them() {
    let mut stage = Stage::ready(&accepting());
    for client in [json!({}), json!({"client_id": "deploy"})] {
        let mut changes = client;
        changes["sub"] = json!("client:deploy");
        let line = format!("Bearer {}", token(&stage, changes));
        assert_eq!(outcome(&stage.worker.begin(request("/x", &[&line]))), (401, "token_invalid"));
    }
    let line = format!("Bearer {}", token(&stage, json!({"sub": "username:ann"})));
    assert_eq!(outcome(&stage.worker.begin(request("/x", &[&line]))), (401, "token_invalid"));
    for reserved in ["client:deploy", "username:ann"] {
        stage.provider.claims["sub"] = json!(reserved);
        let callback = stage.go_to_the_provider("/x");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, "id_token_subject"));
    }
}

#[test]
fn a_bearer_token_in_the_session_cookie_is_no_session_even_if_it_is_remembered() {
    let mut stage = Stage::ready(&accepting());
    let token = token(&stage, json!({}));
    assert_eq!(outcome(&stage.worker.begin(request("/members", &[&format!("Bearer {token}")]))), (200, ""));
    for value in [token.clone(), format!("1.{token}"), format!("1.Bearer {token}"), format!("Bearer {token}")] {
        let mut browser = super::stage::Browser::default();
        browser.jar.insert("__Host-accredit".into(), (value, "/".into()));
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/sessions"))), (401, "session_invalid"));
    }
}

#[test]
fn a_token_in_a_spelling_that_only_others_read_does_not_go_on() {
    let mut stage = Stage::ready(&accepting());
    for line in
        ["Bearer\tT", "Basic eA==,Bearer\tT", "Bearer,T", "Bearer=T", "Bearer:T", "\"Bearer\" T", "Bearer\u{a0}T", "Token bearer"]
    {
        assert_eq!(outcome(&stage.worker.begin(request("/hooks", &[line]))), (400, "token_ambiguous"), "{line:?}");
        assert_eq!(forwarded(&stage.worker.begin(request("/public", &[line]))).edits.remove, ["authorization"], "{line:?}");
    }
    for line in ["Basic eA==", "xBearer T", "Digest username=\"bearers\""] {
        assert!(forwarded(&stage.worker.begin(request("/public", &[line]))).edits.remove.is_empty(), "{line:?}");
    }
}

#[test]
fn a_token_beside_bytes_that_are_no_text_does_not_go_on() {
    let mut stage = Stage::ready(&accepting());
    for line in [b"Bearer T\xff".as_slice(), b"bearer\xffT", b"\xff Bearer T", b"Basic \xff, Bearer T", b"Bearer \xff"] {
        assert_eq!(outcome(&stage.worker.begin(request_in_bytes("/hooks", &[line]))), (400, "token_ambiguous"), "{line:?}");
        assert_eq!(forwarded(&stage.worker.begin(request_in_bytes("/public", &[line]))).edits.remove, ["authorization"]);
    }
    assert!(forwarded(&stage.worker.begin(request_in_bytes("/public", &[b"Basic \xff"]))).edits.remove.is_empty());
}

#[test]
fn a_request_that_waits_for_keys_ends_although_a_reload_has_lost_the_metadata() {
    let mut stage = Stage::ready(&accepting());
    stage.provider.signs = (&RSA, Algorithm::RS256, "nobody's");
    let line = format!("Bearer {}", token(&stage, json!({})));
    let (_, _, pending) = super::stage::awaited(stage.worker.begin(request("/members", &[&line])));
    // The request is resumed after a reload that has lost the metadata, while the provider is down.
    let mut after = Stage::new(&accepting());
    after.worker.wait(seconds(60));
    let step = after.worker.resume(pending, News::Missing(Reason::KeysUnavailable));
    let (_, _, pending) = super::stage::awaited(step);
    assert_eq!(outcome(&after.worker.resume(pending, News::Missing(Reason::MetadataUnavailable))), (503, "metadata_unavailable"));
}

#[test]
fn every_refusal_has_its_reason_and_its_challenge() {
    let mut stage = Stage::ready(&accepting());
    let good = format!("Bearer {}", token(&stage, json!({"scope": "hooks:write"})));
    let expired = format!("Bearer {}", token(&stage, json!({"exp": 1})));
    let other = format!("Bearer {}", token(&stage, json!({"aud": "x"})));
    let narrow = format!("Bearer {}", token(&stage, json!({"scope": "hooks:read"})));
    let twice = format!("{good},{good}");
    let realm = "Bearer realm=\"https://app.example.com\"";
    for (target, lines, expected, challenge) in [
        ("/hooks", vec![], (401, "token_missing"), realm.to_owned()),
        ("/hooks", vec!["Basic x"], (401, "token_missing"), realm.to_owned()),
        ("/hooks", vec![expired.as_str()], (401, "token_expired"), format!("{realm}, error=\"invalid_token\"")),
        ("/hooks", vec![other.as_str()], (401, "token_invalid"), format!("{realm}, error=\"invalid_token\"")),
        ("/hooks", vec!["Bearer x.y.z"], (401, "token_invalid"), format!("{realm}, error=\"invalid_token\"")),
        ("/hooks", vec![good.as_str(), good.as_str()], (400, "token_ambiguous"), format!("{realm}, error=\"invalid_request\"")),
        ("/hooks", vec![twice.as_str()], (400, "token_ambiguous"), format!("{realm}, error=\"invalid_request\"")),
        ("/hooks?access_token=x", vec![good.as_str()], (400, "token_ambiguous"), format!("{realm}, error=\"invalid_request\"")),
        (
            "/hooks",
            vec![narrow.as_str()],
            (403, "scope_missing"),
            format!("{realm}, error=\"insufficient_scope\", scope=\"hooks:write\""),
        ),
    ] {
        let step = stage.worker.begin(request(target, &lines));
        assert_eq!(outcome(&step), expected, "{target} {lines:?}");
        let challenges = field(response(&step), "www-authenticate").unwrap();
        assert!(challenges.starts_with(&challenge), "{challenges}");
    }
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &[&good]))), (200, ""));
}

#[test]
fn a_token_where_none_is_accepted_is_left_alone_and_a_public_page_needs_none() {
    let mut stage = Stage::ready(&accepting());
    let good = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.worker.begin(request("/sessions", &[&good]))), (401, "session_missing"));
    stage.sign_in("/sessions");
    let mut fields = stage.browser.send("GET", "/sessions", &[("authorization", "Bearer of-the-application")]);
    assert!(forwarded(&stage.worker.begin(fields.clone())).edits.remove.is_empty());
    // A session is not accepted under a rule for bearer tokens.
    fields = stage.browser.script("GET", "/hooks");
    assert_eq!(outcome(&stage.worker.begin(fields)), (401, "token_missing"));
    for line in ["Bearer forged", &good] {
        let step = stage.worker.begin(request("/public", &[line]));
        assert_eq!(upstream_headers(&step).is_empty(), line != good, "{line}");
        assert_eq!(forwarded(&step).edits.remove, ["authorization"], "an upstream might believe it");
    }
    assert!(forwarded(&stage.worker.begin(request("/public", &["Basic eA=="]))).edits.remove.is_empty());
    // Where no provider's tokens are accepted, the field is the application's.
    let mut stage = Stage::ready(&document());
    assert!(forwarded(&stage.worker.begin(request("/public", &[&good]))).edits.remove.is_empty());
}

#[test]
fn a_token_is_verified_once_and_again_when_the_keys_have_changed() {
    let mut stage = Stage::ready(&accepting());
    let line = format!("Bearer {}", token(&stage, json!({"exp": stage.worker.world.now.seconds() + 7_200})));
    let mut events = || stage.worker.begin(request("/members", &[&line])).events;
    assert!(events().contains(&Event::TokenVerified));
    assert!(events().contains(&Event::TokenFromMemory));
    // The provider withdraws the key; an hour later the keys are fetched again.
    stage.provider.publishes = vec![(&RSA, "second")];
    stage.worker.fetch_due_for(&mut stage.provider, seconds(3_700));
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (401, "token_invalid"));
}

#[test]
fn a_key_that_one_worker_knows_to_be_withdrawn_is_good_at_no_other() {
    let mut stage = Stage::ready(&accepting());
    let line = format!("Bearer {}", token(&stage, json!({})));
    let mut other = stage.worker.beside(&accepting());
    other.fetch_due(&mut stage.provider);
    assert_eq!(outcome(&other.begin(request("/members", &[&line]))), (200, ""));
    stage.provider.publishes = vec![(&RSA, "second")];
    other.wait(seconds(1));
    stage.worker.wait(seconds(1));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let new = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.send(request("/members", &[&new]))), (200, ""));
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (401, "token_invalid"));
    // The other worker only gets tokens that it remembers.
    other.wait(seconds(1));
    assert_eq!(other.fetch_due(&mut stage.provider), []);
    std::mem::swap(&mut stage.worker, &mut other);
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (401, "token_invalid"));
}

#[test]
fn a_repeated_fetch_of_the_same_keys_makes_no_worker_verify_remembered_tokens_again() {
    let mut stage = Stage::ready(&accepting());
    let line = format!("Bearer {}", token(&stage, json!({})));
    let mut other = stage.worker.beside(&accepting());
    other.fetch_due(&mut stage.provider);
    for worker in [&mut stage.worker, &mut other] {
        assert_eq!(outcome(&worker.begin(request("/members", &[&line]))), (200, ""));
        worker.wait(seconds(1));
    }
    let claims = json!({"iss": ISSUER, "sub": "x", "aud": "api", "exp": stage.worker.world.now.seconds() + 300});
    let forged = format!("Bearer {}", OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "nobody's"}), &claims));
    let asked = stage.provider.asked.len();
    assert_eq!(outcome(&stage.send(request("/members", &[&forged]))), (401, "token_invalid"));
    assert!(stage.provider.asked.len() > asked);
    assert_eq!(other.fetch_due(&mut stage.provider), []);
    for worker in [&mut stage.worker, &mut other] {
        let step = worker.begin(request("/members", &[&line]));
        assert!(step.events.contains(&Event::TokenFromMemory), "{:?}", step.events);
    }
}

#[test]
fn an_unknown_key_fetches_once_and_a_flood_of_them_does_not() {
    let mut stage = Stage::ready(&accepting());
    stage.provider.publishes.push((&RSA, "second"));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let line = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (200, ""));
    let asked = stage.provider.asked.len();
    for nobodys in 0..50 {
        let claims = json!({"iss": ISSUER, "sub": "x", "aud": "api", "exp": stage.worker.world.now.seconds() + 300});
        let forged = OTHER_RSA.token(Algorithm::RS256, &json!({"kid": format!("k{nobodys}")}), &claims);
        let step = stage.send(request("/members", &[&format!("Bearer {forged}")]));
        assert_eq!(outcome(&step), (401, "token_invalid"));
    }
    let fetches = stage.provider.asked.len() - asked;
    assert!(fetches <= 4, "{fetches} fetches");
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (200, ""));
}

#[test]
fn a_new_key_under_the_old_kid_is_fetched_once_and_a_flood_of_wrong_signatures_does_not() {
    let mut stage = Stage::ready(&accepting());
    let former = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.send(request("/members", &[&former]))), (200, ""));
    stage.provider.publishes = vec![(&RSA, "first")];
    stage.provider.signs = (&RSA, Algorithm::RS256, "first");
    stage.worker.wait(seconds(60));
    let line = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (200, ""));
    // What was verified by the former key is verified again, and refused.
    assert_eq!(outcome(&stage.send(request("/members", &[&former]))), (401, "token_invalid"));
    let (asked, before) = (stage.provider.asked.len(), stage.worker.world.now);
    for number in 0..50 {
        let claims = json!({"iss": ISSUER, "sub": format!("x{number}"), "aud": "api", "exp": before.seconds() + 300});
        let forged = OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "first"}), &claims);
        assert_eq!(outcome(&stage.send(request("/members", &[&format!("Bearer {forged}")]))), (401, "token_invalid"));
    }
    assert_eq!(stage.provider.asked.len(), asked, "the keys were fetched just now");
    // The flood does not keep a key from being found that is published now.
    stage.provider.publishes.push((&OTHER_RSA, "second"));
    stage.provider.signs = (&OTHER_RSA, Algorithm::RS256, "second");
    let line = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (200, ""));
}

#[test]
fn a_wrong_signature_is_no_verdict_while_the_keys_cannot_be_fetched() {
    let mut stage = Stage::ready(&accepting());
    stage.worker.wait(seconds(60));
    let claims = json!({"iss": ISSUER, "sub": "x", "aud": "api", "exp": stage.worker.world.now.seconds() + 300});
    let forged = format!("Bearer {}", OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "first"}), &claims));
    stage.provider.instead = Some(crate::oidc::testing::reply(503, &[], b""));
    assert_eq!(outcome(&stage.send(request("/members", &[&forged]))), (503, "keys_unavailable"));
}

#[test]
fn a_bearer_token_waits_for_missing_keys() {
    let mut stage = Stage::new(&accepting());
    let line = format!("Bearer {}", token(&stage, json!({})));
    assert_eq!(outcome(&stage.send(request("/members", &[&line]))), (200, ""));
}
