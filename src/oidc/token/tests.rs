use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::provider::Clusters;
use crate::oidc::testing::{json_reply, metadata, provider, reply};
use crate::oidc::token::tokens::Lifetime;
use crate::words::time::Timestamp;
use crate::words::world::testing::Still;

fn ask(provider: &Provider) -> Result<HttpCall, Failure> {
    let (code, verifier) = (Secret::new("c0de+/&"), Secret::new("v3rifier"));
    token_request(&mut Still::default(), provider, &metadata(), &code, &verifier, "https://app.example.com/api/callback")
}

fn with(authentication: ClientAuthentication) -> Provider {
    Provider { client_id: "my app:é".into(), authentication, ..provider() }
}

fn answer(reply: &Reply) -> Result<TokenSet, Failure> {
    token_response(&provider(), &metadata(), reply)
}

fn tokens(changes: Value) -> Value {
    let mut tokens = json!({"access_token": "at", "id_token": "it", "token_type": "Bearer"});
    tokens.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    tokens
}

const FORM: &str = "grant_type=authorization_code&code=c0de%2B%2F%26\
                    &redirect_uri=https%3A%2F%2Fapp.example.com%2Fapi%2Fcallback&code_verifier=v3rifier";

#[test]
fn client_secret_basic_encodes_before_it_joins() {
    // RFC 6749, section 2.3.1: a colon inside would otherwise move the boundary.
    let call = ask(&with(ClientAuthentication::SecretBasic(Secret::new("p:ä %")))).unwrap();
    let expected = STANDARD.encode("my+app%3A%C3%A9:p%3A%C3%A4+%25");
    assert!(call.headers.contains(&("authorization".into(), format!("Basic {expected}"))));
    assert_eq!(call.body.as_slice(), FORM.as_bytes());
    assert_eq!(format!("{call:?}"), "POST https://sso.example.com/realms/main/token by sso");
}

#[test]
fn where_basic_may_have_been_read_without_decoding_the_failure_says_so() {
    let detail = |authentication| {
        let provider = Provider { client_id: "app".to_owned(), ..with(authentication) };
        let failure = token_response(&provider, &metadata(), &reply(401, &[], b"")).unwrap_err();
        failure.detail.contains("if the provider does not decode them")
    };
    for (secret, hinted) in [("s3cret-._*", false), ("s+cret", true), ("s/cret=", true), ("a b", true)] {
        assert_eq!(detail(ClientAuthentication::SecretBasic(Secret::new(secret))), hinted, "{secret}");
        assert!(!detail(ClientAuthentication::SecretPost(Secret::new(secret))));
    }
}

#[test]
fn the_other_methods_put_the_client_identifier_into_the_form() {
    let post = ask(&with(ClientAuthentication::SecretPost(Secret::new("p&")))).unwrap();
    assert_eq!(*post.body, format!("{FORM}&client_id=my+app%3A%C3%A9&client_secret=p%26").as_bytes());
    let public = ask(&with(ClientAuthentication::None)).unwrap();
    assert_eq!(*public.body, format!("{FORM}&client_id=my+app%3A%C3%A9").as_bytes());
    for call in [post, public] {
        assert!(call.headers.iter().all(|(name, _)| *name != "authorization"));
    }
}

#[test]
fn nothing_is_asked_as_a_client_that_has_no_identifier() {
    for authentication in [ClientAuthentication::None, provider().authentication] {
        let nobody = Provider { client_id: String::new(), authentication, ..provider() };
        assert_eq!(ask(&nobody).unwrap_err().reason, Reason::Internal);
    }
}

#[test]
fn a_code_is_never_sent_to_a_cluster_that_is_not_listed() {
    let unlisted = Provider { clusters: Clusters::new([("other.example".into(), "other".into())]), ..provider() };
    assert_eq!(ask(&unlisted).unwrap_err().reason, Reason::TokenEndpointUnreachable);
}

#[test]
fn tokens_are_read_as_providers_send_them() {
    let bare = TokenSet {
        access_token: Secret::new("at"),
        id_token: Secret::new("it"),
        refresh_token: None,
        expires_in: Lifetime::NotSaid,
        provider_clock: None,
    };
    for token_type in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(answer(&json_reply(200, &tokens(json!({"token_type": token_type})))), Ok(bare.clone()));
    }
    let full = json!({"refresh_token": "rt", "expires_in": 300, "scope": "openid", "more": {"x": 1}});
    let expected =
        TokenSet { refresh_token: Some(Secret::new("rt")), expires_in: Lifetime::Said(Duration::from_secs(300)), ..bare.clone() };
    assert_eq!(answer(&json_reply(200, &tokens(full))), Ok(expected));
    for expires_in in [json!(300.0), json!("300")] {
        let set = answer(&json_reply(200, &tokens(json!({"expires_in": expires_in})))).unwrap();
        assert_eq!(set.expires_in, Lifetime::Said(Duration::from_secs(300)));
    }
    for (expires_in, read) in [
        (json!(null), Lifetime::NotSaid),
        (json!(""), Lifetime::NotSaid),
        (json!("soon"), Lifetime::Unreadable),
        (json!(-1), Lifetime::Unreadable),
        (json!(1e300), Lifetime::Unreadable),
        (json!([1]), Lifetime::Unreadable),
    ] {
        let set = answer(&json_reply(200, &tokens(json!({"expires_in": expires_in})))).unwrap();
        assert_eq!(set.expires_in, read, "{expires_in}");
    }
    for scope in [json!(null), json!(["openid"]), json!(7)] {
        assert_eq!(answer(&json_reply(200, &tokens(json!({"scope": scope})))), Ok(bare.clone()), "{scope}");
    }
    // RFC 6749, appendix A.12: a token may have spaces.
    let spaced = answer(&json_reply(200, &tokens(json!({"access_token": "a t"})))).unwrap();
    assert_eq!(spaced.access_token, Secret::new("a t"));
    let body = tokens(json!({})).to_string();
    let dated = answer(&reply(200, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], body.as_bytes())).unwrap();
    assert_eq!(dated.provider_clock, Some(Timestamp::from_seconds(784_111_777)));
}

#[test]
fn a_malformed_response_is_refused() {
    for changes in [
        json!({"token_type": null}),
        json!({"token_type": "mac"}),
        json!({"token_type": "DPoP"}),
        json!({"token_type": ["Bearer"]}),
        json!({"id_token": null}),
        json!({"id_token": ""}),
        json!({"id_token": {}}),
        json!({"access_token": null}),
        json!({"access_token": ""}),
        json!({"access_token": 7}),
        json!({"access_token": "a\r\nb"}),
        json!({"access_token": "a\u{7f}"}),
        json!({"access_token": "ä"}),
        json!({"refresh_token": 7}),
    ] {
        let failure = answer(&json_reply(200, &tokens(changes.clone()))).unwrap_err();
        assert_eq!(failure.reason, Reason::TokenResponseMalformed, "{changes}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(256 * 1_024));
    for body in ["", "<html>", "access_token=at&id_token=it", "[]", r#"{"id_token":"a","id_token":"b"}"#, &large] {
        assert_eq!(answer(&reply(200, &[], body.as_bytes())).unwrap_err().reason, Reason::TokenResponseMalformed);
    }
    for status in [201, 204, 302] {
        assert_eq!(answer(&json_reply(status, &tokens(json!({})))).unwrap_err().reason, Reason::TokenResponseMalformed);
    }
}

#[test]
fn a_refusal_a_time_out_and_a_failed_client_authentication_are_distinguished() {
    let error = |status, error: &str| json_reply(status, &json!({"error": error, "error_description": "Invalid client secret"}));
    for (reply, reason, part) in [
        (reply(504, &[], b""), Reason::TokenEndpointTimeout, "did not answer within 5000 ms"),
        (
            reply(503, &[], b""),
            Reason::TokenEndpointUnreachable,
            "https://sso.example.com/realms/main/token (cluster sso) was not reached: status 503",
        ),
        (reply(502, &[], b""), Reason::TokenEndpointUnreachable, "status 502"),
        (Reply::Reset, Reason::TokenEndpointUnreachable, "reset"),
        (Reply::NotSent, Reason::TokenEndpointUnreachable, "could not send"),
        (reply(401, &[], b""), Reason::ClientAuthenticationFailed, "token_endpoint_auth_method client_secret_basic was tried"),
        (error(401, "invalid_client"), Reason::ClientAuthenticationFailed, "\"Invalid client secret\""),
        (error(400, "invalid_client"), Reason::ClientAuthenticationFailed, "status 400, error \"invalid_client\""),
        (error(400, "invalid_grant"), Reason::CodeRefused, "status 400, error \"invalid_grant\""),
        // None of these is for the person who signs in to mend.
        (error(400, "unauthorized_client"), Reason::TokenRequestRefused, "client_secret_basic was tried"),
        (error(403, "unauthorized_client"), Reason::TokenRequestRefused, "status 403, error \"unauthorized_client\""),
        (error(400, "unsupported_grant_type"), Reason::TokenRequestRefused, "unsupported_grant_type"),
        (error(400, "invalid_scope"), Reason::TokenRequestRefused, "invalid_scope"),
        (error(400, "invalid_request"), Reason::TokenRequestRefused, "invalid_request"),
        (
            error(500, "server_error"),
            Reason::TokenEndpointUnreachable,
            "status 500, error \"server_error\", \"Invalid client secret\"",
        ),
        (error(200, "bad_verification_code"), Reason::CodeRefused, "status 200, error \"bad_verification_code\""),
        (reply(404, &[], b"<html>"), Reason::TokenEndpointUnreachable, "status 404 with something that is not JSON"),
        (reply(401, &[], b"<html>"), Reason::TokenEndpointUnreachable, "status 401 with something that is not JSON"),
        (reply(404, &[], b""), Reason::CodeRefused, "status 404, and no error is named"),
        (json_reply(400, &json!({"error": 7})), Reason::CodeRefused, "status 400"),
    ] {
        let failure = answer(&reply).unwrap_err();
        assert_eq!(failure.reason, reason, "{reply:?}");
        assert!(failure.detail.contains(part), "{}", failure.detail);
    }
}

#[test]
fn no_token_and_no_secret_reaches_a_log() {
    let set = answer(&json_reply(200, &tokens(json!({"refresh_token": "rt"})))).unwrap();
    let printed = format!("{set:?} {:?} {:?}", ask(&provider()), provider());
    for secret in ["\"at\"", "\"it\"", "\"rt\"", "s3cret", "c0de", "v3rifier"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    let echo = json!({"error": "invalid_grant", "error_description": "code SplxlOBeZQQYbYS6WxSbIA7GqzVw was used"});
    assert!(answer(&json_reply(400, &echo)).unwrap_err().detail.ends_with("\"code [left out] was used\""));
}
