//! The way back from the provider: state, code, tokens, ID token, userinfo; then a session, and back to where the visit began.
//! Nothing is spent before the state is proved; nothing is believed before the ID token is.

use std::rc::Rc;

use crate::access::policy::{self, Clock};
use crate::config::settings::{ProviderSettings, Settings};
use crate::flow::authenticate::authenticate;
use crate::flow::ending::{self, redirect};
use crate::flow::establish::establish;
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::step::{Pending, Resource, SignIn, Step};
use crate::flow::visit::Visit;
use crate::oidc::authorization::authorization_response;
use crate::oidc::id_token::{self, AccessToken, Expectations, ExpectedNonce, IdToken, IdTokenError};
use crate::oidc::token::{TokenSet, token_request, token_response};
use crate::oidc::userinfo::{self, userinfo_request, userinfo_response};
use crate::session::attempt::{self, Attempt};
use crate::session::tombstone::{self, Ended};
use crate::words::message::Reply;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::url::{ReturnTo, query_parameters};
use crate::words::world::World;

/// Whether the provider's keys were fetched for this very token already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As they were.
    AsTheyAre,
    /// Fetched because none fitted.
    Refreshed,
}

/// The callback endpoint, as the redirect URI of one provider; with several, its bare path is nobody's.
pub fn begin(gateway: &mut Gateway, world: &mut dyn World, visit: Visit, called_back: Option<&ProviderSettings>) -> Step {
    let settings = Rc::clone(&gateway.settings);
    if visit.request.method != "GET" {
        return visit.refuse_method(&settings, "GET");
    }
    let parameters = match query_parameters(visit.request.query.as_deref()) {
        Ok(parameters) => parameters,
        Err(reason) => return visit.refuse(&settings, Failure::new(reason, "at the callback endpoint")),
    };
    let state = parameters.get("state").map(String::as_str);
    let (attempt, provider) = match expected(&settings, world, &visit, state, called_back) {
        Ok(expected) => expected,
        Err(failure) => return stray(gateway, world, &visit, state, failure),
    };
    let Some(metadata) = gateway.background.metadata(&settings, world, &provider.oidc.name, visit.now) else {
        // Nothing was spent: the browser still has the code and the attempt.
        return Step::waiting(Resource::Metadata(provider.oidc.name.clone()), visit.patience, Pending::FromTheStart(visit));
    };
    // From here on this attempt counts as used, whatever comes of it.
    let used_until = attempt.created.plus(settings.session.attempt_timeout);
    tombstone::mark(world, Ended::Attempt(attempt.state.expose()), used_until);
    let sign_in = SignIn { visit, attempt };
    let call = authorization_response(&parameters, &provider.oidc, Some(&metadata)).and_then(|code| {
        let SignIn { attempt, .. } = &sign_in;
        token_request(&provider.oidc, &metadata, &code, &attempt.code_verifier, &attempt.redirect_uri)
    });
    match call {
        Ok(call) => Step::calling(call, Pending::Exchanging(sign_in)),
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

/// The attempt that this answer belongs to, and the provider that was asked.
fn expected<'a>(
    settings: &'a Settings,
    world: &dyn World,
    visit: &Visit,
    state: Option<&str>,
    called_back: Option<&ProviderSettings>,
) -> Result<(Attempt, &'a ProviderSettings), Failure> {
    let session = &settings.session;
    let state = state.ok_or_else(|| Failure::new(Reason::StateMissing, "no state in the query"))?;
    let found =
        Attempt::find(&settings.sealer, &session.cookie, session.attempt_timeout, &visit.request.headers, state, visit.now);
    let attempt = found.map_err(|reason| {
        let limit = session.attempt_timeout.as_secs();
        let hint = format!("host {}, SameSite=Lax, good for {limit} s", visit.request.authority);
        Failure::new(reason, format!("looked for the attempt's cookie: {hint}"))
    })?;
    if tombstone::is_marked(world, Ended::Attempt(state), visit.now) {
        return Err(Failure::new(Reason::AttemptReplayed, "this state came back before"));
    }
    let provider = settings.provider(&attempt.provider);
    let provider = provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, "its provider is no longer configured"))?;
    if called_back.is_none_or(|called_back| provider.callback != called_back.callback) {
        let (asked, answered) = (&attempt.provider, called_back.map_or("nobody", |called_back| &called_back.oidc.name));
        let detail = format!("provider {asked} was asked, the answer came to the redirect URI of {answered}: a mix-up");
        return Err(Failure::new(Reason::IssuerMismatch, detail));
    }
    Ok((attempt, provider))
}

/// An answer that belongs to no attempt. Somebody who is signed in already just goes on.
fn stray(gateway: &mut Gateway, world: &mut dyn World, visit: &Visit, state: Option<&str>, failure: Failure) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let mut events = Vec::new();
    let signed_in = authenticate(&settings, &mut gateway.memory, world, visit, &mut events);
    let forgotten = state.and_then(|state| attempt::forget_named(&settings.session.cookie, state));
    if signed_in.is_ok() {
        let front_page = ReturnTo::front_page();
        return Step::answered(redirect(303, front_page.as_str(), forgotten.into_iter().collect()), events);
    }
    events.push(Event::SignInFailed { place: visit.place(), provider: None, failure: failure.clone() });
    ending::refused(&settings, visit, failure.reason, &ReturnTo::front_page(), forgotten, events)
}

/// The token endpoint answered.
pub fn exchanged(gateway: &mut Gateway, world: &mut dyn World, sign_in: SignIn, reply: &Reply) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let provider = match sign_in.provider(&settings) {
        Ok(provider) => provider,
        Err(failure) => return sign_in.fail(&settings, failure),
    };
    let Some(metadata) = gateway.background.metadata(&settings, world, &provider.oidc.name, sign_in.visit.now) else {
        return sign_in.fail(&settings, lost_metadata());
    };
    match token_response(&provider.oidc, &metadata, reply) {
        Ok(tokens) => verify(gateway, world, sign_in, tokens, Keys::AsTheyAre),
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

/// Verifies the ID token; fetches keys once when none fits.
pub fn verify(gateway: &mut Gateway, world: &mut dyn World, sign_in: SignIn, tokens: TokenSet, refreshed: Keys) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let now = sign_in.visit.now;
    let provider = match sign_in.provider(&settings) {
        Ok(provider) => provider,
        Err(failure) => return sign_in.fail(&settings, failure),
    };
    let name = provider.oidc.name.as_str();
    let keys = gateway.background.keys(&settings, world, name, now);
    let verified = match &keys {
        Some(keys) => {
            let expectations = Expectations {
                keys: &keys.set,
                nonce: ExpectedNonce::Value(sign_in.attempt.nonce.expose()),
                access_token: AccessToken::Value(&tokens.access_token),
                now,
                provider_clock: tokens.provider_clock,
            };
            id_token::verify(world, &provider.oidc, &tokens.id_token, &expectations)
        }
        None => Err(IdTokenError::KeyUnknown(Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"))),
    };
    let id_token = match (verified, refreshed) {
        (Ok(id_token), _) => id_token,
        (Err(IdTokenError::KeyUnknown(_)), Keys::AsTheyAre) => {
            let newer_than = keys.map(|keys| keys.fetched);
            let resource = Resource::Keys { provider: name.to_owned(), newer_than };
            gateway.background.want(&resource);
            // The code is spent, so that this wait has patience of its own.
            let until = now.plus(settings.wait);
            return Step::waiting(resource, until, Pending::Verifying(sign_in, tokens));
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => {
            return sign_in.fail(&settings, failure);
        }
    };
    let clock = Clock { now, skew: provider.oidc.clock_skew };
    if !policy::is_authenticated(&sign_in.attempt.demand, &id_token.claims, clock) {
        let asked: Vec<_> = sign_in.attempt.demand.parameters().map(|(name, value)| format!("{name} {value}")).collect();
        let shown = |name| id_token.claims.get(name).map_or_else(|| "none".to_owned(), |value| quote(&value.to_string()));
        let detail = format!("{} was asked for, acr is {}, auth_time is {}", asked.join(", "), shown("acr"), shown("auth_time"));
        return sign_in.fail(&settings, Failure::new(Reason::StepUpFailed, detail));
    }
    if !provider.oidc.userinfo {
        return establish(gateway, world, &sign_in, &tokens, id_token);
    }
    let Some(metadata) = gateway.background.metadata(&settings, world, name, now) else {
        return sign_in.fail(&settings, lost_metadata());
    };
    match userinfo_request(&provider.oidc, &metadata, &tokens.access_token) {
        Ok(call) => Step::calling(call, Pending::AskingUserinfo(sign_in, tokens, id_token)),
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

/// The userinfo endpoint answered.
pub fn told(
    gateway: &mut Gateway,
    world: &mut dyn World,
    sign_in: SignIn,
    tokens: TokenSet,
    mut id_token: IdToken,
    reply: &Reply,
) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let told = sign_in.provider(&settings).and_then(|provider| {
        let metadata = gateway.background.metadata(&settings, world, &provider.oidc.name, sign_in.visit.now);
        userinfo_response(&provider.oidc, &*metadata.ok_or_else(lost_metadata)?, reply, &id_token.subject)
    });
    match told {
        Ok(claims) => {
            userinfo::merge(&mut id_token.claims, claims);
            establish(gateway, world, &sign_in, &tokens, id_token)
        }
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

fn lost_metadata() -> Failure {
    Failure::new(Reason::MetadataUnavailable, "the metadata were lost while signing in")
}
