//! The part `session`: whether sessions are sealed or JWTs, which claims they keep, and how long they last. How they are sealed
//! or signed is not known here.

use std::time::Duration;

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::{ClaimName, Span};
use crate::config::reading::values::{claim_path, each, positive};
use crate::config::sessions::cookie::CookieShape;
use crate::config::sessions::forward::ForwardShape;
#[cfg(not(target_arch = "wasm32"))]
use crate::config::sessions::own_tokens;
use crate::config::sessions::own_tokens::OwnToken;
use crate::session::content::Lifetimes;
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;

/// The longest `lifetime` and `idle`.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3_600);

shape! {
    pub(crate) struct SessionShape {
        /// each at least 32 bytes in base64 or base64url; `openssl rand -base64 32`
        /// Default: required, at least one, unless all sessions are JWTs and there are no providers
        pub(crate) keys: Vec<Checked<Secret>> = default,
        /// the cookie of the session
        pub(crate) cookie: CookieShape = empty,
        /// from sign-in to the end of the session, in any case
        /// Default: `8h`
        pub(crate) lifetime: Option<Span> where positive_spans(LONGEST),
        /// the session ends after this time without a request. At most `lifetime`
        /// Default: `30m`, or `lifetime` if that is shorter
        pub(crate) idle: Option<Span> where positive_spans(LONGEST),
        /// the session is valid only as long as the provider's tokens; see [refresh](#refresh)
        /// Default: `false`
        pub(crate) follow_provider: bool = default,
        /// further claims to keep, for the session endpoint
        /// Default: `[]`
        pub(crate) claims: Vec<Checked<ClaimName>> = default,
        /// with `matching`, sessions keep of each list (groups, roles, …) only [the values that rules name](#many-groups)
        /// Default: `all`
        pub(crate) groups: GroupsWord = default,
        /// whether a session is a sealed text that only Accredit can read, or a [JWT](#sessions-as-jwts) that applications can read
        /// Default: `sealed`
        pub(crate) form: SessionForm = default,
        /// how [sessions as JWTs](#sessions-as-jwts) are signed; only with `form: jwt`
        pub(crate) jwt: Option<OwnToken> where own_tokens::as_session_jwt(),
    }
}

words! {
    /// What sessions keep of lists.
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    pub(crate) enum GroupsWord {
        #[default]
        All = "all",
        Matching = "matching",
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

/// Checks that `session.form` fits whether `session.jwt` is written, and that nothing is forwarded which this form cannot have.
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

/// Checks how long sealed sessions last. A JWT has its own lifetime and is never renewed, so that members of `session` about that
/// are refused.
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
    let absolute = positive("session.lifetime", lifetime, Duration::from_secs(8 * 3_600), LONGEST, refusals);
    let usual_idle = Duration::from_secs(1_800).min(absolute.unwrap_or(LONGEST));
    let idle = positive("session.idle", idle, usual_idle, LONGEST, refusals)?;
    let absolute = absolute?;
    if idle > absolute {
        let sentence = "expected no more than session.lifetime, found more; it would never apply";
        return Err(refusals.refuse("session.idle", sentence));
    }
    Ok(Lifetimes { absolute, idle })
}

/// Refuses `session.jwt.claims` without a claim that rules or headers need (`named`): a session as JWT has no others.
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

/// Checks `session.claims`, which the session endpoint tells.
pub(crate) fn told(claims: Checked<Vec<Checked<ClaimName>>>, refusals: &mut Refusals) -> Checked<Vec<ClaimPath>> {
    each(claims?, |index, claim| claim_path(&format!("session.claims[{index}]"), claim, refusals))
}

/// The claims that a session keeps, sorted: those that are `named`, by rules and headers or in `session.claims`, and for an
/// address or a number whether it is verified.
pub(crate) fn kept_claims(mut named: Vec<ClaimPath>) -> Vec<ClaimPath> {
    named.push(ClaimPath::named("sub"));
    // An address or a number counts only with its verdict.
    let verdicts: Vec<_> = named.iter().filter_map(ClaimPath::verdict).collect();
    named.extend(verdicts);
    // Inserted in order, each once. (A sort, or a set that is collected, would add its code for this type to the module.)
    let mut kept: Vec<ClaimPath> = Vec::with_capacity(named.len());
    for claim in named {
        if let Err(place) = kept.binary_search(&claim) {
            kept.insert(place, claim);
        }
    }
    kept
}

/// Checks `session.groups`. A JWT is read by others than Accredit, for whom it must be whole.
pub(crate) fn groups(groups: Checked<GroupsWord>, form: Checked<SessionForm>, refusals: &mut Refusals) -> Checked<GroupsWord> {
    match (groups?, form) {
        (GroupsWord::Matching, Ok(SessionForm::Jwt)) => {
            let sentence = "expected all, because form is jwt, and whoever reads the session needs whole lists, found matching; remove it, or write session.form: sealed";
            Err(refusals.refuse("session.groups", sentence))
        }
        (groups, _) => Ok(groups),
    }
}
