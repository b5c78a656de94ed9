//! A session to be refreshed, and how far that is. Nothing is asked or decided here.

use std::time::Duration;

use crate::oidc::token::tokens::RefreshedTokens;
use crate::session::content::Session;
use crate::step::event::Aftermath;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// A session to be refreshed.
pub(super) struct DueSession {
    pub(super) session: Session,
    /// When a request last found it due.
    pub(super) last_requested: Timestamp,
    /// No attempt before this time.
    pub(super) not_before: Timestamp,
    /// Until when this worker holds the lease of this session.
    pub(super) leased_until: Timestamp,
    /// Since when another replica is to refresh it, and after which time this worker looks for that again.
    pub(super) elsewhere: Option<(Timestamp, Duration)>,
    /// Whether a claim of this process stands in the store, for longer than an attempt takes.
    pub(super) claimed: bool,
    /// Whether the store's last answer was that a claim had ended between two of its commands.
    pub(super) vanished: bool,
    /// The provider has refused the refresh token: the session ends, unless another replica has new tokens, or is about to get them.
    pub(super) refused: Option<(Failure, Aftermath)>,
    pub(super) stage: Stage,
}

/// How far a refresh is.
pub(super) enum Stage {
    /// This worker has not asked the provider, or not since the last failure.
    Due,
    /// The store was asked who refreshes it; its answer is expected before this time.
    Claiming(Timestamp),
    /// Another replica refreshes it. This worker looks for the result at this time.
    Elsewhere(Timestamp),
    /// The provider was asked; its reply is expected before this time.
    Asked(Timestamp),
    /// The new tokens are here, but not the key that signed the ID token. It is waited for until then.
    Verifying { tokens: RefreshedTokens, newer_than: Option<Timestamp>, until: Timestamp },
}

impl DueSession {
    pub(super) const fn new(session: Session, last_requested: Timestamp) -> Self {
        let never = Timestamp::from_millis(0);
        Self {
            session,
            last_requested,
            not_before: never,
            leased_until: never,
            elsewhere: None,
            claimed: false,
            vanished: false,
            refused: None,
            stage: Stage::Due,
        }
    }

    /// Whether it is this session, after the same refresh.
    pub(super) fn is(&self, session: &Session) -> bool {
        self.session.id == session.id && self.session.tokens.refreshed == session.tokens.refreshed
    }

    /// Whether it is this session, after a later refresh.
    pub(super) fn is_after(&self, session: &Session) -> bool {
        self.session.id == session.id && self.session.tokens.refreshed > session.tokens.refreshed
    }
}
