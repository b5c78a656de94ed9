//! Cookies of an earlier build, whose sessions have no origin (commit ce67a3c), in a browser that comes to this build.

use super::session_jwt::signing;
use super::stage::{KEY, Stage, document, location, outcome, status};
use crate::crypto::seal::{Purpose, Sealer};
use crate::session::content::Session;
use crate::words::secret::Secret;
use crate::words::world::testing::Still;

/// A session that the earlier build made with the configuration `document()`.
const SESSION: &str = "ifkvfDcW22yQ1tmvTJIl7ElQEU5hDnBrA8pI7K13fn-NtMcGXCc3E_VpYIhY2El7SLUBFIfODIZkVP04lb-4uJf_gU_u73rdI94A5JU5k49LyzqCK87bJj9anV5_Wh_L-x9tKwr4ys_uopRzdeW62ukIUJ2xVGL0ZHsC5IhrY-C3AqVhJjsLRbhulB_04IgUxS2OfJiLcz7ELaZIss_fI-zJChzpIytyvP1fGbxzRIGtaWloc_fxI4tAk_C00PY";

/// The callback of a sign-in that the earlier build began, and the cookie of its attempt.
const CALLBACK: &str = "/api/callback?code=the-code-0&state=vVyeeYVH.0tjo-D7BKi7nVDN4-DpizPzQffextJlqEU3Idmsu0Qg";
const ATTEMPT: (&str, &str) = (
    "__Host-accredit-attempt-vVyeeYVH",
    "ifkvfM6pZvDwdcSY4yWxb6rv-zb4ofvuY2kz1d6fX4LjRZeZKaNgtY1VUzaKmH7ksI4wl9JHpVptP9QMw_l0PHSV9vrmPphyhpXR-B4u_VukX1i6gblTr4OBy2ipxLnAYtNR8s6CLWcIUBiOKk99kXEFSOkGbTBzEOlfXkDAK8CeZC7CHYhel_6cFiahKco8humdq52dmuVEjYnVLfLn74xHo3gE2_GCQ5iDe176WVale8d775fgTueRG6Iw_tHEhB3LmewVTClAv6rgK-3M3gRCdyapIYMH3g0qQ4wsz5VjyaiQCbr4oTbuX8Az-yXdSPUsP75U2BRrMBvIlYCuRN0gPl5MNifc_l8wGo41NOnj2oMceiu_rp_DDwOdHZUTEnh3_3IIsugJVw",
);

/// A session that the earlier build made with the configuration `signing()`.
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJlbWFpbCI6ImFsaWNlQGV4YW1wbGUuY29tIiwiZXhwIjoxNzUwMDAzNjAxLCJpYXQiOjE3NTAwMDAwMDEsInN1YiI6ImFsaWNlIn0.SnPDUs9WsZeHNK-E0jx30clNZnf_N4vEAQMCjY4it2Q";

fn with_cookie(document: &serde_json::Value, name: &str, value: &str) -> Stage {
    let mut stage = Stage::ready(document);
    stage.browser.jar.insert(name.into(), (value.into(), "/".into()));
    stage
}

#[test]
fn a_session_of_an_earlier_build_leads_to_one_sign_in_and_no_redirect_loop() {
    for (document, name, cookie) in [(document(), "__Host-accredit", SESSION), (signing(), "access_token", JWT)] {
        let mut stage = with_cookie(&document, name, cookie);
        assert_eq!(outcome(&stage.script("GET", "/page")), (401, "session_invalid"));
        assert_eq!(status(&stage.navigate("/page")), 302);
        // The old cookie is deleted: a replica of the earlier build that gets the callback cannot read our attempt, and would
        // redirect whoever still has its session here again.
        assert!(!stage.browser.names().contains(&name));
        assert_eq!(location(&stage.sign_in("/page")), "/page");
        assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
    }
}

#[test]
fn an_earlier_build_can_read_our_sessions_so_that_no_redirect_loop_arises() {
    let sealer = Sealer::new(&[Secret::new(KEY)]).ok().unwrap();
    let theirs = sealer.open(Purpose::Session, SESSION.as_bytes()).unwrap();
    // The record begins with its version, the length of its numbers, and the numbers; the first number is the length of the
    // identifier, which is the first text.
    let (numbers, id) = (usize::from(theirs[1]), usize::from(theirs[2]));
    let (texts, origin) = (2 + numbers, b"@https://app.example.com");
    let mut named = theirs.clone();
    named[2] += u8::try_from(origin.len()).unwrap();
    named.splice(texts + id..texts + id, origin.iter().copied());
    // Except for the identifier, both builds write the same. So the earlier one reads our sessions, and takes the identifier as
    // it is.
    let session = Session::parse(&named).unwrap();
    assert_eq!((session.write(), session.origin.as_str()), (named.clone(), "https://app.example.com"));
    // The session counts here: the fingerprints of claims, provider and client have not changed.
    let sealed = sealer.seal(&mut Still::default(), Purpose::Session, &named).unwrap();
    let mut stage = with_cookie(&document(), "__Host-accredit", &sealed);
    assert_eq!(outcome(&stage.script("GET", "/members")), (200, ""));
}

#[test]
fn a_sign_in_that_an_earlier_build_began_is_not_finished_and_no_code_is_sent() {
    let mut stage = with_cookie(&document(), ATTEMPT.0, ATTEMPT.1);
    stage.provider.asked.clear();
    assert_eq!(outcome(&stage.navigate(CALLBACK)), (400, "attempt_missing"));
    assert!(stage.provider.asked.is_empty());
}
