//! Bearer tokens that somebody brings or describes: whose they are, and whether their signature can be verified here. A token that
//! is only looked at must never look like one that was verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::authenticate::vouched::Vouched;
use crate::cli::desk::who::{provider_of_token, with_subject};
use crate::cli::terminal::Trouble;
use crate::config::settings::{ProviderSettings, Settings};
use crate::crypto::key::Algorithm;
use crate::oidc::bearer::accepted::{BearerKeys, TokenKind};
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;

/// How long a token lasts that was made of claims without `exp`, in seconds.
const LIFETIME: u64 = 300;

/// What was seen of a token.
pub(super) enum Looked {
    /// The gateway can judge it alone; this is said about its signature.
    Verified(String),
    /// It is a token of this provider, whose keys are not here.
    Unverified(String, Vouched),
}

/// A signed token, taken apart. Nothing of it is verified.
struct Parts {
    header: Claims,
    claims: Claims,
}

fn parts(token: LentSecret<'_>) -> Option<Parts> {
    let mut parts = token.expose().split('.');
    let mut object = || json::object(&URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok();
    Some(Parts { header: object()?, claims: object()? })
}

fn text<'a>(members: &'a Claims, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

/// The provider whose issuer a token names.
fn provider_of<'a>(settings: &'a Settings, parts: &Parts) -> Option<&'a ProviderSettings> {
    let issuer = text(&parts.claims, "iss")?;
    settings.providers.iter().find(|provider| provider.oidc.bearer.is_some() && provider.oidc.issuer() == issuer)
}

/// Looks at a token that somebody brings.
///
/// # Errors
/// If its signature is to be verified, and its algorithm is not supported.
pub(super) fn look(settings: &Settings, token: LentSecret<'_>, keys_were_brought: bool) -> Result<Looked, Trouble> {
    let Some(parts) = parts(token) else {
        return Ok(Looked::Verified("the token is no signed JWT, and nothing of it can be verified here".to_owned()));
    };
    let Some(provider) = provider_of(settings, &parts) else {
        let ours = settings.session.as_bearer().map(|_| "the token is judged by the keys of session.jwt");
        return Ok(Looked::Verified(ours.unwrap_or("the token names no provider whose tokens are accepted").to_owned()));
    };
    let configured = matches!(provider.oidc.bearer.as_ref().map(|bearer| &bearer.keys), Some(BearerKeys::Configured(_)));
    if configured || keys_were_brought {
        check_algorithm(&parts)?;
        let whose = if configured { "of the configuration" } else { "that were given" };
        return Ok(Looked::Verified(format!("the signature of the token is judged by the keys {whose}")));
    }
    let algorithm = text(&parts.header, "alg").unwrap_or_default().to_owned();
    let typ = text(&parts.header, "typ").map(str::to_owned);
    Ok(Looked::Unverified(provider.oidc.name.clone(), Vouched { typ, algorithm, claims: parts.claims }))
}

/// The keys that somebody brings, with the name of the provider whose keys they are.
///
/// # Errors
/// If the token is of no provider whose keys are published, or its algorithm is not supported.
pub(super) fn brought(settings: &Settings, token: LentSecret<'_>, keys: Value) -> Result<(String, Value), Trouble> {
    let parts =
        parts(token).ok_or_else(|| Trouble::told("expected a signed token with --keys, found another; leave --keys out"))?;
    let provider = provider_of(settings, &parts).ok_or_else(|| {
        Trouble::told("expected a token of a provider whose tokens are accepted, found another; --keys would have no effect")
    })?;
    if !provider.oidc.publishes_bearer_keys() {
        return Err(Trouble::told("the keys for tokens of this provider stand in the configuration; leave --keys out"));
    }
    check_algorithm(&parts)?;
    Ok((provider.oidc.name.clone(), keys))
}

fn check_algorithm(parts: &Parts) -> Result<(), Trouble> {
    let name = text(&parts.header, "alg").unwrap_or_default();
    match name.parse::<Algorithm>() {
        Ok(_) => Ok(()),
        Err(_) => {
            let known: Vec<_> = Algorithm::ALL.iter().map(|known| known.as_str()).collect();
            Err(Trouble::told(format!("expected a token signed by one of {}, found another", known.join(", "))))
        }
    }
}

/// A token of a provider with these claims: the provider's name, a text that stands for the token, and what it says. What every
/// token must have and these do not is added.
///
/// # Errors
/// If bearer tokens of no such provider are accepted, as a sentence.
pub(super) fn made(
    settings: &Settings,
    provider: Option<&str>,
    claims: &Claims,
    now: Timestamp,
) -> Result<(String, String, Vouched), String> {
    let provider = provider_of_token(settings, provider)?;
    let accepted = provider.oidc.bearer.as_ref().ok_or("its bearer tokens are not accepted")?;
    let mut claims = with_subject(claims);
    let mut default = |name: &str, value: Value| {
        claims.entry(name).or_insert(value);
    };
    default("iss", json!(provider.oidc.issuer()));
    // A token for each resource is one for the resource of the request.
    let audiences: Vec<_> = accepted.audiences.first().into_iter().chain(&accepted.resource_audiences).collect();
    default(
        "aud",
        match audiences.as_slice() {
            [only] => json!(only),
            several => json!(several),
        },
    );
    default("exp", json!(now.seconds().saturating_add(LIFETIME)));
    let algorithm = accepted.algorithms.first().map_or("", |algorithm| algorithm.as_str()).to_owned();
    let typ = (accepted.kind == TokenKind::AtJwt).then(|| "at+jwt".to_owned());
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": algorithm, "typ": typ });
    let token = [encoded(&header), encoded(&Value::Object(claims.clone())), "stand-in".to_owned()].join(".");
    Ok((provider.oidc.name.clone(), token, Vouched { typ, algorithm, claims }))
}
