//! Many requests at once, and many tokens: one call for each token, and bounded memory for all.

use serde_json::json;

use super::super::stage::awaited;
use super::*;
use crate::step::decision::{Decision, News};
use crate::upkeep::fetch::Errand;

#[test]
fn requests_that_need_the_same_token_wait_for_one_call() {
    let mut stage = Stage::ready(&exchanging());
    let [clients, others] = [json!({}), json!({"client_id": "two"})].map(|changes| token(&stage, changes));
    let begin = |stage: &mut Stage, token: &str| awaited(stage.worker.begin(with_token("/notes", token)));
    let waiting: Vec<_> = [&clients, &clients, &others, &clients].map(|token| begin(&mut stage, token)).into();
    let mut calls = stage.worker.tick().fetches;
    assert!(calls.iter().all(|call| matches!(call.errand, Errand::UpstreamToken(_))));
    assert_eq!(calls.len(), 2);
    assert!(stage.worker.tick().fetches.is_empty(), "they are under way");
    // Whoever comes meanwhile waits for the same call.
    let late = begin(&mut stage, &clients);
    assert!(stage.worker.tick().fetches.is_empty());
    assert_eq!(stage.worker.news(&late.0, late.1), None);
    for call in calls.drain(..) {
        let answer = stage.provider.answer(&call.call, stage.worker.world.now);
        let upkeep = stage.worker.fetch_answered(&call, &answer);
        assert!(upkeep.fetches.is_empty());
        assert_eq!(upkeep.events, [Event::UpstreamTokenAsked(UpstreamTokenAnswer::Issued)]);
    }
    let arrived = waiting.into_iter().chain([late]).map(|(resource, until, pending)| {
        assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
        arrives(&stage.worker.resume(pending, News::Ready)).unwrap().to_owned()
    });
    let arrived: Vec<_> = arrived.map(|line| line.strip_prefix("Bearer for-the-application-").unwrap().to_owned()).collect();
    assert_eq!(arrived, ["0", "0", "1", "0", "0"]);
    assert_eq!(stage.provider.exchanged.len(), 2);
}

#[test]
fn requests_wait_no_longer_than_they_may_for_a_provider_that_does_not_answer() {
    let mut stage = Stage::ready(&exchanging());
    let clients = token(&stage, json!({}));
    let (resource, until, pending) = awaited(stage.worker.begin(with_token("/notes", &clients)));
    assert_eq!(stage.worker.tick().fetches.len(), 1);
    stage.worker.world.now = until;
    let news = stage.worker.news(&resource, until).unwrap();
    assert_eq!(outcome(&stage.worker.resume(pending, news)), (503, "upstream_token_unavailable"));
}

#[test]
fn many_tokens_at_once_neither_take_all_memory_nor_all_calls() {
    let mut stage = Stage::ready(&exchanging());
    let tokens: Vec<_> = (0..1_001).map(|number| token(&stage, json!({ "jti": number }))).collect();
    let waiting: Vec<_> = tokens.iter().map(|clients| stage.worker.begin(with_token("/notes", clients))).collect();
    let refused: Vec<_> = waiting.iter().filter(|step| matches!(step.decision, Decision::Respond(_))).map(outcome).collect();
    assert_eq!(refused, [(503, "upstream_token_unavailable")]);
    let calls = stage.worker.tick().fetches;
    assert_eq!(calls.len(), 64);
    // Each answer makes room for one more.
    let answer = stage.provider.answer(&calls[0].call, stage.worker.world.now);
    assert_eq!(stage.worker.fetch_answered(&calls[0], &answer).fetches.len(), 1);
    // Those for which nobody waits any more are not asked for.
    stage.worker.wait(seconds(60));
    assert!(stage.worker.tick().fetches.is_empty());
    assert_eq!(ask(&mut stage, "/plain", &tokens[0]), None);
}

#[test]
fn tokens_that_were_not_used_for_long_are_forgotten_when_memory_is_full() {
    let mut stage = Stage::ready(&exchanging());
    stage.provider.exchange_response = json!({"access_token": "x".repeat(16_000)});
    let tokens: Vec<_> = (0..300).map(|number| token(&stage, json!({ "jti": number }))).collect();
    for clients in &tokens {
        ask(&mut stage, "/notes", clients);
    }
    // 4 MiB hold about 259 of these.
    for (clients, calls) in [(&tokens[299], 300), (&tokens[60], 300), (&tokens[0], 301)] {
        ask(&mut stage, "/notes", clients);
        assert_eq!(stage.provider.exchanged.len(), calls);
    }
}
