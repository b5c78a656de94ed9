//! Marks in a document, which is cut at them into what people have written and what is generated. What is generated is not known here.

/// What a mark asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The table of the fields of the objects at these paths.
    FieldsOf(Vec<String>),
    /// The table of the fields at these paths.
    Fields(Vec<String>),
    /// The list of sections.
    Contents,
    /// The list of all fields.
    Index,
    /// The table of reasons.
    Reasons,
    /// The table of audit lines.
    Events,
    /// The table of counters.
    Counters,
    /// The table of histograms and gauges.
    HistogramsAndGauges,
}

/// A piece of a document.
#[derive(Debug)]
pub(super) enum Part {
    /// What people have written, below this heading.
    Written {
        /// The text.
        text: String,
        /// The fields that it is about, by `<!-- written: … -->`, and the last heading before them.
        covered: Vec<(Mark, String)>,
    },
    /// What is generated, below this heading.
    Generated {
        /// What it is.
        mark: Mark,
        /// What stands there now.
        text: String,
        /// The last heading before it.
        heading: String,
    },
}

const END: &str = "<!-- end -->\n";

/// Cuts a document at its marks. The marks themselves belong to what is written.
///
/// # Errors
/// A mark that nobody understands, or that does not end.
pub(super) fn parts(document: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let (mut text, mut covered, mut heading) = (String::new(), Vec::new(), String::new());
    let mut rest = document;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        text.push_str(line);
        text.push('\n');
        if line.starts_with("## ") || line.starts_with("### ") || line.starts_with("#### ") {
            line.trim_start_matches(['#', ' ']).clone_into(&mut heading);
        }
        let Some(inner) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) else { continue };
        if let Some(fields) = inner.strip_prefix("written: ") {
            covered.push((mark(fields).ok_or_else(|| format!("{line}: expected fields"))?, heading.clone()));
            continue;
        }
        let mark = mark(inner).ok_or_else(|| format!("{line}: expected a mark that is known"))?;
        let (generated, after) = rest.split_once(END).ok_or_else(|| format!("{line}: expected an end"))?;
        parts.push(Part::Written { text: std::mem::take(&mut text), covered: std::mem::take(&mut covered) });
        parts.push(Part::Generated { mark, text: generated.to_owned(), heading: heading.clone() });
        text.push_str(END);
        rest = after;
    }
    parts.push(Part::Written { text, covered });
    Ok(parts)
}

fn mark(inner: &str) -> Option<Mark> {
    let paths = |list: &str| list.split(", ").map(str::to_owned).collect();
    Some(match inner {
        "contents" => Mark::Contents,
        "index" => Mark::Index,
        "reasons" => Mark::Reasons,
        "events" => Mark::Events,
        "counters" => Mark::Counters,
        "histograms and gauges" => Mark::HistogramsAndGauges,
        _ => match (inner.strip_prefix("fields of "), inner.strip_prefix("fields ")) {
            (Some(list), _) => Mark::FieldsOf(paths(list)),
            (None, Some(list)) => Mark::Fields(paths(list)),
            (None, None) => return None,
        },
    })
}

/// The document of these parts.
pub(super) fn joined(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Written { text, .. } | Part::Generated { text, .. } => text.as_str(),
    });
    texts.collect()
}

/// The sections of a document, each with a link, and those inside of them indented.
pub(super) fn contents(document: &str) -> String {
    let mut is_code = false;
    let mut list = String::new();
    for line in document.lines() {
        is_code ^= line.starts_with("```");
        let Some((signs, heading)) = line.split_once(' ').filter(|_| !is_code) else { continue };
        let indent = match signs {
            "##" => "",
            "###" => "  ",
            _ => continue,
        };
        list.push_str(&format!("{indent}- {}\n", link(heading, heading)));
    }
    list
}

/// A link to the section below this heading, in the same document.
pub(super) fn link(text: &str, heading: &str) -> String {
    ["[", text, "](#", &anchor(heading), ")"].concat()
}

/// The name that a heading has in an address, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}
