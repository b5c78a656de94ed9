//! Which journey a request takes, from the start and after each wait, and how it ends when it was stopped. The only file that names
//! all journeys; none of them names it.

use crate::authenticate::introspected::introspected;
use crate::authenticate::scene::Scene;
use crate::gateway::guard::{self, Beforehand};
use crate::gateway::pending::{AfterReply, PendingBody, PendingCall, PendingWait, Step, with_request};
use crate::gateway::{published, sign_out, whoami};
use crate::http::message::Reply;
use crate::session::attempt::Ending;
use crate::sign_in::redeem::{self, AfterNews, Redeeming};
use crate::sign_in::{begin, callback, exchange, password};
use crate::step::decision::{self, BodyNews, News};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// A step of any journey, before it is joined with its request; or what stopped it.
type Journey = decision::Journey<AfterReply, AfterNews>;

/// A request begins.
pub(super) fn from_the_start(scene: &mut Scene<'_>, mut visit: Visit) -> Step {
    let journey = chosen(scene, &mut visit);
    concluded(scene, visit, journey)
}

/// A call was answered.
pub(super) fn after_reply(scene: &mut Scene<'_>, pending: PendingCall, reply: &Reply) -> Step {
    let PendingCall { mut visit, then } = pending;
    visit.now = scene.world.now();
    let journey = match then {
        AfterReply::Introspecting(asking) => {
            let mut events = Vec::with_capacity(2);
            let beforehand = Beforehand::TokenOf(introspected(scene, &visit, asking, reply, &mut events));
            within(guard::guard(scene, &mut visit, beforehand, events))
        }
        AfterReply::Redeeming(then) => within(match then {
            Redeeming::Exchanging(attempt) => redeem::exchanged(scene, &visit, *attempt, reply),
            Redeeming::AskingUserinfo(proved) => redeem::userinfo_answered(scene, &visit, *proved, reply),
            Redeeming::Visiting(first) => redeem::user_service_answered(scene, &visit, *first, reply),
        }),
        AfterReply::CheckingPassword(checking) => within(password::checked(scene, &visit, &checking, reply)),
    };
    concluded(scene, visit, journey)
}

/// What was waited for is there, or will not come.
pub(super) fn after_news(scene: &mut Scene<'_>, pending: PendingWait, news: News) -> Step {
    let PendingWait { mut visit, then } = pending;
    visit.now = scene.world.now();
    let journey = match (then, news) {
        (AfterNews::Verifying(exchanged), news) => within(redeem::keys_came(scene, &visit, *exchanged, news)),
        (AfterNews::FromTheStart, News::Ready) => chosen(scene, &mut visit),
        // No newer keys: what is here already decides.
        (AfterNews::FromTheStart, News::Missing(Reason::KeysUnavailable)) if visit.keys_refreshed => chosen(scene, &mut visit),
        (AfterNews::FromTheStart, News::Missing(reason)) => {
            let detail =
                "what it needs did not come in time, or too many wait already; the fetch_failed and refresh_failed lines say why";
            Err(Failure::new(reason, detail).into())
        }
    };
    concluded(scene, visit, journey)
}

/// A body has come, or will not.
pub(super) fn after_body(scene: &mut Scene<'_>, pending: PendingBody, news: BodyNews) -> Step {
    let PendingBody { mut visit } = pending;
    visit.now = scene.world.now();
    let journey = match news {
        BodyNews::Came(body) => {
            visit.body = body;
            chosen(scene, &mut visit)
        }
        BodyNews::TimedOut => Err(Failure::new(Reason::BodyTimeout, "its end did not come within 30 s").into()),
        BodyNews::NoPlace => {
            let detail = "64 of one worker, or 16 of one address, have not come to their end";
            Err(Failure::new(Reason::TooManyBodies, detail).into())
        }
    };
    concluded(scene, visit, journey)
}

/// The one place where what stopped a journey becomes an answer.
fn concluded(scene: &Scene<'_>, visit: Visit, journey: Journey) -> Step {
    match journey {
        Ok(step) => with_request(step, visit),
        Err(stop) => stop.answer(scene.settings, &visit),
    }
}

/// One journey as any.
fn within<C, W>(journey: decision::Journey<C, W>) -> Journey
where
    AfterReply: From<C>,
    AfterNews: From<W>,
{
    journey.map(decision::Step::within)
}

fn chosen(scene: &mut Scene<'_>, visit: &mut Visit) -> Journey {
    let settings = scene.settings;
    let endpoints = &settings.endpoints;
    let path = visit.request.path.as_str();
    let is = |endpoint: &Option<String>| endpoint.as_deref() == Some(path);
    let called_back = settings.providers.iter().find(|provider| provider.oidc.signs_in() && provider.callback == path);
    // Without a provider, login and callback are empty: no path is.
    if path == endpoints.login {
        within(begin::login(scene, visit, Ending::Session))
    } else if called_back.is_some() || path == endpoints.callback {
        within(callback::begin(scene, visit, called_back))
    } else if is(&endpoints.authorize) {
        within(begin::login(scene, visit, Ending::Token))
    } else if is(&endpoints.popup) {
        within(begin::login(scene, visit, Ending::Popup))
    } else if is(&endpoints.token) {
        within(exchange::begin(scene, visit))
    } else if is(&endpoints.password) {
        within(password::attempt(scene, visit))
    } else if path == endpoints.logout {
        within(sign_out::begin(scene, visit))
    } else if path == endpoints.session {
        within(whoami::tell(scene, visit))
    } else if is(&endpoints.jwks) {
        within(published::keys(settings, visit))
    } else {
        within(guard::guard(scene, visit, Beforehand::Nothing, Vec::with_capacity(2)))
    }
}
