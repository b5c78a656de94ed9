use super::*;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::mcp::call::Call;
use crate::access::requirement::test::{Moment, Test};
use crate::words::principal::{AssumedVerified, ClaimPath, Principal, Proof};
use crate::words::time::Timestamp;

mod report;
mod roles;
mod wanted;

fn principal(claims: Value) -> Principal {
    Principal {
        provider: "sso".into(),
        subject: "alice".into(),
        claims: claims.as_object().unwrap().clone().into(),
        assumed: AssumedVerified::default(),
        proof: Proof::SessionCookie,
        expires: Timestamp::default(),
    }
}

fn claim(name: &str, any_of: Value) -> Condition {
    Condition::Test(Test::Claim { path: ClaimPath::named(name), any_of: any_of.as_array().unwrap().clone(), split: None })
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// Nothing depends on the time.
fn whenever(principal: &Principal) -> Case<'_> {
    Case { principal, moment: Moment::default(), call: &Call::Any }
}

fn holds(condition: Condition, claims: Value) -> bool {
    Requirement::When(condition).check(whenever(&principal(claims))).is_ok()
}

#[test]
fn a_condition_on_an_absent_claim_is_false_even_under_not() {
    let absent = || claim("status", json!(["suspended"]));
    for condition in [
        absent(),
        not(absent()),
        not(not(absent())),
        Condition::All(vec![Condition::Test(Test::Provider("sso".into())), not(absent())]),
        Condition::Any(vec![not(absent())]),
        not(Condition::All(vec![absent()])),
        not(Condition::Any(vec![absent()])),
        not(Condition::Test(Test::EmailDomain(vec!["evil.example".into()]))),
    ] {
        assert!(!holds(condition.clone(), json!({"status": null})), "{condition:?}");
    }
}

#[test]
fn claims_are_compared_as_a_whole_in_value_and_type() {
    let cases = [
        (json!("admin"), true),
        (json!(["x", "admin"]), true),
        (json!("Admin"), false),
        (json!("admins"), false),
        (json!("x admin"), false),
        (json!([["admin"]]), false),
        (json!({"admin": true}), false),
        (json!(true), false),
        (json!([]), false),
    ];
    for (arrived, expected) in cases {
        assert_eq!(holds(claim("groups", json!(["admin"])), json!({"groups": arrived})), expected, "{arrived}");
    }
    assert!(holds(claim("level", json!([3, true])), json!({"level": 3})));
    assert!(!holds(claim("level", json!([3])), json!({"level": "3"})));
}

#[test]
fn a_value_of_another_type_meets_no_condition_not_even_under_not() {
    let not_suspended = || not(claim("suspended", json!([true])));
    for (arrived, expected) in [
        (json!(false), true),
        (json!(true), false),
        (json!("true"), false),
        (json!({"x": 1}), false),
        (json!(1), false),
        (json!([]), true),
        (json!([false, "x"]), false),
    ] {
        assert_eq!(holds(not_suspended(), json!({"suspended": arrived})), expected, "{arrived}");
    }
    assert!(holds(claim("level", json!([1])), json!({"level": 1.0})));
    assert!(!holds(claim("id", json!([1_187_654_321_098_765_432_u64])), json!({"id": 1_187_654_321_098_765_433_u64})));
}

#[test]
fn all_any_and_not_combine() {
    let staff = || claim("groups", json!(["staff"]));
    let admin = || claim("groups", json!(["admin"]));
    let claims = json!({"groups": ["staff"]});
    assert!(holds(Condition::All(vec![staff(), not(admin())]), claims.clone()));
    assert!(holds(Condition::Any(vec![admin(), staff()]), claims.clone()));
    assert!(!holds(Condition::All(vec![staff(), admin()]), claims.clone()));
    assert!(!holds(Condition::Any(vec![]), claims));
}

#[test]
fn a_domain_is_compared_as_a_whole_and_counts_only_with_a_verified_address() {
    let domain = || Condition::Test(Test::EmailDomain(vec!["example.com".into()]));
    for (email, verified, expected) in [
        ("a@example.com", json!(true), true),
        ("a@EXAMPLE.com", json!("true"), true),
        ("a@example.com", json!(false), false),
        ("a@example.com", json!(null), false),
        ("a@badexample.com", json!(true), false),
        ("a@example.com.evil", json!(true), false),
        ("a@evil@example.com", json!(true), false),
        ("@example.com", json!(true), false),
        ("example.com", json!(true), false),
    ] {
        assert_eq!(holds(domain(), json!({"email": email, "email_verified": verified})), expected, "{email} {verified}");
    }
}

#[test]
fn the_refusal_says_what_was_looked_for_and_what_arrived() {
    let condition = Condition::All(vec![claim("groups", json!(["admin"])), claim("level", json!([1]))]);
    let failure = Requirement::When(condition).check(whenever(&principal(json!({"groups": ["staff"]})))).unwrap_err();
    assert!(failure.reason == Reason::ConditionFailed && failure.detail.starts_with(r#"groups is ["staff"]; level is absent; "#));
    let other = Requirement::When(Condition::Test(Test::Provider("corp".into())));
    assert_eq!(other.check(whenever(&principal(json!({})))).unwrap_err().reason, Reason::ProviderMismatch);
}

fn by_token(claims: Value) -> Principal {
    Principal { proof: Proof::BearerToken, ..principal(claims) }
}

fn authentication(acr_values: &[&str], max_age: Option<u64>) -> Condition {
    Condition::Test(Test::Authentication(Demand {
        acr_values: acr_values.iter().map(|class| (*class).to_owned()).collect(),
        max_age,
    }))
}

/// The reason of a refusal at second 1,000, with a minute's tolerance.
fn refused(condition: Condition, principal: &Principal) -> Option<Reason> {
    let moment = Moment { now: Timestamp::from_seconds(1_000), skew: Duration::from_secs(60) };
    Requirement::When(condition).check(Case { principal, moment, call: &Call::Any }).err().map(|failure| failure.reason)
}

#[test]
fn an_audience_is_compared_as_a_whole_and_counts_only_for_bearer_tokens_even_under_not() {
    let wanted = || Condition::Test(Test::Audience(vec!["orders".into(), "stock".into()]));
    for (aud, good) in [
        (json!("orders"), true),
        (json!(["x", "stock"]), true),
        (json!("order"), false),
        (json!("orders stock"), false),
        (json!([["orders"]]), false),
        (json!([]), false),
        (json!({"orders": 1}), false),
        (json!(null), false),
    ] {
        let expected = (!good).then_some(Reason::AudienceMissing);
        assert_eq!(refused(wanted(), &by_token(json!({"aud": aud}))), expected, "{aud}");
        for condition in [wanted(), not(wanted())] {
            let by_session = refused(condition, &principal(json!({"aud": aud})));
            assert_eq!(by_session, Some(Reason::ConditionFailed), "{aud}");
        }
    }
    assert_eq!(refused(not(wanted()), &by_token(json!({}))), Some(Reason::ConditionFailed));
    assert_eq!(refused(not(wanted()), &by_token(json!({"aud": "x"}))), None);
}

#[test]
fn an_acr_is_compared_as_a_whole_and_an_authentication_counts_until_its_max_age() {
    let insufficient = Some(Reason::AuthenticationInsufficient);
    for (claims, expected) in [
        (json!({"acr": "gold"}), None),
        (json!({"acr": "silver"}), insufficient),
        (json!({"acr": ["gold"]}), insufficient),
        (json!({}), insufficient),
    ] {
        assert_eq!(refused(authentication(&["gold", "platinum"], None), &principal(claims.clone())), expected, "{claims}");
    }
    for (auth_time, expected) in [
        (json!(1_000), None),
        (json!(840), None),
        (json!(840.9), None),
        (json!(839), insufficient),
        (json!(1_060), None),
        (json!(1_061), insufficient),
        (json!(-5), insufficient),
        (json!("1000"), insufficient),
        (json!(1e300), insufficient),
        (json!(null), insufficient),
    ] {
        let claims = json!({"auth_time": auth_time});
        assert_eq!(refused(authentication(&[], Some(100)), &principal(claims)), expected, "{auth_time}");
    }
    for unknown in [json!({}), json!({"auth_time": 2_000}), json!({"auth_time": "x"})] {
        assert!(refused(not(authentication(&[], Some(100))), &principal(unknown)).is_some());
    }
    assert_eq!(refused(not(authentication(&[], Some(100))), &principal(json!({"auth_time": 1}))), None);
}

#[test]
fn a_reason_says_what_would_help_only_where_nothing_else_is_missing() {
    let all = Condition::All;
    let (gold, audience) = (|| authentication(&["gold"], None), || Condition::Test(Test::Audience(vec!["orders".into()])));
    let (scope, staff) = (|| Condition::Test(Test::Scope(vec!["write".into()])), || claim("groups", json!(["staff"])));
    let good = json!({"aud": "orders", "scope": "write", "groups": ["staff"]});
    let with = |changes: Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        by_token(claims)
    };
    let everything = || all(vec![gold(), all(vec![audience(), scope()]), staff()]);
    for (principal, reason) in [
        (with(json!({"acr": "gold"})), None),
        (with(json!({})), Some(Reason::AuthenticationInsufficient)),
        (with(json!({"scope": "read"})), Some(Reason::ScopeMissing)),
        (with(json!({"scope": "read", "aud": "x"})), Some(Reason::AudienceMissing)),
        (with(json!({"groups": []})), Some(Reason::ConditionFailed)),
    ] {
        assert_eq!(refused(everything(), &principal), reason, "{principal:?}");
    }
    assert_eq!(refused(Condition::Any(vec![gold(), staff()]), &with(json!({"groups": []}))), Some(Reason::ConditionFailed));
}

#[test]
fn the_demands_of_a_rule_are_joined_and_contradicting_ones_cannot_be_met() {
    let requirement = |conditions| Requirement::When(Condition::All(conditions));
    let both =
        requirement(vec![authentication(&["a", "b"], None), authentication(&["b"], Some(60)), not(authentication(&["c"], None))]);
    assert_eq!(both.demand(), Some(Demand { acr_values: vec!["b".into()], max_age: Some(60) }));
    assert_eq!(requirement(vec![authentication(&["a"], None), authentication(&["b"], None)]).demand(), None);
    assert_eq!(Requirement::Public.demand(), Some(Demand::default()));
}

#[test]
fn an_unverified_address_meets_no_condition_not_even_under_not() {
    let (nobody, email) = (AssumedVerified::default(), AssumedVerified { email: true, ..AssumedVerified::default() });
    let mine = || claim("email", json!(["boss@example.com"]));
    let phone = || claim("phone_number", json!(["+1"]));
    for (said, assumed, verified) in [
        (json!(true), nobody, true),
        (json!("true"), nobody, true),
        (json!(false), nobody, false),
        (json!("false"), nobody, false),
        (json!(null), nobody, false),
        (json!("yes"), nobody, false),
        (json!(1), nobody, false),
        (json!(null), email, true),
        (json!(false), email, false),
        (json!("yes"), email, false),
    ] {
        let holds = |condition: Condition, address: &str| {
            let claims = json!({
                "email": address, "email_verified": said, "phone_number": "+1", "phone_number_verified": said, "groups": ["x"]
            });
            let principal = Principal { assumed, ..principal(claims) };
            Requirement::When(condition).check(whenever(&principal)).is_ok()
        };
        assert_eq!(holds(mine(), "boss@example.com"), verified, "{said}");
        // Without a verified address it is not known that it differs from that one.
        assert_eq!(holds(not(mine()), "other@example.com"), verified, "{said}");
        assert_eq!(holds(not(Condition::All(vec![mine()])), "other@example.com"), verified, "{said}");
        assert_eq!(holds(Condition::Any(vec![not(mine())]), "other@example.com"), verified, "{said}");
        assert_eq!(holds(Condition::Test(Test::EmailDomain(vec!["example.com".into()])), "boss@example.com"), verified, "{said}");
        assert_eq!(
            holds(not(Condition::Test(Test::EmailDomain(vec!["evil.example".into()]))), "boss@example.com"),
            verified,
            "{said}"
        );
        // That addresses are assumed to be verified says nothing about numbers.
        assert_eq!(holds(phone(), ""), verified && assumed == nobody, "{said}");
        assert!(holds(claim("groups", json!(["x"])), "boss@example.com"));
    }
    // A path that leads into `email` needs the same verdict as `email` itself.
    let path = ClaimPath::new(vec!["email".into(), "value".into()]);
    let within = Condition::Test(Test::Claim { path, any_of: vec![json!("a")], split: None });
    assert!(!holds(within, json!({"email": {"value": "a"}})));
    let refused = Requirement::When(mine()).check(whenever(&principal(json!({"email": "boss@example.com"})))).unwrap_err();
    assert!(refused.detail.starts_with("email is \"boss@example.com\"; email_verified is absent; the rule asks for "));
}

#[test]
fn a_scope_is_compared_as_a_whole_and_counts_only_for_bearer_tokens_even_under_not() {
    let wanted = || Condition::Test(Test::Scope(vec!["read".into(), "write".into()]));
    for (claims, granted) in [
        (json!({"scope": "read write"}), Some(true)),
        (json!({"scp": ["write", "other", "read"]}), Some(true)),
        (json!({"scp": "write read"}), Some(true)),
        (json!({"scope": "read", "scp": ["write"]}), Some(true)),
        (json!({"scope": "read"}), Some(false)),
        (json!({"scope": "read writes"}), Some(false)),
        (json!({"scope": "READ WRITE"}), Some(false)),
        (json!({"scope": ""}), Some(false)),
        // From other spellings it is not known which scopes were granted.
        (json!({"scope": "read\twrite"}), None),
        (json!({"scp": ["read write"]}), None),
        (json!({"scp": ["read", "write", 7]}), None),
        (json!({"scope": "read write", "scp": 7}), None),
        (json!({"scope": {"read": true, "write": true}}), None),
        (json!({"scp": []}), None),
        (json!({}), None),
    ] {
        let (token, session) = (by_token(claims.clone()), principal(claims.clone()));
        let missing = Some(Reason::ScopeMissing);
        assert_eq!(refused(wanted(), &token), if granted == Some(true) { None } else { missing }, "{claims}");
        let failed = Some(Reason::ConditionFailed);
        assert_eq!(refused(not(wanted()), &token), if granted == Some(false) { None } else { failed }, "{claims}");
        assert_eq!((refused(wanted(), &session), refused(not(wanted()), &session)), (missing, failed), "{claims}");
    }
}

#[test]
fn provider_and_proof_are_compared_as_they_are() {
    let other_provider = Condition::Test(Test::Provider("corp".into()));
    let mine = || Condition::Test(Test::Provider("sso".into()));
    assert_eq!(refused(mine(), &principal(json!({}))), None);
    assert_eq!(refused(other_provider.clone(), &principal(json!({}))), Some(Reason::ProviderMismatch));
    // Here the provider is not what is missing.
    assert_eq!(
        refused(Condition::All(vec![mine(), claim("groups", json!(["x"]))]), &principal(json!({}))),
        Some(Reason::ConditionFailed)
    );
    assert_eq!(refused(not(mine()), &principal(json!({}))), Some(Reason::ConditionFailed));
    assert_eq!(refused(not(other_provider), &principal(json!({}))), None);
    let session_token = Principal { proof: Proof::SessionToken, ..principal(json!({})) };
    for (principal, is_token) in [(by_token(json!({})), true), (principal(json!({})), false), (session_token, false)] {
        assert_eq!(refused(Condition::Test(Test::Bearer), &principal).is_none(), is_token, "{principal:?}");
        assert_eq!(refused(not(Condition::Test(Test::Bearer)), &principal).is_none(), !is_token, "{principal:?}");
    }
}

#[test]
fn a_requirement_names_all_claims_it_looks_at_but_only_what_it_cannot_be_met_without() {
    let (scope, audience) =
        (|| Condition::Test(Test::Scope(vec!["a".into(), "b".into()])), || Condition::Test(Test::Audience(vec!["x".into()])));
    let (corp, sso) = (|| Condition::Test(Test::Provider("corp".into())), || Condition::Test(Test::Provider("sso".into())));
    let all = |conditions: Vec<Condition>| Condition::All(conditions);
    let any = |conditions: Vec<Condition>| Condition::Any(conditions);
    for (condition, provider, scopes, demands_token, claims) in [
        (claim("groups", json!(["x"])), None, vec![], false, vec!["groups"]),
        (claim("email", json!(["x"])), None, vec![], false, vec!["email", "email_verified"]),
        (Condition::Test(Test::EmailDomain(vec![])), None, vec![], false, vec!["email", "email_verified"]),
        (corp(), Some("corp"), vec![], false, vec![]),
        (Condition::Test(Test::Bearer), None, vec![], true, vec![]),
        (scope(), None, vec!["a", "b"], false, vec!["scope", "scp"]),
        (audience(), None, vec![], true, vec!["aud"]),
        (authentication(&["a"], None), None, vec![], false, vec!["acr"]),
        (authentication(&[], Some(1)), None, vec![], false, vec!["auth_time"]),
        (authentication(&["a"], Some(1)), None, vec![], false, vec!["acr", "auth_time"]),
        (not(all(vec![corp(), scope(), audience()])), None, vec![], false, vec!["aud", "scope", "scp"]),
        (any(vec![corp(), scope(), audience()]), None, vec![], false, vec!["aud", "scope", "scp"]),
        (
            all(vec![any(vec![sso()]), corp(), scope(), scope()]),
            Some("corp"),
            vec!["a", "b", "a", "b"],
            false,
            vec!["scope", "scp"],
        ),
        (all(vec![scope(), all(vec![Condition::Test(Test::Bearer)])]), None, vec!["a", "b"], true, vec!["scope", "scp"]),
    ] {
        assert_eq!((condition.scopes(&Call::Any), condition.demands_token()), (scopes, demands_token), "{condition:?}");
        let requirement = Requirement::When(condition);
        assert_eq!(
            (requirement.provider(), requirement.claims()),
            (provider, claims.iter().map(ToString::to_string).collect()),
            "{requirement:?}"
        );
    }
    for nothing in [Requirement::Public, Requirement::Authenticated] {
        assert_eq!((nothing.provider(), nothing.claims(), nothing.demand()), (None, vec![], Some(Demand::default())));
        assert_eq!(nothing.and(&corp()), Requirement::When(corp()));
    }
    assert_eq!(Requirement::When(corp()).and(&scope()), Requirement::When(all(vec![corp(), scope()])));
}
