//! What a request calls at an MCP server behind us, by its header fields, whether it can be read and is accepted, and what counters and
//! audit lines tell of it. Who may make the call is never decided here.

use std::num::NonZeroU64;

use crate::access::mcp::call::{self, Call, Fault, VERSIONS, carries_no_call, says_what_it_calls};
use crate::access::mcp::metadata;
use crate::access::resources::{BodyCheckedBy, ProtectedResource};
use crate::access::route::Rule;
use crate::authenticate::verified::Verified;
use crate::config::settings::Settings;
use crate::step::event::{AllowedCall, Counted, Event, McpCall, Outcome};
use crate::step::stop::Stop;
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
        None => (call_that_nobody_compares(visit), None),
        Some(resource) if posts && resource.refuses_older_versions && !says_what_it_calls(request) => {
            let detail = format!("this server takes MCP-Protocol-Version {} only", VERSIONS.join(" and "));
            (Call::Any, Some(Failure::new(Reason::McpVersionRefused, detail)))
        }
        Some(resource) => match read(world, visit, resource) {
            Ok(call) => (call, None),
            // Only counters and audit lines look at it, for which nobody is refused.
            Err(_) if !settings.looks_at_calls => (Call::Any, None),
            Err(fault) => (Call::Any, Some(Failure::new(Reason::McpFieldsInvalid, fault.says()))),
        },
    }
}

/// What a request calls; where nobody compares with the body what the fields say, these are not believed.
fn read(world: &dyn World, visit: &Visit, resource: &ProtectedResource) -> Result<Call, Fault> {
    let request = &visit.request;
    match resource.body_checked_by {
        None => Ok(call_that_nobody_compares(visit)),
        Some(BodyCheckedBy::EnvoyMcpFilterBefore) if request.method == "POST" => {
            let by_body = metadata::call(|path| world.request_metadata(metadata::NAMESPACE, path));
            call::call_by_body(request, by_body)
        }
        Some(_) => call::call(request),
    }
}

fn call_that_nobody_compares(visit: &Visit) -> Call {
    if carries_no_call(&visit.request) { Call::Nothing } else { Call::Any }
}

/// The resource at which a request makes a call that is told; `None` of a request that makes none, and where nobody compares with the
/// body what the fields say.
fn told_at<'a>(visit: &Visit, resource: Option<&'a ProtectedResource>) -> Option<&'a ProtectedResource> {
    resource.filter(|resource| resource.body_checked_by.is_some() && visit.request.method == "POST")
}

/// What is told of a call that is refused.
pub(crate) fn refused_call(
    settings: &Settings,
    visit: &Visit,
    (resource, call): (Option<&ProtectedResource>, &Call),
    verified: Option<&Verified>,
) -> Option<(Box<McpCall>, Counted)> {
    let server = told_at(visit, resource)?;
    let client = verified.and_then(|verified| verified.client.as_deref());
    let told = McpCall::of(&visit.request, &server.uri, call, client);
    Some((Box::new(told), Counted::of(&settings.counted_tools, call)))
}

/// The same journey's stop, with what is told of the call that it refuses.
pub(crate) fn stopped(settings: &Settings, world: &dyn World, visit: &Visit, stop: Stop) -> Stop {
    let resource = visit.resource(settings);
    let (call, _) = called(settings, world, visit, resource);
    Stop { call: refused_call(settings, visit, (resource, &call), None).map(Box::new), ..stop }
}

/// What is told of a call that is let through.
pub(crate) fn allowed_call(
    (settings, world): (&Settings, &mut dyn World),
    visit: &Visit,
    (resource, call): (Option<&ProtectedResource>, &Call),
    (rule, verified): (&Rule, Option<&Verified>),
) -> Option<Event> {
    let server = told_at(visit, resource)?;
    let told = settings.audit.calls.filter(|one_in| is_chosen(*one_in, world)).map(|_| {
        let client = verified.and_then(|verified| verified.client.as_deref());
        let call = McpCall::of(&visit.request, &server.uri, call, client);
        let subject = verified.map(|verified| verified.subject.to_string());
        Box::new(AllowedCall { request: visit.reference(), rule: rule.name.to_string(), subject, call })
    });
    Some(Event::Called { outcome: Outcome::Forwarded, counted: Counted::of(&settings.counted_tools, call), told })
}

/// Whether a call is one of those that have a line, of which there is one in so many. Chance decides, so that no client can choose: not by
/// a request id, and not by counting. Without it, every call has one.
fn is_chosen(one_in: NonZeroU64, world: &mut dyn World) -> bool {
    let mut drawn = [0; 8];
    one_in.get() == 1 || world.random(&mut drawn).is_err() || u64::from_le_bytes(drawn).checked_rem(one_in.get()) == Some(0)
}
