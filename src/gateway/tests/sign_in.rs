use super::stage::{
    BEGINNING, Stage, awaited, body, called, document, field, forwarded, location, outcome, query_parameters, response, seconds,
    status, upstream_headers, with,
};
use crate::gateway::pending::Step;
use crate::http::message::CookieEdit;
use crate::oidc::testing::reply;
use crate::sign_in::redeem::AfterNews;
use crate::step::audit;
use crate::step::decision::{News, Resource};
use crate::step::event::{DocumentKind, Event, Outcome};
use crate::upkeep::fetch::Errand;
use crate::words::reason::Reason;
use serde_json::{Value, json};

#[test]
fn the_first_request_waits_for_the_metadata_and_is_then_redirected_to_the_provider() {
    let mut stage = Stage::new(&document());
    let visit = stage.browser.navigate("/page?x=1");
    let (resource, until, pending) = awaited(stage.worker.begin(visit));
    assert_eq!((resource.clone(), until), (Resource::Metadata("main".into()), BEGINNING.plus(seconds(5))));
    assert_eq!(pending.then, AfterNews::FromTheStart);

    // The first tick writes the lease's entry into shared memory, the second one takes the lease.
    assert_eq!(stage.worker.tick().fetches, []);
    assert_eq!(stage.worker.news(&resource, until), None);
    let fetch = stage.worker.tick().fetches.pop().unwrap();
    assert_eq!(fetch.errand, Errand::Document(DocumentKind::Metadata));
    assert_eq!(fetch.call.path, "/realms/main/.well-known/openid-configuration");
    assert_eq!(stage.worker.news(&resource, until), None);
    let reply = stage.provider.answer(&fetch.call, BEGINNING);
    let upkeep = stage.worker.fetch_answered(&fetch, &reply);
    let (kind, provider) = (DocumentKind::Metadata, "main".to_owned());
    let held = Event::DocumentHeld { kind, provider: provider.clone(), fetched: stage.worker.world.now };
    assert_eq!(upkeep.events, [Event::Fetched { kind, provider, failure: None }, held]);
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));

    let sent = stage.worker.resume(pending, News::Ready);
    assert!(
        matches!(&sent.events[..], [Event::SignInBegun { redirect_uri, .. }, Event::Outcome(Outcome::Redirected)]
        if redirect_uri == "https://app.example.com/api/callback"),
        "{:?}",
        sent.events
    );
    assert_eq!(status(&sent), 302);
}

#[test]
fn whoever_is_sent_to_the_provider_without_asking_for_it_leaves_the_reason_in_the_access_log() {
    let mut stage = Stage::ready(&document());
    let why = |step: &Step| (status(step), step.note.diverted);
    assert_eq!(why(&stage.navigate("/page")), (302, Some(Reason::SessionMissing)));
    assert_eq!(why(&stage.navigate("/api/login")), (302, None));
    let back = stage.sign_in("/page");
    assert_eq!(why(&back), (303, None));
    stage.worker.wait(seconds(2 * 3_600));
    assert_eq!(why(&stage.navigate("/page")), (302, Some(Reason::SessionExpired)));
}

#[test]
fn the_authorization_request_has_state_nonce_and_pkce_and_nothing_readable_of_the_requested_page() {
    let mut stage = Stage::ready(&document());
    let sent = stage.navigate("/page?private=1");
    let (endpoint, query) = location(&sent).split_once('?').unwrap();
    let mut asked = query_parameters(Some(query));
    let state = asked.remove("state").unwrap();
    let parts: Vec<_> = state.split('.').map(str::len).collect();
    // The page is in the third part, sealed.
    assert_eq!((&parts[..], state.len()), (&[8, 43, 91][..], 144));
    let lengths: Vec<_> = ["nonce", "code_challenge"].iter().map(|name| asked.remove(*name).unwrap().len()).collect();
    assert_eq!(lengths, [43, 43]);
    assert_eq!(endpoint, "https://sso.example.com/realms/main/auth");
    let asked: Vec<_> = asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        asked,
        [
            ("client_id", "app"),
            ("code_challenge_method", "S256"),
            ("redirect_uri", "https://app.example.com/api/callback"),
            ("response_type", "code"),
            ("scope", "openid profile email"),
        ]
    );
    assert_eq!(field(response(&sent), "referrer-policy"), Some("no-referrer"));
    assert_eq!(stage.browser.attempts().len(), 1);
}

#[test]
fn the_callback_begins_a_session_and_returns_to_the_requested_page() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page?x=1&y=%2F");
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    assert_eq!((call.method, call.path.as_str(), call.cluster.as_str()), ("POST", "/realms/main/token", "sso"));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let back = stage.worker.resume(pending, reply);
    assert_eq!((status(&back), location(&back)), (303, "/page?x=1&y=%2F"));
    let completed = |event: &Event| matches!(event, Event::SignInCompleted { subject, .. } if subject == "alice");
    assert!(completed(&back.events[0]));
    assert_eq!(back.events[1..], [Event::SignInTook(seconds(0)), Event::Outcome(Outcome::Answered)]);
    stage.browser.take_response(response(&back));
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);

    let page = stage.navigate("/page?x=1");
    assert_eq!(
        upstream_headers(&page),
        [("x-forwarded-user", "alice"), ("x-forwarded-email", "alice@example.com"), ("x-forwarded-groups", "staff")]
    );
    assert_eq!(forwarded(&page).edits.cookie, CookieEdit::Dropped);
    assert_eq!(page.note.subject.as_deref(), Some("alice"));
    assert_eq!(page.note.rule.as_deref(), Some("default"));
}

#[test]
fn a_code_is_redeemed_before_the_wait_for_missing_keys_which_has_the_full_time() {
    let mut stage = Stage::new(&document());
    // The worker has the metadata, and no keys.
    stage.worker.tick();
    let fetch = stage.worker.tick().fetches.pop().unwrap();
    let reply = stage.provider.answer(&fetch.call, BEGINNING);
    stage.worker.fetch_answered(&fetch, &reply);
    let sent = stage.worker.begin(stage.browser.navigate("/page"));
    stage.browser.take_response(response(&sent));
    let callback = stage.provider.agree(location(&sent));
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    stage.worker.wait(seconds(4));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let step = stage.worker.resume(pending, reply);
    let (resource, until, pending) = awaited(step);
    assert_eq!(resource, Resource::Keys { provider: "main".into(), newer_than: None });
    assert_eq!(until, stage.worker.world.now.plus(seconds(5)));
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(stage.worker.news(&resource, until), Some(News::Ready));
    assert_eq!(status(&stage.worker.resume(pending, News::Ready)), 303);
}

#[test]
fn a_script_gets_401_and_a_person_is_redirected() {
    let mut stage = Stage::ready(&document());
    let refused = stage.script("GET", "/page");
    assert_eq!(outcome(&refused), (401, "session_missing"));
    let body = body(&refused);
    assert_eq!((body["sign_in"].as_str(), body["request_id"].as_str()), (Some("/api/login"), Some("r-1")));
    assert_eq!(
        field(response(&refused), "www-authenticate"),
        Some("Cookie realm=\"https://app.example.com\", form-action=\"/api/login\", cookie-name=\"__Host-accredit\"")
    );
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
    for (method, target, fields, expected) in [
        ("GET", "/page", [("sec-fetch-mode", "navigate")].as_slice(), 302),
        ("HEAD", "/page", &[("sec-fetch-mode", "navigate")], 302),
        ("GET", "/page", &[("accept", "text/html,*/*")], 302),
        ("GET", "/page", &[("accept", "text/html,*/*"), ("x-requested-with", "com.example.app")], 302),
        ("GET", "/page", &[("accept", "text/html,*/*"), ("x-requested-with", "XMLHttpRequest")], 401),
        ("POST", "/page", &[("sec-fetch-mode", "navigate")], 401),
        ("GET", "/page", &[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")], 401),
        ("GET", "/page", &[("accept", "application/json")], 401),
        ("GET", "/page", &[], 401),
        ("GET", "/api/x", &[("sec-fetch-mode", "navigate")], 401),
        ("GET", "/always", &[], 302),
        ("GET", "/always", &[("sec-fetch-mode", "cors")], 302),
        ("POST", "/always", &[("sec-fetch-mode", "navigate")], 401),
    ] {
        let step = stage.worker.begin(stage.browser.send(method, target, fields));
        assert_eq!(status(&step), expected, "{method} {target} {fields:?}");
    }
}

#[test]
fn a_script_gets_the_authorization_request_of_the_login_endpoint_as_a_url_and_a_navigation_as_a_redirect() {
    let mut stage = Stage::ready(&document());
    let by_script = stage.script("GET", "/api/login?return_to=/members");
    assert_eq!(status(&by_script), 200);
    let callback = stage.provider.agree(body(&by_script)["authorize_url"].as_str().unwrap());
    assert_eq!(location(&stage.navigate(&callback)), "/members");

    let with_prompt = stage.navigate("/api/login?prompt=select_account");
    assert!(location(&with_prompt).contains("&prompt=login"));
    let callback = stage.provider.agree(location(&with_prompt));
    assert_eq!(location(&stage.navigate(&callback)), "/");
}

#[test]
fn the_login_endpoint_refuses_what_it_does_not_understand() {
    let mut stage = Stage::ready(&document());
    for (method, target, expected) in [
        ("POST", "/api/login", (405, "method_not_allowed")),
        ("GET", "/api/login?return_to=//evil.example", (400, "return_to_refused")),
        ("GET", "/api/login?return_to=https://evil.example/", (400, "return_to_refused")),
        ("GET", "/api/login?return_to=/a&return_to=//evil.example", (400, "query_malformed")),
        ("GET", "/api/login?prompt=none", (400, "query_malformed")),
        ("GET", "/api/login?provider=corp", (400, "provider_unknown")),
    ] {
        let step = stage.worker.begin(stage.browser.send(method, target, &[("sec-fetch-mode", "navigate")]));
        assert_eq!(outcome(&step), expected, "{method} {target}");
    }
}

#[test]
fn a_long_address_is_kept_byte_for_byte_as_far_as_a_cookie_holds_and_a_line_says_what_was_not() {
    let mut stage = Stage::ready(&document());
    let address = |length: usize| format!("/search?q=%2F\\{}", "x".repeat(length - 14));
    for (length, kept) in [(2_700, true), (2_900, false), (8_192, false)] {
        let address = address(length);
        let sent = stage.navigate(&address);
        let told = sent.events.iter().find(|event| matches!(event, Event::ReturnToTooLong { .. })).and_then(audit::line);
        assert_eq!(told.is_none(), kept, "{length}");
        assert!(told.is_none_or(|line| line.contains(&format!("\"bytes\":{length}"))));
        let callback = stage.provider.agree(location(&sent));
        assert_eq!(location(&stage.navigate(&callback)), if kept { address.as_str() } else { "/" }, "{length}");
        stage.browser.jar.clear();
    }
    // At the login endpoint, too.
    let query = form_urlencoded::byte_serialize(address(2_700).as_bytes()).collect::<String>();
    let callback = stage.go_to_the_provider(&format!("/api/login?return_to={query}"));
    assert_eq!(location(&stage.navigate(&callback)), address(2_700));
}

#[test]
fn two_tabs_sign_in_without_disturbing_each_other() {
    let mut stage = Stage::ready(&document());
    let first = stage.go_to_the_provider("/first");
    let second = stage.go_to_the_provider("/second");
    assert_eq!(stage.browser.attempts().len(), 2);
    assert_eq!(location(&stage.navigate(&second)), "/second");
    assert_eq!(location(&stage.navigate(&first)), "/first");
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
}

#[test]
fn a_session_keeps_the_claims_that_are_named_and_no_others() {
    let document = with("/session/claims", json!([["realm_access", "roles"]]));
    let mut stage = Stage::ready(&document);
    stage.provider.claims = json!({
        "groups": ["staff"], "realm_access": {"roles": ["a"], "other": 1}, "address": "kept nowhere", "email_verified": true,
    });
    stage.sign_in("/page");
    let session = body(&stage.script("GET", "/api/session"));
    assert_eq!(
        session["claims"],
        json!({"sub": "alice", "groups": ["staff"], "realm_access": {"roles": ["a"]}, "email_verified": true})
    );
}

#[test]
fn userinfo_adds_claims_about_the_same_person_and_only_about_that_one() {
    let document = with("/providers/0/userinfo", json!(true));
    let mut stage = Stage::ready(&document);
    stage.provider.claims = json!({});
    stage.provider.userinfo = json!({"sub": "alice", "groups": ["staff", "chess"], "iss": "https://evil.example"});
    let callback = stage.go_to_the_provider("/members");
    let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let (call, pending) = called(stage.worker.resume(pending, reply));
    assert_eq!((call.method, call.path.as_str()), ("GET", "/realms/main/userinfo"));
    let sent = &call.headers.iter().find(|(name, _)| *name == "authorization").unwrap().1;
    assert!(sent.starts_with("Bearer the-access-token"));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let back = stage.worker.resume(pending, reply);
    stage.browser.take_response(response(&back));
    assert!(upstream_headers(&stage.navigate("/members")).contains(&("x-forwarded-groups", "staff,chess")));

    stage.provider.userinfo = json!({"sub": "mallory", "groups": ["staff"]});
    let callback = stage.go_to_the_provider("/api/login");
    assert_eq!(outcome(&stage.navigate(&callback)), (502, "userinfo_subject"));
}

#[test]
fn signed_userinfo_counts_only_if_the_provider_has_signed_it() {
    let document = with("/providers/0/userinfo", json!(true));
    let mut stage = Stage::ready(&document);
    stage.provider.claims = json!({"email": "alice@example.com", "email_verified": true});
    let claims = json!({"sub": "alice", "groups": ["staff"], "email": null});
    let mut come_back_with = |signature_of: &Value| {
        let callback = stage.go_to_the_provider("/api/login");
        let (call, pending) = called(stage.worker.begin(stage.browser.navigate(&callback)));
        let tokens = stage.provider.answer(&call, stage.worker.world.now);
        let (_, pending) = called(stage.worker.resume(pending, tokens));
        let (key, algorithm, kid) = stage.provider.signs;
        let sign = |claims: &Value| key.token(algorithm, &json!({"kid": kid}), claims);
        let (signed, other) = (sign(&claims), sign(signature_of));
        let token = [signed.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1].join(".");
        let back = stage.worker.resume(pending, reply(200, &[("content-type", "application/jwt")], token.as_bytes()));
        let back = stage.settle(back);
        stage.browser.take_response(response(&back));
        back
    };
    assert_eq!(outcome(&come_back_with(&json!({"sub": "alice"}))), (502, "userinfo_malformed"));
    assert_eq!(status(&come_back_with(&claims)), 303);
    let page = stage.navigate("/members");
    assert!(upstream_headers(&page).contains(&("x-forwarded-groups", "staff")));
    assert!(upstream_headers(&page).contains(&("x-forwarded-email", "alice@example.com")), "null takes nothing away");
}
