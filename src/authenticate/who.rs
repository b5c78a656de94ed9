//! Who is asking, by the credentials that a rule accepts. It never decides whether they may; the gateway does.

use crate::access::resources::{ProtectedResource, check_audience};
use crate::access::route::{Credentials, Rule};
use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::{bearer, freshness, session, session_token};
use crate::config::settings::Settings;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::principal::Proof;
use crate::words::reason::{Failure, Reason};

/// Whether bearer tokens are accepted, sessions of ours or tokens of a provider: by a rule, or because the request is for a protected
/// resource.
pub fn accepts_tokens(settings: &Settings, rule: &Rule, resource: Option<&ProtectedResource>) -> bool {
    resource.is_some() || (rule.credentials != Credentials::Session && settings.accepts_bearer_tokens_elsewhere())
}

/// Who is asking, under a rule. If the rule accepts bearer tokens and one came, the cookie is not looked at. For a protected resource,
/// nothing counts but a provider's token that is meant for it.
pub fn who(
    scene: &mut Scene<'_>,
    visit: &Visit,
    rule: &Rule,
    resource: Option<&ProtectedResource>,
    events: &mut Vec<Event>,
) -> Identity {
    let settings = scene.settings;
    if resource.is_some() {
        let identity = match bearer_token(visit) {
            BearerToken::Present(token) => bearer::authenticate(scene, visit, token, events),
            BearerToken::Ambiguous => Identity::Unknown(Failure::new(Reason::TokenAmbiguous, "")),
            BearerToken::Absent => Identity::Unknown(Failure::new(Reason::TokenMissing, "")),
        };
        return meant_for(settings, resource, identity);
    }
    if accepts_tokens(settings, rule, None) {
        match bearer_token(visit) {
            BearerToken::Present(token) => {
                let ours = session_token::authenticate(scene, visit, token, events);
                return ours.unwrap_or_else(|| meant_for(settings, None, bearer::authenticate(scene, visit, token, events)));
            }
            BearerToken::Ambiguous => return Identity::Unknown(Failure::new(Reason::TokenAmbiguous, "")),
            BearerToken::Absent if rule.credentials == Credentials::Bearer => {
                return Identity::Unknown(Failure::new(Reason::TokenMissing, ""));
            }
            BearerToken::Absent => {}
        }
    }
    by_cookie(scene, visit, events)
}

/// The same, unless it is by a token for something else than was asked for: a token for a protected resource counts there alone, and
/// no other token counts there (RFC 8707, section 2; RFC 9728, section 7.4).
pub fn meant_for(settings: &Settings, resource: Option<&ProtectedResource>, identity: Identity) -> Identity {
    let Identity::Known(verified, _) = &identity else { return identity };
    let principal = &verified.principal;
    if principal.proof != Proof::BearerToken {
        return identity;
    }
    let checked = match resource {
        Some(resource) => resource.check_token(principal),
        None => {
            let accepted = settings.provider(&principal.provider).and_then(|provider| provider.oidc.bearer.as_ref());
            match accepted {
                Some(bearer) if bearer.audiences.is_empty() => {
                    Err(format!("its provider is {}, whose tokens are for protected resources alone", principal.provider))
                }
                // Whether a token without `aud` is accepted was decided when it was verified.
                Some(bearer) if !bearer.resource_audiences.is_empty() && principal.claims.contains_key("aud") => {
                    check_audience(principal, &bearer.audiences)
                }
                _ => Ok(()),
            }
        }
    };
    checked.map_or_else(|detail| Identity::invalid_token(&detail), |()| identity)
}

/// Who is asking, by the session's cookie alone.
pub fn by_cookie(scene: &mut Scene<'_>, visit: &Visit, events: &mut Vec<Event>) -> Identity {
    match session::authenticate(scene, visit, events) {
        Ok((verified, renewal)) => freshness::with_good_tokens(scene, visit, verified, renewal),
        Err(failure) => Identity::Unknown(failure),
    }
}
