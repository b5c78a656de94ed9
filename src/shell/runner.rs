//! The runner: carries out, in one worker and for one configuration, what journeys decide: it changes and answers requests, makes
//! calls, reads bodies, lets requests wait, wakes one and ends one. The streams and the root's timer call it; it never calls these,
//! and never decides about identity or access.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::types::Action;

use crate::gateway::Gateway;
use crate::gateway::pending::Step;
use crate::http::address::network;
use crate::http::message::{HttpCall, Reply};
use crate::session::open;
use crate::shell::bodies::Admission;
use crate::shell::calls::dispatch;
use crate::shell::current::{add_to_response, ask_for_no_store, edit, respond};
use crate::shell::host::Host;
use crate::shell::host_calls::{self, Refused};
use crate::shell::progress::{CalledFrom, Progress, Resumption, StreamHandle};
use crate::shell::queues::{Asker, CallFor, Queues, Waiting};
use crate::shell::report::Reporter;
use crate::step::decision::{BodyNews, Decision, Forward, News, Renewal};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The time to the first tick, and to the next one after a request began to wait.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);

/// One configuration at work in one worker. The root and its streams share it.
pub(super) struct Runner {
    root_id: u32,
    gateway: RefCell<Gateway>,
    host: RefCell<Host>,
    pub(super) queues: Rc<Queues>,
    period: Cell<Duration>,
    pub(super) reporter: Reporter,
    /// Whether the log was told that requests pass without their headers coming here.
    pub(super) reported_unseen: Cell<bool>,
}

/// What became of a request that was to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Ended,
    /// It was over already.
    WasOver,
    /// The host refuses to end it: it goes on.
    Refused,
}

impl Runner {
    /// A runner for this gateway, in the root context with this id.
    pub(super) fn new(root_id: u32, gateway: Gateway, host: Host, queues: Rc<Queues>, reporter: Reporter) -> Self {
        Self {
            root_id,
            gateway: RefCell::new(gateway),
            host: RefCell::new(host),
            queues,
            period: Cell::default(),
            reporter,
            reported_unseen: Cell::default(),
        }
    }

    /// Lends the gateway out. `None` if it is lent already, which does not happen: a host call does not call back before it
    /// returns.
    pub(super) fn with_gateway<T>(&self, use_it: impl FnOnce(&mut Gateway, &mut dyn World) -> T) -> Option<T> {
        let mut gateway = self.gateway.try_borrow_mut().ok()?;
        let mut host = self.host.try_borrow_mut().ok()?;
        Some(use_it(&mut gateway, &mut *host))
    }

    /// Carries out a step of this stream, and those that follow from it at once.
    pub(super) fn carry_out(&self, handle: &StreamHandle, mut step: Step, from: CalledFrom) -> Action {
        loop {
            self.reporter.report(&step.events);
            self.reporter.note(&step.note);
            step.next_pass.as_deref().into_iter().for_each(Host::keep_with_stream);
            let Ok(mut progress) = handle.progress.try_borrow_mut() else { return Action::Pause };
            match step.decision {
                Decision::Forward(Forward { edits, renewal, private, let_in, without_trailers }) => {
                    let edited = edit(&edits).and_then(|()| if private { ask_for_no_store() } else { Ok(()) });
                    if let Err(refused) = edited {
                        drop(progress);
                        let Some(next) = self.edit_failed(refused) else { return Action::Pause };
                        step = next;
                        continue;
                    }
                    *progress = Progress::Forwarded { renewal, private, without_trailers };
                    if let Some(let_in) = let_in {
                        self.queues.opened(handle, let_in);
                        // What is open is looked at often, from its first moment on.
                        self.set_period(self.period.get().min(open::PERIOD));
                    }
                    if from != CalledFrom::RequestHeaders {
                        let _ = host_calls::continue_request();
                    }
                    return Action::Continue;
                }
                Decision::Respond(response) => {
                    *progress = Progress::Answered;
                    // If the host refuses, the request stays paused.
                    let _ = respond(&response, step.note.diverted);
                    if self.with_gateway(|gateway, _| gateway.is_in_a_hurry()) == Some(true) {
                        self.set_period(AT_ONCE);
                    }
                    return Action::Pause;
                }
                Decision::ReadBody { limit, until, pending } => {
                    drop(progress);
                    if self.starts_reading(handle, until)
                        && let Ok(mut progress) = handle.progress.try_borrow_mut()
                    {
                        *progress = Progress::Reading { limit, size: 0, pending };
                        return Action::Continue;
                    }
                    let Some(next) = self.resume(Resumption::Body(pending, BodyNews::TooMany)) else { return Action::Pause };
                    step = next;
                }
                Decision::Await { resource, until, pending } => {
                    *progress = Progress::Waiting(pending.stage());
                    drop(progress);
                    let waiting = Waiting { id: handle.id, progress: Rc::downgrade(&handle.progress), resource, until, pending };
                    let Some(refused) = self.wait(waiting) else { return Action::Pause };
                    let news = News::Missing(refused.resource.missing());
                    let Some(next) = self.resume(Resumption::Wait(refused.pending, news)) else { return Action::Pause };
                    step = next;
                }
                Decision::Call(call, pending) if pending.outlives_its_request() && from != CalledFrom::Root => {
                    *progress = Progress::Waiting(pending.stage());
                    self.queues.leave_to_root(call, Asker::new(handle, pending));
                    self.set_period(AT_ONCE);
                    return Action::Pause;
                }
                Decision::Call(call, pending) => {
                    let sent = self.send(&call, handle, from);
                    match (sent, from) {
                        (Some(token), CalledFrom::Root) => {
                            *progress = Progress::Waiting(pending.stage());
                            self.queues.remember_call(token, CallFor::ForStream(Asker::new(handle, pending)));
                        }
                        (Some(_), _) => *progress = Progress::Calling(pending),
                        (None, _) => {
                            drop(progress);
                            let Some(next) = self.resume(Resumption::Call(pending, Reply::NotSent)) else { return Action::Pause };
                            step = next;
                            continue;
                        }
                    }
                    return Action::Pause;
                }
            }
        }
    }

    /// The refusal in place of a request or response whose fields could not be changed.
    #[inline(never)]
    pub(super) fn edit_failed(&self, refused: Refused) -> Option<Step> {
        self.with_gateway(|gateway, world| gateway.undecided(world, &format!("{refused:?} to a change of fields")))
    }

    /// The next step of a request whose wait has ended.
    #[inline(never)]
    pub(super) fn resume(&self, resumption: Resumption) -> Option<Step> {
        self.with_gateway(|gateway, world| match resumption {
            Resumption::Call(pending, reply) => {
                self.reporter.report(pending.ended(world.now(), &reply).as_slice());
                gateway.resume_call(world, *pending, &reply)
            }
            Resumption::Wait(pending, news) => gateway.resume_wait(world, *pending, news),
            Resumption::Body(pending, news) => gateway.resume_body(world, *pending, news),
        })
    }

    /// Lets a request wait, and has the background find out at once whether anything is to be fetched for it. Returns the request
    /// if too many wait already.
    fn wait(&self, waiting: Waiting) -> Option<Waiting> {
        let refused = self.queues.wait(waiting);
        if refused.is_none() {
            self.set_period(AT_ONCE);
        }
        refused
    }

    /// Begins to read the body of a request, until the given time; returns `false` if too many bodies are being read.
    fn starts_reading(&self, handle: &StreamHandle, until: Timestamp) -> bool {
        let Ok(mut readers) = self.queues.reading.try_borrow_mut() else { return false };
        let Ok(host) = self.host.try_borrow() else { return false };
        let client = host.client_address().as_deref().and_then(network);
        let admission = readers.admit(handle, client, host.now(), until);
        if admission == Admission::AnotherEnds {
            self.set_period(AT_ONCE);
        }
        admission != Admission::Refused
    }

    /// Sends a call of a stream; returns its token.
    fn send(&self, call: &HttpCall, handle: &StreamHandle, from: CalledFrom) -> Option<u32> {
        if from != CalledFrom::Root {
            return dispatch(call);
        }
        self.as_root();
        let token = dispatch(call);
        let _ = host_calls::set_effective_context(handle.id);
        token
    }

    /// Adds the fields of a renewed session to the response; returns whether there are any.
    pub(super) fn renew(&self, renewal: &Renewal) -> Result<bool, Refused> {
        let Some((fields, events)) = self.with_gateway(|gateway, world| gateway.finish(world, renewal)) else { return Ok(false) };
        if fields.is_empty() {
            return Ok(false);
        }
        add_to_response(fields)?;
        self.reporter.report(&events);
        Ok(true)
    }

    /// Makes the root the context that further host calls concern.
    pub(super) fn as_root(&self) {
        let _ = host_calls::set_effective_context(self.root_id);
    }

    /// A stream has ended.
    pub(super) fn closed(&self, id: u32) {
        self.queues.closed(id);
    }

    /// Goes on with the request of a stream, unless the stream is gone or was answered by somebody else. Returns whether it goes on.
    pub(super) fn wake(&self, id: u32, progress: &Weak<RefCell<Progress>>, resumption: Resumption) -> bool {
        let waits = |progress: &Rc<RefCell<Progress>>| progress.try_borrow().is_ok_and(|progress| !progress.is_decided());
        let Some(progress) = progress.upgrade().filter(waits).filter(|_| host_calls::set_effective_context(id).is_ok()) else {
            if let Resumption::Call(pending, reply) = resumption {
                let events = self.with_gateway(|gateway, world| gateway.orphaned_reply(world, &pending, &reply)).flatten();
                self.reporter.report(events.as_slice());
            }
            return false;
        };
        let Some(step) = self.resume(resumption) else { return false };
        self.carry_out(&StreamHandle { id, progress }, step, CalledFrom::Root);
        true
    }

    /// Ends a request that goes upstream, by the answer of this step, which is reported only then.
    pub(super) fn end(&self, id: u32, progress: &Weak<RefCell<Progress>>, step: &Step) -> Ending {
        let Some(progress) = progress.upgrade() else { return Ending::WasOver };
        let Ok(mut progress) = progress.try_borrow_mut() else { return Ending::Refused };
        let (Progress::Forwarded { .. }, Decision::Respond(response)) = (&*progress, &step.decision) else {
            return Ending::WasOver;
        };
        let is_ended = host_calls::set_effective_context(id).and_then(|()| respond(response, None)).is_ok();
        if is_ended {
            *progress = Progress::Answered;
            self.reporter.report(&step.events);
        }
        self.as_root();
        if is_ended { Ending::Ended } else { Ending::Refused }
    }

    /// Sets the time between two ticks.
    pub(super) fn set_period(&self, period: Duration) {
        if self.period.replace(period) != period {
            let _ = host_calls::set_tick_period(period);
        }
    }
}
