//! The house: one configuration at work in one worker. It carries out what journeys decide, on whichever stream it concerns, keeps
//! up what all share, and wakes those that wait. The root and the streams call it; it calls neither.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::types::Action;

use crate::config::settings::FilterState;
use crate::gateway::Gateway;
use crate::gateway::pending::Step;
use crate::http::address::network;
use crate::http::message::{HttpCall, Reply};
use crate::shell::bodies::{Admission, BodyReaders};
use crate::shell::calls::dispatch;
use crate::shell::current::{add_to_response, ask_for_no_store, edit, respond};
use crate::shell::host::Host;
use crate::shell::host_calls::{self, Refused};
use crate::shell::progress::{Actor, CalledFrom, GoesOn, Progress};
use crate::shell::queues::{Asker, CallFor, Queues, Waiting};
use crate::shell::report::{self, Counters};
use crate::step::decision::{BodyNews, Decision, Forward, News, Renewal};
use crate::upkeep::fetch::{Fetch, Upkeep};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// How often to look while requests wait.
const IMPATIENT: Duration = Duration::from_millis(20);

/// The first look, and the one after somebody began to wait.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);

/// So many requests are woken in one call of the host. Envoy sends their answers after it, each from within the one before, and
/// a deep nest of them overflows its stack.
const WOKEN_AT_ONCE: usize = 32;

/// What the root and its streams have in common.
pub(super) struct House {
    root_id: u32,
    gateway: RefCell<Gateway>,
    host: RefCell<Host>,
    queues: Rc<Queues>,
    period: Cell<Duration>,
    pub(super) counters: Counters,
    filter_state: FilterState,
    /// Whether it was told that requests go past.
    pub(super) told_unseen: Cell<bool>,
}

impl House {
    /// A house for this gateway, of the root with this id.
    pub(super) fn new(root_id: u32, gateway: Gateway, host: Host, queues: Rc<Queues>, filter_state: FilterState) -> Self {
        Self {
            root_id,
            gateway: RefCell::new(gateway),
            host: RefCell::new(host),
            queues,
            period: Cell::default(),
            counters: Counters::default(),
            filter_state,
            told_unseen: Cell::default(),
        }
    }

    /// Lends the gateway out. It is never lent twice: a host call does not call back before it returns.
    pub(super) fn with_gateway<T>(&self, use_it: impl FnOnce(&mut Gateway, &mut dyn World) -> T) -> Option<T> {
        let mut gateway = self.gateway.try_borrow_mut().ok()?;
        let mut host = self.host.try_borrow_mut().ok()?;
        Some(use_it(&mut gateway, &mut *host))
    }

    /// Carries out a step, and the ones that follow from it at once.
    pub(super) fn act(&self, actor: &Actor, mut step: Step, from: CalledFrom) -> Action {
        loop {
            self.counters.report(&step.events);
            report::note(&step.note, self.filter_state);
            let Ok(mut progress) = actor.progress.try_borrow_mut() else { return Action::Pause };
            match step.decision {
                Decision::Forward(Forward { edits, renewal, private }) => {
                    let edited = edit(&edits).and_then(|()| if private { ask_for_no_store() } else { Ok(()) });
                    if let Err(refused) = edited {
                        drop(progress);
                        let Some(next) = self.unchanged(refused) else { return Action::Pause };
                        step = next;
                        continue;
                    }
                    *progress = Progress::Forwarded { renewal, private };
                    if from != CalledFrom::RequestHeaders {
                        let _ = host_calls::continue_request();
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
                    let Some(next) = self.go_on(GoesOn::Body(pending, BodyNews::NoPlace)) else { return Action::Pause };
                    step = next;
                }
                Decision::Await { resource, until, pending } => {
                    *progress = Progress::Waiting(pending.halt());
                    drop(progress);
                    let waiting = Waiting { id: actor.id, progress: Rc::downgrade(&actor.progress), resource, until, pending };
                    let Some(refused) = self.wait(waiting) else { return Action::Pause };
                    let news = News::Missing(refused.resource.missing());
                    let Some(next) = self.go_on(GoesOn::Wait(refused.pending, news)) else { return Action::Pause };
                    step = next;
                }
                Decision::Call(call, pending) if pending.outlives_its_request() && from != CalledFrom::Root => {
                    *progress = Progress::Waiting(pending.halt());
                    self.queues.leave_to_root(call, Asker::new(actor, pending));
                    self.look_after(AT_ONCE);
                    return Action::Pause;
                }
                Decision::Call(call, pending) => {
                    let sent = self.send(&call, actor, from);
                    match (sent, from) {
                        (Some(token), CalledFrom::Root) => {
                            *progress = Progress::Waiting(pending.halt());
                            self.queues.ask(token, CallFor::ForStream(Asker::new(actor, pending)));
                        }
                        (Some(_), _) => *progress = Progress::Calling(pending),
                        (None, _) => {
                            drop(progress);
                            let Some(next) = self.go_on(GoesOn::Call(pending, Reply::NotSent)) else { return Action::Pause };
                            step = next;
                            continue;
                        }
                    }
                    return Action::Pause;
                }
            }
        }
    }

    /// How it ends with a request or a response that was to be changed, and could not be.
    #[inline(never)]
    pub(super) fn unchanged(&self, refused: Refused) -> Option<Step> {
        self.with_gateway(|gateway, world| gateway.undecided(world, &format!("{refused:?} to a change of fields")))
    }

    /// How a request goes on.
    #[inline(never)]
    pub(super) fn go_on(&self, goes_on: GoesOn) -> Option<Step> {
        self.with_gateway(|gateway, world| match goes_on {
            GoesOn::Call(pending, reply) => gateway.resume_call(world, *pending, &reply),
            GoesOn::Wait(pending, news) => gateway.resume_wait(world, *pending, news),
            GoesOn::Body(pending, news) => gateway.resume_body(world, *pending, news),
        })
    }

    /// Lets a request wait, and looks at once whether anything is to be fetched for it. Gives it back when too many wait already.
    fn wait(&self, waiting: Waiting) -> Option<Waiting> {
        let refused = self.queues.wait(waiting);
        if refused.is_none() {
            self.look_after(AT_ONCE);
        }
        refused
    }

    /// Takes a place for the body of a request; says whether there was one.
    fn takes_place(&self, actor: &Actor, until: Timestamp) -> bool {
        let Ok(mut readers) = self.queues.reading.try_borrow_mut() else { return false };
        let Ok(host) = self.host.try_borrow() else { return false };
        let client = host.client_address().as_deref().and_then(network);
        let place = readers.take_place(actor, client, host.now(), until);
        if place == Admission::Made {
            self.look_after(AT_ONCE);
        }
        place != Admission::None
    }

    /// Sends a call of a stream.
    fn send(&self, call: &HttpCall, actor: &Actor, from: CalledFrom) -> Option<u32> {
        if from != CalledFrom::Root {
            return dispatch(call);
        }
        self.as_root();
        let token = dispatch(call);
        let _ = host_calls::set_effective_context(actor.id);
        token
    }

    /// Adds a renewed session to the response that is leaving, and says whether it has one.
    pub(super) fn renew(&self, renewal: &Renewal) -> Result<bool, Refused> {
        let Some((fields, events)) = self.with_gateway(|gateway, world| gateway.finish(world, renewal)) else { return Ok(false) };
        if fields.is_empty() {
            return Ok(false);
        }
        add_to_response(fields)?;
        self.counters.report(&events);
        Ok(true)
    }

    /// Makes the calls that were left to the root, a few at a time; says whether there may be more.
    fn send_for_streams(&self) -> bool {
        for _ in 0..WOKEN_AT_ONCE {
            let Some((call, asker)) = self.queues.unsent() else { return false };
            match dispatch(&call) {
                Some(token) => self.queues.ask(token, CallFor::ForStream(asker)),
                None => {
                    self.wake(asker.id, &asker.progress, GoesOn::Call(asker.pending, Reply::NotSent));
                    self.as_root();
                }
            }
        }
        true
    }

    /// Host calls concern the root from here on.
    fn as_root(&self) {
        let _ = host_calls::set_effective_context(self.root_id);
    }

    /// The root's timer has run out.
    pub(super) fn tick(&self) {
        let Some(upkeep) = self.with_gateway(|gateway, world| gateway.tick(world)) else { return };
        self.keep_up(upkeep);
    }

    /// A call of the root was answered.
    pub(super) fn answered(&self, token: u32, reply: Reply) {
        match self.queues.answered(token) {
            Some(CallFor::Fetch(fetch)) => {
                if let Some(upkeep) = self.with_gateway(|gateway, world| gateway.arrived(world, &fetch, &reply)) {
                    self.keep_up(upkeep);
                }
            }
            Some(CallFor::ForStream(Asker { id, progress, pending })) => {
                self.wake(id, &progress, GoesOn::Call(pending, reply));
                self.as_root();
            }
            None => {}
        }
    }

    fn keep_up(&self, upkeep: Upkeep) {
        self.counters.report(&upkeep.events);
        for fetch in upkeep.fetches {
            self.fetch(fetch);
        }
        self.end_slow_bodies();
        let more = self.send_for_streams() | self.wake_those_with_news();
        self.look_after(match (more, self.queues.nobody_waits()) {
            (true, _) => AT_ONCE,
            (false, true) => upkeep.next,
            (false, false) => IMPATIENT,
        });
    }

    fn fetch(&self, fetch: Fetch) {
        match dispatch(&fetch.call) {
            Some(token) => self.queues.ask(token, CallFor::Fetch(Box::new(fetch))),
            None => {
                let upkeep = self.with_gateway(|gateway, world| gateway.arrived(world, &fetch, &Reply::NotSent));
                if let Some(upkeep) = upkeep {
                    self.counters.report(&upkeep.events);
                    // What else was found to be due; this one is not among it, because its failure is spaced out.
                    for further in upkeep.fetches {
                        self.fetch(further);
                    }
                }
            }
        }
    }

    /// Wakes those whose waiting is over, a few at a time; says whether there may be more.
    fn wake_those_with_news(&self) -> bool {
        let queue = &self.queues.waiting;
        let waiting = queue.try_borrow_mut().map(|mut waiting| std::mem::take(&mut *waiting)).unwrap_or_default();
        let (mut still, mut woken) = (Vec::new(), 0_usize);
        for waiting in waiting {
            if waiting.progress.strong_count() == 0 {
                continue;
            }
            if woken >= WOKEN_AT_ONCE {
                still.push(waiting);
                continue;
            }
            let news = self.with_gateway(|gateway, world| gateway.news(world, &waiting.resource, waiting.until)).flatten();
            match news {
                Some(news) => {
                    woken = woken.saturating_add(1);
                    self.wake(waiting.id, &waiting.progress, GoesOn::Wait(waiting.pending, news));
                }
                None => still.push(waiting),
            }
        }
        self.as_root();
        if let Ok(mut queue) = queue.try_borrow_mut() {
            queue.append(&mut still);
        }
        woken >= WOKEN_AT_ONCE
    }

    /// Ends the reading of bodies whose time is over, a few at a time.
    fn end_slow_bodies(&self) {
        let now = || Some(self.host.try_borrow().ok()?.now());
        let over = |now: Timestamp, readers: &RefCell<BodyReaders>| readers.try_borrow_mut().ok()?.over(now);
        for _ in 0..WOKEN_AT_ONCE {
            let Some(reader) = now().and_then(|now| over(now, &self.queues.reading)) else { return };
            let taken = reader.progress.upgrade().and_then(|progress| {
                let mut progress = progress.try_borrow_mut().ok()?;
                match &*progress {
                    Progress::Reading { .. } => Some(std::mem::take(&mut *progress)),
                    _ => None,
                }
            });
            if let Some(Progress::Reading { pending, .. }) = taken {
                self.wake(reader.id, &reader.progress, GoesOn::Body(pending, BodyNews::TimedOut));
                self.as_root();
            }
        }
    }

    /// Goes on with a stream that waited, unless it is gone, or was answered by somebody else.
    fn wake(&self, id: u32, progress: &Weak<RefCell<Progress>>, goes_on: GoesOn) {
        let waits = |progress: &Rc<RefCell<Progress>>| progress.try_borrow().is_ok_and(|progress| !progress.is_decided());
        let Some(progress) = progress.upgrade().filter(waits).filter(|_| host_calls::set_effective_context(id).is_ok()) else {
            if let GoesOn::Call(pending, reply) = goes_on {
                let events = self.with_gateway(|gateway, world| gateway.unheard(world, &pending, &reply)).flatten();
                self.counters.report(events.as_slice());
            }
            return;
        };
        let Some(step) = self.go_on(goes_on) else { return };
        self.act(&Actor { id, progress }, step, CalledFrom::Root);
    }

    /// Ticks after this.
    pub(super) fn look_after(&self, period: Duration) {
        if self.period.replace(period) != period {
            let _ = host_calls::set_tick_period(period);
        }
    }
}
