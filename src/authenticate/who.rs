//! Who is asking, by the credentials that count under a rule. Whether they may, the gateway says.

use crate::access::route::{Credentials, Rule};
use crate::authenticate::brought::{Brought, brought};
use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::{bearer, freshness, session, session_token};
use crate::config::settings::Settings;
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// Whether bearer tokens count under a rule, of anybody.
pub fn accepts_tokens(settings: &Settings, rule: &Rule) -> bool {
    rule.credentials != Credentials::Session && (settings.session.as_bearer().is_some() || settings.accepts_provider_tokens())
}

/// Who is asking under a rule. A token that came is the one credential that is looked at.
pub fn who(scene: &mut Scene<'_>, visit: &Visit, rule: &Rule, events: &mut Vec<Event>) -> Identity {
    if accepts_tokens(scene.settings, rule) {
        match brought(visit) {
            Brought::Token(token) => {
                let ours = session_token::authenticate(scene, visit, token, events);
                return ours.unwrap_or_else(|| bearer::authenticate(scene, visit, token, events));
            }
            Brought::TooMuch => return Identity::Unknown(Failure::new(Reason::TokenAmbiguous, "")),
            Brought::Nothing if rule.credentials == Credentials::Bearer => {
                return Identity::Unknown(Failure::new(Reason::TokenMissing, ""));
            }
            Brought::Nothing => {}
        }
    }
    by_cookie(scene, visit, events)
}

/// Who is asking by a session's cookie.
pub fn by_cookie(scene: &mut Scene<'_>, visit: &Visit, events: &mut Vec<Event>) -> Identity {
    match session::authenticate(scene, visit, events) {
        Ok((verified, renewal)) => freshness::with_good_tokens(scene, visit, verified, renewal),
        Err(reason) => Identity::Unknown(Failure::new(reason, "")),
    }
}
