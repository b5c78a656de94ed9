//! A provider ends sessions by logout tokens.

mod whose;
mod without_room;

use serde_json::{Value, json};

use super::stage::{Browser, Stage, body, changed, document, field, outcome, response, seconds, with};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_P256, P256};
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::ISSUER;
use crate::step::decision::Decision;
use crate::step::event::Event;
use crate::words::world::Destination;

const PATH: &str = "/api/backchannel_logout";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

pub(super) fn taking(document: Value) -> Value {
    changed(document, "/endpoints", json!({"backchannel_logout": PATH}))
}

/// A logout token of now, with these changes; `null` removes a claim.
pub(super) fn token(stage: &Stage, changes: &Value) -> String {
    let now = stage.worker.world.now.seconds();
    let mut claims = json!({
        "iss": ISSUER, "aud": "app", "iat": now, "exp": now + 120, "jti": "j-1", "sub": "alice", "events": {EVENT: {}},
    });
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    let (key, algorithm, kid) = stage.provider.signs;
    key.token(algorithm, &json!({"kid": kid, "typ": "logout+jwt"}), &claims)
}

/// The provider posts this body: from its own server, without any cookie.
pub(super) fn post(stage: &mut Stage, path: &str, body: &str) -> Step {
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let headers: Headers = Browser::default().send("POST", path, &fields);
    let (kept, browser) = (stage.browser.clone(), Browser { body: body.to_owned(), ..Browser::default() });
    stage.browser = browser;
    stage.worker.world.destination = Destination::Nobody;
    let begun = stage.worker.begin(headers);
    let step = stage.settle(begun);
    stage.browser = kept;
    step
}

fn logs_out(stage: &mut Stage, token: &str) -> Step {
    post(stage, PATH, &format!("logout_token={token}"))
}

fn is_signed_in(stage: &mut Stage) -> bool {
    outcome(&stage.script("GET", "/page")) == (200, "")
}

fn error(step: &Step) -> (u16, String, String) {
    let answered: Value = serde_json::from_str(&response(step).body).unwrap();
    let text = |name: &str| answered[name].as_str().unwrap().to_owned();
    (response(step).status, text("error"), text("error_description"))
}

fn of_sid(sid: &str) -> Value {
    json!({"sub": "alice", "sid": sid})
}

#[test]
fn a_logout_token_ends_the_sessions_that_it_names_and_no_other() {
    for (changes, ends) in [
        (json!({}), true),
        (json!({"sid": "s-1"}), true),
        (json!({"sub": null, "sid": "s-1"}), true),
        (json!({"sid": "s-2"}), false),
        (json!({"sub": "bob"}), false),
        (json!({"sub": "bob", "sid": "s-2"}), false),
    ] {
        let mut stage = Stage::ready(&taking(document()));
        stage.provider.claims["sid"] = json!("s-1");
        stage.sign_in("/page");
        let token = token(&stage, &changes);
        let step = logs_out(&mut stage, &token);
        assert_eq!((response(&step).status, response(&step).body.as_str()), (200, ""), "{changes}");
        assert_eq!(field(response(&step), "cache-control"), Some("no-store"));
        assert!(
            step.events.iter().any(|event| matches!(event, Event::LoggedOutByProvider { provider, .. } if provider == "main"))
        );
        assert_eq!(is_signed_in(&mut stage), !ends, "{changes}");
        let mut other = stage.worker.beside(&taking(document()));
        assert_eq!(outcome(&other.begin(stage.browser.script("GET", "/page"))) == (200, ""), !ends);
    }
}

#[test]
fn each_bad_logout_token_of_the_conformance_suite_is_400_logout_token_invalid_and_ends_nothing() {
    let claims = |stage: &Stage, changes: Value| token(stage, &changes);
    type Bad = Box<dyn Fn(&Stage) -> String>;
    let bad: [(&str, Bad); 9] = [
        (
            "alg-none",
            Box::new(move |stage| {
                let good = claims(stage, json!({}));
                let claims = good.split('.').nth(1).unwrap();
                format!("{}.{claims}.", crate::crypto::testing::base64url(r#"{"alg":"none"}"#))
            }),
        ),
        ("no-event", Box::new(move |stage| claims(stage, json!({"events": null})))),
        ("wrong-event", Box::new(move |stage| claims(stage, json!({"events": {"http://schemas.openid.net/event/other": {}}})))),
        ("with-nonce", Box::new(move |stage| claims(stage, json!({"nonce": "n"})))),
        (
            "wrong-alg",
            Box::new(move |stage| {
                let good = claims(stage, json!({}));
                let claims = good.split('.').nth(1).unwrap();
                let signed = format!("{}.{claims}", crate::crypto::testing::base64url(r#"{"alg":"HS256","kid":"first"}"#));
                format!("{signed}.{}", crate::crypto::testing::base64url([0; 32]))
            }),
        ),
        ("wrong-aud", Box::new(move |stage| claims(stage, json!({"aud": "another"})))),
        ("wrong-iss", Box::new(move |stage| claims(stage, json!({"iss": "https://another.example.com"})))),
        ("an ID token", Box::new(move |stage| claims(stage, json!({"events": null, "jti": null, "nonce": "n"})))),
        ("no token", Box::new(|_| "x".to_owned())),
    ];
    for (name, bad) in &bad {
        let mut stage = Stage::signed_in(&taking(document()));
        let token = bad(&stage);
        let step = logs_out(&mut stage, &token);
        assert_eq!(error(&step), (400, "invalid_request".into(), "logout_token_invalid".into()), "{name}");
        assert_eq!(field(response(&step), "x-accredit-reason"), Some("logout_token_invalid"));
        assert!(field(response(&step), "cache-control").unwrap().contains("no-store"), "{name}");
        assert!(is_signed_in(&mut stage), "{name}");
    }
}

#[test]
fn what_is_no_post_of_one_logout_token_ends_nothing() {
    let mut stage = Stage::signed_in(&taking(document()));
    let good = token(&stage, &json!({}));
    for body in ["", "logout_token=", "token=x", &format!("logout_token={good}&logout_token={good}")] {
        assert_eq!(response(&post(&mut stage, PATH, body)).status, 400, "{body}");
    }
    for method in ["GET", "PUT", "OPTIONS"] {
        let target = format!("{PATH}?logout_token={good}");
        assert_eq!(outcome(&stage.send(Browser::default().send(method, &target, &[]))).0, 405, "{method}");
    }
    assert!(is_signed_in(&mut stage));
    // Where the endpoint is not configured, its path is one of the application's.
    let mut stage = Stage::signed_in(&document());
    assert_eq!(outcome(&post(&mut stage, PATH, &format!("logout_token={good}"))).0, 401);
}

#[test]
fn a_token_that_was_answered_with_200_is_refused_when_it_comes_again_and_a_later_sign_in_stays_whatever_comes() {
    let mut stage = Stage::signed_in(&taking(document()));
    let (old, late) = (token(&stage, &json!({})), token(&stage, &json!({"jti": "j-2"})));
    assert_eq!(response(&logs_out(&mut stage, &old)).status, 200);
    stage.worker.wait(seconds(2));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    assert_eq!(error(&logs_out(&mut stage, &old)).2, "logout_token_invalid");
    let mut other = stage.worker.beside(&taking(document()));
    std::mem::swap(&mut stage.worker, &mut other);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(error(&logs_out(&mut stage, &old)).2, "logout_token_invalid", "at another worker");
    assert_eq!(response(&logs_out(&mut stage, &late)).status, 200, "another token that comes late");
    assert!(is_signed_in(&mut stage));
}

#[test]
fn a_token_by_a_key_that_was_just_published_waits_for_the_key_once_and_a_flood_of_others_waits_for_nobody() {
    let mut stage = Stage::signed_in(&taking(document()));
    stage.worker.wait(seconds(120));
    stage.provider.publishes = vec![(&P256, "first"), (&OTHER_P256, "second")];
    stage.provider.signs = (&OTHER_P256, Algorithm::ES256, "second");
    let good = token(&stage, &json!({}));
    assert_eq!(response(&logs_out(&mut stage, &good)).status, 200);
    assert!(!is_signed_in(&mut stage));
    let before = stage.provider.asked.len();
    for number in 0..50 {
        let claims = json!({"iss": ISSUER, "aud": "app", "iat": stage.worker.world.now.seconds(), "jti": number.to_string()});
        let unknown = OTHER_P256.token(Algorithm::ES256, &json!({"kid": format!("made up {number}")}), &claims);
        let said = error(&logs_out(&mut stage, &unknown)).2;
        assert!(matches!(said.as_str(), "logout_token_invalid" | "keys_unavailable"), "{said}");
    }
    assert!(stage.provider.asked.len() - before <= 4, "{:?}", &stage.provider.asked[before..]);
}

#[test]
fn each_of_several_providers_posts_at_its_own_path_and_ends_only_its_own_sessions() {
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    second["issuer"] = json!("https://second.example.com");
    second["clusters"] = json!({"second.example.com": "second"});
    let providers = json!([document()["providers"][0], second]);
    let document = changed(taking(with("/providers", providers)), "/rules", json!([]));
    let mut stage = Stage::new(&document);
    let paths: Vec<_> =
        stage.worker.gateway.settings().providers.iter().map(|provider| provider.backchannel_logout.clone().unwrap()).collect();
    assert_eq!(paths, [format!("{PATH}/main"), format!("{PATH}/second")]);
    // The path that they have in common is nobody's, and guarded like any other.
    assert_eq!(outcome(&post(&mut stage, PATH, "logout_token=x")).0, 401);
}

#[test]
fn with_a_store_the_answer_is_200_when_it_has_taken_the_end_and_503_when_not_and_then_the_same_token_may_come_again() {
    let sharing = taking(with("/revocations", json!({"redis": {"cluster": "redis"}})));
    let replied = |claim: &str| {
        let id = "$3\r\n5-0\r\n";
        let body = format!("{id}{claim}+OK\r\n").into_bytes();
        Reply::Answered { status: 200, headers: Headers::new(vec![(":status".into(), "200".into())]), body }
    };
    let won = replied("+OK\r\n$1\r\n1\r\n");
    let not_answered = replied("$-1\r\n$1\r\n1\r\n");
    let was_answered = replied("$-1\r\n$1\r\n2\r\n");
    let away = Reply::Answered { status: 503, headers: Headers::new(vec![(":status".into(), "503".into())]), body: Vec::new() };
    let half = replied("+OK\r\n$1");
    for (reply, expected) in [(won, 200), (not_answered, 200), (was_answered, 400), (away, 503), (half, 503), (Reply::Reset, 503)]
    {
        let mut stage = Stage::ready(&sharing);
        stage.sign_in("/page");
        let good = token(&stage, &json!({}));
        for time in ["first", "second"] {
            let headers = Browser::default().send("POST", PATH, &[("content-type", "application/x-www-form-urlencoded")]);
            let begun = stage.worker.begin(headers);
            let Decision::ReadBody { pending, .. } = begun.decision else { panic!("{begun:?}") };
            let form = crate::http::body::Body::Read(format!("logout_token={good}").into_bytes().into());
            let step = stage.worker.resume(*pending, crate::step::decision::BodyNews::Came(form));
            assert!(!is_signed_in(&mut stage), "it has ended here before the store has answered");
            if expected != 503 && time == "second" {
                assert_eq!(error(&step).2, "logout_token_invalid", "it was answered with 200, here or elsewhere");
                continue;
            }
            let told = |step: &Step| step.events.iter().any(|event| matches!(event, Event::LoggedOutByProvider { .. }));
            assert!(told(&step), "the line does not wait for the store");
            let Decision::Call(call, pending) = step.decision else { panic!("{step:?}") };
            assert_eq!(call.cluster, "redis");
            let step = stage.worker.resume(*pending, reply.clone());
            assert_eq!((response(&step).status, told(&step)), (expected, false), "{reply:?} {}", body(&step));
            let waiting = stage.worker.gateway.background.ended.waiting(&stage.worker.world);
            assert_eq!(waiting.len(), 1, "until it was read, it is told again, and a repeat is the same end");
            stage.worker.world.now = stage.worker.world.now.plus(seconds(7));
        }
    }
}

#[test]
fn a_session_of_another_provider_session_goes_on() {
    let mut stage = Stage::ready(&taking(document()));
    stage.provider.claims["sid"] = json!("s-1");
    stage.sign_in("/page");
    for number in 2..20 {
        let token = token(&stage, &changed(of_sid(&format!("s-{number}")), "/jti", json!(number.to_string())));
        assert_eq!(response(&logs_out(&mut stage, &token)).status, 200);
    }
    assert!(is_signed_in(&mut stage));
}
