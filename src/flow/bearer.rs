//! From a bearer token to who is asking (RFC 6750). A token verified before is recalled, as long as its provider's keys are the
//! same; else it is verified by the keys of the provider that it names, or its provider is asked about it. It decides nothing
//! about what that person may do.

use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::crypto::jws::{JwsError, Unverified};
use crate::flow::authenticate::{Credential, Identity, Verified, weight};
use crate::flow::documents::HeldKeys;
use crate::flow::event::{Event, Said};
use crate::flow::gateway::Gateway;
use crate::flow::step::{Asking, ByItself, Resource};
use crate::flow::visit::Visit;
use crate::oidc::access_token::{self, AccessToken, AccessTokenError, Bearer, BearerKeys};
use crate::oidc::introspection::{Proved, introspection_request, introspection_response};
use crate::session::memory::Name;
use crate::words::bytes::ByteSet;
use crate::words::message::Reply;
use crate::words::principal::{Claims, Principal, Proof};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// A remembered token is verified anew after this long at most. (New keys, which reach every worker, have it verified at once.)
const LONGEST_MEMORY: Duration = Duration::from_secs(300);

/// What a provider does not accept is remembered for this long at most.
const LONGEST_REFUSAL: Duration = Duration::from_secs(10);

/// So many questions about tokens may be under way in one worker.
const MOST_ASKING: usize = 64;

/// Which bytes a token is made of (RFC 6750, section 2.1).
const OF_TOKENS: ByteSet = ByteSet::EMPTY.and_from(b'A', b'Z').and_from(b'a', b'z').and_from(b'0', b'9').and(b"-._~+/=");

/// What a request brings.
#[derive(Debug)]
pub enum Brought<'a> {
    /// No bearer token; another scheme is somebody else's affair.
    Nothing,
    /// This one.
    Token(LentSecret<'a>),
    /// More than one (RFC 6750, section 2).
    TooMuch,
}

/// Whether there is a token in the address, where it does not belong (RFC 6750, section 5.3; RFC 9700, section 4.3.2).
pub fn is_in_address(visit: &Visit) -> bool {
    let query = visit.request.query.as_deref().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// Reads the token.
pub fn brought(visit: &Visit) -> Brought<'_> {
    let headers = &visit.request.headers;
    let mut lines = headers.all("authorization");
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Brought::Nothing,
        (Some(line), None) => line,
        (Some(_), Some(_)) => return Brought::TooMuch,
    };
    // What is not UTF-8 has no scheme; whether it speaks of one is asked of its bytes.
    let text = std::str::from_utf8(line).unwrap_or_default().trim();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Whatever else separates the words, a lax server may read it as we would a space.
        let mut words = line.split(|byte| !byte.is_ascii_alphanumeric());
        let speaks_of_bearer = words.any(|word| word.eq_ignore_ascii_case(b"bearer"));
        return if speaks_of_bearer { Brought::TooMuch } else { Brought::Nothing };
    }
    let token = token.trim();
    // Envoy joins two lines by a comma, which no token has.
    if OF_TOKENS.has_all(token.as_bytes()) { Brought::Token(LentSecret::new(token)) } else { Brought::TooMuch }
}

/// Finds out whose token came.
pub fn authenticate(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: &Visit,
    token: LentSecret<'_>,
    events: &mut Vec<Event>,
) -> Identity {
    let settings = Rc::clone(&gateway.settings);
    let name = gateway.naming.name(token.expose().as_bytes());
    if let Some(verified) = gateway.tokens.recall(name, visit.now) {
        let still_good = match verified.credential {
            Credential::Token { keys_since } => {
                let provider = settings.provider(&verified.principal.provider);
                let keys = provider.and_then(|provider| held_keys(gateway, &settings, world, provider, visit.now));
                keys.is_some_and(|keys| keys.since == keys_since)
            }
            Credential::OpaqueToken => true,
            Credential::Session(_) => return invalid("remembered as another credential"),
        };
        if still_good {
            events.push(Event::TokenFromMemory);
            return Identity::Known(verified, None);
        }
    }
    if let Some(failure) = gateway.refused.recall(name, visit.now) {
        events.push(Event::TokenFromMemory);
        return Identity::Unknown(failure.as_ref().clone());
    }
    let read = Unverified::read(token.expose(), &mut gateway.last_header);
    let (provider, accepted) = match issuer_of(&settings, token, &read) {
        Issuer::Accepted(provider, accepted) => (provider, accepted),
        Issuer::AskedAbout(provider) => return ask(gateway, world, visit, provider, token, ByItself::Nothing),
        Issuer::Unknown => return invalid("its issuer is none of those whose tokens are accepted"),
    };
    let provider_name = provider.oidc.name.as_str();
    let configured = matches!(accepted.keys, BearerKeys::Configured(_));
    if !configured && gateway.background.metadata(&settings, world, provider_name, visit.now).is_none() {
        return Identity::Unclear(Resource::Metadata(provider_name.to_owned()));
    }
    let Some(keys) = held_keys(gateway, &settings, world, provider, visit.now) else {
        return unclear(
            gateway,
            world,
            visit,
            provider_name,
            None,
            Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"),
        );
    };
    match access_token::verify(world, &provider.oidc, accepted, read, &keys.set, visit.now) {
        Ok(access_token) => {
            events.push(Event::TokenVerified);
            let credential = Credential::Token { keys_since: keys.since };
            let verified = Rc::new(known(&settings, provider, access_token, credential));
            if accepted.introspection.as_ref().is_some_and(|asked| asked.about.jwts()) {
                return ask(gateway, world, visit, provider, token, ByItself::Proved(verified));
            }
            if gateway.tokens.admits(name, weight(&verified, token.len())) {
                remember(gateway, name, token, &verified, visit.now.plus(LONGEST_MEMORY));
            }
            Identity::Known(verified, None)
        }
        Err(AccessTokenError::KeyUnknown(failure)) if configured => Identity::Unknown(failure),
        Err(AccessTokenError::KeyUnknown(failure)) => unclear(gateway, world, visit, provider_name, Some(&keys), failure),
        Err(AccessTokenError::Refused(failure)) => Identity::Unknown(failure),
    }
}

/// The keys for a provider's bearer tokens: those of the configuration, which are as old as time and never replaced (another
/// configuration begins with an empty memory), or those that it publishes.
fn held_keys(
    gateway: &mut Gateway,
    settings: &Settings,
    world: &dyn World,
    provider: &ProviderSettings,
    now: Timestamp,
) -> Option<HeldKeys> {
    match &provider.oidc.bearer.as_ref()?.keys {
        BearerKeys::Configured(set) => {
            Some(HeldKeys { set: Rc::clone(set), fetched: Timestamp::default(), since: Timestamp::default() })
        }
        BearerKeys::Published => gateway.background.keys(settings, world, &provider.oidc.name, now),
    }
}

/// Asks a provider about a token, unless too many questions are under way: anybody can send tokens that nobody knows.
fn ask(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: &Visit,
    provider: &ProviderSettings,
    token: LentSecret<'_>,
    proved: ByItself,
) -> Identity {
    let settings = Rc::clone(&gateway.settings);
    let provider_name = provider.oidc.name.as_str();
    let Some(metadata) = gateway.background.metadata(&settings, world, provider_name, visit.now) else {
        return Identity::Unclear(Resource::Metadata(provider_name.to_owned()));
    };
    if Rc::strong_count(&gateway.asking) > MOST_ASKING {
        return Identity::Unknown(Failure::new(
            Reason::IntrospectionUnavailable,
            "too many questions about tokens are under way",
        ));
    }
    match introspection_request(&provider.oidc, &metadata, token) {
        Ok(call) => {
            let asking = Asking { provider: provider_name.to_owned(), proved, place: Rc::clone(&gateway.asking) };
            Identity::Asked(Box::new(call), asking)
        }
        Err(failure) => Identity::Unknown(failure),
    }
}

/// The provider has answered.
pub fn introspected(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: &Visit,
    asking: Asking,
    reply: &Reply,
    events: &mut Vec<Event>,
) -> Identity {
    let settings = Rc::clone(&gateway.settings);
    let provider = settings.provider(&asking.provider);
    let accepted = provider.and_then(|provider| Some((provider, provider.oidc.bearer.as_ref()?)));
    let accepted = accepted.and_then(|(provider, bearer)| Some((provider, bearer, bearer.introspection.as_ref()?)));
    let (Some((provider, bearer, introspection)), Brought::Token(token)) = (accepted, brought(visit)) else {
        return invalid("its provider is no longer asked about tokens");
    };
    let Some(metadata) = gateway.background.metadata(&settings, world, &asking.provider, visit.now) else {
        return Identity::Unclear(Resource::Metadata(asking.provider));
    };
    let proved = match &asking.proved {
        ByItself::Nothing => Proved::Nothing,
        ByItself::Proved(verified) => Proved::Subject(&verified.principal.subject),
    };
    match introspection_response(&provider.oidc, &metadata, bearer, reply, proved, visit.now) {
        Ok(access_token) => {
            events.push(Event::TokenIntrospected(Said::Good));
            let until = access_token.expires.min(visit.now.plus(introspection.cache));
            let verified = match asking.proved {
                ByItself::Nothing => Rc::new(known(&settings, provider, access_token, Credential::OpaqueToken)),
                ByItself::Proved(verified) => verified,
            };
            let name = gateway.naming.name(token.expose().as_bytes());
            // To ask again is never cheap.
            remember(gateway, name, token, &verified, until);
            Identity::Known(verified, None)
        }
        Err(failure) if failure.reason == Reason::IntrospectionUnavailable => {
            events.push(Event::TokenIntrospected(Said::Nothing));
            Identity::Unknown(failure)
        }
        Err(failure) => {
            events.push(Event::TokenIntrospected(Said::Bad));
            let until = visit.now.plus(introspection.cache.min(LONGEST_REFUSAL));
            let name = gateway.naming.name(token.expose().as_bytes());
            gateway.refused.remember(name, Rc::new(failure.clone()), failure.detail.len(), until);
            Identity::Unknown(failure)
        }
    }
}

fn remember(gateway: &mut Gateway, name: Name, token: LentSecret<'_>, verified: &Rc<Verified>, until: Timestamp) {
    let bytes = weight(verified, token.len());
    let until = until.min(verified.principal.expires);
    gateway.tokens.remember(name, Rc::clone(verified), bytes, until);
}

fn known(settings: &Settings, provider: &ProviderSettings, mut token: AccessToken, credential: Credential) -> Verified {
    let mut claims = Claims::new();
    settings.kept_claims.iter().for_each(|path| path.take(&mut token.claims, &mut claims));
    let claims = Rc::new(claims);
    // An application takes a request without a name for nobody's: it is told of the client. Conditions see what the token says.
    let mut told = Rc::clone(&claims);
    if !told.contains_key("sub") {
        Rc::make_mut(&mut told).insert("sub".to_owned(), token.subject.as_str().into());
    }
    let principal = Principal {
        provider: provider.oidc.name.clone(),
        subject: token.subject,
        claims,
        assumed: provider.assumed_verified,
        proof: Proof::BearerToken,
        expires: token.expires,
    };
    Verified::by_token(settings, principal, &told, credential)
}

/// Newer keys may help, once. While `lease` says that they may not be fetched yet, nobody waits: anybody can send tokens that name
/// unknown keys, and those who wait take the places of others.
fn unclear(
    gateway: &Gateway,
    world: &dyn World,
    visit: &Visit,
    provider: &str,
    keys: Option<&HeldKeys>,
    failure: Failure,
) -> Identity {
    let in_vain = keys.is_some() && !gateway.background.may_refresh_keys(provider, visit.now);
    if visit.keys_refreshed || in_vain {
        // Without newer keys nobody knows whether the token is bad.
        let failing = gateway.background.keys_failing(world, provider);
        let reason = if failing { Reason::KeysUnavailable } else { failure.reason };
        return Identity::Unknown(Failure { reason, ..failure });
    }
    Identity::Unclear(Resource::Keys { provider: provider.to_owned(), newer_than: keys.map(|keys| keys.fetched) })
}

/// Who can say whose token it is.
enum Issuer<'a> {
    /// This provider's keys: the token names it. The name is only believed when such a key has signed the token.
    Accepted(&'a ProviderSettings, &'a Bearer),
    /// This provider, when it is asked: nothing but opaque tokens come here.
    AskedAbout(&'a ProviderSettings),
    /// Nobody. Tokens of other issuers are shown to no provider.
    Unknown,
}

fn issuer_of<'a>(settings: &'a Settings, token: LentSecret<'_>, read: &Result<Unverified<'_>, JwsError>) -> Issuer<'a> {
    let mut accepting = settings.providers.iter().filter_map(|provider| Some((provider, provider.oidc.bearer.as_ref()?)));
    match access_token::claimed_issuer(token, read) {
        Some(issuer) => match accepting.find(|(provider, _)| provider.oidc.issuer() == issuer) {
            Some((provider, accepted)) => Issuer::Accepted(provider, accepted),
            None => Issuer::Unknown,
        },
        // A signed token that names no issuer may be a session of ours, or anybody's: no provider gets it to see.
        None if token.is_empty() || access_token::is_signed(token) => Issuer::Unknown,
        None => {
            let asked = |accepted: &Bearer| accepted.introspection.as_ref().is_some_and(|asked| asked.about.opaque_tokens());
            accepting.find(|(_, accepted)| asked(accepted)).map_or(Issuer::Unknown, |(provider, _)| Issuer::AskedAbout(provider))
        }
    }
}

fn invalid(detail: &str) -> Identity {
    Identity::Unknown(Failure::new(Reason::TokenInvalid, detail))
}
