//! Whether the `match` of a route takes a request, as Envoy matches it. What depends on more than a method and a path, or is written
//! in a way that is not followed here, is said to be uncertain, and never guessed.

use regex::bytes::RegexBuilder;

use crate::cli::envoy::around::{field, inner, is_true, text};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::scalars::Dialect;

/// What of a request is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// The path, without its query.
    pub(crate) path: &'a str,
}

/// Whether a route takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// It does.
    Certainly,
    /// It may, if what stands here is met.
    Perhaps(&'static str),
    /// It does not.
    Never,
}

/// Whether a route with this `match` takes a request.
pub(crate) fn takes(matched: &Node, asked: Asked<'_>) -> Takes {
    let conditions = matched.members().iter().filter_map(|member| member.key.text()).map(|name| match name {
        "headers" => of_headers(matched, asked.method),
        name => of_path(matched, name, asked.path),
    });
    // One that is not met is enough, whatever the others are.
    let all = conditions.fold(Takes::Certainly, |all, one| match (all, one) {
        (Takes::Never, _) | (_, Takes::Never) => Takes::Never,
        (Takes::Certainly, one) => one,
        (perhaps, _) => perhaps,
    });
    let by_path = ["prefix", "path", "safe_regex", "path_separated_prefix"].iter().any(|name| field(matched, name).is_some());
    if all == Takes::Certainly && !by_path { Takes::Perhaps("a path that is matched by an extension") } else { all }
}

fn of_path(matched: &Node, name: &str, path: &str) -> Takes {
    let sensitive =
        field(matched, "case_sensitive").is_none_or(|value| value.value(Dialect::Envoy) != serde_json::Value::Bool(false));
    let folded = |text: &str| if sensitive { text.to_owned() } else { text.to_ascii_lowercase() };
    let written = text(matched, name).map(folded).unwrap_or_default();
    let path_folded = folded(path);
    let met = match name {
        "prefix" => path_folded.starts_with(&written),
        "path" => path_folded == written,
        "path_separated_prefix" | "pathSeparatedPrefix" => {
            path_folded.strip_prefix(&written).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        // Upper and lower case always differ in it.
        "safe_regex" | "safeRegex" => match whole_by_regex(inner(matched, &[name, "regex"]).and_then(Node::text), path) {
            Some(met) => met,
            None => return Takes::Perhaps("a regular expression that Envoy may read in another way"),
        },
        "case_sensitive" | "caseSensitive" => true,
        "query_parameters" | "queryParameters" => return Takes::Perhaps("query_parameters"),
        "runtime_fraction" | "runtimeFraction" => return Takes::Perhaps("runtime_fraction"),
        _ => return Takes::Perhaps("something else than path and method"),
    };
    if met { Takes::Certainly } else { Takes::Never }
}

fn of_headers(matched: &Node, method: &str) -> Takes {
    let mut all = Takes::Certainly;
    for header in field(matched, "headers").map_or(&[][..], Node::elements) {
        match met_by_method(header, method) {
            Some(true) => {}
            Some(false) => return Takes::Never,
            None => all = Takes::Perhaps("headers"),
        }
    }
    all
}

/// Whether a method meets a condition on headers; `None` if that is no condition on one method.
fn met_by_method(header: &Node, method: &str) -> Option<bool> {
    let known = ["name", "string_match", "stringMatch", "exact_match", "exactMatch", "invert_match", "invertMatch"];
    let is_known = header.members().iter().all(|member| member.key.text().is_some_and(|name| known.contains(&name)));
    if !is_known || text(header, "name") != Some(":method") {
        return None;
    }
    let exact = match field(header, "string_match") {
        Some(matcher) if matcher.members().len() == 1 => text(matcher, "exact")?,
        Some(_) => return None,
        None => text(header, "exact_match")?,
    };
    Some((exact == method) != is_true(header, "invert_match"))
}

/// Whether a regular expression matches the whole text; `None` if it is one of those that RE2, which Envoy uses, may read in another
/// way than the library here.
fn whole_by_regex(regex: Option<&str>, text: &str) -> Option<bool> {
    let regex = regex.filter(|regex| regex.is_ascii() && !reads_differ(regex))?;
    let built = |regex: &str| RegexBuilder::new(regex).unicode(false).build().ok();
    // One that is wrong by itself must not become right between the parentheses.
    built(regex)?;
    Some(built(&format!(r"\A(?:{regex})\z"))?.is_match(text.as_bytes()))
}

/// Whether the library here knows more than RE2 of what stands in it: sets that are cut from each other or stand in each other, and
/// repetitions without a lower bound.
fn reads_differ(regex: &str) -> bool {
    let (mut within, mut escaped, mut before) = (false, false, ' ');
    for sign in regex.chars() {
        match (sign, escaped) {
            (_, true) => escaped = false,
            ('\\', false) => escaped = true,
            // `[` stands in a set for itself in RE2, and begins a named one if a colon follows.
            ('[', false) if within => return true,
            ('[', false) => within = true,
            (']', false) if before != '[' && before != '^' => within = false,
            ('&' | '-' | '~', false) if within && before == sign => return true,
            (',', false) if before == '{' => return true,
            _ => {}
        }
        before = if escaped { ' ' } else { sign };
    }
    // Comments and white space, which RE2 does not know.
    regex.contains("(?x") || within
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::yaml::reader::read;
    use crate::cli::yaml::spot::Origin;

    #[test]
    fn routes_take_requests_as_envoy_matches_them_and_what_is_uncertain_is_said() {
        use Takes::{Certainly, Never};
        let headers = Takes::Perhaps("headers");
        for (matched, method, path, expected) in [
            ("{prefix: /}", "GET", "/x", Certainly),
            ("{prefix: /api}", "GET", "/apis", Certainly),
            ("{prefix: /api}", "GET", "/Api", Never),
            ("{prefix: /api, case_sensitive: false}", "GET", "/Api/x", Certainly),
            ("{path: /api}", "GET", "/api", Certainly),
            ("{path: /api}", "GET", "/api/", Never),
            ("{path: /API, caseSensitive: false}", "GET", "/api", Certainly),
            ("{path_separated_prefix: /api}", "GET", "/api", Certainly),
            ("{pathSeparatedPrefix: /api}", "GET", "/api/x", Certainly),
            ("{path_separated_prefix: /api}", "GET", "/apis", Never),
            ("{safe_regex: {regex: '/a(b|c)'}}", "GET", "/ac", Certainly),
            ("{safe_regex: {regex: '/a(b|c)'}}", "GET", "/acc", Never),
            ("{safe_regex: {regex: 'a|/ab'}}", "GET", "/ab", Certainly),
            ("{safe_regex: {regex: '/[\\w.-]+'}}", "GET", "/a.b", Certainly),
            ("{safeRegex: {regex: '(?i)/A'}}", "GET", "/a", Certainly),
            ("{safe_regex: {regex: '/A'}, case_sensitive: false}", "GET", "/a", Never),
            ("{prefix: /, headers: [{name: ':method', string_match: {exact: POST}}]}", "POST", "/", Certainly),
            ("{prefix: /, headers: [{name: ':method', string_match: {exact: POST}}]}", "GET", "/", Never),
            ("{prefix: /, headers: [{name: ':method', exact_match: GET, invert_match: true}]}", "POST", "/", Certainly),
            ("{prefix: /, headers: [{name: ':method', string_match: {exact: get, ignore_case: true}}]}", "GET", "/", headers),
            ("{prefix: /, headers: [{name: x-a, present_match: true}]}", "GET", "/", headers),
            ("{prefix: /b, headers: [{name: x-a, present_match: true}]}", "GET", "/", Never),
            ("{headers: [{name: x-a}, {name: ':method', exact_match: PUT}], prefix: /}", "GET", "/", Never),
            ("{prefix: /, query_parameters: [{name: a}]}", "GET", "/", Takes::Perhaps("query_parameters")),
            ("{prefix: /, grpc: {}}", "GET", "/", Takes::Perhaps("something else than path and method")),
            ("{connect_matcher: {}}", "GET", "/", Takes::Perhaps("something else than path and method")),
            ("{}", "GET", "/", Takes::Perhaps("a path that is matched by an extension")),
        ] {
            let document = read(matched, Origin::FILE).unwrap().documents.remove(0);
            assert_eq!(takes(&document, Asked { method, path }), expected, "{matched} {method} {path}");
        }
    }

    #[test]
    fn a_regular_expression_that_two_libraries_read_in_two_ways_decides_nothing() {
        for uncertain in [
            "/[a-c&&b]",
            "/[a--b]",
            "/[a~~b]",
            "/[[a]b]",
            "/[[:alpha:]]",
            "/a{,3}",
            "(?x)/ a",
            "/é",
            r"/\Qa\E",
            "/(",
            "/a)|(/b",
            r"/\pL",
            "/[a",
        ] {
            assert_eq!(whole_by_regex(Some(uncertain), "/a"), None, "{uncertain}");
        }
        for (certain, text, expected) in [
            ("/a--b&&", "/a--b&&", true),
            (r"/\[\[a", "/[[a", true),
            ("/[]a]", "/]", true),
            ("/[^]a]", "/a", false),
            ("/a{2}", "/aa", true),
            ("/a.*", "/a", true),
            ("", "/", false),
        ] {
            assert_eq!(whole_by_regex(Some(certain), text), Some(expected), "{certain}");
        }
        assert_eq!(whole_by_regex(None, "/"), None);
    }
}
