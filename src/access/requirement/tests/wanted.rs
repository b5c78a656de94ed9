//! What a refusal says of what the rule asks for, and of what came.

use super::*;

#[test]
fn a_refusal_says_what_the_rule_wants_and_what_came() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let path = || ClaimPath::named("roles");
    for (test, wanted) in [
        (Test::Claim { path: path(), any_of: vec![json!("a"), json!(1)], split: None }, r#"roles: one of ["a",1]"#),
        (Test::Claim { path: path(), any_of: vec![json!("a")], split: Some(";".into()) }, r#"roles, split at ";": "a""#),
        (Test::HasKey { path: path(), keys: texts(&["a", "b"]), within: None }, r#"a key in roles: one of ["a","b"]"#),
        (
            Test::HasKey { path: path(), keys: texts(&["a"]), within: Some(texts(&["1"])) },
            r#"a key in roles: "a", with a key in it: "1""#,
        ),
        (Test::EmailDomain(texts(&["example.com"])), r#"a verified e-mail address at "example.com""#),
        (Test::Bearer, "a bearer token"),
        (Test::Scope(texts(&["read", "write"])), r#"a bearer token with the scopes ["read","write"]"#),
        (Test::Audience(texts(&["api"])), r#"a bearer token for "api""#),
        (
            Test::Authentication(Demand { acr_values: texts(&["gold"]), max_age: Some(60) }),
            r#"acr: "gold" and a sign-in at most 60 s ago"#,
        ),
    ] {
        let refused = Requirement::When(test.into()).check(whenever(&principal(json!({"roles": {}})))).unwrap_err();
        assert!(refused.detail.ends_with(&format!("the rule asks for {wanted}")), "{}", refused.detail);
    }
}

#[test]
fn how_conditions_are_joined_is_said_and_a_long_one_is_cut() {
    let detail = |condition: Condition| Requirement::When(condition).check(whenever(&principal(json!({})))).unwrap_err().detail;
    let [a, b, c] = ["a", "b", "c"].map(|name| claim(name, json!([name])));
    let joined = Condition::All(vec![a.clone(), Condition::Any(vec![b.clone(), Condition::Not(Box::new(c))])]);
    assert!(detail(joined).ends_with(r#"the rule asks for (a: "a" and (b: "b" or not c: "c"))"#));
    assert!(detail(Condition::All(vec![Condition::Any(vec![b])])).ends_with(r#"the rule asks for b: "b""#));
    let many = Condition::Any(vec![a; 100]);
    let cut = detail(many);
    let wanted = cut.split("the rule asks for ").nth(1).unwrap();
    assert!(wanted.chars().count() == 201 && wanted.ends_with('…'), "{wanted}");
}

#[test]
fn a_refusal_says_which_claims_the_provider_left_out_and_shortens_long_ones() {
    let detail = |condition: Condition, claims: Value| {
        let detail = Requirement::When(condition).check(whenever(&principal(claims))).unwrap_err().detail;
        detail.split("; the rule asks for ").next().unwrap().to_owned()
    };
    let groups = || claim("groups", json!(["admin"]));
    assert_eq!(
        detail(groups(), json!({"_claim_names": {"groups": "src1"}})),
        "groups is absent: the provider left it out, there are too many for a token (_claim_names, hasgroups)"
    );
    assert_eq!(detail(groups(), json!({"_claim_names": {"roles": "src1"}})), "groups is absent");
    let corp = Condition::All(vec![Condition::Test(Test::Provider("corp".into())), groups()]);
    assert_eq!(detail(corp, json!({})), "groups is absent; provider corp is asked for, sso signed in");
    // With its quotation marks the first value has two hundred characters, the most that are shown.
    for (length, shown) in [(198, format!("\"{}\"", "é".repeat(198))), (199, format!("\"{}…", "é".repeat(199)))] {
        assert_eq!(detail(groups(), json!({"groups": "é".repeat(length)})), format!("groups is {shown}"));
    }
}
