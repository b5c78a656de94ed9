use super::*;
use crate::crypto::mac::MacKey;
use crate::crypto::testing::{BareHost, ED25519, OTHER_RSA, P256, RSA, TestKey, base64url, key_set};
use crate::words::secret::Secret;
use serde_json::json;

const ALL: &[Algorithm] = Algorithm::ALL;

fn provider_keys() -> KeySet {
    key_set(&[(&RSA, json!({"kid": "r"})), (&P256, json!({"kid": "e"})), (&ED25519, json!({"kid": "d"}))])
}

fn check(token: &str, keys: &KeySet) -> Result<VerifiedJws, JwsError> {
    verify(&BareHost::none(), token, keys, ALL)
}

fn refusal(token: &str) -> JwsError {
    check(token, &provider_keys()).unwrap_err()
}

/// A token with this header and these claims, whatever they are, that the provider signed.
fn signed(header: &str, claims: &str) -> String {
    P256.raw_token(Algorithm::ES256, header, claims)
}

#[test]
fn a_good_token_of_every_algorithm_is_read() {
    for (key, kid, algorithm) in [
        (&*RSA, "r", Algorithm::RS256),
        (&*RSA, "r", Algorithm::RS384),
        (&*RSA, "r", Algorithm::RS512),
        (&*RSA, "r", Algorithm::PS256),
        (&*P256, "e", Algorithm::ES256),
        (&*ED25519, "d", Algorithm::EdDSA),
        (&*ED25519, "d", Algorithm::Ed25519),
    ] {
        let token = key.token(algorithm, &json!({"kid": kid, "typ": "JWT"}), &json!({"sub": "a", "exp": 5, "x": {"y": [1]}}));
        let claims = json!({"sub": "a", "exp": 5, "x": {"y": [1]}}).as_object().unwrap().clone();
        let expected = VerifiedJws { claims, algorithm, key_id: Some(kid.into()), typ: Some("JWT".into()) };
        assert_eq!(check(&token, &provider_keys()), Ok(expected), "{algorithm}");
    }
}

#[test]
fn the_example_of_rfc_7515_is_read() {
    // RFC 7515, appendix A.3.
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let keys = KeySet::new(vec![VerificationKey::from_jwk(&jwk).unwrap()]);
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
                 cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let claims = json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true});
    assert_eq!(check(token, &keys).map(|verified| Value::Object(verified.claims)), Ok(claims));
}

#[test]
fn unsigned_and_symmetric_tokens_are_refused_by_their_algorithm() {
    let payload = base64url(r#"{"sub":"a"}"#);
    for name in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS1", "Ed448", "ES256K", "PS384", "", "es256"] {
        let header = base64url(json!({"alg": name, "kid": "r"}).to_string());
        for signature in [String::new(), base64url([1; 32])] {
            let expected = match name {
                // All that this build knows are allowed here, but no key of a provider is for this one.
                "HS256" => JwsError::AlgorithmNotForKey { found: Algorithm::HS256 },
                name => JwsError::AlgorithmNotAllowed { found: format!("\"{name}\"") },
            };
            assert_eq!(refusal(&format!("{header}.{payload}.{signature}")), expected);
        }
    }
}

#[test]
fn an_algorithm_that_is_not_allowed_is_refused_even_with_a_good_signature() {
    let token = RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &json!({}));
    let refused = verify(&BareHost::none(), &token, &provider_keys(), &[Algorithm::ES256]);
    assert_eq!(refused, Err(JwsError::AlgorithmNotAllowed { found: "\"RS256\"".into() }));
    assert!(verify(&BareHost::none(), &token, &provider_keys(), &[]).is_err());
}

#[test]
fn a_key_is_not_used_for_another_algorithm_than_its_own() {
    let restricted = key_set(&[(&RSA, json!({"kid": "r", "alg": "PS256"})), (&P256, json!({"kid": "e"}))]);
    for (algorithm, kid) in [(Algorithm::RS256, "r"), (Algorithm::RS512, "r"), (Algorithm::RS256, "e")] {
        let token = RSA.token(algorithm, &json!({"kid": kid}), &json!({}));
        let expected = JwsError::AlgorithmNotForKey { found: algorithm };
        assert_eq!(check(&token, &restricted), Err(expected), "{algorithm} {kid}");
    }
}

#[test]
fn a_wrong_signature_is_refused_whoever_made_it() {
    let good = RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &json!({"sub": "a"}));
    let parts: Vec<&str> = good.split('.').collect();
    let forged = OTHER_RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &json!({"sub": "a"}));
    let changed = format!("{}.{}.{}", parts[0], base64url(r#"{"sub":"b"}"#), parts[2]);
    let another_header = base64url(r#"{"alg":"RS256","kid":"r","x":1}"#);
    let without = format!("{}.{}.", parts[0], parts[1]);
    for token in [forged, changed, format!("{another_header}.{}.{}", parts[1], parts[2]), without] {
        assert_eq!(refusal(&token), JwsError::SignatureInvalid, "{token}");
    }
    let invalid = BareHost::always(crate::words::world::HostVerdict::Invalid);
    assert_eq!(verify(&invalid, &good, &provider_keys(), ALL), Err(JwsError::SignatureInvalid));
}

#[test]
fn keys_and_addresses_inside_the_token_are_not_used() {
    let own = OTHER_RSA.jwk(&json!({"kid": "mine"}));
    for header in [
        json!({"jwk": own, "kid": "r"}),
        json!({"jku": "https://evil.example/keys", "kid": "r"}),
        json!({"x5u": "https://evil.example/cert", "x5c": ["MIIB"], "kid": "r"}),
    ] {
        let token = OTHER_RSA.token(Algorithm::RS256, &header, &json!({}));
        assert_eq!(refusal(&token), JwsError::SignatureInvalid, "{header}");
    }
    let token = OTHER_RSA.token(Algorithm::RS256, &json!({"jwk": own, "kid": "mine"}), &json!({}));
    assert_eq!(refusal(&token), JwsError::KeyUnknown { key_id: Some("\"mine\"".into()) });
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    for header in [
        r#"{"alg":"ES256","kid":"e","crit":["exp"]}"#,
        r#"{"alg":"ES256","kid":"e","crit":[]}"#,
        r#"{"alg":"ES256","kid":"e","crit":null}"#,
        r#"{"alg":"ES256","kid":"e","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"ES256","kid":"e","b64":false}"#,
    ] {
        assert_eq!(refusal(&signed(header, "{}")), JwsError::Malformed("its header demands an extension"), "{header}");
    }
}

#[test]
fn a_member_that_comes_twice_is_refused_in_header_and_claims() {
    let header = r#"{"alg":"ES256","kid":"e"}"#;
    let twice = JwsError::Malformed("a member comes twice");
    for (header, claims) in [
        (r#"{"alg":"none","alg":"ES256","kid":"e"}"#, "{}"),
        (r#"{"alg":"ES256","kid":"r","kid":"e"}"#, "{}"),
        (r#"{"alg":"ES256","kid":"e","x":1,"x":1}"#, "{}"),
        (r#"{"alg":"ES256","kid":"e","x":{"y":1,"y":1}}"#, "{}"),
        (r#"{"alg":"ES256","kid":"e","typ":"JWT","typ":"at+jwt"}"#, "{}"),
        (header, r#"{"sub":"a","sub":"b"}"#),
        (header, r#"{"sub":"a","s\u0075b":"b"}"#),
        (header, r#"{"exp":1,"exp":9999999999}"#),
        (header, r#"{"iat":1,"iat":1}"#),
        (header, r#"{"realm":{"roles":[{"x":1,"x":2}]}}"#),
    ] {
        assert_eq!(refusal(&signed(header, claims)), twice, "{header} {claims}");
    }
}

#[test]
fn null_in_a_header_is_refused_whichever_member_it_is() {
    let wrong_type = JwsError::Malformed("a member is missing, or of the wrong type");
    for name in ["alg", "kid", "typ", "cty", "x5t", "jku", "anything"] {
        let mut header = serde_json::json!({"alg": "ES256", "kid": "e"});
        header[name] = Value::Null;
        assert_eq!(refusal(&signed(&header.to_string(), "{}")), wrong_type, "{name}");
    }
}

#[test]
fn claims_that_are_no_object_or_of_the_wrong_type_are_refused() {
    let header = r#"{"alg":"ES256","kid":"e"}"#;
    let not_json = JwsError::Malformed("it is not JSON");
    let no_object = JwsError::Malformed("it is not a JSON object");
    let wrong_type = JwsError::Malformed("a member is missing, or of the wrong type");
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let deeper = format!(r#"{{"a":{}{}}}"#, "[".repeat(4_000), "]".repeat(4_000));
    for (claims, expected) in [
        ("", &not_json),
        ("{", &not_json),
        ("{} {}", &not_json),
        ("\u{feff}{}", &not_json),
        ("[]", &no_object),
        ("\"a\"", &no_object),
        (r#"{"exp":"9999999999"}"#, &wrong_type),
        (r#"{"exp":true}"#, &wrong_type),
        (r#"{"exp":[1]}"#, &wrong_type),
        (r#"{"exp":1e20}"#, &wrong_type),
        (r#"{"exp":18446744073709551615}"#, &wrong_type),
        (r#"{"nbf":"0"}"#, &wrong_type),
        (r#"{"iat":{}}"#, &wrong_type),
        (deep.as_str(), &JwsError::Malformed("it is nested too deeply")),
        (deeper.as_str(), &JwsError::Malformed("it is nested too deeply")),
    ] {
        assert_eq!(refusal(&signed(header, claims)), *expected, "{claims:.40}");
    }
    let float = check(&signed(header, r#"{"exp":1300819380.9,"iat":0,"nbf":-1}"#), &provider_keys()).unwrap().claims;
    assert_eq!(Value::Object(float), json!({"exp": 1_300_819_380, "iat": 0, "nbf": -1}));
}

#[test]
fn a_text_that_is_no_signed_token_is_refused_without_a_panic() {
    let good = P256.token(Algorithm::ES256, &json!({"kid": "e"}), &json!({"sub": "a"}));
    let encrypted = format!("{}.a.b.c.d", base64url(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#));
    let nested = signed(r#"{"alg":"ES256","kid":"e","cty":"JWT"}"#, &good);
    let padded = format!("{good}=");
    let alternative = good.replace('-', "+").replace('_', "/") + "+";
    for token in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "ä.ö.ü",
        &".".repeat(10_000),
        &format!("{good}."),
        &format!(".{good}"),
        &format!(" {good}"),
        &format!("{good}\n"),
        &padded,
        &alternative,
        &encrypted,
        &nested,
        &signed("", "{}"),
        &signed("[]", "{}"),
        &signed("{}", "{}"),
        &signed(r#"{"alg":["ES256"]}"#, "{}"),
        &signed(r#"{"alg":"ES256","kid":7}"#, "{}"),
        &signed(&format!(r#"{{"alg":"ES256","x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000)), "{}"),
    ] {
        assert!(matches!(refusal(token), JwsError::Malformed(_)), "{token:.60}");
    }
    let long = P256.token(Algorithm::ES256, &json!({"kid": "e"}), &json!({"x": "x".repeat(LONGEST_TOKEN)}));
    let of_a_stranger = Unverified::read(&long, &mut LastHeader::default()).map(|_| ());
    assert_eq!(of_a_stranger, Err(JwsError::Malformed("it is longer than 16 KiB")));
    assert!(check(&long, &provider_keys()).is_ok());
}

#[test]
fn an_ecdsa_signature_has_one_form_only() {
    let good = P256.token(Algorithm::ES256, &json!({"kid": "e"}), &json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let der = p256::ecdsa::Signature::from_slice(&P256.sign(Algorithm::ES256, signed.as_bytes())).unwrap().to_der();
    for signature in [der.as_bytes(), &[0; 64], &[255; 64], &[0; 63], &[]] {
        assert_eq!(refusal(&format!("{signed}.{}", base64url(signature))), JwsError::SignatureInvalid);
    }
}

#[test]
fn a_token_without_a_kid_is_tried_with_the_few_keys_of_its_algorithm_and_never_with_many() {
    let token = |algorithm| match algorithm {
        Algorithm::ES256 => P256.token(algorithm, &json!({}), &json!({})),
        _ => RSA.token(algorithm, &json!({}), &json!({})),
    };
    let one_of_each = provider_keys();
    assert!(check(&token(Algorithm::RS256), &one_of_each).is_ok());
    assert!(check(&token(Algorithm::ES256), &one_of_each).is_ok());

    let two = key_set(&[(&OTHER_RSA, json!({})), (&RSA, json!({"kid": "r"}))]);
    assert_eq!(check(&token(Algorithm::RS256), &two).unwrap().key_id.as_deref(), Some("r"));
    assert_eq!(check(&token(Algorithm::ES256), &two), Err(JwsError::KeyUnknown { key_id: None }));
    assert_eq!(check(&token(Algorithm::RS256), &KeySet::default()), Err(JwsError::KeyUnknown { key_id: None }));

    // Others than these made the signature, or one that is for another algorithm alone.
    let replaced = key_set(&[(&OTHER_RSA, json!({"kid": "r"})), (&P256, json!({})), (&RSA, json!({"alg": "PS256"}))]);
    assert_eq!(check(&token(Algorithm::RS256), &replaced), Err(JwsError::SignatureByNoKey));

    let behind = |foreign: usize| {
        let named = |number: usize| OTHER_RSA.verifying(&json!({"kid": number.to_string()}));
        let keys = (0..foreign).map(named).chain([RSA.verifying(&json!({"kid": "r"}))]).collect();
        check(&token(Algorithm::RS256), &KeySet::new(keys)).map(drop)
    };
    assert_eq!(behind(MOST_WITHOUT_KID - 1), Ok(()));
    assert_eq!(behind(MOST_WITHOUT_KID), Err(JwsError::KeyAmbiguous));
}

#[test]
fn a_key_without_a_kid_is_tried_only_where_no_key_has_the_kid_and_no_other_is_left() {
    let token = RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &json!({}));
    let unknown = || Err(JwsError::KeyUnknown { key_id: Some("\"r\"".into()) });
    let verdict = |keys: &[(&TestKey, Value)]| check(&token, &key_set(keys)).map(drop);
    let unnamed = |key| (key, json!({}));
    assert_eq!(verdict(&[unnamed(&*RSA)]), Ok(()));
    // Keys for other algorithms, and keys with another `kid`, are no reason to doubt.
    assert_eq!(verdict(&[unnamed(&RSA), unnamed(&P256), (&OTHER_RSA, json!({"kid": "o"}))]), Ok(()));
    for (keys, refused) in [
        (vec![unnamed(&*OTHER_RSA)], unknown()),
        (vec![unnamed(&RSA), unnamed(&OTHER_RSA)], unknown()),
        (vec![(&RSA, json!({"kid": "o"}))], unknown()),
        (vec![(&RSA, json!({"kid": ""}))], unknown()),
        (vec![(&RSA, json!({"alg": "PS256"}))], unknown()),
        (vec![unnamed(&RSA), (&OTHER_RSA, json!({"kid": "r"}))], Err(JwsError::SignatureInvalid)),
        (vec![unnamed(&RSA), (&P256, json!({"kid": "r"}))], Err(JwsError::AlgorithmNotForKey { found: Algorithm::RS256 })),
    ] {
        assert_eq!(verdict(&keys), refused);
    }
}

/// A token that is signed with HMAC, with these bytes as the secret.
fn by_hmac(secret: &str, header: &Value) -> String {
    let signed = format!("{}.{}", base64url(header.to_string()), base64url(r#"{"sub":"a"}"#));
    let mac = MacKey::new(&Secret::new(secret)).unwrap().mac(signed.as_bytes());
    format!("{signed}.{}", base64url(mac))
}

#[test]
fn a_public_key_is_never_taken_for_a_shared_secret_nor_the_other_way_round() {
    let public = RSA.jwk(&json!({})).to_string();
    for header in [json!({"alg": "HS256", "kid": "r"}), json!({"alg": "HS256"})] {
        assert!(check(&by_hmac(&public, &header), &provider_keys()).is_err(), "{header}");
        assert!(check(&by_hmac(&public, &header), &KeySet::configured(vec![RSA.verifying(&json!({}))])).is_err(), "{header}");
    }
    let secret = Secret::new("a secret of the tests, 32 bytes.");
    let keys = || KeySet::configured(vec![VerificationKey::shared_secret(None, &secret).unwrap(), RSA.verifying(&json!({}))]);
    let good = by_hmac(secret.expose(), &json!({"alg": "HS256"}));
    assert!(check(&good, &keys()).is_ok());
    // The list of allowed algorithms is checked as well as the key.
    let listed = verify(&BareHost::none(), &good, &keys(), &[Algorithm::RS256, Algorithm::ES256]);
    assert_eq!(listed, Err(JwsError::AlgorithmNotAllowed { found: "\"HS256\"".into() }));
    for name in ["RS256", "ES256", "PS256"] {
        assert!(check(&by_hmac(secret.expose(), &json!({"alg": name})), &keys()).is_err(), "{name}");
    }
}

#[test]
fn kids_are_optional_among_keys_that_the_configuration_lists() {
    let keys = KeySet::configured(vec![
        OTHER_RSA.verifying(&json!({})),
        RSA.verifying(&json!({"kid": "a"})),
        P256.verifying(&json!({})),
    ]);
    let token = |header: Value| RSA.token(Algorithm::RS256, &header, &json!({}));
    assert!(check(&token(json!({})), &keys).is_ok());
    assert!(check(&token(json!({"kid": "a"})), &keys).is_ok());
    // Only keys without a `kid` fit this one, and they did not sign.
    assert_eq!(check(&token(json!({"kid": "b"})), &keys), Err(JwsError::SignatureInvalid));
    let unnamed = KeySet::configured(vec![RSA.verifying(&json!({}))]);
    assert!(check(&token(json!({"kid": "b"})), &unnamed).is_ok());
    let named = KeySet::configured(vec![RSA.verifying(&json!({"kid": "a"}))]);
    assert_eq!(check(&token(json!({"kid": "b"})), &named), Err(JwsError::KeyUnknown { key_id: Some("\"b\"".into()) }));
}

#[test]
fn where_all_keys_have_a_kid_only_those_with_the_tokens_are_tried() {
    let keys = key_set(&[(&OTHER_RSA, json!({"kid": "a"})), (&RSA, json!({"kid": "a"})), (&RSA, json!({"kid": "b"}))]);
    let token = |kid: &str| RSA.token(Algorithm::RS256, &json!({"kid": kid}), &json!({}));
    assert!(check(&token("a"), &keys).is_ok());
    assert!(check(&token("b"), &keys).is_ok());
    for unknown in ["c", "", "A", "../../etc/passwd"] {
        let expected = JwsError::KeyUnknown { key_id: Some(format!("\"{unknown}\"")) };
        assert_eq!(check(&token(unknown), &keys), Err(expected));
    }
}

#[test]
fn no_error_repeats_the_token() {
    for token in ["c2VjcmV0.c2VjcmV0.c2VjcmV0", &signed(r#"{"alg":"ES256","kid":"e"}"#, r#""c2VjcmV0""#)] {
        assert!(!refusal(token).to_string().contains("c2VjcmV0"));
    }
}

#[test]
fn a_header_that_was_read_before_saves_no_check() {
    let of = |key: &TestKey, algorithm, kid: &str| key.token(algorithm, &json!({"kid": kid}), &json!({"sub": "a"}));
    let (rsa, p256) = (of(&RSA, Algorithm::RS256, "r"), of(&P256, Algorithm::ES256, "e"));
    let (stranger, misnamed) = (of(&OTHER_RSA, Algorithm::RS256, "r"), of(&P256, Algorithm::ES256, "r"));
    let extended = signed(r#"{"alg":"ES256","kid":"e","crit":["exp"]}"#, "{}");
    let cut = p256.replacen('.', "", 1);
    let mut last = LastHeader::default();
    let mut check = |token: &str| {
        let read = Unverified::read(token, &mut last);
        read.and_then(|token| token.verify(&BareHost::none(), &provider_keys(), ALL)).is_ok()
    };
    for bad in [&stranger, &misnamed, &extended, &cut] {
        for good in [&rsa, &p256] {
            let seen = [good, good, bad, bad, good].map(|token| check(token));
            assert_eq!(seen, [true, true, false, false, true], "{bad} after {good}");
        }
    }
}

#[test]
fn the_work_for_a_forged_token_is_bounded() {
    let token = RSA.token(Algorithm::PS256, &json!({"kid": "r"}), &json!({"sub": "a"}));
    let behind = |foreign: usize, algorithm: Algorithm| {
        let namesake = || OTHER_RSA.verifying(&json!({"kid": "r"}));
        let keys: Vec<_> = std::iter::repeat_with(namesake).take(foreign).chain([RSA.verifying(&json!({"kid": "r"}))]).collect();
        let token = RSA.token(algorithm, &json!({"kid": "r"}), &json!({"sub": "a"}));
        check(&token, &KeySet::new(keys)).map(drop)
    };
    // All keys that a provider may publish with one `kid` are tried.
    assert_eq!(behind(3, Algorithm::PS256), Ok(()));
    assert_eq!(behind(7, Algorithm::PS256), Ok(()));
    assert_eq!(behind(8, Algorithm::PS256), Err(JwsError::SignatureInvalid));
    // The host verifies these signatures, so they cost nothing.
    assert_eq!(behind(15, Algorithm::RS256), Ok(()));
    let largest = json!({"kty": "RSA", "e": "AQAB", "n": base64url([0xff; 512])});
    let cost = VerificationKey::from_jwk(&largest).unwrap().cost(Algorithm::PS256);
    assert_eq!(MOST_COST / cost, 2);
    assert_eq!(RSA.verifying(&json!({})).cost(Algorithm::PS256), 4);
    assert!(check(&token, &provider_keys()).is_ok());
}
