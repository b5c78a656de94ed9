//! A client by which tokens for applications are got, and nobody signs in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// The same configuration with such a client at the same provider, which gets the tokens for `/notes`.
fn document_with_client() -> Value {
    let mut document = exchanging();
    let mut client = document["providers"][0].clone();
    client.as_object_mut().unwrap().remove("bearer");
    client["name"] = json!("exchange");
    client["client_id"] = json!("exchanger");
    client["client_secret"] = json!("secret of the exchanger");
    client["sign_in"] = json!(false);
    document["providers"].as_array_mut().unwrap().insert(0, client);
    document["rules"][0]["forward"]["token_exchange"]["provider"] = json!("exchange");
    document
}

#[test]
fn it_gets_the_tokens_for_which_a_rule_names_it_and_no_others() {
    let mut stage = Stage::signed_in(&document_with_client());
    let clients = token(&stage, json!({}));
    assert_eq!(arrives(&stage.script("GET", "/notes")), Some("Bearer for-the-application-0"));
    assert_eq!(ask(&mut stage, "/notes", &clients).as_deref(), Some("Bearer for-the-application-1"));
    assert_eq!(ask(&mut stage, "/others", &clients).as_deref(), Some("Bearer for-the-application-2"));
    let by = |client: &str| format!("Basic {}", STANDARD.encode(client));
    let ours = by("exchanger:secret+of+the+exchanger");
    assert_eq!(stage.provider.exchanged_by, [ours.clone(), ours, by("app:the-client-secret")]);
}

#[test]
fn nobody_is_sent_to_it_nor_comes_back_from_it() {
    let mut stage = Stage::ready(&document_with_client());
    let asked = query_parameters(location(&stage.navigate("/notes")).split_once('?').map(|(_, query)| query));
    // The other provider is the only one where people sign in, so that its address is the short one.
    assert_eq!((asked["client_id"].as_str(), asked["redirect_uri"].as_str()), ("app", "https://app.example.com/api/callback"));
    assert_ne!(outcome(&stage.navigate("/api/login?provider=exchange")).0, 302);
    let step = stage.script("GET", "/api/callback/exchange?code=a&state=b");
    assert_eq!(outcome(&step), (401, "session_missing"), "an address like others");
}

/// The same two providers where people sign in at both, at addresses that are the same in both configurations.
fn where_people_sign_in_at_both() -> Value {
    let mut document = document_with_client();
    document["providers"][0].as_object_mut().unwrap().remove("sign_in");
    document
}

#[test]
fn who_signed_in_by_it_before_is_signed_in_no_longer_and_whoever_is_about_to_stays_out() {
    let both = where_people_sign_in_at_both();
    let mut stage = Stage::ready(&both);
    let start = |stage: &mut Stage| {
        let begun = stage.navigate("/api/login?provider=exchange");
        stage.provider.agree(location(&begun))
    };
    stage.provider.claims["aud"] = json!("exchanger");
    let callback = start(&mut stage);
    stage.navigate(&callback);
    assert_eq!(outcome(&stage.script("GET", "/page")), (200, ""));
    let signed_in = stage.browser.clone();
    stage.browser = Default::default();
    let callback = start(&mut stage);
    // From now on nobody signs in by it.
    stage.worker = stage.worker.beside(&document_with_client());
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    assert_eq!(outcome(&stage.worker.begin(signed_in.script("GET", "/page"))), (401, "session_invalid"));
    let back = stage.navigate(&callback.replace("/callback/exchange", "/callback"));
    assert_eq!(outcome(&back), (400, "attempt_missing"));
    assert!(format!("{:?}", back.events).contains("its provider is no longer configured, or no longer to sign in"));
    assert!(!stage.browser.jar.contains_key("__Host-accredit"));
}

#[test]
fn its_keys_are_not_fetched() {
    let mut alone = document_with_client();
    alone["providers"].as_array_mut().unwrap().remove(1);
    alone["forward"] = json!({});
    alone["rules"] = json!([{
        "match": {"path_separated_prefix": "/own"},
        "require": "authenticated",
        "credentials": "bearer",
        "forward": {"client_credentials": {"resource": "https://own.example.com/", "provider": "exchange"}}
    }]);
    let mut stage = Stage::ready(&alone);
    stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
    let partner = token_of_partner(&stage, json!({}));
    assert_eq!(ask(&mut stage, "/own", &partner).as_deref(), Some("Bearer for-the-application-0"));
    assert_eq!(stage.provider.asked, [".well-known/openid-configuration", "token"]);
}
