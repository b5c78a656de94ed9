use super::stage::{
    Browser, Stage, Worker, awaited, called, document, field, location, outcome, response, seconds, status, with,
};
use crate::gateway::pending::Step;
use crate::oidc::testing::json_reply;
use crate::step::decision::{Decision, News, Resource};
use crate::step::event::Event;
use crate::words::reason::Reason;
use crate::words::world::testing::Still;
use serde_json::json;

/// Where a step leads, if it only does that: no cookie, no call.
fn told(step: &Step) -> (u16, &str) {
    assert_eq!(field(response(step), "set-cookie"), None);
    (status(step), location(step))
}

fn worker_beside(stage: &Stage) -> Worker {
    stage.worker.beside(&document())
}

#[test]
fn a_callback_that_comes_again_while_the_first_is_under_way_waits_for_it_and_goes_to_the_page() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let (call, exchanging) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let mut other = worker_beside(&stage);
    let (here, until, here_waits) = awaited(stage.worker.begin(stage.browser.navigate(&callback)));
    let (there, _, there_waits) = awaited(other.begin(stage.browser.navigate(&callback)));
    assert!((stage.worker.news(&here, until), other.news(&there, until)) == (None, None));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let first = stage.worker.resume(exchanging, reply);
    assert_eq!((status(&first), location(&first)), (303, "/page"));
    for worker in [&mut stage.worker, &mut other] {
        worker.wait(seconds(1));
    }
    assert_eq!((stage.worker.news(&here, until), other.news(&there, until)), (Some(News::Ready), Some(News::Ready)));
    assert_eq!(told(&stage.worker.resume(here_waits, News::Ready)), (303, "/page"));
    assert_eq!(told(&other.resume(there_waits, News::Ready)), (303, "/page"));
}

#[test]
fn a_callback_that_comes_again_is_answered_where_the_providers_metadata_are_not_known() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let before = stage.browser.clone();
    assert_eq!(location(&stage.navigate(&callback)), "/page");
    // A new configuration, by which the provider's document must be read anew.
    let mut other = stage.worker.beside(&with("/providers/0/userinfo", json!(true)));
    drop(awaited(other.begin(Browser::default().navigate("/page"))));
    assert_eq!(told(&other.begin(before.navigate(&callback))), (303, "/page"));
}

#[test]
fn of_24_callbacks_one_sends_the_code_and_two_wait_in_all_workers_together() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let mut other = worker_beside(&stage);
    let (mut sent, mut wait, mut again) = (0, 0, 0);
    for number in 0..24 {
        let worker = if number % 2 == 0 { &mut stage.worker } else { &mut other };
        let step = worker.begin(stage.browser.navigate(&callback));
        match &step.decision {
            Decision::Call(..) => sent += 1,
            Decision::Await { .. } => wait += 1,
            _ => {
                assert!(told(&step).1.starts_with("/api/login?again="));
                assert_eq!(step.note.diverted, Some(Reason::AttemptReplayed));
                again += 1;
            }
        }
    }
    assert_eq!((sent, wait, again), (1, 2, 21));
}

#[test]
fn a_callback_whose_first_one_failed_begins_again_once_and_the_next_failure_is_a_page() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let before = stage.browser.clone();
    stage.provider.instead = Some(json_reply(500, &json!({})));
    assert_eq!(outcome(&stage.navigate(&callback)), (502, "token_endpoint_unreachable"));
    // With the cookie from before, and with the one that the failure left.
    for browser in [before, stage.browser.clone()] {
        let step = stage.worker.begin(browser.navigate(&callback));
        assert!(told(&step).1.starts_with("/api/login?again="));
        assert!(step.events.contains(&Event::SignInRepeated));
    }
    let step = stage.navigate(&callback);
    stage.provider.instead = None;
    let second = stage.again(&step);
    stage.provider.instead = Some(json_reply(500, &json!({})));
    assert_eq!(outcome(&stage.navigate(&second)), (502, "token_endpoint_unreachable"));
    let last = stage.navigate(&second);
    assert_eq!(outcome(&last), (400, "attempt_replayed"));
    assert!(response(&last).body.contains("/api/login?return_to=%2Fpage"), "{}", response(&last).body);
    // A person who tries again begins anew: that one may begin again by itself.
    stage.provider.instead = None;
    let third = stage.go_to_the_provider("/api/login?return_to=%2Fpage");
    assert_eq!(location(&stage.navigate(&third)), "/page");
}

#[test]
fn at_most_two_sign_ins_begin_by_themselves_in_place_of_one_however_often_its_callback_comes() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.provider.instead = Some(json_reply(500, &json!({})));
    stage.navigate(&callback);
    stage.provider.instead = None;
    let again = stage.navigate(&callback);
    let browser = stage.browser.clone();
    let answers: Vec<_> = (0..20).map(|_| status(&stage.worker.begin(browser.navigate(location(&again))))).collect();
    assert_eq!((&answers[..2], answers[2..].iter().all(|status| *status == 400)), (&[302, 302][..], true), "{answers:?}");
}

#[test]
fn a_wait_for_metadata_uses_up_no_sign_in_that_may_begin_by_itself() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.provider.instead = Some(json_reply(500, &json!({})));
    stage.navigate(&callback);
    let again = stage.navigate(&callback);
    // A worker that has just started, and a service worker that asks twice.
    let mut cold = Worker::within(&document(), Still { now: stage.worker.world.now, ..Still::default() });
    for _ in 0..2 {
        let (resource, ..) = awaited(cold.begin(stage.browser.navigate(location(&again))));
        assert_eq!(resource, Resource::Metadata("main".into()));
    }
    stage.provider.instead = None;
    cold.fetch_due_for(&mut stage.provider, seconds(1));
    for _ in 0..2 {
        assert_eq!(status(&cold.begin(stage.browser.navigate(location(&again)))), 302);
    }
}

#[test]
fn nobody_waits_for_an_attempt_that_is_over_as_its_cookie_says() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.provider.instead = Some(json_reply(500, &json!({})));
    stage.navigate(&callback);
    // Its outcome is forgotten by then, and the attempt is still marked as used up.
    stage.worker.wait(seconds(300));
    for _ in 0..3 {
        assert!(told(&stage.worker.begin(stage.browser.navigate(&callback))).1.starts_with("/api/login?again="));
    }
}

#[test]
fn a_first_callback_that_never_ends_holds_the_second_for_as_long_as_a_request_may_wait() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let _hung_up = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let (resource, until, waits) = awaited(stage.worker.begin(stage.browser.navigate(&callback)));
    assert_eq!(stage.worker.news(&resource, until), None);
    let rest = until.since(stage.worker.world.now);
    stage.worker.wait(rest);
    let news = stage.worker.news(&resource, until);
    assert_eq!(news, Some(News::Missing(Reason::AttemptReplayed)));
    let step = stage.worker.resume(waits, news.unwrap());
    assert!(told(&step).1.starts_with("/api/login?again="));
    assert_eq!(status(&stage.send(stage.browser.navigate(location(&step)))), 302);
}

#[test]
fn a_callback_that_has_waited_its_whole_time_for_metadata_does_not_wait_for_the_first_one_too() {
    for (span, waits_again) in [(seconds(4), true), (seconds(5), false)] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider("/page");
        let mut other = stage.worker.beside(&with("/providers/0/userinfo", json!(true)));
        let (resource, _, waits) = awaited(other.begin(stage.browser.navigate(&callback)));
        assert_eq!(resource, Resource::Metadata("main".into()));
        drop(called(stage.worker.begin(stage.browser.navigate(&callback))));
        other.wait(span);
        let step = other.resume(waits, News::Ready);
        assert_eq!(matches!(step.decision, Decision::Await { resource: Resource::SignIn(_), .. }), waits_again);
        assert!(waits_again || told(&step).1.starts_with("/api/login?again="));
    }
}

#[test]
fn whoever_is_signed_in_goes_to_the_page_however_often_the_callback_comes() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    stage.navigate(&callback);
    for _ in 0..3 {
        let step = stage.navigate(&callback);
        assert_eq!(told(&step), (303, "/page"));
        stage.worker.wait(seconds(30));
    }
    // Two minutes later the browser has dropped the place.
    stage.browser.jar.retain(|name, _| !name.contains("-attempt-"));
    let step = stage.navigate(&callback);
    assert_eq!(told(&step), (303, "/"));
}

#[test]
fn a_foreign_state_in_a_fresh_browser_gets_no_redirect_and_no_cookie_and_deletes_none() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let stranger = Browser::default();
    let used = stage.worker.begin(stranger.navigate(&callback));
    assert_eq!((outcome(&used), field(response(&used), "set-cookie")), ((400, "attempt_missing"), None));
    // Somebody who knows the identifier alone cannot end the attempt of this browser.
    let (_, state) = callback.split_once("&state=").unwrap();
    let forged = format!("/api/callback?code=x&state={}.{}", state.split('.').next().unwrap(), "A".repeat(43));
    let step = stage.navigate(&forged);
    assert_eq!((outcome(&step), field(response(&step), "set-cookie")), ((400, "state_mismatch"), None));
    assert_eq!(location(&stage.navigate(&callback)), "/page");
    for target in [&callback, "/api/login?again=AAAAAAAA", "/api/login?again=", "/api/login?again=../../x"] {
        let step = stage.worker.begin(stranger.navigate(target));
        assert_eq!((outcome(&step), field(response(&step), "set-cookie")), ((400, "attempt_missing"), None), "{target}");
    }
}

#[test]
fn a_sign_in_that_begins_again_takes_everything_from_its_cookie_and_nothing_from_the_query() {
    let document = with("/rules/0", json!({"match": {"path": "/strict"}, "require": {"acr": ["gold"]}}));
    let mut stage = Stage::ready(&document);
    let callback = stage.go_to_the_provider("/strict?a=b");
    let (_, state) = callback.split_once("&state=").unwrap();
    let failed = stage.navigate(&format!("/api/callback?error=login_required&state={state}"));
    let again = format!("{}&return_to=//evil.example&provider=none&acr_values=x&prompt=x", location(&failed));
    let sent = stage.navigate(&again);
    assert!(location(&sent).contains("acr_values=gold"), "{}", location(&sent));
    stage.provider.claims = json!({"acr": "gold"});
    let callback = stage.provider.agree(location(&sent));
    assert_eq!(location(&stage.navigate(&callback)), "/strict?a=b");
}

#[test]
fn a_session_that_does_not_meet_what_the_sign_in_asked_for_is_not_enough_to_go_on() {
    for login in ["/api/login?acr_values=gold", "/api/login?prompt=select_account", "/api/login?max_age=10"] {
        let mut stage = Stage::signed_in(&document());
        stage.worker.wait(seconds(60));
        let callback = stage.go_to_the_provider(&format!("{login}&return_to=/page"));
        let (_, state) = callback.split_once("&state=").unwrap();
        let step = stage.navigate(&format!("/api/callback?error=server_error&state={state}"));
        assert_eq!(outcome(&step), (502, "authorization_server_error"), "{login}");
    }
}

#[test]
fn a_callback_that_comes_again_at_another_providers_redirect_uri_is_a_mix_up() {
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    let mut document = with("/rules", json!([]));
    document["providers"].as_array_mut().unwrap().push(second);
    let mut stage = Stage::ready(&document);
    let callback = stage.go_to_the_provider("/page");
    let (call, _) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    assert_eq!(call.cluster, "sso");
    let attack = callback.replace("/callback/main?", "/callback/second?");
    assert_ne!(attack, callback);
    assert_eq!(outcome(&stage.worker.begin(stage.browser.navigate(&attack))), (400, "issuer_mismatch"));
}
