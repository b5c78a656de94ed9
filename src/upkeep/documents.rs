//! All providers' and transmitters' metadata and keys: which are here, which are waited for, and which are due. How one provider's documents are
//! fetched, shared and renewed, it does not know; `upkeep::provider_documents` does.

use std::rc::Rc;

use crate::config::settings::Settings;
use crate::crypto::key::KeySet;
use crate::http::message::Reply;
use crate::oidc::metadata::{EndpointName, Metadata, Remark};
use crate::oidc::provider::Provider;
use crate::step::decision::{News, Resource};
use crate::step::event::{DocumentKind, Event};
use crate::upkeep::fetch::Fetch;
use crate::upkeep::provider_documents::ProviderDocuments;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// A provider's keys, as this worker holds them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the name of the first field says it")]
pub struct HeldKeys {
    pub set: Rc<KeySet>,
    /// When they were fetched last.
    pub fetched: Timestamp,
    /// When exactly these keys were fetched for the first time. A token that was verified since then is still good by them.
    pub since: Timestamp,
}

/// All providers' metadata and keys, and behind them those of transmitters of security events.
pub struct Documents {
    each: Vec<ProviderDocuments>,
    /// How many of them are a provider's.
    of_providers: usize,
}

impl Documents {
    /// Nothing fetched yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Self { each: settings.publishers().map(ProviderDocuments::new).collect(), of_providers: settings.providers.len() }
    }

    /// A provider's metadata, if this worker or another one has fetched it. Otherwise it is marked as wanted.
    pub fn metadata(&mut self, settings: &Settings, world: &dyn World, name: &str, now: Timestamp) -> Option<Rc<Metadata>> {
        let (documents, provider) = self.of_provider(settings, name)?;
        if documents.metadata.held.is_none() {
            documents.adopt_metadata(provider, &settings.sealer, world);
        }
        let metadata = documents.metadata.held.as_ref().map(|held| Rc::clone(&held.value));
        if metadata.is_none() && now >= documents.metadata.not_before {
            documents.metadata.wanted = Some(None);
        }
        metadata
    }

    /// A provider's keys, if this worker or another one has fetched them.
    pub fn keys(&mut self, settings: &Settings, world: &dyn World, name: &str, now: Timestamp) -> Option<HeldKeys> {
        self.metadata(settings, world, name, now)?;
        let (documents, provider) = self.of_provider(settings, name)?;
        if documents.keys.held.is_none() {
            documents.adopt_keys(provider, &settings.sealer, world);
        }
        documents.keys.held.as_ref().map(|held| HeldKeys {
            set: Rc::clone(&held.value),
            fetched: held.fetched,
            since: held.since,
        })
    }

    /// Whether a provider's keys may be fetched again now. If not, it is not worth waiting for newer ones.
    pub fn may_refresh_keys(&self, name: &str, now: Timestamp) -> bool {
        self.each.iter().any(|documents| documents.name == name && documents.keys.not_before <= now)
    }

    /// Whether the newest attempt to fetch a provider's keys failed, in any worker.
    pub fn keys_failing(&self, world: &dyn World, name: &str) -> bool {
        self.each.iter().any(|documents| documents.name == name && documents.keys_failing(world))
    }

    /// Marks a resource as wanted: a request is about to wait for it.
    pub fn want(&mut self, resource: &Resource) {
        match resource {
            Resource::Metadata(name) => {
                if let Some(documents) = self.each.iter_mut().find(|documents| documents.name == *name) {
                    documents.metadata.wanted = Some(None);
                }
            }
            Resource::Keys { provider, newer_than } => {
                if let Some(documents) = self.each.iter_mut().find(|documents| documents.name == *provider) {
                    documents.keys.wanted = Some(*newer_than);
                    documents.keys.not_before = Timestamp::default();
                }
            }
            // What keeps these was told already.
            Resource::Refresh(_) | Resource::SignIn(_) | Resource::UpstreamToken(_) => {}
        }
    }

    /// The news for a request that waits for this provider's metadata until the given time.
    pub(super) fn metadata_news(&self, now: Timestamp, name: &str, until: Timestamp) -> Option<News> {
        let Some(documents) = self.each.iter().find(|documents| documents.name == name) else {
            return Some(News::Missing(Reason::MetadataUnavailable));
        };
        if documents.metadata.held.is_some() {
            return Some(News::Ready);
        }
        (now >= until || documents.metadata.not_before >= until).then_some(News::Missing(Reason::MetadataUnavailable))
    }

    /// The news for a request that waits for this provider's keys until the given time.
    pub(super) fn keys_news(&self, now: Timestamp, name: &str, newer_than: Option<Timestamp>, until: Timestamp) -> Option<News> {
        let Some(documents) = self.each.iter().find(|documents| documents.name == name) else {
            return Some(News::Missing(Reason::KeysUnavailable));
        };
        if documents.keys.is_newer_than(newer_than) {
            return Some(News::Ready);
        }
        let metadata_not_before =
            if documents.metadata.held.is_some() { Timestamp::default() } else { documents.metadata.not_before };
        let not_before = documents.keys.not_before.max(metadata_not_before);
        (now >= until || not_before >= until).then_some(News::Missing(Reason::KeysUnavailable))
    }

    /// Adds to `fetches` what is due now, and to `events` which documents are new here; returns whether anything is still missing.
    pub(super) fn look_after(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        now: Timestamp,
        (fetches, events): (&mut Vec<Fetch>, &mut Vec<Event>),
    ) -> bool {
        let mut missing = false;
        let asked = self.each.iter_mut().zip(settings.publishers()).filter(|(_, provider)| provider.is_asked());
        for (documents, provider) in asked {
            documents.look(provider, &settings.sealer, world, now, fetches);
            documents.tell(events);
            missing |= documents.metadata.is_due(now) || documents.are_keys_due(now);
        }
        missing
    }

    /// Takes the reply to the fetch of a provider's document. Returns what an operator should know about it.
    ///
    /// # Errors
    /// Why the document is not accepted. The one that was held before stays.
    pub(super) fn fetch_answered(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        name: &str,
        kind: DocumentKind,
        reply: &Reply,
    ) -> Result<Vec<Remark>, Failure> {
        let now = world.now();
        let Some((documents, provider)) = self.of_provider(settings, name) else { return Ok(Vec::new()) };
        documents.fetch_answered(provider, &settings.sealer, world, kind, reply, now)?;
        let Some(metadata) = documents.metadata.held.as_ref().filter(|_| kind == DocumentKind::Metadata) else {
            return Ok(Vec::new());
        };
        let mut remarks = metadata.value.remarks.clone();
        if settings.sign_out.at_provider && provider.signs_in() && metadata.value.lacks(EndpointName::EndSession) {
            let what = "end_session_endpoint is missing in the provider's document, so that logout.provider has no effect there";
            remarks.push(Remark::Endpoint(what.to_owned()));
        }
        Ok(remarks)
    }

    /// How many of `total` sessions each provider may have at least: the same number for each.
    pub(super) fn room_per_provider(&self, total: usize) -> usize {
        total.checked_div(self.of_providers).unwrap_or_default()
    }

    fn of_provider<'a, 'b>(
        &'a mut self,
        settings: &'b Settings,
        name: &str,
    ) -> Option<(&'a mut ProviderDocuments, &'b Provider)> {
        let mut both = self.each.iter_mut().zip(settings.publishers());
        both.find(|(documents, _)| documents.name == name)
    }
}
