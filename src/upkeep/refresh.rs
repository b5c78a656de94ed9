//! Sessions that live as long as the provider's tokens are refreshed. Whose turn has come, who asks the provider, and what becomes
//! of the session then. The request that found it due goes on with the tokens that it has, or waits when they have ended; asking
//! is the background's, so that nothing is lost with a request that goes away. A refresh token is spent once: workers agree by a
//! lease, and find what one of them got in shared memory.

use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::Reply;
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdToken, IdTokenError, IssuedWith};
use crate::oidc::refresh::{RefreshError, refresh_request, refresh_response, same_person};
use crate::oidc::tokens::RefreshedTokens;
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

/// A refresh that fails is tried again for this long after the last request that wanted it.
const LONGEST_INTEREST: Duration = Duration::from_secs(120);

/// So many sessions of one worker may be due at a time; each is held with its tokens. When as many are, each provider has room for
/// its share of them all the same: one that does not answer must not keep the others' people waiting.
const MOST_WANTED: usize = 1_000;

/// A session to be refreshed.
struct Want {
    session: Session,
    /// When a request last found it due.
    asked: Timestamp,
    /// Nobody may try before.
    not_before: Timestamp,
    stage: Stage,
}

enum Stage {
    /// Nobody here has asked.
    Wanted,
    /// The provider was asked; the answer comes before this.
    Asked(Timestamp),
    /// The answer is here; a key that signed it may not be, but should be before `until`.
    Verifying { tokens: RefreshedTokens, newer_than: Option<Timestamp>, until: Timestamp },
}

impl Want {
    const fn new(session: Session, asked: Timestamp) -> Self {
        Self { session, asked, not_before: Timestamp::from_millis(0), stage: Stage::Wanted }
    }
}

/// The sessions of this worker that are due.
#[derive(Default)]
pub struct Refreshes(Vec<Want>);

impl Refreshes {
    /// Whether none is.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers that a session is due; says whether there was room for it.
    pub fn want(&mut self, documents: &Documents, session: &Session, now: Timestamp) -> bool {
        let share = documents.share(MOST_WANTED);
        let of_same = || self.0.iter().filter(|want| want.session.provider == session.provider).count();
        let room = self.0.len() < MOST_WANTED || of_same() < share;
        match self.0.iter_mut().find(|want| want.session.id == session.id) {
            Some(want) if want.session.tokens.refreshed >= session.tokens.refreshed => want.asked = now,
            Some(want) => *want = Want::new(session.clone(), now),
            None if room => self.0.push(Want::new(session.clone(), now)),
            None => return false,
        }
        true
    }

    /// What to tell a request that waits for a session's tokens. When nobody wants them any more, it looks again by itself.
    pub(super) fn news(&self, now: Timestamp, session: &str, until: Timestamp) -> Option<News> {
        match self.0.iter().find(|want| want.session.id == session) {
            None => Some(News::Ready),
            Some(want) => (now >= until || want.not_before >= until).then_some(News::Missing(Reason::RefreshUnavailable)),
        }
    }

    /// Looks after every session that is to be refreshed.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) {
        self.0.retain_mut(|want| match std::mem::replace(&mut want.stage, Stage::Wanted) {
            Stage::Asked(until) if turn.now < until => {
                want.stage = Stage::Asked(until);
                true
            }
            Stage::Asked(_) | Stage::Wanted => ask_for_tokens(turn, want),
            Stage::Verifying { tokens, newer_than, until } => {
                let keys = turn.keys(&want.session.provider);
                let are_newer = keys.is_some_and(|keys| newer_than.is_none_or(|moment| keys.fetched > moment));
                if turn.now < until && !are_newer {
                    want.stage = Stage::Verifying { tokens, newer_than, until };
                    return true;
                }
                let keys = if are_newer { KeysThen::Newer } else { KeysThen::Unreachable };
                believe(turn, want, tokens, keys)
            }
        });
    }

    /// The provider answered. The session comes with the answer: it may have been asked for under another configuration.
    pub(super) fn arrived(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) {
        let asked = self.0.iter().find(|want| want.session.id == session.id).map_or(turn.now, |want| want.asked);
        self.0.retain(|want| want.session.id != session.id);
        let mut want = Want::new(session.clone(), asked);
        let Some(provider) = provider_of(turn.settings, session) else { return };
        // Signed out meanwhile: what came is thrown away.
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
            Ok(tokens) => believe(turn, &mut want, tokens, KeysThen::AsTheyAre),
            Err(RefreshError::Refused(failure)) => end(turn, session, failure),
            Err(RefreshError::Failed(failure)) => put_off(turn, &mut want, failure),
        };
        if wanted {
            self.0.push(want);
        }
    }
}

/// Asks for new tokens unless somebody else does, or has; says whether they are wanted still.
fn ask_for_tokens(turn: &mut Turn<'_>, want: &mut Want) -> bool {
    let (session, now) = (&want.session, turn.now);
    let (Some(provider), Some(refresh_token)) = (provider_of(turn.settings, session), &session.tokens.refresh_token) else {
        return false;
    };
    if now.since(want.asked) > LONGEST_INTEREST {
        return false;
    }
    // While a provider is away, many wait for it; looking at each in every tick would keep the worker from its requests.
    if now < want.not_before {
        return true;
    }
    let sealer = &turn.settings.sealer;
    if newer(turn.world, sealer, session).is_some() || turn.ended.has(turn.world, session, now) {
        return false;
    }
    let Some(metadata) = turn.metadata(&session.provider) else { return true };
    let Ok(call) = refresh_request(turn.world, &provider.oidc, &metadata, refresh_token) else { return true };
    // As long as the answer may take, and keys that it may need.
    let span = call.timeout.saturating_add(turn.settings.wait).saturating_add(Duration::from_secs(1));
    let lease = lease_key(session);
    match lease::acquire(turn.world, &lease, now, span, Urgency::Due) {
        // Somebody may have finished just before.
        Grant::Granted if newer(turn.world, sealer, session).is_some() || turn.ended.has_uncached(turn.world, session, now) => {
            lease::release(turn.world, &lease);
            return false;
        }
        Grant::Granted => {
            let errand = Errand::Refresh(Box::new(session.clone()));
            turn.fetches.push(Fetch { provider: session.provider.clone(), errand, call });
            want.stage = Stage::Asked(now.plus(span));
        }
        Grant::InProgress => {}
        Grant::NotBefore(moment) => want.not_before = moment,
    }
    true
}

/// Verifies the new ID token, if one came, and keeps the session with its new tokens; says whether it is still to be refreshed.
fn believe(turn: &mut Turn<'_>, want: &mut Want, tokens: RefreshedTokens, then: KeysThen) -> bool {
    let (settings, now) = (turn.settings, turn.now);
    let Some(provider) = provider_of(settings, &want.session) else { return false };
    let keys = turn.keys(&want.session.provider);
    let session = &want.session;
    let id_token = match (verified(turn, provider, &tokens, keys.as_ref()), then) {
        (Ok(id_token), _) => id_token,
        (Err(IdTokenError::KeyUnknown(_)), KeysThen::AsTheyAre) => {
            let newer_than = keys.map(|keys| keys.fetched);
            turn.documents.want(&Resource::Keys { provider: session.provider.clone(), newer_than });
            want.stage = Stage::Verifying { tokens, newer_than, until: now.plus(settings.wait) };
            return true;
        }
        (Err(IdTokenError::KeyUnknown(failure)), KeysThen::Unreachable) => {
            // The former refresh token may be spent: the next attempt needs the new one, wherever it is made.
            let mut unchanged = session.clone();
            unchanged.tokens.refreshed = unchanged.tokens.refreshed.saturating_add(1);
            unchanged.tokens.refresh_token = tokens.refresh_token.or(unchanged.tokens.refresh_token);
            if keep(turn.world, &settings.sealer, &unchanged, now).is_ok() {
                want.session = unchanged;
            }
            return put_off(turn, want, failure);
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => return end(turn, session, failure),
    };
    let same = id_token.as_ref().map_or(Ok(()), |new| same_person(new, session.subject_at_provider(), session.auth_time));
    let refreshed =
        same.and_then(|()| with_new_tokens(settings, provider, session, &tokens, id_token.as_ref(), now)).and_then(|refreshed| {
            let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
            keep(turn.world, &settings.sealer, &refreshed, now).map_err(no_randomness)
        });
    match refreshed {
        Ok(()) => {
            lease::release(turn.world, &lease_key(session));
            turn.events.push(happened(session, None));
            false
        }
        // What came cannot be used, and the refresh token that would bring other tokens is spent.
        Err(failure) => end(turn, session, failure),
    }
}

/// The new ID token, if one came (OpenID Connect Core, section 12.2).
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

/// The session is over.
fn end(turn: &mut Turn<'_>, session: &Session, failure: Failure) -> bool {
    turn.ended.mark(turn.world, session);
    lease::release(turn.world, &lease_key(session));
    turn.events.push(happened(session, Some((failure, Aftermath::Ended))));
    false
}

/// What was done about keys before a token is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeysThen {
    /// Nothing yet.
    AsTheyAre,
    /// They were fetched for it.
    Newer,
    /// They could not be fetched.
    Unreachable,
}

/// The provider, as long as it is configured as it was when the session began.
fn provider_of<'a>(settings: &'a Settings, session: &Session) -> Option<&'a ProviderSettings> {
    settings.provider(&session.provider).filter(|provider| provider.fingerprint == session.fingerprint)
}

/// The session goes on as it is, and somebody tries again later.
fn put_off(turn: &mut Turn<'_>, want: &mut Want, failure: Failure) -> bool {
    want.not_before = lease::back_off(turn.world, &lease_key(&want.session), turn.now);
    turn.events.push(happened(&want.session, Some((failure, Aftermath::TriedAgain))));
    true
}

fn happened(session: &Session, failure: Option<(Failure, Aftermath)>) -> Event {
    Event::Refreshed { provider: session.provider.clone(), subject: session.subject.clone(), failure }
}
