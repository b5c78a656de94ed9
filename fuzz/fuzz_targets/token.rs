//! Fuzzes tokens that a stranger or a provider sends: the first byte chooses between the raw text of a bearer token, a header and claims
//! (behind the first line break) under a signature that is called good, and the claims of an ID token in the answer of a token endpoint.
//! No raw text proves anything; a well-signed token only says who is asking if issuer, audience and subject are right.

#![no_main]

use accredit::step::decision::Decision;
use accredit::words::principal::is_reserved;
use accredit_fuzz::{CONFIGURATION, Worker, answer, base64url, check, exchanging, navigation, replaced, with_worker_of};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const ISSUER: &str = "https://sso.example.com";

fuzz_target!(|bytes: &[u8]| {
    let Some((which, input)) = bytes.split_first() else { return };
    match which % 4 {
        // This worker has never seen a token whose signature was called good: it may remember those.
        0 => with_worker_of(&[&configuration(), " "].concat(), |worker| {
            let step = bearer(worker, input);
            check(&step);
            assert!(!matches!(step.decision, Decision::Forward(_)), "a raw token was believed");
        }),
        1 => {
            let cut = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
            let (header, claims) = input.split_at(cut);
            signed(header, claims.strip_prefix(b"\n").unwrap_or_default());
        }
        2 => signed(br#"{"alg":"ES256","kid":"a","typ":"at+jwt"}"#, input),
        _ => id_token(input),
    }
});

fn configuration() -> String {
    CONFIGURATION.replace("\"userinfo\": true", "\"bearer\": {\"audiences\": [\"api\"]}")
}

fn bearer(worker: &mut Worker, token: &[u8]) -> accredit::gateway::pending::Step {
    let mut fields = navigation("/page", "");
    fields[4] = ("authorization".to_owned(), [b"Bearer ", token].concat());
    worker.begin(fields)
}

fn token(header: &[u8], claims: &[u8]) -> String {
    [base64url(header), base64url(claims), base64url(&[1; 64])].join(".")
}

/// Whether a claim is this text, or a list with it.
fn is_for(claims: &Value, audience: &str) -> bool {
    let found = &claims["aud"];
    found == audience || found.as_array().is_some_and(|all| all.iter().any(|one| one == audience))
}

fn signed(header: &[u8], claims: &[u8]) {
    with_worker_of(&configuration(), |worker| {
        worker.world.vouches = true;
        let step = bearer(worker, token(header, claims).as_bytes());
        let Some(subject) = step.note.subject.clone() else { return check(&step) };
        let claims: Value = serde_json::from_slice(claims).expect("claims that are JSON");
        let header: Value = serde_json::from_slice(header).expect("a header that is JSON");
        assert!(claims["iss"] == ISSUER && is_for(&claims, "api"), "{subject} is in by {claims}");
        assert!(claims["exp"].as_f64().is_some_and(|exp| exp + 61.0 > worker.world.now.seconds() as f64), "{subject} is late");
        // A token without `sub` is its client's, under a name that no `sub` can have.
        let sub = claims["sub"].as_str().unwrap_or_default();
        assert!(*subject == *sub || (sub.is_empty() && is_reserved(&subject)), "{subject} is in by {claims}");
        assert!(header["alg"] == "ES256" && header.get("crit").is_none(), "{subject} is in by {header}");
    });
}

fn id_token(claims: &[u8]) {
    with_worker_of(&configuration(), |worker| {
        worker.world.vouches = true;
        let (pending, nonce) = exchanging(worker);
        let token = token(br#"{"alg":"ES256","kid":"a"}"#, &replaced(claims, b"NONCE", nonce.as_bytes()));
        let body = format!(r#"{{"access_token":"a","token_type":"Bearer","id_token":"{token}"}}"#);
        let step = worker.gateway.resume_call(&mut worker.world, pending, &answer(200, body.as_bytes()));
        let Decision::Respond(response) = &step.decision else { return check(&step) };
        let session =
            |name: &str, value: &str| name == "set-cookie" && value.starts_with("__Host-accredit=") && !value.contains("=;");
        if !response.headers.iter().any(|(name, value)| session(name, value)) {
            return check(&step);
        }
        let claims: Value = serde_json::from_slice(&replaced(claims, b"NONCE", nonce.as_bytes())).expect("claims that are JSON");
        assert!(claims["iss"] == ISSUER && is_for(&claims, "app") && claims["nonce"] == nonce.as_str(), "in by {claims}");
        assert!(claims["exp"].as_f64().is_some_and(|exp| exp + 61.0 > worker.world.now.seconds() as f64), "late by {claims}");
        assert!(claims["sub"].as_str().is_some_and(|sub| !sub.is_empty()), "nobody is in by {claims}");
    });
}
