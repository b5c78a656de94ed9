//! Values that YAML makes into something else than they look like, and keys that only some programs take for an order to merge.
//! Values are never printed: one of them may be a secret.

use serde_json::Value;

use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::{Content, Node};
use crate::cli::yaml::scalars::{Dialect, Scalar, Style};

/// The members below which every type of JSON may stand, so that the filter cannot refuse a wrong one.
const OF_ANY_TYPE: [&str; 4] = ["any_of", "body", "answer", "refusal"];

/// Checks the values of a configuration.
pub(super) fn of_values(configuration: &Node, dialect: Dialect, report: &mut Report<'_>) {
    walk(configuration, "", false, &mut |scalar, node, path, is_free| {
        if let Some(sentence) = mistaken(scalar, dialect, is_free) {
            report.tell_of(Id::YamlValue, node.spot, path, sentence);
        }
    });
}

/// Calls `look` with each scalar, its path, and whether every type may stand there.
fn walk(node: &Node, path: &str, is_free: bool, look: &mut dyn FnMut(&Scalar, &Node, &str, bool)) {
    match &*node.content {
        Content::Scalar(scalar) => look(scalar, node, path, is_free),
        Content::List(elements) => {
            elements.iter().enumerate().for_each(|(index, element)| walk(element, &format!("{path}[{index}]"), is_free, look));
        }
        Content::Map(members) => {
            for member in members {
                let name = member.key.text().unwrap_or_default();
                let separator = if path.is_empty() { "" } else { "." };
                walk(&member.value, &format!("{path}{separator}{name}"), is_free || OF_ANY_TYPE.contains(&name), look);
            }
        }
    }
}

/// What is wrong with a value, if it is not what it looks like.
fn mistaken(scalar: &Scalar, dialect: Dialect, is_free: bool) -> Option<&'static str> {
    if scalar.style == Style::Text || scalar.tag.is_some() {
        return None;
    }
    let looks_like = || scalar.text.parse::<f64>().ok().filter(|number| number.is_finite());
    match scalar.value(dialect) {
        Value::Number(number) => {
            let is_other =
                looks_like().is_some_and(|shown| number.as_f64().is_some_and(|read| (read - shown).abs() > f64::EPSILON));
            is_other.then_some(
                "this number begins with 0, so that it is read as an octal one; write it without the 0, or in quotation marks if it is a text",
            )
        }
        Value::Bool(true) if is_free && !scalar.text.eq_ignore_ascii_case("true") => {
            Some("this word is read as true, and never equals a text; write it in quotation marks, or write true")
        }
        Value::Bool(false) if is_free && !scalar.text.eq_ignore_ascii_case("false") => {
            Some("this word is read as false, and never equals a text; write it in quotation marks, or write false")
        }
        Value::String(_) if is_free && dialect == Dialect::Envoy && looks_like().is_some() => Some(
            "Envoy reads this number as a text, which never equals a number; write it in quotation marks if a text is meant, or give the configuration as a StringValue with JSON",
        ),
        Value::String(_) | Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Looks for keys in an Envoy's file that YAML 1.1 takes for an order to merge maps, and Envoy does not.
pub(super) fn of_merge_keys(node: &Node, report: &mut Report<'_>) {
    node.elements().iter().for_each(|element| of_merge_keys(element, report));
    for member in node.members() {
        if member.key.text() == Some("<<") && member.key.scalar().is_some_and(|key| key.style == Style::Plain) {
            let sentence = "Envoy does not merge maps, so that what this key names does not count; write its members out";
            report.tell(Id::MergeKey, member.key.spot, sentence);
        }
        of_merge_keys(&member.value, report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::yaml::reader::read;
    use crate::cli::yaml::spot::Origin;

    /// The lines on which a value is not what it looks like.
    fn told(text: &str, dialect: Dialect) -> Vec<usize> {
        let document = read(text, Origin::FILE).unwrap().documents.remove(0);
        let mut report = Report::of("file.yaml");
        of_values(&document, dialect, &mut report);
        report.sorted().iter().map(|finding| finding.spot.line).collect()
    }

    #[test]
    fn values_are_told_that_are_not_what_they_look_like_and_no_others() {
        for (written, envoy, kubernetes) in [
            ("any_of: [NO]", true, true),
            ("any_of: [off]", true, true),
            ("any_of: [y]", true, true),
            ("any_of: [true, False, no-one, 'NO', \"on\", ! yes]", false, false),
            ("any_of: [010]", true, true),
            ("any_of: [1.5]", true, false),
            ("any_of: [1e3]", true, false),
            ("any_of: [4294967296]", true, false),
            ("any_of: [08]", true, false),
            ("any_of: [0, 10, -5, 0x1f, '1.5', 1.5.2, 12:30:00, inf, nan, ~]", false, false),
            ("answer: {a: {active: yes}}", true, true),
            ("timeout: 030", true, true),
            ("timeout: 30", false, false),
            ("userinfo: yes", false, false),
            ("client_id: 1.5", false, false),
        ] {
            let expected = |is_told: bool| if is_told { vec![1] } else { Vec::new() };
            assert_eq!(told(written, Dialect::Envoy), expected(envoy), "{written}");
            assert_eq!(told(written, Dialect::Kubernetes), expected(kubernetes), "{written}");
        }
    }
}
