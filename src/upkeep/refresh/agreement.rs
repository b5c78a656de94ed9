//! Who refreshes a session, where replicas share a store: whoever claims the refresh there first. Then the session with its new
//! tokens stands in the place of the claim for a minute, and other replicas take it. A store that does not answer, or says what we have
//! not left there, changes nothing: the provider is asked as if there were none. Within a process, the lease decides, which this
//! worker holds by then.

use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::{HttpCall, Reply};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::session::content::Session;
use crate::session::remembered::agreed::{self, Claim, Found, PROCESS_BYTES};
use crate::step::event::Event;
use crate::upkeep::failing::Failing;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::turn::Turn;
use crate::words::reason::Failure;
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// How long a refreshed session is left in the store for other replicas.
const LEFT_FOR: Duration = Duration::from_secs(60);

/// The longest time to wait for the store: the requests that wait for the refresh need the rest for the provider.
const LONGEST_ANSWER: Duration = Duration::from_secs(1);

/// After the store has failed, it is not asked for this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the name of this process stands in shared memory.
const PROCESS: &str = "accredit/4/process";

/// Who refreshes a session.
pub(super) enum Refresher {
    /// This process.
    Here,
    /// Another replica, which has not finished; or this one has failed so long ago that its claim is about to end.
    Elsewhere,
    /// Whoever claims it next: the former claim has just ended.
    Nobody,
    /// Another replica has refreshed it.
    Finished(Box<Session>),
}

/// How this worker agrees with other replicas.
#[derive(Default)]
pub(super) struct Agreement {
    failing: Failing,
    /// Before this time, the store is not asked, because it has just failed.
    not_before: Timestamp,
}

impl Agreement {
    /// Asks the store whether this process may refresh a session. Returns until when its answer is expected; `None` if there is
    /// nobody to ask.
    pub(super) fn ask(&self, turn: &mut Turn<'_>, provider: &ProviderSettings, session: &Session) -> Option<Timestamp> {
        let name = agreed::name(session).filter(|_| turn.now >= self.not_before)?;
        let claim = Claim { process: process(turn.world)?, at: turn.now };
        let value = agreed::claim(turn.world, &turn.settings.sealer, &name, &claim).ok()?;
        let value = NamedValue { name: &name, value: value.as_bytes(), lifetime: claimed_for(turn.settings, provider) };
        let timeout = patience(turn.settings);
        let call = HttpCall { timeout, ..turn.settings.revocations.as_ref()?.store.claim(&value) };
        fetch(turn, Errand::ClaimRefresh(Box::new(session.clone())), call);
        Some(turn.now.plus(timeout).plus(Duration::from_secs(1)))
    }

    /// Takes the store's answer.
    pub(super) fn answered(
        &mut self,
        turn: &mut Turn<'_>,
        provider: &ProviderSettings,
        session: &Session,
        reply: &Reply,
    ) -> Refresher {
        let (Some(configured), Some(name)) = (&turn.settings.revocations, agreed::name(session)) else { return Refresher::Here };
        let claimed = configured.store.claimed(reply);
        let value = match claimed {
            Ok(Claimed::Lost(value)) => value,
            Ok(Claimed::JustEnded) => return Refresher::Nobody,
            Ok(Claimed::Won) => {
                self.note(turn, Ok(()));
                return Refresher::Here;
            }
            Err(failure) => {
                self.note(turn, Err(failure));
                return Refresher::Here;
            }
        };
        self.note(turn, Ok(()));
        match agreed::read(&turn.settings.sealer, &name, session, &value) {
            Found::Refreshed(newer) => Refresher::Finished(newer),
            // The claim of this process: its answer was lost, or a refresh failed after it. Another attempt must end before it does.
            Found::Claim(claim) if is_ours(turn, &claim, span(turn.settings, provider)) => Refresher::Here,
            Found::Claim(_) => Refresher::Elsewhere,
            Found::Foreign => {
                turn.events.push(Event::RevocationsForged(1));
                Refresher::Here
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

/// Leaves the session with its new tokens to other replicas, if there is a store: where the refresh of the former was claimed.
pub(super) fn leave(turn: &mut Turn<'_>, former: &Session, refreshed: &Session) {
    let (Some(configured), Some(name)) = (&turn.settings.revocations, agreed::name(former)) else { return };
    // Without random bytes, others find the claim, and ask the provider when that has ended.
    let Ok(value) = agreed::refreshed(turn.world, &turn.settings.sealer, &name, refreshed) else { return };
    let call = configured.store.put(&NamedValue { name: &name, value: value.as_bytes(), lifetime: LEFT_FOR });
    fetch(turn, Errand::LeaveRefresh, call);
}

/// How long a refresh may take from the call to the provider on: the time for the reply, for the keys that it may need, and a second.
pub(super) fn span(settings: &Settings, provider: &ProviderSettings) -> Duration {
    provider.oidc.timeout.saturating_add(settings.wait).saturating_add(Duration::from_secs(1))
}

/// How long a refresh is claimed: one may fail, and be tried again.
pub(super) fn claimed_for(settings: &Settings, provider: &ProviderSettings) -> Duration {
    span(settings, provider).saturating_mul(2)
}

/// Whether a claim is this process's, and so old at most.
fn is_ours(turn: &mut Turn<'_>, claim: &Claim, oldest: Duration) -> bool {
    process(turn.world) == Some(claim.process) && turn.now.since(claim.at) <= oldest
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

/// A random name of this process, the same in all of its workers. `None` if there is none, or something else in its place.
fn process(world: &mut dyn World) -> Option<[u8; PROCESS_BYTES]> {
    if world.shared(PROCESS).is_none() {
        let mut name = [0; PROCESS_BYTES];
        world.random(&mut name).ok()?;
        // If another worker was faster, its name counts.
        let _ = world.share(PROCESS, &name, Version::Absent);
    }
    world.shared(PROCESS)?.value.try_into().ok()
}
