//! What a session keeps of the provider's tokens, at sign-in and after a refresh, and how long it is good by them. Asking for
//! them, and believing them, is not done here.

use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::id_token::IdToken;
use crate::oidc::tokens::{RefreshedTokens, TokenSet};
use crate::oidc::userinfo;
use crate::session::content::{Session, Tokens};
use crate::session::cookie;
use crate::upkeep::kept::kept;
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

/// Tokens are refreshed when a quarter of their life is left, but no earlier before their end than this.
const LONGEST_LEAD: Duration = Duration::from_secs(300);

/// Tokens that nothing renews must live at least this long, or nobody would stay signed in …
const SHORTEST_LIFE: Duration = Duration::from_secs(30);

/// … and those that are refreshed this long, or every request would ask for new ones.
const SHORTEST_REFRESHED_LIFE: Duration = Duration::from_secs(2);

/// Until when tokens are good.
#[derive(Clone, Copy)]
struct Until {
    due: Timestamp,
    end: Timestamp,
    id_token_end: Option<Timestamp>,
}

/// Which tokens a new session keeps, and when it ends for want of a refresh token. One is kept only where it is needed.
///
/// # Errors
/// [`Reason::TokenResponseMalformed`] when the tokens end all but now: the browser would be sent round and round.
pub fn first_tokens(
    settings: &Settings,
    now: Timestamp,
    came: &TokenSet,
    id_token: &IdToken,
) -> Result<(Tokens, Option<Timestamp>), Failure> {
    let refresh_token = came.refresh_token.clone().filter(|_| settings.refreshes());
    let shortest = if refresh_token.is_some() { SHORTEST_REFRESHED_LIFE } else { SHORTEST_LIFE };
    let until = good_until(settings, now, came.expires_in, Some(id_token.expires), shortest)?;
    let refreshed = until.filter(|_| refresh_token.is_some());
    let mut tokens = Tokens {
        access_token: settings.forward.access_token.then(|| came.access_token.clone()),
        id_token: settings.forward.id_token.then(|| came.id_token.clone()),
        ..Tokens::default()
    };
    good(&mut tokens, refreshed, refresh_token);
    let ends = until.filter(|_| refreshed.is_none()).map(|until| until.end);
    Ok((tokens, ends))
}

/// Sets until when tokens are good. A refresh token is kept only where that is known.
fn good(tokens: &mut Tokens, until: Option<Until>, refresh_token: Option<Secret>) {
    tokens.refresh_token = refresh_token.filter(|_| until.is_some());
    tokens.due = until.map(|until| until.due);
    tokens.end = until.map(|until| until.end);
    tokens.id_token_end = until.and_then(|until| until.id_token_end);
}

/// The first end of what the session depends on: the tokens that are forwarded, and the provider's word for the whole session.
fn good_until(
    settings: &Settings,
    now: Timestamp,
    expires_in: Option<Duration>,
    id_token_end: Option<Timestamp>,
    shortest: Duration,
) -> Result<Option<Until>, Failure> {
    let follows = settings.session.follow_provider;
    let access_token_end = expires_in.map(|span| now.plus(span)).filter(|_| follows || settings.forward.access_token);
    let of_id_token = id_token_end.filter(|_| settings.forward.id_token);
    // A provider that does not say how long the access token lives has said it of the ID token.
    let instead = id_token_end.filter(|_| follows && expires_in.is_none());
    let Some(end) = [access_token_end, of_id_token, instead].into_iter().flatten().min() else { return Ok(None) };
    let life = end.since(now);
    if life < shortest {
        let detail =
            format!("a token that the session depends on ends in {} s; let the provider issue longer ones", life.as_secs());
        return Err(Failure::new(Reason::TokenResponseMalformed, detail));
    }
    let lead = life.checked_div(4).unwrap_or_default().min(LONGEST_LEAD);
    Ok(Some(Until { due: now.plus(life.saturating_sub(lead)), end, id_token_end: of_id_token }))
}

/// The session as it is with new tokens: the same one, refreshed once more.
///
/// What a new ID token says of the person replaces what was known, unless it says nothing at all: a claim that it leaves out beside
/// others is no longer so, whether we keep those others or not. Claims that may have come from userinfo, which is not asked again,
/// stay until it names them. What it says of how that was proved (`acr`, `amr`) always counts.
pub(super) fn with_new_tokens(
    settings: &Settings,
    provider: &ProviderSettings,
    session: &Session,
    came: &RefreshedTokens,
    id_token: Option<&IdToken>,
    now: Timestamp,
) -> Result<Session, Failure> {
    let id_token_end = id_token.map(|id_token| id_token.expires);
    let until = good_until(settings, now, came.expires_in, id_token_end, SHORTEST_REFRESHED_LIFE)?;
    let mut new = session.clone();
    let tokens = &mut new.tokens;
    tokens.refreshed = tokens.refreshed.saturating_add(1);
    if settings.forward.access_token {
        tokens.access_token = Some(came.access_token.clone());
    }
    if settings.forward.id_token && came.id_token.is_some() {
        tokens.id_token.clone_from(&came.id_token);
    }
    let refresh_token = came.refresh_token.clone().or_else(|| tokens.refresh_token.take());
    // Nothing says how long the new tokens are good: no longer than the former ones, and nobody is let in for ever.
    if until.is_none() {
        new.ends = tokens.end.map_or(new.ends, |end| new.ends.min(end));
    }
    good(tokens, until, refresh_token);
    match id_token {
        Some(id_token) => {
            let claims = kept(settings, &id_token.claims);
            let describes = id_token.claims.keys().any(|name| !userinfo::is_protocol_claim(name));
            if !provider.oidc.userinfo && describes {
                new.claims = Rc::new(claims);
            } else {
                merge_newer(Rc::make_mut(&mut new.claims), claims);
            }
        }
        // The ID token that is forwarded stays the old one, and nothing renews it.
        None => new.ends = session.tokens.id_token_end.map_or(new.ends, |end| new.ends.min(end)),
    }
    keep_account(settings, session, &mut new);
    let sealed = new.write().len().saturating_mul(4).div_ceil(3).saturating_add(100);
    if sealed > cookie::LARGEST {
        return Err(Failure::new(Reason::SessionTooLarge, format!("about {sealed} bytes with its new tokens")));
    }
    Ok(new)
}

/// Who somebody is at the user service was settled when the session began: no ID token changes that.
fn keep_account(settings: &Settings, before: &Session, new: &mut Session) {
    let Some(accounts) = settings.accounts.as_ref().filter(|_| before.provider_subject.is_some()) else { return };
    let claims = Rc::make_mut(&mut new.claims);
    for name in accounts.mapping.settled() {
        match before.claims.get(name) {
            Some(value) => drop(claims.insert(name.to_owned(), value.clone())),
            None => drop(claims.remove(name)),
        }
    }
}

/// Adds what a newer ID token says to what was known: who, and how that was proved, is as the newer one tells it.
fn merge_newer(claims: &mut Claims, id_token: Claims) {
    let (protocol, others): (Claims, Claims) = id_token.into_iter().partition(|(name, _)| userinfo::is_protocol_claim(name));
    claims.extend(protocol);
    userinfo::merge(claims, others);
}
