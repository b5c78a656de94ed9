//! From a provider's bearer token to who is asking (RFC 6750). A token that was verified before is recalled, as long as its
//! provider's keys are the same. Otherwise it is verified with the keys of the issuer that it names, or a provider is asked about
//! it (RFC 7662). It never decides what that person or client may do.

use std::rc::Rc;
use std::time::Duration;

use crate::authenticate::identity::{BeforeIntrospection, Identity};
use crate::authenticate::introspected::ask;
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::config::settings::{ProviderSettings, Settings};
use crate::crypto::jws::{JwsError, Unverified};
use crate::oidc::bearer::accepted::{Bearer, BearerKeys};
use crate::oidc::bearer::access_token::{self, AccessTokenError};
use crate::oidc::discovery::{self, Need};
use crate::step::decision::Resource;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::upkeep::documents::HeldKeys;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;

/// A remembered token is verified again after this time at the latest; when the provider's keys change, at once.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);

/// After a wrong signature under a known `kid`, only keys that are older than this are fetched again. Anybody can send such tokens;
/// they must not use up the fetches by which a key that was just published is found.
const SETTLED: Duration = Duration::from_secs(60);

/// Finds out whose token this is (RFC 6750; for JWTs also RFC 9068, section 4).
pub fn authenticate(scene: &mut Scene<'_>, visit: &Visit, token: LentSecret<'_>, events: &mut Vec<Event>) -> Identity {
    let settings = scene.settings;
    let name = scene.recall.name(token.expose().as_bytes());
    if let Some(verified) = scene.recall.tokens.recall(name, visit.now) {
        let still_good = match verified.credential {
            Credential::Token { keys_since } => {
                let provider = settings.provider(&verified.principal.provider);
                let keys = provider.and_then(|provider| held_keys(scene, provider, visit.now));
                keys.is_some_and(|keys| keys.since == keys_since)
            }
            Credential::OpaqueToken => true,
            Credential::Session(_) => return Identity::invalid_token("remembered as another credential"),
        };
        if still_good {
            events.push(Event::TokenFromMemory);
            return Identity::Known(verified, None);
        }
    }
    if let Some(failure) = scene.recall.refused.recall(name, visit.now) {
        events.push(Event::TokenFromMemory);
        return Identity::Unknown(failure.as_ref().clone());
    }
    let read = Unverified::read(token.expose(), &mut scene.recall.last_header);
    let (provider, accepted) = match issuer_of(settings, token, &read) {
        TokenIssuer::Accepted(provider, accepted) => (provider, accepted),
        TokenIssuer::AskedAbout(provider) => return ask(scene, visit, provider, token, BeforeIntrospection::OpaqueToken),
        TokenIssuer::Unknown => return Identity::invalid_token("its issuer is none of those whose tokens are accepted"),
    };
    let configured = matches!(accepted.keys, BearerKeys::Configured(_));
    if !configured {
        let Some(metadata) = scene.metadata(provider, visit.now) else {
            return Identity::Unclear(Resource::Metadata(provider.oidc.name.clone()));
        };
        // Without their address, nobody fetches the keys: nothing would be waited for.
        if let Err(failure) = discovery::check(&provider.oidc, &metadata, Need::Keys) {
            return Identity::Unknown(failure);
        }
    }
    let Some(keys) = held_keys(scene, provider, visit.now) else {
        let failure = Failure::new(Reason::KeysUnavailable, "the provider's keys are not here");
        return unclear(scene, visit, provider, None, failure);
    };
    match access_token::verify(scene.world, &provider.oidc, accepted, read, &keys.set, visit.now) {
        Ok(access_token) => {
            events.push(Event::TokenVerified);
            let credential = Credential::Token { keys_since: keys.since };
            let verified = Rc::new(Verified::by_access_token(settings, provider, access_token, credential));
            if accepted.introspection.as_ref().is_some_and(|asked| asked.tokens.include_jwts()) {
                return ask(scene, visit, provider, token, BeforeIntrospection::VerifiedJwt(verified));
            }
            if scene.recall.tokens.admits(name, verified.weight(token.len())) {
                scene.recall.remember_token(name, token.len(), &verified, visit.now.plus(LONGEST_MEMORY));
            }
            Identity::Known(verified, None)
        }
        Err(AccessTokenError::KeyUnknown(failure) | AccessTokenError::SignatureInvalid(failure)) if configured => {
            Identity::Unknown(failure)
        }
        Err(AccessTokenError::SignatureInvalid(failure)) if visit.now.since(keys.fetched) < SETTLED => Identity::Unknown(failure),
        Err(AccessTokenError::KeyUnknown(failure) | AccessTokenError::SignatureInvalid(failure)) => {
            unclear(scene, visit, provider, Some(&keys), failure)
        }
        Err(AccessTokenError::Refused(failure)) => Identity::Unknown(failure),
    }
}

/// The keys for a provider's bearer tokens: those that it publishes, or those of the configuration. The latter never change
/// within one configuration, so that their times are zero.
fn held_keys(scene: &mut Scene<'_>, provider: &ProviderSettings, now: Timestamp) -> Option<HeldKeys> {
    match &provider.oidc.bearer.as_ref()?.keys {
        BearerKeys::Configured(set) => {
            Some(HeldKeys { set: Rc::clone(set), fetched: Timestamp::default(), since: Timestamp::default() })
        }
        BearerKeys::Published => scene.keys(provider, now),
    }
}

/// No key verifies the token, or there are no keys yet: the request waits for newer keys, once. While the lease does not allow
/// another fetch, it does not wait: anybody can send tokens that name unknown keys or have wrong signatures, and the number of
/// waiting requests is limited.
fn unclear(scene: &Scene<'_>, visit: &Visit, provider: &ProviderSettings, keys: Option<&HeldKeys>, failure: Failure) -> Identity {
    let (documents, name) = (&scene.background.documents, &provider.oidc.name);
    let in_vain = keys.is_some() && !documents.may_refresh_keys(name, visit.now);
    if visit.keys_refreshed || in_vain {
        // While the keys cannot be fetched, it is unknown whether the token is bad: 503 rather than 401.
        let failing = documents.keys_failing(scene.world, name);
        let reason = if failing { Reason::KeysUnavailable } else { failure.reason };
        return Identity::Unknown(Failure { reason, ..failure });
    }
    Identity::Unclear(Resource::Keys { provider: name.clone(), newer_than: keys.map(|keys| keys.fetched) })
}

/// How a token can be verified.
enum TokenIssuer<'a> {
    /// A JWT that names this provider's issuer: with this provider's keys. The name alone proves nothing.
    Accepted(&'a ProviderSettings, &'a Bearer),
    /// An opaque token: by introspection at this provider.
    AskedAbout(&'a ProviderSettings),
    /// Not at all. Tokens of other issuers are shown to no provider.
    Unknown,
}

fn issuer_of<'a>(settings: &'a Settings, token: LentSecret<'_>, read: &Result<Unverified<'_>, JwsError>) -> TokenIssuer<'a> {
    let mut accepting = settings.providers.iter().filter_map(|provider| Some((provider, provider.oidc.bearer.as_ref()?)));
    match access_token::claimed_issuer(token, read) {
        Some(issuer) => match accepting.find(|(provider, _)| provider.oidc.issuer() == issuer) {
            Some((provider, accepted)) => TokenIssuer::Accepted(provider, accepted),
            None => TokenIssuer::Unknown,
        },
        // A signed token without `iss` may be a session of ours, or of anybody: it is shown to no provider.
        None if token.is_empty() || access_token::is_signed(token) => TokenIssuer::Unknown,
        None => {
            let asked = |accepted: &Bearer| accepted.introspection.as_ref().is_some_and(|asked| asked.tokens.include_opaque());
            accepting
                .find(|(_, accepted)| asked(accepted))
                .map_or(TokenIssuer::Unknown, |(provider, _)| TokenIssuer::AskedAbout(provider))
        }
    }
}
