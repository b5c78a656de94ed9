//! Which journey a request takes, at the start and after each wait, and how a journey that was stopped is answered. The only file
//! that names all journeys. It decides nothing about identity or access.

mod ended_elsewhere;
mod guard;
mod judge;
mod operator_logout;
mod published;
mod rule;
mod sign_out;
mod whoami;

#[cfg(not(target_arch = "wasm32"))]
use std::borrow::Cow;

#[cfg(not(target_arch = "wasm32"))]
use crate::access::mcp::call::Call;
#[cfg(not(target_arch = "wasm32"))]
use crate::access::route::Rule;
use crate::authenticate::introspected::introspected;
use crate::authenticate::next_pass;
use crate::authenticate::scene::Scene;
#[cfg(not(target_arch = "wasm32"))]
use crate::config::settings::Settings;
use crate::gateway::journeys::ended_elsewhere::{backchannel_logout, frontchannel_logout, security_events};
use crate::gateway::journeys::judge::ByIntrospection;
use crate::gateway::pending::{AfterReply, PendingBody, PendingCall, PendingWait, Step, with_request};
#[cfg(not(target_arch = "wasm32"))]
use crate::gateway::resources::called::called;
use crate::gateway::resources::called::stopped;
use crate::gateway::resources::metadata::metadata;
use crate::http::message::Reply;
use crate::http::trace_context::trace_context;
use crate::session::attempt::{Attempt, Ending};
use crate::session::remembered::attempts::Outcome;
use crate::sign_in::redeem::{self, AfterNews, SignInCall};
use crate::sign_in::under_way::{attempt, repeated};
use crate::sign_in::{begin, callback, exchange, password};
use crate::step::decision::{self, BodyNews, Decision, News};
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
#[cfg(not(target_arch = "wasm32"))]
use crate::words::world::World;

/// A step of any journey, or what stopped it.
type Journey = decision::Journey<AfterReply, AfterNews>;

/// The first step of a request.
pub(super) fn from_the_start(scene: &mut Scene<'_>, mut visit: Visit) -> Step {
    next_pass::restore(scene.settings, scene.world, &mut visit);
    let journey = chosen(scene, &mut visit);
    conclude(scene, visit, journey)
}

/// The rule that applies to a request, with the policy that Envoy's route names; what it calls at an MCP server, and why it is refused
/// for that whoever sent it, if it is.
///
/// # Errors
/// If the policy is not known, or could be another one upstream.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn rule_of<'a>(
    settings: &'a Settings,
    world: &dyn World,
    visit: &Visit,
) -> Result<(Cow<'a, Rule>, Call, Option<Failure>), Failure> {
    let (call, refused) = called(settings, world, visit, visit.resource(settings));
    rule::tightened(settings, world, visit, &call).map(|(rule, tokens_differ)| (rule, call, refused.or(tokens_differ)))
}

/// The next step after the reply to an HTTP call.
pub(super) fn after_reply(scene: &mut Scene<'_>, pending: PendingCall, reply: &Reply) -> Step {
    let PendingCall { mut visit, then } = pending;
    visit.now = scene.world.now();
    let journey = match then {
        AfterReply::Introspecting(asking) => {
            let mut events = Vec::with_capacity(2);
            let introspected = ByIntrospection::Answered(introspected(scene, &visit, asking, reply, &mut events));
            ruled(scene, &mut visit, introspected, events)
        }
        AfterReply::SigningIn(then) => widened(match then {
            SignInCall::TokenEndpoint(attempt) => redeem::token_endpoint_answered(scene, &visit, *attempt, reply),
            SignInCall::UserinfoEndpoint(asking) => redeem::userinfo_answered(scene, &visit, *asking, reply),
            SignInCall::UserService(first) => redeem::user_service_answered(scene, &visit, *first, reply),
        }),
        AfterReply::CheckingPassword(checking) => widened(password::checked(scene, &visit, &checking, reply)),
        AfterReply::Announcing(announcing) => widened(backchannel_logout::announced(scene, &visit, *announcing, reply)),
        AfterReply::AnnouncingEvents(announcing) => widened(security_events::announced(scene, &announcing, reply)),
        AfterReply::EndingSessions(ending) => widened(operator_logout::announced(scene, &visit, *ending, reply)),
    };
    conclude(scene, visit, journey)
}

/// The next step after a wait for something shared.
pub(super) fn after_news(scene: &mut Scene<'_>, pending: PendingWait, news: News) -> Step {
    let PendingWait { mut visit, then } = pending;
    visit.now = scene.world.now();
    let journey = match (then, news) {
        (AfterNews::Verifying(exchanged), news) => widened(redeem::after_keys(scene, &visit, *exchanged, news)),
        (AfterNews::VerifyingUserinfo(waiting), news) => widened(redeem::after_keys_of_userinfo(scene, &visit, *waiting, news)),
        (AfterNews::Repeated(waited), _) => widened(repeated::after_wait(scene, &visit, *waited)),
        (AfterNews::FromTheStart, News::Ready) => chosen(scene, &mut visit),
        // There are no newer keys: the ones that are here decide.
        (AfterNews::FromTheStart, News::Missing(Reason::KeysUnavailable)) if visit.keys_refreshed => chosen(scene, &mut visit),
        (AfterNews::FromTheStart, News::Missing(reason)) => {
            let detail =
                "what it needs did not come in time, or too many wait already; the fetch_failed and refresh_failed lines say why";
            Err(Failure::new(reason, detail).into())
        }
    };
    conclude(scene, visit, journey)
}

/// The next step after a body was read, or was not.
pub(super) fn after_body(scene: &mut Scene<'_>, pending: PendingBody, news: BodyNews) -> Step {
    let PendingBody { mut visit } = pending;
    visit.now = scene.world.now();
    let journey = match news {
        BodyNews::Came(body) => {
            visit.body = body;
            chosen(scene, &mut visit)
        }
        BodyNews::TimedOut => Err(Failure::new(Reason::BodyTimeout, "its end did not come within 30 s").into()),
        BodyNews::TooMany => {
            let detail = "64 of one worker, or 16 of one address, have not come to their end";
            Err(Failure::new(Reason::TooManyBodies, detail).into())
        }
    };
    conclude(scene, visit, journey)
}

/// Joins the step with its request; what stopped a journey becomes a response here, and nowhere else.
fn conclude(scene: &mut Scene<'_>, visit: Visit, journey: Journey) -> Step {
    match journey {
        Ok(mut step) => {
            if let Decision::Call(call, then) = &mut step.decision
                && is_told_the_trace(scene, then)
            {
                call.headers.extend(trace_context(&visit.request.headers));
            }
            with_request(with_next_pass(scene, &visit, step), visit)
        }
        Err(stop) => {
            // Whoever declined is not asked again when the page is loaded again.
            let declined = stop.failure.reason == Reason::AuthorizationDenied;
            let over = stop.attempt().map(|over| Attempt { begun_again: over.begun_again || declined, ..over.clone() });
            let cookie = over.map(|over| attempt::end(scene, &over, Outcome::Failed, visit.now));
            let step = stop.answer(scene.settings, &visit, cookie);
            with_next_pass(scene, &visit, step)
        }
    }
}

/// Whether a call is made as a part of the request's trace: always at the user service, which is the operator's own.
fn is_told_the_trace(scene: &Scene<'_>, then: &AfterReply) -> bool {
    let told = |name| scene.settings.provider(name).is_some_and(|provider| provider.oidc.trace_context);
    then.provider().is_none_or(told)
}

/// An answer of ours, with what is kept for the pass that may follow it; any other step as it is.
fn with_next_pass<C, W, B>(scene: &mut Scene<'_>, visit: &Visit, step: decision::Step<C, W, B>) -> decision::Step<C, W, B> {
    match step.decision {
        Decision::Respond(_) => {
            let next_pass = next_pass::after_answering(scene.settings, scene.world, visit);
            decision::Step { next_pass, ..step }
        }
        _ => step,
    }
}

/// The step of one journey as a step of any journey.
fn widened<C, W>(journey: decision::Journey<C, W>) -> Journey
where
    AfterReply: From<C>,
    AfterNews: From<W>,
{
    journey.map(decision::Step::widen)
}

fn chosen(scene: &mut Scene<'_>, visit: &mut Visit) -> Journey {
    let settings = scene.settings;
    let endpoints = &settings.endpoints;
    let path = visit.request.path.as_str();
    let is = |endpoint: &Option<String>| endpoint.as_deref() == Some(path);
    let called_back = settings.providers.iter().find(|provider| provider.oidc.signs_in() && provider.callback == path);
    let shown_by = settings.providers.iter().find(|provider| is(&provider.frontchannel_logout));
    let posted_to = settings.providers.iter().find(|provider| is(&provider.backchannel_logout));
    if let Some(found) = settings.resources.well_known(&visit.origin, path) {
        return widened(metadata(visit, found));
    }
    // Without a provider, the paths of login and callback are empty, and no request has an empty path.
    if path == endpoints.login {
        widened(begin::login(scene, visit, Ending::Session))
    } else if called_back.is_some() || path == endpoints.callback {
        widened(callback::begin(scene, visit, called_back))
    } else if is(&endpoints.authorize) {
        widened(begin::login(scene, visit, Ending::Token))
    } else if is(&endpoints.popup) {
        widened(begin::login(scene, visit, Ending::Popup))
    } else if is(&endpoints.token) {
        widened(exchange::begin(scene, visit))
    } else if is(&endpoints.password) {
        widened(password::begin(scene, visit))
    } else if path == endpoints.logout {
        widened(sign_out::begin(scene, visit))
    } else if path == endpoints.session {
        widened(whoami::begin(scene, visit))
    } else if is(&endpoints.jwks) {
        widened(published::keys(settings, visit))
    } else if let Some(provider) = posted_to {
        widened(backchannel_logout::begin(scene, visit, provider))
    } else if is(&endpoints.security_events) {
        widened(security_events::begin(scene, visit))
    } else if let Some(provider) = shown_by {
        widened(frontchannel_logout::begin(scene, visit, provider))
    } else {
        ruled(scene, visit, ByIntrospection::NotAsked, Vec::with_capacity(2))
    }
}

/// The journey of a request that a rule decides.
fn ruled(scene: &mut Scene<'_>, visit: &mut Visit, introspected: ByIntrospection, events: Vec<Event>) -> Journey {
    if scene.settings.endpoints.operator_logout.as_deref() == Some(visit.request.path.as_str()) {
        return widened(operator_logout::begin(scene, visit, introspected, events));
    }
    let journey = guard::guard(scene, visit, introspected, events);
    widened(journey.map_err(|stop| stopped(scene.settings, scene.world, visit, stop)))
}
