//! Asks the userinfo endpoint about somebody whose ID token was verified, and adds its claims to those of the ID token. Who signed
//! in, and how that was proved, it cannot change. If a key that is not here signed the userinfo, the sign-in waits for newer keys.

use std::convert::Infallible;

use crate::authenticate::scene::Scene;
use crate::config::settings::ProviderSettings;
use crate::http::message::Reply;
use crate::oidc::userinfo::{Expectations, UserinfoError, merge, userinfo_request, userinfo_response};
use crate::sign_in::first_visit::{self, FirstVisit};
use crate::sign_in::under_way::attempt::{metadata, provider};
use crate::sign_in::under_way::newer_keys::{self, KeyFetch, Misfit};
use crate::sign_in::under_way::proved::Proved;
use crate::step::decision::{Journey, News, Step};
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::principal::Claims;

/// A sign-in that waits for the userinfo endpoint. Its ID token is verified.
#[derive(Clone, Debug, PartialEq)]
pub struct AskingUserinfo {
    /// The sign-in.
    pub proved: Proved,
    /// Whether the keys were fetched again for its ID token.
    pub key_fetch: KeyFetch,
}

/// A sign-in that waits for newer keys. Its ID token is verified.
#[derive(Clone, Debug, PartialEq)]
pub struct UnverifiedUserinfo {
    /// The sign-in.
    pub proved: Proved,
    /// The userinfo endpoint's reply. Nothing of it is verified.
    pub reply: Reply,
}

impl From<Infallible> for Box<UnverifiedUserinfo> {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Asks the userinfo endpoint.
///
/// # Errors
/// If the provider's metadata are not here, or name no usable endpoint.
pub(super) fn ask(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    asking: AskingUserinfo,
) -> Journey<Box<AskingUserinfo>, Infallible> {
    let Proved { attempt, tokens, .. } = &asking.proved;
    let call = metadata(scene, provider, visit.now)
        .and_then(|metadata| userinfo_request(&provider.oidc, &metadata, &tokens.access_token))
        .map_err(|failure| Stop::sign_in(attempt, failure))?;
    Ok(Step::calling(call, Box::new(asking)))
}

/// Takes the userinfo endpoint's reply.
pub(super) fn answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    asking: AskingUserinfo,
    reply: &Reply,
) -> Journey<Box<FirstVisit>, Box<UnverifiedUserinfo>> {
    let AskingUserinfo { proved, key_fetch } = asking;
    take(scene, visit, proved, reply, key_fetch)
}

/// Goes on after the wait for newer keys.
pub(super) fn after_keys(
    scene: &mut Scene<'_>,
    visit: &Visit,
    waiting: UnverifiedUserinfo,
    news: News,
) -> Journey<Box<FirstVisit>, Box<UnverifiedUserinfo>> {
    let UnverifiedUserinfo { proved, reply } = waiting;
    take(scene, visit, proved, &reply, news.into())
}

/// Adds the claims in the reply. If no key fits its signature, the sign-in waits for newer keys, unless it has waited before.
fn take(
    scene: &mut Scene<'_>,
    visit: &Visit,
    mut proved: Proved,
    reply: &Reply,
    key_fetch: KeyFetch,
) -> Journey<Box<FirstVisit>, Box<UnverifiedUserinfo>> {
    let stop = |failure| Stop::sign_in(&proved.attempt, failure);
    let provider = provider(scene.settings, visit, &proved.attempt).map_err(stop)?;
    let (failure, misfit) = match read(scene, visit, provider, &proved, reply) {
        Ok(claims) => {
            merge(&mut proved.id_token.claims, claims);
            return first_visit::begin(scene, visit, proved).map(Step::widen);
        }
        Err(UserinfoError::Refused(failure)) => return Err(stop(failure)),
        Err(UserinfoError::KeyUnknown(failure)) => (failure, Misfit::KeyUnknown),
        Err(UserinfoError::SignatureWrong(failure)) => (failure, Misfit::SignatureWrong),
    };
    newer_keys::may_wait(scene, provider, failure, misfit, key_fetch).map_err(stop)?;
    let held = scene.keys(provider, visit.now);
    let waiting = Box::new(UnverifiedUserinfo { proved, reply: reply.clone() });
    Ok(newer_keys::wait(scene, visit, provider, held.as_ref(), waiting))
}

/// Reads the reply with the keys that are here.
fn read(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    proved: &Proved,
    reply: &Reply,
) -> Result<Claims, UserinfoError> {
    let metadata = metadata(scene, provider, visit.now)?;
    // Without keys, userinfo that is not signed can be read all the same.
    let keys = scene.keys(provider, visit.now).map(|held| held.set).unwrap_or_default();
    let expected = Expectations { subject: &proved.id_token.subject, keys: &keys, now: visit.now };
    userinfo_response(scene.world, &provider.oidc, &metadata, reply, &expected)
}
