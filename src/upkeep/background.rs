//! The background of one worker (or of Envoy's main thread): what it keeps, and its turns. Who may fetch is agreed by a lease in
//! shared memory; what was fetched stands there too, so that other workers and the next configuration find it.

use std::time::Duration;

use crate::config::settings::Settings;
use crate::http::message::Reply;
use crate::session::remembered::ended::EndedSessions;
use crate::step::decision::{News, Resource};
use crate::step::event::Event;
use crate::upkeep::documents::Documents;
use crate::upkeep::fetch::{Errand, Fetch, Upkeep};
use crate::upkeep::refresh::Refreshes;
use crate::upkeep::turn::Turn;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// How often a worker looks when everything is there.
const AT_EASE: Duration = Duration::from_secs(1);

/// How often it looks when something is missing.
const ATTENTIVE: Duration = Duration::from_millis(100);

/// All providers' metadata and keys, the sessions that are to be refreshed, and those that have ended.
pub struct Background {
    /// The providers' metadata and keys.
    pub documents: Documents,
    /// The sessions that are to be refreshed.
    pub refreshes: Refreshes,
    /// The sessions that have ended, in whichever worker.
    pub ended: EndedSessions,
    /// The providers of which was told that they issue no refresh token.
    without_refresh_token: Vec<String>,
}

impl Background {
    /// Nothing fetched yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            documents: Documents::new(settings),
            refreshes: Refreshes::default(),
            ended: EndedSessions::default(),
            without_refresh_token: Vec::new(),
        }
    }

    /// A provider issued no refresh token where one was needed: what to say about it, the first time.
    pub fn tell_that_no_refresh_token_came(&mut self, name: &str) -> Option<Event> {
        if self.without_refresh_token.iter().any(|told| told == name) {
            return None;
        }
        self.without_refresh_token.push(name.to_owned());
        Some(Event::RefreshTokenMissing { provider: name.to_owned() })
    }

    /// What to tell somebody who waits until then: that it is there, that it will not come in time, or nothing yet.
    pub fn news(&self, now: Timestamp, resource: &Resource, until: Timestamp) -> Option<News> {
        match resource {
            Resource::Metadata(name) => self.documents.metadata_news(now, name, until),
            Resource::Keys { provider, newer_than } => self.documents.keys_news(now, provider, *newer_than, until),
            Resource::Refresh(session) => self.refreshes.news(now, session, until),
        }
    }

    /// Looks after everything once.
    pub fn tick(&mut self, settings: &Settings, world: &mut dyn World) -> Upkeep {
        self.turn(settings, world, Vec::new(), |refreshes, turn| refreshes.look_after(turn))
    }

    /// A fetch was answered. Then everything is looked after once.
    pub fn arrived(&mut self, settings: &Settings, world: &mut dyn World, fetch: &Fetch, reply: &Reply) -> Upkeep {
        let events = match &fetch.errand {
            Errand::Document(kind) => {
                let failure = self.documents.arrived(settings, world, &fetch.provider, *kind, reply).err();
                vec![Event::Fetched { kind: *kind, provider: fetch.provider.clone(), failure }]
            }
            Errand::Refresh(_) => Vec::new(),
        };
        self.turn(settings, world, events, |refreshes, turn| {
            if let Errand::Refresh(session) = &fetch.errand {
                refreshes.arrived(turn, session, reply);
            }
            refreshes.look_after(turn);
        })
    }

    fn turn(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        events: Vec<Event>,
        refresh: impl FnOnce(&mut Refreshes, &mut Turn<'_>),
    ) -> Upkeep {
        let now = world.now();
        let (documents, ended) = (&mut self.documents, &mut self.ended);
        let mut turn = Turn { settings, world, now, documents, ended, fetches: Vec::new(), events };
        refresh(&mut self.refreshes, &mut turn);
        let Turn { world, documents, mut fetches, events, .. } = turn;
        let missing = documents.look_after(settings, world, now, &mut fetches);
        let attentive = missing || !self.refreshes.is_empty();
        Upkeep { fetches, events, next: if attentive { ATTENTIVE } else { AT_EASE } }
    }
}
