use serde_json::{Value, json};

use super::stage::{Stage, body, changed, field, location, outcome, query_parameters, response, seconds, status, with};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::words::reason::Reason;

/// The usual configuration, with rules that require a certain authentication.
fn demanding() -> Value {
    let document = with("/providers/0/bearer", json!({"audiences": ["api"]}));
    let rules = json!([
        {"match": {"path_separated_prefix": "/strong"}, "require": {"acr": ["gold", "platinum"]}},
        {"match": {"path_separated_prefix": "/recent"}, "require": {"max_auth_age": "5m", "claim": "groups", "any_of": ["staff"]}},
        {"match": {"path_separated_prefix": "/both"}, "require": {"acr": ["gold"], "max_auth_age": 60}, "unauthenticated": "respond"},
        {"match": {"path_separated_prefix": "/never"}, "require": {"all": [{"acr": ["gold"]}, {"acr": ["silver"]}]}},
        {"match": {"path_separated_prefix": "/orders"}, "require": {"bearer": "main", "audience": ["orders"]}}
    ]);
    changed(document, "/rules", rules)
}

/// A stage where somebody has just signed in with this `acr`.
fn stage(acr: &str) -> Stage {
    let mut stage = Stage::ready(&demanding());
    tell(&mut stage, acr, 0);
    stage.sign_in("/page");
    stage
}

/// Sets what the provider states from now on: `acr`, and how many seconds ago the person was authenticated.
fn tell(stage: &mut Stage, acr: &str, ago: u64) {
    stage.provider.claims["acr"] = json!(acr);
    stage.provider.claims["auth_time"] = json!(stage.worker.world.now.seconds() - ago);
}

fn asked(url: &str) -> (Option<String>, Option<String>) {
    let mut query = query_parameters(url.split_once('?').map(|(_, query)| query));
    (query.remove("acr_values"), query.remove("max_age"))
}

fn token(stage: &Stage, target: &str, changes: Value) -> Headers {
    let now = stage.worker.world.now.seconds();
    let mut claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now + 300, "groups": ["staff"]});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    let line = format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims));
    let fields = [(":method", "POST"), (":authority", "app.example.com"), (":path", target), ("authorization", &line)];
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

#[test]
fn a_weak_session_is_sent_for_a_stronger_one_and_then_goes_on() {
    let mut stage = stage("silver");
    let sent = stage.navigate("/strong?x=1");
    assert_eq!((status(&sent), sent.note.diverted), (302, Some(Reason::AuthenticationInsufficient)));
    assert_eq!(asked(location(&sent)), (Some("gold platinum".into()), None));
    let callback = stage.provider.agree(location(&sent));
    tell(&mut stage, "platinum", 0);
    let back = stage.navigate(&callback);
    assert_eq!((status(&back), location(&back)), (303, "/strong?x=1"));
    assert_eq!(outcome(&stage.navigate("/strong")), (200, ""));
}

#[test]
fn a_first_sign_in_requests_the_required_authentication_at_once() {
    let mut stage = Stage::ready(&demanding());
    tell(&mut stage, "gold", 0);
    let sent = stage.navigate("/both");
    assert_eq!(status(&sent), 401, "this rule says respond");
    let sent = stage.navigate("/strong");
    assert_eq!(asked(location(&sent)), (Some("gold platinum".into()), None));
    let callback = stage.provider.agree(location(&sent));
    stage.navigate(&callback);
    assert_eq!(outcome(&stage.navigate("/strong")), (200, ""));
}

#[test]
fn a_provider_that_ignores_the_requested_authentication_signs_nobody_in_and_causes_no_loop() {
    for (page, claims) in [
        ("/strong", json!({"acr": "silver"})),
        ("/strong", json!({"acr": null})),
        ("/strong", json!({"acr": ["gold"]})),
        ("/recent", json!({"auth_time": null})),
        ("/recent", json!({"auth_time": 1})),
        ("/recent", json!({"auth_time": 99_999_999_999_u64})),
    ] {
        let mut stage = stage("silver");
        stage.worker.wait(seconds(1_000));
        let callback = stage.go_to_the_provider(page);
        stage.provider.claims.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let back = stage.navigate(&callback);
        assert_eq!(outcome(&back), (403, "step_up_failed"), "{page} {claims}");
        assert_eq!(super::stage::reasons(&back), [Reason::StepUpFailed]);
        assert_eq!(outcome(&stage.navigate("/page")), (200, ""), "the session that was there is not touched");
    }
}

#[test]
fn an_authentication_older_than_max_auth_age_is_repeated() {
    let mut stage = stage("gold");
    assert_eq!(outcome(&stage.navigate("/recent")), (200, ""));
    // `max_auth_age` is five minutes, and the clock skew one.
    stage.worker.wait(seconds(300 + 60));
    assert_eq!(outcome(&stage.navigate("/recent")), (200, ""));
    stage.worker.wait(seconds(1));
    let sent = stage.navigate("/recent");
    assert_eq!(asked(location(&sent)), (None, Some("300".into())));
    let callback = stage.provider.agree(location(&sent));
    tell(&mut stage, "gold", 10);
    assert_eq!(status(&stage.navigate(&callback)), 303);
    assert_eq!(outcome(&stage.navigate("/recent")), (200, ""));
}

#[test]
fn a_new_session_that_no_longer_meets_the_rule_is_refused_and_not_redirected_again() {
    let mut stage = Stage::ready(&demanding());
    let callback = stage.go_to_the_provider("/recent");
    // The authentication is as old as the rule just accepts.
    tell(&mut stage, "gold", 300 + 60);
    assert_eq!(status(&stage.navigate(&callback)), 303);
    stage.worker.wait(seconds(2));
    assert_eq!(outcome(&stage.navigate("/recent")), (403, "step_up_failed"));
    stage.worker.wait(seconds(10));
    assert_eq!(status(&stage.navigate("/recent")), 302);
    // A demand that no sign-in could meet is refused at once.
    assert_eq!(outcome(&stage.navigate("/never")), (403, "step_up_failed"));
}

#[test]
fn somebody_who_does_not_meet_another_condition_either_is_not_redirected() {
    let mut stage = Stage::ready(&demanding());
    stage.provider.claims = json!({"groups": [], "auth_time": 5});
    stage.sign_in("/page");
    assert_eq!(outcome(&stage.navigate("/recent")), (403, "condition_failed"));
}

#[test]
fn a_script_gets_the_required_authentication_and_the_login_url() {
    let mut stage = stage("silver");
    for step in [stage.script("GET", "/both"), stage.script("POST", "/both")] {
        assert_eq!(outcome(&step), (401, "authentication_insufficient"));
        let problem = body(&step);
        assert_eq!((&problem["acr_values"], &problem["max_age"]), (&json!("gold"), &json!("60")));
        assert_eq!(problem["sign_in"], "/api/login?acr_values=gold&max_age=60");
        assert!(field(response(&step), "www-authenticate").unwrap().starts_with("Cookie realm="));
    }
    // A refusal as a page says it too, where the rule does not redirect.
    let page = stage.navigate("/both");
    assert_eq!(outcome(&page), (401, "authentication_insufficient"));
    assert!(response(&page).body.contains("acr_values=gold&amp;max_age=60"), "{}", response(&page).body);
}

#[test]
fn the_login_endpoint_passes_acr_values_and_max_age_on_and_refuses_malformed_ones() {
    let mut stage = stage("silver");
    let sent = stage.navigate("/api/login?return_to=/both&acr_values=gold&max_age=60");
    assert_eq!(asked(location(&sent)), (Some("gold".into()), Some("60".into())));
    let callback = stage.provider.agree(location(&sent));
    assert_eq!(outcome(&stage.navigate(&callback)), (403, "step_up_failed"));
    for query in ["acr_values=%22", "acr_values=%0D%0A", "max_age=-1", "max_age=1e3", "max_age="] {
        assert_eq!(outcome(&stage.navigate(&format!("/api/login?{query}"))), (400, "query_malformed"), "{query}");
    }
}

#[test]
fn a_token_with_too_weak_an_acr_is_refused_by_rfc_9470_and_one_for_another_audience_by_rfc_6750() {
    let mut stage = stage("gold");
    let mut send = |target: &str, changes: Value| {
        let headers = token(&stage, target, changes);
        let step = stage.worker.begin(headers);
        let challenge = match &step.decision {
            crate::step::decision::Decision::Respond(response) => field(response, "www-authenticate").unwrap().to_owned(),
            _ => String::new(),
        };
        let (status, reason) = outcome(&step);
        (status, reason.to_owned(), challenge)
    };
    let now = 1_750_000_000;
    assert_eq!(send("/both", json!({"acr": "gold", "auth_time": now})).0, 200);
    let (status, reason, challenge) = send("/both", json!({"acr": "silver", "auth_time": now}));
    assert_eq!((status, reason.as_str()), (401, "authentication_insufficient"));
    assert_eq!(
        challenge,
        "Bearer realm=\"https://app.example.com\", error=\"insufficient_user_authentication\", \
         error_description=\"another authentication is asked for\", acr_values=\"gold\", max_age=\"60\""
    );
    assert_eq!(send("/orders", json!({"aud": ["api", "orders"]})).0, 200);
    let (status, reason, challenge) = send("/orders", json!({}));
    assert_eq!((status, reason.as_str()), (401, "audience_missing"));
    assert!(challenge.starts_with("Bearer realm=\"https://app.example.com\", error=\"invalid_token\""), "{challenge}");
    assert_eq!(send("/orders", json!({"aud": "orders"})).1, "token_invalid");
}

#[test]
fn a_session_does_not_meet_a_rule_about_audiences() {
    let mut stage = stage("gold");
    assert_eq!(outcome(&stage.script("GET", "/orders")), (401, "token_missing"));
}
