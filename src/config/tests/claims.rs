//! Conditions on claims: roles as keys of an object, groups in one text.

use super::*;

fn require(condition: Value) -> Value {
    with("/rules/0/require", condition)
}

#[test]
fn what_is_asked_of_a_claim_is_refused_where_it_would_mean_nothing_or_the_opposite() {
    let header =
        |split: Value| with("/claim_to_headers", json!([{"claim_name": "groups", "header_name": "x-groups", "split": split}]));
    for (document, expected) in [
        (
            require(json!({"claim": "groups"})),
            "rules[0].require.any_of: expected what is asked of the claim, found nothing; write any_of: [VALUE], or has_key: [NAME]",
        ),
        (
            require(json!({"claim": "roles", "any_of": ["a"], "has_key": ["a"]})),
            "rules[0].require.has_key: expected any_of or has_key beside claim, found both; write",
        ),
        (
            require(json!({"has_key": ["admin"]})),
            "rules[0].require.claim: expected the claim that has_key is about, found none; write claim: groups",
        ),
        (require(json!({"within": ["1"]})), "rules[0].require.claim: expected the claim that within is about, found none"),
        (require(json!({"split": ";"})), "rules[0].require.claim: expected the claim that split is about, found none"),
        (require(json!({"provider": "sso", "has_key": ["a"], "within": ["1"]})), "rules[0].require.claim: "),
        (require(json!({"not": {"has_key": ["admin"]}})), "rules[0].require.not.claim: "),
        (require(json!({"claim": "roles", "within": ["1"]})), "rules[0].require.any_of: expected what is asked of the claim"),
        (require(json!({"claim": "roles", "split": ";"})), "rules[0].require.any_of: expected what is asked of the claim"),
        (
            require(json!({"claim": "roles", "any_of": ["a"], "within": ["1"]})),
            "rules[0].require.within: expected has_key beside within, found any_of; remove it",
        ),
        (
            require(json!({"claim": "roles", "has_key": ["a"], "split": ";"})),
            "rules[0].require.split: expected any_of beside split, because only a text is split, found has_key; remove it",
        ),
        (
            require(json!({"claim": "roles", "has_key": []})),
            "rules[0].require.has_key: expected names, found none or an empty one; write a list of them, such as [admin]",
        ),
        (require(json!({"claim": "roles", "has_key": ["a", ""]})), "rules[0].require.has_key: expected names"),
        (require(json!({"claim": "roles", "has_key": ["a"], "within": []})), "rules[0].require.within: expected names"),
        (require(json!({"claim": "roles", "has_key": ["a"], "within": [""]})), "rules[0].require.within: expected names"),
        (
            require(json!({"claim": "roles", "has_key": "admin"})),
            "rules[0].require.has_key: expected a list, found a text; write [VALUE, …]",
        ),
        (
            require(json!({"claim": "roles", "has_key": ["a"], "within": [17]})),
            "rules[0].require.within[0]: expected a text, found a number; write it in quotes",
        ),
        (
            require(json!({"claim": "groups", "any_of": ["a"], "split": ""})),
            "rules[0].require.split: expected the separator between the values of a text, found an empty text; write split: \"; \"",
        ),
        (require(json!({"claim": "groups", "any_of": ["a"], "split": [";"]})), "rules[0].require.split: expected a text"),
        // No piece of a text equals any of these. Under `not`, each would let everybody in.
        (
            require(json!({"not": {"claim": "groups", "any_of": ["a", "b; c"], "split": "; "}})),
            "rules[0].require.not.any_of[1]: expected a text that can stand between two separators, found another value; write it without",
        ),
        (require(json!({"claim": "groups", "any_of": [""], "split": ";"})), "rules[0].require.any_of[0]: expected a text that"),
        (require(json!({"claim": "groups", "any_of": [7], "split": ";"})), "rules[0].require.any_of[0]: expected a text that"),
        (require(json!({"claim": "groups", "any_of": [";"], "split": ";"})), "rules[0].require.any_of[0]: expected a text that"),
        (
            header(json!("")),
            "claim_to_headers[0].split: expected the separator between the values of a text, found an empty text",
        ),
        (header(json!(1)), "claim_to_headers[0].split: expected a text"),
    ] {
        let refusals = load_json(&document).expect_err(expected);
        assert!(refusals.to_string().starts_with(expected), "expected: {expected}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
    }
}

#[test]
fn with_several_providers_it_must_be_said_whose_keys_are_meant() {
    let two = |condition: Value| {
        let mut document = require(condition);
        let mut other = document["providers"][0].clone();
        other["name"] = json!("corp");
        document["providers"].as_array_mut().unwrap().push(other);
        load_json(&document).err().map(|refusals| refusals.to_string())
    };
    let refused = two(json!({"claim": "roles", "has_key": ["admin"]})).unwrap();
    assert!(refused.starts_with("rules[0].require: expected the provider whose claims count"), "{refused}");
    assert_eq!(two(json!({"claim": "roles", "has_key": ["admin"], "provider": "corp"})), None);
}

#[test]
fn sessions_keep_the_whole_claim_that_keys_or_pieces_are_asked_of() {
    for condition in [
        json!({"claim": ["x", "roles"], "has_key": ["admin"], "within": ["1"]}),
        json!({"claim": ["x", "roles"], "any_of": ["admin"], "split": "; "}),
    ] {
        let settings = load_json(&require(condition)).unwrap();
        let kept: Vec<_> = settings.kept_claims.iter().map(ToString::to_string).collect();
        assert!(kept.contains(&"x.roles".to_owned()), "{kept:?}");
    }
}

#[test]
fn only_sealed_sessions_may_keep_lists_in_part_and_a_warning_says_where_none_is_shortened() {
    let jwt = json!({
        "keys": [{"environment_variable": "ACCREDIT_KEY"}],
        "form": "jwt",
        "jwt": {"keys": ["a-secret-of-32-bytes-0123456789abc"], "claims": ["email", "email_verified", "groups", "preferred_username"]}
    });
    let with_groups = |word: &str| {
        let mut session = jwt.clone();
        session["groups"] = json!(word);
        with("/session", session)
    };
    let cases = [
        (
            with_groups("matching"),
            "session.groups: expected all, because form is jwt, and whoever reads the session needs whole lists, found matching; remove it",
        ),
        (
            with("/session/groups", json!("some")),
            "session.groups: expected `all` or `matching`, found `some`; write one of these",
        ),
        (with("/session/groups", json!(["staff"])), "session.groups: expected `all` or `matching`, found a list"),
    ];
    for (document, expected) in cases {
        let refusals = load_json(&document).expect_err(expected);
        assert!(refusals.to_string().starts_with(expected), "expected: {expected}\nfound:    {refusals}");
        assert_eq!(refusals.all().len(), 1, "one mistake, and nothing that follows from it:\n{refusals}");
    }
    let matching = || with("/session/groups", json!("matching"));
    let mut told = matching();
    told["session"]["claims"] = json!(["groups"]);
    let mut open = matching();
    open["rules"] = json!([{"require": "authenticated"}]);
    for (document, shortened, warnings) in
        [(matching(), true, 0), (told, false, 1), (open, false, 1), (with_groups("all"), false, 0), (short_example(), false, 0)]
    {
        let settings = load_json(&document).unwrap();
        assert_eq!((!settings.kept_members.is_empty(), settings.warnings.len()), (shortened, warnings), "{document}");
        let about =
            settings.warnings.iter().all(|warning| warning.to_string().starts_with("session.groups: matching shortens no"));
        assert!(about, "{:?}", settings.warnings);
    }
}

#[test]
fn what_is_kept_of_lists_is_part_of_the_fingerprint_and_nothing_is_added_where_they_are_whole() {
    let fingerprint = |groups: &str, any_of: Value, under_not: bool| {
        let condition = json!({"claim": "groups", "any_of": any_of});
        let mut document = require(if under_not { json!({"not": condition}) } else { condition });
        document["session"]["groups"] = json!(groups);
        load_json(&document).unwrap().providers[0].fingerprint.clone()
    };
    let whole = load_json(&require(json!({"claim": "groups", "any_of": ["a"]}))).unwrap().providers[0].fingerprint.clone();
    assert_eq!(fingerprint("all", json!(["a"]), false), whole);
    assert_eq!(fingerprint("all", json!(["b"]), true), whole);
    assert_eq!(fingerprint("matching", json!([7]), false), whole);
    let of_a = fingerprint("matching", json!(["a"]), false);
    assert_eq!(fingerprint("matching", json!(["a"]), true), of_a);
    assert_eq!(fingerprint("matching", json!(["a", 7]), true), of_a);
    let others = [json!(["b"]), json!(["a", "b"]), json!(["a\", \"b"])];
    let others = others.into_iter().map(|any_of| fingerprint("matching", any_of, true));
    let all: std::collections::BTreeSet<_> = others.chain([of_a, whole]).map(|each| each.as_str().to_owned()).collect();
    assert_eq!(all.len(), 5, "{all:?}");
}
