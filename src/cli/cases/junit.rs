//! The results as JUnit's XML, which CI systems show.

use std::fmt::Write as _;

use html_escape::encode_double_quoted_attribute;

use crate::cli::cases::case::Tested;
use crate::words::quote::escape_invisible;

/// The results of one file of cases.
pub(super) fn xml(file: &str, results: &[Tested]) -> String {
    let failures = results.iter().filter(|result| !result.differences.is_empty()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (name, tests) = (attribute(file), results.len());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<testsuites tests=\"{tests}\" failures=\"{failures}\">");
    let _ = writeln!(text, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">");
    for result in results {
        let case = attribute(&result.name);
        let (line, message) = (result.spot.line, attribute(&result.differences.join("; ")));
        if result.differences.is_empty() {
            let _ = writeln!(text, "    <testcase classname=\"{name}\" name=\"{case}\" line=\"{line}\"/>");
        } else {
            let way = attribute(&result.way);
            let _ = writeln!(text, "    <testcase classname=\"{name}\" name=\"{case}\" line=\"{line}\">");
            let _ = writeln!(text, "      <failure message=\"{message}\">{way}</failure>");
            let _ = writeln!(text, "    </testcase>");
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// The text as it can stand in an attribute and between tags. Control characters, which XML does not have, are escaped.
fn attribute(text: &str) -> String {
    encode_double_quoted_attribute(&*escape_invisible(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::yaml::spot::Spot;

    #[test]
    fn a_case_cannot_write_xml_of_its_own() {
        let result = |name: &str, differences: &[&str]| Tested {
            name: name.into(),
            spot: Spot { line: 3, column: 1 },
            differences: differences.iter().map(|text| (*text).to_owned()).collect(),
            way: "rules[0]: <b>".into(),
        };
        let text = xml("a\"b.yaml", &[result("good & \u{1b}[0m", &[]), result("\"/><evil/>", &["expected 1 < 2"])]);
        assert_eq!(
            text,
            concat!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "<testsuites tests=\"2\" failures=\"1\">\n",
                "  <testsuite name=\"a&quot;b.yaml\" tests=\"2\" failures=\"1\" errors=\"0\">\n",
                "    <testcase classname=\"a&quot;b.yaml\" name=\"good &amp; \\u001b[0m\" line=\"3\"/>\n",
                "    <testcase classname=\"a&quot;b.yaml\" name=\"&quot;/&gt;&lt;evil/&gt;\" line=\"3\">\n",
                "      <failure message=\"expected 1 &lt; 2\">rules[0]: &lt;b&gt;</failure>\n",
                "    </testcase>\n",
                "  </testsuite>\n</testsuites>\n"
            )
        );
    }
}
