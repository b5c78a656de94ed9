//! All that a journey may touch, as one value: the settings, the world, the background, and what was verified before. There is no
//! other state. It decides nothing.

use std::rc::Rc;

use crate::authenticate::recall::Recall;
use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::metadata::Metadata;
use crate::upkeep::background::Background;
use crate::upkeep::documents::HeldKeys;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// All that a journey may touch. A function that needs less takes only that.
pub struct Scene<'a> {
    /// The configuration.
    pub settings: &'a Settings,
    /// Time, random bytes, shared memory, route metadata, signature checks.
    pub world: &'a mut dyn World,
    /// The providers' documents, the sessions to be refreshed, and those that have ended.
    pub background: &'a mut Background,
    /// What this worker has verified before.
    pub recall: &'a mut Recall,
}

impl Scene<'_> {
    /// A provider's metadata, if this worker or another one has fetched it.
    pub fn metadata(&mut self, provider: &ProviderSettings, now: Timestamp) -> Option<Rc<Metadata>> {
        self.background.documents.metadata(self.settings, self.world, &provider.oidc.name, now)
    }

    /// A provider's published keys, if this worker or another one has fetched them.
    pub fn keys(&mut self, provider: &ProviderSettings, now: Timestamp) -> Option<HeldKeys> {
        self.background.documents.keys(self.settings, self.world, &provider.oidc.name, now)
    }
}
