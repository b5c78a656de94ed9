//! The surroundings of a gateway that no Envoy runs: the random bytes and the signatures of this machine, a clock and a memory of
//! its own, and nobody on the network. What an Envoy alone knows is what the person who asks says.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use rsa::Pkcs1v15Sign;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::sha2::{Digest as _, Sha256};

use crate::cli::envoy::choice::{Choice, Named};
use crate::cli::machine::Machine;
use crate::words::time::Timestamp;
use crate::words::world::{
    Contended, Destination, Hash, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing,
    StreamId, Version, World,
};

/// The surroundings of one gateway.
pub(crate) struct DeskWorld {
    now: Cell<Timestamp>,
    memory: BTreeMap<String, (Vec<u8>, u32)>,
    /// What is known of the request's route.
    pub(crate) route: Known,
    /// What the gateway was told of the route; `None` if it has not asked.
    pub(crate) told: RefCell<Option<OfRoute>>,
}

/// What is known of the route that Envoy takes for a request.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// The policy that it names, as the person says; an empty text for none.
    Policy(String),
    /// What the file shows.
    File(Choice),
}

/// What a route has in its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OfRoute {
    /// This, as the person says.
    Said(RouteMetadata),
    /// This, as the file shows.
    Found(Named),
    /// It is not known: why.
    Unknown(String),
}

impl DeskWorld {
    /// The surroundings at this time. The clock stands still, so that all requests of one question come at the same moment.
    pub(crate) fn at(now: Timestamp) -> Self {
        let route = Known::File(Choice::Unknown(String::new()));
        Self { now: Cell::new(now), memory: BTreeMap::new(), route, told: RefCell::new(None) }
    }

    /// Lets a moment pass.
    pub(crate) fn wait(&self, span: Duration) {
        self.now.set(self.now.get().plus(span));
    }
}

impl World for DeskWorld {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        Machine.random(bytes)
    }

    fn shared(&self, key: &str) -> Option<Shared> {
        self.memory.get(key).map(|(value, version)| Shared { value: value.clone(), version: Version::Exactly(*version) })
    }

    fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended> {
        let current = self.memory.get(key).map_or(0, |(_, version)| *version);
        let fits = match expected {
            Version::Any => true,
            Version::Absent => current == 0,
            Version::Exactly(version) => version == current,
        };
        if !fits {
            return Err(Contended);
        }
        self.memory.insert(key.to_owned(), (value.to_vec(), current.saturating_add(1)));
        Ok(())
    }

    fn destination(&self) -> Destination {
        Destination::Nobody
    }

    fn route_metadata(&self, namespace: &str, key: &str) -> RouteMetadata {
        let told = match &self.route {
            Known::Policy(name) if name.is_empty() => OfRoute::Said(RouteMetadata::Absent),
            Known::Policy(name) => OfRoute::Said(RouteMetadata::Text(name.clone())),
            Known::File(choice) => choice.metadata(namespace, key).map_or_else(OfRoute::Unknown, OfRoute::Found),
        };
        let metadata = match &told {
            OfRoute::Said(metadata) | OfRoute::Found(Named { metadata, .. }) => metadata.clone(),
            OfRoute::Unknown(_) => RouteMetadata::Unreadable,
        };
        self.told.replace(Some(told));
        metadata
    }

    fn client_address(&self) -> Option<String> {
        // From the addresses for documentation (RFC 5737).
        Some("192.0.2.1:50000".to_owned())
    }

    fn stream(&self) -> Option<StreamId> {
        None
    }

    fn kept_with_stream(&self) -> Option<Vec<u8>> {
        None
    }

    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict {
        Machine.verify_signature(check)
    }

    fn sign(&self, signing: &Signing<'_>) -> HostSignature {
        // Keys of other kinds sign without a host.
        let key = rsa::RsaPrivateKey::from_pkcs8_der(signing.pkcs8).ok().filter(|_| signing.hash == Hash::Sha256);
        let signed = key.and_then(|key| key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signing.message)).ok());
        signed.map_or(HostSignature::NotSigned, HostSignature::Signed)
    }
}
