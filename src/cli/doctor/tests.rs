use std::time::Duration;

use serde_json::{Value, json};

use super::client::{TlsFault, Unreached};
use super::*;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::spot::Origin;
use crate::crypto::testing::{P256, RSA, WEAK_RSA};
use crate::http::message::Reply;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::provider::{Clusters, ResponseMode};
use crate::oidc::testing::{ISSUER, json_reply, metadata, provider, reply};
use crate::words::time::Timestamp;

/// What is sent where.
mod sent;

const URI: &str = "https://app.example.com/api/callback";
const MADE_UP: &str = "https://app.example.com/api/callback/made-up-x";

/// What a part of the examination tells, as `level id: sentence`.
fn told(examine: impl FnOnce(&mut Report<'_>)) -> Vec<String> {
    let mut report = Report::of("main");
    examine(&mut report);
    let found = report.finish().into_iter();
    found.map(|Finding { id, level, sentence, .. }| format!("{} {}: {sentence}", level.name(), id.name())).collect()
}

/// Checks that one of the sentences begins so, and has these words in it.
fn assert_told(told: &[String], begins: &str, words: &str) {
    assert!(told.iter().any(|line| line.starts_with(begins) && line.contains(words)), "{begins}: {words}: {told:#?}");
}

fn document(changes: &Value) -> Value {
    let mut document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://sso.example.com/realms/main/auth",
        "token_endpoint": "https://sso.example.com/realms/main/token",
        "jwks_uri": "https://sso.example.com/realms/main/keys",
        "end_session_endpoint": "https://sso.example.com/realms/main/logout",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "scopes_supported": ["openid", "email"],
    });
    let members = document.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    document
}

#[test]
fn a_good_document_is_well_in_every_respect() {
    let reply = json_reply(200, &document(&json!({})));
    let told = told(|report| {
        let metadata = documents::discovery(&provider(), &reply, report).unwrap();
        offers::of_document(&provider(), &metadata, &documents::members(&reply), true, report);
    });
    assert!(told.len() >= 7 && told.iter().all(|line| line.starts_with("ok ")), "{told:#?}");
}

#[test]
fn what_a_document_lacks_is_told_by_the_words_of_the_filter() {
    for (change, begins, words) in [
        (json!({"issuer": "https://sso.example.com/realms/Main"}), "error discovery", "write its issuer exactly so"),
        (json!({"token_endpoint": null}), "error endpoint", "token_endpoint is missing"),
        (
            json!({"token_endpoint": "https://api.example.com/token"}),
            "error endpoint",
            "no cluster is listed for api.example.com",
        ),
        (json!({"jwks_uri": "http://sso.example.com/keys"}), "error endpoint", "is not https"),
        (json!({"id_token_signing_alg_values_supported": ["RS512"]}), "warning algorithms", "write algorithms: [RS512]"),
    ] {
        let told = told(|report| drop(documents::discovery(&provider(), &json_reply(200, &document(&change)), report)));
        assert_told(&told, begins, words);
    }
    for (reply, words) in [
        (reply(404, &[], b"not here"), "status 404 where 200 was expected"),
        (reply(200, &[], b"<html>"), "the document cannot be read"),
        (reply(200, &[], &[b' '; 256 * 1_024 + 1]), "larger than 256 KiB"),
    ] {
        assert_told(&told(|report| drop(documents::discovery(&provider(), &reply, report))), "error discovery", words);
    }
}

#[test]
fn what_a_document_offers_is_compared_with_the_configuration() {
    let by_form = crate::oidc::provider::Provider { response_mode: ResponseMode::FormPost, ..provider() };
    let public = crate::oidc::provider::Provider { authentication: ClientAuthentication::None, ..provider() };
    for (provider, change, at_provider, begins, words) in [
        (provider(), json!({"code_challenge_methods_supported": ["plain"]}), true, "warning pkce", "allow S256"),
        (provider(), json!({"code_challenge_methods_supported": null}), true, "note pkce", "does not say"),
        (
            provider(),
            json!({"token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"]}),
            true,
            "warning client-authentication",
            "write token_endpoint_auth_method: client_secret_post",
        ),
        (
            provider(),
            json!({"token_endpoint_auth_methods_supported": ["tls_client_auth"]}),
            true,
            "warning client-authentication",
            "allow one that the filter has",
        ),
        (
            public,
            json!({"token_endpoint_auth_methods_supported": null}),
            true,
            "note client-authentication",
            "none is configured",
        ),
        (
            by_form.clone(),
            json!({"response_modes_supported": ["query"]}),
            true,
            "warning response-mode",
            "form_post is configured",
        ),
        (by_form, json!({}), true, "note response-mode", "does not say"),
        (provider(), json!({"scopes_supported": ["openid"]}), true, "note scopes", "does not list \"email\""),
        (provider(), json!({"end_session_endpoint": null}), true, "warning sign-out", "end_session_endpoint is missing"),
        (provider(), json!({}), false, "note sign-out", "logout: {provider: true}"),
    ] {
        let reply = json_reply(200, &document(&change));
        let told = told(|report| {
            let metadata = documents::discovery(&provider, &reply, report).unwrap();
            offers::of_document(&provider, &metadata, &documents::members(&reply), at_provider, report);
        });
        assert_told(&told, begins, words);
    }
}

#[test]
fn keys_are_judged_by_the_algorithms_that_are_accepted() {
    let set = |keys: &[Value]| json_reply(200, &json!({"keys": keys}));
    let (rsa, p256) = (RSA.jwk(&json!({"kid": "a"})), P256.jwk(&json!({"kid": "b"})));
    let (weak, encrypts) = (WEAK_RSA.jwk(&json!({"kid": "w"})), RSA.jwk(&json!({"kid": "e", "use": "enc"})));
    let only_rs256 = crate::oidc::provider::Provider { algorithms: vec![crate::crypto::key::Algorithm::RS256], ..provider() };
    for (provider, reply, begins, words) in [
        (provider(), set(&[rsa.clone(), p256.clone()]), "ok keys", "by \"a\", \"b\", with RS256, PS256, ES256"),
        (provider(), set(&[rsa.clone(), weak.clone()]), "note keys", "the key \"w\" is passed over"),
        (provider(), set(&[rsa, encrypts]), "note keys", "the key \"e\" is passed over"),
        (provider(), set(&[weak]), "error keys", "no key of 1 is usable"),
        (provider(), set(&[P256.jwk(&json!({})), RSA.jwk(&json!({"kid": "a"}))]), "note keys", "1 of 2 keys have no kid"),
        (only_rs256, set(&[p256]), "error keys", "the keys are for ES256"),
        (provider(), json_reply(200, &json!({})), "error keys", "keys are missing"),
    ] {
        assert_told(&told(|report| documents::keys(&provider, &metadata(), &reply, report)), begins, words);
    }
}

#[test]
fn a_scope_that_rules_need_is_missed_if_the_provider_has_it_and_it_is_not_asked_for() {
    let looked_at = ["groups", "email", "roles"].map(str::to_owned).into_iter().collect();
    let of = |known: &Value| {
        let reply = json_reply(200, &document(&json!({"scopes_supported": known})));
        told(|report| offers::scopes_not_asked_for(&provider(), &documents::members(&reply), &looked_at, report))
    };
    let missed = of(&json!(["openid", "email", "groups"]));
    assert_eq!(missed.len(), 1, "{missed:#?}");
    assert_told(&missed, "warning scopes", "the claim \"groups\"");
    assert_eq!((of(&json!(["openid", "email"])), of(&Value::Null)), (Vec::new(), Vec::new()));
}

#[test]
fn a_cluster_that_is_not_there_verifies_another_name_or_trusts_a_file_that_is_not_here_is_told() {
    let sso = |tls: &str| {
        format!(
            "static_resources: {{clusters: [{{name: sso, transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {tls}}}}}]}}"
        )
    };
    let names = |name: &str| {
        format!(
            "{{common_tls_context: {{validation_context: {{match_typed_subject_alt_names: [{{matcher: {{exact: {name}}}}}]}}}}}}"
        )
    };
    let file = "{common_tls_context: {validation_context: {trusted_ca: {filename: /nowhere/ca.pem}}}}";
    let dynamic = "static_resources: {clusters: [{name: other}]}\ndynamic_resources: {cds_config: {}}".to_owned();
    let clusters = Clusters::new([("sso.example.com".to_owned(), "sso".to_owned())]);
    let provider = crate::oidc::provider::Provider { clusters, ..provider() };
    for (text, expected) in [
        (
            "static_resources: {clusters: [{name: other}]}".to_owned(),
            Some(("error connection", "no cluster \"sso\" in this file, so that Envoy reaches nobody; there are other")),
        ),
        (dynamic, None),
        (sso(file), Some(("note connection", "\"/nowhere/ca.pem\", which is not on this machine"))),
        (sso(&names("sso.other.com")), Some(("warning connection", "the cluster \"sso\" verifies \"sso.other.com\""))),
        (sso(&names("sso.example.com")), None),
    ] {
        let stream = read(&text, Origin::FILE).unwrap();
        let told = told(|report| {
            clusters::of_clusters(&provider, &stream.documents[0], true, report);
            clusters::of_name(&provider, &stream.documents[0], "https://sso.example.com", report);
        });
        assert_eq!(told.len(), usize::from(expected.is_some()), "{told:#?}");
        expected.into_iter().for_each(|(begins, words)| assert_told(&told, begins, words));
    }
}

#[test]
fn the_clock_is_compared_by_date_with_what_is_tolerated() {
    // Sun, 06 Nov 1994 08:49:37 GMT
    let date = 784_111_777;
    let with = |fields: &[(&str, &str)]| reply(200, fields, b"");
    let header = [("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    for (asked, reply, begins, words) in [
        (date, with(&header), "ok clock", "agree"),
        (date - 30, with(&header), "ok clock", "29 s ahead of ours; 60 s are tolerated"),
        (date + 31, with(&header), "ok clock", "30 s behind ours"),
        (date - 62, with(&header), "error clock", "61 s ahead of ours, and 60 s are tolerated (clock_skew_seconds)"),
        (date + 62, with(&header), "error clock", "61 s behind ours"),
        (date, with(&[]), "note clock", "sends no Date"),
        (date, with(&[("date", "yesterday")]), "note clock", "sends no Date"),
    ] {
        let (asked, came) = (Timestamp::from_seconds(asked), Timestamp::from_seconds(asked + 1));
        let answered = Answered { reply, asked, came };
        let told = told(|report| documents::clock(&answered, Duration::from_secs(60), report));
        assert_told(&told, begins, words);
    }
}

#[test]
fn why_a_provider_was_not_reached_is_told_with_what_to_do() {
    for (why, words) in [
        (Unreached::NoAddress, "--resolve HOST:PORT:ADDRESS"),
        (Unreached::Late(Duration::from_secs(5)), "within 5 s"),
        (Unreached::Other("connection refused".to_owned()), "connection refused; is the port right"),
        (Unreached::Tls(TlsFault::UnknownAuthority), "no authority that ca.pem trusts"),
        (Unreached::Tls(TlsFault::OtherName("x".to_owned())), "for other names: x"),
        (Unreached::Tls(TlsFault::OutOfTime("expired".to_owned())), "not valid now: expired"),
        (Unreached::Tls(TlsFault::NoTls), "speaks no TLS"),
        (Unreached::Tls(TlsFault::Other("x".to_owned())), "TLS failed: x"),
    ] {
        let told = told(|report| documents::unreached(&why, "https://sso.example.com", "ca.pem", report));
        assert_told(&told, "error connection: https://sso.example.com was not reached", words);
    }
}

/// What a provider answers to the redirect URI, and what is said of it when a made-up one is answered by `other`.
fn of_redirect(ours: &Reply, other: &Reply) -> Vec<String> {
    told(|report| probes::redirect_uri(&provider(), URI, ours, (MADE_UP, other), report))
}

#[test]
fn no_more_is_concluded_of_a_redirect_uri_than_the_answers_allow() {
    let to = |target: &str| reply(302, &[("location", target)], b"");
    let (login, refused) = (to("https://sso.example.com/login?x=1"), json_reply(400, &json!({"error": "invalid_redirect_uri"})));
    let page = |text: &str| reply(200, &[("content-type", "text/html")], text.as_bytes());
    let back = to(&format!("{URI}?error=invalid_scope&error_description=no&state=s"));
    for (ours, other, begins, words) in [
        (&login, &refused, "ok redirect-uri", "was not refused, and a made-up address was"),
        (&page("<form>"), &refused, "ok redirect-uri", "and a made-up address was"),
        (&login, &login, "note redirect-uri", "only a browser will show"),
        (&refused, &refused, "error redirect-uri", "looks refused (status 400, error \"invalid_redirect_uri\""),
        (&refused, &login, "error redirect-uri", "register exactly this redirect URI"),
        (&page("Error: redirect_uri_mismatch"), &login, "error redirect-uri", "with the word redirect_uri_mismatch"),
        (&to("https://sso.example.com/oauth/error?authError=x"), &login, "error redirect-uri", "/oauth/error"),
        (&back, &refused, "ok redirect-uri", "is registered"),
        (&back, &refused, "warning authorization", "invalid_scope"),
        (&reply(500, &[], b""), &refused, "warning redirect-uri", "with status 500"),
        (&Reply::Reset, &refused, "warning redirect-uri", "with status 503"),
        (&login, &to(&format!("{MADE_UP}?code=x")), "warning redirect-uri", "an address that nobody registered"),
    ] {
        assert_told(&of_redirect(ours, other), begins, words);
    }
    // An address that only begins like ours is not ours.
    let elsewhere = to(&format!("{URI}.evil.example/?error=x"));
    assert!(!of_redirect(&elsewhere, &refused).iter().any(|line| line.contains("is registered")));
}

#[test]
fn the_probe_of_the_redirect_uri_is_the_request_that_the_filter_would_send() {
    let call = probes::authorization_call(&mut Machine, &provider(), &metadata(), URI).unwrap();
    assert_eq!((call.method, call.authority.as_str(), call.body.as_slice()), ("GET", "sso.example.com", b"".as_slice()));
    let (path, query) = call.path.split_once('?').unwrap();
    assert_eq!(path, "/realms/main/auth");
    let parameters: std::collections::BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    for (name, value) in
        [("client_id", "app"), ("redirect_uri", URI), ("scope", "openid email"), ("code_challenge_method", "S256")]
    {
        assert_eq!(parameters.get(name).map(AsRef::as_ref), Some(value), "{name}");
    }
    assert!(call.headers.iter().all(|(name, _)| name != "authorization" && name != "cookie"));
}

#[test]
fn the_client_is_refused_or_not_by_what_the_token_endpoint_says_of_a_made_up_code() {
    let public = crate::oidc::provider::Provider { authentication: ClientAuthentication::None, ..provider() };
    for (provider, status, answer, begins, words) in [
        (provider(), 400, json!({"error": "invalid_grant"}), "ok client", "client_id and secret were not refused"),
        (public, 400, json!({"error": "invalid_grant"}), "ok client", "client_id was not refused"),
        (
            provider(),
            401,
            json!({"error": "invalid_client"}),
            "error client",
            "token_endpoint_auth_method client_secret_basic was tried",
        ),
        (provider(), 401, json!({}), "error client", "the provider refuses the client"),
        (provider(), 400, json!({"error": "invalid_request"}), "warning client", "is not known"),
        (provider(), 500, json!({}), "warning client", "is not known"),
        (
            provider(),
            200,
            json!({"access_token": "t", "id_token": "t", "token_type": "Bearer"}),
            "error client",
            "gave tokens for a code that nobody issued",
        ),
    ] {
        let reply = json_reply(status, &answer);
        let told = told(|report| probes::client(&provider, &metadata(), &reply, report));
        assert_told(&told, begins, words);
        assert!(!told.concat().contains("s3cret"), "{told:?}");
    }
}

#[test]
fn every_id_is_documented_and_every_link_leads_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/command-line.md")).unwrap();
    for id in Id::ALL {
        assert!(guide.contains(&format!("\n| `{}` | ", id.name())), "{} is missing in docs/command-line.md", id.name());
        assert!(root.join(id.link().split('#').next().unwrap()).exists(), "{}", id.link());
    }
}
