//! Everything is proved: a session begins. What it holds, which cookies carry it, and what becomes of the one before.

use std::rc::Rc;

use serde_json::Value;

use crate::config::settings::{ProviderSettings, Settings};
use crate::crypto::seal::Purpose;
use crate::flow::authenticate;
use crate::flow::ending::redirect;
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::popup;
use crate::flow::step::{SignIn, Step};
use crate::flow::tokens::first_tokens;
use crate::flow::visit::Visit;
use crate::oidc::id_token::IdToken;
use crate::oidc::token::TokenSet;
use crate::session::Form;
use crate::session::attempt::Ending;
use crate::session::content::{NewSession, Session};
use crate::session::cookie;
use crate::session::tombstone::{self, Ended};
use crate::words::cookie::{Attributes, delete, set};
use crate::words::principal::{ClaimPath, Claims, LEFT_OUT};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The ID token is kept for sign-out only while its cookie stays below this size, in bytes.
const LARGEST_HINT: usize = 3_800;

/// Everything is proved: a session begins.
pub fn establish(gateway: &mut Gateway, world: &mut dyn World, sign_in: &SignIn, tokens: &TokenSet, id_token: IdToken) -> Step {
    let settings = &*Rc::clone(&gateway.settings);
    let provider = match sign_in.provider(settings) {
        Ok(provider) => provider,
        Err(failure) => return sign_in.fail(settings, failure),
    };
    let (id, cookies) = match session_cookies(settings, world, sign_in, provider, tokens, &id_token) {
        Ok(begun) => begun,
        Err(failure) => return sign_in.fail(settings, failure),
    };
    // A renewal of the session that was there before must not bring it back. (A JWT of the same second may be the very same.)
    if let Some(before) = authenticate::forget(gateway, world, &sign_in.visit).filter(|before| before.id != id) {
        tombstone::mark(world, Ended::Session(&before.id), before.ends);
    }
    let completed = Event::SignInCompleted {
        place: sign_in.visit.place(),
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
    };
    let subject = Some(Rc::from(id_token.subject.as_str()));
    let mut events = vec![completed];
    if tokens.refresh_token.is_none() && settings.refreshes() {
        events.extend(gateway.background.tell_that_no_refresh_token_came(&provider.oidc.name));
    }
    if sign_in.attempt.ending == Ending::Popup {
        return popup::deliver(settings, &sign_in.visit, "{\"authenticated\":true}", cookies, events, subject);
    }
    let mut step = Step::answered(redirect(303, sign_in.return_to(settings).as_str(), cookies), events);
    step.note.subject = subject;
    step
}

/// The new session's identifier, and the cookies that begin it.
fn session_cookies(
    settings: &Settings,
    world: &mut dyn World,
    sign_in: &SignIn,
    provider: &ProviderSettings,
    tokens: &TokenSet,
    id_token: &IdToken,
) -> Result<(String, Vec<String>), Failure> {
    let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
    let now = sign_in.visit.now;
    let (kept_tokens, tokens_end) = first_tokens(settings, now, tokens, id_token)?;
    let new = NewSession {
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
        provider_session: id_token.sid.clone(),
        auth_time: id_token.auth_time,
        claims: kept(settings, &id_token.claims),
        fingerprint: provider.fingerprint.clone(),
        tokens: kept_tokens,
        tokens_end: match &settings.session.form {
            Form::Sealed => tokens_end,
            Form::Jwt(jwt) => Some(jwt.end(now)),
        },
    };
    let mut session = Session::begin(world, now, settings.session.lifetimes, new).map_err(no_randomness)?;
    let mut cookies = carry(settings, world, &sign_in.visit, &mut session)?;
    cookies.push(sign_in.attempt.forget(&settings.session.cookie));
    cookies.extend(hint_cookie(settings, world, &tokens.id_token, &session, now));
    Ok((session.id, cookies))
}

/// The cookies that carry a session, in the form that is configured.
fn carry(settings: &Settings, world: &mut dyn World, visit: &Visit, session: &mut Session) -> Result<Vec<String>, Failure> {
    let cookie = &settings.session.cookie;
    let (written, bytes) = match &settings.session.form {
        Form::Sealed => {
            let sealed = settings.sealer.seal(world, Purpose::Session, &session.write());
            let sealed = sealed.map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
            (cookie::write(cookie, &sealed, visit.now, session.ends, &visit.request.headers), sealed.len())
        }
        Form::Jwt(jwt) => {
            let token = jwt.write(world, session);
            let token = token.map_err(|_| Failure::new(Reason::Internal, "the session could not be signed"))?;
            let written = cookie::write_whole(cookie, &token, jwt.lifetime, &visit.origin);
            (written.map(|set| vec![set]), token.len())
        }
    };
    written.map_err(|_| too_large(session, bytes))
}

/// The claims that the configuration names; `sub` always.
pub(super) fn kept(settings: &Settings, claims: &Claims) -> Claims {
    let mut kept = Claims::new();
    for path in &settings.kept_claims {
        path.copy(claims, &mut kept);
    }
    // A provider that leaves a claim out because it is too large says so (OpenID Connect Core, section 5.6.2; Entra ID's
    // `hasgroups`). That is kept, so that a refusal can be explained.
    let left_out = claims.get("_claim_names").and_then(Value::as_object);
    let mut missing = Claims::new();
    missing.extend(left_out.into_iter().flatten().filter(|(name, _)| wanted(settings, name)).map(named_only));
    if claims.get("hasgroups") == Some(&Value::Bool(true)) && wanted(settings, "groups") {
        missing.insert("groups".to_owned(), Value::Null);
    }
    if !missing.is_empty() {
        kept.insert(LEFT_OUT.to_owned(), Value::Object(missing));
    }
    kept
}

fn wanted(settings: &Settings, name: &str) -> bool {
    settings.kept_claims.contains(&ClaimPath::named(name))
}

fn named_only((name, _): (&String, &Value)) -> (String, Value) {
    (name.clone(), Value::Null)
}

/// Says which claims weigh most.
fn too_large(session: &Session, bytes: usize) -> Failure {
    let mut weights: Vec<_> = session.claims.iter().map(|(name, value)| (value.to_string().len(), name)).collect();
    let mut heaviest = Vec::new();
    while let (Some((weight, name)), 0..3) = (weights.iter().max().copied(), heaviest.len()) {
        heaviest.push(format!("{name} ({weight} bytes)"));
        weights.retain(|(_, other)| *other != name);
    }
    let detail = format!("{bytes} bytes; the largest claims are {}", heaviest.join(", "));
    Failure::new(Reason::SessionTooLarge, detail)
}

/// Keeps the ID token for `id_token_hint` at sign-out, where only the logout endpoint gets it, and only for this session. One that
/// is too large is left out, and an earlier person's is deleted all the same.
fn hint_cookie(
    settings: &Settings,
    world: &mut dyn World,
    id_token: &Secret,
    session: &Session,
    now: Timestamp,
) -> Option<String> {
    if !settings.sign_out.at_provider {
        return None;
    }
    let (cookie, path) = (&settings.session.cookie, settings.endpoints.logout.as_str());
    let content = format!("{} {}", session.id, id_token.expose());
    let sealed = settings.sealer.seal(world, Purpose::LogoutHint, content.as_bytes());
    Some(match sealed.ok().filter(|sealed| sealed.len() <= LARGEST_HINT) {
        Some(sealed) => {
            let max_age = session.ends.since(now);
            set(&cookie.hint_name, &sealed, Attributes { path, same_site: cookie.same_site, max_age })
        }
        None => delete(&cookie.hint_name, path, cookie.same_site),
    })
}
