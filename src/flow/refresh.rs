//! Sessions that live as long as the provider's tokens are refreshed. Whose turn has come, who asks the provider, and what becomes
//! of the session then. The request that found it due goes on with the tokens that it has, or waits when they have ended; asking
//! is the background's, so that nothing is lost with a request that goes away. A refresh token is spent once: workers agree by a
//! lease, and find what one of them got in shared memory.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::flow::authenticate::{Credential, Identity, Verified};
use crate::flow::event::{Aftermath, Event};
use crate::flow::gateway::Gateway;
use crate::flow::lease::{self, Grant, Urgency};
use crate::flow::step::{Cause, News, Renewal, Resource};
use crate::flow::tokens::with_new_tokens;
use crate::flow::upkeep::{Background, Errand, Fetch};
use crate::flow::visit::Visit;
use crate::oidc::id_token::{self, AccessToken, Expectations, ExpectedNonce, IdTokenError};
use crate::oidc::refresh::{RefreshError, Refreshed, refresh_request, refresh_response, same_person};
use crate::session::content::Session;
use crate::session::refreshed::{keep, lease_key, newer};
use crate::words::message::Reply;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// A refresh that fails is tried again for this long after the last request that wanted it.
const LONGEST_INTEREST: Duration = Duration::from_secs(120);

/// So many sessions of one worker may be due at a time; each is held with its tokens. When as many are, each provider has room for
/// its share of them all the same: one that does not answer must not keep the others' people waiting.
const MOST_WANTED: usize = 1_000;

/// A session to be refreshed.
pub(super) struct Want {
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
    Verifying { tokens: Refreshed, newer_than: Option<Timestamp>, until: Timestamp },
}

impl Want {
    const fn new(session: Session, asked: Timestamp) -> Self {
        Self { session, asked, not_before: Timestamp::from_millis(0), stage: Stage::Wanted }
    }
}

/// The session to write with a response that leaves: the one whose tokens were refreshed meanwhile, or the one that is due.
pub(super) fn to_write<'a>(settings: &Settings, world: &dyn World, renewal: &'a Renewal) -> Option<Cow<'a, Session>> {
    let session = &renewal.session;
    let refreshed = session.tokens.refresh_token.as_ref().and_then(|_| newer(world, &settings.sealer, session));
    match refreshed {
        Some(refreshed) => Some(Cow::Owned(refreshed.renewed(session.renewed))),
        None => (renewal.cause == Cause::Use).then_some(Cow::Borrowed(session)),
    }
}

impl Gateway {
    /// What somebody's identity is worth when the tokens behind it may be due: a request goes on with those that are still good,
    /// and waits for new ones when they have ended.
    pub(super) fn refreshed(
        &mut self,
        world: &mut dyn World,
        visit: &Visit,
        verified: Rc<Verified>,
        renewal: Option<Box<Renewal>>,
    ) -> Identity {
        let now = visit.now;
        let session = match &verified.credential {
            Credential::Session(session) if session.tokens.are_due(now) => session,
            _ => return Identity::Known(verified, renewal),
        };
        let settings = Rc::clone(&self.settings);
        let (session, cause) = match newer(world, &settings.sealer, session) {
            // The cookie is from before: another tab's, or the answer with the new one has not arrived.
            Some(newer) => (newer.last_renewed(session.renewed), Cause::Use),
            None => (session.as_ref().clone(), renewal.map_or(Cause::IfRefreshed, |renewal| renewal.cause)),
        };
        if now >= session.expires(settings.session.lifetimes) {
            return Identity::Unknown(Failure::new(Reason::SessionExpired, ""));
        }
        let ended = session.tokens.have_ended(now);
        if session.tokens.are_due(now) {
            let wanted = self.background.want_refreshed(&session, now);
            if ended && (!wanted || now >= visit.patience) {
                return Identity::Unknown(Failure::new(
                    Reason::RefreshUnavailable,
                    "the tokens have ended; refresh_failed lines say why",
                ));
            }
            if ended {
                return Identity::Unclear(Resource::Refresh(session.id));
            }
        }
        let renewal = Renewal { session: session.renewed(now), cause, came: visit.request.headers.only("cookie") };
        Identity::Known(Rc::new(Verified::by_session(&settings, session)), Some(Box::new(renewal)))
    }
}

impl Background {
    /// Remembers that a session is due; says whether there was room for it.
    fn want_refreshed(&mut self, session: &Session, now: Timestamp) -> bool {
        let share = self.share(MOST_WANTED);
        let of_same = || self.wanted.iter().filter(|want| want.session.provider == session.provider).count();
        let room = self.wanted.len() < MOST_WANTED || of_same() < share;
        match self.wanted.iter_mut().find(|want| want.session.id == session.id) {
            Some(want) if want.session.tokens.refreshed >= session.tokens.refreshed => want.asked = now,
            Some(want) => *want = Want::new(session.clone(), now),
            None if room => self.wanted.push(Want::new(session.clone(), now)),
            None => return false,
        }
        true
    }

    /// What to tell a request that waits for a session's tokens. When nobody wants them any more, it looks again by itself.
    pub(super) fn refresh_news(&self, now: Timestamp, session: &str, until: Timestamp) -> Option<News> {
        match self.wanted.iter().find(|want| want.session.id == session) {
            None => Some(News::Ready),
            Some(want) => (now >= until || want.not_before >= until).then_some(News::Missing(Reason::RefreshUnavailable)),
        }
    }

    /// Looks after every session that is to be refreshed.
    pub(super) fn refresh_what_is_due(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        now: Timestamp,
        fetches: &mut Vec<Fetch>,
        events: &mut Vec<Event>,
    ) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain_mut(|want| match std::mem::replace(&mut want.stage, Stage::Wanted) {
            Stage::Asked(until) if now < until => {
                want.stage = Stage::Asked(until);
                true
            }
            Stage::Asked(_) | Stage::Wanted => self.ask_for_tokens(settings, world, now, want, fetches),
            Stage::Verifying { tokens, newer_than, until } => {
                let keys = self.keys(settings, world, &want.session.provider, now);
                let are_newer = keys.is_some_and(|keys| newer_than.is_none_or(|moment| keys.fetched > moment));
                if now < until && !are_newer {
                    want.stage = Stage::Verifying { tokens, newer_than, until };
                    return true;
                }
                let keys = if are_newer { KeysThen::Newer } else { KeysThen::Unreachable };
                self.believe(settings, world, now, want, tokens, keys, events)
            }
        });
        self.wanted = wanted;
    }

    /// Asks for new tokens unless somebody else does, or has; says whether they are wanted still.
    fn ask_for_tokens(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        now: Timestamp,
        want: &mut Want,
        fetches: &mut Vec<Fetch>,
    ) -> bool {
        let session = &want.session;
        let (Some(provider), Some(refresh_token)) = (provider_of(settings, session), &session.tokens.refresh_token) else {
            return false;
        };
        if now.since(want.asked) > LONGEST_INTEREST {
            return false;
        }
        // While a provider is away, many wait for it; looking at each in every tick would keep the worker from its requests.
        if now < want.not_before {
            return true;
        }
        if newer(world, &settings.sealer, session).is_some() || self.ended.has(world, &session.id, now) {
            return false;
        }
        let Some(metadata) = self.metadata(settings, world, &session.provider, now) else { return true };
        let Ok(call) = refresh_request(&provider.oidc, &metadata, refresh_token) else { return true };
        // As long as the answer may take, and keys that it may need.
        let span = call.timeout.saturating_add(settings.wait).saturating_add(Duration::from_secs(1));
        let lease = lease_key(session);
        match lease::acquire(world, &lease, now, span, Urgency::Due) {
            // Somebody may have finished just before.
            Grant::Granted
                if newer(world, &settings.sealer, session).is_some() || self.ended.has_by_now(world, &session.id, now) =>
            {
                lease::release(world, &lease);
                return false;
            }
            Grant::Granted => {
                let errand = Errand::Refresh(Box::new(session.clone()));
                fetches.push(Fetch { provider: session.provider.clone(), errand, call });
                want.stage = Stage::Asked(now.plus(span));
            }
            Grant::InProgress => {}
            Grant::NotBefore(moment) => want.not_before = moment,
        }
        true
    }

    /// The provider answered. The session comes with the answer: it may have been asked for under another configuration.
    pub(super) fn refresh_arrived(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        session: &Session,
        reply: &Reply,
        events: &mut Vec<Event>,
    ) {
        let now = world.now();
        let asked = self.wanted.iter().find(|want| want.session.id == session.id).map_or(now, |want| want.asked);
        self.wanted.retain(|want| want.session.id != session.id);
        let mut want = Want::new(session.clone(), asked);
        let Some(provider) = provider_of(settings, session) else { return };
        // Signed out meanwhile: what came is thrown away.
        if self.ended.has_by_now(world, &session.id, now) {
            return lease::release(world, &lease_key(session));
        }
        let answer = match self.metadata(settings, world, &session.provider, now) {
            Some(metadata) => refresh_response(&provider.oidc, &metadata, reply),
            None => {
                Err(RefreshError::Failed(Failure::new(Reason::MetadataUnavailable, "the metadata were lost while refreshing")))
            }
        };
        let wanted = match answer {
            Ok(tokens) => self.believe(settings, world, now, &mut want, tokens, KeysThen::AsTheyAre, events),
            Err(RefreshError::Refused(failure)) => self.end(world, session, failure, events),
            Err(RefreshError::Failed(failure)) => put_off(world, now, &mut want, failure, events),
        };
        if wanted {
            self.wanted.push(want);
        }
    }

    /// Verifies the new ID token, if one came, and keeps the session with its new tokens; says whether it is still to be refreshed.
    #[allow(clippy::too_many_arguments, reason = "a step of a journey; each is another thing")]
    fn believe(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        now: Timestamp,
        want: &mut Want,
        tokens: Refreshed,
        then: KeysThen,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(provider) = provider_of(settings, &want.session) else { return false };
        let keys = self.keys(settings, world, &want.session.provider, now);
        let verified = match (&tokens.id_token, &keys) {
            (None, _) => Ok(None),
            (Some(_), None) => {
                Err(IdTokenError::KeyUnknown(Failure::new(Reason::KeysUnavailable, "the provider's keys are not here")))
            }
            (Some(id_token), Some(keys)) => {
                let expectations = Expectations {
                    keys: &keys.set,
                    nonce: ExpectedNonce::NoneWasSent,
                    access_token: AccessToken::Value(&tokens.access_token),
                    now,
                    provider_clock: tokens.provider_clock,
                };
                id_token::verify(world, &provider.oidc, id_token, &expectations).map(Some)
            }
        };
        let session = &want.session;
        let id_token = match (verified, then) {
            (Ok(id_token), _) => id_token,
            (Err(IdTokenError::KeyUnknown(_)), KeysThen::AsTheyAre) => {
                let newer_than = keys.map(|keys| keys.fetched);
                self.want(&Resource::Keys { provider: session.provider.clone(), newer_than });
                want.stage = Stage::Verifying { tokens, newer_than, until: now.plus(settings.wait) };
                return true;
            }
            (Err(IdTokenError::KeyUnknown(failure)), KeysThen::Unreachable) => {
                // The former refresh token may be spent: the next attempt needs the new one, wherever it is made.
                let mut unchanged = session.clone();
                unchanged.tokens.refreshed = unchanged.tokens.refreshed.saturating_add(1);
                unchanged.tokens.refresh_token = tokens.refresh_token.or(unchanged.tokens.refresh_token);
                if keep(world, &settings.sealer, &unchanged, now).is_ok() {
                    want.session = unchanged;
                }
                return put_off(world, now, want, failure, events);
            }
            (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => {
                return self.end(world, session, failure, events);
            }
        };
        let same = id_token.as_ref().map_or(Ok(()), |new| same_person(new, session.subject_at_provider(), session.auth_time));
        let refreshed = same
            .and_then(|()| with_new_tokens(settings, provider, session, &tokens, id_token.as_ref(), now))
            .and_then(|refreshed| {
                let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
                keep(world, &settings.sealer, &refreshed, now).map_err(no_randomness)
            });
        match refreshed {
            Ok(()) => {
                lease::release(world, &lease_key(session));
                events.push(happened(session, None));
                false
            }
            // What came cannot be used, and the refresh token that would bring other tokens is spent.
            Err(failure) => self.end(world, session, failure, events),
        }
    }

    /// The session is over.
    fn end(&mut self, world: &mut dyn World, session: &Session, failure: Failure, events: &mut Vec<Event>) -> bool {
        self.ended.mark(world, &session.id, session.ends);
        lease::release(world, &lease_key(session));
        events.push(happened(session, Some((failure, Aftermath::Ended))));
        false
    }
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
fn put_off(world: &mut dyn World, now: Timestamp, want: &mut Want, failure: Failure, events: &mut Vec<Event>) -> bool {
    want.not_before = lease::back_off(world, &lease_key(&want.session), now);
    events.push(happened(&want.session, Some((failure, Aftermath::TriedAgain))));
    true
}

fn happened(session: &Session, failure: Option<(Failure, Aftermath)>) -> Event {
    Event::Refreshed { provider: session.provider.clone(), subject: session.subject.clone(), failure }
}
