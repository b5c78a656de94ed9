//! Fuzzes cookies: the first byte chooses between a line as anybody can write it, and the content of a sealed cookie that opens, as of
//! an attempt, a place, an address in `state`, a hint for sign-out or a session. What nobody sealed signs nobody in; a session signs in
//! whom it names, where it began, while it lasts.

#![no_main]

use accredit::crypto::seal::{Purpose, Sealer};
use accredit::http::url::Origin;
use accredit::session::attempt::client_fingerprint;
use accredit::session::content::{Fingerprint, Session};
use accredit::step::decision::Decision;
use accredit::words::secret::Secret;
use accredit_fuzz::{SEALING_KEY, Worker, check, navigation, replaced, with_worker};
use libfuzzer_sys::fuzz_target;

/// The `state` that every callback here has.
const STATE: &str = "AAAAAAAA.BBBB";
const ORIGIN: &str = "https://app.example.com";
/// Stands in an input for the fingerprint of this gateway's sessions, and has its length.
const SESSION_MARK: &[u8] = b"SESSION-FINGERPR";
/// The same for the fingerprint of its client.
const CLIENT_MARK: &[u8] = b"CLIENT-FINGERPRI";

fuzz_target!(|bytes: &[u8]| {
    let Some((which, input)) = bytes.split_first() else { return };
    with_worker(|worker| match which % 6 {
        0 => {
            let mut fields = navigation("/page", "");
            fields[4].1 = input.to_vec();
            let step = worker.begin(fields);
            check(&step);
            assert!(!matches!(step.decision, Decision::Forward(_)), "forwarded without a session");
        }
        1 => session(worker, input),
        2 => callback(worker, Purpose::Attempt, input),
        3 => callback(worker, Purpose::Place, input),
        4 => in_state(worker, input),
        _ => {
            let hint = format!("__Secure-accredit-hint={}", sealed(worker, Purpose::LogoutHint, input));
            let mut fields = navigation("/api/logout", &hint);
            fields[0].1 = b"POST".to_vec();
            fields.push(("origin".to_owned(), ORIGIN.as_bytes().to_vec()));
            check(&worker.begin(fields));
        }
    });
});

thread_local! {
    static SEALER: Sealer = Sealer::new(&[Secret::new(SEALING_KEY)]).expect("the key is good");
}

/// The fingerprint of this gateway's client.
fn whom() -> Fingerprint {
    let origin = Origin::parse(ORIGIN).expect("it is an origin");
    client_fingerprint("https://sso.example.com", "app", &origin)
}

fn sealed(worker: &mut Worker, purpose: Purpose, content: &[u8]) -> String {
    SEALER.with(|sealer| sealer.seal(&mut worker.world, purpose, content)).expect("there are random bytes")
}

fn session(worker: &mut Worker, content: &[u8]) {
    let fingerprint = worker.gateway.settings().fingerprint("main").expect("people sign in there");
    let content = &replaced(content, SESSION_MARK, fingerprint.as_str().as_bytes());
    let parsed = Session::parse(content);
    if let Some(session) = &parsed {
        let again = Session::parse(&session.write()).expect("what was read can be written");
        assert_eq!(format!("{again:?}"), format!("{session:?}"));
    }
    let cookie = format!("__Host-accredit={}", sealed(worker, Purpose::Session, content));
    let now = worker.world.now;
    let step = worker.begin(navigation("/page", &cookie));
    match (step.note.subject.clone(), parsed) {
        (None, _) => check(&step),
        (Some(_), None) => panic!("somebody is in by what is no session"),
        (Some(subject), Some(session)) => {
            assert_eq!(*subject, session.subject, "somebody else is in");
            assert!(session.origin == ORIGIN && session.provider == "main" && session.ends > now, "{session:?}");
        }
    }
}

/// A callback with the right `state` may only ask the provider, whatever its attempt says.
fn callback(worker: &mut Worker, purpose: Purpose, content: &[u8]) {
    let content = &replaced(content, CLIENT_MARK, whom().as_str().as_bytes());
    let cookie = format!("__Host-accredit-attempt-AAAAAAAA={}", sealed(worker, purpose, content));
    let step = worker.begin(navigation(&format!("/api/callback?code=x&state={STATE}"), &cookie));
    check(&step);
    assert!(!matches!(step.decision, Decision::Forward(_)), "a callback was forwarded");
    let holds_state = content.windows(STATE.len()).any(|part| part == STATE.as_bytes());
    let asks = matches!(step.decision, Decision::Call(..));
    assert!(!asks || holds_state && purpose == Purpose::Attempt, "a code was used without its attempt");
}

/// An address in `state` leads nowhere by itself, and is no attempt.
fn in_state(worker: &mut Worker, content: &[u8]) {
    let bound_to = format!("{STATE} {}", whom().as_str());
    let sealed = SEALER
        .with(|sealer| sealer.seal_bound(&mut worker.world, Purpose::StatePlace, &bound_to, content))
        .expect("there are random bytes");
    let step = worker.begin(navigation(&format!("/api/callback?code=x&state={STATE}.{sealed}"), ""));
    check(&step);
    let Decision::Respond(response) = step.decision else { panic!("a callback without an attempt went on") };
    assert!(response.status >= 400, "it leads away");
}
