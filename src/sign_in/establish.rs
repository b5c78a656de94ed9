//! Begins the session of somebody who signed in at a provider, and answers the browser: a redirect, or in a popup a page that
//! tells its opener. It verifies nothing: the ID token was verified, and the user service asked, before.

use std::rc::Rc;

use crate::accounts::template::Filling;
use crate::accounts::user::User;
use crate::authenticate::scene::Scene;
use crate::config::settings::{Popup, ProviderSettings, Settings};
use crate::crypto::seal::Purpose;
use crate::http::cookie::{Attributes, delete, set};
use crate::oidc::id_token::IdToken;
use crate::oidc::token::tokens::TokenSet;
use crate::session::attempt::{Attempt, Ending};
use crate::session::content::{NewSession, Session};
use crate::session::remembered::attempts::Outcome;
use crate::sign_in::begin_session::begin_session;
use crate::sign_in::popup;
use crate::sign_in::under_way::again;
use crate::sign_in::under_way::attempt::{end, provider};
use crate::sign_in::under_way::proved::Proved;
use crate::step::answers::redirect;
use crate::step::decision::Step;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::upkeep::kept_claims::kept_claims;
use crate::upkeep::tokens::first_tokens;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::{Timestamp, numeric_date};
use crate::words::world::World;

/// The largest sealed ID token that is kept for sign-out, in bytes: more does not fit into one cookie.
const LARGEST_HINT: usize = 3_800;

/// Begins the session. `user` is the person's account at the user service, where accounts are looked up.
///
/// # Errors
/// [`Reason::SessionTooLarge`]; [`Reason::TokenResponseMalformed`]; [`Reason::Internal`].
pub(super) fn establish<C, W>(
    scene: &mut Scene<'_>,
    visit: &Visit,
    proved: &Proved,
    user: Option<&User>,
) -> Result<Step<C, W>, Failure> {
    let settings = scene.settings;
    let Proved { attempt, tokens, id_token } = proved;
    let mut id_token = id_token.clone();
    let provider = provider(settings, visit, attempt)?;
    let popup = popup_of(settings, attempt)?;
    let with_cookie = popup.is_none_or(|popup| popup.delivery.cookie);
    let provider_subject = user.map(|_| id_token.subject.clone());
    if let Some(user) = user {
        apply_account(settings, &mut id_token, user);
    }
    let new = new_session(settings, provider, visit, tokens, &id_token, provider_subject)?;
    let mut begun = begin_session(scene, visit, new, with_cookie)?;
    begun.cookies.push(end(scene, attempt, Outcome::SignedIn, visit.now));
    if with_cookie {
        begun.cookies.extend(hint_cookie(settings, scene.world, &tokens.id_token, &begun.session, visit.now));
    }
    let completed = Event::SignInCompleted {
        request: visit.reference(),
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
        session: Some(begun.session.id.clone()),
    };
    let mut events = vec![completed, Event::SignInTook(visit.now.since(attempt.created))];
    if tokens.refresh_token.is_none() && settings.refreshes() {
        events.extend(scene.background.report_missing_refresh_token(&provider.oidc.name));
    }
    let response = match popup {
        Some(popup) => {
            let filling =
                Filling { claims: Some(&id_token.claims), user: user.map(|user| &user.profile), ..begun.filling(visit.now) };
            let message = popup.delivery.answer.json(&filling);
            popup::answer(settings, visit, &message, begun.cookies)
        }
        None => redirect(303, &again::way_back(settings, attempt), begun.cookies),
    };
    let mut step = Step::answered(response, events);
    step.note.subject = Some(Rc::from(id_token.subject));
    Ok(step)
}

/// The popup's settings, if the sign-in was begun for a popup.
fn popup_of<'a>(settings: &'a Settings, attempt: &Attempt) -> Result<Option<&'a Popup>, Failure> {
    match (attempt.ending, &settings.popup) {
        (Ending::Popup, None) => Err(Failure::new(Reason::Internal, "a new configuration has no popups")),
        (Ending::Popup, Some(popup)) => Ok(Some(popup)),
        (Ending::Session | Ending::Token, _) => Ok(None),
    }
}

/// Puts the user service's account in place of the provider's: its subject and its claims. Claims that are mapped from the user
/// service and missing there are removed; the provider's are not taken instead.
fn apply_account(settings: &Settings, id_token: &mut IdToken, user: &User) {
    id_token.subject.clone_from(&user.subject);
    let accounts = settings.accounts.iter();
    accounts.flat_map(|accounts| accounts.mapping.settled()).for_each(|name| drop(id_token.claims.remove(name)));
    id_token.claims.extend(user.claims.clone());
}

/// What the session of somebody who signed in at a provider is made of.
fn new_session(
    settings: &Settings,
    provider: &ProviderSettings,
    visit: &Visit,
    tokens: &TokenSet,
    id_token: &IdToken,
    provider_subject: Option<String>,
) -> Result<NewSession, Failure> {
    let (kept_tokens, tokens_end) = first_tokens(settings, visit.now, tokens, id_token)?;
    Ok(NewSession {
        origin: visit.origin.to_string(),
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
        provider_subject,
        provider_session: id_token.sid.clone(),
        auth_time: id_token.auth_time,
        issued: id_token.claims.get("iat").and_then(numeric_date),
        claims: kept_claims(settings, &id_token.claims),
        fingerprint: provider.fingerprint.clone(),
        tokens: kept_tokens,
        tokens_end,
    })
}

/// The `Set-Cookie` value that keeps the ID token for `id_token_hint` at sign-out (OpenID Connect RP-Initiated Logout, section
/// 2): for this session, and sent to the logout endpoint only. An ID token that is too large is not kept; the cookie of an
/// earlier session is deleted then.
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
