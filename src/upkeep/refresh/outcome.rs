//! What becomes of a session that was to be refreshed: it has its new tokens, it has ended, or it is tried again. Which of these
//! is true is not decided here.

use crate::config::settings::{ProviderSettings, Settings};
use crate::session::content::Session;
use crate::session::remembered::refreshed::{keep, lease_key, newer};
use crate::step::event::{Aftermath, Event};
use crate::upkeep::lease;
use crate::upkeep::refresh::agreement::Agreement;
use crate::upkeep::refresh::due::DueSession;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::secret::Secret;

/// Whether there is nothing to refresh any more: another worker has just finished, or the session has ended.
pub(super) fn is_settled(turn: &mut Turn<'_>, session: &Session) -> bool {
    newer(turn.world, &turn.settings.sealer, session).is_some() || turn.ended.has_uncached(turn.world, session, turn.now)
}

/// Takes the session that another replica has refreshed, unless it has ended: then nobody gets the new tokens.
pub(super) fn take(turn: &mut Turn<'_>, session: &Session, refreshed: &Session) {
    if turn.ended.has_uncached(turn.world, session, turn.now) {
        give_back(turn, &session.provider, refreshed.tokens.refresh_token.as_ref());
    } else if !is_settled(turn, session) && keep(turn.world, &turn.settings.sealer, refreshed, turn.now).is_ok() {
        turn.events.push(Event::RefreshedElsewhere { provider: session.provider.clone() });
    }
}

/// Has the new refresh token of a session that has ended meanwhile given back to the provider.
pub(super) fn give_back(turn: &mut Turn<'_>, provider: &str, refresh_token: Option<&Secret>) {
    turn.needless.extend(refresh_token.map(|token| (provider.to_owned(), token.clone())));
}

/// Gives the lease back; returns that the session is not to be refreshed any more.
pub(super) fn forget(turn: &mut Turn<'_>, session: &Session) -> bool {
    lease::release(turn.world, &lease_key(session));
    false
}

/// Ends the session everywhere; returns that it is not to be refreshed again.
pub(super) fn end_session(turn: &mut Turn<'_>, session: &Session, failure: Failure, aftermath: Aftermath) -> bool {
    turn.ended.mark(turn.world, session);
    turn.events.push(refreshed_event(session, Some((failure, aftermath))));
    forget(turn, session)
}

/// The session's provider, if it is still configured as it was when the session began.
pub(super) fn provider_of<'a>(settings: &'a Settings, session: &Session) -> Option<&'a ProviderSettings> {
    settings.provider(&session.provider).filter(|provider| provider.fingerprint == session.fingerprint)
}

/// Leaves the session as it is, to be tried again after a delay, by another replica if that is sooner; returns that it is still
/// to be refreshed.
pub(super) fn retry_later(turn: &mut Turn<'_>, agreement: &mut Agreement, due: &mut DueSession, failure: Failure) -> bool {
    (due.elsewhere, due.vanished) = (None, false);
    due.not_before = lease::back_off(turn.world, &lease_key(&due.session), turn.now);
    if std::mem::take(&mut due.claimed) {
        agreement.look_before_giving_up(turn, &due.session);
    }
    turn.events.push(refreshed_event(&due.session, Some((failure, Aftermath::TriedAgain))));
    true
}

/// What is told about a refresh that has ended.
pub(super) fn refreshed_event(session: &Session, failure: Option<(Failure, Aftermath)>) -> Event {
    Event::Refreshed { provider: session.provider.clone(), subject: session.subject.clone(), failure }
}
