//! The command on files, as somebody would use it: what it writes, and how it ends.

use serde_json::{Value, json};

use super::{LET_IN, REFUSED, ruled};
use crate::cli::diff::{Diff, diff};
use crate::cli::gateway::Place;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::cli::testing::Folder;
use crate::gateway::tests::stage::{KEY, changed, document};

/// What the command writes of two configurations and cases, and how it ends.
fn run(name: &str, [old, new]: [&Value; 2], cases: Option<&str>, form: Form) -> (String, Result<Outcome, Trouble>) {
    let folder = Folder::new(name);
    let (old, new) = (folder.file("old.json", &old.to_string()), folder.file("new.json", &new.to_string()));
    let cases = cases.map(|text| folder.file("cases.yaml", text));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let asked = Diff { old, new, cases, all: false, place: Place::default() };
    let ended = diff(&asked, &mut Terminal::new(&mut out, &mut err, form));
    (String::from_utf8(out).unwrap(), ended)
}

#[test]
fn the_exit_code_says_whether_something_changes_and_nothing_is_written_if_not() {
    let (old, new) = (ruled(json!([])), ruled(json!([{"match": {"path": "/a"}, "require": "public"}])));
    let (told, ended) = run("diff-same", [&old, &old], None, Form::Words);
    assert!(told.is_empty() && matches!(ended, Ok(Outcome::Fine)), "{told} {ended:?}");
    let (told, ended) = run("diff-other", [&old, &new], None, Form::Words);
    assert!(told.starts_with(LET_IN) && matches!(ended, Ok(Outcome::Findings)), "{told} {ended:?}");
    let (told, ended) = run("diff-bad", [&old, &json!({})], None, Form::Words);
    assert!(told.is_empty() && format!("{ended:?}").contains("new.json"), "{told} {ended:?}");
}

#[test]
fn more_people_who_may_end_the_sessions_of_others_are_no_silence_although_no_question_shows_them() {
    let path = "/api/operator_logout";
    let rules = json!([{"match": {"path": path}, "require": {"claim": "groups", "any_of": ["helpdesk", "security"]}}]);
    let with_operators = changed(ruled(rules), "/endpoints", json!({"operator_logout": path}));
    let everybody = |groups: Value| {
        changed(with_operators.clone(), "/operator_logout", json!({"everybody": {"claim": "groups", "any_of": groups}}))
    };
    let events = changed(document(), "/endpoints", json!({"security_events": "/api/security_events"}));
    let transmitter = |changes: Value| {
        let mut transmitter = json!({"name": "events", "issuer": "https://events.example.com", "providers": ["main"],
            "clusters": {"events.example.com": "events"}});
        transmitter.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        changed(events.clone(), "/transmitters", json!([transmitter]))
    };
    for (name, old, new) in [
        ("operator_logout.everybody", everybody(json!(["security"])), everybody(json!(["security", "helpdesk"]))),
        ("operator_logout.everybody", with_operators.clone(), everybody(json!(["helpdesk"]))),
        ("transmitters", transmitter(json!({})), transmitter(json!({"email": true}))),
        ("transmitters", transmitter(json!({"authorization": "Bearer of-the-transmitter"})), transmitter(json!({}))),
    ] {
        let (told, ended) = run("diff-others", [&old, &new], None, Form::Words);
        assert!(told.starts_with(&format!("note: {name} differs")) && matches!(ended, Ok(Outcome::Findings)), "{told} {ended:?}");
        let (told, ended) = run("diff-others-same", [&new, &new], None, Form::Words);
        assert!(told.is_empty() && matches!(ended, Ok(Outcome::Fine)), "{told} {ended:?}");
    }
}

#[test]
fn whoever_a_laxer_rule_lets_end_the_sessions_of_others_stands_first_as_let_in() {
    let path = "/api/operator_logout";
    let of = |groups: Value, before: Value| {
        let mut rules = vec![json!({"match": {"path": path}, "require": {"claim": "groups", "any_of": groups}})];
        rules.splice(0..0, before.as_array().unwrap().iter().cloned());
        changed(ruled(json!(rules)), "/endpoints", json!({"operator_logout": path}))
    };
    let (strict, lax) = (of(json!(["operators"]), json!([])), of(json!(["operators", "staff"]), json!([])));
    let now = |from: &str, to: &str| {
        format!(
            "  POST https://app.example.com{path}; somebody signed in at main, groups \"staff\": was {from} (endpoints.operator_logout, by rules[0]), is {to} (endpoints.operator_logout, by rules[0])\n"
        )
    };
    let (passes, fails) = ("let through, to end the sessions of others", "403 condition_failed");
    let (told, _) = run("diff-operators", [&strict, &lax], None, Form::Words);
    assert_eq!(told, [LET_IN, "\n", &now(fails, passes)].concat());
    let (told, _) = run("diff-operators", [&lax, &strict], None, Form::Words);
    assert_eq!(told, [REFUSED, "\n", &now(passes, fails)].concat());
    // What the body is said to be makes no difference, and neither does a rule that is moved.
    let case = |headers: &str| {
        format!(
            "cases:\n- {{name: staff, request: POST https://app.example.com{path}, claims: {{groups: staff}}, headers: {{{headers}}}, expect: denied}}\n"
        )
    };
    for headers in ["sec-fetch-site: same-origin", "sec-fetch-site: same-origin, content-type: application/json"] {
        let (told, _) = run("diff-operators-case", [&strict, &lax], Some(&case(headers)), Form::Words);
        let first = format!("{LET_IN}\n  case staff: POST https://app.example.com{path}; the person of the case: was {fails}");
        assert!(told.starts_with(&first), "{told}");
    }
    let moved = of(json!(["operators"]), json!([{"match": {"path": "/x"}, "require": "authenticated"}]));
    assert_eq!(run("diff-operators-moved", [&strict, &moved], None, Form::Words).0, "");
    // Where there was no such endpoint, its operators are let in.
    let (told, _) = run("diff-operators-new", [&ruled(json!([])), &strict], None, Form::Words);
    let found = format!("groups \"operators\": was let through (default), is {passes}");
    assert!(told.starts_with(LET_IN) && told.lines().nth(1).unwrap().contains(&found), "{told}");
    assert!(!told.contains("told something else"), "{told}");
}

#[test]
fn cases_are_asked_about_with_their_names_and_json_has_every_change() {
    let rules = |group: &str| ruled(json!([{"match": {"path": "/a"}, "require": {"claim": "groups", "any_of": [group]}}]));
    let text = "cases:\n- {name: staff, request: https://app.example.com/a, claims: {groups: [staff]}, expect: allowed}\n";
    let (told, _) = run("diff-cases", [&rules("staff"), &rules("admins")], Some(text), Form::Words);
    assert!(
        told.contains("  case staff: GET https://app.example.com/a; the person of the case: was let through (rules[0]), is 403"),
        "{told}"
    );
    let (json, ended) = run("diff-json", [&rules("staff"), &rules("admins")], Some(text), Form::Json);
    let json: Value = serde_json::from_str(&json).unwrap();
    let changes = json["changes"].as_array().unwrap();
    let of = |kind: &str| changes.iter().filter(|change| change["kind"] == kind).count();
    assert!(matches!(ended, Ok(Outcome::Findings)) && changes[0]["kind"] == "let_in", "{ended:?}");
    assert_eq!((of("let_in"), of("refused")), (4, 5), "{json:#}");
    let case = changes.iter().find(|change| change["case"] == "staff").unwrap();
    assert_eq!((&case["old"]["answer"], &case["new"]["reason"]), (&json!("allowed"), &json!("condition_failed")));
    assert!(json["asked"].as_u64() > Some(100) && !json.to_string().contains(KEY));
    let unknown = text.replace("claims", "provider: elsewhere, claims");
    let (_, ended) = run("diff-unknown", [&rules("staff"), &rules("admins")], Some(&unknown), Form::Words);
    assert!(format!("{ended:?}").contains("cases.yaml:2:3: expected a provider of OLD or NEW, found elsewhere"), "{ended:?}");
}

#[test]
fn the_documented_example_is_what_the_command_writes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command-line.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## `accredit diff`\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let [old, new] = [1, 2].map(|fence| section.split("```yaml\n").nth(fence).unwrap().split("```").next().unwrap());
    let around = document();
    let rest = format!("origins: {}\nproviders: {}\nsession: {}\n", around["origins"], around["providers"], around["session"]);
    let folder = Folder::new("diff-documented");
    let [old, new] = [("old.yaml", old), ("new.yaml", new)].map(|(name, rules)| folder.file(name, &[&rest, rules].concat()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let asked = Diff { old, new, cases: None, all: false, place: Place::default() };
    diff(&asked, &mut Terminal::new(&mut out, &mut err, Form::Words)).unwrap();
    let told = String::from_utf8(out).unwrap();
    assert!(section.contains(&["```\n", &told, "```\n"].concat()), "{told}");
}

#[test]
fn no_value_of_a_variable_that_one_of_the_files_names_is_written() {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";
    let folder = Folder::new("diff-stranger");
    let variable = json!({"environment_variable": "AWS_SECRET_ACCESS_KEY"});
    let rules = |group: serde_json::Value| {
        let rules = json!([{"match": {"path": "/a"}, "require": {"claim": "groups", "any_of": [group]}}]);
        ruled(rules).to_string()
    };
    let (old, new) = (folder.file("old.json", &rules(variable)), folder.file("new.json", &rules(json!("staff"))));
    let env = folder.file("env", &format!("AWS_SECRET_ACCESS_KEY={SECRET}\n"));
    for form in [Form::Words, Form::Json] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let place = Place { env_file: Some(env.clone()) };
        let asked = Diff { old: old.clone(), new: new.clone(), cases: None, all: true, place };
        diff(&asked, &mut Terminal::new(&mut out, &mut err, form)).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert!(told.contains("{environment_variable: AWS_SECRET_ACCESS_KEY}") && !told.contains(SECRET), "{told}");
    }
}
