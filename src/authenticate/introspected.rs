//! Token introspection (RFC 7662): asks a provider whose token came, and remembers the answer for as long as is configured. It
//! never chooses the provider, or whether one is asked; `authenticate::bearer` does.

use std::rc::Rc;
use std::time::Duration;

use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::authenticate::identity::{Asking, BeforeIntrospection, Identity};
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::config::settings::ProviderSettings;
use crate::http::message::Reply;
use crate::oidc::bearer::introspection::{KnownBefore, introspection_request, introspection_response};
use crate::step::decision::Resource;
use crate::step::event::{Event, IntrospectionAnswer};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;

/// A token that the provider refused is remembered for at most this time.
const LONGEST_REFUSAL: Duration = Duration::from_secs(10);

/// Asks a provider about a token, unless too many introspection requests are under way: anybody can send made-up tokens.
pub(super) fn ask(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    token: LentSecret<'_>,
    before: BeforeIntrospection,
) -> Identity {
    let name = &provider.oidc.name;
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Identity::Unclear(Resource::Metadata(name.clone()));
    };
    let Some(permit) = scene.recall.permit_to_ask() else {
        let detail = "too many questions about tokens are under way";
        return Identity::Unknown(Failure::new(Reason::IntrospectionUnavailable, detail));
    };
    match introspection_request(scene.world, &provider.oidc, &metadata, token) {
        Ok(call) => Identity::Asked(Box::new(call), Asking { provider: name.clone(), before, permit }),
        Err(failure) => Identity::Unknown(failure),
    }
}

/// Takes the provider's reply: who is asking, after it (RFC 7662, section 2.2).
pub fn introspected(scene: &mut Scene<'_>, visit: &Visit, asking: Asking, reply: &Reply, events: &mut Vec<Event>) -> Identity {
    let settings = scene.settings;
    let provider = settings.provider(&asking.provider);
    let accepted = provider.and_then(|provider| Some((provider, provider.oidc.bearer.as_ref()?)));
    let accepted = accepted.and_then(|(provider, bearer)| Some((provider, bearer, bearer.introspection.as_ref()?)));
    let (Some((provider, bearer, introspection)), BearerToken::Present(token)) = (accepted, bearer_token(visit)) else {
        return Identity::invalid_token("its provider is no longer asked about tokens");
    };
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Identity::Unclear(Resource::Metadata(asking.provider));
    };
    let known_before = match &asking.before {
        BeforeIntrospection::OpaqueToken => KnownBefore::Nothing,
        BeforeIntrospection::VerifiedJwt(verified) => KnownBefore::Subject(&verified.principal.subject),
    };
    match introspection_response(&provider.oidc, &metadata, bearer, reply, known_before, visit.now) {
        Ok(access_token) => {
            events.push(Event::TokenIntrospected(IntrospectionAnswer::Accepted));
            let until = access_token.expires.min(visit.now.plus(introspection.cache));
            let verified = match asking.before {
                BeforeIntrospection::OpaqueToken => {
                    Rc::new(Verified::by_access_token(settings, provider, access_token, Credential::OpaqueToken))
                }
                BeforeIntrospection::VerifiedJwt(verified) => verified,
            };
            let name = scene.recall.name(token.expose().as_bytes());
            // Always remembered, unlike a JWT that was verified here: to ask again costs a call.
            scene.recall.remember_token(name, token.len(), &verified, until);
            Identity::Known(verified, None)
        }
        Err(failure) if failure.reason == Reason::IntrospectionUnavailable => {
            events.push(Event::TokenIntrospected(IntrospectionAnswer::Missing));
            Identity::Unknown(failure)
        }
        Err(failure) => {
            events.push(Event::TokenIntrospected(IntrospectionAnswer::Refused));
            let until = visit.now.plus(introspection.cache.min(LONGEST_REFUSAL));
            let name = scene.recall.name(token.expose().as_bytes());
            scene.recall.refused.remember(name, Rc::new(failure.clone()), failure.detail.len(), until);
            Identity::Unknown(failure)
        }
    }
}
