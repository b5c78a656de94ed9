//! How we prove to a provider which client we are (OpenID Connect Core, section 9; RFC 6749, section 2.3): the one place where
//! that is known, for every request that a client makes. Where the request goes is the provider's to say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::words::secret::Secret;
use crate::words::world::World;

/// How a client proves itself (OpenID Connect Core, section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    SecretBasic(Secret),
    /// `client_secret_post`.
    SecretPost(Secret),
    /// `none`: a public client.
    None,
}

impl ClientAuthentication {
    /// The method's registered name.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::None => "none",
        }
    }

    /// The body of a request of this client's, and the fields that go with it. What proves it is added to `parameters` or to the
    /// fields, as the method has it. An assertion needs the clock, randomness and a signature of the `world`; secrets need nothing.
    pub(super) fn form(
        &self,
        _world: &mut dyn World,
        client_id: &str,
        parameters: &[(&str, &str)],
    ) -> (Vec<(&'static str, String)>, String) {
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
        (fields, form.finish())
    }
}

/// RFC 6749, section 2.3.1: both are form-urlencoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.expose()))))
}
