//! How the parts of a condition stand with somebody, for people.

use super::*;
use crate::access::requirement::report::{Holds, Joined, Report};

fn group(name: &str) -> Condition {
    claim("groups", json!([name]))
}

fn report(condition: Condition, somebody: &Principal) -> Report {
    Requirement::When(condition).report(whenever(somebody)).unwrap()
}

#[test]
fn every_part_says_what_it_wants_what_came_and_whether_it_holds() {
    let condition = Condition::All(vec![
        Condition::Any(vec![group("staff"), group("admins")]),
        not(Condition::Test(Test::EmailDomain(vec!["example.com".into()]))),
    ]);
    let report = report(condition, &principal(json!({"groups": ["staff"]})));
    assert_eq!((report.joined, report.holds), (Joined::All, Holds::Unknown));
    let [any, not] = report.parts.as_slice() else { panic!("{report:?}") };
    assert_eq!((any.joined, any.holds, not.joined, not.holds), (Joined::Any, Holds::Yes, Joined::Not, Holds::Unknown));
    let said: Vec<_> = any.parts.iter().map(|part| (part.wanted.as_str(), part.came.join(", "), part.holds)).collect();
    let came = || r#"groups is ["staff"]"#.to_owned();
    assert_eq!(said, [(r#"groups: "staff""#, came(), Holds::Yes), (r#"groups: "admins""#, came(), Holds::No)]);
    assert_eq!(not.parts[0].came, ["email is absent", "email_verified is absent"]);
}

#[test]
fn what_is_no_claim_is_said_too() {
    let somebody = principal(json!({"scope": "read", "aud": "api"}));
    let token = Principal { proof: Proof::BearerToken, ..somebody.clone() };
    for (test, of_session, of_token) in [
        (Test::Bearer, "a session came, and no bearer token", "a bearer token came"),
        (Test::Scope(vec!["read".into()]), "a session came, and no bearer token", r#"scope is "read", scp is absent"#),
        (Test::Audience(vec!["api".into()]), "a session came, and no bearer token", r#"aud is "api""#),
        (Test::Provider("x".into()), "provider is sso", "provider is sso"),
    ] {
        let came = |somebody: &Principal| report(test.clone().into(), somebody).came.join(", ");
        assert_eq!((came(&somebody).as_str(), came(&token).as_str()), (of_session, of_token), "{test:?}");
    }
}

#[test]
fn a_requirement_without_a_condition_has_nothing_to_report() {
    let somebody = principal(json!({}));
    assert_eq!(Requirement::Public.report(whenever(&somebody)), None);
    assert_eq!(Requirement::Authenticated.report(whenever(&somebody)), None);
}
