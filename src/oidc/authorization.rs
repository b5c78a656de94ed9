//! The authorization request and the authorization response (RFC 6749, sections 4.1.1 and 4.1.2; RFC 7636; RFC 9207). The caller
//! makes `state`, `nonce` and the code verifier, remembers them, and compares `state`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::http::cause::error_words;
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::words::demand::Demand;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// The parameters that this module sets by itself. `request` and `request_uri` are among them, because their content would
/// override all other parameters (OpenID Connect Core, section 6).
pub const RESERVED_PARAMETERS: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "request",
    "request_uri",
];

/// The part of an authorization request that differs from one sign-in attempt to the next.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// Binds the authorization response to the browser that began the attempt.
    pub state: &'a str,
    /// Binds the ID token to the attempt.
    pub nonce: &'a str,
    /// Binds the code to the attempt: [`code_challenge`] of the code verifier.
    pub code_challenge: &'a str,
    /// Where the provider sends the browser with the response.
    pub redirect_uri: &'a str,
    /// `response_mode` (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1), unless the default mode is meant.
    pub response_mode: Option<&'a str>,
    /// `prompt` (OpenID Connect Core, section 3.1.2.1), if the person asked for another account.
    pub prompt: Option<&'a str>,
    /// `acr_values` and `max_age` (OpenID Connect Core, section 3.1.2.1).
    pub demand: &'a Demand,
}

/// The URL of the authorization request, to redirect the browser to (RFC 6749, section 4.1.1; OpenID Connect Core, section
/// 3.1.2.1). What the attempt asks for wins over the configured parameters.
///
/// # Errors
/// [`Reason::MetadataUnavailable`] if the provider has no usable `authorization_endpoint`.
pub fn authorization_request(
    provider: &Provider,
    metadata: &Metadata,
    request: &AuthorizationRequest<'_>,
) -> Result<String, Failure> {
    let no_endpoint = |why| Failure::new(Reason::MetadataUnavailable, why);
    let endpoint = metadata.needed(EndpointName::Authorization).map_err(no_endpoint)?;
    let further = provider.authorization_params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let ours = [
        ("response_type", "code"),
        ("client_id", provider.client_id.as_str()),
        ("redirect_uri", request.redirect_uri),
        ("scope", provider.scope.as_str()),
        ("state", request.state),
        ("nonce", request.nonce),
        ("code_challenge", request.code_challenge),
        ("code_challenge_method", "S256"),
    ];
    let mode = request.response_mode.map(|mode| ("response_mode", mode));
    let prompt = request.prompt.map(|prompt| ("prompt", prompt));
    let asked: Vec<_> = request.demand.parameters().collect();
    let asked: Vec<_> = mode.into_iter().chain(prompt).chain(asked.iter().map(|(name, value)| (*name, value.as_str()))).collect();
    let further = further.filter(|(name, _)| !RESERVED_PARAMETERS.contains(name) && !asked.iter().any(|(ours, _)| ours == name));
    Ok(endpoint.with_query(ours.into_iter().chain(asked.iter().copied()).chain(further)))
}

/// The code challenge for a code verifier, by the method S256 (RFC 7636, section 4.2).
pub fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Whether the authorization response must contain `iss` (RFC 9207).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssParameter {
    /// A response without it is refused.
    Required,
    /// If it is there, it is compared.
    Optional,
}

/// An authorization response without a code, or one that is not this provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// What helps.
    pub remedy: Remedy,
}

/// What helps after a refused authorization response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing, or the response is not known to be the provider's: it is told in any case.
    Tell,
    /// It matters only as long as nobody is signed in.
    TellIfNobodyIsSignedIn,
    /// To begin again: the provider says that its own sign-in did not come to its end, or a code cannot be spent any more.
    BeginAgain,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, remedy: Remedy::Tell }
    }
}

/// Reads the authorization code from the parameters of an authorization response. The caller has compared `state` before.
///
/// # Errors
/// [`Reason::IssuerMismatch`] (RFC 9207, section 2.4); [`Reason::AuthorizationDenied`], [`Reason::AuthorizationServerError`] or
/// [`Reason::AuthorizationError`] for an error response (RFC 6749, section 4.1.2.1); [`Reason::CodeMissing`].
pub fn authorization_response(
    parameters: &BTreeMap<String, String>,
    provider: &Provider,
    issuer: IssParameter,
) -> Result<Secret, Refused> {
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
    // RFC 9207, section 2.4. Checked before `error`, because an error of another issuer says nothing about this sign-in.
    match parameter("iss") {
        Some(found) if found != provider.issuer() => {
            let detail = format!("expected iss {}, found {}", quote(provider.issuer()), quote(found));
            return Err(unproved(parameters, detail).into());
        }
        None if issuer == IssParameter::Required => {
            let detail = "iss is missing, though the provider announces it, or several providers give codes to pages";
            return Err(unproved(parameters, detail.to_owned()).into());
        }
        Some(_) | None => {}
    }
    // Some providers send an empty `error` beside a code.
    if let Some(error) = parameter("error").filter(|error| !error.is_empty()) {
        let (reason, remedy) = meaning(error);
        return Err(Refused { failure: Failure::new(reason, error_words(error, parameter("error_description"))), remedy });
    }
    parameter("code")
        .filter(|code| !code.is_empty())
        .map(Secret::new)
        .ok_or_else(|| Failure::new(Reason::CodeMissing, "neither code nor error came back").into())
}

/// What an error of an authorization response means (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6).
fn meaning(error: &str) -> (Reason, Remedy) {
    match error {
        // The person's own decision. (LemonLDAP::NG says it with `consent_required`.)
        "access_denied" | "consent_required" => (Reason::AuthorizationDenied, Remedy::Tell),
        // Keycloak says this of login pages that were open too long.
        "temporarily_unavailable" => (Reason::AuthorizationServerError, Remedy::BeginAgain),
        "login_required" | "interaction_required" | "account_selection_required" => {
            (Reason::AuthorizationError, Remedy::BeginAgain)
        }
        "server_error" => (Reason::AuthorizationServerError, Remedy::TellIfNobodyIsSignedIn),
        _ => (Reason::AuthorizationError, Remedy::TellIfNobodyIsSignedIn),
    }
}

/// The failure of a response that may not be the provider's, with the error in it, which nothing proves.
fn unproved(parameters: &BTreeMap<String, String>, detail: String) -> Failure {
    Failure::new(Reason::IssuerMismatch, with_unproved_error(detail, parameters))
}

/// A detail of a refusal for the log, with the error in a response of which nothing proves that the provider sent it.
pub fn with_unproved_error(detail: String, parameters: &BTreeMap<String, String>) -> String {
    match parameters.get("error").filter(|error| !error.is_empty()) {
        Some(error) => {
            let said = error_words(error, parameters.get("error_description").map(String::as_str));
            format!("{detail}; unproved: {said}")
        }
        None => detail,
    }
}

#[cfg(test)]
mod tests;
