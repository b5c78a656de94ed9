use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::access::testing::some_pattern;

fn prefix(path: &str) -> PathMatch {
    PathMatch::SeparatedPrefix(path.into())
}

fn glob(path: &str) -> PathMatch {
    PathMatch::Glob(path.into())
}

fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.into())
}

fn rules(matches: Vec<Match>) -> Rules {
    let rule = |name: String, matches| Rule {
        name: name.into(),
        matches,
        allow_in_path: Vec::new(),
        require: Requirement::Authenticated,
        unauthenticated: Unauthenticated::default(),
        credentials: Credentials::default(),
        audience: None,
        upstream_token: None,
        shared_cache: SharedCache::default(),
    };
    let listed = matches.into_iter().enumerate().map(|(position, matches)| rule(format!("rules[{position}]"), matches));
    Rules::new(listed.collect(), rule("default".into(), Match::default()))
}

/// What a rule may be for, with few different letters, so that rules and paths often fit.
fn some_match() -> impl Strategy<Value = Match> {
    let path = prop_oneof![3 => some_pattern(), 1 => "(/[ab]{0,2}){1,3}/?".prop_map(PathMatch::Exact)];
    let host = prop_oneof![3 => Just(None), 1 => Just(Some("a".to_owned())), 1 => Just(Some("b".to_owned()))];
    let methods = prop_oneof![3 => Just(None), 1 => Just(Some(vec!["GET".to_owned()]))];
    (host, methods, path).prop_map(|(host, methods, path)| Match { host, methods, path, calls: None })
}

#[test]
fn the_index_finds_the_same_rule_as_looking_at_each_in_order() {
    let inputs = (
        proptest::collection::vec(some_match(), 0..24),
        "(/(a|b|ab|aa|%40|é|){0,1}){0,4}[ab]?",
        prop_oneof![Just("GET"), Just("HEAD"), Just("POST")],
    );
    let config = Config { cases: 4_096, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let held = runner.run(&inputs, |(listed, path, method)| {
        let rules = rules(listed);
        let read = decoded(&path);
        let first = rules.all().iter().find(|rule| rule.matches.fits(method, "a", &read)).unwrap_or(&rules.otherwise);
        prop_assert_eq!(&rules.find(method, "a", &path).name, &first.name);
        Ok(())
    });
    assert_eq!(held, Ok(()));
}

#[test]
fn a_prefix_ends_at_a_segment() {
    for (path, fits) in [("/api", true), ("/api/", true), ("/api/x", true), ("/apix", false), ("/API", false), ("/", false)] {
        assert_eq!(prefix("/api").fits(path), fits, "{path}");
    }
}

#[test]
fn one_star_stays_within_a_segment_and_two_cross_segments() {
    for (pattern, path, fits) in [
        ("/webhooks/*", "/webhooks/a", true),
        ("/webhooks/*", "/webhooks/a/b", false),
        ("/webhooks/*", "/webhooks", false),
        ("/a/*/c", "/a/b/c", true),
        ("/a/*/c", "/a/b/x/c", false),
        ("/a/**", "/a/b/c", true),
        ("/tenants/*/**", "/tenants/5", true),
        ("/tenants/*/**", "/tenants", false),
        ("/**/admin/**", "/admin", true),
        ("/**/admin/**", "/a/admin/b", true),
        ("/**/x.js", "/a/b/x.js", true),
        ("/*.js", "/x.js", true),
        ("/*.js", "/x.jsp", false),
        ("/*.js", "/a/x.js", false),
    ] {
        assert_eq!(glob(pattern).fits(path), fits, "{pattern} {path}");
    }
}

#[test]
fn an_equivalent_escape_does_not_lead_past_a_rule() {
    for (path, requested) in [
        (exact("/@admin"), "/%40admin"),
        (prefix("/v1/jobs:purge"), "/v1/jobs%3Apurge/x"),
        (exact("/café"), "/caf%C3%A9"),
        (exact("/café"), "/caf%c3%a9"),
        (glob("/*(1)"), "/a%281%29"),
    ] {
        let rules = rules(vec![Match { path, ..Match::default() }]);
        assert_eq!(&*rules.find("GET", "a", requested).name, "rules[0]", "{requested}");
    }
}

#[test]
fn a_rule_for_get_is_for_head_too() {
    let matches = Match { methods: Some(vec!["GET".into()]), ..Match::default() };
    assert!(matches.fits("HEAD", "a", "/") && !matches.fits("POST", "a", "/"));
}

#[test]
fn method_host_and_path_must_all_fit() {
    let matches = Match { host: Some("a".into()), methods: Some(vec!["POST".into()]), path: exact("/x"), calls: None };
    assert!(matches.fits("POST", "a", "/x"));
    for (method, host, path) in [("GET", "a", "/x"), ("POST", "b", "/x"), ("POST", "a", "/x/")] {
        assert!(!matches.fits(method, host, path));
    }
}

fn of(methods: &[&str]) -> Match {
    Match { methods: Some(methods.iter().map(|method| (*method).to_owned()).collect()), ..Match::default() }
}

fn at(host: &str) -> Match {
    Match { host: Some(host.into()), ..Match::default() }
}

fn to(path: PathMatch) -> Match {
    Match { path, ..Match::default() }
}

#[test]
fn one_rule_takes_all_of_another_only_where_host_methods_and_path_do() {
    for (mine, theirs, takes_all) in [
        (Match::default(), Match { path: glob("/a/*"), ..at("a") }, true),
        (at("a"), at("a"), true),
        (at("a"), at("b"), false),
        (at("a"), Match::default(), false),
        (of(&["GET"]), of(&["GET"]), true),
        (of(&["GET"]), of(&["HEAD"]), true),
        (of(&["HEAD"]), of(&["GET"]), false),
        (of(&["GET", "POST"]), of(&["POST"]), true),
        (of(&["POST"]), of(&["GET", "POST"]), false),
        (of(&["GET"]), Match::default(), false),
        (to(prefix("/a")), to(exact("/a/b")), true),
        (to(prefix("/a")), to(prefix("/a/b")), true),
        (to(prefix("/a/b")), to(prefix("/a")), false),
        (to(prefix("/a")), to(prefix("/ab")), false),
        (to(exact("/a")), to(exact("/a")), true),
        (to(exact("/a")), to(exact("/b")), false),
        (to(exact("/a")), to(prefix("/a")), false),
        (to(glob("/a/*")), to(exact("/a/b")), true),
        (to(glob("/a/*")), to(exact("/b")), false),
        (to(glob("/a/*")), to(glob("/a/*")), true),
        (to(glob("/a/*")), to(glob("/b/*")), false),
        (to(prefix("/a")), to(PathMatch::Any), false),
        (Match { path: prefix("/a"), ..at("a") }, Match { path: exact("/b"), ..at("a") }, false),
        (Match { path: prefix("/a"), ..at("a") }, Match { path: exact("/a"), ..at("b") }, false),
        (Match { path: prefix("/a"), ..of(&["POST"]) }, Match { path: exact("/a"), ..of(&["GET"]) }, false),
    ] {
        assert_eq!(mine.covers(&theirs), takes_all, "{mine:?} {theirs:?}");
    }
}

#[test]
fn a_request_is_compared_only_with_rules_whose_base_it_has_so_that_a_thousand_cost_no_more_than_one() {
    let many = rules((0..1_000).map(|number| to(prefix(&format!("/service/{number}")))).collect());
    assert_eq!((many.listed.len(), many.listed.iter().map(Vec::len).max()), (1_000, Some(1)));
    for (path, base) in [
        (PathMatch::Any, ""),
        (exact("/a/b"), "/a/b"),
        (prefix("/a/b"), "/a/b"),
        (glob("/a/b/*"), "/a/b"),
        (glob("/a/b*/c"), "/a"),
        (glob("/a/**/c"), "/a"),
        (glob("/*"), ""),
    ] {
        assert_eq!(path.base(), base, "{path:?}");
    }
}
