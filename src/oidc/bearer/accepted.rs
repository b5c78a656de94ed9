//! The configuration of a provider's bearer tokens: which are accepted. No token is looked at here.

use std::rc::Rc;
use std::time::Duration;

use crate::crypto::key::{Algorithm, KeySet};

/// Which tokens of a provider are accepted as bearer tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Bearer {
    /// The audiences that are accepted outside of protected resources: one of them must be in `aud`. If there are none, no token of
    /// this provider is accepted there.
    pub audiences: Vec<String>,
    /// The audiences of the protected resources that accept its tokens. A token for one of them is for that resource alone, which the
    /// gateway checks for each request.
    pub resource_audiences: Vec<String>,
    /// The algorithms that the tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The kind of token that is accepted.
    pub kind: TokenKind,
    /// Whether the token is forwarded to the upstream.
    pub forward: bool,
    /// How the provider is asked about tokens; absent if it is not.
    pub introspection: Option<Introspection>,
    /// The keys that the tokens may be signed with.
    pub keys: BearerKeys,
}

/// Where the keys come from that verify bearer tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum BearerKeys {
    /// The keys that the provider publishes.
    Published,
    /// From the configuration: they are there from the beginning, and the provider is never asked for others.
    Configured(Rc<KeySet>),
}

/// The kinds of JWT that can be accepted as bearer tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Access tokens: JWTs without the marks of an ID token.
    AccessToken,
    /// Access tokens with the `typ` `at+jwt` (RFC 9068, section 2.1).
    AtJwt,
    /// ID tokens, too. They say who signed in and not what may be done, but some providers issue nothing else.
    IdToken,
}

/// How a provider is asked about tokens (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// Which tokens it is asked about.
    pub tokens: IntrospectedTokens,
    /// How long an answer is used at most. If zero, it is used for the one request alone.
    pub cache: Duration,
    /// What an answer without `aud` means.
    pub missing_audience: MissingAudience,
    /// The clients whose tokens are accepted, by the answer's `client_id`.
    pub clients: Clients,
    /// Who is meant by an answer without `sub`.
    pub missing_subject: MissingSubject,
}

/// Which tokens a provider is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectedTokens {
    /// Tokens that are no JWTs.
    OpaqueTokens,
    /// Its JWTs, after they were verified here.
    Jwts,
    /// All tokens.
    EveryToken,
}

impl IntrospectedTokens {
    /// Whether the provider is asked about tokens that are no JWTs.
    pub const fn include_opaque(self) -> bool {
        matches!(self, Self::OpaqueTokens | Self::EveryToken)
    }

    /// Whether the provider is asked about its JWTs.
    pub const fn include_jwts(self) -> bool {
        matches!(self, Self::Jwts | Self::EveryToken)
    }
}

/// What an introspection response without `aud` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingAudience {
    /// The token is refused, because nobody knows whom it is for.
    Refused,
    /// The token is accepted, whatever service of the provider it is for, if `token_type` says that it is an access token:
    /// `allow_missing_audience`.
    Allowed,
    /// The token is taken to be for us (`assume.audience`), because it is of one of the listed clients.
    Assumed(MissingTokenType),
}

/// What an introspection response with neither `aud` nor `token_type` means, if the audience is taken for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTokenType {
    /// The token is refused: it may be a refresh token.
    Refused,
    /// The token is taken for an access token: `assume.token_type`.
    Assumed,
}

/// The clients whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// All of the provider.
    All,
    /// These alone: `client_ids`.
    Listed(Vec<String>),
}

/// Who is meant by an introspection response without `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingSubject {
    /// The client, which acts for itself.
    Client,
    /// The person that `username` names, or the client if there is no `username` either: `subject: username`.
    Username,
}
