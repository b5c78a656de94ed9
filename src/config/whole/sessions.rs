//! The part `session`, beside everything that other parts ask of sessions: claims that rules and headers need, tokens that are
//! forwarded. What such a rule asks for is not known here.

use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::sessions::cookie::cookie;
use crate::config::sessions::forward::{ForwardShape, forward};
use crate::config::sessions::session::{SessionForm, SessionShape, check_named_claims, form, kept_claims, lifetimes};
use crate::config::settings::Forward;
use crate::config::signing_in::sign_in::SignIn;
use crate::config::whole::ground::Ground;
use crate::config::whole::keys::Keys;
use crate::session::cookie::Shape;
use crate::session::{Form, SessionSettings};
use crate::words::principal::ClaimPath;

/// The settings of sessions.
pub(super) struct Sessions {
    pub(super) settings: SessionSettings,
    pub(super) kept_claims: Vec<ClaimPath>,
    pub(super) forward: Forward,
}

/// Checks sessions. `named` are the claims that rules and headers need.
pub(super) fn sessions(
    shape: Checked<SessionShape>,
    forward_shape: &Checked<ForwardShape>,
    named: Vec<ClaimPath>,
    sign_in: &Checked<SignIn>,
    (ground, keys): (&Ground, &mut Keys),
    refusals: &mut Refusals,
) -> Checked<Sessions> {
    let shape = shape?;
    let jwt = ground.tokens.jwt;
    let written = shape.form;
    let forward_shape = forward_shape.as_ref().map_err(|refused| *refused);
    let form = form(written, jwt, forward_shape, refusals);
    let has_claims = match (written, &keys.session_claims) {
        (Ok(SessionForm::Jwt), Ok(Some(claims))) => check_named_claims(claims, &named, refusals),
        _ => Ok(()),
    };
    // Without `session.jwt`, the lifetimes are checked as those of sealed sessions, even if `session.form` was refused.
    let form_of_lifetimes = if written.is_err() && jwt == Ok(false) { Ok(SessionForm::Sealed) } else { written };
    let lifetimes = lifetimes(form_of_lifetimes, &shape, refusals);
    let cookie_form = form.map(|form| if form == SessionForm::Sealed { Shape::Split } else { Shape::Whole });
    let has_trusted = ground.trusted_origins.as_ref().map(|origins| !origins.is_empty()).map_err(|refused| *refused);
    let cookie = cookie(shape.cookie, cookie_form, has_trusted, refusals);
    let session_jwt = std::mem::replace(&mut keys.session_jwt, Ok(None));
    let mut named = named;
    if form == Ok(SessionForm::Jwt) {
        named.extend(session_jwt.iter().flatten().flat_map(|jwt| jwt.claims.clone()));
    }
    let kept_claims = kept_claims(named, shape.claims, refusals);
    has_claims?;
    let form = match (form?, session_jwt?) {
        (SessionForm::Jwt, Some(jwt)) => Form::Jwt(Box::new(jwt)),
        (SessionForm::Sealed | SessionForm::Jwt, _) => Form::Sealed,
    };
    let settings = SessionSettings {
        form,
        cookie: cookie?,
        lifetimes: lifetimes?,
        follow_provider: shape.follow_provider?,
        attempt_timeout: sign_in.as_ref().map_err(|refused| *refused)?.timeout,
    };
    Ok(Sessions { settings, kept_claims: kept_claims?, forward: forward(forward_shape?)? })
}
