use super::*;
use crate::crypto::testing::base64url;
use crate::session::content::SubjectsOf;
use crate::session::content::tests::alice;
use crate::words::secret::Secret;
use crate::words::world::testing::Still;
use serde_json::json;

const RSA_PEM: &str = include_str!("../../crypto/testdata/for-tests-only-rsa1.pem");
const P256_PEM: &str = include_str!("../../crypto/testdata/for-tests-only-p256.pem");

const NOW: Timestamp = Timestamp::from_millis(1_750_000_000_400);

fn secret(text: &str) -> SigningKey {
    SigningKey::shared_secret(&Secret::new(format!("{text} of the tests, at least 32 bytes"))).unwrap()
}

fn settings(keys: Vec<SigningKey>) -> JwtSettings {
    JwtSettings {
        verifying: KeySet::configured(keys.iter().map(|key| key.verification_key().clone()).collect()),
        algorithm: keys[0].algorithm(),
        keys,
        claims: ["email", "name"].map(ClaimPath::named).to_vec(),
        issuer: None,
        audience: None,
        lifetime: Duration::from_secs(3_600),
        bearer: false,
        providers: vec!["demo".into()],
        origins: vec![Origin::parse("https://app.example.com").unwrap()],
    }
}

fn session(jwt: &JwtSettings, claims: Value) -> Session {
    let claims = claims.as_object().unwrap().clone();
    Session::of("before".into(), NOW, jwt.end(NOW), NewSession { claims, ..alice() })
}

fn payload(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A token with these claims that the key signs, whatever they are.
fn token(key: &SigningKey, typ: &str, claims: &Value) -> String {
    key.sign(&Still::default(), typ, claims.as_object().unwrap()).unwrap()
}

fn good() -> Value {
    json!({"sub": "alice", "iat": NOW.seconds(), "exp": NOW.seconds() + 60, "origin": "https://app.example.com"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().insert(name.into(), value);
    claims
}

fn read(jwt: &JwtSettings, token: &str) -> Result<Session, JwtError> {
    jwt.read(&Still::default(), token, &mut LastHeader::default(), NOW)
}

#[test]
fn a_session_is_a_jwt_for_any_library_and_is_read_as_it_was_written() {
    let pem = |text| SigningKey::from_pem(&Secret::new(text)).unwrap();
    for key in [secret("one"), pem(RSA_PEM), pem(P256_PEM)] {
        let jwt = settings(vec![key]);
        let mut session = session(
            &jwt,
            json!({"sub": "alice", "email": "a@b.example", "email_verified": true, "name": "A", "groups": ["not told"]}),
        );
        let written = jwt.write(&mut Still::default(), &mut session, AssumedVerified::default()).unwrap();
        let (iat, exp) = (NOW.seconds(), NOW.seconds() + 3_600);
        assert_eq!(
            payload(&written),
            json!({
                "sub": "alice",
                "email": "a@b.example",
                "name": "A",
                "iat": iat,
                "exp": exp,
                "origin": "https://app.example.com",
                "sid": "s1"
            })
        );
        let back = read(&jwt, &written).unwrap();
        assert_eq!((back.id, back.provider, back.ends.seconds()), (session.id, "demo".to_owned(), exp));
        assert_eq!(json!(back.claims), json!({"sub": "alice", "email": "a@b.example", "name": "A"}));
        if jwt.algorithm == Algorithm::HS256 {
            assert!(written.starts_with(&format!("{}.", base64url(r#"{"alg":"HS256","typ":"JWT"}"#))));
        }
    }
}

#[test]
fn an_email_or_phone_number_that_is_not_verified_is_left_out_of_a_session_jwt() {
    let mut jwt = settings(vec![secret("one")]);
    jwt.claims.extend(["email_verified", "phone_number"].map(ClaimPath::named));
    let written =
        |claims: Value, assumed| payload(&jwt.write(&mut Still::default(), &mut session(&jwt, claims), assumed).unwrap());
    let nobody = AssumedVerified::default();
    for said in [json!(false), json!("false"), json!(null), json!("yes"), json!(1)] {
        let claims = json!({"email": "victim@b.example", "email_verified": said, "phone_number": "+1"});
        let token = written(claims, nobody);
        assert_eq!((token.get("email"), token.get("phone_number")), (None, None), "{said}");
    }
    let verified = json!({"email": "a@b.example", "email_verified": "true", "phone_number": "+1", "phone_number_verified": true});
    let token = written(verified, nobody);
    assert_eq!((&token["email"], &token["phone_number"]), (&json!("a@b.example"), &json!("+1")));
    let assumed = AssumedVerified { email: true, phone_number: false };
    assert_eq!(written(json!({"email": "a@b.example"}), assumed)["email"], "a@b.example");
    assert_eq!(written(json!({"email": "a@b.example", "email_verified": false}), assumed).get("email"), None);
}

#[test]
fn a_token_of_another_gateway_with_the_same_key_is_no_session_here() {
    let jwt = settings(vec![secret("one")]);
    let signed = |origin: Value| read(&jwt, &token(&secret("one"), "JWT", &with("origin", origin)));
    assert_eq!(signed(json!("https://app.example.com")).unwrap().origin, "https://app.example.com");
    for elsewhere in [
        json!("https://staging.example.com"),
        json!("http://app.example.com"),
        json!("https://app.example.com:8443"),
        json!("https://app.example.com/"),
        json!("app.example.com"),
        json!(["https://app.example.com"]),
        json!(""),
        json!(null),
    ] {
        assert!(matches!(signed(elsewhere.clone()), Err(JwtError::Invalid(_))), "{elsewhere}");
    }
    let mut unnamed = good();
    unnamed.as_object_mut().unwrap().remove("origin");
    assert!(read(&jwt, &token(&secret("one"), "JWT", &unnamed)).is_err(), "it may have been made anywhere");
    // A new session contains the origin where it began, even if there are several.
    let mut several = settings(vec![secret("one")]);
    several.origins.insert(0, Origin::parse("https://other.example.com").unwrap());
    let written = several.write(&mut Still::default(), &mut session(&several, json!({})), AssumedVerified::default()).unwrap();
    assert_eq!(payload(&written)["origin"], "https://app.example.com");
    assert!(read(&several, &written).is_ok());
}

#[test]
fn what_the_provider_calls_the_session_and_the_person_comes_back_as_it_does_from_a_sealed_session() {
    let jwt = settings(vec![secret("one")]);
    for (sid, provider_subject, told, back) in [
        (Some("s1"), None, json!(["s1", null]), (Some("s1"), None)),
        (None, None, json!([null, null]), (None, None)),
        (Some("s1"), Some("00u-7"), json!(["s1", "00u-7"]), (Some("s1"), Some("00u-7"))),
        (Some(""), Some("00u-7"), json!(["", "00u-7"]), (Some(""), Some("00u-7"))),
        // The user service knows the person by the name that the provider uses: only so is that known of it.
        (None, Some("alice"), json!([null, "alice"]), (None, Some("alice"))),
    ] {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let new = NewSession { provider_session: text(sid), provider_subject: text(provider_subject), ..alice() };
        let mut session = Session::of("before".into(), NOW, jwt.end(NOW), new);
        let written = jwt.write(&mut Still::default(), &mut session, AssumedVerified::default()).unwrap();
        let claims = payload(&written);
        assert_eq!(json!([claims.get("sid"), claims.get("idp_sub")]), told);
        let read = read(&jwt, &written).unwrap();
        assert_eq!((read.provider_session.as_deref(), read.provider_subject.as_deref()), back);
        let sealed = Session::parse(&session.write()).unwrap();
        assert_eq!(
            (read.provider_session.as_deref(), read.subject_at_provider(SubjectsOf::Provider)),
            (sealed.provider_session.as_deref(), sealed.subject_at_provider(SubjectsOf::Provider))
        );
    }
}

#[test]
fn a_session_from_before_there_was_a_sid_is_read_and_one_with_a_sid_that_is_no_text_is_not() {
    let jwt = settings(vec![secret("one")]);
    let signed = |claims: &Value| read(&jwt, &token(&secret("one"), "JWT", claims));
    let before = signed(&good()).unwrap();
    assert_eq!((before.provider_session.as_deref(), before.provider_subject.as_deref()), (None, None));
    assert_eq!(signed(&with("sid", json!(null))).unwrap().provider_session, None);
    for (name, value) in [
        ("sid", json!(7)),
        ("sid", json!(["s1"])),
        ("sid", json!("x".repeat(256))),
        ("idp_sub", json!(7)),
        ("idp_sub", json!("")),
        ("idp_sub", json!("a\nb")),
        ("idp_sub", json!("x".repeat(256))),
    ] {
        assert!(matches!(signed(&with(name, value.clone())), Err(JwtError::Invalid(_))), "{name} {value}");
    }
}

#[test]
fn rotation_in_two_steps_keeps_everybody_signed_in() {
    let [old, both, new] = [vec!["a"], vec!["b", "a"], vec!["b"]].map(|names| settings(names.into_iter().map(secret).collect()));
    let before = token(&secret("a"), "JWT", &good());
    let after = both.write(&mut Still::default(), &mut session(&both, json!({})), AssumedVerified::default()).unwrap();
    assert!(read(&old, &before).is_ok() && read(&both, &before).is_ok() && read(&both, &after).is_ok());
    assert!(read(&new, &after).is_ok());
    assert!(read(&new, &before).is_err() && read(&old, &after).is_err());
}

#[test]
fn a_token_that_differs_from_a_session_in_one_claim_is_refused() {
    let jwt = settings(vec![secret("one")]);
    let signed = |claims: &Value| read(&jwt, &token(&secret("one"), "JWT", claims));
    assert!(signed(&good()).is_ok());
    for typ in ["identity+jwt", "at+jwt", "logout+jwt", ""] {
        assert!(read(&jwt, &token(&secret("one"), typ, &good())).is_err(), "{typ}");
    }
    for (name, value) in [
        ("exp", json!("1750000060")),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("iat", json!(NOW.seconds() + 61)),
        ("iat", json!("now")),
        ("nbf", json!(NOW.seconds() + 61)),
        ("nbf", json!(true)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(256))),
        // Somebody who can choose their name at a login service must not pass for a client.
        ("sub", json!("client:deploy")),
        ("sub", json!("username:ann")),
        ("aud", json!("another service")),
        ("iss", json!("https://sso.example")),
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("cnf", json!({"jkt": "x"})),
        ("events", json!({})),
    ] {
        assert!(matches!(signed(&with(name, value.clone())), Err(JwtError::Invalid(_))), "{name} {value}");
    }
    let mut without = good();
    without.as_object_mut().unwrap().remove("exp");
    assert!(signed(&without).is_err());
    assert_eq!(signed(&with("exp", json!(NOW.seconds()))).unwrap_err(), JwtError::Expired(0));
    assert_eq!(signed(&with("exp", json!(NOW.seconds() - 9))).unwrap_err(), JwtError::Expired(9));
}

#[test]
fn no_token_lasts_longer_than_what_has_ended_is_remembered() {
    let jwt = settings(vec![secret("one")]);
    let (now, lifetime) = (NOW.seconds(), jwt.lifetime.as_secs());
    let of_service = |iat: Option<u64>, exp: u64| {
        let mut claims = good();
        claims["exp"] = json!(exp);
        match iat {
            Some(iat) => claims["iat"] = json!(iat),
            None => drop(claims.as_object_mut().unwrap().remove("iat")),
        }
        read(&jwt, &token(&secret("one"), "JWT", &claims)).map(|session| (session.created.seconds(), session.ends.seconds()))
    };
    let day = 86_400;
    for (iat, exp, expected) in [
        (Some(now), now + 60, Ok((now, now + 60))),
        (Some(now), now + day, Ok((now, now + lifetime))),
        (Some(now - lifetime + 1), now + day, Ok((now - lifetime + 1, now + 1))),
        (Some(now - lifetime), now + day, Err(JwtError::Expired(0))),
        // A service may leave `iat` out. Such a token counts as one that began as early as it can have begun.
        (None, now + 60, Ok((now - lifetime, now + 60))),
        (None, now + lifetime + 60, Ok((now, now + lifetime + 60))),
    ] {
        assert_eq!(of_service(iat, exp), expected, "{iat:?} {exp}");
    }
    assert!(matches!(of_service(None, now + lifetime + 61), Err(JwtError::Invalid(_))));
}

#[test]
fn an_algorithm_or_a_key_that_the_token_chooses_is_not_used() {
    let rsa = SigningKey::from_pem(&Secret::new(RSA_PEM)).unwrap();
    let published = rsa.jwk().unwrap().to_string();
    let jwt = settings(vec![rsa]);
    // The public key is used as a shared secret.
    let confused = SigningKey::shared_secret(&Secret::new(published)).unwrap();
    assert!(read(&jwt, &token(&confused, "JWT", &good())).is_err());
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"RS256","alg":"none"}"#, r#"{"alg":"HS256","crit":["x"],"x":1}"#] {
        let unsigned = format!("{}.{}.", base64url(header), base64url(good().to_string()));
        for jwt in [&jwt, &settings(vec![secret("one")])] {
            assert!(read(jwt, &unsigned).is_err(), "{header}");
        }
    }
    for junk in ["", ".", "..", "a.b.c", &".".repeat(20_000), &"a".repeat(20_000)] {
        assert!(read(&jwt, junk).is_err());
    }
}

#[test]
fn issuer_and_audience_are_set_and_required_if_they_are_configured() {
    let mut jwt = settings(vec![secret("one")]);
    (jwt.issuer, jwt.audience) = (Some("https://app.example".into()), Some("apps".into()));
    let written = jwt.write(&mut Still::default(), &mut session(&jwt, json!({})), AssumedVerified::default()).unwrap();
    assert_eq!([&payload(&written)["iss"], &payload(&written)["aud"]], [&json!("https://app.example"), &json!("apps")]);
    assert!(read(&jwt, &written).is_ok());
    let signed = |iss: Value, aud: Value| {
        let claims = json!({"sub": "a", "exp": NOW.seconds() + 60, "iss": iss, "aud": aud, "origin": "https://app.example.com"});
        read(&jwt, &token(&secret("one"), "JWT", &claims)).is_ok()
    };
    assert!(signed(json!("https://app.example"), json!(["x", "apps"])));
    assert!(!signed(json!("https://app.example"), json!("x")));
    assert!(!signed(json!("https://app.example/"), json!("apps")));
    assert!(!signed(json!(["https://app.example"]), json!("apps")));
    assert!(read(&jwt, &token(&secret("one"), "JWT", &good())).is_err());
}

#[test]
fn with_several_providers_a_session_names_the_one_that_proved_it() {
    let mut jwt = settings(vec![secret("one")]);
    jwt.providers = vec!["demo".into(), "other".into()];
    let written = jwt.write(&mut Still::default(), &mut session(&jwt, json!({})), AssumedVerified::default()).unwrap();
    assert_eq!(payload(&written)["idp"], "demo");
    assert_eq!(read(&jwt, &written).unwrap().provider, "demo");
    for nobody in [json!("nobody"), json!(""), json!(["demo"])] {
        assert!(read(&jwt, &token(&secret("one"), "JWT", &with("idp", nobody))).is_err());
    }
    assert!(read(&jwt, &token(&secret("one"), "JWT", &good())).is_err());
}

#[test]
fn a_session_that_names_another_provider_is_refused_if_one_or_none_is_configured() {
    let mut jwt = settings(vec![secret("one")]);
    for (providers, idp, expected) in [
        (vec!["main"], None, Some("main")),
        (vec!["main"], Some(json!("main")), Some("main")),
        (vec!["main"], Some(json!("partner")), None),
        (vec!["main"], Some(json!("")), None),
        (vec!["main"], Some(json!(null)), None),
        (vec!["main"], Some(json!(["main"])), None),
        (vec![], None, Some("")),
        (vec![], Some(json!("partner")), None),
        (vec![], Some(json!("")), None),
        (vec![], Some(json!(null)), None),
        // A session from before the second provider was configured may be of either.
        (vec!["main", "partner"], None, None),
    ] {
        jwt.providers = providers.iter().map(ToString::to_string).collect();
        let claims = idp.as_ref().map_or_else(good, |idp| with("idp", idp.clone()));
        let found = read(&jwt, &token(&secret("one"), "JWT", &claims)).map(|session| session.provider);
        assert_eq!(found.ok().as_deref(), expected, "{providers:?} {idp:?}");
    }
}

#[test]
fn a_mac_is_accepted_in_one_encoding_only() {
    let jwt = settings(vec![secret("one")]);
    let written = token(&secret("one"), "JWT", &good());
    assert_eq!(read(&jwt, &written).unwrap().id, jwt.id(&written));
    // 43 characters have two bits more than the 32 bytes that they encode.
    let (most, last) = written.split_at(written.len() - 1);
    let spellings = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain("-_=".chars()).map(|other| format!("{most}{other}"));
    assert_eq!(spellings.filter(|token| read(&jwt, token).is_ok()).collect::<Vec<_>>(), [format!("{most}{last}")]);
}

#[test]
fn a_session_is_not_identified_by_a_signature_that_can_be_made_anew() {
    let jwt = settings(vec![SigningKey::from_pem(&Secret::new(P256_PEM)).unwrap()]);
    let written = token(&jwt.keys[0], "JWT", &good());
    assert_eq!(read(&jwt, &written).unwrap().id, jwt.id(&written));
    let (signed, _) = written.rsplit_once('.').unwrap();
    assert_eq!(jwt.id(&written), jwt.id(&format!("{signed}.another")));
    assert_ne!(jwt.id(&written), jwt.id(&format!("{signed}x.another")));
}
