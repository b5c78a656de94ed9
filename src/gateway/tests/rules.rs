use super::stage::{Browser, Stage, body, changed, document, field, forwarded, outcome, response, upstream_headers, with};
use crate::http::message::{CookieEdit, Edits, Headers};
use crate::step::event::{Event, Outcome};
use crate::words::reason::Reason;
use crate::words::world::RouteMetadata;
use serde_json::{Value, json};

#[test]
fn who_may_go_where() {
    let mut nobody = Stage::ready(&document());
    let mut staff = Stage::with_claims(&document(), json!({"groups": ["staff", "x"], "status": "good"}));
    let mut guest = Stage::with_claims(
        &document(),
        json!({"groups": ["guests"], "email": "g@example.com", "email_verified": false, "status": "suspended"}),
    );
    let mut verified = Stage::with_claims(&document(), json!({"email": "v@Example.com", "email_verified": true}));
    let (sign_in, forbidden, good) = ((401, "session_missing"), (403, "condition_failed"), (200, ""));
    for (path, expected) in [
        ("/public", [good, good, good, good]),
        ("/public/deep", [good, good, good, good]),
        ("/publicly", [sign_in, good, good, good]),
        ("/page?x=/public", [sign_in, good, good, good]),
        ("/PUBLIC", [sign_in, good, good, good]),
        ("/members", [sign_in, good, forbidden, forbidden]),
        ("/members/x", [sign_in, good, forbidden, forbidden]),
        ("/company", [sign_in, forbidden, forbidden, good]),
        ("/loyal", [sign_in, good, forbidden, forbidden]),
        ("/", [sign_in, good, good, good]),
    ] {
        let stages = [&mut nobody, &mut staff, &mut guest, &mut verified];
        let outcomes = stages.map(|stage| {
            let step = stage.worker.begin(stage.browser.script("GET", path));
            let (status, reason) = outcome(&step);
            (status, reason.to_owned())
        });
        assert_eq!(outcomes, expected.map(|(status, reason)| (status, reason.to_owned())), "{path}");
    }
}

#[test]
fn somebody_who_may_not_is_told_why_and_the_log_which_rule_it_was() {
    let mut stage = Stage::with_claims(&document(), json!({"groups": ["guests"]}));
    let step = stage.navigate("/members");
    assert_eq!(outcome(&step), (403, "condition_failed"));
    assert_eq!(field(response(&step), "content-type"), Some("text/html; charset=utf-8"));
    assert!(response(&step).body.contains("Use another account"));
    let denied = step.events.iter().find_map(|event| match event {
        Event::Denied { rule, subject, failure, .. } => Some((rule.as_deref(), subject.as_deref(), failure.detail.as_str())),
        _ => None,
    });
    assert_eq!(denied, Some((Some("rules[1]"), Some("alice"), r#"groups is ["guests"]; the rule asks for groups: "staff""#)));
    assert_eq!(step.events.last(), Some(&Event::Outcome(Outcome::Forbidden)));
    assert_eq!((step.note.subject.as_deref(), step.note.rule.as_deref()), (Some("alice"), Some("rules[1]")));
    let step = stage.script("GET", "/members");
    assert_eq!(body(&step)["reason"], "condition_failed");
}

#[test]
fn a_request_that_can_be_read_in_two_ways_gets_no_further() {
    let mut stage = Stage::signed_in(&document());
    let mut pairs = |fields: &[(&str, &[u8])]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let step = stage.worker.begin(Headers::new(fields));
        let (status, reason) = outcome(&step);
        (status, reason.to_owned())
    };
    let get = (":method", b"GET".as_slice());
    let host = (":authority", b"app.example.com".as_slice());
    let public = (":path", b"/public".as_slice());
    for (attack, fields, expected) in [
        ("no method", vec![host, public], (400, "method_malformed")),
        ("two methods", vec![get, (":method", b"POST"), host, public], (400, "method_malformed")),
        ("method in lower case", vec![(":method", b"get"), host, public], (400, "method_malformed")),
        ("no host", vec![get, public], (400, "host_missing")),
        ("two hosts", vec![get, host, (":authority", b"x"), public], (400, "host_missing")),
        ("host is not UTF-8", vec![get, (":authority", b"\xff"), public], (400, "host_missing")),
        ("CONNECT", vec![(":method", b"CONNECT"), host], (400, "path_ambiguous")),
        ("two paths", vec![get, host, public, (":path", b"/members")], (400, "path_ambiguous")),
        ("path is not UTF-8", vec![get, host, (":path", b"/public/\xff")], (400, "path_ambiguous")),
        ("dot segments", vec![get, host, (":path", b"/public/../members")], (400, "path_ambiguous")),
        ("encoded slash", vec![get, host, (":path", b"/public%2fx")], (400, "path_ambiguous")),
        ("path parameter", vec![get, host, (":path", b"/public;/x")], (400, "path_ambiguous")),
        ("asterisk", vec![(":method", b"OPTIONS"), host, (":path", b"*")], (400, "path_ambiguous")),
        ("absolute form", vec![get, host, (":path", b"http://app.example.com/public")], (400, "path_ambiguous")),
        ("another host", vec![get, (":authority", b"evil.example"), public], (421, "host_unknown")),
        ("another port", vec![get, (":authority", b"app.example.com:8443"), public], (421, "host_unknown")),
        ("host with a dot", vec![get, (":authority", b"app.example.com."), public], (421, "host_unknown")),
        ("takes headers away", vec![get, host, public, ("connection", b"close, X_Forwarded-User")], (400, "header_ambiguous")),
        ("takes cookies away", vec![get, host, public, ("connection", b"cookie")], (400, "header_ambiguous")),
        ("host in upper case", vec![get, (":authority", b"APP.example.com:443"), public], (200, "")),
    ] {
        let (status, reason) = pairs(&fields);
        assert_eq!((status, reason.as_str()), expected, "{attack}");
    }
}

#[test]
fn the_page_for_another_host_leads_to_the_only_origin_and_names_none_of_several() {
    for (origins, expected) in [
        (json!(["https://app.example.com"]), Some("https://app.example.com/")),
        (json!(["https://app.example.com", "https://other.example.com"]), None),
    ] {
        let mut stage = Stage::ready(&with("/origins", origins));
        let navigation = [("accept", "text/html")].into_iter().chain([(":authority", "evil.example")]);
        let fields = [(":method", "GET"), (":path", "/")].into_iter().chain(navigation);
        let step = stage.worker.begin(Headers::new(fields.map(|(name, value)| (name.to_owned(), value.into())).collect()));
        assert_eq!(outcome(&step), (421, "host_unknown"));
        let detail = step.events.iter().find_map(|event| match event {
            Event::Denied { failure, .. } => Some(failure.detail.as_str()),
            _ => None,
        });
        let said = "authority \"evil.example\" is none of the origins; add it if browsers use it, or let the proxy in front hand on the browser's Host";
        assert_eq!(detail, Some(said));
        let page = &response(&step).body;
        assert!(!page.contains("evil.example"), "{page}");
        let link = page.split("<nav><a href=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(link, expected, "{page}");
    }
}

#[test]
fn a_request_id_that_somebody_made_up_is_printed_only_when_it_is_plain() {
    let mut stage = Stage::ready(&document());
    let (longest, long) = ("a".repeat(64), "a".repeat(65));
    for (ids, kept) in [
        (vec!["0f8fad5b-d9cb-469f-a165-70867728950e"], true),
        (vec![&longest], true),
        (vec!["<script>"], false),
        (vec![&long], false),
        (vec![""], false),
        (vec!["one", "two"], false),
        (vec![], false),
    ] {
        let mut fields = vec![(":method", "GET"), (":authority", "app.example.com"), (":path", "/members")];
        fields.extend(ids.iter().map(|id| ("x-request-id", *id)));
        let headers = fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        let refused = body(&stage.worker.begin(Headers::new(headers)));
        let printed = refused["request_id"].as_str().unwrap();
        let ours = printed.len() == 16 && printed.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(if kept { ids.contains(&printed) } else { ours }, "{ids:?} {printed}");
    }
}

#[test]
fn identity_headers_of_the_client_never_arrive_in_any_spelling_on_any_path() {
    let forged = [
        ("x-forwarded-user", "root"),
        ("x_forwarded_user", "root"),
        ("x-forwarded_groups", "admins"),
        ("x-forwarded-access-token", "x"),
        ("x_forwarded-id_token", "x"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let signed_in = Stage::signed_in(&document());
    let nobody = Stage::ready(&document());
    for (mut stage, paths) in [(nobody, ["/public", "/public/x"]), (signed_in, ["/public", "/page"])] {
        for (path, method) in paths.into_iter().flat_map(|path| [(path, "GET"), (path, "OPTIONS"), (path, "HEAD")]) {
            let step = stage.worker.begin(stage.browser.send(method, path, &forged));
            let edits = &forwarded(&step).edits;
            for (name, _) in &forged[..5] {
                assert!(edits.remove.iter().any(|removed| removed == name), "{name} on {method} {path}");
            }
            assert!(!edits.remove.iter().any(|removed| removed == "x-forwarded-for"));
            assert!(edits.add.iter().all(|(_, value)| !value.contains("root") && !value.contains("admins")));
        }
    }
}

#[test]
fn whatever_is_added_to_a_request_never_stands_beside_what_the_client_sent_under_that_name() {
    let mut document = changed(
        document(),
        "/forward",
        json!({"access_token": true, "id_token": true, "identity_jwt": {"keys": ["a secret of the upstream, which is 32 bytes or more"], "claims": ["email"], "header_name": "x-who"}}),
    );
    document["claim_to_headers"] = json!([{"claim_name": "sub", "header_name": "x-team-user"}]);
    document["rules"] = json!([]);
    let mut second = document["providers"][0].clone();
    second["name"] = json!("second");
    document["providers"].as_array_mut().unwrap().push(second);
    let mut stage = Stage::signed_in(&document);
    let added: Vec<_> = upstream_headers(&stage.navigate("/page"))
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .chain(["cache-control".to_owned()])
        .collect();
    let of_every_kind =
        ["x-team-user", "x-forwarded-provider", "x-forwarded-access-token", "x-forwarded-id-token", "x-who", "cache-control"];
    assert_eq!(added, of_every_kind);
    let sent: Vec<_> = added.iter().flat_map(|name| [(name.as_str(), "root"), (name.as_str(), "admin")]).collect();
    let step = stage.worker.begin(stage.browser.send("GET", "/page", &sent));
    let Edits { remove, add, .. } = &forwarded(&step).edits;
    assert!(added.iter().all(|name| remove.contains(name)), "{remove:?}");
    assert!(add.iter().all(|(_, value)| value != "root" && value != "admin"));
}

#[test]
fn an_identity_header_whose_claim_is_absent_is_taken_away_and_not_left_to_the_client() {
    let mut stage = Stage::with_claims(&document(), json!({}));
    let step =
        stage.worker.begin(stage.browser.send("GET", "/page", &[("x-forwarded-groups", "admins"), ("x-forwarded-user", "root")]));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "alice")]);
    assert_eq!(forwarded(&step).edits.remove, ["x-forwarded-groups", "x-forwarded-user"]);
}

#[test]
fn our_cookies_stay_here_and_others_go_on_byte_for_byte() {
    let mut stage = Stage::signed_in(&document());
    stage.browser.jar.insert("theme".into(), ("\"dark\"; x".into(), "/".into()));
    stage.browser.jar.insert("__Host-accredit-attempt-AAAAAAAA".into(), ("junk".into(), "/".into()));
    for path in ["/page", "/public"] {
        let step = stage.worker.begin(stage.browser.navigate(path));
        assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Replaced(b"theme=\"dark\"; x".to_vec()));
    }
    let step = stage.worker.begin(Browser::default().send("GET", "/public", &[("cookie", "a=b;c = d")]));
    assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Untouched);
}

#[test]
fn an_unsafe_request_of_another_site_with_our_cookie_is_refused() {
    let mut stage = Stage::signed_in(&document());
    let (good, refused) = ((200, ""), (403, "cross_site"));
    for (method, fields, expected) in [
        ("GET", [("sec-fetch-site", "cross-site")].as_slice(), good),
        ("HEAD", &[("origin", "https://evil.example")], good),
        ("OPTIONS", &[("origin", "https://evil.example")], good),
        ("POST", &[("sec-fetch-site", "same-origin")], good),
        ("POST", &[("origin", "https://app.example.com")], good),
        ("DELETE", &[("sec-fetch-site", "same-origin")], good),
        ("POST", &[], refused),
        ("POST", &[("sec-fetch-site", "cross-site")], refused),
        ("POST", &[("sec-fetch-site", "same-site")], refused),
        ("POST", &[("sec-fetch-site", "none")], refused),
        ("POST", &[("origin", "null")], refused),
        ("POST", &[("origin", "https://evil.example"), ("referer", "https://app.example.com/")], refused),
        ("POST", &[("origin", "http://app.example.com")], refused),
        ("PUT", &[("content-type", "text/plain")], refused),
        ("PROPFIND", &[], refused),
        ("GET", &[("upgrade", "websocket"), ("origin", "https://evil.example")], refused),
        ("GET", &[("upgrade", "WebSocket")], refused),
        ("GET", &[("upgrade", "websocket"), ("origin", "https://app.example.com")], good),
    ] {
        let step = stage.worker.begin(stage.browser.send(method, "/page", fields));
        assert_eq!(outcome(&step), expected, "{method} {fields:?}");
        // Without the session cookie the request is anonymous, and cross-site protection is not needed.
        let step = stage.worker.begin(Browser::default().send(method, "/page", fields));
        assert_eq!(outcome(&step), (401, "session_missing"), "{method} {fields:?}");
    }
}

#[test]
fn on_a_public_page_an_unsafe_request_of_another_site_is_anonymous() {
    let mut stage = Stage::signed_in(&document());
    let evil = [("origin", "https://evil.example")];
    let step = stage.worker.begin(stage.browser.send("POST", "/public", &evil));
    assert_eq!((upstream_headers(&step), step.note.subject.clone()), (vec![], None));
    assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Dropped);
    let own = [("origin", "https://app.example.com")];
    let step = stage.worker.begin(stage.browser.send("POST", "/public", &own));
    assert_eq!(step.note.subject.as_deref(), Some("alice"));
}

#[test]
fn a_trusted_origin_may_act_for_people_and_its_neighbours_may_not() {
    let mut stage = Stage::signed_in(&changed(document(), "/trusted_origins", json!(["https://front.example.com"])));
    for (origin, expected) in [
        ("https://front.example.com", 200),
        ("https://front.example.com.evil.example", 403),
        ("https://other.example.com", 403),
        ("http://front.example.com", 403),
    ] {
        let step = stage.worker.begin(stage.browser.send("POST", "/page", &[("origin", origin)]));
        assert_eq!(outcome(&step).0, expected, "{origin}");
    }
}

fn with_route_policies() -> Value {
    let document = with("/policies", json!({"staff": {"claim": "groups", "any_of": ["staff"]}}));
    changed(document, "/route_policies", json!({"filter_metadata": "accredit"}))
}

#[test]
fn a_policy_that_the_route_names_can_only_tighten_a_rule() {
    let mut staff = Stage::signed_in(&with_route_policies());
    let mut guest = Stage::with_claims(
        &with_route_policies(),
        json!({"groups": ["guests"], "email": "g@example.com", "email_verified": true}),
    );
    let mut nobody = Stage::ready(&with_route_policies());
    let named = |name: &str| RouteMetadata::Text(name.to_owned());
    let (good, sign_in, forbidden) = ((200, ""), (401, "session_missing"), (403, "condition_failed"));
    let unknown = (503, "route_policy_unknown");
    for (policy, path, expected) in [
        (RouteMetadata::Absent, "/public", [good, good, good]),
        (RouteMetadata::Unreadable, "/public", [unknown, unknown, unknown]),
        (named("staff"), "/public", [good, forbidden, sign_in]),
        (named("staff"), "/page", [good, forbidden, sign_in]),
        (named("staff"), "/company", [good, forbidden, sign_in]),
        (RouteMetadata::Absent, "/company", [good, good, sign_in]),
        (named("nobody-wrote-this"), "/public", [unknown, unknown, unknown]),
        (named(""), "/public", [unknown, unknown, unknown]),
    ] {
        let outcomes = [&mut staff, &mut guest, &mut nobody].map(|stage| {
            stage.worker.world.route_metadata = policy.clone();
            let step = stage.worker.begin(stage.browser.script("GET", path));
            let (status, reason) = outcome(&step);
            (status, reason.to_owned())
        });
        assert_eq!(outcomes, expected.map(|(status, reason)| (status, reason.to_owned())), "{policy:?} {path}");
    }
}

#[test]
fn while_routes_name_policies_a_request_that_would_be_routed_anew_is_refused() {
    let mut stage = Stage::signed_in(&with_route_policies());
    for (name, expected) in [
        ("x-forwarded-user", (400, "header_ambiguous")),
        ("x_forwarded_groups", (400, "header_ambiguous")),
        ("x-forwarded-for", (200, "")),
    ] {
        let step = stage.worker.begin(stage.browser.send("GET", "/page", &[(name, "x")]));
        assert_eq!(outcome(&step), expected, "{name}");
    }
    let mut without = Stage::signed_in(&document());
    without.worker.world.route_metadata = RouteMetadata::Text("staff".into());
    let step = without.worker.begin(without.browser.send("GET", "/page", &[("x-forwarded-user", "x")]));
    assert_eq!(outcome(&step), (200, ""), "nobody asked for route policies");
}

#[test]
fn neither_identity_nor_framing_nor_routing_arrives_as_a_trailer() {
    let stage = Stage::signed_in(&document());
    let trailers = ["x-forwarded-user", "grpc-status", "x_forwarded_groups", "host", "content_length", "remote-groups", "Cookie"];
    let trailers = Headers::new(trailers.map(|name| (name.to_owned(), b"root".to_vec())).to_vec());
    assert_eq!(
        stage.worker.gateway.check_trailers(&trailers),
        ["x-forwarded-user", "x_forwarded_groups", "host", "content_length", "remote-groups", "Cookie"]
    );
}

#[test]
fn the_endpoints_are_ours_whatever_the_rules_say() {
    let mut stage = Stage::ready(&with("/rules", json!([{"require": "public"}])));
    assert_eq!(outcome(&stage.script("GET", "/api/session")), (401, "session_missing"));
    assert_eq!(outcome(&stage.navigate("/api/login")).0, 302);
    let step = stage.navigate("/api/callback");
    assert_eq!(super::stage::reasons(&step), [Reason::StateMissing]);
    assert_eq!(outcome(&stage.script("GET", "/api/session/")), (200, ""));
}

#[test]
fn a_rule_for_another_provider_sends_people_there_and_tells_the_others() {
    let mut second = document()["providers"][0].clone();
    second["name"] = json!("second");
    let mut document = document();
    document["providers"].as_array_mut().unwrap().push(second);
    document["rules"] = json!([{"match": {"path": "/second"}, "require": {"provider": "second"}}]);
    let mut stage = Stage::signed_in(&document);
    assert_eq!(outcome(&stage.navigate("/second")), (403, "provider_mismatch"));
    stage.browser = Browser::default();
    stage.sign_in("/second");
    assert_eq!(outcome(&stage.navigate("/second")), (200, ""));
    assert_eq!(body(&stage.script("GET", "/api/session"))["provider"], "second");
}

#[test]
fn the_response_to_somebody_who_is_signed_in_is_private_unless_the_rule_or_the_configuration_says_otherwise() {
    let page = |rule: Value, general: Option<&str>, signed_in: bool| {
        let mut document = with("/rules", json!([rule]));
        if let Some(word) = general {
            document = changed(document, "/shared_cache", json!(word));
        }
        let mut stage = if signed_in { Stage::signed_in(&document) } else { Stage::ready(&document) };
        forwarded(&stage.navigate("/own")).private
    };
    let rule = |word: Option<&str>| {
        let mut rule = json!({"match": {"path": "/own"}, "require": "public"});
        if let Some(word) = word {
            rule["shared_cache"] = json!(word);
        }
        rule
    };
    for (of_rule, general, private) in [
        (None, None, true),
        (Some("refused"), None, true),
        (Some("allowed"), None, false),
        (None, Some("allowed"), false),
        (Some("refused"), Some("allowed"), true),
        (Some("allowed"), Some("refused"), false),
    ] {
        assert_eq!(page(rule(of_rule), general, true), private, "{of_rule:?} {general:?}");
        assert!(!page(rule(of_rule), general, false), "whoever is nobody shares what is for nobody");
    }
}
