//! Carries out what a journey decided, on whichever stream it concerns: from the stream's own callbacks, or from the root when
//! something arrived that requests waited for.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::access::caches::speaks_past_cache_control;
use crate::access::private::{LOOKED_AT, NO_STORE, is_private, made_private};
use crate::flow::step::{Decision, Forward, News, Pending, Renewal, Step};
use crate::shell::report;
use crate::shell::root::{House, Waiting};
use crate::shell::stream::Progress;
use crate::words::message::{CookieEdit, Edits, Headers, HttpCall, Reply, Response};
use crate::words::reason::Reason;

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
                Decision::Forward(Forward { edits, renewal, private }) => {
                    *progress = Progress::Forwarded { renewal, private };
                    edit(&edits);
                    if private {
                        let (name, value) = NO_STORE;
                        // In place of what the client says, behind which it could be hidden.
                        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
                    }
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
                Decision::ReadBody { limit, until, pending } => {
                    drop(progress);
                    if self.takes_place(actor, until)
                        && let Ok(mut progress) = actor.progress.try_borrow_mut()
                    {
                        *progress = Progress::Reading { limit, size: 0, pending };
                        return Action::Continue;
                    }
                    let Some(next) = self.go_on(*pending, News::Missing(Reason::TooManyBodies)) else { return Action::Pause };
                    step = next;
                }
                Decision::Await { resource, until, pending } => {
                    *progress = Progress::Waiting(pending.halt(None));
                    drop(progress);
                    let waiting = Waiting { id: actor.id, progress: Rc::downgrade(&actor.progress), resource, until, pending };
                    let Some(refused) = self.wait(waiting) else { return Action::Pause };
                    let news = News::Missing(refused.resource.missing());
                    let Some(next) = self.go_on(*refused.pending, news) else { return Action::Pause };
                    step = next;
                }
                Decision::Call(call, pending) if pending.outlives_its_request() && entry != Entry::Root => {
                    *progress = Progress::Waiting(pending.halt(None));
                    self.leave_to_root(call, actor, pending);
                    return Action::Pause;
                }
                Decision::Call(call, pending) => {
                    let sent = self.send(&call, actor, entry);
                    match (sent, entry) {
                        (Some(token), Entry::Root) => {
                            *progress = Progress::Waiting(pending.halt(None));
                            self.expect(token, actor, pending);
                        }
                        (Some(_), _) => *progress = Progress::Calling(pending),
                        (None, _) => {
                            drop(progress);
                            let Some(next) = self.go_on(*pending, News::Reply(Reply::NotSent)) else { return Action::Pause };
                            step = next;
                            continue;
                        }
                    }
                    return Action::Pause;
                }
            }
        }
    }

    /// How a request goes on.
    #[inline(never)]
    pub(super) fn go_on(&self, pending: Pending, news: News) -> Option<Step> {
        self.with_gateway(|gateway, world| gateway.resume(world, pending, news))
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

    /// Adds a renewed session to the response that is leaving, and says whether it has one.
    pub(super) fn renew(&self, renewal: &Renewal) -> bool {
        let Some((fields, events)) = self.with_gateway(|gateway, world| gateway.finish(world, renewal)) else { return false };
        if fields.is_empty() {
            return false;
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
        true
    }
}

/// Keeps shared caches from keeping the response that is leaving. Most need nothing: single fields that are not there take less
/// time than all that are.
pub(super) fn keep_private() {
    let read = |name| hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten();
    let said = read("cache-control");
    let kept_out = said.is_none_or(|said| is_private(&said));
    if kept_out && LOOKED_AT.into_iter().all(|name| read(name).is_none()) {
        return;
    }
    let answer = Headers::new(hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default());
    let (past, cache_control) = made_private(&answer);
    for name in past {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
    }
    if let Some(value) = cache_control {
        // All lines of it.
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "cache-control");
        let _ = hostcalls::add_map_value(MapType::HttpResponseHeaders, "cache-control", &value);
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
