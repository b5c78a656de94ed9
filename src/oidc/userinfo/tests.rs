use std::sync::LazyLock;

use super::*;
use crate::crypto::key::Algorithm;
use crate::crypto::signing::SigningKey;
use crate::crypto::testing::{BareHost, OTHER_P256, OTHER_RSA, P256, RSA, base64url, key_set};
use crate::oidc::client::ClientAuthentication;
use crate::oidc::metadata::Endpoint;
use crate::oidc::testing::{ISSUER, json_reply, metadata, provider, reply};
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;

fn read(reply: &Reply) -> Result<Claims, Failure> {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[(&RSA, json!({"kid": "r"})), (&P256, json!({"kid": "k"}))]));
    read_at(&provider(), &KEYS, reply)
}

fn read_at(provider: &Provider, keys: &KeySet, reply: &Reply) -> Result<Claims, Failure> {
    let expected = Expectations { subject: "alice", keys, now: Timestamp::from_seconds(NOW) };
    userinfo_response(&BareHost::none(), provider, &metadata(), reply, &expected).map_err(|error| what_follows(error).1)
}

/// Whether newer keys might help, and the failure if they do not.
fn what_follows(error: UserinfoError) -> (&'static str, Failure) {
    match error {
        UserinfoError::KeyUnknown(failure) => ("fetch: unknown", failure),
        UserinfoError::SignatureWrong(failure) => ("fetch: wrong", failure),
        UserinfoError::Refused(failure) => ("refuse", failure),
    }
}

fn jwt_reply(token: &str) -> Reply {
    reply(200, &[("content-type", "application/jwt; charset=utf-8")], token.as_bytes())
}

/// Userinfo that the provider has signed, with these claims beside `sub`, or in its place.
fn signed(further: &Value) -> String {
    let mut claims = json!({"sub": "alice"});
    claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    P256.token(Algorithm::ES256, &json!({"kid": "k"}), &claims)
}

fn merged(id_token: Value, userinfo: Value) -> Value {
    let mut claims = id_token.as_object().unwrap().clone();
    merge(&mut claims, userinfo.as_object().unwrap().clone());
    Value::Object(claims)
}

#[test]
fn userinfo_cannot_say_by_which_authentication_somebody_signed_in() {
    let id_token = json!({"sub": "alice", "acr": "1", "acrs": ["p1"], "amr": ["pwd"], "auth_time": 7});
    let stronger = json!({"sub": "alice", "acr": "3", "acrs": ["c1"], "amr": ["mfa"], "auth_time": 8, "name": "Alice"});
    let mut expected = id_token.clone();
    expected["name"] = json!("Alice");
    assert_eq!(merged(id_token, stronger.clone()), expected);
    assert_eq!(merged(json!({"sub": "alice"}), stronger), json!({"sub": "alice", "name": "Alice"}));
}

#[test]
fn the_access_token_is_sent_in_the_header_and_not_in_the_url() {
    let call = userinfo_request(&provider(), &metadata(), &Secret::new("at")).unwrap();
    assert_eq!((call.method, call.path.as_str(), call.body.as_slice()), ("GET", "/realms/main/userinfo", b"".as_slice()));
    assert!(call.headers.contains(&("authorization".into(), "Bearer at".to_owned())));
    let without = Metadata { userinfo_endpoint: Endpoint::MISSING, ..metadata() };
    let failure = userinfo_request(&provider(), &without, &Secret::new("at")).unwrap_err();
    assert_eq!(failure.reason, Reason::UserinfoUnreachable);
}

#[test]
fn claims_about_somebody_else_are_not_used() {
    let claims = json!({"sub": "alice", "email": "alice@example.com"});
    assert_eq!(read(&json_reply(200, &claims)).map(Value::Object), Ok(claims));
    for sub in [json!("bob"), json!("Alice"), json!("alice "), json!(""), json!(null), json!(["alice"]), json!(7)] {
        let failure = read(&json_reply(200, &json!({"sub": sub}))).unwrap_err();
        assert_eq!(failure.reason, Reason::UserinfoSubject, "{sub}");
    }
    assert_eq!(read(&json_reply(200, &json!({}))).unwrap_err().reason, Reason::UserinfoSubject);
}

#[test]
fn no_response_a_late_one_and_a_malformed_one_are_distinguished() {
    let json = ("content-type", "application/json; charset=UTF-8");
    for (reply, reason) in [
        (reply(504, &[json], b""), Reason::UserinfoTimeout),
        (reply(503, &[json], b""), Reason::UserinfoUnreachable),
        (Reply::Reset, Reason::UserinfoUnreachable),
        (Reply::NotSent, Reason::UserinfoUnreachable),
        (reply(401, &[json], b"{}"), Reason::UserinfoUnreachable),
        (reply(403, &[], b""), Reason::UserinfoUnreachable),
        (reply(204, &[json], b""), Reason::UserinfoMalformed),
        (reply(200, &[json], b"<html>"), Reason::UserinfoMalformed),
        (reply(200, &[json], br#"{"sub":"bob","sub":"alice"}"#), Reason::UserinfoMalformed),
        (reply(200, &[("content-type", "application/jwt")], b"a.b.c"), Reason::UserinfoMalformed),
        (reply(200, &[], b"sub=alice"), Reason::UserinfoMalformed),
    ] {
        assert_eq!(read(&reply).unwrap_err().reason, reason, "{reply:?}");
    }
}

#[test]
fn json_needs_no_type_and_is_refused_under_the_name_of_something_else() {
    let [json, plain, html] = ["application/json", "text/plain; charset=utf-8", "text/html"].map(|name| ("content-type", name));
    let bytes = ("content-type", "application/octet-stream");
    let structured = ("content-type", "application/vnd.example.user+json");
    for fields in [&[json][..], &[json, json], &[], &[("content-type", "")], &[plain], &[bytes], &[structured]] {
        assert!(read(&reply(200, fields, br#"{"sub":"alice"}"#)).is_ok(), "{fields:?}");
        assert_eq!(read(&reply(200, fields, signed(&json!({})).as_bytes())).unwrap_err().reason, Reason::UserinfoMalformed);
    }
    for (fields, named) in [
        (&[html][..], "\"text/html\""),
        (&[("content-type", "Application/JWT-ish")], "\"application/jwt-ish\""),
        (&[("content-type", "text/example+json")], "\"text/example+json\""),
        (&[html, json], "\"text/html, application/json\""),
    ] {
        let failure = read(&reply(200, fields, br#"{"sub":"alice"}"#)).unwrap_err();
        assert_eq!(failure.reason, Reason::UserinfoMalformed);
        let expected = format!("its content-type is {named}, where application/json or application/jwt was expected");
        assert!(failure.detail.contains(&expected), "{}", failure.detail);
    }
    assert_eq!(read(&jwt_reply(r#"{"sub":"alice"}"#)).unwrap_err().reason, Reason::UserinfoMalformed, "it is called signed");
}

#[test]
fn signed_userinfo_is_verified_like_an_id_token_and_may_leave_out_for_whom_it_is() {
    let all = json!({"iss": ISSUER, "aud": ["other", "app"], "iat": NOW, "nbf": NOW, "exp": NOW + 1, "groups": ["staff"]});
    for further in [
        json!({}),
        json!({"iss": null, "aud": null, "exp": null, "nbf": null, "iat": null, "email": null}),
        json!({"iss": ISSUER, "aud": "app", "exp": NOW - 59}),
        json!({"iat": NOW + 60, "nbf": 1_700_000_060.5}),
        all,
    ] {
        let claims = read(&jwt_reply(&signed(&further))).unwrap();
        assert!(claims["sub"] == "alice" && claims.values().all(|value| !value.is_null()), "{further}");
    }
    let by_rsa = RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &json!({"sub": "alice"}));
    assert!(read(&jwt_reply(&by_rsa)).is_ok());
    let large = signed(&json!({"groups": "g".repeat(20_000)}));
    assert!(read(&jwt_reply(&large)).is_ok(), "it may be as large as userinfo in JSON");
}

#[test]
fn signed_userinfo_that_is_not_by_the_provider_for_us_and_of_now_is_refused() {
    for (further, phrase) in [
        (json!({"iss": "https://evil.example"}), "expected iss"),
        (json!({"iss": [ISSUER]}), "expected iss"),
        (json!({"aud": "other"}), "expected aud"),
        (json!({"aud": []}), "expected aud"),
        (json!({"aud": ["app", 7]}), "expected aud"),
        (json!({"aud": {"app": "app"}}), "expected aud"),
        (json!({"exp": NOW - 60}), "it expired 60 s ago"),
        (json!({"nbf": NOW + 61}), "nbf is 61 s ahead"),
        (json!({"iat": NOW + 61}), "iat is 61 s ahead"),
        (json!({"exp": "later"}), "the token is malformed"),
    ] {
        let failure = read(&jwt_reply(&signed(&further))).unwrap_err();
        assert_eq!(failure.reason, Reason::UserinfoMalformed, "{further}");
        assert!(failure.detail.contains(phrase), "{}", failure.detail);
    }
    for sub in [json!("bob"), json!(""), json!(null), json!(7)] {
        assert_eq!(read(&jwt_reply(&signed(&json!({"sub": sub})))).unwrap_err().reason, Reason::UserinfoSubject, "{sub}");
    }
}

#[test]
fn nothing_unsigned_and_no_other_signature_passes_for_signed_userinfo() {
    let claims = json!({"sub": "alice"});
    let good = signed(&json!({}));
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = unsigned.split_once('.').unwrap();
    let part = |value: &Value| base64url(value.to_string());
    let other_claims = part(&json!({"sub": "alice", "groups": ["admins"]}));
    let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
    let hmac = format!("{}.{}.{}", part(&json!({"alg": "HS256", "kid": "k"})), part(&claims), base64url([7; 32]));
    // Whoever knows the client's secret could sign for the provider.
    let secret = Secret::new("a client secret of 32 bytes, no less");
    let authentication = ClientAuthentication::SecretBasic(secret.clone());
    let provider = Provider { authentication, ..provider() };
    let key = SigningKey::shared_secret(&secret).unwrap();
    let by_the_secret = key.sign(&BareHost::none(), "JWT", claims.as_object().unwrap()).unwrap();
    let keys = key_set(&[(&RSA, json!({"kid": "r"})), (&P256, json!({"kid": "k"}))]);
    for (token, phrase) in [
        (none, "is not supported"),
        (hmac, "by a shared secret"),
        (by_the_secret, "by a shared secret"),
        (format!("{unsigned}."), "the signature is not"),
        (format!("{header}.{other_claims}.{signature}"), "the signature is not"),
        (OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &claims), "the signature is not"),
        (OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "x"}), &claims), "no usable key of the provider"),
        (RSA.token(Algorithm::RS384, &json!({"kid": "r"}), &claims), "write algorithms: [RS256, PS256, ES256, RS384]"),
        (format!("{good}.a.b"), "encrypted userinfo is not supported"),
        (good.replace('.', ""), "the token is malformed"),
    ] {
        let failure = read_at(&provider, &keys, &jwt_reply(&token)).unwrap_err();
        assert_eq!(failure.reason, Reason::UserinfoMalformed, "{token}");
        assert!(failure.detail.contains(phrase), "{}", failure.detail);
    }
    assert!(read_at(&provider, &keys, &jwt_reply(&good)).is_ok());
    let without_keys = read_at(&provider, &KeySet::default(), &jwt_reply(&good));
    assert_eq!(without_keys.unwrap_err().reason, Reason::UserinfoMalformed);
}

#[test]
fn newer_keys_are_asked_for_where_they_might_help_and_for_nothing_else() {
    let claims = json!({"sub": "alice"});
    let keys = key_set(&[(&RSA, json!({"kid": "r"})), (&P256, json!({"kid": "k"}))]);
    let many = key_set(&["a", "b", "c", "d", "e"].map(|kid| (&*P256, json!({"kid": kid}))));
    let by = |header: Value| OTHER_RSA.token(Algorithm::RS256, &header, &claims);
    let judged = |keys: &KeySet, reply: &Reply| {
        let expected = Expectations { subject: "alice", keys, now: Timestamp::from_seconds(NOW) };
        let error = userinfo_response(&BareHost::none(), &provider(), &metadata(), reply, &expected).unwrap_err();
        let (follows, failure) = what_follows(error);
        (follows, failure.reason)
    };
    for (keys, token, follows) in [
        (&keys, by(json!({"kid": "new"})), "fetch: unknown"),
        (&KeySet::default(), signed(&json!({})), "fetch: unknown"),
        (&keys, by(json!({"kid": "r"})), "fetch: wrong"),
        (&keys, by(json!({})), "fetch: wrong"),
        (&keys, by(json!({"kid": "k"})), "fetch: wrong"),
        (&many, OTHER_P256.token(Algorithm::ES256, &json!({}), &claims), "refuse"),
        (&keys, RSA.token(Algorithm::RS384, &json!({"kid": "new"}), &claims), "refuse"),
        (&keys, format!("{}.a.b", signed(&json!({}))), "refuse"),
        (&keys, "a.b.c".to_owned(), "refuse"),
        (&keys, signed(&json!({"aud": "other"})), "refuse"),
        (&keys, signed(&json!({"exp": NOW - 60})), "refuse"),
    ] {
        assert_eq!(judged(keys, &jwt_reply(&token)), (follows, Reason::UserinfoMalformed), "{token}");
    }
    assert_eq!(judged(&keys, &jwt_reply(&signed(&json!({"sub": "bob"})))), ("refuse", Reason::UserinfoSubject));
    assert_eq!(judged(&keys, &json_reply(200, &json!({"sub": "bob"}))), ("refuse", Reason::UserinfoSubject));
    let by_a_newer_key = by(json!({"kid": "new"}));
    for (status, content_type) in
        [(200, "application/json"), (200, "text/html"), (400, "application/jwt"), (302, "application/jwt")]
    {
        let reply = reply(status, &[("content-type", content_type)], by_a_newer_key.as_bytes());
        assert_eq!(judged(&keys, &reply).0, "refuse", "{status} {content_type}");
    }
    for reply in [Reply::Reset, Reply::NotSent, reply(504, &[], b""), reply(200, &[], b"{}")] {
        assert_eq!(judged(&KeySet::default(), &reply).0, "refuse", "{reply:?}");
    }
}

#[test]
fn userinfo_adds_and_updates_but_never_touches_what_was_proved() {
    let id_token = json!({"iss": "i", "sub": "alice", "aud": "app", "exp": 1, "iat": 1, "nonce": "n", "name": "A"});
    let evil: Value = PROTOCOL_CLAIMS.iter().map(|name| ((*name).to_owned(), json!("evil"))).collect::<Claims>().into();
    assert_eq!(merged(id_token.clone(), evil), id_token);
    let more = json!({"sub": "alice", "name": "Alice", "groups": ["staff"]});
    let expected =
        json!({"iss": "i", "sub": "alice", "aud": "app", "exp": 1, "iat": 1, "nonce": "n", "name": "Alice", "groups": ["staff"]});
    assert_eq!(merged(id_token, more), expected);
}

#[test]
fn null_in_userinfo_takes_nothing_from_the_id_token() {
    for (id_token, userinfo, expected) in [
        (json!({"name": "A", "groups": ["staff"]}), json!({"name": null, "groups": null, "x": null}), None),
        (json!({"email": "a@x", "email_verified": true}), json!({"email": null}), None),
        (json!({"email": "a@x", "email_verified": false}), json!({"email": "a@x", "email_verified": null}), None),
        (json!({"email": "a@x"}), json!({"email": null, "email_verified": true}), None),
        (
            json!({"email": "a@x", "email_verified": true}),
            json!({"email": "b@x", "email_verified": null}),
            Some(json!({"email": "b@x"})),
        ),
    ] {
        assert_eq!(merged(id_token.clone(), userinfo), expected.unwrap_or(id_token));
    }
}

#[test]
fn a_verdict_on_one_address_does_not_pass_to_another() {
    for (id_token, userinfo, expected) in [
        (json!({"email": "a@x", "email_verified": true}), json!({"email": "b@x"}), json!({"email": "b@x"})),
        (
            json!({"email": "a@x", "email_verified": false}),
            json!({"email_verified": true}),
            json!({"email": "a@x", "email_verified": false}),
        ),
        (json!({"email_verified": true}), json!({"email": "b@x"}), json!({"email": "b@x"})),
        (
            json!({"email": "a@x", "email_verified": true}),
            json!({"email": "a@x"}),
            json!({"email": "a@x", "email_verified": true}),
        ),
        (
            json!({"email": "a@x"}),
            json!({"email": "b@x", "email_verified": true}),
            json!({"email": "b@x", "email_verified": true}),
        ),
        (json!({"phone_number": "1", "phone_number_verified": true}), json!({"phone_number": "2"}), json!({"phone_number": "2"})),
    ] {
        assert_eq!(merged(id_token, userinfo), expected);
    }
}
