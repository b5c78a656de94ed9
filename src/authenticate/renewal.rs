//! Whether the response to a forwarded request writes the session's cookie again, and with which session. It never decides about
//! the request, which has gone upstream before.

use std::borrow::Cow;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::session::content::Session;
use crate::session::cookie;
use crate::session::ended::EndedSessions;
use crate::session::remembered::refreshed::newer;
use crate::step::decision::{Cause, Renewal};
use crate::words::world::World;

/// A response renews the session only within this time after its request.
const LONGEST_RENEWAL: Duration = Duration::from_secs(30);

/// The `Set-Cookie` values that renew the session; `None` if it has ended meanwhile, or need not be written.
pub fn renew(settings: &Settings, world: &mut dyn World, ended: &mut EndedSessions, renewal: &Renewal) -> Option<Vec<String>> {
    let now = world.now();
    // A response that took long does not renew: the person may have signed out meanwhile, at another replica for instance.
    let late = now.since(renewal.session.renewed) > LONGEST_RENEWAL;
    if late || ended.has_uncached(world, &renewal.session, now) {
        return None;
    }
    let written = to_write(settings, world, renewal)?;
    let sealed = settings.sealer.seal(world, Purpose::Session, &written.write()).ok()?;
    cookie::write(&settings.session.cookie, &sealed, now, written.ends, &renewal.request_cookies).ok()
}

/// The session to write: with the tokens that were refreshed meanwhile, or as it is, if its renewal was due.
fn to_write<'a>(settings: &Settings, world: &dyn World, renewal: &'a Renewal) -> Option<Cow<'a, Session>> {
    let session = &renewal.session;
    let refreshed = session.tokens.refresh_token.as_ref().and_then(|_| newer(world, &settings.sealer, session));
    match refreshed {
        Some(refreshed) => Some(Cow::Owned(refreshed.renewed(session.renewed))),
        None => (renewal.cause == Cause::Use).then_some(Cow::Borrowed(session)),
    }
}
