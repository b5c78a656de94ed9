//! One provider, from its members to the settings of [`crate::oidc`]. Other providers are not known here.

use std::time::Duration;

use crate::config::providers::algorithms::algorithms;
use crate::config::providers::bearer::{BearerShape, bearer};
use crate::config::providers::client::{
    Client, authorization_params, client, refuse_beside_no_sign_in, refuse_what_asks, refuse_what_needs_a_client, scope,
};
use crate::config::providers::source::{Source, check_reach, clusters, issuer_alone, source, url};
use crate::config::providers::written::{AccountPrompt, ProviderShape, ResponseModeWord};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Reached;
use crate::config::reading::values::{Parts, assumed_verified, each, is_written, origin, positive};
use crate::config::settings::LONGEST_TIMEOUT;
use crate::http::url::Origin;
use crate::oidc::bearer::accepted::Bearer;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::provider::{Clusters, MetadataSource, PlainHttp, Provider, ResponseMode};
use crate::words::secret::Secret;

/// What is known of a provider, whether good or refused.
pub(crate) struct Listed {
    pub(crate) name: Checked<String>,
    /// Whether people can sign in there.
    pub(crate) signs_in: Checked<bool>,
    /// Whether we have a client there by which nobody signs in.
    pub(crate) client_alone: Checked<bool>,
    /// Whether its tokens are accepted as bearer tokens.
    pub(crate) has_bearer: Checked<bool>,
    /// The secrets that the client authenticates with, each with the name of its field.
    pub(crate) client_secrets: Vec<(&'static str, Secret)>,
    /// The secret that verifies its bearer tokens (`bearer.secret`).
    pub(crate) shared: Option<Secret>,
    /// Its settings, if nothing of it was refused.
    pub(crate) provider: Checked<Provider>,
}

impl Listed {
    /// Whether it says who somebody is: people sign in there, or its bearer tokens are accepted.
    pub(crate) fn vouches(&self) -> Checked<bool> {
        Ok(!self.client_alone? || self.has_bearer?)
    }

    /// All its secrets, each with the name of its field.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let of_client = self.client_secrets.iter().map(|(member, secret)| (*member, secret));
        of_client.chain(self.shared.iter().map(|secret| ("bearer.secret", secret)))
    }
}

/// Checks one provider.
pub(super) fn provider(path: &str, mut shape: ProviderShape, refusals: &mut Refusals) -> Listed {
    let Client { id, authentication, secrets: client_secrets } = client(path, &shape, refusals);
    let has_client = is_written(&id);
    let (signs_in, client_alone) = match shape.sign_in {
        Ok(None | Some(true)) => (has_client, Ok(false)),
        Ok(Some(false)) => (Ok(false), has_client),
        Err(refused) => (Err(refused), Err(refused)),
    };
    let has_bearer = is_written(&shape.bearer);
    let never_asked = match (has_client, &shape.bearer) {
        (Ok(true), _) => Ok(false),
        (Ok(false), Ok(Some(bearer))) => bearer.has_keys(),
        // The identifier was refused, but it is written, so that people are to sign in here.
        (Err(_), Ok(None)) if is_written(&shape.client_id) == Ok(true) => Ok(false),
        (Ok(false), Ok(None)) => Ok(false),
        (Err(refused), _) => Err(refused),
        (_, Err(refused)) => Err(*refused),
    };
    let shared = shape.bearer.as_ref().ok().and_then(|bearer| bearer.as_ref()?.secret.clone().ok().flatten());
    if has_client == Ok(false) {
        refuse_what_needs_a_client(path, &mut shape, refusals);
    }
    if client_alone == Ok(true) {
        refuse_beside_no_sign_in(path, &mut shape, refusals);
    }
    if never_asked == Ok(true) {
        refuse_what_asks(path, &mut shape, refusals);
    }
    let name = shape.name.clone().and_then(|name| checked_name(path, name, refusals));
    let provider = settings(path, shape, &name, (id, authentication), never_asked, refusals);
    Listed { name, signs_in, client_alone, has_bearer, client_secrets, shared, provider }
}

fn checked_name(path: &str, name: String, refusals: &mut Refusals) -> Checked<String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let sentence = if name.is_empty() || !plain {
        "expected letters, digits, -, _ and . only; it appears in logs and in the login address"
    } else if name.ends_with('.') {
        "expected a name that can end a path, found one that ends in a dot; it stands at the end of the redirect URI"
    } else {
        return Ok(name);
    };
    Err(refusals.refuse(format!("{path}.name"), sentence))
}

/// Checks where the provider's endpoints are known from, and which clusters reach them.
fn reached(
    path: &str,
    shape: &mut ProviderShape,
    never_asked: Checked<bool>,
    refusals: &mut Refusals,
) -> Checked<(Source, Clusters)> {
    let issuer = std::mem::replace(&mut shape.issuer, Ok(None));
    let metadata = std::mem::replace(&mut shape.metadata, Ok(None));
    let reached = std::mem::replace(&mut shape.clusters, Ok(Reached::default()));
    let of_metadata = metadata.as_ref().ok().and_then(|metadata| metadata.as_ref()?.issuer.clone().ok()?);
    let named = issuer.clone().ok().flatten().or(of_metadata).unwrap_or_default();
    let clusters = reached.and_then(|reached| clusters(&format!("{path}.clusters"), reached, &named, refusals));
    let source = match (never_asked, issuer, metadata) {
        (Ok(true), Ok(issuer), _) => issuer_alone(path, issuer, refusals),
        (Ok(false), Ok(issuer), Ok(metadata)) => source(path, issuer, metadata, refusals),
        (Err(refused), _, _) | (_, Err(refused), _) | (_, _, Err(refused)) => Err(refused),
    };
    Ok((source?, clusters?))
}

fn settings(
    path: &str,
    mut shape: ProviderShape,
    name: &Checked<String>,
    (client_id, authentication): (Checked<Option<String>>, Checked<ClientAuthentication>),
    never_asked: Checked<bool>,
    refusals: &mut Refusals,
) -> Checked<Provider> {
    let at = |member: &str| format!("{path}.{member}");
    let mut parts = Parts::default();
    let reached = reached(path, &mut shape, never_asked, refusals);
    let proves_itself = authentication.as_ref().map(|how| *how != ClientAuthentication::None);
    let bearer = shape.bearer.and_then(|shape| checked_bearer(path, shape, proves_itself.ok(), refusals));
    let skew = shape.clock_skew_seconds.and_then(|seconds| clock_skew(path, seconds, refusals));
    let redirect_uri = shape.redirect_uri.and_then(|text| text.map(|text| url(&at("redirect_uri"), &text, refusals)).transpose());
    let assumed = shape
        .dangerously_assume_verified
        .and_then(|claims| assumed_verified(&at("dangerously_assume_verified"), claims, refusals));
    let timeout = positive(&at("timeout"), shape.timeout, Duration::from_secs(5), LONGEST_TIMEOUT, refusals);
    let plain_http = shape.allow_insecure_http;
    let provider = Provider {
        name: parts.part(name.clone()),
        client_id: parts.part(client_id).unwrap_or_default(),
        sign_in: parts.part(shape.sign_in).unwrap_or(true),
        scope: parts.part(shape.scope.and_then(|text| scope(path, text, refusals))),
        authorization_params: parts
            .part(shape.authorization_params.and_then(|params| authorization_params(path, params, refusals))),
        account_prompt: match parts.part(shape.account_prompt) {
            None | Some(AccountPrompt::Login) => "login",
            Some(AccountPrompt::SelectAccount) => "select_account",
        },
        bearer: parts.part(bearer),
        response_mode: match parts.part(shape.response_mode) {
            ResponseModeWord::Query => ResponseMode::Query,
            ResponseModeWord::FormPost => ResponseMode::FormPost,
        },
        redirect_uri: parts.part(redirect_uri),
        frame_ancestors: parts.part(shape.frame_ancestors.and_then(|origins| frame_ancestors(path, origins, refusals))),
        userinfo: parts.part(shape.userinfo).unwrap_or_default(),
        trusted_audiences: parts.part(shape.trusted_audiences.and_then(|others| trusted_audiences(path, others, refusals))),
        assumed_verified: parts.part(assumed),
        clock_skew: parts.part(skew),
        algorithms: parts.part(algorithms(&at("algorithms"), shape.algorithms, refusals)),
        timeout: parts.part(timeout),
        trace_context: parts.part(shape.trace_context).unwrap_or(true),
        authentication: parts.part(authentication.map(Some)).unwrap_or(ClientAuthentication::None),
        plain_http: if plain_http? { PlainHttp::AllowInsecure } else { PlainHttp::LoopbackOnly },
        source: parts
            .part(reached.as_ref().map(|(source, _)| Some(source.metadata.clone())).map_err(|refused| *refused))
            .unwrap_or(MetadataSource::Never { issuer: String::new() }),
        written_endpoints: reached.as_ref().map(|(source, _)| source.written.clone()).unwrap_or_default(),
        clusters: reached.map(|(_, clusters)| clusters).unwrap_or_else(|_| Clusters::new(Vec::new())),
    };
    check_reach(path, &provider, refusals)?;
    parts.whole(provider)
}

/// Checks who else may be among the audiences of ID tokens.
fn trusted_audiences(path: &str, others: Option<Vec<Checked<String>>>, refusals: &mut Refusals) -> Checked<Vec<String>> {
    let Some(others) = others else { return Ok(Vec::new()) };
    if others.is_empty() || others.iter().any(|other| other.as_ref().is_ok_and(String::is_empty)) {
        let sentence = "expected the further audiences of this provider's ID tokens, found none; remove it, or write trusted_audiences: [NAME]";
        return Err(refusals.refuse(format!("{path}.trusted_audiences"), sentence));
    }
    others.into_iter().collect()
}

/// Checks whose pages may show an answer in a frame.
fn frame_ancestors(path: &str, origins: Option<Vec<Checked<String>>>, refusals: &mut Refusals) -> Checked<Vec<Origin>> {
    let path = format!("{path}.frame_ancestors");
    let Some(origins) = origins else { return Ok(Vec::new()) };
    if origins.is_empty() {
        let sentence = "expected at least one origin, found none; remove it, or write https://login.example.com";
        return Err(refusals.refuse(path, sentence));
    }
    each(origins, |index, text| {
        let path = format!("{path}[{index}]");
        let origin = origin(&path, &text, refusals)?;
        // Content Security Policy, section 2.3.1: a host there is a name or an IPv4 address.
        if origin.host().starts_with('[') {
            let sentence = "expected a host with a name, found an IPv6 address, which browsers do not read there; write its name";
            return Err(refusals.refuse(path, sentence));
        }
        Ok(origin)
    })
}

pub(crate) fn clock_skew(path: &str, seconds: Option<u64>, refusals: &mut Refusals) -> Checked<Duration> {
    let seconds = seconds.unwrap_or(60);
    if seconds > 600 {
        let sentence = "expected at most 600; set the clocks right instead";
        return Err(refusals.refuse(format!("{path}.clock_skew_seconds"), sentence));
    }
    Ok(Duration::from_secs(seconds))
}

/// Checks which bearer tokens are accepted. `proves_itself` says whether the client authenticates, if that is known: one that
/// does not cannot ask for introspection.
fn checked_bearer(
    path: &str,
    shape: Option<BearerShape>,
    proves_itself: Option<bool>,
    refusals: &mut Refusals,
) -> Checked<Option<Bearer>> {
    let Some(shape) = shape else { return Ok(None) };
    let introspects = is_written(&shape.introspection) == Ok(true);
    let bearer = bearer(&format!("{path}.bearer"), shape, refusals);
    if introspects && proves_itself == Some(false) {
        return Err(refusals.refuse(
            format!("{path}.bearer.introspection"),
            "expected a client that can prove itself, found none (no client_id, or token_endpoint_auth_method none); providers tell others nothing about tokens",
        ));
    }
    bearer.map(Some)
}
