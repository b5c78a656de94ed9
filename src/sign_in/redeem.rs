//! Redeems a code: requests the tokens, verifies the ID token, and asks the userinfo endpoint if that is configured. It never
//! begins a session or releases a token itself; `sign_in::first_visit` and `sign_in::release` go on after it.

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
use crate::oidc::userinfo::{self, userinfo_request, userinfo_response};
use crate::session::attempt::{Attempt, Ending};
use crate::sign_in::first_visit::{self, FirstVisit};
use crate::sign_in::release;
use crate::sign_in::under_way::again;
use crate::sign_in::under_way::attempt::provider;
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
    UserinfoEndpoint(Box<Proved>),
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

impl From<Infallible> for SignInCall {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Box<FirstVisit>> for SignInCall {
    fn from(first: Box<FirstVisit>) -> Self {
        Self::UserService(first)
    }
}

/// Whether the provider's keys were fetched again for this ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyFetch {
    NotTried,
    Done,
    /// They did not come, for this reason.
    InVain(Reason),
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
    let tokens = provider(scene.settings, &attempt.provider).and_then(|provider| {
        let metadata = scene.metadata(provider, visit.now).ok_or_else(lost_metadata)?;
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
    let key_fetch = match news {
        News::Ready => KeyFetch::Done,
        News::Missing(reason) => KeyFetch::InVain(reason),
    };
    verify(scene, visit, exchanged, key_fetch)
}

/// The failure of an ID token for which no newer keys came. If the keys cannot be fetched, or the token's key is unknown, the token
/// may be good: the reason is why no keys came. If they were only not fetched again, because of too many bad tokens, a wrong
/// signature stays a wrong signature.
fn without_newer_keys(scene: &Scene<'_>, provider: &ProviderSettings, failure: Failure, missing: Reason) -> Failure {
    let failing = scene.background.documents.keys_failing(scene.world, &provider.oidc.name);
    if !failing && matches!(failure.reason, Reason::IdTokenSignature | Reason::IdTokenAlgorithm) {
        return failure;
    }
    Failure::new(missing, "no key that fits could be fetched")
}

/// Verifies the ID token. If no key fits, the sign-in waits for newer keys, once.
fn verify(scene: &mut Scene<'_>, visit: &Visit, exchanged: Exchanged, key_fetch: KeyFetch) -> Journey<SignInCall, AfterNews> {
    let Exchanged { attempt, tokens } = exchanged;
    let (settings, now) = (scene.settings, visit.now);
    let stop = |failure| Stop::sign_in(&attempt, failure);
    let provider = provider(settings, &attempt.provider).map_err(stop)?;
    let keys = scene.keys(provider, now);
    let id_token = match (verified(scene, visit, provider, &attempt, &tokens, keys.as_ref()), key_fetch) {
        (Ok(id_token), _) => id_token,
        (Err(IdTokenError::KeyUnknown(_)), KeyFetch::NotTried) => {
            let resource = Resource::Keys { provider: provider.oidc.name.clone(), newer_than: keys.map(|keys| keys.fetched) };
            scene.background.documents.want(&resource);
            // The code is used, so that the sign-in cannot begin again: this wait has the whole time to itself.
            let until = now.plus(settings.wait);
            return Ok(Step::waiting(resource, until, AfterNews::Verifying(Box::new(Exchanged { attempt, tokens }))));
        }
        (Err(IdTokenError::KeyUnknown(failure)), KeyFetch::InVain(missing)) => {
            return Err(stop(without_newer_keys(scene, provider, failure, missing)));
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => return Err(stop(failure)),
    };
    check_demand(provider, &attempt, &id_token, visit).map_err(stop)?;
    // A page that keeps its own token can ask the userinfo endpoint itself.
    if attempt.ending == Ending::Token {
        return Ok(release::release(settings, visit, &attempt, &tokens, id_token));
    }
    if !provider.oidc.userinfo {
        return first_visit::begin(scene, visit, Proved { attempt, tokens, id_token }).map(Step::widen);
    }
    let metadata = scene.metadata(provider, now).ok_or_else(|| stop(lost_metadata()))?;
    let call = userinfo_request(&provider.oidc, &metadata, &tokens.access_token).map_err(stop)?;
    Ok(Step::calling(call, SignInCall::UserinfoEndpoint(Box::new(Proved { attempt, tokens, id_token }))))
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
    mut proved: Proved,
    reply: &Reply,
) -> Journey<SignInCall, AfterNews> {
    let claims = provider(scene.settings, &proved.attempt.provider).and_then(|provider| {
        let metadata = scene.metadata(provider, visit.now).ok_or_else(lost_metadata)?;
        // The ID token was verified with them just now. Without them, only signed userinfo is refused.
        let keys = scene.keys(provider, visit.now).map(|held| held.set).unwrap_or_default();
        let expected = userinfo::Expectations { subject: &proved.id_token.subject, keys: &keys, now: visit.now };
        userinfo_response(scene.world, &provider.oidc, &metadata, reply, &expected)
    });
    match claims {
        Ok(claims) => {
            userinfo::merge(&mut proved.id_token.claims, claims);
            first_visit::begin(scene, visit, proved).map(Step::widen)
        }
        Err(failure) => {
            if failure.reason == Reason::UserinfoMalformed {
                // It may be signed by a key that is newer than ours, which verified the ID token: the next sign-in has it.
                let newer_than = provider(scene.settings, &proved.attempt.provider).ok();
                let newer_than = newer_than.and_then(|provider| scene.keys(provider, visit.now)).map(|held| held.fetched);
                scene.background.documents.want(&Resource::Keys { provider: proved.attempt.provider.clone(), newer_than });
            }
            Err(Stop::sign_in(&proved.attempt, failure))
        }
    }
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

fn lost_metadata() -> Failure {
    Failure::new(Reason::MetadataUnavailable, "the metadata were lost while signing in")
}
