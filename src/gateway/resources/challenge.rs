//! What a refused request is told about bearer tokens: whether they are accepted, and which scopes to ask for. Whether it is refused is
//! never decided here.

use crate::access::mcp::call::Call;
use crate::access::requirement::Requirement;
use crate::access::requirement::test::{is_scope, scopes};
use crate::access::resources::ProtectedResource;
use crate::access::route::{Credentials, Rule};
use crate::answer::refusal::BearerChallenge;
use crate::authenticate::verified::Verified;
use crate::authenticate::who::accepts_tokens;
use crate::config::settings::Settings;
use crate::words::principal::Proof;

/// The most scopes that a challenge names.
const MOST_SCOPES: usize = 100;

/// What is told under a rule, to somebody who is known or to nobody, who makes this call.
pub(crate) fn challenge(
    settings: &Settings,
    rule: &Rule,
    (resource, call): (Option<&ProtectedResource>, &Call),
    verified: Option<&Verified>,
) -> BearerChallenge {
    let asked_for = match &rule.require {
        Requirement::When(condition) => condition.scopes(call),
        Requirement::Public | Requirement::Authenticated => Vec::new(),
    };
    let scope = resource.map_or_else(|| asked_for.join(" "), |resource| wanted(resource, &asked_for, verified));
    let by_token = verified.is_some_and(|verified| verified.principal.proof == Proof::BearerToken);
    match accepts_tokens(settings, rule, resource) {
        false => BearerChallenge::NotAccepted,
        true if by_token => BearerChallenge::TokenSent { scope },
        true => BearerChallenge::Accepted { scope, only: resource.is_some() || rule.credentials == Credentials::Bearer },
    }
}

/// The scopes that a client of a protected resource is told to ask for: those of the resource, and where a token came that lacks one,
/// also those that the rule asks for and those that the token has. (Most clients ask for no more than is named here, and would lose the
/// others.) It is the same text for the same rule and token, by which clients know when to stop.
fn wanted(resource: &ProtectedResource, asked_for: &[&str], verified: Option<&Verified>) -> String {
    let granted = verified.and_then(|verified| scopes(&verified.principal.claims)).unwrap_or_default();
    let further = asked_for.iter().copied().filter(|_| verified.is_some()).chain(granted);
    let further = further.filter(|scope| is_scope(scope)).map(|scope| resource.asked(scope));
    let mut once: Vec<String> = Vec::new();
    for scope in resource.scopes.iter().cloned().chain(further) {
        // A token may have thousands.
        if once.len() < MOST_SCOPES && !once.contains(&scope) {
            once.push(scope);
        }
    }
    once.join(" ")
}
