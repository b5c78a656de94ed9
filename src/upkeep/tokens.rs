//! Which of the provider's tokens a session keeps, at sign-in and after a refresh, and how long it lasts by them. No token is
//! requested or verified here.

use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::id_token::IdToken;
use crate::oidc::token::refresh::is_of_another_authentication;
use crate::oidc::token::tokens::{Lifetime, RefreshedTokens, TokenSet};
use crate::oidc::userinfo;
use crate::session::content::{Session, Tokens};
use crate::session::cookie;
use crate::upkeep::kept_claims::kept_claims;
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

/// Tokens are refreshed when a quarter of their life is left, and at most this long before their end.
const LONGEST_LEAD: Duration = Duration::from_secs(300);

/// The shortest life of tokens that are not refreshed. With shorter ones nobody would stay signed in.
const SHORTEST_LIFE: Duration = Duration::from_secs(30);

/// The shortest life of tokens that are refreshed. With shorter ones every request would ask for new ones.
const SHORTEST_REFRESHED_LIFE: Duration = Duration::from_secs(2);

/// How long the tokens that a session depends on are good.
#[derive(Clone, Copy)]
struct TokenEnds {
    /// When they should be refreshed.
    due: Timestamp,
    /// When the first of them ends.
    end: Timestamp,
    /// When the ID token ends, if it is forwarded.
    id_token_end: Option<Timestamp>,
}

/// The tokens that a new session keeps, and when the session ends with them: `Some` only where no refresh token can renew them. A
/// refresh token is kept only where the session depends on the tokens.
///
/// # Errors
/// [`Reason::TokenResponseMalformed`] when the tokens end almost at once: the browser would be sent to the provider again and
/// again.
pub fn first_tokens(
    settings: &Settings,
    now: Timestamp,
    response: &TokenSet,
    id_token: &IdToken,
) -> Result<(Tokens, Option<Timestamp>), Failure> {
    let refresh_token = response.refresh_token.clone().filter(|_| settings.refreshes());
    let shortest = if refresh_token.is_some() { SHORTEST_REFRESHED_LIFE } else { SHORTEST_LIFE };
    let until = token_ends(settings, now, response.expires_in, Some(id_token.expires), shortest)?;
    let refreshed = until.filter(|_| refresh_token.is_some());
    let mut tokens = Tokens {
        access_token: settings.forward.access_token.then(|| response.access_token.clone()),
        id_token: settings.forward.id_token.then(|| response.id_token.clone()),
        ..Tokens::default()
    };
    set_ends(&mut tokens, refreshed, refresh_token);
    let ends = until.filter(|_| refreshed.is_none()).map(|until| until.end);
    Ok((tokens, ends))
}

/// Sets how long the tokens are good. The refresh token is kept only if that is known.
fn set_ends(tokens: &mut Tokens, until: Option<TokenEnds>, refresh_token: Option<Secret>) {
    tokens.refresh_token = refresh_token.filter(|_| until.is_some());
    tokens.due = until.map(|until| until.due);
    tokens.end = until.map(|until| until.end);
    tokens.id_token_end = until.and_then(|until| until.id_token_end);
}

/// When the tokens that the session depends on end: those that are forwarded, and with `follow_provider` the access token. `None`
/// if the session depends on none, or the provider does not say when they end.
fn token_ends(
    settings: &Settings,
    now: Timestamp,
    expires_in: Lifetime,
    id_token_end: Option<Timestamp>,
    shortest: Duration,
) -> Result<Option<TokenEnds>, Failure> {
    let follows = settings.session.follow_provider;
    let depends = follows || settings.forward.access_token;
    if depends && expires_in == Lifetime::Unreadable {
        let detail =
            "expires_in is no number of seconds, and the session depends on it (session.follow_provider or forward.access_token)";
        return Err(Failure::new(Reason::TokenResponseMalformed, detail));
    }
    let access_token_end = expires_in.said().map(|span| now.plus(span)).filter(|_| depends);
    let of_id_token = id_token_end.filter(|_| settings.forward.id_token);
    // Where the provider does not say when the access token ends, the end of the ID token is taken.
    let instead = id_token_end.filter(|_| follows && expires_in == Lifetime::NotSaid);
    let Some(end) = [access_token_end, of_id_token, instead].into_iter().flatten().min() else { return Ok(None) };
    let life = end.since(now);
    if life < shortest {
        let detail =
            format!("a token that the session depends on ends in {} s; let the provider issue longer ones", life.as_secs());
        return Err(Failure::new(Reason::TokenResponseMalformed, detail));
    }
    let lead = life.checked_div(4).unwrap_or_default().min(LONGEST_LEAD);
    Ok(Some(TokenEnds { due: now.plus(life.saturating_sub(lead)), end, id_token_end: of_id_token }))
}

/// The session with its new tokens: the same id, refreshed once more.
///
/// The claims of a new ID token replace those of the session: a claim that it leaves out no longer holds. There are three
/// exceptions. An ID token that states nothing about the person replaces nothing. And where claims may have come from userinfo,
/// which is not asked again, only the claims that the ID token names are replaced. And `acr`, `amr` and
/// `auth_time` stay if the new ID token tells of another authentication, which this session did not have.
///
/// # Errors
/// [`Reason::TokenResponseMalformed`] when the new tokens end almost at once; [`Reason::SessionTooLarge`].
pub(super) fn with_new_tokens(
    settings: &Settings,
    provider: &ProviderSettings,
    session: &Session,
    response: &RefreshedTokens,
    id_token: Option<&IdToken>,
    now: Timestamp,
) -> Result<Session, Failure> {
    let elsewhere = id_token.is_some_and(|new| is_of_another_authentication(new, session.auth_time));
    // The ID token of another authentication is not forwarded: an application would take this session for newer or stronger.
    let keeps_id_token = elsewhere && settings.forward.id_token;
    let former_end = session.tokens.id_token_end;
    let id_token_end = if keeps_id_token { former_end } else { id_token.map(|id_token| id_token.expires) };
    let until = token_ends(settings, now, response.expires_in, id_token_end, SHORTEST_REFRESHED_LIFE)?;
    let mut new = session.clone();
    let tokens = &mut new.tokens;
    tokens.refreshed = tokens.refreshed.saturating_add(1);
    if settings.forward.access_token {
        tokens.access_token = Some(response.access_token.clone());
    }
    if settings.forward.id_token && response.id_token.is_some() && !keeps_id_token {
        tokens.id_token.clone_from(&response.id_token);
    }
    let refresh_token = response.refresh_token.clone().or_else(|| tokens.refresh_token.take());
    // Nothing says how long the new tokens are good. The session then ends with the former ones, and does not go on for ever.
    if until.is_none() {
        new.ends = tokens.end.map_or(new.ends, |end| new.ends.min(end));
    }
    set_ends(tokens, until, refresh_token);
    match id_token {
        Some(id_token) => {
            let claims = kept_claims(settings, &id_token.claims);
            let describes = id_token.claims.keys().any(|name| !userinfo::is_protocol_claim(name));
            if !provider.oidc.userinfo && describes {
                new.claims = Rc::new(claims);
            } else {
                merge_newer(Rc::make_mut(&mut new.claims), claims);
            }
        }
        // No new ID token came. If the old one is forwarded, the session ends with it.
        None => new.ends = session.tokens.id_token_end.map_or(new.ends, |end| new.ends.min(end)),
    }
    if elsewhere {
        keep(session, &mut new, ["acr", "acrs", "amr", "auth_time"]);
    }
    if keeps_id_token {
        new.ends = former_end.map_or(new.ends, |end| new.ends.min(end));
    }
    if let Some(accounts) = settings.accounts.as_ref().filter(|_| session.provider_subject.is_some()) {
        // No ID token changes what the user service stated when the session began.
        keep(session, &mut new, accounts.mapping.settled());
    }
    let sealed = new.write().len().saturating_mul(4).div_ceil(3).saturating_add(100);
    if sealed > cookie::LARGEST {
        return Err(Failure::new(Reason::SessionTooLarge, format!("about {sealed} bytes with its new tokens")));
    }
    Ok(new)
}

/// Keeps these claims as they were before, or absent.
fn keep<'a>(before: &Session, new: &mut Session, names: impl IntoIterator<Item = &'a str>) {
    let claims = Rc::make_mut(&mut new.claims);
    for name in names {
        match before.claims.get(name) {
            Some(value) => drop(claims.insert(name.to_owned(), value.clone())),
            None => drop(claims.remove(name)),
        }
    }
}

/// Adds the claims of a newer ID token. Its protocol claims, such as `acr` and `amr`, replace the former ones; the others are
/// merged as those of userinfo are.
fn merge_newer(claims: &mut Claims, id_token: Claims) {
    let (protocol, others): (Claims, Claims) = id_token.into_iter().partition(|(name, _)| userinfo::is_protocol_claim(name));
    claims.extend(protocol);
    userinfo::merge(claims, others);
}
