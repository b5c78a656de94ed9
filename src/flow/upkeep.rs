//! What happens without anybody asking: providers' metadata and keys are fetched and renewed, sessions are refreshed.
//!
//! Every worker (and Envoy's main thread) has a background of its own. Who may fetch is agreed by a lease in shared memory; what
//! was fetched stands there too, so that other workers and the next configuration find it.

use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::flow::documents::{HeldKeys, Keep};
use crate::flow::event::{Event, Kind};
use crate::flow::refresh::Want;
use crate::flow::step::{News, Resource};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::Provider;
use crate::session::content::Session;
use crate::session::tombstone::Ended;
use crate::words::message::{HttpCall, Reply};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// How often a worker looks when everything is there.
const AT_EASE: Duration = Duration::from_secs(1);

/// How often it looks when something is missing.
const ATTENTIVE: Duration = Duration::from_millis(100);

/// What the background wants done.
#[derive(Debug, PartialEq)]
pub struct Upkeep {
    /// Ask these.
    pub fetches: Vec<Fetch>,
    /// For counters and the log.
    pub events: Vec<Event>,
    /// Look again after this; sooner when requests wait.
    pub next: Duration,
}

/// Something to fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// The provider's configured name.
    pub provider: String,
    /// What for.
    pub errand: Errand,
    /// How.
    pub call: HttpCall,
}

/// What somebody is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// A document that all share.
    Document(Kind),
    /// New tokens for this session. Its refresh token is spent by asking: whoever is told of the answer must take it.
    Refresh(Box<Session>),
}

/// All providers' metadata and keys, the sessions that are to be refreshed, and those that have ended.
pub struct Background {
    providers: Vec<Keep>,
    pub(super) wanted: Vec<Want>,
    /// The sessions that have ended, in whichever worker.
    pub(super) ended: Ended,
    /// The providers of which was told that they issue no refresh token.
    without_refresh_token: Vec<String>,
}

impl Background {
    /// Nothing fetched yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            providers: settings.providers.iter().map(Keep::new).collect(),
            wanted: Vec::new(),
            ended: Ended::sessions(),
            without_refresh_token: Vec::new(),
        }
    }

    /// A provider's metadata, if they are known here or to another worker.
    pub fn metadata(&mut self, settings: &Settings, world: &dyn World, name: &str, now: Timestamp) -> Option<Rc<Metadata>> {
        let (keep, provider) = self.keep(settings, name)?;
        if keep.metadata.held.is_none() {
            keep.adopt_metadata(provider, &settings.sealer, world);
        }
        let metadata = keep.metadata.held.as_ref().map(|held| Rc::clone(&held.value));
        if metadata.is_none() && now >= keep.metadata.not_before {
            keep.metadata.wanted = Some(None);
        }
        metadata
    }

    /// A provider's keys, if they are known here or to another worker.
    pub fn keys(&mut self, settings: &Settings, world: &dyn World, name: &str, now: Timestamp) -> Option<HeldKeys> {
        self.metadata(settings, world, name, now)?;
        let (keep, provider) = self.keep(settings, name)?;
        if keep.keys.held.is_none() {
            keep.adopt_keys(provider, &settings.sealer, world);
        }
        keep.keys.held.as_ref().map(|held| HeldKeys { set: Rc::clone(&held.value), fetched: held.fetched, since: held.since })
    }

    /// A provider issued no refresh token where one was needed: what to say about it, the first time.
    pub fn tell_that_no_refresh_token_came(&mut self, name: &str) -> Option<Event> {
        if self.without_refresh_token.iter().any(|told| told == name) {
            return None;
        }
        self.without_refresh_token.push(name.to_owned());
        Some(Event::RefreshTokenMissing { provider: name.to_owned() })
    }

    /// Whether asking for a provider's keys again would be worth waiting for.
    pub fn may_refresh_keys(&self, name: &str, now: Timestamp) -> bool {
        self.providers.iter().any(|keep| keep.name == name && keep.keys.not_before <= now)
    }

    /// Whether the newest attempt to fetch a provider's keys failed, on whichever worker.
    pub fn keys_failing(&self, world: &dyn World, name: &str) -> bool {
        self.providers.iter().any(|keep| keep.name == name && keep.keys_failing(world))
    }

    /// Somebody is about to wait.
    pub fn want(&mut self, resource: &Resource) {
        match resource {
            Resource::Metadata(name) => {
                if let Some(keep) = self.providers.iter_mut().find(|keep| keep.name == *name) {
                    keep.metadata.wanted = Some(None);
                }
            }
            Resource::Keys { provider, newer_than } => {
                if let Some(keep) = self.providers.iter_mut().find(|keep| keep.name == *provider) {
                    keep.keys.wanted = Some(*newer_than);
                    keep.keys.not_before = Timestamp::default();
                }
            }
            // Whoever waits for this has said so already, with the session.
            Resource::Refresh(_) => {}
        }
    }

    /// What to tell somebody who waits until then: that it is there, that it will not come in time, or nothing yet.
    pub fn news(&self, now: Timestamp, resource: &Resource, until: Timestamp) -> Option<News> {
        let name = match resource {
            Resource::Metadata(name) | Resource::Keys { provider: name, .. } => name,
            Resource::Refresh(session) => return self.refresh_news(now, session, until),
        };
        let Some(keep) = self.providers.iter().find(|keep| keep.name == *name) else {
            return Some(News::Missing(resource.missing()));
        };
        let (ready, not_before) = match resource {
            Resource::Metadata(_) | Resource::Refresh(_) => (keep.metadata.held.is_some(), keep.metadata.not_before),
            Resource::Keys { newer_than, .. } => {
                let metadata_not_before =
                    if keep.metadata.held.is_some() { Timestamp::default() } else { keep.metadata.not_before };
                (keep.keys.is_newer_than(*newer_than), keep.keys.not_before.max(metadata_not_before))
            }
        };
        if ready {
            return Some(News::Ready);
        }
        (now >= until || not_before >= until).then(|| News::Missing(resource.missing()))
    }

    /// Looks after everything once.
    pub fn tick(&mut self, settings: &Settings, world: &mut dyn World) -> Upkeep {
        let now = world.now();
        let (mut fetches, mut events) = (Vec::new(), Vec::new());
        self.refresh_what_is_due(settings, world, now, &mut fetches, &mut events);
        let mut attentive = !self.wanted.is_empty();
        let asked = self.providers.iter_mut().zip(&settings.providers).filter(|(_, provider)| provider.oidc.is_asked());
        for (keep, provider) in asked {
            keep.look(&provider.oidc, &settings.sealer, world, now, &mut fetches);
            attentive |= keep.metadata.is_due(now) || keep.keys.is_due(now);
        }
        Upkeep { fetches, events, next: if attentive { ATTENTIVE } else { AT_EASE } }
    }

    /// A fetch was answered.
    pub fn arrived(&mut self, settings: &Settings, world: &mut dyn World, fetch: &Fetch, reply: &Reply) -> Upkeep {
        let now = world.now();
        let mut events = Vec::new();
        match &fetch.errand {
            Errand::Document(kind) => {
                let failure = match self.keep(settings, &fetch.provider) {
                    Some((keep, provider)) => keep.arrived(provider, &settings.sealer, world, *kind, reply, now).err(),
                    None => None,
                };
                events.push(Event::Fetched { kind: *kind, provider: fetch.provider.clone(), failure });
            }
            Errand::Refresh(session) => self.refresh_arrived(settings, world, session, reply, &mut events),
        }
        let mut upkeep = self.tick(settings, world);
        events.append(&mut upkeep.events);
        Upkeep { events, ..upkeep }
    }

    /// What one provider may have of so many places.
    pub(super) fn share(&self, places: usize) -> usize {
        places.checked_div(self.providers.len()).unwrap_or_default()
    }

    fn keep<'a, 'b>(&'a mut self, settings: &'b Settings, name: &str) -> Option<(&'a mut Keep, &'b Provider)> {
        let mut both = self.providers.iter_mut().zip(settings.providers.iter().map(|provider| &provider.oidc));
        both.find(|(keep, _)| keep.name == name)
    }
}
