//! Provider metadata (OpenID Connect Discovery 1.0; RFC 8414). They are believed only for the configured issuer, and only as far
//! as listed clusters reach. When they are fetched, and where they are kept, is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::http::message::{HttpCall, Reply};
use crate::http::url::Url;
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{MetadataSource, Provider, ProviderRequest};
use crate::oidc::reply::{self, FailureReasons};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};

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

/// Reads and checks the metadata (OpenID Connect Discovery, sections 4.2 and 4.3).
///
/// # Errors
/// [`Reason::MetadataUnavailable`]. The detail says that there was no response, or what is wrong with it.
pub fn metadata_response(provider: &Provider, reply: &Reply) -> Result<Metadata, Failure> {
    let answer = reply::answer(provider, &document_address(provider)?, reply, REASONS)?;
    let members = answer.document()?;
    let metadata = read(provider, &members).map_err(|what| answer.malformed(&what))?;
    check_endpoints(provider, &metadata).map_err(|what| answer.malformed(&what))?;
    Ok(metadata)
}

/// How long the metadata or the keys in a response may be used before they are fetched again: as its `max-age` says, but at least
/// five minutes and at most a day; an hour if it does not say.
pub fn fresh_for(reply: &Reply) -> Duration {
    reply::fresh_for(reply)
}

/// Checks that every endpoint that a sign-in needs may be used: browsers are sent to https, and what we call ourselves is reached
/// by a listed cluster. For metadata in the configuration, this is the check when it is loaded.
///
/// # Errors
/// A sentence that names the endpoint and what to change.
pub fn check_endpoints(provider: &Provider, metadata: &Metadata) -> Result<(), String> {
    let naming = |endpoint: &'static str| move |what: String| format!("{endpoint}: {what}");
    provider.check_scheme(&metadata.authorization_endpoint).map_err(naming("authorization_endpoint"))?;
    provider.cluster_for(&metadata.token_endpoint).map_err(naming("token_endpoint"))?;
    provider.cluster_for(&metadata.jwks_uri).map_err(naming("jwks_uri"))?;
    if provider.userinfo {
        let endpoint = metadata.userinfo_endpoint.as_ref().ok_or("userinfo_endpoint is missing, and userinfo is asked for")?;
        provider.cluster_for(endpoint).map_err(naming("userinfo_endpoint"))?;
    }
    if provider.introspects() {
        let endpoint = metadata.introspection_endpoint.as_ref();
        let endpoint = endpoint.ok_or("introspection_endpoint is missing, and introspection is asked for")?;
        provider.cluster_for(endpoint).map_err(naming("introspection_endpoint"))?;
    }
    if let Some(endpoint) = &metadata.end_session_endpoint {
        provider.check_scheme(endpoint).map_err(naming("end_session_endpoint"))?;
    }
    Ok(())
}

fn document_address(provider: &Provider) -> Result<Url, Failure> {
    let refused = |what: &str| Failure::new(Reason::MetadataUnavailable, what);
    let MetadataSource::Discovery { issuer } = &provider.source else {
        return Err(refused("the metadata are given in the configuration; there is nothing to ask"));
    };
    if issuer.target().contains('?') {
        return Err(refused("an issuer has no query"));
    }
    // Section 4.1: a terminating "/" is removed before the well-known path is appended.
    let address = format!("{}/.well-known/openid-configuration", issuer.as_str().trim_end_matches('/'));
    Url::parse(&address).map_err(refused)
}

fn read(provider: &Provider, members: &Claims) -> Result<Metadata, String> {
    let issuer = reply::text(members, "issuer")?.ok_or("issuer is missing")?;
    if issuer != provider.issuer() {
        return Err(difference(provider.issuer(), issuer));
    }
    // Section 3 requires the list. Some providers leave it out, but one that is there must name the code flow.
    if let Some(Value::Array(types)) = members.get("response_types_supported")
        && !types.iter().any(|response_type| response_type == "code")
    {
        return Err("response_types_supported does not name code".to_owned());
    }
    let mut passed_over = Vec::new();
    let mut optional = |name: &str, is_needed: bool| match usable(provider, members, name) {
        Err(what) if !is_needed => {
            passed_over.push(what);
            Ok(None)
        }
        endpoint => endpoint,
    };
    Ok(Metadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: demanded(members, "authorization_endpoint")?,
        token_endpoint: demanded(members, "token_endpoint")?,
        jwks_uri: demanded(members, "jwks_uri")?,
        userinfo_endpoint: optional("userinfo_endpoint", provider.userinfo)?,
        introspection_endpoint: optional("introspection_endpoint", provider.introspects())?,
        end_session_endpoint: optional("end_session_endpoint", false)?,
        passed_over,
        announces_iss_parameter: members.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
    })
}

fn demanded(members: &Claims, name: &str) -> Result<Url, String> {
    endpoint(members, name)?.ok_or_else(|| format!("{name} is missing"))
}

/// An endpoint whose scheme is accepted too.
fn usable(provider: &Provider, members: &Claims, name: &str) -> Result<Option<Url>, String> {
    let found = endpoint(members, name)?;
    let checked = found.as_ref().map_or(Ok(()), |url| provider.check_scheme(url));
    checked.map(|()| found).map_err(|what| format!("{name}: {what}"))
}

fn endpoint(members: &Claims, name: &str) -> Result<Option<Url>, String> {
    let Some(text) = reply::text(members, name)? else { return Ok(None) };
    Url::parse(text).map(Some).map_err(|what| format!("{name}: expected an absolute https URL, {what}: {}", quote(text)))
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
