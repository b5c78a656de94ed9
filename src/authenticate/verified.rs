//! A verified identity, by whichever credential, and everything that follows from it: the identity headers for the upstream, its
//! identity JWTs, and how much memory it takes to remember them. Nothing is verified here.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::access::upstream::believed::{ACCESS_TOKEN, ID_TOKEN, PROVIDER};
use crate::authenticate::identity_jwt::IdentityJwts;
use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::bearer::access_token::AccessToken;
use crate::session::content::Session;
use crate::session::ended::names::Names;
use crate::session::open::LetIn;
use crate::words::principal::{ClaimPath, Claims, Principal, Proof};
use crate::words::time::Timestamp;

/// The part of a remembered identity's size that is the same for all, in bytes, roughly.
const FIXED: usize = 1_024;

/// A verified identity, with everything that follows from it. Debug output shows the credential, which redacts itself, and only
/// the names of the headers, because forwarded tokens are among the values.
#[derive(PartialEq)]
pub struct Verified {
    /// The credential that proved it.
    pub credential: Credential,
    /// The person or client that the credential speaks for.
    pub principal: Principal,
    /// When the credential ends, however often it is renewed.
    pub ends: Timestamp,
    /// The client that a provider's token was issued to; `None` if it does not say so, and of sessions.
    pub client: Option<Rc<str>>,
    /// The principal's subject, for Envoy's access log.
    pub subject: Rc<str>,
    /// The identity headers for the upstream, and the tokens that are forwarded to it.
    pub headers: Rc<[(Rc<str>, String)]>,
    /// The identity JWTs that were signed for it.
    pub identity_jwts: IdentityJwts,
    /// Under which names it may have ended; none for a credential that is no session.
    pub ended: Rc<Names>,
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        formatter.debug_struct("Verified").field("credential", &self.credential).field("headers", &names).finish_non_exhaustive()
    }
}

/// The credential that proved an identity.
#[derive(Debug, PartialEq)]
pub enum Credential {
    /// A session of ours, in a cookie or as a bearer token.
    Session(Box<Session>),
    /// A provider's JWT that was verified by its keys.
    Token {
        /// [`HeldKeys::since`](crate::upkeep::documents::HeldKeys::since) of these keys. Once the provider has others, the token
        /// is verified again.
        keys_since: Timestamp,
    },
    /// An opaque token, by the introspection response of its provider.
    OpaqueToken,
}

impl Verified {
    /// The identity of a session that came as a bearer token.
    pub fn by_session_token(settings: &Settings, session: Session, ended: Names) -> Self {
        let mut verified = Self::by_session(settings, session, ended);
        verified.principal.proof = Proof::SessionToken;
        verified
    }

    /// The identifier of the session; `None` of a provider's token.
    pub fn session_id(&self) -> Option<&str> {
        match &self.credential {
            Credential::Session(session) => Some(&session.id),
            Credential::Token { .. } | Credential::OpaqueToken => None,
        }
    }

    /// When the provider's tokens in the session should be refreshed; never, if there is nothing to refresh.
    pub(super) fn tokens_due(&self) -> Timestamp {
        let due = match &self.credential {
            Credential::Session(session) => session.tokens.due,
            Credential::Token { .. } | Credential::OpaqueToken => None,
        };
        due.unwrap_or(Timestamp::from_millis(u64::MAX))
    }

    /// The identity of a session, with the names under which it may have ended.
    pub fn by_session(settings: &Settings, session: Session, ended: Names) -> Self {
        let principal = session.principal(settings.session.lifetimes, settings.assumed_verified(&session.provider));
        let mut headers = identity_headers(settings, &principal, &principal.claims);
        let tokens = [
            (settings.forward.access_token, ACCESS_TOKEN, &session.tokens.access_token),
            (settings.forward.id_token, ID_TOKEN, &session.tokens.id_token),
        ];
        for (wanted, name, token) in tokens {
            if let (true, Some(token)) = (wanted, token) {
                headers.push((Rc::from(name), token.expose().to_owned()));
            }
        }
        let subject = Rc::from(principal.subject.as_str());
        let ends = session.ends.min(session.created.plus(settings.session.lifetimes.absolute));
        Self {
            credential: Credential::Session(Box::new(session)),
            principal,
            ends,
            client: None,
            subject,
            headers: headers.into(),
            identity_jwts: IdentityJwts::new(settings),
            ended: Rc::new(ended),
        }
    }

    /// The identity of a provider's token that was verified.
    pub fn by_access_token(
        settings: &Settings,
        provider: &ProviderSettings,
        mut token: AccessToken,
        credential: Credential,
    ) -> Self {
        let client = token.client().map(Rc::from);
        let mut claims = Claims::new();
        settings.kept_claims.iter().for_each(|path| path.take(&mut token.claims, &mut claims));
        // Each request is asked which resource the token is for.
        if provider.oidc.bearer.as_ref().is_some_and(|bearer| !bearer.resource_audiences.is_empty()) {
            ClaimPath::named("aud").take(&mut token.claims, &mut claims);
        }
        let claims = Rc::new(claims);
        // An application would take a request without a subject header for anonymous. So a token without `sub` is given the
        // client as subject there; conditions only see the token's own claims.
        let mut header_claims = Rc::clone(&claims);
        if !header_claims.contains_key("sub") {
            Rc::make_mut(&mut header_claims).insert("sub".to_owned(), token.subject.as_str().into());
        }
        let principal = Principal {
            provider: provider.oidc.name.clone(),
            subject: token.subject,
            claims,
            assumed: provider.assumed_verified,
            proof: Proof::BearerToken,
            expires: token.expires,
        };
        let headers = identity_headers(settings, &principal, &header_claims);
        let (subject, ends) = (Rc::from(principal.subject.as_str()), principal.expires);
        let identity_jwts = IdentityJwts::new(settings);
        let ended = Rc::default();
        Self { credential, ends, client, subject, headers: headers.into(), principal, identity_jwts, ended }
    }

    /// The session that lets a request in; `None` if the credential is none. (Nothing ends a provider's token.)
    pub fn let_in(&self) -> Option<LetIn> {
        let (names, subject) = (Rc::clone(&self.ended), Rc::clone(&self.subject));
        matches!(self.credential, Credential::Session(_)).then_some(LetIn { names, subject, ends: self.ends })
    }

    /// How many bytes it takes, roughly, for a credential whose text has `credential` bytes. (What a session holds beside its
    /// claims is not larger than that.)
    pub(super) fn weight(&self, credential: usize) -> usize {
        let claims: usize = self.principal.claims.iter().map(|(name, value)| name.len().saturating_add(size(value))).sum();
        let headers: usize = self.headers.iter().map(|(_, value)| value.len()).sum();
        let tokens = self.identity_jwts.most_bytes(claims);
        let client = self.client.as_ref().map_or(0, |client| client.len());
        [FIXED, credential, claims, headers, tokens, client].into_iter().fold(0, usize::saturating_add)
    }
}

fn identity_headers(settings: &Settings, principal: &Principal, claims: &Claims) -> Vec<(Rc<str>, String)> {
    let mut headers = settings.identity.values(claims, principal.assumed);
    if settings.several_claimants && !principal.provider.is_empty() {
        headers.push((Rc::from(PROVIDER), principal.provider.clone()));
    }
    headers
}

/// How many bytes a claim takes, roughly: its texts, and 48 bytes for each value and its allocation.
fn size(claim: &Value) -> usize {
    let held = match claim {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(members) => members.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len().saturating_add(size(value))).sum(),
    };
    held.saturating_add(48)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_counted_with_the_memory_that_it_takes() {
        let text = "x".repeat(100_000);
        for (claim, least) in [(json!(text), 100_000), (json!({"a": [{"b": text}]}), 100_000), (json!(vec![0; 1_000]), 32_000)] {
            assert!(size(&claim) >= least, "{}", size(&claim));
        }
    }
}
