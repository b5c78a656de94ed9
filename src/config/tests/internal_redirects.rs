//! The switch for internal redirects, and what it does not go with.

use super::*;

#[test]
fn nobody_is_known_after_an_internal_redirect_unless_that_is_switched_on() {
    let loaded = |document: &Value| load_json(document).unwrap().internal_redirects;
    assert!(!loaded(&short_example()));
    assert_eq!([true, false].map(|on| loaded(&with("/internal_redirects", json!(on)))), [true, false]);
}

#[test]
fn the_switch_is_refused_where_it_would_have_no_effect_or_lock_everybody_out() {
    let mut routes = with("/internal_redirects", json!(true));
    routes["policies"] = json!({"members": {"claim": "groups", "any_of": ["members"]}});
    routes["route_policies"] = json!({"filter_metadata": "accredit"});
    let mut without_keys = with("/internal_redirects", json!(true));
    without_keys["providers"] = json!([]);
    without_keys["rules"] = json!([{"require": "public"}]);
    without_keys["endpoints"] = json!({});
    let jwt = json!({"keys": ["a secret that services share, of 32 bytes at least"], "claims": [], "bearer": true});
    without_keys["session"] = json!({"form": "jwt", "jwt": jwt, "cookie": {"name": "access_token"}});
    for (document, expected) in [
        (
            with("/internal_redirects", json!("yes")),
            "internal_redirects: expected true or false, found a text; write it without quotes",
        ),
        (
            routes,
            "internal_redirects: expected false beside route_policies, found true; every request after an internal redirect would be refused, so remove one of both",
        ),
        (
            without_keys,
            "internal_redirects: expected session.keys, which seal the credential of a request, found none; make one with: openssl rand -base64 32",
        ),
    ] {
        assert_eq!(load_json(&document).unwrap_err().to_string(), expected);
        let mut off = document;
        off["internal_redirects"] = json!(false);
        assert!(load_json(&off).is_ok(), "{expected}");
    }
}
