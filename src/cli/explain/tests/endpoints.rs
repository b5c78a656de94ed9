//! What is told of the endpoints of ours: what each does and needs, and how it answers a request that brings it, or does not.

use serde_json::{Value, json};

use super::{desk, lines, question, somebody, told};
use crate::cli::desk::who::{By, Who};
use crate::gateway::tests::stage::{KEY, changed, document, with};

/// A configuration with every endpoint.
fn with_all() -> Value {
    [
        ("/providers/0/redirect_uri", json!("https://app.example.com/signed-in")),
        ("/providers/0/userinfo", json!(true)),
        ("/logout", json!({"provider": true})),
        ("/accounts", json!({
            "cluster": "users", "subject": "id", "claims": {"name": "fullName"},
            "verify": {"path": "/verify", "body": {"email": "{account}", "password": "{password}"}},
            "find": {"path": "/users/{claims.iss}/{claims.sub}"},
        })),
        ("/password", json!({"fields": {"account": "email"}})),
        ("/popup", json!({})),
        ("/session", json!({"keys": [KEY], "form": "jwt", "jwt": {
            "algorithm": "ES256", "keys": [include_str!("../../../crypto/testdata/for-tests-only-p256.pem")],
            "claims": ["groups", "email", "email_verified", "status"],
        }})),
        ("/endpoints", json!({
            "authorize": "/api/authorize", "token": "/api/token", "popup": "/api/popup", "password": "/api/password", "jwks": "/api/jwks",
            "backchannel_logout": "/api/backchannel_logout", "security_events": "/api/security_events",
            "frontchannel_logout": "/api/frontchannel_logout",
        })),
        ("/transmitters", json!([
            {"name": "watcher", "issuer": "https://sso.example.com/events", "providers": ["main"], "authorization": "Bearer 0123456789"},
            {"name": "main", "issuer": "https://sso.example.com/", "providers": ["main"]},
        ])),
    ]
    .into_iter()
    .fold(document(), |document, (pointer, value)| changed(document, pointer, value))
}

const OWN: &str = "Sec-Fetch-Site: same-origin";
const FOREIGN: [&str; 2] = ["Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site"];

#[test]
fn each_says_what_it_does_and_needs_and_answers_as_it_says() {
    let signs_in = "302, to sign in at main";
    for (path, does, needs, answers) in [
        (
            "/api/login",
            "begins a sign-in at main",
            vec!["GET or HEAD", "no prefetch (Sec-Purpose)"],
            vec![
                ("GET", vec![], signs_in),
                ("GET", vec!["Sec-Fetch-Mode: cors"], "200, to sign in at main"),
                ("GET", vec!["Sec-Purpose: prefetch"], "400 speculative"),
                ("POST", vec![OWN], "405 method_not_allowed"),
            ],
        ),
        (
            "/api/callback",
            "completes a sign-in at main: the code is exchanged, the ID token verified, and a session begun",
            vec![
                "GET with the query that main sends: state, and code or error",
                "no prefetch (Sec-Purpose)",
                "the cookie of the sign-in, which this browser got when it began (--session with a file)",
                "what main answers: its token endpoint, its userinfo endpoint, the user service",
            ],
            vec![
                ("GET", vec![], "400 state_missing"),
                ("GET", vec!["Sec-Purpose: prefetch"], "400 speculative"),
                ("POST", vec![OWN], "405 method_not_allowed"),
            ],
        ),
        (
            "/api/logout",
            "ends every session that comes with the request, and then the one at the provider, if it can be ended",
            vec![
                "POST with Sec-Fetch-Site: same-origin, or an Origin that is this one or a trusted one; or a navigation by GET with one of these",
            ],
            vec![
                ("POST", vec![OWN], "200, by the endpoint; no session came, and none is ended"),
                ("POST", vec!["Origin: https://app.example.com"], "200, by the endpoint; no session came, and none is ended"),
                (
                    "GET",
                    vec![OWN, "Sec-Fetch-Mode: navigate"],
                    "303, by the endpoint; no session came, and none is ended; the browser is sent to /",
                ),
                ("GET", vec!["Sec-Fetch-Mode: navigate"], "403 sign_out_unconfirmed"),
                ("POST", FOREIGN.to_vec(), "403 cross_site"),
                ("PUT", vec![OWN], "405 method_not_allowed"),
            ],
        ),
        (
            "/api/session",
            "says who is signed in, and until when; 401 if nobody is",
            vec!["GET or HEAD", "the cookie of a session"],
            vec![("GET", vec![], "401 session_missing"), ("POST", vec![OWN], "405 method_not_allowed")],
        ),
        (
            "/api/authorize",
            "begins a sign-in at main for a page that keeps its own token, and gets the code itself",
            vec![
                "GET or HEAD",
                "no prefetch (Sec-Purpose)",
                "no script and no frame of a site that is neither this one nor trusted",
            ],
            vec![
                ("GET", vec![], signs_in),
                ("GET", vec!["Sec-Purpose: prefetch"], "400 speculative"),
                ("GET", FOREIGN.to_vec(), "403 cross_site"),
            ],
        ),
        (
            "/api/token",
            "gives that page the access token for its code, and begins no session",
            vec![
                "POST",
                "Sec-Fetch-Site: same-origin, or an Origin that is this one or a trusted one",
                "a body {\"code\": …} as application/json",
                "the cookie of the sign-in, which this browser got when it began (--session with a file)",
                "an answer of the provider's token endpoint",
            ],
            vec![
                ("GET", vec![], "405 method_not_allowed"),
                ("POST", FOREIGN.to_vec(), "403 cross_site"),
                ("POST", vec![OWN, "Content-Type: text/plain"], "415 body_type_refused"),
                (
                    "POST",
                    vec![OWN, "Content-Type: application/json", "Content-Length: 12"],
                    "unknown: it waits for the body of the request, and nobody is asked here",
                ),
            ],
        ),
        (
            "/api/popup",
            "begins a sign-in at main in a popup, whose address is in the answer as authorize_url",
            vec![
                "GET or HEAD",
                "no prefetch (Sec-Purpose)",
                "no script and no frame of a site that is neither this one nor trusted",
            ],
            vec![("GET", vec![], "200, to sign in at main"), ("GET", FOREIGN.to_vec(), "403 cross_site")],
        ),
        (
            "/api/password",
            "asks the user service about name and password, and begins a session",
            vec![
                "POST",
                "Sec-Fetch-Site: same-origin, or an Origin that is this one or a trusted one",
                "a body with email and password, as application/json or as a form",
                "an answer of the user service",
            ],
            vec![
                ("GET", vec![], "405 method_not_allowed"),
                ("POST", vec!["Content-Type: application/json", "Content-Length: 12"], "403 cross_site"),
                (
                    "POST",
                    vec![OWN, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 12"],
                    "unknown: it waits for the body of the request, and nobody is asked here",
                ),
            ],
        ),
        (
            "/api/jwks",
            "publishes the public keys that verify what is signed here",
            vec!["GET or HEAD"],
            vec![("GET", vec![], "200, by the endpoint"), ("POST", vec![OWN], "405 method_not_allowed")],
        ),
        (
            "/api/backchannel_logout",
            "ends the sessions that a provider's logout token names; no cookie is looked at",
            vec![
                "POST",
                "logout_token in a form: a token that the provider has signed",
                "the store's acknowledgement, if replicas share one",
            ],
            vec![
                ("GET", vec![], "405 method_not_allowed"),
                ("POST", vec!["Content-Type: application/json", "Content-Length: 12"], "415 body_type_refused"),
            ],
        ),
        (
            "/api/security_events",
            "ends the sessions that a security event is about, of watcher, main; no cookie is looked at",
            vec![
                "POST",
                "a token as application/secevent+jwt, which the transmitter has signed",
                "the Authorization of the transmitter, for watcher",
                "the store's acknowledgement, if replicas share one",
            ],
            vec![
                ("GET", vec![], "405 method_not_allowed"),
                ("POST", vec!["Content-Type: application/jwt", "Content-Length: 12"], "415 body_type_refused"),
            ],
        ),
        (
            "/api/frontchannel_logout",
            "ends the sessions of one sid of main, in a frame of https://sso.example.com; no cookie is looked at",
            vec![
                "GET",
                "sid, and if iss comes too, https://sso.example.com/realms/main",
                "nothing that proves it: so it counts only for so many from an address, and in all",
            ],
            vec![("GET", vec![], "400 query_malformed"), ("POST", vec![OWN], "405 method_not_allowed")],
        ),
    ] {
        for (method, headers, answer) in answers {
            let asked = question(method, &format!("https://app.example.com{path}"), &headers);
            let (told, _) = told(&mut desk(&with_all()), &asked, &Who::Nobody);
            let rule = lines(&told, "rule");
            assert!(rule[0].contains(": it is answered before any rule, and ") && rule[0].contains(does), "{told:#?}");
            assert_eq!(lines(&told, "needs"), needs, "{path}");
            assert!(lines(&told, "answer")[0].starts_with(answer), "{method} {path} {headers:?}: {told:#?}");
            assert_eq!(lines(&told, "passed over"), Vec::<&str>::new());
        }
    }
}

#[test]
fn who_is_signed_in_and_whose_session_ends_is_told() {
    let alice = || somebody(json!({"sub": "alice"}), By::Session);
    let asked = |method, path: &str| question(method, &format!("https://app.example.com{path}"), &[OWN]);
    let (session, _) = told(&mut desk(&document()), &asked("GET", "/api/session"), &alice());
    assert_eq!(
        (lines(&session, "who"), lines(&session, "answer")),
        (vec!["alice of main, by a session"], vec!["200, by the endpoint"])
    );
    let (logout, _) = told(&mut desk(&document()), &asked("POST", "/api/logout"), &alice());
    assert_eq!(lines(&logout, "answer"), ["200, by the endpoint; the session of alice of main is ended"]);
}

#[test]
fn each_provider_has_a_callback_of_its_own_and_the_bare_path_accepts_nothing() {
    let mut document = with("/rules", json!([]));
    let mut other = document["providers"][0].clone();
    other["name"] = json!("other");
    other["issuer"] = json!("https://other.example.com");
    other["clusters"] = json!("other");
    other["response_mode"] = json!("form_post");
    document["providers"].as_array_mut().unwrap().push(other);
    let mut desk = desk(&document);
    for (path, does, first) in [
        ("/api/callback", "accepts nothing, because it is the path of no provider", None),
        ("/api/callback/main", "completes a sign-in at main", Some("GET with the query that main sends")),
        (
            "/api/callback/other",
            "completes a sign-in at other",
            Some("POST with the form that other lets the browser send, or GET"),
        ),
    ] {
        let (told, _) = told(&mut desk, &question("GET", &format!("https://app.example.com{path}"), &[]), &Who::Nobody);
        assert!(lines(&told, "rule")[0].contains(does), "{told:#?}");
        let needs = lines(&told, "needs");
        assert!(needs.first().map(|need| need.split(':').next().unwrap()) == first, "{needs:?}");
    }
    let login = question("GET", "https://app.example.com/api/login?provider=other", &FOREIGN);
    let (told, _) = told(&mut desk, &login, &Who::Nobody);
    assert!(lines(&told, "needs").contains(&"no script and no frame of a site that is neither this one nor trusted"));
    assert!(
        lines(&told, "rule")[0]
            .contains("begins a sign-in at main, or at the one that the parameter provider names of main, other")
    );
    assert!(lines(&told, "answer")[0].starts_with("403 cross_site"), "{told:#?}");
}

#[test]
fn of_the_operators_endpoint_the_rule_is_told_and_who_meets_it() {
    let path = "/api/operator_logout";
    let mut document = changed(document(), "/endpoints", json!({"operator_logout": path}));
    let rule = json!({"match": {"path": path}, "require": {"claim": "groups", "any_of": ["operators"]}});
    document["rules"].as_array_mut().unwrap().insert(0, rule);
    let asked = question("POST", &format!("https://app.example.com{path}"), &[OWN, "Content-Type: application/json"]);
    for (groups, holds, answer) in [("staff", "fails", "403 condition_failed"), ("operators", "holds", "unknown: ")] {
        let who = somebody(json!({"sub": "olga", "groups": [groups]}), By::Session);
        let (told, _) = told(&mut desk(&document), &asked, &who);
        let says = "endpoints.operator_logout, by rules[0]: ends the sessions that an operator names; the rule is for ";
        assert!(lines(&told, "rule")[0].starts_with(says), "{told:#?}");
        assert!(lines(&told, "condition")[0].starts_with(holds), "{told:#?}");
        assert!(lines(&told, "answer")[0].starts_with(answer), "{told:#?}");
        let needs = lines(&told, "needs");
        assert!(needs.contains(&"for everybody, operator_logout.everybody, which is not set: nobody may"), "{needs:?}");
    }
}
