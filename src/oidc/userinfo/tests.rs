use super::*;
use crate::oidc::metadata::Endpoint;
use crate::oidc::testing::{json_reply, metadata, provider, reply};
use serde_json::{Value, json};

fn read(reply: &Reply) -> Result<Claims, Failure> {
    userinfo_response(&provider(), &metadata(), reply, "alice")
}

fn merged(id_token: Value, userinfo: Value) -> Value {
    let mut claims = id_token.as_object().unwrap().clone();
    merge(&mut claims, userinfo.as_object().unwrap().clone());
    Value::Object(claims)
}

#[test]
fn the_access_token_is_sent_in_the_header_and_not_in_the_url() {
    let call = userinfo_request(&provider(), &metadata(), &Secret::new("at")).unwrap();
    assert_eq!((call.method, call.path.as_str(), call.body.as_str()), ("GET", "/realms/main/userinfo", ""));
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
        (reply(200, &[("content-type", "text/plain")], b"a.b.c"), Reason::UserinfoMalformed),
        (reply(200, &[], b"sub=alice"), Reason::UserinfoMalformed),
        (reply(200, &[("content-type", "text/html")], br#"{"sub":"alice"}"#), Reason::UserinfoMalformed),
    ] {
        assert_eq!(read(&reply).unwrap_err().reason, reason, "{reply:?}");
    }
    // A type that says nothing about the content does not stop JSON.
    for fields in [&[json][..], &[], &[("content-type", "text/plain; charset=utf-8")]] {
        assert!(read(&reply(200, fields, br#"{"sub":"alice"}"#)).is_ok(), "{fields:?}");
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
