//! Hosts, paths and patterns as operators write them: what each means, and what is wrong with one that could never match. Which requests a
//! rule is for is not known here.

use crate::access::path;
use crate::access::route::{PathMatch, decoded};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::http::url::Origin;

/// What a warning says of a legal path that looks like a regular expression.
pub(crate) const LOOKS_REGULAR: &str = "it looks like a regular expression, and is none: only * and ** stand for something else than themselves; write /a/** for all below /a, and one rule for each alternative";

/// Checks that a host is one that is served, and gives it in lower case.
pub(crate) fn host_of(path: &str, text: &str, origins: &Checked<Vec<Origin>>, refusals: &mut Refusals) -> Checked<String> {
    let host = text.to_ascii_lowercase();
    if origins.as_ref().is_ok_and(|origins| !origins.iter().any(|origin| origin.host() == host)) {
        let sentence = "expected the host of one of the origins, without port, found another; it could never match";
        return Err(refusals.refuse(format!("{path}.host"), sentence));
    }
    Ok(host)
}

/// Checks a path that stands for itself and everything below it.
pub(crate) fn prefix_match(path: &str, prefix: &str, refusals: &mut Refusals) -> Checked<PathMatch> {
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

/// Checks a path, which may be a pattern. `answered` are the names and paths of the endpoints.
pub(crate) fn pattern_match(path: &str, pattern: &str, answered: &[(&str, &str)], refusals: &mut Refusals) -> Checked<PathMatch> {
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
pub(crate) fn mistake(pattern: &str, decoded: &str) -> Option<&'static str> {
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
pub(crate) fn may_be_regular(text: &str) -> bool {
    text.contains(['^', '\\', '[', '{', '+', '|', '$']) || looks_regular(text)
}

/// Whether a path that is legal may be meant as a regular expression. `*.*` is a pattern for names with a dot.
pub(crate) fn looks_regular(text: &str) -> bool {
    let any_character = text.match_indices(".*").any(|(at, _)| !text.get(..at).is_some_and(|before| before.ends_with('*')));
    let alternatives = text.split_once('(').and_then(|(_, behind)| behind.split_once(')'));
    any_character
        || text.ends_with('$')
        || [".+", "]+", "^"].iter().any(|sign| text.contains(sign))
        || alternatives.is_some_and(|(within, _)| within.contains('|'))
}
