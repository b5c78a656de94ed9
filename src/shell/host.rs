//! Implements the core's [`World`] by host calls to Envoy. It decides nothing; it only translates.

use std::cell::Cell;
use std::time::Duration;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use zeroize::Zeroizing;

use crate::shell::host_calls::{self, Refused};
use crate::words::time::Timestamp;
use crate::words::world::{
    Contended, Destination, Hash, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing,
    StreamId, Version, World,
};

/// The filter state for the next pass. Envoy makes one only under a name that it knows, and this is the only one for texts.
const NEXT_PASS: &str = "envoy.string";

/// The key in shared memory with which the probe tries the host's shared data. Nothing else uses it.
const PROBE: &str = "accredit.probe";

/// Envoy, as the core sees it.
#[derive(Debug)]
pub(super) struct Host {
    /// Whether the host offers the foreign function `verify_signature`, and it works.
    verifies_signatures: bool,
    /// The last time that the clock gave.
    last_now: Cell<Timestamp>,
}

impl Host {
    /// Finds out what this host offers.
    ///
    /// # Errors
    /// A sentence for the log, if the host refuses a call that the filter cannot do without.
    pub(super) fn probe() -> Result<Self, String> {
        let now = host_calls::now().map_err(|refused| not_offered("proxy_get_current_time_nanoseconds", refused))?;
        host_calls::set_shared_data(PROBE, b"1", 0).map_err(|refused| not_offered("proxy_set_shared_data", refused))?;
        host_calls::shared_data(PROBE).map_err(|refused| not_offered("proxy_get_shared_data", refused))?;
        let known = SignatureCheck { hash: Hash::Sha256, spki: &KNOWN_KEY, signature: &KNOWN_SIGNATURE, message: b"accredit" };
        Ok(Self { verifies_signatures: verify(&known) == Some(true), last_now: Cell::new(Timestamp::default().plus(now)) })
    }

    /// Starts the timer, with the first tick after `first`. This is the last step of loading a configuration, so that one that is
    /// refused leaves the timer of the former one as it is.
    ///
    /// # Errors
    /// A sentence for the log, if the host refuses it.
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
        // If the host refuses, the clock stands still: what is about to expire counts a little longer, and nothing gets a time
        // that is still to come.
        if let Ok(now) = host_calls::now() {
            self.last_now.set(Timestamp::default().plus(now));
        }
        self.last_now.get()
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
            // Envoy accepts any version for a key that is absent, and for one that is there only its current version; these count
            // up from 1.
            Version::Absent => u32::MAX,
            Version::Exactly(version) => version,
        };
        host_calls::set_shared_data(key, value, version).map_err(|_| Contended)
    }

    fn destination(&self) -> Destination {
        // The route is chosen before the router filter is reached. A host that gives no route properties at all must not be taken
        // for a route without a cluster: then the name of the virtual host is missing too.
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
            // An empty text and `null` look like an absent key. Whether the key is there, the whole namespace shows, in which
            // each name stands between two zero bytes.
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
        let address = host_calls::property("source\0address").ok().flatten()?;
        String::from_utf8(address).ok()
    }

    fn stream(&self) -> Option<StreamId> {
        let number = |path| Some(u64::from_le_bytes(host_calls::property(path).ok()??.try_into().ok()?));
        Some(StreamId { connection: number("connection\0id")?, began: number("request\0time")? })
    }

    fn kept_with_stream(&self) -> Option<Vec<u8>> {
        host_calls::property(&["filter_state\0", NEXT_PASS].concat()).ok().flatten()
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

    /// Calls Envoy's foreign function `sign` with hash, private key and text.
    fn sign(&self, signing: &Signing<'_>) -> HostSignature {
        // The arguments hold a private key, so that they are wiped.
        let arguments = protobuf(&[hash_name(signing.hash), signing.pkcs8, signing.message]).map(Zeroizing::new);
        match arguments.and_then(|arguments| call("sign", &arguments)) {
            Some((true, signature)) => HostSignature::Signed(signature),
            _ => HostSignature::NotSigned,
        }
    }
}

/// Keeps a text with the stream in effect, and with all of its further passes. If the host refuses, the next pass is nobody's.
pub(super) fn keep_with_stream(text: &str) {
    let Some(mut arguments) = protobuf(&[NEXT_PASS.as_bytes(), text.as_bytes()]) else { return };
    // `span`: `DownstreamRequest`.
    encode_key(3, WireType::Varint, &mut arguments);
    encode_varint(1, &mut arguments);
    let _ = host_calls::call_foreign_function("set_envoy_filter_state", &arguments);
}

const fn hash_name(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    }
}

/// Calls Envoy's foreign function `verify_signature` with hash, public key, signature and text; `None` if the call fails. The
/// result cannot say that the function does not work: [`Host::probe`] finds that out once, with a signature that is known to be
/// good.
fn verify(check: &SignatureCheck<'_>) -> Option<bool> {
    // The arguments hold no private key, only a token's text, and are not wiped.
    let arguments = protobuf(&[hash_name(check.hash), check.spki, check.signature, check.message])?;
    call("verify_signature", &arguments).map(|(good, _)| good)
}

/// A protobuf message whose fields 1, 2, 3 … are these texts or bytes; `None` if one is too long.
fn protobuf(fields: &[&[u8]]) -> Option<Vec<u8>> {
    // Allocated with its final length: growing would leave copies of a private key in memory.
    let mut message = Vec::with_capacity(fields.iter().map(|field| field.len().saturating_add(10)).sum());
    for (number, field) in (1_u32..).zip(fields) {
        encode_key(number, WireType::LengthDelimited, &mut message);
        encode_varint(field.len().try_into().ok()?, &mut message);
        message.extend_from_slice(field);
    }
    Some(message)
}

/// Calls a foreign function whose arguments are a protobuf message, and whose result is one with a boolean in field 1 and bytes
/// in field 2. `None` if the host refuses, or the result cannot be read.
fn call(function: &str, arguments: &[u8]) -> Option<(bool, Vec<u8>)> {
    let answer = host_calls::call_foreign_function(function, arguments).ok()?;
    let (mut rest, mut truth, mut bytes) = (answer.as_slice(), false, Vec::new());
    // Protobuf leaves a field out that is false or empty.
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

/// The signature of the text `accredit` by the private half of [`KNOWN_KEY`].
const KNOWN_SIGNATURE: [u8; 71] = [
    0x30, 0x45, 0x02, 0x21, 0x00, 0xd7, 0x7d, 0xc2, 0x77, 0xab, 0xa0, 0xe8, 0x4c, 0xf1, 0x1f, 0x31, 0x00, 0x07, 0xce, 0x95, 0xde,
    0x72, 0xbe, 0x6b, 0xb9, 0x59, 0xe5, 0xa8, 0xdf, 0x0a, 0xd5, 0x53, 0x2a, 0x39, 0xbe, 0x91, 0xe2, 0x02, 0x20, 0x66, 0x3d, 0x16,
    0xfe, 0xa9, 0x96, 0x58, 0x2e, 0xc8, 0x8e, 0xba, 0x6b, 0xb7, 0x6b, 0xc6, 0x97, 0x00, 0x60, 0xbd, 0x20, 0x5c, 0x3b, 0xfa, 0x48,
    0x10, 0xa7, 0xcd, 0x90, 0x00, 0xd0, 0xa6, 0x47,
];
