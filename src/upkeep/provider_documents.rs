//! The documents of one provider, or of one transmitter of security events: its metadata and its keys. They are fetched once for all
//! workers, kept, and renewed. A failure never takes away the document that was there before.

use std::rc::Rc;
use std::time::Duration;

use crate::crypto::key::KeySet;
use crate::crypto::seal::{Purpose, Sealer};
use crate::http::message::{Headers, Reply};
use crate::oidc::discovery::{check_renewal, fresh_for, is_complete, metadata_request, metadata_response};
use crate::oidc::keys::{keys_request, keys_response};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{MetadataSource, Provider};
use crate::session::content::Fingerprint;
use crate::step::event::{DocumentKind, Event};
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::lease::{self, Grant, Urgency};
use crate::words::reason::Failure;
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// One provider's metadata and keys.
pub(super) struct ProviderDocuments {
    pub(super) name: String,
    /// A digest of everything in the configuration that the documents depend on. Two configurations with the same digest share
    /// the documents.
    digest: String,
    pub(super) metadata: Slot<Metadata>,
    pub(super) keys: Slot<KeySet>,
}

/// One document: what is held of it, and whether a request waits for it.
pub(super) struct Slot<T> {
    pub(super) held: Option<Held<T>>,
    /// A request waits for this document: for any (`Some(None)`), or for one that was fetched after this time.
    pub(super) wanted: Option<Option<Timestamp>>,
    /// No fetch before this time.
    pub(super) not_before: Timestamp,
    /// The versions of the entries in shared memory when they were last read. An entry is only opened when its version has
    /// changed.
    versions: Vec<Option<Version>>,
    /// Of which document, by the time when it was fetched, an event has told.
    told: Timestamp,
}

pub(super) struct Held<T> {
    pub(super) value: Rc<T>,
    /// When it was fetched last.
    pub(super) fetched: Timestamp,
    /// When exactly this value was fetched for the first time.
    pub(super) since: Timestamp,
    fresh_until: Timestamp,
}

/// Metadata that lack an endpoint that the configuration needs are fetched again after this time at the latest.
const LONGEST_INCOMPLETE: Duration = Duration::from_secs(60);

/// The version of the format in shared memory. Entries of another version are not read.
const VERSION: u8 = 1;

/// A fetched document as it stands in shared memory.
struct Mirrored {
    /// The key that it was written under. Copied to another key, it is not accepted.
    key: String,
    fetched: Timestamp,
    fresh_until: Timestamp,
    body: String,
}

impl Mirrored {
    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(&self.key);
        writer.number(self.fetched.millis());
        writer.number(self.fresh_until.millis());
        writer.text(&self.body);
        writer.finish(VERSION)
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let mut read = Reader::new(plain, VERSION)?;
        let key = read.text()?;
        let [fetched, fresh_until] = [read.number()?, read.number()?].map(Timestamp::from_millis);
        let mirrored = Self { key, fetched, fresh_until, body: read.text()? };
        read.is_empty().then_some(mirrored)
    }
}

impl<T: PartialEq> Slot<T> {
    const fn empty() -> Self {
        let never = Timestamp::from_millis(0);
        Self { held: None, wanted: None, not_before: never, versions: Vec::new(), told: never }
    }

    pub(super) fn is_newer_than(&self, newer_than: Option<Timestamp>) -> bool {
        self.held.as_ref().is_some_and(|held| newer_than.is_none_or(|moment| held.fetched > moment))
    }

    /// Whether a request waits for a newer document than the one that is held.
    fn is_wanted(&self) -> bool {
        self.wanted.is_some_and(|newer_than| !self.is_newer_than(newer_than))
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.is_wanted() || self.held.as_ref().is_none_or(|held| now >= held.fresh_until)
    }

    /// When the document was fetched, if no event has told of it. One that is written in the configuration was never fetched.
    fn untold(&mut self) -> Option<Timestamp> {
        let fetched = self.held.as_ref().map_or(self.told, |held| held.fetched);
        (std::mem::replace(&mut self.told, fetched) != fetched).then_some(fetched)
    }

    fn take(&mut self, value: T, fetched: Timestamp, fresh_until: Timestamp) {
        let (value, since) = match self.held.take() {
            Some(held) if *held.value == value => (held.value, held.since),
            Some(_) | None => (Rc::new(value), fetched),
        };
        self.held = Some(Held { value, fetched, since, fresh_until });
        if !self.is_wanted() {
            self.wanted = None;
        }
    }
}

impl ProviderDocuments {
    pub(super) fn new(provider: &Provider) -> Self {
        let mut metadata = Slot::empty();
        if let MetadataSource::Given(given) = &provider.source {
            let forever = Timestamp::from_millis(u64::MAX);
            metadata.take(given.as_ref().clone(), Timestamp::default(), forever);
        }
        Self { name: provider.name.clone(), digest: digest(provider), metadata, keys: Slot::empty() }
    }

    pub(super) fn look(
        &mut self,
        provider: &Provider,
        sealer: &Sealer,
        world: &mut dyn World,
        now: Timestamp,
        fetches: &mut Vec<Fetch>,
    ) {
        if self.metadata.is_due(now) {
            self.adopt_metadata(provider, sealer, world);
        }
        if self.metadata.is_due(now) {
            let urgency = urgency(&self.metadata);
            self.metadata.not_before = self.ask(provider, world, now, DocumentKind::Metadata, urgency, fetches);
        }
        // Whether they are due here or not: a key that another worker knows to be withdrawn must no longer verify anything here.
        self.adopt_keys(provider, sealer, world);
        if provider.vouches_by_keys() && self.are_keys_due(now) {
            let urgency = urgency(&self.keys);
            self.keys.not_before = self.ask(provider, world, now, DocumentKind::Keys, urgency, fetches);
        }
    }

    /// The events that tell of documents which are new here.
    pub(super) fn tell(&mut self, events: &mut Vec<Event>) {
        let untold = [(DocumentKind::Metadata, self.metadata.untold()), (DocumentKind::Keys, self.keys.untold())];
        let held =
            |(kind, fetched): (_, Option<_>)| Some(Event::DocumentHeld { kind, provider: self.name.clone(), fetched: fetched? });
        events.extend(untold.into_iter().filter_map(held));
    }

    /// Whether the keys are to be fetched, and it is known from where.
    pub(super) fn are_keys_due(&self, now: Timestamp) -> bool {
        let has_address = |held: &Held<Metadata>| held.value.usable(EndpointName::Jwks).is_some();
        self.keys.is_due(now) && self.metadata.held.as_ref().is_some_and(has_address)
    }

    /// Adds the fetch of a document, unless another worker fetches it or it is too early. Returns the time before which it is not
    /// to be tried again.
    fn ask(
        &self,
        provider: &Provider,
        world: &mut dyn World,
        now: Timestamp,
        kind: DocumentKind,
        urgency: Urgency,
        fetches: &mut Vec<Fetch>,
    ) -> Timestamp {
        let call = match (kind, &self.metadata.held) {
            (DocumentKind::Metadata, _) => metadata_request(provider),
            (DocumentKind::Keys, Some(metadata)) => keys_request(provider, &metadata.value),
            (DocumentKind::Keys, None) => return now,
        };
        // This cannot fail: the issuer was checked when the configuration was read, and `are_keys_due` has seen the other address.
        let Ok(call) = call else { return now };
        match lease::acquire(world, &self.key(kind, "lease"), now, call.timeout.saturating_add(Duration::from_secs(1)), urgency) {
            Grant::Granted => {
                let errand = Errand::Document(kind);
                fetches.push(Fetch { provider: self.name.clone(), errand, call, began: now });
            }
            Grant::InProgress => {}
            Grant::NotBefore(moment) => return moment,
        }
        now
    }

    pub(super) fn fetch_answered(
        &mut self,
        provider: &Provider,
        sealer: &Sealer,
        world: &mut dyn World,
        kind: DocumentKind,
        reply: &Reply,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut fresh_until = now.plus(fresh_for(reply));
        let lease = self.key(kind, "lease");
        let taken = match (kind, &self.metadata.held) {
            (DocumentKind::Metadata, _) => self.renewed(provider, reply).map(|metadata| {
                if !is_complete(provider, &metadata) {
                    fresh_until = fresh_until.min(now.plus(LONGEST_INCOMPLETE));
                }
                self.metadata.take(metadata, now, fresh_until);
            }),
            (DocumentKind::Keys, Some(metadata)) => {
                keys_response(provider, &metadata.value, reply).map(|keys| self.keys.take(keys, now, fresh_until))
            }
            (DocumentKind::Keys, None) => Ok(()),
        };
        match taken {
            Ok(()) => {
                if let Reply::Answered { body, .. } = reply {
                    self.mirror(sealer, world, kind, body, now, fresh_until);
                }
                lease::release(world, &lease);
                Ok(())
            }
            Err(failure) => {
                let not_before = lease::back_off(world, &lease, now);
                match kind {
                    DocumentKind::Metadata => self.metadata.not_before = not_before,
                    DocumentKind::Keys => self.keys.not_before = not_before,
                }
                Err(failure)
            }
        }
    }

    /// The metadata in a reply, unless they lack an endpoint that is needed and that the ones that are held have.
    fn renewed(&self, provider: &Provider, reply: &Reply) -> Result<Metadata, Failure> {
        let metadata = metadata_response(provider, reply)?;
        self.metadata.held.as_ref().map_or(Ok(()), |held| check_renewal(provider, &held.value, &metadata))?;
        Ok(metadata)
    }

    fn mirror(
        &self,
        sealer: &Sealer,
        world: &mut dyn World,
        kind: DocumentKind,
        body: &[u8],
        fetched: Timestamp,
        fresh_until: Timestamp,
    ) {
        let key = self.key(kind, "document");
        let mirrored = Mirrored { key, fetched, fresh_until, body: String::from_utf8_lossy(body).into_owned() };
        let text = mirrored.write();
        let Ok(sealed) = sealer.seal(world, Purpose::Document, &text) else { return };
        if let Some(key) = self.document_keys(sealer, kind).next() {
            // An unconditional write cannot lose against another worker's.
            let _ = world.share(&key, sealed.as_bytes(), Version::Any);
        }
    }

    /// The document in shared memory, if it was fetched after `held`. It is sealed, because other plugins of the process can
    /// write to that memory, and whoever could write keys there could sign anybody in.
    fn mirrored(
        &mut self,
        sealer: &Sealer,
        world: &dyn World,
        kind: DocumentKind,
        held: Option<Timestamp>,
    ) -> Option<(Mirrored, Reply)> {
        let before = std::mem::take(self.versions(kind));
        let (mut versions, mut text) = (Vec::new(), None);
        for (position, key) in self.document_keys(sealer, kind).enumerate() {
            let shared = world.shared(&key);
            let version = shared.as_ref().map(|shared| shared.version);
            let changed = version == Some(Version::Any) || before.get(position) != Some(&version);
            versions.push(version);
            text = shared.filter(|_| changed).and_then(|shared| sealer.open(Purpose::Document, &shared.value));
            if text.is_some() {
                break;
            }
        }
        *self.versions(kind) = versions;
        let text = text?;
        let mut mirrored = Mirrored::read(&text)?;
        if mirrored.key != self.key(kind, "document") || held.is_some_and(|fetched| mirrored.fetched <= fetched) {
            return None;
        }
        let json = vec![("content-type".to_owned(), b"application/json".to_vec())];
        let body = std::mem::take(&mut mirrored.body).into_bytes();
        Some((mirrored, Reply::Answered { status: 200, headers: Headers::new(json), body }))
    }

    const fn versions(&mut self, kind: DocumentKind) -> &mut Vec<Option<Version>> {
        match kind {
            DocumentKind::Metadata => &mut self.metadata.versions,
            DocumentKind::Keys => &mut self.keys.versions,
        }
    }

    /// Whether the newest attempt to fetch the keys failed, in any worker.
    pub(super) fn keys_failing(&self, world: &dyn World) -> bool {
        lease::is_failing(world, &self.key(DocumentKind::Keys, "lease"))
    }

    pub(super) fn adopt_metadata(&mut self, provider: &Provider, sealer: &Sealer, world: &dyn World) {
        let held = self.metadata.held.as_ref().map(|held| held.fetched);
        let Some((mirrored, reply)) = self.mirrored(sealer, world, DocumentKind::Metadata, held) else { return };
        if let Ok(metadata) = self.renewed(provider, &reply) {
            self.metadata.take(metadata, mirrored.fetched, mirrored.fresh_until);
            // The keys in shared memory may have been refused because of the former metadata: they are read again.
            self.keys.versions.clear();
        }
    }

    pub(super) fn adopt_keys(&mut self, provider: &Provider, sealer: &Sealer, world: &dyn World) {
        let Some(metadata) = self.metadata.held.as_ref().map(|held| Rc::clone(&held.value)) else { return };
        let held = self.keys.held.as_ref().map(|held| held.fetched);
        let Some((mirrored, reply)) = self.mirrored(sealer, world, DocumentKind::Keys, held) else { return };
        if let Ok(keys) = keys_response(provider, &metadata, &reply) {
            self.keys.take(keys, mirrored.fetched, mirrored.fresh_until);
        }
    }

    /// The keys in shared memory under which this document can stand, one for each of our sealing keys. New ones are written
    /// under the first.
    fn document_keys(&self, sealer: &Sealer, kind: DocumentKind) -> impl Iterator<Item = String> {
        sealer.key_ids().map(move |id| self.key(kind, &format!("document/{id}")))
    }

    pub(super) fn key(&self, kind: DocumentKind, what: &str) -> String {
        let kind = match kind {
            DocumentKind::Metadata => "metadata",
            DocumentKind::Keys => "keys",
        };
        format!("accredit/1/{}/{kind}/{what}", self.digest)
    }
}

fn urgency<T: PartialEq>(slot: &Slot<T>) -> Urgency {
    // A document that is missing altogether is needed by everybody. Only a repeated fetch of one that is there can be provoked by
    // whoever sends tokens with unknown keys or wrong signatures.
    if slot.is_wanted() && slot.held.is_some() { Urgency::Provoked } else { Urgency::Due }
}

fn digest(provider: &Provider) -> String {
    let source = format!("{:?} {:?}", provider.source, provider.written_endpoints);
    let needs = (provider.signs_in(), provider.userinfo, provider.introspects(), provider.has_client());
    let checks = format!("{:?} {needs:?} {:?}", provider.clusters, provider.plain_http);
    Fingerprint::of([provider.issuer(), &source, &checks]).as_str().to_owned()
}
