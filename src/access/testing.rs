//! Patterns and paths made up for tests.

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::access::path;
use crate::access::route::PathMatch;

/// Patterns that the configuration accepts, of few letters, so that two often fit the same path.
pub(crate) fn some_pattern() -> impl Strategy<Value = PathMatch> {
    let plain = || "(/[ab]{1,2}){1,3}/?|/";
    let pattern = r"(/(\*\*|[ab]{0,2}\*[ab.]{0,2}\*?[ab]?|[ab]{1,2}|\*)){1,4}/?";
    prop_oneof![
        1 => Just(PathMatch::Any),
        2 => plain().prop_map(PathMatch::Exact),
        2 => "(/[ab]{1,2}){1,2}".prop_map(PathMatch::SeparatedPrefix),
        5 => pattern.prop_filter_map("is no pattern", |pattern| {
            let written = pattern.contains('*') && !pattern.contains("**/**") && path::check(&pattern).is_ok();
            let within = pattern.split('/').any(|segment| segment.contains("**") && segment != "**");
            match pattern.strip_suffix("/**") {
                _ if !written || within => None,
                Some("") => Some(PathMatch::Any),
                Some(prefix) if !prefix.contains('*') => Some(PathMatch::SeparatedPrefix(prefix.to_owned())),
                _ => Some(PathMatch::Glob(pattern)),
            }
        }),
    ]
}

/// Paths that requests may have, of the letters of [`some_pattern`] and others.
pub(crate) fn some_paths() -> Vec<String> {
    let segments = ["a", "b", "aa", "ab", "ba", "bb", "z", "a.b", ".a", "a b", "zab"];
    let mut paths = vec![String::new()];
    for depth in 0..4 {
        let longer = |path: &String| segments.map(|segment| format!("{path}/{segment}"));
        paths.extend(paths.iter().filter(|path| path.matches('/').count() == depth).flat_map(longer).collect::<Vec<_>>());
    }
    let closed: Vec<_> = paths.iter().map(|path| format!("{path}/")).collect();
    paths.extend(closed);
    paths.retain(|path| !path.is_empty());
    paths
}

/// Runs a test with this many made-up inputs, always the same ones.
pub(crate) fn run<S: Strategy>(cases: u32, inputs: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_local_rejects: u32::MAX,
        max_global_rejects: u32::MAX,
        ..Config::default()
    };
    // The environment variable PROPTEST_CASES asks for another number of cases.
    let config =
        Config { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases), ..config };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(why) = runner.run(inputs, test) {
        panic!("{why}");
    }
}
