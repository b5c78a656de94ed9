//! A table of marks in the memory that the workers of a process share, cut into pieces: a mark stands in the piece that its name
//! says, and each piece has a generation, so that a worker copies only what it asks for and what has changed. A mark that is there
//! is never pushed out by one of somebody else: when a piece is full, the new mark is refused. It does not know what has ended.
//!
//! How long a mark matters is judged here, by how long sessions last here; what it says of that stays as others have told it.

use std::time::Duration;

use crate::session::ended::mark::{Ends, MARK_BYTES, Mark};
use crate::words::time::Timestamp;
use crate::words::world::{Version, World};

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// The most marks of one account in one piece. When an account has more, it loses the one that ends first.
const MOST_OF_AN_ACCOUNT: usize = 4;

/// How large a table may become.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The number of pieces, at most 65,536.
    pub pieces: usize,
    /// The most marks of a piece.
    pub marks: usize,
}

impl Size {
    /// The number of the piece in which a mark of this name stands.
    fn number_of(self, name: u64) -> usize {
        usize::try_from(name >> 48).unwrap_or_default().checked_rem(self.pieces).unwrap_or_default()
    }
}

/// A table, and this worker's copy of it.
pub struct Pieces {
    /// What the keys of its pieces in shared data begin with.
    prefix: String,
    size: Size,
    /// How long what has begun lasts at most.
    lasting: Duration,
    /// The generation of each piece, as they were read last.
    generations: Vec<u32>,
    /// The pieces that were asked for; the others are empty here, and have no generation.
    copies: Vec<Copy>,
}

/// A worker's copy of a piece.
#[derive(Clone, Default)]
struct Copy {
    /// The generation that it is of; `None` if it was never read, or must be read again.
    generation: Option<u32>,
    /// The marks, sorted by name, as they are shared: there may be hundreds of thousands, and each has only 16 bytes here.
    bytes: Vec<u8>,
}

impl Pieces {
    /// The table whose pieces have this name in shared data, and what this worker knows of it: nothing.
    pub fn new(name: &str, size: Size) -> Self {
        let (prefix, lasting) = (format!("accredit/4/ended/{name}"), Duration::ZERO);
        Self { prefix, size, lasting, generations: Vec::new(), copies: Vec::new() }
    }

    /// From now on, what has begun lasts at most for this time.
    pub const fn last_for(&mut self, lasting: Duration) {
        self.lasting = lasting;
    }

    /// The mark of this name, as of the last [`Pieces::look_for_changes`], and until when it matters here.
    pub fn find(&mut self, world: &dyn World, name: u64) -> Option<Mark> {
        let number = self.size.number_of(name);
        let generation = self.generations.get(number).copied()?;
        if self.copies.get(number)?.generation != Some(generation) {
            let (key, most) = (self.key_of(number), self.size.marks);
            let copy = self.copies.get_mut(number)?;
            copy.load(world, &key, most);
            copy.generation = Some(generation);
        }
        let copy = self.copies.get(number)?;
        let marks = records(&copy.bytes);
        let position = marks.binary_search_by_key(&name, Mark::name_in).ok()?;
        marks.get(position).map(|mark| Mark::read(mark).lasting(self.lasting))
    }

    /// Reads which pieces have changed.
    pub fn look_for_changes(&mut self, world: &dyn World) {
        self.copies.resize(self.size.pieces, Copy::default());
        let shared = world.shared(&self.key_of_generations());
        if shared.is_none() && self.generations.is_empty() {
            // Nobody has written there yet: then no name needs to be looked for.
            return;
        }
        let read = shared.map(|shared| numbers(&shared.value)).unwrap_or_default();
        if read.len() == self.size.pieces {
            self.generations = read;
        } else {
            // Somebody else has written there: all pieces are read again.
            self.generations.resize(self.size.pieces, 0);
            self.copies.iter_mut().for_each(|copy| copy.generation = None);
        }
    }

    /// Adds marks that still matter. Returns those for which there is no room, and whether anything has changed. This worker knows
    /// the others at once.
    pub fn add(&mut self, world: &mut dyn World, marks: &[Mark], now: Timestamp) -> (Vec<Mark>, bool) {
        let mut refused = Vec::new();
        let lasting = self.lasting;
        let mut marks: Vec<_> = marks.iter().filter(|mark| mark.lasting(lasting).matters(now)).copied().collect();
        marks.sort_by_key(|mark| self.size.number_of(mark.name));
        self.copies.resize(self.size.pieces, Copy::default());
        let mut changed = Vec::new();
        let size = self.size;
        for of_one in marks.chunk_by(|one, other| size.number_of(one.name) == size.number_of(other.name)) {
            let number = of_one.first().map(|mark| size.number_of(mark.name)).unwrap_or_default();
            let (without_room, is_changed) = self.add_to(world, number, of_one, now);
            refused.extend(without_room);
            changed.extend(is_changed.then_some(number));
        }
        self.count_up(world, &changed);
        (refused, !changed.is_empty())
    }

    /// All marks that still matter, of one piece. `None` after the last piece.
    pub fn piece(&mut self, world: &dyn World, number: usize, now: Timestamp) -> Option<Vec<Mark>> {
        let (key, most, lasting) = (self.key_of(number), self.size.marks, self.lasting);
        self.copies.resize(self.size.pieces, Copy::default());
        let copy = self.copies.get_mut(number)?;
        copy.load(world, &key, most);
        Some(records(&copy.bytes).iter().map(Mark::read).filter(|mark| mark.lasting(lasting).matters(now)).collect())
    }

    /// Adds marks to one piece. Returns those for which there is no room, and whether the piece has changed.
    fn add_to(&mut self, world: &mut dyn World, number: usize, marks: &[Mark], now: Timestamp) -> (Vec<Mark>, bool) {
        let (key, most, lasting) = (self.key_of(number), self.size.marks, self.lasting);
        let matters = |mark: &Mark| mark.lasting(lasting).matters(now);
        let Some(copy) = self.copies.get_mut(number) else { return (marks.to_vec(), false) };
        for tries in 1..=MOST_TRIES {
            let (version, is_piece) = copy.load(world, &key, most);
            // The last try has no condition, so it succeeds whatever other workers write.
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            let (joined, refused) = join(&copy.bytes, marks, most, matters);
            let bytes = written(&joined);
            if bytes == copy.bytes && is_piece {
                return (refused, false);
            }
            if world.share(&key, &bytes, version).is_ok() {
                copy.bytes = bytes;
                return (refused, true);
            }
        }
        (marks.to_vec(), false)
    }

    /// Gives these pieces the next generation, for all workers.
    fn count_up(&mut self, world: &mut dyn World, changed: &[usize]) {
        if changed.is_empty() {
            return;
        }
        let key = self.key_of_generations();
        for tries in 1..=MOST_TRIES {
            let shared = world.shared(&key);
            let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
            let version = if tries < MOST_TRIES { version } else { Version::Any };
            let mut generations = shared.map(|shared| numbers(&shared.value)).unwrap_or_default();
            generations.resize(self.size.pieces, 0);
            for number in changed {
                if let Some(generation) = generations.get_mut(*number) {
                    // 0 stands for a table that nobody has written yet.
                    *generation = generation.wrapping_add(1).max(1);
                }
            }
            let bytes: Vec<_> = generations.iter().flat_map(|generation| generation.to_le_bytes()).collect();
            if world.share(&key, &bytes, version).is_ok() {
                break;
            }
        }
        // Another worker may have changed pieces in between: what this one has is read again when it is asked for.
        for number in changed {
            if let Some(copy) = self.copies.get_mut(*number) {
                copy.generation = None;
            }
        }
        self.look_for_changes(world);
    }

    fn key_of(&self, number: usize) -> String {
        format!("{}/{number}", self.prefix)
    }

    fn key_of_generations(&self) -> String {
        format!("{}/generations", self.prefix)
    }
}

impl Copy {
    /// Reads the piece under this key; returns its version, and whether it is one. What is no piece was written by somebody else: the
    /// copy keeps its marks, and the next mark writes them back.
    fn load(&mut self, world: &dyn World, key: &str, most: usize) -> (Version, bool) {
        let Some(shared) = world.shared(key) else { return (Version::Absent, false) };
        let (marks, rest) = shared.value.as_chunks::<MARK_BYTES>();
        let in_order = |one: &[u8; MARK_BYTES], other: &[u8; MARK_BYTES]| Mark::name_in(one) < Mark::name_in(other);
        let is_piece = rest.is_empty() && marks.len() <= most && marks.is_sorted_by(in_order);
        if is_piece {
            self.bytes = shared.value;
        }
        (shared.version, is_piece)
    }
}

/// The marks of a piece with new ones among them, and those for which there is no room. Marks that no longer matter make room first.
fn join(known: &[u8], new: &[Mark], most: usize, matters: impl Fn(&Mark) -> bool) -> (Vec<Mark>, Vec<Mark>) {
    let mut joined: Vec<_> = records(known).iter().map(Mark::read).filter(matters).collect();
    let mut refused = Vec::new();
    for mark in new {
        match joined.binary_search_by_key(&mark.name, |known| known.name) {
            Ok(position) => {
                if let Some(known) = joined.get_mut(position) {
                    *known = known.and(*mark);
                }
            }
            Err(position) => {
                let crowded = over_its_share(&joined, mark);
                if joined.len() >= most && crowded.is_none() {
                    refused.push(*mark);
                    continue;
                }
                joined.insert(position, *mark);
                if let Some(name) = crowded {
                    joined.retain(|known| known.name != name);
                }
            }
        }
    }
    (joined, refused)
}

/// The mark that an account loses for a new one, because it has its share of a piece: the one that ends first.
fn over_its_share(known: &[Mark], new: &Mark) -> Option<u64> {
    if !matches!(new.ends, Ends::All { account } if account > 0) {
        return None;
    }
    let of_same = || known.iter().filter(|mark| mark.ends == new.ends);
    let first = of_same().min_by_key(|mark| mark.until).map(|mark| mark.name);
    first.filter(|_| of_same().count() >= MOST_OF_AN_ACCOUNT)
}

fn records(bytes: &[u8]) -> &[[u8; MARK_BYTES]] {
    bytes.as_chunks().0
}

fn written(marks: &[Mark]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(marks.len().saturating_mul(MARK_BYTES));
    marks.iter().for_each(|mark| bytes.extend_from_slice(&mark.write()));
    bytes
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if rest.is_empty() { numbers.iter().map(|number| u32::from_le_bytes(*number)).collect() } else { Vec::new() }
}
