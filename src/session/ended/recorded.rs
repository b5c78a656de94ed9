//! What became of ends that were to be kept, as values. Nothing ends here.

use std::collections::HashSet;

use crate::session::ended::mark::Mark;

/// What became of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Recorded {
    /// What other replicas are to be told.
    pub announcement: Vec<u8>,
    /// Whether it stands in the table, under each key. If not, there was no room.
    pub kept: bool,
    /// Whether it holds in this process: it stands in the table under one key at least. Then others are told of it, whether it was
    /// kept or not.
    pub holds: bool,
    /// Whether the table has changed. If not, this process knew it before, for as long.
    pub is_new: bool,
}

/// The marks of an end that another replica has announced, with the name of the table that they belong into.
pub type Told = (String, Vec<Mark>);

/// How many ends that other replicas have announced found no room here under each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithoutRoom {
    /// Those that were proved.
    pub proved: usize,
    /// Those that nobody has proved.
    pub unproved: usize,
}

/// How many of these ends have a mark among those that were refused. (An end has one under each key.)
pub(super) fn ends_among(ends: &[&[Mark]], refused: &[Mark]) -> usize {
    let refused: HashSet<u64> = refused.iter().map(|mark| mark.name).collect();
    ends.iter().filter(|marks| marks.iter().any(|mark| refused.contains(&mark.name))).count()
}
