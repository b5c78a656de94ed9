use super::stage::{
    Browser, KEY, OTHER_KEY, Stage, body, changed, document, forwarded, outcome, reasons, response, seconds, upstream_headers,
    with,
};
use crate::gateway::pending::Step;
use crate::step::event::{Event, Outcome};
use crate::words::reason::Reason;
use serde_json::{Value, json};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// A request by a script of a page, and its response, with the renewal if there is one.
fn ask(stage: &mut Stage) -> Step {
    let step = stage.script("GET", "/page");
    if let crate::step::decision::Decision::Forward(forward) = &step.decision
        && let Some(renewal) = &forward.renewal
    {
        let (fields, _) = stage.worker.gateway.finish(&mut stage.worker.world, renewal);
        stage.browser.take(fields.iter().map(|(name, value)| (*name, value.as_str())));
    }
    step
}

#[test]
fn a_session_that_is_not_used_ends() {
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(HOUR) - std::time::Duration::from_millis(1));
    let late = stage.browser.script("GET", "/page");
    assert_eq!(outcome(&stage.worker.begin(late)), (200, ""));
    stage.worker.wait(seconds(1));
    let step = ask(&mut stage);
    assert_eq!((outcome(&step), reasons(&step)[0]), ((401, "session_expired"), Reason::SessionExpired));
    assert_eq!(outcome(&stage.navigate("/page")).0, 302);
}

#[test]
fn a_session_in_use_lasts_until_its_absolute_end_and_no_longer() {
    let mut stage = Stage::signed_in(&document());
    let began = stage.worker.world.now;
    let mut last = began;
    let mut step = ask(&mut stage);
    while outcome(&step) == (200, "") {
        last = stage.worker.world.now;
        stage.worker.wait(seconds(10 * MINUTE));
        step = ask(&mut stage);
    }
    assert_eq!(last.since(began), seconds(8 * HOUR - 10 * MINUTE));
    assert_eq!(outcome(&step), (401, "session_expired"));
    // The browser has deleted the cookie, too.
    stage.browser.take_response(response(&step));
    assert_eq!(outcome(&ask(&mut stage)), (401, "session_missing"));
}

#[test]
fn a_session_is_renewed_after_a_quarter_of_its_idle_time_by_an_answer_that_nobody_stores() {
    let mut stage = Stage::signed_in(&document());
    stage.worker.wait(seconds(15 * MINUTE - 1));
    assert_eq!(forwarded(&stage.script("GET", "/page")).renewal, None);
    stage.worker.wait(seconds(1));
    let step = stage.script("GET", "/page");
    let renewal = forwarded(&step).renewal.clone().unwrap();
    let (fields, events) = stage.worker.gateway.finish(&mut stage.worker.world, &renewal);
    assert_eq!(fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["cache-control", "set-cookie"]);
    assert_eq!(fields[0].1, "private, no-store");
    assert_eq!(events, [Event::SessionRenewed]);
    let before = stage.browser.jar["__Host-accredit"].clone();
    stage.browser.take(fields.iter().map(|(name, value)| (*name, value.as_str())));
    assert_ne!(stage.browser.jar["__Host-accredit"], before);
    // It is the same session, whose idle time is counted from now.
    assert_eq!(renewal.session.renewed, stage.worker.world.now);
    assert_eq!(forwarded(&stage.script("GET", "/page")).renewal, None);
}

#[test]
fn a_renewal_does_not_bring_back_a_session_that_was_signed_out_on_another_worker() {
    let mut stage = Stage::signed_in(&document());
    let mut other = stage.worker.beside(&document());
    stage.worker.wait(seconds(20 * MINUTE));
    other.wait(seconds(20 * MINUTE));
    let step = stage.script("GET", "/page");
    let renewal = forwarded(&step).renewal.clone().unwrap();
    assert_eq!(outcome(&other.begin(stage.browser.script("POST", "/api/logout"))), (200, ""));
    assert_eq!(stage.worker.gateway.finish(&mut stage.worker.world, &renewal), (vec![], vec![]));
}

#[test]
fn what_was_verified_is_remembered_for_a_minute_and_not_on_other_workers() {
    let mut stage = Stage::signed_in(&document());
    let how = |step: &Step| step.events.clone();
    let forwarded = Event::Outcome(Outcome::Forwarded);
    let (from_cookie, from_memory) = ([Event::SessionFromCookie, forwarded.clone()], [Event::SessionFromMemory, forwarded]);
    assert_eq!(how(&ask(&mut stage)), from_cookie);
    assert_eq!(how(&ask(&mut stage)), from_memory);
    stage.worker.wait(seconds(59));
    assert_eq!(how(&ask(&mut stage)), from_memory);
    let mut other = stage.worker.beside(&document());
    assert_eq!(other.begin(stage.browser.script("GET", "/page")).events, from_cookie);
    stage.worker.wait(seconds(1));
    assert_eq!(how(&ask(&mut stage)), from_cookie);
    // The credential is remembered, not the person.
    let mut tampered = stage.browser.clone();
    tampered.jar.get_mut("__Host-accredit").unwrap().0.push('A');
    assert_eq!(outcome(&stage.worker.begin(tampered.script("GET", "/page"))), (401, "session_invalid"));
}

#[test]
fn memory_does_not_outlive_the_session() {
    let document = with("/session", json!({"keys": [KEY], "lifetime": "20s", "idle": "20s"}));
    let mut stage = Stage::signed_in(&document);
    for (waited, expected) in [(4, (200, "")), (1, (200, "")), (14, (200, "")), (1, (401, "session_expired"))] {
        stage.worker.wait(seconds(waited));
        assert_eq!(outcome(&stage.script("GET", "/page")), expected);
    }
}

#[test]
fn sealing_keys_are_rotated_without_signing_anybody_out() {
    let mut stage = Stage::signed_in(&document());
    let keys = |keys: Value| with("/session/keys", keys);
    for (configuration, expected) in [
        (keys(json!([KEY])), (200, "")),
        (keys(json!([OTHER_KEY, KEY])), (200, "")),
        (keys(json!([KEY, OTHER_KEY])), (200, "")),
        (keys(json!([OTHER_KEY])), (401, "session_invalid")),
    ] {
        let mut reloaded = stage.worker.beside(&configuration);
        assert_eq!(outcome(&reloaded.begin(stage.browser.script("GET", "/page"))), expected, "{configuration}");
    }
    // With the new key first, a renewal seals with it.
    stage.worker = stage.worker.beside(&keys(json!([OTHER_KEY, KEY])));
    stage.worker.wait(seconds(20 * MINUTE));
    ask(&mut stage);
    stage.worker = stage.worker.beside(&keys(json!([OTHER_KEY])));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
}

#[test]
fn a_session_made_for_another_configuration_does_not_count() {
    let stage = Stage::signed_in(&document());
    for (configuration, expected) in [
        (with("/rules", json!([])), (401, "session_invalid")),
        (with("/session/claims", json!(["address"])), (401, "session_invalid")),
        (with("/providers/0/client_id", json!("another")), (401, "session_invalid")),
        (with("/providers/0/issuer", json!("https://sso.example.com/realms/another")), (401, "session_invalid")),
        (with("/providers/0/name", json!("another")), (401, "session_invalid")),
        (with("/forward", json!({"access_token": true})), (401, "session_invalid")),
        (with("/session/cookie", json!({"name": "__Host-another"})), (401, "session_missing")),
        (with("/sign_in", json!({"wait": "1s"})), (200, "")),
        (with("/providers/0/client_secret", json!("rotated")), (200, "")),
    ] {
        let mut reloaded = stage.worker.beside(&configuration);
        assert_eq!(outcome(&reloaded.begin(stage.browser.script("GET", "/page"))), expected, "{configuration}");
    }
}

#[test]
fn shorter_lifetimes_hold_at_once() {
    let stage = Stage::signed_in(&document());
    for lifetimes in [json!({"keys": [KEY], "lifetime": "10m", "idle": "10m"}), json!({"keys": [KEY], "idle": "10m"})] {
        let mut reloaded = stage.worker.beside(&with("/session", lifetimes));
        reloaded.wait(seconds(10 * MINUTE));
        assert_eq!(outcome(&reloaded.begin(stage.browser.script("GET", "/page"))), (401, "session_expired"));
    }
    // However often it was renewed.
    let mut stage = stage;
    stage.worker = stage.worker.beside(&with("/session", json!({"keys": [KEY], "lifetime": "20m", "idle": "15m"})));
    for expected in [(200, ""), (401, "session_expired")] {
        stage.worker.wait(seconds(10 * MINUTE));
        assert_eq!(outcome(&ask(&mut stage)), expected);
    }
}

#[test]
fn a_cookie_that_was_not_sealed_as_a_session_is_refused() {
    let mut stage = Stage::signed_in(&with("/logout", json!({"provider": true})));
    let good = stage.browser.jar["__Host-accredit"].0.clone();
    let hint = stage.browser.jar["__Secure-accredit-hint"].0.clone();
    stage.navigate("/api/login");
    let attempt = stage.browser.jar.iter().find(|(name, _)| name.contains("attempt")).unwrap().1.0.clone();
    let mut flipped = good.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for (attack, value) in [
        ("empty", String::new()),
        ("not base64", "{\"sub\":\"root\"}".to_owned()),
        ("one character changed", flipped),
        ("cut", good[..good.len() - 4].to_owned()),
        ("only a key id", good[..6].to_owned()),
        ("the cookie of a sign-in", attempt),
        ("the cookie for sign-out", hint),
        ("claims to be one of many", format!("9.{good}")),
        ("claims to be one of none", format!("0.{good}")),
        ("claims to be one of -1", format!("-1.{good}")),
        ("twice", format!("{good}; __Host-accredit={good}")),
        ("a ninth part", format!("{good}; __Host-accredit-8=x")),
    ] {
        let mut browser = Browser::default();
        browser.jar.insert("__Host-accredit".into(), (value, "/".into()));
        assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/page"))), (401, "session_invalid"), "{attack}");
        // On a public page the request is anonymous.
        let public = stage.worker.begin(browser.script("GET", "/public"));
        assert_eq!((upstream_headers(&public), public.note.subject.as_deref()), (vec![], None), "{attack}");
    }
}

#[test]
fn tokens_go_upstream_only_on_request_and_the_session_ends_with_the_access_token() {
    let mut stage = Stage::ready(&with("/forward", json!({"access_token": true, "id_token": true})));
    stage.provider.token_response = json!({"expires_in": 600});
    stage.sign_in("/page");
    let step = stage.script("GET", "/page");
    let headers = upstream_headers(&step);
    let [_, access_token, id_token] = stage.provider.secrets.as_slice() else { panic!() };
    assert!(headers.contains(&("x-forwarded-access-token", access_token)));
    assert!(headers.contains(&("x-forwarded-id-token", id_token)));
    stage.worker.wait(seconds(599));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
    stage.worker.wait(seconds(1));
    assert_eq!(outcome(&ask(&mut stage)), (401, "session_expired"));

    // The ID token of these tests lives for ten hours, the session for eight.
    let mut stage = Stage::ready(&with("/forward", json!({"id_token": true})));
    stage.provider.token_response = json!({"expires_in": 600});
    stage.sign_in("/page");
    stage.worker.wait(seconds(601));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));

    let mut stage = Stage::ready(&with("/forward", json!({"access_token": true})));
    stage.provider.token_response = json!({"expires_in": 5});
    let callback = stage.go_to_the_provider("/page");
    assert_eq!(outcome(&stage.navigate(&callback)), (502, "token_response_malformed"));

    let mut stage = Stage::ready(&document());
    stage.provider.token_response = json!({"expires_in": 600});
    stage.sign_in("/page");
    let step = stage.script("GET", "/page");
    assert!(upstream_headers(&step).iter().all(|(name, _)| !name.ends_with("-token")));
    stage.worker.wait(seconds(1_800));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
}

#[test]
fn the_session_endpoint_tells_who_is_signed_in_and_until_when() {
    let mut stage = Stage::ready(&document());
    assert_eq!(outcome(&stage.script("GET", "/api/session")), (401, "session_missing"));
    stage.sign_in("/page");
    let session = body(&stage.script("GET", "/api/session"));
    let now = stage.worker.world.now.seconds();
    assert_eq!(
        session,
        json!({
            "authenticated": true, "provider": "main", "subject": "alice",
            "claims": {"sub": "alice", "groups": ["staff"], "email": "alice@example.com", "email_verified": true},
            "expires_at": now + 8 * HOUR, "idle_expires_at": now + HOUR,
        })
    );
    // This request did not renew the session.
    stage.worker.wait(seconds(59 * MINUTE));
    assert_eq!(outcome(&stage.script("GET", "/api/session")), (200, ""));
    stage.worker.wait(seconds(MINUTE));
    assert_eq!(outcome(&stage.script("GET", "/api/session")), (401, "session_expired"));
    assert_eq!(outcome(&stage.script("POST", "/api/session")), (405, "method_not_allowed"));
}

#[test]
fn signing_in_again_makes_another_session() {
    let mut stage = Stage::signed_in(&document());
    let first = stage.browser.jar["__Host-accredit"].clone();
    let callback = stage.go_to_the_provider("/api/login");
    assert_eq!(outcome(&stage.navigate(&callback)).0, 303);
    assert_ne!(stage.browser.jar["__Host-accredit"], first);
    // The former session has ended: a renewal of it that is under way cannot bring it back.
    let mut before = Browser::default();
    before.jar.insert("__Host-accredit".into(), first);
    assert_eq!(outcome(&stage.worker.begin(before.script("GET", "/page"))), (401, "session_expired"));
    assert_eq!(outcome(&ask(&mut stage)), (200, ""));
}

#[test]
fn a_large_session_that_shrinks_leaves_no_parts_behind() {
    let mut stage = Stage::ready(&changed(document(), "/session/claims", json!(["weight"])));
    stage.provider.claims = json!({"weight": "x".repeat(6_000)});
    stage.sign_in("/page");
    assert_eq!(stage.browser.names().len(), 3);
    stage.provider.claims = json!({"weight": "x"});
    let callback = stage.go_to_the_provider("/api/login");
    stage.navigate(&callback);
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}
