//! The stage on which tests play journeys: a worker with a gateway, a provider, a user service and a browser, all plain values.
//! Time passes only when a test says so, or while a journey waits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use crate::config;
use crate::gateway::Gateway;
use crate::gateway::pending::{PendingBody, PendingCall, PendingWait, Step};
use crate::http::body::Body;
use crate::http::message::{Following, Headers, HttpCall, Reply, Response};
use crate::oidc::testing::ISSUER;
use crate::step::decision::{BodyNews, Decision, Forward, News, Resource};
use crate::step::event::{DocumentKind, Event};
use crate::upkeep::fetch::{Errand, Fetch, Upkeep};
use crate::words::reason::Reason;
use crate::words::time::Timestamp;
use crate::words::world::testing::Still;

pub(crate) use super::browser::Browser;
pub(crate) use super::provider::Provider;
pub(crate) use super::user_service::UserService;

/// The time at which every test begins.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_seconds(1_750_000_000);

pub(crate) const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
pub(crate) const OTHER_KEY: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
pub(crate) const CLIENT_SECRET: &str = "the-client-secret";

/// The time between two ticks while a request waits, as in `shell::runner`.
const WHILE_REQUESTS_WAIT: Duration = Duration::from_millis(20);

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The configuration of most tests: "the usual configuration".
pub(crate) fn document() -> Value {
    json!({
        "origins": ["https://app.example.com"],
        "providers": [{
            "name": "main",
            "issuer": ISSUER,
            "clusters": {"sso.example.com": "sso"},
            "client_id": "app",
            "client_secret": CLIENT_SECRET
        }],
        "session": {"keys": [KEY], "lifetime": "8h", "idle": "1h"},
        "rules": [
            {"match": {"path_separated_prefix": "/public"}, "require": "public"},
            {"match": {"path_separated_prefix": "/members"}, "require": {"claim": "groups", "any_of": ["staff"]}},
            {"match": {"path_separated_prefix": "/company"}, "require": {"email_domain": ["example.com"]}},
            {"match": {"path_separated_prefix": "/loyal"}, "require": {"not": {"claim": "status", "any_of": ["suspended"]}}},
            {"match": {"path_separated_prefix": "/api"}, "require": "authenticated", "unauthenticated": "respond"},
            {"match": {"path_separated_prefix": "/always"}, "require": "authenticated", "unauthenticated": "redirect"}
        ]
    })
}

/// The usual configuration with another value at this JSON pointer.
pub(crate) fn with(pointer: &str, value: Value) -> Value {
    changed(document(), pointer, value)
}

pub(crate) fn changed(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.into(), value)),
        Value::Array(members) => members[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    document
}

/// All parameters of a query or a form, as the one who sent it meant them.
pub(crate) fn query_parameters(query: Option<&str>) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned() {
        assert!(parameters.insert(name.clone(), value).is_none(), "{name} comes twice");
    }
    parameters
}

/// One worker: a gateway and the world around it.
pub(crate) struct Worker {
    pub(crate) gateway: Gateway,
    pub(crate) world: Still,
}

impl Worker {
    /// The first worker of a process.
    pub(crate) fn new(document: &Value) -> Self {
        Self::within(document, Still { now: BEGINNING, ..Still::default() })
    }

    /// Another worker of the same process, or the same one after a new configuration was loaded: it shares the shared memory.
    pub(crate) fn beside(&self, document: &Value) -> Self {
        Self::within(document, Still { drawn: self.world.drawn + (1 << 32), ..self.world.clone() })
    }

    pub(crate) fn within(document: &Value, mut world: Still) -> Self {
        let settings = config::testing::load(document.to_string().as_bytes(), &|_| None).unwrap();
        let gateway = Gateway::new(&mut world, settings).unwrap();
        Self { gateway, world }
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        self.world.now = self.world.now.plus(span);
    }

    pub(crate) fn begin(&mut self, headers: Headers) -> Step {
        self.gateway.begin(&mut self.world, headers, Following::Nothing)
    }

    /// The same, with a body behind the headers.
    pub(crate) fn begin_with_body(&mut self, headers: Headers) -> Step {
        self.gateway.begin(&mut self.world, headers, Following::Body)
    }

    pub(crate) fn resume<P: Waits>(&mut self, pending: P, news: P::News) -> Step {
        pending.resumed(self, news)
    }

    pub(crate) fn tick(&mut self) -> Upkeep {
        self.gateway.tick(&mut self.world)
    }

    pub(crate) fn fetch_answered(&mut self, fetch: &Fetch, reply: &Reply) -> Upkeep {
        self.gateway.fetch_answered(&mut self.world, fetch, reply)
    }

    pub(crate) fn news(&mut self, resource: &Resource, until: Timestamp) -> Option<News> {
        self.gateway.news(&self.world, resource, until)
    }

    /// Ticks, has the provider answer what the background fetches, and returns which documents were fetched.
    pub(crate) fn fetch_due(&mut self, provider: &mut Provider) -> Vec<DocumentKind> {
        let mut asked = Vec::new();
        let mut due = VecDeque::from(self.tick().fetches);
        while let Some(fetch) = due.pop_front() {
            if let Errand::Document(kind) = fetch.errand {
                asked.push(kind);
            }
            // No store is there, where a test does not bring one.
            let reply = match fetch.errand.is_of_store() {
                true => Reply::NotSent,
                false => provider.answer(&fetch.call, self.world.now),
            };
            due.extend(self.fetch_answered(&fetch, &reply).fetches);
        }
        asked
    }

    /// [`Worker::fetch_due`] at every tick of this time.
    pub(crate) fn fetch_due_for(&mut self, provider: &mut Provider, span: Duration) -> Vec<DocumentKind> {
        let end = self.world.now.plus(span);
        let mut asked = Vec::new();
        while self.world.now < end {
            asked.extend(self.fetch_due(provider));
            self.wait(WHILE_REQUESTS_WAIT);
        }
        asked
    }
}

/// A request that waits, and the type of what it goes on with.
pub(crate) trait Waits {
    type News;
    fn resumed(self, worker: &mut Worker, news: Self::News) -> Step;
}

impl Waits for PendingCall {
    type News = Reply;
    fn resumed(self, worker: &mut Worker, reply: Reply) -> Step {
        worker.gateway.resume_call(&mut worker.world, self, &reply)
    }
}

impl Waits for PendingWait {
    type News = News;
    fn resumed(self, worker: &mut Worker, news: News) -> Step {
        worker.gateway.resume_wait(&mut worker.world, self, news)
    }
}

impl Waits for PendingBody {
    type News = BodyNews;
    fn resumed(self, worker: &mut Worker, news: BodyNews) -> Step {
        worker.gateway.resume_body(&mut worker.world, self, news)
    }
}

/// A worker, a provider and a browser.
pub(crate) struct Stage {
    pub(crate) worker: Worker,
    pub(crate) provider: Provider,
    pub(crate) browser: Browser,
    pub(crate) users: UserService,
}

impl Stage {
    /// The worker knows neither metadata nor keys, and nobody is signed in.
    pub(crate) fn new(document: &Value) -> Self {
        Self { worker: Worker::new(document), provider: Provider::new(), browser: Browser::default(), users: UserService::new() }
    }

    /// The worker knows the provider's metadata and keys.
    pub(crate) fn ready(document: &Value) -> Self {
        let mut stage = Self::new(document);
        stage.worker.fetch_due_for(&mut stage.provider, seconds(1));
        stage
    }

    /// The worker knows the provider's metadata and keys, and the browser is signed in.
    pub(crate) fn signed_in(document: &Value) -> Self {
        let mut stage = Self::ready(document);
        stage.sign_in("/page");
        stage
    }

    /// The browser of somebody with these claims is signed in.
    pub(crate) fn with_claims(document: &Value, claims: Value) -> Self {
        let mut stage = Self::ready(document);
        stage.provider.claims = claims;
        stage.sign_in("/page");
        stage
    }

    /// Goes on with a request until it is forwarded or answered; the step that is returned has the events of all steps.
    pub(crate) fn settle(&mut self, step: Step) -> Step {
        let Step { decision, mut events, note, next_pass } = step;
        let next = match decision {
            Decision::Forward(_) | Decision::Respond(_) => return Step { decision, events, note, next_pass },
            Decision::Call(call, pending) => {
                let reply = match call.cluster.as_str() {
                    "users" | "mail" => self.users.answer(&call),
                    _ => self.provider.answer(&call, self.worker.world.now),
                };
                self.worker.resume(*pending, reply)
            }
            Decision::ReadBody { limit, pending, .. } => {
                let body = self.browser.body.clone().into_bytes();
                let body = if body.len() > limit { Body::TooLarge } else { Body::Read(body.into()) };
                self.worker.resume(*pending, BodyNews::Came(body))
            }
            Decision::Await { resource, until, pending } => {
                let news = self.until_news(&resource, until);
                self.worker.resume(*pending, news)
            }
        };
        let last = self.settle(next);
        events.extend(last.events);
        Step { events, ..last }
    }

    fn until_news(&mut self, resource: &Resource, until: Timestamp) -> News {
        for _ in 0..10_000 {
            self.worker.fetch_due(&mut self.provider);
            if let Some(news) = self.worker.news(resource, until) {
                return news;
            }
            self.worker.wait(WHILE_REQUESTS_WAIT);
        }
        panic!("no end to this wait");
    }

    /// Sends a request, goes on until it is decided, and lets the browser take the cookies.
    pub(crate) fn send(&mut self, headers: Headers) -> Step {
        let begun = self.worker.begin(headers);
        let step = self.settle(begun);
        if let Decision::Respond(response) = &step.decision {
            self.browser.take_response(response);
        }
        step
    }

    pub(crate) fn navigate(&mut self, target: &str) -> Step {
        self.send(self.browser.navigate(target))
    }

    pub(crate) fn script(&mut self, method: &str, target: &str) -> Step {
        self.send(self.browser.script(method, target))
    }

    /// Opens a page that redirects to the provider, signs in there, and returns the URL to which the provider redirects.
    pub(crate) fn go_to_the_provider(&mut self, page: &str) -> String {
        let sent = self.navigate(page);
        self.provider.agree(location(&sent))
    }

    /// Follows an answer that begins a sign-in again; returns the URL to which the provider redirects then.
    pub(crate) fn again(&mut self, step: &Step) -> String {
        assert!(location(step).starts_with("/api/login?again="), "{}", location(step));
        self.go_to_the_provider(location(step))
    }

    /// Signs in by opening a page; returns the step of the callback.
    pub(crate) fn sign_in(&mut self, page: &str) -> Step {
        let callback = self.go_to_the_provider(page);
        let back = self.navigate(&callback);
        assert_eq!(status(&back), 303, "{:?}", back.events);
        back
    }
}

pub(crate) fn response(step: &Step) -> &Response {
    match &step.decision {
        Decision::Respond(response) => response,
        other => panic!("not an answer: {other:?}"),
    }
}

pub(crate) fn forwarded(step: &Step) -> &Forward {
    match &step.decision {
        Decision::Forward(forward) => forward,
        other => panic!("not forwarded: {other:?}, {:?}", step.events),
    }
}

/// The identity headers that a forwarded request has for the upstream.
pub(crate) fn upstream_headers(step: &Step) -> Vec<(&str, &str)> {
    forwarded(step).edits.add.iter().map(|(name, value)| (&**name, value.as_str())).collect()
}

pub(crate) fn status(step: &Step) -> u16 {
    response(step).status
}

pub(crate) fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

pub(crate) fn location(step: &Step) -> &str {
    field(response(step), "location").unwrap()
}

/// Status and reason of a refusal; 200 and no reason for a request that goes upstream.
pub(crate) fn outcome(step: &Step) -> (u16, &str) {
    match &step.decision {
        Decision::Forward(_) => (200, ""),
        _ => (status(step), field(response(step), "x-accredit-reason").unwrap_or("")),
    }
}

pub(crate) fn body(step: &Step) -> Value {
    serde_json::from_str(&response(step).body).unwrap()
}

/// What a request waits for, until when, and what it goes on with.
pub(crate) fn awaited(step: Step) -> (Resource, Timestamp, PendingWait) {
    match step.decision {
        Decision::Await { resource, until, pending } => (resource, until, *pending),
        other => panic!("does not wait: {other:?}"),
    }
}

pub(crate) fn called(step: Step) -> (HttpCall, PendingCall) {
    match step.decision {
        Decision::Call(call, pending) => (call, *pending),
        other => panic!("calls nobody: {other:?}, {:?}", step.events),
    }
}

/// The reasons of the failures that the events report.
pub(crate) fn reasons(step: &Step) -> Vec<Reason> {
    let reason = |event: &Event| match event {
        Event::SignInFailed { failure, .. } | Event::Denied { failure, .. } => Some(failure.reason),
        Event::SessionRefused { failure, .. } => Some(failure.reason),
        _ => None,
    };
    step.events.iter().filter_map(reason).collect()
}
