//! Tokens of one kind that are sent in place of another, signed with the same key, where provider and transmitter are one.

use super::*;
use crate::oidc::logout::logout_token::{self, LogoutTokenError};
use crate::oidc::testing::{ISSUER as PROVIDER, provider};

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A transmitter that is the provider itself, and that need not say of what kind its tokens are.
fn lenient() -> Transmitter {
    Transmitter { issuer: PROVIDER.into(), missing_typ: MissingTyp::Accepted, ..transmitter() }
}

fn as_logout_token(token: &str) -> Result<logout_token::LogoutToken, LogoutTokenError> {
    logout_token::verify(&BareHost::none(), &provider(), token, &KEYS, Timestamp::from_seconds(NOW))
}

fn signed(typ: Option<&str>, claims: &Value) -> String {
    let header = typ.map_or_else(|| json!({"kid": "k"}), |typ| json!({"kid": "k", "typ": typ}));
    P256.token(Algorithm::ES256, &header, claims)
}

#[test]
fn a_logout_token_ends_nothing_as_an_event() {
    let mut claims = json!({"iss": PROVIDER, "aud": "app", "iat": NOW, "exp": NOW + 120, "jti": "j", "sub": "alice", "sid": "s",
        "events": {LOGOUT_EVENT: {}}});
    for leave_out in ["", "exp", "sub"] {
        claims.as_object_mut().unwrap().remove(leave_out);
        for typ in [None, Some("JWT"), Some("logout+jwt")] {
            let token = signed(typ, &claims);
            assert!(as_logout_token(&token).is_ok(), "{claims}");
            let read = check(&lenient(), &token);
            assert!(read.is_err() || read.is_ok_and(|read| read.ends.is_empty()), "{typ:?} {claims}");
        }
    }
}

#[test]
fn an_event_is_never_a_logout_token_also_if_it_has_all_that_one_needs() {
    let claims = claims(&json!({"iss": PROVIDER}));
    let token = signed(Some("secevent+jwt"), &claims);
    assert!(check(&lenient(), &token).is_ok());
    assert!(as_logout_token(&token).is_err());
    let mut both = claims;
    both.as_object_mut().unwrap().insert("sid".into(), json!("s"));
    both["events"][LOGOUT_EVENT] = json!({});
    let token = signed(Some("secevent+jwt"), &both);
    assert!(check(&lenient(), &token).is_ok());
    assert!(as_logout_token(&token).is_err());
}

#[test]
fn id_tokens_and_access_tokens_are_no_events() {
    let id_token = json!({"iss": PROVIDER, "aud": "app", "sub": "alice", "iat": NOW, "exp": NOW + 300, "nonce": "n", "jti": "j"});
    for typ in [None, Some("JWT"), Some("at+jwt")] {
        assert_eq!(refused(check(&lenient(), &signed(typ, &id_token))).0, "invalid_request");
    }
    // Not even with an event, as long as it is what it was.
    let mut told = id_token;
    told["events"] = json!({EventKind::SessionRevoked.uri(): {}});
    told["sub_id"] = json!({"format": "iss_sub", "iss": MAIN, "sub": "alice"});
    for name in ["", "nonce", "exp"] {
        told.as_object_mut().unwrap().remove(name);
        assert_eq!(refused(check(&lenient(), &signed(None, &told))).0, "invalid_request", "{told}");
    }
    told.as_object_mut().unwrap().remove("sub");
    assert_eq!(check(&lenient(), &signed(None, &told)).unwrap().ends.len(), 1);
}
