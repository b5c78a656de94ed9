//! Where a provider's endpoints are known from, which is discovery or the configuration, and which of Envoy's clusters reach
//! them. Nothing is fetched here, and what the client does at the endpoints is not known.

use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Reached;
use crate::config::reading::values::is_written;
use crate::http::url::Url;
use crate::oidc::discovery::{check_endpoint, check_given};
use crate::oidc::metadata::{Endpoint, EndpointName, Metadata};
use crate::oidc::provider::{Clusters, MetadataSource, Provider};

shape! {
    /// A provider's metadata, in the names of OpenID Connect Discovery 1.0, section 3.
    pub(super) struct MetadataShape {
        /// a text, as in ID tokens
        /// Default: required without the provider's own `issuer`, else refused
        pub(super) issuer: Option<String> where named("text"),
        /// where people sign in
        /// Default: required without `issuer` beside `metadata`
        authorization_endpoint: Option<String> where urls(),
        /// where codes and refresh tokens are exchanged
        /// Default: required without `issuer` beside `metadata`
        token_endpoint: Option<String> where urls(),
        /// where the provider publishes its keys
        /// Default: required without `issuer` beside `metadata`
        jwks_uri: Option<String> where urls(),
        /// where further claims are, with `userinfo`
        userinfo_endpoint: Option<String> where urls(),
        /// where the provider is asked about tokens, with `bearer.introspection`
        introspection_endpoint: Option<String> where urls(),
        /// where a session's refresh token is given back at sign-out (RFC 7009)
        revocation_endpoint: Option<String> where urls(),
        /// where the provider's own session ends, with `logout.provider`
        end_session_endpoint: Option<String> where urls(),
        /// whether the provider's response names its issuer (RFC 9207); refused beside `issuer`
        /// Default: `false`
        authorization_response_iss_parameter_supported: Option<bool>,
    }
}

/// Where the endpoints of a provider are known from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) metadata: MetadataSource,
    /// The endpoints that are written beside the issuer.
    pub(super) written: Vec<(EndpointName, Url)>,
}

impl From<MetadataSource> for Source {
    fn from(metadata: MetadataSource) -> Self {
        Self { metadata, written: Vec::new() }
    }
}

/// Reads an absolute URL.
pub(crate) fn url(path: &str, text: &str, refusals: &mut Refusals) -> Checked<Url> {
    Url::parse(text).map_err(|found| refusals.refuse(path, format!("expected an absolute https URL, {found}; write https://…")))
}

/// Checks which clusters reach which hosts. No other host is ever called for this provider.
pub(crate) fn clusters(path: &str, reached: Reached, issuer: &str, refusals: &mut Refusals) -> Checked<Clusters> {
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
pub(super) fn issuer_alone(path: &str, issuer: Option<String>, refusals: &mut Refusals) -> Checked<Source> {
    match issuer.filter(|issuer| !issuer.is_empty()) {
        Some(issuer) => Ok(MetadataSource::Never { issuer }.into()),
        None => {
            let sentence = "expected the issuer as it stands in the tokens (iss), found none; copy it";
            Err(refusals.refuse(format!("{path}.issuer"), sentence))
        }
    }
}

/// Checks that the endpoints are known, by discovery or from the configuration. Some may be written beside the issuer.
pub(super) fn source(
    path: &str,
    issuer: Option<String>,
    metadata: Option<MetadataShape>,
    refusals: &mut Refusals,
) -> Checked<Source> {
    let at_metadata = format!("{path}.metadata");
    match (issuer, metadata) {
        (Some(issuer), written) => {
            let issuer = discoverable(&format!("{path}.issuer"), &issuer, refusals);
            let written = written.map_or(Ok(Vec::new()), |written| beside_issuer(&at_metadata, written, refusals));
            Ok(Source { metadata: MetadataSource::Discovery { issuer: issuer? }, written: written? })
        }
        (None, Some(given)) => {
            let given = given_metadata(&at_metadata, given, refusals);
            given.map(|metadata| MetadataSource::Given(Box::new(metadata)).into())
        }
        (None, None) => Err(refusals.refuse(path, "expected issuer or metadata, found neither; write issuer: https://…")),
    }
}

/// Reads the issuer, below which the discovery document is found (OpenID Connect Discovery 1.0, section 4).
fn discoverable(path: &str, issuer: &str, refusals: &mut Refusals) -> Checked<Url> {
    if issuer.contains("/.well-known/") {
        let sentence = "expected the issuer, found the address of its discovery document; leave out /.well-known/… and write the rest, as it stands in the document (issuer)";
        return Err(refusals.refuse(path, sentence));
    }
    url(path, issuer, refusals)
}

fn endpoint(path: &str, name: EndpointName, text: Checked<Option<String>>, refusals: &mut Refusals) -> Checked<Option<Url>> {
    text?.map(|text| url(&format!("{path}.{}", name.as_str()), &text, refusals)).transpose()
}

/// The endpoints that are written beside the issuer, because its document lacks them or names other ones.
fn beside_issuer(path: &str, shape: MetadataShape, refusals: &mut Refusals) -> Checked<Vec<(EndpointName, Url)>> {
    let mut unwanted = |name: &str, is_written: Checked<bool>, sentence: &str| match is_written? {
        true => Err(refusals.refuse(format!("{path}.{name}"), sentence)),
        false => Ok(()),
    };
    let issuer = unwanted(
        "issuer",
        is_written(&shape.issuer),
        "expected none beside the provider's issuer, found a second one; remove it if there is a discovery document, else the other one",
    );
    let announced = unwanted(
        "authorization_response_iss_parameter_supported",
        is_written(&shape.authorization_response_iss_parameter_supported),
        "expected none beside the provider's issuer, found one; remove it, because the provider's document says it",
    );
    let each = [
        (EndpointName::Authorization, shape.authorization_endpoint),
        (EndpointName::Token, shape.token_endpoint),
        (EndpointName::Jwks, shape.jwks_uri),
        (EndpointName::Userinfo, shape.userinfo_endpoint),
        (EndpointName::Introspection, shape.introspection_endpoint),
        (EndpointName::Revocation, shape.revocation_endpoint),
        (EndpointName::EndSession, shape.end_session_endpoint),
    ];
    let read = each.map(|(name, text)| endpoint(path, name, text, refusals).map(|url| url.map(|url| (name, url))));
    let written: Vec<_> = read.into_iter().filter_map(Checked::transpose).collect();
    if written.is_empty() && issuer.is_ok() && announced.is_ok() {
        let sentence =
            "expected an endpoint beside the provider's issuer, found none; remove it, or write token_endpoint: https://…";
        return Err(refusals.refuse(path, sentence));
    }
    issuer?;
    announced?;
    written.into_iter().collect()
}

fn given_metadata(path: &str, given: MetadataShape, refusals: &mut Refusals) -> Checked<Metadata> {
    let issuer = given.issuer.and_then(|issuer| {
        let sentence = "expected the issuer as it stands in ID tokens, found none; copy it from there, or write issuer beside metadata if the provider has a discovery document";
        let refused = || refusals.refuse(format!("{path}.issuer"), sentence);
        issuer.filter(|issuer| !issuer.is_empty()).ok_or_else(refused)
    });
    let mut demanded = |name: EndpointName, text| match endpoint(path, name, text, refusals)? {
        Some(url) => Ok(Endpoint::usable(url)),
        None => Err(refusals.refuse(format!("{path}.{}", name.as_str()), "expected a value, found none; add it")),
    };
    let authorization_endpoint = demanded(EndpointName::Authorization, given.authorization_endpoint);
    let token_endpoint = demanded(EndpointName::Token, given.token_endpoint);
    let jwks_uri = demanded(EndpointName::Jwks, given.jwks_uri);
    let mut optional = |name: EndpointName, text| {
        endpoint(path, name, text, refusals).map(|url| url.map_or(Endpoint::MISSING, Endpoint::usable))
    };
    let userinfo_endpoint = optional(EndpointName::Userinfo, given.userinfo_endpoint);
    let introspection_endpoint = optional(EndpointName::Introspection, given.introspection_endpoint);
    let revocation_endpoint = optional(EndpointName::Revocation, given.revocation_endpoint);
    let end_session_endpoint = optional(EndpointName::EndSession, given.end_session_endpoint);
    Ok(Metadata {
        issuer: issuer?,
        authorization_endpoint: authorization_endpoint?,
        token_endpoint: token_endpoint?,
        jwks_uri: jwks_uri?,
        userinfo_endpoint: userinfo_endpoint?,
        introspection_endpoint: introspection_endpoint?,
        revocation_endpoint: revocation_endpoint?,
        end_session_endpoint: end_session_endpoint?,
        remarks: Vec::new(),
        announces_iss_parameter: given.authorization_response_iss_parameter_supported?.unwrap_or_default(),
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
            let checked = provider.written_endpoints.iter().map(|(name, url)| {
                check_endpoint(provider, *name, url).map_err(|what| {
                    let sentence = format!("expected an endpoint that can be used, found one that cannot; {what}");
                    refusals.refuse(at("metadata") + "." + name.as_str(), sentence)
                })
            });
            checked.collect::<Vec<_>>().into_iter().collect()
        }
        MetadataSource::Given(metadata) => check_given(provider, metadata).map_err(|what| {
            refusals.refuse(at("metadata"), format!("expected endpoints that can be used, found one that cannot; {what}"))
        }),
        MetadataSource::Transmitter { .. } | MetadataSource::Never { .. } => Ok(()),
    }
}
