//! Which calls belong to the trace of a request, and which of its words they carry.

use super::first_visit::looked_up;
use super::refresh::{DUE, following, signed_in, until_it_asks};
use super::stage::{Stage, called, changed, document, seconds, with};
use crate::http::message::{Headers, HttpCall};
use serde_json::{Value, json};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The same request as a part of a trace.
fn traced(mut headers: Headers) -> Headers {
    headers.add("traceparent", PARENT);
    headers.add("tracestate", "vendor=1");
    headers
}

/// What a call says of a trace.
fn told(call: &HttpCall) -> Vec<&str> {
    let fields = call.headers.iter().filter(|(name, _)| name.starts_with("trace"));
    fields.map(|(_, value)| value.as_str()).collect()
}

/// The calls of a callback that is a part of a trace.
fn of_sign_in(document: &Value) -> Vec<(String, Vec<String>)> {
    let mut stage = Stage::ready(document);
    stage.provider.claims = json!({"email": "carol@example.com", "email_verified": true, "given_name": "Carol"});
    let callback = stage.go_to_the_provider("/members");
    let mut step = stage.worker.begin(traced(stage.browser.navigate(&callback)));
    let mut calls = Vec::new();
    while let crate::step::decision::Decision::Call(..) = step.decision {
        let (call, pending) = called(step);
        calls.push((call.cluster.clone(), told(&call).into_iter().map(str::to_owned).collect()));
        let reply = match call.cluster.as_str() {
            "sso" => stage.provider.answer(&call, stage.worker.world.now),
            _ => stage.users.answer(&call),
        };
        step = stage.worker.resume(pending, reply);
    }
    calls
}

#[test]
fn every_call_that_a_callback_causes_belongs_to_its_trace() {
    let document = changed(looked_up(), "/providers/0/userinfo", json!(true));
    let calls = of_sign_in(&document);
    let clusters: Vec<_> = calls.iter().map(|(cluster, _)| cluster.as_str()).collect();
    assert_eq!(clusters, ["sso", "sso", "users", "users", "mail"]);
    assert!(calls.iter().all(|(_, told)| told == &[PARENT, "vendor=1"]), "{calls:?}");
}

#[test]
fn a_provider_that_is_to_be_told_nothing_is_told_nothing_and_the_user_service_is() {
    let quiet = changed(looked_up(), "/providers/0/trace_context", json!(false));
    let calls = of_sign_in(&quiet);
    let told: Vec<_> = calls.iter().map(|(cluster, told)| (cluster.as_str(), told.len())).collect();
    assert_eq!(told, [("sso", 0), ("users", 2), ("users", 2), ("mail", 2)]);
}

#[test]
fn a_question_about_a_bearer_token_belongs_to_the_trace_of_the_request_with_the_token() {
    let bearer = json!({"audiences": ["api"], "introspection": {}});
    let mut stage = Stage::ready(&with("/providers/0/bearer", bearer));
    let asking = stage.browser.send("GET", "/api/x", &[("authorization", "Bearer opaque")]);
    assert_eq!(told(&called(stage.worker.begin(traced(asking.clone()))).0), [PARENT, "vendor=1"]);
    assert_eq!(told(&called(stage.worker.begin(asking)).0), [""; 0]);
}

#[test]
fn what_a_client_writes_in_place_of_a_trace_goes_nowhere() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let mut headers = stage.browser.navigate(&callback);
    headers.add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nauthorization: Bearer x");
    headers.add("tracestate", "vendor=1");
    assert_eq!(told(&called(stage.worker.begin(headers)).0), [""; 0]);
}

#[test]
fn calls_of_the_background_belong_to_no_trace_whoever_waits_for_them() {
    let mut stage = Stage::new(&document());
    drop(stage.worker.begin(traced(stage.browser.navigate("/page"))));
    stage.worker.tick();
    let fetches = stage.worker.tick().fetches;
    assert_eq!(fetches.iter().map(|fetch| told(&fetch.call).len()).collect::<Vec<_>>(), [0]);

    let mut stage = signed_in(&following());
    stage.worker.wait(seconds(DUE));
    drop(stage.worker.begin(traced(stage.browser.script("GET", "/page"))));
    assert_eq!(told(&until_it_asks(&mut stage.worker).call), [""; 0]);
}
