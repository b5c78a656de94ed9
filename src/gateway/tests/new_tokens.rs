use super::refresh::{DUE, LIFE, ask, carried, failures, following, forwarding, signed_in, until_it_asks};
use super::stage::{KEY, Stage, awaited, changed, document, outcome, seconds, upstream_headers, with};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::OTHER_RSA;
use crate::gateway::pending::Step;
use crate::http::message::Reply;
use crate::step::decision::News;
use crate::step::event::{Aftermath, Event};
use crate::words::reason::Reason;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_new_id_token_must_be_of_the_same_person_from_the_same_issuer_for_us_or_the_session_ends() {
    for (claims, reason) in [
        (json!({"iss": "https://evil.example"}), Reason::IdTokenIssuer),
        (json!({"sub": "bob"}), Reason::IdTokenSubject),
        (json!({"aud": "another"}), Reason::IdTokenAudience),
        (json!({"at_hash": "of-another"}), Reason::IdTokenAtHash),
        (json!({"exp": 1}), Reason::IdTokenExpired),
        (json!({"iat": null}), Reason::IdTokenIssuedAt),
    ] {
        let mut stage = Stage::ready(&following());
        stage.provider.issues_refresh_tokens = true;
        stage.provider.token_response = json!({"expires_in": LIFE});
        stage.provider.claims["auth_time"] = json!(5);
        stage.sign_in("/page");
        stage.worker.wait(seconds(DUE));
        assert_eq!(outcome(&ask(&mut stage)), (200, ""));
        for (name, value) in claims.as_object().unwrap() {
            stage.provider.claims[name] = value.clone();
        }
        let fetch = until_it_asks(&mut stage.worker);
        let reply = stage.provider.answer(&fetch.call, stage.worker.world.now);
        let upkeep = stage.worker.fetch_answered(&fetch, &reply);
        assert_eq!(failures(&upkeep.events), [(reason, Aftermath::Ended)], "{claims}");
        assert_eq!(outcome(&stage.script("GET", "/page")), (401, "session_expired"), "{claims}");
    }
}

#[test]
fn a_refreshed_id_token_of_another_authentication_keeps_the_session_with_its_own() {
    let rules = json!([
        {"match": {"path": "/strong"}, "require": {"acr": ["mfa"]}, "unauthenticated": "respond"},
        {"match": {"path": "/recent"}, "require": {"max_auth_age": "1m"}, "unauthenticated": "respond"}
    ]);
    for (own, new) in [(json!({"acr": "pwd"}), json!({"acr": "mfa"})), (json!({"acr": "mfa"}), json!({"acr": "pwd"}))] {
        let mut stage = Stage::ready(&changed(following(), "/rules", rules.clone()));
        stage.provider.issues_refresh_tokens = true;
        stage.provider.token_response = json!({"expires_in": LIFE});
        let began = stage.worker.world.now.seconds();
        stage.provider.claims["auth_time"] = json!(began);
        stage.provider.claims["acr"] = own["acr"].clone();
        stage.sign_in("/page");
        stage.worker.wait(seconds(DUE));
        // The person has signed in elsewhere since, in another way.
        stage.provider.claims["auth_time"] = json!(stage.worker.world.now.seconds());
        stage.provider.claims["acr"] = new["acr"].clone();
        stage.worker.wait(seconds(LIFE - DUE));
        assert_eq!(outcome(&ask(&mut stage)), (200, ""), "{own}");
        assert_eq!(stage.provider.refreshes, 1);
        let session = carried(&mut stage);
        assert_eq!(session.auth_time, Some(began));
        assert_eq!((&session.claims["acr"], &session.claims["auth_time"]), (&own["acr"], &json!(began)));
        // It is neither newer nor stronger, and no weaker, than it was.
        assert_eq!(outcome(&stage.script("GET", "/recent")), (401, "authentication_insufficient"), "{own}");
        let strong = if own["acr"] == "mfa" { (200, "") } else { (401, "authentication_insufficient") };
        assert_eq!(outcome(&stage.script("GET", "/strong")), strong, "{own}");
    }
}

#[test]
fn the_id_token_of_another_authentication_is_not_forwarded_and_the_former_one_ends_the_session() {
    let mut stage = Stage::ready(&with("/forward", json!({"access_token": true, "id_token": true})));
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": LIFE});
    stage.provider.claims["auth_time"] = json!(stage.worker.world.now.seconds());
    stage.provider.claims["exp"] = json!(stage.worker.world.now.seconds() + 1_000);
    stage.sign_in("/page");
    let forwarded = |stage: &mut Stage| {
        let step = ask(stage);
        upstream_headers(&step).iter().find(|(name, _)| *name == "x-forwarded-id-token").unwrap().1.to_owned()
    };
    let first = forwarded(&mut stage);
    stage.worker.wait(seconds(DUE));
    stage.provider.claims["auth_time"] = json!(stage.worker.world.now.seconds());
    stage.provider.claims["exp"] = json!(stage.worker.world.now.seconds() + 10_000);
    stage.worker.wait(seconds(LIFE - DUE));
    assert_eq!(forwarded(&mut stage), first);
    assert_eq!(stage.provider.refreshes, 1);
    stage.worker.wait(seconds(1_000 - LIFE));
    assert_eq!(outcome(&ask(&mut stage)), (401, "session_expired"));
}

#[test]
fn a_new_id_token_signed_by_a_new_key_is_believed_once_the_key_is_here_and_by_no_other() {
    let mut stage = signed_in(&following());
    stage.provider.signs = (&OTHER_RSA, Algorithm::RS256, "second");
    stage.provider.publishes.push((&OTHER_RSA, "second"));
    stage.worker.wait(seconds(LIFE));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    assert_eq!(stage.provider.asked.iter().filter(|path| *path == "keys").count(), 2);

    let mut stage = signed_in(&following());
    stage.provider.signs = (&OTHER_RSA, Algorithm::RS256, "unknown");
    stage.worker.wait(seconds(LIFE));
    assert_eq!(outcome(&ask(&mut stage)), (401, "session_expired"));
    assert_eq!(stage.provider.refreshes, 1);
}

#[test]
fn while_the_key_cannot_be_fetched_nothing_is_believed_and_the_new_refresh_token_is_not_lost() {
    let mut stage = signed_in(&following());
    stage.provider.signs = (&OTHER_RSA, Algorithm::RS256, "second");
    stage.worker.wait(seconds(LIFE));
    let (resource, until, pending) = awaited(stage.worker.begin(stage.browser.script("GET", "/page")));
    let fetch = until_it_asks(&mut stage.worker);
    let answer = stage.provider.answer(&fetch.call, stage.worker.world.now);
    stage.provider.instead = Some(Reply::Reset);
    stage.worker.fetch_answered(&fetch, &answer);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(6));
    assert_eq!(stage.worker.news(&resource, until), Some(News::Missing(Reason::RefreshUnavailable)));
    let step = stage.worker.resume(pending, News::Missing(Reason::RefreshUnavailable));
    assert_eq!(outcome(&step), (503, "refresh_unavailable"));
    // The provider is back, with the key. The next attempt is made in another worker, with the old cookie.
    stage.provider.instead = None;
    stage.provider.publishes.push((&OTHER_RSA, "second"));
    stage.worker.wait(seconds(10));
    stage.worker = stage.worker.beside(&following());
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    assert_eq!((stage.provider.refreshes, stage.provider.refresh_tokens.len()), (2, 1));
}

#[test]
fn claims_are_those_of_the_newest_id_token() {
    let groups = |step: &Step| {
        upstream_headers(step).iter().find(|(name, _)| *name == "x-forwarded-groups").map(|(_, value)| (*value).to_owned())
    };
    let refreshed = |claims: Value, refresh_response: Value, document: &Value| {
        let mut stage = signed_in(document);
        stage.provider.claims = claims;
        stage.provider.refresh_response = refresh_response;
        stage.worker.wait(seconds(LIFE));
        groups(&ask(&mut stage))
    };
    let staff = Some("staff".to_owned());
    let userinfo = changed(following(), "/providers/0/userinfo", json!(true));
    // The new ID token has other groups; has none; states nothing about the person; did not come at all.
    assert_eq!(refreshed(json!({"groups": ["other"]}), json!({}), &following()), Some("other".into()));
    assert_eq!(refreshed(json!({"email": "alice@example.com"}), json!({}), &following()), None);
    assert_eq!(refreshed(json!({}), json!({}), &following()), staff);
    assert_eq!(refreshed(json!({"groups": ["other"]}), json!({"id_token": null}), &following()), staff);
    // Claims that may have come from userinfo stay until an ID token states others.
    assert_eq!(refreshed(json!({"email": "alice@example.com"}), json!({}), &userinfo), staff);
    assert_eq!(refreshed(json!({"groups": ["other"]}), json!({}), &userinfo), Some("other".into()));
}

#[test]
fn somebody_who_left_their_last_group_is_no_member_after_the_refresh_even_if_rules_name_no_other_claim() {
    // No rule and no header names any claim but `sub` and `groups`.
    let document = changed(following(), "/claim_to_headers", json!([{"claim_name": "sub", "header_name": "x-user"}]));
    let members = json!({"match": {"path_separated_prefix": "/members"}, "require": {"claim": "groups", "any_of": ["staff"]}});
    let document = changed(document, "/rules", json!([members]));
    for (claims, expected) in [
        // The provider leaves an empty list out, and states other things about the person.
        (json!({"email": "alice@example.com", "name": "Alice"}), (403, "condition_failed")),
        // The ID token states nothing about the person.
        (json!({"auth_time": 5, "acr": "1", "sid": "s"}), (200, "")),
    ] {
        let mut stage = signed_in(&document);
        assert_eq!(outcome(&stage.script("GET", "/members")), (200, ""));
        stage.provider.claims = claims.clone();
        stage.worker.wait(seconds(LIFE));
        assert_eq!(outcome(&stage.script("GET", "/members")), expected, "{claims}");
        assert_eq!(stage.provider.refreshes, 1);
    }
}

#[test]
fn a_refresh_with_a_weaker_acr_replaces_the_stronger_one() {
    let strong = json!({"match": {"path": "/strong"}, "require": {"acr": ["gold"]}, "unauthenticated": "respond"});
    let document = changed(following(), "/rules", json!([strong]));
    let weaker = (401, "authentication_insufficient");
    for userinfo in [false, true] {
        for (claims, expected) in [
            (json!({"acr": "silver"}), weaker),
            (json!({"acr": "silver", "email": "alice@example.com"}), weaker),
            (json!({"acr": 7}), weaker),
            (json!({"acr": "gold"}), (200, "")),
            // The ID token states no `acr`.
            (json!({"sid": "s"}), (200, "")),
        ] {
            let mut stage = Stage::ready(&changed(document.clone(), "/providers/0/userinfo", json!(userinfo)));
            stage.provider.issues_refresh_tokens = true;
            stage.provider.token_response = json!({"expires_in": LIFE});
            stage.provider.claims["acr"] = json!("gold");
            // An `acr` in the userinfo response makes no difference.
            stage.provider.userinfo["acr"] = json!("gold");
            stage.sign_in("/page");
            assert_eq!(outcome(&stage.script("GET", "/strong")), (200, ""));
            stage.provider.claims = claims.clone();
            stage.worker.wait(seconds(LIFE));
            assert_eq!(outcome(&stage.script("GET", "/strong")), expected, "{userinfo} {claims}");
        }
    }
}

#[test]
fn a_refresh_response_without_expires_in_does_not_let_the_session_outlive_its_tokens() {
    for document in [forwarding(), following()] {
        let mut stage = signed_in(&document);
        stage.provider.refresh_response = json!({"expires_in": null, "id_token": null});
        stage.worker.wait(seconds(DUE));
        for (waited, expected) in [(0, (200, "")), (LIFE - DUE - 2, (200, "")), (2, (401, "session_expired"))] {
            stage.worker.wait(seconds(waited));
            assert_eq!(outcome(&ask(&mut stage)), expected, "{document}");
            stage.worker.fetch_due_for(&mut stage.provider, Duration::from_millis(500));
        }
        assert_eq!(stage.provider.refreshes, 1);
    }
}

#[test]
fn a_refresh_may_bring_no_id_token_no_refresh_token_and_a_type_in_lower_case() {
    let mut stage = signed_in(&forwarding());
    stage.provider.refresh_response = json!({"id_token": null, "token_type": "bearer"});
    for _ in 0..3 {
        stage.worker.wait(seconds(LIFE));
        assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    }
    // Without a new refresh token, the former one stays.
    let mut stage = signed_in(&forwarding());
    stage.provider.refresh_response = json!({"refresh_token": null});
    let first = stage.provider.refresh_tokens.clone();
    for turn in 1..4 {
        stage.provider.refresh_tokens = first.clone();
        stage.worker.wait(seconds(LIFE));
        assert_eq!(outcome(&ask(&mut stage)), (200, ""));
        assert_eq!(stage.provider.refreshes, turn);
    }
    // A forwarded ID token that is not renewed still ends the session.
    let mut stage = Stage::ready(&with("/forward", json!({"access_token": true, "id_token": true})));
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": LIFE});
    stage.provider.refresh_response = json!({"id_token": null});
    stage.provider.claims["exp"] = json!(stage.worker.world.now.seconds() + 1_000);
    stage.sign_in("/page");
    for (waited, expected) in [(599, (200, "")), (400, (200, "")), (1, (401, "session_expired"))] {
        stage.worker.wait(seconds(waited));
        assert_eq!(outcome(&ask(&mut stage)), expected);
        stage.worker.fetch_due_for(&mut stage.provider, Duration::from_millis(100));
        stage.worker.world.now = crate::words::time::Timestamp::from_seconds(stage.worker.world.now.seconds());
    }
}

#[test]
fn a_refresh_token_is_kept_only_where_the_session_ends_with_the_tokens() {
    let kept = |stage: &mut Stage| carried(stage).tokens.refresh_token.is_some();
    for (document, expected) in [(document(), false), (forwarding(), true), (following(), true)] {
        assert_eq!(kept(&mut signed_in(&document)), expected, "{document}");
    }
    // Nothing says when the access token ends.
    let mut stage = Stage::ready(&forwarding());
    stage.provider.issues_refresh_tokens = true;
    stage.sign_in("/page");
    assert!(!kept(&mut stage));
}

#[test]
fn without_a_refresh_token_the_session_ends_with_the_tokens_and_the_log_says_so_once() {
    for document in [forwarding(), following()] {
        let mut stage = Stage::ready(&document);
        stage.provider.token_response = json!({"expires_in": LIFE});
        let is_reported = |step: &Step| step.events.contains(&Event::RefreshTokenMissing { provider: "main".into() });
        assert!(is_reported(&stage.sign_in("/page")));
        stage.worker.wait(seconds(LIFE - 1));
        assert_eq!(outcome(&ask(&mut stage)), (200, ""));
        stage.worker.wait(seconds(1));
        assert_eq!(outcome(&ask(&mut stage)), (401, "session_expired"));
        assert!(!is_reported(&stage.sign_in("/page")));
        assert_eq!(stage.provider.refreshes, 0);
    }
    // Where the provider does not say when the access token ends, the end of the ID token is taken.
    let mut stage = Stage::ready(&following());
    stage.provider.claims["exp"] = json!(stage.worker.world.now.seconds() + 300);
    stage.sign_in("/page");
    stage.worker.wait(seconds(300));
    assert_eq!(outcome(&ask(&mut stage)), (401, "session_expired"));
}

#[test]
fn a_session_does_not_count_after_follow_provider_was_changed() {
    let stage = Stage::signed_in(&document());
    let mut reloaded = stage.worker.beside(&following());
    assert_eq!(outcome(&reloaded.begin(stage.browser.script("GET", "/page"))), (401, "session_invalid"));
    let mut same =
        stage.worker.beside(&with("/session", json!({"keys": [KEY], "lifetime": "8h", "idle": "1h", "follow_provider": false})));
    assert_eq!(outcome(&same.begin(stage.browser.script("GET", "/page"))), (200, ""));
}
