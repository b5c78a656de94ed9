//! Fuzzes what ends sessions from outside: the first byte chooses the endpoint, the rest is a body, the query of a front-channel
//! logout, or the claims of a logout token or a security event whose signature is good. Nobody is signed in by any, and none is
//! answered in another way than the documents say.

#![no_main]

use accredit::gateway::pending::Step;
use accredit::gateway::wanted_end::{WantedEnd, Whose};
use accredit::http::body::Body;
use accredit::step::decision::{BodyNews, Decision};
use accredit_fuzz::{CONFIGURATION, KEYS, Still, Worker, base64url, check, with_worker_of};
use libfuzzer_sys::fuzz_target;

const FORM: &str = "application/x-www-form-urlencoded";
const SECEVENT: &str = "application/secevent+jwt";

fuzz_target!(|bytes: &[u8]| {
    let Some((which, input)) = bytes.split_first() else { return };
    match which % 6 {
        0 => assert!(matches!(posted("backchannel_logout", FORM, input, false), 400)),
        1 => assert!(matches!(posted("security_events", SECEVENT, input, false), 400)),
        2 => {
            let body = format!("logout_token={}", token("logout+jwt", input));
            assert!(matches!(posted("backchannel_logout", FORM, body.as_bytes(), true), 200 | 400 | 503));
        }
        3 => {
            let body = token("secevent+jwt", input);
            assert!(matches!(posted("security_events", SECEVENT, body.as_bytes(), true), 202 | 400 | 503));
        }
        4 => framed(input),
        _ => wanted(input),
    }
});

/// Lends a worker that knows its provider, and takes all that ends sessions. With `vouches`, every signature is good.
fn with_worker<T>(vouches: bool, then: impl FnOnce(&mut Worker) -> T) -> T {
    let endpoints = r#""endpoints": {
        "backchannel_logout": "/api/backchannel_logout", "frontchannel_logout": "/api/frontchannel_logout",
        "security_events": "/api/security_events"
    }, "logout":"#;
    let transmitter = format!(
        r#""transmitters": [{{"issuer": "https://events.example.com", "jwks": {KEYS}, "providers": ["main"], "email": true}}], "rules":"#
    );
    with_worker_of(&CONFIGURATION.replace("\"logout\":", endpoints).replace("\"rules\":", &transmitter), |worker| {
        worker.world.vouches = vouches;
        then(worker)
    })
}

/// A token with these claims, and a signature that is well-formed.
fn token(typ: &str, claims: &[u8]) -> String {
    let header = format!(r#"{{"alg":"ES256","kid":"a","typ":"{typ}"}}"#);
    [base64url(header.as_bytes()), base64url(claims), base64url(&[1; 64])].join(".")
}

fn fields(method: &str, path: &str, further: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let begin = [(":method", method), (":authority", "app.example.com"), (":path", path)];
    begin.iter().chain(further).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// The status of the answer to a body that somebody posts.
fn posted(endpoint: &str, media_type: &str, body: &[u8], vouches: bool) -> u16 {
    with_worker(vouches, |worker| {
        let begun = worker.begin(fields("POST", &format!("/api/{endpoint}"), &[("content-type", media_type)]));
        let Decision::ReadBody { pending, .. } = begun.decision else { panic!("not read") };
        let news = BodyNews::Came(Body::Read(body.to_vec().into()));
        answered(worker.gateway.resume_body(&mut worker.world, *pending, news))
    })
}

fn answered(step: Step) -> u16 {
    check(&step);
    match step.decision {
        Decision::Respond(response) => response.status,
        // A key that is not known may be a new one.
        Decision::Await { .. } => 400,
        other => panic!("neither answered nor waiting: {other:?}"),
    }
}

fn framed(query: &[u8]) {
    let mut fields = fields("GET", "", &[("sec-fetch-dest", "iframe")]);
    fields[2].1 = [b"/api/frontchannel_logout?", query].concat();
    let status = with_worker(false, |worker| answered(worker.begin(fields)));
    // Envoy refuses some of what is no path, and the filter does, too.
    assert!(matches!(status, 200 | 400 | 404), "{status}");
}

fn wanted(body: &[u8]) {
    let now = Still::default().now;
    let Ok(wanted) = WantedEnd::read(body, &["main", "other"], body.len().is_multiple_of(2), now) else { return };
    assert!(wanted.begun_by <= now, "an end of what has not begun");
    let is_known = |name: &str| ["main", "other", ""].contains(&name);
    match wanted.whose {
        Whose::Session(id) => assert!(!id.is_empty()),
        Whose::Person { provider, sub: text } | Whose::Subject { provider, subject: text } => {
            assert!(is_known(&provider) && !text.is_empty() && text.chars().count() <= 255);
        }
        Whose::Everybody { provider } => assert!(provider.is_none_or(|name| is_known(&name))),
    }
}
