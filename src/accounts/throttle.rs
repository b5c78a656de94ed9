//! How often a password may be wrong: failures are counted for each account and for each address, in memory that the workers of
//! one process share. That memory cannot be deleted, so it is two tables of fixed size, where names stand as keyed hashes: nobody
//! outside can choose two that share a place, and no account is to be read there. Whether a password is right is not known here.
//!
//! An attempt counts as failed before anybody is asked; what came of it takes that back. An account or address that waits counts
//! nothing, so every wait ends: whoever keeps failing makes an account wait `longest_delay` after the last failure, never longer.

use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::http::address::network;
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// Where the workers agree on a key for names.
const SEED: &str = "accredit/1/failures/seed";

/// So many names at most stand in one place.
const NAMES: usize = 4;

/// What one name takes there: itself, its spelling, two times, a count.
const ENTRY_BYTES: usize = 44;

/// Failures came in several spellings of a name.
const SEVERAL: u64 = 0;

/// So often a place is compared and swapped; an attempt that comes to nothing by then is not made.
const TRIES: u32 = 16;

/// When to try again what other workers were in the way of.
const SOON: Duration = Duration::from_secs(1);

/// When failures of one kind begin to be slowed down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many are not slowed down.
    pub failures: u32,
    /// After so long without a failure, all are forgotten.
    pub window: Duration,
    /// How long the next attempt waits after the last failure, twice as long with each further one.
    pub delay: Duration,
    /// No wait is longer; nor is one longer than `window`.
    pub longest_delay: Duration,
}

/// The limits for password sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// For each account.
    pub account: Limit,
    /// For each client address.
    pub address: Limit,
}

/// An attempt that was counted as failed before anybody was asked. It has no account's name and no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    account: Mark,
    /// The name exactly as it came, keyed.
    spelling: u64,
    address: Option<Mark>,
}

/// One count of an attempt, and what it takes to undo it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    before: Entry,
    after: Entry,
}

/// The failures of one name; without any, the entry is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    name: u128,
    /// The one spelling in which it failed, or [`SEVERAL`].
    spelling: u64,
    /// Since when they are counted.
    begun: Timestamp,
    /// When the last one was.
    last: Timestamp,
    failures: u32,
}

/// What becomes of a name's failures.
enum Change<'a> {
    /// One more, in this spelling.
    Count(u64),
    /// One less: the one that this tells of, if it still counts.
    TakeBack(&'a Mark),
    /// None, if all were in the spelling of this attempt; else only this attempt is taken back.
    Forget(&'a Counted),
}

/// The table of one kind, and its limit.
struct Table<'a> {
    kind: &'static str,
    limit: &'a Limit,
    now: Timestamp,
}

impl Throttle {
    /// Counts this attempt as failed, for the account and for the address, before anybody is asked: so that a thousand attempts at
    /// once do not all slip through. `address` is the client's, as [`World::client_address`] has it; without one, only the account
    /// is counted.
    ///
    /// # Errors
    /// How long to wait, in whole seconds, after too many failures of either: then nothing is counted. So it is when names cannot
    /// be made, because the host has no randomness or no shared memory.
    pub fn begin(
        &self,
        world: &mut dyn World,
        now: Timestamp,
        account: &str,
        address: Option<&str>,
    ) -> Result<Counted, Duration> {
        let seed = seed(world).ok_or(Duration::from_secs(1))?;
        let [accounts, addresses] = self.tables(now);
        let spelling = u64::try_from(name(&seed, account.as_bytes()) >> 64).unwrap_or_default() | 1;
        let account = name(&seed, &folded(account));
        let address = address.and_then(network).map(|address| name(&seed, &address));
        let of_address = address.map_or(Duration::ZERO, |address| addresses.rest(world, address));
        let rest = accounts.rest(world, account).max(of_address);
        if !rest.is_zero() {
            return Err(rest);
        }
        let mut counted =
            Counted { account: accounts.change(world, account, &Change::Count(spelling))?, spelling, address: None };
        if let Some(address) = address {
            match addresses.change(world, address, &Change::Count(SEVERAL)) {
                Ok(mark) => counted.address = Some(mark),
                Err(rest) => {
                    self.taken_back(world, now, &counted);
                    return Err(rest);
                }
            }
        }
        Ok(counted)
    }

    /// The password was right: the account's failures are forgotten, this attempt is taken back from the address. Other failures
    /// of the address stay, or whoever has one account could try the others for ever. So do those of other spellings of the name,
    /// which may be somebody else's account.
    pub fn succeeded(&self, world: &mut dyn World, now: Timestamp, counted: &Counted) {
        let [accounts, _] = self.tables(now);
        let _ = accounts.change(world, counted.account.after.name, &Change::Forget(counted));
        self.address_taken_back(world, now, counted);
    }

    /// The password reached nobody: this attempt is taken back from both.
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
    /// How long a name has to wait.
    fn rest(&self, world: &dyn World, name: u128) -> Duration {
        let mut place = world.shared(&self.key(name)).map(|shared| shared.value).unwrap_or_default();
        self.find(&mut place, name).map_or(Duration::ZERO, |(_, entry)| self.rest_of(&entry))
    }

    /// Zero when it need not wait. A wait is never longer than the time for which failures are remembered.
    fn rest_of(&self, entry: &Entry) -> Duration {
        let limit = self.limit;
        let Some(further) = entry.failures.checked_sub(limit.failures) else { return Duration::ZERO };
        let delay = limit.delay.saturating_mul(1_u32.checked_shl(further).unwrap_or(u32::MAX));
        let end = entry.last.plus(delay.min(limit.longest_delay).min(limit.window));
        Duration::from_secs(end.millis().saturating_sub(self.now.millis()).div_ceil(1_000))
    }

    /// Changes what stands under a name, beside other workers that do so. What was there, and what is there now.
    ///
    /// # Errors
    /// How long a failure has to wait before it can be counted, because others were meanwhile; then nothing is changed.
    fn change(&self, world: &mut dyn World, name: u128, change: &Change<'_>) -> Result<Mark, Duration> {
        let key = self.key(name);
        for _ in 0..TRIES {
            let (mut place, version) = match world.shared(&key) {
                Some(shared) => (shared.value, shared.version),
                None => (Vec::new(), Version::Absent),
            };
            let Some((bytes, before)) = self.find(&mut place, name) else { return Err(SOON) };
            let after = self.after(&before, change)?;
            let mark = Mark { before, after };
            if after == before {
                return Ok(mark);
            }
            let numbers = [after.spelling, after.begun.millis(), after.last.millis()].map(u64::to_le_bytes);
            let (name, failures) = (after.name.to_le_bytes(), after.failures.to_le_bytes());
            *bytes = [name.as_slice(), numbers.as_flattened(), &failures].concat().try_into().unwrap_or(*bytes);
            if world.share(&key, &place, version).is_ok() {
                return Ok(mark);
            }
        }
        Err(SOON)
    }

    fn after(&self, entry: &Entry, change: &Change<'_>) -> Result<Entry, Duration> {
        let (spelling, last, failures) = match change {
            Change::Count(spelling) => {
                let rest = self.rest_of(entry);
                if !rest.is_zero() {
                    return Err(rest);
                }
                let same = entry.failures == 0 || entry.spelling == *spelling;
                (if same { *spelling } else { SEVERAL }, self.now, entry.failures.saturating_add(1))
            }
            // As if it had never been, when nothing was counted since.
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

    fn key(&self, name: u128) -> String {
        let mut key = ["accredit/1/failures/", self.kind].concat();
        // Two of the 64 signs from `0` to `o`: 4,096 places.
        key.extend(name.to_le_bytes().into_iter().take(2).map(|byte| char::from((byte & 63).saturating_add(b'0'))));
        key
    }

    /// Where a name stands in its place, or is to stand: its own entry; else one that is empty, has ended or cannot be read; else the
    /// one with the fewest failures, or the oldest of these. So a flood of names that fail once each pushes out its own kind only.
    fn find<'a>(&self, place: &'a mut Vec<u8>, name: u128) -> Option<(&'a mut [u8; ENTRY_BYTES], Entry)> {
        place.resize(NAMES.saturating_mul(ENTRY_BYTES), 0);
        let entries = place.as_chunks_mut().0.iter_mut().map(|bytes| (self.counting(bytes), bytes));
        let (entry, bytes) = entries.min_by_key(|(entry, _)| (entry.name != name, entry.failures, entry.last))?;
        let none = Entry { name, spelling: SEVERAL, begun: self.now, last: self.now, failures: 0 };
        Some((bytes, if entry.name == name && entry.failures > 0 { entry } else { none }))
    }

    /// An entry, without its failures if they do not count any more.
    fn counting(&self, bytes: &[u8; ENTRY_BYTES]) -> Entry {
        let mut entry = parsed(bytes).unwrap_or_default();
        // A time that is yet to come was written before the clock was put back. It counts while it is near, so that a clock that
        // trembles forgets nothing; one that is far would lock somebody out until then.
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

/// The key for names, which whoever comes first writes for all; the others read it again.
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

/// A name without white space and signs that nobody sees, and without the capitals of the Latin, Greek, Cyrillic and Armenian
/// alphabets, so that no spelling of it gives further guesses. (The standard library's tables, which know all capitals, would add
/// more than a hundredth to the module.)
fn folded(account: &str) -> Vec<u8> {
    let mut folded = Vec::with_capacity(account.len());
    for letter in account.chars().filter(|letter| !letter.is_whitespace() && !is_unseen(*letter)) {
        folded.extend(small(letter.to_ascii_lowercase().into()).to_le_bytes());
    }
    folded
}

/// Signs without a width, which many a service trims away.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

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
        // A capital beside its small letter.
        0x139..=0x148 | 0x179..=0x17e => code.saturating_add(1) & !1,
        0x100..=0x24f | 0x460..=0x52f | 0x1e00..=0x1eff => code | 1,
        _ => code,
    }
}

/// A name, keyed. (Inlined, its rounds would stand in the module twice.)
#[inline(never)]
fn name(seed: &[u8; 16], text: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new_with_key(seed);
    hasher.write(text);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests;
