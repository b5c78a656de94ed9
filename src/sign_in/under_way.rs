//! What all that bring a sign-in to its end have in common: the provider that was asked, what it has vouched for, and what to say of
//! an attempt that did not come along.

use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::id_token::IdToken;
use crate::oidc::tokens::TokenSet;
use crate::session::attempt::Attempt;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// What a code was exchanged for: tokens of which nothing is verified yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchanged {
    /// What was known when the sign-in began.
    pub attempt: Attempt,
    /// The tokens.
    pub tokens: TokenSet,
}

/// What a provider has vouched for: an ID token that was verified, and the tokens that came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proved {
    /// What was known when the sign-in began.
    pub attempt: Attempt,
    /// The tokens.
    pub tokens: TokenSet,
    /// The ID token, and what userinfo added to its claims.
    pub id_token: IdToken,
}

/// The provider that was asked.
///
/// # Errors
/// [`Reason::AttemptMissing`] when a new configuration no longer has it.
pub(super) fn provider<'a>(settings: &'a Settings, attempt: &Attempt) -> Result<&'a ProviderSettings, Failure> {
    let provider = settings.provider(&attempt.provider);
    provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, "its provider is no longer configured"))
}

/// The refusal of an answer whose attempt did not come along.
pub(super) fn no_attempt(settings: &Settings, visit: &Visit, reason: Reason, cross_site: bool) -> Failure {
    let (host, limit) = (&visit.request.authority, settings.session.attempt_timeout.as_secs());
    let same_site = if cross_site { "None" } else { "Lax" };
    Failure::new(reason, format!("looked for the attempt's cookie: host {host}, SameSite={same_site}, good for {limit} s"))
}
