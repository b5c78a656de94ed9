//! The way back from the provider: state, code, tokens, ID token, userinfo; then a session, and back to where the visit began.
//! Nothing is spent before the state is proved; nothing is believed before the ID token is.

use std::rc::Rc;

use crate::config::settings::{ProviderSettings, Settings};
use crate::crypto::seal::Purpose;
use crate::flow::authenticate::{Identity, authenticate};
use crate::flow::ending::redirect;
use crate::flow::event::{Event, Outcome};
use crate::flow::gateway::Gateway;
use crate::flow::step::{Decision, Note, Pending, Resource, SignIn, Step};
use crate::flow::visit::Visit;
use crate::oidc::authorization::authorization_response;
use crate::oidc::id_token::{self, AccessToken, Expectations, ExpectedNonce, IdToken, IdTokenError};
use crate::oidc::token::{TokenSet, token_request, token_response};
use crate::oidc::userinfo::{self, userinfo_request, userinfo_response};
use crate::session::attempt::{self, Attempt};
use crate::session::content::{NewSession, Session, Tokens};
use crate::session::cookie;
use crate::session::tombstone::{self, Ended};
use crate::words::cookie::{Attributes, set};
use crate::words::message::Reply;
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::url::{ReturnTo, query_parameters};
use crate::words::world::World;

/// The ID token is kept for sign-out only while its cookie stays below this size, in bytes.
const LARGEST_HINT: usize = 3_800;

/// Whether the provider's keys were fetched for this very token already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As they were.
    AsTheyAre,
    /// Fetched because none fitted.
    Refreshed,
}

/// The callback endpoint.
pub fn begin(gateway: &mut Gateway, world: &mut dyn World, visit: Visit) -> Step {
    let settings = Rc::clone(&gateway.settings);
    if visit.request.method != "GET" {
        return visit.refuse_method(&settings, "GET");
    }
    let parameters = match query_parameters(visit.request.query.as_deref()) {
        Ok(parameters) => parameters,
        Err(reason) => return visit.refuse(&settings, Failure::new(reason, "at the callback endpoint")),
    };
    let state = parameters.get("state").map(String::as_str);
    let (attempt, provider) = match expected(&settings, world, &visit, state) {
        Ok(expected) => expected,
        Err(failure) => return stray(gateway, world, &visit, state, failure),
    };
    let Some(metadata) = gateway.background.metadata(&settings, world, &provider.oidc.name, visit.now) else {
        // Nothing was spent: the browser still has the code and the attempt.
        let resource = Resource::Metadata(provider.oidc.name.clone());
        let until = visit.patience;
        let decision = Decision::Await { resource, until, pending: Box::new(Pending::FromTheStart(visit)) };
        return Step { decision, events: Vec::new(), note: Note::default() };
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
        Ok(call) => go_on(Decision::Call(call, Box::new(Pending::Exchanging(sign_in)))),
        Err(failure) => fail(&settings, &sign_in, failure),
    }
}

/// The attempt that this answer belongs to, and the provider that was asked.
fn expected<'a>(
    settings: &'a Settings,
    world: &dyn World,
    visit: &Visit,
    state: Option<&str>,
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
    Ok((attempt, provider))
}

/// An answer that belongs to no attempt. Somebody who is signed in already just goes on.
fn stray(gateway: &mut Gateway, world: &mut dyn World, visit: &Visit, state: Option<&str>, failure: Failure) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let mut events = Vec::new();
    let identity = authenticate(&settings, &mut gateway.memory, world, visit, &mut events);
    let forgotten = state.and_then(|state| attempt::forget_named(&settings.session.cookie, state));
    if let Identity::Known(..) = identity {
        let front_page = ReturnTo::front_page();
        return Step::answered(redirect(303, front_page.as_str(), forgotten.into_iter().collect()), events);
    }
    events.push(Event::SignInFailed { place: visit.place(), provider: None, failure: failure.clone() });
    refused(&settings, visit, failure.reason, &ReturnTo::front_page(), forgotten, events)
}

/// The token endpoint answered.
pub fn exchanged(gateway: &mut Gateway, world: &mut dyn World, sign_in: SignIn, reply: &Reply) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let provider = match provider(&settings, &sign_in) {
        Ok(provider) => provider,
        Err(failure) => return fail(&settings, &sign_in, failure),
    };
    let Some(metadata) = gateway.background.metadata(&settings, world, &provider.oidc.name, sign_in.visit.now) else {
        return fail(&settings, &sign_in, lost_metadata());
    };
    match token_response(&provider.oidc, &metadata, reply) {
        Ok(tokens) => verify(gateway, world, sign_in, tokens, Keys::AsTheyAre),
        Err(failure) => fail(&settings, &sign_in, failure),
    }
}

/// Verifies the ID token; fetches keys once when none fits.
pub fn verify(gateway: &mut Gateway, world: &mut dyn World, sign_in: SignIn, tokens: TokenSet, refreshed: Keys) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let now = sign_in.visit.now;
    let provider = match provider(&settings, &sign_in) {
        Ok(provider) => provider,
        Err(failure) => return fail(&settings, &sign_in, failure),
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
            return go_on(Decision::Await { resource, until, pending: Box::new(Pending::Verifying(sign_in, tokens)) });
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => {
            return fail(&settings, &sign_in, failure);
        }
    };
    if !provider.oidc.userinfo {
        return establish(&settings, world, &sign_in, &tokens, id_token);
    }
    let Some(metadata) = gateway.background.metadata(&settings, world, name, now) else {
        return fail(&settings, &sign_in, lost_metadata());
    };
    match userinfo_request(&provider.oidc, &metadata, &tokens.access_token) {
        Ok(call) => go_on(Decision::Call(call, Box::new(Pending::AskingUserinfo(sign_in, tokens, id_token)))),
        Err(failure) => fail(&settings, &sign_in, failure),
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
    let told = provider(&settings, &sign_in).and_then(|provider| {
        let metadata = gateway.background.metadata(&settings, world, &provider.oidc.name, sign_in.visit.now);
        userinfo_response(&provider.oidc, &*metadata.ok_or_else(lost_metadata)?, reply, &id_token.subject)
    });
    match told {
        Ok(claims) => {
            userinfo::merge(&mut id_token.claims, claims);
            establish(&settings, world, &sign_in, &tokens, id_token)
        }
        Err(failure) => fail(&settings, &sign_in, failure),
    }
}

/// Everything is proved: a session begins.
fn establish(settings: &Settings, world: &mut dyn World, sign_in: &SignIn, tokens: &TokenSet, id_token: IdToken) -> Step {
    let provider = match provider(settings, sign_in) {
        Ok(provider) => provider,
        Err(failure) => return fail(settings, sign_in, failure),
    };
    let cookies = match session_cookies(settings, world, sign_in, provider, tokens, &id_token) {
        Ok(cookies) => cookies,
        Err(failure) => return fail(settings, sign_in, failure),
    };
    let return_to = return_to(settings, sign_in);
    let completed =
        Event::SignInCompleted { place: sign_in.visit.place(), provider: provider.oidc.name.clone(), subject: id_token.subject };
    Step::answered(redirect(303, return_to.as_str(), cookies), vec![completed])
}

fn session_cookies(
    settings: &Settings,
    world: &mut dyn World,
    sign_in: &SignIn,
    provider: &ProviderSettings,
    tokens: &TokenSet,
    id_token: &IdToken,
) -> Result<Vec<String>, Failure> {
    let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
    let now = sign_in.visit.now;
    let forwarded_token_ends = tokens.expires_in.filter(|_| settings.forward.access_token).map(|span| now.plus(span));
    let new = NewSession {
        provider: provider.oidc.name.clone(),
        issuer: provider.oidc.issuer().to_owned(),
        subject: id_token.subject.clone(),
        provider_session: id_token.sid.clone(),
        auth_time: id_token.auth_time,
        claims: kept(settings, &id_token.claims),
        fingerprint: provider.fingerprint.clone(),
        tokens: Tokens {
            access_token: settings.forward.access_token.then(|| tokens.access_token.clone()),
            id_token: settings.forward.id_token.then(|| tokens.id_token.clone()),
        },
        tokens_end: forwarded_token_ends,
    };
    let session = Session::begin(world, now, settings.session.lifetimes, new).map_err(no_randomness)?;
    let sealed = settings.sealer.seal(world, Purpose::Session, &session.write()).map_err(no_randomness)?;
    let came = &sign_in.visit.request.headers;
    let written = cookie::write(&settings.session.cookie, &sealed, now, session.ends, came);
    let mut cookies = written.map_err(|_| too_large(&session, sealed.len()))?;
    cookies.push(sign_in.attempt.forget(&settings.session.cookie));
    cookies.extend(hint_cookie(settings, world, &tokens.id_token, session.ends.since(now)));
    Ok(cookies)
}

/// The claims that the configuration names; `sub` always.
fn kept(settings: &Settings, claims: &Claims) -> Claims {
    let mut kept = Claims::new();
    settings.kept_claims.iter().for_each(|path| path.copy(claims, &mut kept));
    kept
}

/// Says which claims weigh most.
fn too_large(session: &Session, bytes: usize) -> Failure {
    let mut weights: Vec<_> = session.claims.iter().map(|(name, value)| (value.to_string().len(), name)).collect();
    weights.sort_unstable_by(|left, right| right.cmp(left));
    let heaviest: Vec<_> = weights.iter().take(3).map(|(weight, name)| format!("{name} ({weight} bytes)")).collect();
    let detail = format!("{bytes} bytes sealed; the largest claims are {}", heaviest.join(", "));
    Failure::new(Reason::SessionTooLarge, detail)
}

/// Keeps the ID token for `id_token_hint` at sign-out, where only the logout endpoint gets it.
fn hint_cookie(settings: &Settings, world: &mut dyn World, id_token: &Secret, lasting: std::time::Duration) -> Option<String> {
    if !settings.sign_out.at_provider {
        return None;
    }
    let sealed = settings.sealer.seal(world, Purpose::LogoutHint, id_token.expose().as_bytes()).ok()?;
    if sealed.len() > LARGEST_HINT {
        return None;
    }
    let attributes =
        Attributes { path: &settings.endpoints.logout, same_site: settings.session.cookie.same_site, max_age: lasting };
    Some(set(&settings.session.cookie.hint_name, &sealed, attributes))
}

/// Ends a sign-in with a refusal; its attempt is over.
pub fn fail(settings: &Settings, sign_in: &SignIn, failure: Failure) -> Step {
    let forgotten = sign_in.attempt.forget(&settings.session.cookie);
    let failed = Event::SignInFailed {
        place: sign_in.visit.place(),
        provider: Some(sign_in.attempt.provider.clone()),
        failure: failure.clone(),
    };
    refused(settings, &sign_in.visit, failure.reason, &return_to(settings, sign_in), Some(forgotten), vec![failed])
}

fn refused(
    settings: &Settings,
    visit: &Visit,
    reason: Reason,
    return_to: &ReturnTo,
    forgotten: Option<String>,
    mut events: Vec<Event>,
) -> Step {
    let mut response = visit.refusal(settings, reason, return_to);
    response.headers.extend(forgotten.map(|cookie| ("set-cookie".to_owned(), cookie)));
    events.push(Event::Outcome(Outcome::of_status(response.status)));
    Step { decision: Decision::Respond(response), events, note: Note::default() }
}

/// It was checked when the attempt began; the configuration may have changed since.
fn return_to(settings: &Settings, sign_in: &SignIn) -> ReturnTo {
    ReturnTo::parse(&sign_in.attempt.return_to, &settings.listed_origins()).unwrap_or_else(|_| ReturnTo::front_page())
}

fn provider<'a>(settings: &'a Settings, sign_in: &SignIn) -> Result<&'a ProviderSettings, Failure> {
    let provider = settings.provider(&sign_in.attempt.provider);
    provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, "its provider is no longer configured"))
}

fn lost_metadata() -> Failure {
    Failure::new(Reason::MetadataUnavailable, "the metadata were lost while signing in")
}

fn go_on(decision: Decision) -> Step {
    Step { decision, events: Vec::new(), note: Note::default() }
}
