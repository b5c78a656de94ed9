//! One request: its callbacks. It hands values to the gateway and keeps only how far the request has come.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::http::body::Body;
use crate::shell::calls::reply;
use crate::shell::current::keep_private;
use crate::shell::host_calls;
use crate::shell::house::House;
use crate::shell::progress::{Actor, CalledFrom, GoesOn, Progress};
use crate::shell::unanswered::{gone, not_ours, unchanged, went_past};
use crate::step::decision::BodyNews;

/// One request.
pub(super) struct Stream {
    house: Rc<House>,
    actor: Actor,
    /// Whether its headers came: a list of capabilities can keep them from us.
    seen: bool,
}

impl Stream {
    pub(super) fn new(id: u32, house: Rc<House>) -> Self {
        Self { house, actor: Actor { id, progress: Rc::new(RefCell::new(Progress::default())) }, seen: false }
    }

    /// Whether anything of the request may pass.
    fn pass(&self) -> Action {
        let forwarded = self.actor.progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Forwarded { .. }));
        if forwarded { Action::Continue } else { Action::Pause }
    }

    fn is_reading(&self) -> bool {
        self.actor.progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Reading { .. }))
    }

    /// Looks at the body, of which Envoy holds so many bytes. Once it is complete or too large, the request goes on.
    fn read(&self, held: Option<usize>, complete: bool) -> Action {
        let Ok(mut progress) = self.actor.progress.try_borrow_mut() else { return Action::Pause };
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
        match self.house.go_on(GoesOn::Body(pending, BodyNews::Came(body))) {
            Some(step) => self.house.act(&self.actor, step, CalledFrom::OwnReply),
            None => Action::Pause,
        }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _trailers: usize) {
        let pending = match self.actor.progress.try_borrow_mut() {
            Ok(mut progress) => match std::mem::take(&mut *progress) {
                Progress::Calling(pending) => pending,
                other => {
                    *progress = other;
                    return;
                }
            },
            Err(_) => return,
        };
        let Some(step) = self.house.go_on(GoesOn::Call(pending, reply(headers, body))) else { return };
        self.house.act(&self.actor, step, CalledFrom::OwnReply);
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.seen = true;
        let headers = host_calls::headers(MapType::HttpRequestHeaders).unwrap_or_default();
        let action = match self.house.with_gateway(|gateway, world| gateway.begin(world, headers)) {
            Some(step) => self.house.act(&self.actor, step, CalledFrom::RequestHeaders),
            None => Action::Pause,
        };
        if end_of_stream && self.is_reading() { self.read(None, true) } else { action }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.seen {
            true if self.is_reading() => self.read(Some(size), end_of_stream),
            true => self.pass(),
            false => went_past(&self.house, &self.actor),
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if !self.seen {
            return went_past(&self.house, &self.actor);
        }
        if self.is_reading() {
            // A body with trailers behind it has no other end.
            return self.read(None, true);
        }
        let Ok(trailers) = host_calls::headers(MapType::HttpRequestTrailers) else { return Action::Pause };
        let Some(go) = self.house.with_gateway(|gateway, _| gateway.check_trailers(&trailers)) else { return Action::Pause };
        let gone = go.iter().all(|name| host_calls::remove_header(MapType::HttpRequestTrailers, name).is_ok());
        if gone { self.pass() } else { Action::Pause }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let forwarded = match self.actor.progress.try_borrow_mut().as_deref_mut() {
            Ok(Progress::Forwarded { renewal, private }) => Some((renewal.take(), *private)),
            Ok(Progress::Answered) => return Action::Continue,
            _ => None,
        };
        let Some((renewal, private)) = forwarded else { return not_ours(&self.house, &self.actor, self.seen) };
        // A response with our cookie is stored by nobody.
        let renewed = renewal.map_or(Ok(false), |renewal| self.house.renew(&renewal));
        let kept = renewed.and_then(|renewed| if private && !renewed { keep_private() } else { Ok(()) });
        match kept {
            Ok(()) => Action::Continue,
            Err(refused) => unchanged(&self.house, &self.actor, refused),
        }
    }
}

impl Drop for Stream {
    /// Envoy has done with it. (The SDK drops a context in `proxy_on_delete`; no further callback need be called for that.)
    fn drop(&mut self) {
        gone(&self.house, &self.actor);
    }
}

fn body_bytes(size: usize) -> Vec<u8> {
    match size {
        0 => Vec::new(),
        size => host_calls::buffer(BufferType::HttpRequestBody, size).unwrap_or_default(),
    }
}
