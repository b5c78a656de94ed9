//! A code becomes tokens (RFC 6749, sections 4.1.3, 4.1.4 and 5; OpenID Connect Core, section 3.1.3). The ID token in the answer
//! is not believed here; that is `id_token`'s.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{Ask, ClientAuthentication, Provider};
use crate::oidc::refresh::Refreshed;
use crate::oidc::reply::{self, Answer, Troubles};
use crate::words::message::{HttpCall, Reply};
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::url::Url;

pub(super) const TROUBLES: Troubles = Troubles {
    timeout: Reason::TokenEndpointTimeout,
    unreachable: Reason::TokenEndpointUnreachable,
    malformed: Reason::TokenResponseMalformed,
};

/// What a code was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// For the provider's own services.
    pub access_token: Secret,
    /// For us; not verified yet.
    pub id_token: Secret,
    /// For new tokens later.
    pub refresh_token: Option<Secret>,
    /// How long the access token lives.
    pub expires_in: Option<Duration>,
    /// What was granted, when the provider says so.
    pub scope: Option<String>,
    /// The provider's clock, to the second, when its answer has a `Date`: for the words about a clock that is wrong.
    pub provider_clock: Option<Timestamp>,
}

/// Asks for tokens.
///
/// # Errors
/// [`Reason::TokenEndpointUnreachable`] when no listed cluster reaches the endpoint.
pub fn token_request(
    provider: &Provider,
    metadata: &Metadata,
    code: &Secret,
    code_verifier: &Secret,
    redirect_uri: &str,
) -> Result<HttpCall, Failure> {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", redirect_uri),
        ("code_verifier", code_verifier.expose()),
    ];
    ask(provider, metadata, &parameters)
}

/// Asks the token endpoint, as the client that we are.
pub(super) fn ask(provider: &Provider, metadata: &Metadata, parameters: &[(&str, &str)]) -> Result<HttpCall, Failure> {
    ask_at(provider, &metadata.token_endpoint, parameters, Reason::TokenEndpointUnreachable)
}

/// Asks an endpoint for clients, as the client that we are.
pub(super) fn ask_at(provider: &Provider, url: &Url, parameters: &[(&str, &str)], refusal: Reason) -> Result<HttpCall, Failure> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters);
    let mut headers =
        vec![("content-type", "application/x-www-form-urlencoded".to_owned()), ("accept", "application/json".to_owned())];
    match &provider.authentication {
        ClientAuthentication::SecretBasic(secret) => headers.push(("authorization", basic(&provider.client_id, secret))),
        ClientAuthentication::SecretPost(secret) => {
            form.append_pair("client_id", &provider.client_id);
            form.append_pair("client_secret", secret.expose());
        }
        ClientAuthentication::None => {
            form.append_pair("client_id", &provider.client_id);
        }
    }
    provider.call(Ask { method: "POST", url, headers, body: form.finish() }, refusal)
}

/// RFC 6749, section 2.3.1: both are form-urlencoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.expose()))))
}

/// Reads the tokens.
///
/// # Errors
/// [`Reason::TokenEndpointTimeout`], [`Reason::TokenEndpointUnreachable`], [`Reason::ClientAuthenticationFailed`],
/// [`Reason::CodeRefused`], [`Reason::TokenResponseMalformed`].
pub fn token_response(provider: &Provider, metadata: &Metadata, reply: &Reply) -> Result<TokenSet, Failure> {
    let answer = reply::answer(provider, &metadata.token_endpoint, reply, TROUBLES)?;
    if let Some(refusal) = refusal(provider, &answer) {
        return Err(refusal);
    }
    let members = answer.document()?;
    let tokens = read(&members, answer.clock()).and_then(|tokens| {
        let id_token = tokens.id_token.ok_or("id_token is missing; does scope contain openid?")?;
        Ok(TokenSet {
            access_token: tokens.access_token,
            id_token,
            refresh_token: tokens.refresh_token,
            expires_in: tokens.expires_in,
            scope: reply::text(&members, "scope")?.map(str::to_owned),
            provider_clock: tokens.provider_clock,
        })
    });
    tokens.map_err(|what| answer.malformed(&what))
}

/// RFC 6749, section 5.2. Some say 200 to an error; it is one all the same.
pub(super) fn refusal(provider: &Provider, answer: &Answer<'_>) -> Option<Failure> {
    let members = answer.object().unwrap_or_default();
    let error = members.get("error").and_then(Value::as_str);
    let description = members.get("error_description").and_then(Value::as_str);
    let words = match error {
        Some(error) => format!("status {}, {}", answer.status, reply::error_words(error, description)),
        None => format!("status {}", answer.status),
    };
    if answer.status == 401 || error == Some("invalid_client") {
        let method = provider.authentication.method();
        let detail = format!("{words}; token_endpoint_auth_method {method} was tried: check it, client_id and client_secret");
        return Some(Failure::new(Reason::ClientAuthenticationFailed, answer.says(&detail)));
    }
    let refused = (400..500).contains(&answer.status) || members.contains_key("error");
    refused.then(|| Failure::new(Reason::CodeRefused, answer.says(&words)))
}

pub(super) fn read(members: &Claims, provider_clock: Option<Timestamp>) -> Result<Refreshed, String> {
    // RFC 6749, appendices A.12 and A.17: tokens are printable ASCII. Anything else could end a header that carries one.
    let token = |name: &str| match reply::text(members, name)?.filter(|text| !text.is_empty()) {
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(format!("{name} is not printable ASCII")),
        text => Ok(text),
    };
    // RFC 6749, section 5.1: the type is compared without case.
    let token_type = reply::text(members, "token_type")?.ok_or("token_type is missing")?;
    if !token_type.eq_ignore_ascii_case("bearer") {
        return Err("token_type is not Bearer".to_owned());
    }
    Ok(Refreshed {
        access_token: token("access_token")?.map(Secret::new).ok_or("access_token is missing")?,
        id_token: token("id_token")?.map(Secret::new),
        refresh_token: token("refresh_token")?.map(Secret::new),
        expires_in: expires_in(members)?,
        provider_clock,
    })
}

/// Seconds; some write them as text.
fn expires_in(members: &Claims) -> Result<Option<Duration>, String> {
    let seconds = match members.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        // A fraction of a second is not worth having.
        Some(Value::Number(number)) => {
            number.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).map(|seconds| seconds as u64)
        }
        Some(Value::String(text)) => text.split('.').next().and_then(|whole| whole.parse().ok()),
        Some(_) => None,
    };
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| "expires_in is no number of seconds".to_owned())
}

#[cfg(test)]
mod tests;
