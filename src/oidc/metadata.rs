//! The metadata of a provider: its issuer and its endpoints. Whether the provider or the configuration said so is not known here.

use crate::http::url::Url;

/// The metadata of a provider, by their names in OpenID Connect Discovery, section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, exactly as it is configured.
    pub issuer: String,
    /// Where browsers are sent to sign in.
    pub authorization_endpoint: Url,
    /// Where codes and refresh tokens are exchanged for tokens.
    pub token_endpoint: Url,
    /// Where the keys are published.
    pub jwks_uri: Url,
    /// Where more claims about the person are found.
    pub userinfo_endpoint: Option<Url>,
    /// Where the provider is asked about a token (RFC 7662).
    pub introspection_endpoint: Option<Url>,
    /// Where browsers are sent to sign out.
    pub end_session_endpoint: Option<Url>,
    /// Endpoints that the provider names in a way that cannot be used, and that this configuration does not need: each with the
    /// reason. They are absent above.
    pub passed_over: Vec<String>,
    /// `authorization_response_iss_parameter_supported`: every authorization response contains `iss` (RFC 9207, section 3).
    pub announces_iss_parameter: bool,
}
