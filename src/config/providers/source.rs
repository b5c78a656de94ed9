//! Where a provider's endpoints are known from, which is discovery or the configuration, and which of Envoy's clusters reach
//! them. Nothing is fetched here, and what the client does at the endpoints is not known.

use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Reached;
use crate::http::url::Url;
use crate::oidc::discovery::check_endpoints;
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{Clusters, MetadataSource, Provider};

shape! {
    /// A provider's metadata, in the names of OpenID Connect Discovery 1.0, section 3.
    pub(super) struct MetadataShape {
        pub(super) issuer: String,
        authorization_endpoint: String,
        token_endpoint: String,
        jwks_uri: String,
        userinfo_endpoint: Option<String>,
        introspection_endpoint: Option<String>,
        end_session_endpoint: Option<String>,
        authorization_response_iss_parameter_supported: bool = default,
    }
}

/// Reads an absolute URL.
pub(super) fn url(path: &str, text: &str, refusals: &mut Refusals) -> Checked<Url> {
    Url::parse(text).map_err(|found| refusals.refuse(path, format!("expected an absolute https URL, {found}; write https://…")))
}

/// Checks which clusters reach which hosts. No other host is ever called for this provider.
pub(super) fn clusters(path: &str, reached: Reached, issuer: &str, refusals: &mut Refusals) -> Checked<Clusters> {
    let hosts = match reached {
        Reached::Hosts(hosts) => hosts,
        // With its port, because a host without one stands for all its ports. An issuer that is no URL is refused elsewhere.
        Reached::Issuer(cluster) => Url::parse(issuer).map(|issuer| (issuer.host_and_port(), Ok(cluster))).into_iter().collect(),
    };
    let each = hosts.into_iter().map(|(host, cluster)| {
        let cluster = cluster?;
        if host.contains('/') || cluster.is_empty() {
            return Err(refusals.refuse(
                [path, ".", &host].concat(),
                "expected host or host:port, and the name of an Envoy cluster, found another; write sso.example.com: sso",
            ));
        }
        Ok((host, cluster))
    });
    let each: Vec<_> = each.collect();
    each.into_iter().collect::<Checked<Vec<_>>>().map(Clusters::new)
}

/// Checks the issuer of a provider that is never asked. It may be any text, as it stands in `iss`.
pub(super) fn issuer_alone(path: &str, issuer: Option<String>, refusals: &mut Refusals) -> Checked<MetadataSource> {
    match issuer.filter(|issuer| !issuer.is_empty()) {
        Some(issuer) => Ok(MetadataSource::Never { issuer }),
        None => {
            let sentence = "expected the issuer as it stands in the tokens (iss), found none; copy it";
            Err(refusals.refuse(format!("{path}.issuer"), sentence))
        }
    }
}

/// Checks that the endpoints are known either by discovery or from the configuration.
pub(super) fn source(
    path: &str,
    issuer: Option<String>,
    metadata: Option<MetadataShape>,
    refusals: &mut Refusals,
) -> Checked<MetadataSource> {
    let sentence = match (issuer, metadata) {
        (Some(issuer), None) => {
            return Ok(MetadataSource::Discovery { issuer: url(&format!("{path}.issuer"), &issuer, refusals)? });
        }
        (None, Some(given)) => {
            return given_metadata(&format!("{path}.metadata"), given, refusals)
                .map(|metadata| MetadataSource::Given(Box::new(metadata)));
        }
        (Some(_), Some(_)) => {
            "expected issuer or metadata, found both; write issuer for discovery, metadata for a provider without it"
        }
        (None, None) => "expected issuer or metadata, found neither; write issuer: https://…",
    };
    Err(refusals.refuse(path, sentence))
}

fn given_metadata(path: &str, given: MetadataShape, refusals: &mut Refusals) -> Checked<Metadata> {
    let issuer = given.issuer.and_then(|issuer| match issuer.is_empty() {
        true => {
            let sentence = "expected the issuer as it stands in ID tokens, found an empty text; copy it from there";
            Err(refusals.refuse(format!("{path}.issuer"), sentence))
        }
        false => Ok(issuer),
    });
    let mut demanded = |name: &str, text: Checked<String>| url(&format!("{path}.{name}"), &text?, refusals);
    let authorization_endpoint = demanded("authorization_endpoint", given.authorization_endpoint);
    let token_endpoint = demanded("token_endpoint", given.token_endpoint);
    let jwks_uri = demanded("jwks_uri", given.jwks_uri);
    let mut optional = |name: &str, text: Checked<Option<String>>| text?.map(|text| demanded(name, Ok(text))).transpose();
    let userinfo_endpoint = optional("userinfo_endpoint", given.userinfo_endpoint);
    let introspection_endpoint = optional("introspection_endpoint", given.introspection_endpoint);
    let end_session_endpoint = optional("end_session_endpoint", given.end_session_endpoint);
    Ok(Metadata {
        issuer: issuer?,
        authorization_endpoint: authorization_endpoint?,
        token_endpoint: token_endpoint?,
        jwks_uri: jwks_uri?,
        userinfo_endpoint: userinfo_endpoint?,
        introspection_endpoint: introspection_endpoint?,
        end_session_endpoint: end_session_endpoint?,
        passed_over: Vec::new(),
        announces_iss_parameter: given.authorization_response_iss_parameter_supported?,
    })
}

/// Refuses endpoints that no cluster reaches, and those on plain HTTP unless that is allowed.
pub(super) fn check_reach(path: &str, provider: &Provider, refusals: &mut Refusals) -> Checked<()> {
    let at = |member: &str| format!("{path}.{member}");
    match &provider.source {
        MetadataSource::Discovery { issuer } => {
            if issuer.target().contains('?') {
                let sentence = "expected an issuer without a query; write it as the provider does";
                return Err(refusals.refuse(at("issuer"), sentence));
            }
            if provider.check_scheme(issuer).is_err() {
                return Err(refusals.refuse(
                    at("issuer"),
                    "expected https, found http; write https, or allow_insecure_http: true, and everybody on the way can sign in as anybody",
                ));
            }
            if provider.clusters.reaching(issuer).is_none() {
                let authority = issuer.authority();
                let sentence =
                    format!("expected a cluster for {authority}, found none; write {{\"{authority}\": NAME OF ENVOY'S CLUSTER}}");
                return Err(refusals.refuse(at("clusters"), sentence));
            }
            Ok(())
        }
        MetadataSource::Given(metadata) => check_endpoints(provider, metadata).map_err(|what| {
            refusals.refuse(at("metadata"), format!("expected endpoints that can be used, found one that cannot; {what}"))
        }),
        MetadataSource::Never { .. } => Ok(()),
    }
}
