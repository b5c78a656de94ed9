//! Who refreshes a session, where replicas share a store: whoever claims the refresh there first. Then the session with its new
//! tokens stands in the place of the claim while the former cookie may come, and other replicas take it. A store that does not
//! answer, or says what we have not left there, changes nothing: the provider is asked as if there were none. Within a process,
//! the lease decides, which this worker holds by then.

use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::{HttpCall, Reply};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::session::content::Session;
use crate::session::remembered::agreed::{self, Claim, Found};
use crate::step::event::Event;
use crate::upkeep::failing::Failing;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::process;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// The most questions that one worker asks the store at a time. Each is a connection, and others read what has ended on theirs.
const MOST_ASKED: usize = 64;

/// The longest time to wait for the store: the requests that wait for the refresh need the rest for the provider.
const LONGEST_ANSWER: Duration = Duration::from_secs(1);

/// After the store has failed, it is not asked for this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Who refreshes a session.
pub(super) enum Refresher {
    /// This process; `claimed` if the store says so too.
    Here { claimed: bool },
    /// Another replica, which has not finished; or this one has failed so long ago that its claim is about to end.
    Elsewhere,
    /// Whoever claims it next: the former claim has just ended.
    Nobody,
    /// Another replica has refreshed it.
    Finished(Box<Session>),
}

/// Whether the store was asked.
pub(super) enum Asked {
    /// It was; the answer is expected before this time.
    Until(Timestamp),
    /// Not yet: too many answers are expected.
    Later,
    /// There is no store, or it has just failed.
    Nobody,
}

/// How this worker agrees with other replicas.
#[derive(Default)]
pub(super) struct Agreement {
    failing: Failing,
    /// Before this time, the store is not asked, because it has just failed.
    not_before: Timestamp,
    /// How many further questions may be asked in this turn.
    room: usize,
}

impl Agreement {
    /// Begins a turn, in which the answers to so many questions are expected.
    pub(super) const fn under_way(&mut self, number: usize) {
        self.room = MOST_ASKED.saturating_sub(number);
    }

    /// Whether nobody has to wait before the store is asked.
    pub(super) fn has_room(&self, turn: &Turn<'_>) -> bool {
        turn.settings.revocations.is_none() || turn.now < self.not_before || self.room > 0
    }

    /// Asks the store whether this process may refresh a session.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>, provider: &ProviderSettings, session: &Session) -> Asked {
        if !self.has_room(turn) {
            return Asked::Later;
        }
        match (turn.now >= self.not_before).then(|| look_again(turn, provider, session)).flatten() {
            Some(until) => {
                self.room = self.room.saturating_sub(1);
                Asked::Until(until)
            }
            None => Asked::Nobody,
        }
    }

    /// Takes the store's answer.
    pub(super) fn answered(
        &mut self,
        turn: &mut Turn<'_>,
        provider: &ProviderSettings,
        session: &Session,
        reply: &Reply,
    ) -> Refresher {
        let (Some(configured), Some(name)) = (&turn.settings.revocations, agreed::name(session)) else {
            return Refresher::Here { claimed: false };
        };
        let claimed = configured.store.claimed(reply);
        let value = match claimed {
            Ok(Claimed::Lost(value)) => value,
            Ok(Claimed::JustEnded) => return Refresher::Nobody,
            Ok(Claimed::Won) => {
                self.note(turn, Ok(()));
                return Refresher::Here { claimed: true };
            }
            Err(failure) => {
                self.note(turn, Err(failure));
                return Refresher::Here { claimed: false };
            }
        };
        self.note(turn, Ok(()));
        match agreed::read(&turn.settings.sealer, &name, session, &value) {
            Found::Refreshed(newer) => Refresher::Finished(newer),
            // The claim of this process, whose answer was lost or came too late. An attempt must end before it does.
            Found::Claim(claim) if is_ours(turn, &claim, span(turn.settings, provider)) => Refresher::Here { claimed: true },
            Found::Claim(_) => Refresher::Elsewhere,
            Found::Unreadable => Refresher::Here { claimed: false },
            Found::Forged => {
                turn.events.push(Event::RevocationsForged(1));
                Refresher::Here { claimed: false }
            }
        }
    }

    /// Takes the store's answer to what was left there.
    pub(super) fn left(&mut self, turn: &mut Turn<'_>, reply: &Reply) {
        if let Some(configured) = &turn.settings.revocations {
            self.note(turn, configured.store.was_put(reply));
        }
    }

    fn note(&mut self, turn: &mut Turn<'_>, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => {
                let after = self.failing.works(turn.now);
                turn.events.extend(after.map(|after| Event::RevocationsAvailable { after }));
            }
            Err(failure) => {
                self.not_before = turn.now.plus(PAUSE);
                let told = self.failing.failed(turn.now);
                turn.events.push(Event::RevocationsUnavailable { failure, told });
            }
        }
    }
}

/// Asks the store who refreshes a session, even if it has just failed. Returns until when its answer is expected; `None` if there
/// is nobody to ask.
pub(super) fn look_again(turn: &mut Turn<'_>, provider: &ProviderSettings, session: &Session) -> Option<Timestamp> {
    let configured = turn.settings.revocations.as_ref()?;
    let (name, value) = claim(turn, session)?;
    let lifetime = claimed_for(turn.settings, provider);
    let timeout = patience(turn.settings);
    let call = configured.store.claim(&NamedValue { name: &name, value: value.as_bytes(), lifetime });
    fetch(turn, Errand::ClaimRefresh(Box::new(session.clone())), HttpCall { timeout, ..call });
    Some(turn.now.plus(timeout).plus(Duration::from_secs(1)))
}

/// Leaves the session with its new tokens to other replicas, if there is a store: where the refresh of the former was claimed.
pub(super) fn leave(turn: &mut Turn<'_>, former: &Session, refreshed: &Session) {
    let Some(name) = agreed::name(former).filter(|_| turn.settings.revocations.is_some()) else { return };
    // Without random bytes, others find the claim, and ask the provider when that has ended.
    let Ok(value) = agreed::refreshed(turn.world, &turn.settings.sealer, &name, refreshed) else { return };
    let lifetime = last_use(turn, former).since(turn.now);
    put(turn, &name, &value, lifetime);
}

/// When no cookie of a session from before this refresh counts any more. Such a cookie may be written again as long as its tokens
/// have not ended, by a replica that does not know of the refresh.
fn last_use(turn: &Turn<'_>, former: &Session) -> Timestamp {
    let last_written = former.tokens.end.map_or(turn.now, |end| end.max(turn.now));
    former.renewed(last_written).expires(turn.settings.session.lifetimes)
}

/// Has this process's claim of a refresh that failed end after half the time for which this process waits: perhaps another
/// replica can reach the provider.
pub(super) fn give_up(turn: &mut Turn<'_>, session: &Session, not_before: Timestamp) {
    let Some((name, value)) = claim(turn, session) else { return };
    let lifetime = not_before.since(turn.now).checked_div(2).unwrap_or_default();
    put(turn, &name, &value, lifetime);
}

/// The name of a session's refresh, and a claim of it by this process.
fn claim(turn: &mut Turn<'_>, session: &Session) -> Option<(String, String)> {
    let name = agreed::name(session)?;
    let claim = Claim { process: process::name(turn.world)?, at: turn.now };
    let value = agreed::claim(turn.world, &turn.settings.sealer, &name, &claim).ok()?;
    Some((name, value))
}

/// Has a value put into the store, if there is one.
fn put(turn: &mut Turn<'_>, name: &str, value: &str, lifetime: Duration) {
    let Some(configured) = &turn.settings.revocations else { return };
    let call = configured.store.put(&NamedValue { name, value: value.as_bytes(), lifetime });
    fetch(turn, Errand::LeaveRefresh, call);
}

/// How long a refresh may take from the call to the provider on: the time for the reply, for the keys that it may need, and a
/// second.
pub(super) fn span(settings: &Settings, provider: &ProviderSettings) -> Duration {
    provider.oidc.timeout.saturating_add(settings.wait).saturating_add(Duration::from_secs(1))
}

/// How long a refresh is claimed: if the answer to the claim was lost, an attempt still ends before the claim does.
pub(super) fn claimed_for(settings: &Settings, provider: &ProviderSettings) -> Duration {
    span(settings, provider).saturating_mul(2)
}

/// Whether a claim is this process's, and so old at most.
fn is_ours(turn: &mut Turn<'_>, claim: &Claim, oldest: Duration) -> bool {
    process::name(turn.world) == Some(claim.process) && turn.now.since(claim.at) <= oldest
}

/// How long the store may take to answer, before that; nothing without a store.
pub(super) fn patience(settings: &Settings) -> Duration {
    let longest = settings.wait.checked_div(4).unwrap_or_default().min(LONGEST_ANSWER);
    settings.revocations.as_ref().map(|configured| configured.store.timeout().min(longest)).unwrap_or_default()
}

/// Has a call to the store made.
fn fetch(turn: &mut Turn<'_>, errand: Errand, call: HttpCall) {
    turn.fetches.push(Fetch { provider: String::new(), errand, call, began: turn.now });
}
