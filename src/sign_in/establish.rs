//! Somebody signed in at a provider, and everything is proved: a session begins, and the browser, or the page that opened its
//! window, is told.

use std::rc::Rc;

use crate::accounts::template::Filling;
use crate::accounts::user::User;
use crate::authenticate::scene::Scene;
use crate::config::settings::{Popup, ProviderSettings, Settings};
use crate::crypto::seal::Purpose;
use crate::http::cookie::{Attributes, delete, set};
use crate::oidc::id_token::IdToken;
use crate::oidc::tokens::TokenSet;
use crate::session::attempt::{Attempt, Ending};
use crate::session::content::{NewSession, Session};
use crate::sign_in::begun::begin;
use crate::sign_in::popup;
use crate::sign_in::under_way::{Proved, provider};
use crate::step::answers::{redirect, return_to};
use crate::step::decision::Step;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::upkeep::kept::kept;
use crate::upkeep::tokens::first_tokens;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The ID token is kept for sign-out only while its cookie stays below this size, in bytes.
const LARGEST_HINT: usize = 3_800;

/// Begins the session. `user` is whom the user service knows them as, where it is asked.
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
    let provider = provider(settings, attempt)?;
    let popup = popup_of(settings, attempt)?;
    let with_cookie = popup.is_none_or(|popup| popup.delivery.cookie);
    let provider_subject = user.map(|_| id_token.subject.clone());
    if let Some(user) = user {
        take_over(settings, &mut id_token, user);
    }
    let new = of_provider(settings, provider, visit, tokens, &id_token, provider_subject)?;
    let mut begun = begin(scene, visit, new, with_cookie)?;
    begun.cookies.push(attempt.forget(&settings.session.cookie));
    if with_cookie {
        begun.cookies.extend(hint_cookie(settings, scene.world, &tokens.id_token, &begun.session, visit.now));
    }
    let completed = Event::SignInCompleted {
        request: visit.reference(),
        provider: provider.oidc.name.clone(),
        subject: id_token.subject.clone(),
    };
    let mut events = vec![completed];
    if tokens.refresh_token.is_none() && settings.refreshes() {
        events.extend(scene.kept.tell_that_no_refresh_token_came(&provider.oidc.name));
    }
    let response = match popup {
        Some(popup) => {
            let told =
                Filling { claims: Some(&id_token.claims), user: user.map(|user| &user.profile), ..begun.filling(visit.now) };
            let message = popup.delivery.answer.json(&told);
            popup::answer(settings, visit, &message, begun.cookies)
        }
        None => redirect(303, return_to(attempt, settings).as_str(), begun.cookies),
    };
    let mut step = Step::answered(response, events);
    step.note.subject = Some(Rc::from(id_token.subject));
    Ok(step)
}

/// How the page that opened the window is told, where that is what the sign-in was for.
fn popup_of<'a>(settings: &'a Settings, attempt: &Attempt) -> Result<Option<&'a Popup>, Failure> {
    match (attempt.ending, &settings.popup) {
        (Ending::Popup, None) => Err(Failure::new(Reason::Internal, "a new configuration has no popups")),
        (Ending::Popup, Some(popup)) => Ok(Some(popup)),
        (Ending::Session | Ending::Token, _) => Ok(None),
    }
}

/// Makes the person the one whom the user service knows. What it does not say, nobody else says for it.
fn take_over(settings: &Settings, id_token: &mut IdToken, user: &User) {
    id_token.subject.clone_from(&user.subject);
    let accounts = settings.accounts.iter();
    accounts.flat_map(|accounts| accounts.mapping.settled()).for_each(|name| drop(id_token.claims.remove(name)));
    id_token.claims.extend(user.claims.clone());
}

/// What a session is made of that a provider stands for.
fn of_provider(
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
        claims: kept(settings, &id_token.claims),
        fingerprint: provider.fingerprint.clone(),
        tokens: kept_tokens,
        tokens_end,
    })
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
