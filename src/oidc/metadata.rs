//! What is known of a provider: its issuer and its endpoints, whether it said so itself or the configuration does.

use crate::http::url::Url;

/// A provider's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, exactly as configured.
    pub issuer: String,
    /// Where browsers are sent to sign in.
    pub authorization_endpoint: Url,
    /// Where codes become tokens.
    pub token_endpoint: Url,
    /// Where the keys are.
    pub jwks_uri: Url,
    /// Where more about the person is.
    pub userinfo_endpoint: Option<Url>,
    /// Where it can be asked whether a token is good (RFC 7662).
    pub introspection_endpoint: Option<Url>,
    /// Where browsers are sent to sign out.
    pub end_session_endpoint: Option<Url>,
    /// `authorization_response_iss_parameter_supported`: every authorization response names its issuer (RFC 9207).
    pub announces_iss_parameter: bool,
}
