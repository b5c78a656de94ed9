//! One turn of the background: what it may touch, and what comes of it. Nothing is done here.

use std::rc::Rc;

use crate::config::settings::Settings;
use crate::oidc::metadata::Metadata;
use crate::session::remembered::ended::EndedSessions;
use crate::step::event::Event;
use crate::upkeep::documents::{Documents, HeldKeys};
use crate::upkeep::fetch::Fetch;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// What a turn of the background may touch, and what it has brought about so far.
pub(super) struct Turn<'a> {
    pub(super) settings: &'a Settings,
    pub(super) world: &'a mut dyn World,
    pub(super) now: Timestamp,
    pub(super) documents: &'a mut Documents,
    pub(super) ended: &'a mut EndedSessions,
    /// Whom to ask.
    pub(super) fetches: Vec<Fetch>,
    /// What happened.
    pub(super) events: Vec<Event>,
}

impl Turn<'_> {
    /// A provider's metadata, as far as they are known.
    pub(super) fn metadata(&mut self, provider: &str) -> Option<Rc<Metadata>> {
        self.documents.metadata(self.settings, self.world, provider, self.now)
    }

    /// A provider's keys, as far as they are known.
    pub(super) fn keys(&mut self, provider: &str) -> Option<HeldKeys> {
        self.documents.keys(self.settings, self.world, provider, self.now)
    }
}
