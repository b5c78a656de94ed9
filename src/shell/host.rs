//! The world by host calls: what the core asks of it is put to Envoy, and what Envoy tells put into the core's words.

use std::cell::Cell;
use std::time::Duration;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use zeroize::Zeroizing;

use crate::shell::host_calls::{self, Refused};
use crate::words::time::Timestamp;
use crate::words::world::{
    Contended, Destination, Hash, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing,
    Version, World,
};

/// A key of shared memory that nothing reads but the probe.
const PROBE: &str = "accredit.probe";

/// Envoy, as the core sees it.
#[derive(Debug)]
pub(super) struct Host {
    verifies_signatures: bool,
    /// What the clock said last.
    said: Cell<Timestamp>,
}

impl Host {
    /// Finds out what this host offers. Says what it refuses, if that is something without which nothing can be decided.
    pub(super) fn probe() -> Result<Self, String> {
        let now = host_calls::now().map_err(|refused| not_offered("proxy_get_current_time_nanoseconds", refused))?;
        host_calls::set_shared_data(PROBE, b"1", 0).map_err(|refused| not_offered("proxy_set_shared_data", refused))?;
        host_calls::shared_data(PROBE).map_err(|refused| not_offered("proxy_get_shared_data", refused))?;
        let known = SignatureCheck { hash: Hash::Sha256, spki: &KNOWN_KEY, signature: &KNOWN_SIGNATURE, message: b"accredit" };
        Ok(Self { verifies_signatures: verify(&known) == Some(true), said: Cell::new(Timestamp::default().plus(now)) })
    }

    /// Has the timer run out for the first time after this. The last thing that is asked for: a configuration that is refused leaves the
    /// timer of the one before alone.
    pub(super) fn start_timer(first: Duration) -> Result<(), String> {
        host_calls::set_tick_period(first).map_err(|refused| not_offered("proxy_set_tick_period_milliseconds", refused))
    }
}

fn not_offered(name: &str, refused: Refused) -> String {
    let remedy = "remove capability_restriction_config, or list everything that the module imports";
    format!("expected a host that offers {name}, found {refused:?}; {remedy}")
}

impl World for Host {
    fn now(&self) -> Timestamp {
        // A clock that fails stands still: what ends soon counts a little longer, and nothing begins in a time to come.
        if let Ok(now) = host_calls::now() {
            self.said.set(Timestamp::default().plus(now));
        }
        self.said.get()
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::getrandom(bytes).map_err(|_| NoRandomness)
    }

    fn shared(&self, key: &str) -> Option<Shared> {
        let (value, version) = host_calls::shared_data(key).ok().flatten()?;
        let version = if version == 0 { Version::Any } else { Version::Exactly(version) };
        (!value.is_empty()).then_some(Shared { value, version })
    }

    fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended> {
        let version = match expected {
            Version::Any => 0,
            // Envoy takes any version for an absent key, and for one that is there only its own, which counts up from 1.
            Version::Absent => u32::MAX,
            Version::Exactly(version) => version,
        };
        host_calls::set_shared_data(key, value, version).map_err(|_| Contended)
    }

    fn destination(&self) -> Destination {
        // The route's cluster, known before the router is reached. A host that tells nothing of routes must not look like a route
        // that has none.
        match (host_calls::property("xds\0virtual_host_name"), host_calls::property("xds\0cluster_name")) {
            (_, Ok(Some(name))) => Destination::Cluster(String::from_utf8_lossy(&name).into_owned()),
            (Ok(Some(_)), Ok(None)) => Destination::Nobody,
            _ => Destination::Unknown,
        }
    }

    fn route_metadata(&self, namespace: &str, key: &str) -> RouteMetadata {
        let read =
            |path: &[&str]| host_calls::property(&[&["xds", "route_metadata", "filter_metadata"], path].concat().join("\0"));
        match read(&[namespace, key]) {
            Ok(Some(value)) => String::from_utf8(value).map_or(RouteMetadata::Unreadable, RouteMetadata::Text),
            // An empty text and `null` come as nothing, too. Then the names that the namespace has tell, each between two zeros.
            Ok(None) => {
                let named = [b"\0", key.as_bytes(), b"\0"].concat();
                match read(&[namespace]).map(Option::unwrap_or_default) {
                    Ok(members) if !members.windows(named.len()).any(|part| part == named) => RouteMetadata::Absent,
                    _ => RouteMetadata::Unreadable,
                }
            }
            Err(_) => RouteMetadata::Unreadable,
        }
    }

    fn client_address(&self) -> Option<String> {
        let told = host_calls::property("source\0address").ok().flatten()?;
        String::from_utf8(told).ok()
    }

    fn verify_signature(&self, check: &SignatureCheck<'_>) -> HostVerdict {
        if !self.verifies_signatures {
            return HostVerdict::NotOffered;
        }
        match verify(check) {
            Some(true) => HostVerdict::Valid,
            Some(false) => HostVerdict::Invalid,
            None => HostVerdict::NotOffered,
        }
    }

    /// Envoy's foreign function `sign` takes hash, private key, text. A host without it has no answer.
    fn sign(&self, signing: &Signing<'_>) -> HostSignature {
        // A private key is among the arguments.
        let arguments = protobuf(&[hash_name(signing.hash), signing.pkcs8, signing.message]).map(Zeroizing::new);
        match arguments.and_then(|arguments| call("sign", &arguments)) {
            Some((true, signature)) => HostSignature::Signed(signature),
            _ => HostSignature::NotSigned,
        }
    }
}

const fn hash_name(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    }
}

/// Envoy's foreign function `verify_signature` takes hash, public key, signature, text. Its answer cannot say "not offered": that
/// is found out once, with a signature that is known to be good.
fn verify(check: &SignatureCheck<'_>) -> Option<bool> {
    // No key that signs is among them; a token is, as it came.
    let arguments = protobuf(&[hash_name(check.hash), check.spki, check.signature, check.message])?;
    call("verify_signature", &arguments).map(|(good, _)| good)
}

/// A protobuf message whose fields 1, 2, 3 … are these texts or bytes.
fn protobuf(fields: &[&[u8]]) -> Option<Vec<u8>> {
    // At once as long as it becomes: of a private key among them no copy of a part stays behind.
    let mut message = Vec::with_capacity(fields.iter().map(|field| field.len().saturating_add(10)).sum());
    for (number, field) in (1_u32..).zip(fields) {
        encode_key(number, WireType::LengthDelimited, &mut message);
        encode_varint(field.len().try_into().ok()?, &mut message);
        message.extend_from_slice(field);
    }
    Some(message)
}

/// Calls a foreign function whose arguments are a protobuf message, and whose answer is another: a truth in field 1, bytes in
/// field 2.
fn call(function: &str, arguments: &[u8]) -> Option<(bool, Vec<u8>)> {
    let answer = host_calls::call_foreign_function(function, arguments).ok()?;
    let (mut rest, mut truth, mut bytes) = (answer.as_slice(), false, Vec::new());
    // A field that is false or empty is left out.
    while !rest.is_empty() {
        let (number, kind) = decode_key(&mut rest).ok()?;
        let value = decode_varint(&mut rest).ok()?;
        match (number, kind) {
            (1, WireType::Varint) => truth = value == 1,
            (_, WireType::LengthDelimited) => {
                let (field, after) = rest.split_at_checked(value.try_into().ok()?)?;
                rest = after;
                if number == 2 {
                    bytes = field.to_vec();
                }
            }
            _ => return None,
        }
    }
    Some((truth, bytes))
}

/// A P-256 public key whose private half was thrown away after one signature.
const KNOWN_KEY: [u8; 91] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x95, 0x32, 0xf3, 0x79, 0x03, 0x2d, 0x43, 0x19, 0xcd, 0xfb, 0x52, 0x23, 0x28, 0x0d, 0x11,
    0xe5, 0x59, 0xde, 0x94, 0xa7, 0x04, 0x88, 0xee, 0xd0, 0xac, 0x67, 0x85, 0x2d, 0x37, 0x4b, 0x62, 0x10, 0x83, 0x37, 0x85, 0x88,
    0xb7, 0x2c, 0xbb, 0x44, 0x01, 0x1a, 0xcf, 0x7b, 0xcd, 0x14, 0x13, 0xd4, 0x7a, 0xd4, 0x86, 0xfd, 0x81, 0x91, 0x6e, 0x81, 0xf6,
    0xaa, 0x7f, 0x8b, 0x79, 0x98, 0x4e, 0xa7,
];

/// Its signature of `accredit`.
const KNOWN_SIGNATURE: [u8; 71] = [
    0x30, 0x45, 0x02, 0x21, 0x00, 0xd7, 0x7d, 0xc2, 0x77, 0xab, 0xa0, 0xe8, 0x4c, 0xf1, 0x1f, 0x31, 0x00, 0x07, 0xce, 0x95, 0xde,
    0x72, 0xbe, 0x6b, 0xb9, 0x59, 0xe5, 0xa8, 0xdf, 0x0a, 0xd5, 0x53, 0x2a, 0x39, 0xbe, 0x91, 0xe2, 0x02, 0x20, 0x66, 0x3d, 0x16,
    0xfe, 0xa9, 0x96, 0x58, 0x2e, 0xc8, 0x8e, 0xba, 0x6b, 0xb7, 0x6b, 0xc6, 0x97, 0x00, 0x60, 0xbd, 0x20, 0x5c, 0x3b, 0xfa, 0x48,
    0x10, 0xa7, 0xcd, 0x90, 0x00, 0xd0, 0xa6, 0x47,
];
