//! Refreshes the tokens of sessions that live as long as these: which sessions are due, which worker asks the provider, and what
//! becomes of the session after the reply (OpenID Connect Core, section 12). The request that finds its session due goes on with
//! the tokens that it has, or waits once they have ended. It never asks the provider itself: its client could leave, and the new
//! tokens would be lost. A refresh token can be used once, so workers agree by a lease, and share the refreshed session in shared
//! memory; replicas agree by the store that they share, if there is one.

mod agreement;
mod due;
mod outcome;
mod verification;
mod waiting;

use std::time::Duration;

use crate::http::message::Reply;
use crate::oidc::token::refresh::{Explanation, RefreshError, refresh_request, refresh_response};
use crate::session::content::Session;
use crate::session::remembered::agreed::Left;
use crate::session::remembered::refreshed::{lease_key, newer};
use crate::step::decision::News;
use crate::step::event::Aftermath;
use crate::upkeep::documents::Documents;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::lease::{self, Grant, Urgency};
use crate::upkeep::refresh::agreement::{Agreement, Asked, Refresher};
use crate::upkeep::refresh::due::{DueSession, Stage};
use crate::upkeep::refresh::outcome::{end_session, forget, is_settled, provider_of, retry_later, take};
use crate::upkeep::refresh::verification::{KeyFetch, verify_and_keep};
use crate::upkeep::turn::Turn;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

/// A refresh that failed is tried again until this long after the last request of its session.
const LONGEST_INTEREST: Duration = Duration::from_secs(120);

/// The most sessions that one worker holds for a refresh at a time, each with its tokens. Beyond that, a provider that has fewer
/// than an equal share of them may still add its own: a provider that does not answer must not stop the refreshes of others.
const MOST_WANTED: usize = 1_000;

/// While another replica refreshes a session, look for the result after this time, then after twice this time, and so on.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// The longest time between two looks: a result that is there must be found while requests wait for it.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The sessions that this worker is to refresh.
#[derive(Default)]
pub struct Refreshes {
    due: Vec<DueSession>,
    agreement: Agreement,
}

impl Refreshes {
    /// Whether no session is to be refreshed.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Remembers that a session is due; returns `false` if there is no room for it.
    pub fn want(&mut self, documents: &Documents, session: &Session, now: Timestamp) -> bool {
        let share = documents.room_per_provider(MOST_WANTED);
        let of_same = || self.due.iter().filter(|due| due.session.provider == session.provider).count();
        let room = self.due.len() < MOST_WANTED || of_same() < share;
        match self.due.iter_mut().find(|due| due.session.id == session.id) {
            Some(due) if due.session.tokens.refreshed >= session.tokens.refreshed => due.last_requested = now,
            Some(due) => *due = DueSession::new(session.clone(), now),
            None if room => self.due.push(DueSession::new(session.clone(), now)),
            None => return false,
        }
        true
    }

    /// The news for a request that waits for a session's new tokens until the given time. A session that is no longer to be
    /// refreshed is ready: the request then finds out itself whether it was refreshed or has ended.
    pub(super) fn news(&self, now: Timestamp, session: &str, until: Timestamp) -> Option<News> {
        match self.due.iter().find(|due| due.session.id == session) {
            None => Some(News::Ready),
            Some(due) => (now >= until || due.not_before >= until).then_some(News::Missing(Reason::RefreshUnavailable)),
        }
    }

    /// Goes on with every session that is to be refreshed: asks who refreshes it, or the provider, or verifies tokens whose key has
    /// come.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) {
        let Self { due, agreement } = self;
        agreement.look_after(turn);
        due.retain_mut(|due| match std::mem::replace(&mut due.stage, Stage::Due) {
            waiting @ (Stage::Asked(until) | Stage::Claiming(until) | Stage::Elsewhere(until)) if turn.now < until => {
                due.stage = waiting;
                true
            }
            Stage::Elsewhere(_) if turn.now < due.leased_until || due.refused.is_some() => agree(turn, agreement, due),
            // The store has not answered.
            Stage::Claiming(_) if due.refused.is_some() => go_on(turn, agreement, due),
            Stage::Asked(_) | Stage::Claiming(_) | Stage::Elsewhere(_) | Stage::Due => begin(turn, agreement, due),
            Stage::Verifying { tokens, newer_than, until } => {
                let keys = turn.keys(&due.session.provider);
                let are_newer = keys.is_some_and(|keys| newer_than.is_none_or(|moment| keys.fetched > moment));
                if turn.now < until && !are_newer {
                    due.stage = Stage::Verifying { tokens, newer_than, until };
                    return true;
                }
                let keys = if are_newer { KeyFetch::Succeeded } else { KeyFetch::Failed };
                verify_and_keep(turn, agreement, due, tokens, keys)
            }
        });
    }

    /// Takes the store's answer to the question who refreshes a session.
    pub(super) fn claim_answered(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let Self { due: all, agreement } = self;
        agreement.came(session);
        let claims = |due: &DueSession| due.is(session) && due.refused.is_none() && matches!(due.stage, Stage::Claiming(_));
        let Some(position) = all.iter().position(claims) else {
            // Under an earlier configuration, it was asked for a list that is gone. The claim is this process's, whoever begins again.
            if all.iter().all(|due| due.session.id != session.id || matches!(due.stage, Stage::Due)) {
                forget(turn, session);
            }
            return;
        };
        let mut due = all.remove(position);
        let Some(provider) = provider_of(turn.settings, session) else { return };
        let refresher = agreement.claimed(turn, provider, session, reply);
        due.claimed = matches!(refresher, Refresher::Here { claimed: true });
        due.stage = Stage::Due;
        let wanted = match refresher {
            Refresher::Finished(newer) => {
                take(turn, session, &newer);
                forget(turn, session)
            }
            Refresher::Here { .. } => ask_provider(turn, agreement, &mut due),
            // A claim may end just between two commands of the store. What says so twice in a row is no honest one.
            Refresher::Nobody if due.vanished => ask_provider(turn, agreement, &mut due),
            Refresher::Nobody | Refresher::Elsewhere => {
                due.vanished = matches!(refresher, Refresher::Nobody);
                wait_for_others(turn, agreement, &mut due)
            }
        };
        if wanted {
            all.push(due);
        }
    }

    /// Takes what the store has under the name of a refresh that failed. Another replica may have new tokens: it could not reach the
    /// store, or has claimed the refresh after this process did.
    pub(super) fn look_answered(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let Self { due: all, agreement } = self;
        agreement.came(session);
        let Some(position) = all.iter().position(|due| due.is(session)) else { return };
        let refresher = agreement.looked(turn, session, reply);
        let mut due = all.remove(position);
        let wanted = match (refresher, &due.stage) {
            (Refresher::Finished(newer), _) => {
                take(turn, session, &newer);
                if due.refused.is_some() {
                    forget(turn, session);
                }
                false
            }
            (Refresher::Elsewhere, Stage::Claiming(_)) if due.refused.is_some() => wait_for_others(turn, agreement, &mut due),
            (_, Stage::Claiming(_)) if due.refused.is_some() => go_on(turn, agreement, &mut due),
            (Refresher::Here { claimed: true }, Stage::Due) => {
                agreement.give_up(turn, session, due.not_before);
                true
            }
            _ => true,
        };
        if wanted {
            all.push(due);
        }
    }

    /// Takes the store's answer to what was left there for other replicas.
    pub(super) fn left(&mut self, turn: &mut Turn<'_>, left: &Left, reply: &Reply) {
        self.agreement.left(turn, left, reply);
    }

    /// Takes the provider's reply for a session. The session is passed along, because it may have been asked for under an earlier
    /// configuration, whose list is gone.
    pub(super) fn fetch_answered(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let Self { due: all, agreement } = self;
        let known = all.iter().position(|due| due.is(session)).map(|position| all.remove(position));
        // Meanwhile, somebody has brought a cookie from after a refresh of another replica. Nothing ends that session, or delays it.
        let is_outdated = all.iter().any(|due| due.is_after(session));
        let last_requested = known.as_ref().map_or(turn.now, |due| due.last_requested);
        let claimed = known.is_some_and(|due| due.claimed);
        let mut due = DueSession { claimed, ..DueSession::new(session.clone(), last_requested) };
        let Some(provider) = provider_of(turn.settings, session) else { return };
        let answer = match turn.metadata(&session.provider) {
            Some(metadata) => refresh_response(&provider.oidc, &metadata, reply),
            None => {
                Err(RefreshError::Failed(Failure::new(Reason::MetadataUnavailable, "the metadata were lost while refreshing")))
            }
        };
        let wanted = match answer {
            Ok(tokens) => verify_and_keep(turn, agreement, &mut due, tokens, KeyFetch::NotTried),
            Err(_) if is_outdated || is_settled(turn, session) => forget(turn, session),
            Err(RefreshError::Refused(failure, explanation)) => {
                let aftermath = match explanation {
                    Explanation::Given => Aftermath::Ended,
                    Explanation::Missing => Aftermath::EndedUnexplained,
                };
                due.refused = Some((failure, aftermath));
                agree(turn, agreement, &mut due)
            }
            Err(RefreshError::Failed(failure)) => retry_later(turn, agreement, &mut due, failure),
        };
        if wanted && !is_outdated {
            all.push(due);
        }
    }
}

/// Begins the refresh of a session, unless another worker does or did. Returns whether the session is still to be refreshed.
fn begin(turn: &mut Turn<'_>, agreement: &mut Agreement, due: &mut DueSession) -> bool {
    let (session, now) = (&due.session, turn.now);
    let Some(provider) = provider_of(turn.settings, session).filter(|_| session.tokens.refresh_token.is_some()) else {
        return false;
    };
    if now.since(due.last_requested) > LONGEST_INTEREST {
        return false;
    }
    // While a provider is down, many sessions wait for it. Without this, reading shared memory for each of them at every tick
    // would keep the worker from its requests.
    if now < due.not_before || !agreement.has_room(turn) {
        return true;
    }
    if has_newer(turn, session) || turn.ended.has_session(turn.world, session, now) {
        return false;
    }
    if turn.metadata(&session.provider).is_none() {
        return true;
    }
    let span = agreement::patience(turn.settings).saturating_add(agreement::span(turn.settings, provider));
    match lease::acquire(turn.world, &lease_key(session), now, span, Urgency::Due) {
        Grant::Granted => {
            due.leased_until = now.plus(span);
            return agree(turn, agreement, due);
        }
        Grant::InProgress => {}
        Grant::NotBefore(moment) => due.not_before = moment,
    }
    true
}

/// Asks the store whether this process may refresh a session for which this worker holds the lease; without one, asks the provider.
fn agree(turn: &mut Turn<'_>, agreement: &mut Agreement, due: &mut DueSession) -> bool {
    let Some(provider) = provider_of(turn.settings, &due.session) else { return false };
    // If the session has ended while another replica refreshes it, the new refresh token is looked for once, to be given back.
    if is_settled(turn, &due.session) && (due.elsewhere.is_none() || has_newer(turn, &due.session)) {
        return forget(turn, &due.session);
    }
    due.claimed = false;
    due.stage = match agreement.ask(turn, provider, due) {
        Asked::Until(until) => Stage::Claiming(until),
        Asked::Later => Stage::Elsewhere(turn.now),
        Asked::Nobody => return go_on(turn, agreement, due),
    };
    true
}

/// Whether another worker has just finished.
fn has_newer(turn: &Turn<'_>, session: &Session) -> bool {
    newer(turn.world, &turn.settings.sealer, session).is_some()
}

/// Goes on when no other replica refreshes the session: ends it if the provider has refused its refresh token, else asks the provider.
fn go_on(turn: &mut Turn<'_>, agreement: &mut Agreement, due: &mut DueSession) -> bool {
    match due.refused.take() {
        Some((failure, aftermath)) => end_session(turn, &due.session, failure, aftermath),
        None => ask_provider(turn, agreement, due),
    }
}

/// Asks the provider for new tokens.
fn ask_provider(turn: &mut Turn<'_>, agreement: &mut Agreement, due: &mut DueSession) -> bool {
    let (session, now) = (&due.session, turn.now);
    let (Some(provider), Some(refresh_token)) = (provider_of(turn.settings, session), &session.tokens.refresh_token) else {
        return forget(turn, session);
    };
    // The store took so long that another worker may have begun.
    if now >= due.leased_until {
        return true;
    }
    if is_settled(turn, session) {
        return forget(turn, session);
    }
    let Some(metadata) = turn.metadata(&session.provider) else { return true };
    let call = match refresh_request(turn.world, &provider.oidc, &metadata, refresh_token) {
        Ok(call) => call,
        Err(failure) => return retry_later(turn, agreement, due, failure),
    };
    let until = now.plus(agreement::span(turn.settings, provider));
    lease::prolong(turn.world, &lease_key(session), until);
    let errand = Errand::Refresh(Box::new(session.clone()));
    turn.fetches.push(Fetch { provider: session.provider.clone(), errand, call, began: now });
    (due.stage, due.leased_until, due.elsewhere) = (Stage::Asked(until), until, None);
    true
}

/// Waits until another replica has refreshed the session: as long as its claim lasts, and that of the one that follows if it dies.
/// After that, goes on as without a store.
fn wait_for_others(turn: &mut Turn<'_>, agreement: &mut Agreement, due: &mut DueSession) -> bool {
    let Some(provider) = provider_of(turn.settings, &due.session) else { return forget(turn, &due.session) };
    let (since, look_after) = due.elsewhere.unwrap_or((turn.now, FIRST_LOOK));
    if turn.ended.has_uncached(turn.world, &due.session, turn.now) {
        return forget(turn, &due.session);
    }
    if turn.now.since(since) > agreement::claimed_for(turn.settings, provider).saturating_mul(2) {
        return go_on(turn, agreement, due);
    }
    due.elsewhere = Some((since, look_after.saturating_mul(2).min(LONGEST_PAUSE)));
    due.stage = Stage::Elsewhere(turn.now.plus(look_after));
    true
}
