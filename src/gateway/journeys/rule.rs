//! The rule that a request must meet: the one for its host, method, path and call, with the policy of Envoy's route. Who sends the
//! request is not known here.

use std::borrow::Cow;
use std::rc::Rc;

use crate::access::mcp::call::{Call, VERSIONS, says_what_it_calls};
use crate::access::resources::BodyCheckedBy;
use crate::access::route::{Rule, SharedCache};
use crate::config::settings::Settings;
use crate::step::visit::Visit;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::world::{RouteMetadata, World};

/// The key in route metadata that names a policy.
const ROUTE_POLICY: &str = "policy";

/// The rule that applies to a request, with the condition of the policy that Envoy's route names added to it; and why the request is
/// refused whoever sent it, if it is. Removing a header makes Envoy choose the route again, and the new one could name another policy.
/// So while routes name policies, a request with a header that would be removed is refused.
///
/// # Errors
/// [`Reason::HeaderAmbiguous`] for such a request; [`Reason::RoutePolicyUnknown`] if the policy is not defined or cannot be read.
pub(super) fn tightened<'a>(
    settings: &'a Settings,
    world: &dyn World,
    visit: &Visit,
    call: &Call,
) -> Result<(Cow<'a, Rule>, Option<Failure>), Failure> {
    let request = &visit.request;
    let (rule, refused) = rule_for(settings, visit, call);
    let Some(namespace) = &settings.route_policies else { return Ok((rule, refused)) };
    if let Some(name) = settings.identity.sent_by_client(&request.headers).next() {
        return Err(Failure::new(Reason::HeaderAmbiguous, format!("{} came, while routes name policies", quote(name))));
    }
    let unknown = |detail: String| Failure::new(Reason::RoutePolicyUnknown, detail);
    let name = match world.route_metadata(namespace, ROUTE_POLICY) {
        RouteMetadata::Absent => return Ok((rule, refused)),
        RouteMetadata::Text(name) => name,
        RouteMetadata::Unreadable => {
            return Err(unknown("the policy that the route names is no text, is empty, or cannot be read".to_owned()));
        }
    };
    let policy = settings.policy(&name);
    let policy = policy.ok_or_else(|| unknown(format!("the route names policy {}, which is not defined", quote(&name))))?;
    Ok((Cow::Owned(Rule { require: rule.require.and(policy), ..rule.into_owned() }), refused))
}

/// The rule that a request must meet: the first that certainly is for it, together with those before it that may be. A request that may
/// fall to rules of which one gives the server another token than another is refused: it would come with a token for another call.
fn rule_for<'a>(settings: &'a Settings, visit: &Visit, call: &Call) -> (Cow<'a, Rule>, Option<Failure>) {
    let (rules, request, host) = (&settings.rules, &visit.request, visit.origin.host());
    if !rules.tell_calls_apart() {
        return (Cow::Borrowed(rules.find(&request.method, host, &request.path)), None);
    }
    let (rule, possible) = rules.deciding(&request.method, host, &request.path, call);
    if possible.is_empty() {
        return (Cow::Borrowed(rule), None);
    }
    let mut names: Vec<_> = possible.iter().map(|rule| &*rule.name).collect();
    names.push(&rule.name);
    let mut together = Rule { name: Rc::from(names.join(", ")), ..rule.clone() };
    let mut refused = None;
    for other in possible {
        together.require = other.require.with(&together.require);
        if other.shared_cache == SharedCache::Refused {
            together.shared_cache = SharedCache::Refused;
        }
        if (&other.upstream_token, &other.audience) != (&rule.upstream_token, &rule.audience) {
            refused = Some(tokens_differ(settings, visit));
        }
    }
    (Cow::Owned(together), refused)
}

/// Why a request is refused that may fall to rules with different tokens. A client that could say what it calls by another version is told
/// so.
fn tokens_differ(settings: &Settings, visit: &Visit) -> Failure {
    let by_fields = visit.resource(settings).is_some_and(|at| at.body_checked_by != Some(BodyCheckedBy::EnvoyMcpFilterBefore));
    if by_fields && visit.request.method == "POST" && !says_what_it_calls(&visit.request) {
        let only = VERSIONS.join(" and ");
        let detail = format!("this server takes MCP-Protocol-Version {only} only: by others it is not known what is called");
        return Failure::new(Reason::McpVersionRefused, detail);
    }
    let detail = "it is not known what is called, and different calls reach the server with different tokens";
    Failure::new(Reason::McpFieldsInvalid, detail)
}
