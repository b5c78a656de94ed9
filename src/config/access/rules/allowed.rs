//! The member `allow_in_path` of a rule: which spellings its paths may have although servers read them differently. How a path
//! with them is judged is not known here.

use crate::access::path::Spelling;
use crate::access::route::{Match, PathMatch};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::each;

/// Checks what is allowed in the paths of a rule. `matches` says which requests the rule is for; `None` if that was refused.
/// `named_by_routes` says whether Envoy's routes may name policies.
pub(super) fn allowed(
    path: &str,
    written: Checked<Option<Vec<Checked<String>>>>,
    matches: Option<&Match>,
    named_by_routes: Checked<bool>,
    refusals: &mut Refusals,
) -> Checked<Vec<Spelling>> {
    let Some(written) = written? else { return Ok(Vec::new()) };
    if written.is_empty() {
        let sentence = "expected at least one of %2F, ;, %3F and %23, found none; remove it, and every such path is refused";
        return Err(refusals.refuse(path, sentence));
    }
    let mut before = Vec::new();
    let spellings = each(written, |index, text| {
        let found = Spelling::ALL.into_iter().find(|spelling| spelling.as_str() == text);
        let mistake = match found {
            Some(spelling) if before.contains(&spelling) => "expected each spelling once, found one twice; remove one of them",
            Some(spelling) => {
                before.push(spelling);
                return Ok(spelling);
            }
            None => mistake(&text),
        };
        Err(refusals.refuse(format!("{path}[{index}]"), mistake))
    })?;
    if named_by_routes? {
        let sentence = "expected none beside route_policies, because Envoy chooses a route, and its policy, by one reading of the path only, found one; remove one of both, and write the policy into the rule";
        return Err(refusals.refuse(path, sentence));
    }
    match matches.and_then(|matches| of_no_effect(&matches.path, &spellings)) {
        Some(sentence) => Err(refusals.refuse(path, sentence)),
        None => Ok(spellings),
    }
}

/// What is wrong with a text that is none of the spellings.
fn mistake(text: &str) -> &'static str {
    match text.to_ascii_uppercase().as_str() {
        "%2F" => "expected upper case, found %2f; write %2F, which allows both",
        "%3F" => "expected upper case, found %3f; write %3F, which allows both",
        "/" => "expected one of %2F, ;, %3F and %23, found a slash, which every path may have; write %2F for an encoded one",
        "?" => "expected one of %2F, ;, %3F and %23, found ?, at which the query begins; write %3F for an encoded one",
        "#" => "expected one of %2F, ;, %3F and %23, found #, which no request may have; write %23 for an encoded one",
        "\\" | "%5C" => {
            "expected one of %2F, ;, %3F and %23, found a backslash, which is always refused, because some servers take it for a slash; remove it"
        }
        "%" | "%25" => {
            "expected one of %2F, ;, %3F and %23, found a percent sign, which is always refused, because a server that decodes twice reads another path; remove it"
        }
        "%3B" => {
            "expected one of %2F, ;, %3F and %23, found an encoded semicolon, which is always refused, because some servers cut the path there; remove it, or write ; for a plain one"
        }
        "." | ".." | "%2E" | "%2E%2E" => {
            "expected one of %2F, ;, %3F and %23, found a dot, which is always refused where it could lead to another path; remove it"
        }
        other if is_control(other) => {
            "expected one of %2F, ;, %3F and %23, found a control character, which is always refused, because some servers end the path there; remove it"
        }
        _ => "expected one of %2F, ;, %3F and %23, found another text, which no rule can allow; remove it",
    }
}

/// Whether this is a control character, by itself or percent-encoded.
fn is_control(text: &str) -> bool {
    let byte = text.strip_prefix('%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
    byte.is_some_and(|byte| byte.is_ascii_control()) || text.chars().any(char::is_control)
}

/// Why a rule with this path would allow something in vain, if it would: not all readings of a path could fall to it.
fn of_no_effect(path: &PathMatch, spellings: &[Spelling]) -> Option<&'static str> {
    match path {
        PathMatch::Exact(_) => Some(
            "expected a rule for more than one path, because a path with any of these can be read as another one, found match.path without *; write path_separated_prefix or remove this",
        ),
        PathMatch::Glob(pattern) if !pattern.contains("**") && spellings.contains(&Spelling::Slash) => Some(
            "expected a rule that is for any number of segments, because %2F can be read as the end of one, found match.path without **; write path_separated_prefix, or remove %2F",
        ),
        PathMatch::Any | PathMatch::SeparatedPrefix(_) | PathMatch::Glob(_) => None,
    }
}
