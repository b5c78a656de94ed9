//! Property tests: no input causes a panic, and no made-up input signs anybody in. The inputs are the same in every run;
//! `PROPTEST_CASES=100000 cargo test arbitrary` tries more of them.

use std::cell::RefCell;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::json;

use super::made_up::{body, bytes, document_of_any_kind, headers, reply, text};
use super::stage::{BEGINNING, Browser, Stage, Worker, awaited, called, document, outcome, with};
use crate::config;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::OTHER_P256;
use crate::gateway::Gateway;
use crate::gateway::pending::{AfterReply, PendingCall, PendingWait, Step};
use crate::http::cookie::{pairs, without};
use crate::http::message::{CookieEdit, Following, Headers};
use crate::http::return_to::ReturnTo;
use crate::http::url::{Origin, Url, query_parameters};
use crate::oidc::testing::reply as reply_of;
use crate::session::content::{Lifetimes, Session};
use crate::sign_in::redeem::userinfo::{AskingUserinfo, UnverifiedUserinfo};
use crate::sign_in::redeem::{AfterNews, SignInCall};
use crate::sign_in::under_way::proved::Exchanged;
use crate::step::audit;
use crate::step::decision::{Decision, News};
use crate::step::event::Event;
use crate::words::reason::Reason;
use crate::words::world::testing::Still;

type Verdict = Result<(), TestCaseError>;

/// Tries many inputs, the same ones in every run.
fn for_every<S: Strategy>(inputs: S, holds: impl Fn(S::Value) -> Verdict)
where
    S::Value: Debug,
{
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(failure) = runner.run(&inputs, holds) {
        panic!("{failure}");
    }
}

/// What must hold for every step after made-up input: nobody is signed in, and everything can be printed.
fn nobody_is_let_in(step: &Step) -> Verdict {
    drop(format!("{step:?}"));
    drop(step.events.iter().map(|event| (event.metric(), audit::line(event))).collect::<Vec<_>>());
    prop_assert_eq!(step.note.subject.as_deref(), None);
    let completed = step.events.iter().any(|event| matches!(event, Event::SignInCompleted { .. }));
    prop_assert!(!completed);
    match &step.decision {
        Decision::Forward(forward) => prop_assert_eq!(&*forward.edits.add, &[]),
        Decision::Respond(response) => {
            let session = |value: &str| value.starts_with("__Host-accredit=") && !value.starts_with("__Host-accredit=;");
            prop_assert!(!response.headers.iter().any(|(name, value)| name == "set-cookie" && session(value)));
            prop_assert!(response.headers.iter().all(|(_, value)| !value.contains(['\r', '\n', '\0'])), "{:?}", response.headers);
        }
        Decision::Call(..) | Decision::Await { .. } | Decision::ReadBody { .. } => {}
    }
    Ok(())
}

#[test]
fn no_request_of_somebody_unknown_gets_through_where_signing_in_is_needed() {
    let unknown = RefCell::new(Worker::new(&document()));
    let ready = RefCell::new(Stage::ready(&document()).worker);
    for_every(headers(), |fields| {
        for worker in [&unknown, &ready] {
            let headers = Headers::new(fields.clone());
            let step = worker.borrow_mut().begin(headers.clone());
            nobody_is_let_in(&step)?;
            if let Decision::Forward(_) = step.decision {
                let path = headers.single(":path").unwrap_or_default().split('?').next().unwrap_or_default();
                prop_assert!(path == "/public" || path.starts_with("/public/"), "{path}");
            }
        }
        Ok(())
    });
}

#[test]
fn no_cookie_that_was_changed_is_a_session() {
    let stage = Stage::signed_in(&document());
    let good = stage.browser.jar["__Host-accredit"].0.clone().into_bytes();
    let worker = RefCell::new(stage.worker);
    let request = |cookie: Vec<u8>| {
        let mut fields =
            vec![(":method", b"GET".to_vec()), (":authority", b"app.example.com".to_vec()), (":path", b"/page".to_vec())];
        fields.push(("cookie", [b"__Host-accredit=".as_slice(), &cookie].concat()));
        Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    assert_eq!(outcome(&worker.borrow_mut().begin(request(good.clone()))), (200, ""));
    for_every((any::<proptest::sample::Index>(), any::<u8>(), bytes()), |(position, byte, junk)| {
        let mut changed = good.clone();
        let position = position.index(changed.len());
        changed[position] = byte;
        for cookie in [changed, good[..position].to_vec(), [good.as_slice(), &junk].concat(), junk] {
            // White space around a cookie's value, and a semicolon after it, are not part of it.
            let same = cookie.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii) == Some(&good);
            let step = worker.borrow_mut().begin(request(cookie));
            prop_assert_eq!(outcome(&step).0 == 200, same && matches!(step.decision, Decision::Forward(_)));
        }
        Ok(())
    });
}

/// One waiting request of each kind.
fn waiting() -> (Worker, [PendingCall; 2], [PendingWait; 3]) {
    let mut stage = Stage::ready(&with("/providers/0/userinfo", json!(true)));
    let (_, _, from_the_start) = awaited(Worker::new(&document()).begin(Browser::default().navigate("/page")));
    let callback = stage.go_to_the_provider("/page");
    let (call, exchanging) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, BEGINNING);
    let (_, asking) = called(stage.worker.resume(exchanging.clone(), reply));
    let AfterReply::SigningIn(SignInCall::UserinfoEndpoint(waiting)) = &asking.then else { panic!("{asking:?}") };
    let AskingUserinfo { proved, .. } = &**waiting;
    let exchanged = Exchanged { attempt: proved.attempt.clone(), tokens: proved.tokens.clone() };
    let verifying = PendingWait { visit: asking.visit.clone(), then: AfterNews::Verifying(Box::new(exchanged)) };
    let forged = OTHER_P256.token(Algorithm::ES256, &json!({"kid": "first"}), &json!({"sub": "alice"}));
    let reply = reply_of(200, &[("content-type", "application/jwt")], forged.as_bytes());
    let unverified = UnverifiedUserinfo { proved: proved.clone(), reply };
    let verifying_userinfo =
        PendingWait { visit: asking.visit.clone(), then: AfterNews::VerifyingUserinfo(Box::new(unverified)) };
    (stage.worker, [exchanging, asking], [from_the_start, verifying, verifying_userinfo])
}

#[test]
fn no_made_up_reply_signs_anybody_in() {
    let (worker, calling, waiting) = waiting();
    let worker = RefCell::new(worker);
    let [.., verifying_userinfo] = &waiting;
    let AfterNews::VerifyingUserinfo(unverified) = &verifying_userinfo.then else { panic!("{verifying_userinfo:?}") };
    for_every(reply(), |reply| {
        for pending in &calling {
            nobody_is_let_in(&worker.borrow_mut().resume(pending.clone(), reply.clone()))?;
        }
        let unverified = Box::new(UnverifiedUserinfo { reply, ..*unverified.clone() });
        let pending = PendingWait { then: AfterNews::VerifyingUserinfo(unverified), ..verifying_userinfo.clone() };
        nobody_is_let_in(&worker.borrow_mut().resume(pending, News::Ready))
    });
    for reason in Reason::ALL {
        for pending in &waiting {
            let step = worker.borrow_mut().resume(pending.clone(), News::Missing(*reason));
            nobody_is_let_in(&step).unwrap();
        }
    }
}

#[test]
fn no_made_up_document_replaces_a_good_one() {
    for_every(vec(reply(), 1..4), |replies| {
        let mut worker = Worker::new(&document());
        worker.tick();
        let metadata = worker.tick().fetches.remove(0);
        for reply in &replies {
            worker.fetch_answered(&metadata, reply);
        }
        let mut stage = Stage {
            worker,
            provider: super::stage::Provider::new(),
            browser: Browser::default(),
            users: super::stage::UserService::new(),
        };
        let right = stage.provider.answer(&metadata.call, BEGINNING);
        stage.worker.fetch_answered(&metadata, &right);
        let keys = stage.worker.fetch_due_for(&mut stage.provider, std::time::Duration::from_secs(1));
        prop_assert_eq!(keys.len(), 1);
        let fetch = crate::upkeep::fetch::Fetch {
            errand: crate::upkeep::fetch::Errand::Document(crate::step::event::DocumentKind::Keys),
            ..metadata
        };
        for reply in &replies {
            stage.worker.fetch_answered(&fetch, reply);
        }
        prop_assert_eq!(outcome(&stage.worker.begin(stage.browser.navigate("/page"))).0, 302);
        Ok(())
    });
}

#[test]
fn no_made_up_refresh_response_changes_who_somebody_is() {
    let document = with("/forward", json!({"access_token": true}));
    let mut stage = Stage::ready(&document);
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": 600});
    stage.sign_in("/page");
    stage.worker.wait(std::time::Duration::from_secs(600));
    let request = stage.browser.script("GET", "/page");
    drop(awaited(stage.worker.begin(request.clone())));
    let fetch = (0..10).find_map(|_| stage.worker.tick().fetches.pop()).unwrap();
    let memory = stage.worker.world.memory.borrow().clone();
    for_every(vec(reply(), 1..4), |replies| {
        let world =
            Still { now: stage.worker.world.now, memory: std::rc::Rc::new(RefCell::new(memory.clone())), ..Still::default() };
        let mut worker = Worker::within(&document, world);
        for reply in &replies {
            let upkeep = worker.fetch_answered(&fetch, reply);
            drop(upkeep.events.iter().map(|event| (event.metric(), audit::line(event))).collect::<Vec<_>>());
        }
        let step = worker.begin(request.clone());
        let who = matches!(step.decision, Decision::Forward(_)).then_some("alice");
        prop_assert_eq!(step.note.subject.as_deref(), who);
        Ok(())
    });
}

#[test]
fn no_value_in_shared_memory_causes_a_panic() {
    let before = Stage::signed_in(&document());
    let keys: Vec<_> = before.worker.world.memory.borrow().keys().cloned().collect();
    let mirrored =
        document_of_any_kind().prop_map(|document| json!({"fetched": 1, "fresh_until": 1, "body": document.to_string()}));
    let content = prop_oneof![body(), mirrored.prop_map(|document| document.to_string().into_bytes())];
    for_every(vec(content, 1..4), |contents| {
        let world = Still { now: before.worker.world.now, ..Still::default() };
        for (key, content) in keys.iter().zip(contents.iter().cycle()) {
            world.memory.borrow_mut().insert(key.clone(), (content.clone(), 3));
        }
        let mut worker = Worker::within(&document(), world);
        worker.tick();
        worker.tick();
        let step = worker.begin(before.browser.navigate("/page"));
        prop_assert_eq!(outcome(&step), (200, ""));
        drop(worker.begin(before.browser.script("POST", "/api/logout")));
        Ok(())
    });
}

#[test]
fn no_configuration_panics_and_one_that_loads_can_be_asked() {
    // One value of a good configuration is replaced, so that most inputs are nearly right.
    let pointer = select(
        &[
            "/origins",
            "/origins/0",
            "/providers",
            "/providers/0",
            "/providers/0/issuer",
            "/providers/0/clusters",
            "/session",
            "/session/keys",
            "/session/keys/0",
            "/session/idle",
            "/session/claims",
            "/rules",
            "/rules/0",
            "/rules/0/match",
            "/rules/1/require",
            "/rules/1/require/any_of",
            "/policies",
            "/claim_to_headers",
            "/endpoints",
            "/popup",
            "/accounts",
            "/password",
            "/trusted_origins",
            "/help",
            "/site",
            "/texts",
        ][..],
    );
    let nearly = (pointer, document_of_any_kind()).prop_map(|(pointer, value)| with(pointer, value).to_string().into_bytes());
    for_every(prop_oneof![4 => nearly, 2 => body(), 1 => bytes()], |text| {
        match config::testing::load(&text, &|_| None) {
            Ok(settings) => {
                drop(format!("{settings:?}"));
                let mut world = Still { now: BEGINNING, ..Still::default() };
                let gateway = Gateway::new(&mut world, settings);
                let Ok(mut gateway) = gateway else { return Err(TestCaseError::fail("no gateway")) };
                drop(gateway.begin(&mut world, Browser::default().navigate("/page"), Following::Nothing));
                drop((gateway.tick(&mut world), gateway.tick(&mut world)));
            }
            Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
        }
        Ok(())
    });
}

#[test]
fn a_place_to_return_to_is_on_this_site_or_on_a_listed_one() {
    let listed = vec![Origin::parse("https://app.example.com").unwrap(), Origin::parse("http://localhost:10000").unwrap()];
    let targets =
        prop_oneof![4 => text(), 1 => any::<String>(), 1 => text().prop_map(|rest| format!("https://app.example.com{rest}"))];
    for_every(targets, |target| {
        let Ok(return_to) = ReturnTo::parse(&target, &listed) else { return Ok(()) };
        let escaped = |letter: char| letter == ' ' || !letter.is_ascii();
        if !target.contains(escaped) {
            prop_assert_eq!(return_to.as_str(), &target);
        }
        prop_assert!(return_to.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
        prop_assert_eq!(ReturnTo::parse(return_to.as_str(), &listed), Ok(return_to.clone()));
        let target = return_to.as_str();
        if let Some(rest) = target.strip_prefix('/') {
            prop_assert!(!rest.starts_with(['/', '\\']), "{target:?}");
            return Ok(());
        }
        let lower = target.to_ascii_lowercase();
        let rest = listed.iter().find_map(|origin| lower.strip_prefix(&origin.to_string()));
        prop_assert!(rest.is_some(), "{target:?}");
        let rest = rest.unwrap_or_default();
        // The scheme's own port may be spelled out, or its colon stand alone (RFC 3986, section 6.2.3).
        let rest = rest.strip_prefix(':').map_or(rest, |rest| rest.strip_prefix("443").unwrap_or(rest));
        prop_assert!(rest.is_empty() || rest.starts_with('/'), "{target:?}");
        Ok(())
    });
}

#[test]
fn the_parsers_of_untrusted_texts_do_not_panic_and_keep_their_promises() {
    let lifetimes = Lifetimes { absolute: std::time::Duration::MAX, idle: std::time::Duration::MAX };
    let listed = [Origin::parse("https://app.example.com").unwrap()];
    for_every((text(), bytes(), body()), |(text, bytes, document)| {
        if let Ok(parameters) = query_parameters(Some(&text), &["a", "code"]) {
            prop_assert!(parameters.len() <= 2);
        }
        drop((Url::parse(&text), crate::access::path::check(&text), Session::read(&document, BEGINNING, lifetimes)));
        if let Ok(origin) = Origin::parse(&text) {
            prop_assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
        }
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        drop((
            query_parameters(Some(&lossy), &["code"]),
            ReturnTo::parse(&lossy, &listed),
            Url::parse(&lossy),
            Origin::parse(&lossy),
        ));

        let headers = Headers::new(vec![("cookie".into(), bytes), ("cookie".into(), text.into_bytes())]);
        for prefix in ["__Host-accredit", "a", "\u{e4}"] {
            let beginning = pairs(&headers, "").filter(|(name, _)| name.starts_with(prefix.as_bytes()));
            prop_assert!(pairs(&headers, prefix).eq(beginning));
        }
        let ours = |name: &[u8]| name.starts_with(b"__Host-accredit");
        let left = match without(&headers, ours) {
            CookieEdit::Untouched => headers,
            CookieEdit::Dropped => Headers::default(),
            CookieEdit::Replaced(line) => Headers::new(vec![("cookie".into(), line)]),
        };
        prop_assert!(!pairs(&left, "").any(|(name, _)| ours(name)));
        Ok(())
    });
}
