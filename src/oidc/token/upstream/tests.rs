use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::testing::{json_reply, metadata, provider, reply};
use crate::words::upstream_token::Grant;
use crate::words::world::testing::Still;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

fn wanted(scope: &[&str]) -> UpstreamToken {
    UpstreamToken {
        grant: Grant::TokenExchange(TokenType::AccessToken),
        provider: None,
        audience: Some("notes".into()),
        resource: None,
        scope: scope.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

fn shown(requested: TokenType) -> Presented {
    Presented::SubjectToken(Secret::new("the-clients"), requested)
}

fn form(wanted: &UpstreamToken, presented: &Presented) -> BTreeMap<String, String> {
    let call = upstream_token_request(&mut Still::default(), &provider(), &metadata(), wanted, presented).unwrap();
    assert_eq!((call.method, call.path.as_str()), ("POST", "/realms/main/token"));
    assert!(call.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Basic ")));
    form_urlencoded::parse(&call.body).into_owned().collect()
}

fn pairs(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_exchange_shows_the_clients_token_and_says_for_whom_another_is_wanted() {
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "the-clients"),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", "notes"),
        ("scope", "notes:read notes:write"),
    ];
    assert_eq!(form(&wanted(&["notes:read", "notes:write"]), &shown(TokenType::AccessToken)), pairs(&expected));
    let resource = UpstreamToken { audience: None, resource: Some("https://notes.example.com/".into()), ..wanted(&[]) };
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "the-clients"),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
        ("resource", "https://notes.example.com/"),
    ];
    assert_eq!(form(&resource, &shown(TokenType::Jwt)), pairs(&expected));
}

#[test]
fn a_token_of_our_own_client_is_asked_for_without_anybodys_token() {
    let expected = [("grant_type", "client_credentials"), ("audience", "notes"), ("scope", "a")];
    assert_eq!(form(&wanted(&["a"]), &Presented::Nothing), pairs(&expected));
}

fn read_with(wanted: &UpstreamToken, presented: &Presented, reply: &Reply) -> Result<Issued, Failure> {
    upstream_token_response(&provider(), &metadata(), wanted, presented, reply)
}

/// The outcome for the usual response with these members in place of the usual ones; `null` removes one.
fn exchanged(scope: &[&str], requested: TokenType, changes: Value) -> Result<Issued, Failure> {
    let mut response = json!({
        "access_token": "the-exchanged", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 60
    });
    response.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    response.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    read_with(&wanted(scope), &shown(requested), &json_reply(200, &response))
}

#[test]
fn what_was_asked_for_is_taken_and_no_more_of_the_response() {
    let minute = Some(Duration::from_secs(60));
    for (scope, requested, changes, expires_in) in [
        (vec![], TokenType::AccessToken, json!({}), minute),
        (vec![], TokenType::AccessToken, json!({"token_type": "bearer", "refresh_token": "r"}), minute),
        (vec![], TokenType::Jwt, json!({"issued_token_type": JWT}), minute),
        (vec![], TokenType::AccessToken, json!({"expires_in": null}), None),
        (vec![], TokenType::AccessToken, json!({"expires_in": "60"}), minute),
        // Without a requested scope, the provider chooses.
        (vec![], TokenType::AccessToken, json!({"scope": "profile email"}), minute),
        (vec!["a", "b"], TokenType::AccessToken, json!({"scope": null}), minute),
        (vec!["a", "b"], TokenType::AccessToken, json!({"scope": "b"}), minute),
        (vec!["a", "b"], TokenType::AccessToken, json!({"scope": " b  a "}), minute),
        (vec!["a", "b"], TokenType::AccessToken, json!({"scope": ""}), minute),
    ] {
        let issued = exchanged(&scope, requested, changes.clone()).map_err(|failure| failure.detail);
        assert_eq!(issued, Ok(Issued { access_token: Secret::new("the-exchanged"), expires_in }), "{scope:?} {changes}");
    }
}

#[test]
fn a_token_of_another_type_a_wider_one_the_clients_own_and_one_that_no_field_can_carry_are_not_taken() {
    let long = "x".repeat(LONGEST_TOKEN + 1);
    for (requested, changes, says) in [
        (TokenType::AccessToken, json!({"issued_token_type": null}), "issued_token_type is missing"),
        (TokenType::AccessToken, json!({"issued_token_type": 7}), "issued_token_type is not a text"),
        (TokenType::AccessToken, json!({"issued_token_type": JWT}), "issued_token_type is \"urn:"),
        (
            TokenType::AccessToken,
            json!({"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}),
            "issued_token_type is \"urn:",
        ),
        (
            TokenType::AccessToken,
            json!({"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
            "issued_token_type is \"urn:",
        ),
        (TokenType::AccessToken, json!({"issued_token_type": format!("{ACCESS_TOKEN} ")}), "issued_token_type is \"urn:"),
        (TokenType::Jwt, json!({}), "issued_token_type is \"urn:"),
        (TokenType::AccessToken, json!({"token_type": null}), "token_type is missing"),
        (TokenType::AccessToken, json!({"token_type": "N_A"}), "token_type is not Bearer"),
        (TokenType::AccessToken, json!({"token_type": "DPoP"}), "token_type is not Bearer"),
        (TokenType::AccessToken, json!({"access_token": null}), "access_token is missing"),
        (TokenType::AccessToken, json!({"access_token": ""}), "access_token is missing"),
        (TokenType::AccessToken, json!({"access_token": ["a"]}), "access_token is not a text"),
        (TokenType::AccessToken, json!({"access_token": "a\r\nx-forwarded-user: admin"}), "access_token is not printable"),
        (TokenType::AccessToken, json!({"access_token": "a b"}), "access_token is longer than 16 KiB, or has"),
        (TokenType::AccessToken, json!({"access_token": "a,b"}), "access_token is longer than 16 KiB, or has"),
        (TokenType::AccessToken, json!({"access_token": long}), "access_token is longer than 16 KiB, or has"),
        (TokenType::AccessToken, json!({"access_token": "the-clients"}), "access_token is the token that was to be exchanged"),
        (TokenType::AccessToken, json!({"scope": "a c"}), "scope has \"c\", which was not asked for"),
        (TokenType::AccessToken, json!({"scope": "A"}), "scope has \"A\", which was not asked for"),
        (TokenType::AccessToken, json!({"scope": "a\tb"}), "scope has "),
        (TokenType::AccessToken, json!({"scope": ["a"]}), "scope is not a text"),
        (TokenType::AccessToken, json!({"expires_in": 1}), "the token ends in 1 s"),
        (TokenType::AccessToken, json!({"expires_in": 0}), "the token ends in 0 s"),
        (TokenType::AccessToken, json!({"expires_in": -60}), "expires_in is no number of seconds"),
        (TokenType::AccessToken, json!({"expires_in": {}}), "expires_in is no number of seconds"),
    ] {
        let failure = exchanged(&["a", "b"], requested, changes.clone()).unwrap_err();
        assert_eq!(failure.reason, Reason::UpstreamTokenUnavailable, "{changes}");
        assert!(failure.detail.contains(&format!("answered: {says}")), "{changes}: {}", failure.detail);
    }
}

#[test]
fn a_token_of_our_own_client_needs_no_issued_token_type() {
    let response = json!({"access_token": "a", "token_type": "Bearer", "scope": "a"});
    let take = |scope: &[&str]| read_with(&wanted(scope), &Presented::Nothing, &json_reply(200, &response));
    assert_eq!(take(&["a"]), Ok(Issued { access_token: Secret::new("a"), expires_in: None }));
    assert!(take(&["b"]).unwrap_err().detail.contains("scope has \"a\""));
}

#[test]
fn a_refusal_is_distinguished_from_what_says_nothing_about_whoever_sends_the_request() {
    let (refused, unavailable) = (Reason::UpstreamTokenRefused, Reason::UpstreamTokenUnavailable);
    for (status, body, reason) in [
        (400, json!({"error": "invalid_request"}), refused),
        (400, json!({"error": "invalid_target"}), refused),
        (400, json!({"error": "invalid_grant"}), refused),
        (400, json!({"error": "invalid_scope"}), refused),
        (400, json!({"error": "unauthorized_client"}), refused),
        (400, json!({"error": "unsupported_grant_type"}), refused),
        (403, json!({"error": "access_denied"}), refused),
        (401, json!({"error": "invalid_token"}), refused),
        (200, json!({"error": "invalid_target", "access_token": "a", "token_type": "Bearer"}), refused),
        (401, json!({"error": "invalid_client"}), unavailable),
        (400, json!({"error": "invalid_client"}), unavailable),
        (400, json!({"error": "temporarily_unavailable"}), unavailable),
        (429, json!({"error": "slow_down"}), unavailable),
        (429, json!({"error": "too_many_requests"}), unavailable),
        (400, json!({"error": 7}), unavailable),
        (400, json!({}), unavailable),
        (401, json!({}), unavailable),
        (403, json!({"message": "blocked"}), unavailable),
        (404, json!({}), unavailable),
        (302, json!({}), unavailable),
        (204, json!({}), unavailable),
        (500, json!({"error": "invalid_target"}), unavailable),
        (503, json!({}), unavailable),
        (504, json!({}), unavailable),
    ] {
        let failure = read_with(&wanted(&[]), &shown(TokenType::AccessToken), &json_reply(status, &body)).unwrap_err();
        assert_eq!(failure.reason, reason, "{status} {body}");
    }
    let page = |status| reply(status, &[("content-type", "text/html")], b"<html>blocked</html>");
    for silence in [Reply::NotSent, Reply::Reset, page(200), page(400), page(403), reply(200, &[], b"")] {
        let failure = read_with(&wanted(&[]), &shown(TokenType::AccessToken), &silence).unwrap_err();
        assert_eq!(failure.reason, unavailable, "{silence:?}");
    }
}

#[test]
fn a_refusal_tells_the_providers_words_cut_and_quoted_and_never_a_token() {
    let description = format!("no\n{} for {}", "x".repeat(300), "the-clients-0123456789abcdefghijklmnopqrstuvwxyz");
    let body = json!({"error": "invalid_target", "error_description": description});
    let failure = read_with(&wanted(&[]), &shown(TokenType::AccessToken), &json_reply(400, &body)).unwrap_err();
    assert!(failure.detail.contains("status 400, error \"invalid_target\", \"no"), "{}", failure.detail);
    assert!(!failure.detail.contains('\n') && !failure.detail.contains("0123456789abcdef"), "{}", failure.detail);
    assert!(failure.detail.len() < 500, "{}", failure.detail);
    let of_client = json_reply(401, &json!({"error": "invalid_client"}));
    let failure = read_with(&wanted(&[]), &shown(TokenType::AccessToken), &of_client).unwrap_err();
    assert!(failure.detail.contains("check it, client_id and client_secret") && !failure.detail.contains("s3cret"));
}

#[test]
fn without_a_token_endpoint_or_a_client_nobody_is_asked() {
    let missing = Metadata { token_endpoint: crate::oidc::metadata::Endpoint::MISSING, ..metadata() };
    let ask = |provider: &Provider, metadata: &Metadata| {
        upstream_token_request(&mut Still::default(), provider, metadata, &wanted(&[]), &Presented::Nothing).map_err(|f| f.reason)
    };
    assert_eq!(ask(&provider(), &missing), Err(Reason::UpstreamTokenUnavailable));
    let nobody = Provider { client_id: String::new(), authentication: ClientAuthentication::None, ..provider() };
    assert_eq!(ask(&nobody, &metadata()), Err(Reason::Internal));
}
