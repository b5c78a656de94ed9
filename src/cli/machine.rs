//! This machine as the [`World`] that the core asks: its clock, its randomness, and its native code for signatures. There is no
//! request here, no route and no memory that workers share.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::sha2::{Digest as _, Sha256};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

use crate::words::time::Timestamp;
use crate::words::world::{
    Contended, Destination, Hash, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing,
    StreamId, Version, World,
};

/// The beginning of the SubjectPublicKeyInfo of a key on P-384 (RFC 5480, section 2), without the point that follows it.
const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";

/// This machine.
#[derive(Debug)]
pub(crate) struct Machine;

impl World for Machine {
    fn now(&self) -> Timestamp {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or_else(|_| Timestamp::default(), |since| Timestamp::default().plus(since))
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::getrandom(bytes).map_err(|_| NoRandomness)
    }

    fn shared(&self, _key: &str) -> Option<Shared> {
        None
    }

    fn share(&mut self, _key: &str, _value: &[u8], _expected: Version) -> Result<(), Contended> {
        Err(Contended)
    }

    fn destination(&self) -> Destination {
        Destination::Unknown
    }

    fn route_metadata(&self, _namespace: &str, _key: &str) -> RouteMetadata {
        RouteMetadata::Unreadable
    }

    fn client_address(&self) -> Option<String> {
        None
    }

    fn stream(&self) -> Option<StreamId> {
        None
    }

    fn kept_with_stream(&self) -> Option<Vec<u8>> {
        None
    }

    /// Only what the filter cannot verify itself, and leaves to Envoy.
    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict {
        let point = check.spki.strip_prefix(P384).filter(|_| check.hash == Hash::Sha384);
        let Some(point) = point else { return HostVerdict::NotOffered };
        match UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point).verify(check.message, check.signature) {
            Ok(()) => HostVerdict::Valid,
            Err(_) => HostVerdict::Invalid,
        }
    }

    /// With RSA, as Envoy does for the filter. Keys of other kinds sign without a host.
    fn sign(&self, signing: &Signing<'_>) -> HostSignature {
        let key = RsaPrivateKey::from_pkcs8_der(signing.pkcs8).ok().filter(|_| signing.hash == Hash::Sha256);
        let signed = key.and_then(|key| key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signing.message)).ok());
        signed.map_or(HostSignature::NotSigned, HostSignature::Signed)
    }
}
