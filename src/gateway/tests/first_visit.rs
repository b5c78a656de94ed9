//! Somebody who signs in at a provider is looked up at the user service, and gets an account on the first visit.

use super::password::accounts;
use super::refresh::carried;
use super::session_jwt::signing;
use super::stage::{Stage, body, called, changed, document, outcome, seconds, status, upstream_headers};
use crate::gateway::pending::Step;
use crate::http::message::Reply;
use crate::oidc::testing::{json_reply, reply};
use crate::step::audit;
use serde_json::{Value, json};

/// The usual configuration with accounts that are looked up, created and announced.
pub(super) fn looked_up() -> Value {
    let mut accounts = accounts();
    accounts.as_object_mut().unwrap().remove("verify");
    accounts["find"] = json!({"path": "/api/users/email/{claims.email}"});
    accounts["create"] = json!({
        "path": "/api/users",
        "body": {"email": "{claims.email}", "firstName": "{claims.given_name}", "password": "{random_password}"}
    });
    accounts["notify"] = json!({
        "cluster": "mail",
        "path": "/api/mail/send-welcome",
        "body": {"email": "{claims.email}", "firstName": "{claims.given_name}", "id": "{user.id}"}
    });
    changed(document(), "/accounts", accounts)
}

fn ready(document: &Value, email: &str) -> Stage {
    let mut stage = Stage::ready(document);
    stage.provider.claims = json!({"email": email, "email_verified": true, "given_name": "Carol", "groups": ["staff"]});
    stage
}

/// Signs in; returns the last step, which may be a refusal.
fn visit(stage: &mut Stage) -> Step {
    let callback = stage.go_to_the_provider("/members");
    stage.navigate(&callback)
}

fn counters(step: &Step) -> Vec<String> {
    step.events.iter().map(|event| event.metric().name.into_owned()).collect()
}

#[test]
fn somebody_whom_the_service_knows_is_that_user_and_nobody_is_created() {
    let mut stage = ready(&looked_up(), "alice@example.com");
    assert_eq!(status(&visit(&mut stage)), 303);
    assert_eq!(stage.users.calls(), ["GET users/api/users/email/alice%40example.com"]);
    let page = stage.navigate("/members");
    let headers = upstream_headers(&page);
    assert!(headers.contains(&("x-forwarded-user", "17")), "the service's subject: {headers:?}");
    assert!(headers.contains(&("x-forwarded-groups", "staff")), "and the provider's groups: {headers:?}");
}

#[test]
fn a_session_of_either_form_says_what_the_provider_calls_it_and_whoever_signed_in() {
    let sealed = looked_up();
    let mut signed = changed(sealed.clone(), "/session", signing()["session"].clone());
    signed["rules"] = json!([{"require": "authenticated"}]);
    for document in [sealed, signed] {
        let mut stage = ready(&document, "alice@example.com");
        stage.provider.claims["sid"] = json!("of-the-provider");
        assert_eq!(status(&visit(&mut stage)), 303);
        let session = carried(&mut stage);
        assert_eq!((session.subject.as_str(), session.provider_subject.as_deref()), ("17", Some("alice")));
        assert_eq!(session.provider_session.as_deref(), Some("of-the-provider"));
    }
}

#[test]
fn the_first_visit_creates_one_user_with_a_password_that_nobody_knows_and_greets_once() {
    let mut stage = ready(&looked_up(), "carol@example.com");
    let step = visit(&mut stage);
    assert_eq!(status(&step), 303, "{:?}", step.events);
    let calls = ["GET users/api/users/email/carol%40example.com", "POST users/api/users", "POST mail/api/mail/send-welcome"];
    assert_eq!(stage.users.calls(), calls);
    let created: Value = serde_json::from_str(&stage.users.asked[1].2).unwrap();
    assert_eq!((&created["email"], &created["firstName"]), (&json!("carol@example.com"), &json!("Carol")));
    assert_eq!(created["password"].as_str().unwrap().len(), 43, "256 bits");
    let greeted: Value = serde_json::from_str(&stage.users.asked[2].2).unwrap();
    assert_eq!(greeted, json!({"email": "carol@example.com", "firstName": "Carol", "id": 101}));
    assert_eq!(counters(&step)[..3], ["accredit_account_created", "accredit_notify_ok", "accredit_sign_in_completed"]);
    let audit: Vec<_> = step.events.iter().filter_map(audit::line).collect();
    assert!(audit[0].contains("account_created") && audit[0].contains("101"), "{audit:?}");

    stage.browser.jar.clear();
    assert_eq!(status(&visit(&mut stage)), 303);
    assert_eq!(stage.users.calls().len(), 4, "the second visit only looks up");
    assert_eq!(stage.users.people.len(), 2);
}

#[test]
fn two_first_visits_at_the_same_moment_create_one_user() {
    let mut stage = ready(&looked_up(), "carol@example.com");
    stage.users.another_is_faster = true;
    let step = visit(&mut stage);
    assert_eq!(status(&step), 303, "{:?}", step.events);
    let find = "GET users/api/users/email/carol%40example.com";
    assert_eq!(stage.users.calls(), [find, "POST users/api/users", find], "looked up again, and the other visit greets");
    assert_eq!(stage.users.people.len(), 2);
    assert!(!counters(&step).contains(&"accredit_account_created".to_owned()));
}

#[test]
fn after_a_create_response_without_the_user_the_account_is_looked_up_and_announced() {
    let mut stage = ready(&looked_up(), "carol@example.com");
    let callback = stage.go_to_the_provider("/members");
    let begun = stage.worker.begin(stage.browser.navigate(&callback));
    let (call, pending) = called(begun);
    let tokens = stage.provider.answer(&call, stage.worker.world.now);
    let (_, pending) = called(stage.worker.resume(pending, tokens));
    let (call, pending) = called(stage.worker.resume(pending, json_reply(404, &json!({}))));
    assert_eq!(call.path, "/api/users");
    let (call, pending) = called(stage.worker.resume(pending, reply(201, &[], b"")));
    assert_eq!(call.path, "/api/users/email/carol%40example.com");
    let (call, pending) = called(stage.worker.resume(pending, json_reply(200, &json!({"id": 5}))));
    assert_eq!(call.cluster, "mail");
    assert_eq!(status(&stage.worker.resume(pending, Reply::Reset)), 303);
}

#[test]
fn an_address_that_the_provider_does_not_vouch_for_finds_nobodys_account() {
    for verified in [json!(false), json!("false"), json!(null), json!(1), json!("yes")] {
        let mut stage = ready(&looked_up(), "alice@example.com");
        stage.provider.claims["email_verified"] = verified.clone();
        assert_eq!(outcome(&visit(&mut stage)), (403, "email_unverified"), "{verified}");
        assert!(stage.users.asked.is_empty() && stage.browser.names().is_empty());
    }
    let shouted = changed(looked_up(), "/accounts/dangerously_match_unverified_email", json!(true));
    let mut stage = ready(&shouted, "alice@example.com");
    stage.provider.claims["email_verified"] = json!(false);
    assert_eq!(status(&visit(&mut stage)), 303);
    let mut by_subject = changed(looked_up(), "/accounts/find/path", json!("/api/users/email/{claims.sub}"));
    by_subject["accounts"].as_object_mut().unwrap().remove("create");
    by_subject["accounts"].as_object_mut().unwrap().remove("notify");
    let mut stage = ready(&by_subject, "x@example.com");
    stage.provider.claims["email_verified"] = json!(false);
    assert_eq!(outcome(&visit(&mut stage)), (403, "account_missing"), "no address is matched there");
}

#[test]
fn a_claim_that_is_missing_or_would_change_the_path_asks_nobody() {
    for email in ["", "..", "."] {
        let mut stage = ready(&looked_up(), email);
        assert_eq!(outcome(&visit(&mut stage)), (502, "accounts_malformed"), "{email}");
        assert!(stage.users.asked.is_empty());
    }
}

#[test]
fn when_the_service_fails_there_is_a_clear_error_and_no_session() {
    let html = || reply(200, &[], b"<html>secret</html>");
    for (path, instead, expected) in [
        ("users/api/users/email", Reply::Reset, (502, "accounts_unreachable")),
        ("users/api/users/email", reply(504, &[], b""), (504, "accounts_timeout")),
        ("users/api/users/email", html(), (502, "accounts_malformed")),
        ("users/api/users/email", reply(403, &[], b""), (502, "accounts_malformed")),
        ("users/api/users/email", json_reply(200, &json!({"email": "no id"})), (502, "accounts_malformed")),
    ] {
        let mut stage = ready(&looked_up(), "carol@example.com");
        stage.users.instead = vec![(path, instead)];
        let step = visit(&mut stage);
        assert_eq!(outcome(&step), expected, "{:?}", step.events);
        assert!(stage.browser.names().is_empty(), "no session, and the attempt is over");
        assert!(!super::stage::response(&step).body.contains("secret"));
    }
}

#[test]
fn an_account_that_is_not_created_is_a_clear_error_and_no_session() {
    for instead in [Reply::Reset, reply(504, &[], b""), reply(422, &[], b""), reply(500, &[], b"")] {
        let mut stage = ready(&looked_up(), "carol@example.com");
        let callback = stage.go_to_the_provider("/members");
        let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
        let tokens = stage.provider.answer(&call, stage.worker.world.now);
        let (_, pending) = called(stage.worker.resume(pending, tokens));
        let (_, pending) = called(stage.worker.resume(pending, json_reply(404, &json!({}))));
        assert_eq!(outcome(&stage.worker.resume(pending, instead)), (502, "account_not_created"));
    }
}

#[test]
fn a_greeting_that_fails_is_logged_and_counted_and_stops_nobody() {
    for instead in [Reply::Reset, reply(504, &[], b""), reply(500, &[], b"secret"), reply(404, &[], b"")] {
        let mut stage = ready(&looked_up(), "carol@example.com");
        stage.users.instead = vec![("mail", instead)];
        let step = visit(&mut stage);
        assert_eq!(status(&step), 303);
        assert!(counters(&step).contains(&"accredit_notify_failed".to_owned()));
        let audit: Vec<_> = step.events.iter().filter_map(audit::line).collect();
        assert!(audit.iter().any(|line| line.contains("notify_failed")) && !format!("{audit:?}").contains("secret"));
    }
}

#[test]
fn a_refresh_asks_for_the_providers_subject_and_changes_nothing_of_the_account() {
    let document = changed(looked_up(), "/forward", json!({"access_token": true}));
    let mut stage = ready(&document, "alice@example.com");
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": 300});
    assert_eq!(status(&visit(&mut stage)), 303);
    stage.worker.wait(seconds(290));
    stage.provider.claims["email"] = json!("other@example.com");
    stage.provider.claims["role"] = json!("root");
    stage.navigate("/members");
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let page = stage.navigate("/members");
    assert_eq!(stage.provider.refreshes, 1);
    let headers = upstream_headers(&page);
    assert!(headers.contains(&("x-forwarded-user", "17")), "{headers:?}");
    stage.worker.wait(seconds(200));
    let page = stage.navigate("/members");
    let headers = upstream_headers(&page);
    assert!(
        headers.contains(&("x-forwarded-user", "17")) && headers.contains(&("x-forwarded-email", "alice@example.com")),
        "{headers:?}"
    );
    let who = stage.script("GET", "/api/session");
    assert_eq!(body(&who)["subject"], "17");
}

#[test]
fn a_claim_that_the_user_service_leaves_out_is_not_taken_from_the_provider() {
    let mut document = looked_up();
    document["accounts"]["find"] = json!({"path": "/api/users/email/{claims.sub}"});
    for call in ["create", "notify"] {
        drop(document["accounts"].as_object_mut().unwrap().remove(call));
    }
    let document = changed(document, "/rules", json!([{"require": {"claim": "role", "any_of": ["admin"]}}]));
    let mut stage = Stage::ready(&document);
    stage.users.people = vec![json!({"id": 9, "email": null})];
    stage.users.instead = vec![("users", json_reply(200, &json!({"id": 9})))];
    stage.provider.claims = json!({"role": "admin", "email": "boss@example.com", "email_verified": false});
    assert_eq!(status(&visit(&mut stage)), 303);
    assert_eq!(outcome(&stage.navigate("/members")), (403, "condition_failed"));
    let document = changed(document, "/rules", json!([{"require": "authenticated"}]));
    let mut stage = Stage::ready(&document);
    stage.users.instead = vec![("users", json_reply(200, &json!({"id": 9})))];
    stage.provider.claims = json!({"role": "admin", "email": "boss@example.com", "email_verified": false});
    assert_eq!(status(&visit(&mut stage)), 303);
    let page = stage.navigate("/members");
    assert!(upstream_headers(&page).iter().all(|(name, _)| *name != "x-forwarded-email"), "{:?}", upstream_headers(&page));
}

#[test]
fn a_search_never_loses_its_condition() {
    let mut document = looked_up();
    document["accounts"]["find"] = json!({"path": "/api/users/search", "body": {"login": "{claims.preferred_username}"}});
    for call in ["create", "notify"] {
        drop(document["accounts"].as_object_mut().unwrap().remove(call));
    }
    for claim in [json!(null), json!(""), json!({"$ne": null}), json!(["root"])] {
        let mut stage = Stage::ready(&document);
        stage.provider.claims = json!({"preferred_username": claim});
        assert_eq!(outcome(&visit(&mut stage)), (502, "accounts_malformed"), "{claim}");
        assert!(stage.users.asked.is_empty());
    }
}

#[test]
fn what_somebody_says_of_himself_becomes_no_structure_in_a_call_unless_the_template_says_so() {
    for (claim, plain) in [
        (json!("Alice"), true),
        (json!(7), true),
        (json!({"$gt": ""}), false),
        (json!(["a"]), false),
        (json!([{"$ne": 1}]), false),
    ] {
        for (gap, good) in [("{claims.given_name}", plain), ("{json claims.given_name}", true)] {
            let document = changed(looked_up(), "/accounts/create/body/firstName", json!(gap));
            let document = changed(document, "/accounts/notify/body/firstName", json!("{claims.name}"));
            let mut stage = ready(&document, "new@example.com");
            stage.provider.claims["given_name"] = claim.clone();
            let expected = if good { (303, "") } else { (502, "accounts_malformed") };
            assert_eq!(outcome(&visit(&mut stage)), expected, "{claim} {gap}");
        }
    }
}

#[test]
fn a_claim_of_another_name_that_holds_an_email_must_be_verified_too() {
    for claim in ["mail", "contact.email", "EMail"] {
        let document = changed(looked_up(), "/accounts/find/path", json!(format!("/api/users/email/{{claims.{claim}}}")));
        let mut stage = ready(&document, "x@example.com");
        stage.provider.claims = json!({"mail": "a@b", "contact": {"email": "a@b"}, "EMail": "a@b", "email_verified": false});
        assert_eq!(outcome(&visit(&mut stage)), (403, "email_unverified"), "{claim}");
        stage.provider.claims["email"] = json!("mine@example.com");
        stage.provider.claims["email_verified"] = json!(true);
        assert_eq!(outcome(&visit(&mut stage)), (403, "email_unverified"), "{claim}: `email_verified` is about another address");
    }
}

#[test]
fn a_session_ends_when_users_are_read_from_another_place() {
    let mut stage = ready(&looked_up(), "alice@example.com");
    assert_eq!(status(&visit(&mut stage)), 303);
    for (pointer, value) in [
        ("/accounts/cluster", json!("others")),
        ("/accounts/subject", json!("email")),
        ("/accounts/claims", json!({"role": "profile.admin.role"})),
        ("/accounts/find/path", json!("/tenant/b/{claims.email}")),
        ("/accounts/find/user", json!("data")),
    ] {
        let document = changed(looked_up(), pointer, value);
        let mut other = stage.worker.beside(&document);
        other.fetch_due(&mut stage.provider);
        let step = other.begin(stage.browser.script("GET", "/api/x"));
        assert_eq!(outcome(&step), (401, "session_invalid"), "{pointer}");
    }
}

#[test]
fn a_subject_is_looked_up_with_the_issuer_that_it_is_a_subject_of() {
    let document = changed(looked_up(), "/accounts/find/path", json!("/api/users/{claims.iss}/{claims.sub}"));
    let mut stage = ready(&document, "alice@example.com");
    stage.users.instead = vec![("users", json_reply(200, &json!({"id": 9})))];
    assert_eq!(status(&visit(&mut stage)), 303);
    assert_eq!(stage.users.calls(), ["GET users/api/users/https%3A%2F%2Fsso.example.com%2Frealms%2Fmain/alice"]);
}
