//! Whom an event is about, in every form that is read and in those that are not.

use super::*;
use crate::words::principal::canonical_email;

fn session(sid: &str) -> SubjectPart {
    SubjectPart::Session { sid: sid.to_owned() }
}

fn email(address: &str) -> SubjectPart {
    SubjectPart::Email { address: address.to_owned() }
}

fn with_email() -> Transmitter {
    Transmitter { email: EmailSubjects::Accepted, ..transmitter() }
}

/// Whose sessions end by CAEP's `session-revoked` with this `sub_id`.
fn ended(transmitter: &Transmitter, sub_id: Value) -> Vec<EndedSubject> {
    let mut read = by(transmitter, json!({"sub_id": sub_id})).unwrap();
    assert_eq!((read.ends.len(), &read.ignored), (1, &vec![]), "{sub_id}");
    read.ends.remove(0).subjects
}

#[test]
fn a_subject_is_a_person_a_session_an_address_or_several_of_them_at_once() {
    let (alice, here) = (json!({"format": "iss_sub", "iss": MAIN, "sub": "alice"}), json!({"format": "opaque", "id": "s"}));
    let address = json!({"format": "email", "email": "Alice@Example.COM"});
    for (sub_id, expected) in [
        (alice.clone(), vec![of("main", vec![person("alice")])]),
        (here.clone(), vec![of("main", vec![session("s")]), of("second", vec![session("s")])]),
        (address.clone(), ["main", "second"].map(|name| of(name, vec![email("Alice@example.com")])).to_vec()),
        (json!({"format": "complex", "user": alice}), vec![of("main", vec![person("alice")])]),
        (json!({"format": "complex", "user": alice, "session": here}), vec![of("main", vec![person("alice"), session("s")])]),
        (
            json!({"format": "complex", "user": address, "session": here}),
            ["main", "second"].map(|name| of(name, vec![session("s"), email("Alice@example.com")])).to_vec(),
        ),
        // The form of the drafts, as authentik sends it.
        (
            json!({"user": address, "session": here}),
            ["main", "second"].map(|name| of(name, vec![session("s"), email("Alice@example.com")])).to_vec(),
        ),
    ] {
        assert_eq!(ended(&with_email(), sub_id.clone()), expected, "{sub_id}");
        // Older transmitters put the same into the event.
        let older = json!({"sub_id": "(absent)", "events": {uri(EventKind::SessionRevoked): {"subject": sub_id}}});
        assert_eq!(by(&with_email(), older).unwrap().ends[0].subjects, expected, "{sub_id}");
    }
}

#[test]
fn an_issuer_that_two_providers_share_means_both_and_one_that_none_has_means_nobody() {
    let mut shared = transmitter();
    shared.providers[1].issuers.push(MAIN.to_owned());
    let subject = |issuer: &str| json!({"format": "iss_sub", "iss": issuer, "sub": "alice"});
    let both = ["main", "second"].map(|name| of(name, vec![person("alice")])).to_vec();
    assert_eq!(ended(&shared, subject(MAIN)), both);
    assert_eq!(ended(&transmitter(), subject("https://second.example.com")), vec![of("second", vec![person("alice")])]);
    for strange in [ISSUER, "https://evil.example", "https://sso.example.com/realms/main/", "HTTPS://sso.example.com/realms/main"]
    {
        let why = ignored(judge(json!({"sub_id": subject(strange)})));
        assert_eq!(why, format!("its iss \"{strange}\" is none of the providers of transmitter events"));
    }
    // A session of such a person is nobody's either.
    let complex = json!({"format": "complex", "user": subject(ISSUER), "session": {"format": "opaque", "id": "s"}});
    assert!(ignored(judge(json!({"sub_id": complex}))).starts_with("its iss"));
}

#[test]
fn a_subject_of_which_any_part_cannot_be_told_ends_nothing() {
    let alice = json!({"format": "iss_sub", "iss": MAIN, "sub": "alice"});
    let complex = |name: &str, member: Value| json!({"format": "complex", "user": alice, name: member});
    for (sub_id, why) in [
        (json!({"format": "phone_number", "phone_number": "+1"}), "the format \"phone_number\""),
        (json!({"format": "account", "uri": "acct:a@b"}), "the format \"account\""),
        (json!({"format": "aliases", "identifiers": [alice]}), "the format \"aliases\""),
        (json!({"format": "jwt_id", "iss": MAIN, "jti": "j"}), "the format \"jwt_id\""),
        (json!({"format": "ISS_SUB", "iss": MAIN, "sub": "alice"}), "the format \"ISS_SUB\""),
        (json!({"format": ""}), "the format \"\""),
        (json!({"format": "email", "email": "a@example.com"}), "e-mail address, which is not accepted"),
        (json!({"format": "iss_sub", "iss": MAIN, "sub": "alicé"}), "nobody signs in with it"),
        (json!({"format": "iss_sub", "iss": MAIN, "sub": "client:app"}), "nobody signs in with it"),
        (json!({"format": "iss_sub", "iss": MAIN, "sub": "a".repeat(256)}), "nobody signs in with it"),
        (complex("device", json!({"format": "opaque", "id": "d"})), "its \"device\" cannot be told"),
        (complex("tenant", json!({"format": "opaque", "id": "t"})), "its \"tenant\" cannot be told"),
        (complex("group", alice.clone()), "its \"group\" cannot be told"),
        (complex("User", alice.clone()), "its \"User\" cannot be told"),
        (complex("session", json!({"format": "jwt_id", "iss": MAIN, "jti": "j"})), "the format \"jwt_id\""),
        (complex("session", alice.clone()), "the format \"iss_sub\""),
        (complex("user", json!({"format": "opaque", "id": "u"})), "the format \"opaque\""),
        (complex("user", json!({"format": "complex", "user": alice})), "the format \"complex\""),
        (complex("session", json!({"format": "complex", "session": {"format": "opaque", "id": "s"}})), "the format \"complex\""),
    ] {
        let said = ignored(judge(json!({"sub_id": sub_id})));
        assert!(said.contains(why), "{sub_id}: {said}");
    }
}

#[test]
fn an_opaque_name_is_a_session_only_where_an_event_is_about_sessions() {
    let opaque = json!({"format": "opaque", "id": "s"});
    for kind in EventKind::ALL.iter().copied().filter(|kind| *kind != EventKind::SessionRevoked) {
        let events = json!({kind.uri(): {"change_type": "revoke"}});
        let said = ignored(judge(json!({"sub_id": opaque, "events": events})));
        assert!(said.contains("the format \"opaque\""), "{said}");
        // A session that a complex subject names as such is one.
        let complex = json!({"format": "complex", "session": opaque});
        assert_eq!(judge(json!({"sub_id": complex, "events": events})).unwrap().ends.len(), 1, "{}", kind.name());
    }
}

#[test]
fn a_subject_that_is_not_what_its_format_says_is_refused() {
    let alice = json!({"format": "iss_sub", "iss": MAIN, "sub": "alice"});
    for sub_id in [
        json!("alice"),
        json!([alice]),
        json!(7),
        json!({}),
        json!({"iss": MAIN, "sub": "alice"}),
        json!({"format": null, "iss": MAIN, "sub": "alice"}),
        json!({"format": 7, "iss": MAIN, "sub": "alice"}),
        json!({"format": ["iss_sub"], "iss": MAIN, "sub": "alice"}),
        json!({"format": "iss_sub", "subject_type": "email", "iss": MAIN, "sub": "alice"}),
        json!({"format": "iss_sub", "sub": "alice"}),
        json!({"format": "iss_sub", "iss": MAIN}),
        json!({"format": "iss_sub", "iss": MAIN, "sub": ""}),
        json!({"format": "iss_sub", "iss": MAIN, "sub": 7}),
        json!({"format": "iss_sub", "iss": [MAIN], "sub": "alice"}),
        json!({"format": "opaque"}),
        json!({"format": "opaque", "id": ""}),
        json!({"format": "opaque", "id": 7}),
        json!({"format": "email"}),
        json!({"format": "email", "email": "alice"}),
        json!({"format": "email", "email": ["a@example.com"]}),
        json!({"format": "email", "email": format!("{}@example.com", "a".repeat(400))}),
        json!({"format": "complex"}),
        json!({"format": "complex", "user": "alice"}),
        json!({"format": "complex", "user": alice, "session": "s"}),
        json!({"format": "complex", "user": {"iss": MAIN, "sub": "alice"}}),
        json!({"format": "complex", "user": null}),
        // What cannot be told does not hide what is wrong.
        json!({"format": "complex", "device": {"format": "opaque", "id": "d"}, "user": {"format": "iss_sub"}}),
        json!({"user": {}}),
    ] {
        let (err, said) = refused(by(&with_email(), json!({"sub_id": sub_id})));
        assert!(err == "invalid_request" && said.contains("sub_id"), "{sub_id}: {said}");
    }
}

#[test]
fn a_subject_that_is_there_twice_is_the_same_in_both_places_or_the_token_is_refused() {
    let with = |subject: Value| event_of(EventKind::SessionRevoked, json!({"subject": subject}));
    let subject = |sub: &str| json!({"subject_type": "iss-sub", "iss": MAIN, "sub": sub});
    assert_eq!(with(subject("alice")).unwrap().ends[0].subjects, vec![of("main", vec![person("alice")])]);
    assert_eq!(with(json!(null)).unwrap().ends.len(), 1);
    for other in [subject("bob"), json!({"format": "opaque", "id": "s"}), json!({"format": "phone_number"})] {
        let (err, said) = refused(with(other.clone()));
        assert!(err == "invalid_request" && said.contains("sub_id and subject are about different subjects"), "{other}: {said}");
    }
}

#[test]
fn addresses_are_compared_with_the_domain_in_lower_case_and_the_rest_as_it_is() {
    for (address, canonical) in
        [("Alice@Example.COM", "Alice@example.com"), ("\"A@B\"@Example.com", "\"A@B\"@example.com"), ("none", "none"), ("@", "@")]
    {
        assert_eq!(canonical_email(address), canonical);
    }
}

#[test]
fn a_long_session_name_is_kept_as_sessions_keep_it() {
    let long = "s".repeat(304);
    let sub_id = json!({"format": "opaque", "id": long});
    assert_eq!(ended(&transmitter(), sub_id)[0].all_of, vec![session(&kept_name(&long))]);
}
