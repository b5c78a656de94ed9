use serde_json::{Value, json};

use super::stage::{Stage, awaited, called, changed, field, forwarded, outcome, response, seconds, upstream_headers, with};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::RSA;
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::{ISSUER, json_reply};
use crate::step::decision::{Decision, News};
use crate::step::event::{Event, IntrospectionAnswer};
use crate::words::reason::Reason;

/// The usual configuration with these settings of `introspection`.
fn asking(introspection: Value) -> Value {
    let document = with("/providers/0/bearer", json!({"audiences": ["api"], "introspection": introspection}));
    let rules = json!([
        {"match": {"path_separated_prefix": "/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/hooks"}, "require": {"bearer": "main", "scope": ["hooks:write"]}},
        {"match": {"path_separated_prefix": "/sessions"}, "require": "authenticated", "credentials": "session"},
    ]);
    changed(document, "/rules", rules)
}

fn stage(introspection: Value) -> Stage {
    let mut stage = Stage::ready(&asking(introspection));
    let exp = stage.worker.world.now.seconds() + 300;
    stage.provider.introspection = json!({
        "active": true, "aud": "api", "sub": "robot", "token_type": "Bearer", "exp": exp, "scope": "hooks:write", "groups": ["staff"]
    });
    stage.provider.asked.clear();
    stage
}

fn request(target: &str, token: &str) -> Headers {
    let line = format!("Bearer {token}");
    let fields = [
        (":method", "POST"),
        (":authority", "app.example.com"),
        (":path", target),
        ("x-request-id", "r-1"),
        ("authorization", &line),
    ];
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

fn jwt(stage: &Stage, changes: Value) -> String {
    let now = stage.worker.world.now.seconds();
    let mut claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now + 300, "scope": "hooks:write"});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims)
}

fn asked_now(step: &Step) -> bool {
    matches!(step.decision, Decision::Call(..))
}

#[test]
fn an_opaque_token_is_introspected_and_then_remembered_for_the_configured_time() {
    let mut stage = stage(json!({"cache": "60s"}));
    let step = stage.send(request("/hooks", "opaque"));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "robot"), ("x-forwarded-groups", "staff")]);
    assert_eq!(forwarded(&step).edits.remove, ["authorization"]);
    assert!(step.events.contains(&Event::TokenIntrospected(IntrospectionAnswer::Accepted)));
    stage.worker.wait(seconds(59));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", "opaque"))), (200, ""));
    assert_eq!(stage.provider.asked, ["introspect"]);
    stage.worker.wait(seconds(1));
    // The provider has revoked the token meanwhile.
    stage.provider.introspection = json!({"active": false});
    assert_eq!(outcome(&stage.send(request("/hooks", "opaque"))), (401, "token_invalid"));
}

#[test]
fn an_introspected_token_is_not_remembered_beyond_its_end() {
    let mut stage = stage(json!({"cache": "5m"}));
    stage.provider.introspection["exp"] = json!(stage.worker.world.now.seconds() + 10);
    assert_eq!(outcome(&stage.send(request("/hooks", "opaque"))), (200, ""));
    stage.worker.wait(seconds(10));
    assert!(asked_now(&stage.worker.begin(request("/hooks", "opaque"))));
}

#[test]
fn without_a_cache_the_token_of_every_request_is_introspected() {
    let mut stage = stage(json!({"cache": 0}));
    for good in [true, true, false, false] {
        stage.provider.introspection["active"] = json!(good);
        let expected = if good { (200, "") } else { (401, "token_invalid") };
        assert_eq!(outcome(&stage.send(request("/hooks", "opaque"))), expected);
    }
    assert_eq!(stage.provider.asked.len(), 4);
}

#[test]
fn a_refused_token_costs_one_call_and_many_of_them_displace_no_accepted_one() {
    let mut stage = stage(json!({}));
    assert_eq!(outcome(&stage.send(request("/hooks", "good"))), (200, ""));
    stage.provider.introspection = json!({"active": false});
    stage.provider.asked.clear();
    for _ in 0..20 {
        assert_eq!(outcome(&stage.send(request("/hooks", "bad"))), (401, "token_invalid"));
    }
    assert_eq!(stage.provider.asked.len(), 1);
    for other in 0..5_000 {
        drop(stage.send(request("/hooks", &format!("bad-{other}"))));
    }
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", "good"))), (200, ""));
    stage.worker.wait(seconds(10));
    assert!(asked_now(&stage.worker.begin(request("/hooks", "bad"))), "a refusal is not remembered for long");
}

#[test]
fn a_provider_that_does_not_answer_means_503_and_its_tokens_are_not_remembered_as_refused() {
    let mut stage = stage(json!({}));
    for reply in [Reply::Reset, json_reply(401, &json!({"error": "invalid_client"})), json_reply(200, &json!({"active": "true"}))]
    {
        stage.provider.instead = Some(reply);
        let step = stage.send(request("/hooks", "opaque"));
        assert_eq!(outcome(&step), (503, "introspection_unavailable"));
        assert_eq!(field(response(&step), "retry-after"), Some("5"));
        assert_eq!(field(response(&step), "www-authenticate"), None);
        assert!(step.events.contains(&Event::TokenIntrospected(IntrospectionAnswer::Missing)));
    }
    stage.provider.instead = None;
    assert_eq!(outcome(&stage.send(request("/hooks", "opaque"))), (200, ""));
}

#[test]
fn introspection_requests_under_way_are_limited_and_an_abandoned_one_no_longer_counts() {
    let mut stage = stage(json!({}));
    let mut under_way: Vec<_> = (0..64).map(|token| stage.worker.begin(request("/hooks", &format!("t-{token}")))).collect();
    assert!(under_way.iter().all(asked_now));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", "one-more"))), (503, "introspection_unavailable"));
    assert_eq!(outcome(&stage.worker.begin(request("/public", "one-more"))), (200, ""));
    under_way.pop();
    assert!(asked_now(&stage.worker.begin(request("/hooks", "one-more"))));
}

#[test]
fn on_a_public_page_an_accepted_token_gives_an_identity_and_a_refused_one_gives_none() {
    let mut stage = stage(json!({}));
    assert_eq!(upstream_headers(&stage.send(request("/public", "good"))).len(), 2);
    stage.provider.introspection = json!({"active": false});
    assert_eq!(upstream_headers(&stage.send(request("/public", "bad"))), []);
    stage.provider.instead = Some(Reply::Reset);
    let step = stage.send(request("/public", "unknown"));
    assert_eq!((upstream_headers(&step), forwarded(&step).edits.remove.clone()), (vec![], vec!["authorization".to_owned()]));
}

#[test]
fn a_jwt_is_not_introspected_and_one_of_another_issuer_is_sent_to_no_provider() {
    let mut stage = stage(json!({}));
    let good = jwt(&stage, json!({}));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &good))), (200, ""));
    let foreign = jwt(&stage, json!({"iss": "https://other.example"}));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &foreign))), (401, "token_invalid"));
    // A JWT without `iss` may be of anybody, for instance a session of ours.
    let without_issuer = jwt(&stage, json!({"iss": null}));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &without_issuer))), (401, "token_invalid"));
    for not_worth_a_call in ["", &"x".repeat(20_000)] {
        assert_eq!(outcome(&stage.worker.begin(request("/hooks", not_worth_a_call))), (401, "token_invalid"));
    }
    // A JWT that was refused is not introspected either: that would let a weaker check decide.
    let expired = jwt(&stage, json!({"exp": 1}));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &expired))), (401, "token_expired"));
    assert!(stage.provider.asked.is_empty());
}

#[test]
fn a_session_of_ours_that_comes_as_a_bearer_token_by_mistake_is_sent_to_no_provider() {
    for when in ["opaque", "always"] {
        let secret = "a secret that services share, of 32 bytes at least";
        let session = json!({"keys": [super::stage::KEY], "form": "jwt", "jwt": {"keys": [secret], "claims": ["scope", "scp"]}});
        let document = changed(asking(json!({ "when": when })), "/session", session);
        let mut stage = Stage::signed_in(&document);
        stage.provider.asked.clear();
        let token = stage.browser.jar["__Host-accredit"].0.clone();
        assert_eq!(outcome(&stage.send(request("/hooks", &token))), (401, "token_invalid"));
        assert!(stage.provider.asked.is_empty(), "{when}");
    }
}

#[test]
fn where_jwts_are_introspected_too_the_signature_and_the_provider_must_agree() {
    for when in ["jwt", "always"] {
        let mut stage = stage(json!({"when": when}));
        let good = jwt(&stage, json!({}));
        assert_eq!(outcome(&stage.send(request("/hooks", &good))), (200, ""));
        assert_eq!(outcome(&stage.worker.begin(request("/hooks", &good))), (200, ""));
        assert_eq!(stage.provider.asked, ["introspect"]);
        let forged = format!("{}AAAA", jwt(&stage, json!({"jti": "forged"})));
        assert_eq!(outcome(&stage.send(request("/hooks", &forged))), (401, "token_invalid"));
        assert_eq!(stage.provider.asked, ["introspect"], "nobody is asked about a token that nobody signed");
        let another = jwt(&stage, json!({"sub": "another"}));
        assert_eq!(outcome(&stage.send(request("/hooks", &another))), (401, "token_invalid"), "the answer is about robot");
        stage.provider.introspection = json!({"active": false});
        let withdrawn = jwt(&stage, json!({"jti": "2"}));
        assert_eq!(outcome(&stage.send(request("/hooks", &withdrawn))), (401, "token_invalid"));
        let opaque = stage.worker.begin(request("/hooks", "opaque"));
        assert_eq!(asked_now(&opaque), when == "always");
    }
}

#[test]
fn without_introspection_an_opaque_token_is_refused_without_a_call() {
    let mut document = asking(json!({}));
    document["providers"][0]["bearer"].as_object_mut().unwrap().remove("introspection");
    let mut stage = Stage::ready(&document);
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", "opaque"))), (401, "token_invalid"));
}

#[test]
fn a_reply_that_comes_when_tokens_are_no_longer_accepted_lets_nobody_in() {
    let mut stage = stage(json!({}));
    let (call, pending) = called(stage.worker.begin(request("/hooks", "opaque")));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let rules = json!([{"require": "authenticated", "credentials": "session"}]);
    let changed = changed(asking(json!({})), "/rules", rules);
    let mut after = stage.worker.beside(&changed);
    assert_eq!(outcome(&after.resume(pending.clone(), reply.clone())), (401, "session_missing"));
    let mut without = asking(json!({}));
    without["providers"][0]["bearer"].as_object_mut().unwrap().remove("introspection");
    let mut after = stage.worker.beside(&without);
    assert_eq!(outcome(&after.resume(pending, reply)), (401, "token_invalid"));
}

#[test]
fn no_step_of_an_introspection_prints_the_token_or_the_client_secret() {
    let mut stage = stage(json!({}));
    let step = stage.worker.begin(request("/hooks", "the-opaque-token"));
    let printed = format!("{step:?}");
    assert!(!printed.contains("the-opaque-token") && !printed.contains(super::stage::CLIENT_SECRET), "{printed}");
    let last = stage.settle(step);
    assert!(!format!("{last:?}").contains("the-opaque-token"));
}

#[test]
fn an_unknown_key_means_503_while_the_provider_is_down_and_401_once_its_keys_are_fetched() {
    let mut stage = stage(json!({}));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let token = jwt(&stage, json!({}));
    stage.provider.instead = Some(Reply::Reset);
    for _ in 0..5 {
        assert_eq!(outcome(&stage.send(request("/hooks", &token))), (503, "keys_unavailable"));
    }
    // On every worker of the process.
    let other = stage.worker.beside(&asking(json!({})));
    let first = std::mem::replace(&mut stage.worker, other);
    assert_eq!(outcome(&stage.send(request("/hooks", &token))), (503, "keys_unavailable"));
    stage.worker = first;
    stage.provider.instead = None;
    stage.worker.fetch_due_for(&mut stage.provider, seconds(20));
    assert_eq!(outcome(&stage.send(request("/hooks", &token))), (401, "token_invalid"));
    stage.provider.publishes.push((&RSA, "second"));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(30));
    assert_eq!(outcome(&stage.send(request("/hooks", &token))), (200, ""));
}

#[test]
fn known_keys_go_on_verifying_while_the_provider_is_down_and_after_a_restart_there_are_none() {
    let mut stage = stage(json!({}));
    stage.provider.instead = Some(Reply::Reset);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(3_700));
    let token = jwt(&stage, json!({}));
    assert_eq!(outcome(&stage.worker.begin(request("/hooks", &token))), (200, ""));
    let given = json!({
        "issuer": ISSUER, "authorization_endpoint": format!("{ISSUER}/auth"), "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/keys"), "introspection_endpoint": format!("{ISSUER}/introspect")
    });
    let mut document = changed(asking(json!({})), "/providers/0/metadata", given);
    document["providers"][0].as_object_mut().unwrap().remove("issuer");
    for (document, reason) in [(asking(json!({})), "metadata_unavailable"), (document, "keys_unavailable")] {
        let mut restarted = Stage::new(&document);
        restarted.provider.instead = Some(Reply::Reset);
        restarted.worker.world.now = stage.worker.world.now;
        assert_eq!(outcome(&restarted.send(request("/hooks", &token))), (503, reason));
    }
}

#[test]
fn a_token_in_the_address_is_refused_on_public_pages_too() {
    let mut stage = stage(json!({}));
    for target in ["/public?access_token=x", "/public?a=1&access%5Ftoken=", "/hooks?access_token=x"] {
        assert_eq!(outcome(&stage.worker.begin(request(target, "opaque"))), (400, "token_ambiguous"), "{target}");
    }
    // Where no tokens are accepted, the parameter is the application's.
    assert_eq!(outcome(&stage.worker.begin(request("/sessions?access_token=x", "opaque"))), (401, "session_missing"));
}

#[test]
fn an_introspection_waits_for_missing_metadata() {
    let mut stage = Stage::new(&asking(json!({})));
    let (_, _, pending) = awaited(stage.worker.begin(request("/hooks", "opaque")));
    let step = stage.worker.resume(pending, News::Missing(Reason::MetadataUnavailable));
    assert_eq!(outcome(&step), (503, "metadata_unavailable"));
}

#[test]
fn somebody_by_username_is_not_the_person_with_that_sub_in_any_condition_or_header() {
    let introspection = json!({
        "cache": 0, "subject": "username", "assume": {"audience": "api", "token_type": "Bearer"}, "client_ids": ["portal"]
    });
    let sub = |name: &str| json!({"claim": "sub", "any_of": [name]});
    let rules = json!([
        {"match": {"path": "/sub"}, "require": {"any": [sub("ann"), sub("username:ann")]}},
        {"match": {"path": "/not"}, "require": {"not": sub("root")}},
        {"match": {"path": "/audience"}, "require": {"bearer": "main", "audience": ["api"]}},
        {"match": {"path": "/username"}, "require": {"claim": "username", "any_of": ["ann"]}},
    ]);
    let mut stage = Stage::ready(&changed(asking(introspection), "/rules", rules));
    stage.provider.introspection = json!({"active": true, "client_id": "portal", "username": "ann", "groups": ["staff"]});
    let step = stage.send(request("/x", "opaque"));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "username:ann"), ("x-forwarded-groups", "staff")]);
    assert_eq!(step.note.subject.as_deref(), Some("username:ann"));
    for page in ["/sub", "/not"] {
        assert_eq!(outcome(&stage.send(request(page, "opaque"))), (403, "condition_failed"), "{page}");
    }
    assert_eq!(outcome(&stage.send(request("/audience", "opaque"))), (401, "audience_missing"), "it is only assumed");
    assert_eq!(outcome(&stage.send(request("/username", "opaque"))), (200, ""), "the claim can be asked for by its own name");
    for (member, wrong) in [("client_id", "other"), ("aud", "app"), ("token_type", "DPoP"), ("username", "client:portal")] {
        let good = stage.provider.introspection.clone();
        stage.provider.introspection[member] = json!(wrong);
        assert_eq!(outcome(&stage.send(request("/x", "opaque"))), (401, "token_invalid"), "{member}");
        stage.provider.introspection = good;
    }
}
