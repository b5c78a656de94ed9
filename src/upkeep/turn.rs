//! One turn of the background (a tick, or a reply): what it may touch, and which fetches and events it has collected. It decides
//! nothing.

use std::rc::Rc;

use crate::config::settings::Settings;
use crate::http::message::HttpCall;
use crate::oidc::metadata::Metadata;
use crate::session::ended::EndedSessions;
use crate::step::event::Event;
use crate::upkeep::documents::{Documents, HeldKeys};
use crate::upkeep::fetch::{Errand, Fetch};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// What a turn of the background may touch, and what it has collected so far.
pub(super) struct Turn<'a> {
    pub(super) settings: &'a Settings,
    pub(super) world: &'a mut dyn World,
    pub(super) now: Timestamp,
    pub(super) documents: &'a mut Documents,
    pub(super) ended: &'a mut EndedSessions,
    /// Refresh tokens that came for sessions that had ended by then, with the provider's name: they are given back.
    pub(super) needless: Vec<(String, Secret)>,
    pub(super) fetches: Vec<Fetch>,
    pub(super) events: Vec<Event>,
}

impl Turn<'_> {
    /// A provider's metadata, if this worker or another one has fetched it.
    pub(super) fn metadata(&mut self, provider: &str) -> Option<Rc<Metadata>> {
        self.documents.metadata(self.settings, self.world, provider, self.now)
    }

    /// A provider's keys, if this worker or another one has fetched them.
    pub(super) fn keys(&mut self, provider: &str) -> Option<HeldKeys> {
        self.documents.keys(self.settings, self.world, provider, self.now)
    }

    /// Has a call made to the store that replicas share.
    pub(super) fn ask_store(&mut self, errand: Errand, call: HttpCall) {
        self.fetches.push(Fetch { provider: String::new(), errand, call, began: self.now });
    }
}
