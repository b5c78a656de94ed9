//! The attempt of a sign-in: the provider at which it was begun and its metadata, the refusal without one, and its end. Nothing of
//! what the provider sends for this sign-in is known here.

use std::rc::Rc;

use crate::authenticate::scene::Scene;
use crate::authenticate::session::sealed_elsewhere;
use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::metadata::Metadata;
use crate::session::attempt::place::{LONGEST_LIFE, SHORTEST_LIFE};
use crate::session::attempt::{Attempt, Ending, client_fingerprint};
use crate::session::content::Fingerprint;
use crate::session::remembered::attempts::Outcome;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

/// The provider at which the sign-in was begun. It is asked for again at each step, because a new configuration may have given its
/// name to another provider in between.
///
/// # Errors
/// [`Reason::AttemptMissing`], as in [`checked_client`].
pub fn provider<'a>(settings: &'a Settings, visit: &Visit, attempt: &Attempt) -> Result<&'a ProviderSettings, Failure> {
    checked_client(settings, visit, &attempt.provider, &attempt.client_fingerprint)
}

/// The provider's metadata, which were here when the code was used.
///
/// # Errors
/// [`Reason::MetadataUnavailable`] when they are not here any more, for example by a new configuration.
pub fn metadata(scene: &mut Scene<'_>, provider: &ProviderSettings, now: Timestamp) -> Result<Rc<Metadata>, Failure> {
    let lost = || Failure::new(Reason::MetadataUnavailable, "the metadata were lost while signing in");
    scene.metadata(provider, now).ok_or_else(lost)
}

/// The provider of this name, if people sign in there, and its issuer, its client and this origin are still those that the attempt was begun for: the code
/// must not be sent anywhere else.
///
/// # Errors
/// [`Reason::AttemptMissing`].
pub fn checked_client<'a>(
    settings: &'a Settings,
    visit: &Visit,
    name: &str,
    begun_for: &Fingerprint,
) -> Result<&'a ProviderSettings, Failure> {
    let provider = settings.provider(name).filter(|provider| provider.oidc.signs_in());
    let detail = "its provider is no longer configured, or no longer to sign in";
    let provider = provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, detail))?;
    if *begun_for != client_fingerprint(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin) {
        let detail =
            "it was begun for another issuer, client or origin: by another gateway with this key, or another configuration";
        return Err(Failure::new(Reason::AttemptMissing, detail));
    }
    Ok(provider)
}

/// Ends an attempt that was used up. Returns the `Set-Cookie` value that replaces the attempt in the browser by its place, for
/// callbacks that come again; where an attempt has no place, the one that deletes its cookie.
pub fn end(scene: &mut Scene<'_>, attempt: &Attempt, outcome: Outcome, now: Timestamp) -> String {
    let (sealer, session) = (&scene.settings.sealer, &scene.settings.session);
    let cookie = &session.cookie;
    if attempt.ending != Ending::Session {
        return attempt.forget(cookie);
    }
    scene.background.attempts.end(scene.world, &attempt.state, outcome);
    let longest = match outcome {
        Outcome::SignedIn => SHORTEST_LIFE,
        Outcome::Failed => LONGEST_LIFE,
    };
    let place = attempt.place().store(scene.world, sealer, cookie, now, session.attempt_timeout, longest);
    place.unwrap_or_else(|_| attempt.forget(cookie))
}

/// What the log says of a request that has lost its https, and what to set.
const LOST_HTTPS: &str = "x-forwarded-proto is http, but the origin is https: redirect http to https, because browsers send no Secure cookie by http; if a balancer in front has ended TLS, it must set x-forwarded-proto, and Envoy's connection manager needs use_remote_address: true and xff_num_trusted_hops: 1";

/// The failure of a sign-in whose attempt's cookie did not come with the request; `cross_site` says whether the cookie is
/// `SameSite=None`.
pub fn no_attempt(settings: &Settings, visit: &Visit, reason: Reason, cross_site: bool) -> Failure {
    let (host, limit) = (&visit.request.authority, settings.session.attempt_timeout.as_secs());
    let same_site = if cross_site { "None" } else { "Lax" };
    let looked = format!("looked for the attempt's cookie: host {host}, SameSite={same_site}, to be finished within {limit} s");
    let elsewhere = |sealed: &[u8]| sealed_elsewhere(settings, sealed);
    let elsewhere = Attempt::first_named(&settings.session.cookie, &visit.request.headers, elsewhere);
    let elsewhere = elsewhere.map(|by| ["one came that was ", &by].concat());
    let by_http = visit.lost_https().then(|| LOST_HTTPS.to_owned());
    Failure::new(reason, [looked].into_iter().chain(elsewhere).chain(by_http).collect::<Vec<_>>().join("; "))
}
