//! Tokens of one kind that are sent in place of another, all signed by the same provider with the same key.

use super::*;
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdToken, IdTokenError, IssuedWith};
use crate::words::secret::Secret;

fn as_id_token(token: &str, nonce: ExpectedNonce<'_>) -> Result<IdToken, IdTokenError> {
    let expected = Expectations {
        keys: &KEYS,
        nonce,
        issued_with: IssuedWith::NoAccessToken,
        now: Timestamp::from_seconds(NOW),
        provider_clock: None,
    };
    id_token::verify(&BareHost::none(), &provider(), &Secret::new(token), &expected)
}

#[test]
fn an_id_token_is_never_a_logout_token() {
    let id_token = json!({"iss": ISSUER, "aud": "app", "sub": "alice", "sid": "s", "jti": "j", "iat": NOW, "exp": NOW + 300});
    for nonce in [json!({"nonce": "n"}), json!({})] {
        let mut claims = id_token.clone();
        claims.as_object_mut().unwrap().extend(nonce.as_object().unwrap().clone());
        for header in [json!({"kid": "k"}), json!({"kid": "k", "typ": "JWT"})] {
            let token = P256.token(Algorithm::ES256, &header, &claims);
            let expected = if claims.get("nonce").is_some() { ExpectedNonce::Value("n") } else { ExpectedNonce::NoneWasSent };
            assert!(as_id_token(&token, expected).is_ok());
            assert_eq!(refused(check(&token)), "events is missing: this is no logout token");
        }
    }
}

#[test]
fn a_logout_token_is_never_an_id_token_also_where_no_nonce_is_expected() {
    for header in [json!({"kid": "k"}), json!({"kid": "k", "typ": "JWT"}), json!({"kid": "k", "typ": "logout+jwt"})] {
        let token = with_header(&header, &json!({}));
        assert!(check(&token).is_ok());
        for nonce in [ExpectedNonce::NoneWasSent, ExpectedNonce::Value("n"), ExpectedNonce::Value("")] {
            let Err(IdTokenError::Refused(failure)) = as_id_token(&token, nonce) else { panic!("{header} is an ID token") };
            assert_eq!(failure.reason, Reason::IdTokenMalformed, "{header}");
        }
    }
}

#[test]
fn a_token_of_any_kind_that_tells_of_events_is_no_id_token_and_a_claim_of_that_name_does_no_harm() {
    let claims = |events: Value| json!({"iss": ISSUER, "aud": "app", "sub": "alice", "nonce": "n", "iat": NOW, "exp": NOW + 300, "events": events});
    let judge = |header: Value, events: Value| {
        as_id_token(&P256.token(Algorithm::ES256, &header, &claims(events)), ExpectedNonce::Value("n")).is_ok()
    };
    for typ in ["logout+jwt", "application/LOGOUT+jwt", "secevent+jwt", "application/secevent+jwt"] {
        assert!(!judge(json!({"kid": "k", "typ": typ}), json!(null)), "{typ}");
    }
    for events in [json!({}), json!({LOGOUT_EVENT: {}}), json!({"https://other.example/event": {}})] {
        assert!(!judge(json!({"kid": "k"}), events.clone()), "{events}");
    }
    for harmless in [json!(null), json!(["concert"]), json!("concert"), json!(7)] {
        assert!(judge(json!({"kid": "k", "typ": "JWT"}), harmless.clone()), "{harmless}");
    }
}
