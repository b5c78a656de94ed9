//! One request: its callbacks. It hands values to the gateway and keeps only how far the request has come.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};

use crate::flow::step::{News, Pending, Renewal};
use crate::shell::act::{Actor, Entry, reply};
use crate::shell::root::House;
use crate::words::message::Headers;

/// How far a request has come.
#[derive(Debug, Default)]
pub(super) enum Progress {
    /// Nothing is decided: nothing may pass.
    #[default]
    Undecided,
    /// It waits for the answer to a call of its own.
    Calling(Box<Pending>),
    /// It goes upstream; its response may carry a renewed session.
    Forwarded(Option<Box<Renewal>>),
    /// It was answered here.
    Answered,
}

/// One request.
pub(super) struct Stream {
    house: Rc<House>,
    actor: Actor,
}

impl Stream {
    pub(super) fn new(id: u32, house: Rc<House>) -> Self {
        Self { house, actor: Actor { id, progress: Rc::new(RefCell::new(Progress::default())) } }
    }

    /// Whether anything of the request may pass.
    fn pass(&self) -> Action {
        let forwarded = self.actor.progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Forwarded(_)));
        if forwarded { Action::Continue } else { Action::Pause }
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
        let news = News::Reply(reply(headers, body));
        let Some(step) = self.house.with_gateway(|gateway, world| gateway.resume(world, *pending, news)) else { return };
        self.house.act(&self.actor, step, Entry::OwnReply);
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let headers = Headers::new(hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default());
        #[cfg(feature = "die-on-demand")]
        die_on_demand(&headers);
        match self.house.with_gateway(|gateway, world| gateway.begin(world, headers)) {
            Some(step) => self.house.act(&self.actor, step, Entry::RequestHeaders),
            None => Action::Pause,
        }
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.pass()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let trailers = Headers::new(hostcalls::get_map_bytes(MapType::HttpRequestTrailers).unwrap_or_default());
        let taken_away = self.house.with_gateway(|gateway, _| gateway.check_trailers(&trailers)).unwrap_or_default();
        for name in taken_away {
            let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, &name);
        }
        self.pass()
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let renewal = match self.actor.progress.try_borrow_mut().as_deref_mut() {
            Ok(Progress::Forwarded(renewal)) => renewal.take(),
            _ => None,
        };
        if let Some(renewal) = renewal {
            self.house.renew(&renewal);
        }
        Action::Continue
    }
}

/// Test builds only: a request that stops this worker, to show what becomes of those that wait.
#[cfg(feature = "die-on-demand")]
#[allow(clippy::panic, reason = "it is what this feature is for")]
fn die_on_demand(headers: &Headers) {
    if headers.contains("x-accredit-die") {
        panic!("died on demand");
    }
}
