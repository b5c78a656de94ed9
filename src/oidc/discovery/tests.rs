use super::*;
use crate::oidc::bearer::accepted::{
    Bearer, BearerKeys, Clients, IntrospectedTokens, Introspection, MissingAudience, MissingSubject, TokenKind,
};
use crate::oidc::bearer::introspection::introspection_request;
use crate::oidc::keys::keys_request;
use crate::oidc::provider::{Clusters, PlainHttp};
use crate::oidc::testing::{ISSUER, endpoint, json_reply, metadata, provider, reply, url};
use crate::oidc::token::{refresh::refresh_request, token_request};
use crate::oidc::userinfo::userinfo_request;
use crate::words::secret::{LentSecret, Secret};
use crate::words::world::testing::Still;
use serde_json::json;

fn document(changes: Value) -> Value {
    let mut document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://sso.example.com/realms/main/auth",
        "token_endpoint": "https://sso.example.com/realms/main/token",
        "jwks_uri": format!("{ISSUER}/keys"), "userinfo_endpoint": format!("{ISSUER}/userinfo"),
        "introspection_endpoint": format!("{ISSUER}/introspect"), "revocation_endpoint": format!("{ISSUER}/revoke"),
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

fn read_by(provider: &Provider, changes: Value) -> Metadata {
    metadata_response(provider, &json_reply(200, &document(changes))).unwrap()
}

/// What the remarks say about endpoints.
fn told(metadata: &Metadata) -> Vec<&str> {
    fn sentence(remark: &Remark) -> Option<&str> {
        if let Remark::Endpoint(what) = remark { Some(what) } else { None }
    }
    metadata.remarks.iter().filter_map(sentence).collect()
}

/// The hosts that would be called, by every call that these metadata allow.
fn called_hosts(provider: &Provider, metadata: &Metadata) -> Vec<String> {
    let (world, secret) = (&mut Still::default(), Secret::new("x"));
    let calls = [
        keys_request(provider, metadata),
        token_request(world, provider, metadata, &secret, &secret, "https://app.example.com/"),
        refresh_request(world, provider, metadata, &secret),
        userinfo_request(provider, metadata, &secret),
        introspection_request(world, provider, metadata, LentSecret::new("x")),
    ];
    calls.into_iter().flatten().map(|call| call.authority).collect()
}

/// The provider, whose bearer tokens are verified with its keys, and about whose tokens it is asked.
fn with_bearer() -> Provider {
    let introspection = Introspection {
        tokens: IntrospectedTokens::OpaqueTokens,
        cache: Duration::ZERO,
        missing_audience: MissingAudience::Refused,
        clients: Clients::All,
        missing_subject: MissingSubject::Client,
    };
    let bearer = Bearer {
        audiences: vec!["api".into()],
        resource_audiences: vec![],
        kind: TokenKind::AccessToken,
        keys: BearerKeys::Published,
        algorithms: vec![Algorithm::ES256],
        introspection: Some(introspection),
        forward: false,
    };
    Provider { bearer: Some(bearer), ..provider() }
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
        "userinfo_endpoint": null, "introspection_endpoint": null, "revocation_endpoint": null, "end_session_endpoint": null,
        "response_types_supported": null,
        "authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": ["plain"],
    }));
    let expected = Metadata {
        userinfo_endpoint: Endpoint::MISSING,
        introspection_endpoint: Endpoint::MISSING,
        revocation_endpoint: Endpoint::MISSING,
        end_session_endpoint: Endpoint::MISSING,
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
        assert_eq!(
            refusal(json!({"issuer": found})),
            format!("{ISSUER}/.well-known/openid-configuration (cluster sso) answered: {shown}")
        );
    }
}

#[test]
fn metadata_cannot_choose_a_cluster_that_is_not_listed_nor_leave_https() {
    use EndpointName::{Authorization, EndSession, Introspection, Jwks, Token, Userinfo};
    let asking = Provider { userinfo: true, ..with_bearer() };
    for name in [Authorization, Token, Jwks, Userinfo, Introspection, EndSession] {
        for (address, part) in [
            (json!("https://evil.example/x"), "no cluster is listed for evil.example"),
            (json!("https://sso.example.com.evil.example/"), "no cluster is listed for"),
            (json!("https://sso.example.com:8443@evil.example/"), "found user information"),
            (json!("https://user:secret@sso.example.com/"), "found user information"),
            (json!("http://sso.example.com/x"), "http://sso.example.com/x is not https"),
            (json!("javascript:alert(1)"), "expected an absolute https URL"),
            (json!("//evil.example/x"), "expected an absolute https URL"),
            (json!("/x"), "expected an absolute https URL"),
            (json!(""), "expected an absolute https URL"),
            (json!(7), "is not a text"),
            (json!(["https://sso.example.com/x"]), "is not a text"),
        ] {
            let metadata = read_by(&asking, json!({name.as_str(): address}));
            assert!(called_hosts(&asking, &metadata).iter().all(|host| host == "sso.example.com"), "{address}");
            // Browsers may be sent to any host that has https.
            if !name.is_called() && part.starts_with("no cluster") {
                assert!(metadata.needed(name).is_ok());
                continue;
            }
            let why = metadata.needed(name).unwrap_err();
            assert!(why.starts_with(name.as_str()) && why.contains(part), "{address}: {why}");
            assert_eq!((metadata.usable(name), told(&metadata)), (None, vec![why.as_str()]), "{address}");
        }
    }
}

#[test]
fn an_endpoint_that_is_missing_or_cannot_be_used_stops_only_what_needs_it() {
    use Need::{Introspection, Keys, SignIn};
    let (plain, asking) = (with_bearer(), Provider { userinfo: true, ..with_bearer() });
    let stopped = |provider: &Provider, metadata: &Metadata| {
        let stopped = |need: &Need| check(provider, metadata, *need).is_err();
        [SignIn, Keys, Introspection].into_iter().filter(stopped).collect::<Vec<_>>()
    };
    for value in [json!(null), json!(""), json!("http://sso.example.com/x"), json!("https://evil.example/x"), json!(7)] {
        for (name, provider, stops) in [
            ("token_endpoint", &plain, vec![SignIn]),
            ("jwks_uri", &plain, vec![SignIn, Keys]),
            ("introspection_endpoint", &plain, vec![Introspection]),
            ("userinfo_endpoint", &plain, vec![]),
            ("userinfo_endpoint", &asking, vec![SignIn]),
            ("end_session_endpoint", &asking, vec![]),
        ] {
            let metadata = read_by(provider, json!({name: value}));
            assert_eq!(stopped(provider, &metadata), stops, "{name} {value}");
            assert_eq!(is_complete(provider, &metadata), stops.is_empty(), "{name} {value}");
        }
    }
    for changes in [json!({"authorization_endpoint": null}), json!({"response_types_supported": ["id_token"]})] {
        assert_eq!(stopped(&plain, &read_by(&plain, changes)), [SignIn]);
    }
    let failure = check(&plain, &read_by(&plain, json!({"introspection_endpoint": null})), Introspection).unwrap_err();
    assert_eq!(failure.reason, Reason::MetadataUnavailable);
    assert!(failure.detail.contains("write metadata: {introspection_endpoint: URL} beside issuer"), "{}", failure.detail);
}

#[test]
fn an_operator_is_told_of_endpoints_that_are_needed_or_plainly_wrong_and_of_no_others() {
    let names = ["userinfo_endpoint", "introspection_endpoint", "end_session_endpoint"];
    for name in names {
        // Nothing needs these, and other hosts need no cluster.
        for value in [json!(null), json!("https://elsewhere.example/x")] {
            assert_eq!(told(&read_by(&provider(), json!({name: value}))), Vec::<&str>::new(), "{name} {value}");
        }
        for value in [json!(""), json!("/x"), json!("http://sso.example.com/x"), json!(7)] {
            let metadata = read_by(&provider(), json!({name: value}));
            let [what] = told(&metadata)[..] else { panic!("{name} {value}: {:?}", metadata.remarks) };
            assert!(what.starts_with(name), "{what}");
        }
    }
    for value in [json!(null), json!("https://elsewhere.example/x"), json!("http://sso.example.com/x")] {
        // Signing in and verifying tokens need this one, and it is told once.
        let metadata = read_by(&with_bearer(), json!({"jwks_uri": value}));
        assert_eq!(told(&metadata).len(), 1, "{value}: {:?}", metadata.remarks);
    }
}

#[test]
fn an_endpoint_that_is_written_beside_the_issuer_wins_over_the_document() {
    use EndpointName::{Introspection, Token};
    let written = vec![(Introspection, url("https://sso.example.com/asked")), (Token, url("https://sso.example.com/tokens"))];
    let provider = Provider { written_endpoints: written, ..with_bearer() };
    for value in [json!(null), json!("https://evil.example/x"), json!(7), json!("https://sso.example.com/theirs")] {
        let metadata = read_by(&provider, json!({"introspection_endpoint": value, "token_endpoint": value}));
        assert_eq!(metadata.needed(Introspection), Ok(&url("https://sso.example.com/asked")), "{value}");
        assert_eq!(metadata.needed(Token), Ok(&url("https://sso.example.com/tokens")), "{value}");
        assert_eq!((is_complete(&provider, &metadata), told(&metadata)), (true, vec![]), "{value}");
    }
    // The issuer is still that of the document.
    let reply = json_reply(200, &document(json!({"issuer": "https://evil.example"})));
    assert!(metadata_response(&provider, &reply).is_err());
}

#[test]
fn a_renewed_document_takes_away_no_endpoint_that_is_needed() {
    let (full, asking) = (metadata(), with_bearer());
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "introspection_endpoint"] {
        let newer = read_by(&asking, json!({name: null}));
        let failure = check_renewal(&asking, &full, &newer).unwrap_err();
        assert_eq!(failure.reason, Reason::MetadataUnavailable);
        assert!(failure.detail.starts_with(name) && failure.detail.ends_with("the former document is used on"), "{failure:?}");
        // What was never there is not lost.
        assert_eq!(check_renewal(&asking, &newer, &newer), Ok(()), "{name}");
        assert_eq!(check_renewal(&asking, &newer, &full), Ok(()), "{name}");
    }
    let newer = read_by(&asking, json!({"userinfo_endpoint": null, "end_session_endpoint": null}));
    assert_eq!(check_renewal(&asking, &full, &newer), Ok(()), "nothing needs these");
}

#[test]
fn algorithms_of_which_none_is_accepted_are_told_with_what_to_write_and_never_refused() {
    let remark = |provider: &Provider, listed: Value| {
        let metadata = read_by(provider, json!({"id_token_signing_alg_values_supported": listed}));
        assert!(is_complete(provider, &metadata));
        match metadata.remarks.as_slice() {
            [] => None,
            [Remark::Algorithms(what)] => Some(what.clone()),
            other => panic!("{other:?}"),
        }
    };
    for (listed, part) in [
        (
            json!(["HS512", "EdDSA"]),
            "with \"HS512, EdDSA\", and accepted are RS256, PS256, ES256 alone; write algorithms: [EdDSA]",
        ),
        (json!(["HS256", "none"]), "let it sign with RS256 or ES256"),
        (json!(["RS512", "ES384"]), "write algorithms: [RS512, ES384]"),
        (json!(["x\n\u{202e}", 7]), "let it sign"),
    ] {
        let what = remark(&provider(), listed).unwrap();
        assert!(what.contains(part) && !what.contains(['\n', '\u{202e}']), "{what}");
    }
    for listed in [json!(["HS256", "RS256"]), json!([]), json!(null), json!("EdDSA"), json!([7])] {
        assert_eq!(remark(&provider(), listed.clone()), None, "{listed}");
    }
    let only_bearer = Provider { client_id: String::new(), bearer: with_bearer().bearer, ..provider() };
    assert_eq!(remark(&only_bearer, json!(["HS512"])), None, "nobody signs in there");
}

#[test]
fn a_malformed_document_is_refused() {
    for (changes, part) in [(json!({"issuer": null}), "issuer is missing"), (json!({"issuer": [ISSUER]}), "issuer is not a text")]
    {
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
        (Reply::NotSent, "/realms/main/.well-known/openid-configuration (cluster sso) was not reached: Envoy could not send"),
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
fn userinfo_in_the_configuration_must_be_reachable_only_if_it_is_asked_for() {
    let asked = Provider { userinfo: true, ..provider() };
    let without = Metadata { userinfo_endpoint: Endpoint::MISSING, ..metadata() };
    let elsewhere = Metadata { userinfo_endpoint: endpoint("https://evil.example/"), ..metadata() };
    assert_eq!(check_given(&asked, &metadata()), Ok(()));
    for metadata in [without, elsewhere] {
        assert!(check_given(&asked, &metadata).is_err());
        assert_eq!(check_given(&provider(), &metadata), Ok(()));
    }
    let evil = endpoint("https://evil.example/");
    assert!(check_given(&provider(), &Metadata { token_endpoint: evil.clone(), ..metadata() }).is_err());
    assert!(check_given(&provider(), &Metadata { jwks_uri: evil, ..metadata() }).is_err());
    let plain = endpoint("http://sso.example.com/");
    assert!(check_given(&provider(), &Metadata { authorization_endpoint: plain.clone(), ..metadata() }).is_err());
    assert!(check_given(&provider(), &Metadata { end_session_endpoint: plain, ..metadata() }).is_err());
}

#[test]
fn plain_http_is_accepted_on_this_machine_or_if_the_configuration_allows_it() {
    let plain = |host: &str| {
        let at = |name: &str| format!("http://{host}:9000/{name}");
        json!({
            "token_endpoint": at("token"), "jwks_uri": at("keys"), "authorization_endpoint": at("auth"),
            "end_session_endpoint": null
        })
    };
    let hosts = ["127.0.0.1", "sso.internal", "sso.example.com"].map(|host| (host.to_owned(), "provider".to_owned()));
    let strict = Provider { clusters: Clusters::new(hosts), ..provider() };
    let insistent = Provider { plain_http: PlainHttp::AllowInsecure, ..strict.clone() };
    assert!(is_complete(&strict, &read_by(&strict, plain("127.0.0.1"))));
    assert!(is_complete(&insistent, &read_by(&insistent, plain("sso.internal"))));
    assert!(!is_complete(&strict, &read_by(&strict, plain("sso.internal"))));
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
