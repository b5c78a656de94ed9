//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): a provider posts a logout token, and the sessions that it names end
//! here and at all replicas. Who posts it does not matter: the token proves what it says. No cookie is looked at.
//!
//! The provider gets 200 when the end is recorded for all replicas. While their store is away, the end holds at this one, waits in
//! the queue, and the answer is 503, so that the provider may send it again (section 2.5). The same token may come again until it
//! was answered with 200. A repeated or a late one ends no session that began after it was issued.

use std::time::Duration;

use crate::authenticate::scene::Scene;
use crate::config::settings::ProviderSettings;
use crate::crypto::key::KeySet;
use crate::gateway::announcing::Announcing;
use crate::gateway::journeys::ended_elsewhere::by_published_keys::{ByPublishedKeys, judged_by_published_keys};
use crate::gateway::what_ends::of_logout_token;
use crate::http::body::{MediaType, form_parameters};
use crate::http::message::{Reply, Response};
use crate::oidc::logout::logout_token::{self, LogoutToken, LogoutTokenError};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::session::content::Fingerprint;
use crate::step::body::{self, WantedBody};
use crate::step::decision::{FromTheStart, Journey, Step};
use crate::step::event::Event;
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::world::World;

/// The parameter that has the token (section 2.5).
const PARAMETER: &str = "logout_token";

/// What the store has under a token's name while nobody has answered it with 200 yet, and afterwards.
const NOT_ANSWERED: &[u8] = b"1";
const ANSWERED: &[u8] = b"2";

/// How long the store keeps a name that nobody has answered.
const CLAIMED_FOR: Duration = Duration::from_secs(120);

/// The endpoint at which this provider posts logout tokens.
pub(crate) fn begin(scene: &mut Scene<'_>, visit: &mut Visit, provider: &ProviderSettings) -> Journey<Announcing> {
    if visit.request.method != "POST" {
        return Err(Stop::method("POST"));
    }
    if let WantedBody::ToRead(limit, until) = body::read(scene.world, visit, &[MediaType::UrlEncoded]).map_err(refused)? {
        return Ok(Step::reading(limit, until));
    }
    let mut parameters = form_parameters(visit.body.bytes(), &[PARAMETER]).map_err(refused)?;
    let Some(token) = parameters.remove(PARAMETER) else {
        return Err(refused(Failure::new(Reason::BodyMalformed, "expected logout_token in a form, found none")));
    };
    let now = visit.now;
    let judge = |world: &dyn World, keys: &KeySet| logout_token::verify(world, &provider.oidc, &token, keys, now);
    match judged_by_published_keys(scene, visit, &provider.oidc, judge, by_unknown_key).map_err(refused)? {
        ByPublishedKeys::Wait(resource) => Ok(Step::waiting(resource, visit.wait_until, FromTheStart)),
        ByPublishedKeys::Judged(Ok(token)) => end(scene, visit, provider, token),
        ByPublishedKeys::Judged(Err(LogoutTokenError::KeyUnknown(failure) | LogoutTokenError::Refused(failure))) => {
            Err(refused(failure))
        }
    }
}

/// The failure of a token that newer keys may verify.
const fn by_unknown_key(judged: &Result<LogoutToken, LogoutTokenError>) -> Option<&Failure> {
    match judged {
        Err(LogoutTokenError::KeyUnknown(failure)) => Some(failure),
        Ok(_) | Err(LogoutTokenError::Refused(_)) => None,
    }
}

/// Ends what the token names, here at once, and tells the other replicas.
fn end(scene: &mut Scene<'_>, visit: &Visit, provider: &ProviderSettings, token: LogoutToken) -> Journey<Announcing> {
    let (settings, name) = (scene.settings, provider.oidc.name.as_str());
    let LogoutToken { sub, sid, issued, jti, until } = token;
    let ended = &mut scene.background.ended;
    let named = Fingerprint::of(["logout token", name, &jti]).as_str().to_owned();
    if ended.was_answered(scene.world, &named, visit.now) {
        return Err(refused(came_before()));
    }
    let matters = settings.session.nothing_is_left_after(visit.now);
    let ends = of_logout_token(name, (sub.as_deref(), sid.as_deref()), issued, matters);
    let recorded: Vec<_> = ends.iter().map(|end| ended.end(scene.world, end)).collect();
    if recorded.is_empty() {
        // Verification has found one of both.
        return Err(refused(Failure::new(Reason::LogoutTokenInvalid, "neither sub nor sid")));
    }
    let is_kept = recorded.iter().all(|recorded| recorded.kept);
    let all_hold = recorded.iter().all(|recorded| recorded.holds);
    let announcements: Vec<_> =
        recorded.into_iter().filter(|recorded| recorded.holds).map(|recorded| recorded.announcement).collect();
    // It is told now, because it holds now, whatever becomes of the request.
    let told = Event::LoggedOutByProvider { request: visit.reference(), provider: name.to_owned(), subject: sub, session: sid };
    let events: Vec<_> = (!announcements.is_empty()).then_some(told).into_iter().collect();
    if !is_kept {
        for announcement in &announcements {
            ended.tell_later(scene.world, announcement);
        }
        let detail = match (all_hold, announcements.is_empty()) {
            (true, _) => "the end holds at this gateway, but there was no room for it under each of session.keys",
            (false, false) => "the end holds at this gateway in part, and for the rest of it there is no room",
            (false, true) => "there is no room for another end of this provider",
        };
        let detail = format!("{detail}; see revocations_without_room");
        return Err(Stop { events, ..refused(Failure::new(Reason::RevocationsUnavailable, detail)) });
    }
    let announcing = Announcing { number: announcements.len(), token: named, until };
    let Some(revocations) = &settings.revocations else { return Ok(answered(scene, announcing).after(events)) };
    // If the request ends before the store has answered, it is told again.
    for announcement in &announcements {
        ended.tell_when_asked(scene.world, announcement);
    }
    let claim = NamedValue { name: &announcing.token, value: NOT_ANSWERED, lifetime: CLAIMED_FOR };
    let call = revocations.store.announce(&announcements, &[claim], None);
    Ok(Step::calling(call, announcing).after(events))
}

/// Takes the store's reply.
pub(crate) fn announced(scene: &mut Scene<'_>, visit: &Visit, announcing: Announcing, reply: &Reply) -> Journey<Announcing> {
    let Some(revocations) = &scene.settings.revocations else { return Ok(answered(scene, announcing)) };
    let announced = revocations.store.announced(announcing.number, 1, reply).map_err(refused)?;
    if announced.claims.iter().any(|claim| matches!(claim, Claimed::Lost(value) if value == ANSWERED)) {
        // From now on, this process knows that without the store.
        scene.background.ended.answered(scene.world, &announcing.token, announcing.until);
        return Err(refused(came_before()));
    }
    scene.background.revocations.put(announcing.token.clone(), ANSWERED, announcing.until.since(visit.now));
    Ok(answered(scene, announcing))
}

/// 200: the end is recorded. From now on the same token is refused.
fn answered(scene: &mut Scene<'_>, announcing: Announcing) -> Step<Announcing> {
    scene.background.ended.answered(scene.world, &announcing.token, announcing.until);
    let headers = vec![("cache-control".to_owned(), "no-store".to_owned())];
    Step::answered(Response { status: 200, headers, body: String::new() }, Vec::new())
}

fn came_before() -> Failure {
    Failure::new(Reason::LogoutTokenInvalid, "the same token, by its jti, was answered with 200 before")
}

fn refused(failure: Failure) -> Stop {
    Stop::new(JourneyKind::LogoutToken, failure)
}
