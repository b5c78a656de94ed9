//! A refresh token is exchanged for new tokens (RFC 6749, section 6; OpenID Connect Core, section 12). An ID token in the
//! response is not verified here, but by `id_token`, and then by [`same_person`]. Which request may refresh, and what becomes of
//! the session, is not known here.

use serde_json::Value;

use crate::http::message::{HttpCall, Reply};
use crate::oidc::id_token::IdToken;
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::oidc::reply;
use crate::oidc::token::tokens::{self, REASONS, RefreshedTokens, no_endpoint};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// Why there are no new tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshError {
    /// The provider does not accept the refresh token, and asking again would not help.
    Refused(Failure, Explanation),
    /// There was no response, or one that says nothing about the refresh token. Asking again may help.
    Failed(Failure),
}

/// Whether a refusal says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// By an `error` (RFC 6749, section 5.2).
    Given,
    /// Not at all: it may be about something else than the refresh token.
    Missing,
}

/// The refresh request. It has no `scope`, so that the scope stays the same.
///
/// # Errors
/// [`Reason::TokenEndpointUnreachable`] if the provider has no usable `token_endpoint`.
pub fn refresh_request(
    world: &mut dyn World,
    provider: &Provider,
    metadata: &Metadata,
    refresh_token: &Secret,
) -> Result<HttpCall, Failure> {
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    let url = metadata.needed(EndpointName::Token).map_err(no_endpoint)?;
    provider.call_as_client(world, url, &parameters, Reason::TokenEndpointUnreachable)
}

/// Reads the new tokens.
///
/// # Errors
/// See [`RefreshError`].
pub fn refresh_response(provider: &Provider, metadata: &Metadata, reply: &Reply) -> Result<RefreshedTokens, RefreshError> {
    let url = metadata.needed(EndpointName::Token).map_err(|why| RefreshError::Failed(no_endpoint(why)))?;
    let answer = reply::answer(provider, url, reply, REASONS).map_err(RefreshError::Failed)?;
    if let Some(mut failure) = tokens::refusal(provider, &answer) {
        let members = answer.object().unwrap_or_default();
        let error = members.get("error").and_then(Value::as_str);
        let passing = matches!(error, Some("server_error" | "temporarily_unavailable" | "slow_down"));
        // RFC 6749, section 5.2. A 400 means that the same request would get it again, unless it is about the client, will pass, or
        // is not the provider's.
        let is_about_the_token = !matches!(failure.reason, Reason::ClientAuthenticationFailed | Reason::TokenEndpointUnreachable);
        if error == Some("invalid_grant") || (is_about_the_token && answer.status == 400 && !passing) {
            failure.reason = Reason::RefreshRefused;
        } else if !matches!(failure.reason, Reason::ClientAuthenticationFailed | Reason::TokenRequestRefused) {
            failure.reason = Reason::TokenEndpointUnreachable;
        }
        let refused = failure.reason == Reason::RefreshRefused;
        let explanation = if error.is_some() { Explanation::Given } else { Explanation::Missing };
        return Err(if refused { RefreshError::Refused(failure, explanation) } else { RefreshError::Failed(failure) });
    }
    let members = answer.document().map_err(RefreshError::Failed)?;
    tokens::read(&members, answer.clock()).map_err(|what| RefreshError::Failed(answer.malformed(&what)))
}

/// Checks that a new ID token is about the person of the session for which it was requested (OpenID Connect Core, section 12.2).
/// Its issuer and audience were verified before. `subject` is `sub` of the sign-in, if that is known.
///
/// # Errors
/// [`Reason::IdTokenSubject`].
pub fn same_person(new: &IdToken, subject: Option<&str>) -> Result<(), Failure> {
    // "its sub Claim Value MUST be the same as in the ID Token issued when the original authentication occurred"
    if subject == Some(new.subject.as_str()) {
        Ok(())
    } else {
        Err(Failure::new(Reason::IdTokenSubject, "sub is not the one of the sign-in"))
    }
}

/// Whether a new ID token tells of another authentication than that of the session. By section 12.2 it should not, but several
/// providers tell of the person's latest one, perhaps in another browser. `auth_time` is the session's. If it has none, or that of the
/// token cannot be read, nothing shows that both are of the same authentication.
pub fn is_of_another_authentication(new: &IdToken, auth_time: Option<u64>) -> bool {
    let states_one = new.claims.get("auth_time").is_some_and(|time| !time.is_null());
    states_one && (new.auth_time.is_none() || new.auth_time != auth_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::testing::{json_reply, metadata, provider, reply};
    use crate::oidc::token::tokens::Lifetime;
    use crate::words::principal::Claims;
    use crate::words::time::Timestamp;
    use crate::words::world::testing::Still;
    use serde_json::json;
    use std::time::Duration;

    fn read(status: u16, body: &Value) -> Result<RefreshedTokens, RefreshError> {
        refresh_response(&provider(), &metadata(), &json_reply(status, body))
    }

    #[test]
    fn the_request_contains_the_refresh_token_and_the_client_authentication() {
        let call = refresh_request(&mut Still::default(), &provider(), &metadata(), &Secret::new("r&1")).unwrap();
        assert_eq!((call.method, call.path.as_str()), ("POST", "/realms/main/token"));
        assert_eq!(call.body.as_slice(), b"grant_type=refresh_token&refresh_token=r%261");
        assert!(call.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Basic ")));
    }

    #[test]
    fn a_response_may_have_no_id_token_and_no_refresh_token_and_a_type_in_lower_case() {
        let tokens = read(200, &json!({"access_token": "a", "token_type": "bearer"})).unwrap();
        assert_eq!((tokens.id_token, tokens.refresh_token, tokens.expires_in), (None, None, Lifetime::NotSaid));
        let all = json!({"access_token": "a", "token_type": "Bearer", "id_token": "i", "refresh_token": "r", "expires_in": "60"});
        let tokens = read(200, &all).unwrap();
        let life = Lifetime::Said(Duration::from_secs(60));
        assert_eq!((tokens.refresh_token, tokens.expires_in), (Some(Secret::new("r")), life));
    }

    #[test]
    fn a_final_refusal_is_distinguished_from_every_failure_that_may_pass() {
        for (status, body, refused, reason) in [
            (400, json!({"error": "invalid_grant"}), true, Reason::RefreshRefused),
            (401, json!({"error": "invalid_grant"}), true, Reason::RefreshRefused),
            (403, json!({"error": "invalid_grant"}), true, Reason::RefreshRefused),
            (200, json!({"error": "invalid_grant"}), true, Reason::RefreshRefused),
            (400, json!({"error": "unauthorized_client"}), true, Reason::RefreshRefused),
            (400, json!({"error": "invalid_request"}), true, Reason::RefreshRefused),
            (400, json!({}), true, Reason::RefreshRefused),
            (403, json!({"error": "unauthorized_client"}), false, Reason::TokenRequestRefused),
            (400, json!({"error": "temporarily_unavailable"}), false, Reason::TokenEndpointUnreachable),
            (429, json!({"error": "slow_down"}), false, Reason::TokenEndpointUnreachable),
            (404, json!({}), false, Reason::TokenEndpointUnreachable),
            (401, json!({"error": "invalid_client"}), false, Reason::ClientAuthenticationFailed),
            (400, json!({"error": "invalid_client"}), false, Reason::ClientAuthenticationFailed),
            (500, json!({"error": "invalid_grant"}), false, Reason::TokenEndpointUnreachable),
            (503, json!({}), false, Reason::TokenEndpointUnreachable),
            (504, json!({}), false, Reason::TokenEndpointTimeout),
            (200, json!({"token_type": "Bearer"}), false, Reason::TokenResponseMalformed),
            (200, json!({"access_token": "a", "token_type": "mac"}), false, Reason::TokenResponseMalformed),
            (200, json!({"access_token": "a\r\nb", "token_type": "Bearer"}), false, Reason::TokenResponseMalformed),
            (302, json!({}), false, Reason::TokenResponseMalformed),
        ] {
            let (for_good, failure) = match read(status, &body).unwrap_err() {
                RefreshError::Refused(failure, _) => (true, failure),
                RefreshError::Failed(failure) => (false, failure),
            };
            assert_eq!((for_good, failure.reason), (refused, reason), "{status} {body}");
        }
        // A firewall's page says nothing about the refresh token, whatever its status; an empty 400 does.
        for (body, explanation) in [
            (r#""#, Explanation::Missing),
            (r#"{}"#, Explanation::Missing),
            (r#"{"error":null}"#, Explanation::Missing),
            (r#"{"error":7}"#, Explanation::Missing),
            (r#"{"error":"invalid_grant"}"#, Explanation::Given),
            (r#"{"error":"unknown"}"#, Explanation::Given),
        ] {
            match refresh_response(&provider(), &metadata(), &reply(400, &[], body.as_bytes())) {
                Err(RefreshError::Refused(_, found)) => assert_eq!(found, explanation, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        let page = |status| reply(status, &[("content-type", "text/html; charset=utf-8")], b"<html>blocked</html>");
        for silence in [Reply::NotSent, Reply::Reset, reply(200, &[], b"<html>"), page(400), page(401), page(403), page(200)] {
            assert!(matches!(refresh_response(&provider(), &metadata(), &silence), Err(RefreshError::Failed(_))));
        }
    }

    #[test]
    fn a_new_id_token_must_be_about_the_same_person_and_may_tell_of_another_authentication() {
        let new = |subject: &str, auth_time: Value| IdToken {
            auth_time: auth_time.as_u64(),
            claims: Claims::from_iter([("auth_time".to_owned(), auth_time)]),
            subject: subject.into(),
            sid: None,
            expires: Timestamp::default(),
        };
        for (subject, expected) in
            [("alice", Ok(())), ("Alice", Err(Reason::IdTokenSubject)), ("bob", Err(Reason::IdTokenSubject))]
        {
            assert_eq!(
                same_person(&new(subject, Value::Null), Some("alice")).map_err(|failure| failure.reason),
                expected,
                "{subject}"
            );
        }
        for (of_token, of_session, another) in [
            (json!(5), Some(5), false),
            (json!(null), Some(5), false),
            (json!(null), None, false),
            (json!(5), None, true),
            (json!(6), Some(5), true),
            (json!("5"), Some(5), true),
            (json!("5"), None, true),
        ] {
            let token = new("alice", of_token.clone());
            assert_eq!(is_of_another_authentication(&token, of_session), another, "{of_token} {of_session:?}");
        }
    }
}
