//! Who refreshes a session, where replicas share a store: whoever claims the refresh there first. Then the session with its new
//! tokens stands in the place of the claim while the former cookie may come, and other replicas take it. A store that does not
//! answer, or says what we have not left there, changes nothing: the provider is asked as if there were none. Within a process,
//! the lease decides, which this worker holds by then. How many calls are under way at a time is bounded, and how many results each
//! account has there.

use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::{HttpCall, Reply};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::session::content::Session;
use crate::session::remembered::account_share;
use crate::session::remembered::agreed::{self, Claim, Found, Left};
use crate::step::event::Event;
use crate::upkeep::failing::Failing;
use crate::upkeep::fetch::Errand;
use crate::upkeep::process;
use crate::upkeep::refresh::due::DueSession;
use crate::upkeep::refresh::waiting::Waiting;
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;

/// The most calls to the store that one worker has under way at a time, whatever they are for. Each is a connection, and others read
/// what has ended on theirs.
const MOST_CALLS: usize = 64;

/// The longest time to wait for the store: the requests that wait for the refresh need the rest for the provider.
const LONGEST_ANSWER: Duration = Duration::from_secs(1);

/// The longest time between a refresh and the end of the former tokens.
const SOONEST: Duration = Duration::from_secs(600);

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
    /// The calls whose answers are expected: the name that each is about, and until when. Calls that were made under an earlier
    /// configuration are not among them.
    calls: Vec<(String, Timestamp)>,
    /// What is to be left in the store.
    waiting: Waiting,
}

impl Agreement {
    /// Leaves what is to be left by now, and expects no answer any more that is overdue.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) {
        self.calls.retain(|(_, until)| turn.now < *until);
        self.send(turn);
    }

    /// Whether nobody has to wait before the store is asked.
    pub(super) fn has_room(&self, turn: &Turn<'_>) -> bool {
        turn.settings.revocations.is_none() || turn.now < self.not_before || self.calls.len() < MOST_CALLS
    }

    /// Asks the store whether this process may refresh a session; if the provider has refused its refresh token, whether others do.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>, provider: &ProviderSettings, due: &DueSession) -> Asked {
        // Before a session ends, the store is asked even if it has just failed.
        if turn.settings.revocations.is_none() || (turn.now < self.not_before && due.refused.is_none()) {
            return Asked::Nobody;
        }
        if self.calls.len() >= MOST_CALLS {
            return Asked::Later;
        }
        let asked = match due.refused {
            Some(_) => self.look(turn, &due.session),
            None => self.claim(turn, provider, &due.session),
        };
        asked.map_or(Asked::Nobody, Asked::Until)
    }

    /// Claims the refresh of a session. Returns until when the answer is expected; `None` if there is nobody to ask.
    fn claim(&mut self, turn: &mut Turn<'_>, provider: &ProviderSettings, session: &Session) -> Option<Timestamp> {
        let configured = turn.settings.revocations.as_ref()?;
        let (name, value) = claim(turn, session)?;
        let lifetime = claimed_for(turn.settings, provider);
        let call = configured.store.claim(&NamedValue { name: &name, value: value.as_bytes(), lifetime });
        let call = HttpCall { timeout: patience(turn.settings), ..call };
        Some(self.call(turn, name, Errand::ClaimRefresh(Box::new(session.clone())), call))
    }

    /// Looks what has become of the refresh of a session. Returns until when the answer is expected; `None` if there is nobody to ask.
    fn look(&mut self, turn: &mut Turn<'_>, session: &Session) -> Option<Timestamp> {
        let configured = turn.settings.revocations.as_ref()?;
        let name = agreed::name(session)?;
        let call = HttpCall { timeout: patience(turn.settings), ..configured.store.get(&name) };
        Some(self.call(turn, name, Errand::LookAtRefresh(Box::new(session.clone())), call))
    }

    /// Has a call made about this name. Returns until when its answer is expected.
    fn call(&mut self, turn: &mut Turn<'_>, name: String, errand: Errand, call: HttpCall) -> Timestamp {
        let until = turn.now.plus(call.timeout).plus(Duration::from_secs(1));
        self.calls.push((name, until));
        turn.ask_store(errand, call);
        until
    }

    /// Notes that the answer to a call about this session's refresh has come.
    pub(super) fn came(&mut self, session: &Session) {
        if let Some(name) = agreed::name(session) {
            self.came_about(&name);
        }
    }

    fn came_about(&mut self, name: &str) {
        if let Some(position) = self.calls.iter().position(|(asked, _)| asked == name) {
            self.calls.swap_remove(position);
        }
    }

    /// Takes the store's answer to a claim.
    pub(super) fn claimed(
        &mut self,
        turn: &mut Turn<'_>,
        provider: &ProviderSettings,
        session: &Session,
        reply: &Reply,
    ) -> Refresher {
        let Some(configured) = &turn.settings.revocations else { return Refresher::Here { claimed: false } };
        // An attempt must end before the claim does.
        let oldest = span(turn.settings, provider);
        self.refresher(turn, session, oldest, configured.store.claimed(reply))
    }

    /// Takes the store's answer to a look: `Nobody` if nothing stands there.
    pub(super) fn looked(&mut self, turn: &mut Turn<'_>, session: &Session, reply: &Reply) -> Refresher {
        let Some(configured) = &turn.settings.revocations else { return Refresher::Here { claimed: false } };
        let found = configured.store.got(reply).map(|value| value.map_or(Claimed::JustEnded, Claimed::Lost));
        self.refresher(turn, session, Duration::MAX, found)
    }

    /// Who refreshes a session, by what the store has said. A claim of this process counts if it is so old at most.
    fn refresher(
        &mut self,
        turn: &mut Turn<'_>,
        session: &Session,
        oldest: Duration,
        claimed: Result<Claimed, Failure>,
    ) -> Refresher {
        let Some(name) = agreed::name(session) else { return Refresher::Here { claimed: false } };
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
            // The claim of this process, whose answer was lost or came too late.
            Found::Claim(claim) if is_ours(turn, &claim, oldest) => Refresher::Here { claimed: true },
            Found::Claim(_) => Refresher::Elsewhere,
            Found::Unreadable => Refresher::Here { claimed: false },
            Found::Forged => {
                turn.events.push(Event::RevocationsForged(1));
                Refresher::Here { claimed: false }
            }
        }
    }

    /// Leaves the session with its new tokens to other replicas, if there is a store: where the refresh of the former was claimed.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, former: &Session, refreshed: &Session) {
        let Some(name) = agreed::name(former).filter(|_| turn.settings.revocations.is_some()) else { return };
        // Without random bytes or room to wait, or for an account that has its share there, others find the claim, and ask the
        // provider when that has ended.
        let Ok(value) = agreed::refreshed(turn.world, &turn.settings.sealer, &name, refreshed) else { return };
        if !self.waiting.has_room() {
            return;
        }
        let wanted = last_use(turn, former);
        let latest = wanted.max(turn.now.plus(turn.settings.session.lifetimes.idle).plus(SOONEST));
        let Some(until) = account_share::one_more(turn.world, former, (wanted, latest), turn.now) else { return };
        self.waiting.add_result(name, value, until, turn.now);
        self.send(turn);
    }

    /// Looks whether the claim of a refresh that has failed is still this process's, to give it up. If there is no room for that, it ends
    /// by itself.
    pub(super) fn look_before_giving_up(&mut self, turn: &mut Turn<'_>, session: &Session) {
        if turn.now >= self.not_before && self.calls.len() < MOST_CALLS {
            let _ = self.look(turn, session);
        }
    }

    /// Has this process's claim of a refresh that failed, which was just found there, end after half the time for which this process
    /// waits: perhaps another replica can reach the provider. Only at once, while what was found there is still there.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>, session: &Session, not_before: Timestamp) {
        if turn.now < not_before
            && self.calls.len() < MOST_CALLS
            && let Some((name, value)) = claim(turn, session)
        {
            let until = turn.now.plus(not_before.since(turn.now).checked_div(2).unwrap_or_default());
            self.put(turn, Left { name, value, until, tries_left: 0 });
        }
    }

    /// Takes the store's answer to what was left there.
    pub(super) fn left(&mut self, turn: &mut Turn<'_>, left: &Left, reply: &Reply) {
        self.came_about(&left.name);
        let Some(configured) = &turn.settings.revocations else { return };
        let outcome = configured.store.was_put(reply);
        if outcome.is_err() {
            self.waiting.add_again(left, turn.now);
        }
        self.note(turn, outcome);
    }

    /// Sends what is to be left by now, as far as there is room.
    fn send(&mut self, turn: &mut Turn<'_>) {
        while self.calls.len() < MOST_CALLS
            && let Some(left) = self.waiting.next(turn.now)
        {
            self.put(turn, left);
        }
    }

    fn put(&mut self, turn: &mut Turn<'_>, left: Left) {
        let Some(configured) = &turn.settings.revocations else { return };
        let lifetime = left.until.since(turn.now);
        let call = configured.store.put(&NamedValue { name: &left.name, value: left.value.as_bytes(), lifetime });
        self.call(turn, left.name.clone(), Errand::LeaveRefresh(Box::new(left)), call);
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

/// When no cookie of a session from before this refresh counts any more. Such a cookie may be written again as long as its tokens
/// have not ended, by a replica that does not know of the refresh.
fn last_use(turn: &Turn<'_>, former: &Session) -> Timestamp {
    let last_written = former.tokens.end.map_or(turn.now, |end| end.max(turn.now));
    former.renewed(last_written).expires(turn.settings.session.lifetimes)
}

/// The name of a session's refresh, and a claim of it by this process.
fn claim(turn: &mut Turn<'_>, session: &Session) -> Option<(String, String)> {
    let name = agreed::name(session)?;
    let claim = Claim { process: process::name(turn.world)?, at: turn.now };
    let value = agreed::claim(turn.world, &turn.settings.sealer, &name, &claim).ok()?;
    Some((name, value))
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
