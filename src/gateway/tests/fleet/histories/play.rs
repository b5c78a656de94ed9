//! Plays a history: what each act does to the replicas, the store, the provider and the browsers, and to the model. It decides nothing
//! about who may be signed in.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::prop_assert;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::super::super::backchannel_logout::{taking, token};
use super::super::super::refresh::finish;
use super::super::super::stage::{BEGINNING, Browser, Stage, Worker, changed, outcome, seconds};
use super::super::{Fleet, sharing};
use super::model::{Cookie, Ended, Model, Says};
use super::{Act, BROWSERS, Lie, PEOPLE, REPLICAS};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{OTHER_P256, P256};
use crate::gateway::pending::Step;
use crate::http::body::Body;
use crate::http::message::Reply;
use crate::step::decision::{BodyNews, Decision};
use crate::words::time::Timestamp;
use crate::words::world::Destination;

const SESSION: &str = "__Host-accredit";

/// What is played, and the model beside it.
pub(super) struct Play {
    fleet: Fleet,
    /// Its worker is the last replica.
    stage: Stage,
    model: Model,
    browsers: [(Browser, Option<Cookie>); BROWSERS],
    /// By how many milliseconds the clock of each replica is wrong.
    wrong: [i64; REPLICAS],
    newest_key: u8,
    provider_keys: usize,
    /// Until when the replicas may not yet have asked for the provider's newest key once more.
    provider_changed: Timestamp,
    last_callback: Option<String>,
    restarts: u64,
    store_is_there: bool,
    /// The time of the provider and of everybody whose clock is right.
    now: Timestamp,
}

impl Play {
    pub(super) fn new() -> Self {
        let model = Model { logins: Vec::new(), keys: vec![0], skew: Duration::ZERO, ended_before: [BEGINNING; PEOPLE.len()] };
        let mut stage = Stage::ready(&document(&model.keys));
        let fleet = Fleet::of(&mut stage, &document(&model.keys), REPLICAS - 1);
        let now = stage.worker.world.now;
        let wrong = [0; REPLICAS];
        let (newest_key, provider_keys, provider_changed, last_callback, restarts) = (0, 0, BEGINNING, None, 0);
        let browsers = std::array::from_fn(|_| (Browser::default(), None));
        let store_is_there = true;
        Self {
            fleet,
            stage,
            model,
            browsers,
            wrong,
            newest_key,
            provider_keys,
            provider_changed,
            last_callback,
            restarts,
            store_is_there,
            now,
        }
    }

    fn replica(&mut self, number: usize) -> &mut Worker {
        self.fleet.replicas.get_mut(number).unwrap_or(&mut self.stage.worker)
    }

    /// Everybody's clock shows this time, as wrong as it is.
    fn set_clocks(&mut self, now: Timestamp) {
        self.now = now;
        for number in 0..REPLICAS {
            let shown = now.millis().checked_add_signed(self.wrong[number]).unwrap();
            self.replica(number).world.now = Timestamp::from_millis(shown);
        }
    }

    /// Time passes, in which the replicas and the store talk to each other.
    fn pass(&mut self, span: Duration) {
        self.set_clocks(self.now);
        self.fleet.pass(&mut self.stage, span);
        self.set_clocks(self.now.plus(span));
    }

    /// What this browser does at a replica. What the replica waits for takes time for all.
    fn at<T>(&mut self, replica: usize, browser: usize, act: impl FnOnce(&mut Stage) -> T) -> T {
        let swaps = replica < self.fleet.replicas.len();
        let swap = |play: &mut Self| {
            if swaps {
                std::mem::swap(&mut play.stage.worker, &mut play.fleet.replicas[replica]);
            }
            std::mem::swap(&mut play.stage.browser, &mut play.browsers[browser].0);
        };
        swap(self);
        let began = self.stage.worker.world.now;
        let result = act(&mut self.stage);
        let took = self.stage.worker.world.now.since(began);
        swap(self);
        self.set_clocks(self.now.plus(took));
        if !self.browsers[browser].0.jar.contains_key(SESSION) {
            self.browsers[browser].1 = None;
        }
        result
    }

    fn reload(&mut self) {
        let document = document(&self.model.keys);
        for number in 0..REPLICAS {
            let replica = self.replica(number);
            *replica = replica.beside(&document);
        }
        self.pass(seconds(2));
    }

    fn provider_says(&mut self, claims: &Value) {
        let now = self.now.seconds();
        let members = json!({"groups": ["staff"], "sub": PEOPLE[0], "iat": now, "exp": now + 300});
        self.stage.provider.claims = members;
        self.stage.provider.claims.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    }

    /// Comes back from the provider. Whether the browser has a new session then.
    fn comes_back(&mut self, browser: usize, replica: usize, callback: &str) -> bool {
        let before = self.browsers[browser].0.jar.get(SESSION).cloned();
        self.at(replica, browser, |stage| stage.navigate(callback));
        self.browsers[browser].0.jar.get(SESSION) != before.as_ref()
    }

    fn signs_in(
        &mut self,
        browser: usize,
        person: usize,
        (begins, ends): (usize, usize),
        tabs: bool,
    ) -> Result<(), TestCaseError> {
        self.browsers[browser] = Default::default();
        self.provider_says(&json!({"sub": PEOPLE[person]}));
        let callbacks: Vec<_> =
            (0..=usize::from(tabs)).map(|_| self.at(begins, browser, |stage| stage.go_to_the_provider("/page"))).collect();
        for callback in callbacks {
            let is_in = self.comes_back(browser, ends, &callback);
            let may_fail = self.now < self.provider_changed;
            prop_assert!(is_in || may_fail || self.browsers[browser].1.is_some(), "an honest sign-in fails");
            if is_in {
                self.model.begins(person, self.now);
                let login = self.model.logins.len() - 1;
                self.browsers[browser].1 = Some(Cookie { login, renewed: self.now, key: self.model.keys[0] });
            }
            self.last_callback = Some(callback);
        }
        Ok(())
    }

    fn lies(&mut self, browser: usize, lie: Lie, replica: usize) -> Result<(), TestCaseError> {
        if let Lie::Again = lie {
            let Some(callback) = self.last_callback.clone() else { return Ok(()) };
            prop_assert!(!self.comes_back(browser, replica, &callback), "a code that was used signs in again");
            return Ok(());
        }
        self.browsers[browser] = Default::default();
        let now = self.now.seconds();
        self.provider_says(&match lie {
            Lie::Issuer => json!({"iss": "https://other.example.com"}),
            Lie::Audience => json!({"aud": "another"}),
            Lie::Nonce => json!({"nonce": "of another attempt"}),
            Lie::Expired => json!({"iat": now - 900, "exp": now - 600}),
            Lie::NoSubject => json!({"sub": null}),
            Lie::ForeignKey | Lie::StolenCode | Lie::Again => json!({}),
        });
        let honest = self.stage.provider.signs;
        if let Lie::ForeignKey = lie {
            let (_, algorithm, kid) = honest;
            let foreign = if self.provider_keys.is_multiple_of(2) { &OTHER_P256 } else { &P256 };
            self.stage.provider.signs = (foreign, algorithm, kid);
        }
        let callback = self.at(replica, browser, |stage| stage.go_to_the_provider("/page"));
        if let Lie::StolenCode = lie {
            self.browsers[browser] = Default::default();
        }
        prop_assert!(!self.comes_back(browser, replica, &callback), "a lie signs in");
        self.stage.provider.signs = honest;
        Ok(())
    }

    /// A request whose response comes back.
    fn visits(&mut self, browser: usize, replica: usize) {
        let (says, now) = (self.model.says(self.browsers[browser].1, replica, self.now), self.now);
        let before = self.browsers[browser].0.jar.get(SESSION).cloned();
        self.at(replica, browser, |stage| {
            let step = stage.script("GET", "/page");
            finish(&mut stage.worker, &mut stage.browser, &step);
        });
        let renewed = self.browsers[browser].0.jar.get(SESSION) != before.as_ref();
        let key = self.model.keys[0];
        if let (Some(cookie), true) = (&mut self.browsers[browser].1, renewed && says != Says::Nobody) {
            (cookie.renewed, cookie.key) = (now, key);
        }
    }

    fn signs_out(&mut self, browser: usize, replica: usize, everywhere: bool) {
        let Some(cookie) = self.browsers[browser].1 else { return };
        let says = self.model.says(Some(cookie), replica, self.now);
        let target = if everywhere { "/api/logout?everywhere" } else { "/api/logout" };
        self.at(replica, browser, |stage| drop(stage.script("POST", target)));
        let (person, told) = (self.model.logins[cookie.login].person, self.store_is_there);
        let (now, skew) = (self.now, self.model.skew);
        for (number, login) in self.model.logins.iter_mut().enumerate() {
            let is_own = number == cookie.login;
            let is_meant = is_own || everywhere && login.person == person;
            let is_decided = matches!(says, Says::Person(_)) && (is_own || login.begun.plus(skew) <= now);
            match login.ended {
                Ended::Everywhere => {}
                _ if is_meant && is_decided => login.ended = if told { Ended::Everywhere } else { Ended::At(replica) },
                // By an old cookie, or where clocks differ, it may end and may not.
                Ended::No if is_meant => login.ended = Ended::Perhaps,
                _ => {}
            }
        }
        if everywhere {
            self.model.ended_before[person] = self.now;
        }
        self.pass(seconds(2));
    }

    /// The provider posts a logout token to a replica, which tells the store.
    fn ended_by_provider(&mut self, person: usize, replica: usize) {
        let (now, jti) = (self.now.seconds(), format!("j-{}", self.now.millis()));
        let changes = json!({"sub": PEOPLE[person], "jti": jti, "iat": now, "exp": now + 120});
        let body = format!("logout_token={}", token(&self.stage, &changes)).into_bytes();
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        let headers = Browser::default().send("POST", "/api/backchannel_logout", &fields);
        let there = std::mem::replace(&mut self.replica(replica).world.destination, Destination::Nobody);
        let mut step = self.replica(replica).begin(headers);
        while !matches!(step.decision, Decision::Respond(_)) {
            step = match step.decision {
                Decision::ReadBody { pending, .. } => {
                    self.replica(replica).resume(*pending, BodyNews::Came(Body::Read(body.clone().into())))
                }
                Decision::Call(call, pending) => {
                    let reply = self.fleet.shelf.answer(&call, self.now);
                    self.replica(replica).resume(*pending, reply)
                }
                // For a new key of the provider.
                Decision::Await { resource, until, pending } => loop {
                    self.pass(Duration::from_millis(100));
                    let worker = self.replica(replica);
                    if let Some(news) = worker.news(&resource, until) {
                        break worker.resume(*pending, news);
                    }
                },
                decision => panic!("{decision:?}"),
            };
        }
        self.replica(replica).world.destination = there;
        let told = self.store_is_there;
        self.model.end(|login| login.person == person, replica, told);
        self.pass(seconds(2));
    }

    pub(super) fn does(&mut self, act: Act) -> Result<(), TestCaseError> {
        match act {
            Act::SignIn { browser, person, begins, ends, tabs } => self.signs_in(browser, person, (begins, ends), tabs)?,
            Act::LyingSignIn { browser, lie, replica } => self.lies(browser, lie, replica)?,
            Act::Copy { from, to } => self.browsers[to] = self.browsers[from].clone(),
            Act::Visit { browser, replica } => self.visits(browser, replica),
            Act::SignOut { browser, replica, everywhere } => self.signs_out(browser, replica, everywhere),
            Act::EndedByProvider { person, replica } => self.ended_by_provider(person, replica),
            Act::Minutes(minutes) => self.set_clocks(self.now.plus(seconds(60 * minutes))),
            Act::KeyAdded if self.store_is_there && self.model.keys.len() < 4 => {
                self.newest_key += 1;
                self.model.keys.push(self.newest_key);
                self.reload();
            }
            Act::NewestKeySeals if self.store_is_there => {
                self.model.keys.rotate_right(1);
                self.reload();
            }
            Act::OldKeysRemoved if self.store_is_there => {
                self.model.keys.truncate(1);
                self.reload();
            }
            Act::ProviderKey => {
                self.provider_keys += 1;
                let key = if self.provider_keys.is_multiple_of(2) { &P256 } else { &OTHER_P256 };
                let kid = ["first", "second", "third", "fourth", "fifth"][self.provider_keys % 5];
                self.stage.provider.publishes = vec![(key, kid)];
                self.stage.provider.signs = (key, Algorithm::ES256, kid);
                self.provider_changed = self.now.plus(seconds(300));
            }
            Act::Restart { replica } if self.store_is_there => {
                let mut fresh = Worker::new(&document(&self.model.keys));
                self.restarts += 1;
                fresh.world.drawn = (1 << 56) + (self.restarts << 40);
                *self.replica(replica) = fresh;
                self.pass(seconds(3));
            }
            Act::StoreAway => {
                self.fleet.shelf.instead = Some(Reply::Reset);
                self.store_is_there = false;
                self.pass(seconds(3));
            }
            Act::StoreBack => {
                self.fleet.shelf.instead = None;
                self.store_is_there = true;
                self.pass(seconds(8));
                self.model.end(|login| matches!(login.ended, Ended::At(_)), 0, true);
            }
            Act::StoreEmptied if self.store_is_there => {
                self.fleet.shelf.entries.clear();
                self.fleet.shelf.names.clear();
                self.pass(seconds(8));
            }
            Act::Clock { replica, milliseconds } => {
                self.wrong[replica] = milliseconds;
                self.model.skew = seconds(60);
                self.set_clocks(self.now);
            }
            Act::KeyAdded | Act::NewestKeySeals | Act::OldKeysRemoved | Act::Restart { .. } | Act::StoreEmptied => {}
        }
        Ok(())
    }

    /// Every browser asks every replica, and gets what the model says. (These responses are lost on their way back.)
    pub(super) fn agrees(&mut self) -> Result<(), TestCaseError> {
        for browser in 0..BROWSERS {
            let (person, cookie) = self.browsers[browser].clone();
            for number in 0..REPLICAS {
                let says = self.model.says(cookie, number, self.now);
                let step = self.replica(number).begin(person.script("GET", "/page"));
                let is = who(&step);
                let agrees = match says {
                    Says::Nobody => is.is_none(),
                    Says::Person(person) => is == Some(PEOPLE[person]),
                    Says::Either(person) => is.is_none() || is == Some(PEOPLE[person]),
                };
                prop_assert!(
                    agrees,
                    "browser {browser} at replica {number}: {says:?}, and it is {is:?}: {:?} {:?}",
                    outcome(&step),
                    self.model
                );
            }
        }
        Ok(())
    }
}

/// As whom a request goes upstream.
fn who(step: &Step) -> Option<&str> {
    matches!(step.decision, Decision::Forward(_)).then(|| step.note.subject.as_deref()).flatten()
}

fn document(keys: &[u8]) -> Value {
    let keys: Vec<_> = keys.iter().map(|number| BASE64_STANDARD.encode([*number; 32])).collect();
    taking(changed(sharing(), "/session/keys", json!(keys)))
}
