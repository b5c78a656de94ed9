//! The calls to MCP servers that rules tell apart, as header fields of a POST: of each kind of name that their patterns tell apart, one
//! that no pattern is for, and one that does not say in one way what it calls. Whether a rule is for a call is never judged here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::access::examples::kinds_of_paths::kinds_of_paths;
use crate::access::mcp::call::{TOOLS_CALL, VERSIONS};
use crate::access::mcp::calls::{Calls, Listed, NAMING};
use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::Test;
use crate::access::route::{PathMatch, decoded};
use crate::cli::diff::around::sources::Both;
use crate::config::settings::Settings;

/// The most calls that are asked about.
const MOST: usize = 200;

/// What is listed of all patterns: a value that no rule lists.
const SOMETHING_ELSE: &str = "something-else";

/// Header fields, by name and value.
pub(crate) type Fields = Vec<(String, String)>;

/// Everything that rules and policies say of calls.
#[derive(Default)]
struct Listings<'a> {
    listed: Vec<&'a Listed>,
    /// The arguments, each with the values that are listed.
    params: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Listings<'a> {
    fn add(&mut self, calls: &'a Calls) {
        self.listed.extend(&calls.listed);
        for (name, values) in &calls.params {
            let values = values.iter().map(String::as_str);
            match self.params.iter_mut().find(|(other, _)| other == name) {
                Some((_, all)) => all.extend(values),
                None => self.params.push((name, values.collect())),
            }
        }
    }

    fn add_condition(&mut self, condition: &'a Condition) {
        for test in condition.tests() {
            match test {
                Test::Calls(calls) => self.add(calls),
                Test::ScopesOfCalls(scopes) => self.listed.extend(scopes.0.iter().map(|(listed, _)| listed)),
                _ => {}
            }
        }
    }
}

/// The calls that rules of the two configurations tell apart, and whether there is one of every kind. Nothing where none looks at
/// calls.
pub(crate) fn calls(sides: &Both<Vec<&Settings>>) -> (Vec<Fields>, bool) {
    let mut listings = Listings::default();
    for settings in sides.iter().flatten().filter(|settings| settings.looks_at_calls) {
        for rule in settings.rules.all() {
            rule.matches.calls.iter().for_each(|calls| listings.add(calls));
            if let Requirement::When(condition) = &rule.require {
                listings.add_condition(condition);
            }
        }
        settings.policies.iter().for_each(|(_, policy)| listings.add_condition(policy));
    }
    if listings.listed.is_empty() && listings.params.is_empty() {
        return (Vec::new(), true);
    }
    let (calls, every_kind) = named(&listings.listed);
    let arguments = arguments(&listings.params);
    let version = || field("mcp-protocol-version", &VERSIONS.concat());
    // This one is refused: its version demands more.
    let mut all: Vec<Fields> = vec![vec![version()]];
    for (method, name) in &calls {
        let call =
            [version(), field("mcp-method", method)].into_iter().chain(name.as_deref().map(|name| field("mcp-name", name)));
        let call: Fields = call.collect();
        all.extend(arguments.iter().map(|arguments| call.iter().chain(arguments).cloned().collect()));
    }
    let is_all = all.len() <= MOST;
    all.truncate(MOST);
    (all, every_kind && is_all)
}

/// The methods with the names that patterns tell apart, and whether these are all kinds.
fn named(listed: &[&Listed]) -> (Vec<(String, Option<String>)>, bool) {
    let of_naming = NAMING.map(|(_, method)| method.to_owned());
    let (mut methods, every_method) = kinds(listed.iter().map(|listed| listed.method.as_str()));
    let patterns = || listed.iter().filter_map(|listed| listed.name.as_deref());
    let (names, every_name) = kinds(patterns());
    // Names are told apart for these methods.
    let mut with_names = listed.iter().filter(|listed| listed.name.is_some());
    let every = with_names.any(|listed| listed.method.contains('*'));
    methods.extend(of_naming.iter().filter(|method| every || *method == TOOLS_CALL).cloned());
    let mut all = Vec::new();
    for method in methods {
        let names = if of_naming.contains(&method) { names.iter().cloned().map(Some).collect() } else { vec![None] };
        for name in names {
            let call = (method.clone(), name);
            if !all.contains(&call) {
                all.push(call);
            }
        }
    }
    (all, every_method && every_name)
}

/// A text of each kind that these patterns tell apart, of which one fits none; and whether these are all kinds.
fn kinds<'a>(patterns: impl Iterator<Item = &'a str>) -> (Vec<String>, bool) {
    // They are patterns as those for paths are, which begin with a slash.
    let mut as_paths: Vec<PathMatch> = Vec::new();
    let mut texts = vec![SOMETHING_ELSE.to_owned()];
    for pattern in patterns {
        let path = match pattern.contains('*') {
            true => PathMatch::Glob(format!("/{pattern}")),
            false => PathMatch::Exact(format!("/{pattern}")),
        };
        if !as_paths.contains(&path) {
            texts.push(pattern.replace("**", "x").replace('*', "x"));
            as_paths.push(path);
        }
    }
    let found = kinds_of_paths(&as_paths);
    let further = found.paths.iter().filter_map(|path| decoded(path).strip_prefix('/').map(str::to_owned));
    for text in further.filter(|text| !text.is_empty()) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    (texts, found.complete)
}

/// The arguments: none, and each value that is listed beside one that is not, of one argument with those of every other.
fn arguments(params: &[(&str, Vec<&str>)]) -> Vec<Fields> {
    let mut all = vec![Vec::new()];
    for (name, values) in params {
        let values = values.iter().copied().chain([SOMETHING_ELSE]);
        let fields: Vec<_> = values.map(|value| field(&format!("mcp-param-{name}"), value)).collect();
        let with = |fields: &Fields, further: &(String, String)| fields.iter().chain([further]).cloned().collect::<Fields>();
        let further: Vec<Fields> = all.iter().flat_map(|some| fields.iter().map(move |one| with(some, one))).collect();
        all.extend(further);
        all.truncate(MOST.saturating_add(1));
    }
    all
}

/// A header field, whose value is encoded where it could not be sent otherwise.
fn field(name: &str, value: &str) -> (String, String) {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic()) && !value.starts_with("=?");
    let value = if is_plain { value.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(value)) };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(method: &str, name: Option<&str>) -> Listed {
        Listed { method: method.to_owned(), name: name.map(str::to_owned) }
    }

    #[test]
    fn there_is_a_call_of_each_kind_that_patterns_tell_apart_and_one_that_none_is_for() {
        let all = [listed("tools/call", Some("delete_*")), listed("tools/call", Some("*_all")), listed("tools/list", None)];
        let (calls, complete) = named(&all.iter().collect::<Vec<_>>());
        let has = |method: &str, test: &dyn Fn(&str) -> bool| {
            calls.iter().any(|(other, name)| other == method && test(name.as_deref().unwrap_or_default()))
        };
        let (deletes, is_all) = (|name: &str| name.starts_with("delete_"), |name: &str| name.ends_with("_all"));
        assert!(complete);
        assert!(has("tools/call", &|name| deletes(name) && is_all(name)), "{calls:?}");
        assert!(has("tools/call", &|name| deletes(name) && !is_all(name)), "{calls:?}");
        assert!(has("tools/call", &|name| !deletes(name) && is_all(name)), "{calls:?}");
        assert!(has("tools/call", &|name| !deletes(name) && !is_all(name) && !name.is_empty()), "{calls:?}");
        assert!(
            calls.contains(&("tools/list".to_owned(), None)) && calls.contains(&(SOMETHING_ELSE.to_owned(), None)),
            "{calls:?}"
        );
    }

    #[test]
    fn a_name_that_no_field_could_carry_is_encoded() {
        assert_eq!(field("mcp-name", "größe").1, "=?base64?Z3LDtsOfZQ==?=");
        assert_eq!(field("mcp-name", "=?x").1, "=?base64?PT94?=");
        assert_eq!(field("mcp-name", "a b").1, "=?base64?YSBi?=");
        assert_eq!(field("mcp-name", "file:///a").1, "file:///a");
    }

    #[test]
    fn of_several_arguments_all_values_are_asked_about_together_and_apart() {
        let all = arguments(&[("region", vec!["eu"]), ("tier", vec!["1", "2"])]);
        assert_eq!(all.len(), 3 * 4);
        assert!(all.contains(&vec![field("mcp-param-region", "eu"), field("mcp-param-tier", "2")]));
        assert!(all.contains(&vec![field("mcp-param-tier", SOMETHING_ELSE)]) && all.contains(&Vec::new()));
    }
}
