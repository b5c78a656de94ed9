//! The paths that rules are for, as one automaton: it reads a path byte by byte, for all rules together. Which rule decides, and
//! for which method and host a rule is, is never known here.

use crate::access::route::PathMatch;

// A pattern is written here as its text, which has no control characters, with these for its wildcards:
/// `*`: any number of bytes that are not slashes.
const STAR: u8 = 1;
/// `/**`, with a [`BELOW`] behind it: nothing, or a slash and what [`BELOW`] stands for.
const DEEP: u8 = 2;
/// Any number of bytes.
const BELOW: u8 = 3;
/// The end of a pattern.
pub(super) const END: u8 = 4;

/// Stands, in a path, for every character that no pattern names. Paths have no control characters either.
pub(super) const ANY_OTHER: u8 = 0;

/// The patterns of rules, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    /// All patterns, one behind the other. A *place* is a position in this text.
    spelled: String,
    /// Where in `spelled` each begins.
    starts: Vec<usize>,
}

impl Patterns {
    /// Adds the pattern of the next rule.
    pub(super) fn add(&mut self, path: &PathMatch) {
        self.starts.push(self.spelled.len());
        let pattern = match path {
            PathMatch::Any => "\u{2}\u{3}",
            PathMatch::Exact(path) | PathMatch::SeparatedPrefix(path) => path,
            PathMatch::Glob(pattern) => &pattern.replace("/**", "\u{2}\u{3}").replace('*', "\u{1}"),
        };
        self.spelled.push_str(pattern);
        self.spelled.push_str(if matches!(path, PathMatch::SeparatedPrefix(_)) { "\u{2}\u{3}\u{4}" } else { "\u{4}" });
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where the pattern of this rule begins.
    pub(super) fn start(&self, rule: usize) -> usize {
        self.starts.get(rule).copied().unwrap_or_default()
    }

    /// The rule in whose pattern this place is.
    pub(super) fn rule(&self, place: usize) -> usize {
        self.starts.partition_point(|start| *start <= place).saturating_sub(1)
    }

    /// The pattern of this rule, without its end.
    pub(super) fn text(&self, rule: usize) -> &str {
        let pattern = self.spelled.get(self.start(rule)..).unwrap_or_default();
        pattern.split('\u{4}').next().unwrap_or_default()
    }

    /// What stands at this place.
    pub(super) fn byte(&self, place: usize) -> u8 {
        self.spelled.as_bytes().get(place).copied().unwrap_or(END)
    }

    /// Whether whatever follows this place fits.
    pub(super) fn takes_all(&self, place: usize) -> bool {
        self.byte(place) == BELOW && self.byte(place.saturating_add(1)) == END
    }

    /// The places that are reached from `places` by reading one more byte, ascending.
    pub(super) fn step(&self, places: &[usize], read: u8) -> Vec<usize> {
        let mut reached = Vec::with_capacity(places.len());
        for place in places {
            let (goes_on, place) = match self.byte(*place) {
                STAR => (read != b'/', *place),
                BELOW => (true, *place),
                DEEP => (read == b'/', place.saturating_add(1)),
                byte => (read == byte, place.saturating_add(1)),
            };
            if goes_on {
                self.enter(&mut reached, place);
            }
        }
        reached
    }

    /// Adds a place, and those that are reached from it without reading anything.
    pub(super) fn enter(&self, places: &mut Vec<usize>, mut place: usize) {
        while let Err(position) = places.binary_search(&place) {
            places.insert(position, place);
            place = place.saturating_add(match self.byte(place) {
                STAR | BELOW => 1,
                DEEP => 2,
                _ => return,
            });
        }
    }

    /// Two paths that fit the pattern of this rule, with a character for its stars that no pattern names: seldom does another
    /// fit them.
    pub(super) fn samples(&self, rule: usize) -> [String; 2] {
        ["", "/\0"].map(|deep| {
            let path = self.text(rule).replace("\u{2}\u{3}", deep).replace('\u{1}', "\0");
            if path.is_empty() { "/".to_owned() } else { path }
        })
    }
}

/// Whether no path can fit both patterns, because they begin or end with different bytes.
pub(super) fn are_apart(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    differ(one.iter().rev().zip(other.iter().rev())) || differ(one.iter().zip(other))
}

fn differ<'a>(mut pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> bool {
    pairs.find(|(one, other)| one != other || **one <= END).is_some_and(|(one, other)| *one > END && *other > END)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq};
    use proptest::sample::select;

    use super::*;
    use crate::access::testing::{run, some_paths, some_pattern};

    #[test]
    fn the_automaton_reads_paths_as_rules_do() {
        run(20_000, &(some_pattern(), select(some_paths())), |(pattern, path)| {
            let mut patterns = Patterns::default();
            patterns.add(&pattern);
            let mut places = Vec::new();
            patterns.enter(&mut places, 0);
            prop_assert!(!path.ends_with(['.', ' ']));
            path.bytes().for_each(|byte| places = patterns.step(&places, byte));
            let fits = places.iter().any(|place| patterns.byte(*place) == END);
            prop_assert_eq!(fits, pattern.fits(&path), "{:?} {:?}", pattern, path);
            Ok(())
        });
    }

    #[test]
    fn a_pattern_is_spelled_to_its_end_and_nothing_but_ends_comes_after_the_last() {
        let mut patterns = Patterns::default();
        let (exact, prefix) = (PathMatch::Exact("/a".into()), PathMatch::SeparatedPrefix("/b".into()));
        [exact, prefix, PathMatch::Glob("/**/*".into()), PathMatch::Any].iter().for_each(|path| patterns.add(path));
        let spelled = b"/a\x04/b\x02\x03\x04\x02\x03/\x01\x04\x02\x03\x04\x04\x04";
        assert_eq!((0..spelled.len()).map(|place| patterns.byte(place)).collect::<Vec<_>>(), spelled);
        assert_eq!([0, 2, 3, 7, 8, 12, 13].map(|place| patterns.rule(place)), [0, 0, 1, 1, 2, 2, 3]);
    }
}
