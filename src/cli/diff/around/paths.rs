//! The paths around the edges of patterns: what fits each, what fits almost, and one of every kind that the patterns tell apart.
//! Nothing is asked here, and no rule is judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::examples::kinds_of_paths::{Kinds, kind, kinds_of_paths, written};
use crate::access::path::Spelling;
use crate::access::route::PathMatch;

/// A path to ask about, with how soon it must be asked about if not all can be: 0 comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) rank: usize,
}

/// What fits a pattern, of each kind.
const FITTING: usize = 0;
/// What fits almost.
const BESIDE: usize = 1;
/// What can be read in several ways, or is changed by Envoy.
const ODD: usize = 2;

/// The paths around these patterns, and whether there is one of every kind. `spellings` are those that a rule allows; with
/// `unlike`, the two Envoys differ in what they make of a path.
pub(crate) fn paths(patterns: &[PathMatch], spellings: &[Spelling], unlike: bool) -> (Vec<Path>, bool) {
    let mut all = BTreeMap::new();
    let mut order = Vec::new();
    let mut add = |path: String, rank: usize| {
        let known = all.entry(path.clone()).or_insert_with(|| {
            order.push(path);
            rank
        });
        *known = rank.min(*known);
    };
    let examples: Vec<_> = patterns.iter().flat_map(examples).collect();
    let plain = |path: &String| written(path);
    examples.iter().filter_map(plain).for_each(|path| add(path, FITTING));
    let beside: Vec<_> = examples.iter().flat_map(|path| neighbours(path)).collect();
    beside.iter().filter_map(plain).for_each(|path| add(path, BESIDE));
    let covered: BTreeSet<_> = examples.iter().chain(&beside).filter_map(plain).map(|path| kind(patterns, &path)).collect();
    let Kinds { paths, complete } = kinds_of_paths(patterns);
    paths.into_iter().filter(|path| !covered.contains(&kind(patterns, path))).for_each(|path| add(path, FITTING));
    for path in examples.iter().filter_map(plain) {
        let stem = path.trim_end_matches('/');
        for spelling in spellings {
            add(format!("{stem}{}x", spelling.as_str()), ODD);
            add(format!("{stem}/x{}y", spelling.as_str()), ODD);
        }
        if unlike {
            add(format!("/{path}"), ODD);
            add(format!("/x/..{path}"), ODD);
            add(format!("{stem}%2Fx"), ODD);
            add(format!("{stem}%5Cx"), ODD);
            add(format!("{stem}/%78"), ODD);
        }
    }
    let ranked = order.into_iter().map(|text| Path { rank: all.get(&text).copied().unwrap_or_default(), text });
    (ranked.collect(), complete)
}

/// Paths that fit a pattern, decoded.
fn examples(pattern: &PathMatch) -> Vec<String> {
    match pattern {
        PathMatch::Any => vec!["/".to_owned(), "/x".to_owned()],
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::SeparatedPrefix(prefix) => vec![prefix.clone(), format!("{prefix}/x")],
        PathMatch::Glob(pattern) => {
            let filled = |deep: &str, star: &str| pattern.replace("/**", deep).replace('*', star);
            let all = [("", "x"), ("/x", "x"), ("/x/y", "x.y")].map(|(deep, star)| filled(deep, star));
            all.into_iter().filter(|path| !path.is_empty()).collect()
        }
    }
}

/// What differs from a path by a little, decoded.
fn neighbours(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches('/');
    let parent = stem.rsplit_once('/').map_or("", |(parent, _)| parent);
    let below = [format!("{stem}/"), format!("{stem}/x"), format!("{stem}/x/y")];
    let besides = [format!("{stem}.json"), format!("{stem}x"), stem.to_owned(), parent.to_owned(), format!("{parent}/")];
    let mut all: Vec<_> = below.into_iter().chain(besides).collect();
    all.push(capitalized(stem));
    all
}

/// The path in another case: upper and lower case differ.
fn capitalized(path: &str) -> String {
    let is_lower = path.bytes().any(|byte| byte.is_ascii_lowercase());
    if is_lower { path.to_ascii_uppercase() } else { path.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_looked_at_from_both_sides_of_each_edge() {
        let (all, complete) = paths(&[PathMatch::SeparatedPrefix("/a".into())], &[Spelling::Semicolon], false);
        let all: Vec<_> = all.iter().map(|path| (path.text.as_str(), path.rank)).collect();
        let expected = [
            ("/a", 0),
            ("/a/x", 0),
            ("/a/", 1),
            ("/a/x/y", 1),
            ("/a.json", 1),
            ("/ax", 1),
            ("/", 1),
            ("/A", 1),
            ("/a/x/", 1),
            ("/a/x/x", 1),
            ("/a/x/x/y", 1),
            ("/a/x.json", 1),
            ("/a/xx", 1),
            ("/A/X", 1),
            ("/a;x", 2),
            ("/a/x;y", 2),
            ("/a/x;x", 2),
            ("/a/x/x;y", 2),
        ];
        assert!(complete);
        assert_eq!(all, expected);
    }

    #[test]
    fn where_patterns_cross_there_is_a_path_for_every_kind() {
        let patterns =
            [PathMatch::Glob("/**/a/*.b".into()), PathMatch::Glob("/c/**/d.*".into()), PathMatch::Exact("/c/a/d.b".into())];
        let (all, complete) = paths(&patterns, &[], false);
        let kinds: BTreeSet<_> = all.iter().map(|path| kind(&patterns, &path.text)).collect();
        let expected = [vec![], vec![0], vec![0, 1], vec![0, 1, 2], vec![1]];
        assert!(complete);
        assert_eq!(kinds, BTreeSet::from(expected));
    }

    #[test]
    fn where_two_envoys_differ_paths_are_asked_about_that_they_change() {
        let (all, _) = paths(&[PathMatch::Exact("/a".into())], &[], true);
        for odd in ["//a", "/x/../a", "/a%2Fx", "/a%5Cx", "/a/%78"] {
            assert!(all.contains(&Path { text: odd.into(), rank: ODD }), "{odd}");
        }
    }
}
