use super::stage::{Stage, document, field, location, outcome, response, seconds, status, with};
use crate::gateway::pending::Step;
use crate::oidc::testing::json_reply;
use crate::step::audit;
use serde_json::json;

/// Comes back from the provider with these parameters instead of a code.
fn come_back(stage: &mut Stage, callback: &str, query: &str) -> Step {
    let (_, state) = callback.split_once("&state=").unwrap();
    stage.navigate(&format!("/api/callback?{query}&state={state}"))
}

#[test]
fn an_error_that_means_start_again_does_so_once_and_two_in_a_row_end_on_a_page() {
    for (error, expected) in [
        ("temporarily_unavailable", (502, "authorization_server_error")),
        ("login_required", (400, "authorization_error")),
        ("interaction_required", (400, "authorization_error")),
        ("account_selection_required", (400, "authorization_error")),
    ] {
        let mut stage = Stage::ready(&document());
        let first = stage.go_to_the_provider("/page?a=b");
        let step = come_back(&mut stage, &first, &format!("error={error}"));
        let line = step.events.iter().find_map(audit::line).unwrap();
        assert!(line.contains(error) && line.contains("begun again, once"), "{line}");
        let second = stage.again(&step);
        assert_eq!(outcome(&come_back(&mut stage, &second, &format!("error={error}"))), expected, "{error}");
        assert_eq!(stage.provider.asked.iter().filter(|asked| asked.contains("token")).count(), 0, "{error}");
        // The first one may come back once more: it leads to no third attempt by itself.
        let mut stage = Stage::ready(&document());
        let first = stage.go_to_the_provider("/page?a=b");
        let step = come_back(&mut stage, &first, &format!("error={error}"));
        let second = stage.again(&step);
        assert_eq!(location(&stage.navigate(&second)), "/page?a=b", "{error}");
    }
}

#[test]
fn a_code_that_cannot_be_spent_any_more_begins_again_once() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.provider.instead = Some(json_reply(400, &json!({"error": "invalid_grant"})));
    let step = stage.navigate(&callback);
    stage.provider.instead = None;
    let second = stage.again(&step);
    stage.provider.instead = Some(json_reply(400, &json!({"error": "invalid_grant"})));
    assert_eq!(outcome(&stage.navigate(&second)), (400, "code_refused"));
}

#[test]
fn a_persons_own_cancel_is_a_page_even_for_somebody_who_is_signed_in() {
    for error in ["access_denied", "consent_required"] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page");
        stage.sign_in("/other");
        let step = come_back(&mut stage, &callback, &format!("error={error}"));
        assert_eq!(outcome(&step), (403, "authorization_denied"), "{error}");
    }
}

#[test]
fn whoever_declined_is_not_sent_to_the_provider_again_when_the_page_is_loaded_again() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    for expected in [(403, "authorization_denied"), (400, "attempt_replayed"), (400, "attempt_replayed")] {
        let step = come_back(&mut stage, &callback, "error=access_denied");
        assert_eq!(outcome(&step), expected);
        assert!(response(&step).body.contains("/api/login?return_to=%2Fpage"), "{}", response(&step).body);
    }
}

#[test]
fn trying_again_asks_for_what_was_asked_for() {
    let link = "/api/login?return_to=%2Fpage&amp;acr_values=gold&amp;provider=second&amp;prompt=login";
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    let mut document = with("/rules", json!([]));
    document["providers"].as_array_mut().unwrap().push(second);
    let mut stage = Stage::ready(&document);
    let callback = stage.go_to_the_provider("/api/login?provider=second&acr_values=gold&prompt=login&return_to=/page");
    stage.worker.wait(seconds(3_600));
    let step = stage.navigate(&callback);
    assert_eq!(outcome(&step), (400, "attempt_expired"));
    assert!(response(&step).body.contains(link), "{}", response(&step).body);
    let callback = stage.go_to_the_provider("/api/login?provider=second&acr_values=gold&prompt=login&return_to=/page");
    let (_, state) = callback.split_once("&state=").unwrap();
    let step = stage.navigate(&format!("/api/callback/second?error=access_denied&state={state}"));
    assert_eq!(outcome(&step), (403, "authorization_denied"));
    assert!(response(&step).body.contains(link), "{}", response(&step).body);
}

#[test]
fn somebody_who_is_signed_in_meanwhile_goes_to_the_page_despite_an_error() {
    for error in ["server_error", "temporarily_unavailable", "login_required", "invalid_request", "anything"] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page");
        stage.sign_in("/other");
        let before = stage.browser.names().len();
        let step = come_back(&mut stage, &callback, &format!("error={error}"));
        assert_eq!((status(&step), location(&step)), (303, "/page"), "{error}");
        assert_eq!(stage.browser.names().len(), before);
        // It is told to the operator all the same.
        assert!(step.events.iter().filter_map(audit::line).any(|line| line.contains(error)), "{error}");
    }
}

#[test]
fn whoever_asked_for_another_account_goes_on_with_a_session_that_began_after_that_and_with_no_other() {
    for (later, goes_on) in [(1, true), (0, false)] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/api/login?prompt=select_account");
        stage.worker.wait(seconds(later));
        stage.sign_in("/other");
        let step = come_back(&mut stage, &callback, "error=login_required");
        assert_eq!(location(&step) == "/", goes_on, "{}", location(&step));
        assert_eq!(location(&step).starts_with("/api/login?again="), !goes_on);
    }
}

#[test]
fn an_error_of_another_issuer_or_without_the_announced_one_starts_nothing_and_is_quoted_as_unproved() {
    for (query, announced) in [
        ("error=login_required&iss=https://evil.example", false),
        ("error=login_required", true),
        ("error=login_required&iss=", true),
    ] {
        let mut stage = Stage::new(&document());
        stage.provider.metadata["authorization_response_iss_parameter_supported"] = json!(announced);
        let callback = stage.go_to_the_provider("/page");
        let step = come_back(&mut stage, &callback, query);
        assert_eq!(outcome(&step), (400, "issuer_mismatch"), "{query}");
        let line = step.events.iter().find_map(audit::line).unwrap();
        assert!(line.contains("unproved") && line.contains("login_required"), "{line}");
    }
}

#[test]
fn an_error_that_belongs_to_no_attempt_is_refused_and_quoted_as_unproved() {
    let mut stage = Stage::ready(&document());
    for (target, expected) in [
        ("/api/callback?error=invalid_request&error_description=a%0Ab%E2%80%AEc", (400, "state_missing")),
        ("/api/callback?error=invalid_request&state=AAAAAAAA.B", (400, "attempt_missing")),
    ] {
        let step = stage.navigate(target);
        assert_eq!((outcome(&step), field(response(&step), "set-cookie")), (expected, None));
        let line = step.events.iter().find_map(audit::line).unwrap();
        assert!(line.contains("unproved: ") && line.contains("invalid_request") && line.is_ascii(), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn a_login_page_that_was_open_too_long_begins_again_by_the_providers_own_word_and_sends_no_code() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker.wait(seconds(3_600));
    let asked = stage.provider.asked.len();
    let step = come_back(&mut stage, &callback, "error=temporarily_unavailable&error_description=authentication_expired");
    assert!(location(&step).starts_with("/api/login?again="));
    let line = step.events.iter().find_map(audit::line).unwrap();
    assert!(line.contains("temporarily_unavailable") && line.contains("begun again") && !line.contains("unproved"), "{line}");
    let second = stage.again(&step);
    assert_eq!(stage.provider.asked.len(), asked);
    assert_eq!(location(&stage.navigate(&second)), "/page");
    // What is neither that nor signed in is told.
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker.wait(seconds(3_600));
    assert_eq!(outcome(&come_back(&mut stage, &callback, "error=invalid_scope")), (400, "attempt_expired"));
    stage.worker.wait(seconds(23 * 3_600));
    let step = come_back(&mut stage, &callback, "error=temporarily_unavailable");
    assert_eq!(outcome(&step), (400, "attempt_expired"));
}

#[test]
fn a_second_login_page_in_a_row_that_was_open_too_long_is_told_and_not_called_begun_again() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.worker.wait(seconds(3_600));
    let step = come_back(&mut stage, &callback, "error=temporarily_unavailable");
    let second = stage.again(&step);
    stage.worker.wait(seconds(3_600));
    let step = come_back(&mut stage, &second, "error=temporarily_unavailable");
    assert_eq!(outcome(&step), (400, "attempt_expired"));
    assert!(step.events.iter().filter_map(audit::line).all(|line| !line.contains("begun again")), "{:?}", step.events);
}

#[test]
fn the_form_post_response_mode_knows_the_same_errors() {
    let mut stage = Stage::ready(&with("/providers/0/response_mode", json!("form_post")));
    let callback = stage.go_to_the_provider("/page");
    let step = come_back(&mut stage, &callback, "error=login_required");
    let second = stage.again(&step);
    assert_eq!(outcome(&come_back(&mut stage, &second, "error=login_required")), (400, "authorization_error"));
}
