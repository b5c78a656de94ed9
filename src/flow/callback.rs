//! The way back from the provider: state, code, tokens, ID token, userinfo; what follows from these is for others (a look-up and a
//! session, or a page's token).
//! Nothing is spent before the state is proved; nothing is believed before the ID token is.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::access::policy::{self, Clock};
use crate::config::settings::{ProviderSettings, Settings};
use crate::flow::authenticate::authenticate;
use crate::flow::ending::{self, redirect};
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::popup;
use crate::flow::step::{Pending, Resource, SignIn, Step};
use crate::flow::visit::Visit;
use crate::flow::{body, exchange, first_visit};
use crate::oidc::authorization::{Issuer, authorization_response};
use crate::oidc::id_token::{self, AccessToken, Expectations, ExpectedNonce, IdToken, IdTokenError};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::ResponseMode;
use crate::oidc::token::{TokenSet, token_request, token_response};
use crate::oidc::userinfo::{self, userinfo_request, userinfo_response};
use crate::session::attempt::{self, Attempt, Ending};
use crate::session::tombstone::Ended;
use crate::words::body::{Form, form_parameters};
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
pub fn begin(gateway: &mut Gateway, world: &mut dyn World, mut visit: Visit, called_back: Option<&ProviderSettings>) -> Step {
    let settings = Rc::clone(&gateway.settings);
    // Until it is known what the answer belongs to, it may be a popup's.
    visit.in_popup = true;
    let posts = called_back.is_some_and(|provider| provider.oidc.response_mode == ResponseMode::FormPost);
    let (mut visit, parameters) = match visit.request.method.as_str() {
        "GET" => {
            let parameters = query_parameters(visit.request.query.as_deref());
            (visit, parameters.map_err(|reason| Failure::new(reason, "at the callback endpoint")))
        }
        // Another site's form: what shows that this browser asked for it is `state`.
        "POST" if posts => match body::read(&settings, world, visit, &[Form::UrlEncoded]) {
            Ok((visit, _)) => {
                let parameters = form_parameters(visit.body.bytes());
                (visit, parameters)
            }
            Err(step) => return *step,
        },
        _ => return visit.refuse_method(&settings, if posts { "GET, POST" } else { "GET" }),
    };
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(failure) => return visit.refuse(&settings, failure),
    };
    let state = parameters.get("state").map(String::as_str);
    visit.in_popup = state.is_none_or(attempt::is_like_a_popups);
    match expected(&settings, world, &visit, state, called_back) {
        Ok(attempt) => spend(gateway, world, visit, attempt, &parameters),
        Err(failure) => stray(gateway, world, &visit, state, failure),
    }
}

/// Spends an attempt, whose state was proved, for the code that came with it.
pub fn spend(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: Visit,
    attempt: Attempt,
    parameters: &BTreeMap<String, String>,
) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let sign_in = SignIn { visit, attempt };
    let provider = match sign_in.provider(&settings) {
        Ok(provider) => provider,
        Err(failure) => return sign_in.fail(&settings, failure),
    };
    let SignIn { visit, attempt } = &sign_in;
    // Before a code is sent anywhere.
    if attempt.client != attempt::client(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin) {
        let detail =
            "it was begun for another issuer, client or origin: by another gateway with this key, or another configuration";
        return sign_in.fail(&settings, Failure::new(Reason::AttemptMissing, detail));
    }
    let Some(metadata) = gateway.background.metadata(&settings, world, &provider.oidc.name, visit.now) else {
        // Nothing was spent: the browser still has the code and the attempt.
        let (resource, until) = (Resource::Metadata(provider.oidc.name.clone()), visit.patience);
        return Step::waiting(resource, until, Pending::FromTheStart(sign_in.visit));
    };
    // From here on this attempt counts as used, whatever comes of it, and whichever worker another callback comes to.
    let used_until = attempt.created.plus(settings.session.attempt_timeout);
    if !Ended::attempts().claim(world, attempt.state.expose(), used_until) {
        return sign_in.fail(&settings, Failure::new(Reason::AttemptReplayed, "another callback with this state was quicker"));
    }
    let code = check_mode(provider, &sign_in, parameters)
        .and_then(|()| authorization_response(parameters, &provider.oidc, issuer(&settings, attempt.ending, &metadata)));
    let call =
        code.and_then(|code| token_request(&provider.oidc, &metadata, &code, &attempt.code_verifier, &attempt.redirect_uri));
    match call {
        Ok(call) => Step::calling(call, Pending::Exchanging(sign_in)),
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

/// Whether the answer must name its issuer. A page does not always pass the name on, which matters only where another provider
/// could have given the code (RFC 9700, section 4.4).
fn issuer(settings: &Settings, ending: Ending, metadata: &Metadata) -> Issuer {
    let must_come = match ending {
        Ending::Session | Ending::Popup => metadata.announces_iss_parameter,
        Ending::Token => settings.providers.iter().filter(|provider| provider.oidc.redirect_uri.is_some()).count() > 1,
    };
    if must_come { Issuer::MustCome } else { Issuer::MayCome }
}

/// A code comes as it was asked for. (An error may come in the address: providers send some of them before they look at the mode.)
fn check_mode(provider: &ProviderSettings, sign_in: &SignIn, parameters: &BTreeMap<String, String>) -> Result<(), Failure> {
    let posted = sign_in.visit.request.method == "POST" || parameters.contains_key("error");
    if provider.oidc.response_mode == ResponseMode::FormPost && !posted {
        return Err(Failure::new(
            Reason::ResponseModeMismatch,
            "expected the code in a form that is posted, found it in the address",
        ));
    }
    Ok(())
}

/// The refusal of an answer whose attempt did not come along.
pub fn no_attempt(settings: &Settings, visit: &Visit, reason: Reason, cross_site: bool) -> Failure {
    let (host, limit) = (&visit.request.authority, settings.session.attempt_timeout.as_secs());
    let same_site = if cross_site { "None" } else { "Lax" };
    Failure::new(reason, format!("looked for the attempt's cookie: host {host}, SameSite={same_site}, good for {limit} s"))
}

/// The attempt that this answer belongs to.
fn expected(
    settings: &Settings,
    world: &dyn World,
    visit: &Visit,
    state: Option<&str>,
    called_back: Option<&ProviderSettings>,
) -> Result<Attempt, Failure> {
    let session = &settings.session;
    let state = state.ok_or_else(|| Failure::new(Reason::StateMissing, "no state came"))?;
    let (sealer, timeout, came) = (&settings.sealer, session.attempt_timeout, &visit.request.headers);
    let endings: &[_] = if settings.popup.is_some() { &[Ending::Session, Ending::Popup] } else { &[Ending::Session] };
    let found = Attempt::find(sealer, &session.cookie, timeout, came, state, visit.now, endings);
    let posted = visit.request.method == "POST";
    let attempt = found.map_err(|reason| no_attempt(settings, visit, reason, posted))?;
    if Ended::attempts().has(world, state, visit.now) {
        return Err(Failure::new(Reason::AttemptReplayed, "this state came back before"));
    }
    let provider = settings.provider(&attempt.provider);
    let provider = provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, "its provider is no longer configured"))?;
    if called_back.is_none_or(|called_back| provider.callback != called_back.callback) {
        let (asked, answered) = (&attempt.provider, called_back.map_or("nobody", |called_back| &called_back.oidc.name));
        let detail = format!("provider {asked} was asked, the answer came to the redirect URI of {answered}: a mix-up");
        return Err(Failure::new(Reason::IssuerMismatch, detail));
    }
    Ok(attempt)
}

/// An answer that belongs to no attempt. Somebody who is signed in already just goes on, but for a popup: its page waits.
fn stray(gateway: &mut Gateway, world: &mut dyn World, visit: &Visit, state: Option<&str>, failure: Failure) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let mut events = Vec::new();
    let signed_in = authenticate(gateway, world, visit, &mut events);
    let forgotten = state.and_then(|state| attempt::forget_named(&settings.session.cookie, state));
    let waits = state.is_some() && popup::opener(&settings, visit).is_some();
    if signed_in.is_ok() && !waits {
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
    // A page that keeps its token asks the provider itself.
    if sign_in.attempt.ending == Ending::Token {
        return exchange::release(&settings, &sign_in, &tokens, id_token);
    }
    if !provider.oidc.userinfo {
        return first_visit::begin(gateway, world, sign_in, tokens, id_token);
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
            first_visit::begin(gateway, world, sign_in, tokens, id_token)
        }
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

fn lost_metadata() -> Failure {
    Failure::new(Reason::MetadataUnavailable, "the metadata were lost while signing in")
}
