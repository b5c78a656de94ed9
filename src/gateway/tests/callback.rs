use super::stage::{
    BEGINNING, Browser, OTHER_KEY, Stage, awaited, called, document, field, location, outcome, reasons, response, seconds,
    status, upstream_headers, with,
};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_RSA, RSA};
use crate::http::message::Reply;
use crate::oidc::testing::{json_reply, reply};
use crate::step::decision::News;
use crate::step::event::Event;
use crate::words::reason::Reason;
use serde_json::{Value, json};

#[test]
fn a_callback_that_is_replayed_gets_no_cookie_and_its_code_is_not_spent_again() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let browser = stage.browser.clone();
    assert_eq!(status(&stage.navigate(&callback)), 303);
    let asked = stage.provider.asked.len();
    // The attempt's cookie comes again, as from a stolen cookie jar, and without a session; here and on another worker. It is
    // told where the page is, where nobody is signed in by that.
    let mut other = stage.worker.beside(&document());
    for worker in [&mut stage.worker, &mut other] {
        let step = worker.begin(browser.navigate(&callback));
        assert_eq!((status(&step), location(&step), field(response(&step), "set-cookie")), (303, "/page", None));
        assert_eq!(status(&worker.begin(browser.navigate("/page"))), 302);
    }
    assert_eq!(stage.provider.asked.len(), asked);
}

#[test]
fn an_attempt_is_used_up_even_when_its_code_was_refused() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let browser = stage.browser.clone();
    stage.provider.instead = Some(json_reply(400, &json!({"error": "invalid_client"})));
    assert_eq!(outcome(&stage.navigate(&callback)), (502, "client_authentication_failed"));
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
    let asked = stage.provider.asked.len();
    assert!(location(&stage.worker.begin(browser.navigate(&callback))).starts_with("/api/login?again="));
    assert_eq!(stage.provider.asked.len(), asked);
}

#[test]
fn an_answer_that_belongs_to_no_attempt_of_this_browser_is_refused() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let (_, state) = callback.split_once("&state=").unwrap();
    let forged = format!("{}.{}", state.split('.').next().unwrap(), "A".repeat(43));
    let stranger = Browser::default();
    for (browser, target, expected) in [
        (&stranger, callback.clone(), (400, "attempt_missing")),
        (&stage.browser, "/api/callback?code=x".to_owned(), (400, "state_missing")),
        (&stage.browser, "/api/callback?code=x&state=".to_owned(), (400, "state_missing")),
        (&stage.browser, format!("/api/callback?code=x&state={forged}"), (400, "state_mismatch")),
        (&stage.browser, format!("/api/callback?code=x&state={state}&state={state}"), (400, "query_malformed")),
    ] {
        assert_eq!(outcome(&stage.worker.begin(browser.navigate(&target))), expected, "{target}");
    }
    let posted = stage.browser.send("POST", &callback, &[("sec-fetch-mode", "navigate")]);
    assert_eq!(outcome(&stage.worker.begin(posted)), (405, "method_not_allowed"));
    // None of it used the attempt up.
    assert_eq!(status(&stage.navigate(&callback)), 303);
}

#[test]
fn parameters_that_nobody_knows_may_come_twice_or_a_hundred_times() {
    for further in ["&x=1&x=2".to_owned(), "&y=1".repeat(100), "&session_state=a&session_state=b&error=".to_owned()] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page") + &further;
        assert_eq!(outcome(&stage.navigate(&callback)), (303, ""), "{further}");
    }
    for further in ["&code=x", "&state=x", "&iss=x&iss=x", "&error=&error="] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page") + further;
        assert_eq!(outcome(&stage.navigate(&callback)), (400, "query_malformed"), "{further}");
    }
    // An error beside a code is an error.
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page") + "&error=access_denied";
    assert_eq!(outcome(&stage.navigate(&callback)), (403, "authorization_denied"));
}

#[test]
fn an_unsolicited_callback_leaves_a_valid_session_as_it_is() {
    let mut stage = Stage::signed_in(&document());
    let before = stage.browser.jar.clone();
    for target in ["/api/callback", "/api/callback?code=x&state=AAAAAAAA.B", "/api/callback?error=access_denied&state=x"] {
        let step = stage.navigate(target);
        assert_eq!((status(&step), location(&step)), (303, "/"), "{target}");
        assert_eq!(reasons(&step), []);
    }
    assert_eq!(stage.browser.jar, before);
}

#[test]
fn a_good_code_that_comes_one_second_after_the_time_out_is_not_sent_and_the_page_is_not_lost() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker.wait(seconds(601));
    let asked = stage.provider.asked.len();
    let step = stage.navigate(&callback);
    assert_eq!((outcome(&step), stage.provider.asked.len()), ((400, "attempt_expired"), asked));
    assert!(response(&step).body.contains("/api/login?return_to=%2Fpage"), "{}", response(&step).body);
    assert_eq!((field(response(&step), "set-cookie"), stage.browser.names().len()), (None, 0));
    // Whoever has signed in meanwhile in another tab goes on.
    stage.sign_in("/other");
    let asked = stage.provider.asked.len();
    let step = stage.navigate(&callback);
    assert_eq!((status(&step), location(&step), stage.provider.asked.len()), (303, "/page", asked));
    assert_eq!(field(response(&step), "set-cookie"), None);
}

#[test]
fn an_attempt_sealed_with_a_key_that_is_gone_is_missing() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker = stage.worker.beside(&with("/session/keys", json!([OTHER_KEY])));
    assert_eq!(outcome(&stage.navigate(&callback)), (400, "attempt_missing"));
}

#[test]
fn each_error_response_of_the_provider_has_its_reason() {
    for (query, announced, expected) in [
        ("error=access_denied", false, (403, "authorization_denied")),
        ("error=server_error", false, (502, "authorization_server_error")),
        ("error=temporarily_unavailable", false, (502, "authorization_server_error")),
        ("error=invalid_scope&error_description=%3Cscript%3E", false, (400, "authorization_error")),
        ("error=consent_required", false, (403, "authorization_denied")),
        ("error=access_denied&code=x", false, (403, "authorization_denied")),
        ("code=", false, (400, "code_missing")),
        ("x=y", false, (400, "code_missing")),
        ("code=x&iss=https://evil.example", false, (400, "issuer_mismatch")),
        ("error=access_denied&iss=https://evil.example", false, (400, "issuer_mismatch")),
        ("code=x", true, (400, "issuer_mismatch")),
    ] {
        let mut stage = Stage::new(&document());
        stage.provider.metadata["authorization_response_iss_parameter_supported"] = json!(announced);
        let callback = stage.go_to_the_provider("/page");
        let (_, state) = callback.split_once("&state=").unwrap();
        let asked = stage.provider.asked.len();
        let mut step = stage.navigate(&format!("/api/callback?{query}&state={state}"));
        // Some are told only when they come for the second time in a row.
        if status(&step) == 303 {
            let callback = stage.again(&step);
            let (_, state) = callback.split_once("&state=").unwrap();
            step = stage.navigate(&format!("/api/callback?{query}&state={state}"));
        }
        assert_eq!(outcome(&step), expected, "{query}");
        assert_eq!(stage.provider.asked.len(), asked, "nothing is asked of the provider: {query}");
        assert!(!response(&step).body.contains("<script"), "{query}");
        assert!(response(&step).body.contains("/api/login?return_to=%2Fpage"), "the way to try again: {}", response(&step).body);
        assert_eq!(stage.browser.names(), Vec::<&str>::new(), "{query}");
    }
}

#[test]
fn a_failure_at_the_token_endpoint_makes_no_session_and_each_has_its_reason() {
    let error = |status: u16, error: &str| json_reply(status, &json!({ "error": error }));
    for (instead, expected) in [
        (Reply::NotSent, (502, "token_endpoint_unreachable")),
        (Reply::Reset, (502, "token_endpoint_unreachable")),
        (reply(503, &[], b"no healthy upstream"), (502, "token_endpoint_unreachable")),
        (reply(500, &[], b""), (502, "token_endpoint_unreachable")),
        (reply(504, &[], b""), (504, "token_endpoint_timeout")),
        (error(401, "invalid_client"), (502, "client_authentication_failed")),
        (error(400, "invalid_client"), (502, "client_authentication_failed")),
        (error(400, "invalid_grant"), (400, "code_refused")),
        (error(200, "invalid_grant"), (400, "code_refused")),
        (reply(200, &[], b"<html>"), (502, "token_response_malformed")),
        (reply(200, &[], b"\xff\xfe"), (502, "token_response_malformed")),
        (reply(302, &[("location", "https://evil.example")], b""), (502, "token_response_malformed")),
        (json_reply(200, &json!({"access_token": "x", "token_type": "Bearer"})), (502, "token_response_malformed")),
        (
            json_reply(200, &json!({"access_token": "x", "token_type": "Bearer", "id_token": "a.b.c"})),
            (502, "id_token_malformed"),
        ),
    ] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page");
        stage.provider.instead = Some(instead.clone());
        let mut step = stage.navigate(&callback);
        // A refused code is told when the second one in a row is refused.
        if status(&step) == 303 {
            stage.provider.instead = None;
            let callback = stage.again(&step);
            stage.provider.instead = Some(instead.clone());
            step = stage.navigate(&callback);
        }
        assert_eq!(outcome(&step), expected, "{instead:?}");
        assert!(step.events.iter().any(|event| matches!(event, Event::SignInFailed { .. })));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
}

#[test]
fn an_id_token_whose_claims_are_not_accepted_makes_no_session() {
    let long_ago = BEGINNING.seconds() - 3_600;
    for (claims, expected) in [
        (json!({"iss": "https://evil.example"}), "id_token_issuer"),
        (json!({"aud": "another"}), "id_token_audience"),
        (json!({"aud": ["app", "another"]}), "id_token_authorized_party"),
        (json!({"exp": long_ago}), "id_token_expired"),
        (json!({"exp": null}), "id_token_expired"),
        (json!({"iat": long_ago + 7_200}), "id_token_issued_at"),
        (json!({"nonce": "another"}), "id_token_nonce"),
        (json!({"nonce": null}), "id_token_nonce"),
        (json!({"sub": null}), "id_token_subject"),
        (json!({"at_hash": "AAAA"}), "id_token_at_hash"),
    ] {
        let mut stage = Stage::ready(&document());
        stage.provider.claims = claims.clone();
        let callback = stage.go_to_the_provider("/page");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, expected), "{claims}");
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
}

#[test]
fn an_id_token_signed_by_somebody_else_makes_no_session() {
    for (kid, expected) in [("first", "id_token_algorithm"), ("other", "id_token_key_unknown")] {
        let mut stage = Stage::ready(&document());
        stage.provider.signs = (&OTHER_RSA, Algorithm::RS256, kid);
        let callback = stage.go_to_the_provider("/page");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, expected), "{kid}");
    }
}

#[test]
fn userinfo_that_fails_makes_no_session() {
    for (instead, expected) in [
        (Reply::Reset, (502, "userinfo_unreachable")),
        (reply(504, &[], b""), (504, "userinfo_timeout")),
        (reply(401, &[], b""), (502, "userinfo_unreachable")),
        (reply(200, &[("content-type", "application/jwt")], b"a.b.c"), (502, "userinfo_malformed")),
    ] {
        let mut stage = Stage::ready(&with("/providers/0/userinfo", json!(true)));
        let callback = stage.go_to_the_provider("/page");
        let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
        let reply = stage.provider.answer(&call, stage.worker.world.now);
        let (_, pending) = called(stage.worker.resume(pending, reply));
        let step = stage.worker.resume(pending, instead);
        assert_eq!(outcome(&step), expected);
        stage.browser.take_response(response(&step));
        assert_eq!(stage.browser.names(), Vec::<&str>::new());
    }
}

#[test]
fn a_large_id_token_signs_in_and_what_is_kept_of_it_decides() {
    let mut stage = Stage::ready(&document());
    stage.provider.claims = json!({"email": "alice@example.com", "picture": "x".repeat(60_000)});
    stage.sign_in("/page");
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}

#[test]
fn a_session_too_large_for_cookies_is_refused_and_the_log_says_what_weighs_most() {
    let mut stage = Stage::ready(&with("/providers/0/userinfo", json!(true)));
    let groups: Vec<Value> = (0..4_000).map(|number| json!(format!("group-{number}"))).collect();
    stage.provider.userinfo = json!({"sub": "alice", "groups": groups});
    let callback = stage.go_to_the_provider("/page");
    let step = stage.navigate(&callback);
    assert_eq!(outcome(&step), (502, "session_too_large"));
    let Event::SignInFailed { failure, .. } = &step.events[0] else { panic!("{:?}", step.events) };
    assert!(failure.detail.contains("the largest parts are groups ("), "{}", failure.detail);
    // A token that is forwarded is kept whole.
    let mut stage = Stage::ready(&with("/forward", json!({"id_token": true})));
    stage.provider.claims = json!({"picture": "x".repeat(60_000)});
    let callback = stage.go_to_the_provider("/page");
    let step = stage.navigate(&callback);
    assert_eq!(outcome(&step), (502, "session_too_large"));
    let Event::SignInFailed { failure, .. } = &step.events[0] else { panic!("{:?}", step.events) };
    assert!(failure.detail.contains("the largest parts are the ID token ("), "{}", failure.detail);
}

#[test]
fn a_session_over_several_cookies_comes_back_whole() {
    let mut stage = Stage::ready(&document());
    let groups: Vec<Value> = (0..700).map(|number| json!(format!("group-{number}"))).collect();
    stage.provider.claims = json!({ "groups": groups });
    stage.sign_in("/page");
    assert_eq!(stage.browser.names(), ["__Host-accredit", "__Host-accredit-1", "__Host-accredit-2"]);
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
    for missing in ["__Host-accredit", "__Host-accredit-1", "__Host-accredit-2"] {
        let mut browser = stage.browser.clone();
        browser.jar.remove(missing);
        let step = stage.worker.begin(browser.script("GET", "/page"));
        assert_eq!(outcome(&step), (401, "session_invalid"), "{missing}");
    }
}

#[test]
fn a_provider_that_is_no_longer_configured_cannot_finish_a_sign_in() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let mut reloaded = stage.worker.beside(&with("/providers/0/name", json!("another")));
    let step = reloaded.resume(pending, reply);
    assert_eq!(outcome(&step), (400, "attempt_missing"));
}

#[test]
fn a_sign_in_does_not_go_on_at_another_issuer_to_which_a_new_configuration_gave_the_name_of_the_first() {
    let userinfo = with("/providers/0/userinfo", json!(true));
    let mut another = userinfo.clone();
    another["providers"][0]["issuer"] = json!("https://sso.example.com/realms/new");
    for replies_before in 0..2 {
        let mut stage = Stage::ready(&userinfo);
        let callback = stage.go_to_the_provider("/page");
        let mut step = stage.worker.begin(stage.browser.navigate(&callback));
        for _ in 0..replies_before {
            let (call, pending) = called(step);
            step = stage.worker.resume(pending, stage.provider.answer(&call, stage.worker.world.now));
        }
        let (call, pending) = called(step);
        let reply = stage.provider.answer(&call, stage.worker.world.now);
        let step = stage.worker.beside(&another).resume(pending, reply);
        assert_eq!(outcome(&step), (400, "attempt_missing"), "{replies_before}");
    }
}

#[test]
fn an_answer_at_another_providers_redirect_uri_is_a_mix_up_and_its_code_goes_nowhere() {
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    let mut document = with("/rules", json!([]));
    document["providers"].as_array_mut().unwrap().push(second);
    let mut stage = Stage::ready(&document);
    let callback = stage.go_to_the_provider("/api/login?provider=second");
    assert!(callback.starts_with("/api/callback/second?"), "{callback}");
    let asked = stage.provider.asked.len();
    let attack = callback.replace("/second?", "/main?");
    let step = stage.worker.begin(stage.browser.navigate(&attack));
    assert_eq!((outcome(&step), stage.provider.asked.len()), ((400, "issuer_mismatch"), asked));
    // With several providers the bare callback path belongs to none, and the upstream is told which provider it was.
    assert_eq!(outcome(&stage.worker.begin(stage.browser.script("GET", "/api/callback"))), (400, "state_missing"));
    assert_eq!(status(&stage.navigate(&callback)), 303);
    assert!(upstream_headers(&stage.navigate("/page")).contains(&("x-forwarded-provider", "second")));
}

#[test]
fn a_sign_in_fails_without_keys_and_the_id_token_is_not_believed() {
    let mut stage = Stage::ready(&document());
    stage.provider.publishes.push((&RSA, "second"));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let callback = stage.go_to_the_provider("/page");
    let (call, exchanging) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let (_, _, verifying) = awaited(stage.worker.resume(exchanging, reply));
    for (news, expected) in [
        (News::Missing(Reason::KeysUnavailable), (503, "keys_unavailable")),
        // Resumed with `Ready` although no newer keys were fetched: the ID token is not believed.
        (News::Ready, (502, "id_token_key_unknown")),
    ] {
        let step = stage.worker.resume(verifying.clone(), news);
        assert_eq!(outcome(&step), expected);
        // Only the place of the attempt is kept.
        let cookies: Vec<_> = response(&step).headers.iter().filter(|(name, _)| name == "set-cookie").collect();
        assert!(matches!(cookies[..], [(_, cookie)] if cookie.starts_with("__Host-accredit-attempt-")), "{cookies:?}");
    }
}
