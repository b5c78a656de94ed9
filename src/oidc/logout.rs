//! Signing out at the provider too (OpenID Connect RP-Initiated Logout 1.0). Whether a place to return to is acceptable was
//! decided before; deleting cookies is not done here.

use crate::oidc::metadata::Metadata;
use crate::oidc::provider::Provider;
use crate::words::secret::Secret;

/// What may be said at sign-out.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndSessionRequest<'a> {
    /// The ID token of the session that ends.
    pub id_token_hint: Option<&'a Secret>,
    /// Where the provider sends the browser back to; it must be registered there.
    pub post_logout_redirect_uri: Option<&'a str>,
    /// Comes back with the browser.
    pub state: Option<&'a str>,
}

/// The address to send the browser to, if the provider has one for this.
pub fn end_session_request(provider: &Provider, metadata: &Metadata, request: &EndSessionRequest<'_>) -> Option<String> {
    let endpoint = metadata.end_session_endpoint.as_ref()?;
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
