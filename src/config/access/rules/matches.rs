//! The member `match` of a rule: which requests it is for. What it asks of them is not known here.

use crate::access::path;
use crate::access::route::{Match, PathMatch, decoded};
use crate::config::access::calls::matched;
use crate::config::access::rules::written::MatchShape;
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::reading::values::each;
use crate::http::url::Origin;

/// What a warning says of a legal path that looks like a regular expression.
const LOOKS_REGULAR: &str = "it looks like a regular expression, and is none: only * and ** stand for something else than themselves; write /a/** for all below /a, and one rule for each alternative";

/// Checks which requests a rule is for. `origins` are those that are served, and `answered` the names and paths of the endpoints.
pub(super) fn matches(
    path: &str,
    shape: Checked<MatchShape>,
    origins: &Checked<Vec<Origin>>,
    answered: &[(&str, &str)],
    warnings: &mut Vec<Refusal>,
    refusals: &mut Refusals,
) -> Checked<Match> {
    let shape = shape?;
    for (member, text) in [("path", &shape.path), ("path_separated_prefix", &shape.path_separated_prefix)] {
        if text.as_ref().is_ok_and(|text| text.as_deref().is_some_and(looks_regular)) {
            warnings.push(Refusal::new(format!("{path}.{member}"), LOOKS_REGULAR));
        }
    }
    let host = shape.host.and_then(|host| host.map(|text| host_of(path, &text, origins, refusals)).transpose());
    let methods = shape.methods.and_then(|methods| methods.map(|methods| methods_of(path, methods, refusals)).transpose());
    let path_match = match (shape.path, shape.path_separated_prefix) {
        (Ok(Some(_)), Ok(Some(_))) => Err(refusals.refuse(path, "expected path or path_separated_prefix, found both; keep one")),
        (Ok(Some(pattern)), Ok(None)) => pattern_match(&format!("{path}.path"), &pattern, answered, refusals),
        (Ok(None), Ok(Some(prefix))) => prefix_match(&format!("{path}.path_separated_prefix"), &prefix, refusals),
        (Ok(None), Ok(None)) => Ok(PathMatch::Any),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    };
    let calls = shape.mcp.and_then(|mcp| mcp.map(|mcp| matched(&format!("{path}.mcp"), mcp, refusals)).transpose());
    Ok(Match { host: host?, methods: methods?, path: path_match?, calls: calls? })
}

/// Checks that a host is one that is served, and gives it in lower case.
pub(in crate::config::access) fn host_of(
    path: &str,
    text: &str,
    origins: &Checked<Vec<Origin>>,
    refusals: &mut Refusals,
) -> Checked<String> {
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
            let upper = method.trim().to_ascii_uppercase();
            let meant = METHODS.into_iter().find(|known| *known == upper).unwrap_or("it as clients send it, such as GET");
            let sentence = ["expected a method in upper case, found another; write ", meant].concat();
            Err(refusals.refuse(format!("{path}[{index}]"), sentence))
        }
    })
}

/// Methods whose right spelling a refusal tells (RFC 9110, section 9.3; RFC 5789).
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// Checks a path that stands for itself and everything below it.
pub(in crate::config::access) fn prefix_match(path: &str, prefix: &str, refusals: &mut Refusals) -> Checked<PathMatch> {
    if prefix == "/" {
        return Ok(PathMatch::Any);
    }
    let trimmed = prefix.trim_end_matches('/');
    if path::check(trimmed).is_err() || trimmed.contains('*') {
        let sentence = if may_be_regular(prefix) {
            "expected an absolute path without a slash at its end, and without *, found another; there are no regular expressions: write the path alone, such as /api, or path: with * and **"
        } else {
            "expected an absolute path without a slash at its end, and without *, found another; write it from the first slash on, such as /api"
        };
        return Err(refusals.refuse(path, sentence));
    }
    if trimmed != prefix {
        let sentence =
            ["expected a path without a slash at its end, found one; write ", trimmed, ", which is for everything below it, too"];
        return Err(refusals.refuse(path, sentence.concat()));
    }
    Ok(PathMatch::SeparatedPrefix(decoded(prefix).into_owned()))
}

fn pattern_match(path: &str, pattern: &str, answered: &[(&str, &str)], refusals: &mut Refusals) -> Checked<PathMatch> {
    if path::check(pattern).is_err() {
        let sentence = if may_be_regular(pattern) {
            "expected an absolute path that can be read in one way only, found another; there are no regular expressions: write * for anything within a segment, and ** for any number of segments"
        } else {
            "expected an absolute path that can be read in one way only, found another; a request for it is always refused"
        };
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
pub(in crate::config::access) fn mistake(pattern: &str, decoded: &str) -> Option<&'static str> {
    if decoded.matches('*').count() != pattern.matches('*').count() {
        return Some("expected no escaped star beside wildcards, found one; write one rule for each case");
    }
    if decoded.contains(['[', ']', '{', '}', '!', '?', '\\']) {
        return Some(
            "expected * and ** as the only wildcards, found others; there are no regular expressions: write one rule for each case",
        );
    }
    let double_within = decoded.split('/').any(|segment| segment.contains("**") && segment != "**");
    if double_within {
        return Some("expected ** to be a whole segment, found it within one; write /a/**");
    }
    decoded.contains("**/**").then_some("expected ** to stand alone, found two in a row; write one of them")
}

/// Whether a path that is refused may be meant as a regular expression.
fn may_be_regular(text: &str) -> bool {
    text.contains(['^', '\\', '[', '{', '+', '|', '$']) || looks_regular(text)
}

/// Whether a path that is legal may be meant as a regular expression. `*.*` is a pattern for names with a dot.
fn looks_regular(text: &str) -> bool {
    let any_character = text.match_indices(".*").any(|(at, _)| !text.get(..at).is_some_and(|before| before.ends_with('*')));
    let alternatives = text.split_once('(').and_then(|(_, behind)| behind.split_once(')'));
    any_character
        || text.ends_with('$')
        || [".+", "]+", "^"].iter().any(|sign| text.contains(sign))
        || alternatives.is_some_and(|(within, _)| within.contains('|'))
}
