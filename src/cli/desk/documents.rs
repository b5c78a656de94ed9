//! The documents that stand in for those of a provider, because nobody is asked here: metadata with endpoints at the issuer, and
//! the keys that the person brings, or one that nobody has signed with. Nor does anybody issue a token for an application.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use serde_json::{Value, json};

use crate::http::message::{Headers, Reply};
use crate::oidc::provider::Provider;
use crate::step::event::DocumentKind;
use crate::upkeep::fetch::Fetch;
use crate::words::world::{NoRandomness, World};

/// What the providers publish.
pub(crate) struct Documents {
    /// The keys that the person brings, for the provider of this name.
    pub(crate) brought: Option<(String, Value)>,
    /// The keys of all others.
    others: Value,
}

impl Documents {
    /// With a new key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn new(world: &mut dyn World) -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        world.random(&mut bytes)?;
        let key = p256::SecretKey::from_slice(&bytes).map_err(|_| NoRandomness)?;
        let point = key.public_key().to_encoded_point(false);
        let coordinate = |bytes: Option<&p256::FieldBytes>| bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default();
        let key = json!({
            "kty": "EC", "crv": "P-256", "kid": "stand-in", "x": coordinate(point.x()), "y": coordinate(point.y()),
        });
        Ok(Self { brought: None, others: json!({ "keys": [key] }) })
    }

    /// What this provider replies when it is asked for a document.
    pub(crate) fn reply(&self, provider: &Provider, kind: DocumentKind) -> Reply {
        let document = match (kind, &self.brought) {
            (DocumentKind::Metadata, _) => metadata(provider.issuer()),
            (DocumentKind::Keys, Some((name, keys))) if *name == provider.name => keys.clone(),
            (DocumentKind::Keys, _) => self.others.clone(),
        };
        json_reply(&document)
    }
}

/// What a provider replies that issues whatever token it is asked for. The token says for what it is.
pub(crate) fn upstream_token(fetch: &Fetch) -> Reply {
    let form: BTreeMap<_, _> = form_urlencoded::parse(&fetch.call.body).into_owned().collect();
    let exchanged = form.get("requested_token_type");
    let how = if exchanged.is_some() { "in exchange" } else { "of our client" };
    let further = ["audience", "resource", "scope"].into_iter().filter_map(|name| Some(format!(", {name} {}", form.get(name)?)));
    let says = format!("{how} by {}{}", fetch.provider, further.collect::<String>());
    json_reply(&json!({
        "access_token": URL_SAFE_NO_PAD.encode(says),
        "issued_token_type": exchanged.cloned().unwrap_or_default(),
        "token_type": "Bearer",
        "expires_in": 60,
    }))
}

/// For what the token is that stands in this `Authorization`, which a rule has asked for.
pub(crate) fn told_upstream_token(authorization: &str) -> String {
    let token = authorization.rsplit(' ').next().and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
    let says = token.and_then(|says| String::from_utf8(says).ok());
    says.map_or_else(|| "(a token)".to_owned(), |says| format!("(a token {says})"))
}

fn json_reply(document: &Value) -> Reply {
    let headers = Headers::new(vec![("content-type".to_owned(), b"application/json".to_vec())]);
    Reply::Answered { status: 200, headers, body: document.to_string().into_bytes() }
}

/// Metadata in which every endpoint is below the issuer, whose host a cluster reaches.
fn metadata(issuer: &str) -> Value {
    let endpoint = |name: &str| format!("{}/{name}", issuer.trim_end_matches('/'));
    json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "jwks_uri": endpoint("keys"),
        "userinfo_endpoint": endpoint("userinfo"),
        "introspection_endpoint": endpoint("introspect"),
        "end_session_endpoint": endpoint("logout"),
    })
}
