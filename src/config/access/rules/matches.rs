//! The member `match` of a rule: which requests it is for. What it asks of them is not known here.

use crate::access::path;
use crate::access::route::{Match, PathMatch};
use crate::config::access::calls::matched;
use crate::config::access::paths::{LOOKS_REGULAR, host_of, looks_regular, pattern_match, prefix_match};
use crate::config::access::rules::written::MatchShape;
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::reading::values::each;
use crate::http::url::Origin;

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
