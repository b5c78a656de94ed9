//! Made-up changes of a good token, judged by what the specifications say of the result.

use proptest::prelude::*;

use super::*;

/// Values of every JSON type, and those near to what is accepted.
fn value() -> impl Strategy<Value = Value> {
    let known = [ISSUER, MAIN, "app", "alice", "s", "", "iss_sub", "iss-sub", "opaque", "email", "complex", "a@example.com"];
    let leaf = prop_oneof![
        Just(json!("(absent)")),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (NOW - 300..NOW + 300).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(known.to_vec()).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let names = ["format", "subject_type", "iss", "sub", "id", "email", "user", "session", "device", "x"];
        let name = prop::sample::select(names.to_vec()).prop_map(str::to_owned);
        let uris: Vec<_> = EventKind::ALL.iter().map(|kind| uri(*kind)).collect();
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name, inner.clone(), 0..4).prop_map(Value::from_iter),
            prop::collection::btree_map(prop::sample::select(uris), inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

const CLAIMS: [&str; 9] = ["iss", "aud", "iat", "exp", "jti", "sub", "nonce", "sub_id", "events"];

/// What has to be true of every token that is accepted.
fn keeps_every_rule(claims: &Value) -> bool {
    let is_ours = |value: &Value| value == "app" || value == "https://app.example.com";
    claims["iss"] == ISSUER
        && (is_ours(&claims["aud"]) || claims["aud"].as_array().is_some_and(|all| all.iter().any(is_ours)))
        && claims["iat"].as_u64().is_some_and(|issued| issued <= NOW + 60)
        && claims["jti"].as_str().is_some_and(|jti| !jti.is_empty())
        && ["exp", "sub", "nonce"].iter().all(|name| claims.get(name).is_none())
        && claims["events"].as_object().is_some_and(|events| !events.is_empty() && events.values().all(Value::is_object))
}

/// Whether every text of a part stands in the subject that was sent.
fn was_sent(part: &SubjectPart, subject: &Value) -> bool {
    let (SubjectPart::Person { sub: text } | SubjectPart::Session { sid: text } | SubjectPart::Email { address: text }) = part;
    subject.to_string().contains(&json!(text).to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_token_with_a_changed_claim_ends_only_what_it_names_and_only_if_it_keeps_every_rule(
        changed in prop::sample::select(CLAIMS.to_vec()), value in value(),
    ) {
        let changes = json!({changed: value});
        if let Ok(read) = judge(changes.clone()) {
            let claims = claims(&changes);
            prop_assert!(keeps_every_rule(&claims), "{claims}");
            let told = read.ends.len() + read.ignored.len();
            prop_assert_eq!(Some(told), claims["events"].as_object().map(serde_json::Map::len));
            for end in &read.ends {
                prop_assert!(Some(end.before.seconds()) <= claims["iat"].as_u64());
                prop_assert!(claims["events"].get(end.event.uri()).is_some());
                prop_assert!(!end.subjects.is_empty());
                for subject in &end.subjects {
                    prop_assert!(subject.provider == "main" || subject.provider == "second");
                    prop_assert!(!subject.all_of.is_empty());
                    prop_assert!(subject.all_of.iter().all(|part| was_sent(part, &claims["sub_id"])));
                    let names_person = subject.all_of.iter().any(|part| matches!(part, SubjectPart::Person { .. }));
                    prop_assert!(!names_person || subject.provider == "main", "{claims}");
                }
            }
        }
    }

    #[test]
    fn a_subject_with_any_member_beside_user_and_session_ends_nothing(name in "[a-z]{3,8}", member in value()) {
        prop_assume!(!["user", "session", "format"].contains(&name.as_str()) && member != "(absent)");
        let user = json!({"format": "iss_sub", "iss": MAIN, "sub": "alice"});
        let read = judge(json!({"sub_id": {"format": "complex", "user": user, name: member}}));
        prop_assert!(read.is_err() || read.is_ok_and(|read| read.ends.is_empty()));
    }

    #[test]
    fn a_claim_that_means_nothing_changes_nothing(name in "[a-z]{6,8}", value in value()) {
        prop_assume!(!["events", "sub_id"].contains(&name.as_str()));
        prop_assert_eq!(judge(json!({name: value})), judge(json!({})));
    }
}
