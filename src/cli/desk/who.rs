//! Who sends a request, as the person who asks says it, and the credential by which the gateway learns it. Claims become a session
//! or a bearer token in the way in which they become one when somebody signs in. Whether a credential is good is not judged here:
//! the gateway does that.

use serde_json::Value;

use crate::cli::desk::world::DeskWorld;
use crate::config::settings::{PASSWORD, ProviderSettings, Settings};
use crate::crypto::seal::Purpose;
use crate::http::url::Origin;
use crate::session::Form;
use crate::session::content::{NewSession, Session, Tokens};
use crate::session::cookie;
use crate::upkeep::kept_claims::kept_claims;
use crate::words::principal::Claims;
use crate::words::secret::Secret;
use crate::words::world::World as _;

/// Who sends a request.
pub(crate) enum Who {
    /// Nobody who is known.
    Nobody,
    /// Somebody with these claims.
    Somebody(Somebody),
    /// Whoever has this bearer token.
    Token(Secret),
    /// Whoever has these cookies, as one line.
    Cookies(Secret),
}

/// Somebody with verified claims.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Somebody {
    pub(crate) claims: Claims,
    /// The provider that verified them, or `password`; `None` for the first.
    pub(crate) provider: Option<String>,
    /// How they show it.
    pub(crate) by: By,
}

/// How somebody shows who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By the cookie of a session.
    Session,
    /// By a bearer token of the provider.
    Token,
    /// By a session that is sent as a bearer token.
    SessionToken,
}

/// The subject of somebody whose claims name none.
pub(crate) const SOMEBODY: &str = "somebody";

/// The claims, with a `sub`.
pub(crate) fn with_subject(claims: &Claims) -> Claims {
    let mut claims = claims.clone();
    claims.entry("sub").or_insert_with(|| Value::from(SOMEBODY));
    claims
}

/// The cookies of a session of somebody, as one line.
///
/// # Errors
/// Why there can be no such session, as a sentence.
pub(crate) fn session(
    settings: &Settings,
    world: &mut DeskWorld,
    origin: &Origin,
    somebody: &Somebody,
) -> Result<String, String> {
    let provider = provider_of_session(settings, somebody.provider.as_deref())?;
    let claims = with_subject(&somebody.claims);
    let subject = claims.get("sub").and_then(Value::as_str).ok_or("expected a text as sub, found something else")?.to_owned();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let fingerprint = settings.fingerprint(&provider).cloned().unwrap_or_default();
    let stands_in = |forwarded: bool| forwarded.then(|| Secret::new("stand-in"));
    let tokens = Tokens {
        access_token: stands_in(settings.forward.access_token),
        id_token: stands_in(settings.forward.id_token),
        ..Tokens::default()
    };
    let now = world.now();
    let new = NewSession {
        origin: origin.to_string(),
        provider: provider.clone(),
        subject,
        provider_subject: None,
        provider_session: text("sid"),
        auth_time: claims.get("auth_time").and_then(Value::as_u64),
        issued: None,
        claims: kept_claims(settings, &claims),
        fingerprint,
        tokens,
        tokens_end: settings.session.signed().map(|jwt| jwt.end(now)),
    };
    let no_randomness = |_| "this machine gives no random bytes".to_owned();
    let mut session = Session::begin(world, now, settings.session.lifetimes, new).map_err(no_randomness)?;
    let names = &settings.session.cookie;
    let too_large = |_| "the session would be too large for its cookies; a sign-in would end in session_too_large".to_owned();
    let set = match &settings.session.form {
        Form::Sealed => {
            let sealed = settings.sealer.seal(world, Purpose::Session, &session.write()).map_err(no_randomness)?;
            cookie::write(names, &sealed, now, session.ends, &crate::http::message::Headers::default()).map_err(too_large)?
        }
        Form::Jwt(jwt) => {
            let signed = jwt.write(world, &mut session, settings.assumed_verified(&provider));
            let token = signed.map_err(|_| "the key of session.jwt does not sign".to_owned())?;
            vec![cookie::write_whole(names, &token, jwt.lifetime, origin).map_err(too_large)?]
        }
    };
    let pairs: Vec<_> = set.iter().map(|line| line.split(';').next().unwrap_or_default()).collect();
    Ok(pairs.join("; "))
}

/// The name of the provider of a session.
fn provider_of_session(settings: &Settings, name: Option<&str>) -> Result<String, String> {
    let by_password = settings.password.as_ref().map(|_| PASSWORD);
    let signing_in = || settings.providers.iter().filter(|provider| provider.oidc.signs_in()).map(name_of);
    let all: Vec<_> = signing_in().chain(by_password).collect();
    match name {
        Some(name) => all.iter().find(|known| **known == name).copied().ok_or_else(|| unknown(name, &all)),
        // A service of the operator may sign sessions without any provider.
        None if all.is_empty() && settings.session.signed().is_some() => Ok(""),
        None => all.first().copied().ok_or_else(|| "nobody can sign in here; only bearer tokens are accepted".to_owned()),
    }
    .map(str::to_owned)
}

/// The provider whose bearer token somebody has.
///
/// # Errors
/// If none fits, as a sentence.
pub(crate) fn provider_of_token<'a>(settings: &'a Settings, name: Option<&str>) -> Result<&'a ProviderSettings, String> {
    let accepting: Vec<_> = settings.providers.iter().filter(|provider| provider.oidc.bearer.is_some()).collect();
    let all: Vec<_> = accepting.iter().map(|provider| name_of(provider)).collect();
    let found = accepting.iter().find(|provider| name.is_none_or(|name| name == provider.oidc.name)).copied();
    found.ok_or_else(|| match name {
        Some(name) => unknown(name, &all),
        None => "bearer tokens of no provider are accepted here".to_owned(),
    })
}

fn name_of(provider: &ProviderSettings) -> &str {
    &provider.oidc.name
}

fn unknown(name: &str, all: &[&str]) -> String {
    format!("expected one of the providers {}, found {name}", all.join(", "))
}
