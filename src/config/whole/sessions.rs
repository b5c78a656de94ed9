//! The part `session`, beside everything that other parts ask of sessions: claims that rules and headers need, tokens that are
//! forwarded. What such a rule asks for is not known here.

use crate::access::requirement::kept_members::{Compared, KeptMembers};
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::sessions::cookie::cookie;
use crate::config::sessions::forward::{ForwardShape, forward};
use crate::config::sessions::session::{
    GroupsWord, SessionForm, SessionShape, check_named_claims, form, groups, kept_claims, lifetimes, told,
};
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
    pub(super) kept_members: KeptMembers,
    pub(super) forward: Forward,
    /// What an operator should look at.
    pub(super) warning: Option<Refusal>,
}

/// What rules, policies and headers need of sessions.
pub(super) struct Needed {
    /// The claims.
    pub(super) named: Vec<ClaimPath>,
    /// What rules and policies compare claims with.
    pub(super) compared: Vec<Compared>,
}

/// Checks sessions, of which rules, policies and headers need what is `needed`.
pub(super) fn sessions(
    shape: Checked<SessionShape>,
    forward_shape: &Checked<ForwardShape>,
    needed: Needed,
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
        (Ok(SessionForm::Jwt), Ok(Some(claims))) => check_named_claims(claims, &needed.named, refusals),
        _ => Ok(()),
    };
    // Without `session.jwt`, the lifetimes are checked as those of sealed sessions, even if `session.form` was refused.
    let form_of_lifetimes = if written.is_err() && jwt == Ok(false) { Ok(SessionForm::Sealed) } else { written };
    let lifetimes = lifetimes(form_of_lifetimes, &shape, refusals);
    let cookie_form = form.map(|form| if form == SessionForm::Sealed { Shape::Split } else { Shape::Whole });
    let has_trusted = ground.trusted_origins.as_ref().map(|origins| !origins.is_empty()).map_err(|refused| *refused);
    let cookie = cookie(shape.cookie, cookie_form, has_trusted, refusals);
    let session_jwt = std::mem::replace(&mut keys.session_jwt, Ok(None));
    let Needed { mut named, compared } = needed;
    if form == Ok(SessionForm::Jwt) {
        named.extend(session_jwt.iter().flatten().flat_map(|jwt| jwt.claims.clone()));
    }
    let told = told(shape.claims, refusals);
    let groups = groups(shape.groups, written, refusals);
    named.extend(told.iter().flatten().cloned());
    let kept_claims = kept_claims(named);
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
    // What is told elsewhere than in headers is told whole.
    let mut whole = told?;
    whole.extend(keys.identity_jwt.iter().flatten().flat_map(|identity| identity.claims.clone()));
    let kept_members = match groups? {
        GroupsWord::All => KeptMembers::default(),
        GroupsWord::Matching => KeptMembers::new(&compared, &kept_claims, &whole),
    };
    let warning = (groups == Ok(GroupsWord::Matching) && kept_members.is_empty()).then(|| {
        let sentence = "matching shortens no list: each claim that rules compare with texts is also needed whole, or there is none; see session.groups in the reference, or remove it";
        Refusal::new("session.groups", sentence)
    });
    Ok(Sessions { settings, kept_claims, kept_members, forward: forward(forward_shape?)?, warning })
}
