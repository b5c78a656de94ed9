//! Endpoints that are written beside a provider's issuer, and those where a provider ends sessions.

use super::*;
use crate::oidc::metadata::EndpointName;

fn beside(metadata: Value) -> Value {
    with("/providers/0/metadata", metadata)
}

#[test]
fn an_endpoint_may_be_written_beside_the_issuer() {
    let address = "https://sso.example.com/realms/main/asked";
    let settings = load_json(&beside(json!({"introspection_endpoint": address, "end_session_endpoint": "https://a.example/"})));
    let provider = &settings.unwrap().providers[0].oidc;
    assert_eq!(provider.issuer(), "https://sso.example.com/realms/main");
    assert_eq!(provider.written_endpoint(EndpointName::Introspection).unwrap().as_str(), address);
    // Browsers are sent there, so that it needs no cluster.
    assert_eq!(provider.written_endpoint(EndpointName::EndSession).unwrap().as_str(), "https://a.example/");
    assert_eq!(provider.written_endpoint(EndpointName::Token), None);
    assert!(load_json(&with("/providers/0/scope", json!("openid"))).unwrap().providers[0].oidc.written_endpoints.is_empty());
}

#[test]
fn an_endpoint_beside_the_issuer_is_checked_like_all_others() {
    let of_any_kind = |address: Value, says: &str| {
        for name in EndpointName::ALL {
            let refused = load_json(&beside(json!({name.as_str(): address}))).unwrap_err().to_string();
            let path = format!("providers[0].metadata.{}: expected ", name.as_str());
            assert!(refused.starts_with(&path) && refused.contains(says), "{refused}");
            assert_eq!(refused.lines().count(), 1, "{refused}");
        }
    };
    of_any_kind(json!("http://sso.example.com/x"), "found one that cannot; http://sso.example.com/x is not https");
    of_any_kind(json!("https://user:secret@sso.example.com/x"), "found user information in it");
    of_any_kind(json!("javascript:alert(1)"), "expected an absolute https URL");
    of_any_kind(json!("/x"), "expected an absolute https URL");
    of_any_kind(json!(""), "expected an absolute https URL");
    of_any_kind(json!(7), "found a number");
    for name in EndpointName::ALL {
        let loaded = load_json(&beside(json!({name.as_str(): "https://evil.example/x"})));
        assert_eq!(loaded.is_err(), name.is_called(), "{}", name.as_str());
        let says = "found one that cannot; no cluster is listed for evil.example; add it to clusters of provider sso";
        assert!(loaded.map_or_else(|refused| refused.to_string().contains(says), |_| true), "{}", name.as_str());
    }
}

#[test]
fn beside_the_issuer_stand_endpoints_and_nothing_else() {
    let asked = "https://sso.example.com/asked";
    for (metadata, refusal) in [
        (json!({}), "providers[0].metadata: expected an endpoint beside the provider's issuer, found none; remove it"),
        (
            json!({"issuer": "https://sso.example.com/realms/main", "introspection_endpoint": asked}),
            "providers[0].metadata.issuer: expected none beside the provider's issuer, found a second one",
        ),
        (
            json!({"authorization_response_iss_parameter_supported": false, "introspection_endpoint": asked}),
            "providers[0].metadata.authorization_response_iss_parameter_supported: expected none",
        ),
        (json!({"introspect_endpoint": asked}), "providers[0].metadata.introspect_endpoint: expected"),
    ] {
        let refused = load_json(&beside(metadata)).unwrap_err().to_string();
        assert!(refused.starts_with(refusal), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

#[test]
fn metadata_without_an_issuer_beside_them_must_be_complete() {
    let mut document = beside(json!({"introspection_endpoint": "https://sso.example.com/asked"}));
    document["providers"][0].as_object_mut().unwrap().remove("issuer");
    let refused = load_json(&document).unwrap_err().to_string();
    let paths: Vec<_> = refused.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let names = ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"];
    assert_eq!(paths, names.map(|name| format!("providers[0].metadata.{name}")));
    assert!(refused.contains("or write issuer beside metadata"), "{refused}");
}

/// The same with these endpoints.
fn at(mut document: Value, endpoints: Value) -> Value {
    document["endpoints"] = endpoints;
    document
}

fn shown(document: Value) -> Value {
    at(document, json!({"frontchannel_logout": "/api/frontchannel_logout"}))
}

#[test]
fn front_channel_logout_is_off_unless_it_is_written_and_may_be_framed_by_the_issuers_origin_or_by_those_that_are() {
    assert_eq!(load_json(&with("/endpoints", json!({}))).unwrap().providers[0].frontchannel_logout, None);
    for (written, origins) in [
        (None, &["https://sso.example.com"][..]),
        (Some(json!(["https://Login.example.com:443"])), &["https://login.example.com"]),
        (
            Some(json!(["https://a.example.com", "http://b.example.com:8080"])),
            &["https://a.example.com", "http://b.example.com:8080"],
        ),
    ] {
        let document =
            written.map_or_else(|| with("/logout", json!({})), |written| with("/providers/0/frame_ancestors", written));
        let settings = load_json(&shown(document)).unwrap();
        let provider = &settings.providers[0];
        assert_eq!(provider.frontchannel_logout.as_deref(), Some("/api/frontchannel_logout"));
        assert_eq!(provider.oidc.frame_ancestors().iter().map(ToString::to_string).collect::<Vec<_>>(), origins);
    }
}

#[test]
fn frame_ancestors_are_origins_that_a_browser_reads_and_are_refused_where_they_would_have_no_effect() {
    for (origins, refusal) in [
        (json!([]), "providers[0].frame_ancestors: expected at least one origin, found none"),
        (json!(["*"]), "providers[0].frame_ancestors[0]: expected an origin"),
        (json!(["https://*.example.com"]), "providers[0].frame_ancestors[0]: expected an origin"),
        (json!(["'self'"]), "providers[0].frame_ancestors[0]: expected an origin"),
        (json!(["https://a.example.com/x"]), "providers[0].frame_ancestors[0]: expected an origin"),
        (json!(["https://a.example.com; script-src *"]), "providers[0].frame_ancestors[0]: expected an origin"),
        (json!(["https://a.example.com", "https://[::1]"]), "providers[0].frame_ancestors[1]: expected a host with a name"),
        (json!("https://a.example.com"), "providers[0].frame_ancestors: expected"),
    ] {
        let refused = load_json(&shown(with("/providers/0/frame_ancestors", origins.clone()))).unwrap_err().to_string();
        assert!(refused.starts_with(refusal) && refused.lines().count() == 1, "{origins}: {refused}");
    }
    let refused = load_json(&with("/providers/0/frame_ancestors", json!(["https://a.example.com"]))).unwrap_err().to_string();
    assert!(refused.starts_with("providers[0].frame_ancestors: expected endpoints.frontchannel_logout"), "{refused}");
}

#[test]
fn the_paths_where_providers_end_sessions_are_paths_of_their_own() {
    let second = json!({
        "name": "second", "issuer": "https://second.example.com", "clusters": {"second.example.com": "second"}, "client_id": "app",
        "client_secret": "another-client-secret",
    });
    let mut several = with("/rules", json!([]));
    several["providers"].as_array_mut().unwrap().push(second);
    let load = |endpoints: Value| load_json(&at(several.clone(), endpoints));
    let settings = load(json!({"backchannel_logout": "/out/back", "frontchannel_logout": "/out/front"})).unwrap();
    let paths: Vec<_> =
        settings.providers.iter().map(|one| [&one.backchannel_logout, &one.frontchannel_logout].map(Clone::clone)).collect();
    let name = settings.providers[0].oidc.name.as_str();
    assert_eq!(paths[0], [Some(format!("/out/back/{name}")), Some(format!("/out/front/{name}"))]);
    assert_eq!(paths[1], [Some("/out/back/second".to_owned()), Some("/out/front/second".to_owned())]);
    for (endpoints, path) in [
        (json!({"backchannel_logout": "/out", "frontchannel_logout": "/out"}), "endpoints.frontchannel_logout: "),
        (json!({"backchannel_logout": "/out", "frontchannel_logout": "/out/front"}), "endpoints.frontchannel_logout: "),
        (json!({"backchannel_logout": "/out/back", "frontchannel_logout": "/out"}), "endpoints.backchannel_logout: "),
        (json!({"session": "/out/me", "frontchannel_logout": "/out"}), "endpoints.session: "),
        (json!({"frontchannel_logout": "/api/../out"}), "endpoints.frontchannel_logout: "),
    ] {
        let refused = load(endpoints.clone()).unwrap_err().to_string();
        assert!(refused.starts_with(path), "{endpoints}: {refused}");
    }
}
