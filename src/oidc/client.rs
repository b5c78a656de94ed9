//! Client authentication: how we prove to a provider which client we are (RFC 6749, section 2.3; OpenID Connect Core, section 9),
//! for every request that a client makes. Where a request is sent is not known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// A method of client authentication (OpenID Connect Core, section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: the secret is sent in the `Authorization` header.
    SecretBasic(Secret),
    /// `client_secret_post`: the secret is sent in the form.
    SecretPost(Secret),
    /// `none`: a public client, which only names itself.
    None,
}

/// What a client posts.
pub(super) struct ClientForm {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl ClientAuthentication {
    /// The registered name of the method.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::None => "none",
        }
    }

    /// What was tried, and what the operator should check if the provider does not accept it.
    pub(super) fn tried(&self, client_id: &str) -> String {
        let tried = format!("token_endpoint_auth_method {} was tried: check it, client_id and client_secret", self.method());
        match self {
            Self::SecretBasic(secret) if encoded(secret.expose()) != secret.expose() || encoded(client_id) != client_id => {
                tried
                    + "; client_id or client_secret has characters that this method form-encodes (RFC 6749, section 2.3.1): if the provider does not decode them, write token_endpoint_auth_method: client_secret_post"
            }
            Self::SecretBasic(_) | Self::SecretPost(_) | Self::None => tried,
        }
    }

    /// The header fields and the body of a request with these parameters, to which the client authentication is added. `world` is
    /// for methods that sign an assertion, which needs the clock and random bytes; the present ones do not.
    ///
    /// # Errors
    /// [`Reason::Internal`] if there is no client to authenticate, as at a provider whose tokens are only accepted.
    pub(super) fn form(
        &self,
        _world: &mut dyn World,
        client_id: &str,
        parameters: &[(&str, &str)],
    ) -> Result<ClientForm, Failure> {
        if client_id.is_empty() {
            return Err(Failure::new(Reason::Internal, "this provider has no client_id, so that no client can ask it"));
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        let mut fields =
            vec![("content-type", "application/x-www-form-urlencoded".to_owned()), ("accept", "application/json".to_owned())];
        match self {
            Self::SecretBasic(secret) => fields.push(("authorization", basic(client_id, secret))),
            Self::SecretPost(secret) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
            }
            Self::None => {
                form.append_pair("client_id", client_id);
            }
        }
        Ok(ClientForm { headers: fields, body: form.finish() })
    }
}

/// RFC 6749, section 2.3.1: the identifier and the secret are form-urlencoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.expose()))))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
