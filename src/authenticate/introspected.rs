//! A provider is asked whose token came (RFC 7662), and what it said is remembered for a moment. Which provider, and whether it is
//! asked at all, others say.

use std::rc::Rc;
use std::time::Duration;

use crate::authenticate::brought::{Brought, brought};
use crate::authenticate::identity::{Asking, ByItself, Identity};
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::config::settings::ProviderSettings;
use crate::http::message::Reply;
use crate::oidc::bearer::introspection::{KnownBefore, introspection_request, introspection_response};
use crate::step::decision::Resource;
use crate::step::event::{Event, Said};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;

/// What a provider does not accept is remembered for this long at most.
const LONGEST_REFUSAL: Duration = Duration::from_secs(10);

/// Asks a provider about a token, unless too many questions are under way: anybody can send tokens that nobody knows.
pub(super) fn ask(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    token: LentSecret<'_>,
    proved: ByItself,
) -> Identity {
    let name = &provider.oidc.name;
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Identity::Unclear(Resource::Metadata(name.clone()));
    };
    let Some(place) = scene.recall.place_to_ask() else {
        let detail = "too many questions about tokens are under way";
        return Identity::Unknown(Failure::new(Reason::IntrospectionUnavailable, detail));
    };
    match introspection_request(scene.world, &provider.oidc, &metadata, token) {
        Ok(call) => Identity::Asked(Box::new(call), Asking { provider: name.clone(), proved, place }),
        Err(failure) => Identity::Unknown(failure),
    }
}

/// The provider has answered.
pub fn introspected(scene: &mut Scene<'_>, visit: &Visit, asking: Asking, reply: &Reply, events: &mut Vec<Event>) -> Identity {
    let settings = scene.settings;
    let provider = settings.provider(&asking.provider);
    let accepted = provider.and_then(|provider| Some((provider, provider.oidc.bearer.as_ref()?)));
    let accepted = accepted.and_then(|(provider, bearer)| Some((provider, bearer, bearer.introspection.as_ref()?)));
    let (Some((provider, bearer, introspection)), Brought::Token(token)) = (accepted, brought(visit)) else {
        return Identity::invalid_token("its provider is no longer asked about tokens");
    };
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Identity::Unclear(Resource::Metadata(asking.provider));
    };
    let proved = match &asking.proved {
        ByItself::Nothing => KnownBefore::Nothing,
        ByItself::Proved(verified) => KnownBefore::Subject(&verified.principal.subject),
    };
    match introspection_response(&provider.oidc, &metadata, bearer, reply, proved, visit.now) {
        Ok(access_token) => {
            events.push(Event::TokenIntrospected(Said::Good));
            let until = access_token.expires.min(visit.now.plus(introspection.cache));
            let verified = match asking.proved {
                ByItself::Nothing => {
                    Rc::new(Verified::by_access_token(settings, provider, access_token, Credential::OpaqueToken))
                }
                ByItself::Proved(verified) => verified,
            };
            let name = scene.recall.name(token.expose().as_bytes());
            // To ask again is never cheap.
            scene.recall.remember_token(name, token.len(), &verified, until);
            Identity::Known(verified, None)
        }
        Err(failure) if failure.reason == Reason::IntrospectionUnavailable => {
            events.push(Event::TokenIntrospected(Said::Nothing));
            Identity::Unknown(failure)
        }
        Err(failure) => {
            events.push(Event::TokenIntrospected(Said::Bad));
            let until = visit.now.plus(introspection.cache.min(LONGEST_REFUSAL));
            let name = scene.recall.name(token.expose().as_bytes());
            scene.recall.refused.remember(name, Rc::new(failure.clone()), failure.detail.len(), until);
            Identity::Unknown(failure)
        }
    }
}
