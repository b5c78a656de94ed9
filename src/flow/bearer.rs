//! From a bearer token to who is asking (RFC 6750). A token verified before is recalled, as long as its provider's keys are the
//! same; else it is verified by the keys of the provider that it names. It decides nothing about what that person may do.

use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::flow::authenticate::{Credential, Identity, Verified, weight};
use crate::flow::documents::HeldKeys;
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::step::Resource;
use crate::flow::visit::Visit;
use crate::oidc::access_token::{self, AccessToken, AccessTokenError, Bearer};
use crate::words::message::Headers;
use crate::words::principal::{Claims, Principal, Proof};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// A remembered token is verified anew after this long: its provider's keys may have been replaced on another worker.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);

/// What a request brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Brought {
    /// No bearer token; another scheme is somebody else's affair.
    Nothing,
    /// This one.
    Token(Secret),
    /// More than one, or one in the address (RFC 6750, section 2: one method in each request; 5.3: never in a URL).
    TooMuch,
}

/// Reads the token.
pub fn brought(visit: &Visit) -> Brought {
    let query = visit.request.query.as_deref().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token") {
        return Brought::TooMuch;
    }
    in_header(&visit.request.headers)
}

fn in_header(headers: &Headers) -> Brought {
    let mut lines = headers.all("authorization");
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return if headers.contains("authorization") { Brought::TooMuch } else { Brought::Nothing };
    };
    // Envoy joins two lines by a comma, which no token has.
    let text = String::from_utf8_lossy(line);
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Whatever else separates the words, a lax server may read it as we would a space.
        let words = text.split(|character: char| !character.is_ascii_alphanumeric());
        let speaks_of_bearer = words.into_iter().any(|word| word.eq_ignore_ascii_case("bearer"));
        return if speaks_of_bearer { Brought::TooMuch } else { Brought::Nothing };
    }
    let token = token.trim();
    let plain =
        token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'='));
    if plain { Brought::Token(Secret::new(token)) } else { Brought::TooMuch }
}

/// Finds out whose token came.
pub fn authenticate(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: &Visit,
    token: &Secret,
    events: &mut Vec<Event>,
) -> Identity {
    let settings = Rc::clone(&gateway.settings);
    let credential = token.expose().as_bytes();
    if let Some(verified) = gateway.tokens.recall(credential, visit.now) {
        let keys = gateway.background.keys(&settings, world, &verified.principal.provider, visit.now);
        let Credential::Token { keys_fetched } = verified.credential else { return invalid("remembered as another credential") };
        if keys.is_some_and(|keys| keys.fetched == keys_fetched) {
            events.push(Event::TokenFromMemory);
            return Identity::Known(verified, None);
        }
    }
    let Some((provider, accepted)) = issuer_of(&settings, token) else {
        return invalid("its issuer is none of those whose tokens are accepted");
    };
    let name = provider.oidc.name.as_str();
    if gateway.background.metadata(&settings, world, name, visit.now).is_none() {
        return Identity::Unclear(Resource::Metadata(name.to_owned()));
    }
    let Some(keys) = gateway.background.keys(&settings, world, name, visit.now) else {
        return unclear(gateway, visit, name, None, Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"));
    };
    match access_token::verify(world, &provider.oidc, accepted, token, &keys.set, visit.now) {
        Ok(access_token) => {
            events.push(Event::TokenVerified);
            let verified = Rc::new(known(&settings, provider, access_token, &keys));
            let until = verified.principal.expires.min(visit.now.plus(LONGEST_MEMORY));
            let bytes = weight(&verified, credential.len());
            gateway.tokens.remember(credential, Rc::clone(&verified), bytes, until);
            Identity::Known(verified, None)
        }
        Err(AccessTokenError::KeyUnknown(failure)) => unclear(gateway, visit, name, Some(&keys), failure),
        Err(AccessTokenError::Refused(failure)) => Identity::Unknown(failure),
    }
}

fn known(settings: &Settings, provider: &ProviderSettings, token: AccessToken, keys: &HeldKeys) -> Verified {
    let mut claims = Claims::new();
    settings.kept_claims.iter().for_each(|path| path.copy(&token.claims, &mut claims));
    let principal = Principal {
        provider: provider.oidc.name.clone(),
        subject: token.subject,
        claims,
        proof: Proof::BearerToken,
        expires: token.expires,
    };
    Verified::by_token(settings, principal, keys.fetched)
}

/// Newer keys may help, once. While `lease` says that they may not be fetched yet, nobody waits: anybody can send tokens that name
/// unknown keys, and those who wait take the places of others.
fn unclear(gateway: &Gateway, visit: &Visit, provider: &str, keys: Option<&HeldKeys>, failure: Failure) -> Identity {
    let in_vain = keys.is_some() && !gateway.background.may_refresh_keys(provider, visit.now);
    if visit.keys_refreshed || in_vain {
        return Identity::Unknown(failure);
    }
    Identity::Unclear(Resource::Keys { provider: provider.to_owned(), newer_than: keys.map(|keys| keys.fetched) })
}

/// The provider that a token names as its issuer. The name is only believed when that provider's key has signed the token.
fn issuer_of<'a>(settings: &'a Settings, token: &Secret) -> Option<(&'a ProviderSettings, &'a Bearer)> {
    let issuer = access_token::claimed_issuer(token)?;
    let mut accepting = settings.providers.iter().filter_map(|provider| Some((provider, provider.oidc.bearer.as_ref()?)));
    accepting.find(|(provider, _)| provider.oidc.issuer() == issuer)
}

fn invalid(detail: &str) -> Identity {
    Identity::Unknown(Failure::new(Reason::TokenInvalid, detail))
}
