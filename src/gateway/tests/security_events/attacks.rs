//! What nobody can reach by a security event.

use super::*;

#[test]
fn a_token_that_the_transmitter_has_not_sent_to_us_is_refused_as_rfc_8935_says_and_ends_nothing() {
    type Bad = Box<dyn Fn(&Stage) -> String>;
    let changed = |changes: Value| -> Bad { Box::new(move |stage| token(stage, EventKind::SessionRevoked, &person(), &changes)) };
    let signed = |header: Value, key: &'static TestKey| -> Bad {
        Box::new(move |stage| {
            let good = revoked(stage, &person());
            let claims = base64::Engine::decode(&URL_SAFE_NO_PAD, good.split('.').nth(1).unwrap()).unwrap();
            key.token(Algorithm::ES256, &header, &serde_json::from_slice(&claims).unwrap())
        })
    };
    let first = |typ: &str| json!({"kid": "first", "typ": typ});
    let unsigned: Bad = Box::new(|stage| {
        let good = revoked(stage, &person());
        let claims = good.split('.').nth(1).unwrap();
        format!("{}.{claims}.", base64url(r#"{"alg":"none","typ":"secevent+jwt"}"#))
    });
    let cases: Vec<(&str, Bad, &str)> = vec![
        ("no token", Box::new(|_| "x".to_owned()), "invalid_request"),
        ("nothing", Box::new(|_| String::new()), "invalid_request"),
        ("another issuer", changed(json!({"iss": "https://another.example.com"})), "invalid_issuer"),
        ("no issuer", changed(json!({"iss": null})), "invalid_request"),
        ("another audience", changed(json!({"aud": "another"})), "invalid_audience"),
        ("no audience", changed(json!({"aud": null})), "invalid_audience"),
        ("another's key", signed(first("secevent+jwt"), &OTHER_P256), "authentication_failed"),
        ("no signature", unsigned, "invalid_key"),
        ("an ID token", signed(first("JWT"), &P256), "invalid_request"),
        ("a logout token", signed(first("logout+jwt"), &P256), "invalid_request"),
        ("no typ", signed(json!({"kid": "first"}), &P256), "invalid_request"),
        ("sub beside the events", changed(json!({"sub": "alice"})), "invalid_request"),
        ("exp", changed(json!({"exp": 4_000_000_000_u64})), "invalid_request"),
        ("nonce", changed(json!({"nonce": "n"})), "invalid_request"),
        ("no jti", changed(json!({"jti": null})), "invalid_request"),
        ("no events", changed(json!({"events": null})), "invalid_request"),
        ("of the future", changed(json!({"iat": 4_000_000_000_u64})), "invalid_request"),
        (
            "two subjects",
            changed(json!({"events": {EventKind::SessionRevoked.uri(): {"subject": {"format": "opaque", "id": "x"}}}})),
            "invalid_request",
        ),
    ];
    for (name, bad, err) in &cases {
        let mut stage = Stage::signed_in(&usual());
        stage.worker.wait(seconds(120));
        let token = bad(&stage);
        let step = post(&mut stage, &token);
        assert_eq!(verdict(&step), (400, (*err).to_owned()), "{name}");
        for (field_name, value) in [("content-type", "application/json"), ("content-language", "en")] {
            assert_eq!(field(response(&step), field_name), Some(value), "{name}");
        }
        assert!(field(response(&step), "cache-control").unwrap().contains("no-store"), "{name}");
        assert!(body(&step)["description"].as_str().unwrap().starts_with("security_event_invalid; "), "{name}");
        stage.worker.wait(seconds(1));
        assert!(is_signed_in(&mut stage), "{name}");
    }
}

#[test]
fn what_is_no_post_of_a_token_is_refused_before_a_token_is_looked_at() {
    let mut stage = Stage::signed_in(&usual());
    let good = revoked(&stage, &person());
    for media_type in ["application/jwt", "application/json", "application/x-www-form-urlencoded", "text/plain"] {
        assert_eq!(verdict(&post_with(&mut stage, &good, &[("content-type", media_type)])).0, 415, "{media_type}");
    }
    assert_eq!(verdict(&post_with(&mut stage, &good, &[])).0, 415);
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(outcome(&stage.send(Browser::default().send(method, PATH, &[]))).0, 405, "{method}");
    }
    assert_eq!(verdict(&post(&mut stage, &"x".repeat(70_000))).0, 413);
    let fields = [("content-type", SECEVENT), ("content-length", "70000")];
    assert_eq!(verdict(&post_with(&mut stage, &good, &fields)).0, 413);
    stage.worker.wait(seconds(1));
    assert!(is_signed_in(&mut stage));
    // Where no transmitter is configured, the path is one of the application's.
    let mut stage = Stage::signed_in(&document());
    assert_eq!(outcome(&post(&mut stage, &good)).0, 401);
}

#[test]
fn a_transmitter_ends_only_sessions_of_its_own_providers() {
    let endpoint = |name: &str| format!("{ISSUER}/{name}");
    let second = json!({
        "name": "second", "client_id": "other", "client_secret": "another-client-secret", "clusters": {"sso.example.com": "sso"},
        "metadata": {
            "issuer": "https://second.example.com", "authorization_endpoint": endpoint("auth"),
            "token_endpoint": endpoint("token"), "jwks_uri": endpoint("keys"),
        },
    });
    let two = changed(with("/providers", json!([document()["providers"][0], second])), "/rules", json!([]));
    // It is the provider's own transmitter, but it may end sessions of the second provider alone.
    let usual = taking(two, &json!({"providers": ["second"], "audiences": ["app"]}));
    for subject in [person(), json!({"format": "opaque", "id": "s-1"})] {
        let mut stage = Stage::ready(&usual);
        stage.provider.claims["sid"] = json!("s-1");
        stage.sign_in("/page");
        let token = revoked(&stage, &subject);
        assert_eq!(response(&post(&mut stage, &token)).status, 202, "{subject}");
        stage.worker.wait(seconds(1));
        assert!(is_signed_in(&mut stage), "{subject}");
    }
}

#[test]
fn without_its_authorization_nobody_is_a_transmitter_and_the_answer_says_nothing_of_the_right_one() {
    let secret = "Bearer the-token-of-the-transmitter";
    let mut stage = Stage::signed_in(&taking(document(), &json!({"authorization": secret})));
    let good = revoked(&stage, &person());
    let with = |authorization: &'static [&'static str]| {
        let each = authorization.iter().map(|value| ("authorization", *value));
        [("content-type", SECEVENT)].into_iter().chain(each).collect::<Vec<_>>()
    };
    for wrong in [
        &[][..],
        &[""],
        &["Bearer"],
        &["bearer the-token-of-the-transmitter"],
        &["Bearer the-token-of-the-transmitter2"],
        &["the-token-of-the-transmitter"],
        &["Bearer the-token-of-the-transmitter", "Bearer the-token-of-the-transmitter"],
    ] {
        let step = post_with(&mut stage, &good, &with(wrong));
        assert_eq!(verdict(&step), (401, "authentication_failed".to_owned()), "{wrong:?}");
        assert_eq!(field(response(&step), "www-authenticate"), Some("Bearer"));
        assert!(!format!("{step:?}").contains("the-token-of-the-transmitter"), "{wrong:?}");
    }
    stage.worker.wait(seconds(1));
    assert!(is_signed_in(&mut stage));
    let step = post_with(&mut stage, &good, &[("content-type", SECEVENT), ("authorization", secret)]);
    assert_eq!(response(&step).status, 202);
    stage.worker.wait(seconds(1));
    assert!(!is_signed_in(&mut stage));
}

#[test]
fn a_token_by_a_key_that_was_just_published_waits_for_it_once_and_a_flood_of_others_waits_for_nobody() {
    let mut stage = Stage::signed_in(&usual());
    stage.worker.wait(seconds(120));
    stage.provider.publishes = vec![(&P256, "first"), (&OTHER_P256, "second")];
    stage.provider.signs = (&OTHER_P256, Algorithm::ES256, "second");
    let good = revoked(&stage, &person());
    assert_eq!(response(&post(&mut stage, &good)).status, 202);
    stage.worker.wait(seconds(1));
    assert!(!is_signed_in(&mut stage));
    let before = stage.provider.asked.len();
    for number in 0..50 {
        let claims = json!({"iss": ISSUER, "aud": "app", "iat": stage.worker.world.now.seconds(), "jti": number.to_string()});
        let header = json!({"kid": format!("made up {number}"), "typ": "secevent+jwt"});
        let unknown = OTHER_P256.token(Algorithm::ES256, &header, &claims);
        let (status, err) = verdict(&post(&mut stage, &unknown));
        assert!(matches!((status, err.as_str()), (400, "invalid_key") | (503, "")), "{status} {err}");
    }
    assert!(stage.provider.asked.len() - before <= 4, "{:?}", &stage.provider.asked[before..]);
}

#[test]
fn while_a_transmitter_cannot_be_asked_for_its_keys_its_events_are_answered_with_503_so_that_they_come_again() {
    let mut stage = Stage::signed_in(&document());
    let worker = stage.worker.beside(&usual());
    let kept = std::mem::replace(&mut stage.worker, worker);
    stage.provider.instead = Some(Reply::Reset);
    let good = revoked(&stage, &person());
    let step = post(&mut stage, &good);
    assert_eq!(verdict(&step), (503, String::new()));
    stage.worker.wait(seconds(1));
    assert!(is_signed_in(&mut stage));
    drop(kept);
}

#[test]
fn a_token_that_is_sent_again_for_ever_writes_nothing_once_no_session_is_left_that_it_could_end() {
    let sharing = taking(with("/revocations", json!({"redis": {"cluster": "redis"}})), &json!({}));
    let mut stage = Stage::signed_in(&sharing);
    let now = stage.worker.world.now;
    let old = revoked(&stage, &person());
    stage.worker.wait(stage.worker.gateway.settings().session.nothing_is_left_after(now).since(now));
    let step = post(&mut stage, &old);
    assert_eq!(response(&step).status, 202, "no call to the store is made");
    assert!(matches!(followed(&step)[..], [Followed::Nothing { .. }]), "{:?}", followed(&step));
}

#[test]
fn whoever_an_event_has_ended_does_not_come_back_when_its_transmitter_or_its_email_is_removed() {
    let with_address = taking(document(), &json!({"email": true}));
    let address = json!({"format": "email", "email": "alice@example.com"});
    let session = json!({"format": "opaque", "id": "s-1"});
    for subject in [
        person(),
        address.clone(),
        json!({"format": "complex", "user": person(), "session": session}),
        json!({"format": "complex", "user": address, "session": session}),
    ] {
        let mut stage =
            Stage::with_claims(&with_address, json!({"sid": "s-1", "email": "alice@example.com", "email_verified": true}));
        let good = revoked(&stage, &subject);
        let before = stage.browser.script("GET", "/page");
        let outcome_by =
            |stage: &Stage, document: &Value| outcome(&stage.worker.beside(document).begin(before.clone())) == (200, "");
        for document in [usual(), document()] {
            assert!(outcome_by(&stage, &document), "its session counts there, because a header has the address");
        }
        assert_eq!(response(&post(&mut stage, &good)).status, 202);
        for document in [usual(), document()] {
            assert!(!outcome_by(&stage, &document), "{subject}");
        }
    }
}
