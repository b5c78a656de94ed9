use std::cell::Cell;

use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::{select, subsequence};

use super::*;
use crate::access::path::check;
use crate::access::requirement::Requirement;
use crate::access::route::{Credentials, Match, Rule, SharedCache, Unauthenticated};
use crate::access::testing::{run, some_pattern};

const ENDPOINTS: [(&str, &str); 3] = [("login", "/api/login"), ("logout", "/files/logout"), ("session", "/a/b")];

fn prefix(path: &str) -> PathMatch {
    PathMatch::SeparatedPrefix(path.into())
}

fn glob(path: &str) -> PathMatch {
    PathMatch::Glob(path.into())
}

fn rule(name: String, matches: Match, allow_in_path: Vec<Spelling>) -> Rule {
    Rule {
        name: name.into(),
        matches,
        allow_in_path,
        require: Requirement::Authenticated,
        unauthenticated: Unauthenticated::default(),
        credentials: Credentials::default(),
        audience: None,
        upstream_token: None,
        shared_cache: SharedCache::default(),
    }
}

fn rules(all: Vec<(Match, Vec<Spelling>)>) -> Rules {
    let named = all.into_iter().enumerate();
    let rules = named.map(|(position, (matches, allowed))| rule(format!("rules[{position}]"), matches, allowed));
    Rules::new(rules.collect(), rule("default".into(), Match::default(), Vec::new()))
}

fn to(path: PathMatch) -> Match {
    Match { path, ..Match::default() }
}

fn readings(rules: &Rules) -> Option<Readings> {
    Readings::new(rules, &ENDPOINTS.map(|(name, path)| (name, path.to_owned())))
}

/// The rule to which all readings of a path fall, as a request comes to it; or what the log says about the refusal.
fn judged(rules: &Rules, path: &str) -> Result<String, String> {
    assert!(check(path).is_err(), "{path:?} is plain");
    let judged = readings(rules).map_or(Err(None), |readings| readings.judge(rules, "GET", "a", path));
    judged.map(|()| rules.find("GET", "a", path).name.to_string()).map_err(|detail| detail.unwrap_or_else(|| "not plain".into()))
}

/// A site that allows whatever can be allowed, wherever it can: what is refused here is refused everywhere.
fn site() -> Rules {
    let all = Spelling::ALL.to_vec();
    let admin = Match { methods: Some(vec!["GET".into()]), ..to(prefix("/admin")) };
    let elsewhere = Match { host: Some("b".into()), ..to(prefix("/files/b")) };
    rules(vec![
        (admin, Vec::new()),
        (to(prefix("/files/secret")), all.clone()),
        (to(glob("/**/private/**")), all.clone()),
        (to(PathMatch::Exact("/files/one".into())), Vec::new()),
        (elsewhere, Vec::new()),
        (to(prefix("/files")), all.clone()),
        (to(glob("/wiki/*")), all.clone()),
        (to(glob("/a/*/c")), all.clone()),
        (to(PathMatch::Any), all),
    ])
}

#[test]
fn paths_by_which_other_gateways_were_passed_are_refused_although_everything_is_allowed() {
    for attack in [
        // Dot segments, before and after decoding, and beside parameters.
        "/files/..%2Fadmin",
        "/files/..%2fadmin",
        "/files%2F..%2Fadmin",
        "/files/a%2F..%2F..%2Fadmin",
        "/files/%2E%2E%2Fadmin",
        "/files/.%2e%2Fadmin",
        "/files/a%2F.",
        "/files/a%2F..",
        "/files/a%2F./b",
        "/files/..;/admin",
        "/files/..;x=1/admin",
        "/files/.;/../admin",
        "/files/;/../admin",
        "/files;x/../admin",
        "/admin;x/../files/a",
        "/files/a;x=../admin",
        "/files/a;..",
        "/files/a;x%2F..%2Fb",
        "/files/..%3Fx",
        "/files/..%23x",
        "/files/a%3F/../../admin",
        "/files/a./b%2Fc",
        "/files/a.%2Fb",
        "/files/a.;x",
        "/files/a%20%2Fb",
        "/files/a%20;x",
        "/files/a%20%3Fx",
        // Empty segments.
        "/files//a%2Fb",
        "/files/%2Fa",
        "/%2Fevil.example/a",
        "/%2fevil.example",
        "/files/a%2F%2Fb",
        "/files/a%2F/b",
        "/files/a%2F",
        "/files/a;",
        "/;/admin",
        "/;x/admin",
        "/files/;x=1",
        "/files/a;/b",
        "/files/a;;x",
        "/files/a;%2Fb",
        "/files/%3Fx",
        "/files/a%2F%23x",
        "/files/a;%3Fx",
        // What no rule can allow, beside what this one does.
        "/files/a%2Fb%5Cc",
        "/files/a%2Fb%5cc",
        "/files/a%2Fb\\c",
        "/files/a%2Fb%00",
        "/files/a;b%00.png",
        "/files/a%2Fb%0d%0aX:%20y",
        "/files/a%2Fb%7F",
        "/files/a%252Fb",
        "/files/a%2Fb%252e",
        "/files/a%25",
        "/files/a%25%32%46b",
        "/files/a%2%2FF..",
        "/files/a%%2F2F",
        "/files/a%3%3F",
        "/files/a%3Bb",
        "/files/a%3bx=1/b%2Fc",
        "/files/a%2Fb%c0%af..",
        "/files/%C3%2F%A4",
        "/files/%C3;%A4",
        "/files/a%2Fb%ff",
        "/files/a%2Fb#c",
        "/files/a%2F\u{e4}",
        "/files/a%2Fb c",
        "/files/a%u002fb;x",
        "/files/%61%2Fb",
        "files/a%2Fb",
        "%2Ffiles/a",
        ";/files/a",
        "",
        "*",
    ] {
        assert_eq!(judged(&site(), attack), Err("not plain".to_owned()), "{attack:?}");
    }
    assert!(judged(&site(), "/admin%2Fx").unwrap_err().contains("rules[0], which does not allow %2F"));
}

#[test]
fn a_path_with_a_reading_that_falls_to_another_rule_is_refused_and_the_log_says_which() {
    for (attack, detail) in [
        // Another rule would decide what a server that decodes serves, or one that does not.
        ("/files/secret%2Fx", "decoded, the path falls to rules[1], and read as \"/files/secret%2Fx\" to rules[5]"),
        ("/files%2Fx", "decoded, the path falls to rules[5], and read as \"/files%2Fx\" to rules[8]"),
        ("/x%2Fprivate%2Fy", "decoded, the path falls to rules[2], and read as \"/x%2Fprivate%2Fy\" to rules[8]"),
        ("/wiki/a%2Fb", "decoded, the path falls to rules[8], and read as \"/wiki/a%2Fb\" to rules[6]"),
        // One that cuts off parameters, alone or with the rest of the path.
        ("/admin;x", "decoded, the path falls to rules[8], and read as \"/admin\" to rules[0]"),
        ("/admin;x/y", "decoded, the path falls to rules[8], and read as \"/admin\" to rules[0]"),
        ("/files;x/secret/y", "decoded, the path falls to rules[8], and read as \"/files\" to rules[5]"),
        ("/files/secret;x/y", "decoded, the path falls to rules[5], and read as \"/files/secret\" to rules[1]"),
        ("/files/one;v=1", "decoded, the path falls to rules[5], and read as \"/files/one\" to rules[3]"),
        ("/wiki/a;b/c", "decoded, the path falls to rules[8], and read as \"/wiki/a\" to rules[6]"),
        ("/a/b;x/c", "decoded, the path falls to rules[7], and read as \"/a/b\" to endpoints.session"),
        ("/a/x;y/c", "decoded, the path falls to rules[7], and read as \"/a/x\" to rules[8]"),
        // One that ends the path at a decoded mark.
        ("/files/secret%3Fx", "decoded, the path falls to rules[5], and read as \"/files/secret\" to rules[1]"),
        ("/files/secret%23/x", "decoded, the path falls to rules[5], and read as \"/files/secret\" to rules[1]"),
        ("/admin%3f", "decoded, the path falls to rules[8], and read as \"/admin\" to rules[0]"),
        // Several of these together, and one of several slashes alone.
        ("/files/secret;x%2Fy", "decoded, the path falls to rules[5], and read as \"/files/secret\" to rules[1]"),
        ("/x;y%2Fprivate", "decoded, the path falls to rules[2], and read as \"/x\" to rules[8]"),
        ("/files;x%2Fsecret", "decoded, the path falls to rules[8], and read as \"/files\" to rules[5]"),
        ("/a/x%2Fy%2Fz/c", "decoded, the path falls to rules[8], and read as \"/a/x%2Fy%2Fz/c\" to rules[7]"),
        ("/a%2Fx%2Fy/c", "decoded, the path falls to rules[8], and read as \"/a/x%2Fy/c\" to rules[7]"),
        // Endpoints are answered before any rule, but only at their own paths.
        ("/api%2Flogin", "decoded, the path falls to rules[8], and read as \"/api/login\" to endpoints.login"),
        ("/api/login;x", "decoded, the path falls to rules[8], and read as \"/api/login\" to endpoints.login"),
        ("/files/logout%3Fx", "decoded, the path falls to rules[5], and read as \"/files/logout\" to endpoints.logout"),
    ] {
        assert_eq!(judged(&site(), attack), Err(detail.to_owned()), "{attack:?}");
    }
}

#[test]
fn a_path_of_which_all_readings_fall_to_one_rule_that_allows_it_is_good() {
    for (path, rule) in [
        ("/files/a%2Fb", "rules[5]"),
        ("/files/a%2fb", "rules[5]"),
        ("/files/a%2Fb%2Fc%2Fd/e%2Ff.txt", "rules[5]"),
        ("/files/a%2Fb/", "rules[5]"),
        ("/files/caf%C3%A9%2Fb%20c", "rules[5]"),
        ("/files/a;v=1.2/b;w=3,4", "rules[5]"),
        ("/files/a;v=1;w=2", "rules[5]"),
        ("/files/What%3F", "rules[5]"),
        ("/files/What%3f%3F/C%23/history", "rules[5]"),
        ("/files/secretary%2Fx", "rules[5]"),
        ("/files/secret/a%2Fb", "rules[1]"),
        // For another host, the rule before does not count.
        ("/files/b%2Fc", "rules[5]"),
        ("/wiki/What%3F", "rules[6]"),
        ("/wiki/C%23", "rules[6]"),
        ("/wiki/a;oldid=3", "rules[6]"),
        ("/x%2Fy", "rules[8]"),
        ("/x/private/y%2Fz;v=1", "rules[2]"),
    ] {
        assert_eq!(judged(&site(), path).as_deref(), Ok(rule), "{path:?}");
    }
}

#[test]
fn a_rule_allows_nothing_but_what_it_lists_and_no_rule_allows_for_another() {
    let slash = rules(vec![(to(prefix("/open")), Vec::new()), (to(prefix("/files")), vec![Spelling::Slash])]);
    assert_eq!(judged(&slash, "/files/a%2Fb").as_deref(), Ok("rules[1]"));
    for (path, detail) in [
        ("/files/a;b", "decoded, the path falls to rules[1], which does not allow ;"),
        ("/files/a%2Fb%3f", "decoded, the path falls to rules[1], which does not allow %3F"),
        ("/files/a%2Fb%23", "decoded, the path falls to rules[1], which does not allow %23"),
        ("/open/a%2Fb", "decoded, the path falls to rules[0], which does not allow %2F"),
        ("/other/a%2Fb", "decoded, the path falls to default, which does not allow %2F"),
        ("/other//b", "not plain"),
    ] {
        assert_eq!(judged(&slash, path), Err(detail.to_owned()), "{path:?}");
    }
    // Where no rule allows anything, nothing is looked at.
    assert!(readings(&rules(vec![(to(prefix("/files")), Vec::new())])).is_none());
}

#[test]
fn method_and_host_decide_which_rules_count() {
    let rules = site();
    let readings = readings(&rules).unwrap();
    let judge = |method: &str, host: &str, path: &str| readings.judge(&rules, method, host, path).is_ok();
    for (method, host, path, good) in [
        ("GET", "a", "/x/admin;y", true),
        ("GET", "a", "/admin;y", false),
        ("HEAD", "a", "/admin;y", false),
        ("POST", "a", "/admin;y", true),
        ("GET", "a", "/files/b%2Fc", true),
        ("GET", "b", "/files/b%2Fc", false),
        ("GET", "b", "/files/bb%2Fc", true),
        // Endpoints take every method.
        ("POST", "a", "/api/login;y", false),
    ] {
        assert_eq!(judge(method, host, path), good, "{method} {host} {path}");
    }
}

#[test]
fn a_path_that_takes_too_long_to_read_in_every_way_is_refused_and_long_ones_are_not() {
    let all = Spelling::ALL.to_vec();
    let stars = glob(&format!("/{}", "*a*b*c".repeat(8)));
    let many = rules(vec![(to(stars), Vec::new()), (to(prefix("/files")), all.clone())]);
    assert_eq!(judged(&many, &format!("/files{}", "/x%2Fy".repeat(200))).as_deref(), Ok("rules[1]"));
    let crowded = rules(vec![(to(glob("/**/*a*b*c*d*e*f*/**")), Vec::new()), (to(PathMatch::Any), all.clone())]);
    let long = judged(&crowded, &format!("/x{}", "a%2Fb;c%3Fd".repeat(2_000)));
    assert_eq!(long, Err("it takes too long to compare all its readings with the rules before rules[1]".to_owned()));
    // Deep paths of real applications, beside a thousand rules and those that begin with stars.
    let mut usual: Vec<_> = (0..1_000).map(|number| (to(prefix(&format!("/service/{number}"))), Vec::new())).collect();
    usual.extend(["admin", "internal", "private"].map(|name| (to(glob(&format!("/**/{name}/**"))), Vec::new())));
    usual.push((to(prefix("/api")), all));
    let deep =
        "/api/v4/projects/group%2Fsub%2Fproject/repository/files/src%2Fmain%2Fjava%2Fcom%2Fexample%2Fproject%2FMain.java/raw";
    assert_eq!(judged(&rules(usual), deep).as_deref(), Ok("rules[1003]"));
}

/// Every reading of a path, one by one.
fn every_reading(rest: &str, read: &str, in_parameter: bool, found: &mut Vec<String>) {
    let Some(first) = rest.chars().next() else { return found.push(read.to_owned()) };
    let mut goes_on = |length: usize, text: &str, in_parameter: bool| {
        every_reading(&rest[length..], &format!("{read}{text}"), in_parameter, found);
    };
    let spelling = ["%2F", "%3F", "%23", ";"].into_iter().find(|spelling| rest.starts_with(spelling));
    let ways: &[&str] = match spelling {
        Some("%2F") => &["%2F", "\0", "/"],
        Some("%3F") => &["%3F", "?"],
        Some("%23") => &["%23", "#"],
        Some(_) => &[";"],
        None if in_parameter && first != '/' => return goes_on(first.len_utf8(), "", true),
        None => return goes_on(first.len_utf8(), &first.to_string(), false),
    };
    let length = spelling.map_or(0, str::len);
    ways.iter().for_each(|text| goes_on(length, text, false));
    if in_parameter || spelling == Some(";") {
        goes_on(length, "", true);
    }
    if spelling != Some("%2F") {
        found.push(read.to_owned());
    }
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let path = prop_oneof![3 => some_pattern(), 1 => "(/[ab]{1,2}){1,3}/?".prop_map(PathMatch::Exact), 1 => Just(PathMatch::Any)];
    let allowed = prop_oneof![3 => Just(Spelling::ALL.to_vec()), 1 => subsequence(Spelling::ALL.to_vec(), 0..4)];
    proptest::collection::vec((path.prop_map(to), allowed), 1..6).prop_map(rules)
}

/// Paths that are often plain except for what a rule can allow.
fn some_path() -> impl Strategy<Value = String> {
    let joint = || select(vec!["/", "/", "%2F", "%2F", ";", "%3F", "%23"]);
    let segment = || select(vec!["a", "b", "ab", "aa", "a", "b", "", ".", "..", "a."]);
    (proptest::collection::vec((segment(), joint()), 1..6), segment()).prop_map(|(parts, last)| {
        let parts: String = parts.into_iter().map(|(segment, joint)| format!("{segment}{joint}")).collect();
        format!("/{parts}{last}")
    })
}

#[test]
fn a_path_is_good_exactly_if_each_reading_by_itself_falls_to_the_one_rule_that_allows_it() {
    let good = Cell::new(0);
    run(20_000, &(some_rules(), some_path()), |(rules, path)| {
        let Some(readings) = readings(&rules).filter(|_| check(&path).is_err()) else { return Ok(()) };
        let judged = readings.judge(&rules, "GET", "a", &path);
        let mut each = Vec::new();
        every_reading(&path, "", false, &mut each);
        let position = |reading: &String| match ENDPOINTS.iter().any(|(_, endpoint)| endpoint == reading) {
            true => None,
            false => rules.position("GET", "a", reading),
        };
        let first = each.first().and_then(position);
        let together = first.is_some() && each.iter().all(|reading| position(reading) == first);
        let allowed = first.map(|first| rules.all()[first].allow_in_path.clone()).unwrap_or_default();
        let plain = check_beside(&path, &allowed).is_ok();
        prop_assert_eq!(judged.is_ok(), together && plain, "{:?} {:?}: {:?}", path, rules.all(), judged);
        if judged.is_ok() {
            good.set(good.get() + 1);
            prop_assert_eq!(&rules.find("GET", "a", &path).name, &rules.all()[first.unwrap()].name);
            let is_good = |segment: &str| !segment.is_empty() && !segment.ends_with('.');
            for reading in each {
                let segments = reading.strip_prefix('/').unwrap();
                prop_assert!(segments.strip_suffix('/').unwrap_or(segments).split('/').all(is_good), "{path:?} {reading:?}");
            }
        }
        Ok(())
    });
    assert!(good.get() > 500, "only {} paths were good", good.get());
}

/// Something that is done with a path, in words and as a function.
type Deed = (&'static str, fn(&str) -> String);

/// What servers, frameworks and proxies do with a path.
const DEEDS: [Deed; 9] = [
    ("decodes", |path| percent_decode_str(path).decode_utf8_lossy().into_owned()),
    ("decodes slashes", |path| path.replace("%2F", "/")),
    ("ends the path at the query", |path| path.split('?').next().unwrap().to_owned()),
    ("ends the path at the fragment", |path| path.split('#').next().unwrap().to_owned()),
    ("cuts off at the first semicolon", |path| path.split(';').next().unwrap().to_owned()),
    ("cuts off parameters", |path| {
        path.split('/').map(|segment| segment.split(';').next().unwrap()).collect::<Vec<_>>().join("/")
    }),
    ("cuts off one parameter", |path| match path.split_once(';') {
        Some((before, behind)) => {
            format!("{before}{}", &behind[behind.find([';', '/', '?', '#', '%']).unwrap_or(behind.len())..])
        }
        None => path.to_owned(),
    }),
    ("merges slashes", |path| path.replace("//", "/")),
    ("removes dot segments", |path| {
        let mut kept = Vec::new();
        for segment in path.split('/').skip(1) {
            match segment {
                "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(segment),
            }
        }
        format!("/{}", kept.join("/"))
    }),
];

#[test]
fn whatever_an_application_does_with_a_good_path_and_in_whatever_order_comes_to_the_same_rule() {
    let deeds = proptest::collection::vec(select(&DEEDS[..]), 0..6);
    run(40_000, &(some_rules(), some_path(), deeds), |(rules, path, deeds)| {
        let Some(readings) = readings(&rules).filter(|_| check(&path).is_err()) else { return Ok(()) };
        if readings.judge(&rules, "GET", "a", &path).is_err() {
            return Ok(());
        }
        let served = deeds.iter().fold(path.clone(), |path, (_, deed)| deed(&path));
        let done: Vec<_> = deeds.iter().map(|(what, _)| what).collect();
        let position = rules.position("GET", "a", &served);
        prop_assert_eq!(position, rules.position("GET", "a", &decoded(&path)), "{:?}: {:?} is {:?}", done, path, served);
        prop_assert!(ENDPOINTS.iter().all(|(_, endpoint)| *endpoint != served), "{done:?}: {path:?}");
        Ok(())
    });
}
