//! Random bodies at our endpoints: none causes a panic, and none gets a token or a session.

use std::cell::RefCell;

use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use super::made_up::{body, bytes, text};
use super::stage::{Stage, changed, outcome, with};
use crate::http::body::Body;
use crate::step::decision::{BodyNews, Decision};

#[test]
fn no_made_up_body_gets_a_token_or_a_session() {
    let document = changed(
        changed(with("/providers/0/response_mode", json!("form_post")), "/endpoints", json!({"authorize": "/a", "token": "/t"})),
        "/providers/0/redirect_uri",
        json!("https://app.example.com/page"),
    );
    let mut stage = Stage::ready(&document);
    stage.navigate("/a");
    stage.navigate("/page");
    let browser = stage.browser.clone();
    let worker = RefCell::new(stage.worker);
    let own = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let endpoints = [browser.send("POST", "/t", &own), browser.send("POST", "/api/callback", &form)];
    let posted = text().prop_map(String::into_bytes);
    let inputs = (prop_oneof![3 => body(), 2 => posted, 1 => bytes()], any::<bool>());
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let held = runner.run(&inputs, |(bytes, to_callback)| {
        let request = endpoints[usize::from(to_callback)].clone();
        let Decision::ReadBody { pending, .. } = worker.borrow_mut().begin(request).decision else { panic!("not read") };
        let step = worker.borrow_mut().resume(*pending, BodyNews::Came(Body::Read(bytes.into())));
        drop(format!("{step:?}"));
        prop_assert_eq!(outcome(&step).0, 400);
        Ok(())
    });
    held.unwrap();
}
