//! What a journey may touch, as a value: the settings, the world, what is kept of providers and sessions, and what was verified
//! before. There is nothing else.

use std::rc::Rc;

use crate::authenticate::recall::Recall;
use crate::config::settings::{ProviderSettings, Settings};
use crate::oidc::metadata::Metadata;
use crate::upkeep::background::Background;
use crate::upkeep::documents::HeldKeys;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// What a journey may touch. One that needs less takes only that.
pub struct Scene<'a> {
    /// What is configured.
    pub settings: &'a Settings,
    /// Time, randomness, shared memory, signatures.
    pub world: &'a mut dyn World,
    /// What is kept without anybody asking.
    pub kept: &'a mut Background,
    /// What was verified before.
    pub recall: &'a mut Recall,
}

impl Scene<'_> {
    /// A provider's metadata, as far as they are known.
    pub fn metadata(&mut self, provider: &ProviderSettings, now: Timestamp) -> Option<Rc<Metadata>> {
        self.kept.documents.metadata(self.settings, self.world, &provider.oidc.name, now)
    }

    /// A provider's published keys, as far as they are known.
    pub fn keys(&mut self, provider: &ProviderSettings, now: Timestamp) -> Option<HeldKeys> {
        self.kept.documents.keys(self.settings, self.world, &provider.oidc.name, now)
    }
}
