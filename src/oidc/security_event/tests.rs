use std::sync::LazyLock;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{BareHost, OTHER_P256, P256, RSA, base64url, key_set};
use crate::oidc::security_event::event::ChangeType;
use crate::oidc::security_event::subject::SubjectPart;
use crate::oidc::security_event::transmitter::{EmailSubjects, InReach};

mod confusion;
mod google;
mod made_up;
mod subjects;

const NOW: u64 = 1_700_000_000;
const ISSUER: &str = "https://events.example.com";
const MAIN: &str = "https://sso.example.com/realms/main";

static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&[(&P256, json!({"kid": "k"})), (&RSA, json!({"kid": "r"}))]));

/// A transmitter whose events all end sessions of the providers `main` and `second`.
fn transmitter() -> Transmitter {
    let reach = |provider: &str, issuer: &str| InReach { provider: provider.to_owned(), issuers: vec![issuer.to_owned()] };
    Transmitter {
        name: "events".into(),
        issuer: ISSUER.into(),
        audiences: vec!["https://app.example.com".into(), "app".into()],
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        clock_skew: Duration::from_secs(60),
        missing_typ: MissingTyp::Refused,
        events: EventKind::ALL.to_vec(),
        change_types: vec![ChangeType::Revoke, ChangeType::Delete],
        email: EmailSubjects::Ignored,
        providers: vec![reach("main", MAIN), reach("second", "https://second.example.com")],
    }
}

fn uri(kind: EventKind) -> String {
    kind.uri().to_owned()
}

/// Good claims with these changes. `"(absent)"` removes a claim, because `null` is a value here.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "app", "iat": NOW, "jti": "j",
        "sub_id": {"format": "iss_sub", "iss": MAIN, "sub": "alice"},
        "events": {EventKind::SessionRevoked.uri(): {}},
    });
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| value != "(absent)");
    claims
}

fn with_header(header: &Value, changes: &Value) -> String {
    P256.token(Algorithm::ES256, header, &claims(changes))
}

fn check(transmitter: &Transmitter, set: &str) -> Result<SecurityEvent, SetError> {
    verify(&BareHost::none(), transmitter, set, &KEYS, Timestamp::from_seconds(NOW))
}

fn by(transmitter: &Transmitter, changes: Value) -> Result<SecurityEvent, SetError> {
    check(transmitter, &with_header(&json!({"kid": "k", "typ": "secevent+jwt"}), &changes))
}

fn judge(changes: Value) -> Result<SecurityEvent, SetError> {
    by(&transmitter(), changes)
}

/// The verdict on an event with this payload.
fn event_of(kind: EventKind, payload: Value) -> Result<SecurityEvent, SetError> {
    judge(json!({"events": {kind.uri(): payload}}))
}

/// What is said of a token that is refused for good.
fn refused(verdict: Result<SecurityEvent, SetError>) -> (&'static str, String) {
    match verdict {
        Err(SetError::Refused(SetRefusal { err, failure })) if failure.reason == Reason::SecurityEventInvalid => {
            (err.as_str(), failure.detail)
        }
        other => panic!("it was not refused for good: {other:?}"),
    }
}

/// Why the only event of a token ends nothing.
fn ignored(verdict: Result<SecurityEvent, SetError>) -> String {
    match verdict {
        Ok(SecurityEvent { ends, mut ignored, .. }) if ends.is_empty() && ignored.len() == 1 => ignored.remove(0).why,
        other => panic!("{other:?}"),
    }
}

fn person(sub: &str) -> SubjectPart {
    SubjectPart::Person { sub: sub.to_owned() }
}

fn of(provider: &str, all_of: Vec<SubjectPart>) -> EndedSubject {
    EndedSubject { provider: provider.to_owned(), all_of }
}

#[test]
fn a_good_token_says_whose_sessions_end_and_since_when() {
    let issued = Timestamp::from_seconds(NOW);
    for kind in EventKind::ALL.iter().copied() {
        let payload = if kind == EventKind::CredentialChange { json!({"change_type": "revoke"}) } else { json!({}) };
        let end = End { event: kind, subjects: vec![of("main", vec![person("alice")])], before: issued };
        let expected = SecurityEvent { jti: "j".into(), ends: vec![end], ignored: vec![], verification: Verification::NotOne };
        assert_eq!(event_of(kind, payload), Ok(expected), "{}", kind.name());
    }
}

#[test]
fn it_ends_what_began_before_the_event_and_never_what_began_after_the_token() {
    let before = |time: Value| event_of(EventKind::SessionRevoked, json!({"event_timestamp": time})).unwrap().ends[0].before;
    for (time, millis) in [
        (json!(NOW - 500), (NOW - 500) * 1_000),
        (json!((NOW - 500) * 1_000 + 7), (NOW - 500) * 1_000 + 7),
        (json!(null), NOW * 1_000),
        (json!(NOW), NOW * 1_000),
        (json!(NOW + 30), NOW * 1_000),
        (json!(u64::MAX), NOW * 1_000),
    ] {
        assert_eq!(before(time.clone()), Timestamp::from_millis(millis), "{time}");
    }
    for wrong in [json!("1700000000"), json!(true), json!([NOW]), json!({}), json!(-1)] {
        let (err, said) = refused(event_of(EventKind::SessionRevoked, json!({"event_timestamp": wrong})));
        assert!(err == "invalid_request" && said.contains("event_timestamp"), "{said}");
    }
}

#[test]
fn each_claim_that_is_wrong_missing_or_of_another_type_is_refused_with_its_code() {
    let one = EventKind::SessionRevoked.uri();
    let many: serde_json::Map<_, _> = (0..17).map(|number| (format!("https://x.example/{number}"), json!({}))).collect();
    for (changes, err, detail) in [
        (json!({"iss": "(absent)"}), "invalid_issuer", "expected iss"),
        (json!({"iss": format!("{ISSUER}/")}), "invalid_issuer", "expected iss"),
        (json!({"iss": "https://evil.example"}), "invalid_issuer", "found \"https://evil.example\""),
        (json!({"iss": [ISSUER]}), "invalid_issuer", "expected iss"),
        (json!({"iss": null}), "invalid_issuer", "expected iss"),
        (json!({"aud": "(absent)"}), "invalid_audience", "expected aud \"https://app.example.com or app\", found none"),
        (json!({"aud": null}), "invalid_audience", "expected aud"),
        (json!({"aud": "another"}), "invalid_audience", "found \"another\""),
        (json!({"aud": "APP"}), "invalid_audience", "expected aud"),
        (json!({"aud": []}), "invalid_audience", "expected aud"),
        (json!({"aud": ["another"]}), "invalid_audience", "expected aud"),
        (json!({"aud": ["app", 7]}), "invalid_audience", "expected aud"),
        (json!({"aud": {"app": 1}}), "invalid_audience", "expected aud"),
        (json!({"exp": NOW + 60}), "invalid_request", "it has exp"),
        (json!({"exp": null}), "invalid_request", "it has exp"),
        (json!({"exp": "0"}), "invalid_request", "of the wrong type"),
        (json!({"sub": "alice"}), "invalid_request", "it has sub"),
        (json!({"sub": null}), "invalid_request", "it has sub"),
        (json!({"sub": 7}), "invalid_request", "it has sub"),
        (json!({"nonce": "n"}), "invalid_request", "it has nonce"),
        (json!({"nonce": null}), "invalid_request", "it has nonce"),
        (json!({"iat": "(absent)"}), "invalid_request", "iat is missing"),
        (json!({"iat": null}), "invalid_request", "iat is missing"),
        (json!({"iat": NOW + 61}), "invalid_request", "iat is 61 s ahead of our clock"),
        (json!({"iat": "0"}), "invalid_request", "of the wrong type"),
        (json!({"iat": -1}), "invalid_request", "iat lies before 1970"),
        (json!({"nbf": NOW + 61}), "invalid_request", "nbf is 61 s ahead"),
        (json!({"jti": "(absent)"}), "invalid_request", "jti is missing"),
        (json!({"jti": ""}), "invalid_request", "jti is empty"),
        (json!({"jti": 7}), "invalid_request", "jti is not a text"),
        (json!({"events": "(absent)"}), "invalid_request", "events is missing"),
        (json!({"events": null}), "invalid_request", "events is not an object"),
        (json!({"events": [one]}), "invalid_request", "events is not an object"),
        (json!({"events": one}), "invalid_request", "events is not an object"),
        (json!({"events": {}}), "invalid_request", "events is empty"),
        (json!({"events": many}), "invalid_request", "more than 16 events"),
        (json!({"events": {one: null}}), "invalid_request", "the event is not an object"),
        (json!({"events": {one: []}}), "invalid_request", "the event is not an object"),
        (json!({"events": {one: "x"}}), "invalid_request", "the event is not an object"),
        (json!({"events": {one: {}, "https://x.example/e": true}}), "invalid_request", "the event is not an object"),
        (json!({"sub_id": "(absent)"}), "invalid_request", "there is neither sub_id nor subject"),
        (json!({"sub_id": null}), "invalid_request", "there is neither sub_id nor subject"),
    ] {
        let (found, said) = refused(judge(changes.clone()));
        assert!(found == err && said.contains(detail), "{changes}: {found}: {said}");
    }
}

#[test]
fn what_transmitters_may_do_differently_is_accepted() {
    for changes in [
        json!({"aud": ["https://other.example", "app"]}),
        json!({"aud": "https://app.example.com"}),
        json!({"iat": NOW + 60}),
        // Events are never too old: one that was held back ends what began before it.
        json!({"iat": 0}),
        json!({"txn": 7, "toe": "x", "azp": 7}),
        json!({"jti": "j".repeat(10_000)}),
    ] {
        assert!(judge(changes.clone()).is_ok_and(|read| read.ends.len() == 1), "{changes}");
    }
    assert_eq!(judge(json!({"jti": "j".repeat(10_000)})).unwrap().jti.len(), 22);
}

#[test]
fn the_type_says_that_it_is_an_event_unless_an_older_transmitter_may_leave_it_out() {
    let lenient = Transmitter { missing_typ: MissingTyp::Accepted, ..transmitter() };
    let token = |typ: Option<&str>| {
        with_header(&typ.map_or_else(|| json!({"kid": "k"}), |typ| json!({"kid": "k", "typ": typ})), &json!({}))
    };
    for typ in ["secevent+jwt", "SECEVENT+JWT", "application/secevent+jwt", "Application/SecEvent+JWT"] {
        assert!(check(&transmitter(), &token(Some(typ))).is_ok() && check(&lenient, &token(Some(typ))).is_ok(), "{typ}");
    }
    for typ in [None, Some("JWT"), Some("application/jwt")] {
        assert!(check(&lenient, &token(typ)).is_ok(), "{typ:?}");
        let (err, said) = refused(check(&transmitter(), &token(typ)));
        assert!(err == "invalid_request" && said.starts_with("expected typ secevent+jwt, found"), "{said}");
    }
    for typ in ["", "logout+jwt", "at+jwt", "dpop+jwt", "secevent", "text/secevent+jwt", "application/application/jwt"] {
        for transmitter in [&transmitter(), &lenient] {
            assert_eq!(refused(check(transmitter, &token(Some(typ)))).0, "invalid_request", "{typ}");
        }
    }
}

#[test]
fn a_token_that_is_torn_too_long_unsigned_or_by_another_key_is_refused_with_its_code() {
    let good = with_header(&json!({"kid": "k", "typ": "secevent+jwt"}), &json!({}));
    let unsigned = |algorithm: &str| {
        let header = base64url(json!({"alg": algorithm, "kid": "k", "typ": "secevent+jwt"}).to_string());
        format!("{header}.{}.", base64url(claims(&json!({})).to_string()))
    };
    let long = with_header(&json!({"kid": "k"}), &json!({"x": "x".repeat(20_000)}));
    for (set, err, detail) in [
        (String::new(), "invalid_request", "malformed"),
        ("a.b.c.d.e".to_owned(), "invalid_request", "an encrypted token has five"),
        (good.replace('.', ""), "invalid_request", "malformed"),
        (format!("{{\"set\": \"{good}\"}}"), "invalid_request", "malformed"),
        (long, "invalid_request", "longer than 16 KiB"),
        (
            unsigned("none"),
            "invalid_key",
            "expected one of the algorithms of transmitter events (ES256, RS256), found alg \"none\"",
        ),
        (unsigned("HS256"), "invalid_key", "found alg \"HS256\""),
    ] {
        let (found, said) = refused(check(&transmitter(), &set));
        assert!(found == err && said.contains(detail), "{found}: {said}");
    }
    let claims = claims(&json!({}));
    for (set, err) in [
        (P256.token(Algorithm::ES256, &json!({"kid": "new"}), &claims), "invalid_key"),
        (RSA.token(Algorithm::RS256, &json!({"kid": "k"}), &claims), "invalid_key"),
        (OTHER_P256.token(Algorithm::ES256, &json!({"kid": "k"}), &claims), "authentication_failed"),
        (OTHER_P256.token(Algorithm::ES256, &json!({}), &claims), "authentication_failed"),
    ] {
        match check(&transmitter(), &set) {
            Err(SetError::KeyUnknown(refusal)) => assert_eq!(refusal.err.as_str(), err),
            other => panic!("{err}: {other:?}"),
        }
    }
}

#[test]
fn an_event_that_is_unknown_or_not_configured_ends_nothing_and_says_so() {
    assert_eq!(ignored(judge(json!({"events": {"https://x.example/e": {}}}))), "it is not an event by which sessions end");
    let only = |events: Vec<EventKind>| Transmitter { events, ..transmitter() };
    for kind in EventKind::ALL.iter().copied() {
        let others = only(EventKind::ALL.iter().copied().filter(|other| *other != kind).collect());
        // What is not configured is not read either.
        let read = by(&others, json!({"sub_id": 7, "events": {kind.uri(): {"event_timestamp": "x", "change_type": 7}}}));
        assert_eq!(ignored(read), "it is not among events of transmitter events", "{}", kind.name());
    }
    let both = json!({"events": {uri(EventKind::AccountDisabled): {}, uri(EventKind::SessionRevoked): {}}});
    let read = by(&only(vec![EventKind::AccountDisabled]), both).unwrap();
    assert_eq!((read.ends.len(), read.ends[0].event), (1, EventKind::AccountDisabled));
    assert_eq!(read.ignored[0].event, EventKind::SessionRevoked.name());
}

#[test]
fn a_changed_credential_ends_sessions_only_by_the_changes_that_are_configured() {
    let verdict = |change: Value| event_of(EventKind::CredentialChange, json!({"change_type": change, "credential_type": "x"}));
    for change in ["revoke", "delete"] {
        assert_eq!(verdict(json!(change)).unwrap().ends.len(), 1, "{change}");
    }
    for change in ["create", "update"] {
        let why = ignored(verdict(json!(change)));
        assert_eq!(why, "its change_type is not among change_types of transmitter events", "{change}");
    }
    for wrong in [json!(null), json!("Revoke"), json!(""), json!("stolen"), json!(7), json!(["revoke"])] {
        let (err, said) = refused(verdict(wrong.clone()));
        assert!(err == "invalid_request" && said.contains("change_type is"), "{wrong}: {said}");
    }
}

#[test]
fn one_token_ends_no_more_than_one_event_at_as_many_providers_as_a_transmitter_can_have() {
    let reach = |number: usize| InReach { provider: number.to_string(), issuers: vec![MAIN.to_owned()] };
    let at = |providers: usize| Transmitter { providers: (0..providers).map(reach).collect(), ..transmitter() };
    let events = |number: usize| {
        let kinds = [EventKind::SessionRevoked, EventKind::AccountDisabled, EventKind::SessionsRevoked];
        let events: Vec<_> = kinds.iter().take(number).map(|kind| (uri(*kind), json!({"event_timestamp": number}))).collect();
        json!({"events": Value::from_iter(events)})
    };
    for (providers, number, ends) in [(32, 1, Some(32)), (16, 2, Some(32)), (17, 2, None), (32, 3, None)] {
        let verdict = by(&at(providers), events(number));
        match ends {
            Some(ends) => assert_eq!(verdict.unwrap().ends.iter().map(|end| end.subjects.len()).sum::<usize>(), ends),
            None => assert_eq!(refused(verdict).0, "invalid_request"),
        }
    }
}

#[test]
fn a_verification_event_ends_nothing_needs_no_subject_of_ours_and_shows_its_state() {
    for family in ["ssf", "sse", "risc"] {
        let verification = |payload: Value| {
            let uri = format!("https://schemas.openid.net/secevent/{family}/event-type/verification");
            let none = Transmitter { events: vec![], ..transmitter() };
            by(&none, json!({"sub_id": {"format": "opaque", "id": "stream"}, "events": {uri: payload}}))
        };
        for (payload, state) in [
            (json!({"state": "s\n"}), Some("\"s?\"")),
            (json!({}), None),
            (json!({"state": null}), None),
            (json!({"state": ""}), Some("\"\"")),
        ] {
            let read = verification(payload).unwrap();
            assert_eq!(read.verification, Verification::Event { state: state.map(str::to_owned) });
            assert_eq!((read.ends, read.ignored), (vec![], vec![]));
        }
        assert_eq!(refused(verification(json!({"state": 7}))).0, "invalid_request");
    }
    let updated = json!({"events": {"https://schemas.openid.net/secevent/ssf/event-type/stream-updated": {"status": "paused"}}});
    assert_eq!(ignored(judge(updated)), "it is not an event by which sessions end");
}

#[test]
fn the_issuer_that_a_token_claims_is_read_without_believing_it() {
    let forged = OTHER_P256.token(Algorithm::ES256, &json!({"kid": "k"}), &claims(&json!({})));
    assert_eq!(claimed_issuer(&forged).as_deref(), Some(ISSUER));
    for without in ["", "a.b.c", &"x".repeat(20_000)] {
        assert_eq!(claimed_issuer(without), None);
    }
}

#[test]
fn the_codes_are_those_of_the_registry() {
    use ErrorCode::{AuthenticationFailed, InvalidAudience, InvalidIssuer, InvalidKey, InvalidRequest};
    let codes = [InvalidRequest, InvalidKey, InvalidIssuer, InvalidAudience, AuthenticationFailed];
    assert_eq!(
        codes.map(ErrorCode::as_str),
        ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed"]
    );
}
