//! A path that two rules are both for: read by the automaton of both patterns, byte by byte, until it is in both. What the rules
//! ask for is never looked at.

use crate::access::path;
use crate::access::patterns::{END, Patterns};
use crate::access::route::PathMatch;

/// The most beginnings of a path that are looked at. Only patterns with many stars come near it.
const MOST_BEGINNINGS: usize = 1_000;

/// Stands, in the path, for what a star may be.
const SOMETHING: u8 = b'x';

/// A path that fits both patterns, as short as there is one; `None` if there is none, or if it would take too long to find one.
pub fn path_of_both(one: &PathMatch, other: &PathMatch) -> Option<String> {
    let mut patterns = Patterns::default();
    patterns.add(one);
    patterns.add(other);
    let second = patterns.start(1);
    let mut places = Vec::new();
    patterns.enter(&mut places, 0);
    patterns.enter(&mut places, second);
    // Paths, and how far each has come in the two patterns.
    let mut begun = vec![(Vec::new(), places)];
    let mut next = 0_usize;
    while let Some((read, places)) = begun.get(next).cloned() {
        next = next.saturating_add(1);
        let ends = |is_second: bool| places.iter().any(|place| (*place >= second) == is_second && patterns.byte(*place) == END);
        let found = Some(read.clone()).filter(|_| ends(false) && ends(true)).and_then(|read| String::from_utf8(read).ok());
        if let Some(found) = found.filter(|path| path::check(path).is_ok()) {
            return Some(found);
        }
        let named = places.iter().map(|place| patterns.byte(*place)).filter(|byte| *byte > END);
        for byte in [b'/', SOMETHING].into_iter().chain(named) {
            if byte == b'/' && matches!(read.last(), Some(b'/' | b'.' | b' ')) {
                continue;
            }
            let reached = patterns.step(&places, byte);
            let is_in_both =
                reached.first().is_some_and(|place| *place < second) && reached.last().is_some_and(|place| *place >= second);
            let is_new = || {
                begun.iter().all(|(other, places)| *places != reached || kind_of_end(other.last()) != kind_of_end(Some(&byte)))
            };
            if is_in_both && is_new() {
                begun.push(([read.as_slice(), &[byte]].concat(), reached));
            }
        }
        if begun.len() > MOST_BEGINNINGS {
            return None;
        }
    }
    None
}

/// What the last byte of a path forbids behind it.
fn kind_of_end(last: Option<&u8>) -> Option<u8> {
    last.copied().filter(|last| matches!(last, b'/' | b'.' | b' '))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::prop_assert;

    use super::*;
    use crate::access::testing::{run, some_paths, some_pattern};

    #[test]
    fn a_path_is_found_exactly_where_two_patterns_have_one() {
        let mut paths = some_paths();
        paths.retain(|path| path::check(path).is_ok());
        run(1_000, &(some_pattern(), some_pattern()), |(one, other)| {
            let found = path_of_both(&one, &other);
            match &found {
                Some(path) => prop_assert!(
                    one.fits(path) && other.fits(path) && path::check(path).is_ok(),
                    "{:?} {:?} {}",
                    one,
                    other,
                    path
                ),
                None => {
                    let missed = paths.iter().find(|path| one.fits(path) && other.fits(path));
                    prop_assert!(missed.is_none(), "{:?} {:?} {:?}", one, other, missed);
                }
            }
            Ok(())
        });
    }

    #[test]
    fn the_path_is_as_short_as_there_is_one() {
        let glob = |text: &str| PathMatch::Glob(text.to_owned());
        let prefix = |text: &str| PathMatch::SeparatedPrefix(text.to_owned());
        assert_eq!(path_of_both(&glob("/**/*.css"), &prefix("/admin")).as_deref(), Some("/admin/.css"));
        assert_eq!(path_of_both(&glob("/teams/*/docs"), &prefix("/teams/red")).as_deref(), Some("/teams/red/docs"));
        assert_eq!(path_of_both(&PathMatch::Any, &prefix("/admin")).as_deref(), Some("/admin"));
        assert_eq!(path_of_both(&PathMatch::Any, &PathMatch::Any).as_deref(), Some("/"));
        assert_eq!(path_of_both(&glob("/*.css"), &prefix("/admin")), None);
    }
}
