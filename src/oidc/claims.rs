//! The checks that ID tokens share with the other tokens that a provider signs with the same keys. Each is one rule of OpenID
//! Connect Core, and answers with a sentence; which reason it becomes, and in which order the rules apply, is not known here.

use serde_json::Value;

use crate::crypto::key::left_half_hash;
use crate::oidc::provider::Provider;
use crate::words::principal::{Claims, is_reserved};
use crate::words::quote::quote;
use crate::words::world::Hash;

/// The length of the longest `sub`, in bytes. OpenID Connect Core, section 2: "It MUST NOT exceed 255 ASCII characters in
/// length."
const LONGEST_SUBJECT: usize = 255;

/// An optional claim. `null` is as good as none.
pub(crate) fn present<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

/// A claim, made safe for a log.
pub(crate) fn shown(claim: Option<&Value>) -> String {
    match claim {
        None => "none".to_owned(),
        Some(Value::String(text)) => quote(text),
        Some(Value::Array(elements)) if elements.iter().all(Value::is_string) => {
            quote(&elements.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        Some(_) => "a value of the wrong type".to_owned(),
    }
}

/// A `typ`, in lower case and without `application/`, which may be left out (RFC 7515, section 4.1.9). Media types are compared
/// without regard to case (RFC 2045, section 5.1).
pub(crate) fn short_typ(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or_else(|| typ.clone(), str::to_owned)
}

/// Checks that `iss` is this issuer, character by character (section 3.1.3.7, rule 2).
pub(crate) fn issuer(claims: &Claims, expected: &str) -> Result<(), String> {
    match claims.get("iss") {
        Some(Value::String(issuer)) if issuer == expected => Ok(()),
        found => Err(format!("expected iss {}, found {}", quote(expected), shown(found))),
    }
}

/// For whom a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audiences {
    /// For us alone, or also for those whom the configuration trusts.
    Trusted,
    /// For us, and for others.
    WithOthers,
}

/// Checks that our client identifier is among the audiences (section 3.1.3.7, rule 3).
pub(crate) fn audience(claims: &Claims, provider: &Provider) -> Result<Audiences, String> {
    let found = claims.get("aud");
    let ours = |audience: &Value| audience.as_str() == Some(provider.client_id.as_str());
    let trusted = |audience: &Value| ours(audience) || provider.trusted_audiences.iter().any(|trusted| audience == trusted);
    match found {
        Some(audience @ Value::String(_)) if ours(audience) => Ok(Audiences::Trusted),
        Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) && audiences.iter().any(ours) => {
            Ok(if audiences.iter().all(trusted) { Audiences::Trusted } else { Audiences::WithOthers })
        }
        _ => Err(format!(
            "expected aud {}, found {}; if it should be there, add it by an audience mapper at the provider",
            quote(&provider.client_id),
            shown(found)
        )),
    }
}

/// Checks that an `azp` names us, and that there is one if the token is for others too whom the configuration does not trust
/// (section 3.1.3.7, the end of rule 3, and rules 4 and 5).
pub(crate) fn authorized_party(claims: &Claims, provider: &Provider, audiences: Audiences) -> Result<(), String> {
    match present(claims, "azp") {
        Some(Value::String(party)) if *party == provider.client_id => Ok(()),
        None if audiences == Audiences::Trusted => Ok(()),
        None => Err(format!(
            "the token is for others too ({}), and no azp says that we asked for it; if it should be so, write the others as trusted_audiences",
            shown(claims.get("aud"))
        )),
        found => Err(format!("expected azp {}, found {}", quote(&provider.client_id), shown(found))),
    }
}

/// `sub`, if it can be the subject of a session (section 2).
pub(crate) fn subject(claims: &Claims) -> Result<String, &'static str> {
    match claims.get("sub") {
        Some(Value::String(subject)) if subject.is_empty() => Err("sub is empty"),
        Some(Value::String(subject)) if is_reserved(subject) => {
            Err("sub begins like the name of a client (client:) or of a person without sub (username:)")
        }
        Some(Value::String(subject)) if subject.len() > LONGEST_SUBJECT => Err("sub is longer than 255 characters"),
        Some(Value::String(subject)) if subject.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok(subject.clone()),
        Some(Value::String(_)) => Err("sub has characters that are not printable ASCII"),
        Some(_) => Err("sub is not a text"),
        None => Err("sub is missing"),
    }
}

/// How a name that a provider gave to a session (`sid`) or to a token (`jti`) is kept: as it is, or the hash of a long one,
/// because no specification limits its length.
pub(crate) fn kept_name(name: &str) -> String {
    if name.len() <= LONGEST_SUBJECT { name.to_owned() } else { left_half_hash(Hash::Sha256, name) }
}
