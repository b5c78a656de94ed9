//! Sessions: the keys that seal them, what they are, what they keep, and for how long.

use std::time::Duration;

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::{ClaimName, Span};
use crate::config::reading::values::{claim_path, each, positive};
use crate::config::sessions::cookie::CookieShape;
use crate::config::sessions::forward::ForwardShape;
use crate::config::sessions::own_tokens::OwnToken;
use crate::session::content::Lifetimes;
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;

const DAY: Duration = Duration::from_secs(24 * 3_600);

shape! {
    pub(crate) struct SessionShape {
        pub(crate) keys: Vec<Checked<Secret>> = default,
        pub(crate) cookie: CookieShape = empty,
        pub(crate) lifetime: Option<Span>,
        pub(crate) idle: Option<Span>,
        pub(crate) follow_provider: bool = default,
        pub(crate) claims: Vec<Checked<ClaimName>> = default,
        pub(crate) form: SessionForm = default,
        pub(crate) jwt: Option<OwnToken>,
    }
}

words! {
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    pub(crate) enum SessionForm {
        #[default]
        Sealed = "sealed",
        Jwt = "jwt",
    }
}

/// What a session is, where `session.jwt` is written or not: sealed, or a token.
pub(crate) fn form(
    form: Checked<SessionForm>,
    jwt_is_written: Checked<bool>,
    forward: Checked<&ForwardShape>,
    refusals: &mut Refusals,
) -> Checked<SessionForm> {
    let form = form?;
    match (form, jwt_is_written?) {
        (SessionForm::Sealed, true) => {
            let sentence = "expected jwt, because session.jwt is there, found sealed; write form: jwt";
            Err(refusals.refuse("session.form", sentence))
        }
        (SessionForm::Jwt, false) => {
            let sentence = "expected how sessions are signed, found nothing; write jwt: {keys: […]}";
            Err(refusals.refuse("session.jwt", sentence))
        }
        (SessionForm::Sealed, false) => {
            if forward?.session_cookie == Ok(true) {
                let sentence =
                    "expected a session that others can read, found a sealed one; write session.form: jwt, or remove it";
                return Err(refusals.refuse("forward.session_cookie", sentence));
            }
            Ok(form)
        }
        (SessionForm::Jwt, true) => {
            let forward = forward?;
            if forward.access_token == Ok(true) || forward.id_token == Ok(true) {
                let sentence = "expected no tokens of the provider, because whoever holds a JWT can read it, found one; remove it, or write session.form: sealed";
                return Err(refusals.refuse("forward", sentence));
            }
            Ok(form)
        }
    }
}

/// How long sessions last: as they are written where they are sealed; a JWT says that itself, and is never renewed.
pub(crate) fn lifetimes(form: Checked<SessionForm>, shape: &SessionShape, refusals: &mut Refusals) -> Checked<Lifetimes> {
    if form? == SessionForm::Sealed {
        return of_sealed(shape.lifetime, shape.idle, refusals);
    }
    let is_there = |span: &Checked<Option<Span>>| matches!(span, Ok(Some(_)));
    let claims = shape.claims.as_ref().is_ok_and(|claims| !claims.is_empty());
    if is_there(&shape.lifetime) || is_there(&shape.idle) || claims || shape.follow_provider == Ok(true) {
        return Err(refusals.refuse(
            "session",
            "expected none of lifetime, idle, claims and follow_provider, because form is jwt, found one; write lifetime and claims under session.jwt (a JWT is never renewed)",
        ));
    }
    Ok(Lifetimes::NONE)
}

fn of_sealed(lifetime: Checked<Option<Span>>, idle: Checked<Option<Span>>, refusals: &mut Refusals) -> Checked<Lifetimes> {
    let longest = DAY.saturating_mul(400);
    let absolute = positive("session.lifetime", lifetime, Duration::from_secs(8 * 3_600), longest, refusals);
    let usual_idle = Duration::from_secs(1_800).min(absolute.unwrap_or(longest));
    let idle = positive("session.idle", idle, usual_idle, longest, refusals)?;
    let absolute = absolute?;
    if idle > absolute {
        let sentence = "expected no more than session.lifetime, found more; it would never apply";
        return Err(refusals.refuse("session.idle", sentence));
    }
    Ok(Lifetimes { absolute, idle })
}

/// Refuses rules and headers that look for claims which a session as JWT does not have.
pub(crate) fn check_named_claims(claims: &[ClaimPath], named: &[ClaimPath], refusals: &mut Refusals) -> Checked<()> {
    let has = |path: &&ClaimPath| path.first() == "sub" || claims.iter().any(|claim| claim.covers(path));
    let missing: Vec<_> = named.iter().filter(|path| !has(path)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(refusals.refuse(
        "session.jwt.claims",
        format!(
            "expected every claim that rules and headers name, found no {missing}; add it here, where whoever holds the session can read it, or name it nowhere"
        ),
    ))
}

/// The claims that a session keeps: those that are named, and those that the session endpoint is to tell.
pub(crate) fn kept_claims(
    mut named: Vec<ClaimPath>,
    told: Checked<Vec<Checked<ClaimName>>>,
    refusals: &mut Refusals,
) -> Checked<Vec<ClaimPath>> {
    named.push(ClaimPath::named("sub"));
    named.extend(each(told?, |index, claim| claim_path(&format!("session.claims[{index}]"), claim, refusals))?);
    // An address or a number means little without this.
    let verdicts: Vec<_> = named.iter().filter_map(ClaimPath::verdict).collect();
    named.extend(verdicts);
    // In order, each once. (A set that is collected, or a sort, would add a sort of this kind to the module.)
    let mut kept: Vec<ClaimPath> = Vec::with_capacity(named.len());
    for claim in named {
        if let Err(place) = kept.binary_search(&claim) {
            kept.insert(place, claim);
        }
    }
    Ok(kept)
}
