use super::stage::{BEGINNING, Browser, Stage, awaited, called, document, location, outcome, response, seconds, status};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_P256, P256, RSA};
use crate::gateway::pending::PendingWait;
use crate::oidc::testing::reply;
use crate::sign_in::redeem::AfterNews;
use crate::step::decision::{News, Resource};

/// A sign-in, as far as the wait for a key that the provider has published since its keys were fetched.
fn waiting_for_a_new_key(stage: &mut Stage) -> (Resource, crate::words::time::Timestamp, PendingWait) {
    let callback = stage.go_to_the_provider("/page");
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    awaited(stage.worker.resume(pending, reply))
}

#[test]
fn an_id_token_by_a_newly_published_key_waits_for_the_key_and_is_accepted() {
    let mut stage = Stage::ready(&document());
    stage.provider.publishes.push((&RSA, "second"));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let (resource, until, pending) = waiting_for_a_new_key(&mut stage);
    let Resource::Keys { provider, newer_than: Some(newer_than) } = &resource else { panic!("{resource:?}") };
    assert_eq!((provider.as_str(), *newer_than < BEGINNING.plus(seconds(1))), ("main", true));
    assert_eq!(until, stage.worker.world.now.plus(seconds(5)));
    assert!(matches!(pending.then, AfterNews::Verifying(..)));
    assert_eq!(stage.worker.news(&resource, until), None);
    stage.worker.fetch_due(&mut stage.provider);
    assert_eq!(stage.provider.asked.last().map(String::as_str), Some("keys"));
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    assert_eq!(status(&stage.worker.resume(pending, News::Ready)), 303);
}

#[test]
fn an_id_token_by_a_key_that_is_not_published_is_refused_after_one_fetch() {
    let mut stage = Stage::ready(&document());
    let asked = stage.provider.asked.len();
    stage.provider.signs = (&P256, Algorithm::ES256, "nobody's");
    let callback = stage.go_to_the_provider("/page");
    let step = stage.navigate(&callback);
    assert_eq!(outcome(&step), (502, "id_token_key_unknown"));
    assert_eq!(stage.provider.asked[asked..], ["token", "keys"]);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn keys_that_another_worker_fetched_are_taken_from_memory() {
    let mut stage = Stage::ready(&document());
    let mut other = stage.worker.beside(&document());
    other.fetch_due_for(&mut stage.provider, seconds(1));
    stage.worker.wait(seconds(1));
    stage.provider.publishes.push((&RSA, "second"));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let (resource, until, pending) = waiting_for_a_new_key(&mut stage);
    std::mem::swap(&mut stage.worker, &mut other);
    let (resource_there, until_there, pending_there) = waiting_for_a_new_key(&mut stage);
    stage.worker.fetch_due(&mut stage.provider);
    assert_eq!(stage.worker.news(&resource_there, until_there), Some(News::Ready));
    assert_eq!(status(&stage.worker.resume(pending_there, News::Ready)), 303);
    let asked = stage.provider.asked.len();
    other.fetch_due(&mut stage.provider);
    assert_eq!(stage.provider.asked.len(), asked);
    assert_eq!(other.news(&resource, until), Some(News::Ready));
    assert_eq!(status(&other.resume(pending, News::Ready)), 303);
}

#[test]
fn a_flood_of_unknown_keys_provokes_few_fetches_and_holds_nobody_else_up() {
    let mut stage = Stage::ready(&document());
    let asked = stage.provider.asked.len();
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        stage.provider.signs = (&P256, Algorithm::ES256, "nobody's");
        stage.browser = Browser::default();
        let callback = stage.go_to_the_provider("/page");
        outcomes.push(outcome(&stage.navigate(&callback)).0);
        stage.worker.wait(std::time::Duration::from_millis(20));
    }
    let fetches = stage.provider.asked[asked..].iter().filter(|path| *path == "keys").count();
    assert!((3..=5).contains(&fetches), "{fetches} in {:?}", stage.worker.world.now.since(BEGINNING));
    assert_eq!(outcomes[..3], [502, 502, 502]);
    assert!(outcomes[3..].contains(&503));
    stage.provider.signs = (&P256, Algorithm::ES256, "first");
    let before = stage.worker.world.now;
    stage.sign_in("/page");
    assert_eq!(stage.worker.world.now, before);
}

#[test]
fn a_new_key_under_the_old_kid_is_fetched_when_the_first_signature_fails() {
    for (key, algorithm) in [(&RSA, Algorithm::RS256), (&OTHER_P256, Algorithm::ES256)] {
        let mut stage = Stage::ready(&document());
        stage.provider.publishes = vec![(key, "first")];
        stage.provider.signs = (key, algorithm, "first");
        let asked = stage.provider.asked.len();
        stage.sign_in("/page");
        assert_eq!(stage.provider.asked[asked..], ["token", "keys"], "{algorithm}");
        // The former key is forgotten.
        stage.provider.signs = (&P256, Algorithm::ES256, "first");
        stage.browser = Browser::default();
        let callback = stage.go_to_the_provider("/page");
        let refused = if algorithm == Algorithm::ES256 { "id_token_signature" } else { "id_token_algorithm" };
        assert_eq!(outcome(&stage.navigate(&callback)), (502, refused));
    }
}

#[test]
fn a_flood_of_wrong_signatures_provokes_few_fetches_and_each_is_told_as_what_it_is() {
    let mut stage = Stage::ready(&document());
    let asked = stage.provider.asked.len();
    for number in 0..20 {
        stage.provider.signs = (&OTHER_P256, Algorithm::ES256, "first");
        stage.browser = Browser::default();
        let callback = stage.go_to_the_provider("/page");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, "id_token_signature"), "{number}");
        stage.worker.wait(std::time::Duration::from_millis(20));
    }
    let fetches = stage.provider.asked[asked..].iter().filter(|path| *path == "keys").count();
    let span = stage.worker.world.now.since(BEGINNING);
    assert!(fetches as u64 <= 4 + span.as_secs() / 10, "{fetches} in {span:?}");
    stage.provider.signs = (&P256, Algorithm::ES256, "first");
    let before = stage.worker.world.now;
    stage.sign_in("/page");
    assert_eq!(stage.worker.world.now, before);
}

#[test]
fn a_wrong_signature_is_no_verdict_while_the_keys_cannot_be_fetched() {
    let mut stage = Stage::ready(&document());
    stage.provider.signs = (&OTHER_P256, Algorithm::ES256, "first");
    let (resource, until, pending) = waiting_for_a_new_key(&mut stage);
    stage.provider.instead = Some(reply(503, &[], b""));
    while stage.worker.news(&resource, until).is_none() {
        stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    }
    let news = stage.worker.news(&resource, until).unwrap();
    assert_eq!(outcome(&stage.worker.resume(pending, news)), (503, "keys_unavailable"));
}

#[test]
fn when_the_keys_cannot_be_fetched_only_those_who_need_new_ones_are_turned_away() {
    let mut stage = Stage::ready(&document());
    stage.provider.publishes.push((&RSA, "second"));
    stage.provider.signs = (&RSA, Algorithm::RS256, "second");
    let (resource, until, pending) = waiting_for_a_new_key(&mut stage);
    stage.provider.instead = Some(reply(503, &[], b""));
    while stage.worker.news(&resource, until).is_none() {
        stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    }
    let news = stage.worker.news(&resource, until).unwrap();
    assert_eq!(outcome(&stage.worker.resume(pending, news)), (503, "keys_unavailable"));
    stage.provider.instead = None;
    stage.provider.signs = (&P256, Algorithm::ES256, "first");
    stage.sign_in("/page");
}

#[test]
fn keys_that_cannot_be_used_are_passed_over() {
    let mut stage = Stage::new(&document());
    stage.provider.publishes.insert(0, (&crate::crypto::testing::WEAK_RSA, "weak"));
    stage.sign_in("/page");
}

#[test]
fn a_key_that_was_withdrawn_signs_nobody_in() {
    let mut stage = Stage::ready(&document());
    stage.provider.publishes = vec![(&RSA, "second")];
    stage.worker.wait(seconds(3_600));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let callback = stage.go_to_the_provider("/page");
    assert_eq!(outcome(&stage.navigate(&callback)), (502, "id_token_key_unknown"));
}

#[test]
fn people_who_are_signed_in_do_not_notice_a_rotation() {
    let mut stage = Stage::signed_in(&document());
    stage.provider.publishes = vec![(&RSA, "second")];
    stage.provider.instead = Some(reply(500, &[], b""));
    stage.worker.wait(seconds(3_000));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
    let sent = stage.worker.begin(Browser::default().navigate("/page"));
    assert!(location(&sent).starts_with("https://sso.example.com/"), "{:?}", response(&sent).status);
}
