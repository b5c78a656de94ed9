//! The fingerprint of the settings that a session depends on: when one of them changes, everybody signs in again. The text that
//! is digested must stay the same across versions, even when the types change that it is made from; otherwise an upgrade would
//! end all sessions.

use crate::access::requirement::kept_members::KeptMembers;
use crate::config::settings::Forward;
use crate::oidc::provider::Provider;
use crate::session::content::Fingerprint;
use crate::words::principal::ClaimPath;

/// What all sessions depend on, wherever they began.
pub(crate) struct Bound<'a> {
    /// The claims that sessions keep.
    pub(crate) claims: &'a [ClaimPath],
    /// What sessions keep of lists, where they do not keep them whole.
    pub(crate) members: &'a KeptMembers,
    pub(crate) forward: Forward,
    pub(crate) follow_provider: bool,
}

impl Bound<'_> {
    /// The fingerprint of sessions that begin at this provider. `looked_up` says how the user service finds people; empty if it
    /// is not asked.
    pub(crate) fn of_provider(&self, provider: &Provider, looked_up: Vec<String>) -> Fingerprint {
        let source = [&provider.name, provider.issuer(), &provider.client_id].map(str::to_owned);
        let source: Vec<_> = source.into_iter().chain(looked_up).collect();
        self.of(&source)
    }

    /// The fingerprint of sessions that begin at the `source`, which is described by these texts.
    pub(crate) fn of(&self, source: &[String]) -> Fingerprint {
        let follows = if self.follow_provider { " FollowProvider" } else { "" };
        let forward = format!("{:?}{follows}", self.forward);
        let claims = self.claims.iter().map(|claim| format!("{claim:?}"));
        // Where all lists are kept whole, nothing is added: such sessions live on when Accredit is upgraded.
        let members = self.members.written().map(|members| format!("of {members}"));
        let kept: Vec<_> = claims.chain(members).collect();
        Fingerprint::of(source.iter().map(String::as_str).chain([forward.as_str()]).chain(kept.iter().map(String::as_str)))
    }
}
