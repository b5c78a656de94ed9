use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::crypto::jws::LastHeader;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{BareHost, OTHER_RSA, P256, RSA, TestKey, key_set};
use crate::oidc::bearer::accepted::BearerKeys;
use crate::oidc::testing::{ISSUER, provider};

const NOW: u64 = 1_700_000_000;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[(&P256, json!({"kid": "k"})), (&RSA, json!({"kid": "r"}))]));

fn accepted(kind: TokenKind) -> Bearer {
    let audiences = vec!["api".to_owned(), "other".to_owned()];
    Bearer {
        resource_audiences: vec![],
        audiences,
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        kind,
        forward: false,
        introspection: None,
        keys: BearerKeys::Published,
    }
}

/// Good claims with these changes; `null` removes a claim.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "alice", "aud": "api", "exp": NOW + 300, "iat": NOW, "scope": "read"});
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

fn check(token: &str, kind: TokenKind) -> Result<AccessToken, AccessTokenError> {
    verify(
        &BareHost::none(),
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
fn claims_that_do_not_fit_or_have_another_type_are_refused() {
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
fn an_id_token_is_no_access_token_unless_the_configuration_says_so() {
    for claims in
        [json!({"nonce": "n"}), json!({"at_hash": "h"}), json!({"typ": "ID"}), json!({"token_use": "id"}), json!({"s_hash": "h"})]
    {
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
    for claims in [
        json!({"cnf": {"jkt": "x"}}),
        json!({"events": {}}),
        json!({"typ": "Refresh"}),
        json!({"typ": "Offline"}),
        json!({"token_use": "refresh"}),
        json!({"token_use": "Refresh_Token"}),
        json!({"token_class": "refresh_token"}),
    ] {
        let token = signed(&P256, Algorithm::ES256, json!({"kid": "k"}), claims.clone());
        assert_eq!(refusal(check(&token, TokenKind::IdToken)), Reason::TokenInvalid, "{claims}");
    }
}

#[test]
fn a_typ_that_is_required_must_be_there() {
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
fn a_key_that_is_unknown_or_does_not_fit_may_be_fetched_and_junk_is_refused() {
    let unknown = signed(&P256, Algorithm::ES256, json!({"kid": "new"}), json!({}));
    let forged = signed(&OTHER_RSA, Algorithm::RS256, json!({"kid": "r"}), json!({}));
    let of_another_kind = signed(&P256, Algorithm::ES256, json!({"kid": "r"}), json!({}));
    let Err(AccessTokenError::KeyUnknown(failure)) = check(&unknown, TokenKind::AccessToken) else { panic!("{unknown}") };
    assert_eq!(failure.reason, Reason::TokenInvalid);
    for token in [forged, of_another_kind] {
        let Err(AccessTokenError::SignatureInvalid(failure)) = check(&token, TokenKind::AccessToken) else { panic!("{token}") };
        assert_eq!(failure.reason, Reason::TokenInvalid);
    }
    for junk in ["", "x", "a.b", "a.b.c", "....", &"x.".repeat(10_000), &"y".repeat(100_000)] {
        assert_eq!(refusal(check(junk, TokenKind::AccessToken)), Reason::TokenInvalid);
        assert_eq!(claimed(junk), None);
    }
}

#[test]
fn the_claimed_issuer_is_read_though_nothing_is_verified() {
    let token = signed(&OTHER_RSA, Algorithm::RS256, json!({}), json!({}));
    assert_eq!(claimed(&token).as_deref(), Some(ISSUER));
}

#[test]
fn the_claimed_issuer_is_read_even_from_a_malformed_token_if_it_is_short_enough() {
    let payload = URL_SAFE_NO_PAD.encode(json!({"iss": ISSUER}).to_string());
    let of_length = |length: usize| format!("x.{payload}.{}", "s".repeat(length - payload.len() - 3));
    for (token, issuer) in [
        (of_length(200), Some(ISSUER)),
        (of_length(LONGEST_TOKEN), Some(ISSUER)),
        (of_length(LONGEST_TOKEN + 1), None),
        (format!("x.{}.s", URL_SAFE_NO_PAD.encode(json!({"iss": 7}).to_string())), None),
        (format!("x.{}.s", URL_SAFE_NO_PAD.encode("[]")), None),
        (format!("{payload}.x.s"), None),
    ] {
        assert_eq!(claimed(&token).as_deref(), issuer, "{} bytes", token.len());
    }
}

#[test]
fn three_parts_and_an_algorithm_are_the_form_of_a_signed_token() {
    let part = |header: &str| URL_SAFE_NO_PAD.encode(header);
    let header = part(r#"{"alg":"none"}"#);
    for (token, signed) in [
        (format!("{header}.b.c"), true),
        (format!("{header}=.b.c"), true),
        (format!("{header}.."), true),
        (format!("{header}.b"), false),
        (format!("{header}.b.c.d"), false),
        (format!("{header}.b.c.d.e"), false),
        (format!("{}.b.c", part(r#"{"typ":"JWT"}"#)), false),
        (format!("{}.b.c", part("no object")), false),
        ("a.b.c".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(is_signed(LentSecret::new(&token)), signed, "{token}");
    }
}

#[test]
fn no_person_is_taken_for_a_client_nor_a_client_for_a_person() {
    let subject = |changes: Value| judge(changes).ok().map(|token| token.subject);
    for (changes, named) in [
        (json!({"sub": null, "client_id": "robot"}), Some("client:robot")),
        (json!({"sub": null, "azp": "robot"}), Some("client:robot")),
        (json!({"sub": null, "client_id": "robot", "azp": "other"}), Some("client:robot")),
        (json!({"sub": "alice", "client_id": "robot"}), Some("alice")),
        (json!({"sub": "client:robot"}), None),
        (json!({"sub": "username:ann"}), None),
        (json!({"sub": null, "username": "ann", "client_id": "robot"}), Some("client:robot")),
        (json!({"sub": null, "username": "ann"}), None),
        (json!({"sub": 7, "client_id": "robot"}), None),
        (json!({"sub": "é"}), None),
        (json!({"sub": "a\u{7f}"}), None),
    ] {
        assert_eq!(subject(changes.clone()).as_deref(), named, "{changes}");
    }
    for (length, good) in [(255, true), (256, false)] {
        assert_eq!(judge(json!({"sub": "a".repeat(length)})).is_ok(), good, "{length}");
    }
}

#[test]
fn the_detail_says_by_how_much_the_clocks_differ() {
    let detail = |changes: Value| match judge(changes) {
        Err(AccessTokenError::Refused(failure)) => failure.detail,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(detail(json!({"exp": NOW - 100})), "it expired 100 s ago by our clock");
    assert_eq!(detail(json!({"nbf": NOW + 100})), "nbf is 100 s ahead of our clock");
    assert_eq!(detail(json!({"iat": NOW + 100})), "iat is 100 s ahead of our clock");
}
