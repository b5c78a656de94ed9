//! Two providers: trouble at one of them does not affect the sessions of the other.

use std::time::Duration;

use super::refresh::{LIFE, carried, forwarding, signed_in, until_it_asks};
use super::stage::{Browser, Stage, Worker, awaited, changed, outcome, seconds};
use crate::crypto::seal::Purpose;
use crate::http::message::Reply;
use crate::oidc::testing::ISSUER;
use crate::session::content::Session;
use crate::session::remembered::refreshed::lease_key;
use crate::step::decision::{Decision, News};
use crate::upkeep::fetch::Errand;
use serde_json::{Value, json};

fn with_partner() -> Value {
    let endpoint = |name: &str| format!("{ISSUER}/{name}");
    let mut document = changed(forwarding(), "/rules", json!([]));
    document["providers"].as_array_mut().unwrap().push(json!({
        "name": "partner",
        "metadata": {
            "issuer": "https://partner.example",
            "authorization_endpoint": endpoint("auth"),
            "token_endpoint": endpoint("token"),
            "jwks_uri": endpoint("keys")
        },
        "clusters": {"sso.example.com": "sso"},
        "client_id": "app",
        "client_secret": "the-partner-s-secret"
    }));
    document
}

/// This session with another id, as if the person had signed in at the partner.
fn partners(stage: &Stage, ours: &Session, id: String) -> Session {
    let mut session = called(ours, id);
    session.provider = "partner".into();
    session.fingerprint = stage.worker.gateway.settings.provider("partner").unwrap().fingerprint.clone();
    session
}

fn called(session: &Session, id: String) -> Session {
    let mut session = session.clone();
    session.id = id;
    session
}

/// A browser with this session.
fn holding(stage: &mut Stage, session: &Session) -> Browser {
    let Worker { gateway, world } = &mut stage.worker;
    let sealed = gateway.settings.sealer.seal(world, Purpose::Session, &session.write()).unwrap();
    let mut browser = Browser::default();
    browser.jar.insert("__Host-accredit".into(), (sealed, "/".into()));
    browser
}

/// Some ticks in which the main provider replies, and the partner does not.
fn while_the_partner_hangs(stage: &mut Stage) {
    for _ in 0..5 {
        let fetches = stage.worker.tick().fetches;
        for fetch in fetches.iter().filter(|fetch| fetch.provider == "main") {
            let reply = stage.provider.answer(&fetch.call, stage.worker.world.now);
            stage.worker.fetch_answered(fetch, &reply);
        }
        stage.worker.wait(Duration::from_millis(20));
    }
}

#[test]
fn a_provider_whose_token_endpoint_hangs_does_not_stop_the_refreshes_of_another() {
    let mut stage = signed_in(&with_partner());
    let ours = carried(&mut stage);
    stage.worker.wait(seconds(LIFE));
    let mut waiting = 0;
    for number in 0..1_100 {
        let session = partners(&stage, &ours, format!("p{number}"));
        let browser = holding(&mut stage, &session);
        waiting += usize::from(matches!(stage.worker.begin(browser.script("GET", "/page")).decision, Decision::Await { .. }));
    }
    assert_eq!(waiting, 1_000, "all the room, as long as no other provider needs any");
    let (resource, until, pending) = awaited(stage.worker.begin(stage.browser.script("GET", "/page")));
    while_the_partner_hangs(&mut stage);
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    assert_eq!(outcome(&stage.worker.resume(pending, News::Ready)), (200, ""));
    // The room that the main provider's session has left is not given to another one of the partner.
    let late = partners(&stage, &ours, "late".into());
    let late = holding(&mut stage, &late);
    assert_eq!(outcome(&stage.worker.begin(late.script("GET", "/page"))), (503, "refresh_unavailable"));
}

#[test]
fn a_refresh_that_waits_or_fails_delays_no_session_of_another_provider_with_the_same_lease_key() {
    for fails in [false, true] {
        let mut stage = signed_in(&with_partner());
        let ours = carried(&mut stage);
        let same_place = |id: &String| lease_key(&called(&ours, id.clone())) == lease_key(&ours);
        let id = (0..).map(|number| format!("p{number}")).find(same_place).unwrap();
        let theirs = partners(&stage, &ours, id);
        stage.worker.wait(seconds(LIFE));
        let browser = holding(&mut stage, &theirs);
        drop(awaited(stage.worker.begin(browser.script("GET", "/page"))));
        let fetch = until_it_asks(&mut stage.worker);
        assert_eq!(fetch.provider, "partner");
        if fails {
            stage.worker.fetch_answered(&fetch, &Reply::Reset);
        }
        let (resource, until, _) = awaited(stage.worker.begin(stage.browser.script("GET", "/page")));
        while_the_partner_hangs(&mut stage);
        assert_eq!((stage.worker.news(&resource, until), stage.provider.refreshes), (Some(News::Ready), 1), "{fails}");
    }
}

#[test]
fn a_worker_with_a_shorter_timeout_does_not_spend_a_refresh_token_that_another_is_spending() {
    let timeout = |span: &str| changed(forwarding(), "/providers/0/timeout", json!(span));
    let mut stage = signed_in(&timeout("60s"));
    let mut reloaded = stage.worker.beside(&timeout("1s"));
    stage.worker.wait(seconds(LIFE));
    reloaded.wait(seconds(LIFE));
    drop(awaited(stage.worker.begin(stage.browser.script("GET", "/page"))));
    drop(awaited(reloaded.begin(stage.browser.script("GET", "/page"))));
    until_it_asks(&mut stage.worker);
    for _ in 0..100 {
        let fetches = reloaded.tick().fetches;
        assert!(!fetches.iter().any(|fetch| matches!(fetch.errand, Errand::Refresh(_))));
        reloaded.wait(Duration::from_millis(500));
    }
}
