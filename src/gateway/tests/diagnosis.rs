//! With `diagnose`, pages say what the log says of the same request, and nothing that is secret or about others.

use super::first_visit::looked_up;
use super::password::with_cookies;
use super::silence;
use super::stage::{CLIENT_SECRET, KEY, Stage, Worker, changed, document, response, status, with};
use crate::gateway::pending::Step;
use crate::http::return_to::ReturnTo;
use crate::oidc::testing::{json_reply, reply};
use crate::step::event::Event;
use crate::words::reason::{Failure, Reason};
use serde_json::{Value, json};

/// Planted wherever something secret or about others can stand. It is as long as a token, and has what one may have.
const PLANTED: &str = "PlantedSecret-9f8e7d6c5b4a_PlantedSecret.0123456789";

fn diagnosing(document: Value) -> Value {
    changed(document, "/diagnose", json!(true))
}

/// The failure that the events of this step report.
fn failure(step: &Step) -> &Failure {
    let told = step.events.iter().find_map(|event| match event {
        Event::Denied { failure, .. } | Event::SignInFailed { failure, .. } => Some(failure),
        _ => None,
    });
    told.unwrap_or_else(|| panic!("nothing failed: {:?}", step.events))
}

/// Checks that the page says what the log says, and none of these.
fn assert_told(case: &str, step: &Step, secrets: &[String]) {
    let (page, Failure { reason, detail }) = (&response(step).body, failure(step));
    let (_, behind) =
        page.split_once("<h2>For the people who run this site</h2><p lang=\"en\">").unwrap_or_else(|| panic!("{case}: {page}"));
    let (told, _) = behind.split_once("</p>").unwrap();
    assert!(told.starts_with(reason.id()) && told.ends_with(&*html_escape::encode_text(detail)), "{case}: {told} of {detail}");
    for secret in secrets.iter().map(String::as_str).chain([PLANTED, "PlantedSecret", "mallory", CLIENT_SECRET, KEY]) {
        assert!(!page.contains(secret), "{case}: {secret} is on the page: {page}");
    }
}

#[test]
fn the_page_of_every_reason_says_the_detail_and_nothing_of_what_the_request_brought() {
    let worker = Worker::new(&diagnosing(document()));
    let settings = &worker.gateway.settings;
    let browser = super::stage::Browser::default();
    let (token, cookie) = (format!("Bearer {PLANTED}"), format!("__Host-accredit={PLANTED}; theirs={PLANTED}"));
    let headers = browser.send(
        "GET",
        &format!("/api/callback?code={PLANTED}&state={PLANTED}&iss={PLANTED}"),
        &[
            ("sec-fetch-mode", "navigate"),
            ("accept", "text/html"),
            ("accept-language", "PlantedSecret, en"),
            ("authorization", &token),
            ("cookie", &cookie),
            ("x-forwarded-user", PLANTED),
        ],
    );
    let visit = silence::visit(&worker, headers);
    for reason in Reason::ALL {
        let failure = Failure::new(*reason, "wanted <b>, came \u{202e}c");
        let page = visit.refusal(settings, &failure, &ReturnTo::front_page()).body;
        assert!(page.contains(&format!("<p lang=\"en\">{reason}: wanted &lt;b&gt;, came \\u202ec</p>")), "{page}");
        assert!(!page.contains("PlantedSecret"), "{reason}: {page}");
        let silent = Worker::new(&document());
        let page = visit.refusal(&silent.gateway.settings, &failure, &ReturnTo::front_page()).body;
        assert!(!page.contains("wanted") && !page.contains("<section>"), "{reason}: {page}");
    }
}

#[test]
fn a_refused_person_reads_the_rule_and_what_it_wanted() {
    let mut stage = Stage::with_claims(&diagnosing(document()), json!({"groups": ["guests"], "email": "bob@example.com"}));
    let step = stage.navigate("/members");
    assert_told("members", &step, &stage.provider.secrets);
    assert!(response(&step).body.contains("<p lang=\"en\">condition_failed, by rules[1]: "), "{}", response(&step).body);
    assert!(response(&step).body.contains("staff"), "{}", response(&step).body);
}

/// How a provider, or a user service, is changed.
type Change = Box<dyn Fn(&mut Stage)>;

/// Comes to a page by the provider, which has been changed by then.
fn by_provider(document: Value, change: impl Fn(&mut Stage)) -> (Stage, Step) {
    let mut stage = Stage::ready(&diagnosing(document));
    let callback = stage.go_to_the_provider("/page");
    change(&mut stage);
    let step = stage.navigate(&callback);
    // Some failures begin again, once.
    if status(&step) == 303 {
        let callback = stage.again(&step);
        let step = stage.navigate(&callback);
        return (stage, step);
    }
    (stage, step)
}

#[test]
fn no_answer_of_a_provider_brings_a_secret_onto_a_page() {
    let with_userinfo = || with("/providers/0/userinfo", json!(true));
    let claims = |claims: Value| move |stage: &mut Stage| stage.provider.claims = claims.clone();
    let answers =
        |status: u16, answer: Value| move |stage: &mut Stage| stage.provider.instead = Some(json_reply(status, &answer));
    let prose = format!("the code {PLANTED} of mallory0123456789mallory0123456789 and client_secret={PLANTED}");
    let error = |error: &str| json!({"error": error, "error_description": prose, "error_uri": PLANTED, "access_token": PLANTED});
    let markup = format!("<html>{PLANTED} mallory</html>");
    let cases: Vec<(&str, Value, Change)> = vec![
        ("invalid_client", document(), Box::new(answers(401, error("invalid_client")))),
        ("unauthorized_client", document(), Box::new(answers(400, error("unauthorized_client")))),
        ("an error that is a secret", document(), Box::new(answers(400, error(PLANTED)))),
        ("a server error", document(), Box::new(answers(500, error("server_error")))),
        ("no JSON", document(), Box::new(move |stage| stage.provider.instead = Some(reply(200, &[], markup.as_bytes())))),
        ("no tokens", document(), Box::new(answers(200, json!({"token_type": PLANTED, "refresh_token": PLANTED})))),
        (
            "no JWS",
            document(),
            Box::new(answers(200, json!({"token_type": "Bearer", "access_token": PLANTED, "id_token": PLANTED}))),
        ),
        ("another nonce", document(), Box::new(claims(json!({"nonce": PLANTED, "email": "mallory@example.com"})))),
        ("no subject", document(), Box::new(claims(json!({"sub": null, "email": "mallory@example.com"})))),
        ("a long subject", document(), Box::new(claims(json!({"sub": PLANTED.repeat(20)})))),
        ("another at_hash", document(), Box::new(claims(json!({"at_hash": PLANTED, "name": "mallory"})))),
        (
            "userinfo of somebody else",
            with_userinfo(),
            Box::new(|stage| stage.provider.userinfo = json!({"sub": "mallory", "email": "mallory@example.com", "x": PLANTED})),
        ),
        (
            "userinfo without subject",
            with_userinfo(),
            Box::new(|stage| stage.provider.userinfo = json!({"email": "mallory@example.com"})),
        ),
        (
            "an account that is none",
            looked_up(),
            Box::new(|stage| {
                let answer = json!({"email": "mallory@example.com", "hash": PLANTED});
                stage.users.instead = vec![("users", json_reply(200, &answer))];
            }),
        ),
        (
            "an account service that fails",
            looked_up(),
            Box::new(|stage| stage.users.instead = vec![("users", json_reply(500, &json!({"of": "mallory", "hash": PLANTED})))]),
        ),
    ];
    for (case, document, change) in cases {
        let (stage, step) = by_provider(document, change);
        assert_told(case, &step, &stage.provider.secrets);
    }
}

#[test]
fn no_request_brings_a_secret_onto_a_page() {
    let ready = || Stage::ready(&diagnosing(document()));
    for (case, query) in [
        ("an unknown state", format!("code={PLANTED}&state={PLANTED}")),
        ("no state", format!("code={PLANTED}")),
        ("an error", format!("error=access_denied&error_description={PLANTED}&state={PLANTED}")),
        ("two codes", format!("code={PLANTED}&code=x&state={PLANTED}")),
    ] {
        let mut stage = ready();
        let step = stage.navigate(&format!("/api/callback?{query}"));
        assert_told(case, &step, &[]);
    }
    let errors = [
        format!("error={PLANTED}"),
        format!("error=invalid_request&error_description={PLANTED}%20is%20the%20token"),
        format!("iss=https://elsewhere.example&code={PLANTED}"),
    ];
    for query in errors {
        let mut stage = ready();
        let callback = stage.go_to_the_provider("/page");
        let (_, state) = callback.split_once("&state=").unwrap();
        let step = stage.navigate(&format!("/api/callback?{query}&state={state}"));
        assert_told(&query, &step, &[state.to_owned()]);
    }
    // A forged session, at a page that redirects nobody, and at the logout endpoint.
    for target in ["/api/x", "/api/logout"] {
        let mut stage = ready();
        stage.browser.jar.insert("__Host-accredit".into(), (PLANTED.into(), "/".into()));
        let step = stage.navigate(target);
        assert_told(target, &step, &[]);
    }
    // A wrong password, posted by a form.
    let mut stage = Stage::ready(&diagnosing(with_cookies()));
    stage.browser.body = format!("email=mallory%40example.com&password={PLANTED}");
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
        ("accept", "text/html"),
    ];
    let step = stage.send(stage.browser.send("POST", "/api/auth/login", &form));
    assert_told("a wrong password", &step, &[]);
}
