use serde_json::{Value, json};

use crate::config::Refusals;
use crate::config::settings::{Settings, TransmitterSettings};
use crate::config::testing::load;
use crate::oidc::provider::MetadataSource;
use crate::oidc::security_event::event::{ChangeType, EventKind};
use crate::oidc::security_event::transmitter::{EmailSubjects, MissingTyp};
use crate::words::principal::ClaimPath;

/// A configuration with Google and a second provider, and with these transmitters.
fn document(transmitters: Value) -> Value {
    let provider = |name: &str, issuer: &str, host: &str| {
        json!({"name": name, "issuer": issuer, "clusters": {host: name}, "client_id": format!("client-of-{name}"),
               "client_secret": format!("the-client-secret-of-{name}")})
    };
    let google = provider("google", "https://accounts.google.com", "accounts.google.com");
    let sso = provider("sso", "https://sso.example.com/realms/main", "sso.example.com");
    json!({
        "origins": ["https://app.example.com"],
        "providers": [google, sso],
        "session": {"keys": ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]},
        "endpoints": {"security_events": "/api/security_events"},
        "transmitters": transmitters,
    })
}

fn read(document: &Value) -> Result<Settings, Refusals> {
    load(document.to_string().as_bytes(), &|_| None)
}

fn only(transmitter: Value) -> TransmitterSettings {
    read(&document(json!([transmitter]))).unwrap().transmitters.pop().unwrap()
}

fn address(transmitter: &TransmitterSettings) -> &str {
    match &transmitter.publisher.source {
        MetadataSource::Transmitter { document, .. } => document.as_str(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn google_is_configured_in_three_lines_and_another_transmitter_in_two() {
    let google = only(json!({
        "issuer": "https://accounts.google.com/",
        "metadata_url": "https://accounts.google.com/.well-known/risc-configuration",
        "providers": ["google"],
    }));
    assert_eq!((google.oidc.name.as_str(), google.oidc.audiences), ("accounts.google.com", vec!["client-of-google".to_owned()]));
    let [reach] = google.oidc.providers.as_slice() else { panic!() };
    assert_eq!(reach.issuers, ["https://accounts.google.com", "https://accounts.google.com/"]);
    assert_eq!((google.keys, google.authorization), (None, None));
    let sso = only(json!({"issuer": "https://sso.example.com/realms/main", "providers": ["sso"]}));
    assert_eq!(address(&sso), "https://sso.example.com/.well-known/ssf-configuration/realms/main");
    assert_eq!(sso.publisher.name, "transmitter/sso.example.com");
    assert_eq!((sso.oidc.missing_typ, sso.oidc.email), (MissingTyp::Refused, EmailSubjects::Ignored));
    let harmless = [EventKind::CredentialChange, EventKind::TokenClaimsChange];
    assert_eq!(sso.oidc.events.len(), EventKind::ALL.len() - 2);
    assert!(!sso.oidc.events.iter().any(|kind| harmless.contains(kind)));
}

#[test]
fn every_member_has_its_effect() {
    let read = only(json!({
        "name": "events",
        "issuer": "https://events.example.com",
        "jwks_uri": "https://events.example.com/keys",
        "clusters": {"events.example.com": "events"},
        "providers": ["sso", "google"],
        "audiences": ["https://app.example.com"],
        "events": ["session-revoked", "credential-change"],
        "change_types": ["create"],
        "email": true,
        "typ": "optional",
        "authorization": "Bearer 0123456789",
        "algorithms": ["ES256"],
        "clock_skew_seconds": 5,
        "timeout": "2s",
    }));
    assert_eq!(read.oidc.events, [EventKind::SessionRevoked, EventKind::CredentialChange]);
    assert_eq!((read.oidc.change_types, read.oidc.missing_typ), (vec![ChangeType::Create], MissingTyp::Accepted));
    assert_eq!((read.oidc.audiences, read.oidc.email), (vec!["https://app.example.com".to_owned()], EmailSubjects::Accepted));
    assert_eq!(read.oidc.providers.iter().map(|reach| reach.provider.as_str()).collect::<Vec<_>>(), ["sso", "google"]);
    assert_eq!((read.oidc.clock_skew.as_secs(), read.publisher.timeout.as_secs()), (5, 2));
    assert_eq!(read.authorization.unwrap().expose(), "Bearer 0123456789");
    assert!(matches!(read.publisher.source, MetadataSource::Given(_)));
    let jwk = crate::crypto::testing::P256.jwk(&json!({"kid": "k"}));
    let with_keys = only(json!({"name": "x", "issuer": "urn:x", "jwks": {"keys": [jwk]}, "providers": ["sso"]}));
    assert!(with_keys.keys.is_some() && !with_keys.publisher.is_asked());
}

#[test]
fn sessions_keep_the_address_where_events_may_name_people_by_it_and_only_there() {
    let kept = |email: bool| {
        let mut document =
            document(json!([{"issuer": "https://sso.example.com/realms/main", "providers": ["sso"], "email": email}]));
        document["claim_to_headers"] = json!([{"claim_name": "sub", "header_name": "x-user"}]);
        let settings = read(&document).unwrap();
        let has = |name: &str| settings.kept_claims.contains(&ClaimPath::named(name));
        [has("email"), has("email_verified")]
    };
    assert_eq!([kept(true), kept(false)], [[true, true], [false, false]]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place_and_a_remedy() {
    let good = json!({"issuer": "https://sso.example.com/realms/main", "providers": ["sso"]});
    let with = |name: &str, value: Value| {
        let mut transmitter = good.clone();
        transmitter[name] = value;
        document(json!([transmitter]))
    };
    let without_path = {
        let mut document = document(json!([good]));
        document["endpoints"] = json!({});
        document
    };
    let one = |issuer: &str| json!({"issuer": issuer, "providers": ["sso"]});
    for (document, path, words) in [
        (with("providers", json!([])), "transmitters[0].providers", "1 to 32 providers"),
        (with("providers", json!(["sos"])), "transmitters[0].providers[0]", "did you mean `sso`"),
        (with("events", json!([])), "transmitters[0].events", "at least one"),
        (with("events", json!(["session-revokd"])), "transmitters[0].events[0]", "did you mean `session-revoked`"),
        (with("change_types", json!(["update"])), "transmitters[0].change_types", "without credential-change"),
        (with("audiences", json!([])), "transmitters[0].audiences", "found none"),
        (with("authorization", json!("short")), "transmitters[0].authorization", "at least 16 bytes"),
        (with("authorization", json!("the-client-secret-of-sso")), "transmitters[0].authorization", "a key of its own"),
        (with("jwks_uri", json!("https://other.example/keys")), "transmitters[0].clusters", "a cluster for other.example"),
        (with("jwks_uri", json!("http://sso.example.com/keys")), "transmitters[0].jwks_uri", "everybody on the way"),
        (with("metadata_url", json!("/x")), "transmitters[0].metadata_url", "an absolute https URL"),
        (with("issuer", json!("sso")), "transmitters[0].issuer", "an absolute https URL"),
        (with("issuer", json!("")), "transmitters[0].issuer", "as it stands in its tokens"),
        (with("name", json!("a/b")), "transmitters[0].name", "letters, digits"),
        (with("algorithms", json!(["HS256"])), "transmitters[0].algorithms[0]", "expected one of"),
        (without_path, "endpoints.security_events", "because there are transmitters"),
        (document(json!([])), "transmitters", "found nobody"),
        (document(json!([good, good])), "transmitters[1].issuer", "an issuer of its own"),
        (
            document(json!([one("https://sso.example.com/a"), one("https://sso.example.com/b")])),
            "transmitters[1].name",
            "is taken",
        ),
    ] {
        let refusals = read(&document).unwrap_err().to_string();
        assert!(refusals.contains(path) && refusals.contains(words), "{path}: {refusals}");
    }
    let mut both = with("jwks_uri", json!("https://sso.example.com/keys"));
    both["transmitters"][0]["metadata_url"] = json!("https://sso.example.com/x");
    assert!(read(&both).unwrap_err().to_string().contains("expected one of metadata_url, jwks_uri and jwks"));
}

#[test]
fn an_event_about_the_address_of_one_person_cannot_end_the_sessions_of_another_who_has_it_at_the_user_service() {
    let with = |email: bool, accounts: Value| {
        let by = json!({"issuer": "https://sso.example.com/realms/main", "providers": ["sso"], "email": email});
        let mut document = document(json!([by]));
        document["accounts"] = accounts;
        document
    };
    let find = json!({"path": "/users/{claims.iss}/{claims.sub}"});
    let accounts = |claims: Value| json!({"cluster": "users", "subject": "id", "claims": claims, "find": find});
    let address = json!({"email": "mail", "email_verified": "verified"});
    for claims in [address.clone(), json!({"email_verified": "verified"})] {
        let refusals = read(&with(true, accounts(claims))).unwrap_err().to_string();
        assert!(refusals.contains("transmitters[0].email: expected false, because accounts.claims"), "{refusals}");
    }
    let verify = json!({"path": "/verify", "body": {"name": "{account}", "password": "{password}"}});
    let mut by_password = with(true, json!({"cluster": "users", "subject": "id", "claims": address, "verify": verify}));
    by_password["endpoints"]["password"] = json!("/api/password");
    by_password["password"] = json!({"cookie": true});
    for good in [with(false, accounts(address)), with(true, accounts(json!({"role": "role"}))), by_password] {
        assert_eq!(read(&good).map(|_| ()).map_err(|refusals| refusals.to_string()), Ok(()));
    }
}
