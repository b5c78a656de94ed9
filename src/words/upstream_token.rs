//! The token of its own that an application gets, in place of the one that a request brings: by which grant it is asked for, where, and
//! for whom it is. Nobody is asked for one here, and none is judged.

/// Which token a rule wants for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamToken {
    /// How it is asked for.
    pub grant: Grant,
    /// The configured name of the provider that is asked; `None` for the one that vouches for whoever sends the request.
    pub provider: Option<String>,
    /// For whom it is, by the provider's name for them (RFC 8693, section 2.1).
    pub audience: Option<String>,
    /// For whom it is, by their URI (RFC 8693, section 2.1; RFC 8707, section 2).
    pub resource: Option<String>,
    /// The most that it may allow (RFC 6749, section 3.3); the provider's choice if there is nothing.
    pub scope: Vec<String>,
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The token of whoever sends the request is exchanged (RFC 8693) for one of this type.
    TokenExchange(TokenType),
    /// Our own client asks for itself (RFC 6749, section 4.4).
    ClientCredentials,
}

impl Grant {
    /// The name of the member of a rule's `forward` that asks for it.
    pub const fn member(self) -> &'static str {
        match self {
            Self::TokenExchange(_) => "token_exchange",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// What a token is, by the identifiers of RFC 8693, section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token, in whatever form.
    AccessToken,
    /// A JWT. Some providers issue opaque access tokens unless they are asked for this.
    Jwt,
}

impl TokenType {
    /// The registered identifier.
    pub const fn identifier(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}
