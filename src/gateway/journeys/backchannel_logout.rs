//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): a provider posts a logout token, and the sessions that it names end
//! here and at all replicas. Who posts it does not matter: the token proves what it says. No cookie is looked at.
//!
//! The provider gets 200 when the end is recorded for all replicas. While their store is away, the end holds at this one, waits in
//! the queue, and the answer is 503, so that the provider may send it again (section 2.5). The same token may come again until it
//! was answered with 200. A repeated or a late one ends no session that began after it was issued.

use std::time::Duration;

use crate::authenticate::scene::Scene;
use crate::config::settings::ProviderSettings;
use crate::gateway::announcing::Announcing;
use crate::http::body::{MediaType, form_parameters};
use crate::http::message::{Reply, Response};
use crate::oidc::discovery::{self, Need};
use crate::oidc::logout::logout_token::{self, LogoutToken, LogoutTokenError};
use crate::revocations::exchanged::{Claimed, NamedValue};
use crate::session::content::Fingerprint;
use crate::session::ended::end::End;
use crate::step::body::{self, WantedBody};
use crate::step::decision::{FromTheStart, Journey, Resource, Step};
use crate::step::event::Event;
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// The parameter that has the token (section 2.5).
const PARAMETER: &str = "logout_token";

/// What the store has under a token's name while nobody has answered it with 200 yet, and afterwards.
const NOT_ANSWERED: &[u8] = b"1";
const ANSWERED: &[u8] = b"2";

/// How long the store keeps a name that nobody has answered.
const CLAIMED_FOR: Duration = Duration::from_secs(120);

/// The endpoint at which this provider posts logout tokens.
pub(super) fn begin(scene: &mut Scene<'_>, visit: &mut Visit, provider: &ProviderSettings) -> Journey<Announcing> {
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
    let name = provider.oidc.name.as_str();
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Ok(waiting(scene, visit, Resource::Metadata(name.to_owned())));
    };
    discovery::check(&provider.oidc, &metadata, Need::Keys).map_err(refused)?;
    let Some(keys) = scene.keys(provider, visit.now) else {
        return match visit.keys_refreshed {
            true => Err(refused(Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"))),
            false => Ok(waiting(scene, visit, Resource::Keys { provider: name.to_owned(), newer_than: None })),
        };
    };
    match logout_token::verify(scene.world, &provider.oidc, &token, &keys.set, visit.now) {
        Ok(token) => end(scene, visit, provider, token),
        Err(LogoutTokenError::KeyUnknown(failure)) => {
            if visit.keys_refreshed {
                return Err(refused(failure));
            }
            // Anybody can send tokens that name unknown keys: while the keys may not be fetched again, nobody waits for them. It may
            // be a good one by a new key, though: the provider may send it again.
            if !scene.background.documents.may_refresh_keys(name, visit.now) {
                return Err(refused(Failure { reason: Reason::KeysUnavailable, ..failure }));
            }
            Ok(waiting(scene, visit, Resource::Keys { provider: name.to_owned(), newer_than: Some(keys.fetched) }))
        }
        Err(LogoutTokenError::Refused(failure)) => Err(refused(failure)),
    }
}

/// Waits for a provider's document; the request then begins again.
fn waiting(scene: &mut Scene<'_>, visit: &mut Visit, resource: Resource) -> Step<Announcing, FromTheStart> {
    scene.background.documents.want(&resource);
    visit.keys_refreshed |= matches!(resource, Resource::Keys { .. });
    Step::waiting(resource, visit.wait_until, FromTheStart)
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
    let end = match (&sid, &sub) {
        (Some(sid), _) => End::AtProvider { provider: name, sid, begun_by: issued, until: matters },
        (None, Some(sub)) => End::Person { provider: name, sub, begun_by: issued, until: matters },
        // Verification has found one of both.
        (None, None) => return Err(refused(Failure::new(Reason::LogoutTokenInvalid, "neither sub nor sid"))),
    };
    let recorded = ended.end(scene.world, &end);
    if !recorded.kept {
        let detail = "there is no room for another end of this provider; see revocations_without_room";
        return Err(refused(Failure::new(Reason::RevocationsUnavailable, detail)));
    }
    let announcing = Announcing { provider: name.to_owned(), subject: sub, session: sid, token: named, until };
    let Some(revocations) = &settings.revocations else { return Ok(answered(scene, visit, announcing)) };
    // If the request ends before the store has answered, it is told again.
    ended.tell_when_asked(scene.world, &recorded.announcement);
    let claim = NamedValue { name: &announcing.token, value: NOT_ANSWERED, lifetime: CLAIMED_FOR };
    let call = revocations.store.announce(std::slice::from_ref(&recorded.announcement), &[claim], None);
    Ok(Step::calling(call, announcing))
}

/// Takes the store's reply.
pub(super) fn announced(scene: &mut Scene<'_>, visit: &Visit, announcing: Announcing, reply: &Reply) -> Journey<Announcing> {
    let Some(revocations) = &scene.settings.revocations else { return Ok(answered(scene, visit, announcing)) };
    let announced = revocations.store.announced(1, 1, reply).map_err(refused)?;
    if announced.claims.iter().any(|claim| matches!(claim, Claimed::Lost(value) if value == ANSWERED)) {
        return Err(refused(came_before()));
    }
    scene.background.revocations.put(announcing.token.clone(), ANSWERED, announcing.until.since(visit.now));
    Ok(answered(scene, visit, announcing))
}

/// 200: the end is recorded. From now on the same token is refused.
fn answered(scene: &mut Scene<'_>, visit: &Visit, announcing: Announcing) -> Step<Announcing> {
    let Announcing { provider, subject, session, token, until } = announcing;
    scene.background.ended.answered(scene.world, &token, until);
    let headers = vec![("cache-control".to_owned(), "no-store".to_owned())];
    let event = Event::LoggedOutByProvider { request: visit.reference(), provider, subject, session };
    Step::answered(Response { status: 200, headers, body: String::new() }, vec![event])
}

fn came_before() -> Failure {
    Failure::new(Reason::LogoutTokenInvalid, "the same token, by its jti, was answered with 200 before")
}

fn refused(failure: Failure) -> Stop {
    Stop::new(JourneyKind::LogoutToken, failure)
}
