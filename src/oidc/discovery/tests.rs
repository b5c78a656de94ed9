use super::*;
use crate::oidc::provider::{Clusters, PlainHttp};
use crate::oidc::testing::{ISSUER, json_reply, metadata, provider, reply, url};
use serde_json::json;

fn document(changes: Value) -> Value {
    let mut document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://sso.example.com/realms/main/auth",
        "token_endpoint": "https://sso.example.com/realms/main/token",
        "jwks_uri": "https://sso.example.com/realms/main/keys",
        "userinfo_endpoint": "https://sso.example.com/realms/main/userinfo",
        "introspection_endpoint": format!("{ISSUER}/introspect"),
        "end_session_endpoint": "https://sso.example.com/realms/main/logout",
        "response_types_supported": ["code"],
    });
    document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    document
}

fn refusal(changes: Value) -> String {
    let failure = metadata_response(&provider(), &json_reply(200, &document(changes))).unwrap_err();
    assert_eq!(failure.reason, Reason::MetadataUnavailable);
    failure.detail
}

#[test]
fn the_metadata_are_requested_below_the_issuer() {
    for (issuer, path) in [
        ("https://sso.example.com", "/.well-known/openid-configuration"),
        ("https://sso.example.com/", "/.well-known/openid-configuration"),
        ("https://sso.example.com/realms/main", "/realms/main/.well-known/openid-configuration"),
        ("https://sso.example.com/realms/main/", "/realms/main/.well-known/openid-configuration"),
    ] {
        let provider = Provider { source: MetadataSource::Discovery { issuer: url(issuer) }, ..provider() };
        let call = metadata_request(&provider).unwrap();
        assert_eq!((call.method, call.cluster.as_str(), call.path.as_str()), ("GET", "sso", path));
        assert_eq!((call.scheme.as_str(), call.authority.as_str()), ("https", "sso.example.com"));
    }
}

#[test]
fn no_request_is_made_without_discovery_or_without_a_listed_cluster() {
    let given = Provider { source: MetadataSource::Given(Box::new(metadata())), ..provider() };
    let with_query = Provider { source: MetadataSource::Discovery { issuer: url("https://sso.example.com/?a") }, ..provider() };
    let unlisted = Provider { clusters: Clusters::default(), ..provider() };
    let plain = Provider { source: MetadataSource::Discovery { issuer: url("http://sso.example.com") }, ..provider() };
    for provider in [given, with_query, unlisted, plain] {
        assert_eq!(metadata_request(&provider).unwrap_err().reason, Reason::MetadataUnavailable);
    }
}

#[test]
fn a_good_document_is_read() {
    assert_eq!(metadata_response(&provider(), &json_reply(200, &document(json!({})))), Ok(metadata()));
    let bare = document(json!({
        "userinfo_endpoint": null, "introspection_endpoint": null, "end_session_endpoint": null,
        "response_types_supported": null,
        "authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": ["plain"],
    }));
    let expected = Metadata {
        userinfo_endpoint: None,
        introspection_endpoint: None,
        end_session_endpoint: None,
        passed_over: vec![],
        announces_iss_parameter: true,
        ..metadata()
    };
    assert_eq!(metadata_response(&provider(), &json_reply(200, &bare)), Ok(expected));
}

#[test]
fn another_issuer_is_refused_and_the_difference_is_shown() {
    for (found, shown) in [
        (
            "https://sso.example.com/realms/main/",
            "expected issuer \"https://sso.example.com/realms/main\", found \"https://sso.example.com/realms/main/\"; \
             after 35 common characters nothing was expected, \"/\" was found; if this is the provider you mean, write its issuer exactly so",
        ),
        (
            "https://SSO.example.com/realms/main",
            "expected issuer \"https://sso.example.com/realms/main\", found \"https://SSO.example.com/realms/main\"; \
             after 8 common characters \"sso.example.com/realms/main\" was expected, \"SSO.example.com/realms/main\" was found; if this is the provider you mean, write its issuer exactly so",
        ),
        (
            "",
            "expected issuer \"https://sso.example.com/realms/main\", found \"\"; \
             after 0 common characters \"https://sso.example.com/realms/main\" was expected, nothing was found; if this is the provider you mean, write its issuer exactly so",
        ),
    ] {
        assert_eq!(refusal(json!({"issuer": found})), format!("sso.example.com (cluster sso) answered: {shown}"));
    }
}

#[test]
fn metadata_cannot_choose_a_cluster_that_is_not_listed_nor_leave_https() {
    for (changes, part) in [
        (json!({"token_endpoint": "https://evil.example/token"}), "token_endpoint: no cluster is listed for evil.example"),
        (json!({"jwks_uri": "https://sso.example.com.evil.example/"}), "jwks_uri: no cluster is listed for"),
        (json!({"jwks_uri": "http://sso.example.com/keys"}), "jwks_uri: http://sso.example.com/keys is not https"),
        (json!({"token_endpoint": "http://sso.example.com/"}), "token_endpoint: http://sso.example.com/ is not https"),
        (json!({"authorization_endpoint": "http://sso.example.com/"}), "authorization_endpoint: http://sso"),
        (json!({"authorization_endpoint": "javascript:alert(1)"}), "authorization_endpoint: expected an absolute https URL"),
        (json!({"token_endpoint": "/token"}), "token_endpoint: expected an absolute https URL"),
        (json!({"token_endpoint": "https://sso.example.com@evil.example/"}), "found user information"),
    ] {
        assert!(refusal(changes.clone()).contains(part), "{changes}: {}", refusal(changes.clone()));
    }
}

#[test]
fn an_endpoint_that_cannot_be_used_is_passed_over_with_a_reason_unless_the_configuration_needs_it() {
    let asking = Provider { userinfo: true, ..provider() };
    let read = |provider: &Provider, changes: Value| metadata_response(provider, &json_reply(200, &document(changes)));
    for value in [json!(""), json!("/me"), json!("http://sso.example.com/me"), json!(7), json!(["https://sso.example.com/me"])] {
        for name in ["userinfo_endpoint", "introspection_endpoint", "end_session_endpoint"] {
            let metadata = read(&provider(), json!({name: value})).unwrap();
            let [reason] = metadata.passed_over.as_slice() else { panic!("{name} {value}: {:?}", metadata.passed_over) };
            assert!(reason.starts_with(name), "{reason}");
            let absent = match name {
                "userinfo_endpoint" => metadata.userinfo_endpoint.is_none(),
                "introspection_endpoint" => metadata.introspection_endpoint.is_none(),
                _ => metadata.end_session_endpoint.is_none(),
            };
            assert!(absent, "{name} {value}");
        }
        let needed = read(&asking, json!({"userinfo_endpoint": value})).unwrap_err();
        assert!(needed.detail.contains("userinfo_endpoint"), "{}", needed.detail);
        for required in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            assert!(read(&provider(), json!({required: value})).is_err(), "{required} {value}");
        }
    }
    assert_eq!(read(&provider(), json!({"userinfo_endpoint": null})).unwrap().passed_over, Vec::<String>::new());
}

#[test]
fn a_malformed_document_is_refused() {
    for (changes, part) in [
        (json!({"issuer": null}), "issuer is missing"),
        (json!({"issuer": [ISSUER]}), "issuer is not a text"),
        (json!({"token_endpoint": null}), "token_endpoint is missing"),
        (json!({"jwks_uri": 7}), "jwks_uri is not a text"),
        (json!({"authorization_endpoint": null}), "authorization_endpoint is missing"),
        (json!({"response_types_supported": ["id_token"]}), "response_types_supported does not name code"),
    ] {
        assert!(refusal(changes.clone()).contains(part), "{changes}");
    }
    let large = vec![b' '; 256 * 1_024 + 1];
    let twice = document(json!({})).to_string().replacen('{', r#"{"issuer":"https://evil.example","#, 1);
    for (body, part) in [
        (b"<html>".as_slice(), "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b"\xff", "it is not JSON"),
        (&large, "larger than 256 KiB"),
        (twice.as_bytes(), "a member comes twice"),
    ] {
        let failure = metadata_response(&provider(), &reply(200, &[], body)).unwrap_err();
        assert!(failure.detail.contains(part), "{}", failure.detail);
    }
}

#[test]
fn no_response_a_late_one_and_a_malformed_one_are_distinguished() {
    for (reply, part) in [
        (Reply::NotSent, "sso.example.com (cluster sso) was not reached: Envoy could not send"),
        (Reply::Reset, "was not reached: the connection was reset"),
        (reply(503, &[], b""), "was not reached: status 503"),
        (reply(500, &[], b""), "was not reached: status 500"),
        (reply(504, &[], b""), "did not answer within 5000 ms"),
        (reply(404, &[], b""), "answered: status 404 where 200 was expected"),
        (
            reply(302, &[("location", "https://sso.example.com/other?code=secret#x")], b""),
            "answered: status 302 where 200 was expected, with location \"https://sso.example.com/other\"",
        ),
        (
            reply(200, &[("content-encoding", "gzip")], b"\x1f\x8b"),
            "its content-encoding is \"gzip\", though accept-encoding: identity was sent",
        ),
        (
            reply(503, &[], b"upstream connect error or disconnect/reset before headers. reset reason: connection timeout"),
            "was not reached: status 503; Envoy says \"reset reason: connection timeout\"",
        ),
    ] {
        let failure = metadata_response(&provider(), &reply).unwrap_err();
        assert_eq!(failure.reason, Reason::MetadataUnavailable);
        assert!(failure.detail.contains(part), "{}", failure.detail);
    }
}

#[test]
fn userinfo_must_be_reachable_only_if_it_is_asked_for() {
    let asked = Provider { userinfo: true, ..provider() };
    let without = Metadata { userinfo_endpoint: None, ..metadata() };
    let elsewhere = Metadata { userinfo_endpoint: Some(url("https://evil.example/")), ..metadata() };
    assert_eq!(check_endpoints(&asked, &metadata()), Ok(()));
    for metadata in [without, elsewhere] {
        assert!(check_endpoints(&asked, &metadata).is_err());
        assert_eq!(check_endpoints(&provider(), &metadata), Ok(()));
    }
}

#[test]
fn plain_http_is_accepted_on_this_machine_or_if_the_configuration_allows_it() {
    let plain = |host: &str| Metadata {
        token_endpoint: url(&format!("http://{host}:9000/token")),
        jwks_uri: url(&format!("http://{host}:9000/keys")),
        authorization_endpoint: url(&format!("http://{host}:9000/auth")),
        end_session_endpoint: None,
        ..metadata()
    };
    let hosts = ["127.0.0.1", "sso.internal"].map(|host| (host.to_owned(), "provider".to_owned()));
    let strict = Provider { clusters: Clusters::new(hosts), ..provider() };
    let insistent = Provider { plain_http: PlainHttp::AllowInsecure, ..strict.clone() };
    assert_eq!(check_endpoints(&strict, &plain("127.0.0.1")), Ok(()));
    assert_eq!(check_endpoints(&insistent, &plain("sso.internal")), Ok(()));
    assert!(check_endpoints(&strict, &plain("sso.internal")).is_err());
}

#[test]
fn a_response_stays_fresh_as_long_as_it_says_within_bounds() {
    for (cache_control, seconds) in [
        ("max-age=3000", 3_000),
        ("public, Max-Age=\"3000\"", 3_000),
        ("max-age=0", 300),
        ("max-age=99999999", 86_400),
        ("max-age=99999999999999999999999", 3_600),
        ("max-age=-1", 3_600),
        ("max-age", 3_600),
        ("public", 3_600),
        ("s-maxage=700", 3_600),
        ("no-store", 300),
        ("no-cache, max-age=3000", 300),
    ] {
        let reply = reply(200, &[("cache-control", cache_control)], b"");
        assert_eq!(fresh_for(&reply), Duration::from_secs(seconds), "{cache_control}");
    }
    assert_eq!(fresh_for(&reply(200, &[], b"")), Duration::from_secs(3_600));
    assert_eq!(fresh_for(&Reply::Reset), Duration::from_secs(300));
}
