//! Nobody ends sessions who may not, nor by a request that is not clear.

use serde_json::{Value, json};

use super::{OWN, alice_is_in, another, asks, is_in, request, sent, staffed, told, with_operators};
use crate::gateway::tests::stage::{Browser, Stage, body, document, field, outcome, response};
use crate::step::decision::Decision;
use crate::step::event::Event;
use crate::words::world::Destination;

#[test]
fn whoever_may_not_ends_nothing_and_no_body_of_theirs_is_read() {
    let (mut stage, _) = staffed(&with_operators(document()), "operators");
    let guest = another(&mut stage, "bob", json!(["guests"]));
    for (browser, expected) in [(Browser::default(), (401, "session_missing")), (guest, (403, "condition_failed"))] {
        let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
        stage.worker.world.destination = Destination::Nobody;
        let step = stage.worker.begin(request(&browser, "POST", &fields));
        assert_eq!(outcome(&step), expected);
        assert!(matches!(step.decision, Decision::Respond(_)));
    }
    assert!(alice_is_in(&mut stage));
}

#[test]
fn another_site_ends_nothing_by_the_browser_of_an_operator_neither_by_a_form_nor_by_a_script() {
    let wanted = json!({"provider": "main", "sub": "alice"}).to_string();
    let (mut stage, operator) = staffed(&with_operators(document()), "admins");
    let json = ("content-type", "application/json");
    let foreign = ("origin", "https://evil.example");
    for (fields, expected) in [
        // A form, also one whose text is JSON, and a script that needs no permission.
        (vec![("content-type", "text/plain"), ("sec-fetch-site", "cross-site"), foreign], (403, "cross_site")),
        (
            vec![("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-mode", "navigate"), foreign],
            (403, "cross_site"),
        ),
        (vec![("sec-fetch-site", "cross-site"), foreign], (403, "cross_site")),
        // A script that would need permission.
        (vec![json, ("sec-fetch-site", "cross-site"), foreign], (403, "cross_site")),
        (vec![json, ("sec-fetch-site", "same-site"), ("origin", "https://other.example.com")], (403, "cross_site")),
        (vec![json, ("sec-fetch-site", "none")], (403, "cross_site")),
        (vec![json, ("origin", "null")], (403, "cross_site")),
        (vec![json], (403, "cross_site")),
        // What comes from this origin must be JSON, too, because an old browser may not say where a form comes from.
        (vec![("content-type", "text/plain"), OWN[0]], (415, "body_type_refused")),
        (vec![("content-type", "application/x-www-form-urlencoded"), OWN[0]], (415, "body_type_refused")),
        (vec![("content-type", "multipart/form-data; boundary=application/json"), OWN[0]], (415, "body_type_refused")),
        (vec![json, ("content-encoding", "gzip"), OWN[0]], (415, "body_type_refused")),
        (vec![OWN[0]], (415, "body_type_refused")),
    ] {
        let step = sent(&mut stage, request(&operator, "POST", &fields), &wanted);
        assert_eq!(outcome(&step), expected, "{fields:?}");
        assert!(told(&step).is_none() && alice_is_in(&mut stage), "{fields:?}");
        assert_eq!(field(response(&step), "access-control-allow-origin"), None);
    }
}

#[test]
fn only_post_ends_anything() {
    let (mut stage, operator) = staffed(&with_operators(document()), "admins");
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "QUERY"] {
        let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
        let step = sent(&mut stage, request(&operator, method, &fields), r#"{"everybody":true}"#);
        assert_eq!((outcome(&step), field(response(&step), "allow")), ((405, "method_not_allowed"), Some("POST")), "{method}");
    }
    assert!(alice_is_in(&mut stage));
    // Where the endpoint is not configured, its path is one of the application's.
    let mut stage = Stage::signed_in(&document());
    let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
    assert_eq!(outcome(&stage.worker.begin(request(&stage.browser, "POST", &fields))), (200, ""));
}

#[test]
fn a_body_that_is_not_clear_ends_nothing_and_the_answer_names_the_member() {
    let (mut stage, operator) = staffed(&with_operators(document()), "admins");
    let now = stage.worker.world.now.seconds();
    let of_alice = |member: &str| format!(r#"{{"provider":"main","sub":"alice",{member}}}"#);
    for (text, member) in [
        (of_alice(r#""everyone":true"#), json!("everyone")),
        (of_alice(r#""sub":"alice""#), json!("sub")),
        (of_alice(r#""before":1,"before":2"#), json!("before")),
        (of_alice(&format!(r#""before":{}"#, now + 1)), json!("before")),
        (of_alice(&format!(r#""before":{}000"#, now)), json!("before")),
        (of_alice(r#""before":-1"#), json!("before")),
        (of_alice(r#""before":1.5"#), json!("before")),
        (of_alice(r#""before":"2027-01-15T08:00:00Z""#), json!("before")),
        (of_alice(r#""before":null"#), json!("before")),
        (of_alice(r#""everybody":true"#), json!("everybody")),
        (of_alice(r#""everybody":false"#), json!("everybody")),
        (of_alice(r#""session":"x""#), json!("sub")),
        // No user service has subjects here.
        (r#"{"provider":"main","subject":"alice"}"#.to_owned(), json!("subject")),
        (r#"{"sub":"alice"}"#.to_owned(), json!("provider")),
        (r#"{"provider":"other","sub":"alice"}"#.to_owned(), json!("provider")),
        (r#"{"provider":["main"],"sub":"alice"}"#.to_owned(), json!("provider")),
        (r#"{"provider":"main","sub":7}"#.to_owned(), json!("sub")),
        (r#"{"provider":"main","sub":""}"#.to_owned(), json!("sub")),
        (format!(r#"{{"provider":"main","sub":"{}"}}"#, "a".repeat(256)), json!("sub")),
        (r#"{"provider":"main","sub":{"a":1,"a":2}}"#.to_owned(), Value::Null),
        (r#"{"provider":"main"}"#.to_owned(), json!("sub")),
        (r#"{"everybody":"true"}"#.to_owned(), json!("everybody")),
        (r#"{"everybody":1}"#.to_owned(), json!("everybody")),
        (r#"{"everybody":true,"session":"x"}"#.to_owned(), json!("everybody")),
        (r#"{"session":"x","provider":"main"}"#.to_owned(), json!("provider")),
        (r#"{"session":"x","before":1}"#.to_owned(), json!("before")),
        (r#"{"session":null}"#.to_owned(), json!("session")),
        ("{}".to_owned(), json!("sub")),
        ("[]".to_owned(), Value::Null),
        ("everybody=true".to_owned(), Value::Null),
        (String::new(), Value::Null),
    ] {
        let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
        let step = sent(&mut stage, request(&operator, "POST", &fields), &text);
        assert_eq!(outcome(&step), (400, "body_malformed"), "{text}");
        assert_eq!(field(response(&step), "content-type"), Some("application/problem+json"));
        assert_eq!(body(&step)["member"], member, "{text}");
        assert!(body(&step)["detail"].as_str().unwrap().starts_with("expected "), "{}", body(&step));
        assert!(told(&step).is_none() && alice_is_in(&mut stage), "{text}");
        let named = step.events.iter().any(
            |event| matches!(event, Event::Denied { rule: Some(rule), subject: Some(by), .. } if rule == "rules[0]" && by == "olga"),
        );
        assert!(named, "the log says who it was");
    }
    let large = format!(r#"{{"provider":"main","sub":"alice"{}}}"#, " ".repeat(65_536));
    let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
    assert_eq!(outcome(&sent(&mut stage, request(&operator, "POST", &fields), &large)), (413, "body_too_large"));
}

#[test]
fn who_may_end_sessions_may_not_therefore_end_those_of_everybody() {
    let everybody = [json!({"everybody": true}), json!({"everybody": true, "provider": "main", "before": 1})];
    let nobody = {
        let mut document = with_operators(document());
        document.as_object_mut().unwrap().remove("operator_logout");
        document
    };
    for (document, group, names) in [
        (
            with_operators(document()),
            "operators",
            r#"the rule asks for (groups: one of ["operators","admins"] and groups: "admins")"#,
        ),
        (nobody, "admins", "operator_logout.everybody is not set"),
    ] {
        let (mut stage, operator) = staffed(&document, group);
        for wanted in &everybody {
            let step = asks(&mut stage, &operator, wanted);
            assert_eq!(outcome(&step), (403, "condition_failed"), "{wanted}");
            let why =
                step.events.iter().any(|event| matches!(event, Event::Denied { failure, .. } if failure.detail.contains(names)));
            assert!(why, "{:?}", step.events);
        }
        assert!(alice_is_in(&mut stage) && is_in(&mut stage, &operator));
        assert_eq!(outcome(&asks(&mut stage, &operator, &json!({"provider": "main", "sub": "alice"}))), (202, ""));
    }
}

#[test]
fn on_a_route_with_a_cluster_no_body_is_read_and_the_log_says_what_to_write() {
    let (mut stage, operator) = staffed(&with_operators(document()), "admins");
    stage.worker.world.destination = Destination::Cluster("application".into());
    let fields = [OWN.as_slice(), &[("content-type", "application/json")]].concat();
    let step = stage.worker.begin(request(&operator, "POST", &fields));
    assert_eq!(outcome(&step), (500, "internal"));
    assert!(
        step.events
            .iter()
            .any(|event| matches!(event, Event::Denied { failure, .. } if failure.detail.contains("direct_response")))
    );
}
