//! Events in the form in which Google sends them: <https://developers.google.com/identity/protocols/risc>.

use super::*;
use crate::oidc::security_event::transmitter::subject_issuers;

const GOOGLE: &str = "https://accounts.google.com/";

fn google() -> Transmitter {
    let issuers = subject_issuers("https://accounts.google.com", GOOGLE);
    Transmitter {
        name: "google".into(),
        issuer: GOOGLE.into(),
        audiences: vec!["123.apps.googleusercontent.com".into()],
        missing_typ: MissingTyp::Accepted,
        providers: vec![InReach { provider: "google".into(), issuers }],
        ..transmitter()
    }
}

/// The verdict on an event with this URI and payload.
fn sent(uri: &str, payload: &Value) -> Result<SecurityEvent, SetError> {
    let changes = json!({"iss": GOOGLE, "aud": "123.apps.googleusercontent.com", "sub_id": "(absent)", "events": {uri: payload}});
    check(&google(), &RSA.token(Algorithm::RS256, &json!({"kid": "r"}), &claims(&changes)))
}

const PREFIX: &str = "https://schemas.openid.net/secevent";

#[test]
fn googles_events_end_the_sessions_of_its_people_though_its_id_tokens_name_it_without_a_slash() {
    for event in [
        "risc/event-type/sessions-revoked",
        "oauth/event-type/tokens-revoked",
        "risc/event-type/account-disabled",
        "risc/event-type/account-credential-change-required",
    ] {
        for issuer in ["https://accounts.google.com/", "https://accounts.google.com"] {
            for subject_type in ["iss-sub", "iss_sub", "id_token_claims", "id-token-claims"] {
                let subject =
                    json!({"subject_type": subject_type, "iss": issuer, "sub": "7375626A656374", "email": "a@example.com"});
                let read = sent(&format!("{PREFIX}/{event}"), &json!({"subject": subject, "reason": "hijacking"})).unwrap();
                assert_eq!(read.ends[0].subjects, vec![of("google", vec![person("7375626A656374")])], "{event} {issuer}");
            }
        }
    }
}

#[test]
fn googles_other_events_end_nothing() {
    let subject = json!({"subject_type": "iss-sub", "iss": GOOGLE, "sub": "7375626A656374"});
    let token =
        json!({"subject_type": "oauth_token", "token_type": "refresh_token", "token_identifier_alg": "prefix", "token": "x"});
    for (event, subject) in [
        ("risc/event-type/account-enabled", &subject),
        ("risc/event-type/account-purged/", &subject),
        ("oauth/event-type/token-revoked", &token),
    ] {
        ignored(sent(&format!("{PREFIX}/{event}"), &json!({"subject": subject})));
    }
    let why = ignored(sent(&format!("{PREFIX}/oauth/event-type/tokens-revoked"), &json!({"subject": token})));
    assert!(why.contains("the format \"oauth_token\""), "{why}");
    let read = sent(&format!("{PREFIX}/risc/event-type/verification"), &json!({"state": "test"})).unwrap();
    assert_eq!(read.verification, Verification::Event { state: Some("\"test\"".into()) });
}

#[test]
fn google_ends_no_session_of_another_provider() {
    let subject = json!({"subject_type": "iss-sub", "iss": MAIN, "sub": "alice"});
    let why = ignored(sent(&format!("{PREFIX}/risc/event-type/sessions-revoked"), &json!({"subject": subject})));
    assert!(why.starts_with(&format!("its iss \"{MAIN}\" is none of the providers of transmitter google")), "{why}");
}
