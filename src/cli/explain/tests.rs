//! The command on configurations and requests, as somebody would use it.

mod agreement;
mod endpoints;
mod resources;
mod routes;
mod table;

use serde_json::{Value, json};

use crate::cli::desk::Desk;
use crate::cli::desk::target::{Question, Target, field};
use crate::cli::desk::who::{By, Somebody, Who};
use crate::cli::desk::world::DeskWorld;
use crate::cli::envoy::passage::Passage;
use crate::cli::explain::account::account;
use crate::config;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_P256, P256};
use crate::gateway::tests::stage::{BEGINNING, CLIENT_SECRET, KEY, changed, document, with};
use crate::oidc::testing::ISSUER;
use crate::words::secret::{LentSecret, Secret};

/// A gateway with this configuration, behind an Envoy as it should be set.
fn desk(document: &Value) -> Desk {
    let settings = config::load(document.to_string().as_bytes(), &|_| None).unwrap();
    Desk::new(settings, Passage::of(None), DeskWorld::at(BEGINNING)).unwrap()
}

fn question(method: &str, url: &str, headers: &[&str]) -> Question {
    let headers = headers.iter().map(|line| field(line).unwrap()).collect();
    Question { method: method.into(), target: Target::parse(url).unwrap(), headers }
}

fn somebody(claims: Value, by: By) -> Who {
    Who::Somebody(Somebody { claims: claims.as_object().unwrap().clone(), provider: None, by })
}

/// The lines that are told of a request, and the name of its answer.
fn told(desk: &mut Desk, question: &Question, who: &Who) -> (Vec<String>, &'static str) {
    let told = desk.ask(question, who).unwrap();
    (account(desk, question, &told).lines(), told.answer.name())
}

/// The lines without those of this label.
fn lines<'a>(lines: &'a [String], label: &str) -> Vec<&'a str> {
    lines.iter().filter_map(|line| line.strip_prefix(&format!("{label:<14}"))).collect()
}

/// The usual configuration, whose provider's bearer tokens are accepted.
fn accepting() -> Value {
    with("/providers/0/bearer", json!({"audiences": ["api"]}))
}

#[test]
fn the_whole_way_of_a_request_is_told_in_its_order() {
    let mut desk = desk(&document());
    let asked = question("POST", "https://App.example.com/public/%2e%2e/members/1?a=b#c", &["X-Forwarded-User: root"]);
    let (told, answer) = told(&mut desk, &asked, &somebody(json!({"sub": "alice", "groups": ["guests"]}), By::Session));
    assert_eq!(
        told,
        [
            "request       POST https://App.example.com/public/%2e%2e/members/1?a=b",
            "              #c stays in the browser",
            "              Envoy makes the path /members/1 of /public/%2e%2e/members/1: normalize_path, merge_slashes",
            "origin        https://app.example.com",
            "path          /members/1 can be read in one way only",
            "passed over   rules[0]: it is for /public and everything below it",
            "rule          rules[1]: /members and everything below it; it asks for somebody with groups: \"staff\"",
            "who           alice of main, by a session",
            "condition     fails: groups: \"staff\" (groups is [\"guests\"])",
            "answer        403 cross_site (sec-fetch-site is absent, origin is absent; this origin is https://app.example.com)",
            "note          the file has no connection manager; normalize_path, merge_slashes and REJECT_REQUEST are assumed",
        ]
    );
    assert_eq!(answer, "denied");
}

#[test]
fn what_goes_on_and_what_is_taken_away_is_told_and_no_token_is() {
    let document = with("/forward", json!({"access_token": true}));
    let mut desk = desk(&document);
    let asked = question("GET", "https://app.example.com/members", &["x_forwarded_user: root"]);
    let (told, answer) = told(&mut desk, &asked, &somebody(json!({"sub": "alice", "groups": ["staff"]}), By::Session));
    assert_eq!(answer, "allowed");
    let adds = ["x-forwarded-user: alice", "x-forwarded-groups: staff", "x-forwarded-access-token: (a token)"];
    assert_eq!(lines(&told, "adds"), adds);
    assert_eq!(lines(&told, "takes away"), ["x_forwarded_user", "cookie"]);
}

#[test]
fn a_rule_whose_application_gets_a_token_of_its_own_says_which_and_nobody_is_asked_for_it() {
    let forward = json!({"token_exchange": {"audience": "notes", "scope": ["a", "b"]}});
    let rule = json!({"require": {"provider": "main"}, "forward": forward});
    let document = changed(with("/forward", json!({"access_token": true})), "/rules", json!([rule]));
    let mut desk = desk(&document);
    let asked = question("GET", "https://app.example.com/notes", &[]);
    let (told, answer) = told(&mut desk, &asked, &somebody(json!({"sub": "alice"}), By::Session));
    assert_eq!(answer, "allowed", "{told:#?}");
    let adds = ["x-forwarded-user: alice", "authorization: (a token in exchange by main, audience notes, scope a b)"];
    assert_eq!(lines(&told, "adds"), adds);
    assert_eq!(lines(&told, "takes away"), ["authorization", "cookie"]);
    assert!(lines(&told, "rule")[0].ends_with("; the application gets a token by token_exchange"), "{told:#?}");
}

#[test]
fn json_says_the_same_as_the_lines() {
    let mut desk = desk(&document());
    let asked = question("GET", "https://app.example.com/members", &[]);
    let told = desk.ask(&asked, &Who::Nobody).unwrap();
    let json = account(&desk, &asked, &told).as_json();
    assert_eq!(
        json["answer"],
        json!({"name": "denied", "status": 401, "reason": "session_missing", "says": "401 session_missing"})
    );
    assert_eq!(json["rule"]["name"], "rules[1]");
    assert_eq!(json["passed_over"][0]["rule"], "rules[0]");
    assert_eq!((&json["condition"], &json["who"]), (&Value::Null, &json!("nobody: session_missing")));
}

#[test]
fn a_token_whose_signature_nobody_looked_at_is_judged_by_what_it_says_and_the_note_says_so() {
    let mut desk = desk(&accepting());
    let asked = question("GET", "https://app.example.com/members", &[]);
    let now = BEGINNING.seconds();
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": now + 300, "groups": ["staff"]});
    let token = |change: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        // No key of the provider has signed it.
        Who::Token(Secret::new(OTHER_P256.token(Algorithm::ES256, &json!({"kid": "x"}), &claims)))
    };
    for (change, answer, said) in [
        (json!({}), "allowed", "let through"),
        (json!({"groups": []}), "denied", "403 condition_failed"),
        (json!({"aud": "other"}), "denied", "401 token_invalid"),
        (json!({"exp": now - 300}), "denied", "401 token_expired"),
        (json!({"iss": "https://other.example"}), "denied", "401 token_invalid"),
        (json!({"nonce": "n"}), "denied", "401 token_invalid"),
    ] {
        let (lines_told, found) = told(&mut desk, &asked, &token(change.clone()));
        assert_eq!(found, answer, "{change}: {lines_told:?}");
        assert!(lines(&lines_told, "answer")[0].starts_with(said), "{change}: {lines_told:?}");
        let warned = lines(&lines_told, "note").iter().any(|note| note.contains("was not verified"));
        assert_eq!(warned, change.get("iss").is_none(), "{change}");
    }
}

#[test]
fn with_the_providers_keys_a_signature_is_verified_and_a_wrong_one_refused() {
    let claims = json!({"iss": ISSUER, "sub": "robot", "aud": "api", "exp": BEGINNING.seconds() + 300, "groups": ["staff"]});
    let good = P256.token(Algorithm::ES256, &json!({"kid": "first"}), &claims);
    let forged = OTHER_P256.token(Algorithm::ES256, &json!({"kid": "first"}), &claims);
    let unknown = P256.token(Algorithm::ES256, &json!({"kid": "another"}), &claims);
    let keys = || json!({"keys": [P256.jwk(&json!({"kid": "first"}))]});
    for (token, answer) in [(good, "allowed"), (forged, "denied"), (unknown, "denied")] {
        let mut desk = desk(&accepting());
        desk.bring_keys(LentSecret::new(&token), keys()).unwrap();
        let asked = question("GET", "https://app.example.com/members", &[]);
        let (told, found) = told(&mut desk, &asked, &Who::Token(Secret::new(token)));
        assert_eq!(found, answer, "{told:?}");
        assert!(lines(&told, "note").iter().all(|note| !note.contains("was not verified")), "{told:?}");
    }
}

#[test]
fn keys_that_verify_nothing_here_are_refused() {
    let keys = || json!({"keys": []});
    let mut desk = desk(&accepting());
    let claims = json!({"iss": ISSUER, "aud": "api"});
    for (header, claims, said) in [
        (json!({"alg": "none"}), claims.clone(), "expected a token signed by one of"),
        (json!({"alg": "ES256"}), json!({"iss": "https://other.example"}), "--keys would have no effect"),
    ] {
        let token = P256.raw_token(Algorithm::ES256, &header.to_string(), &claims.to_string());
        let trouble = format!("{:?}", desk.bring_keys(LentSecret::new(&token), keys()));
        assert!(trouble.contains(said), "{trouble}");
    }
}

#[test]
fn whoever_cannot_be_is_refused_and_what_would_be_asked_of_others_is_said() {
    let mut usual = desk(&document());
    let asked = question("GET", "https://app.example.com/members", &[]);
    let of = |provider: &str, by| {
        let claims = json!({"sub": "alice"}).as_object().unwrap().clone();
        Who::Somebody(Somebody { claims, provider: Some(provider.into()), by })
    };
    for (who, said) in [
        (of("other", By::Session), "expected one of the providers main, found other"),
        (of("main", By::Token), "expected one of the providers , found main"),
        (somebody(json!({"sub": 5}), By::Session), "expected a text as sub"),
    ] {
        let trouble = usual.ask(&asked, &who).err().map(|trouble| format!("{trouble:?}")).unwrap();
        assert!(trouble.contains(said), "{trouble}");
    }
    let introspecting = changed(accepting(), "/providers/0/bearer/introspection", json!({}));
    let (told_of, answer) = told(&mut desk(&introspecting), &asked, &Who::Token(Secret::new("an-opaque-token")));
    assert_eq!(answer, "unfinished", "{told_of:?}");
    assert_eq!(lines(&told_of, "who"), ["unknown until main is asked about the token"]);
    assert!(!told_of.iter().any(|line| line.contains("an-opaque-token") || line.contains(CLIENT_SECRET) || line.contains(KEY)));
}
