//! What a worker has verified before, so that it need not verify it again: bounded in bytes, and never used past its expiry.
//!
//! An entry is found by the name of its credential, which is a keyed hash. The memory belongs to one configuration and its keys,
//! and is dropped with them.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use lru::LruCache;
use nohash_hasher::BuildNoHashHasher;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// The memory that an entry takes beside its content, in bytes, roughly.
const OVERHEAD: usize = 160;

/// How many names are kept of credentials that came once, which takes 16 KiB.
const PLACES: usize = 1_024;

/// Verified values, by the name of the credential that proved them.
pub struct Memory<T> {
    entries: LruCache<Name, Entry<T>, BuildNoHashHasher<u64>>,
    /// Names of credentials that came once while the memory was full. Each name has one place, which a later one overwrites.
    once: Vec<Name>,
    bytes: usize,
    most_bytes: usize,
}

/// The key that names of credentials are made with. It is random, so that nobody can find another credential with the same name.
///
/// The hash is SipHash-1-3, the faster variant, because names are shown to nobody and never leave the worker. Two credentials
/// with the same name would be mistaken for each other. To choose one, an attacker would have to know the other one already; to
/// guess one takes 2^128 requests, divided by the few thousand names that are remembered.
#[derive(Clone, Copy)]
pub struct NamingKey([u8; 16]);

impl NamingKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives none.
    pub fn new(world: &mut dyn World) -> Result<Self, NoRandomness> {
        let mut key = [0; 16];
        world.random(&mut key)?;
        Ok(Self(key))
    }

    /// The name of a credential.
    pub fn name(&self, credential: &[u8]) -> Name {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(credential);
        Name(hasher.finish128().as_u128())
    }
}

/// The name of a credential: a keyed hash, which all memories with the same key share. It is passed on instead of the credential,
/// which is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(u128);

/// A name is a hash already, so its upper half is used as it is.
impl Hash for Name {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(u64::try_from(self.0 >> 64).unwrap_or_default());
    }
}

struct Entry<T> {
    value: Rc<T>,
    until: Timestamp,
    bytes: usize,
}

impl<T> Memory<T> {
    /// An empty memory that holds at most `most_bytes`.
    pub fn new(most_bytes: usize) -> Self {
        Self { entries: LruCache::unbounded_with_hasher(BuildNoHashHasher::default()), once: Vec::new(), bytes: 0, most_bytes }
    }

    /// The value that is remembered for a credential, unless it has expired.
    pub fn recall(&mut self, name: Name, now: Timestamp) -> Option<Rc<T>> {
        let entry = self.entries.get(&name)?;
        if now >= entry.until {
            self.forget(name);
            return None;
        }
        Some(Rc::clone(&entry.value))
    }

    /// Whether a value of about `bytes` that is cheap to verify again should be remembered: while there is room, and afterwards
    /// if its credential comes for the second time. Thus credentials that come once do not replace those that come again.
    pub fn admits(&mut self, name: Name, bytes: usize) -> bool {
        if self.bytes.saturating_add(bytes).saturating_add(OVERHEAD) <= self.most_bytes {
            return true;
        }
        if self.once.is_empty() {
            self.once.resize(PLACES, Name(0));
        }
        let place = name.0.checked_rem(PLACES as u128).and_then(|place| usize::try_from(place).ok());
        let known = place.and_then(|place| self.once.get_mut(place)).map(|known| std::mem::replace(known, name));
        known == Some(name)
    }

    /// Remembers a value of about `bytes` until `until`. It replaces the values that were not recalled for the longest time, if
    /// room is needed.
    pub fn remember(&mut self, name: Name, value: Rc<T>, bytes: usize, until: Timestamp) {
        let bytes = bytes.saturating_add(OVERHEAD);
        if bytes > self.most_bytes {
            return;
        }
        if let Some(before) = self.entries.put(name, Entry { value, until, bytes }) {
            self.bytes = self.bytes.saturating_sub(before.bytes);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        while self.bytes > self.most_bytes {
            let Some((_, oldest)) = self.entries.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
        }
    }

    /// Forgets the value of a credential.
    pub fn forget(&mut self, name: Name) {
        if let Some(entry) = self.entries.pop(&name) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn memory(most_bytes: usize) -> Memory<u32> {
        Memory::new(most_bytes)
    }

    fn name(credential: &[u8]) -> Name {
        NamingKey::new(&mut Still::default()).unwrap().name(credential)
    }

    #[test]
    fn nothing_is_recalled_past_its_end() {
        let mut memory = memory(1_000);
        memory.remember(name(b"a"), Rc::new(1), 10, at(5));
        assert_eq!(memory.recall(name(b"a"), at(4)).as_deref(), Some(&1));
        assert_eq!(memory.recall(name(b"a"), at(5)), None);
        assert_eq!(memory.bytes, 0);
    }

    #[test]
    fn another_credential_recalls_nothing() {
        let mut memory = memory(1_000);
        memory.remember(name(b"a"), Rc::new(1), 10, at(5));
        assert_eq!(memory.recall(name(b"A"), at(0)), None);
        memory.forget(name(b"a"));
        assert_eq!(memory.recall(name(b"a"), at(0)), None);
    }

    #[test]
    fn a_flood_of_credentials_stays_within_its_bytes() {
        let mut memory = memory(10 * (OVERHEAD + 10));
        for credential in 0..1_000_u32 {
            memory.remember(name(&credential.to_le_bytes()), Rc::new(credential), 10, at(5));
            assert!(memory.bytes <= memory.most_bytes);
        }
        assert_eq!(memory.entries.len(), 10);
        assert_eq!(memory.recall(name(&999_u32.to_le_bytes()), at(0)).as_deref(), Some(&999));
        memory.remember(name(b"huge"), Rc::new(0), usize::MAX, at(5));
        assert_eq!(memory.recall(name(b"huge"), at(0)), None);
    }

    #[test]
    fn credentials_that_come_once_do_not_replace_those_that_come_again() {
        let mut memory = memory(10 * (OVERHEAD + 10));
        let names = |from: u32| (from..).map(|credential| name(&credential.to_le_bytes()));
        for name in names(0).take(10) {
            assert!(memory.admits(name, 10));
            memory.remember(name, Rc::new(0), 10, at(5));
        }
        assert!(names(10).take(20_000).all(|name| !memory.admits(name, 10)));
        assert!(names(0).take(10).all(|name| memory.recall(name, at(0)).is_some()));
        let twice = name(b"twice");
        assert!(!memory.admits(twice, 10));
        assert!(memory.admits(twice, 10));
    }

    #[test]
    fn remembering_again_does_not_count_twice() {
        let mut memory = memory(1_000);
        for _ in 0..100 {
            memory.remember(name(b"a"), Rc::new(1), 10, at(5));
        }
        assert_eq!(memory.bytes, OVERHEAD + 10);
    }
}
