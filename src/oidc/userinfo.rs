//! Userinfo: more claims about the person whom the ID token names (OpenID Connect Core, section 5.3). They add to what is known
//! about the person, but cannot change who that is, and how it was proved.

mod signed;

use crate::crypto::key::KeySet;
use crate::http::message::{HttpCall, Reply};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{Provider, ProviderRequest};
use crate::oidc::reply::{self, Content, FailureReasons};
use crate::oidc::userinfo::signed::SignedError;
use crate::words::principal::{AssumedVerified, Claims, VERIFIABLE_CLAIMS, is_verified};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

const REASONS: FailureReasons = FailureReasons {
    timeout: Reason::UserinfoTimeout,
    unreachable: Reason::UserinfoUnreachable,
    malformed: Reason::UserinfoMalformed,
};

/// The claims that only the ID token may contain: who was authenticated, for whom, until when, and how.
const PROTOCOL_CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "auth_time",
    "acr",
    "acrs",
    "amr",
    "sid",
    "at_hash",
    "c_hash",
    "s_hash",
    "cnf",
    "events",
];

/// What userinfo is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The subject of the ID token.
    pub subject: &'a str,
    /// The provider's keys, as far as they were fetched. They verify signed userinfo.
    pub keys: &'a KeySet,
    /// The present time, by our clock.
    pub now: Timestamp,
}

/// Why userinfo is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserinfoError {
    /// It is signed, and no key of ours is the one that it names, or is for its algorithm. It may be a key that was published after
    /// ours were fetched. The caller fetches the keys and reads the response again; if there are no newer ones, this is the failure.
    KeyUnknown(Failure),
    /// It is signed, but not by our key that it names, which may have been replaced since under the same `kid`. The caller does the
    /// same. (The same goes for userinfo that names no key, and is signed by none that fits.)
    SignatureWrong(Failure),
    /// It is refused for good.
    Refused(Failure),
}

impl From<Failure> for UserinfoError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// The userinfo request (OpenID Connect Core, section 5.3.1).
///
/// # Errors
/// [`Reason::UserinfoUnreachable`] if the provider has no usable `userinfo_endpoint`.
pub fn userinfo_request(provider: &Provider, metadata: &Metadata, access_token: &Secret) -> Result<HttpCall, Failure> {
    let url = metadata.needed(EndpointName::Userinfo).map_err(no_endpoint)?;
    let mut request = ProviderRequest::get(url, "application/json, application/jwt;q=0.5");
    request.headers.push(("authorization", format!("Bearer {}", access_token.expose())));
    provider.call(request, Reason::UserinfoUnreachable)
}

/// Reads the claims, which must be about the subject of the ID token (OpenID Connect Core, section 5.3.2). They come as JSON, or
/// as a JWT that the provider has signed.
///
/// # Errors
/// See [`UserinfoError`]. The reasons are [`Reason::UserinfoTimeout`]; [`Reason::UserinfoUnreachable`], also if the access token is
/// refused; [`Reason::UserinfoMalformed`], also for a wrong signature; [`Reason::UserinfoSubject`].
pub fn userinfo_response(
    world: &dyn World,
    provider: &Provider,
    metadata: &Metadata,
    reply: &Reply,
    expected: &Expectations<'_>,
) -> Result<Claims, UserinfoError> {
    let url = metadata.needed(EndpointName::Userinfo).map_err(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    if (400..500).contains(&answer.status) {
        let detail = answer.says(&format!("status {}, so it does not accept our access token", answer.status));
        return Err(Failure::new(Reason::UserinfoUnreachable, detail).into());
    }
    // A JWT is taken only if it is called one: under another type, nobody has said that the claims in it are for us.
    let claims = match answer.content() {
        Content::Jwt => {
            let claims = signed::claims(world, provider, answer.text()?, expected.keys, expected.now);
            claims.map_err(|error| match error {
                SignedError::KeyUnknown(what) => UserinfoError::KeyUnknown(answer.malformed(&what)),
                SignedError::SignatureWrong(what) => UserinfoError::SignatureWrong(answer.malformed(&what)),
                SignedError::Refused(what) => UserinfoError::Refused(answer.malformed(&what)),
            })?
        }
        Content::Json | Content::NotSaid | Content::Other => answer.typed_document("application/json or application/jwt")?,
    };
    // Section 5.3.2: if `sub` is not exactly that of the ID token, the claims must not be used.
    match reply::text(&claims, "sub") {
        Ok(Some(found)) if found == expected.subject => Ok(claims),
        _ => Err(Failure::new(Reason::UserinfoSubject, answer.says("sub is not the ID token's")).into()),
    }
}

/// Whether only the ID token may contain a claim. All other claims describe the person.
pub fn is_protocol_claim(name: &str) -> bool {
    PROTOCOL_CLAIMS.contains(&name)
}

/// Adds the claims of userinfo to those of an ID token. A claim that is `null` is as good as absent.
pub fn merge(claims: &mut Claims, mut userinfo: Claims) {
    userinfo.retain(|_, value| !value.is_null());
    let nobody = AssumedVerified::default();
    for (value, verified) in VERIFIABLE_CLAIMS {
        // If the ID token calls its own address verified, that says nothing about another address. If it calls it unverified,
        // that stands until userinfo says otherwise.
        if userinfo.get(value).is_some_and(|newer| claims.get(value) != Some(newer)) && is_verified(value, claims, nobody) {
            claims.remove(verified);
        }
    }
    // A good verdict in userinfo without the address says nothing about the address in the ID token.
    let orphaned =
        VERIFIABLE_CLAIMS.iter().filter(|(value, _)| !userinfo.contains_key(*value) && is_verified(value, &userinfo, nobody));
    let orphaned: Vec<_> = orphaned.map(|(_, verified)| *verified).collect();
    let keeps = |name: &str| is_protocol_claim(name) || orphaned.contains(&name);
    claims.extend(userinfo.into_iter().filter(|(name, _)| !keeps(name)));
}

fn no_endpoint(why: String) -> Failure {
    Failure::new(Reason::UserinfoUnreachable, why)
}

#[cfg(test)]
mod tests;
