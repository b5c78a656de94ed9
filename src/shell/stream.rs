//! The callbacks of one request. It passes values to the gateway, and keeps only how far the request has come. It decides
//! nothing.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::http::body::Body;
use crate::http::message::Following;
use crate::shell::calls::reply;
use crate::shell::current::keep_private;
use crate::shell::host_calls;
use crate::shell::progress::{CalledFrom, Progress, Resumption, StreamHandle};
use crate::shell::runner::Runner;
use crate::shell::unanswered::{edit_failed, foreign_response, headers_withheld, stream_ended};
use crate::step::decision::BodyNews;
use crate::step::event::RequestRef;

/// The HTTP context of one request.
pub(super) struct Stream {
    runner: Rc<Runner>,
    handle: StreamHandle,
    /// Whether the request's headers came. Envoy's `capability_restriction_config` can withhold them.
    headers_came: bool,
}

impl Stream {
    pub(super) fn new(id: u32, runner: Rc<Runner>) -> Self {
        Self { runner, handle: StreamHandle { id, progress: Rc::new(RefCell::new(Progress::default())) }, headers_came: false }
    }

    /// Lets the body or the trailers of the request pass only if it is forwarded.
    fn pass(&self) -> Action {
        let forwarded = self.handle.progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Forwarded { .. }));
        if forwarded { Action::Continue } else { Action::Pause }
    }

    /// The request, if it is forwarded and must not have trailers.
    fn without_trailers(&self) -> Option<RequestRef> {
        match self.handle.progress.try_borrow_mut().as_deref_mut() {
            Ok(Progress::Forwarded { without_trailers, .. }) => without_trailers.take(),
            _ => None,
        }
    }

    fn is_reading(&self) -> bool {
        self.handle.progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Reading { .. }))
    }

    /// Goes on with the request once its body is complete or too large. `held` is how many bytes of it Envoy holds, if this
    /// callback says so.
    fn read(&self, held: Option<usize>, complete: bool) -> Action {
        let Ok(mut progress) = self.handle.progress.try_borrow_mut() else { return Action::Pause };
        let (pending, body) = match std::mem::take(&mut *progress) {
            Progress::Reading { limit, size, pending } => {
                let size = held.unwrap_or(size);
                if size > limit {
                    (pending, Body::TooLarge)
                } else if complete {
                    (pending, Body::Read(body_bytes(size).into()))
                } else {
                    *progress = Progress::Reading { limit, size, pending };
                    return Action::Pause;
                }
            }
            other => {
                *progress = other;
                return Action::Pause;
            }
        };
        drop(progress);
        match self.runner.resume(Resumption::Body(pending, BodyNews::Came(body))) {
            Some(step) => self.runner.carry_out(&self.handle, step, CalledFrom::OwnCallback),
            None => Action::Pause,
        }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _trailers: usize) {
        let pending = match self.handle.progress.try_borrow_mut() {
            Ok(mut progress) => match std::mem::take(&mut *progress) {
                Progress::Calling(pending) => pending,
                other => {
                    *progress = other;
                    return;
                }
            },
            Err(_) => return,
        };
        let Some(step) = self.runner.resume(Resumption::Call(pending, reply(headers, body))) else { return };
        self.runner.carry_out(&self.handle, step, CalledFrom::OwnCallback);
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.headers_came = true;
        let headers = host_calls::headers(MapType::HttpRequestHeaders).unwrap_or_default();
        let following = if end_of_stream { Following::Nothing } else { Following::Body };
        let action = match self.runner.with_gateway(|gateway, world| gateway.begin(world, headers, following)) {
            Some(step) => self.runner.carry_out(&self.handle, step, CalledFrom::RequestHeaders),
            None => Action::Pause,
        };
        if end_of_stream && self.is_reading() { self.read(None, true) } else { action }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.headers_came {
            true if self.is_reading() => self.read(Some(size), end_of_stream),
            true => self.pass(),
            false => headers_withheld(&self.runner, &self.handle),
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if !self.headers_came {
            return headers_withheld(&self.runner, &self.handle);
        }
        if self.is_reading() {
            // With trailers, the body's end is not announced in its own callback.
            return self.read(None, true);
        }
        if let Some(request) = self.without_trailers() {
            let refusal = self.runner.with_gateway(|gateway, _| gateway.refuse_trailers(request));
            return refusal.map_or(Action::Pause, |step| self.runner.carry_out(&self.handle, step, CalledFrom::OwnCallback));
        }
        let Ok(trailers) = host_calls::headers(MapType::HttpRequestTrailers) else { return Action::Pause };
        let Some(go) = self.runner.with_gateway(|gateway, _| gateway.check_trailers(&trailers)) else { return Action::Pause };
        let gone = go.iter().all(|name| host_calls::remove_header(MapType::HttpRequestTrailers, name).is_ok());
        if gone { self.pass() } else { Action::Pause }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let forwarded = match self.handle.progress.try_borrow_mut().as_deref_mut() {
            Ok(Progress::Forwarded { renewal, private, .. }) => Some((renewal.take(), *private)),
            Ok(Progress::Answered) => return Action::Continue,
            _ => None,
        };
        let Some((renewal, private)) = forwarded else { return foreign_response(&self.runner, &self.handle, self.headers_came) };
        // A response with our cookie has a `Cache-Control` already by which no cache stores it.
        let renewed = renewal.map_or(Ok(false), |renewal| self.runner.renew(&renewal));
        let kept = renewed.and_then(|renewed| if private && !renewed { keep_private() } else { Ok(()) });
        match kept {
            Ok(()) => Action::Continue,
            Err(refused) => edit_failed(&self.runner, &self.handle, refused),
        }
    }
}

impl Drop for Stream {
    /// The stream has ended. (The SDK drops a context in `proxy_on_delete`, which Envoy calls in any case.)
    fn drop(&mut self) {
        self.runner.closed(self.handle.id);
        stream_ended(&self.runner, &self.handle);
    }
}

fn body_bytes(size: usize) -> Vec<u8> {
    match size {
        0 => Vec::new(),
        size => host_calls::buffer(BufferType::HttpRequestBody, size).unwrap_or_default(),
    }
}
