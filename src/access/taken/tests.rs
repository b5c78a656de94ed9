use std::collections::BTreeSet;

use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::access::path;
use crate::access::requirement::Requirement;
use crate::access::route::{Credentials, Rules, SharedCache, Unauthenticated};
use crate::access::testing::{run, some_paths, some_pattern};

const HOSTS: [&str; 2] = ["a", "b"];
const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "OTHER"];

fn exact(path: &str) -> Match {
    Match { path: PathMatch::Exact(path.into()), ..Match::default() }
}

fn prefix(path: &str) -> Match {
    Match { path: PathMatch::SeparatedPrefix(path.into()), ..Match::default() }
}

fn glob(path: &str) -> Match {
    Match { path: PathMatch::Glob(path.into()), ..Match::default() }
}

fn of(methods: &[&str], of: Match) -> Match {
    Match { methods: Some(methods.iter().map(|method| (*method).to_owned()).collect()), ..of }
}

fn at(host: &str, of: Match) -> Match {
    Match { host: Some(host.into()), ..of }
}

fn rule(position: usize, matches: &Match) -> Rule {
    Rule {
        name: format!("rules[{position}]").into(),
        matches: matches.clone(),
        allow_in_path: Vec::new(),
        require: Requirement::Authenticated,
        unauthenticated: Unauthenticated::default(),
        credentials: Credentials::default(),
        audience: None,
        upstream_token: None,
        shared_cache: SharedCache::default(),
    }
}

fn rules(matches: &[Match]) -> Vec<Rule> {
    matches.iter().enumerate().map(|(position, matches)| rule(position, matches)).collect()
}

fn behind(earlier: &[Rule]) -> Taken {
    let mut taken = Taken::default();
    earlier.iter().for_each(|rule| taken.add(&rule.matches.path));
    taken
}

fn verdict(earlier: &[Match], later: &Match) -> Verdict {
    let earlier = rules(earlier);
    behind(&earlier).verdict(&earlier, later, &HOSTS)
}

/// A request that `later` decides, if there is one: its host, method and path.
fn witness(earlier: &[Match], later: &Match) -> Option<(&'static str, &'static str, String)> {
    let mut taken = behind(&rules(earlier));
    taken.add(&later.path);
    let all = HOSTS.iter().flat_map(|host| METHODS.iter().map(move |method| (*host, *method)));
    all.filter(|(host, method)| later.is_for(method, host)).find_map(|(host, method)| {
        let fitting = earlier.iter().enumerate().filter(|(_, rule)| rule.is_for(method, host)).map(|(position, _)| position);
        match taken.read_all(earlier.len(), &fitting.collect::<Vec<_>>(), &mut MOST_STEPS.clone(), &mut Vec::new()) {
            Outcome::Left(path) => Some((host, method, String::from_utf8(path).unwrap().replace('\0', "z"))),
            Outcome::NothingLeft => None,
            Outcome::TooMany => panic!("too many steps for {earlier:?} {later:?}"),
        }
    })
}

/// The name of the rule that decides a request, or that of a last rule for all others.
fn decided_by(all: &[Match], (host, method, path): (&str, &str, &str)) -> String {
    Rules::new(rules(all), rule(usize::MAX, &Match::default())).find(method, host, path).name.to_string()
}

/// A path as a client sends it.
fn sent(path: &str) -> String {
    path.replace(' ', "%20")
}

fn some_match() -> impl Strategy<Value = Match> {
    let host = prop_oneof![4 => Just(None), 1 => Just(Some("a".to_owned())), 1 => Just(Some("b".to_owned()))];
    let listed = |methods: &[&str]| Some(methods.iter().map(|method| (*method).to_owned()).collect());
    let methods = prop_oneof![4 => Just(None), 1 => Just(listed(&["GET"])), 1 => Just(listed(&["HEAD"])), 1 => Just(listed(&["GET", "POST"])), 1 => Just(listed(&["POST"]))];
    (host, methods, some_pattern()).prop_map(|(host, methods, path)| Match { host, methods, path, calls: None })
}

#[test]
fn a_rule_that_never_counts_decides_no_request_and_any_other_decides_one() {
    let requests = proptest::collection::vec((select(&HOSTS[..]), select(&METHODS[..]), select(some_paths())), 40);
    run(4_000, &(proptest::collection::vec(some_match(), 1..5), some_match(), requests), |(earlier, later, requests)| {
        let own = format!("rules[{}]", earlier.len());
        let all: Vec<_> = earlier.iter().chain([&later]).cloned().collect();
        match verdict(&earlier, &later) {
            Verdict::NeverCounts(takers) => {
                prop_assert!(!takers.is_empty());
                for (host, method, path) in &requests {
                    let path = sent(path);
                    prop_assert!(decided_by(&all, (host, method, &path)) != own, "{method} {host} {path:?}: {all:?}");
                }
                // The rules that are named take everything without the others.
                let named: Vec<_> = takers.iter().filter_map(|taker| earlier.get(*taker)).cloned().collect();
                prop_assert!(matches!(verdict(&named, &later), Verdict::NeverCounts(_)), "{named:?} {later:?}");
            }
            Verdict::Counts => {
                let (host, method, path) =
                    witness(&earlier, &later).ok_or_else(|| TestCaseError::fail(format!("nothing is left: {all:?}")))?;
                let path = sent(&path);
                prop_assert_eq!(path::check(&path), Ok(()));
                prop_assert_eq!(decided_by(&all, (host, method, &path)), own, "{} {} {:?}: {:?}", method, host, path, all);
            }
            Verdict::Undecided => return Err(TestCaseError::fail(format!("undecided: {all:?}"))),
        }
        Ok(())
    });
}

#[test]
fn a_rule_behind_others_that_take_everything_of_it_never_counts() {
    for (earlier, later, takers) in [
        (vec![prefix("/assets")], glob("/assets/*/secret"), vec![0]),
        (vec![prefix("/pub")], glob("/pub/**/admin/**"), vec![0]),
        (vec![prefix("/pub")], glob("/pub/*.key"), vec![0]),
        (vec![Match::default()], prefix("/a"), vec![0]),
        (vec![Match::default()], Match::default(), vec![0]),
        (vec![prefix("/a")], prefix("/a/b"), vec![0]),
        (vec![prefix("/a")], exact("/a"), vec![0]),
        (vec![glob("/a/*")], exact("/a/b"), vec![0]),
        (vec![glob("/a/*")], glob("/a/*.key"), vec![0]),
        (vec![glob("/a/*")], glob("/a/x*y*z"), vec![0]),
        (vec![glob("/**/x")], glob("/*/*/x"), vec![0]),
        (vec![glob("/**/admin/**")], glob("/**/admin/*"), vec![0]),
        (vec![glob("/a/*/**")], glob("/a/*/b"), vec![0]),
        // Several rules take it together.
        (vec![glob("/pub/*"), glob("/pub/*/**"), exact("/pub")], prefix("/pub"), vec![0, 1, 2]),
        (vec![exact("/a"), exact("/a/"), glob("/a/*/**")], prefix("/a"), vec![0, 1, 2]),
        (vec![of(&["GET"], exact("/a")), of(&["POST"], exact("/a"))], of(&["GET", "POST"], exact("/a")), vec![0, 1]),
        (vec![of(&["GET"], exact("/a"))], of(&["HEAD"], exact("/a")), vec![0]),
        (vec![of(&["GET"], exact("/a")), exact("/a")], exact("/a"), vec![1]),
        (vec![at("a", prefix("/x")), at("b", prefix("/x"))], glob("/x/*"), vec![0, 1]),
        (vec![at("a", prefix("/x"))], at("a", glob("/x/*")), vec![0]),
    ] {
        let found = match verdict(&earlier, &later) {
            Verdict::NeverCounts(takers) => takers.into_iter().collect::<BTreeSet<_>>(),
            other => panic!("{other:?}: {earlier:?} {later:?}"),
        };
        assert!(found.is_subset(&takers.iter().copied().collect()), "{found:?}: {earlier:?} {later:?}");
    }
}

#[test]
fn a_rule_that_decides_a_single_request_counts() {
    for (earlier, later) in [
        (vec![prefix("/a")], prefix("/ab")),
        (vec![exact("/a")], prefix("/a")),
        (vec![prefix("/a")], Match::default()),
        (vec![glob("/pub/*")], prefix("/pub")),
        (vec![glob("/pub/*"), glob("/pub/*/**")], prefix("/pub")),
        (vec![glob("/pub/*/*/*/**")], glob("/pub/**/x/**/")),
        (vec![glob("/a/*.key")], glob("/a/*")),
        (vec![glob("/a/*b")], glob("/a/b*")),
        (vec![glob("/*/x")], glob("/**/x")),
        (vec![of(&["GET"], exact("/a"))], exact("/a")),
        (vec![of(&["HEAD"], exact("/a"))], of(&["GET"], exact("/a"))),
        (vec![of(&["GET"], exact("/a"))], of(&["GET", "POST"], exact("/a"))),
        (vec![at("a", prefix("/x"))], prefix("/x")),
        (vec![at("a", prefix("/x")), of(&["GET"], at("b", prefix("/x")))], prefix("/x")),
    ] {
        assert_eq!(verdict(&earlier, &later), Verdict::Counts, "{earlier:?} {later:?}");
        let all: Vec<_> = earlier.iter().chain([&later]).cloned().collect();
        let (host, method, path) = witness(&earlier, &later).unwrap();
        assert_eq!(decided_by(&all, (host, method, &sent(&path))), format!("rules[{}]", earlier.len()), "{path}: {all:?}");
    }
}

#[test]
fn a_path_that_no_request_can_have_does_not_make_a_rule_count() {
    // `/a//b`, and segments that end in a dot, are refused before any rule.
    let earlier = [exact("/a/"), glob("/a/*a"), glob("/a/*b")];
    assert_eq!(verdict(&earlier, &glob("/a/*")), Verdict::Counts);
    assert_eq!(verdict(&[glob("/*/b"), exact("/b")], &glob("/**/b")), Verdict::Counts);
    assert!(matches!(verdict(&[glob("/*/*"), exact("/a")], &glob("/a/**/")), Verdict::Counts));
    assert!(matches!(verdict(&[exact("/a/"), glob("/a/*/**")], &glob("/a/*/**")), Verdict::NeverCounts(_)));
}

#[test]
fn patterns_that_would_take_too_long_are_left_undecided_and_cost_the_others_little() {
    let stars = |letter: &str| glob(&format!("/{}", format!("*{letter}").repeat(24)));
    let earlier = rules(&[stars("a"), stars("b"), stars("c"), stars("d"), stars("e"), glob("/*e*"), prefix("/assets")]);
    let mut taken = behind(&earlier);
    assert_eq!(taken.verdict(&earlier, &glob(&format!("/{}", "*a*b*c*d*e".repeat(6))), &HOSTS), Verdict::Undecided);
    assert!(taken.steps > MOST_STEPS / 2);
    assert_eq!(behind(&earlier).verdict(&earlier, &glob("/assets/*"), &HOSTS), Verdict::NeverCounts(vec![6]));
}

#[test]
fn rules_whose_paths_begin_or_end_differently_cost_no_steps() {
    let later = glob("/a/**/x");
    let near = [exact("/a/x"), glob("/a/*/**/x")];
    let cost = |earlier: &[Match]| {
        let earlier = rules(earlier);
        let mut taken = behind(&earlier);
        assert_eq!(taken.verdict(&earlier, &later, &HOSTS), Verdict::NeverCounts(vec![0, 1]));
        MOST_STEPS - taken.steps
    };
    let alone = cost(&near);
    for (far, costs_nothing) in [
        (glob("/b/**/x"), true),
        (glob("/a/**/y"), true),
        (glob("/b/**/y"), true),
        (exact("/a/b"), true),
        // These may fit the same path, so that they have to be read.
        (glob("/*/y/x"), false),
        (glob("/a/y/*"), false),
    ] {
        let with_it = cost(&[near[0].clone(), near[1].clone(), far.clone()]);
        assert_eq!(with_it == alone, costs_nothing, "{with_it} steps, not {alone}: {far:?}");
    }
}
