//! A code is exchanged for tokens (RFC 6749, sections 4.1.3, 4.1.4 and 5; OpenID Connect Core, section 3.1.3). The ID token in
//! the response is not verified here, but by `id_token`.

pub mod refresh;
pub mod revocation;
pub mod tokens;
pub mod upstream;

use crate::http::message::{HttpCall, Reply};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::oidc::reply;
use crate::oidc::token::tokens::{REASONS, TokenSet, no_endpoint, read, refusal};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// The token request (RFC 6749, section 4.1.3), with the code verifier (RFC 7636, section 4.5).
///
/// # Errors
/// [`Reason::TokenEndpointUnreachable`] if the provider has no usable `token_endpoint`.
pub fn token_request(
    world: &mut dyn World,
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
    let url = metadata.needed(EndpointName::Token).map_err(no_endpoint)?;
    provider.call_as_client(world, url, &parameters, Reason::TokenEndpointUnreachable)
}

/// Reads the token response (OpenID Connect Core, section 3.1.3.3).
///
/// # Errors
/// [`Reason::TokenEndpointTimeout`], [`Reason::TokenEndpointUnreachable`], [`Reason::ClientAuthenticationFailed`],
/// [`Reason::CodeRefused`], [`Reason::TokenResponseMalformed`].
pub fn token_response(provider: &Provider, metadata: &Metadata, reply: &Reply) -> Result<TokenSet, Failure> {
    let url = metadata.needed(EndpointName::Token).map_err(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
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
            provider_clock: tokens.provider_clock,
        })
    });
    tokens.map_err(|what| answer.malformed(&what))
}

#[cfg(test)]
mod tests;
