//! Implements the core's [`World`] by host calls to Envoy. It decides nothing; it only translates. `foreign` has the functions that
//! Envoy offers beyond the ABI.

mod foreign;

use std::cell::Cell;
use std::time::Duration;

use crate::shell::host::foreign::{NEXT_PASS, set_next_pass, sign, verifies, verify};
use crate::shell::host_calls::{self, Refused};
use crate::words::time::Timestamp;
use crate::words::world::{
    Contended, Destination, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing, StreamId,
    Version, World,
};

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
        Ok(Self { verifies_signatures: verifies(), last_now: Cell::new(Timestamp::default().plus(now)) })
    }

    /// Starts the timer, with the first tick after `first`. This is the last step of loading a configuration, so that one that is
    /// refused leaves the timer of the former one as it is.
    ///
    /// # Errors
    /// A sentence for the log, if the host refuses it.
    pub(super) fn start_timer(first: Duration) -> Result<(), String> {
        host_calls::set_tick_period(first).map_err(|refused| not_offered("proxy_set_tick_period_milliseconds", refused))
    }

    /// Keeps a text with the stream in effect, for its next pass. If the host refuses, that pass is nobody's.
    pub(super) fn keep_with_stream(text: &str) {
        let _ = set_next_pass(text);
    }
}

/// The address and port of the client of the stream in effect.
pub(super) fn client_address() -> Option<String> {
    let address = host_calls::property("source\0address").ok().flatten()?;
    String::from_utf8(address).ok()
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

    fn request_metadata(&self, namespace: &str, path: &[&str]) -> Option<Vec<u8>> {
        let path = [&["metadata", "filter_metadata", namespace], path].concat().join("\0");
        host_calls::property(&path).ok().flatten()
    }

    fn client_address(&self) -> Option<String> {
        client_address()
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

    fn sign(&self, signing: &Signing<'_>) -> HostSignature {
        sign(signing).map_or(HostSignature::NotSigned, HostSignature::Signed)
    }
}
