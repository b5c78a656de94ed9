//! All providers' metadata and keys: what is known of them here, what somebody waits for, and what is due. How one provider's are
//! fetched, shared and renewed, `upkeep::keep` knows.

use std::rc::Rc;

use crate::config::settings::Settings;
use crate::crypto::key::KeySet;
use crate::http::message::Reply;
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::Provider;
use crate::step::decision::{News, Resource};
use crate::step::event::DocumentKind;
use crate::upkeep::fetch::Fetch;
use crate::upkeep::keep::Keep;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// Keys, and when they were fetched.
#[derive(Clone, Debug)]
pub struct HeldKeys {
    /// The keys.
    pub set: Rc<KeySet>,
    /// When.
    pub fetched: Timestamp,
    /// When they were fetched first as they are: what they verified since then, they still verify.
    pub since: Timestamp,
}

/// All providers' metadata and keys.
pub struct Documents(Vec<Keep>);

impl Documents {
    /// Nothing fetched yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Self(settings.providers.iter().map(Keep::new).collect())
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

    /// Whether asking for a provider's keys again would be worth waiting for.
    pub fn may_refresh_keys(&self, name: &str, now: Timestamp) -> bool {
        self.0.iter().any(|keep| keep.name == name && keep.keys.not_before <= now)
    }

    /// Whether the newest attempt to fetch a provider's keys failed, on whichever worker.
    pub fn keys_failing(&self, world: &dyn World, name: &str) -> bool {
        self.0.iter().any(|keep| keep.name == name && keep.keys_failing(world))
    }

    /// Somebody is about to wait.
    pub fn want(&mut self, resource: &Resource) {
        match resource {
            Resource::Metadata(name) => {
                if let Some(keep) = self.0.iter_mut().find(|keep| keep.name == *name) {
                    keep.metadata.wanted = Some(None);
                }
            }
            Resource::Keys { provider, newer_than } => {
                if let Some(keep) = self.0.iter_mut().find(|keep| keep.name == *provider) {
                    keep.keys.wanted = Some(*newer_than);
                    keep.keys.not_before = Timestamp::default();
                }
            }
            // Whoever waits for this has said so already, with the session.
            Resource::Refresh(_) => {}
        }
    }

    /// What to tell somebody who waits for metadata until then.
    pub(super) fn metadata_news(&self, now: Timestamp, name: &str, until: Timestamp) -> Option<News> {
        let Some(keep) = self.0.iter().find(|keep| keep.name == name) else {
            return Some(News::Missing(Reason::MetadataUnavailable));
        };
        if keep.metadata.held.is_some() {
            return Some(News::Ready);
        }
        (now >= until || keep.metadata.not_before >= until).then_some(News::Missing(Reason::MetadataUnavailable))
    }

    /// What to tell somebody who waits for keys until then.
    pub(super) fn keys_news(&self, now: Timestamp, name: &str, newer_than: Option<Timestamp>, until: Timestamp) -> Option<News> {
        let Some(keep) = self.0.iter().find(|keep| keep.name == name) else {
            return Some(News::Missing(Reason::KeysUnavailable));
        };
        if keep.keys.is_newer_than(newer_than) {
            return Some(News::Ready);
        }
        let metadata_not_before = if keep.metadata.held.is_some() { Timestamp::default() } else { keep.metadata.not_before };
        let not_before = keep.keys.not_before.max(metadata_not_before);
        (now >= until || not_before >= until).then_some(News::Missing(Reason::KeysUnavailable))
    }

    /// Looks after all of them once: adds what is to be fetched, and says whether anything is missing.
    pub(super) fn look_after(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        now: Timestamp,
        fetches: &mut Vec<Fetch>,
    ) -> bool {
        let mut missing = false;
        let asked = self.0.iter_mut().zip(&settings.providers).filter(|(_, provider)| provider.oidc.is_asked());
        for (keep, provider) in asked {
            keep.look(&provider.oidc, &settings.sealer, world, now, fetches);
            missing |= keep.metadata.is_due(now) || keep.keys.is_due(now);
        }
        missing
    }

    /// A document was answered for.
    ///
    /// # Errors
    /// Why it does not count; what was there before stays.
    pub(super) fn arrived(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        name: &str,
        kind: DocumentKind,
        reply: &Reply,
    ) -> Result<(), Failure> {
        let now = world.now();
        match self.keep(settings, name) {
            Some((keep, provider)) => keep.arrived(provider, &settings.sealer, world, kind, reply, now),
            None => Ok(()),
        }
    }

    /// What one provider may have of so many places.
    pub(super) fn share(&self, places: usize) -> usize {
        places.checked_div(self.0.len()).unwrap_or_default()
    }

    fn keep<'a, 'b>(&'a mut self, settings: &'b Settings, name: &str) -> Option<(&'a mut Keep, &'b Provider)> {
        let mut both = self.0.iter_mut().zip(settings.providers.iter().map(|provider| &provider.oidc));
        both.find(|(keep, _)| keep.name == name)
    }
}
