//! What a request calls at an MCP server behind us, by its header fields, and whether it can be read and is accepted. Who may make the
//! call is never decided here.

use std::borrow::Cow;
use std::rc::Rc;

use crate::access::mcp::call::{self, Call, VERSIONS, says_what_it_calls};
use crate::access::mcp::metadata;
use crate::access::resources::{BodyCheckedBy, ProtectedResource};
use crate::access::route::{Rule, SharedCache};
use crate::config::settings::Settings;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::world::World;

/// What a request calls, and why it is refused whoever sent it, if it is.
pub(crate) fn called(
    settings: &Settings,
    world: &dyn World,
    visit: &Visit,
    resource: Option<&ProtectedResource>,
) -> (Call, Option<Failure>) {
    let request = &visit.request;
    let posts = request.method == "POST";
    match resource {
        None if posts => (Call::Any, None),
        None => (Call::Nothing, None),
        Some(resource) if posts && resource.refuses_older_versions && !says_what_it_calls(request) => {
            let detail = format!("this server takes MCP-Protocol-Version {} only", VERSIONS.join(" and "));
            (Call::Any, Some(Failure::new(Reason::McpVersionRefused, detail)))
        }
        Some(_) if !settings.looks_at_calls => (Call::Any, None),
        Some(resource) => {
            let read = match resource.body_checked_by {
                Some(BodyCheckedBy::EnvoyMcpFilterBefore) if posts => {
                    let by_body = metadata::call(|path| world.request_metadata(metadata::NAMESPACE, path));
                    call::call_by_body(request, by_body)
                }
                _ => call::call(request),
            };
            match read {
                Ok(call) => (call, None),
                Err(fault) => (Call::Any, Some(Failure::new(Reason::McpFieldsInvalid, fault.says()))),
            }
        }
    }
}

/// The rule that a request must meet: the first that certainly is for it, together with those before it that may be.
pub(crate) fn rule_for<'a>(settings: &'a Settings, visit: &Visit, call: &Call) -> Cow<'a, Rule> {
    let (rules, request, host) = (&settings.rules, &visit.request, visit.origin.host());
    if !rules.tell_calls_apart() {
        return Cow::Borrowed(rules.find(&request.method, host, &request.path));
    }
    let (rule, possible) = rules.deciding(&request.method, host, &request.path, call);
    if possible.is_empty() {
        return Cow::Borrowed(rule);
    }
    let mut names: Vec<_> = possible.iter().map(|rule| &*rule.name).collect();
    names.push(&rule.name);
    let mut together = Rule { name: Rc::from(names.join(", ")), ..rule.clone() };
    for other in possible {
        together.require = other.require.with(&together.require);
        if other.shared_cache == SharedCache::Refused {
            together.shared_cache = SharedCache::Refused;
        }
    }
    Cow::Owned(together)
}
