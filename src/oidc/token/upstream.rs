//! A token for the application alone: in exchange for the one that a request brings (RFC 8693), or for our own client (RFC 6749, section
//! 4.4). Who may have one, and how long it is kept, is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::crypto::jws::LONGEST_TOKEN;
use crate::http::cause::error_words;
use crate::http::message::{HttpCall, Reply, TOKEN68};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::oidc::reply::{self, Answer, FailureReasons};
use crate::oidc::token::tokens::{self, Lifetime};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::upstream_token::{TokenType, UpstreamToken};
use crate::words::world::World;

const REASONS: FailureReasons = FailureReasons {
    timeout: Reason::UpstreamTokenUnavailable,
    unreachable: Reason::UpstreamTokenUnavailable,
    malformed: Reason::UpstreamTokenUnavailable,
};

/// The shortest life of a token that is used: with a shorter one, every request would ask for another.
const SHORTEST_LIFE: Duration = Duration::from_secs(2);

/// What the provider is shown for a token, beside our client authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The access token of whoever sends the request, to be exchanged for one of this type (RFC 8693).
    SubjectToken(Secret, TokenType),
    /// Nothing: the token is our client's own (RFC 6749, section 4.4).
    Nothing,
}

/// A token for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// It fits into an `Authorization` field. What it says is for the application to verify.
    pub access_token: Secret,
    /// How long it is valid from now on, at least two seconds; `None` if the provider does not say it.
    pub expires_in: Option<Duration>,
}

/// The request for a token (RFC 8693, section 2.1; RFC 6749, section 4.4.2).
///
/// # Errors
/// [`Reason::UpstreamTokenUnavailable`] if the provider has no usable `token_endpoint`; [`Reason::Internal`] without a client.
pub fn upstream_token_request(
    world: &mut dyn World,
    provider: &Provider,
    metadata: &Metadata,
    wanted: &UpstreamToken,
    presented: &Presented,
) -> Result<HttpCall, Failure> {
    let mut parameters = match presented {
        Presented::SubjectToken(token, requested) => vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token.expose()),
            ("subject_token_type", TokenType::AccessToken.identifier()),
            ("requested_token_type", requested.identifier()),
        ],
        Presented::Nothing => vec![("grant_type", "client_credentials")],
    };
    let scope = wanted.scope.join(" ");
    let further = [("audience", wanted.audience.as_deref()), ("resource", wanted.resource.as_deref()), ("scope", Some(&*scope))];
    parameters.extend(further.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))));
    let url = metadata.needed(EndpointName::Token).map_err(unavailable)?;
    provider.call_as_client(world, url, &parameters, Reason::UpstreamTokenUnavailable)
}

/// Reads the response (RFC 8693, section 2.2; RFC 6749, sections 5.1 and 5.2). It must be what was asked for: a bearer token of the
/// requested type that allows no more, and not the one that was shown.
///
/// # Errors
/// [`Reason::UpstreamTokenRefused`] if the provider refuses the request; [`Reason::UpstreamTokenUnavailable`] if it does not answer,
/// if it does not accept our client, and for any other response.
pub fn upstream_token_response(
    provider: &Provider,
    metadata: &Metadata,
    wanted: &UpstreamToken,
    presented: &Presented,
    reply: &Reply,
) -> Result<Issued, Failure> {
    let url = metadata.needed(EndpointName::Token).map_err(unavailable)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    if let Some(refusal) = refusal(provider, &answer, wanted) {
        return Err(refusal);
    }
    let members = answer.document()?;
    read(&members, wanted, presented).map_err(|what| answer.malformed(&what))
}

fn unavailable(why: String) -> Failure {
    Failure::new(Reason::UpstreamTokenUnavailable, why)
}

/// The failure that an error response tells (RFC 6749, section 5.2). Some providers send errors with the status 200.
fn refusal(provider: &Provider, answer: &Answer<'_>, wanted: &UpstreamToken) -> Option<Failure> {
    let members = answer.object().unwrap_or_default();
    let error = members.get("error").filter(|error| !error.is_null())?.as_str().unwrap_or_default();
    let description = members.get("error_description").and_then(Value::as_str);
    let words = format!("status {}, {}", answer.status, error_words(error, description));
    // What is about our client, or will pass, says nothing about whoever sends the request.
    let (reason, words) = match error {
        "" | "temporarily_unavailable" | "server_error" | "slow_down" => (Reason::UpstreamTokenUnavailable, words),
        _ if answer.status == 429 => (Reason::UpstreamTokenUnavailable, words),
        "invalid_client" => {
            let tried = provider.authentication.tried(&provider.client_id);
            (Reason::UpstreamTokenUnavailable, format!("{words}; {tried}"))
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            let grant = wanted.grant.member();
            (Reason::UpstreamTokenRefused, format!("{words}; is the client allowed this grant there ({grant})?"))
        }
        _ => (Reason::UpstreamTokenRefused, words),
    };
    Some(Failure::new(reason, answer.says(&words)))
}

/// Reads the token of a successful response.
fn read(members: &Claims, wanted: &UpstreamToken, presented: &Presented) -> Result<Issued, String> {
    if let Presented::SubjectToken(_, requested) = presented {
        issued_token_type(members, *requested)?;
    }
    let tokens = tokens::read(members, None)?;
    let access_token = tokens.access_token;
    if access_token.len() > LONGEST_TOKEN || !TOKEN68.has_all(access_token.expose().as_bytes()) {
        return Err("access_token is longer than 16 KiB, or has characters that a bearer token cannot have".to_owned());
    }
    if matches!(presented, Presented::SubjectToken(shown, _) if *shown == access_token) {
        return Err("access_token is the token that was to be exchanged".to_owned());
    }
    scope(members, &wanted.scope)?;
    let expires_in = match tokens.expires_in {
        Lifetime::Said(span) if span < SHORTEST_LIFE => return Err(format!("the token ends in {} s", span.as_secs())),
        Lifetime::Unreadable => return Err("expires_in is no number of seconds".to_owned()),
        Lifetime::Said(span) => Some(span),
        Lifetime::NotSaid => None,
    };
    Ok(Issued { access_token, expires_in })
}

/// RFC 8693, section 2.2.1: the type is required, and another one than the requested may stand there.
fn issued_token_type(members: &Claims, requested: TokenType) -> Result<(), String> {
    match reply::text(members, "issued_token_type")? {
        Some(issued) if issued == requested.identifier() => Ok(()),
        Some(other) => Err(format!("issued_token_type is {}, where {} was requested", quote(other), requested.identifier())),
        None => Err("issued_token_type is missing".to_owned()),
    }
}

/// RFC 6749, section 3.3: without `scope` in the response, it is the requested one. Where none was requested, the provider chooses.
fn scope(members: &Claims, wanted: &[String]) -> Result<(), String> {
    let granted = reply::text(members, "scope")?.unwrap_or_default();
    let mut values = granted.split(' ').filter(|value| !value.is_empty());
    match values.find(|value| !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == value)) {
        Some(further) => Err(format!(
            "scope has {}, which was not asked for; if the application may have it, add it to the scope of the rule",
            quote(further)
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
