//! A provider as the operator configured it, and the only way to call it: through a listed cluster. What the provider says about
//! itself is in `metadata`; it can choose paths and hosts, but never a cluster.

use std::time::Duration;

use crate::crypto::key::Algorithm;
use crate::http::message::{HttpCall, UNCOMPRESSED};
use crate::http::url::{Origin, Url};
use crate::oidc::bearer::accepted::{Bearer, BearerKeys};
use crate::oidc::client::{ClientAuthentication, ClientForm};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::words::principal::AssumedVerified;
use crate::words::reason::{Failure, Reason};
use crate::words::world::World;

/// The configuration of a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Where its metadata come from.
    pub source: MetadataSource,
    /// Endpoints that are written beside the issuer. They were checked, and are taken instead of the document's.
    pub written_endpoints: Vec<(EndpointName, Url)>,
    /// Which cluster reaches which host.
    pub clusters: Clusters,
    /// Our client identifier; empty if we are no client there, and only its tokens are accepted.
    pub client_id: String,
    /// Whether people sign in there, if we are a client. If not, that client only gets tokens for applications, or asks about bearer tokens.
    pub sign_in: bool,
    /// How we prove that we are that client.
    pub authentication: ClientAuthentication,
    /// The scopes of an authorization request, separated by spaces. `openid` is one of them.
    pub scope: String,
    /// Further parameters of the authorization request. Those in [`crate::oidc::authorization::RESERVED_PARAMETERS`] are ignored.
    pub authorization_params: Vec<(String, String)>,
    /// The `prompt` that lets a person choose another account: `login`, or `select_account` if the provider supports only that.
    pub account_prompt: &'static str,
    /// How it sends authorization responses.
    pub response_mode: ResponseMode,
    /// The redirect URI of a front end that keeps the access token itself; absent if none does.
    pub redirect_uri: Option<Url>,
    /// Whose pages may show the answer of front-channel logout in a frame, as it is configured; none for [`Provider::frame_ancestors`]
    /// to find out.
    pub frame_ancestors: Vec<Origin>,
    /// Whether the userinfo endpoint is asked for more claims.
    pub userinfo: bool,
    /// Who else may be among the audiences of its ID tokens, without an `azp` that names us (OpenID Connect Core, section 3.1.3.7,
    /// rule 3).
    pub trusted_audiences: Vec<String>,
    /// Which claims count as verified if it does not say whether they are.
    pub assumed_verified: AssumedVerified,
    /// Which of its tokens are accepted as bearer tokens; absent if none are.
    pub bearer: Option<Bearer>,
    /// How far the provider's clock may differ from ours.
    pub clock_skew: Duration,
    /// The algorithms that its ID tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How long to wait for its responses.
    pub timeout: Duration,
    /// Whether calls that a request causes belong to the request's trace (W3C Trace Context).
    pub trace_context: bool,
    /// Where http without TLS is accepted.
    pub plain_http: PlainHttp,
}

/// Where a provider's metadata come from.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataSource {
    /// From the provider (OpenID Connect Discovery).
    Discovery {
        /// The issuer, which is compared character by character.
        issuer: Url,
    },
    /// From the configuration.
    Given(Box<Metadata>),
    /// From a transmitter of security events, which is called like a provider, and asked for its keys alone.
    Transmitter {
        /// The issuer, which is compared character by character.
        issuer: String,
        /// Where its metadata are (SSF 1.0, section 7).
        document: Url,
    },
    /// From nowhere: it is never called. It only issues tokens, and their keys are in the configuration.
    Never {
        /// The issuer in its tokens, which need not be a URL.
        issuer: String,
    },
}

/// How a provider sends authorization responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// `query`: in the query of the redirect URI.
    Query,
    /// `form_post`: in a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// Where http without TLS is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// On this machine only.
    LoopbackOnly,
    /// Everywhere: `allow_insecure_http`.
    AllowInsecure,
}

/// Which of Envoy's clusters reaches which host. A listed `host:port` is for that port alone, a listed `host` for every port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters(Vec<(String, String)>);

impl Clusters {
    /// Takes pairs of a host, with or without a port, and its cluster.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(entries.into_iter().map(|(host, cluster)| (host.to_ascii_lowercase(), cluster)).collect())
    }

    /// All of these together. For a host that several of them list, the first counts.
    pub fn joined<'a>(each: impl Iterator<Item = &'a Self>) -> Self {
        Self(each.flat_map(|clusters| clusters.0.iter().cloned()).collect())
    }

    /// The clusters, in the order of the configuration; one may be there for several hosts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, cluster)| cluster.as_str())
    }

    /// The cluster that is listed for a URL's host; `None` if there is none.
    pub fn reaching(&self, url: &Url) -> Option<&str> {
        [url.authority().as_str(), url.host_and_port().as_str(), url.host()]
            .iter()
            .find_map(|name| self.0.iter().find(|(host, _)| host == name))
            .map(|(_, cluster)| cluster.as_str())
    }
}

impl Provider {
    /// Whether people can sign in there. If not, it only issues tokens.
    pub const fn signs_in(&self) -> bool {
        self.sign_in && !self.client_id.is_empty()
    }

    /// Whether we have a client there that authenticates. (A public client only names itself, which anybody can do.)
    pub fn has_client(&self) -> bool {
        !self.client_id.is_empty() && self.authentication != ClientAuthentication::None
    }

    /// Whether anything is verified with the keys that it publishes: not where we are only a client that gets tokens. (A transmitter of
    /// security events has no client.)
    pub fn vouches_by_keys(&self) -> bool {
        self.client_id.is_empty() || self.signs_in() || self.publishes_bearer_keys()
    }

    /// Whether it is ever called, for its metadata or its keys.
    pub const fn is_asked(&self) -> bool {
        !matches!(self.source, MetadataSource::Never { .. })
    }

    /// The origins whose pages may show the answer of front-channel logout in a frame (OpenID Connect Front-Channel Logout 1.0, section
    /// 3): those that are configured, or the one of the issuer.
    pub fn frame_ancestors(&self) -> Vec<Origin> {
        let of_issuer = || Url::parse(self.issuer()).ok().map(|issuer| issuer.origin()).into_iter().collect();
        if self.frame_ancestors.is_empty() { of_issuer() } else { self.frame_ancestors.clone() }
    }

    /// The issuer: the required value of `iss`.
    pub fn issuer(&self) -> &str {
        match &self.source {
            MetadataSource::Discovery { issuer } => issuer.as_str(),
            MetadataSource::Given(metadata) => &metadata.issuer,
            MetadataSource::Transmitter { issuer, .. } | MetadataSource::Never { issuer } => issuer,
        }
    }

    /// Whether it is asked about bearer tokens (RFC 7662).
    pub fn introspects(&self) -> bool {
        self.bearer.as_ref().is_some_and(|bearer| bearer.introspection.is_some())
    }

    /// Whether its bearer tokens are verified with the keys that it publishes.
    pub fn publishes_bearer_keys(&self) -> bool {
        self.bearer.as_ref().is_some_and(|bearer| matches!(bearer.keys, BearerKeys::Published))
    }

    /// Whether it is asked for the metadata of a transmitter of security events.
    pub const fn transmits(&self) -> bool {
        matches!(self.source, MetadataSource::Transmitter { .. })
    }

    /// The endpoint that is written beside the issuer, if it is.
    pub fn written_endpoint(&self, name: EndpointName) -> Option<&Url> {
        self.written_endpoints.iter().find(|(written, _)| *written == name).map(|(_, url)| url)
    }

    /// Checks that a browser may be sent to a URL, or that it may be called: by its scheme.
    ///
    /// # Errors
    /// A sentence that says what to change.
    pub fn check_scheme(&self, url: &Url) -> Result<(), String> {
        if url.is_https() || url.is_loopback() || self.plain_http == PlainHttp::AllowInsecure {
            return Ok(());
        }
        Err(format!("{url:?} is not https; plain http is for this machine only, unless allow_insecure_http is set"))
    }

    /// The cluster that reaches a URL.
    ///
    /// # Errors
    /// A sentence that says what to change, if the scheme is refused or no cluster is listed for the host.
    pub fn cluster_for(&self, url: &Url) -> Result<&str, String> {
        self.check_scheme(url)?;
        let authority = url.authority();
        self.clusters.reaching(url).ok_or_else(|| {
            format!("no cluster is listed for {authority}; add it to clusters of provider {} if {url:?} is right", self.name)
        })
    }

    /// A call that posts a form to one of the provider's endpoints, with our client authentication.
    ///
    /// # Errors
    /// A failure with the reason `refusal`, if [`Provider::cluster_for`] fails; that of the client authentication.
    pub fn call_as_client(
        &self,
        world: &mut dyn World,
        url: &Url,
        parameters: &[(&str, &str)],
        refusal: Reason,
    ) -> Result<HttpCall, Failure> {
        let ClientForm { headers, body } = self.authentication.form(world, &self.client_id, parameters)?;
        self.call(ProviderRequest { method: "POST", url, headers, body }, refusal)
    }

    /// A call to one of the provider's endpoints.
    ///
    /// # Errors
    /// A failure with the reason `refusal`, if [`Provider::cluster_for`] fails.
    pub fn call(&self, request: ProviderRequest<'_>, refusal: Reason) -> Result<HttpCall, Failure> {
        let cluster = self.cluster_for(request.url).map_err(|detail| Failure::new(refusal, detail))?;
        let (coding, identity) = UNCOMPRESSED;
        let headers = request.headers.into_iter().chain([(coding, identity.to_owned())]);
        Ok(HttpCall {
            cluster: cluster.to_owned(),
            method: request.method,
            scheme: request.url.scheme().to_owned(),
            authority: request.url.authority(),
            path: request.url.target().to_owned(),
            headers: headers.map(|(name, value)| (name.into(), value)).collect(),
            body: request.body.into_bytes().into(),
            timeout: self.timeout,
        })
    }
}

/// A request to a provider, before its cluster is chosen.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ProviderRequest<'a> {
    pub method: &'static str,
    pub url: &'a Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl<'a> ProviderRequest<'a> {
    /// A GET request for a JSON document.
    pub fn for_json(url: &'a Url) -> Self {
        Self::get(url, "application/json")
    }

    /// A GET request for a document of one of these media types.
    pub fn get(url: &'a Url, accept: &str) -> Self {
        Self { method: "GET", url, headers: vec![("accept", accept.to_owned())], body: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::testing::{metadata, provider, url};

    fn clusters(host: &str) -> Clusters {
        Clusters::new([(host.to_owned(), "c".to_owned())])
    }

    #[test]
    fn a_cluster_is_found_by_exact_host_and_port_only() {
        for (listed, asked, reached) in [
            ("sso.example.com", "https://sso.example.com/x", true),
            ("SSO.example.com", "https://sso.EXAMPLE.com/x", true),
            ("sso.example.com", "https://sso.example.com:8443/x", true),
            ("sso.example.com:443", "https://sso.example.com/x", true),
            ("sso.example.com:80", "https://sso.example.com/x", false),
            ("sso.example.com:8443", "https://sso.example.com/x", false),
            ("127.0.0.1:9000", "http://127.0.0.1:9000/x", true),
            ("127.0.0.1:9000", "http://127.0.0.1:9001/x", false),
            ("[::1]:9000", "http://[::1]:9000/x", true),
            ("sso.example.com", "https://sso.example.com.evil.example/", false),
            ("sso.example.com", "https://evil-sso.example.com/", false),
            ("sso.example.com", "https://sso.example.com./", false),
            ("sso.example.com", "https://example.com/", false),
        ] {
            assert_eq!(clusters(listed).reaching(&url(asked)).is_some(), reached, "{listed} {asked}");
        }
    }

    #[test]
    fn a_port_that_is_listed_wins_over_its_host() {
        let pairs = [("a.example", "any"), ("a.example:8443", "special")];
        let clusters = Clusters::new(pairs.map(|(host, cluster)| (host.to_owned(), cluster.to_owned())));
        assert_eq!(clusters.reaching(&url("https://a.example:8443/")), Some("special"));
        assert_eq!(clusters.reaching(&url("https://a.example/")), Some("any"));
    }

    #[test]
    fn the_issuer_is_the_configured_one_whatever_its_source() {
        let given = Provider { source: MetadataSource::Given(Box::new(metadata())), ..provider() };
        assert_eq!(given.issuer(), provider().issuer());
    }
}
