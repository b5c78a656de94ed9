//! What is doubtful in rules that the filter takes: rules that others open in part, rules that are for fewer paths than they
//! look, and conditions that people can meet by what they write about themselves. Requests are decided by the filter's own code.

use serde_json::Value;

use crate::access::examples::path_of_both::path_of_both;
use crate::access::path;
use crate::access::requirement::Requirement;
use crate::access::route::{Match, PathMatch, Rule};
use crate::access::taken::{Taken, Verdict};
use crate::cli::envoy::plugins::Held;
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::spot::Spot;
use crate::config::settings::Settings;

/// Claims that people can write themselves at most providers (OpenID Connect Core, section 5.1). `email` and `phone_number` count
/// only when they are verified, and so are not among them.
const SELF_NAMED: [&str; 14] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "address",
];

/// Where findings about a configuration are told.
pub(super) struct Place<'a> {
    pub(super) held: &'a Held<'a>,
    pub(super) own: Spot,
}

impl Place<'_> {
    fn tell(&self, report: &mut Report<'_>, id: Id, path: &str, sentence: impl Into<String>) {
        report.tell_of(id, self.held.at(path, self.own), path, sentence);
    }
}

/// Checks the rules of a configuration that the filter takes.
pub(super) fn of_rules(settings: &Settings, place: &Place<'_>, report: &mut Report<'_>) {
    let rules = settings.rules.all();
    for (position, rule) in rules.iter().enumerate() {
        let before = rules.get(..position).unwrap_or_default();
        of_crossings(settings, before, rule, place, report);
        of_narrow_paths(settings, rule, place, report);
    }
}

/// How much a requirement asks for: of two, the one that asks for more is greater. Two conditions are not compared.
fn strictness(require: &Requirement) -> u8 {
    match require {
        Requirement::Public => 0,
        Requirement::Authenticated => 1,
        Requirement::When(_) => 2,
    }
}

/// Looks for an earlier rule that asks for less, and is for some requests of this rule and for others besides. A rule that is only
/// for paths of this rule is an exception that is meant.
fn of_crossings(settings: &Settings, before: &[Rule], rule: &Rule, place: &Place<'_>, report: &mut Report<'_>) {
    // The filter has said so already if it is not known whether the rule counts at all.
    let at = format!("{}.match", rule.name);
    if settings.warnings.iter().any(|doubt| doubt.path == at) {
        return;
    }
    let asks_for_less = |earlier: &&Rule| strictness(&earlier.require) < strictness(&rule.require);
    for earlier in before.iter().filter(asks_for_less) {
        // Whoever writes a host means that host, and preflights carry no credentials.
        let of_another_site = earlier.matches.host.is_some() && earlier.matches.host != rule.matches.host;
        let of_preflights =
            earlier.matches.methods.as_ref().is_some_and(|methods| methods.iter().all(|method| method == "OPTIONS"));
        // A prefix before a pattern for any place is the more specific of the two.
        let is_more_specific = begins_anywhere(&rule.matches.path) && !begins_anywhere(&earlier.matches.path);
        if of_another_site || of_preflights || is_more_specific || is_within(&earlier.matches.path, rule) {
            continue;
        }
        let Some(path) = path_of_both(&earlier.matches.path, &rule.matches.path) else { continue };
        let path = with_names(path, &earlier.matches.path, &rule.matches.path);
        let methods = [&earlier.matches.methods, &rule.matches.methods].into_iter().flatten().flatten().map(String::as_str);
        let host = host_of(settings, rule);
        let decides = |method: &&str| {
            rule.matches.fits(method, host, &path) && settings.rules.find(method, host, &path).name == earlier.name
        };
        if let Some(method) = methods.chain(["GET"]).find(decides) {
            let sentence = format!(
                "{method} {path} is decided by {}, which stands before and asks for less; move this rule up, or write a rule of its own for what shall be open",
                earlier.name
            );
            return place.tell(report, Id::RuleCrossed, &at, sentence);
        }
    }
}

/// The same path with a name before each dot that begins a segment, if it still fits both: `/a/.css` may be `/a/x.css`.
fn with_names(path: String, one: &PathMatch, other: &PathMatch) -> String {
    let named = path.replace("/.", "/x.");
    let fits = |path: &PathMatch| Match { path: path.clone(), ..Match::default() }.fits("", "", &named);
    if fits(one) && fits(other) { named } else { path }
}

/// Whether paths that fit have no beginning in common.
fn begins_anywhere(path: &PathMatch) -> bool {
    match path {
        PathMatch::Any => true,
        PathMatch::Exact(_) | PathMatch::SeparatedPrefix(_) => false,
        PathMatch::Glob(pattern) => pattern.split('/').nth(1).is_some_and(|first| first.contains('*')),
    }
}

/// Whether all paths of a pattern are paths of this rule.
fn is_within(pattern: &PathMatch, rule: &Rule) -> bool {
    let by_path = |path: &PathMatch| Match { path: path.clone(), ..Match::default() };
    let mut taken = Taken::default();
    taken.add(&rule.matches.path);
    let whole = Rule { matches: by_path(&rule.matches.path), ..rule.clone() };
    taken.verdict(&[whole], &by_path(pattern), &[""]) != Verdict::Counts
}

/// Looks for a spelling of the rule's only path that falls to a rule which asks for less.
fn of_narrow_paths(settings: &Settings, rule: &Rule, place: &Place<'_>, report: &mut Report<'_>) {
    let PathMatch::Exact(exact) = &rule.matches.path else { return };
    // The filter itself answers this path, and no application answers a similar one in its place.
    if settings.endpoints.operator_logout.as_ref() == Some(exact) {
        return;
    }
    let method = rule.matches.methods.iter().flatten().next().map_or("GET", String::as_str);
    let host = host_of(settings, rule);
    let falls_to = |path: &str| {
        let found = settings.rules.find(method, host, path);
        (path::check(path).is_ok() && strictness(&found.require) < strictness(&rule.require)).then_some(found)
    };
    let at = format!("{}.match.path", rule.name);
    let closed = [exact, "/"].concat();
    if let Some(found) = falls_to(&closed) {
        let sentence = format!(
            "{closed} falls to {}, which asks for less, and many applications answer it as they answer {exact}; write path_separated_prefix: {exact}",
            named(found)
        );
        return place.tell(report, Id::RuleNarrow, &at, sentence);
    }
    // A name with a dot in it has its format already.
    let with_format = [exact, ".json"].concat();
    let is_plain = exact.rsplit('/').next().is_some_and(|last| !last.is_empty() && !last.contains('.'));
    if let Some(found) = falls_to(&with_format).filter(|found| is_plain && found.require == Requirement::Public) {
        let sentence = format!(
            "{with_format} falls to {}, which is public, and some applications answer it as they answer {exact}; write a rule with path: {exact}.* too",
            named(found)
        );
        place.tell(report, Id::RuleNarrow, &at, sentence);
    }
}

fn named(rule: &Rule) -> &str {
    if &*rule.name == "default" { "no rule" } else { &rule.name }
}

/// A host that the rule is for.
fn host_of<'a>(settings: &'a Settings, rule: &'a Rule) -> &'a str {
    let first = || settings.origins.first().map(|origin| origin.host());
    rule.matches.host.as_deref().or_else(first).unwrap_or_default()
}

/// Checks the conditions of a configuration, whether the filter takes it or not.
pub(super) fn of_conditions(written: &Value, place: &Place<'_>, report: &mut Report<'_>) {
    let rules = written.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, require) in rules.iter().enumerate().filter_map(|(index, rule)| Some((index, rule.get("require")?))) {
        of_condition(&format!("rules[{index}].require"), require, written, place, report);
    }
    for (name, policy) in written.get("policies").and_then(Value::as_object).into_iter().flatten() {
        of_condition(&format!("policies.{name}"), policy, written, place, report);
    }
}

fn of_condition(path: &str, condition: &Value, written: &Value, place: &Place<'_>, report: &mut Report<'_>) {
    match condition {
        Value::Array(parts) => {
            parts
                .iter()
                .enumerate()
                .for_each(|(index, part)| of_condition(&format!("{path}[{index}]"), part, written, place, report));
        }
        Value::Object(members) => {
            let claim = members.get("claim").map(|claim| claim.get(0).unwrap_or(claim)).and_then(Value::as_str);
            // The user service has its own values, which are not the provider's.
            let of_user_service =
                |claim: &str| written.pointer("/accounts/claims").and_then(|claims| claims.get(claim)).is_some();
            if let Some(claim) = claim.filter(|claim| SELF_NAMED.contains(claim) && !of_user_service(claim)) {
                let sentence = format!(
                    "at many providers people write {claim} themselves, and so can meet this condition; ask for sub, or for a group or a role that an administrator assigns"
                );
                place.tell(report, Id::SelfNamed, &format!("{path}.claim"), sentence);
            }
            for name in ["all", "any", "not"] {
                if let Some(part) = members.get(name) {
                    of_condition(&format!("{path}.{name}"), part, written, place, report);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
