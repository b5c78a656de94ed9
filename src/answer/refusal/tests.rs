use super::*;
use crate::answer::site::Help;

static NOTHING: Demand = Demand { acr_values: Vec::new(), max_age: None };

fn context(page: bool, site: &Site) -> Context<'_> {
    Context {
        page,
        request_id: "r-1",
        origin: "https://app.example",
        login: "/api/login",
        sign_in: "/api/login?return_to=%2Fmembers".into(),
        logout: "/api/logout",
        front_page: Some("/".into()),
        cookie_name: "__Host-accredit",
        site,
        language: site.languages.english(),
        posted: false,
        came: None,
        visitor: None,
        opener: None,
        bearer: BearerChallenge::NotAccepted,
        resource_metadata: None,
        demand: &NOTHING,
        diagnosis: None,
    }
}

#[test]
fn every_reason_has_an_error_status_and_is_never_cached() {
    for reason in Reason::ALL {
        for page in [true, false] {
            let response = refuse(*reason, &context(page, &Site::default()));
            assert!((400..=504).contains(&response.status), "{reason}");
            assert!(response.headers.contains(&("cache-control".into(), "private, no-store".into())));
            assert!(response.headers.contains(&("x-accredit-reason".into(), reason.id().into())));
        }
    }
}

#[test]
fn a_program_gets_problem_json_with_a_stable_reason_and_the_login_endpoint() {
    let response = refuse(Reason::SessionMissing, &context(false, &Site::default()));
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!((body["status"].as_u64(), body["reason"].as_str()), (Some(401), Some("session_missing")));
    assert_eq!((body["sign_in"].as_str(), body["request_id"].as_str()), (Some("/api/login"), Some("r-1")));
    let challenge = &response.headers.iter().find(|(name, _)| name == "www-authenticate").unwrap().1;
    assert!(challenge.starts_with("Cookie realm="));
}

#[test]
fn a_forbidden_page_says_why_how_to_ask_and_offers_another_account() {
    let help = Help { text: Some("Ask the <b>help desk".into()), url: Some("mailto:help@example.com".into()) };
    let site = Site { help, ..Site::default() };
    let visitor = Visitor { name: "bob <b>".into(), claim_names: vec!["groups".into()], provider: Some("corp".into()) };
    let body = refuse(Reason::ConditionFailed, &Context { visitor: Some(visitor), ..context(true, &site) }).body;
    assert!(body.contains("You are signed in as bob &lt;b&gt;.") && body.contains("What counts here: groups."));
    for part in [
        "Access denied",
        "Ask the &lt;b&gt;help desk",
        "mailto:help@example.com",
        "Use another account",
        "prompt=login&amp;provider=corp",
        "r-1",
    ] {
        assert!(body.contains(part), "{part}");
    }
}

#[test]
fn a_503_for_missing_keys_says_when_to_come_back() {
    let response = refuse(Reason::KeysUnavailable, &context(false, &Site::default()));
    assert_eq!(response.status, 503);
    assert!(response.headers.iter().any(|(name, _)| name == "retry-after"));
}

#[test]
fn a_sign_out_that_nobody_confirmed_shows_the_button_even_if_nobody_can_sign_in() {
    let site = Site::default();
    let body = refuse(Reason::SignOutUnconfirmed, &Context { login: "", ..context(true, &site) }).body;
    assert!(body.contains("action=\"/api/logout\"") && !body.contains("/api/login"), "{body}");
}

/// The challenges of a response to a program.
fn challenges(reason: Reason, context: Context<'_>) -> Vec<String> {
    let headers = refuse(reason, &Context { page: false, ..context }).headers;
    headers.into_iter().filter(|(name, _)| name == "www-authenticate").map(|(_, value)| value).collect()
}

const REALM: &str = "Bearer realm=\"https://app.example\"";
const COOKIE: &str = "Cookie realm=\"https://app.example\", form-action=\"/api/login\", cookie-name=\"__Host-accredit\"";

#[test]
fn a_program_is_told_what_its_token_lacks_and_nothing_about_tokens_if_none_are_accepted() {
    let site = Site::default();
    let demand = Demand { acr_values: vec!["gold".into(), "b".into()], max_age: Some(60) };
    let accepted = || BearerChallenge::Accepted { scope: "read write".into(), only: false };
    let told = |reason, bearer| challenges(reason, Context { bearer, demand: &demand, ..context(false, &site) });
    let invalid = |what: &str| format!("{REALM}, error=\"invalid_token\", error_description=\"{what}\"");
    let insufficient = format!(
        "{REALM}, error=\"insufficient_user_authentication\", error_description=\"another authentication is asked for\", acr_values=\"gold b\", max_age=\"60\""
    );
    for (reason, expected) in [
        (Reason::TokenMissing, vec![REALM.to_owned()]),
        (Reason::SessionMissing, vec![COOKIE.to_owned(), REALM.to_owned()]),
        (Reason::SessionExpired, vec![COOKIE.to_owned(), REALM.to_owned()]),
        (Reason::SessionInvalid, vec![COOKIE.to_owned(), REALM.to_owned()]),
        (Reason::TokenExpired, vec![invalid("the token has expired")]),
        (Reason::TokenInvalid, vec![invalid("the token is not accepted")]),
        (Reason::AudienceMissing, vec![invalid("the token is not accepted")]),
        (Reason::TokenAmbiguous, vec![format!("{REALM}, error=\"invalid_request\"")]),
        (Reason::ScopeMissing, vec![format!("{REALM}, error=\"insufficient_scope\", scope=\"read write\"")]),
        (Reason::AuthenticationInsufficient, vec![COOKIE.to_owned(), insufficient]),
        (Reason::ConditionFailed, vec![]),
        (Reason::KeysUnavailable, vec![]),
    ] {
        assert_eq!(told(reason, accepted()), expected, "{reason}");
        // If no tokens are accepted, there is only the challenge for a session.
        let without: Vec<_> = expected.iter().filter(|challenge| challenge.starts_with("Cookie")).cloned().collect();
        assert_eq!(told(reason, BearerChallenge::NotAccepted), without, "{reason}");
        // If a token was sent, there is no challenge to sign in.
        let with_token: Vec<_> = expected.iter().filter(|challenge| challenge.starts_with("Bearer")).cloned().collect();
        assert_eq!(told(reason, BearerChallenge::TokenSent { scope: "read write".into() }), with_token, "{reason}");
    }
    for reason in [Reason::ExchangeRefused, Reason::CredentialsRefused] {
        assert_eq!(told(reason, BearerChallenge::NotAccepted), [REALM], "{reason}");
    }
}

#[test]
fn a_response_says_when_to_come_back_only_if_its_status_is_503_or_too_many_sessions_were_ended() {
    for reason in Reason::ALL {
        let response = refuse(*reason, &context(false, &Site::default()));
        let says_when = response.headers.iter().any(|(name, _)| name == "retry-after");
        assert_eq!(says_when, response.status == 503 || *reason == Reason::TooManyEnds, "{reason}");
    }
}

#[test]
fn the_login_endpoint_is_named_with_the_required_authentication_and_only_if_signing_in_helps() {
    let site = Site::default();
    let demand = Demand { acr_values: vec!["urn:a".into()], max_age: Some(60) };
    let body = |reason, context: Context<'_>| -> serde_json::Value {
        serde_json::from_str(&refuse(reason, &Context { demand: &demand, ..context }).body).unwrap()
    };
    let insufficient = body(Reason::AuthenticationInsufficient, context(false, &site));
    assert_eq!(insufficient["sign_in"], "/api/login?acr_values=urn%3Aa&max_age=60");
    assert_eq!((insufficient["acr_values"].as_str(), insufficient["max_age"].as_str()), (Some("urn:a"), Some("60")));
    let missing = body(Reason::SessionMissing, context(false, &site));
    assert_eq!((missing["sign_in"].as_str(), missing.get("acr_values")), (Some("/api/login"), None));
    for (reason, context) in [
        (Reason::SessionMissing, Context { login: "", ..context(false, &site) }),
        (
            Reason::SessionMissing,
            Context { bearer: BearerChallenge::TokenSent { scope: String::new() }, ..context(false, &site) },
        ),
        (Reason::ConditionFailed, context(false, &site)),
        (Reason::TokenInvalid, context(false, &site)),
    ] {
        assert_eq!(body(reason, context).get("sign_in"), None, "{reason}");
    }
}

#[test]
fn a_page_offers_the_action_of_its_reason_and_in_a_popup_none() {
    let site = Site::default();
    let origin = Origin::parse("https://front.example").unwrap();
    let sign_in = "href=\"/api/login?return_to=%2Fmembers\"";
    for (reason, (label, way)) in [
        (Reason::SessionMissing, ("Sign in</a>", sign_in)),
        (Reason::AttemptExpired, ("Try again</a>", sign_in)),
        (Reason::SignOutUnconfirmed, ("Sign out</button>", "action=\"/api/logout\"")),
        (Reason::SignOutUnconfirmed, ("Go to the front page</a>", "href=\"/\"")),
        (Reason::ConditionFailed, ("Use another account</a>", "href=\"/api/login?return_to=%2Fmembers&amp;prompt=login\"")),
        (Reason::CrossSite, ("Go to the front page</a>", "href=\"/\"")),
        (Reason::PathAmbiguous, ("Go to the front page</a>", "href=\"/\"")),
        (Reason::QueryMalformed, ("Go to the front page</a>", "href=\"/\"")),
        (Reason::SessionTooLarge, ("Go to the front page</a>", "href=\"/\"")),
    ] {
        let body = refuse(reason, &context(true, &site)).body;
        assert!(body.contains("<nav>") && body.contains(label) && body.contains(way), "{body}");
        assert!(!body.contains("You are signed in") && !body.contains("What counts here"), "{body}");
        let body = refuse(reason, &Context { opener: Some(&origin), ..context(true, &site) }).body;
        assert!(!body.contains("<nav>") && body.contains(&format!("{{\"error\":\"{}\"}}", reason.id())), "{body}");
    }
}

#[test]
fn every_page_has_a_way_on_even_if_nobody_can_sign_in() {
    let site = Site::default();
    for reason in Reason::ALL {
        for login in ["/api/login", ""] {
            let visitor = Some(Visitor { name: "bob".into(), ..Visitor::default() });
            let body = refuse(*reason, &Context { login, visitor, ..context(true, &site) }).body;
            assert!(body.contains("<nav><"), "{reason}: {body}");
            assert!(!login.is_empty() || !body.contains("/api/login"), "{reason}: {body}");
        }
    }
    let nowhere = refuse(Reason::HostUnknown, &Context { front_page: None, ..context(true, &site) }).body;
    assert!(!nowhere.contains("<nav>"), "{nowhere}");
}

#[test]
fn access_denied_offers_to_sign_out_to_whoever_is_signed_in_and_to_nobody_else() {
    let site = Site::default();
    let bob = || Some(Visitor { name: "bob".into(), ..Visitor::default() });
    let by_token = BearerChallenge::TokenSent { scope: String::new() };
    for (login, visitor, bearer, offered) in [
        ("/api/login", bob(), BearerChallenge::NotAccepted, true),
        ("", bob(), BearerChallenge::NotAccepted, true),
        ("/api/login", None, BearerChallenge::NotAccepted, false),
        ("/api/login", bob(), by_token, false),
    ] {
        let case = format!("{login} {visitor:?} {bearer:?}");
        let body = refuse(Reason::ConditionFailed, &Context { login, visitor, bearer, ..context(true, &site) }).body;
        assert_eq!(body.contains("action=\"/api/logout\"><button>Sign out"), offered, "{case}: {body}");
    }
}

#[test]
fn a_page_says_that_what_was_sent_was_not_taken_and_only_then() {
    let site = Site::default();
    let said = |posted, page, reason| refuse(reason, &Context { posted, ..context(page, &site) }).body.contains("was not taken");
    assert!(said(true, true, Reason::SessionExpired) && said(true, true, Reason::SessionMissing));
    assert!(!said(false, true, Reason::SessionExpired), "nothing was sent");
    assert!(!said(true, false, Reason::SessionExpired), "a program");
    assert!(!said(true, true, Reason::CrossSite), "signing in would not help");
}

#[test]
fn a_page_says_what_came_of_the_cookies() {
    let site = Site::default();
    for (came, said) in [
        (Came::WithoutCookies("__Host-accredit-1".into()), "<p>These cookies did not come: __Host-accredit-1.</p>"),
        (Came::MixedCookies, "<p>The cookies that came do not belong together.</p>"),
        (Came::ByHttp, "a request by http, as far"),
    ] {
        let body = refuse(Reason::SessionTorn, &Context { came: Some(came), ..context(true, &site) }).body;
        assert!(body.contains(said), "{body}");
    }
}

#[test]
fn a_page_is_in_one_language_from_its_heading_to_its_buttons_and_problem_json_in_english() {
    let site = Site::default();
    let french = site.languages.choose([&b"fr-CA"[..]].into_iter());
    let english: Vec<_> = Text::ALL.iter().map(|text| text.english().split('{').next().unwrap_or_default()).collect();
    for reason in Reason::ALL {
        let visitor = Some(Visitor { name: "bob".into(), claim_names: vec!["groups".into()], provider: None });
        let context = Context { language: french, visitor, posted: true, ..context(true, &site) };
        let response = refuse(*reason, &context);
        let (_, shown) = response.body.split_once("<body>").unwrap();
        let told = explanation(*reason);
        for text in [told.heading, told.text] {
            assert!(shown.contains(&*html_escape::encode_text(french.says(text))), "{reason}: {shown}");
        }
        let left: Vec<_> = english.iter().filter(|text| text.contains(' ') && shown.contains(**text)).collect();
        assert!(left.is_empty() && !shown.contains(">Sign in<"), "{reason}: {left:?} in {shown}");
        let problem = |language| refuse(*reason, &Context { page: false, language, ..context.clone() });
        assert_eq!(problem(french), problem(site.languages.english()), "{reason}");
    }
}
