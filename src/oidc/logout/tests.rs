use super::*;
use crate::oidc::metadata::Endpoint;
use crate::oidc::testing::{metadata, provider};

#[test]
fn the_provider_is_told_whose_session_ends_and_where_to_go_then() {
    let hint = Secret::new("a.b.c");
    let everything = EndSessionRequest {
        id_token_hint: Some(&hint),
        post_logout_redirect_uri: Some("https://app.example.com/"),
        state: Some("s&t"),
    };
    assert_eq!(
        end_session_request(&provider(), &metadata(), &everything).as_deref(),
        Some(
            "https://sso.example.com/realms/main/logout?client_id=app&id_token_hint=a.b.c\
             &post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2F&state=s%26t"
        )
    );
    assert_eq!(
        end_session_request(&provider(), &metadata(), &EndSessionRequest::default()).as_deref(),
        Some("https://sso.example.com/realms/main/logout?client_id=app")
    );
}

#[test]
fn without_an_end_session_endpoint_there_is_no_logout_request() {
    let metadata = Metadata { end_session_endpoint: Endpoint::MISSING, ..metadata() };
    assert_eq!(end_session_request(&provider(), &metadata, &EndSessionRequest::default()), None);
}
