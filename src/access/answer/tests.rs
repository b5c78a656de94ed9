use super::*;

static NOTHING: Demand = Demand { acr_values: Vec::new(), max_age: None };

fn context(page: bool, help: &Help) -> Context<'_> {
    Context {
        page,
        request_id: "r-1",
        origin: "https://app.example",
        login: "/api/login",
        sign_in: "/api/login?return_to=%2Fmembers".into(),
        logout: "/api/logout",
        cookie_name: "__Host-accredit",
        help,
        visitor: None,
        opener: None,
        bearer: BearerChallenge::NotAccepted,
        demand: &NOTHING,
    }
}

#[test]
fn every_reason_has_an_error_status_and_is_never_cached() {
    for reason in Reason::ALL {
        for page in [true, false] {
            let response = refuse(*reason, &context(page, &Help::default()));
            assert!((400..=504).contains(&response.status), "{reason}");
            assert!(response.headers.contains(&("cache-control".into(), "private, no-store".into())));
            assert!(response.headers.contains(&("x-accredit-reason".into(), reason.id().into())));
        }
    }
}

#[test]
fn a_program_gets_problem_json_with_a_stable_reason_and_the_way_in() {
    let response = refuse(Reason::SessionMissing, &context(false, &Help::default()));
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!((body["status"].as_u64(), body["reason"].as_str()), (Some(401), Some("session_missing")));
    assert_eq!((body["sign_in"].as_str(), body["request_id"].as_str()), (Some("/api/login"), Some("r-1")));
    let challenge = &response.headers.iter().find(|(name, _)| name == "www-authenticate").unwrap().1;
    assert!(challenge.starts_with("Cookie realm="));
}

#[test]
fn a_forbidden_page_says_why_how_to_ask_and_offers_another_account() {
    let help = Help { text: Some("Ask the <b>help desk".into()), url: Some("mailto:help@example.com".into()) };
    let visitor = Visitor { name: "bob <b>".into(), looked_at: vec!["groups".into()], provider: Some("corp".into()) };
    let body = refuse(Reason::ConditionFailed, &Context { visitor: Some(visitor), ..context(true, &help) }).body;
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
fn not_ready_says_when_to_come_back() {
    let response = refuse(Reason::KeysUnavailable, &context(false, &Help::default()));
    assert_eq!(response.status, 503);
    assert!(response.headers.iter().any(|(name, _)| name == "retry-after"));
}

#[test]
fn whoever_comes_to_sign_out_gets_the_button_even_where_nobody_can_sign_in() {
    let help = Help::default();
    let body = refuse(Reason::CrossSite, &Context { login: "", ..context(true, &help) }).body;
    assert!(body.contains("action=\"/api/logout\"") && !body.contains("/api/login"), "{body}");
}
