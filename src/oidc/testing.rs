//! A provider, its metadata and its responses, for the tests of this room and of those above.

use std::time::Duration;

use serde_json::Value;

use crate::crypto::key::Algorithm;
use crate::http::message::{Headers, Reply};
use crate::http::url::Url;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::metadata::{Endpoint, Metadata};
use crate::oidc::provider::{Clusters, MetadataSource, PlainHttp, Provider, ResponseMode};
use crate::words::principal::AssumedVerified;
use crate::words::secret::Secret;

pub(crate) const ISSUER: &str = "https://sso.example.com/realms/main";

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    Endpoint::usable(url(text))
}

/// The provider `main` with discovery, and with the client `app`.
pub(crate) fn provider() -> Provider {
    Provider {
        name: "main".into(),
        source: MetadataSource::Discovery { issuer: url(ISSUER) },
        written_endpoints: vec![],
        clusters: Clusters::new([("sso.example.com".into(), "sso".into())]),
        client_id: "app".into(),
        sign_in: true,
        authentication: ClientAuthentication::SecretBasic(Secret::new("s3cret")),
        scope: "openid email".into(),
        authorization_params: vec![],
        bearer: None,
        account_prompt: "login",
        response_mode: ResponseMode::Query,
        redirect_uri: None,
        trusted_audiences: vec![],
        assumed_verified: AssumedVerified::default(),
        userinfo: false,
        clock_skew: Duration::from_secs(60),
        algorithms: vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256],
        timeout: Duration::from_secs(5),
        trace_context: true,
        frame_ancestors: Vec::new(),
        plain_http: PlainHttp::LoopbackOnly,
    }
}

/// The metadata of that provider.
pub(crate) fn metadata() -> Metadata {
    Metadata {
        issuer: ISSUER.into(),
        authorization_endpoint: endpoint("https://sso.example.com/realms/main/auth"),
        token_endpoint: endpoint("https://sso.example.com/realms/main/token"),
        jwks_uri: endpoint("https://sso.example.com/realms/main/keys"),
        userinfo_endpoint: endpoint("https://sso.example.com/realms/main/userinfo"),
        introspection_endpoint: endpoint("https://sso.example.com/realms/main/introspect"),
        revocation_endpoint: endpoint("https://sso.example.com/realms/main/revoke"),
        end_session_endpoint: endpoint("https://sso.example.com/realms/main/logout"),
        remarks: vec![],
        announces_iss_parameter: false,
    }
}

/// A response with a JSON document.
pub(crate) fn json_reply(status: u16, document: &Value) -> Reply {
    reply(status, &[("content-type", "application/json")], document.to_string().as_bytes())
}

/// A response with any header fields and body.
pub(crate) fn reply(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Reply::Answered { status, headers: Headers::new(fields), body: body.to_vec() }
}
