//! The mistakes that operators make most: `check` says of each, word for word and at the same path, what the filter says.

use super::checked;
use crate::cli::findings::Id;
use crate::config;
use serde_json::{Value, json};

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A configuration that is right, with these members instead of its own; a member of the provider begins with `provider.`.
fn configuration(changes: &Value) -> Value {
    let mut whole = json!({
        "origins": ["https://app.example.com"],
        "providers": [{
            "name": "sso",
            "issuer": "https://sso.example.com/realms/main",
            "clusters": "sso",
            "client_id": "app",
            "client_secret": {"environment_variable": "SECRET"},
        }],
        "session": {"keys": [{"environment_variable": "KEY"}]},
        "rules": [{"require": "authenticated"}],
    });
    for (name, value) in changes.as_object().unwrap() {
        match name.strip_prefix("provider.") {
            Some(name) => whole["providers"][0][name] = value.clone(),
            None => whole[name] = value.clone(),
        }
    }
    whole
}

/// What the filter and what `check` refuse: path and sentence of each, sorted.
fn refusals(changes: &Value) -> [Vec<(String, String)>; 2] {
    let text = configuration(changes).to_string();
    let value = |name: &str| match name {
        "KEY" => Some(KEY.to_owned()),
        "SECRET" => Some("client-secret".to_owned()),
        _ => None,
    };
    let by_filter = match config::load(text.as_bytes(), &value) {
        Ok(_) => Vec::new(),
        Err(refusals) => refusals.all().iter().map(|refusal| (refusal.path.clone(), refusal.sentence.clone())).collect(),
    };
    let found = checked("accredit.json", &text, &format!("KEY={KEY}\nSECRET=client-secret\n")).findings;
    let refused = found.into_iter().filter(|finding| finding.id == Id::Refused);
    let by_check = refused.map(|finding| (finding.path, finding.sentence)).collect();
    [by_filter, by_check].map(|mut told: Vec<_>| {
        told.sort();
        told
    })
}

fn behind(wide: &str, narrow: &str) -> Value {
    json!({"rules": [
        {"match": {"path_separated_prefix": wide}, "require": "public"},
        {"match": {"path": narrow}, "require": {"claim": "groups", "any_of": ["admins"]}},
    ]})
}

fn matching(rule: Value) -> Value {
    json!({"rules": [{"match": rule, "require": "authenticated"}]})
}

#[test]
fn what_operators_write_wrong_is_refused_in_the_same_words_by_the_filter_and_by_check() {
    let mut wrong = Vec::new();
    for (what, changes, expected) in [
        ("a pattern behind a wider rule", behind("/assets", "/assets/*/secret"), &[("rules[1].match", "rules[0]")][..]),
        ("a deep pattern behind it", behind("/pub", "/pub/**/admin/**"), &[("rules[1].match", "rules[0]")]),
        ("a suffix behind it", behind("/pub", "/pub/*.key"), &[("rules[1].match", "rules[0]")]),
        ("a field that is nearly one", json!({"rulez": []}), &[("rulez", "did you mean `rules`?")]),
        ("another program's field", matching(json!({"prefix": "/a"})), &[("rules[0].match.prefix", "path_separated_prefix")]),
        ("scopes as a list", json!({"provider.scope": ["openid", "email"]}), &[("providers[0].scope", "one text with spaces")]),
        ("a method in lower case", matching(json!({"path": "/a", "methods": ["get"]})), &[("rules[0].match.methods[0]", "GET")]),
        (
            "a prefix with a slash",
            matching(json!({"path_separated_prefix": "/admin/"})),
            &[("rules[0].match.path_separated_prefix", "/admin")],
        ),
        ("a regular expression", matching(json!({"path": "^/a/.*$"})), &[("rules[0].match.path", "**")]),
        (
            "the discovery document's address",
            json!({"provider.issuer": "https://sso.example.com/.well-known/openid-configuration"}),
            &[("providers[0].issuer", "leave out /.well-known/…")],
        ),
        (
            "a placeholder of a shell",
            json!({"provider.client_secret": "${OIDC_SECRET}"}),
            &[("providers[0].client_secret", "{environment_variable: OIDC_SECRET}")],
        ),
        (
            "a placeholder of Kubernetes",
            json!({"provider.client_secret": "$(OIDC_SECRET)"}),
            &[("providers[0].client_secret", "{environment_variable: OIDC_SECRET}")],
        ),
        (
            "several mistakes",
            json!({"rulez": [], "provider.scope": ["openid"], "origins": ["http://app.example.com"]}),
            &[("origins[0]", "https"), ("providers[0].scope", "openid"), ("rulez", "did you mean `rules`?")],
        ),
    ] {
        let [by_filter, by_check] = refusals(&changes);
        let fits =
            |((path, sentence), (place, remedy)): (&(String, String), &(&str, &str))| path == place && sentence.contains(remedy);
        let said = by_filter.len() == expected.len() && by_filter.iter().zip(expected).all(fits);
        if by_filter != by_check || !said {
            wrong.push(format!("{what}: the filter says {by_filter:#?}, check says {by_check:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refusals(&json!({})), [Vec::new(), Vec::new()]);
}
