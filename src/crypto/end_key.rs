//! Names of what has ended, and the MAC by which replicas tell each other of it. Nobody without the key can tell whose end a name
//! stands for, nor make one that is believed. What has ended, and until when that matters, is not known here.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use siphasher::sip::SipHasher24;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The length of the MAC of an announcement, in bytes. An attacker who could write 2^40 announcements would have one believed with
/// a probability of 2^-88.
pub const MAC_BYTES: usize = 16;

/// The length of a key's name, in bytes.
pub const KEY_ID_BYTES: usize = 4;

/// The key by which what has ended is named and announced. It is derived from one of `session.keys`, and prints as `[redacted]`.
#[derive(Clone)]
pub struct EndKey {
    id: [u8; KEY_ID_BYTES],
    naming: [u8; 16],
    mac: Hmac<Sha256>,
}

/// Compiles only if the library wipes the keyed state, which is one of its optional features.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Sha256>();
};

impl EndKey {
    /// The labels by which the keys of names and of MACs are derived (RFC 5869, section 3.2).
    pub(super) const LABELS: [&'static [u8]; 2] = [b"accredit 1 name of an end", b"accredit 1 announcement of an end"];

    /// Takes the name of the configured key, and what was derived from it by [`EndKey::LABELS`]. `None` does not come: RFC 2104,
    /// section 3, allows keys of every length.
    pub(super) fn new(id: [u8; KEY_ID_BYTES], naming: &[u8; 32], mac: &[u8; 32]) -> Option<Self> {
        Some(Self { id, naming: *naming.first_chunk()?, mac: Hmac::new_from_slice(mac).ok()? })
    }

    /// The key of a gateway without `session.keys`, which tells nobody of what has ended: it names it for its own workers.
    pub fn of_one_process() -> Option<Self> {
        Self::new([0; KEY_ID_BYTES], &[0; 32], &[0; 32])
    }

    /// The name of the configured key, as it stands in sealed texts. It is no secret.
    pub const fn id(&self) -> [u8; KEY_ID_BYTES] {
        self.id
    }

    /// Writes what a name is of: something of this kind, and its parts, each with its length before it, so that no two lists are
    /// written alike.
    pub fn write_named(message: &mut Vec<u8>, kind: u8, parts: &[&str]) {
        message.push(kind);
        for part in parts {
            message.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            message.extend_from_slice(part.as_bytes());
        }
    }

    /// The name of what was written by [`EndKey::write_named`]: its SipHash-2-4. Two things have the same name only by chance (one in
    /// 2^64).
    pub fn name_of(&self, message: &[u8]) -> u64 {
        SipHasher24::new_with_key(&self.naming).hash(message)
    }

    /// The name of something of this kind, with these parts.
    pub fn name(&self, kind: u8, parts: &[&str]) -> u64 {
        let mut message = Vec::new();
        Self::write_named(&mut message, kind, parts);
        self.name_of(&message)
    }

    /// The MAC of an announcement.
    pub fn mac(&self, announcement: &[u8]) -> [u8; MAC_BYTES] {
        let mac = self.mac.clone().chain_update(announcement).finalize().into_bytes();
        mac.first_chunk().copied().unwrap_or_default()
    }

    /// Whether `mac` is the MAC of an announcement, compared in constant time.
    pub fn is_mac(&self, mac: &[u8; MAC_BYTES], announcement: &[u8]) -> bool {
        self.mac.clone().chain_update(announcement).verify_truncated_left(mac).is_ok()
    }
}

impl Drop for EndKey {
    fn drop(&mut self) {
        self.naming.zeroize();
    }
}

impl fmt::Debug for EndKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::EndKey;
    use crate::crypto::seal::Sealer;
    use crate::words::secret::Secret;

    fn keys() -> Vec<EndKey> {
        let keys =
            ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="].map(Secret::new);
        Sealer::new(&keys).unwrap().end_keys().to_vec()
    }

    #[test]
    fn replicas_of_all_builds_name_an_end_alike_and_no_other_end_has_that_name() {
        let [ours, other] = keys().try_into().unwrap();
        // Made with another implementation, in Python.
        let name = ours.name(1, &["idp", "alice"]);
        assert_eq!(name, 0x69ba_904d_1356_fd91);
        let others = [
            ours.name(2, &["idp", "alice"]),
            ours.name(1, &["idpa", "lice"]),
            ours.name(1, &["idp", "alice", ""]),
            ours.name(1, &["alice", "idp"]),
            other.name(1, &["idp", "alice"]),
        ];
        assert!(others.iter().all(|other| *other != name));
    }

    #[test]
    fn an_announcement_that_was_changed_or_made_by_another_key_is_not_believed() {
        let [ours, other] = keys().try_into().unwrap();
        let mac = ours.mac(b"announcement");
        assert!(ours.is_mac(&mac, b"announcement"));
        assert!(!ours.is_mac(&mac, b"announcemend") && !other.is_mac(&mac, b"announcement"));
        for position in 0..mac.len() {
            let mut changed = mac;
            changed[position] ^= 1;
            assert!(!ours.is_mac(&changed, b"announcement"), "{position}");
        }
    }

    #[test]
    fn the_key_is_not_printed_and_has_the_name_that_sealed_texts_have() {
        let keys = keys();
        assert_eq!(format!("{:?}", keys[0]), "[redacted]");
        assert_ne!(keys[0].id(), keys[1].id());
    }
}
