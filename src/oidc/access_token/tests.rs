use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::crypto::jws::LastHeader;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_RSA, P256, RSA, TestKey, Verdict, key_set};
use crate::oidc::accepted::BearerKeys;
use crate::oidc::testing::{ISSUER, provider};

const NOW: u64 = 1_700_000_000;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[(&P256, json!({"kid": "k"})), (&RSA, json!({"kid": "r"}))]));

fn accepted(kind: TokenKind) -> Bearer {
    let audiences = vec!["api".to_owned(), "other".to_owned()];
    Bearer {
        audiences,
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        kind,
        forward: false,
        introspection: None,
        keys: BearerKeys::Published,
    }
}

/// Claims that are good, with these changes; `null` takes a claim away.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "alice", "aud": "api", "exp": NOW + 300, "iat": NOW, "scope": "read"});
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

fn check(token: &str, kind: TokenKind) -> Result<AccessToken, AccessTokenError> {
    verify(
        &Verdict::none(),
        &provider(),
        &accepted(kind),
        Unverified::read(token, &mut LastHeader::default()),
        &KEYS,
        Timestamp::from_seconds(NOW),
    )
}

fn judge(changes: Value) -> Result<AccessToken, AccessTokenError> {
    check(&signed(&P256, Algorithm::ES256, json!({"kid": "k"}), changes), TokenKind::AccessToken)
}

fn signed(key: &TestKey, algorithm: Algorithm, header: Value, changes: Value) -> String {
    key.token(algorithm, &header, &claims(&changes))
}

fn refusal(outcome: Result<AccessToken, AccessTokenError>) -> Reason {
    match outcome {
        Err(AccessTokenError::Refused(failure)) => failure.reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn claimed(token: &str) -> Option<String> {
    claimed_issuer(LentSecret::new(token), &Unverified::read(token, &mut LastHeader::default())).map(Cow::into_owned)
}

#[test]
fn a_good_token_says_who_and_until_when() {
    let token = judge(json!({})).unwrap();
    assert_eq!((token.subject.as_str(), token.expires), ("alice", Timestamp::from_seconds(NOW + 300)));
    for good in [
        json!({"aud": ["x", "other"]}),
        json!({"iat": null}),
        json!({"nbf": NOW}),
        json!({"sub": null, "client_id": "robot"}),
        json!({"exp": NOW - 59}),
        json!({"iat": NOW + 60}),
    ] {
        assert!(judge(good.clone()).is_ok(), "{good}");
    }
}

#[test]
fn claims_that_do_not_fit_are_refused_and_so_are_claims_of_another_type() {
    for (changes, reason) in [
        (json!({"iss": "https://evil.example"}), Reason::TokenInvalid),
        (json!({"iss": format!("{ISSUER}/")}), Reason::TokenInvalid),
        (json!({"iss": null}), Reason::TokenInvalid),
        (json!({"iss": [ISSUER]}), Reason::TokenInvalid),
        (json!({"aud": "API"}), Reason::TokenInvalid),
        (json!({"aud": null}), Reason::TokenInvalid),
        (json!({"aud": []}), Reason::TokenInvalid),
        (json!({"aud": {"api": true}}), Reason::TokenInvalid),
        (json!({"exp": null}), Reason::TokenInvalid),
        (json!({"exp": "never"}), Reason::TokenInvalid),
        (json!({"exp": -1}), Reason::TokenInvalid),
        (json!({"exp": NOW - 60}), Reason::TokenExpired),
        (json!({"nbf": NOW + 61}), Reason::TokenInvalid),
        (json!({"iat": NOW + 61}), Reason::TokenInvalid),
        (json!({"nbf": "soon"}), Reason::TokenInvalid),
        (json!({"sub": null}), Reason::TokenInvalid),
        (json!({"sub": ""}), Reason::TokenInvalid),
        (json!({"sub": 7}), Reason::TokenInvalid),
        (json!({"sub": "a\r\nb"}), Reason::TokenInvalid),
    ] {
        assert_eq!(refusal(judge(changes.clone())), reason, "{changes}");
    }
}

#[test]
fn an_id_token_is_not_an_access_token_unless_the_configuration_says_so() {
    for claims in [
        json!({"nonce": "n"}),
        json!({"at_hash": "h"}),
        json!({"typ": "ID"}),
        json!({"token_use": "id"}),
        json!({"s_hash": "h"}),
        json!({"typ": "Refresh"}),
    ] {
        let token = signed(&P256, Algorithm::ES256, json!({"kid": "k"}), claims.clone());
        assert_eq!(refusal(check(&token, TokenKind::AccessToken)), Reason::TokenInvalid, "{claims}");
        assert!(check(&token, TokenKind::IdToken).is_ok(), "{claims}");
    }
}

#[test]
fn tokens_of_other_kinds_are_refused_whatever_is_configured() {
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt"] {
        let token = signed(&P256, Algorithm::ES256, json!({"kid": "k", "typ": typ}), json!({}));
        assert_eq!(refusal(check(&token, TokenKind::IdToken)), Reason::TokenInvalid, "{typ}");
    }
    for claims in [json!({"cnf": {"jkt": "x"}}), json!({"events": {}})] {
        let token = signed(&P256, Algorithm::ES256, json!({"kid": "k"}), claims.clone());
        assert_eq!(refusal(check(&token, TokenKind::IdToken)), Reason::TokenInvalid, "{claims}");
    }
}

#[test]
fn a_type_that_is_demanded_must_be_there() {
    for (typ, good) in [
        (json!("at+jwt"), true),
        (json!("AT+JWT"), true),
        (json!("application/at+jwt"), true),
        (json!("JWT"), false),
        (json!(null), false),
    ] {
        let mut header = json!({"kid": "k", "typ": typ});
        header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = signed(&P256, Algorithm::ES256, header, json!({}));
        assert_eq!(check(&token, TokenKind::AtJwt).is_ok(), good, "{typ}");
    }
}

#[test]
fn a_key_that_is_not_here_may_come_and_another_signature_will_not_do() {
    let unknown = signed(&P256, Algorithm::ES256, json!({"kid": "new"}), json!({}));
    assert!(matches!(check(&unknown, TokenKind::AccessToken), Err(AccessTokenError::KeyUnknown(_))));
    let forged = signed(&OTHER_RSA, Algorithm::RS256, json!({"kid": "r"}), json!({}));
    assert_eq!(refusal(check(&forged, TokenKind::AccessToken)), Reason::TokenInvalid);
    for junk in ["", "x", "a.b", "a.b.c", "....", &"x.".repeat(10_000), &"y".repeat(100_000)] {
        assert_eq!(refusal(check(junk, TokenKind::AccessToken)), Reason::TokenInvalid);
        assert_eq!(claimed(junk), None);
    }
}

#[test]
fn the_issuer_that_a_token_claims_is_read_and_nothing_is_believed() {
    let token = signed(&OTHER_RSA, Algorithm::RS256, json!({}), json!({}));
    assert_eq!(claimed(&token).as_deref(), Some(ISSUER));
}
