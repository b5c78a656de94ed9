//! One plugin configuration in one worker: it is configured, ticks, fetches what all requests share, and wakes those that wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::config;
use crate::config::settings::FilterState;
use crate::flow::gateway::Gateway;
use crate::flow::step::{News, Pending, Resource};
use crate::flow::upkeep::{Fetch, Upkeep};
use crate::shell::act::{Actor, Entry, dispatch, reply};
use crate::shell::bodies::Reader;
use crate::shell::host::Host;
use crate::shell::report::{self, Counters};
use crate::shell::stream::{Progress, Stream};
use crate::words::message::{HttpCall, Reply};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// How often to look while requests wait.
const IMPATIENT: Duration = Duration::from_millis(20);

/// The first look, and the one after somebody began to wait.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);

/// So many requests are woken in one call of the host. Envoy sends their answers after it, each from within the one before, and
/// a deep nest of them overflows its stack.
pub(super) const WOKEN_AT_ONCE: usize = 32;

/// So many requests may wait in one worker; each holds its headers.
const MOST_WAITING: usize = 1_000;

/// The root context.
pub(super) struct Root {
    id: u32,
    house: Option<Rc<House>>,
    queues: Rc<Queues>,
}

/// Who waits, and what was asked. They are the root's, not a configuration's: when it is configured anew, the requests that
/// began before are looked after by the house that ticks.
#[derive(Default)]
pub(super) struct Queues {
    waiting: RefCell<Vec<Waiting>>,
    asked: RefCell<HashMap<u32, Asked>>,
    /// Calls that the root must make, so that it hears the answer when the stream is gone.
    unsent: RefCell<Vec<(HttpCall, Asker)>>,
    pub(super) reading: RefCell<Vec<Reader>>,
}

/// What the root and its streams have in common.
pub(super) struct House {
    root_id: u32,
    gateway: RefCell<Gateway>,
    pub(super) host: RefCell<Host>,
    pub(super) queues: Rc<Queues>,
    period: Cell<Duration>,
    pub(super) counters: Counters,
    pub(super) filter_state: FilterState,
    /// Whether it was told that requests go past.
    pub(super) told_unseen: Cell<bool>,
}

/// A request that waits for something shared.
pub(super) struct Waiting {
    pub(super) id: u32,
    pub(super) progress: Weak<RefCell<Progress>>,
    pub(super) resource: Resource,
    pub(super) until: Timestamp,
    pub(super) pending: Box<Pending>,
}

/// What a call of the root was for.
enum Asked {
    Fetch(Box<Fetch>),
    ForStream(Asker),
}

/// A stream for which the root makes a call.
struct Asker {
    id: u32,
    progress: Weak<RefCell<Progress>>,
    pending: Box<Pending>,
}

impl Asker {
    fn new(actor: &Actor, pending: Box<Pending>) -> Self {
        Self { id: actor.id, progress: Rc::downgrade(&actor.progress), pending }
    }
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, house: None, queues: Rc::default() }
    }

    fn load(&self) -> Result<House, String> {
        let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default();
        let settings = config::load(&bytes, &|name| std::env::var(name).ok()).map_err(|refusal| refusal.to_string())?;
        let mut host = Host::probe();
        config::check_host(&settings, &host).map_err(|refusal| refusal.to_string())?;
        for warning in &settings.warnings {
            report::log(LogLevel::Warn, &format!("accredit: configuration: {warning}"));
        }
        let filter_state = settings.filter_state;
        let gateway = Gateway::new(&mut host, settings).map_err(|_| "the host gives no random bytes".to_owned())?;
        Ok(House {
            root_id: self.id,
            gateway: RefCell::new(gateway),
            host: RefCell::new(host),
            queues: Rc::clone(&self.queues),
            period: Cell::default(),
            counters: Counters::default(),
            filter_state,
            told_unseen: Cell::default(),
        })
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        if let Some(house) = &self.house {
            house.answered(token, &reply(headers, body));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.load() {
            Ok(house) => {
                house.look_after(AT_ONCE);
                self.house = Some(Rc::new(house));
                true
            }
            Err(refusal) => {
                report::log(LogLevel::Critical, &format!("accredit: configuration refused: {refusal}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(house) = &self.house {
            house.tick();
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let house = self.house.as_ref()?;
        Some(Box::new(Stream::new(id, Rc::clone(house))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl House {
    /// Lends the gateway out. It is never lent twice: a host call does not call back before it returns.
    pub(super) fn with_gateway<T>(&self, use_it: impl FnOnce(&mut Gateway, &mut dyn World) -> T) -> Option<T> {
        let mut gateway = self.gateway.try_borrow_mut().ok()?;
        let mut host = self.host.try_borrow_mut().ok()?;
        Some(use_it(&mut gateway, &mut *host))
    }

    /// Lets a request wait, and looks at once whether anything is to be fetched for it. Gives it back when too many wait already.
    pub(super) fn wait(&self, waiting: Waiting) -> Option<Waiting> {
        match self.queues.waiting.try_borrow_mut() {
            Ok(mut queue) if queue.len() < MOST_WAITING => queue.push(waiting),
            _ => return Some(waiting),
        }
        self.look_after(AT_ONCE);
        None
    }

    /// Remembers that a call was made for a stream.
    pub(super) fn expect(&self, token: u32, actor: &Actor, pending: Box<Pending>) {
        self.ask(token, Asked::ForStream(Asker::new(actor, pending)));
    }

    fn ask(&self, token: u32, asked: Asked) {
        if let Ok(mut calls) = self.queues.asked.try_borrow_mut() {
            calls.insert(token, asked);
        }
    }

    /// Leaves a call of a stream to the root, which makes it in a moment.
    pub(super) fn leave_to_root(&self, call: HttpCall, actor: &Actor, pending: Box<Pending>) {
        if let Ok(mut unsent) = self.queues.unsent.try_borrow_mut() {
            unsent.push((call, Asker::new(actor, pending)));
        }
        self.look_after(AT_ONCE);
    }

    /// Makes the calls that were left to the root, a few at a time; says whether there may be more.
    fn send_for_streams(&self) -> bool {
        for _ in 0..WOKEN_AT_ONCE {
            let next = self.queues.unsent.try_borrow_mut().ok().and_then(|mut unsent| unsent.pop());
            let Some((call, asker)) = next else { return false };
            match dispatch(&call) {
                Some(token) => self.ask(token, Asked::ForStream(asker)),
                None => {
                    self.wake(asker.id, &asker.progress, *asker.pending, News::Reply(Reply::NotSent));
                    self.as_root();
                }
            }
        }
        true
    }

    /// Host calls concern the root from here on.
    pub(super) fn as_root(&self) {
        let _ = hostcalls::set_effective_context(self.root_id);
    }

    fn tick(&self) {
        let Some(upkeep) = self.with_gateway(|gateway, world| gateway.tick(world)) else { return };
        self.keep_up(upkeep);
    }

    fn answered(&self, token: u32, reply: &Reply) {
        let asked = self.queues.asked.try_borrow_mut().ok().and_then(|mut asked| asked.remove(&token));
        match asked {
            Some(Asked::Fetch(fetch)) => {
                if let Some(upkeep) = self.with_gateway(|gateway, world| gateway.arrived(world, &fetch, reply)) {
                    self.keep_up(upkeep);
                }
            }
            Some(Asked::ForStream(Asker { id, progress, pending })) => {
                self.wake(id, &progress, *pending, News::Reply(reply.clone()));
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
        let nobody_waits = self.queues.waiting.try_borrow().is_ok_and(|waiting| waiting.is_empty());
        self.look_after(match (more, nobody_waits) {
            (true, _) => AT_ONCE,
            (false, true) => upkeep.next,
            (false, false) => IMPATIENT,
        });
    }

    fn fetch(&self, fetch: Fetch) {
        match dispatch(&fetch.call) {
            Some(token) => self.ask(token, Asked::Fetch(Box::new(fetch))),
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
        let waiting = self.queues.waiting.try_borrow_mut().map(|mut waiting| std::mem::take(&mut *waiting)).unwrap_or_default();
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
                    self.wake(waiting.id, &waiting.progress, *waiting.pending, news);
                }
                None => still.push(waiting),
            }
        }
        self.as_root();
        if let Ok(mut queue) = self.queues.waiting.try_borrow_mut() {
            queue.append(&mut still);
        }
        woken >= WOKEN_AT_ONCE
    }

    /// Goes on with a stream that waited, unless it is gone, or was answered by somebody else.
    pub(super) fn wake(&self, id: u32, progress: &Weak<RefCell<Progress>>, pending: Pending, news: News) {
        let waits = |progress: &Rc<RefCell<Progress>>| progress.try_borrow().is_ok_and(|progress| !progress.is_decided());
        let Some(progress) = progress.upgrade().filter(waits).filter(|_| hostcalls::set_effective_context(id).is_ok()) else {
            if let News::Reply(reply) = news {
                let events = self.with_gateway(|gateway, world| gateway.unheard(world, &pending, &reply)).flatten();
                self.counters.report(events.as_slice());
            }
            return;
        };
        let Some(step) = self.go_on(pending, news) else { return };
        self.act(&Actor { id, progress }, step, Entry::Root);
    }

    pub(super) fn look_after(&self, period: Duration) {
        if self.period.replace(period) != period {
            let _ = hostcalls::set_tick_period(period);
        }
    }
}
