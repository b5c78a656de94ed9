use super::stage::{
    BEGINNING, Browser, KEY, OTHER_KEY, Provider, Stage, Worker, awaited, document, field, location, outcome, response, seconds,
    status, with,
};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::OTHER_RSA;
use crate::http::message::Reply;
use crate::oidc::testing::{ISSUER, reply};
use crate::step::decision::News;
use crate::step::event::{DocumentKind, Event};
use crate::words::reason::Reason;
use serde_json::json;
use std::time::Duration;

#[test]
fn two_workers_of_one_process_fetch_everything_once() {
    let mut provider = Provider::new();
    let mut one = Worker::new(&document());
    let mut two = one.beside(&document());
    for _ in 0..50 {
        one.fetch_due(&mut provider);
        two.fetch_due(&mut provider);
        one.wait(Duration::from_millis(20));
        two.wait(Duration::from_millis(20));
    }
    assert_eq!(provider.asked, [".well-known/openid-configuration", "keys"]);
    let browser = Browser::default();
    for worker in [&mut one, &mut two] {
        assert_eq!(status(&worker.begin(browser.navigate("/page"))), 302);
    }
    // A sign-in that was begun at one worker is finished at the other.
    let mut stage = Stage { worker: one, provider, browser, users: super::stage::UserService::new() };
    let callback = stage.go_to_the_provider("/page");
    stage.worker = two;
    assert_eq!(status(&stage.navigate(&callback)), 303);
    assert_eq!(stage.provider.asked[2..], ["token"]);
}

#[test]
fn another_worker_takes_over_from_one_that_died_while_it_fetched() {
    let mut provider = Provider::new();
    let mut dying = Worker::new(&document());
    dying.tick();
    assert_eq!(dying.tick().fetches.len(), 1);
    let mut other = dying.beside(&document());
    drop(dying);
    // The call would have timed out after five seconds; the lease lasts one second longer.
    assert_eq!(other.fetch_due_for(&mut provider, seconds(6)), []);
    assert_eq!(other.fetch_due_for(&mut provider, seconds(1)), [DocumentKind::Metadata, DocumentKind::Keys]);
}

#[test]
fn a_reload_needs_no_fetch_while_the_provider_stays_the_same() {
    let before = Stage::signed_in(&document());
    for (what, document, known) in [
        ("nothing", document(), true),
        ("the rules", with("/rules", json!([])), true),
        ("the sealing keys, the old one being there still", with("/session/keys", json!([OTHER_KEY, KEY])), true),
        ("the sealing keys, the old one being gone", with("/session/keys", json!([OTHER_KEY])), false),
        ("the client", with("/providers/0/client_id", json!("another")), true),
        ("the issuer", with("/providers/0/issuer", json!("https://sso.example.com/realms/another")), false),
        ("the clusters", with("/providers/0/clusters", json!({"sso.example.com": "another"})), false),
        ("which endpoints are needed", with("/providers/0/userinfo", json!(true)), false),
    ] {
        let mut reloaded = before.worker.beside(&document);
        let step = reloaded.begin(before.browser.navigate("/api/login"));
        assert_eq!(matches!(step.decision, crate::step::decision::Decision::Respond(_)), known, "{what} changed");
    }
}

#[test]
fn after_a_restart_with_the_provider_down_public_pages_and_sessions_are_served_at_once() {
    let before = Stage::signed_in(&document());
    let mut stage = Stage { worker: Worker::new(&document()), ..before };
    stage.provider.instead = Some(Reply::Reset);
    assert_eq!(outcome(&stage.worker.begin(stage.browser.navigate("/page"))), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(stage.browser.script("GET", "/api/session"))), (200, ""));
    let stranger = Browser::default();
    assert_eq!(outcome(&stage.worker.begin(stranger.navigate("/public"))), (200, ""));
    assert_eq!(outcome(&stage.worker.begin(stranger.script("GET", "/page"))), (401, "session_missing"));
    let step = stage.worker.begin(stranger.navigate("/page"));
    let step = stage.settle(step);
    assert_eq!(outcome(&step), (503, "metadata_unavailable"));
    assert!(field(response(&step), "retry-after").is_some());
}

#[test]
fn a_wait_ends_at_its_deadline_however_often_it_begins_again() {
    let mut stage = Stage::new(&with("/sign_in", json!({"wait": "3s"})));
    let (resource, until, pending) = awaited(stage.worker.begin(stage.browser.navigate("/page")));
    assert_eq!(until, BEGINNING.plus(seconds(3)));
    stage.worker.wait(seconds(2));
    // It is resumed although the metadata are not here.
    let (_, until_again, pending) = awaited(stage.worker.resume(pending, News::Ready));
    assert_eq!(until_again, until);
    stage.worker.wait(Duration::from_millis(999));
    assert_eq!(stage.worker.news(&resource, until), None);
    stage.worker.wait(Duration::from_millis(1));
    let news = stage.worker.news(&resource, until).unwrap();
    assert_eq!(news, News::Missing(Reason::MetadataUnavailable));
    let step = stage.worker.resume(pending, news);
    assert_eq!(outcome(&step), (503, "metadata_unavailable"));
    assert!(field(response(&step), "retry-after").is_some());
}

#[test]
fn failed_fetches_are_delayed_and_no_request_waits_for_one_beyond_its_time() {
    let mut stage = Stage::new(&document());
    stage.provider.instead = Some(reply(503, &[], b""));
    let mut moments = Vec::new();
    for _ in 0..2_000 {
        if !stage.worker.fetch_due(&mut stage.provider).is_empty() {
            moments.push(stage.worker.world.now.since(BEGINNING).as_secs());
        }
        stage.worker.wait(Duration::from_millis(20));
    }
    assert_eq!(moments, [0, 1, 3, 7, 15, 25, 35]);

    // The next attempt is 5 s away or more: a request is refused at once. A later one may wait for it.
    let visit = |stage: &mut Stage| awaited(stage.worker.begin(stage.browser.navigate("/page")));
    let (resource, until, _) = visit(&mut stage);
    assert_eq!(stage.worker.world.now.since(BEGINNING).as_secs(), 40);
    assert_eq!(stage.worker.news(&resource, until), Some(News::Missing(Reason::MetadataUnavailable)));
    stage.worker.wait(seconds(2));
    let (resource, until, pending) = visit(&mut stage);
    assert_eq!(stage.worker.news(&resource, until), None);
    stage.provider.instead = None;
    stage.worker.fetch_due_for(&mut stage.provider, seconds(4));
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    assert_eq!(status(&stage.worker.resume(pending, News::Ready)), 302);
}

#[test]
fn the_delay_after_a_failed_fetch_holds_for_other_workers_too() {
    let mut provider = Provider::new();
    provider.instead = Some(Reply::NotSent);
    let mut one = Worker::new(&document());
    assert_eq!(one.fetch_due_for(&mut provider, Duration::from_millis(500)), [DocumentKind::Metadata]);
    let mut two = one.beside(&document());
    assert_eq!(two.fetch_due_for(&mut provider, Duration::from_millis(400)), []);
    assert_eq!(two.fetch_due_for(&mut provider, Duration::from_millis(200)), [DocumentKind::Metadata]);
}

#[test]
fn documents_stay_when_they_cannot_be_renewed_and_are_renewed_when_they_can() {
    let mut stage = Stage::ready(&document());
    let asked = stage.provider.asked.len();
    assert_eq!(stage.worker.fetch_due_for(&mut stage.provider, seconds(10)), []);
    stage.worker.wait(seconds(3_600));
    stage.provider.instead = Some(reply(500, &[], b""));
    assert!(stage.worker.fetch_due_for(&mut stage.provider, seconds(2)).contains(&DocumentKind::Metadata));
    assert!(stage.provider.asked.len() > asked);
    stage.worker.wait(seconds(24 * 3_600));
    assert_eq!(status(&stage.worker.begin(stage.browser.navigate("/page"))), 302);

    // The provider is back, with other documents.
    stage.provider.instead = None;
    stage.provider.metadata["authorization_endpoint"] = json!("https://sso.example.com/new/auth");
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let step = stage.worker.begin(stage.browser.navigate("/page"));
    assert!(location(&step).starts_with("https://sso.example.com/new/auth?"));
    assert_eq!(stage.worker.fetch_due_for(&mut stage.provider, seconds(60)), []);
}

#[test]
fn a_document_is_renewed_once_for_all_workers() {
    let mut provider = Provider::new();
    let mut one = Worker::new(&document());
    one.fetch_due_for(&mut provider, seconds(1));
    let mut two = one.beside(&document());
    two.fetch_due_for(&mut provider, seconds(1));
    one.wait(seconds(3_601));
    two.wait(seconds(3_600));
    provider.metadata["authorization_endpoint"] = json!("https://sso.example.com/new/auth");
    assert_eq!(one.fetch_due_for(&mut provider, seconds(1)), [DocumentKind::Metadata, DocumentKind::Keys]);
    assert_eq!(two.fetch_due_for(&mut provider, seconds(1)), []);
    let step = two.begin(Browser::default().navigate("/page"));
    assert!(location(&step).starts_with("https://sso.example.com/new/auth?"));
}

#[test]
fn metadata_that_break_the_specification_or_the_configuration_sign_nobody_in_and_the_log_says_why() {
    for (member, value, says) in [
        ("issuer", json!("https://evil.example"), "expected issuer"),
        ("token_endpoint", json!("https://evil.example/token"), "no cluster is listed for evil.example"),
        ("jwks_uri", json!("https://evil.example/keys"), "no cluster is listed for evil.example"),
        ("authorization_endpoint", json!("http://sso.example.com/auth"), "authorization_endpoint"),
        ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint"),
        ("token_endpoint", json!(null), "token_endpoint is missing"),
    ] {
        let mut stage = Stage::new(&document());
        stage.provider.metadata[member] = value;
        stage.worker.tick();
        let fetch = stage.worker.tick().fetches.pop().unwrap();
        let reply = stage.provider.answer(&fetch.call, BEGINNING);
        let upkeep = stage.worker.fetch_answered(&fetch, &reply);
        let detail = match upkeep.events.as_slice() {
            [Event::Fetched { failure: Some(failure), .. }] => &failure.detail,
            [Event::Fetched { failure: None, .. }, Event::EndpointUnusable { detail, .. }, ..] => detail,
            other => panic!("{other:?}"),
        };
        assert!(detail.contains(says), "{detail}");
        let step = stage.worker.begin(stage.browser.navigate("/page"));
        let refused = stage.settle(step);
        assert_eq!(outcome(&refused), (503, "metadata_unavailable"), "{member}");
        assert!(stage.browser.names().is_empty(), "no sign-in was begun");
        assert_eq!(outcome(&stage.worker.begin(stage.browser.navigate("/public"))), (200, ""), "{member}");
    }
}

#[test]
fn configured_metadata_need_no_fetch() {
    let mut given = Provider::new().metadata;
    given.as_object_mut().unwrap().retain(|name, _| name != "userinfo_endpoint");
    let mut document = with("/providers/0/metadata", given);
    document["providers"][0].as_object_mut().unwrap().remove("issuer");
    let mut stage = Stage::new(&document);
    let sent = stage.navigate("/page");
    assert_eq!(status(&sent), 302);
    let callback = stage.provider.agree(location(&sent));
    assert_eq!(status(&stage.navigate(&callback)), 303);
    assert_eq!(stage.provider.asked, ["token", "keys"]);
}

#[test]
fn a_foreign_value_in_shared_memory_is_not_taken_for_a_document() {
    let documents = ["", "{", "[]", "null", "{\"fetched\":1}", "\u{0}"];
    for text in documents {
        let mut stage = Stage::ready(&document());
        let keys: Vec<_> = stage.worker.world.memory.borrow().keys().cloned().collect();
        for key in keys {
            stage.worker.world.memory.borrow_mut().insert(key, (text.as_bytes().to_vec(), 7));
        }
        stage.worker = stage.worker.beside(&document());
        assert_eq!(status(&stage.navigate("/page")), 302, "{text}");
    }
}

#[test]
fn keys_that_another_plugin_wrote_into_shared_memory_sign_nobody_in() {
    let mut stage = Stage::ready(&document());
    let now = stage.worker.world.now;
    let planted = json!({"keys": [OTHER_RSA.jwk(&json!({"kid": "planted"}))]}).to_string();
    let planted = json!({"fetched": now.millis() + 1, "fresh_until": u64::MAX, "body": planted}).to_string();
    let keys: Vec<_> = stage.worker.world.memory.borrow().keys().filter(|key| key.contains("/keys/document")).cloned().collect();
    assert_eq!(keys.len(), 1);
    stage.provider.signs = (&OTHER_RSA, Algorithm::RS256, "planted");
    let mut other = stage.worker.beside(&document());
    // One worker has keys already, the other one looks for them in shared memory.
    for _ in 0..2 {
        stage.worker.world.memory.borrow_mut().insert(keys[0].clone(), (planted.clone().into_bytes(), 9));
        let callback = stage.go_to_the_provider("/page");
        assert_eq!(outcome(&stage.navigate(&callback)), (502, "id_token_key_unknown"));
        std::mem::swap(&mut stage.worker, &mut other);
        stage.worker.wait(seconds(30));
    }
}

#[test]
fn two_providers_are_kept_apart() {
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    second["issuer"] = json!("https://second.example.com");
    second["clusters"] = json!({"second.example.com": "second"});
    let mut document = document();
    document["providers"].as_array_mut().unwrap().push(second);
    document["rules"] = json!([{"match": {"path": "/second"}, "require": {"provider": "second"}}]);
    let mut worker = Worker::new(&document);
    worker.tick();
    let fetches = worker.tick().fetches;
    let asked: Vec<_> = fetches.iter().map(|fetch| (fetch.provider.as_str(), fetch.call.cluster.as_str())).collect();
    assert_eq!(asked, [("main", "sso"), ("second", "second")]);
    // The first provider's metadata in a reply for the second are refused: they name another issuer.
    let reply = Provider::new().answer(&fetches[0].call, BEGINNING);
    let upkeep = worker.fetch_answered(&fetches[1], &reply);
    assert!(matches!(upkeep.events[0], Event::Fetched { failure: Some(_), .. }), "{ISSUER}");
    // The failure at the second provider does not affect the first.
    worker.fetch_answered(&fetches[0], &reply);
    let browser = Browser::default();
    assert_eq!(status(&worker.begin(browser.navigate("/page"))), 302);
    let (resource, ..) = awaited(worker.begin(browser.navigate("/second")));
    assert_eq!(resource, crate::step::decision::Resource::Metadata("second".into()));
}
