//! Refreshes the tokens of sessions that live as long as these: which sessions are due, which worker asks the provider, and what
//! becomes of the session after the reply (OpenID Connect Core, section 12). The request that finds its session due goes on with
//! the tokens that it has, or waits once they have ended. It never asks the provider itself: its client could leave, and the new
//! tokens would be lost. A refresh token can be used once, so workers agree by a lease, and share the refreshed session in shared
//! memory.

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
use crate::upkeep::tokens::with_new_tokens;
use crate::upkeep::turn::Turn;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

/// A refresh that failed is tried again until this long after the last request of its session.
const LONGEST_INTEREST: Duration = Duration::from_secs(120);

/// The most sessions that one worker holds for a refresh at a time, each with its tokens. Beyond that, a provider that has fewer
/// than an equal share of them may still add its own: a provider that does not answer must not stop the refreshes of others.
const MOST_WANTED: usize = 1_000;

/// A session to be refreshed.
struct DueSession {
    session: Session,
    /// When a request last found it due.
    last_requested: Timestamp,
    /// No attempt before this time.
    not_before: Timestamp,
    stage: Stage,
}

enum Stage {
    /// This worker has not asked the provider, or not since the last failure.
    Due,
    /// The provider was asked; its reply is expected before this time.
    Asked(Timestamp),
    /// The new tokens are here, but not the key that signed the ID token. It is waited for until then.
    Verifying { tokens: RefreshedTokens, newer_than: Option<Timestamp>, until: Timestamp },
}

impl DueSession {
    const fn new(session: Session, last_requested: Timestamp) -> Self {
        Self { session, last_requested, not_before: Timestamp::from_millis(0), stage: Stage::Due }
    }
}

/// The sessions that this worker is to refresh.
#[derive(Default)]
pub struct Refreshes(Vec<DueSession>);

impl Refreshes {
    /// Whether no session is to be refreshed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers that a session is due; returns `false` if there is no room for it.
    pub fn want(&mut self, documents: &Documents, session: &Session, now: Timestamp) -> bool {
        let share = documents.room_per_provider(MOST_WANTED);
        let of_same = || self.0.iter().filter(|due| due.session.provider == session.provider).count();
        let room = self.0.len() < MOST_WANTED || of_same() < share;
        match self.0.iter_mut().find(|due| due.session.id == session.id) {
            Some(due) if due.session.tokens.refreshed >= session.tokens.refreshed => due.last_requested = now,
            Some(due) => *due = DueSession::new(session.clone(), now),
            None if room => self.0.push(DueSession::new(session.clone(), now)),
            None => return false,
        }
        true
    }

    /// The news for a request that waits for a session's new tokens until the given time. A session that is no longer to be
    /// refreshed is ready: the request then finds out itself whether it was refreshed or has ended.
    pub(super) fn news(&self, now: Timestamp, session: &str, until: Timestamp) -> Option<News> {
        match self.0.iter().find(|due| due.session.id == session) {
            None => Some(News::Ready),
            Some(due) => (now >= until || due.not_before >= until).then_some(News::Missing(Reason::RefreshUnavailable)),
        }
    }

    /// Goes on with every session that is to be refreshed: asks the provider, or verifies tokens whose key has come.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) {
        self.0.retain_mut(|due| match std::mem::replace(&mut due.stage, Stage::Due) {
            Stage::Asked(until) if turn.now < until => {
                due.stage = Stage::Asked(until);
                true
            }
            Stage::Asked(_) | Stage::Due => ask_for_tokens(turn, due),
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

    /// Takes the provider's reply for a session. The session is passed along, because it may have been asked for under an earlier
    /// configuration, whose list is gone.
    pub(super) fn fetch_answered(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let last_requested = self.0.iter().find(|due| due.session.id == session.id).map_or(turn.now, |due| due.last_requested);
        self.0.retain(|due| due.session.id != session.id);
        let mut due = DueSession::new(session.clone(), last_requested);
        let Some(provider) = provider_of(turn.settings, session) else { return };
        // Somebody has signed out meanwhile: the new tokens are thrown away.
        if turn.ended.has_uncached(turn.world, session, turn.now) {
            return lease::release(turn.world, &lease_key(session));
        }
        let answer = match turn.metadata(&session.provider) {
            Some(metadata) => refresh_response(&provider.oidc, &metadata, reply),
            None => {
                Err(RefreshError::Failed(Failure::new(Reason::MetadataUnavailable, "the metadata were lost while refreshing")))
            }
        };
        let wanted = match answer {
            Ok(tokens) => verify_and_keep(turn, &mut due, tokens, KeyFetch::NotTried),
            Err(RefreshError::Refused(failure, Explanation::Given)) => end_session(turn, session, failure, Aftermath::Ended),
            Err(RefreshError::Refused(failure, Explanation::Missing)) => {
                end_session(turn, session, failure, Aftermath::EndedUnexplained)
            }
            Err(RefreshError::Failed(failure)) => retry_later(turn, &mut due, failure),
        };
        if wanted {
            self.0.push(due);
        }
    }
}

/// Asks the provider for new tokens, unless another worker does or did. Returns whether the session is still to be refreshed.
fn ask_for_tokens(turn: &mut Turn<'_>, due: &mut DueSession) -> bool {
    let (session, now) = (&due.session, turn.now);
    let (Some(provider), Some(refresh_token)) = (provider_of(turn.settings, session), &session.tokens.refresh_token) else {
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
    let Some(metadata) = turn.metadata(&session.provider) else { return true };
    // The time for the reply, for the keys that it may need, and a second.
    let span = provider.oidc.timeout.saturating_add(turn.settings.wait).saturating_add(Duration::from_secs(1));
    let lease = lease_key(session);
    match lease::acquire(turn.world, &lease, now, span, Urgency::Due) {
        // Another worker may have finished just before the lease was taken.
        Grant::Granted if newer(turn.world, sealer, session).is_some() || turn.ended.has_uncached(turn.world, session, now) => {
            lease::release(turn.world, &lease);
            return false;
        }
        Grant::Granted => {
            let call = match refresh_request(turn.world, &provider.oidc, &metadata, refresh_token) {
                Ok(call) => call,
                Err(failure) => return retry_later(turn, due, failure),
            };
            let errand = Errand::Refresh(Box::new(session.clone()));
            turn.fetches.push(Fetch { provider: session.provider.clone(), errand, call, began: now });
            due.stage = Stage::Asked(now.plus(span));
        }
        Grant::InProgress => {}
        Grant::NotBefore(moment) => due.not_before = moment,
    }
    true
}

/// Verifies the new ID token, if one came, and shares the session with its new tokens. Returns whether the session is still to be
/// refreshed.
fn verify_and_keep(turn: &mut Turn<'_>, due: &mut DueSession, tokens: RefreshedTokens, key_fetch: KeyFetch) -> bool {
    let (settings, now) = (turn.settings, turn.now);
    let Some(provider) = provider_of(settings, &due.session) else { return false };
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
            keep(turn.world, &settings.sealer, &refreshed, now).map_err(no_randomness)
        });
    match refreshed {
        Ok(()) => {
            lease::release(turn.world, &lease_key(session));
            turn.events.push(refreshed_event(session, None));
            false
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
    lease::release(turn.world, &lease_key(session));
    turn.events.push(refreshed_event(session, Some((failure, aftermath))));
    false
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
    due.not_before = lease::back_off(turn.world, &lease_key(&due.session), turn.now);
    turn.events.push(refreshed_event(&due.session, Some((failure, Aftermath::TriedAgain))));
    true
}

fn refreshed_event(session: &Session, failure: Option<(Failure, Aftermath)>) -> Event {
    Event::Refreshed { provider: session.provider.clone(), subject: session.subject.clone(), failure }
}
