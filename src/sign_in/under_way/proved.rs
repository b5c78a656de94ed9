//! The state of a sign-in after the token response, and after the verification of the ID token. Nothing is verified here.

use crate::oidc::id_token::IdToken;
use crate::oidc::token::tokens::TokenSet;
use crate::session::attempt::Attempt;

/// A sign-in whose code was exchanged for tokens. Nothing of them is verified yet.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Exchanged {
    pub attempt: Attempt,
    pub tokens: TokenSet,
}

/// A sign-in whose ID token was verified.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Proved {
    pub attempt: Attempt,
    pub tokens: TokenSet,
    /// The ID token; its claims include those that the userinfo endpoint added.
    pub id_token: IdToken,
}
