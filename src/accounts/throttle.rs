//! How often a password may be wrong: failures are counted for each account and for each client address, in memory that the
//! workers of one process share. That memory cannot be deleted, and so holds two tables of fixed size. Accounts and addresses
//! stand there as keyed hashes: nobody outside can choose two that share a slot, and nobody can read an account's name there.
//! Whether a password is right is not known here.
//!
//! An attempt counts as a failure before the user service is asked, and is taken back if it was none. While an account or an
//! address has to wait, its attempts are not counted, so that every wait ends: however often somebody fails, an account waits no
//! longer than `longest_delay` after the last failure.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::http::address::network;
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// The key in shared memory of the seed for hashes.
const SEED: &str = "accredit/1/failures/seed";

/// The most names, which are the hashes of accounts or addresses, in one slot of a table.
const NAMES: usize = 4;

/// The size of one [`Entry`] in a slot.
const ENTRY_BYTES: usize = 44;

/// Stands for the spelling of an account where failures came in several.
const SEVERAL: u64 = 0;

/// How often it is tried to compare and swap a slot that other workers change too. After that the attempt is refused.
const TRIES: u32 = 16;

/// How long an attempt has to wait that was refused because of other workers.
const SOON: Duration = Duration::from_secs(1);

/// When failures of an account, or of an address, begin to slow down the next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many failures there may be before the next attempt has to wait.
    pub failures: u32,
    /// After this time without a failure, all are forgotten.
    pub window: Duration,
    /// How long the first attempt waits that has to. Each further failure doubles it.
    pub delay: Duration,
    /// The longest wait, unless `window` is shorter.
    pub longest_delay: Duration,
}

/// The limits for sign-in by password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// The limit for each account.
    pub account: Limit,
    /// The limit for each client address. IPv6 addresses of the same /64 network count as one.
    pub address: Limit,
}

/// An attempt that was counted as a failure before the user service was asked. It has hashes in place of the account's name and
/// the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    account: Mark,
    /// The hash of the account's name exactly as it was typed.
    spelling: u64,
    address: Option<Mark>,
}

/// One count of an attempt: an entry before and after it, so that it can be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    before: Entry,
    after: Entry,
}

/// The failures of one account or address. An entry without failures is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// The hash of the account or the address.
    name: u128,
    /// The hash of the one spelling in which all failures came, or [`SEVERAL`].
    spelling: u64,
    /// The time of the first failure.
    begun: Timestamp,
    /// The time of the last failure.
    last: Timestamp,
    failures: u32,
}

/// A change to the failures of an account or an address.
enum Change<'a> {
    /// Counts one more failure, in this spelling.
    Count(u64),
    /// Takes back this count, if it is not forgotten yet.
    TakeBack(&'a Mark),
    /// Forgets all failures, if they came in the spelling of this attempt; else only takes back this attempt.
    Forget(&'a Counted),
}

/// The table of accounts or that of addresses, with its limit and the time now.
struct Table<'a> {
    kind: &'static str,
    limit: &'a Limit,
    now: Timestamp,
}

impl Throttle {
    /// Counts an attempt as a failure of the account and of the client address, before the user service is asked. Otherwise a
    /// thousand attempts at once would all be let through. `address` is as [`World::client_address`] gives it; without one, only
    /// the account is counted.
    ///
    /// # Errors
    /// How long to wait, in whole seconds, when either has failed too often; then nothing is counted. A second when the host has
    /// no randomness or no shared memory, so that nothing can be counted.
    pub fn begin(
        &self,
        world: &mut dyn World,
        now: Timestamp,
        account: &str,
        address: Option<&str>,
    ) -> Result<Counted, Duration> {
        let seed = seed(world).ok_or(Duration::from_secs(1))?;
        let [accounts, addresses] = self.tables(now);
        let spelling = u64::try_from(hash(&seed, account.as_bytes()) >> 64).unwrap_or_default() | 1;
        let account = hash(&seed, &folded(account));
        let address = address.and_then(network).map(|address| hash(&seed, &address));
        let of_address = address.map_or(Duration::ZERO, |address| addresses.wait(world, address));
        let wait = accounts.wait(world, account).max(of_address);
        if !wait.is_zero() {
            return Err(wait);
        }
        let mut counted =
            Counted { account: accounts.change(world, account, &Change::Count(spelling))?, spelling, address: None };
        if let Some(address) = address {
            match addresses.change(world, address, &Change::Count(SEVERAL)) {
                Ok(mark) => counted.address = Some(mark),
                Err(wait) => {
                    self.taken_back(world, now, &counted);
                    return Err(wait);
                }
            }
        }
        Ok(counted)
    }

    /// For an attempt whose password was right: forgets the failures of the account, and takes this attempt back from the
    /// address. Other failures of the address stay: otherwise somebody with one account could guess at others for ever. Failures
    /// in other spellings of the account's name stay too, because those may be the account of somebody else.
    pub fn succeeded(&self, world: &mut dyn World, now: Timestamp, counted: &Counted) {
        let [accounts, _] = self.tables(now);
        let _ = accounts.change(world, counted.account.after.name, &Change::Forget(counted));
        self.address_taken_back(world, now, counted);
    }

    /// For an attempt that did not reach the user service: takes it back from both.
    pub fn taken_back(&self, world: &mut dyn World, now: Timestamp, counted: &Counted) {
        let [accounts, _] = self.tables(now);
        let _ = accounts.change(world, counted.account.after.name, &Change::TakeBack(&counted.account));
        self.address_taken_back(world, now, counted);
    }

    fn address_taken_back(&self, world: &mut dyn World, now: Timestamp, counted: &Counted) {
        let [_, addresses] = self.tables(now);
        if let Some(mark) = &counted.address {
            let _ = addresses.change(world, mark.after.name, &Change::TakeBack(mark));
        }
    }

    const fn tables(&self, now: Timestamp) -> [Table<'_>; 2] {
        [Table { kind: "account/", limit: &self.account, now }, Table { kind: "address/", limit: &self.address, now }]
    }
}

impl Table<'_> {
    /// How long an account or an address has to wait.
    fn wait(&self, world: &dyn World, name: u128) -> Duration {
        let mut slot = world.shared(&self.key(name)).map(|shared| shared.value).unwrap_or_default();
        self.find(&mut slot, name).map_or(Duration::ZERO, |(_, entry)| self.wait_of(&entry))
    }

    /// How long until the next attempt is let through, in whole seconds; zero if it need not wait. A wait never outlasts the
    /// memory of the failures that it is for.
    fn wait_of(&self, entry: &Entry) -> Duration {
        let limit = self.limit;
        let Some(further) = entry.failures.checked_sub(limit.failures) else { return Duration::ZERO };
        let delay = limit.delay.saturating_mul(1_u32.checked_shl(further).unwrap_or(u32::MAX));
        let end = entry.last.plus(delay.min(limit.longest_delay).min(limit.window));
        Duration::from_secs(end.millis().saturating_sub(self.now.millis()).div_ceil(1_000))
    }

    /// Changes the entry of a name, while other workers may change the same slot, and gives it before and after.
    ///
    /// # Errors
    /// How long to wait, when other workers have counted too many failures in the meantime, or have changed the slot too often;
    /// then nothing is changed.
    fn change(&self, world: &mut dyn World, name: u128, change: &Change<'_>) -> Result<Mark, Duration> {
        let key = self.key(name);
        for _ in 0..TRIES {
            let (mut slot, version) = match world.shared(&key) {
                Some(shared) => (shared.value, shared.version),
                None => (Vec::new(), Version::Absent),
            };
            let Some((bytes, before)) = self.find(&mut slot, name) else { return Err(SOON) };
            let after = self.after(&before, change)?;
            let mark = Mark { before, after };
            if after == before {
                return Ok(mark);
            }
            let numbers = [after.spelling, after.begun.millis(), after.last.millis()].map(u64::to_le_bytes);
            let (name, failures) = (after.name.to_le_bytes(), after.failures.to_le_bytes());
            *bytes = [name.as_slice(), numbers.as_flattened(), &failures].concat().try_into().unwrap_or(*bytes);
            if world.share(&key, &slot, version).is_ok() {
                return Ok(mark);
            }
        }
        Err(SOON)
    }

    /// The entry after a change.
    fn after(&self, entry: &Entry, change: &Change<'_>) -> Result<Entry, Duration> {
        let (spelling, last, failures) = match change {
            Change::Count(spelling) => {
                let wait = self.wait_of(entry);
                if !wait.is_zero() {
                    return Err(wait);
                }
                let same = entry.failures == 0 || entry.spelling == *spelling;
                (if same { *spelling } else { SEVERAL }, self.now, entry.failures.saturating_add(1))
            }
            // Nothing was counted since: it is as if the attempt had never been made.
            Change::TakeBack(mark) if *entry == mark.after => return Ok(mark.before),
            Change::TakeBack(mark) if entry.begun == mark.after.begun => {
                (entry.spelling, entry.last, entry.failures.saturating_sub(1))
            }
            Change::TakeBack(_) => return Ok(*entry),
            Change::Forget(counted) if entry.spelling == counted.spelling => (entry.spelling, entry.last, 0),
            Change::Forget(counted) => return self.after(entry, &Change::TakeBack(&counted.account)),
        };
        Ok(Entry { spelling, last, failures, ..*entry })
    }

    /// The key in shared memory of the slot for a name.
    fn key(&self, name: u128) -> String {
        let mut key = ["accredit/1/failures/", self.kind].concat();
        // Two of the 64 characters from `0` to `o` make 4,096 slots.
        key.extend(name.to_le_bytes().into_iter().take(2).map(|byte| char::from((byte & 63).saturating_add(b'0'))));
        key
    }

    /// The entry of a name in its slot, and the bytes that it stands in or is to be written to. Without an entry of its own these
    /// are of one that is free, forgotten or unreadable; else of the one with the fewest failures, and of these the oldest. So
    /// names that fail once each, however many, replace only each other.
    fn find<'a>(&self, slot: &'a mut Vec<u8>, name: u128) -> Option<(&'a mut [u8; ENTRY_BYTES], Entry)> {
        slot.resize(NAMES.saturating_mul(ENTRY_BYTES), 0);
        let entries = slot.as_chunks_mut().0.iter_mut().map(|bytes| (self.counting(bytes), bytes));
        let (entry, bytes) = entries.min_by_key(|(entry, _)| (entry.name != name, entry.failures, entry.last))?;
        let none = Entry { name, spelling: SEVERAL, begun: self.now, last: self.now, failures: 0 };
        Some((bytes, if entry.name == name && entry.failures > 0 { entry } else { none }))
    }

    /// Reads an entry. It has no failures if they are forgotten.
    fn counting(&self, bytes: &[u8; ENTRY_BYTES]) -> Entry {
        let mut entry = parsed(bytes).unwrap_or_default();
        // A time in the future was written before the clock was put back. It counts if it is near, so that small corrections of
        // the clock forget nothing. If it were far, it would lock somebody out until then.
        if self.now.since(entry.last).max(entry.last.since(self.now)) >= self.limit.window {
            entry.failures = 0;
        }
        entry
    }
}

fn parsed(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (spelling, rest) = rest.split_first_chunk()?;
    let (begun, rest) = rest.split_first_chunk()?;
    let (last, failures) = rest.split_first_chunk()?;
    Some(Entry {
        name: u128::from_le_bytes(*name),
        spelling: u64::from_le_bytes(*spelling),
        begun: Timestamp::from_millis(u64::from_le_bytes(*begun)),
        last: Timestamp::from_millis(u64::from_le_bytes(*last)),
        failures: u32::from_le_bytes(*failures.first_chunk()?),
    })
}

/// The seed for hashes. The first worker that needs it draws it and writes it for all; the others read it. `None` without
/// randomness or shared memory.
fn seed(world: &mut dyn World) -> Option<[u8; 16]> {
    let mut seed = [0; 16];
    for _ in 0..2 {
        let written = match world.shared(SEED) {
            None => Version::Absent,
            Some(shared) => match shared.value.try_into() {
                Ok(seed) => return Some(seed),
                Err(_) => shared.version,
            },
        };
        world.random(&mut seed).ok()?;
        let _ = world.share(SEED, &seed, written);
    }
    world.shared(SEED).and_then(|shared| shared.value.try_into().ok())
}

/// An account's name without white space and invisible characters, with the capitals of the Latin, Greek, Cyrillic and Armenian
/// alphabets made small, so that no other spelling gives further guesses. (The tables of the standard library, which know all
/// capitals, would make the module more than one per cent larger.)
fn folded(account: &str) -> Vec<u8> {
    let mut folded = Vec::with_capacity(account.len());
    for letter in account.chars().filter(|letter| !letter.is_whitespace() && !is_unseen(*letter)) {
        folded.extend(small(letter.to_ascii_lowercase().into()).to_le_bytes());
    }
    folded
}

/// Whether a character has no width. Many services remove those.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// The code point of a letter in lower case.
const fn small(code: u32) -> u32 {
    match code {
        0xc0..=0xde | 0x391..=0x3ab | 0x410..=0x42f => code.saturating_add(32),
        0x386 => 0x3ac,
        0x388..=0x38a => code.saturating_add(37),
        0x38c => 0x3cc,
        0x38e..=0x38f => code.saturating_add(63),
        0x3c2 => 0x3c3,
        0x400..=0x40f => code.saturating_add(80),
        0x531..=0x556 => code.saturating_add(48),
        0x178 => 0xff,
        0x130 | 0x131 => 0x69,
        0x17f => 0x73,
        0x212a => 0x6b,
        0x212b => 0xe5,
        // Here a capital and its small letter stand side by side, the capital first.
        0x139..=0x148 | 0x179..=0x17e => code.saturating_add(1) & !1,
        0x100..=0x24f | 0x460..=0x52f | 0x1e00..=0x1eff => code | 1,
        _ => code,
    }
}

/// The keyed hash of a text. (Inlined, it would stand in the module twice.)
#[inline(never)]
fn hash(seed: &[u8; 16], text: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new_with_key(seed);
    hasher.write(text);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests;
