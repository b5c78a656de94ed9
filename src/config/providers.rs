//! Providers as written → the settings of the protocol room.

use std::time::Duration;

use crate::config::Refusal;
use crate::config::bearer;
use crate::config::settings::LONGEST_TIMEOUT;
use crate::config::shapes::{self, AuthMethod};
use crate::config::spellings::Reached;
use crate::config::values::{assumed_verified, positive};
use crate::crypto::key::Algorithm;
use crate::oidc::accepted::BearerKeys;
use crate::oidc::authorization::OURS;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::discovery::check_endpoints;
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{Clusters, MetadataSource, PlainHttp, Provider, ResponseMode};
use crate::words::secret::Secret;
use crate::words::url::Url;

/// The algorithms that are accepted unless the configuration lists others.
const USUAL_ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// Checks one provider.
///
/// `shared` is the secret of its bearer tokens.
pub(super) fn provider(path: &str, shape: shapes::Provider, shared: Option<&Secret>) -> Result<Provider, Refusal> {
    let at = |member: &str| format!("{path}.{member}");
    let plain_name = !shape.name.is_empty()
        && shape.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !plain_name {
        return Err(Refusal::new(
            at("name"),
            "expected letters, digits, -, _ and . only; it appears in logs and in the login address",
        ));
    }
    if shape.client_id.as_ref().map_or(shape.bearer.is_none(), |client| client.trim().is_empty()) {
        return Err(Refusal::new(
            at("client_id"),
            "expected the client's identifier at the provider, found none; register a client there (or write bearer, for a provider whose tokens are accepted and where nobody signs in)",
        ));
    }
    let bearer = shape.bearer.map(|shape| bearer::bearer(&at("bearer"), shape, shared)).transpose()?;
    let never_asked = shape.client_id.is_none() && bearer.as_ref().is_some_and(|bearer| bearer.keys != BearerKeys::Published);
    let unused = [
        ("client_secret", shape.client_secret.is_some()),
        ("token_endpoint_auth_method", shape.token_endpoint_auth_method.is_some()),
        ("scope", shape.scope.is_some()),
        ("authorization_params", !shape.authorization_params.is_empty()),
        ("account_prompt", shape.account_prompt.is_some()),
        ("redirect_uri", shape.redirect_uri.is_some()),
        ("response_mode", shape.response_mode == shapes::ResponseMode::FormPost),
        ("userinfo", shape.userinfo.is_some()),
        ("algorithms", shape.algorithms.is_some()),
    ];
    if let Some((member, _)) = unused.iter().find(|(_, is_there)| *is_there && shape.client_id.is_none()) {
        let sentence = "expected none without a client_id, because nobody signs in here; remove it, or write client_id";
        return Err(Refusal::new(at(member), sentence));
    }
    let unasked = [
        ("metadata", shape.metadata.is_some()),
        ("clusters", !shape.clusters.is_empty()),
        ("timeout", shape.timeout.is_some()),
        ("allow_insecure_http", shape.allow_insecure_http),
    ];
    if let Some((member, _)) = unasked.iter().find(|(_, is_there)| *is_there && never_asked) {
        let sentence = "expected none, because this provider is never asked: its keys stand under bearer; remove it";
        return Err(Refusal::new(at(member), sentence));
    }
    let scope = shape.scope.unwrap_or_else(|| "openid profile email".to_owned());
    if !scope.split(' ').any(|value| value == "openid") {
        return Err(Refusal::new(at("scope"), "expected openid among the scopes; without it there is no ID token"));
    }
    if let Some(name) = shape.authorization_params.iter().map(|(name, _)| name).find(|name| OURS.contains(&name.as_str())) {
        return Err(Refusal::new(
            format!("{path}.authorization_params.{name}"),
            "expected a parameter that is not set by Accredit itself; remove it",
        ));
    }
    if shape.authorization_params.iter().any(|(name, _)| name == "max_age") {
        return Err(Refusal::new(
            format!("{path}.authorization_params.max_age"),
            "expected a parameter whose effect does not have to be checked in the ID token, found one whose effect is not; remove it",
        ));
    }
    let skew = shape.clock_skew_seconds.unwrap_or(60);
    if skew > 600 {
        return Err(Refusal::new(at("clock_skew_seconds"), "expected at most 600; set the clocks right instead"));
    }
    let issuer = shape.issuer.as_deref().or(shape.metadata.as_ref().map(|metadata| metadata.issuer.as_str()));
    let clusters = clusters(&at("clusters"), shape.clusters, issuer.unwrap_or_default())?;
    let provider = Provider {
        source: if never_asked { issuer_alone(path, shape.issuer)? } else { source(path, shape.issuer, shape.metadata)? },
        clusters,
        authentication: match shape.client_id {
            Some(_) => authentication(path, shape.token_endpoint_auth_method, shape.client_secret)?,
            None => ClientAuthentication::None,
        },
        scope,
        authorization_params: shape.authorization_params.into_iter().collect(),
        account_prompt: match shape.account_prompt {
            None | Some(shapes::AccountPrompt::Login) => "login",
            Some(shapes::AccountPrompt::SelectAccount) => "select_account",
        },
        bearer,
        response_mode: match shape.response_mode {
            shapes::ResponseMode::Query => ResponseMode::Query,
            shapes::ResponseMode::FormPost => ResponseMode::FormPost,
        },
        redirect_uri: shape.redirect_uri.map(|text| url(&at("redirect_uri"), &text)).transpose()?,
        userinfo: shape.userinfo.unwrap_or_default(),
        assumed_verified: assumed_verified(&at("dangerously_assume_verified"), &shape.dangerously_assume_verified)?,
        clock_skew: Duration::from_secs(skew),
        algorithms: algorithms(&at("algorithms"), shape.algorithms)?,
        timeout: positive(&at("timeout"), shape.timeout, Duration::from_secs(5), LONGEST_TIMEOUT)?,
        plain_http: if shape.allow_insecure_http { PlainHttp::AllowInsecure } else { PlainHttp::LoopbackOnly },
        name: shape.name,
        client_id: shape.client_id.unwrap_or_default(),
    };
    if provider.introspects() && provider.authentication == ClientAuthentication::None {
        return Err(Refusal::new(
            at("bearer.introspection"),
            "expected a client that can prove itself, found none (no client_id, or token_endpoint_auth_method none); providers tell others nothing about tokens",
        ));
    }
    match &provider.source {
        MetadataSource::Discovery { issuer } => {
            if issuer.target().contains('?') {
                return Err(Refusal::new(at("issuer"), "expected an issuer without a query; write it as the provider does"));
            }
            if provider.check_scheme(issuer).is_err() {
                return Err(Refusal::new(
                    at("issuer"),
                    "expected https, found http; write https, or allow_insecure_http: true, and everybody on the way can sign in as anybody",
                ));
            }
            if provider.clusters.reaching(issuer).is_none() {
                let authority = issuer.authority();
                let sentence =
                    format!("expected a cluster for {authority}, found none; write {{\"{authority}\": NAME OF ENVOY'S CLUSTER}}");
                return Err(Refusal::new(at("clusters"), sentence));
            }
        }
        MetadataSource::Given(metadata) => {
            let refusal = |what| {
                Refusal::new(at("metadata"), format!("expected endpoints that can be used, found one that cannot; {what}"))
            };
            check_endpoints(&provider, metadata).map_err(refusal)?;
        }
        MetadataSource::Never { .. } => {}
    }
    Ok(provider)
}

/// Nothing else is ever called, so that a host must not be more than it says.
fn clusters(path: &str, reached: Reached, issuer: &str) -> Result<Clusters, Refusal> {
    let hosts = match reached {
        Reached::Hosts(hosts) => hosts,
        // With its port, because a host without one stands for all of its ports. An issuer that is no address is refused where it is read.
        Reached::Issuer(cluster) => Url::parse(issuer).map(|issuer| (issuer.host_and_port(), cluster)).into_iter().collect(),
    };
    match hosts.iter().find(|(host, cluster)| host.contains('/') || cluster.is_empty()) {
        None => Ok(Clusters::new(hosts)),
        Some((host, _)) => Err(Refusal::new(
            [path, ".", host].concat(),
            "expected host or host:port, and the name of an Envoy cluster, found another; write sso.example.com: sso",
        )),
    }
}

/// Of a provider that is never asked, only the name matters.
fn issuer_alone(path: &str, issuer: Option<String>) -> Result<MetadataSource, Refusal> {
    let missing =
        || Refusal::new(format!("{path}.issuer"), "expected the issuer as it stands in the tokens (iss), found none; copy it");
    let issuer = issuer.filter(|issuer| !issuer.is_empty()).ok_or_else(missing)?;
    Ok(MetadataSource::Never { issuer })
}

fn source(path: &str, issuer: Option<String>, metadata: Option<shapes::Metadata>) -> Result<MetadataSource, Refusal> {
    match (issuer, metadata) {
        (Some(issuer), None) => Ok(MetadataSource::Discovery { issuer: url(&format!("{path}.issuer"), &issuer)? }),
        (None, Some(given)) => {
            let at = |member: &str| format!("{path}.metadata.{member}");
            let optional = |member, text: Option<String>| text.map(|text| url(&at(member), &text)).transpose();
            if given.issuer.is_empty() {
                return Err(Refusal::new(
                    at("issuer"),
                    "expected the issuer as it stands in ID tokens, found an empty text; copy it from there",
                ));
            }
            Ok(MetadataSource::Given(Box::new(Metadata {
                issuer: given.issuer,
                authorization_endpoint: url(&at("authorization_endpoint"), &given.authorization_endpoint)?,
                token_endpoint: url(&at("token_endpoint"), &given.token_endpoint)?,
                jwks_uri: url(&at("jwks_uri"), &given.jwks_uri)?,
                userinfo_endpoint: optional("userinfo_endpoint", given.userinfo_endpoint)?,
                introspection_endpoint: optional("introspection_endpoint", given.introspection_endpoint)?,
                end_session_endpoint: optional("end_session_endpoint", given.end_session_endpoint)?,
                announces_iss_parameter: given.authorization_response_iss_parameter_supported,
            })))
        }
        (Some(_), Some(_)) => Err(Refusal::new(
            path,
            "expected issuer or metadata, found both; write issuer for discovery, metadata for a provider without it",
        )),
        (None, None) => Err(Refusal::new(path, "expected issuer or metadata, found neither; write issuer: https://…")),
    }
}

fn url(path: &str, text: &str) -> Result<Url, Refusal> {
    Url::parse(text).map_err(|found| Refusal::new(path, format!("expected an absolute https URL, {found}; write https://…")))
}

fn authentication(path: &str, method: Option<AuthMethod>, secret: Option<Secret>) -> Result<ClientAuthentication, Refusal> {
    let missing = || {
        Refusal::new(
            format!("{path}.client_secret"),
            "expected a secret for this method, found none; write {environment_variable: NAME}",
        )
    };
    match (method, secret) {
        (Some(AuthMethod::ClientSecretBasic) | None, Some(secret)) => Ok(ClientAuthentication::SecretBasic(secret)),
        (Some(AuthMethod::ClientSecretPost), Some(secret)) => Ok(ClientAuthentication::SecretPost(secret)),
        (Some(AuthMethod::None), None) => Ok(ClientAuthentication::None),
        (Some(AuthMethod::None), Some(_)) => Err(Refusal::new(
            format!("{path}.client_secret"),
            "expected none, because token_endpoint_auth_method is none; remove one of both",
        )),
        (Some(_), None) => Err(missing()),
        (None, None) => Err(Refusal::new(
            format!("{path}.client_secret"),
            "expected a secret, found none; write {environment_variable: NAME}, or token_endpoint_auth_method: none for a public client",
        )),
    }
}

/// The algorithms by name. None of them is HMAC: where a secret is shared, it is not listed among others.
pub(super) fn algorithms(path: &str, names: Option<Vec<String>>) -> Result<Vec<Algorithm>, Refusal> {
    let Some(names) = names else { return Ok(USUAL_ALGORITHMS.to_vec()) };
    if names.is_empty() {
        return Err(Refusal::new(path, "expected at least one algorithm, found none; remove it for RS256, PS256 and ES256"));
    }
    let published = || Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric());
    let known = || published().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ");
    let each = names.iter().enumerate().map(|(index, name)| {
        let refusal = || {
            Refusal::new(
                format!("{path}[{index}]"),
                format!(
                    "expected one of {}, found another; HS256 is for bearer tokens with a secret alone, and none is for nothing",
                    known()
                ),
            )
        };
        published().find(|algorithm| algorithm.as_str() == name).copied().ok_or_else(refusal)
    });
    each.collect()
}
