//! The comparison of two configurations, as somebody would use it: what changed is told, what did not is not.

mod agents;
mod agreement;
mod command;

use serde_json::{Value, json};

use crate::cli::desk::Desk;
use crate::cli::desk::world::DeskWorld;
use crate::cli::diff::comparison::{Comparison, Limits};
use crate::cli::diff::side::Side;
use crate::cli::envoy::passage::Passage;
use crate::config;
use crate::gateway::tests::stage::{BEGINNING, KEY, OTHER_KEY, changed, document, with};

fn side(number: usize, document: &Value) -> Side {
    let settings = config::load(document.to_string().as_bytes(), &|_| None).unwrap();
    Side::of(number, Desk::new(settings, Passage::of(None), DeskWorld::at(BEGINNING)).unwrap())
}

fn comparison(old: &Value, new: &Value) -> Comparison {
    Comparison::new([side(0, old), side(1, new)])
}

/// Every change that is told of two configurations, and the notes.
fn told(old: &Value, new: &Value) -> (Vec<String>, Vec<String>) {
    let mut comparison = comparison(old, new);
    comparison.ask_around(Limits::USUAL);
    (comparison.changes.lines(true), comparison.notes)
}

/// An example of each kind of change.
fn told_in_short(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = comparison(old, new);
    comparison.ask_around(Limits::USUAL);
    assert_eq!(comparison.notes, Vec::<String>::new());
    comparison.changes.lines(false)
}

/// The usual configuration with these rules.
fn ruled(rules: Value) -> Value {
    with("/rules", rules)
}

const LET_IN: &str = "let in now, and not before";
const REFUSED: &str = "let in before, and not now";
const TOLD: &str = "let in before and now, and the application is told something else";
const ANSWERED: &str = "let in neither before nor now, and answered otherwise";

#[test]
fn what_more_is_let_in_stands_first_and_each_change_is_one_line_with_an_example() {
    let staff = json!({"claim": "groups", "any_of": ["staff"]});
    let old = ruled(json!([
        {"match": {"path": "/a"}, "require": "public"},
        {"match": {"path": "/members"}, "require": staff},
        {"match": {"path": "/b"}, "require": "public"},
    ]));
    let new = ruled(json!([
        {"match": {"path": "/a/**"}, "require": "public"},
        {"match": {"path": "/members"}, "require": {"claim": "groups", "any_of": ["admins"]}},
    ]));
    let expected = [
        LET_IN,
        "  GET https://app.example.com/a/x, opened as a page; nobody: was 302, to sign in at main (default), is let through (rules[0]); 32 more",
        "  GET https://app.example.com/members, opened as a page; somebody signed in at main, groups \"admins\": was 403 condition_failed (rules[1]), is let through (rules[1]); 3 more",
        "  POST https://app.example.com/a/x, from a page of https://stranger.invalid; somebody signed in at main: was 403 cross_site (default), is let through (rules[0])",
        REFUSED,
        "  GET https://app.example.com/b, opened as a page; nobody: was let through (rules[2]), is 302, to sign in at main (default); 4 more",
        "  GET https://app.example.com/members, opened as a page; somebody signed in at main, groups \"staff\": was let through (rules[1]), is 403 condition_failed (rules[1]); 3 more",
        "  POST https://app.example.com/b, from a page of https://stranger.invalid; somebody signed in at main: was let through (rules[2]), is 403 cross_site (default)",
    ];
    assert_eq!(told_in_short(&old, &new), expected);
}

#[test]
fn where_nothing_changes_nothing_is_told() {
    let staff = || json!({"claim": "groups", "any_of": ["staff"]});
    let rule = |path: &str, require: Value| json!({"match": {"path": path}, "require": require});
    let (a, b, members) = (rule("/a", json!("public")), rule("/b/**", json!("public")), rule("/members/**", staff()));
    for (old, new) in [
        // The same.
        (json!([a, b, members]), json!([a, b, members])),
        // In another order, which makes no difference.
        (json!([a, b, members]), json!([members, b, a])),
        // With a rule that says what is so without it: all others have other names.
        (json!([a, members]), json!([rule("/z", json!("authenticated")), a, members])),
        // In other words.
        (json!([members]), json!([{"match": {"path_separated_prefix": "/members"}, "require": {"all": [staff()]}}])),
        (json!([members]), json!([rule("/members/**", json!({"not": {"not": staff()}}))])),
        (
            json!([rule("/a", json!({"any": [staff(), {"claim": "groups", "any_of": ["x"]}]}))]),
            json!([rule("/a", json!({"claim": "groups", "any_of": ["x", "staff"]}))]),
        ),
        // One rule as two.
        (json!([b]), json!([rule("/b", json!("public")), rule("/b/*", json!("public")), b])),
    ] {
        let (lines, notes) = told(&ruled(old.clone()), &ruled(new.clone()));
        assert_eq!((lines.as_slice(), notes.as_slice()), ([].as_slice(), [].as_slice()), "{old} {new}");
    }
    // Other keys make other sessions of the same people.
    assert_eq!(told(&document(), &with("/session/keys/0", json!(OTHER_KEY))), (Vec::new(), Vec::new()));
}

/// Whether one of these lines has all of these texts.
fn has(lines: &[String], texts: &[&str]) -> bool {
    lines.iter().any(|line| texts.iter().all(|text| line.contains(text)))
}

#[test]
fn a_change_that_one_request_alone_shows_is_found() {
    let public = |matches: Value| json!({"match": matches, "require": "public"});
    let any = || json!({"match": {"path": "/**"}, "require": {"claim": "groups", "any_of": ["staff"]}});
    for (old, new, found) in [
        // A method.
        (
            json!([public(json!({"path": "/a", "methods": ["GET"]}))]),
            json!([public(json!({"path": "/a", "methods": ["GET", "PUT"]}))]),
            ["PUT ", "/a; nobody: was 401"],
        ),
        (
            json!([public(json!({"path": "/a", "methods": ["GET", "POST", "PUT"]}))]),
            json!([public(json!({"path": "/a"}))]),
            ["PATCH ", "/a; nobody: was 401"],
        ),
        // A rule that is moved above another.
        (
            json!([{"match": {"path": "/x/admin/**"}, "require": {"claim": "groups", "any_of": ["admins"]}}, public(json!({"path": "/*/admin/logo.png"}))]),
            json!([public(json!({"path": "/*/admin/logo.png"})), {"match": {"path": "/x/admin/**"}, "require": {"claim": "groups", "any_of": ["admins"]}}]),
            ["GET https://app.example.com/x/admin/logo.png", "nobody: was 302"],
        ),
        // Where two patterns cross, and nowhere else.
        (
            json!([public(json!({"path": "/**/*.css"})), any()]),
            json!([{"match": {"path": "/private/*.css"}, "require": "authenticated"}, public(json!({"path": "/**/*.css"})), any()]),
            ["/private/", ".css, opened as a page; nobody: was let through"],
        ),
        // A slash at the end; a format.
        (
            json!([public(json!({"path": "/a"})), any()]),
            json!([public(json!({"path": "/a"})), public(json!({"path": "/a/"})), any()]),
            ["/a/, opened as a page; nobody:", "is let through (rules[1])"],
        ),
        (json!([any()]), json!([public(json!({"path": "/members.json"})), any()]), ["/members.json", "nobody: was 302"]),
        // What may be in a path.
        (
            json!([public(json!({"path": "/files/**"}))]),
            json!([{"match": {"path": "/files/**"}, "allow_in_path": [";"], "require": "public"}]),
            ["/files/x;y", "nobody: was 400 path_ambiguous"],
        ),
        // Who is answered how.
        (
            json!([]),
            json!([{"match": {"path": "/a"}, "require": "authenticated", "unauthenticated": "respond"}]),
            ["/a, opened as a page; nobody: was 302", "is 401 session_missing (rules[0])"],
        ),
        // What caches are told.
        (
            json!([]),
            json!([{"match": {"path": "/a"}, "require": "authenticated", "shared_cache": "allowed"}]),
            ["somebody signed in at main: cache-control of the response was private, is absent", "/a"],
        ),
    ] {
        let (lines, _) = told(&ruled(old.clone()), &ruled(new.clone()));
        assert!(has(&lines, &found), "{old} {new}: {lines:#?}");
    }
}

#[test]
fn a_change_that_one_person_alone_shows_is_found() {
    let claim = |name: &str, any_of: Value| json!({"claim": name, "any_of": any_of});
    let groups = |any_of: Value| claim("groups", any_of);
    let many: Vec<_> = (0..40).map(|number| format!("g{number}")).collect();
    let bearer = |scope: Value| json!({"bearer": "main", "scope": scope});
    for (old, new, found) in [
        (groups(json!(["a", "b", "c", "d", "e"])), groups(json!(["a", "b", "c", "e"])), "groups \"d\": was let through"),
        (json!({"all": [groups(json!(["a"])), groups(json!(["b"]))]}), groups(json!(["a"])), "groups \"a\": was 403"),
        (
            groups(json!(["a"])),
            json!({"all": [groups(json!(["a"])), {"not": claim("status", json!(["suspended"]))}]}),
            "groups \"a\", status \"suspended\": was let through",
        ),
        (
            json!({"not": claim("status", json!(["suspended"]))}),
            json!({"not": claim("status", json!(["suspended", "left"]))}),
            "status \"left\": was let through",
        ),
        (claim("level", json!([1])), claim("level", json!(["1"])), "level \"1\": was 403"),
        (
            claim("roles", json!(["x"])),
            json!({"claim": "roles", "any_of": ["x"], "split": " "}),
            "roles \"something-else x\": was 403",
        ),
        (
            json!({"claim": ["realm", "roles"], "any_of": ["x"]}),
            json!({"claim": ["realm", "roles"], "any_of": ["x", "y"]}),
            "realm.roles \"y\": was 403",
        ),
        (
            claim("email", json!(["a@example.com"])),
            claim("email", json!(["a@example.com", "b@example.com"])),
            "email \"b@example.com\", verified: was 403",
        ),
        (
            json!({"email_domain": ["example.com"]}),
            json!({"email_domain": ["example.org"]}),
            "email \"someone@example.org\", verified: was 403",
        ),
        (claim("sub", json!(["alice"])), claim("sub", json!(["alice", "bob"])), "sub \"bob\": was 403"),
        (json!({"acr": ["gold"]}), json!({"acr": ["gold", "silver"]}), "acr \"silver\": was"),
        (json!({"max_auth_age": "5m"}), json!({"max_auth_age": "10m"}), "a sign-in 364 s ago: was"),
        (json!({"max_auth_age": "60s"}), json!({"max_auth_age": "50s"}), "a sign-in 114 s ago: was let through"),
        (
            bearer(json!(["read", "write"])),
            bearer(json!(["read"])),
            "a bearer token of main, scope \"read\", aud [\"api\"]: was 403",
        ),
        (
            json!({"bearer": "main", "audience": ["a"]}),
            json!({"bearer": "main", "audience": ["a", "b"]}),
            "a bearer token of main, aud [\"api\",\"b\"]: was 401",
        ),
        (
            json!({"has_key": ["x"], "claim": "roles"}),
            json!({"has_key": ["x", "y"], "claim": "roles"}),
            "roles {\"y\":{\"something-else\":true}}: was 403",
        ),
        (
            json!({"has_key": ["x"], "claim": "roles", "within": ["o1"]}),
            json!({"has_key": ["x"], "claim": "roles", "within": ["o1", "o2"]}),
            "roles {\"x\":{\"o2\":true}}: was 403",
        ),
        (groups(json!(many)), groups(json!(many[1..])), "groups \"g0\": was let through"),
    ] {
        let of = |require: &Value| {
            let accepting = with("/providers/0/bearer", json!({"audiences": ["api"]}));
            changed(accepting, "/rules", json!([{"match": {"path": "/a"}, "require": require}]))
        };
        let (lines, _) = told(&of(&old), &of(&new));
        assert!(has(&lines, &[found]), "{old} {new} {found}: {lines:#?}");
    }
}

#[test]
fn what_the_application_is_told_is_compared_and_a_header_that_clients_may_now_send_is_shown() {
    let headers = |list: Value| with("/claim_to_headers", list);
    let role = json!({"claim_name": "role", "header_name": "x-role"});
    assert_eq!(
        told_in_short(&headers(json!([role])), &headers(json!([]))),
        [
            TOLD,
            "  GET https://app.example.com/public, opened as a page; nobody: x-role was absent, is (as the client sends it); 37 more",
            "  GET https://app.example.com/public, opened as a page; somebody signed in at main: x-role was example role, is (as the client sends it); 419 more",
            "  POST https://app.example.com/public, from a page of https://stranger.invalid; somebody signed in at main: x-role was absent, is (as the client sends it); 1 more",
        ]
    );
    let (lines, _) = told(&headers(json!([role])), &headers(json!([{"claim_name": "job", "header_name": "x-role"}])));
    assert!(has(&lines, &["x-role was example role, is example job"]), "{lines:#?}");
    let (lines, _) = told(&document(), &with("/forward", json!({"access_token": true})));
    assert!(has(&lines, &["x-forwarded-access-token was absent, is (a token)"]) && !has(&lines, &["stand-in"]), "{lines:#?}");
}

#[test]
fn which_token_of_its_own_the_application_gets_is_compared() {
    let forwarding = |audience: &str| {
        let rule = json!({"require": {"provider": "main"}, "forward": {"token_exchange": {"audience": audience}}});
        changed(with("/forward", json!({"access_token": true})), "/rules", json!([rule]))
    };
    let (lines, _) = told(&forwarding("notes"), &forwarding("others"));
    let says =
        "authorization was (a token in exchange by main, audience notes), is (a token in exchange by main, audience others)";
    assert!(has(&lines, &[says]), "{lines:#?}");
    assert_eq!(told(&forwarding("notes"), &forwarding("notes")).0, Vec::<String>::new());
}

#[test]
fn where_a_browser_is_sent_is_compared_without_what_is_another_each_time() {
    let (lines, _) = told(&document(), &with("/providers/0/scope", json!("openid groups")));
    assert!(lines[0] == ANSWERED && has(&lines, &["scope was openid", "is openid groups"]), "{lines:#?}");
    let (lines, _) = told(&document(), &with("/endpoints", json!({"logout": "/sign-out"})));
    assert!(has(&lines, &["/sign-out, opened as a page; nobody:", "(endpoints.logout)"]), "{lines:#?}");
}

#[test]
fn people_of_a_provider_that_one_of_both_does_not_have_are_nobody_there_and_a_note_says_so() {
    let other = json!({"name": "other", "issuer": "https://other.example.com", "clusters": {"other.example.com": "other"}, "client_id": "app", "client_secret": "another-secret"});
    let main = document()["providers"][0].clone();
    let both = with("/providers", json!([main, other]));
    let both = changed(both, "/rules", json!([]));
    let only_main = ruled(json!([]));
    let (lines, notes) = told(&only_main, &both);
    assert_eq!(notes, ["OLD has no provider other: whoever comes from there is nobody in OLD"]);
    assert!(lines[0] == LET_IN && has(&lines, &["somebody signed in at other: was 302"]), "{lines:#?}");
    let (lines, notes) = told(&both, &only_main);
    assert_eq!(notes, ["NEW has no provider other: whoever comes from there is nobody in NEW"]);
    assert!(has(&lines, &[REFUSED]) && has(&lines, &["somebody signed in at other: was let through"]), "{lines:#?}");
    // Under another name, its people are the same.
    let renamed = with("/providers/0/name", json!("sso"));
    let (lines, notes) = told(&document(), &renamed);
    assert_eq!(notes, ["the provider main is called sso in NEW: its people are the same here"]);
    assert!(!has(&lines, &[LET_IN]) && !has(&lines, &[REFUSED]), "{lines:#?}");
}

#[test]
fn tokens_of_an_audience_that_is_new_are_let_in_and_those_that_are_accepted_no_longer_are_not() {
    let of = |audiences: Value| with("/providers/0/bearer", json!({"audiences": audiences}));
    let (lines, _) = told(&of(json!(["a"])), &of(json!(["b"])));
    assert!(has(&lines, &["a bearer token of main, aud [\"b\"]: was 401"]), "{lines:#?}");
    assert!(has(&lines, &["a bearer token of main, aud [\"a\"]: was let through"]), "{lines:#?}");
    let (lines, _) = told(&document(), &of(json!(["a"])));
    assert!(lines[0] == LET_IN && has(&lines, &["a bearer token of main, aud [\"a\"]: was 401"]), "{lines:#?}");
}

#[test]
fn policies_of_routes_are_asked_about() {
    let of = |group: &str| {
        let named = json!({"strict": {"claim": "groups", "any_of": [group]}});
        changed(with("/policies", named), "/route_policies", json!({"filter_metadata": "accredit"}))
    };
    let (lines, _) = told(&of("a"), &of("b"));
    assert!(lines[0] == LET_IN && has(&lines, &["with the policy strict", "groups \"b\": was 403"]), "{lines:#?}");
}

#[test]
fn where_not_everything_can_be_asked_a_note_says_so() {
    let rules = |number: usize| -> Value {
        let rule = |number: usize| json!({"match": {"path": format!("/r{number}/**")}, "require": "public"});
        (0..number).map(rule).collect()
    };
    for (rules, limits, note) in [
        (rules(50), Limits { requests: 100, ..Limits::USUAL }, "requests were not asked about, because they are too many"),
        (rules(50), Limits { questions: 100, ..Limits::USUAL }, "requests were not asked about, because they are too many"),
    ] {
        let mut comparison = comparison(&ruled(rules.clone()), &ruled(rules));
        comparison.ask_around(limits);
        assert!(comparison.changes.is_empty() && comparison.asked < 300, "{}", comparison.asked);
        assert!(comparison.notes.len() == 1 && comparison.notes[0].ends_with(note), "{:?}", comparison.notes);
    }
    // Too many claims for all combinations.
    let claims: Vec<_> = (0..8).map(|number| json!({"claim": format!("c{number}"), "any_of": ["a", "b"]})).collect();
    let strict = ruled(json!([{"match": {"path": "/a"}, "require": {"all": claims}}]));
    let (lines, notes) = told(&strict, &strict);
    assert_eq!(notes, ["some conditions name so much that not every combination of claims was asked about"]);
    assert_eq!(lines, Vec::<String>::new());
    // What is left out is what says least: that somebody meets all but one part is asked.
    let lax = ruled(json!([{"match": {"path": "/a"}, "require": {"all": claims[1..]}}]));
    assert!(has(&told(&strict, &lax).0, &["/a", "signed in at main, c1 [\"a\",\"b\"]", "was 403"]));
}

#[test]
fn sessions_that_count_as_bearer_tokens_now_are_let_in() {
    let secret = "a secret that services share, of 32 bytes at least";
    let of = |bearer: bool| {
        let jwt = json!({"keys": [secret], "bearer": bearer, "claims": ["groups", "email", "email_verified", "status"]});
        with("/session", json!({"keys": [KEY], "form": "jwt", "jwt": jwt, "cookie": {"name": "access_token"}}))
    };
    let (lines, notes) = told(&of(false), &of(true));
    assert_eq!(notes, Vec::<String>::new());
    assert!(lines[0] == LET_IN && has(&lines, &["/always", "a session of main as bearer token: was 302"]), "{lines:#?}");
    assert!(!has(&lines, &["somebody signed in"]), "{lines:#?}");
    assert_eq!(told(&of(true), &of(true)), (Vec::new(), Vec::new()));
}

#[test]
fn what_an_identity_jwt_says_is_compared_and_not_when_it_was_made() {
    let secret = "a-secret-of-32-bytes-0123456789abc";
    let of = |claims: Value| with("/forward", json!({"identity_jwt": {"keys": [secret], "claims": claims}}));
    assert_eq!(told(&of(json!(["email"])), &of(json!(["email"]))), (Vec::new(), Vec::new()));
    let lines = told_in_short(&of(json!(["email"])), &of(json!(["email", "name"])));
    assert!(has(&lines, &["x-forwarded-identity was (a token with {", "\"name\":\"example name\""]), "{lines:#?}");
}

#[test]
fn paths_that_only_one_of_two_envoys_changes_are_asked_about() {
    let rules = ruled(json!([{"match": {"path": "/a"}, "require": "public"}]));
    let settings = || config::load(rules.to_string().as_bytes(), &|_| None).unwrap();
    let behind = |passage: Passage| Desk::new(settings(), passage, DeskWorld::at(BEGINNING)).unwrap();
    let sides = [Side::of(0, behind(Passage::of(None))), Side::of(1, behind(Passage::UNCHANGED))];
    let mut comparison = Comparison::new(sides);
    comparison.ask_around(Limits::USUAL);
    let lines = comparison.changes.lines(true);
    assert!(has(&lines, &["/x/../a", "nobody: was let through (rules[0]), is 400 path_ambiguous"]), "{lines:#?}");
}
