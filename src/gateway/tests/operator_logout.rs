//! Operators end sessions.

mod refused;
mod without_room;

use serde_json::{Value, json};

use super::password::{login, with_cookies};
use super::stage::{Browser, Stage, body, changed, document, outcome, response, seconds, status};
use crate::gateway::pending::Step;
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::step::event::{Event, IntrospectionAnswer, OperatorsEnd};
use crate::words::world::{Destination, RouteMetadata};

pub(super) const PATH: &str = "/api/operator_logout";

const OWN: [(&str, &str); 2] = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];

/// These settings, with the endpoint for the group `operators`; `admins` may end the sessions of everybody, too.
pub(super) fn with_operators(mut document: Value) -> Value {
    let rule = json!({"match": {"path": PATH}, "require": {"claim": "groups", "any_of": ["operators", "admins"]}});
    document["rules"].as_array_mut().unwrap().insert(0, rule);
    let document = changed(document, "/operator_logout", json!({"everybody": {"claim": "groups", "any_of": ["admins"]}}));
    let document = changed(document, "/providers/0/bearer", json!({"audiences": ["api"]}));
    changed(document, "/endpoints", json!({"operator_logout": PATH}))
}

/// Alice is signed in; the browser that is returned is that of somebody with these groups.
pub(super) fn staffed(document: &Value, group: &str) -> (Stage, Browser) {
    let mut stage = Stage::signed_in(document);
    let operator = another(&mut stage, "olga", json!([group]));
    (stage, operator)
}

/// Another browser, in which this person is signed in.
fn another(stage: &mut Stage, subject: &str, groups: Value) -> Browser {
    let (own, claims) = (std::mem::take(&mut stage.browser), stage.provider.claims.clone());
    stage.provider.claims["sub"] = json!(subject);
    stage.provider.claims["groups"] = groups;
    stage.sign_in("/page");
    stage.provider.claims = claims;
    std::mem::replace(&mut stage.browser, own)
}

pub(super) fn request(browser: &Browser, method: &str, fields: &[(&str, &str)]) -> Headers {
    browser.send(method, PATH, fields)
}

/// Sends headers with a body, on a route to nobody.
fn sent(stage: &mut Stage, headers: Headers, body: &str) -> Step {
    let kept = std::mem::replace(&mut stage.browser, Browser { body: body.to_owned(), ..Browser::default() });
    stage.worker.world.destination = Destination::Nobody;
    let begun = stage.worker.begin(headers);
    let step = stage.settle(begun);
    stage.browser = kept;
    step
}

/// A page of our own asks for this.
pub(super) fn asks(stage: &mut Stage, operator: &Browser, wanted: &Value) -> Step {
    let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
    sent(stage, request(operator, "POST", &fields), &wanted.to_string())
}

fn is_in(stage: &mut Stage, browser: &Browser) -> bool {
    outcome(&stage.worker.begin(browser.script("GET", "/page"))) == (200, "")
}

fn alice_is_in(stage: &mut Stage) -> bool {
    let browser = stage.browser.clone();
    is_in(stage, &browser)
}

pub(super) fn told(step: &Step) -> Option<&OperatorsEnd> {
    step.events.iter().find_map(|event| match event {
        Event::EndedByOperator { end, .. } => Some(&**end),
        _ => None,
    })
}

/// A token of the provider, as a service has it.
fn token(stage: &Stage, changes: &Value) -> String {
    let now = stage.worker.world.now.seconds();
    let mut claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now + 300, "groups": ["operators"]});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid}), &claims)
}

fn by_token(stage: &mut Stage, token: &str, wanted: &Value) -> Step {
    let line = format!("Bearer {token}");
    let fields = [("authorization", line.as_str()), ("content-type", "application/json; charset=utf-8")];
    sent(stage, request(&Browser::default(), "POST", &fields), &wanted.to_string())
}

#[test]
fn an_operator_ends_what_they_name_and_nothing_else_and_the_log_says_who_it_was() {
    let document = with_operators(document());
    let now = |stage: &Stage| Some(stage.worker.world.now);
    for (wanted, alice, bob) in [
        (json!({"provider": "main", "sub": "alice"}), false, true),
        (json!({"provider": "main", "sub": "bob"}), true, false),
        (json!({"provider": "main", "sub": "nobody"}), true, true),
        (json!({"session": "nobody"}), true, true),
    ] {
        let (mut stage, operator) = staffed(&document, "operators");
        let other = another(&mut stage, "bob", json!([]));
        let step = asks(&mut stage, &operator, &wanted);
        assert_eq!(outcome(&step), (202, ""), "{wanted}");
        let end = told(&step).unwrap();
        assert_eq!(body(&step), json!({"id": end.id}));
        assert_eq!((end.by.as_str(), end.by_provider.as_str(), end.by_session.is_some()), ("olga", "main", true));
        assert_eq!((json!(end.sub), json!(end.session)), (wanted["sub"].clone(), wanted["session"].clone()));
        assert_eq!(end.before, now(&stage).filter(|_| wanted.get("session").is_none()));
        assert_eq!((step.note.subject.as_deref(), step.note.rule.as_deref()), (Some("olga"), Some("rules[0]")));
        assert_eq!((alice_is_in(&mut stage), is_in(&mut stage, &other)), (alice, bob), "{wanted}");
        assert!(is_in(&mut stage, &operator));
        let mut worker = stage.worker.beside(&document);
        assert_eq!(outcome(&worker.begin(stage.browser.script("GET", "/page"))) == (200, ""), alice);
    }
}

#[test]
fn a_session_ends_by_the_identifier_that_audit_lines_have() {
    let document = with_operators(document());
    let mut stage = Stage::ready(&document);
    let operator = another(&mut stage, "olga", json!(["operators"]));
    let begun = stage.sign_in("/page");
    let at_sign_in = begun.events.iter().find_map(|event| match event {
        Event::SignInCompleted { session, .. } => session.clone(),
        _ => None,
    });
    // A second session of hers is refused something.
    let own = another(&mut stage, "alice", json!(["guests"]));
    let denied = stage.worker.begin(own.script("GET", "/members"));
    let at_refusal = denied.events.iter().find_map(|event| match event {
        Event::Denied { session, .. } => session.clone(),
        _ => None,
    });
    assert!(at_sign_in.is_some() && at_refusal.is_some() && at_sign_in != at_refusal);
    assert_eq!(outcome(&asks(&mut stage, &operator, &json!({"session": at_sign_in}))), (202, ""));
    assert!(!alice_is_in(&mut stage) && is_in(&mut stage, &own), "one session of two");
    assert_eq!(outcome(&asks(&mut stage, &operator, &json!({"session": at_refusal}))), (202, ""));
    assert!(!is_in(&mut stage, &own) && is_in(&mut stage, &operator));
}

#[test]
fn a_service_ends_sessions_with_its_token() {
    let (mut stage, _) = staffed(&with_operators(document()), "operators");
    let wanted = json!({"provider": "main", "sub": "alice"});
    for (changes, expected) in [
        (json!({"groups": ["staff"]}), (403, "condition_failed")),
        (json!({"groups": null}), (403, "condition_failed")),
        (json!({"aud": "another"}), (401, "token_invalid")),
        (json!({"exp": 1}), (401, "token_expired")),
    ] {
        let token = token(&stage, &changes);
        assert_eq!(outcome(&by_token(&mut stage, &token, &wanted)), expected, "{changes}");
        assert!(alice_is_in(&mut stage));
    }
    let token = token(&stage, &json!({}));
    let step = by_token(&mut stage, &token, &wanted);
    assert_eq!(outcome(&step), (202, ""));
    let end = told(&step).unwrap();
    assert_eq!((end.by.as_str(), end.by_session.as_ref()), ("robot", None));
    assert!(!alice_is_in(&mut stage));
}

#[test]
fn the_answer_is_the_same_whether_there_is_such_a_person_or_session() {
    let (mut stage, operator) = staffed(&with_operators(document()), "operators");
    let mut answer = |wanted: &Value| {
        let step = asks(&mut stage, &operator, wanted);
        let id = told(&step).unwrap().id.clone();
        let response = response(&step);
        (response.status, response.headers.clone(), response.body.replace(&id, "ID"))
    };
    let known = answer(&json!({"provider": "main", "sub": "alice"}));
    for wanted in [json!({"provider": "main", "sub": "made-up"}), json!({"session": "made-up"})] {
        assert_eq!(answer(&wanted), known);
    }
}

#[test]
fn who_ends_the_sessions_of_everybody_is_answered_and_then_signed_out_too() {
    for wanted in [json!({"everybody": true}), json!({"everybody": true, "provider": "main"})] {
        let (mut stage, operator) = staffed(&with_operators(document()), "admins");
        let other = another(&mut stage, "bob", json!([]));
        let step = asks(&mut stage, &operator, &wanted);
        assert_eq!(outcome(&step), (202, ""));
        assert_eq!(told(&step).unwrap().ends, "everybody");
        for browser in [&operator, &other, &stage.browser.clone()] {
            assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/page"))), (401, "session_expired"), "{wanted}");
        }
        stage.worker.wait(seconds(1));
        let later = another(&mut stage, "bob", json!([]));
        assert!(is_in(&mut stage, &later));
    }
}

#[test]
fn only_what_began_until_the_given_time_ends_by_our_own_clock_whatever_the_providers_says() {
    for (wanted, ahead) in [
        (json!({"provider": "main", "sub": "alice"}), 0_i64),
        (json!({"provider": "main", "sub": "alice"}), 50),
        (json!({"provider": "main", "sub": "alice"}), -3_000),
        (json!({"everybody": true}), 50),
        (json!({"everybody": true, "provider": "main"}), -3_000),
    ] {
        let mut stage = Stage::ready(&with_operators(document()));
        stage.provider.claims["iat"] = json!(stage.worker.world.now.seconds().saturating_add_signed(ahead));
        stage.sign_in("/page");
        let operator = another(&mut stage, "olga", json!(["admins"]));
        let began = stage.worker.world.now.seconds();
        stage.worker.wait(seconds(5));
        let mut earlier = wanted.clone();
        earlier["before"] = json!(began - 1);
        assert_eq!(outcome(&asks(&mut stage, &operator, &earlier)), (202, ""));
        assert!(alice_is_in(&mut stage), "{earlier} {ahead}");
        let mut then = wanted.clone();
        then["before"] = json!(began);
        assert_eq!(outcome(&asks(&mut stage, &operator, &then)), (202, ""));
        assert!(!alice_is_in(&mut stage), "{then} {ahead}");
    }
}

#[test]
fn where_a_recent_sign_in_is_asked_for_the_answer_says_so() {
    let recent = json!({"all": [{"claim": "groups", "any_of": ["admins"]}, {"max_auth_age": "5m"}]});
    let document = changed(with_operators(document()), "/operator_logout/everybody", recent);
    let (mut stage, operator) = staffed(&document, "admins");
    let step = asks(&mut stage, &operator, &json!({"everybody": true}));
    assert_eq!(outcome(&step), (401, "authentication_insufficient"));
    assert_eq!(body(&step)["max_age"], "300");
    assert!(alice_is_in(&mut stage));
}

#[test]
fn an_opaque_token_is_introspected_before_the_body_is_read_and_each_answer_is_counted() {
    // What is not remembered is asked about again when the body is here.
    for (cache, answers) in [("0s", 2), ("60s", 1)] {
        let bearer = json!({"audiences": ["api"], "introspection": {"cache": cache}});
        let document = changed(with_operators(document()), "/providers/0/bearer", bearer);
        let (mut stage, _) = staffed(&document, "operators");
        let exp = stage.worker.world.now.seconds() + 300;
        let wanted = json!({"provider": "main", "sub": "alice"});
        stage.provider.introspection = json!({"active": false});
        assert_eq!(outcome(&by_token(&mut stage, "opaque", &wanted)), (401, "token_invalid"));
        stage.worker.wait(seconds(11));
        stage.provider.introspection =
            json!({"active": true, "aud": "api", "sub": "robot", "token_type": "Bearer", "exp": exp, "groups": ["operators"]});
        let step = by_token(&mut stage, "opaque", &wanted);
        assert_eq!(outcome(&step), (202, ""));
        let introspected = |event: &&Event| matches!(event, Event::TokenIntrospected(IntrospectionAnswer::Accepted));
        assert_eq!(step.events.iter().filter(introspected).count(), answers, "{cache}");
        assert!(!alice_is_in(&mut stage));
    }
}

#[test]
fn a_policy_of_the_route_narrows_who_may() {
    let document =
        changed(with_operators(document()), "/policies", json!({"on-call": {"claim": "groups", "any_of": ["on-call"]}}));
    let document = changed(document, "/route_policies", json!({"filter_metadata": "accredit"}));
    let (mut stage, operator) = staffed(&document, "operators");
    stage.worker.world.route_metadata = RouteMetadata::Text("on-call".into());
    assert_eq!(outcome(&asks(&mut stage, &operator, &json!({"provider": "main", "sub": "alice"}))), (403, "condition_failed"));
    stage.worker.world.route_metadata = RouteMetadata::Absent;
    assert!(alice_is_in(&mut stage));
}

#[test]
fn sub_is_the_providers_and_subject_the_user_services_and_one_text_never_ends_two_strangers() {
    let document = changed(with_operators(with_cookies()), "/endpoints/password", json!("/api/auth/login"));
    let mut document = changed(document, "/accounts/find", json!({"path": "/api/users/email/{claims.email}"}));
    document["providers"][0].as_object_mut().unwrap().remove("bearer");
    // Alice and Olga have one account, 17, and each her own `sub` at the provider. Alice also signs in by password.
    for (wanted, alice, olga, by_password) in [
        (json!({"provider": "main", "sub": "17"}), true, true, true),
        (json!({"provider": "main", "sub": "alice"}), false, true, true),
        (json!({"provider": "main", "sub": "olga"}), true, false, true),
        (json!({"provider": "main", "subject": "17"}), false, false, true),
        (json!({"provider": "main", "subject": "alice"}), true, true, true),
        (json!({"provider": "password", "subject": "17"}), true, true, false),
        (json!({"provider": "password", "subject": "alice"}), true, true, true),
    ] {
        let (mut stage, operator) = staffed(&document, "operators");
        let own = std::mem::take(&mut stage.browser);
        assert_eq!(status(&login(&mut stage, "alice@example.com", "right")), 200);
        let other = std::mem::replace(&mut stage.browser, own);
        let step = asks(&mut stage, &operator, &wanted);
        assert_eq!(outcome(&step), (202, ""), "{wanted}");
        let end = told(&step).unwrap();
        assert_eq!((json!(end.sub), json!(end.subject)), (wanted["sub"].clone(), wanted["subject"].clone()));
        assert_eq!(end.by, "17");
        let are_in = (alice_is_in(&mut stage), is_in(&mut stage, &operator), is_in(&mut stage, &other));
        assert_eq!(are_in, (alice, olga, by_password), "{wanted}");
    }
    let (mut stage, operator) = staffed(&document, "operators");
    for (wanted, member) in [
        (json!({"provider": "main", "sub": "17", "subject": "17"}), "subject"),
        (json!({"provider": "password", "sub": "17"}), "sub"),
        (json!({"subject": "17"}), "provider"),
    ] {
        let step = asks(&mut stage, &operator, &wanted);
        assert_eq!((outcome(&step), &body(&step)["member"]), ((400, "body_malformed"), &json!(member)), "{wanted}");
        assert!(alice_is_in(&mut stage) && is_in(&mut stage, &operator));
    }
}
