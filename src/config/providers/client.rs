//! The client as which we are registered at a provider: its identifier, how it authenticates, and the members that mean something
//! for a client only. It never knows where the provider's endpoints are.

use crate::config::providers::written::{AuthMethod, ProviderShape, ResponseModeWord, Scope};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Reached;
use crate::config::reading::values::is_written;
use crate::oidc::authorization::RESERVED_PARAMETERS;
use crate::oidc::client::ClientAuthentication;
use crate::words::secret::Secret;

/// The client that we are at a provider, whether it is good or refused.
pub(super) struct Client {
    /// Its identifier. A provider whose tokens are only accepted has none.
    pub(super) id: Checked<Option<String>>,
    /// How it authenticates.
    pub(super) authentication: Checked<ClientAuthentication>,
    /// The secrets that it authenticates with, each with the name of its field.
    pub(super) secrets: Vec<(&'static str, Secret)>,
}

/// Checks the client: its identifier, and how it authenticates.
pub(super) fn client(path: &str, shape: &ProviderShape, refusals: &mut Refusals) -> Client {
    let id = client_id(path, shape, refusals);
    let authentication = match is_written(&id) {
        Ok(true) => authentication(path, shape, refusals),
        Ok(false) => Ok(ClientAuthentication::None),
        Err(refused) => Err(refused),
    };
    let written = [("client_secret", &shape.client_secret)];
    let secrets = written.into_iter().filter_map(|(member, secret)| Some((member, secret.clone().ok()??)));
    Client { id, authentication, secrets: secrets.collect() }
}

/// Checks the client's identifier. A provider needs none only if its bearer tokens are accepted.
fn client_id(path: &str, shape: &ProviderShape, refusals: &mut Refusals) -> Checked<Option<String>> {
    let client_id = shape.client_id.clone()?;
    let missing = match &client_id {
        Some(client) => client.trim().is_empty(),
        None => is_written(&shape.bearer) == Ok(false),
    };
    if missing {
        return Err(refusals.refuse(
            format!("{path}.client_id"),
            "expected the client's identifier at the provider, found none; register a client there (or write bearer, for a provider whose tokens are accepted and where nobody signs in)",
        ));
    }
    Ok(client_id)
}

/// Refuses members that mean nothing without a client.
pub(super) fn refuse_what_needs_a_client(path: &str, shape: &mut ProviderShape, refusals: &mut Refusals) {
    let sentence = "expected none without a client_id, because nobody signs in here; remove it, or write client_id";
    let mut unwanted = Unwanted { path, sentence, refusals };
    unwanted.member("sign_in", &mut shape.sign_in, Option::is_some);
    unwanted.member("client_secret", &mut shape.client_secret, Option::is_some);
    unwanted.member("token_endpoint_auth_method", &mut shape.token_endpoint_auth_method, Option::is_some);
    refuse_what_signs_in(unwanted, shape);
}

/// Refuses members that mean nothing for a client by which nobody signs in, and a client that does not authenticate: nobody gives it a
/// token.
pub(super) fn refuse_beside_no_sign_in(path: &str, shape: &mut ProviderShape, refusals: &mut Refusals) {
    let sentence = "expected a client that authenticates where sign_in is false, because no other one gets tokens, found a public one; write client_secret";
    let mut public = Unwanted { path, sentence, refusals };
    public
        .member("token_endpoint_auth_method", &mut shape.token_endpoint_auth_method, |method| *method == Some(AuthMethod::None));
    let sentence = "expected none where sign_in is false, because nobody signs in here; remove it, or sign_in";
    refuse_what_signs_in(Unwanted { path, sentence, refusals }, shape);
}

fn refuse_what_signs_in(mut unwanted: Unwanted<'_>, shape: &mut ProviderShape) {
    unwanted.member("scope", &mut shape.scope, Option::is_some);
    unwanted.member("authorization_params", &mut shape.authorization_params, |params| !params.is_empty());
    unwanted.member("account_prompt", &mut shape.account_prompt, Option::is_some);
    unwanted.member("redirect_uri", &mut shape.redirect_uri, Option::is_some);
    unwanted.member("response_mode", &mut shape.response_mode, |mode| *mode == ResponseModeWord::FormPost);
    unwanted.member("frame_ancestors", &mut shape.frame_ancestors, Option::is_some);
    unwanted.member("userinfo", &mut shape.userinfo, Option::is_some);
    unwanted.member("trusted_audiences", &mut shape.trusted_audiences, Option::is_some);
    unwanted.member("algorithms", &mut shape.algorithms, Option::is_some);
}

/// Refuses members that mean nothing at a provider that is never asked, because its keys are configured.
pub(super) fn refuse_what_asks(path: &str, shape: &mut ProviderShape, refusals: &mut Refusals) {
    let mut unwanted = Unwanted {
        path,
        sentence: "expected none, because this provider is never asked: its keys stand under bearer; remove it",
        refusals,
    };
    unwanted.member("metadata", &mut shape.metadata, Option::is_some);
    unwanted.member("clusters", &mut shape.clusters, |clusters: &Reached| !clusters.is_empty());
    unwanted.member("timeout", &mut shape.timeout, Option::is_some);
    unwanted.member("trace_context", &mut shape.trace_context, Option::is_some);
    unwanted.member("allow_insecure_http", &mut shape.allow_insecure_http, |allowed| *allowed);
}

/// Refuses members that mean nothing at this provider, all for the same reason.
struct Unwanted<'a> {
    path: &'a str,
    sentence: &'static str,
    refusals: &'a mut Refusals,
}

impl Unwanted<'_> {
    fn member<T>(&mut self, name: &str, member: &mut Checked<T>, is_there: impl Fn(&T) -> bool) {
        if member.as_ref().is_ok_and(is_there) {
            *member = Err(self.refusals.refuse(format!("{}.{name}", self.path), self.sentence));
        }
    }
}

/// Checks how the client authenticates at the provider's endpoints (`token_endpoint_auth_method`, `client_secret`).
fn authentication(path: &str, shape: &ProviderShape, refusals: &mut Refusals) -> Checked<ClientAuthentication> {
    let sentence = match (shape.token_endpoint_auth_method?, shape.client_secret.clone()?) {
        (Some(AuthMethod::ClientSecretBasic) | None, Some(secret)) => return Ok(ClientAuthentication::SecretBasic(secret)),
        (Some(AuthMethod::ClientSecretPost), Some(secret)) => return Ok(ClientAuthentication::SecretPost(secret)),
        (Some(AuthMethod::None), None) => return Ok(ClientAuthentication::None),
        (Some(AuthMethod::None), Some(_)) => "expected none, because token_endpoint_auth_method is none; remove one of both",
        (Some(_), None) => "expected a secret for this method, found none; write {environment_variable: NAME}",
        (None, None) => {
            "expected a secret, found none; write {environment_variable: NAME}, or token_endpoint_auth_method: none for a public client"
        }
    };
    Err(refusals.refuse(format!("{path}.client_secret"), sentence))
}

/// Checks the scope of the authorization request: values separated by spaces, `openid` among them.
pub(super) fn scope(path: &str, scope: Option<Scope>, refusals: &mut Refusals) -> Checked<String> {
    let scope = scope.map_or_else(|| "openid profile email".to_owned(), |scope| scope.0);
    if !scope.split(' ').any(|value| value == "openid") {
        let sentence = "expected openid among the scopes; without it there is no ID token";
        return Err(refusals.refuse(format!("{path}.scope"), sentence));
    }
    Ok(scope)
}

/// Checks further parameters of the authorization request.
pub(super) fn authorization_params(
    path: &str,
    params: Vec<(String, Checked<String>)>,
    refusals: &mut Refusals,
) -> Checked<Vec<(String, String)>> {
    let each = params.into_iter().map(|(name, value)| {
        let sentence = match name.as_str() {
            ours if RESERVED_PARAMETERS.contains(&ours) => "expected a parameter that is not set by Accredit itself; remove it",
            "max_age" => {
                "expected a parameter whose effect does not have to be checked in the ID token, found one whose effect is not; remove it"
            }
            _ => return value.map(|value| (name, value)),
        };
        Err(refusals.refuse(format!("{path}.authorization_params.{name}"), sentence))
    });
    let each: Vec<_> = each.collect();
    each.into_iter().collect()
}
