//! The command on a configuration and cases, as somebody would use it.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::cli::explain::{Explain, explain};
use crate::gateway::tests::stage::{changed, document};

/// A folder with a configuration and cases, which is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, cases: &str) -> Self {
        Self::with(name, cases, &document())
    }

    fn with(name: &str, cases: &str, configuration: &Value) -> Self {
        let folder = std::env::temp_dir().join(format!("accredit-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("configuration.json"), configuration.to_string()).unwrap();
        fs::write(folder.join("cases.yaml"), cases).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// What the command writes, and how it ends.
    fn tested(&self, form: Form) -> (String, Result<Outcome, Trouble>) {
        let (file, cases, junit) = (self.path("configuration.json"), self.path("cases.yaml"), Some(self.path("junit.xml")));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let asked = Test { file, cases, junit, place: Place::default() };
        let ended = test(&asked, &mut Terminal::new(&mut out, &mut err, form));
        (String::from_utf8(out).unwrap().replace(&format!("{}/", self.0.display()), ""), ended)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const GOOD: &str = "cases:
- {request: https://app.example.com/public/x, expect: allowed}
- {request: https://app.example.com/, expect: 401}
- {request: https://app.example.com/, navigate: true, expect: sign_in}
- request: https://app.example.com/members
  claims: {sub: alice, groups: [staff]}
  headers: {X-Forwarded-User: root}
  expect: {answer: allowed, rule: 'rules[1]', adds: {x-forwarded-user: alice}, removes: [x-forwarded-user]}
- {request: POST https://app.example.com/members, claims: {groups: [staff]}, expect: {status: 403, reason: cross_site}}
- {request: https://app.example.com/api/session, claims: {}, expect: answered}
";

#[test]
fn cases_that_end_as_expected_pass_and_junit_says_so() {
    let folder = Folder::new("good", GOOD);
    let (told, ended) = folder.tested(Form::Words);
    assert!(matches!(ended, Ok(Outcome::Fine)), "{told} {ended:?}");
    assert_eq!(told, "6 cases, 0 failed\n");
    let junit = fs::read_to_string(folder.path("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"6\" failures=\"0\"") && junit.matches("<testcase ").count() == 6, "{junit}");
}

#[test]
fn a_case_that_ends_otherwise_is_told_with_its_place_what_was_expected_what_came_and_the_way() {
    let cases = "cases:\n- name: members are let in\n  request: https://app.example.com/members\n  claims: {groups: [guests]}\n  expect: {answer: allowed, rule: 'rules[0]'}\n";
    let folder = Folder::new("bad", cases);
    let (told, ended) = folder.tested(Form::Words);
    assert!(matches!(ended, Ok(Outcome::Findings)), "{ended:?}");
    assert_eq!(
        told,
        "cases.yaml:2:3: members are let in: expected answer allowed, found denied; expected rule rules[0], found rules[1]\n  rules[1]: 403 condition_failed (groups is [\"guests\"]; the rule asks for groups: \"staff\")\n1 case, 1 failed\n"
    );
    let (json, _) = folder.tested(Form::Json);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["failed"], &json["cases"][0]["passed"]), (&json!(1), &json!(false)));
}

#[test]
fn a_case_that_cannot_be_asked_is_trouble_with_its_place_and_no_failure() {
    let cases = "cases:\n- request: https://app.example.com/members\n  claims: {}\n  provider: other\n  expect: allowed\n";
    let (_, ended) = Folder::new("trouble", cases).tested(Form::Words);
    let trouble = format!("{:?}", ended.err());
    assert!(trouble.contains("cases.yaml:2:3: expected one of the providers main, found other"), "{trouble}");
}

#[test]
fn no_value_of_a_variable_that_a_file_of_a_stranger_names_is_written_anywhere() {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";
    let folder = Folder::new("stranger", "");
    let variable = json!({"environment_variable": "AWS_SECRET_ACCESS_KEY"});
    let rules = json!([
        {"match": {"path": "/a"}, "require": {"claim": "groups", "any_of": [variable]}},
        {"match": {"path": "/b"}, "require": {"claim": variable, "any_of": ["a"]}},
        {"match": {"path": {"environment_variable": "PATH_OF_ALL"}}, "require": "public"}
    ]);
    let document = changed(document(), "/rules", rules);
    fs::write(folder.path("configuration.json"), document.to_string()).unwrap();
    fs::write(folder.path("env"), format!("AWS_SECRET_ACCESS_KEY={SECRET}\nPATH_OF_ALL=/the-path-of-all\n")).unwrap();
    let place = || Place { env_file: Some(folder.path("env")) };
    let mut cases = String::from("cases:\n");
    for path in ["a", "b", "the-path-of-all", "x?a=b"] {
        cases.push_str(&format!("- {{request: 'https://app.example.com/{path}', claims: {{groups: [staff]}}, expect: 418}}\n"));
    }
    fs::write(folder.path("cases.yaml"), &cases).unwrap();
    fs::write(folder.path("claims.json"), r#"{"sub": "alice", "groups": ["staff"]}"#).unwrap();
    let mut written = String::new();
    for form in [Form::Words, Form::Json] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (file, junit) = (folder.path("configuration.json"), Some(folder.path("junit.xml")));
        let asked = Test { file: file.clone(), cases: folder.path("cases.yaml"), junit, place: place() };
        let ended = test(&asked, &mut Terminal::new(&mut out, &mut err, form));
        assert!(matches!(ended, Ok(Outcome::Findings)), "{ended:?}");
        for path in ["a", "b", "the-path-of-all", "members"] {
            let url = format!("https://app.example.com/{path}");
            let asked = Explain::about(&file, &url, &folder.path("claims.json"), place());
            explain(&asked, &mut Terminal::new(&mut out, &mut err, form)).unwrap();
        }
        written.push_str(&String::from_utf8([out, err].concat()).unwrap());
    }
    written.push_str(&fs::read_to_string(folder.path("junit.xml")).unwrap());
    assert!(written.contains("{environment_variable: AWS_SECRET_ACCESS_KEY}"), "{written}");
    assert!(!written.to_lowercase().contains(&SECRET.to_lowercase()), "{written}");
    // What the question itself says is no secret.
    assert!(written.contains("/the-path-of-all alone"), "{written}");
}

#[test]
fn the_policy_of_a_route_in_the_file_counts_unless_the_case_names_another_or_none() {
    let strong = json!({"strong": {"claim": "groups", "any_of": ["admins"]}});
    let configuration =
        changed(changed(document(), "/policies", strong), "/route_policies", json!({"filter_metadata": "accredit"}));
    let routes = json!([
        {"match": {"prefix": "/api"}, "metadata": {"filter_metadata": {"accredit": {"policy": "strong"}}}},
        {"match": {"prefix": "/", "headers": [{"name": "x-flag"}]}, "metadata": {"filter_metadata": {"accredit": {"policy": "strong"}}}},
        {"match": {"prefix": "/"}},
    ]);
    let plugin = json!({"root_id": "accredit", "vm_config": {}, "configuration": {"value": configuration}});
    let manager = json!({
        "http_filters": [{"name": "accredit", "typed_config": {"config": plugin}}],
        "route_config": {"virtual_hosts": [{"domains": ["*"], "routes": routes}]},
    });
    let file = json!({"static_resources": {"listeners": [{"filter_chains": [{"filters": [{"typed_config": manager}]}]}]}});
    let cases = "cases:
- {request: https://app.example.com/api/x, claims: {}, expect: 403}
- {request: https://app.example.com/api/x, claims: {groups: [admins]}, expect: allowed}
- {request: https://app.example.com/api/x, claims: {}, policy: '', expect: allowed}
- {request: https://app.example.com/other, claims: {}, expect: unfinished}
- {request: https://app.example.com/other, claims: {}, policy: strong, expect: 403}
";
    let (told, ended) = Folder::with("routes", cases, &file).tested(Form::Words);
    assert!(matches!(ended, Ok(Outcome::Fine)), "{told} {ended:?}");
}

#[test]
fn a_case_can_say_what_it_calls_at_an_mcp_server() {
    let configuration = [
        ("/providers/0/bearer", json!({})),
        ("/resources", json!([{"path": "/mcp", "scopes": ["read"], "body_checked_by": "server"}])),
        (
            "/rules",
            json!([
                {"match": {"path_separated_prefix": "/mcp", "mcp": {"tools": ["delete_*"]}}, "require": {"scope": ["delete"]}},
                {"match": {"path_separated_prefix": "/mcp"}, "require": {"scope": ["read"]}},
            ]),
        ),
    ];
    let configuration = configuration.into_iter().fold(document(), |document, (at, value)| changed(document, at, value));
    let case = |name: &str, expect: &str| {
        format!(
            "- request: POST https://app.example.com/mcp\n  headers: {{mcp-protocol-version: '2026-07-28', mcp-method: tools/call, mcp-name: {name}}}\n  \
             claims: {{sub: robot, scope: read}}\n  bearer: true\n  expect: {expect}\n"
        )
    };
    let read = case("read_note", "{answer: allowed, rule: 'rules[1]'}");
    let delete = case("delete_note", "{status: 403, reason: scope_missing, rule: 'rules[0]'}");
    let (told, ended) = Folder::with("calls", &format!("cases:\n{read}{delete}"), &configuration).tested(Form::Words);
    assert!(matches!(ended, Ok(Outcome::Fine)), "{told} {ended:?}");
}
