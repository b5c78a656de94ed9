use serde_json::json;

use super::*;
use crate::oidc::bearer::accepted::{BearerKeys, IntrospectedTokens, Introspection};
use crate::oidc::client::ClientAuthentication;
use crate::oidc::testing::{ISSUER, json_reply, metadata, provider, reply};
use crate::words::secret::Secret;
use crate::words::world::testing::Still;

const NOW: u64 = 1_700_000_000;

fn bearer(missing_audience: MissingAudience) -> Bearer {
    let introspection =
        Introspection { tokens: IntrospectedTokens::OpaqueTokens, cache: Duration::from_secs(30), missing_audience };
    let (audiences, algorithms) = (vec!["api".to_owned()], vec![]);
    Bearer {
        audiences,
        algorithms,
        kind: TokenKind::AccessToken,
        forward: false,
        introspection: Some(introspection),
        keys: BearerKeys::Published,
    }
}

fn read_with(reply: &Reply, missing_audience: MissingAudience, proved: KnownBefore<'_>) -> Result<AccessToken, Failure> {
    introspection_response(&provider(), &metadata(), &bearer(missing_audience), reply, proved, Timestamp::from_seconds(NOW))
}

/// A good response with these changes. A `null` stays in it, as some providers send it.
fn good(changes: Value) -> Reply {
    let mut answer = json!({
        "active": true, "sub": "robot", "aud": "api", "iss": ISSUER, "exp": NOW + 300, "iat": NOW, "token_type": "Bearer",
        "scope": "read", "client_id": "c"
    });
    answer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json_reply(200, &answer)
}

fn judge(changes: Value) -> Result<AccessToken, Failure> {
    read_with(&good(changes), MissingAudience::Refused, KnownBefore::Nothing)
}

#[test]
fn the_token_is_sent_in_the_body_with_the_client_authentication() {
    let call = introspection_request(&mut Still::default(), &provider(), &metadata(), LentSecret::new("a+b/c")).unwrap();
    assert_eq!((call.method, call.path.as_str(), call.cluster.as_str()), ("POST", "/realms/main/introspect", "sso"));
    assert_eq!(call.body.as_str(), "token=a%2Bb%2Fc&token_type_hint=access_token");
    assert!(call.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Basic ")));
    let post = Provider { authentication: ClientAuthentication::SecretPost(Secret::new("s3cret")), ..provider() };
    let call = introspection_request(&mut Still::default(), &post, &metadata(), LentSecret::new("t")).unwrap();
    assert!(call.body.ends_with("&client_id=app&client_secret=s3cret"), "{}", call.body.as_str());
}

#[test]
fn no_call_is_made_for_a_token_that_is_too_long_or_without_an_endpoint() {
    let long = "x".repeat(LONGEST_TOKEN + 1);
    assert_eq!(
        introspection_request(&mut Still::default(), &provider(), &metadata(), LentSecret::new(&long)).unwrap_err().reason,
        Reason::TokenInvalid
    );
    let without = Metadata { introspection_endpoint: None, ..metadata() };
    let refused = introspection_request(&mut Still::default(), &provider(), &without, LentSecret::new("t")).unwrap_err();
    assert_eq!(refused.reason, Reason::IntrospectionUnavailable);
}

#[test]
fn an_active_token_for_us_says_who_and_until_when() {
    let token = judge(json!({})).unwrap();
    assert_eq!((token.subject.as_str(), token.expires), ("robot", Timestamp::from_seconds(NOW + 300)));
    // A token without `exp` is valid as long as the response may be cached.
    assert_eq!(judge(json!({"exp": null})).unwrap().expires, Timestamp::from_seconds(NOW + 30));
    assert_eq!(judge(json!({"sub": null})).unwrap().subject, "client:c");
    for changes in [
        json!({"aud": ["x", "api"]}),
        json!({"iss": null}),
        json!({"iat": null}),
        json!({"token_type": null}),
        json!({"token_type": "bearer"}),
        json!({"token_use": "access_token"}),
        json!({"exp": NOW - 59}),
    ] {
        assert!(judge(changes.clone()).is_ok(), "{changes}");
    }
}

#[test]
fn claims_that_do_not_fit_or_have_another_type_are_refused() {
    for (changes, reason) in [
        (json!({"active": false}), Reason::TokenInvalid),
        (json!({"iss": "https://evil.example"}), Reason::TokenInvalid),
        (json!({"iss": [ISSUER]}), Reason::TokenInvalid),
        (json!({"aud": "app"}), Reason::TokenInvalid),
        (json!({"aud": null}), Reason::TokenInvalid),
        (json!({"aud": []}), Reason::TokenInvalid),
        (json!({"aud": {"api": 1}}), Reason::TokenInvalid),
        (json!({"exp": NOW - 60}), Reason::TokenExpired),
        (json!({"exp": "later"}), Reason::TokenInvalid),
        (json!({"nbf": NOW + 61}), Reason::TokenInvalid),
        (json!({"iat": NOW + 61}), Reason::TokenInvalid),
        (json!({"token_type": "DPoP"}), Reason::TokenInvalid),
        (json!({"token_type": ["Bearer"]}), Reason::TokenInvalid),
        (json!({"cnf": {"jkt": "x"}}), Reason::TokenInvalid),
        (json!({"typ": "Refresh"}), Reason::TokenInvalid),
        (json!({"token_use": "refresh_token"}), Reason::TokenInvalid),
        (json!({"sub": 7}), Reason::TokenInvalid),
        (json!({"sub": null, "client_id": null}), Reason::TokenInvalid),
    ] {
        assert_eq!(judge(changes.clone()).unwrap_err().reason, reason, "{changes}");
    }
}

#[test]
fn a_missing_audience_is_allowed_only_by_configuration_and_only_for_what_is_an_access_token() {
    let allowed = |changes| read_with(&good(changes), MissingAudience::Allowed, KnownBefore::Nothing).is_ok();
    assert!(allowed(json!({"aud": null})));
    assert!(!allowed(json!({"aud": null, "token_type": null})), "it may be a refresh token");
    assert!(!allowed(json!({"aud": "app"})), "another audience is another matter");
}

#[test]
fn a_response_about_a_jwt_must_not_contradict_it() {
    let judge = |changes| read_with(&good(changes), MissingAudience::Refused, KnownBefore::Subject("robot"));
    for changes in [json!({}), json!({"aud": null}), json!({"sub": null}), json!({"sub": null, "client_id": null})] {
        assert_eq!(judge(changes.clone()).unwrap().subject, "robot", "{changes}");
    }
    for changes in [json!({"active": false}), json!({"sub": "root"}), json!({"aud": "app"}), json!({"iss": "x"})] {
        assert_eq!(judge(changes.clone()).unwrap_err().reason, Reason::TokenInvalid, "{changes}");
    }
}

#[test]
fn a_response_that_says_nothing_about_the_token_does_not_refuse_it() {
    let json = ("content-type", "application/json");
    for answer in [
        Reply::Reset,
        Reply::NotSent,
        reply(503, &[json], b""),
        reply(504, &[json], b""),
        reply(500, &[json], br#"{"active":false}"#),
        reply(401, &[json], br#"{"error":"invalid_client"}"#),
        reply(403, &[json], br#"{"active":false}"#),
        reply(400, &[json], br#"{"error":"invalid_request"}"#),
        reply(429, &[], b""),
        reply(302, &[], b""),
        reply(201, &[json], br#"{"active":true}"#),
        reply(200, &[("content-type", "application/token-introspection+jwt")], b"a.b.c"),
        reply(200, &[("content-type", "application/jwt")], br#"{"active":false}"#),
        reply(200, &[("content-type", "text/html")], br#"{"active":false}"#),
        reply(200, &[("content-type", "text/html"), json], br#"{"active":false}"#),
        reply(200, &[], b"a.b.c"),
        reply(200, &[], b"active=true"),
        reply(200, &[json], b"<html>"),
        reply(200, &[json], b"{}"),
        reply(200, &[json], br#"{"active":false,"active":true}"#),
        good(json!({"active": "true"})),
        good(json!({"active": 1})),
        good(json!({"active": null})),
        good(json!({"active": [true]})),
    ] {
        let failure = read_with(&answer, MissingAudience::Refused, KnownBefore::Nothing).unwrap_err();
        assert_eq!(failure.reason, Reason::IntrospectionUnavailable, "{answer:?}");
    }
}

#[test]
fn json_needs_no_type_and_under_the_name_of_something_else_says_nothing() {
    let Reply::Answered { body, .. } = good(json!({})) else { panic!() };
    let typed = |name: &str| reply(200, &[("content-type", name)], &body);
    let read = |reply: &Reply| read_with(reply, MissingAudience::Refused, KnownBefore::Nothing);
    for name in ["application/json;charset=utf-8", "application/example+json", "text/plain", "application/octet-stream", ""] {
        assert!(read(&typed(name)).is_ok(), "{name}");
    }
    assert!(read(&reply(200, &[], &body)).is_ok());
    let failure = read(&typed("text/html; charset=utf-8")).unwrap_err();
    assert!(failure.detail.contains("its content-type is \"text/html\", where application/json"), "{}", failure.detail);
}
