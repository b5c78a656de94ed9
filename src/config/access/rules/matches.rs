//! The member `match` of a rule: which requests it is for. What it asks of them is not known here.

use crate::access::path;
use crate::access::route::{Match, PathMatch, decoded};
use crate::config::access::rules::written::MatchShape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::each;
use crate::http::url::Origin;

/// Checks which requests a rule is for. `origins` are those that are served, and `answered` the names and paths of the endpoints.
pub(super) fn matches(
    path: &str,
    shape: Checked<MatchShape>,
    origins: &Checked<Vec<Origin>>,
    answered: &[(&str, &str)],
    refusals: &mut Refusals,
) -> Checked<Match> {
    let shape = shape?;
    let host = shape.host.and_then(|host| host.map(|text| host_of(path, &text, origins, refusals)).transpose());
    let methods = shape.methods.and_then(|methods| methods.map(|methods| methods_of(path, methods, refusals)).transpose());
    let path_match = match (shape.path, shape.path_separated_prefix) {
        (Ok(Some(_)), Ok(Some(_))) => Err(refusals.refuse(path, "expected path or path_separated_prefix, found both; keep one")),
        (Ok(Some(pattern)), Ok(None)) => pattern_match(&format!("{path}.path"), &pattern, answered, refusals),
        (Ok(None), Ok(Some(prefix))) => prefix_match(&format!("{path}.path_separated_prefix"), &prefix, refusals),
        (Ok(None), Ok(None)) => Ok(PathMatch::Any),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    };
    Ok(Match { host: host?, methods: methods?, path: path_match? })
}

fn host_of(path: &str, text: &str, origins: &Checked<Vec<Origin>>, refusals: &mut Refusals) -> Checked<String> {
    let host = text.to_ascii_lowercase();
    if origins.as_ref().is_ok_and(|origins| !origins.iter().any(|origin| origin.host() == host)) {
        let sentence = "expected the host of one of the origins, without port, found another; it could never match";
        return Err(refusals.refuse(format!("{path}.host"), sentence));
    }
    Ok(host)
}

fn methods_of(path: &str, methods: Vec<Checked<String>>, refusals: &mut Refusals) -> Checked<Vec<String>> {
    let path = format!("{path}.methods");
    if methods.is_empty() {
        let sentence = "expected at least one method, found none; remove it for every method";
        return Err(refusals.refuse(path, sentence));
    }
    each(methods, |index, method| match path::check_method(&method) {
        Ok(_) => Ok(method),
        Err(_) => {
            let sentence = "expected a method in upper case, found another; write POST";
            Err(refusals.refuse(format!("{path}[{index}]"), sentence))
        }
    })
}

fn prefix_match(path: &str, prefix: &str, refusals: &mut Refusals) -> Checked<PathMatch> {
    if prefix == "/" {
        return Ok(PathMatch::Any);
    }
    if path::check(prefix).is_err() || prefix.ends_with('/') || prefix.contains('*') {
        let sentence = "expected an absolute path without a slash at its end, and without *; write /api";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(PathMatch::SeparatedPrefix(decoded(prefix).into_owned()))
}

fn pattern_match(path: &str, pattern: &str, answered: &[(&str, &str)], refusals: &mut Refusals) -> Checked<PathMatch> {
    if path::check(pattern).is_err() {
        let sentence =
            "expected an absolute path that can be read in one way only, found another; a request for it is always refused";
        return Err(refusals.refuse(path, sentence));
    }
    // Rules are compared with the decoded path, so that the decoded pattern must have no other wildcards.
    let decoded = decoded(pattern).into_owned();
    if !pattern.contains('*') {
        if answered.iter().any(|(_, path)| *path == decoded) {
            let sentence = "expected another path, found one of the endpoints; they are answered before any rule";
            return Err(refusals.refuse(path, sentence));
        }
        return Ok(PathMatch::Exact(decoded));
    }
    if let Some(sentence) = mistake(pattern, &decoded) {
        return Err(refusals.refuse(path, sentence));
    }
    // `/x/**` is for `/x` and everything below it, as a prefix is.
    match decoded.strip_suffix("/**") {
        Some("") => Ok(PathMatch::Any),
        Some(prefix) if !prefix.contains('*') => Ok(PathMatch::SeparatedPrefix(prefix.to_owned())),
        _ => Ok(PathMatch::Glob(decoded)),
    }
}

/// What is wrong with a pattern's wildcards.
fn mistake(pattern: &str, decoded: &str) -> Option<&'static str> {
    if decoded.matches('*').count() != pattern.matches('*').count() {
        return Some("expected no escaped star beside wildcards, found one; write one rule for each case");
    }
    if decoded.contains(['[', ']', '{', '}', '!', '?', '\\']) {
        return Some("expected * and ** as the only wildcards, found others; write one rule for each case");
    }
    let double_within = decoded.split('/').any(|segment| segment.contains("**") && segment != "**");
    if double_within {
        return Some("expected ** to be a whole segment, found it within one; write /a/**");
    }
    decoded.contains("**/**").then_some("expected ** to stand alone, found two in a row; write one of them")
}
