//! Redeems a code: requests the tokens, verifies the ID token, and asks for more claims if that is configured ([`userinfo`]). It
//! never begins a session or releases a token itself; `sign_in::first_visit` and `sign_in::release` go on after it.

pub mod userinfo;

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::access::requirement::test::{Moment, is_authenticated};
use crate::authenticate::scene::Scene;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::message::{HttpCall, Reply};
use crate::oidc::authorization::{IssParameter, Refused, Remedy, authorization_response};
use crate::oidc::discovery::{self, Need};
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdToken, IdTokenError, IssuedWith};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::ResponseMode;
use crate::oidc::token::tokens::TokenSet;
use crate::oidc::token::{token_request, token_response};
use crate::session::attempt::{Attempt, Ending};
use crate::sign_in::first_visit::{self, FirstVisit};
use crate::sign_in::redeem::userinfo::{AskingUserinfo, UnverifiedUserinfo};
use crate::sign_in::release;
use crate::sign_in::under_way::again;
use crate::sign_in::under_way::attempt::{metadata, provider};
use crate::sign_in::under_way::newer_keys::{self, KeyFetch, Misfit};
use crate::sign_in::under_way::proved::{Exchanged, Proved};
use crate::sign_in::under_way::repeated::{Repeated, repeated};
use crate::step::decision::{FromTheStart, Journey, News, Resource, Step};
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::upkeep::documents::HeldKeys;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};

/// The call that a sign-in waits for, with what it goes on with.
#[derive(Clone, Debug, PartialEq)]
pub enum SignInCall {
    /// The token request.
    TokenEndpoint(Box<Attempt>),
    /// The userinfo request. The ID token is verified.
    UserinfoEndpoint(Box<AskingUserinfo>),
    /// A call to the user service.
    UserService(Box<FirstVisit>),
}

/// How a request goes on after a wait for something shared.
#[derive(Clone, Debug, PartialEq)]
pub enum AfterNews {
    /// From the start: no code was used.
    FromTheStart,
    /// With the verification of the ID token, whose key was missing.
    Verifying(Box<Exchanged>),
    /// With signed userinfo, whose key was missing. The ID token is verified.
    VerifyingUserinfo(Box<UnverifiedUserinfo>),
    /// With a callback that came again, after the first one.
    Repeated(Box<Repeated>),
}

impl From<FromTheStart> for AfterNews {
    fn from(FromTheStart: FromTheStart) -> Self {
        Self::FromTheStart
    }
}

impl From<Box<Repeated>> for AfterNews {
    fn from(waiting: Box<Repeated>) -> Self {
        Self::Repeated(waiting)
    }
}

impl From<Box<UnverifiedUserinfo>> for AfterNews {
    fn from(waiting: Box<UnverifiedUserinfo>) -> Self {
        Self::VerifyingUserinfo(waiting)
    }
}

impl From<Infallible> for AfterNews {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Infallible> for SignInCall {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Box<AskingUserinfo>> for SignInCall {
    fn from(asking: Box<AskingUserinfo>) -> Self {
        Self::UserinfoEndpoint(asking)
    }
}

impl From<Box<FirstVisit>> for SignInCall {
    fn from(first: Box<FirstVisit>) -> Self {
        Self::UserService(first)
    }
}

/// Redeems the code in these parameters, which were found to belong to this attempt at this provider.
pub(super) fn redeem_code(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    attempt: Attempt,
    parameters: &BTreeMap<String, String>,
) -> Journey<SignInCall, AfterNews> {
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        // Neither the code nor the attempt is used yet.
        let resource = Resource::Metadata(provider.oidc.name.clone());
        return Ok(Step::waiting(resource, visit.wait_until, AfterNews::FromTheStart));
    };
    if let Err(failure) = discovery::check(&provider.oidc, &metadata, Need::SignIn) {
        return Err(again::page(&attempt.place(), failure));
    }
    // The attempt is used up, in all workers and whatever follows. Of several callbacks with one `state`, only one gets further.
    let used_until = attempt.created.plus(scene.settings.session.attempt_timeout);
    if !scene.background.attempts.use_up(scene.world, &attempt.state, used_until) {
        return came_again(scene, visit, &attempt);
    }
    match spend(scene, provider, &metadata, visit, &attempt, parameters) {
        Ok(call) => Ok(Step::calling(call, SignInCall::TokenEndpoint(Box::new(attempt)))),
        Err(refused) => stopped(scene, visit, &attempt, refused),
    }
}

/// A callback, or a code from a page, whose attempt was used up before.
pub(super) fn came_again(scene: &mut Scene<'_>, visit: &Visit, attempt: &Attempt) -> Journey<SignInCall, AfterNews> {
    match attempt.ending {
        Ending::Session => repeated(scene, visit, attempt.place()).map(Step::widen),
        Ending::Popup | Ending::Token => {
            let failure = Failure::new(Reason::AttemptReplayed, "this state came back before");
            Err(Stop::new(JourneyKind::UnsolicitedResponse, failure))
        }
    }
}

/// A sign-in that is over. Where it was to lead to a session in this window, some failures are mended by beginning again.
fn stopped(scene: &mut Scene<'_>, visit: &Visit, attempt: &Attempt, refused: Refused) -> Journey<SignInCall, AfterNews> {
    match attempt.ending {
        Ending::Session => again::refused(scene, visit, attempt, refused),
        Ending::Popup | Ending::Token => Err(Stop::sign_in(attempt, refused.failure)),
    }
}

/// The token request for the code in these parameters (RFC 6749, section 4.1.3).
fn spend(
    scene: &mut Scene<'_>,
    provider: &ProviderSettings,
    metadata: &Metadata,
    visit: &Visit,
    attempt: &Attempt,
    parameters: &BTreeMap<String, String>,
) -> Result<HttpCall, Refused> {
    check_response_mode(provider, visit, parameters)?;
    let code = authorization_response(parameters, &provider.oidc, iss_parameter(scene.settings, attempt.ending, metadata))?;
    Ok(token_request(scene.world, &provider.oidc, metadata, &code, &attempt.code_verifier, &attempt.redirect_uri)?)
}

/// Whether the authorization response must have `iss` (RFC 9207, section 2.4). A page that sends the code may have left `iss`
/// out; that is accepted where only one provider could have issued the code (RFC 9700, section 4.4).
pub(super) fn iss_parameter(settings: &Settings, ending: Ending, metadata: &Metadata) -> IssParameter {
    let must_come = match ending {
        Ending::Session | Ending::Popup => metadata.announces_iss_parameter,
        Ending::Token => settings.providers.iter().filter(|provider| provider.oidc.redirect_uri.is_some()).count() > 1,
    };
    if must_come { IssParameter::Required } else { IssParameter::Optional }
}

/// Refuses a code in the query where `response_mode=form_post` was requested. (An error may come in the query: providers send
/// some of them before they look at the response mode.)
fn check_response_mode(provider: &ProviderSettings, visit: &Visit, parameters: &BTreeMap<String, String>) -> Result<(), Failure> {
    let posted = visit.request.method == "POST" || parameters.contains_key("error");
    if provider.oidc.response_mode == ResponseMode::FormPost && !posted {
        return Err(Failure::new(
            Reason::ResponseModeMismatch,
            "expected the code in a form that is posted, found it in the address",
        ));
    }
    Ok(())
}

/// Takes the token endpoint's reply.
pub fn token_endpoint_answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    attempt: Attempt,
    reply: &Reply,
) -> Journey<SignInCall, AfterNews> {
    let tokens = provider(scene.settings, visit, &attempt).and_then(|provider| {
        let metadata = metadata(scene, provider, visit.now)?;
        token_response(&provider.oidc, &metadata, reply)
    });
    match tokens {
        Ok(tokens) => verify(scene, visit, Exchanged { attempt, tokens }, KeyFetch::NotTried),
        // A code that is too old, or was spent by a replica that this worker does not know.
        Err(failure) if failure.reason == Reason::CodeRefused => {
            stopped(scene, visit, &attempt, Refused { failure, remedy: Remedy::BeginAgain })
        }
        Err(failure) => Err(Stop::sign_in(&attempt, failure)),
    }
}

/// Goes on after the wait for newer keys.
pub fn after_keys(scene: &mut Scene<'_>, visit: &Visit, exchanged: Exchanged, news: News) -> Journey<SignInCall, AfterNews> {
    verify(scene, visit, exchanged, news.into())
}

/// Verifies the ID token. If no key fits, the sign-in waits for newer keys, once.
fn verify(scene: &mut Scene<'_>, visit: &Visit, exchanged: Exchanged, key_fetch: KeyFetch) -> Journey<SignInCall, AfterNews> {
    let Exchanged { attempt, tokens } = exchanged;
    let (settings, now) = (scene.settings, visit.now);
    let stop = |failure| Stop::sign_in(&attempt, failure);
    let provider = provider(settings, visit, &attempt).map_err(stop)?;
    let keys = scene.keys(provider, now);
    let id_token = match verified(scene, visit, provider, &attempt, &tokens, keys.as_ref()) {
        Ok(id_token) => id_token,
        Err(IdTokenError::Refused(failure)) => return Err(stop(failure)),
        Err(IdTokenError::KeyUnknown(failure)) => {
            let is_wrong = matches!(failure.reason, Reason::IdTokenSignature | Reason::IdTokenAlgorithm);
            let misfit = if is_wrong { Misfit::SignatureWrong } else { Misfit::KeyUnknown };
            newer_keys::may_wait(scene, provider, failure, misfit, key_fetch).map_err(stop)?;
            let waiting = AfterNews::Verifying(Box::new(Exchanged { attempt, tokens }));
            return Ok(newer_keys::wait(scene, visit, provider, keys.as_ref(), waiting));
        }
    };
    check_demand(provider, &attempt, &id_token, visit).map_err(stop)?;
    // A page that keeps its own token can ask the userinfo endpoint itself.
    if attempt.ending == Ending::Token {
        return Ok(release::release(settings, visit, &attempt, &tokens, id_token));
    }
    let proved = Proved { attempt, tokens, id_token };
    if !provider.oidc.userinfo {
        return first_visit::begin(scene, visit, proved).map(Step::widen);
    }
    userinfo::ask(scene, visit, provider, AskingUserinfo { proved, key_fetch }).map(Step::widen)
}

/// Verifies the ID token (OpenID Connect Core, section 3.1.3.7).
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

/// Checks that the authentication meets the `acr_values` and `max_age` that were requested (OpenID Connect Core, section 3.1.3.7,
/// points 12 and 13).
fn check_demand(provider: &ProviderSettings, attempt: &Attempt, id_token: &IdToken, visit: &Visit) -> Result<(), Failure> {
    let moment = Moment { now: visit.now, skew: provider.oidc.clock_skew };
    if is_authenticated(&attempt.demand, &id_token.claims, moment) {
        return Ok(());
    }
    let asked: Vec<_> = attempt.demand.parameters().map(|(name, value)| format!("{name} {value}")).collect();
    let shown = |name| id_token.claims.get(name).map_or_else(|| "none".to_owned(), |value| quote(&value.to_string()));
    let detail = format!("{} was asked for, acr is {}, auth_time is {}", asked.join(", "), shown("acr"), shown("auth_time"));
    Err(Failure::new(Reason::StepUpFailed, detail))
}

/// Takes the userinfo endpoint's reply.
pub fn userinfo_answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    asking: AskingUserinfo,
    reply: &Reply,
) -> Journey<SignInCall, AfterNews> {
    userinfo::answered(scene, visit, asking, reply).map(Step::widen)
}

/// Goes on after the wait for newer keys, which may verify the userinfo.
pub fn after_keys_of_userinfo(
    scene: &mut Scene<'_>,
    visit: &Visit,
    waiting: UnverifiedUserinfo,
    news: News,
) -> Journey<SignInCall, AfterNews> {
    userinfo::after_keys(scene, visit, waiting, news).map(Step::widen)
}

/// Takes the user service's reply.
pub fn user_service_answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    first: FirstVisit,
    reply: &Reply,
) -> Journey<SignInCall, AfterNews> {
    first_visit::answered(scene, visit, first, reply).map(Step::widen)
}
