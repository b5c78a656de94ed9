//! What the answer to an authorization request brings is redeemed: the code for tokens, which count once the ID token does, then
//! userinfo. What follows from these is for others (a look-up and a session, or a page's token).

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::access::requirement::test::{Surroundings, is_authenticated};
use crate::authenticate::scene::Scene;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::{HttpCall, Reply};
use crate::oidc::authorization::{IssParameter, authorization_response};
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdToken, IdTokenError, IssuedWith};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::ResponseMode;
use crate::oidc::token::{token_request, token_response};
use crate::oidc::tokens::TokenSet;
use crate::oidc::userinfo::{self, userinfo_request, userinfo_response};
use crate::session::attempt::{self, Attempt, Ending};
use crate::session::remembered::tombstone::Tombstones;
use crate::sign_in::first_visit::{self, FirstVisit};
use crate::sign_in::release;
use crate::sign_in::under_way::{Exchanged, Proved, provider};
use crate::step::decision::{FromTheStart, Journey, News, Resource, Step};
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::upkeep::documents::HeldKeys;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};

/// How a sign-in goes on when somebody has answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Redeeming {
    /// The token endpoint, about the code.
    Exchanging(Box<Attempt>),
    /// The userinfo endpoint: the ID token is good, and more claims are wanted.
    AskingUserinfo(Box<Proved>),
    /// The user service.
    Visiting(Box<FirstVisit>),
}

/// How a sign-in goes on when what it waited for is there, or will not come.
#[derive(Clone, Debug, PartialEq)]
pub enum AfterNews {
    /// Nothing was spent yet.
    FromTheStart,
    /// The tokens are here; the key that signed the ID token was not.
    Verifying(Box<Exchanged>),
}

impl From<FromTheStart> for AfterNews {
    fn from(FromTheStart: FromTheStart) -> Self {
        Self::FromTheStart
    }
}

impl From<Infallible> for Redeeming {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Box<FirstVisit>> for Redeeming {
    fn from(first: Box<FirstVisit>) -> Self {
        Self::Visiting(first)
    }
}

/// Whether the provider's keys were fetched for this very token already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// As they were.
    AsTheyAre,
    /// Fetched because none fitted.
    Refreshed,
}

/// Spends an attempt, whose state was proved, for the code that came with it.
pub(super) fn spend(
    scene: &mut Scene<'_>,
    visit: &Visit,
    attempt: Attempt,
    parameters: &BTreeMap<String, String>,
) -> Journey<Redeeming, AfterNews> {
    let stop = |failure| Stop::sign_in(&attempt, failure);
    let provider = checked_client(scene.settings, visit, &attempt).map_err(stop)?;
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        // Nothing was spent: the browser still has the code and the attempt.
        let resource = Resource::Metadata(provider.oidc.name.clone());
        return Ok(Step::waiting(resource, visit.patience, AfterNews::FromTheStart));
    };
    let call = claimed(scene, provider, &metadata, visit, &attempt, parameters).map_err(stop)?;
    Ok(Step::calling(call, Redeeming::Exchanging(Box::new(attempt))))
}

/// The provider that was asked, if it is what it was then. Before a code is sent anywhere.
fn checked_client<'a>(settings: &'a Settings, visit: &Visit, attempt: &Attempt) -> Result<&'a ProviderSettings, Failure> {
    let provider = provider(settings, attempt)?;
    if attempt.client_fingerprint != attempt::client_fingerprint(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin)
    {
        let detail =
            "it was begun for another issuer, client or origin: by another gateway with this key, or another configuration";
        return Err(Failure::new(Reason::AttemptMissing, detail));
    }
    Ok(provider)
}

/// The token request for the code that came. From here on the attempt counts as used, whatever comes of it, and whichever worker
/// another callback comes to.
fn claimed(
    scene: &mut Scene<'_>,
    provider: &ProviderSettings,
    metadata: &Metadata,
    visit: &Visit,
    attempt: &Attempt,
    parameters: &BTreeMap<String, String>,
) -> Result<HttpCall, Failure> {
    let settings = scene.settings;
    let used_until = attempt.created.plus(settings.session.attempt_timeout);
    if !Tombstones::attempts().mark_once(scene.world, attempt.state.expose(), used_until) {
        return Err(Failure::new(Reason::AttemptReplayed, "another callback with this state was quicker"));
    }
    check_mode(provider, visit, parameters)?;
    let code = authorization_response(parameters, &provider.oidc, issuer(settings, attempt.ending, metadata))?;
    token_request(scene.world, &provider.oidc, metadata, &code, &attempt.code_verifier, &attempt.redirect_uri)
}

/// Whether the answer must name its issuer. A page does not always pass the name on, which matters only where another provider
/// could have given the code (RFC 9700, section 4.4).
fn issuer(settings: &Settings, ending: Ending, metadata: &Metadata) -> IssParameter {
    let must_come = match ending {
        Ending::Session | Ending::Popup => metadata.announces_iss_parameter,
        Ending::Token => settings.providers.iter().filter(|provider| provider.oidc.redirect_uri.is_some()).count() > 1,
    };
    if must_come { IssParameter::Required } else { IssParameter::Optional }
}

/// A code comes as it was asked for. (An error may come in the address: providers send some of them before they look at the mode.)
fn check_mode(provider: &ProviderSettings, visit: &Visit, parameters: &BTreeMap<String, String>) -> Result<(), Failure> {
    let posted = visit.request.method == "POST" || parameters.contains_key("error");
    if provider.oidc.response_mode == ResponseMode::FormPost && !posted {
        return Err(Failure::new(
            Reason::ResponseModeMismatch,
            "expected the code in a form that is posted, found it in the address",
        ));
    }
    Ok(())
}

/// The token endpoint answered.
pub fn exchanged(scene: &mut Scene<'_>, visit: &Visit, attempt: Attempt, reply: &Reply) -> Journey<Redeeming, AfterNews> {
    let tokens = provider(scene.settings, &attempt).and_then(|provider| {
        let metadata = scene.metadata(provider, visit.now).ok_or_else(lost_metadata)?;
        token_response(&provider.oidc, &metadata, reply)
    });
    match tokens {
        Ok(tokens) => verify(scene, visit, Exchanged { attempt, tokens }, Keys::AsTheyAre),
        Err(failure) => Err(Stop::sign_in(&attempt, failure)),
    }
}

/// The keys that were waited for are there, or will not come.
pub fn keys_came(scene: &mut Scene<'_>, visit: &Visit, exchanged: Exchanged, news: News) -> Journey<Redeeming, AfterNews> {
    match news {
        News::Ready => verify(scene, visit, exchanged, Keys::Refreshed),
        News::Missing(reason) => {
            let failure = Failure::new(reason, "no key that fits could be fetched");
            Err(Stop::sign_in(&exchanged.attempt, failure))
        }
    }
}

/// Verifies the ID token; fetches keys once when none fits.
fn verify(scene: &mut Scene<'_>, visit: &Visit, exchanged: Exchanged, refreshed: Keys) -> Journey<Redeeming, AfterNews> {
    let Exchanged { attempt, tokens } = exchanged;
    let (settings, now) = (scene.settings, visit.now);
    let stop = |failure| Stop::sign_in(&attempt, failure);
    let provider = provider(settings, &attempt).map_err(stop)?;
    let keys = scene.keys(provider, now);
    let id_token = match (verified(scene, visit, provider, &attempt, &tokens, keys.as_ref()), refreshed) {
        (Ok(id_token), _) => id_token,
        (Err(IdTokenError::KeyUnknown(_)), Keys::AsTheyAre) => {
            let resource = Resource::Keys { provider: provider.oidc.name.clone(), newer_than: keys.map(|keys| keys.fetched) };
            scene.kept.documents.want(&resource);
            // The code is spent, so that this wait has patience of its own.
            let until = now.plus(settings.wait);
            return Ok(Step::waiting(resource, until, AfterNews::Verifying(Box::new(Exchanged { attempt, tokens }))));
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => return Err(stop(failure)),
    };
    check_demand(provider, &attempt, &id_token, visit).map_err(stop)?;
    // A page that keeps its token asks the provider itself.
    if attempt.ending == Ending::Token {
        return Ok(release::release(settings, visit, &attempt, &tokens, id_token));
    }
    if !provider.oidc.userinfo {
        return first_visit::begin(scene, visit, Proved { attempt, tokens, id_token }).map(Step::within);
    }
    let metadata = scene.metadata(provider, now).ok_or_else(|| stop(lost_metadata()))?;
    let call = userinfo_request(&provider.oidc, &metadata, &tokens.access_token).map_err(stop)?;
    Ok(Step::calling(call, Redeeming::AskingUserinfo(Box::new(Proved { attempt, tokens, id_token }))))
}

/// The ID token, if it is what it must be (OpenID Connect Core, section 3.1.3.7).
fn verified(
    scene: &Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    attempt: &Attempt,
    tokens: &TokenSet,
    keys: Option<&HeldKeys>,
) -> Result<IdToken, IdTokenError> {
    let no_keys = || IdTokenError::KeyUnknown(Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"));
    let expectations = Expectations {
        keys: &keys.ok_or_else(no_keys)?.set,
        nonce: ExpectedNonce::Value(attempt.nonce.expose()),
        issued_with: IssuedWith::AccessToken(&tokens.access_token),
        now: visit.now,
        provider_clock: tokens.provider_clock,
    };
    id_token::verify(scene.world, &provider.oidc, &tokens.id_token, &expectations)
}

/// Whether the authentication was the one that was asked for.
fn check_demand(provider: &ProviderSettings, attempt: &Attempt, id_token: &IdToken, visit: &Visit) -> Result<(), Failure> {
    let surroundings = Surroundings { now: visit.now, skew: provider.oidc.clock_skew };
    if is_authenticated(&attempt.demand, &id_token.claims, surroundings) {
        return Ok(());
    }
    let asked: Vec<_> = attempt.demand.parameters().map(|(name, value)| format!("{name} {value}")).collect();
    let shown = |name| id_token.claims.get(name).map_or_else(|| "none".to_owned(), |value| quote(&value.to_string()));
    let detail = format!("{} was asked for, acr is {}, auth_time is {}", asked.join(", "), shown("acr"), shown("auth_time"));
    Err(Failure::new(Reason::StepUpFailed, detail))
}

/// The userinfo endpoint answered.
pub fn userinfo_answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    mut proved: Proved,
    reply: &Reply,
) -> Journey<Redeeming, AfterNews> {
    let told = provider(scene.settings, &proved.attempt).and_then(|provider| {
        let metadata = scene.metadata(provider, visit.now).ok_or_else(lost_metadata)?;
        userinfo_response(&provider.oidc, &metadata, reply, &proved.id_token.subject)
    });
    match told {
        Ok(claims) => {
            userinfo::merge(&mut proved.id_token.claims, claims);
            first_visit::begin(scene, visit, proved).map(Step::within)
        }
        Err(failure) => Err(Stop::sign_in(&proved.attempt, failure)),
    }
}

/// The user service answered.
pub fn user_service_answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    first: FirstVisit,
    reply: &Reply,
) -> Journey<Redeeming, AfterNews> {
    first_visit::answered(scene, visit, first, reply).map(Step::within)
}

fn lost_metadata() -> Failure {
    Failure::new(Reason::MetadataUnavailable, "the metadata were lost while signing in")
}
