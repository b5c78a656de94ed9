//! Carries out what a journey decided, on whichever stream it concerns: from the stream's own callbacks, or from the root when
//! something arrived that requests waited for.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::access::caches::speaks_past_cache_control;
use crate::flow::step::{Decision, Forward, News, Renewal, Step};
use crate::shell::report;
use crate::shell::root::{House, Waiting};
use crate::shell::stream::Progress;
use crate::words::message::{CookieEdit, Edits, Headers, HttpCall, Reply, Response};

/// No answer of a provider is read further than this, in bytes; the core refuses what is larger than 256 KiB.
const MOST_READ: usize = 300 * 1_024;

/// A stream, as far as acting on it goes.
#[derive(Clone)]
pub(super) struct Actor {
    /// Envoy's id of its context.
    pub(super) id: u32,
    /// How far it has come; gone when the stream is gone.
    pub(super) progress: Rc<RefCell<Progress>>,
}

/// From where a step is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// From the stream's request headers: what goes on does so by the callback's return value.
    RequestHeaders,
    /// From the answer to the stream's own call, or from its body.
    OwnReply,
    /// From the root: calls are the root's then, because only it is told of their answers.
    Root,
}

impl House {
    /// Carries out a step, and the ones that follow from it at once.
    pub(super) fn act(&self, actor: &Actor, mut step: Step, entry: Entry) -> Action {
        loop {
            self.counters.report(&step.events);
            report::note(&step.note, self.filter_state);
            let Ok(mut progress) = actor.progress.try_borrow_mut() else { return Action::Pause };
            match step.decision {
                Decision::Forward(Forward { edits, renewal }) => {
                    *progress = Progress::Forwarded(renewal);
                    edit(&edits);
                    if entry != Entry::RequestHeaders {
                        let _ = hostcalls::resume_http_request();
                    }
                    return Action::Continue;
                }
                Decision::Respond(response) => {
                    *progress = Progress::Answered;
                    respond(&response);
                    return Action::Pause;
                }
                Decision::ReadBody { limit, pending } => {
                    *progress = Progress::Reading { limit, size: 0, pending };
                    return Action::Continue;
                }
                Decision::Await { resource, until, pending } => {
                    *progress = Progress::Undecided;
                    drop(progress);
                    let waiting = Waiting { id: actor.id, progress: Rc::downgrade(&actor.progress), resource, until, pending };
                    let Some(refused) = self.wait(waiting) else { return Action::Pause };
                    let news = News::Missing(refused.resource.missing());
                    let next = self.with_gateway(|gateway, world| gateway.resume(world, *refused.pending, news));
                    let Some(next) = next else { return Action::Pause };
                    step = next;
                }
                Decision::Call(call, pending) => {
                    let sent = self.send(&call, actor, entry);
                    match (sent, entry) {
                        (Some(token), Entry::Root) => self.expect(token, actor, pending),
                        (Some(_), _) => *progress = Progress::Calling(pending),
                        (None, _) => {
                            drop(progress);
                            let news = News::Reply(Reply::NotSent);
                            let next = self.with_gateway(|gateway, world| gateway.resume(world, *pending, news));
                            let Some(next) = next else { return Action::Pause };
                            step = next;
                            continue;
                        }
                    }
                    return Action::Pause;
                }
            }
        }
    }

    /// Sends a call of a stream.
    fn send(&self, call: &HttpCall, actor: &Actor, entry: Entry) -> Option<u32> {
        if entry != Entry::Root {
            return dispatch(call);
        }
        self.as_root();
        let token = dispatch(call);
        let _ = hostcalls::set_effective_context(actor.id);
        token
    }

    /// Adds a renewed session to the response that is leaving.
    pub(super) fn renew(&self, renewal: &Renewal) {
        let Some((fields, events)) = self.with_gateway(|gateway, world| gateway.finish(world, renewal)) else { return };
        if fields.is_empty() {
            return;
        }
        let came = Headers::new(hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default());
        for name in came.names().filter(|name| speaks_past_cache_control(name)) {
            let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
        }
        for (name, value) in fields {
            let _ = match name {
                "set-cookie" => hostcalls::add_map_value(MapType::HttpResponseHeaders, name, &value),
                _ => hostcalls::set_map_value(MapType::HttpResponseHeaders, name, Some(&value)),
            };
        }
        self.counters.report(&events);
    }
}

fn edit(edits: &Edits) {
    for name in &edits.remove {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }
    for (name, value) in &*edits.set {
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
    }
    let _ = match &edits.cookie {
        CookieEdit::Untouched => Ok(()),
        CookieEdit::Dropped => hostcalls::remove_map_value(MapType::HttpRequestHeaders, "cookie"),
        CookieEdit::Replaced(left) => hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, "cookie", Some(left)),
    };
}

fn respond(response: &Response) {
    let headers = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = (!response.body.is_empty()).then_some(response.body.as_bytes());
    let _ = hostcalls::send_http_response(u32::from(response.status), headers, body);
}

/// Sends a call on behalf of whoever is in effect; `None` when Envoy cannot, for example without such a cluster.
pub(super) fn dispatch(call: &HttpCall) -> Option<u32> {
    let mut headers =
        vec![(":method", call.method), (":scheme", &call.scheme), (":authority", &call.authority), (":path", &call.path)];
    headers.extend(call.headers.iter().map(|(name, value)| (&**name, value.as_str())));
    let body = (!call.body.is_empty()).then_some(call.body.as_bytes());
    hostcalls::dispatch_http_call(&call.cluster, headers, body, Vec::new(), call.timeout).ok()
}

/// Reads the answer that a callback announced with these counts.
pub(super) fn reply(headers: usize, body: usize) -> Reply {
    if headers == 0 {
        return Reply::Reset;
    }
    let fields = Headers::new(hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default());
    let Some(status) = fields.single(":status").and_then(|status| status.parse().ok()) else { return Reply::Reset };
    let body = match body {
        0 => Vec::new(),
        size => {
            hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size.min(MOST_READ)).ok().flatten().unwrap_or_default()
        }
    };
    Reply::Answered { status, headers: fields, body }
}
