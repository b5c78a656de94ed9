//! Signed userinfo (OpenID Connect Core, section 5.3.2): is the JWT by the provider, for us, and valid now. About whom it is, is
//! checked by `userinfo`, as for JSON. Keys are not fetched here: the caller does that, and reads the response again.

use serde_json::Value;

use crate::crypto::jws::{self, JwsError, VerifiedJws};
use crate::crypto::key::KeySet;
use crate::oidc::id_token;
use crate::oidc::provider::Provider;
use crate::oidc::times::{self, WrongTime};
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// Why signed userinfo is not accepted: a sentence that says what is wrong.
#[derive(Debug)]
pub(super) enum SignedError {
    /// No key of ours is the one that it names, or is for its algorithm.
    KeyUnknown(String),
    /// The key that it names did not sign it, or is not for its algorithm; or it names none, and none that fits did.
    SignatureWrong(String),
    /// No key would help.
    Refused(String),
}

impl From<String> for SignedError {
    fn from(what: String) -> Self {
        Self::Refused(what)
    }
}

/// The claims of a JWT whose signature is good, and whose `iss`, `aud` and times are, as far as they are there: section 5.3.2 only
/// recommends `iss` and `aud`. The keys and algorithms are those of ID tokens, so that `none` and HMAC are refused.
///
/// # Errors
/// See [`SignedError`].
pub(super) fn claims(
    world: &dyn World,
    provider: &Provider,
    token: &str,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Claims, SignedError> {
    // RFC 7516, section 9: an encrypted token has five parts.
    if token.split('.').count() == 5 {
        return Err("encrypted userinfo is not supported; let the provider sign it alone, or send JSON".to_owned().into());
    }
    let VerifiedJws { mut claims, .. } =
        jws::verify(world, token, keys, &provider.algorithms).map_err(|error| refused(&error, provider))?;
    claims.retain(|_, value| !value.is_null());
    issuer(&claims, provider)?;
    audience(&claims, provider)?;
    match times::check(&claims, provider.clock_skew, now) {
        Ok(_) => Ok(claims),
        Err(WrongTime::Expired(detail) | WrongTime::Other(detail)) => Err(detail.into()),
    }
}

/// The refusal of userinfo whose signature does not verify. The same of these may be mended by newer keys as for ID tokens.
fn refused(error: &JwsError, provider: &Provider) -> SignedError {
    let what = error.to_string();
    match error {
        JwsError::AlgorithmNotAllowed { found } => {
            SignedError::Refused(id_token::not_allowed(found, provider, "userinfo_signed_response_alg"))
        }
        JwsError::Malformed(_) | JwsError::KeyAmbiguous => SignedError::Refused(what),
        JwsError::KeyUnknown { .. } => SignedError::KeyUnknown(what),
        JwsError::AlgorithmNotForKey { .. } | JwsError::SignatureInvalid | JwsError::SignatureByNoKey => {
            SignedError::SignatureWrong(what)
        }
    }
}

fn issuer(claims: &Claims, provider: &Provider) -> Result<(), String> {
    match claims.get("iss") {
        None => Ok(()),
        Some(issuer) if *issuer == provider.issuer() => Ok(()),
        Some(_) => Err(format!("expected iss {}, found another", quote(provider.issuer()))),
    }
}

/// Our client identifier must be `aud`, or one of a list of texts.
fn audience(claims: &Claims, provider: &Provider) -> Result<(), String> {
    let ours = |audience: &Value| *audience == provider.client_id.as_str();
    let is_ours = match claims.get("aud") {
        None => true,
        Some(Value::Array(audiences)) => audiences.iter().all(Value::is_string) && audiences.iter().any(ours),
        Some(audience) => ours(audience),
    };
    if is_ours { Ok(()) } else { Err(format!("expected aud {}, found another", quote(&provider.client_id))) }
}
