//! Made-up changes of a good token, judged by what the specification says of the result.

use proptest::prelude::*;

use super::*;

/// Values of every JSON type, and those near to what is accepted.
fn value() -> impl Strategy<Value = Value> {
    let time = prop_oneof![Just(NOW), NOW - 300..NOW + 300, any::<u64>()];
    let leaf = prop_oneof![
        Just(json!("(absent)")),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        time.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![ISSUER, "app", "alice", "s", "j", "", LOGOUT_EVENT]).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let name = prop::sample::select(vec![LOGOUT_EVENT, "app", "x"]).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

const CLAIMS: [&str; 11] = ["iss", "aud", "azp", "iat", "exp", "nbf", "jti", "sub", "sid", "events", "nonce"];

/// What has to be true of every token that is accepted.
fn keeps_every_rule(claims: &Value) -> bool {
    let is_text = |name: &str| claims[name].as_str().is_some_and(|text| !text.is_empty());
    let is_text_or_absent = |name: &str| claims[name].is_null() || is_text(name);
    let is_app = |value: &Value| value == "app";
    let for_us = is_app(&claims["aud"]) || claims["aud"].as_array().is_some_and(|all| all.iter().any(is_app));
    let for_us_alone = is_app(&claims["aud"]) || claims["aud"].as_array().is_some_and(|all| all.iter().all(is_app));
    let azp = &claims["azp"];
    let issued = claims["iat"].as_u64();
    let in_time = match &claims["exp"] {
        Value::Null => issued.is_some_and(|issued| issued > NOW - 180),
        exp => exp.as_u64().is_some_and(|exp| exp > NOW - 60),
    };
    claims["iss"] == ISSUER
        && for_us
        && (azp == "app" || (azp.is_null() && for_us_alone))
        && issued.is_some_and(|issued| issued <= NOW + 60)
        && in_time
        && (claims["nbf"].is_null() || claims["nbf"].as_u64().is_some_and(|begin| begin <= NOW + 60))
        && is_text("jti")
        && is_text_or_absent("sub")
        && is_text_or_absent("sid")
        && (is_text("sub") || is_text("sid"))
        && claims["events"][LOGOUT_EVENT].is_object()
        && claims.get("nonce").is_none()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_token_with_a_changed_claim_is_accepted_only_if_it_still_keeps_every_rule(
        changed in prop::sample::select(CLAIMS.to_vec()), value in value(),
    ) {
        let changes = json!({changed: value});
        if let Ok(token) = judge(changes.clone()) {
            let claims = claims(&changes);
            prop_assert!(keeps_every_rule(&claims), "{claims}");
            prop_assert_eq!(token.sub.as_deref(), claims["sub"].as_str());
            prop_assert_eq!(token.sid.as_deref(), claims["sid"].as_str());
            prop_assert_eq!(Some(token.issued.seconds()), claims["iat"].as_u64());
        }
    }

    #[test]
    fn a_claim_that_means_nothing_changes_nothing(name in "[a-z]{5,8}", value in value()) {
        prop_assume!(name != "nonce" && name != "events");
        prop_assert_eq!(judge(json!({name: value})), judge(json!({})));
    }

    #[test]
    fn no_character_of_a_token_can_be_changed(at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.-]") {
        let good = with_header(&json!({"kid": "k", "typ": "logout+jwt"}), &json!({}));
        let at = at.index(good.len());
        let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
        prop_assert_eq!(check(&changed).is_ok(), changed == good);
    }
}
