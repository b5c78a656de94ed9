//! Somebody who was verified, by whichever credential, and everything that follows from it: the headers and the token that the
//! upstream gets, and what it takes to remember them. Nothing is verified here.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::access::believed::{ACCESS_TOKEN, ID_TOKEN, PROVIDER};
use crate::authenticate::identity_jwt;
use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::bearer::access_token::AccessToken;
use crate::session::content::Session;
use crate::words::principal::{Claims, Principal, Proof};
use crate::words::time::Timestamp;

/// What somebody who is remembered takes without anything that differs from one to another, in bytes, roughly.
const FIXED: usize = 1_024;

/// Somebody who was verified, with everything that follows from it. Debug output shows the credential, which redacts itself, and
/// of the headers the names: forwarded tokens are among the values.
#[derive(PartialEq)]
pub struct Verified {
    /// What proved it.
    pub credential: Credential,
    /// Who it speaks for.
    pub principal: Principal,
    /// When it ends, renewed or not.
    pub ends: Timestamp,
    /// The principal's subject, for Envoy's access log.
    pub subject: Rc<str>,
    /// The headers for the upstream.
    pub headers: Rc<[(Rc<str>, String)]>,
    /// The tokens that told upstreams of it lately.
    pub identity_jwts: identity_jwt::Remembered,
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        formatter.debug_struct("Verified").field("credential", &self.credential).field("headers", &names).finish_non_exhaustive()
    }
}

/// What proved an identity.
#[derive(Debug, PartialEq)]
pub enum Credential {
    /// A session.
    Session(Box<Session>),
    /// A bearer token, verified by keys that have been the same since then. It counts only as long as these are the provider's keys.
    Token {
        /// When.
        keys_since: Timestamp,
    },
    /// A bearer token that its provider was asked about.
    OpaqueToken,
}

impl Verified {
    /// What follows from a session of ours that came as a bearer token.
    pub fn by_session_token(settings: &Settings, session: Session) -> Self {
        let mut verified = Self::by_session(settings, session);
        verified.principal.proof = Proof::SessionToken;
        verified
    }

    /// When the tokens behind it should be refreshed.
    pub(super) fn tokens_due(&self) -> Timestamp {
        let due = match &self.credential {
            Credential::Session(session) => session.tokens.due,
            Credential::Token { .. } | Credential::OpaqueToken => None,
        };
        due.unwrap_or(Timestamp::from_millis(u64::MAX))
    }

    /// What follows from a session.
    pub fn by_session(settings: &Settings, session: Session) -> Self {
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
            subject,
            headers: headers.into(),
            identity_jwts: identity_jwt::Remembered::for_some(settings),
        }
    }

    /// What follows from a provider's token that was verified.
    pub fn by_access_token(
        settings: &Settings,
        provider: &ProviderSettings,
        mut token: AccessToken,
        credential: Credential,
    ) -> Self {
        let mut claims = Claims::new();
        settings.kept_claims.iter().for_each(|path| path.take(&mut token.claims, &mut claims));
        let claims = Rc::new(claims);
        // An application takes a request without a name for nobody's: it is told of the client. Conditions see what the token says.
        let mut told = Rc::clone(&claims);
        if !told.contains_key("sub") {
            Rc::make_mut(&mut told).insert("sub".to_owned(), token.subject.as_str().into());
        }
        let principal = Principal {
            provider: provider.oidc.name.clone(),
            subject: token.subject,
            claims,
            assumed: provider.assumed_verified,
            proof: Proof::BearerToken,
            expires: token.expires,
        };
        let headers = identity_headers(settings, &principal, &told);
        let (subject, ends) = (Rc::from(principal.subject.as_str()), principal.expires);
        let identity_jwts = identity_jwt::Remembered::for_some(settings);
        Self { credential, ends, subject, headers: headers.into(), principal, identity_jwts }
    }

    /// About how many bytes it takes, for a credential of so many: what a session has beside its claims is no larger than that.
    pub(super) fn weight(&self, credential: usize) -> usize {
        let claims: usize = self.principal.claims.iter().map(|(name, value)| name.len().saturating_add(size(value))).sum();
        let headers: usize = self.headers.iter().map(|(_, value)| value.len()).sum();
        let tokens = self.identity_jwts.most_bytes(claims);
        [FIXED, credential, claims, headers, tokens].into_iter().fold(0, usize::saturating_add)
    }
}

fn identity_headers(settings: &Settings, principal: &Principal, told: &Claims) -> Vec<(Rc<str>, String)> {
    let mut headers = settings.identity.values(told, principal.assumed);
    if settings.several_claimants && !principal.provider.is_empty() {
        headers.push((Rc::from(PROVIDER), principal.provider.clone()));
    }
    headers
}

/// About how many bytes a claim takes: what it holds, and a place and an allocation for each text and list.
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
    fn claims_weigh_what_they_take_however_short_the_token_is_that_brought_them() {
        let text = "x".repeat(100_000);
        for (claim, least) in [(json!(text), 100_000), (json!({"a": [{"b": text}]}), 100_000), (json!(vec![0; 1_000]), 32_000)] {
            assert!(size(&claim) >= least, "{}", size(&claim));
        }
    }
}
