use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{BareHost, OTHER_P256, P256, RSA, base64url, key_set};
use crate::oidc::testing::{ISSUER, provider};

mod confusion;
mod made_up;

const NOW: u64 = 1_700_000_000;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[(&P256, json!({"kid": "k"})), (&RSA, json!({"kid": "r"}))]));

/// Good claims with these changes. `"(absent)"` removes a claim, because `null` is a value here.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "app", "iat": NOW, "exp": NOW + 120, "jti": "j", "sub": "alice", "sid": "s",
        "events": {LOGOUT_EVENT: {}},
    });
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| value != "(absent)");
    claims
}

fn check(token: &str) -> Result<LogoutToken, LogoutTokenError> {
    check_by(&provider(), token)
}

fn check_by(provider: &Provider, token: &str) -> Result<LogoutToken, LogoutTokenError> {
    verify(&BareHost::none(), provider, token, &KEYS, Timestamp::from_seconds(NOW))
}

fn with_header(header: &Value, changes: &Value) -> String {
    P256.token(Algorithm::ES256, header, &claims(changes))
}

fn judge(changes: Value) -> Result<LogoutToken, LogoutTokenError> {
    check(&with_header(&json!({"kid": "k", "typ": "logout+jwt"}), &changes))
}

/// What is said of a token that is refused for good.
fn refused(verdict: Result<LogoutToken, LogoutTokenError>) -> String {
    match verdict {
        Err(LogoutTokenError::Refused(Failure { reason: Reason::LogoutTokenInvalid, detail })) => detail,
        other => panic!("it was not refused for good: {other:?}"),
    }
}

#[test]
fn a_good_token_says_whose_session_ends_since_when_and_how_long_its_name_is_remembered() {
    let (seconds, text) = (Timestamp::from_seconds, |text: &str| Some(text.to_owned()));
    let good =
        LogoutToken { sub: text("alice"), sid: text("s"), issued: seconds(NOW), jti: "j".into(), until: seconds(NOW + 180) };
    assert_eq!(judge(json!({})), Ok(good.clone()));
    for (changes, sub, sid) in [
        (json!({"sid": "(absent)"}), text("alice"), None),
        (json!({"sub": "(absent)"}), None, text("s")),
        (json!({"sid": null}), text("alice"), None),
        (json!({"sub": null}), None, text("s")),
    ] {
        assert_eq!(judge(changes.clone()), Ok(LogoutToken { sub, sid, ..good.clone() }), "{changes}");
    }
}

#[test]
fn every_algorithm_of_the_providers_id_tokens_is_accepted() {
    for (key, algorithm, kid) in [(&*RSA, Algorithm::RS256, "r"), (&*RSA, Algorithm::PS256, "r"), (&*P256, Algorithm::ES256, "k")]
    {
        assert!(check(&key.token(algorithm, &json!({"kid": kid}), &claims(&json!({})))).is_ok(), "{algorithm}");
    }
}

/// The modules `oidcc-client-test-…` of the OpenID Foundation that send a bad logout token.
#[test]
fn each_bad_token_of_the_conformance_suite_is_refused_with_what_was_expected_and_found() {
    let unsigned = |algorithm: &str| {
        let header = base64url(json!({"alg": algorithm, "kid": "k", "typ": "logout+jwt"}).to_string());
        format!("{header}.{}.", base64url(claims(&json!({})).to_string()))
    };
    let signed = |changes| with_header(&json!({"kid": "k", "typ": "logout+jwt"}), &changes);
    let event_of = |name: &str| signed(json!({"events": {name: {}}}));
    for (module, token, detail) in [
        ("alg-none", unsigned("none"), "alg \"none\" is not supported; let the provider sign with RS256 or ES256"),
        ("wrong-alg", unsigned("HS256"), "alg \"HS256\" is by a shared secret"),
        ("no-event", signed(json!({"events": "(absent)"})), "events is missing: this is no logout token"),
        ("wrong-event", event_of("http://schemas.openid.net/event/other"), "found \"http://schemas.openid.net/event/other\""),
        ("with-nonce", signed(json!({"nonce": "n"})), "it has a nonce, which a logout token never has"),
        ("wrong-aud", signed(json!({"aud": "another"})), "expected aud \"app\", found \"another\""),
        ("wrong-iss", signed(json!({"iss": "https://evil.example"})), "found \"https://evil.example\""),
    ] {
        let said = refused(check(&token));
        assert!(said.contains(detail), "{module}: {said}");
    }
}

#[test]
fn each_claim_that_is_wrong_missing_or_of_another_type_is_refused() {
    for (changes, detail) in [
        (json!({"iss": "(absent)"}), "expected iss"),
        (json!({"iss": null}), "expected iss"),
        (json!({"iss": [ISSUER]}), "expected iss"),
        (json!({"iss": format!("{ISSUER}/")}), "expected iss"),
        (json!({"aud": "(absent)"}), "expected aud"),
        (json!({"aud": null}), "expected aud"),
        (json!({"aud": "APP"}), "expected aud"),
        (json!({"aud": []}), "expected aud"),
        (json!({"aud": ["another"]}), "expected aud"),
        (json!({"aud": ["app", 7]}), "expected aud"),
        (json!({"aud": {"app": true}}), "expected aud"),
        (json!({"aud": ["app", "another"]}), "the token is for others too"),
        (json!({"azp": "another"}), "expected azp"),
        (json!({"iat": "(absent)"}), "iat is missing"),
        (json!({"iat": null}), "iat is missing"),
        (json!({"iat": NOW + 61}), "iat is 61 s ahead of our clock, 60 s are tolerated"),
        (json!({"iat": "0"}), "of the wrong type"),
        (json!({"iat": true}), "of the wrong type"),
        (json!({"iat": [NOW]}), "of the wrong type"),
        (json!({"iat": -1}), "iat lies before 1970"),
        (json!({"exp": NOW - 60}), "exp is 60 s behind our clock, 60 s are tolerated"),
        (json!({"exp": 0}), "behind our clock"),
        (json!({"exp": -1}), "exp lies before 1970"),
        (json!({"exp": "9999999999"}), "of the wrong type"),
        (json!({"exp": true}), "of the wrong type"),
        (json!({"exp": {}}), "of the wrong type"),
        (json!({"exp": 1e30}), "of the wrong type"),
        (json!({"nbf": NOW + 61}), "nbf is 61 s ahead of our clock"),
        (json!({"nbf": "0"}), "of the wrong type"),
        (json!({"sub": "(absent)", "sid": "(absent)"}), "neither sub nor sid"),
        (json!({"sub": null, "sid": null}), "neither sub nor sid"),
        (json!({"sub": ""}), "sub is empty"),
        (json!({"sub": 7}), "sub is not a text"),
        (json!({"sub": ["alice"]}), "sub is not a text"),
        (json!({"sub": false}), "sub is not a text"),
        (json!({"sub": "a".repeat(256)}), "sub is longer than 255 characters"),
        (json!({"sub": "client:app"}), "sub begins like"),
        (json!({"sub": "alice\n"}), "sub has characters"),
        (json!({"sid": ""}), "sid is empty"),
        (json!({"sid": 7}), "sid is not a text"),
        (json!({"sid": ["s"]}), "sid is not a text"),
        (json!({"sid": {}}), "sid is not a text"),
        (json!({"events": null}), "events is not an object"),
        (json!({"events": [LOGOUT_EVENT]}), "events is not an object"),
        (json!({"events": LOGOUT_EVENT}), "events is not an object"),
        (json!({"events": {}}), "expected the member http"),
        (json!({"events": {LOGOUT_EVENT: null}}), "of events is not an object"),
        (json!({"events": {LOGOUT_EVENT: true}}), "of events is not an object"),
        (json!({"events": {LOGOUT_EVENT: []}}), "of events is not an object"),
        (json!({"events": {LOGOUT_EVENT: "{}"}}), "of events is not an object"),
        (json!({"events": {LOGOUT_EVENT.to_ascii_uppercase(): {}}}), "expected the member http"),
        (json!({"events": {format!("{LOGOUT_EVENT}/"): {}}}), "expected the member http"),
        (json!({"events": {LOGOUT_EVENT.replace("http:", "https:"): {}}}), "expected the member http"),
        (json!({"nonce": ""}), "it has a nonce"),
        (json!({"nonce": null}), "it has a nonce"),
        (json!({"nonce": 7}), "it has a nonce"),
        (json!({"nonce": []}), "it has a nonce"),
        (json!({"jti": "(absent)"}), "jti is missing"),
        (json!({"jti": null}), "jti is missing"),
        (json!({"jti": ""}), "jti is empty"),
        (json!({"jti": 7}), "jti is not a text"),
        (json!({"jti": ["j"]}), "jti is not a text"),
    ] {
        let said = refused(judge(changes.clone()));
        assert!(said.contains(detail), "{changes}: {said}");
    }
}

#[test]
fn what_providers_may_do_differently_is_accepted() {
    for changes in [
        json!({"aud": ["app"]}),
        json!({"aud": ["app", "app"]}),
        json!({"aud": ["app", "another"], "azp": "app"}),
        json!({"azp": null}),
        json!({"exp": NOW - 59}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"iat": NOW + 60}),
        // A token that is old, and still valid: since which moment sessions end is what `iat` says, not whether they do.
        json!({"iat": 0}),
        json!({"nbf": NOW + 60}),
        json!({"nbf": null}),
        json!({"events": {LOGOUT_EVENT: {"anything": [1]}, "https://other.example/event": 7}}),
        json!({"trace_id": 7, "at_hash": 7, "auth_time": "x"}),
    ] {
        assert!(judge(changes.clone()).is_ok(), "{changes}");
    }
    let trusting = Provider { trusted_audiences: vec!["another".into()], ..provider() };
    let token = with_header(&json!({"kid": "k"}), &json!({"aud": ["another", "app"]}));
    assert!(check_by(&trusting, &token).is_ok());
}

#[test]
fn a_token_without_exp_is_accepted_for_two_minutes_and_the_tolerance() {
    for absent in [json!("(absent)"), json!(null)] {
        let judge = |iat: u64| judge(json!({"exp": absent, "iat": iat}));
        for age in [0, 119, 120, 179] {
            assert_eq!(judge(NOW - age).unwrap().until, Timestamp::from_seconds(NOW - age + 180), "{age}");
        }
        for age in [180, 181, 3_600, NOW] {
            let said = refused(judge(NOW - age));
            assert!(said.starts_with(&format!("there is no exp, and iat is {age} s behind our clock")), "{said}");
        }
    }
    let exact = Provider { clock_skew: Duration::ZERO, ..provider() };
    let old = |age: u64| with_header(&json!({"kid": "k"}), &json!({"exp": "(absent)", "iat": NOW - age}));
    assert!(check_by(&exact, &old(119)).is_ok() && check_by(&exact, &old(120)).is_err());
}

#[test]
fn a_name_is_remembered_as_long_as_its_token_is_accepted_and_no_longer() {
    for changes in
        [json!({}), json!({"exp": "(absent)"}), json!({"exp": "(absent)", "iat": NOW + 60}), json!({"exp": NOW + 9_999})]
    {
        let token = with_header(&json!({"kid": "k"}), &changes);
        let until = check(&token).unwrap().until;
        let at = |now| verify(&BareHost::none(), &provider(), &token, &KEYS, now).is_ok();
        assert!(at(Timestamp::from_millis(until.millis() - 1)) && !at(until), "{changes}");
    }
}

#[test]
fn only_a_logout_token_or_a_jwt_of_no_special_kind_is_accepted_in_any_spelling_of_its_type() {
    for typ in [None, Some("logout+jwt"), Some("LOGOUT+JWT"), Some("application/logout+jwt"), Some("Application/Logout+JWT")] {
        assert!(check(&typed(typ)).is_ok(), "{typ:?}");
    }
    for typ in [Some("JWT"), Some("jwt"), Some("application/jwt")] {
        assert!(check(&typed(typ)).is_ok(), "{typ:?}");
    }
    for typ in
        ["", "at+jwt", "application/at+jwt", "secevent+jwt", "dpop+jwt", "logout", "xlogout+jwt", "text/logout+jwt", "JOSE"]
    {
        let said = refused(check(&typed(Some(typ))));
        assert_eq!(said, format!("expected typ logout+jwt, found \"{typ}\""));
    }
    // RFC 7515, section 4: `typ` is a text, if it is there.
    for typ in [json!(null), json!(7), json!(["logout+jwt"])] {
        refused(check(&with_header(&json!({"kid": "k", "typ": typ}), &json!({}))));
    }
}

fn typed(typ: Option<&str>) -> String {
    let header = typ.map_or_else(|| json!({"kid": "k"}), |typ| json!({"kid": "k", "typ": typ}));
    with_header(&header, &json!({}))
}

#[test]
fn a_token_that_is_encrypted_torn_or_too_long_is_refused() {
    let good = typed(None);
    for (token, detail) in [
        (format!("{good}.a.b"), "encrypted logout tokens are not supported"),
        ("a.b.c.d.e".to_owned(), "encrypted logout tokens are not supported"),
        (String::new(), "the token is malformed"),
        ("a.b".to_owned(), "the token is malformed"),
        (good.replace('.', ""), "the token is malformed"),
        (".".repeat(100_000), "the token is malformed"),
        (with_header(&json!({"kid": "k"}), &json!({"x": "x".repeat(20_000)})), "it is longer than 16 KiB"),
        (with_header(&json!({"kid": "k", "crit": ["exp"], "exp": 1}), &json!({})), "demands an extension"),
    ] {
        let said = refused(check(&token));
        assert!(said.contains(detail), "{said}");
    }
    let twice = claims(&json!({})).to_string().replacen("\"sub\"", "\"sub\":\"mallory\",\"sub\"", 1);
    let said = refused(check(&P256.raw_token(Algorithm::ES256, r#"{"alg":"ES256","kid":"k"}"#, &twice)));
    assert!(said.contains("a member comes twice"), "{said}");
}

#[test]
fn newer_keys_are_asked_for_where_they_might_help_and_for_nothing_else() {
    let claims = claims(&json!({}));
    for (token, detail) in [
        (P256.token(Algorithm::ES256, &json!({"kid": "new"}), &claims), "no usable key of the provider has the kid \"new\""),
        (OTHER_P256.token(Algorithm::ES256, &json!({"kid": "k"}), &claims), "the signature is not by the key"),
        (OTHER_P256.token(Algorithm::ES256, &json!({}), &claims), "the signature is by no key that fits"),
        (RSA.token(Algorithm::RS256, &json!({"kid": "k"}), &claims), "is not for alg RS256"),
    ] {
        match check(&token) {
            Err(LogoutTokenError::KeyUnknown(failure)) => assert!(failure.detail.contains(detail), "{}", failure.detail),
            other => panic!("{detail}: {other:?}"),
        }
    }
    // Not among the algorithms of the configuration: no key would help.
    refused(check(&RSA.token(Algorithm::RS512, &json!({"kid": "r"}), &claims)));
}

#[test]
fn long_names_are_kept_as_hashes_and_a_session_by_the_name_that_its_id_token_gave_it() {
    let long = "s".repeat(304);
    let token = judge(json!({"sid": long, "jti": "j".repeat(10_000)})).unwrap();
    assert_eq!((token.sid, token.jti.len()), (Some(kept_name(&long)), 22));
    assert_eq!(judge(json!({"sid": "s".repeat(255)})).unwrap().sid, Some("s".repeat(255)));
}
