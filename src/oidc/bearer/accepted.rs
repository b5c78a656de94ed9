//! Which tokens of a provider are accepted as bearer tokens, as it is configured. No token is looked at here.

use std::rc::Rc;
use std::time::Duration;

use crate::crypto::key::{Algorithm, KeySet};

/// Which tokens of a provider are accepted as bearer tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Bearer {
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// The algorithms that they may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Which kind of token.
    pub kind: TokenKind,
    /// Whether the upstream gets the token too.
    pub forward: bool,
    /// How the provider is asked about tokens, if it is.
    pub introspection: Option<Introspection>,
    /// What verifies them.
    pub keys: BearerKeys,
}

/// What verifies bearer tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum BearerKeys {
    /// The keys that the provider publishes.
    Published,
    /// Keys of the configuration. They are there from the beginning, and the provider is never asked for others.
    Configured(Rc<KeySet>),
}

/// Which kind of JWT is an acceptable bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// One that does not look like an ID token.
    AccessToken,
    /// One that says `at+jwt` of itself (RFC 9068, section 2.1).
    AtJwt,
    /// ID tokens too. They say who signed in, not what may be done; some providers have nothing else.
    IdToken,
}

/// How a provider is asked about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// IntrospectedTokens which.
    pub tokens: IntrospectedTokens,
    /// For how long an answer counts at most; zero for this one request only.
    pub cache: Duration,
    /// What an answer without `aud` means.
    pub missing_audience: MissingAudience,
}

/// Which tokens a provider is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectedTokens {
    /// Those that are no JWTs.
    OpaqueTokens,
    /// Its JWTs, which must be good by themselves too.
    Jwts,
    /// Both.
    EveryToken,
}

impl IntrospectedTokens {
    /// Whether it is asked about tokens that are no JWTs.
    pub const fn include_opaque(self) -> bool {
        matches!(self, Self::OpaqueTokens | Self::EveryToken)
    }

    /// Whether it is asked about its JWTs.
    pub const fn include_jwts(self) -> bool {
        matches!(self, Self::Jwts | Self::EveryToken)
    }
}

/// What an answer without `aud` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingAudience {
    /// Nobody knows whom the token is for, so that it is not for us.
    Refused,
    /// `allow_missing_audience`: any service's token of that provider is one for us.
    Allowed,
}
