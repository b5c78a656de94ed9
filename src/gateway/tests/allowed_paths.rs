//! Requests whose paths have spellings that a rule allows although servers read them differently.

use serde_json::{Value, json};

use super::stage::{Stage, body, changed, document, forwarded, location, outcome, response, status};
use crate::step::event::Event;

/// The usual configuration with a rule that allows everything that can be allowed, behind one that allows nothing.
fn allowing() -> Value {
    let files = json!({
        "match": {"path_separated_prefix": "/files"},
        "allow_in_path": ["%2F", ";", "%3F", "%23"],
        "require": "authenticated"
    });
    let secret = json!({"match": {"path_separated_prefix": "/files/secret"}, "require": {"claim": "groups", "any_of": ["root"]}});
    changed(document(), "/rules", json!([secret, files, {"match": {"path_separated_prefix": "/public"}, "require": "public"}]))
}

#[test]
fn a_person_signs_in_at_such_a_page_and_comes_back_to_it_byte_for_byte() {
    for page in ["/files/a%2Fb", "/files/a%2fb;v=1/What%3F/C%23?x=%2F%2f;", "/files/a;b"] {
        let mut stage = Stage::ready(&allowing());
        let callback = stage.go_to_the_provider(page);
        let back = stage.navigate(&callback);
        assert_eq!((status(&back), location(&back)), (303, page));
        let step = stage.navigate(page);
        assert!(forwarded(&step).edits.remove.iter().all(|name| !name.starts_with(':')), "{page}: the path is left as it came");
        assert_eq!((step.note.subject.as_deref(), step.note.rule.as_deref()), (Some("alice"), Some("rules[1]")), "{page}");
    }
}

#[test]
fn what_is_not_allowed_everywhere_it_may_lead_gets_400_and_only_the_log_says_why() {
    let mut stage = Stage::signed_in(&allowing());
    for (path, detail) in [
        ("/files/secret%2Fx", "decoded, the path falls to rules[0], which does not allow %2F"),
        ("/files/secret;x", "decoded, the path falls to rules[1], and read as \"/files/secret\" to rules[0]"),
        ("/files%2Fsecret/x", "decoded, the path falls to rules[0], which does not allow %2F"),
        ("/files%2Fa", "decoded, the path falls to rules[1], and read as \"/files%2Fa\" to default"),
        ("/public%2Fx", "decoded, the path falls to rules[2], which does not allow %2F"),
        ("/page;x", "decoded, the path falls to default, which does not allow ;"),
        ("/files/..%2Fx", "escapes, dots, slashes, backslashes or semicolons that servers read differently"),
        ("/files/a%252Fb", "escapes, dots, slashes, backslashes or semicolons that servers read differently"),
    ] {
        let step = stage.script("GET", path);
        assert_eq!(outcome(&step), (400, "path_ambiguous"), "{path}");
        let told = step.events.iter().find_map(|event| match event {
            Event::Denied { failure, .. } => Some(failure.detail.as_str()),
            _ => None,
        });
        assert_eq!(told, Some(detail), "{path}");
        let shown = format!("{} {:?}", body(&step), response(&step).headers);
        assert!(!shown.contains("rules[") && !shown.contains("secret"), "{shown}");
    }
}

#[test]
fn no_endpoint_answers_at_such_a_path() {
    let mut everywhere =
        changed(allowing(), "/rules", json!([{"allow_in_path": ["%2F", ";", "%3F", "%23"], "require": "public"}]));
    let mut second = everywhere["providers"][0].clone();
    second["name"] = json!("second");
    everywhere["providers"].as_array_mut().unwrap().push(second);
    let mut stage = Stage::ready(&everywhere);
    for endpoint in ["/api/login", "/api/logout", "/api/session", "/api/callback", "/api/callback/main", "/api/callback/second"] {
        let (folder, name) = endpoint.rsplit_once('/').unwrap();
        for path in [
            format!("{folder}%2F{name}"),
            format!("{folder}%2f{name}"),
            format!("{folder};x/{name}"),
            format!("{endpoint};x=1"),
            format!("{endpoint}%3Fx"),
            format!("{endpoint}%23"),
        ] {
            let step = stage.navigate(&path);
            assert_eq!(outcome(&step), (400, "path_ambiguous"), "{path}");
        }
    }
    assert_eq!(outcome(&stage.navigate("/other%2Fpage;v=1")), (200, ""));
}

#[test]
fn where_no_rule_allows_anything_everything_is_as_before() {
    let mut stage = Stage::signed_in(&document());
    for path in ["/public/a%2Fb", "/public/a;b", "/public/a%3F", "/public/a%23"] {
        assert_eq!(outcome(&stage.script("GET", path)), (400, "path_ambiguous"), "{path}");
    }
}

#[test]
fn a_token_behind_an_allowed_question_mark_is_a_token_in_the_address() {
    let mut document = allowing();
    document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
    let mut stage = Stage::signed_in(&document);
    for path in [
        "/files/a?access_token=x",
        "/files/a%3Faccess_token=x",
        "/files/a%3faccess_token=x&y=1",
        "/files/a%3Fy=1&access_token=x",
        "/files/a%3F%3Faccess_token=x",
        "/files/a%3Faccess_token%3Dx",
        "/files/a%3Fy=1%26access_token=x",
        "/files/a%3Fy=1%26access_token%3Dx",
        "/files/a%3Fy=1;access_token=x",
    ] {
        assert_eq!(outcome(&stage.script("GET", path)), (400, "token_ambiguous"), "{path}");
    }
    assert_eq!(outcome(&stage.script("GET", "/files/access_token=x")), (200, ""));
}
