use std::time::Duration;

use serde_json::json;

use super::*;
use crate::oidc::bearer::accepted::{BearerKeys, IntrospectedTokens, Introspection};
use crate::oidc::client::ClientAuthentication;
use crate::oidc::metadata::Endpoint;
use crate::oidc::testing::{ISSUER, json_reply, metadata, provider, reply};
use crate::words::secret::Secret;
use crate::words::world::testing::Still;

const NOW: u64 = 1_700_000_000;

fn asking(missing_audience: MissingAudience) -> Introspection {
    Introspection {
        tokens: IntrospectedTokens::OpaqueTokens,
        cache: Duration::from_secs(30),
        missing_audience,
        clients: Clients::All,
        missing_subject: MissingSubject::Client,
    }
}

fn bearer(introspection: Introspection) -> Bearer {
    let (audiences, algorithms) = (vec!["api".to_owned()], vec![]);
    Bearer {
        resource_audiences: vec![],
        audiences,
        algorithms,
        kind: TokenKind::AccessToken,
        forward: false,
        introspection: Some(introspection),
        keys: BearerKeys::Published,
    }
}

fn read_with(reply: &Reply, missing_audience: MissingAudience, proved: KnownBefore<'_>) -> Result<AccessToken, Failure> {
    read_as(reply, &bearer(asking(missing_audience)), proved)
}

fn read_as(reply: &Reply, accepted: &Bearer, proved: KnownBefore<'_>) -> Result<AccessToken, Failure> {
    introspection_response(&provider(), &metadata(), accepted, reply, proved, Timestamp::from_seconds(NOW))
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
    assert_eq!(call.body.as_slice(), b"token=a%2Bb%2Fc&token_type_hint=access_token");
    assert!(call.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Basic ")));
    let post = Provider { authentication: ClientAuthentication::SecretPost(Secret::new("s3cret")), ..provider() };
    let call = introspection_request(&mut Still::default(), &post, &metadata(), LentSecret::new("t")).unwrap();
    let body = String::from_utf8_lossy(&call.body);
    assert!(body.ends_with("&client_id=app&client_secret=s3cret"), "{body}");
}

#[test]
fn no_call_is_made_for_a_token_that_is_too_long_or_without_an_endpoint() {
    let long = "x".repeat(LONGEST_TOKEN + 1);
    let ask = |token: &str| introspection_request(&mut Still::default(), &provider(), &metadata(), LentSecret::new(token));
    assert_eq!(ask(&long).unwrap_err().reason, Reason::TokenInvalid);
    assert!(ask(&long[1..]).is_ok(), "the longest token is not too long");
    let without = Metadata { introspection_endpoint: Endpoint::MISSING, ..metadata() };
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
        json!({"exp": 1_700_000_000.9, "iat": 1_699_999_999.5, "nbf": 1_700_000_060.9}),
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
        (json!({"token_class": "refresh_token"}), Reason::TokenInvalid),
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

/// What is taken for granted about tokens of the client `c`.
fn assuming(token_type: MissingTokenType) -> Bearer {
    let clients = Clients::Listed(vec!["c".to_owned(), "d".to_owned()]);
    bearer(Introspection { clients, ..asking(MissingAudience::Assumed(token_type)) })
}

#[test]
fn only_what_is_missing_is_taken_for_granted_and_what_comes_is_checked_as_ever() {
    let judge = |changes: &Value, token_type| read_as(&good(changes.clone()), &assuming(token_type), KnownBefore::Nothing);
    for (changes, with_type, without_type) in [
        (json!({"aud": null}), true, true),
        (json!({"aud": null, "token_type": null}), true, false),
        (json!({"aud": null, "token_type": null, "client_id": "d"}), true, false),
        (json!({"token_type": null}), true, true),
    ] {
        let found = [MissingTokenType::Assumed, MissingTokenType::Refused].map(|token_type| judge(&changes, token_type).is_ok());
        assert_eq!(found, [with_type, without_type], "{changes}");
    }
    let token = judge(&json!({"aud": null}), MissingTokenType::Assumed).unwrap();
    assert!(!token.claims.contains_key("aud"), "a rule that asks for an audience asks the provider");
    for changes in [
        json!({"aud": "app"}),
        json!({"aud": []}),
        json!({"token_type": "DPoP"}),
        json!({"token_type": "refresh_token"}),
        json!({"typ": "Refresh"}),
        json!({"token_use": "refresh_token"}),
        json!({"cnf": {"jkt": "x"}}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": NOW - 60}),
        json!({"active": false}),
        json!({"sub": null, "client_id": null}),
    ] {
        let mut beside = json!({"aud": null, "token_type": null});
        beside.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        assert!(judge(&beside, MissingTokenType::Assumed).is_err(), "{beside}");
    }
}

#[test]
fn where_clients_are_listed_the_tokens_of_all_others_are_refused_whatever_else_is_good() {
    for client in [json!("e"), json!("C"), json!("c "), json!(""), json!(null), json!(["c"]), json!({"c": 1}), json!(7)] {
        for aud in [json!("api"), json!(null)] {
            let reply = good(json!({"client_id": client, "aud": aud, "azp": "c"}));
            for known in [KnownBefore::Nothing, KnownBefore::Subject("robot")] {
                let failure = read_as(&reply, &assuming(MissingTokenType::Assumed), known).unwrap_err();
                assert_eq!(failure.reason, Reason::TokenInvalid, "{client} {aud}");
                assert!(failure.detail.contains("client_id"), "{}", failure.detail);
            }
        }
    }
}

#[test]
fn a_refresh_token_that_calls_itself_one_is_refused_even_where_id_tokens_are_accepted() {
    let accepted = Bearer { kind: TokenKind::IdToken, ..bearer(asking(MissingAudience::Allowed)) };
    assert!(read_as(&good(json!({"typ": "ID"})), &accepted, KnownBefore::Nothing).is_ok());
    for mark in [json!({"typ": "Refresh"}), json!({"token_use": "refresh"}), json!({"token_type": "refresh_token"})] {
        assert!(read_as(&good(mark.clone()), &accepted, KnownBefore::Nothing).is_err(), "{mark}");
    }
}

#[test]
fn somebody_who_is_named_by_username_alone_is_never_the_one_with_that_sub() {
    let by_username = bearer(Introspection { missing_subject: MissingSubject::Username, ..asking(MissingAudience::Refused) });
    let subject =
        |changes: &Value| read_as(&good(changes.clone()), &by_username, KnownBefore::Nothing).map(|token| token.subject);
    for (changes, named) in [
        (json!({"sub": null, "username": "ann"}), "username:ann"),
        (json!({"sub": "ann", "username": "bob"}), "ann"),
        (json!({"sub": null, "username": null}), "client:c"),
        (json!({"sub": null, "username": "Ann (staff)", "client_id": null}), "username:Ann (staff)"),
    ] {
        assert_eq!(subject(&changes).as_deref(), Ok(named), "{changes}");
    }
    for username in [
        json!(""),
        json!(7),
        json!(["ann"]),
        json!("client:c"),
        json!("username:ann"),
        json!("a\r\nb"),
        json!("é"),
        json!("a".repeat(247)),
    ] {
        assert!(subject(&json!({"sub": null, "username": username})).is_err(), "{username}");
    }
    for sub in [json!("username:ann"), json!("client:c"), json!("")] {
        assert!(subject(&json!({"sub": sub, "username": "ann"})).is_err(), "{sub}");
    }
    // Unless the operator says so, `username` names nobody.
    assert_eq!(judge(json!({"sub": null, "username": "ann"})).unwrap().subject, "client:c");
    // A JWT has its own subject.
    let known = KnownBefore::Subject("robot");
    assert_eq!(read_as(&good(json!({"sub": null, "username": "ann"})), &by_username, known).unwrap().subject, "robot");
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
