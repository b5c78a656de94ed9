//! Refreshes the tokens of sessions that live as long as these: which sessions are due, which worker asks the provider, and what
//! becomes of the session after the reply (OpenID Connect Core, section 12). The request that finds its session due goes on with
//! the tokens that it has, or waits once they have ended. It never asks the provider itself: its client could leave, and the new
//! tokens would be lost. A refresh token can be used once, so workers agree by a lease, and share the refreshed session in shared
//! memory; replicas agree by the store that they share, if there is one.

mod agreement;

use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::Reply;
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdToken, IdTokenError, IssuedWith};
use crate::oidc::token::refresh::{Explanation, RefreshError, refresh_request, refresh_response, same_person};
use crate::oidc::token::tokens::RefreshedTokens;
use crate::session::content::Session;
use crate::session::remembered::refreshed::{keep, lease_key, newer};
use crate::step::decision::{News, Resource};
use crate::step::event::{Aftermath, Event};
use crate::upkeep::documents::{Documents, HeldKeys};
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::lease::{self, Grant, Urgency};
use crate::upkeep::refresh::agreement::{Agreement, Refresher};
use crate::upkeep::tokens::with_new_tokens;
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

/// A session to be refreshed.
struct DueSession {
    session: Session,
    /// When a request last found it due.
    last_requested: Timestamp,
    /// No attempt before this time.
    not_before: Timestamp,
    /// Until when this worker holds the lease of this session.
    leased_until: Timestamp,
    /// Since when another replica is to refresh it, and after which time this worker looks for that again.
    elsewhere: Option<(Timestamp, Duration)>,
    stage: Stage,
}

enum Stage {
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
    const fn new(session: Session, last_requested: Timestamp) -> Self {
        let never = Timestamp::from_millis(0);
        Self { session, last_requested, not_before: never, leased_until: never, elsewhere: None, stage: Stage::Due }
    }
}

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
        let agreement = &self.agreement;
        self.due.retain_mut(|due| match std::mem::replace(&mut due.stage, Stage::Due) {
            waiting @ (Stage::Asked(until) | Stage::Claiming(until) | Stage::Elsewhere(until)) if turn.now < until => {
                due.stage = waiting;
                true
            }
            Stage::Elsewhere(_) if turn.now < due.leased_until => agree(turn, agreement, due),
            Stage::Asked(_) | Stage::Claiming(_) | Stage::Elsewhere(_) | Stage::Due => begin(turn, agreement, due),
            Stage::Verifying { tokens, newer_than, until } => {
                let keys = turn.keys(&due.session.provider);
                let are_newer = keys.is_some_and(|keys| newer_than.is_none_or(|moment| keys.fetched > moment));
                if turn.now < until && !are_newer {
                    due.stage = Stage::Verifying { tokens, newer_than, until };
                    return true;
                }
                let keys = if are_newer { KeyFetch::Succeeded } else { KeyFetch::Failed };
                verify_and_keep(turn, due, tokens, keys)
            }
        });
    }

    /// Takes the store's answer to the question who refreshes a session.
    pub(super) fn claim_answered(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let asked = |due: &DueSession| {
            let same = due.session.id == session.id && due.session.tokens.refreshed == session.tokens.refreshed;
            same && matches!(due.stage, Stage::Claiming(_))
        };
        // Under an earlier configuration, it was asked for a list that is gone. The claim is this process's, whoever begins again.
        let Some(position) = self.due.iter().position(asked) else { return };
        let mut due = self.due.remove(position);
        let Some(provider) = provider_of(turn.settings, session) else { return };
        let wanted = match self.agreement.answered(turn, provider, session, reply) {
            Refresher::Here => ask_provider(turn, &mut due),
            Refresher::Finished(newer) => take(turn, &due.session, &newer),
            Refresher::Nobody => {
                due.stage = Stage::Elsewhere(turn.now);
                true
            }
            Refresher::Elsewhere => wait_for_others(turn, &mut due),
        };
        if wanted {
            self.due.push(due);
        }
    }

    /// Takes the store's answer to what was left there for other replicas.
    pub(super) fn left(&mut self, turn: &mut Turn<'_>, reply: &Reply) {
        self.agreement.left(turn, reply);
    }

    /// Takes the provider's reply for a session. The session is passed along, because it may have been asked for under an earlier
    /// configuration, whose list is gone.
    pub(super) fn fetch_answered(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let last_requested = self.due.iter().find(|due| due.session.id == session.id).map_or(turn.now, |due| due.last_requested);
        self.due.retain(|due| due.session.id != session.id);
        let mut due = DueSession::new(session.clone(), last_requested);
        let Some(provider) = provider_of(turn.settings, session) else { return };
        let answer = match turn.metadata(&session.provider) {
            Some(metadata) => refresh_response(&provider.oidc, &metadata, reply),
            None => {
                Err(RefreshError::Failed(Failure::new(Reason::MetadataUnavailable, "the metadata were lost while refreshing")))
            }
        };
        let wanted = match answer {
            Ok(tokens) => verify_and_keep(turn, &mut due, tokens, KeyFetch::NotTried),
            Err(_) if turn.ended.has_uncached(turn.world, session, turn.now) => forget(turn, session),
            Err(RefreshError::Refused(failure, Explanation::Given)) => end_session(turn, session, failure, Aftermath::Ended),
            Err(RefreshError::Refused(failure, Explanation::Missing)) => {
                end_session(turn, session, failure, Aftermath::EndedUnexplained)
            }
            Err(RefreshError::Failed(failure)) => retry_later(turn, &mut due, failure),
        };
        if wanted {
            self.due.push(due);
        }
    }
}

/// Begins the refresh of a session, unless another worker does or did. Returns whether the session is still to be refreshed.
fn begin(turn: &mut Turn<'_>, agreement: &Agreement, due: &mut DueSession) -> bool {
    let (session, now) = (&due.session, turn.now);
    let Some(provider) = provider_of(turn.settings, session).filter(|_| session.tokens.refresh_token.is_some()) else {
        return false;
    };
    if now.since(due.last_requested) > LONGEST_INTEREST {
        return false;
    }
    // While a provider is down, many sessions wait for it. Without this, reading shared memory for each of them at every tick
    // would keep the worker from its requests.
    if now < due.not_before {
        return true;
    }
    let sealer = &turn.settings.sealer;
    if newer(turn.world, sealer, session).is_some() || turn.ended.has_session(turn.world, session, now) {
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
fn agree(turn: &mut Turn<'_>, agreement: &Agreement, due: &mut DueSession) -> bool {
    let Some(provider) = provider_of(turn.settings, &due.session) else { return false };
    if is_settled(turn, &due.session) {
        return forget(turn, &due.session);
    }
    match agreement.ask(turn, provider, &due.session) {
        Some(until) => {
            due.stage = Stage::Claiming(until);
            true
        }
        None => ask_provider(turn, due),
    }
}

/// Asks the provider for new tokens.
fn ask_provider(turn: &mut Turn<'_>, due: &mut DueSession) -> bool {
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
        Err(failure) => return retry_later(turn, due, failure),
    };
    let until = now.plus(agreement::span(turn.settings, provider));
    lease::prolong(turn.world, &lease_key(session), until);
    let errand = Errand::Refresh(Box::new(session.clone()));
    turn.fetches.push(Fetch { provider: session.provider.clone(), errand, call, began: now });
    (due.stage, due.leased_until, due.elsewhere) = (Stage::Asked(until), until, None);
    true
}

/// Whether there is nothing to refresh any more: another worker has just finished, or the session has ended.
fn is_settled(turn: &mut Turn<'_>, session: &Session) -> bool {
    newer(turn.world, &turn.settings.sealer, session).is_some() || turn.ended.has_uncached(turn.world, session, turn.now)
}

/// Waits until another replica has refreshed the session: as long as its claim lasts, and that of the one that follows if it dies.
/// After that, goes on as without a store.
fn wait_for_others(turn: &mut Turn<'_>, due: &mut DueSession) -> bool {
    let Some(provider) = provider_of(turn.settings, &due.session) else { return forget(turn, &due.session) };
    let (since, look_after) = due.elsewhere.unwrap_or((turn.now, FIRST_LOOK));
    if turn.now.since(since) > agreement::claimed_for(turn.settings, provider).saturating_mul(2) {
        return ask_provider(turn, due);
    }
    due.elsewhere = Some((since, look_after.saturating_mul(2)));
    due.stage = Stage::Elsewhere(turn.now.plus(look_after));
    true
}

/// Takes the session that another replica has refreshed, unless it has ended.
fn take(turn: &mut Turn<'_>, session: &Session, refreshed: &Session) -> bool {
    if !is_settled(turn, session) && keep(turn.world, &turn.settings.sealer, refreshed, turn.now).is_ok() {
        turn.events.push(Event::RefreshedElsewhere { provider: session.provider.clone() });
    }
    forget(turn, session)
}

/// Gives the lease back; returns that the session is not to be refreshed any more.
fn forget(turn: &mut Turn<'_>, session: &Session) -> bool {
    lease::release(turn.world, &lease_key(session));
    false
}

/// Verifies the new ID token, if one came, and shares the session with its new tokens. Returns whether the session is still to be
/// refreshed.
fn verify_and_keep(turn: &mut Turn<'_>, due: &mut DueSession, tokens: RefreshedTokens, key_fetch: KeyFetch) -> bool {
    let (settings, now) = (turn.settings, turn.now);
    let Some(provider) = provider_of(settings, &due.session) else { return false };
    // Somebody has signed out meanwhile: nobody gets the new tokens, and the provider gets its refresh token back.
    if turn.ended.has_uncached(turn.world, &due.session, now) {
        turn.needless.extend(tokens.refresh_token.map(|token| (due.session.provider.clone(), token)));
        return forget(turn, &due.session);
    }
    let keys = turn.keys(&due.session.provider);
    let session = &due.session;
    let id_token = match (verified(turn, provider, &tokens, keys.as_ref()), key_fetch) {
        (Ok(id_token), _) => id_token,
        (Err(IdTokenError::KeyUnknown(_)), KeyFetch::NotTried) => {
            let newer_than = keys.map(|keys| keys.fetched);
            turn.documents.want(&Resource::Keys { provider: session.provider.clone(), newer_than });
            due.stage = Stage::Verifying { tokens, newer_than, until: now.plus(settings.wait) };
            return true;
        }
        (Err(IdTokenError::KeyUnknown(failure)), KeyFetch::Failed) => {
            // The former refresh token may be used up: the next attempt, in whichever worker, needs the new one.
            let mut unchanged = session.clone();
            unchanged.tokens.refreshed = unchanged.tokens.refreshed.saturating_add(1);
            unchanged.tokens.refresh_token = tokens.refresh_token.or(unchanged.tokens.refresh_token);
            if keep(turn.world, &settings.sealer, &unchanged, now).is_ok() {
                agreement::leave(turn, session, &unchanged);
                due.session = unchanged;
            }
            return retry_later(turn, due, failure);
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => {
            return end_session(turn, session, failure, Aftermath::Ended);
        }
    };
    let same = id_token.as_ref().map_or(Ok(()), |new| same_person(new, session.subject_at_provider()));
    let refreshed =
        same.and_then(|()| with_new_tokens(settings, provider, session, &tokens, id_token.as_ref(), now)).and_then(|refreshed| {
            let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
            keep(turn.world, &settings.sealer, &refreshed, now).map_err(no_randomness)?;
            Ok(refreshed)
        });
    match refreshed {
        Ok(refreshed) => {
            agreement::leave(turn, session, &refreshed);
            turn.events.push(refreshed_event(session, None));
            forget(turn, session)
        }
        // The new tokens cannot be used, and the former refresh token is used up.
        Err(failure) => end_session(turn, session, failure, Aftermath::Ended),
    }
}

/// Verifies the new ID token, if one came (OpenID Connect Core, section 12.2).
fn verified(
    turn: &Turn<'_>,
    provider: &ProviderSettings,
    tokens: &RefreshedTokens,
    keys: Option<&HeldKeys>,
) -> Result<Option<IdToken>, IdTokenError> {
    let Some(id_token) = &tokens.id_token else { return Ok(None) };
    let no_keys = || IdTokenError::KeyUnknown(Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"));
    let expectations = Expectations {
        keys: &keys.ok_or_else(no_keys)?.set,
        nonce: ExpectedNonce::NoneWasSent,
        issued_with: IssuedWith::AccessToken(&tokens.access_token),
        now: turn.now,
        provider_clock: tokens.provider_clock,
    };
    id_token::verify(turn.world, &provider.oidc, id_token, &expectations).map(Some)
}

/// Ends the session everywhere; returns that it is not to be refreshed again.
fn end_session(turn: &mut Turn<'_>, session: &Session, failure: Failure, aftermath: Aftermath) -> bool {
    turn.ended.mark(turn.world, session);
    turn.events.push(refreshed_event(session, Some((failure, aftermath))));
    forget(turn, session)
}

/// Whether the provider's keys were fetched again for this ID token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyFetch {
    NotTried,
    Succeeded,
    Failed,
}

/// The session's provider, if it is still configured as it was when the session began.
fn provider_of<'a>(settings: &'a Settings, session: &Session) -> Option<&'a ProviderSettings> {
    settings.provider(&session.provider).filter(|provider| provider.fingerprint == session.fingerprint)
}

/// Leaves the session as it is, to be tried again after a delay; returns that it is still to be refreshed.
fn retry_later(turn: &mut Turn<'_>, due: &mut DueSession, failure: Failure) -> bool {
    due.elsewhere = None;
    due.not_before = lease::back_off(turn.world, &lease_key(&due.session), turn.now);
    turn.events.push(refreshed_event(&due.session, Some((failure, Aftermath::TriedAgain))));
    true
}

fn refreshed_event(session: &Session, failure: Option<(Failure, Aftermath)>) -> Event {
    Event::Refreshed { provider: session.provider.clone(), subject: session.subject.clone(), failure }
}
