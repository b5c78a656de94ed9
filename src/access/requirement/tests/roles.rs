//! Roles as keys of an object, and groups in one text.

use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn has_key(keys: &[&str], within: Option<&[&str]>) -> Condition {
    let path = ClaimPath::named("roles");
    Condition::Test(Test::HasKey { path, keys: texts(keys), within: within.map(texts) })
}

fn split(any_of: &[&str], separator: &str) -> Condition {
    let any_of = any_of.iter().map(|value| json!(value)).collect();
    Condition::Test(Test::Claim { path: ClaimPath::named("roles"), any_of, split: Some(separator.into()) })
}

/// Whether a condition on `roles` holds, and whether its opposite does. Where neither does, it is unknown.
fn both(condition: Condition, roles: &Value) -> (bool, bool) {
    let claims = json!({"roles": roles});
    (holds(condition.clone(), claims.clone()), holds(not(condition), claims))
}

const TRUE: (bool, bool) = (true, false);
const FALSE: (bool, bool) = (false, true);
const UNKNOWN: (bool, bool) = (false, false);

#[test]
fn a_key_is_compared_as_a_whole_and_counts_only_with_a_value_that_is_neither_empty_nor_false() {
    for (roles, truth) in [
        // As Zitadel writes them.
        (json!({"admin": {"1": "a.example"}, "user": {"1": "a.example"}}), TRUE),
        (json!({"admin": true}), TRUE),
        (json!({"owner": "x"}), TRUE),
        (json!({"admin": 0}), TRUE),
        (json!({"admin": false, "owner": [1]}), TRUE),
        (json!({"admin": false}), FALSE),
        (json!({"admin": null}), FALSE),
        (json!({"admin": ""}), FALSE),
        (json!({"admin": {}}), FALSE),
        (json!({"admin": []}), FALSE),
        (json!({}), FALSE),
        (json!({"Admin": true, "admins": true, "xadmin": true, "admin ": true, "": true}), FALSE),
        // A key of an inner object is none of the claim's.
        (json!({"user": {"admin": true}}), FALSE),
    ] {
        assert_eq!(both(has_key(&["admin", "owner"], None), &roles), truth, "{roles}");
    }
}

#[test]
fn within_asks_one_level_deeper_and_only_of_the_keys_that_are_named() {
    for (roles, truth) in [
        (json!({"admin": {"1": "a.example"}}), TRUE),
        (json!({"admin": {"9": "x", "2": "a.example"}}), TRUE),
        (json!({"admin": {"9": "x"}, "owner": {"1": true}}), TRUE),
        // An admin of another organisation, and another role in this one.
        (json!({"admin": {"9": "x"}, "user": {"1": "a.example"}}), FALSE),
        (json!({"admin": {"1": ""}}), FALSE),
        (json!({"admin": {"1": false, "2": {}}}), FALSE),
        (json!({"admin": {"11": "x", "1 ": "x"}}), FALSE),
        (json!({"admin": {}}), FALSE),
        (json!({"user": {"1": "a.example"}}), FALSE),
        (json!({}), FALSE),
        // One level deeper, and no two.
        (json!({"admin": {"9": {"1": "x"}}}), FALSE),
        // Of what is no object it is not known what is within.
        (json!({"admin": true}), UNKNOWN),
        (json!({"admin": false}), UNKNOWN),
        (json!({"admin": null}), UNKNOWN),
        (json!({"admin": "1"}), UNKNOWN),
        (json!({"admin": ["1"]}), UNKNOWN),
        (json!({"admin": ["1"], "owner": {"9": "x"}}), UNKNOWN),
        (json!({"admin": ["1"], "owner": {"1": "x"}}), TRUE),
    ] {
        assert_eq!(both(has_key(&["admin", "owner"], Some(&["1", "2"])), &roles), truth, "{roles}");
    }
}

#[test]
fn a_claim_that_is_absent_or_no_object_has_no_keys_that_could_be_known_and_not_opens_nothing() {
    for roles in [json!(null), json!("admin"), json!(["admin"]), json!([{"admin": true}]), json!(true), json!(1), json!([])] {
        for within in [None, Some(["1"].as_slice())] {
            assert_eq!(both(has_key(&["admin"], within), &roles), UNKNOWN, "{roles} {within:?}");
            let all = Condition::All(vec![not(has_key(&["admin"], within))]);
            assert_eq!(both(all, &roles), UNKNOWN, "{roles} {within:?}");
        }
    }
    // An address has keys only if it is verified.
    let of_email = Test::HasKey { path: ClaimPath::named("email"), keys: texts(&["a"]), within: None };
    for (verified, good) in [(json!(true), true), (json!(false), false), (json!(null), false)] {
        let claims = json!({"email": {"a": 1}, "email_verified": verified});
        assert_eq!(holds(Condition::Test(of_email.clone()), claims.clone()), good, "{verified}");
        assert!(!holds(not(Condition::Test(of_email.clone())), claims), "{verified}");
    }
}

#[test]
fn a_text_is_split_at_one_exact_separator_and_its_pieces_are_compared_as_a_whole() {
    for (roles, separator, truth) in [
        // As LemonLDAP::NG writes them.
        (json!("users; admins"), "; ", TRUE),
        (json!("admins"), "; ", TRUE),
        (json!("users,admins"), ",", TRUE),
        (json!("users admins"), " ", TRUE),
        (json!("; admins; "), "; ", TRUE),
        (json!("users; xadmins; admins2; Admins"), "; ", FALSE),
        (json!("users;  admins"), "; ", FALSE),
        (json!("users; admins "), "; ", FALSE),
        // No other sign, and no part of the separator, separates.
        (json!("users; admins"), ";", FALSE),
        (json!("users;admins"), "; ", FALSE),
        (json!("users,admins"), "; ", FALSE),
        (json!(""), "; ", FALSE),
        (json!("; "), "; ", FALSE),
        // Members of a list are never split.
        (json!(["users; admins"]), "; ", FALSE),
        (json!(["users", "admins"]), "; ", TRUE),
        (json!([]), "; ", FALSE),
        // What is absent or of another type is unknown.
        (json!(null), "; ", UNKNOWN),
        (json!(7), "; ", UNKNOWN),
        (json!(true), "; ", UNKNOWN),
        (json!({"admins": true}), "; ", UNKNOWN),
        (json!([["admins"]]), "; ", UNKNOWN),
    ] {
        assert_eq!(both(split(&["admins", "root"], separator), &roles), truth, "{roles} at {separator:?}");
    }
    // Without a separator a text is one value.
    assert_eq!(both(claim("roles", json!(["admins"])), &json!("users; admins")), FALSE);
}

#[test]
fn a_session_keeps_the_whole_claim_for_them_and_a_refusal_says_what_arrived() {
    for (condition, names) in [(has_key(&["admin"], Some(&["1"])), vec!["roles"]), (split(&["a"], ";"), vec!["roles"])] {
        assert_eq!(Requirement::When(condition.clone()).claims(), names);
        let refusal = Requirement::When(condition).check(whenever(&principal(json!({"roles": {"user": {"1": "x"}}}))));
        let Failure { reason, detail } = refusal.unwrap_err();
        assert_eq!(reason, Reason::ConditionFailed);
        assert!(detail.starts_with(r#"roles is {"user":{"1":"x"}}; the rule asks for "#), "{detail}");
    }
    let email = Test::HasKey { path: ClaimPath::named("email"), keys: texts(&["a"]), within: None };
    assert_eq!(Requirement::When(email.into()).claims(), ["email", "email_verified"]);
}
