//! Protected resources: what clients are told, and which tokens, sessions and pages count there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::stage::{Stage, changed, field, forwarded, outcome, response, upstream_headers, with};
use crate::crypto::testing::RSA;
use crate::http::message::{CookieEdit, Headers};
use crate::oidc::testing::ISSUER;
use crate::step::decision::Decision;

const AT: &str = "https://app.example.com";

/// The usual configuration, with a resource at `/mcp` whose clients need `mcp:read`, and `mcp:admin` below `/mcp/admin`.
fn guarded() -> Value {
    let document = with("/providers/0/bearer", json!({}));
    let rules = json!([
        {"match": {"path_separated_prefix": "/mcp/admin"}, "require": {"scope": ["mcp:read", "mcp:admin"]}},
        {"match": {"path_separated_prefix": "/mcp/public"}, "require": "public"},
        {"match": {"path_separated_prefix": "/mcp/staff"}, "require": {"claim": "groups", "any_of": ["staff"]}},
        {"match": {"path_separated_prefix": "/mcp"}, "require": {"scope": ["mcp:read"]}}
    ]);
    let document = changed(document, "/rules", rules);
    let allowed = json!(["https://inspector.example.com"]);
    changed(
        document,
        "/resources",
        json!([{"path": "/mcp", "name": "Notes", "scopes": ["mcp:read"], "allowed_origins": allowed}]),
    )
}

fn token(stage: &Stage, changes: Value) -> String {
    let now = stage.worker.world.now.seconds();
    let aud = format!("{AT}/mcp");
    let mut claims = json!({"iss": ISSUER, "sub": "robot", "aud": aud, "exp": now + 300, "scope": "mcp:read"});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (key, algorithm, kid) = stage.provider.signs;
    format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &claims))
}

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Headers {
    let own = [(":method", method), (":authority", "app.example.com"), (":path", target), ("x-request-id", "r-1")];
    let all = own.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    Headers::new(all.collect())
}

fn post(target: &str, authorization: &str) -> Headers {
    request("POST", target, &[("authorization", authorization)])
}

const CHALLENGE: &str =
    "resource_metadata=\"https://app.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:read\"";

#[test]
fn a_client_without_a_token_is_told_in_the_first_challenge_where_to_get_one_and_for_which_scopes() {
    let mut stage = Stage::ready(&guarded());
    for (method, fields) in [
        ("POST", vec![]),
        ("GET", vec![("accept", "text/html"), ("sec-fetch-mode", "navigate")]),
        ("GET", vec![("accept", "text/event-stream")]),
        ("DELETE", vec![]),
        ("OPTIONS", vec![]),
        ("POST", vec![("authorization", "Basic eDp5")]),
    ] {
        let step = stage.worker.begin(request(method, "/mcp", &fields));
        let refused = response(&step);
        assert_eq!((refused.status, field(refused, "x-accredit-reason")), (401, Some("token_missing")), "{method}");
        let challenges: Vec<_> = refused.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
        assert_eq!(challenges.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), [format!("Bearer {CHALLENGE}")]);
        assert_eq!(field(refused, "content-type"), Some("application/problem+json"), "{method}");
        let problem: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!((problem.get("sign_in"), field(refused, "location")), (None, None), "{method}");
    }
}

#[test]
fn the_metadata_name_the_resource_by_its_origin_and_not_by_anything_that_a_request_brings() {
    let mut stage = Stage::ready(&guarded());
    let expected = json!({
        "resource": "https://app.example.com/mcp",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp:read"],
        "resource_name": "Notes"
    });
    let mut bodies = std::collections::BTreeSet::new();
    for (method, target, fields) in [
        ("GET", "/.well-known/oauth-protected-resource/mcp", vec![]),
        ("GET", "/.well-known/oauth-protected-resource", vec![("x-forwarded-host", "evil.example")]),
        ("GET", "/.well-known/oauth-protected-resource/mcp/?a=b", vec![("x-forwarded-proto", "http"), ("origin", "null")]),
        ("HEAD", "/.well-known/oauth-protected-resource/mcp", vec![("authorization", "Bearer x"), ("cookie", "a=b")]),
        ("GET", "/.well-known/oauth-protected-resource/mcp", vec![("accept", "text/html"), ("forwarded", "host=evil.example")]),
    ] {
        let step = stage.worker.begin(request(method, target, &fields));
        let told = response(&step);
        assert_eq!(told.status, 200, "{target}");
        let names = ["content-type", "cache-control", "access-control-allow-origin", "set-cookie"].map(|name| field(told, name));
        assert_eq!(names, [Some("application/json"), Some("public, max-age=300"), Some("*"), None], "{target}");
        bodies.insert(told.body.clone());
    }
    assert_eq!(bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect::<Vec<Value>>(), [expected]);
}

#[test]
fn below_the_prefix_of_metadata_nothing_is_the_applications() {
    let mut stage = Stage::ready(&guarded());
    for (method, target, refused) in [
        ("GET", "/.well-known/oauth-protected-resource/other", (404, "resource_unknown")),
        ("POST", "/.well-known/oauth-protected-resource/mcp/x", (404, "resource_unknown")),
        ("POST", "/.well-known/oauth-protected-resource/mcp", (405, "method_not_allowed")),
        ("GET", "/.well-known/oauth-protected-resource/mcp/%2e%2e/x", (400, "path_ambiguous")),
    ] {
        let step = stage.worker.begin(request(method, target, &[]));
        assert_eq!(outcome(&step), refused, "{target}");
        assert_eq!(field(response(&step), "www-authenticate"), None);
        assert_eq!(field(response(&step), "content-type"), Some("application/problem+json"));
    }
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
    let step = stage.worker.begin(request("OPTIONS", "/.well-known/oauth-protected-resource/mcp", &preflight));
    assert_eq!((response(&step).status, field(response(&step), "access-control-allow-origin")), (204, Some("*")));
}

#[test]
fn a_token_for_the_resource_passes_and_the_server_never_sees_it() {
    let mut document = guarded();
    document["providers"][0]["bearer"]["forward"] = json!(true);
    let mut stage = Stage::ready(&document);
    let step = stage.worker.begin(post("/mcp", &token(&stage, json!({}))));
    assert_eq!(upstream_headers(&step), [("x-forwarded-user", "robot")]);
    assert_eq!(forwarded(&step).edits.remove, ["authorization"]);
    // Where strangers pass, credentials go no further either.
    for authorization in [token(&stage, json!({})), "Bearer x".to_owned(), "Basic eDp5".to_owned()] {
        let step = stage.worker.begin(post("/mcp/public", &authorization));
        assert_eq!(forwarded(&step).edits.remove, ["authorization"]);
    }
}

#[test]
fn a_token_that_is_for_something_else_is_refused_here_and_the_resources_token_everywhere_else() {
    let mut document = guarded();
    document["providers"][0]["bearer"]["audiences"] = json!(["api"]);
    document["resources"] = json!([{"path": "/mcp"}, {"path": "/other"}]);
    let mut stage = Stage::ready(&document);
    let (of_mcp, of_other) = (json!(format!("{AT}/mcp")), json!(format!("{AT}/other")));
    for (target, aud, good) in [
        ("/mcp", of_mcp.clone(), true),
        ("/mcp", json!(["api", format!("{AT}/mcp")]), true),
        ("/mcp", of_other.clone(), false),
        ("/mcp", json!("api"), false),
        ("/mcp", json!(AT), false),
        ("/other", of_other.clone(), true),
        ("/other", of_mcp.clone(), false),
        ("/elsewhere", json!("api"), true),
        ("/elsewhere", of_mcp.clone(), false),
        ("/elsewhere", of_other, false),
    ] {
        // The second time, the token is remembered.
        for _ in 0..2 {
            let step = stage.worker.begin(post(target, &token(&stage, json!({ "aud": aud }))));
            let passed = matches!(step.decision, Decision::Forward(_));
            assert_eq!(passed, good, "{target} {aud}: {step:?}");
            assert!(good || outcome(&step) == (401, "token_invalid"), "{target} {aud}");
        }
    }
}

#[test]
fn where_a_providers_tokens_are_for_resources_alone_authorization_is_the_applications_elsewhere() {
    let mut stage = Stage::ready(&changed(guarded(), "/rules/1", json!({"match": {"path": "/open"}, "require": "public"})));
    let step = stage.worker.begin(post("/open", &token(&stage, json!({}))));
    assert_eq!((upstream_headers(&step), forwarded(&step).edits.remove.len()), (vec![], 0));
    assert_eq!(outcome(&stage.worker.begin(post("/other", &token(&stage, json!({}))))), (401, "session_missing"));
}

#[test]
fn a_token_of_a_provider_for_resources_alone_counts_nowhere_else_also_where_another_providers_do() {
    let mut document = guarded();
    document["providers"][0]["name"] = json!("agents");
    let keys = json!({"keys": [RSA.jwk(&json!({"kid": "p"}))]});
    let bearer = json!({"audiences": ["api"], "algorithms": ["RS256"], "jwks": keys});
    let people = json!({"name": "people", "issuer": "https://people.example.com", "bearer": bearer});
    document["providers"].as_array_mut().unwrap().push(people);
    document["rules"] = json!([]);
    document["resources"][0]["providers"] = json!(["agents"]);
    let mut stage = Stage::ready(&document);
    assert_eq!(outcome(&stage.worker.begin(post("/mcp", &token(&stage, json!({}))))).0, 200);
    assert_eq!(outcome(&stage.worker.begin(post("/elsewhere", &token(&stage, json!({}))))), (401, "token_invalid"));
}

#[test]
fn a_session_cookie_makes_nobody_at_a_resource_and_goes_no_further() {
    let mut stage = Stage::ready(&guarded());
    stage.sign_in("/");
    assert_eq!(outcome(&stage.navigate("/mcp/staff")), (401, "token_missing"));
    let step = stage.navigate("/mcp/public");
    assert_eq!(upstream_headers(&step), []);
    assert_eq!(forwarded(&step).edits.cookie, CookieEdit::Dropped);
}

#[test]
fn too_narrow_a_token_is_told_all_scopes_at_once_in_the_same_words_each_time() {
    let mut stage = Stage::ready(&guarded());
    let mut said = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let step = stage.worker.begin(post("/mcp/admin", &token(&stage, json!({"scope": "notes:write mcp:read"}))));
        assert_eq!(outcome(&step), (403, "scope_missing"));
        said.insert(field(response(&step), "www-authenticate").unwrap().to_owned());
    }
    let expected = "Bearer error=\"insufficient_scope\", error_description=\"the token lacks a scope\", \
         resource_metadata=\"https://app.example.com/.well-known/oauth-protected-resource/mcp\", \
         scope=\"mcp:read mcp:admin notes:write\"";
    assert_eq!(said.iter().map(String::as_str).collect::<Vec<_>>(), [expected]);
    // Where tokens have shorter names for them, all are named as clients ask for them.
    let mut document = guarded();
    document["resources"][0]["scope_prefix"] = json!("api://4711/");
    let mut prefixed = Stage::ready(&document);
    let line = token(&prefixed, json!({"scope": "mcp:read openid"}));
    let step = prefixed.worker.begin(post("/mcp/admin", &line));
    let challenge = field(response(&step), "www-authenticate").unwrap();
    assert!(challenge.ends_with("scope=\"api://4711/mcp:read api://4711/mcp:admin openid\""), "{challenge}");
    // A scope of the token that cannot stand in a challenge is left out.
    let step = stage.worker.begin(post("/mcp/admin", &token(&stage, json!({"scope": "a\", evil=\"b mcp:read"}))));
    assert!(!field(response(&step), "www-authenticate").unwrap().contains("evil"));
}

#[test]
fn bad_tokens_are_told_what_is_wrong_and_where_to_get_good_ones() {
    let mut stage = Stage::ready(&guarded());
    let late = token(&stage, json!({"exp": 1}));
    for (target, fields, status, reason, error) in [
        ("/mcp", vec![("authorization", late.as_str())], 401, "token_expired", "invalid_token"),
        ("/mcp", vec![("authorization", "Bearer x")], 401, "token_invalid", "invalid_token"),
        ("/mcp", vec![("authorization", "Bearer x"), ("authorization", "Bearer x")], 400, "token_ambiguous", "invalid_request"),
        ("/mcp?access_token=x", vec![("authorization", "Bearer x")], 400, "token_ambiguous", "invalid_request"),
    ] {
        let step = stage.worker.begin(request("POST", target, &fields));
        assert_eq!(outcome(&step), (status, reason));
        let challenge = field(response(&step), "www-authenticate").unwrap();
        assert!(challenge.starts_with(&format!("Bearer error=\"{error}\"")) && challenge.ends_with(CHALLENGE), "{challenge}");
    }
    // A condition on a person is met by no other token.
    let step = stage.worker.begin(post("/mcp/staff", &token(&stage, json!({}))));
    assert_eq!((outcome(&step), field(response(&step), "www-authenticate")), ((403, "condition_failed"), None));
}

#[test]
fn a_page_of_another_site_is_refused_before_its_token_is_looked_at() {
    let mut stage = Stage::ready(&guarded());
    let good = token(&stage, json!({}));
    for (origin, passes) in [
        ("https://app.example.com", true),
        ("https://inspector.example.com", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        for (method, authorization) in [("POST", good.as_str()), ("POST", "Bearer x"), ("GET", ""), ("OPTIONS", "")] {
            let step = stage.worker.begin(request(method, "/mcp", &[("origin", origin), ("authorization", authorization)]));
            let refused = matches!(&step.decision, Decision::Respond(response) if response.status == 403);
            assert_eq!(refused, !passes, "{origin} {method}");
            assert!(passes || outcome(&step) == (403, "origin_refused"));
        }
    }
    // Other paths are not the resource's.
    assert_eq!(outcome(&stage.worker.begin(request("POST", "/x", &[("origin", "null")]))), (401, "session_missing"));
}

#[test]
fn the_identity_jwt_is_for_the_resource() {
    let mut document = guarded();
    document["forward"] = json!({"identity_jwt": {"keys": ["a key of the upstream, which is 32 bytes or more"]}});
    let mut stage = Stage::ready(&document);
    let step = stage.worker.begin(post("/mcp", &token(&stage, json!({}))));
    let upstream = upstream_headers(&step);
    let (_, jwt) = upstream.iter().find(|(name, _)| *name == "x-forwarded-identity").unwrap();
    let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["aud"], format!("{AT}/mcp"));
}
