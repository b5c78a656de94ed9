//! Everything that the core asks of its surroundings, as one trait: the shell implements it with host calls, tests with fixed
//! values. No decision is made here.

use crate::words::time::Timestamp;

/// What a journey may ask of its surroundings. Nothing here panics: for each service that may be absent there is a value that
/// says so.
pub trait World {
    /// The present time. The gateway reads it once for each step of a journey.
    fn now(&self) -> Timestamp;

    /// Fills `bytes` from the host's cryptographic generator.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives none. The caller must then refuse what nobody may guess, and never use predictable bytes
    /// for it.
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness>;

    /// Reads a value from the memory that all workers of this process share.
    fn shared(&self, key: &str) -> Option<Shared>;

    /// Writes a shared value if its version is still `expected`.
    ///
    /// # Errors
    /// [`Contended`] if somebody else wrote it in between.
    fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended>;

    /// Where the route leads that Envoy chose for this request. A body may be read only if that is to [`Destination::Nobody`].
    fn destination(&self) -> Destination;

    /// Reads a text from the metadata of the route that Envoy chose: from `filter_metadata`, by namespace and key.
    fn route_metadata(&self, namespace: &str, key: &str) -> RouteMetadata;

    /// The bytes of a value that another filter has left with this request, in Envoy's dynamic metadata, by namespace and path. `None`
    /// if there is nothing, or nothing that can be read. Every filter before this one can write there. May be asked only while the
    /// request is under way.
    fn request_metadata(&self, _namespace: &str, _path: &[&str]) -> Option<Vec<u8>> {
        None
    }

    /// The IP address and port of the client, behind the proxies that Envoy trusts: `192.0.2.1:567` or `[2001:db8::1]:567`.
    /// `None` if the host does not tell. May be asked only while the request is under way.
    fn client_address(&self) -> Option<String>;

    /// The stream that the request belongs to. `None` if the host does not tell. May be asked only while the request is under way.
    fn stream(&self) -> Option<StreamId>;

    /// What was kept with this stream for the pass after an internal redirect. Other filters can write there, too. `None` if
    /// there is nothing. May be asked only while the request is under way.
    fn kept_with_stream(&self) -> Option<Vec<u8>>;

    /// Verifies a signature with the host's native code, which is many times faster than the same code in the sandbox.
    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict;

    /// Signs with the host's native code.
    fn sign(&self, signing: &Signing<'_>) -> HostSignature;
}

/// A stream of the host: one request of a client, with all passes that follow it by internal redirects. No client can choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId {
    /// The number of the connection, which counts up in each process.
    pub connection: u64,
    /// When the stream began, in nanoseconds since 1970: the streams of one connection (HTTP/2), and connections of different
    /// processes, differ in this.
    pub began: u64,
}

/// A signature that the host is asked to verify.
#[derive(Clone, Copy, Debug)]
pub struct SignatureCheck<'a> {
    /// The hash function of the signature algorithm.
    pub hash: Hash,
    /// The public key: SubjectPublicKeyInfo in DER.
    pub spki: &'a [u8],
    /// The signature; of ECDSA in DER.
    pub signature: &'a [u8],
    /// The bytes that were signed.
    pub message: &'a [u8],
}

/// A message that the host is asked to sign.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// The hash function of the signature algorithm.
    pub hash: Hash,
    /// The private key: PKCS#8 in DER.
    pub pkcs8: &'a [u8],
    /// The bytes to sign.
    pub message: &'a [u8],
}

/// What the host answers when it is asked to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSignature {
    /// The signature; of ECDSA in DER.
    Signed(Vec<u8>),
    /// The host does not sign, or not with this key.
    NotSigned,
}

/// The hash functions of signature algorithms.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What the host answers about a signature.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostVerdict {
    Valid,
    Invalid,
    /// The host does not verify signatures of this kind: they must be verified in Rust.
    NotOffered,
}

/// A value that was read from shared memory.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    pub value: Vec<u8>,
    /// Which write this was; a compare-and-swap names it.
    pub version: Version,
}

/// Which version of a shared value a write expects to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Whichever is there.
    Any,
    /// None: nothing was written under this key yet.
    Absent,
    /// The one with this number, which a read told.
    Exactly(u32),
}

/// Where a route leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// To no cluster: Envoy answers by itself.
    #[default]
    Nobody,
    /// To the cluster of this name.
    Cluster(String),
    /// The host does not tell.
    Unknown,
}

/// What a route's metadata hold under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RouteMetadata {
    /// The host has looked, and there is no such key.
    #[default]
    Absent,
    /// A text.
    Text(String),
    /// Something that is no text, or the host does not tell. It must never be taken for [`RouteMetadata::Absent`].
    Unreadable,
}

/// The host gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

/// A compare-and-swap failed, because somebody else wrote in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// A world for tests: a clock that tests set, predictable "random" bytes that never come twice, one shared memory, and a host
/// that signs with RSA and verifies nothing.
#[cfg(test)]
pub mod testing {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use rsa::Pkcs1v15Sign;
    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::sha2::{Digest as _, Sha256};

    use super::{
        Contended, Destination, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing,
        StreamId, Timestamp, Version, World,
    };

    /// The memory that the workers of one process share: values and the numbers of their versions, by key.
    pub type SharedMemory = Rc<RefCell<BTreeMap<String, (Vec<u8>, u32)>>>;

    /// A world in which time stands still until a test moves it.
    #[derive(Clone, Default)]
    #[expect(missing_docs, reason = "the names say it")]
    pub struct Still {
        /// The present time.
        pub now: Timestamp,
        /// How often eight random bytes were drawn; they are derived from this number.
        pub drawn: u64,
        /// Shared with every clone of this world, as by two workers of one process.
        pub memory: SharedMemory,
        /// What the route's metadata hold, under every key.
        pub route_metadata: RouteMetadata,
        /// What the request's metadata hold, by their paths with dots between, in every namespace.
        pub request_metadata: Vec<(&'static str, &'static [u8])>,
        pub destination: Destination,
        pub client_address: Option<String>,
        pub stream: Option<StreamId>,
        pub kept_with_stream: Option<Vec<u8>>,
    }

    impl World for Still {
        fn now(&self) -> Timestamp {
            self.now
        }

        fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            for chunk in bytes.chunks_mut(8) {
                self.drawn += 1;
                let mixed = self.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
                chunk.copy_from_slice(&mixed[..chunk.len()]);
            }
            Ok(())
        }

        fn shared(&self, key: &str) -> Option<Shared> {
            let memory = self.memory.borrow();
            memory.get(key).map(|(value, version)| Shared { value: value.clone(), version: Version::Exactly(*version) })
        }

        fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended> {
            let mut memory = self.memory.borrow_mut();
            let current = memory.get(key).map_or(0, |(_, version)| *version);
            let fits = match expected {
                Version::Any => true,
                Version::Absent => current == 0,
                Version::Exactly(version) => version == current,
            };
            if !fits {
                return Err(Contended);
            }
            memory.insert(key.to_owned(), (value.to_vec(), current + 1));
            Ok(())
        }

        fn destination(&self) -> Destination {
            self.destination.clone()
        }

        fn route_metadata(&self, _: &str, _: &str) -> RouteMetadata {
            self.route_metadata.clone()
        }

        fn request_metadata(&self, _: &str, path: &[&str]) -> Option<Vec<u8>> {
            self.request_metadata.iter().find(|(name, _)| *name == path.join(".")).map(|(_, value)| value.to_vec())
        }

        fn client_address(&self) -> Option<String> {
            self.client_address.clone()
        }

        fn stream(&self) -> Option<StreamId> {
            self.stream
        }

        fn kept_with_stream(&self) -> Option<Vec<u8>> {
            self.kept_with_stream.clone()
        }

        fn verify_signature(&self, _: &SignatureCheck<'_>) -> HostVerdict {
            HostVerdict::NotOffered
        }

        fn sign(&self, signing: &Signing<'_>) -> HostSignature {
            sign_with_rsa(signing).map_or(HostSignature::NotSigned, HostSignature::Signed)
        }
    }

    fn sign_with_rsa(signing: &Signing<'_>) -> Option<Vec<u8>> {
        let key = rsa::RsaPrivateKey::from_pkcs8_der(signing.pkcs8).ok()?;
        key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signing.message)).ok()
    }
}
