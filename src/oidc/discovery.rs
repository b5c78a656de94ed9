//! Provider metadata (OpenID Connect Discovery 1.0; RFC 8414). They are believed only for the configured issuer, and only as far
//! as listed clusters reach. An endpoint that is missing or cannot be used stops only what needs it. When metadata are fetched, and
//! where they are kept, is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::crypto::key::Algorithm;
use crate::http::message::{HttpCall, Reply};
use crate::http::url::Url;
use crate::oidc::metadata::{Endpoint, EndpointName, Metadata, Remark};
use crate::oidc::provider::{MetadataSource, Provider, ProviderRequest};
use crate::oidc::reply::{self, FailureReasons};
use crate::oidc::security_event::transmitter_metadata::{self, TransmitterMetadata};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};

/// The size of the largest document of a provider that is read, in bytes.
pub const LARGEST_DOCUMENT: usize = reply::LARGEST_BODY;

const REASONS: FailureReasons = FailureReasons {
    timeout: Reason::MetadataUnavailable,
    unreachable: Reason::MetadataUnavailable,
    malformed: Reason::MetadataUnavailable,
};

/// The request for the metadata (OpenID Connect Discovery, section 4.1).
///
/// # Errors
/// If no listed cluster reaches the issuer, or if the metadata are in the configuration, so that there is nothing to fetch.
pub fn metadata_request(provider: &Provider) -> Result<HttpCall, Failure> {
    provider.call(ProviderRequest::for_json(&document_address(provider)?), Reason::MetadataUnavailable)
}

/// Reads the metadata and judges each endpoint (OpenID Connect Discovery, sections 4.2 and 4.3). An endpoint that the configuration
/// writes beside the issuer is taken instead of the document's.
///
/// # Errors
/// [`Reason::MetadataUnavailable`]. The detail says that there was no response, or what is wrong with it as a whole.
pub fn metadata_response(provider: &Provider, reply: &Reply) -> Result<Metadata, Failure> {
    let answer = reply::answer(provider, &document_address(provider)?, reply, REASONS)?;
    let members = answer.document()?;
    read(provider, &members).map_err(|what| answer.malformed(&what))
}

/// How long the metadata or the keys in a response may be used before they are fetched again: as its `max-age` says, but at least
/// five minutes and at most a day; an hour if it does not say.
pub fn fresh_for(reply: &Reply) -> Duration {
    reply::fresh_for(reply)
}

/// What needs some of a provider's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Signing in.
    SignIn,
    /// Verifying bearer tokens or security events with the keys that are published.
    Keys,
    /// Asking about bearer tokens (RFC 7662).
    Introspection,
    /// Getting tokens for applications (RFC 6749, section 4.4; RFC 8693).
    Tokens,
}

impl Need {
    /// The endpoints without which this is not possible.
    fn endpoints(self, provider: &Provider) -> impl Iterator<Item = EndpointName> {
        use EndpointName::{Authorization, Introspection, Jwks, Token, Userinfo};
        let (needed, optional): (&[_], _) = match self {
            Self::SignIn => (&[Authorization, Token, Jwks], Some(Userinfo).filter(|_| provider.userinfo)),
            Self::Keys => (&[Jwks], None),
            Self::Introspection => (&[Introspection], None),
            Self::Tokens => (&[Token], None),
        };
        needed.iter().copied().chain(optional)
    }

    /// What the configuration needs of a provider.
    fn of(provider: &Provider) -> impl Iterator<Item = Self> {
        let each = [
            (Self::SignIn, provider.signs_in()),
            (Self::Keys, provider.publishes_bearer_keys() || provider.transmits()),
            (Self::Introspection, provider.introspects()),
            // One that is asked about tokens may have no client for more than that.
            (Self::Tokens, provider.has_client() && !provider.signs_in() && !provider.introspects()),
        ];
        each.into_iter().filter(|(_, is_needed)| *is_needed).map(|(need, _)| need)
    }
}

/// Checks that every endpoint is there that is needed for this. Without it, nothing is begun that could not be completed.
///
/// # Errors
/// [`Reason::MetadataUnavailable`]. The detail names the endpoint and says what to change.
pub fn check(provider: &Provider, metadata: &Metadata, need: Need) -> Result<(), Failure> {
    let unusable = need.endpoints(provider).find_map(|name| metadata.needed(name).err());
    unusable.map_or(Ok(()), |what| Err(Failure::new(Reason::MetadataUnavailable, what)))
}

/// Every endpoint that the configuration needs, once.
fn needed_endpoints(provider: &Provider) -> Vec<EndpointName> {
    let is_needed = |name: &EndpointName| Need::of(provider).any(|need| need.endpoints(provider).any(|needed| needed == *name));
    EndpointName::ALL.into_iter().filter(is_needed).collect()
}

/// Whether the metadata have every endpoint that the configuration needs.
pub fn is_complete(provider: &Provider, metadata: &Metadata) -> bool {
    needed_endpoints(provider).into_iter().all(|name| metadata.usable(name).is_some())
}

/// Checks that newer metadata lack no endpoint that is needed and that the former ones have.
///
/// # Errors
/// [`Reason::MetadataUnavailable`]. The detail names the endpoint that would be lost.
pub fn check_renewal(provider: &Provider, former: &Metadata, newer: &Metadata) -> Result<(), Failure> {
    let lost = |name| former.usable(name).and_then(|_| newer.needed(name).err());
    let lost = needed_endpoints(provider).into_iter().find_map(lost);
    let failure = |what| Failure::new(Reason::MetadataUnavailable, format!("{what}; the former document is used on"));
    lost.map_or(Ok(()), |what| Err(failure(what)))
}

/// Checks metadata that stand in the configuration: every endpoint that it needs is there and may be used, and browsers are sent
/// to https.
///
/// # Errors
/// A sentence that names the endpoint and what to change.
pub fn check_given(provider: &Provider, metadata: &Metadata) -> Result<(), String> {
    let needed = needed_endpoints(provider);
    for name in EndpointName::ALL {
        let is_needed = needed.contains(&name);
        match metadata.usable(name) {
            None if is_needed => return Err(format!("{} is missing, and the configuration needs it", name.as_str())),
            // Where nobody calls it, nobody has to list a cluster for its host.
            Some(_)
                if !is_needed
                    && matches!(name, EndpointName::Userinfo | EndpointName::Introspection | EndpointName::Revocation) => {}
            Some(url) => check_endpoint(provider, name, url).map_err(|what| format!("{}: {what}", name.as_str()))?,
            None => {}
        }
    }
    Ok(())
}

/// Checks that an endpoint may be used: browsers are sent to https, and what we call ourselves is reached by a listed cluster.
///
/// # Errors
/// A sentence that says what to change.
pub fn check_endpoint(provider: &Provider, name: EndpointName, url: &Url) -> Result<(), String> {
    if name.is_called() { provider.cluster_for(url).map(drop) } else { provider.check_scheme(url) }
}

fn document_address(provider: &Provider) -> Result<Url, Failure> {
    let refused = |what: &str| Failure::new(Reason::MetadataUnavailable, what);
    let issuer = match &provider.source {
        MetadataSource::Discovery { issuer } => issuer,
        MetadataSource::Transmitter { document, .. } => return Ok(document.clone()),
        MetadataSource::Given(_) | MetadataSource::Never { .. } => {
            return Err(refused("the metadata are given in the configuration; there is nothing to ask"));
        }
    };
    if issuer.target().contains('?') {
        return Err(refused("an issuer has no query"));
    }
    // Section 4.1: a terminating "/" is removed before the well-known path is appended.
    let address = format!("{}/.well-known/openid-configuration", issuer.as_str().trim_end_matches('/'));
    Url::parse(&address).map_err(refused)
}

/// The metadata of a transmitter of security events (SSF 1.0, section 7.1), of which only the keys are used.
fn of_transmitter(provider: &Provider, read: TransmitterMetadata) -> Result<Metadata, String> {
    let TransmitterMetadata { issuer, jwks_uri } = read;
    check_endpoint(provider, EndpointName::Jwks, &jwks_uri).map_err(|why| format!("{}: {why}", EndpointName::Jwks.as_str()))?;
    Ok(Metadata::of_keys(issuer, jwks_uri))
}

fn read(provider: &Provider, members: &Claims) -> Result<Metadata, String> {
    if let MetadataSource::Transmitter { issuer, .. } = &provider.source {
        return of_transmitter(provider, transmitter_metadata::read(members, issuer)?);
    }
    let issuer = reply::text(members, "issuer")?.ok_or("issuer is missing")?;
    if issuer != provider.issuer() {
        return Err(difference(provider.issuer(), issuer));
    }
    let needed = needed_endpoints(provider);
    let mut remarks: Vec<_> = algorithms_remark(provider, members).into_iter().collect();
    let mut judged = |name: EndpointName| {
        if let Some(url) = provider.written_endpoint(name) {
            return Endpoint::usable(url.clone());
        }
        match endpoint(provider, members, name) {
            Ok(None) => Endpoint::MISSING,
            Ok(Some(url)) => match check_endpoint(provider, name, &url) {
                Ok(()) => Endpoint::usable(url),
                // No remark: if it is needed, that is told below; if not, no cluster has to be listed for its host.
                Err(why) => Endpoint::unusable(format!("{}: {why}", name.as_str())),
            },
            Err(why) => {
                if !needed.contains(&name) {
                    remarks.push(Remark::Endpoint(why.clone()));
                }
                Endpoint::unusable(why)
            }
        }
    };
    let mut metadata = Metadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: judged(EndpointName::Authorization),
        token_endpoint: judged(EndpointName::Token),
        jwks_uri: judged(EndpointName::Jwks),
        userinfo_endpoint: judged(EndpointName::Userinfo),
        introspection_endpoint: judged(EndpointName::Introspection),
        revocation_endpoint: judged(EndpointName::Revocation),
        end_session_endpoint: judged(EndpointName::EndSession),
        remarks,
        announces_iss_parameter: members.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
    };
    // Section 3 requires the list. Some providers leave it out, but one that is there must name the code flow.
    if let Some(Value::Array(types)) = members.get("response_types_supported")
        && !types.iter().any(|response_type| response_type == "code")
        && provider.written_endpoint(EndpointName::Authorization).is_none()
    {
        let why = "authorization_endpoint: response_types_supported does not name code";
        metadata.authorization_endpoint = Endpoint::unusable(why.to_owned());
    }
    let missing: Vec<_> = needed.into_iter().filter_map(|name| metadata.needed(name).err()).map(Remark::Endpoint).collect();
    metadata.remarks.extend(missing);
    Ok(metadata)
}

/// The URL that a document has for an endpoint, if its scheme is accepted.
fn endpoint(provider: &Provider, members: &Claims, name: EndpointName) -> Result<Option<Url>, String> {
    let name = name.as_str();
    let Some(text) = reply::text(members, name)? else { return Ok(None) };
    let url = Url::parse(text).map_err(|what| format!("{name}: expected an absolute https URL, {what}: {}", quote(text)))?;
    provider.check_scheme(&url).map_err(|what| format!("{name}: {what}"))?;
    Ok(Some(url))
}

/// What to change if the provider says that it signs ID tokens by no algorithm that is accepted. It is not refused for that: a
/// document may be wrong about it, and the token itself will show.
fn algorithms_remark(provider: &Provider, members: &Claims) -> Option<Remark> {
    let Some(Value::Array(listed)) = members.get("id_token_signing_alg_values_supported").filter(|_| provider.signs_in()) else {
        return None;
    };
    let listed: Vec<_> = listed.iter().filter_map(Value::as_str).collect();
    let known: Vec<_> = listed.iter().filter_map(|name| name.parse::<Algorithm>().ok()).collect();
    if listed.is_empty() || known.iter().any(|algorithm| provider.algorithms.contains(algorithm)) {
        return None;
    }
    let joined = |names: &[Algorithm]| names.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ");
    let usable: Vec<_> = known.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect();
    let remedy = match usable.is_empty() {
        true => "let it sign with RS256 or ES256 (id_token_signed_response_alg)".to_owned(),
        false => format!("write algorithms: [{}]", joined(&usable)),
    };
    Some(Remark::Algorithms(format!(
        "the provider says that it signs ID tokens with {}, and accepted are {} alone; {remedy}",
        quote(&listed.join(", ")),
        joined(&provider.algorithms)
    )))
}

/// A sentence that shows both issuers, and where they begin to differ.
fn difference(expected: &str, found: &str) -> String {
    let common = expected.chars().zip(found.chars()).take_while(|(left, right)| left == right).count();
    let rest = |text: &str| match text.chars().skip(common).collect::<String>() {
        rest if rest.is_empty() => "nothing".to_owned(),
        rest => quote(&rest),
    };
    format!(
        "expected issuer {}, found {}; after {common} common characters {} was expected, {} was found; if this is the provider you mean, write its issuer exactly so",
        quote(expected),
        quote(found),
        rest(expected),
        rest(found)
    )
}

#[cfg(test)]
mod tests;
