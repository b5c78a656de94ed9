//! Who is asking, by the credentials that a rule accepts. It never decides whether they may; the gateway does.

use crate::access::route::{Credentials, Rule};
use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::{bearer, freshness, session, session_token};
use crate::config::settings::Settings;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// Whether a rule accepts bearer tokens: sessions of ours or tokens of a provider.
pub fn accepts_tokens(settings: &Settings, rule: &Rule) -> bool {
    rule.credentials != Credentials::Session && settings.accepts_bearer_tokens()
}

/// Who is asking, under a rule. If the rule accepts bearer tokens and one came, the cookie is not looked at.
pub fn who(scene: &mut Scene<'_>, visit: &Visit, rule: &Rule, events: &mut Vec<Event>) -> Identity {
    if accepts_tokens(scene.settings, rule) {
        match bearer_token(visit) {
            BearerToken::Present(token) => {
                let ours = session_token::authenticate(scene, visit, token, events);
                return ours.unwrap_or_else(|| bearer::authenticate(scene, visit, token, events));
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

/// Who is asking, by the session's cookie alone.
pub fn by_cookie(scene: &mut Scene<'_>, visit: &Visit, events: &mut Vec<Event>) -> Identity {
    match session::authenticate(scene, visit, events) {
        Ok((verified, renewal)) => freshness::with_good_tokens(scene, visit, verified, renewal),
        Err(failure) => Identity::Unknown(failure),
    }
}
