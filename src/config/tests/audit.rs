//! What audit lines say of a request's host and of its client, and where that is refused.

use super::*;
use crate::config::settings::Told;

fn word(told: &Told) -> &'static str {
    match told {
        Told::Plain => "plain",
        Told::Pseudonym(_) => "hash",
        Told::Nothing => "none",
    }
}

#[test]
fn host_and_address_are_told_unless_something_else_is_written() {
    let words = |document: &Value| {
        let audit = load_json(document).unwrap().audit;
        (word(&audit.host), word(&audit.address))
    };
    assert_eq!(words(&short_example()), ("plain", "plain"));
    for (written, expected) in [
        (json!({}), ("plain", "plain")),
        (json!({"host": "none", "address": "hash"}), ("none", "hash")),
        (json!({"host": "hash", "address": "none"}), ("hash", "none")),
        (json!({"address": "plain"}), ("plain", "plain")),
    ] {
        assert_eq!(words(&with("/audit", written.clone())), expected, "{written}");
    }
}

#[test]
fn other_words_and_hashes_without_a_key_are_refused_with_a_remedy() {
    let mut without_keys = with("/audit", json!({"address": "hash"}));
    without_keys["providers"] = json!([]);
    without_keys["rules"] = json!([{"require": "public"}]);
    without_keys["endpoints"] = json!({});
    let jwt = json!({"keys": ["a secret that services share, of 32 bytes at least"], "claims": [], "bearer": true});
    without_keys["session"] = json!({"form": "jwt", "jwt": jwt, "cookie": {"name": "access_token"}});
    for (document, expected) in [
        (
            with("/audit", json!({"address": "hashed"})),
            "audit.address: expected one of `plain`, `hash`, `none`, found `hashed` (did you mean `hash`?)",
        ),
        (with("/audit", json!({"adress": "hash"})), "audit.adress: expected `host` or `address`, found `adress`"),
        (with("/audit", json!("json")), "audit: expected an object"),
        (
            without_keys,
            "audit.address: expected session.keys, the first of which makes hashes, found none; make one with: openssl",
        ),
    ] {
        let refused = load_json(&document).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "expected: {expected}\nfound:    {refused}");
    }
}
