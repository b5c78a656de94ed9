//! A page of a provider's ends sessions by an address in a frame, which any other page can open, too.

use serde_json::{Value, json};

use super::stage::{Browser, Stage, changed, document, field, outcome, response, seconds, with};
use crate::gateway::pending::Step;
use crate::oidc::testing::ISSUER;
use crate::session::ended::unproved::Taken;
use crate::step::audit;
use crate::step::event::Event;

const PATH: &str = "/api/frontchannel_logout";

fn taking(document: Value) -> Value {
    changed(document, "/endpoints", json!({"frontchannel_logout": PATH}))
}

/// A frame in a page of another site: browsers send no cookie there.
fn shown(stage: &mut Stage, query: &str) -> Step {
    loaded(stage, query, &["iframe"])
}

/// The same, for these destinations.
fn loaded(stage: &mut Stage, query: &str, destinations: &[&str]) -> Step {
    let mut fields = vec![("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("accept", "text/html")];
    fields.extend(destinations.iter().map(|destination| ("sec-fetch-dest", *destination)));
    stage.worker.begin(Browser::default().send("GET", &format!("{PATH}?{query}"), &fields))
}

/// Somebody whose provider calls the session s-1.
fn signed_in() -> Stage {
    signed_in_by(&taking(document()))
}

fn signed_in_by(document: &Value) -> Stage {
    let mut stage = Stage::ready(document);
    stage.provider.claims["sid"] = json!("s-1");
    stage.sign_in("/page");
    stage
}

fn is_signed_in(stage: &mut Stage) -> bool {
    outcome(&stage.script("GET", "/page")) == (200, "")
}

fn issuer() -> String {
    form_urlencoded::byte_serialize(ISSUER.as_bytes()).collect()
}

fn taken(step: &Step) -> Option<Taken> {
    step.events.iter().find_map(|event| if let Event::LoggedOutInFrame { taken, .. } = event { Some(*taken) } else { None })
}

#[test]
fn it_ends_the_sessions_of_the_sid_that_it_names_without_any_cookie_in_all_workers_and_no_other() {
    for (query, ends) in [
        ("sid=s-1".to_owned(), true),
        (format!("iss={}&sid=s-1", issuer()), true),
        ("sid=s-1&session_state=x&session_state=y".to_owned(), true),
        (format!("sid=s-2&iss={}", issuer()), false),
        ("sid=S-1".to_owned(), false),
        ("sid=s-1%20".to_owned(), false),
        ("sid=alice".to_owned(), false),
    ] {
        let mut stage = signed_in();
        let step = shown(&mut stage, &query);
        assert_eq!((response(&step).status, taken(&step)), (200, Some(Taken::Ended)), "{query}");
        assert_eq!(is_signed_in(&mut stage), !ends, "{query}");
        let mut other = stage.worker.beside(&taking(document()));
        assert_eq!(outcome(&other.begin(stage.browser.script("GET", "/page"))) == (200, ""), !ends, "{query}");
    }
}

#[test]
fn a_sid_that_is_too_long_to_be_kept_is_compared_by_its_hash_as_at_sign_in() {
    let long = "x".repeat(2_048);
    let mut stage = Stage::ready(&taking(document()));
    stage.provider.claims["sid"] = json!(long);
    stage.sign_in("/page");
    shown(&mut stage, &format!("sid={}y", &long[1..]));
    assert!(is_signed_in(&mut stage));
    shown(&mut stage, &format!("sid={long}"));
    assert!(!is_signed_in(&mut stage));
}

#[test]
fn what_does_not_name_one_session_of_this_provider_is_400_and_ends_nothing() {
    let mut stage = signed_in();
    let (issuer, long) = (issuer(), "x".repeat(2_049));
    for query in [
        "",
        "sid=",
        &format!("iss={issuer}"),
        "sid=s-1&sid=s-1",
        "sid=s-1&%73id=s-2",
        "sid=s-1&iss=",
        "sid=s-1&iss=https%3A%2F%2Fevil.example",
        &format!("sid=s-1&iss={issuer}%2F"),
        &format!("sid=s-1&iss={issuer}&iss={issuer}"),
        &format!("sid={long}"),
        "sid=s-1%FF",
        "sid=s-1%EF%BF%BD",
        "SID=s-1",
        "logout_token=x",
    ] {
        assert_eq!(outcome(&shown(&mut stage, query)), (400, "query_malformed"), "{query}");
    }
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        let step = stage.worker.begin(Browser::default().send(method, &format!("{PATH}?sid=s-1"), &[]));
        assert_eq!(outcome(&step), (405, "method_not_allowed"), "{method}");
        assert_eq!(field(response(&step), "allow"), Some("GET"));
    }
    assert!(is_signed_in(&mut stage));
    // Where the endpoint is not written, its path is one of the application's.
    let mut stage = Stage::signed_in(&document());
    assert_eq!(outcome(&shown(&mut stage, "sid=s-1")).1, "session_missing");
}

#[test]
fn whoever_opens_it_with_cookies_of_their_own_loses_none_and_the_session_that_they_carry_goes_on() {
    let mut stage = signed_in();
    for (site, dest) in [("cross-site", "iframe"), ("cross-site", "image"), ("same-origin", "document"), ("none", "document")] {
        let fields = [("sec-fetch-site", site), ("sec-fetch-dest", dest), ("sec-fetch-mode", "navigate")];
        let step = stage.send(stage.browser.send("GET", &format!("{PATH}?sid=made-up"), &fields));
        assert_eq!(outcome(&step), (200, ""), "{site} {dest}");
        assert_eq!(field(response(&step), "set-cookie"), None);
        assert_eq!(field(response(&step), "clear-site-data"), None);
    }
    assert!(is_signed_in(&mut stage));
}

#[test]
fn a_later_sign_in_with_the_same_sid_goes_on_whatever_was_opened_before() {
    let mut stage = signed_in();
    shown(&mut stage, "sid=s-1");
    stage.worker.wait(seconds(1));
    stage.browser = Browser::default();
    stage.sign_in("/page");
    assert!(is_signed_in(&mut stage));
    shown(&mut stage, "sid=s-1");
    assert!(!is_signed_in(&mut stage), "and can be ended again");
}

#[test]
fn a_session_without_a_sid_cannot_be_ended_by_it() {
    let mut stage = Stage::signed_in(&taking(document()));
    for query in ["sid=alice", "sid=null", "sid=undefined"] {
        assert_eq!(response(&shown(&mut stage, query)).status, 200);
    }
    assert!(is_signed_in(&mut stage));
}

#[test]
fn the_answer_tells_neither_whether_there_is_such_a_session_nor_whether_too_many_come() {
    let mut stage = signed_in();
    stage.worker.world.client_address = Some("192.0.2.1:1".to_owned());
    let mut answers = vec![shown(&mut stage, "sid=s-1"), shown(&mut stage, "sid=s-1"), shown(&mut stage, "sid=made-up")];
    for number in 0..100 {
        answers.push(shown(&mut stage, &format!("sid={number}")));
    }
    assert_eq!((taken(&answers[0]), taken(answers.last().unwrap())), (Some(Taken::Ended), Some(Taken::TooMany { told: None })));
    for answer in &answers {
        assert_eq!(response(answer), response(&answers[0]));
    }
    let headers = &response(&answers[0]).headers;
    let expected = [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors https://sso.example.com"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ];
    assert_eq!(*headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())), "no X-Frame-Options among them");
    assert_eq!(response(&answers[0]).body, "");
}

#[test]
fn only_pages_of_the_issuers_origin_or_of_those_that_are_written_may_show_it_in_a_frame() {
    let policy = |document: &Value| {
        let mut stage = Stage::ready(document);
        field(response(&shown(&mut stage, "sid=x")), "content-security-policy").unwrap().to_owned()
    };
    let written = json!(["https://login.example.com", "https://sso.example.com:8443"]);
    for (document, framed_by) in [
        (taking(document()), "https://sso.example.com"),
        (taking(with("/providers/0/frame_ancestors", written)), "https://login.example.com https://sso.example.com:8443"),
    ] {
        assert_eq!(policy(&document), format!("default-src 'none'; frame-ancestors {framed_by}"));
    }
}

#[test]
fn each_of_several_providers_has_its_own_path_where_no_page_ends_a_session_of_another() {
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    second["issuer"] = json!("https://second.example.com");
    second["clusters"] = json!({"second.example.com": "second"});
    let providers = json!([document()["providers"][0], second]);
    let mut stage = signed_in_by(&taking(with("/rules", json!([]))));
    let document = changed(taking(with("/providers", providers)), "/rules", json!([]));
    stage.worker = stage.worker.beside(&document);
    let open = |stage: &mut Stage, path: &str| {
        let step = stage.worker.begin(Browser::default().send("GET", path, &[]));
        (outcome(&step).0, field(response(&step), "content-security-policy").unwrap_or_default().to_owned())
    };
    let policy = |origin: &str| format!("default-src 'none'; frame-ancestors {origin}");
    let of_second = open(&mut stage, &format!("{PATH}/second?sid=s-1"));
    assert_eq!(of_second, (200, policy("https://second.example.com")));
    assert_eq!(open(&mut stage, &format!("{PATH}/second?sid=s-1&iss={}", issuer())).0, 400);
    // The path that they have in common is nobody's, and guarded like any other.
    assert_eq!(open(&mut stage, &format!("{PATH}?sid=s-1")).0, 401);
    assert!(is_signed_in(&mut stage));
    assert_eq!(open(&mut stage, &format!("{PATH}/main?sid=s-1")), (200, policy("https://sso.example.com")));
    assert!(!is_signed_in(&mut stage));
}

#[test]
fn a_flood_of_made_up_sids_from_one_address_hinders_no_other_and_writes_one_line_a_minute_with_a_number() {
    let mut stage = signed_in();
    stage.worker.world.client_address = Some("203.0.113.7:40000".to_owned());
    let flood: Vec<_> = (0..1_000).map(|number| shown(&mut stage, &format!("sid=made-up-{number}"))).collect();
    assert_eq!(flood.iter().filter(|step| taken(step) == Some(Taken::Ended)).count(), 60);
    let lines = |stage: &Stage, steps: &[Step]| -> Vec<String> {
        let events = steps.iter().flat_map(|step| &step.events).filter(|event| event.is_trouble());
        let client = || Some("203.0.113.7:40000".to_owned());
        events.filter_map(|event| audit::json(event, &stage.worker.gateway.settings().audit, &client)).collect()
    };
    let told = lines(&stage, &flood);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [r#""event":"frontchannel_logout""#, r#""ended":false"#, r#""provider_session":"made-up-60""#, r#""number":1"#] {
        assert!(told[0].contains(part) && told[0].contains("203.0.113.7"), "{part} {}", told[0]);
    }
    let metrics = flood.iter().flat_map(|step| &step.events).map(|event| event.metric().name);
    assert_eq!(metrics.filter(|name| *name == "accredit_frontchannel_logout_over_rate").count(), 940);
    stage.worker.wait(seconds(60));
    let flood: Vec<_> = (0..1_000).map(|number| shown(&mut stage, &format!("sid=made-up-{number}"))).collect();
    let told = lines(&stage, &flood);
    assert!(told.len() == 1 && told[0].contains(r#""number":940"#), "{told:?}");
    stage.worker.world.client_address = Some("203.0.113.8:40000".to_owned());
    assert_eq!(taken(&shown(&mut stage, "sid=s-1")), Some(Taken::Ended));
    assert!(!is_signed_in(&mut stage));
}

#[test]
fn a_page_that_loads_it_as_an_image_a_script_or_a_document_ends_nothing_and_uses_up_nothing_of_its_office() {
    let mut stage = signed_in();
    let answer = response(&shown(&mut stage, "sid=s-0")).clone();
    for destinations in [
        &["image"][..],
        &["script"],
        &["empty"],
        &["document"],
        &["embed"],
        &[""],
        &["IFRAME"],
        &["iframe", "iframe"],
        &["iframe", "image"],
    ] {
        for number in 0..70 {
            let step = loaded(&mut stage, &format!("sid=made-up-{number}"), destinations);
            let not_in_frame = matches!(taken(&step), Some(Taken::NotInFrame { .. }));
            assert_eq!((not_in_frame, response(&step)), (true, &answer), "{destinations:?}");
        }
        let step = loaded(&mut stage, "sid=s-1", destinations);
        let metrics: Vec<_> = step.events.iter().map(|event| event.metric().name).collect();
        assert!(metrics.contains(&"accredit_frontchannel_logout_not_in_frame".into()), "{metrics:?}");
    }
    assert!(is_signed_in(&mut stage));
    for destinations in [&["frame"][..], &["iframe"], &[]] {
        assert_eq!(taken(&loaded(&mut stage, "sid=s-1", destinations)), Some(Taken::Ended), "{destinations:?}");
        assert!(!is_signed_in(&mut stage));
        stage.browser = Browser::default();
        stage.worker.wait(seconds(1));
        stage.sign_in("/page");
    }
}

#[test]
fn a_flood_of_images_writes_one_line_a_minute_with_a_number_for_each_client_and_is_no_trouble() {
    let mut stage = signed_in();
    let flood = |stage: &mut Stage, client: &str| -> Vec<String> {
        stage.worker.world.client_address = Some(client.to_owned());
        let steps: Vec<_> = (0..1_000).map(|_| loaded(stage, "sid=s-1", &["image"])).collect();
        let events = steps.iter().flat_map(|step| &step.events);
        assert!(events.clone().all(|event| !event.is_trouble()));
        events.filter_map(|event| audit::json(event, &stage.worker.gateway.settings().audit, &|| None)).collect()
    };
    for (client, pause, number) in [("203.0.113.7:1", 0, 1), ("203.0.113.8:1", 0, 1), ("203.0.113.7:1", 60, 2_000)] {
        stage.worker.wait(seconds(pause));
        let told = flood(&mut stage, client);
        let expected = [r#""ended":false"#, "not shown in a frame", &format!(r#""number":{number},"#)];
        assert!(told.len() == 1 && expected.iter().all(|part| told[0].contains(part)), "{told:?}");
        assert_eq!(flood(&mut stage, client), Vec::<String>::new());
    }
    assert!(is_signed_in(&mut stage));
}

/// A frame in a page, which the browser names so.
fn shown_by(stage: &mut Stage, sid: &str, referers: &[&str]) -> Step {
    let mut fields = vec![("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")];
    fields.extend(referers.iter().map(|referer| ("referer", *referer)));
    stage.worker.begin(Browser::default().send("GET", &format!("{PATH}?sid={sid}"), &fields))
}

#[test]
fn a_page_of_another_site_that_uses_up_what_counts_for_an_office_hinders_nobody_there_whom_the_providers_own_page_signs_out() {
    let written =
        taking(with("/providers/0/frame_ancestors", json!(["https://login.example.com", "https://sso.example.com:8443"])));
    for (document, own) in [
        (
            taking(document()),
            &["https://sso.example.com/", "https://sso.example.com/logout?x=y", "https://SSO.example.com:443/"][..],
        ),
        (written, &["https://login.example.com/", "https://sso.example.com:8443/logout"]),
    ] {
        let mut stage = signed_in_by(&document);
        for number in 0..60 {
            assert_eq!(taken(&shown(&mut stage, &format!("sid=made-up-{number}"))), Some(Taken::Ended));
        }
        for others in [
            &[][..],
            &["https://evil.example/"],
            &["https://sso.example.com.evil.example/"],
            &["http://sso.example.com/"],
            &["https://sso.example.com:444/"],
            &["https://app.example.com/"],
            &["https://evil.example/https://sso.example.com/"],
            &["https://sso.example.com@evil.example/"],
            &["null"],
            &["sso.example.com"],
            &[own[0], own[0]],
            &[own[0], "https://evil.example/"],
        ] {
            let step = shown_by(&mut stage, "made-up", others);
            assert!(matches!(taken(&step), Some(Taken::TooMany { .. })), "{others:?}");
        }
        for (number, own) in own.iter().enumerate() {
            assert_eq!(taken(&shown_by(&mut stage, &format!("made-up-{number}"), &[own])), Some(Taken::Ended), "{own}");
        }
        assert_eq!(taken(&shown_by(&mut stage, "s-1", &[own[0]])), Some(Taken::Ended));
        assert!(!is_signed_in(&mut stage));
    }
}
