//! The calls to the store that are made in the background, and how long each may take. What they are for is not known here.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::settings::{Revocations as Configured, Settings};
use crate::http::message::HttpCall;
use crate::revocations::cursor::Cursor;
use crate::upkeep::fetch::Errand;
use crate::upkeep::lease::{self, Grant, Urgency};
use crate::upkeep::question::Question;
use crate::upkeep::revocations::attempts;
use crate::upkeep::revocations::round::Round;
use crate::upkeep::revocations::shared::Place;
use crate::upkeep::turn::Turn;
use crate::words::time::Timestamp;

/// How long an entry is left in the store, by the store's clock, after the longest session that it could end when it was added. It
/// matters for up to twenty minutes of that; the rest is for clocks that differ.
const MARGIN: Duration = Duration::from_secs(3_600);

/// How far ahead of ours the store's clock is believed. A clock that is further ahead would have entries removed that still matter.
const MOST_AHEAD: Duration = Duration::from_secs(600);

/// How far the store's clock is ahead of ours, if that is further than it is believed.
pub(super) fn is_ahead(store_clock: Timestamp, now: Timestamp) -> Option<Duration> {
    Some(store_clock.since(now)).filter(|ahead| *ahead > MOST_AHEAD)
}

/// Entries that were added before this time, by the store's clock, may be removed: none that matters by the store's clock, and by ours.
pub(super) fn removed_before(settings: &Settings, store_clock: Timestamp, now: Timestamp) -> Timestamp {
    store_clock.min(now.plus(MOST_AHEAD)).minus(kept_for(settings))
}

/// Asks for the next page of a round, unless another worker reads. Returns the round, and when it was asked.
pub(super) fn read(
    turn: &mut Turn<'_>,
    configured: &Configured,
    place: &Place,
    mut round: Round,
    heard: &mut BTreeSet<Cursor>,
) -> Option<(Round, Timestamp)> {
    // If this worker dies meanwhile, another one goes on after this time.
    let span = patience(configured);
    if lease::acquire(turn.world, &place.lease(), turn.now, span, Urgency::Due) != Grant::Granted {
        round.take_over(turn, heard);
        return None;
    }
    place.change(turn.world, turn.now, |progress| {
        progress.asked = turn.now;
        // A process that has never read everything begins at once, when it can.
        if round.reads_all() && progress.current.is_some() {
            progress.attempts.under_way(turn.now, under_way(configured));
        }
    });
    ask(turn, round.call(&configured.store), Question::Read(round.from()));
    Some((round, turn.now))
}

/// How long a page is waited for: as long as the answer may take, and a second.
pub(super) fn patience(configured: &Configured) -> Duration {
    configured.store.timeout().saturating_add(Duration::from_secs(1))
}

/// How long other workers leave it to one to find out what the store lacks, or to announce it, after each of its calls: between two of
/// them, it may make another.
pub(super) fn under_way(configured: &Configured) -> Duration {
    patience(configured).saturating_mul(2).saturating_add(attempts::PAUSE)
}

/// How long entries matter, by the store's clock.
fn kept_for(settings: &Settings) -> Duration {
    settings.session.longest().saturating_add(MARGIN)
}

/// Sends announcements, if there are any. Entries that nobody needs any more are removed from the store with them: by the store's
/// own clock, because ours may be ahead, and no later than by ours, because the store's may be.
pub(super) fn announce(turn: &mut Turn<'_>, configured: &Configured, place: &Place, announcements: Vec<Vec<u8>>) {
    if announcements.is_empty() {
        return;
    }
    // As the store's clock was when it was read last: by our own, time may seem to have passed since.
    let store_clock = place.load(turn.world, turn.now).store_clock;
    let removed_before = store_clock.map(|clock| removed_before(turn.settings, clock, turn.now));
    let call = configured.store.announce(&announcements, &[], removed_before);
    ask(turn, call, Question::Announce(announcements));
}

/// Has a call made.
pub(super) fn ask(turn: &mut Turn<'_>, call: HttpCall, question: Question) {
    turn.ask_store(Errand::Revocations(Box::new(question)), call);
}
