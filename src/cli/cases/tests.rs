//! The command on a configuration and cases, as somebody would use it.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::gateway::tests::stage::document;

/// A folder with a configuration and cases, which is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, cases: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("accredit-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("configuration.json"), document().to_string()).unwrap();
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
