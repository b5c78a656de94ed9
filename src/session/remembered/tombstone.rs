//! Tombstones: marks of what was used up, shared by the workers of one process. Sign-in attempts get one at their callback. Each
//! kind has one table of fixed size, because shared data cannot be deleted, and a mark may be overwritten by
//! others if very many count at the same time. So they are a second line of defence: cookies are deleted in the browser, too, and codes are accepted once by the
//! provider.
//!
//! Each worker has a copy of the table. A copy that is up to 100 ms old is good enough to let somebody in. Before a cookie is
//! written, or something is used that can be used once, the table itself is read.

use std::time::Duration;

use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// How many rows a table has. A mark stands in the row that its name says, in any of its places.
const ROWS: usize = 512;

/// How many marks a row holds. Only when more of them count at the same time, one is overwritten: so the few marks about one thing,
/// such as an attempt, never overwrite each other.
const IN_A_ROW: usize = 8;

/// The size of a mark, in bytes: 8 for its name, and 8 for a time, which is that until which it counts.
const PLACE: usize = 16;

const ROW: usize = IN_A_ROW * PLACE;

const TABLE: usize = ROWS * ROW;

/// How old the copy may be when it is asked.
const FRESH: Duration = Duration::from_millis(100);

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// The marks of one kind, as far as this worker knows them.
pub struct Tombstones {
    key: &'static str,
    table: Vec<u8>,
    reloaded: Timestamp,
}

impl Tombstones {
    /// The marks of sign-in attempts, by their `state`.
    pub const fn attempts() -> Self {
        Self::of("accredit/5/attempts")
    }

    /// The marks of logout tokens, by a digest of their `jti`.
    pub const fn logout_tokens() -> Self {
        Self::of("accredit/5/logout_tokens")
    }

    /// The table under this key of the shared data.
    pub(super) const fn of(key: &'static str) -> Self {
        // The copy was never loaded. A time in the future makes it be loaded when it is first asked.
        Self { key, table: Vec::new(), reloaded: Timestamp::from_millis(u64::MAX) }
    }

    /// Marks something as ended until `until`, after which it would not count anyway. This worker knows it at once. Nothing is
    /// written if that time has passed.
    pub fn mark(&mut self, world: &mut dyn World, id: &str, until: Timestamp) {
        if until > world.now() {
            self.note(world, id, until);
        }
    }

    /// Notes a time under an identifier, in place of one that was noted before. This worker knows it at once.
    pub(super) fn note(&mut self, world: &mut dyn World, id: &str, time: Timestamp) {
        for tries in 1..=MOST_TRIES {
            let version = self.reload(world);
            // The last try has no condition, so it succeeds whatever other workers write.
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            if self.write(world, id, time, version) {
                return;
            }
        }
    }

    /// Marks something that may be used once, and returns whether this was the first call for it in any worker. Also `false` if
    /// `until` has passed, or if other workers' writes prevent a decision.
    pub fn mark_once(&mut self, world: &mut dyn World, id: &str, until: Timestamp) -> bool {
        let now = world.now();
        for _ in 1..=MOST_TRIES {
            let version = self.reload(world);
            if until <= now || self.in_copy(id).is_some_and(|marked_until| now < marked_until) {
                return false;
            }
            // If another worker has written since the table was read, it may have marked the same.
            if self.write(world, id, until, version) {
                return true;
            }
        }
        false
    }

    /// Writes a time to the shared table and to the copy. If another worker has written since `version`, neither changes, and the
    /// result is `false`.
    fn write(&mut self, world: &mut dyn World, id: &str, time: Timestamp, version: Version) -> bool {
        let (row, name) = row_of(id);
        self.table.resize(TABLE, 0);
        let Some(at) = self.row(row).map(|marks| row.saturating_add(place_for(marks, name, world.now()))) else { return false };
        let Some(stood) = self.table.get_mut(at..).and_then(|place| place.first_chunk_mut::<PLACE>()) else { return false };
        let before = *stood;
        let (named, noted) = stood.split_at_mut(8);
        named.copy_from_slice(&name);
        noted.copy_from_slice(&time.millis().to_le_bytes());
        let written = world.share(self.key, &self.table, version).is_ok();
        if let (false, Some(stood)) = (written, self.table.get_mut(at..).and_then(|place| place.first_chunk_mut::<PLACE>())) {
            *stood = before;
        }
        written
    }

    /// The marks of the row that begins at this byte of the table.
    fn row(&self, row: usize) -> Option<&[[u8; PLACE]]> {
        Some(self.table.get(row..)?.get(..ROW)?.as_chunks().0)
    }

    /// Whether something has ended, as was known up to 100 ms ago.
    pub fn has(&mut self, world: &dyn World, id: &str, now: Timestamp) -> bool {
        self.noted(world, id, now).is_some_and(|until| now < until)
    }

    /// Whether something has ended, as the shared table says now.
    pub fn has_uncached(&mut self, world: &dyn World, id: &str, now: Timestamp) -> bool {
        self.noted_uncached(world, id, now).is_some_and(|until| now < until)
    }

    /// The time that is noted under an identifier, as was known up to 100 ms ago.
    pub(super) fn noted(&mut self, world: &dyn World, id: &str, now: Timestamp) -> Option<Timestamp> {
        if now < self.reloaded || now.since(self.reloaded) >= FRESH {
            self.reload(world);
            self.reloaded = now;
        }
        self.in_copy(id)
    }

    /// The time that is noted under an identifier, as the shared table says now.
    pub(super) fn noted_uncached(&mut self, world: &dyn World, id: &str, now: Timestamp) -> Option<Timestamp> {
        self.reloaded = Timestamp::from_millis(u64::MAX);
        self.noted(world, id, now)
    }

    /// The time that is noted in this worker's copy.
    fn in_copy(&self, id: &str) -> Option<Timestamp> {
        let (row, name) = row_of(id);
        self.row(row)?.iter().map(read).find(|(named, _)| *named == name).map(|(_, time)| time)
    }

    /// Loads the shared table into the copy, and returns its version. A value of another size, or an empty place that was not
    /// empty before, was written by somebody else: the copy keeps its marks there, and the next mark writes them back.
    fn reload(&mut self, world: &dyn World) -> Version {
        let Some(shared) = world.shared(self.key) else { return Version::Absent };
        if shared.value.len() == TABLE {
            let mut table = shared.value;
            for (theirs, ours) in table.chunks_exact_mut(PLACE).zip(self.table.chunks_exact(PLACE)) {
                if theirs.iter().all(|byte| *byte == 0) {
                    theirs.copy_from_slice(ours);
                }
            }
            self.table = table;
        }
        shared.version
    }
}

/// The name of a mark, and its time.
fn read(mark: &[u8; PLACE]) -> ([u8; 8], Timestamp) {
    let halves = mark.first_chunk().zip(mark.last_chunk());
    let (name, millis) = halves.map_or_else(Default::default, |(name, millis)| (*name, u64::from_le_bytes(*millis)));
    (name, Timestamp::from_millis(millis))
}

/// Where a mark of this name is written in its row, in bytes: over the one of the same name, or else over the one that stops to
/// count first, which may have stopped already. Of several such, the name chooses.
fn place_for(row: &[[u8; PLACE]], name: [u8; 8], now: Timestamp) -> usize {
    let chosen = usize::from(name[7]).checked_rem(IN_A_ROW).unwrap_or_default();
    let order = |position: usize, mark: &[u8; PLACE]| match read(mark) {
        (named, _) if named == name => (Timestamp::default(), 0),
        (_, time) => (time.max(now).plus(Duration::from_millis(1)), position ^ chosen),
    };
    let first = row.iter().enumerate().min_by_key(|(position, mark)| order(*position, mark)).map(|(position, _)| position);
    first.unwrap_or_default().saturating_mul(PLACE)
}

/// Where the row of a mark begins in the table, in bytes, and the mark's name: the FNV-1a hash of the identifier. It needs no secret
/// key, because nobody can choose an identifier.
fn row_of(id: &str) -> (usize, [u8; 8]) {
    let name = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |name, byte| (name ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The lowest bits depend on fewer characters than the others, and the highest do not depend on the last character.
    let row = usize::try_from((name ^ (name >> 36)) & 0x1ff).unwrap_or_default();
    (row.saturating_mul(ROW), name.to_le_bytes())
}

#[cfg(test)]
mod tests;
