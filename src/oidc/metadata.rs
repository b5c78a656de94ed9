//! The metadata of a provider: its issuer and its endpoints, each as it was judged when it was read. Only an endpoint that may be
//! used yields its URL. Whether the provider or the configuration named it is not known here.

use crate::http::url::Url;

/// The metadata of a provider, by their names in OpenID Connect Discovery, section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, exactly as it is configured.
    pub issuer: String,
    /// Where browsers are sent to sign in.
    pub authorization_endpoint: Endpoint,
    /// Where codes and refresh tokens are exchanged for tokens.
    pub token_endpoint: Endpoint,
    /// Where the keys are published.
    pub jwks_uri: Endpoint,
    /// Where more claims about the person are found.
    pub userinfo_endpoint: Endpoint,
    /// Where the provider is asked about a token (RFC 7662).
    pub introspection_endpoint: Endpoint,
    /// Where a token is given back (RFC 7009).
    pub revocation_endpoint: Endpoint,
    /// Where browsers are sent to sign out.
    pub end_session_endpoint: Endpoint,
    /// What an operator should know about the document. Nothing is decided by it.
    pub remarks: Vec<Remark>,
    /// `authorization_response_iss_parameter_supported`: every authorization response contains `iss` (RFC 9207, section 3).
    pub announces_iss_parameter: bool,
}

/// Which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of `Metadata` say it")]
pub enum EndpointName {
    Authorization,
    Token,
    Jwks,
    Userinfo,
    Introspection,
    Revocation,
    EndSession,
}

impl EndpointName {
    /// Each of them.
    pub const ALL: [Self; 7] =
        [Self::Authorization, Self::Token, Self::Jwks, Self::Userinfo, Self::Introspection, Self::Revocation, Self::EndSession];

    /// The name in a document (OpenID Connect Discovery, section 3; RFC 8414, section 2; RP-Initiated Logout, section 2.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization_endpoint",
            Self::Token => "token_endpoint",
            Self::Jwks => "jwks_uri",
            Self::Userinfo => "userinfo_endpoint",
            Self::Introspection => "introspection_endpoint",
            Self::Revocation => "revocation_endpoint",
            Self::EndSession => "end_session_endpoint",
        }
    }

    /// Whether Accredit itself makes calls to it. Browsers are sent to the other ones.
    pub const fn is_called(self) -> bool {
        !matches!(self, Self::Authorization | Self::EndSession)
    }
}

/// An endpoint, as it was judged. Its URL can be had through [`Metadata::needed`] and [`Metadata::usable`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Judged);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Judged {
    Usable(Url),
    /// With the sentence that says why, which names the endpoint.
    Unusable(String),
    Missing,
}

impl Endpoint {
    /// The document does not name it.
    pub const MISSING: Self = Self(Judged::Missing);

    /// One that may be used: its scheme, and its cluster if it is called, were checked.
    pub const fn usable(url: Url) -> Self {
        Self(Judged::Usable(url))
    }

    /// One that must not be used. `why` is a sentence that names it, and says what to change.
    pub const fn unusable(why: String) -> Self {
        Self(Judged::Unusable(why))
    }
}

/// What an operator should know about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// An endpoint cannot be used, or one is missing that the configuration needs. The sentence names it.
    Endpoint(String),
    /// By the document, no ID token will be signed by an algorithm that is accepted.
    Algorithms(String),
}

impl Metadata {
    /// Those of somebody who only publishes keys there.
    pub const fn of_keys(issuer: String, jwks_uri: Url) -> Self {
        Self {
            issuer,
            authorization_endpoint: Endpoint::MISSING,
            token_endpoint: Endpoint::MISSING,
            jwks_uri: Endpoint::usable(jwks_uri),
            userinfo_endpoint: Endpoint::MISSING,
            introspection_endpoint: Endpoint::MISSING,
            revocation_endpoint: Endpoint::MISSING,
            end_session_endpoint: Endpoint::MISSING,
            remarks: Vec::new(),
            announces_iss_parameter: false,
        }
    }

    /// The URL of an endpoint that is needed now.
    ///
    /// # Errors
    /// A sentence that names the endpoint, and says why it cannot be used, or what to write if it is missing.
    pub fn needed(&self, name: EndpointName) -> Result<&Url, String> {
        match &self.endpoint(name).0 {
            Judged::Usable(url) => Ok(url),
            Judged::Unusable(why) => Err(why.clone()),
            Judged::Missing => {
                let name = name.as_str();
                Err(format!(
                    "{name} is missing in the provider's document; if there is one, write metadata: {{{name}: URL}} beside issuer"
                ))
            }
        }
    }

    /// The URL of an endpoint; `None` if it is missing or must not be used.
    pub fn usable(&self, name: EndpointName) -> Option<&Url> {
        match &self.endpoint(name).0 {
            Judged::Usable(url) => Some(url),
            Judged::Unusable(_) | Judged::Missing => None,
        }
    }

    /// Whether an endpoint is missing altogether.
    pub fn lacks(&self, name: EndpointName) -> bool {
        self.endpoint(name).0 == Judged::Missing
    }

    const fn endpoint(&self, name: EndpointName) -> &Endpoint {
        match name {
            EndpointName::Authorization => &self.authorization_endpoint,
            EndpointName::Token => &self.token_endpoint,
            EndpointName::Jwks => &self.jwks_uri,
            EndpointName::Userinfo => &self.userinfo_endpoint,
            EndpointName::Introspection => &self.introspection_endpoint,
            EndpointName::Revocation => &self.revocation_endpoint,
            EndpointName::EndSession => &self.end_session_endpoint,
        }
    }
}
