//! The tokens of their own that applications get: which are here, which are asked for, and which were refused a moment ago. Requests
//! that need the same one wait for one call. They are kept in this worker's memory alone, which is bounded; each under a name that
//! its caller makes of everything that it depends on. Who may have one is not known here.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::http::message::Reply;
use crate::oidc::token::upstream::{Issued, Presented, upstream_token_request, upstream_token_response};
use crate::session::remembered::memory::{Memory, Name};
use crate::step::decision::News;
use crate::step::event::{Event, UpstreamTokenAnswer};
use crate::upkeep::documents::Documents;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::turn::Turn;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::upstream_token::UpstreamToken;

/// How long a token is kept at least, for the requests that wait for it.
const FOR_WHO_WAITS: Duration = Duration::from_secs(5);

/// The most memory for tokens, in bytes.
const TOKEN_BYTES: usize = 4 * 1024 * 1024;

/// The most memory for failures, in bytes: separate, so that many of them cannot displace a token.
const FAILURE_BYTES: usize = 256 * 1024;

/// A token is asked for again after this time at the latest, so that what the provider no longer allows ends soon.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);

/// A token of which the provider does not say how long it is valid is used for this time.
const UNSAID_LIFE: Duration = Duration::from_secs(60);

/// A token is no longer used when a quarter of its life is left, and at most this long before its end: the application may take a
/// moment, and its clock may be ahead.
const LONGEST_LEAD: Duration = Duration::from_secs(10);

/// For so long after a refusal, the provider is not asked again for the same token.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// For so long after a call that failed otherwise, it is not asked again.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// The most tokens that one worker asks for, or is about to. Beyond that, a provider that has fewer than an equal share of them may
/// still add its own: one that does not answer must not stop the others.
const MOST_WANTED: usize = 1_000;

/// The most calls for tokens that may be under way to one provider.
const MOST_CALLS: usize = 64;

/// A call that Envoy has not ended this long after the provider's time is over has been lost.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// A token that a request needs.
#[derive(Debug)]
pub struct Need {
    /// The name under which it is kept. Everything has gone into it that the token depends on.
    pub name: Name,
    /// The configured name of the provider that is asked.
    pub provider: String,
    /// What is asked for.
    pub token: Rc<UpstreamToken>,
    /// What the provider is shown for it.
    pub presented: Presented,
    /// When that ends, or whoever it belongs to is no longer let in. The token is not kept longer.
    pub ends: Timestamp,
    /// Until when a request waits for it.
    pub until: Timestamp,
}

/// What is known of a token.
#[derive(Debug)]
pub enum Found {
    /// It is here.
    Here(Rc<Secret>),
    /// It could not be obtained a moment ago.
    Failed(Failure),
    /// Nothing.
    Nothing,
}

/// How far a token has come that is not here yet.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Due,
    /// The provider is asked; by this time, Envoy has ended the call.
    Asked(Timestamp),
}

/// The tokens of this worker.
pub struct UpstreamTokens {
    issued: Memory<Secret>,
    failed: Memory<Failure>,
    wanted: Vec<(Need, Stage)>,
}

impl Default for UpstreamTokens {
    fn default() -> Self {
        Self { issued: Memory::new(TOKEN_BYTES), failed: Memory::new(FAILURE_BYTES), wanted: Vec::new() }
    }
}

impl UpstreamTokens {
    /// Looks for a token.
    pub fn find(&mut self, name: Name, now: Timestamp) -> Found {
        if let Some(token) = self.issued.recall(name, now) {
            return Found::Here(token);
        }
        self.failed.recall(name, now).map_or(Found::Nothing, |failure| Found::Failed(failure.as_ref().clone()))
    }

    /// Remembers that a token is needed; returns `false` if there is no room for it.
    pub fn want(&mut self, documents: &Documents, need: Need) -> bool {
        if let Some((known, _)) = self.wanted.iter_mut().find(|(known, _)| known.name == need.name) {
            known.until = known.until.max(need.until);
            return true;
        }
        let of_same = || self.wanted.iter().filter(|(other, _)| other.provider == need.provider).count();
        let room = self.wanted.len() < MOST_WANTED || of_same() < documents.room_per_provider(MOST_WANTED);
        if room {
            self.wanted.push((need, Stage::Due));
        }
        room
    }

    /// The news for a request that waits for a token until the given time. One that is no longer wanted is ready: the request then
    /// finds out itself whether it is here.
    pub(super) fn news(&self, now: Timestamp, name: Name, until: Timestamp) -> Option<News> {
        match self.wanted.iter().any(|(need, _)| need.name == name) {
            false => Some(News::Ready),
            true => (now >= until).then_some(News::Missing(Reason::UpstreamTokenUnavailable)),
        }
    }

    /// Whether no token is wanted.
    pub(super) const fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Asks for the tokens that are due, and forgets those that nobody waits for any more.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let (asked, due): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.wanted).into_iter().partition(|(_, stage)| matches!(stage, Stage::Asked(_)));
        let is_under_way = |(_, stage): &(Need, Stage)| matches!(stage, Stage::Asked(until) if now < *until);
        self.wanted = asked.into_iter().filter(is_under_way).collect();
        let mut calls = BTreeMap::<String, usize>::new();
        for (need, _) in &self.wanted {
            match calls.get_mut(&need.provider) {
                Some(calls) => *calls = calls.saturating_add(1),
                None => drop(calls.insert(need.provider.clone(), 1)),
            }
        }
        for (need, stage) in due.into_iter().filter(|(need, _)| now < need.until) {
            let calls = calls.entry(need.provider.clone()).or_default();
            if *calls < MOST_CALLS && turn.metadata(&need.provider).is_some() {
                *calls = calls.saturating_add(1);
                self.ask(turn, need);
            } else {
                self.wanted.push((need, stage));
            }
        }
    }

    /// Asks the provider for a token.
    fn ask(&mut self, turn: &mut Turn<'_>, need: Need) {
        let Some(provider) = turn.settings.provider(&need.provider) else { return };
        let Some(metadata) = turn.metadata(&need.provider) else { return };
        match upstream_token_request(turn.world, &provider.oidc, &metadata, &need.token, &need.presented) {
            Ok(call) => {
                let (errand, provider_name) = (Errand::UpstreamToken(need.name), need.provider.clone());
                turn.fetches.push(Fetch { provider: provider_name, errand, call, began: turn.now });
                let until = turn.now.plus(provider.oidc.timeout.saturating_add(LOST_AFTER));
                self.wanted.push((need, Stage::Asked(until)));
            }
            Err(failure) => self.remember_failure(need.name, failure, turn.now),
        }
    }

    /// Takes the provider's reply to the call for a token. One that was asked for under an earlier configuration is not known here,
    /// and not taken.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, name: Name, reply: &Reply) {
        let is_asked = |(need, stage): &(Need, Stage)| need.name == name && matches!(stage, Stage::Asked(_));
        let Some(position) = self.wanted.iter().position(is_asked) else { return };
        let (need, _) = self.wanted.remove(position);
        let Some(provider) = turn.settings.provider(&need.provider) else { return };
        let answer = match turn.metadata(&need.provider) {
            Some(metadata) => upstream_token_response(&provider.oidc, &metadata, &need.token, &need.presented, reply),
            None => {
                let detail = "the provider's metadata were lost while it was asked";
                Err(Failure::new(Reason::UpstreamTokenUnavailable, detail))
            }
        };
        let answer = match answer {
            Ok(issued) => {
                self.remember(&need, issued, turn.now);
                UpstreamTokenAnswer::Issued
            }
            Err(failure) => {
                let refused = failure.reason == Reason::UpstreamTokenRefused;
                self.remember_failure(name, failure, turn.now);
                if refused { UpstreamTokenAnswer::Refused } else { UpstreamTokenAnswer::Missing }
            }
        };
        turn.events.push(Event::UpstreamTokenAsked(answer));
    }

    fn remember(&mut self, need: &Need, Issued { access_token, expires_in }: Issued, now: Timestamp) {
        let life = expires_in.unwrap_or(UNSAID_LIFE);
        let lead = life.checked_div(4).unwrap_or_default().min(LONGEST_LEAD);
        let until = now.plus(life.saturating_sub(lead).min(LONGEST_MEMORY));
        // The request that waits for it must find it, also if the token that was shown has expired within the provider's clock skew.
        let until = until.min(need.ends.max(now.plus(FOR_WHO_WAITS)));
        let bytes = access_token.len();
        self.issued.remember(need.name, Rc::new(access_token), bytes, until);
    }

    fn remember_failure(&mut self, name: Name, failure: Failure, now: Timestamp) {
        let span = if failure.reason == Reason::UpstreamTokenRefused { REFUSED_FOR } else { FAILED_FOR };
        let bytes = failure.detail.len();
        self.failed.remember(name, Rc::new(failure), bytes, now.plus(span));
    }
}
