//! Several mistakes in one configuration: each is refused, in order, and nothing that only follows from another mistake.

use std::collections::BTreeSet;

use super::large::{changed, large, places};
use super::*;

/// Mistakes in the order of the configuration reference: a place as a JSON pointer, the wrong value there, and the path of the
/// refusal.
fn mistakes() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("/typo", json!(1), "typo"),
        ("/origins/1", json!("https://admin.example.com/"), "origins[1]"),
        ("/trusted_origins/0", json!("http://front.example.org"), "trusted_origins[0]"),
        ("/providers/0/scope", json!("profile"), "providers[0].scope"),
        ("/providers/0/algorithms/0", json!("none"), "providers[0].algorithms[0]"),
        ("/providers/0/timeout", json!("soon"), "providers[0].timeout"),
        ("/providers/1/issuer", json!("http://partner.example"), "providers[1].issuer"),
        ("/providers/1/bearer/audiences", json!([]), "providers[1].bearer.audiences"),
        ("/session/keys/0", json!("short"), "session.keys[0]"),
        ("/session/cookie/name", json!("app"), "session.cookie.name"),
        ("/session/idle", json!(5.5), "session.idle"),
        ("/session/claims/0", json!([]), "session.claims[0]"),
        ("/endpoints/login", json!("login"), "endpoints.login"),
        ("/popup/url_member", json!(""), "popup.url_member"),
        ("/logout/provider", json!("yes"), "logout.provider"),
        ("/sign_in/timeout", json!("2h"), "sign_in.timeout"),
        ("/sign_in/wait", json!("2h"), "sign_in.wait"),
        ("/forward/identity_jwt/keys/0", json!("short"), "forward.identity_jwt.keys[0]"),
        ("/forward/identity_jwt/claims/0", json!("exp"), "forward.identity_jwt.claims[0]"),
        ("/site/name", json!(""), "site.name"),
        ("/site/logo", json!("https://cdn.example/logo.svg"), "site.logo"),
        ("/site/accent/light", json!("#fc0"), "site.accent.light"),
        ("/help/url", json!("ftp://help"), "help.url"),
        ("/texts/fr/sign_out_headnig", json!("Partir ?"), "texts.fr.sign_out_headnig"),
        ("/texts/fr/signed_in_as", json!("{nom}"), "texts.fr.signed_in_as"),
        ("/diagnose", json!("yes"), "diagnose"),
        ("/filter_state/1", json!("email"), "filter_state[1]"),
        ("/audit/address", json!("hashed"), "audit.address"),
        ("/rules/1/match/path", json!("/goodbye/.."), "rules[1].match.path"),
        ("/rules/2/match/methods/0", json!("get"), "rules[2].match.methods[0]"),
        ("/rules/2/audience", json!(""), "rules[2].audience"),
        ("/rules/3/require/bearer", json!("sso"), "rules[3].require.bearer"),
        ("/policies/editors/all/1/any_of", json!([]), "policies.editors.all[1].any_of"),
        ("/policies/members/provider", json!("corp"), "policies.members.provider"),
        ("/policies/owners/has_key", json!([]), "policies.owners.has_key"),
        ("/policies/owners/within/0", json!(17), "policies.owners.within[0]"),
        ("/policies/teams/split", json!(""), "policies.teams.split"),
        ("/route_policies/filter_metadata", json!(""), "route_policies.filter_metadata"),
        ("/claim_to_headers/1/header_name", json!("cookie"), "claim_to_headers[1].header_name"),
        ("/claim_to_headers/2/split", json!(""), "claim_to_headers[2].split"),
        ("/request_headers_to_remove/0", json!("host"), "request_headers_to_remove[0]"),
        ("/accounts/claims/exp", json!("end"), "accounts.claims.exp"),
        ("/accounts/verify/timeout", json!("2m"), "accounts.verify.timeout"),
        ("/accounts/find/found", json!([500]), "accounts.find.found"),
        ("/password/fields/account", json!(""), "password.fields"),
        ("/password/refusal/message", json!("{token}"), "password.refusal.message"),
        ("/password/throttle/account/failures", json!(0), "password.throttle.account.failures"),
    ]
}

#[test]
fn the_large_configuration_loads() {
    assert_eq!(load_json(&large()).map(drop).map_err(|refusals| refusals.to_string()), Ok(()));
}

#[test]
fn each_mistake_gives_one_refusal() {
    for (pointer, value, place) in mistakes() {
        assert_eq!(places(&changed(&[(pointer, value)])), [place]);
    }
}

#[test]
fn no_mistake_hides_another_or_causes_a_third_refusal() {
    let all = mistakes();
    for (index, (pointer, value, place)) in all.iter().enumerate() {
        for (other_pointer, other_value, other_place) in &all[..index] {
            let found = places(&changed(&[(pointer, value.clone()), (other_pointer, other_value.clone())]));
            assert_eq!(found, [*other_place, *place]);
        }
    }
}

#[test]
fn all_mistakes_are_refused_at_once_in_the_order_of_the_reference() {
    let all = mistakes();
    let changes: Vec<_> = all.iter().map(|(pointer, value, _)| (*pointer, value.clone())).collect();
    let expected: Vec<_> = all.iter().map(|(_, _, place)| *place).collect();
    assert_eq!(places(&changed(&changes)), expected);
    let lines: Vec<_> = load_json(&changed(&changes)).unwrap_err().lines().collect();
    assert_eq!(lines.len(), all.len() + 1);
    assert_eq!(lines.last().map(String::as_str), Some("47 mistakes, one in each line above"));
}

#[test]
fn a_part_that_cannot_be_read_is_not_missing_and_what_depends_on_it_is_not_refused() {
    let all = [
        "origins",
        "trusted_origins",
        "providers",
        "session",
        "endpoints",
        "popup",
        "logout",
        "sign_in",
        "forward",
        "site",
        "help",
        "texts",
        "diagnose",
        "filter_state",
        "audit",
        "internal_redirects",
        "rules",
        "policies",
        "route_policies",
        "claim_to_headers",
        "request_headers_to_remove",
        "accounts",
        "password",
        "providers[0]",
        "providers[0].name",
        "providers[0].client_id",
        "providers[0].client_secret",
        "providers[0].clusters",
        "providers[1].bearer",
        "providers[1].bearer.audiences",
        "session.keys",
        "session.cookie",
        "endpoints.login",
        "endpoints.callback",
        "endpoints.password",
        "endpoints.popup",
        "forward.identity_jwt",
        "site.name",
        "site.accent",
        "texts.fr",
        "rules[0].match",
        "rules[0].require",
        "rules[4]",
        "policies.members",
        "policies.editors.all",
        "accounts.subject",
        "accounts.cluster",
        "accounts.verify",
        "accounts.find",
        "password.fields",
    ];
    for place in all {
        let pointer = format!("/{}", place.replace(['.', '['], "/").replace(']', ""));
        for wrong in [json!(5), json!([[]]), Value::Null, json!({"environment_variable": "NOT_SET"})] {
            let found = places(&changed(&[(&pointer, wrong.clone())]));
            assert!(found.iter().all(|found| found.starts_with(place)), "{place}: {wrong}: {found:?}");
            assert!(!found.is_empty(), "{place}: {wrong}");
        }
    }
}

#[test]
fn whatever_names_a_part_that_was_refused_is_not_refused_too() {
    for (changes, expected) in [
        // A provider whose name is refused is not missing.
        (vec![("/providers/0/name", json!("s s o"))], vec!["providers[0].name"]),
        (vec![("/providers/1/name", json!(""))], vec!["providers[1].name"]),
        (vec![("/providers/1/bearer", json!({"audiences": []}))], vec!["providers[1].bearer.audiences"]),
        // Policies and rules that name a refused policy are not refused.
        (vec![("/policies/members/claim", json!({}))], vec!["policies.members.claim"]),
        (vec![("/policies/members", json!({"policy": "editors"}))], vec!["policies.editors.all[0]"]),
        // A rule whose match is refused takes no requests from the rules behind it.
        (vec![("/rules/0/match", json!({"prefix": "/"}))], vec!["rules[0].match.prefix"]),
        (vec![("/rules/0/match", json!({"pth": "/x"}))], vec!["rules[0].match.pth"]),
        // A rule's host may be that of an origin that cannot be read.
        (vec![("/origins/1", json!("admin.example.com"))], vec!["origins[1]"]),
        (vec![("/trusted_origins/0", json!("front.example.org"))], vec!["trusted_origins[0]"]),
        // An endpoint whose path is refused is not missing.
        (vec![("/endpoints/password", json!("password"))], vec!["endpoints.password"]),
        (vec![("/endpoints/popup", json!("popup"))], vec!["endpoints.popup"]),
        // `accounts.verify` is not missing when a member of it is refused.
        (vec![("/accounts/verify", json!({"path": 5}))], vec!["accounts.verify.path"]),
        (vec![("/forward/identity_jwt", json!({"keys": []}))], vec!["forward.identity_jwt.keys"]),
        // A cluster that three calls lack is refused once.
        (vec![("/accounts/cluster", json!(""))], vec!["accounts.verify.cluster"]),
    ] {
        assert_eq!(places(&changed(&changes)), expected);
    }
}

#[test]
fn secrets_stay_out_of_every_line() {
    let secrets = ["AAAA-secret-number-one-AAAA", "BBBB-secret-number-two-BBBB"];
    let filled_in = |name: &str| match name {
        "ONE" => Some(secrets[0].to_owned()),
        "TWO" => Some(secrets[1].to_owned()),
        _ => environment(name),
    };
    let [one, two] = ["ONE", "TWO"].map(|name| json!({ "environment_variable": name }));
    let mut document = changed(&[
        ("/session/form", one.clone()),
        ("/providers/0/token_endpoint_auth_method", two.clone()),
        ("/policies/members/provider", one.clone()),
        ("/rules/0/require/policy", two.clone()),
        ("/rules/3/require/bearer", one.clone()),
        ("/session/keys/0", two.clone()),
    ]);
    document["accounts"]["verify"]["method"] = one;
    document["claim_to_headers"][0]["header_name"] = two;
    let shown = load(document.to_string().as_bytes(), &filled_in).unwrap_err();
    assert!(shown.all().len() >= 6, "{shown}");
    let all = format!("{shown}\n{shown:?}\n{}", shown.lines().collect::<Vec<_>>().join("\n"));
    assert!(secrets.iter().all(|secret| !all.contains(secret)), "{all}");
    assert!(all.contains("[what the environment variable holds]"), "{all}");
}

/// Every place of a document, as a JSON pointer.
fn pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    match value {
        Value::Array(members) => {
            members.iter().enumerate().for_each(|(index, member)| pointers(member, &format!("{pointer}/{index}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| pointers(member, &format!("{pointer}/{name}"), found));
        }
        _ => {}
    }
}

#[test]
fn however_a_configuration_is_broken_it_is_refused_in_order_and_each_place_once() {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq};
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let mut all = Vec::new();
    pointers(&large(), "", &mut all);
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("x"),
        json!("https://"),
        json!("\u{e4}.[0]"),
        json!([]),
        json!([null, {}, "a"]),
        json!({}),
        json!({"environment_variable": "ACCREDIT_KEY"}),
        json!({"policy": "editors", "x.y[1]": 1}),
    ];
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>()), 1..12);
    let broken = changes.prop_map(move |changes| {
        let mut document = large();
        for (place, value) in changes {
            // An earlier change may have removed this place.
            let pointer: &String = place.get(&all);
            if let Some(place) = document.pointer_mut(pointer) {
                *place = value.get(&wrong).clone();
            }
        }
        document
    });
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&broken, |document| {
        let Err(refusals) = load_json(&document) else { return Ok(()) };
        let places: Vec<_> = refusals.all().iter().map(|refusal| refusal.path.as_str()).collect();
        prop_assert!(!places.is_empty());
        prop_assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len(), "{}", &refusals);
        prop_assert!(refusals.all().iter().all(|refusal| refusal.sentence.contains("expected")), "{}", &refusals);
        // The same configuration gives the same refusals.
        prop_assert_eq!(load_json(&document).unwrap_err(), refusals);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
}
