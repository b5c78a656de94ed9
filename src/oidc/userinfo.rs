//! Userinfo: more claims about the person whom the ID token names (OpenID Connect Core, section 5.3). They add to what is known
//! about the person, but cannot change who that is, and how it was proved.

use crate::http::message::{HttpCall, Reply};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{Provider, ProviderRequest};
use crate::oidc::reply::{self, FailureReasons};
use crate::words::principal::{AssumedVerified, Claims, VERIFIABLE_CLAIMS, is_verified};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

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
    "amr",
    "sid",
    "at_hash",
    "c_hash",
    "s_hash",
    "cnf",
    "events",
];

/// The userinfo request (OpenID Connect Core, section 5.3.1).
///
/// # Errors
/// [`Reason::UserinfoUnreachable`] if the provider has no usable `userinfo_endpoint`.
pub fn userinfo_request(provider: &Provider, metadata: &Metadata, access_token: &Secret) -> Result<HttpCall, Failure> {
    let url = metadata.needed(EndpointName::Userinfo).map_err(no_endpoint)?;
    let mut request = ProviderRequest::for_json(url);
    request.headers.push(("authorization", format!("Bearer {}", access_token.expose())));
    provider.call(request, Reason::UserinfoUnreachable)
}

/// Reads the claims, which must be about the subject of the ID token (OpenID Connect Core, section 5.3.2).
///
/// # Errors
/// [`Reason::UserinfoTimeout`]; [`Reason::UserinfoUnreachable`], also if the access token is refused;
/// [`Reason::UserinfoMalformed`]; [`Reason::UserinfoSubject`].
pub fn userinfo_response(provider: &Provider, metadata: &Metadata, reply: &Reply, subject: &str) -> Result<Claims, Failure> {
    let url = metadata.needed(EndpointName::Userinfo).map_err(no_endpoint)?;
    let answer = reply::answer(provider, url, reply, REASONS)?;
    if (400..500).contains(&answer.status) {
        let detail = answer.says(&format!("status {}, so it does not accept our access token", answer.status));
        return Err(Failure::new(Reason::UserinfoUnreachable, detail));
    }
    // Some providers send JSON without a type, or as text.
    if answer.status == 200 && !["application/json", "", "text/plain"].iter().any(|name| answer.is_of_type(name)) {
        return Err(answer.malformed(match answer.is_of_type("application/jwt") {
            true => "the content type is application/jwt: signed userinfo is not supported; let the provider send JSON",
            false => "the content type is not application/json",
        }));
    }
    let claims = answer.document()?;
    // Section 5.3.2: if `sub` is not exactly that of the ID token, the claims must not be used.
    match reply::text(&claims, "sub") {
        Ok(Some(found)) if found == subject => Ok(claims),
        _ => Err(Failure::new(Reason::UserinfoSubject, answer.says("sub is not the ID token's"))),
    }
}

/// Whether only the ID token may contain a claim. All other claims describe the person.
pub fn is_protocol_claim(name: &str) -> bool {
    PROTOCOL_CLAIMS.contains(&name)
}

/// Adds the claims of userinfo to those of an ID token.
pub fn merge(claims: &mut Claims, userinfo: Claims) {
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
