//! What the files of a sign-in have in common: its state after the token response and after the verification of the ID token, the
//! provider at which it was begun, and the refusal without an attempt. It verifies nothing.

use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::id_token::IdToken;
use crate::oidc::token::tokens::TokenSet;
use crate::session::attempt::Attempt;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

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

/// The provider at which the sign-in was begun.
///
/// # Errors
/// [`Reason::AttemptMissing`] when a new configuration no longer has it.
pub(super) fn provider<'a>(settings: &'a Settings, attempt: &Attempt) -> Result<&'a ProviderSettings, Failure> {
    let provider = settings.provider(&attempt.provider);
    provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, "its provider is no longer configured"))
}

/// The failure of a sign-in whose attempt's cookie did not come with the request; `cross_site` says whether the cookie is
/// `SameSite=None`.
pub(super) fn no_attempt(settings: &Settings, visit: &Visit, reason: Reason, cross_site: bool) -> Failure {
    let (host, limit) = (&visit.request.authority, settings.session.attempt_timeout.as_secs());
    let same_site = if cross_site { "None" } else { "Lax" };
    Failure::new(reason, format!("looked for the attempt's cookie: host {host}, SameSite={same_site}, good for {limit} s"))
}
