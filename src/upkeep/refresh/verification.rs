//! Whether the tokens that a refresh has brought are accepted (OpenID Connect Core, section 12.2), and the session that has them.
//! They are not requested here.

use crate::config::settings::ProviderSettings;
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdToken, IdTokenError, IssuedWith};
use crate::oidc::token::refresh::same_person;
use crate::oidc::token::tokens::RefreshedTokens;
use crate::session::remembered::refreshed::keep;
use crate::step::decision::Resource;
use crate::step::event::Aftermath;
use crate::upkeep::documents::HeldKeys;
use crate::upkeep::refresh::agreement::Agreement;
use crate::upkeep::refresh::due::{DueSession, Stage};
use crate::upkeep::refresh::outcome::{end_session, forget, give_back, provider_of, refreshed_event, retry_later};
use crate::upkeep::tokens::with_new_tokens;
use crate::upkeep::turn::Turn;
use crate::words::reason::{Failure, Reason};

/// Whether the provider's keys were fetched again for this ID token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFetch {
    NotTried,
    Succeeded,
    Failed,
}

/// Verifies the new ID token, if one came, and shares the session with its new tokens. Returns whether the session is still to be
/// refreshed.
pub(super) fn verify_and_keep(
    turn: &mut Turn<'_>,
    agreement: &mut Agreement,
    due: &mut DueSession,
    tokens: RefreshedTokens,
    key_fetch: KeyFetch,
) -> bool {
    let (settings, now) = (turn.settings, turn.now);
    let Some(provider) = provider_of(settings, &due.session) else { return false };
    // Somebody has signed out meanwhile: nobody gets the new tokens, and the provider gets its refresh token back.
    if turn.ended.has_uncached(turn.world, &due.session, now) {
        give_back(turn, &due.session.provider, tokens.refresh_token.as_ref());
        return forget(turn, &due.session);
    }
    let keys = turn.keys(&due.session.provider);
    let session = &due.session;
    let id_token = match (verified(turn, provider, &tokens, keys.as_ref()), key_fetch) {
        (Ok(id_token), _) => id_token,
        (Err(IdTokenError::KeyUnknown(_)), KeyFetch::NotTried) => {
            let newer_than = keys.map(|keys| keys.fetched);
            turn.documents.want(&Resource::Keys { provider: session.provider.clone(), newer_than });
            due.stage = Stage::Verifying { tokens, newer_than, until: now.plus(settings.wait) };
            return true;
        }
        (Err(IdTokenError::KeyUnknown(failure)), KeyFetch::Failed) => {
            // The former refresh token may be used up: the next attempt, in whichever worker, needs the new one.
            let mut unchanged = session.clone();
            unchanged.tokens.refreshed = unchanged.tokens.refreshed.saturating_add(1);
            unchanged.tokens.refresh_token = tokens.refresh_token.or(unchanged.tokens.refresh_token);
            if keep(turn.world, &settings.sealer, &unchanged, now).is_ok() {
                agreement.leave(turn, session, &unchanged);
                // The claim was made for the former refresh token.
                (due.session, due.claimed) = (unchanged, false);
            }
            return retry_later(turn, agreement, due, failure);
        }
        (Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)), _) => {
            return end_session(turn, session, failure, Aftermath::Ended);
        }
    };
    let subject = session.subject_at_provider(settings.people(&session.provider).subjects);
    let same = id_token.as_ref().map_or(Ok(()), |new| same_person(new, subject));
    let refreshed =
        same.and_then(|()| with_new_tokens(settings, provider, session, &tokens, id_token.as_ref(), now)).and_then(|refreshed| {
            let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
            keep(turn.world, &settings.sealer, &refreshed, now).map_err(no_randomness)?;
            Ok(refreshed)
        });
    match refreshed {
        Ok(refreshed) => {
            agreement.leave(turn, session, &refreshed);
            turn.events.push(refreshed_event(session, None));
            forget(turn, session)
        }
        // The new tokens cannot be used, and the former refresh token is used up.
        Err(failure) => end_session(turn, session, failure, Aftermath::Ended),
    }
}

/// Verifies the new ID token, if one came (OpenID Connect Core, section 12.2).
fn verified(
    turn: &Turn<'_>,
    provider: &ProviderSettings,
    tokens: &RefreshedTokens,
    keys: Option<&HeldKeys>,
) -> Result<Option<IdToken>, IdTokenError> {
    let Some(id_token) = &tokens.id_token else { return Ok(None) };
    let no_keys = || IdTokenError::KeyUnknown(Failure::new(Reason::KeysUnavailable, "the provider's keys are not here"));
    let expectations = Expectations {
        keys: &keys.ok_or_else(no_keys)?.set,
        nonce: ExpectedNonce::NoneWasSent,
        issued_with: IssuedWith::AccessToken(&tokens.access_token),
        now: turn.now,
        provider_clock: tokens.provider_clock,
    };
    id_token::verify(turn.world, &provider.oidc, id_token, &expectations).map(Some)
}
