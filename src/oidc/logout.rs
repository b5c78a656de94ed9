//! Sign-out at the provider: the request that we send a browser with (OpenID Connect RP-Initiated Logout 1.0), and the tokens by
//! which the provider tells us of one. Whether the place to return to is acceptable was decided before, and no session is ended here.

pub mod logout_token;

use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::words::secret::Secret;

/// The optional parameters of a logout request (RP-Initiated Logout, section 2).
#[derive(Clone, Copy, Debug, Default)]
pub struct EndSessionRequest<'a> {
    /// The ID token of the session that ends.
    pub id_token_hint: Option<&'a Secret>,
    /// Where the provider sends the browser afterwards; it must be registered there.
    pub post_logout_redirect_uri: Option<&'a str>,
    /// The provider sends it back with the browser.
    pub state: Option<&'a str>,
}

/// The URL of the logout request, to redirect the browser to; `None` if the provider has no usable
/// `end_session_endpoint`.
pub fn end_session_request(provider: &Provider, metadata: &Metadata, request: &EndSessionRequest<'_>) -> Option<String> {
    let endpoint = metadata.usable(EndpointName::EndSession)?;
    let parameters = [
        ("client_id", Some(provider.client_id.as_str())),
        ("id_token_hint", request.id_token_hint.map(Secret::expose)),
        ("post_logout_redirect_uri", request.post_logout_redirect_uri),
        ("state", request.state),
    ];
    Some(endpoint.with_query(parameters.into_iter().filter_map(|(name, value)| Some((name, value?)))))
}

#[cfg(test)]
mod tests;
