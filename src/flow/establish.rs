//! Everything is proved: a session begins. What it holds, what carries it, and what becomes of the one before.

use std::rc::Rc;

use serde_json::Value;

use crate::accounts::template::Filling;
use crate::accounts::user::User;
use crate::config::settings::{ProviderSettings, Settings};
use crate::crypto::seal::Purpose;
use crate::flow::carried;
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
use crate::words::cookie::{Attributes, delete, set};
use crate::words::principal::{ClaimPath, Claims, LEFT_OUT};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The ID token is kept for sign-out only while its cookie stays below this size, in bytes.
const LARGEST_HINT: usize = 3_800;

/// A session that has begun, and what carries it.
pub(super) struct Begun {
    pub(super) session: Session,
    /// Empty where no cookie is wanted.
    pub(super) cookies: Vec<String>,
    /// The session itself, where it is a token.
    pub(super) token: Option<Secret>,
}

impl Begun {
    /// What an answer can say of it.
    pub(super) fn filling(&self, now: Timestamp) -> Filling<'_> {
        let expires_in = Some(self.session.ends.since(now).as_secs());
        Filling { token: self.token.as_ref(), expires_in, ..Filling::default() }
    }
}

/// Somebody signed in at a provider, and everything is proved: a session begins. `user` is whom the user service knows them as,
/// where it is asked.
pub fn establish(
    gateway: &mut Gateway,
    world: &mut dyn World,
    sign_in: &SignIn,
    tokens: &TokenSet,
    mut id_token: IdToken,
    user: Option<&User>,
) -> Step {
    let settings = &*Rc::clone(&gateway.settings);
    let provider = match sign_in.provider(settings) {
        Ok(provider) => provider,
        Err(failure) => return sign_in.fail(settings, failure),
    };
    let in_popup = sign_in.attempt.ending == Ending::Popup;
    let popup = settings.popup.as_ref().filter(|_| in_popup);
    if in_popup && popup.is_none() {
        return sign_in.fail(settings, Failure::new(Reason::Internal, "a new configuration has no popups"));
    }
    let with_cookie = popup.is_none_or(|popup| popup.delivery.cookie);
    let provider_subject = user.map(|_| id_token.subject.clone());
    if let Some(user) = user {
        id_token.subject.clone_from(&user.subject);
        // What the user service does not say, nobody else says for it.
        let accounts = settings.accounts.iter();
        accounts.flat_map(|accounts| accounts.mapping.settled()).for_each(|name| drop(id_token.claims.remove(name)));
        id_token.claims.extend(user.claims.clone());
    }
    let begun = of_provider(settings, provider, sign_in, tokens, &id_token, provider_subject)
        .and_then(|new| begin(gateway, world, &sign_in.visit, new, with_cookie));
    let mut begun = match begun {
        Ok(begun) => begun,
        Err(failure) => return sign_in.fail(settings, failure),
    };
    begun.cookies.push(sign_in.attempt.forget(&settings.session.cookie));
    if with_cookie {
        begun.cookies.extend(hint_cookie(settings, world, &tokens.id_token, &begun.session, sign_in.visit.now));
    }
    let completed = Event::SignInCompleted {
        place: sign_in.visit.place(),
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
    };
    let mut events = vec![completed];
    if tokens.refresh_token.is_none() && settings.refreshes() {
        events.extend(gateway.background.tell_that_no_refresh_token_came(&provider.oidc.name));
    }
    let response = match popup {
        Some(popup) => {
            let told =
                Filling { claims: Some(&id_token.claims), user: user.map(|user| &user.told), ..begun.filling(sign_in.visit.now) };
            popup::answer(settings, &sign_in.visit, &popup.delivery.answer.json(&told), begun.cookies)
        }
        None => redirect(303, sign_in.return_to(settings).as_str(), begun.cookies),
    };
    let mut step = Step::answered(response, events);
    step.note.subject = Some(Rc::from(id_token.subject));
    step
}

/// What a session is made of that a provider stands for.
fn of_provider(
    settings: &Settings,
    provider: &ProviderSettings,
    sign_in: &SignIn,
    tokens: &TokenSet,
    id_token: &IdToken,
    provider_subject: Option<String>,
) -> Result<NewSession, Failure> {
    let (kept_tokens, tokens_end) = first_tokens(settings, sign_in.visit.now, tokens, id_token)?;
    Ok(NewSession {
        origin: sign_in.visit.origin.to_string(),
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
        provider_subject,
        provider_session: id_token.sid.clone(),
        auth_time: id_token.auth_time,
        claims: kept(settings, &id_token.claims),
        fingerprint: provider.fingerprint.clone(),
        tokens: kept_tokens,
        tokens_end,
    })
}

/// Begins a session, in a cookie or not.
///
/// # Errors
/// [`Reason::SessionTooLarge`], [`Reason::Internal`].
pub(super) fn begin(
    gateway: &mut Gateway,
    world: &mut dyn World,
    visit: &Visit,
    mut new: NewSession,
    with_cookie: bool,
) -> Result<Begun, Failure> {
    let settings = &*Rc::clone(&gateway.settings);
    if let Form::Jwt(jwt) = &settings.session.form {
        new.tokens_end = Some(jwt.end(visit.now));
    }
    let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
    let mut session = Session::begin(world, visit.now, settings.session.lifetimes, new).map_err(no_randomness)?;
    let (cookies, token) = carry(settings, world, visit, &mut session, with_cookie)?;
    // A renewal of a session that was there before must not bring it back. (A JWT of the same second may be the very same.)
    let before = if with_cookie { carried::in_cookies(gateway, world, visit).sessions } else { Vec::new() };
    for before in before.iter().filter(|before| before.id != session.id) {
        gateway.background.ended.mark(world, &before.id, before.ends);
    }
    Ok(Begun { session, cookies, token })
}

/// What carries a session, in the form that is configured.
fn carry(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    session: &mut Session,
    with_cookie: bool,
) -> Result<(Vec<String>, Option<Secret>), Failure> {
    let cookie = &settings.session.cookie;
    match &settings.session.form {
        Form::Sealed => {
            let sealed = settings.sealer.seal(world, Purpose::Session, &session.write());
            let sealed = sealed.map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
            let written = cookie::write(cookie, &sealed, visit.now, session.ends, &visit.request.headers);
            Ok((written.map_err(|_| too_large(session, sealed.len()))?, None))
        }
        Form::Jwt(jwt) => {
            let token = jwt.write(world, session, settings.assumed_verified(&session.provider));
            let token = token.map_err(|_| Failure::new(Reason::Internal, "the session could not be signed"))?;
            let written = with_cookie.then(|| cookie::write_whole(cookie, &token, jwt.lifetime, &visit.origin));
            let written = written.transpose().map_err(|_| too_large(session, token.len()))?;
            Ok((written.into_iter().collect(), Some(Secret::new(token))))
        }
    }
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
