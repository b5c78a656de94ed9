//! Which rules do not fit a request, and why: for people who look for the rule that decides. Whether something fits is asked of the
//! rule itself; nothing is decided here. Only the command line uses it: it is not in the module.

use std::{fmt, ptr};

use crate::access::mcp::call::Call;
use crate::access::route::{Match, PathMatch, Rule, Rules, decoded};

/// A rule that does not fit a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// How logs name the rule.
    pub rule: String,
    /// Everything of it that does not fit, at least one thing.
    pub why: Vec<Mismatch>,
}

/// Something of a rule that does not fit a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The rule is for this host alone, and the request for another.
    Host {
        /// The host of the rule.
        wanted: String,
    },
    /// The rule is for these methods alone, and the request has another.
    Method {
        /// The methods of the rule.
        wanted: Vec<String>,
    },
    /// The rule is for other paths.
    Path {
        /// The paths of the rule, as a phrase.
        wanted: String,
        /// Why this path is not one of them, where people often think that it is.
        hint: Option<&'static str>,
    },
    /// The rule is for certain calls to an MCP server alone, and the request calls something else, or nothing.
    Calls {
        /// The calls of the rule, as a phrase.
        wanted: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { wanted } => write!(formatter, "it is for the host {wanted}"),
            Self::Method { wanted } => write!(formatter, "it is for {}", wanted.join(", ")),
            Self::Calls { wanted } => write!(formatter, "it is for other calls: {wanted}"),
            Self::Path { wanted, hint: None } => write!(formatter, "it is for {wanted}"),
            Self::Path { wanted, hint: Some(hint) } => write!(formatter, "it is for {wanted}: {hint}"),
        }
    }
}

impl PathMatch {
    /// The paths that fit, as a phrase that completes "it is for …".
    pub fn in_words(&self) -> String {
        match self {
            Self::Any => "every path".to_owned(),
            Self::Exact(path) => format!("{path} alone"),
            Self::SeparatedPrefix(path) => format!("{path} and everything below it"),
            Self::Glob(pattern) => format!("paths like {pattern}"),
        }
    }
}

/// Why a path does not fit although it looks as if it did; `None` if there is no such reason.
fn hint(matched: &PathMatch, path: &str) -> Option<&'static str> {
    let lower = |text: &str| text.to_ascii_lowercase();
    let fits = |path_match: PathMatch, path: &str| Match { path: path_match, ..Match::default() }.fits("", "", path);
    let nearly = match matched {
        PathMatch::Any => return None,
        // Every path begins like this one.
        PathMatch::Exact(exact) if exact == "/" => return None,
        PathMatch::Exact(exact) => {
            if path.strip_suffix('/') == Some(exact) {
                return Some("the slash at the end makes it another path");
            }
            if exact.strip_suffix('/') == Some(path) {
                return Some("without the slash at the end it is another path");
            }
            if path.strip_prefix(exact.as_str()).is_some_and(|rest| rest.starts_with('/')) {
                return Some("what is below it is not meant");
            }
            exact
        }
        PathMatch::SeparatedPrefix(prefix) => prefix,
        PathMatch::Glob(pattern) => {
            let same = fits(PathMatch::Glob(lower(pattern)), &lower(path));
            return match path.strip_suffix('/') {
                _ if same => Some("upper and lower case differ"),
                Some(without) if fits(matched.clone(), without) => Some("the slash at the end makes it another path"),
                _ => None,
            };
        }
    };
    if path.strip_prefix(nearly.as_str()).is_some_and(|rest| !rest.starts_with('/')) {
        return Some("a segment that only begins with the same letters is another one");
    }
    let begins = lower(path).strip_prefix(&lower(nearly)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    begins.then_some("upper and lower case differ")
}

/// Everything of a rule that does not fit a request; nothing if the request fits, or may fit. `host` is without port, `path` as
/// [`decoded`].
fn mismatches(matches: &Match, (method, host, path): (&str, &str, &str), call: &Call) -> Vec<Mismatch> {
    let fits = |part: Match| part.fits(method, host, path);
    let Match { host: of_host, methods: of_methods, path: of_path, calls: of_calls } = matches;
    let mut all = Vec::new();
    if !fits(Match { path: of_path.clone(), ..Match::default() }) {
        all.push(Mismatch::Path { wanted: of_path.in_words(), hint: hint(of_path, path) });
    }
    if let Some(wanted) = of_methods.clone().filter(|_| !fits(Match { methods: of_methods.clone(), ..Match::default() })) {
        all.push(Mismatch::Method { wanted: with_head(wanted) });
    }
    if let Some(wanted) = of_host.clone().filter(|_| !fits(Match { host: of_host.clone(), ..Match::default() })) {
        all.push(Mismatch::Host { wanted });
    }
    if let Some(calls) = of_calls.as_ref().filter(|_| matches.is_for_other_calls(call)) {
        all.push(Mismatch::Calls { wanted: calls.in_words() });
    }
    all
}

/// The methods that a rule is for. GET stands for HEAD, too.
fn with_head(mut methods: Vec<String>) -> Vec<String> {
    if let Some(get) = methods.iter().position(|method| method == "GET")
        && !methods.iter().any(|method| method == "HEAD")
    {
        methods.insert(get.saturating_add(1), "HEAD".to_owned());
    }
    methods
}

/// The rules before the one that decides and that are not for the request, in their order; all of them if none is. Of a request that
/// does not say what it calls, those that it may fall under are not among them. `host` is without port, and `path` as it came, without
/// the query.
pub fn passed_over(rules: &Rules, (method, host, path): (&str, &str, &str), call: &Call) -> Vec<PassedOver> {
    let (decides, possible) = rules.deciding(method, host, path, call);
    let path = decoded(path);
    let before = rules.all().iter().take_while(|rule| !ptr::eq(*rule, decides));
    let before = before.filter(|rule| !possible.iter().any(|other| ptr::eq(*other, *rule)));
    let why =
        |rule: &Rule| PassedOver { rule: rule.name.to_string(), why: mismatches(&rule.matches, (method, host, &path), call) };
    before.map(why).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq};
    use proptest::sample::select;

    use super::*;
    use crate::access::mcp::call::Named;
    use crate::access::mcp::calls::{Calls, Listed};
    use crate::access::requirement::Requirement;
    use crate::access::route::{Credentials, SharedCache, Unauthenticated};
    use crate::access::testing::{run, some_paths, some_pattern};

    fn rule(name: &str, matches: Match) -> Rule {
        Rule {
            name: name.into(),
            matches,
            allow_in_path: Vec::new(),
            require: Requirement::Authenticated,
            unauthenticated: Unauthenticated::default(),
            credentials: Credentials::default(),
            audience: None,
            upstream_token: None,
            shared_cache: SharedCache::default(),
        }
    }

    fn path(path: PathMatch) -> Match {
        Match { path, ..Match::default() }
    }

    #[test]
    fn it_is_said_of_a_rule_that_looks_as_if_it_fitted_why_it_does_not() {
        let (prefix, exact) = (PathMatch::SeparatedPrefix("/members".into()), PathMatch::Exact("/members".into()));
        let glob = PathMatch::Glob("/a/*/Photos".into());
        let letters = "a segment that only begins with the same letters is another one";
        for (pattern, asked, said) in [
            (&prefix, "/members.json", Some(letters)),
            (&prefix, "/memberships/1", Some(letters)),
            (&prefix, "/Members/1", Some("upper and lower case differ")),
            (&prefix, "/other", None),
            (&exact, "/members/", Some("the slash at the end makes it another path")),
            (&exact, "/members/1", Some("what is below it is not meant")),
            (&exact, "/members.json", Some(letters)),
            (&exact, "/MEMBERS", Some("upper and lower case differ")),
            (&PathMatch::Exact("/a/".into()), "/a", Some("without the slash at the end it is another path")),
            (&glob, "/a/b/photos", Some("upper and lower case differ")),
            (&glob, "/a/b/Photos/", Some("the slash at the end makes it another path")),
            (&glob, "/a/b/c/Photos", None),
            (&PathMatch::Exact("/".into()), "/x", None),
        ] {
            assert!(!path(pattern.clone()).fits("GET", "a.example", asked));
            assert_eq!(hint(pattern, asked), said, "{pattern:?} {asked}");
        }
    }

    #[test]
    fn all_that_does_not_fit_is_said_and_get_stands_for_head() {
        let matches = Match {
            host: Some("a.example".into()),
            methods: Some(vec!["GET".into(), "PUT".into()]),
            path: PathMatch::SeparatedPrefix("/api".into()),
            calls: None,
        };
        let rules = Rules::new(vec![rule("rules[0]", matches)], rule("default", Match::default()));
        let said = |method, host, path| {
            let passed = passed_over(&rules, (method, host, path), &Call::Nothing);
            passed.iter().flat_map(|passed| &passed.why).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said("HEAD", "a.example", "/api/x"), Vec::<String>::new());
        assert_eq!(
            said("POST", "b.example", "/"),
            ["it is for /api and everything below it", "it is for GET, HEAD, PUT", "it is for the host a.example"]
        );
    }

    #[test]
    fn a_rule_for_other_calls_is_passed_over_and_one_that_an_unnamed_call_may_fall_under_is_not() {
        let listed = |name: &str| vec![Listed { method: "tools/call".into(), name: Some(name.into()) }];
        let calls = |name: &str| Calls { listed: listed(name), params: Vec::new() };
        let of = |name: &str, pattern: &str| rule(name, Match { calls: Some(calls(pattern)), ..Match::default() });
        let rules = Rules::new(vec![of("rules[0]", "read_*"), of("rules[1]", "delete_*")], rule("default", Match::default()));
        let named = |name: &str| Named { method: "tools/call".into(), name: Some(name.into()), params: Vec::new() };
        let (read, delete) = ("it is for other calls: tools/call of read_*", "it is for other calls: tools/call of delete_*");
        for (call, expected) in [
            (Call::Named(named("read_note")), vec![]),
            (Call::Named(named("delete_note")), vec![read]),
            (Call::Named(named("write_note")), vec![read, delete]),
            (Call::Nothing, vec![read, delete]),
            (Call::Any, vec![]),
        ] {
            let passed = passed_over(&rules, ("POST", "a.example", "/mcp"), &call);
            let said: Vec<_> = passed.iter().flat_map(|passed| &passed.why).map(ToString::to_string).collect();
            assert_eq!(said, expected, "{call:?}");
        }
    }

    #[test]
    fn exactly_the_rules_before_the_one_that_decides_are_passed_over_and_each_for_something() {
        run(5_000, &((some_pattern(), some_pattern(), some_pattern()), select(some_paths())), |((one, two, three), asked)| {
            let patterns = [one, two, three];
            let named = |(number, pattern): (usize, &PathMatch)| rule(&number.to_string(), path(pattern.clone()));
            let all = patterns.iter().enumerate().map(named).collect();
            let rules = Rules::new(all, rule("default", Match::default()));
            let passed = passed_over(&rules, ("GET", "a.example", &asked), &Call::Nothing);
            let first = rules.find("GET", "a.example", &asked).name.parse().unwrap_or(patterns.len());
            prop_assert_eq!(passed.len(), first);
            prop_assert!(passed.iter().all(|passed| !passed.why.is_empty()));
            Ok(())
        });
    }
}
