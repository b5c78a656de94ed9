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
