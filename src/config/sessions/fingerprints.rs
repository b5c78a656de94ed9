//! What sessions are bound to: when any of it changes, everybody signs in again. The text that is digested stays as it is, whatever
//! becomes of the types that it tells of.

use crate::config::settings::Forward;
use crate::oidc::provider::Provider;
use crate::session::content::Fingerprint;
use crate::words::principal::ClaimPath;

/// What all sessions are bound to, besides who made them.
pub(crate) struct Bound<'a> {
    /// The claims that are kept.
    pub(crate) claims: &'a [ClaimPath],
    /// Which tokens go upstream.
    pub(crate) forward: Forward,
    /// Whether sessions end with the provider's tokens.
    pub(crate) follow_provider: bool,
}

impl Bound<'_> {
    /// Of sessions that a provider makes, whose people are `looked_up` so.
    pub(crate) fn of_provider(&self, provider: &Provider, looked_up: Vec<String>) -> Fingerprint {
        let source = [&provider.name, provider.issuer(), &provider.client_id].map(str::to_owned);
        let source: Vec<_> = source.into_iter().chain(looked_up).collect();
        self.of(&source)
    }

    /// Of sessions that have this source.
    pub(crate) fn of(&self, source: &[String]) -> Fingerprint {
        let follows = if self.follow_provider { " FollowProvider" } else { "" };
        let forward = format!("{:?}{follows}", self.forward);
        let claims: Vec<_> = self.claims.iter().map(|claim| format!("{claim:?}")).collect();
        Fingerprint::of(source.iter().map(String::as_str).chain([forward.as_str()]).chain(claims.iter().map(String::as_str)))
    }
}
