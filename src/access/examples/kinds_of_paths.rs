//! A path of each kind that patterns tell apart: two paths are of one kind if the same patterns fit both. They are found by the
//! automaton of all patterns, byte by byte. What rules ask for, and for which method and host they are, is never looked at.

use std::collections::{BTreeSet, VecDeque};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::access::path;
use crate::access::patterns::{END, Patterns};
use crate::access::route::{PathMatch, decoded};

/// The most places in patterns that are looked at, and bytes of beginnings of paths: what bounds time and memory. A thousand rules
/// with plain paths need a fifth of it.
const MOST_PLACES: usize = 2_000_000;

/// Characters that may stand for a star: the first one that no pattern names. If all of them are named, so is every kind of path
/// that one of them could make.
const SOMETHING: &[u8] = b"xyzqwvkjXYZQ0123456789_~";

/// What stands percent-encoded in a path, of what patterns may have.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Paths of all kinds, as far as they were found.
#[derive(Debug, PartialEq, Eq)]
pub struct Kinds {
    /// One path for each kind, as clients write it: each as short as there is one.
    pub paths: Vec<String>,
    /// Whether these are all kinds. Only many patterns with many stars have more than can be looked for.
    pub complete: bool,
}

/// The path that rules compare with this one ([`decoded`]), as clients write it; `None` if no client can write it in a way that is
/// accepted.
pub fn written(path: &str) -> Option<String> {
    let written = utf8_percent_encode(path, ENCODED).to_string();
    (decoded(&written) == path && path::check(&written).is_ok()).then_some(written)
}

/// The numbers of the patterns that fit a path as clients write it.
pub fn kind<'a>(patterns: impl IntoIterator<Item = &'a PathMatch>, path: &str) -> Vec<usize> {
    let path = decoded(path);
    patterns.into_iter().enumerate().filter(|(_, pattern)| pattern.fits(&path)).map(|(number, _)| number).collect()
}

/// Finds a path of each kind that these patterns tell apart.
pub fn kinds_of_paths(all: &[PathMatch]) -> Kinds {
    let mut patterns = Patterns::default();
    all.iter().for_each(|pattern| patterns.add(pattern));
    let named: BTreeSet<_> = (0..all.len()).flat_map(|rule| patterns.text(rule).bytes()).collect();
    let something = SOMETHING.iter().copied().find(|byte| !named.contains(byte)).unwrap_or(b'~');
    let mut start = Vec::new();
    (0..all.len()).for_each(|rule| patterns.enter(&mut start, patterns.start(rule)));
    let (mut kinds, mut paths) = (BTreeSet::new(), Vec::new());
    let (mut seen, mut places_seen) = (BTreeSet::new(), 0_usize);
    let mut begun = VecDeque::from([(Vec::<u8>::new(), start)]);
    while let Some((read, places)) = begun.pop_front() {
        let path = String::from_utf8(read.clone()).ok().filter(|path| path.starts_with('/'));
        if let Some(path) = path.and_then(|path| written(&path)) {
            let fitting: Vec<_> =
                places.iter().filter(|place| patterns.byte(**place) == END).map(|place| patterns.rule(*place)).collect();
            if kinds.insert(fitting) {
                paths.push(path);
            }
        }
        // Whatever follows fits nothing, and such a path is found by now.
        if places.is_empty() {
            continue;
        }
        let named = places.iter().map(|place| patterns.byte(*place)).filter(|byte| *byte > END && !read.is_empty());
        let others = [something].into_iter().filter(|_| !read.is_empty());
        for byte in [b'/'].into_iter().chain(others).chain(named) {
            if byte == b'/' && matches!(read.last(), Some(b'/' | b'.' | b' ')) {
                continue;
            }
            let reached = patterns.step(&places, byte);
            // What the last byte forbids behind it is a difference, too.
            let end = Some(byte).filter(|last| matches!(last, b'/' | b'.' | b' '));
            if seen.insert((reached.clone(), end)) {
                places_seen = places_seen.saturating_add(reached.len()).saturating_add(read.len());
                begun.push_back(([read.as_slice(), &[byte]].concat(), reached));
            }
        }
        if places_seen > MOST_PLACES {
            return Kinds { paths, complete: false };
        }
    }
    Kinds { paths, complete: true }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq};

    use super::*;
    use crate::access::testing::{run, some_paths, some_pattern};

    #[test]
    fn every_path_is_of_a_kind_that_was_found() {
        let mut others: Vec<_> = some_paths().iter().filter_map(|path| written(path)).collect();
        others.sort_unstable_by_key(String::len);
        run(120, &vec(some_pattern(), 1..5), |patterns| {
            let Kinds { paths, complete } = kinds_of_paths(&patterns);
            prop_assert!(complete);
            let found: BTreeSet<_> = paths.iter().map(|path| kind(&patterns, path)).collect();
            prop_assert_eq!(found.len(), paths.len(), "{:?} {:?}", &patterns, &paths);
            prop_assert!(paths.iter().all(|path| path::check(path).is_ok()), "{:?}", &paths);
            let missed = others.iter().find(|path| !found.contains(&kind(&patterns, path)));
            prop_assert!(missed.is_none(), "{:?} {:?} {:?}", &patterns, missed, &paths);
            Ok(())
        });
    }

    #[test]
    fn the_paths_are_short_and_written_as_clients_write_them() {
        let glob = |text: &str| PathMatch::Glob(text.to_owned());
        let exact = |text: &str| PathMatch::Exact(text.to_owned());
        for (patterns, paths) in [
            (vec![exact("/a")], ["/", "/a"].as_slice()),
            (vec![PathMatch::Any], &["/"]),
            (vec![exact("/a b")], &["/", "/a%20b"]),
            (vec![PathMatch::SeparatedPrefix("/a".into()), glob("/**/*.css")], &["/", "/a", "/.css", "/a/.css"]),
            // No path ends in a dot.
            (vec![exact("/a."), exact("/é")], &["/", "/%C3%A9"]),
            (vec![glob("/x/*/z")], &["/", "/x/y/z"]),
        ] {
            assert_eq!(
                kinds_of_paths(&patterns),
                Kinds { paths: paths.iter().map(|path| (*path).to_owned()).collect(), complete: true }
            );
        }
    }

    #[test]
    fn more_kinds_than_can_be_looked_for_are_told_of() {
        let patterns: Vec<_> = ('a'..='t').map(|letter| PathMatch::Glob(format!("/**/{letter}/**"))).collect();
        assert!(!kinds_of_paths(&patterns).complete);
    }
}
