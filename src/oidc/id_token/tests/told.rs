//! What is printed of an ID token, and what is not.

use super::*;

#[test]
fn an_id_token_prints_the_names_of_its_claims_and_not_what_they_say() {
    let token = judge(json!({"email": "alice@example.com", "nonce": "n"})).unwrap();
    let printed = format!("{token:?}");
    assert_eq!(printed, r#"IdToken of "alice" with ["aud", "email", "exp", "iat", "iss", "nonce", "sub"]"#);
}

#[test]
fn the_audience_that_came_is_shown_and_the_nonce_is_not() {
    let detail = refusal(json!({"aud": ["account", "another\n"]})).detail;
    assert!(detail.starts_with("expected aud \"app\", found \"account another?\""), "{detail}");
    assert_eq!(refusal(json!({"nonce": "m"})).detail, "nonce is not the one that was sent");
    for (aud, found) in [
        (json!("another"), "\"another\""),
        (json!(["app", 7]), "a value of the wrong type"),
        (json!({"app": true}), "a value of the wrong type"),
        (json!(null), "none"),
    ] {
        let detail = refusal(json!({"aud": aud})).detail;
        assert!(detail.starts_with(&format!("expected aud \"app\", found {found};")), "{detail}");
    }
}
