use super::*;
use std::sync::LazyLock;
use std::time::Duration;

use crate::crypto::testing::{BareHost, ED25519, OTHER_RSA, P256, RSA, TestKey, base64url, key_set};
use crate::oidc::testing::{ISSUER, provider};
use serde_json::json;

mod told;

const NOW: u64 = 1_700_000_000;

/// Good claims with these changes; `null` removes a claim.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": "app", "exp": NOW + 300, "iat": NOW, "nonce": "n",
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims
}

fn signed(key: &TestKey, algorithm: Algorithm, claims: &Value) -> Secret {
    Secret::new(key.token(algorithm, &json!({"kid": "k"}), claims))
}

fn check<'a>(token: &Secret, change: impl FnOnce(Expectations<'a>) -> Expectations<'a>) -> Result<IdToken, IdTokenError> {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[(&P256, json!({"kid": "k"}))]));
    verify(&BareHost::none(), &provider(), token, &change(expected_by(&KEYS)))
}

fn check_by(keys: &KeySet, token: &Secret) -> Result<IdToken, IdTokenError> {
    verify(&BareHost::none(), &provider(), token, &expected_by(keys))
}

const fn expected_by(keys: &KeySet) -> Expectations<'_> {
    Expectations {
        keys,
        nonce: ExpectedNonce::Value("n"),
        issued_with: IssuedWith::NoAccessToken,
        now: Timestamp::from_seconds(NOW),
        provider_clock: None,
    }
}

fn judge(changes: Value) -> Result<IdToken, IdTokenError> {
    check(&signed(&P256, Algorithm::ES256, &claims(changes)), |expected| expected)
}

fn refusal(changes: Value) -> Failure {
    match judge(changes.clone()) {
        Err(IdTokenError::Refused(failure)) => failure,
        other => panic!("{changes} was not refused: {other:?}"),
    }
}

#[test]
fn a_good_token_is_accepted_with_every_algorithm() {
    for (key, algorithm) in [(&*RSA, Algorithm::RS256), (&*RSA, Algorithm::PS256), (&*P256, Algorithm::ES256)] {
        let claims = claims(json!({"sid": "s", "auth_time": 7}));
        let expected = IdToken {
            claims: claims.as_object().unwrap().clone(),
            subject: "alice".into(),
            sid: Some("s".into()),
            auth_time: Some(7),
            expires: Timestamp::from_seconds(NOW + 300),
        };
        let keys = key_set(&[(key, json!({"kid": "k"}))]);
        assert_eq!(check_by(&keys, &signed(key, algorithm, &claims)), Ok(expected), "{algorithm}");
    }
}

#[test]
fn each_claim_that_is_wrong_is_refused_with_its_reason() {
    for (changes, reason) in [
        (json!({"iss": null}), Reason::IdTokenIssuer),
        (json!({"iss": "https://evil.example"}), Reason::IdTokenIssuer),
        (json!({"iss": format!("{ISSUER}/")}), Reason::IdTokenIssuer),
        (json!({"iss": [ISSUER]}), Reason::IdTokenIssuer),
        (json!({"aud": null}), Reason::IdTokenAudience),
        (json!({"aud": "another"}), Reason::IdTokenAudience),
        (json!({"aud": "APP"}), Reason::IdTokenAudience),
        (json!({"aud": []}), Reason::IdTokenAudience),
        (json!({"aud": ["another"]}), Reason::IdTokenAudience),
        (json!({"aud": ["app", 7]}), Reason::IdTokenAudience),
        (json!({"aud": {"app": true}}), Reason::IdTokenAudience),
        (json!({"aud": 7}), Reason::IdTokenAudience),
        (json!({"aud": ["app", "another"]}), Reason::IdTokenAuthorizedParty),
        (json!({"aud": ["app", "another"], "azp": "another"}), Reason::IdTokenAuthorizedParty),
        (json!({"azp": "another"}), Reason::IdTokenAuthorizedParty),
        (json!({"azp": ["app"]}), Reason::IdTokenAuthorizedParty),
        (json!({"azp": ""}), Reason::IdTokenAuthorizedParty),
        (json!({"exp": null}), Reason::IdTokenExpired),
        (json!({"exp": NOW - 60}), Reason::IdTokenExpired),
        (json!({"exp": 0}), Reason::IdTokenExpired),
        (json!({"exp": -1}), Reason::IdTokenExpired),
        (json!({"exp": "9999999999"}), Reason::IdTokenMalformed),
        (json!({"exp": true}), Reason::IdTokenMalformed),
        (json!({"exp": 1e30}), Reason::IdTokenMalformed),
        (json!({"iat": null}), Reason::IdTokenIssuedAt),
        (json!({"iat": NOW + 61}), Reason::IdTokenIssuedAt),
        (json!({"iat": -5}), Reason::IdTokenIssuedAt),
        (json!({"iat": "0"}), Reason::IdTokenMalformed),
        (json!({"nbf": NOW + 61}), Reason::IdTokenIssuedAt),
        (json!({"nbf": "0"}), Reason::IdTokenMalformed),
        (json!({"nonce": null}), Reason::IdTokenNonce),
        (json!({"nonce": "m"}), Reason::IdTokenNonce),
        (json!({"nonce": ""}), Reason::IdTokenNonce),
        (json!({"nonce": ["n"]}), Reason::IdTokenNonce),
        (json!({"sub": null}), Reason::IdTokenSubject),
        (json!({"sub": ""}), Reason::IdTokenSubject),
        (json!({"sub": 7}), Reason::IdTokenSubject),
        (json!({"sub": "a".repeat(256)}), Reason::IdTokenSubject),
        (json!({"sub": "client:app"}), Reason::IdTokenSubject),
        (json!({"sub": "username:ann"}), Reason::IdTokenSubject),
        (json!({"sub": "alice\r\nx-forwarded-groups: admins"}), Reason::IdTokenSubject),
        (json!({"sub": "alicé"}), Reason::IdTokenSubject),
        (json!({"at_hash": 7}), Reason::IdTokenAtHash),
    ] {
        assert_eq!(refusal(changes.clone()).reason, reason, "{changes}");
    }
}

#[test]
fn what_providers_may_do_differently_is_accepted() {
    for changes in [
        json!({"aud": ["app"]}),
        json!({"aud": ["another", "app"], "azp": "app"}),
        json!({"azp": "app"}),
        json!({"exp": NOW as f64 + 300.9}),
        json!({"exp": NOW - 59}),
        json!({"iat": NOW + 60}),
        json!({"iat": NOW as f64 - 0.5}),
        json!({"iat": 0}),
        json!({"nbf": NOW + 60}),
        json!({"nbf": 0}),
        json!({"sub": "a".repeat(255)}),
        json!({"sub": "auth0|cn=Alice, ou=people"}),
        json!({"at_hash": "of a token that did not come"}),
    ] {
        assert!(judge(changes.clone()).is_ok(), "{changes}");
    }
    for (auth_time, read) in [(json!(0), Some(0)), (json!(5.7), Some(5)), (json!(null), None)] {
        assert_eq!(judge(json!({"auth_time": auth_time})).unwrap().auth_time, read);
    }
}

#[test]
fn a_token_that_is_large_by_claims_that_nobody_uses_is_accepted() {
    let groups: Vec<_> = (0..3_000).map(|number| format!("group-{number}")).collect();
    for large in [json!({"picture": "x".repeat(60_000)}), json!({"groups": groups})] {
        assert!(judge(large).is_ok());
    }
}

/// The verdict on a token that has this claim with the value `null`.
fn with_null(name: &str) -> Result<IdToken, IdTokenError> {
    let mut claims = claims(json!({}));
    claims[name] = Value::Null;
    check(&signed(&P256, Algorithm::ES256, &claims), |expected| expected)
}

#[test]
fn null_is_absent_where_a_claim_is_optional_and_never_where_it_is_required() {
    for optional in ["azp", "nbf", "at_hash", "sid", "auth_time", "acr", "email"] {
        assert!(with_null(optional).is_ok(), "{optional}");
    }
    for (required, reason) in [
        ("iss", Reason::IdTokenIssuer),
        ("aud", Reason::IdTokenAudience),
        ("exp", Reason::IdTokenExpired),
        ("iat", Reason::IdTokenIssuedAt),
        ("nonce", Reason::IdTokenNonce),
        ("sub", Reason::IdTokenSubject),
    ] {
        let Err(IdTokenError::Refused(failure)) = with_null(required) else { panic!("{required} as null was accepted") };
        assert_eq!(failure.reason, reason, "{required}");
    }
}

#[test]
fn a_claim_that_decides_nothing_is_not_read_when_it_is_of_another_type() {
    for auth_time in [json!("0"), json!(-1), json!([]), json!(true)] {
        assert_eq!(judge(json!({"auth_time": auth_time})).unwrap().auth_time, None, "{auth_time}");
    }
    for sid in [json!(7), json!(""), json!(["s"]), json!({"a": 1})] {
        assert_eq!(judge(json!({"sid": sid})).unwrap().sid, None, "{sid}");
    }
}

#[test]
fn a_sid_of_any_length_names_one_session_and_takes_little_room() {
    let kept = |sid: &str| judge(json!({"sid": sid})).unwrap().sid.unwrap();
    assert_eq!(kept(&"s".repeat(255)), "s".repeat(255));
    let long = "s".repeat(304);
    assert_eq!(kept(&long).len(), 22);
    assert_eq!(kept(&long), kept(&long));
    assert_ne!(kept(&long), kept(&"s".repeat(305)));
}

#[test]
fn a_token_for_others_too_is_accepted_if_its_azp_is_us_or_all_others_are_trusted() {
    let trusting = Provider { trusted_audiences: vec!["orders".into(), "mail".into()], ..provider() };
    let keys = key_set(&[(&P256, json!({"kid": "k"}))]);
    let verdict = |provider: &Provider, changes: Value| {
        let token = signed(&P256, Algorithm::ES256, &claims(changes));
        verify(&BareHost::none(), provider, &token, &expected_by(&keys)).map(|_| ()).map_err(|error| match error {
            IdTokenError::Refused(failure) | IdTokenError::KeyUnknown(failure) => failure.reason,
        })
    };
    let (audience, party) = (Err(Reason::IdTokenAudience), Err(Reason::IdTokenAuthorizedParty));
    for (aud, azp, by_default, when_trusting) in [
        (json!(["app", "app"]), None, Ok(()), Ok(())),
        (json!(["app", "orders"]), None, party, Ok(())),
        (json!(["app", "orders", "mail"]), None, party, Ok(())),
        (json!(["app", "orders"]), Some("app"), Ok(()), Ok(())),
        (json!(["app", "orders", "evil"]), None, party, party),
        (json!(["app", "orders"]), Some("orders"), party, party),
        (json!("app"), Some("orders"), party, party),
        // A trusted audience is never enough by itself.
        (json!(["orders"]), None, audience, audience),
        (json!("orders"), Some("app"), audience, audience),
        (json!(["orders", "mail"]), None, audience, audience),
    ] {
        let changes = json!({"aud": aud, "azp": azp});
        assert_eq!(verdict(&provider(), changes.clone()), by_default, "{changes}");
        assert_eq!(verdict(&trusting, changes.clone()), when_trusting, "{changes}");
    }
}

#[test]
fn a_nonce_is_ignored_only_when_none_was_sent() {
    let token = signed(&P256, Algorithm::ES256, &claims(json!({"nonce": null})));
    assert!(check(&token, |expected| Expectations { nonce: ExpectedNonce::NoneWasSent, ..expected }).is_ok());
    assert!(check(&token, |expected| Expectations { nonce: ExpectedNonce::Value(""), ..expected }).is_err());
}

#[test]
fn at_hash_belongs_to_the_access_token_that_came() {
    let access_token = Secret::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
    let with = |at_hash: Value| {
        let token = signed(&P256, Algorithm::ES256, &claims(json!({"at_hash": at_hash})));
        check(&token, |expected| Expectations { issued_with: IssuedWith::AccessToken(&access_token), ..expected }).map_err(
            |error| match error {
                IdTokenError::Refused(failure) | IdTokenError::KeyUnknown(failure) => failure.reason,
            },
        )
    };
    assert!(with(json!("77QmUPtjPfzWtF2AnpK9RQ")).is_ok());
    assert!(with(json!(null)).is_ok());
    for wrong in [json!("77QmUPtjPfzWtF2AnpK9RR"), json!(""), json!("77QmUPtjPfzWtF2AnpK9RQ=="), json!(7), json!([])] {
        assert_eq!(with(wrong), Err(Reason::IdTokenAtHash));
    }
}

#[test]
fn at_hash_by_an_ed25519_key_is_made_with_either_hash_that_providers_use_and_no_other() {
    let access_token = Secret::new("an access token");
    let keys = key_set(&[(&ED25519, json!({"kid": "k"}))]);
    let provider = Provider { algorithms: vec![Algorithm::EdDSA, Algorithm::Ed25519], ..provider() };
    for algorithm in [Algorithm::EdDSA, Algorithm::Ed25519] {
        let accepted = |at_hash: String| {
            let token = signed(&ED25519, algorithm, &claims(json!({"at_hash": at_hash})));
            let expected = Expectations { issued_with: IssuedWith::AccessToken(&access_token), ..expected_by(&keys) };
            verify(&BareHost::none(), &provider, &token, &expected).is_ok()
        };
        assert!(accepted(left_half_hash(Hash::Sha512, access_token.expose())), "{algorithm}");
        assert!(accepted(left_half_hash(Hash::Sha256, access_token.expose())), "{algorithm}");
        assert!(!accepted(left_half_hash(Hash::Sha384, access_token.expose())), "{algorithm}");
        assert!(!accepted(left_half_hash(Hash::Sha256, "another access token")), "{algorithm}");
    }
}

#[test]
fn a_key_that_is_unknown_or_does_not_fit_asks_for_new_keys_with_the_reason_that_stays_if_there_are_none() {
    let reason = |result: Result<IdToken, IdTokenError>| match result.unwrap_err() {
        IdTokenError::KeyUnknown(failure) => ("fetch", failure.reason),
        IdTokenError::Refused(failure) => ("refuse", failure.reason),
    };
    let good = claims(json!({}));
    let named = |kid: &str| Secret::new(RSA.token(Algorithm::RS256, &json!({"kid": kid}), &good));
    let unnamed = Secret::new(RSA.token(Algorithm::RS256, &json!({}), &good));
    let keys = |list: &[(&TestKey, Value)]| key_set(list);
    let other = keys(&[(&OTHER_RSA, json!({"kid": "k"}))]);
    let five = keys(&["a", "b", "c", "d", "e"].map(|kid| (&*RSA, json!({"kid": kid}))));
    let judge = |keys: &KeySet, token: &Secret| reason(check_by(keys, token));
    assert_eq!(judge(&other, &named("new")), ("fetch", Reason::IdTokenKeyUnknown));
    assert_eq!(judge(&KeySet::default(), &unnamed), ("fetch", Reason::IdTokenKeyUnknown));
    assert_eq!(judge(&other, &unnamed), ("fetch", Reason::IdTokenSignature));
    assert_eq!(judge(&other, &named("k")), ("fetch", Reason::IdTokenSignature));
    assert_eq!(judge(&keys(&[(&P256, json!({"kid": "k"}))]), &named("k")), ("fetch", Reason::IdTokenAlgorithm));
    assert_eq!(judge(&five, &unnamed), ("refuse", Reason::IdTokenKeyUnknown));
}

#[test]
fn only_the_algorithms_of_the_configuration_are_accepted() {
    let keys = key_set(&[(&RSA, json!({"kid": "k"}))]);
    let token = signed(&RSA, Algorithm::RS512, &claims(json!({})));
    let refused = check_by(&keys, &token).unwrap_err();
    assert!(matches!(refused, IdTokenError::Refused(failure) if failure.reason == Reason::IdTokenAlgorithm));
    let header = base64url(r#"{"alg":"none"}"#);
    let unsigned = Secret::new(format!("{header}.{}.", base64url(claims(json!({})).to_string())));
    let refused = check(&unsigned, |expected| expected).unwrap_err();
    assert!(matches!(refused, IdTokenError::Refused(failure) if failure.reason == Reason::IdTokenAlgorithm));
}

#[test]
fn an_algorithm_that_is_not_accepted_is_told_with_what_to_write_or_to_set_there() {
    let told = |alg: &str, kid: &str| {
        let header = base64url(json!({"alg": alg, "kid": kid}).to_string());
        let token = Secret::new(format!("{header}.{}.AAAA", base64url(claims(json!({})).to_string())));
        let (IdTokenError::Refused(failure) | IdTokenError::KeyUnknown(failure)) =
            check(&token, |expected| expected).unwrap_err();
        assert_eq!(failure.reason, Reason::IdTokenAlgorithm, "{alg}");
        failure.detail
    };
    for (alg, part) in [
        ("EdDSA", "alg \"EdDSA\" is not among algorithms of provider main; write algorithms: [RS256, PS256, ES256, EdDSA]"),
        ("RS512", "write algorithms: [RS256, PS256, ES256, RS512]"),
        (
            "HS512",
            "is by a shared secret, which verifies neither ID tokens nor userinfo here; let the provider sign with RS256 or ES256",
        ),
        ("HS256", "is by a shared secret"),
        ("none", "alg \"none\" is not supported; let the provider sign"),
        ("ES512", "alg \"ES512\" is not supported"),
        ("RS256", "the key that the token names is not for alg RS256"),
    ] {
        assert!(told(alg, "k").contains(part), "{alg}: {}", told(alg, "k"));
    }
}

#[test]
fn the_detail_says_by_how_much_the_clocks_differ_and_in_which_direction() {
    let complaint = |changes: Value, date: Option<u64>| {
        let token = signed(&P256, Algorithm::ES256, &claims(changes));
        let date = date.map(Timestamp::from_seconds);
        match check(&token, |expected| Expectations { provider_clock: date, ..expected }) {
            Err(IdTokenError::Refused(failure)) => failure.detail,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        complaint(json!({"iat": NOW + 120}), Some(NOW + 121)),
        "iat is 120 s ahead of our clock, 60 s are tolerated; the provider's own Date is 121 s ahead of our clock"
    );
    assert_eq!(
        complaint(json!({"exp": NOW - 100}), Some(NOW)),
        "exp is 100 s behind our clock, 60 s are tolerated; the provider's own Date is the same as our clock"
    );
    assert_eq!(
        complaint(json!({"nbf": NOW + 90}), None),
        "nbf is 90 s ahead of our clock, 60 s are tolerated; the provider sent no Date to compare"
    );
}

#[test]
fn a_tolerance_of_zero_is_exact() {
    let strict = Provider { clock_skew: Duration::ZERO, ..provider() };
    let keys = key_set(&[(&P256, json!({"kid": "k"}))]);
    let judge = |changes: Value| {
        let expected = expected_by(&keys);
        verify(&BareHost::none(), &strict, &signed(&P256, Algorithm::ES256, &claims(changes)), &expected).is_ok()
    };
    assert_eq!([NOW, NOW + 1].map(|exp| judge(json!({"exp": exp}))), [false, true]);
    assert_eq!([NOW, NOW + 1].map(|iat| judge(json!({"iat": iat}))), [true, false]);
}

#[test]
fn whole_seconds_are_exact_however_many() {
    // Above 2^53, not every whole number can be written as a floating-point number.
    let token = judge(json!({"exp": 9_007_199_254_740_993_u64, "auth_time": 9_007_199_254_740_993_u64})).unwrap();
    assert_eq!(token.expires, Timestamp::from_seconds(9_007_199_254_740_993));
    assert_eq!(token.auth_time, Some(9_007_199_254_740_993));
}
