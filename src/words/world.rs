//! All that the core asks of the world, as one trait. The shell answers it with host calls, tests with a table.

use crate::words::time::Timestamp;

/// What a journey may ask of its surroundings. Nothing here can fail loudly: an absent service has a value of its own.
pub trait World {
    /// The time. A journey reads it once, at its beginning.
    fn now(&self) -> Timestamp;

    /// Fills `bytes` from the host's cryptographic generator.
    ///
    /// # Errors
    /// When the host has none to give; the caller must then refuse, never go on with predictable bytes.
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness>;

    /// Reads a value from the memory that all workers of this process share.
    fn shared(&self, key: &str) -> Option<Shared>;

    /// Writes a shared value if its version is still `expected`.
    ///
    /// # Errors
    /// [`Contended`] when somebody else wrote in between.
    fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended>;

    /// Where the route leads that Envoy chose for this request: a body may only be read where it leads to nobody.
    fn destination(&self) -> Destination;

    /// Reads a text from the metadata of the route that Envoy chose: `filter_metadata`, its namespace, its key.
    fn route_metadata(&self, namespace: &str, key: &str) -> RouteMetadata;

    /// Who sent this request, behind the proxies that Envoy trusts: an IP address, as `192.0.2.1:567` or `[2001:db8::1]:567`. Nothing
    /// where the host does not tell. To be asked only while the request is under way.
    fn client_address(&self) -> Option<String>;

    /// Verifies a signature with the host's native code, many times faster than the same inside the sandbox.
    /// `spki` is the public key as SubjectPublicKeyInfo DER; an ECDSA signature is DER too.
    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict;

    /// Signs with the host's native code. An ECDSA signature is DER.
    fn sign(&self, signing: &Signing<'_>) -> HostSignature;
}

/// One question to the host about a signature.
#[derive(Clone, Copy, Debug)]
pub struct SignatureCheck<'a> {
    /// The hash under the signature.
    pub hash: Hash,
    /// The public key, SubjectPublicKeyInfo DER.
    pub spki: &'a [u8],
    /// The signature; for ECDSA as DER.
    pub signature: &'a [u8],
    /// What was signed.
    pub message: &'a [u8],
}

/// Something that the host may sign.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// The hash under the signature.
    pub hash: Hash,
    /// The private key, PKCS#8 DER.
    pub pkcs8: &'a [u8],
    /// What is signed.
    pub message: &'a [u8],
}

/// Whether the host signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSignature {
    /// This is the signature; for ECDSA as DER.
    Signed(Vec<u8>),
    /// This host does not sign, or not with this key.
    NotSigned,
}

/// Hash functions that signatures use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// What the host says of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostVerdict {
    /// The signature is good.
    Valid,
    /// The signature is wrong.
    Invalid,
    /// This host does not verify signatures; do it in Rust.
    NotOffered,
}

/// A value read from shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The bytes.
    pub value: Vec<u8>,
    /// Which write this was, for a later compare-and-swap.
    pub version: Version,
}

/// Which write of a shared value is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Whatever is there now.
    Any,
    /// None yet.
    Absent,
    /// Exactly this one.
    Exactly(u32),
}

/// Where a route leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// To no cluster: Envoy answers itself.
    #[default]
    Nobody,
    /// To this cluster.
    Cluster(String),
    /// The host does not say.
    Unknown,
}

/// What a route says of itself under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RouteMetadata {
    /// Nothing: the host has looked, and there is no such key.
    #[default]
    Absent,
    /// This text.
    Text(String),
    /// Something that is no text, or the host does not tell: never to be taken for nothing.
    Unreadable,
}

/// The host has no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

/// A compare-and-swap lost against another writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// A world for tests: a clock that is set by hand, random bytes that repeat themselves, one shared memory, and a host that signs
/// with RSA and verifies nothing.
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
        Timestamp, Version, World,
    };

    /// What all workers of one process share.
    pub type SharedMemory = Rc<RefCell<BTreeMap<String, (Vec<u8>, u32)>>>;

    /// Time stands still until a test moves it.
    #[derive(Clone, Default)]
    pub struct Still {
        /// What the clock says.
        pub now: Timestamp,
        /// Counts the random bytes handed out, so that no two requests get the same.
        pub drawn: u64,
        /// Clone it into another world to have two workers of one process.
        pub memory: SharedMemory,
        /// What the route's metadata says under whatever key.
        pub route_metadata: RouteMetadata,
        /// Where the route leads.
        pub destination: Destination,
        /// Who sends requests.
        pub client_address: Option<String>,
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

        fn client_address(&self) -> Option<String> {
            self.client_address.clone()
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
