//! The generated parts of the documents: they are made from the code, and stand between marks in what people have written. It
//! rewrites texts, and never reads or writes a file.
//!
//! | mark | what is generated behind it, up to `<!-- end -->` |
//! |---|---|
//! | `<!-- fields of PATH, … -->` | the table of the fields of these objects |
//! | `<!-- fields PATH, … -->` | the table of these fields, with those of objects that have no table of their own |
//! | `<!-- contents -->` | the list of sections |
//! | `<!-- index -->` | the list of all fields, with their sections |
//! | `<!-- reasons -->`, `<!-- events -->`, `<!-- counters -->`, `<!-- histograms and gauges -->` | the tables of these; meanings stay |
//!
//! `<!-- written: fields of PATH, … -->` says that people have written what stands there about these fields, and generates nothing.

mod fields;
mod lists;
mod marks;

use crate::cli::reference::fields::Reference;
use crate::cli::reference::marks::{Mark, Part, contents, joined, parts};
use crate::config;
use crate::config::described::Kind;
use crate::config::envoy_schema::envoy_schema;
use crate::config::schema::schema;

/// The documents that have generated parts, by their paths in the repository.
pub const DOCUMENTS: [&str; 4] = ["docs/configuration.md", "docs/troubleshooting.md", SCHEMA, ENVOY_SCHEMA];

/// The schema of the configuration.
const SCHEMA: &str = "docs/accredit.schema.json";

/// The schema of files that hold the configuration.
const ENVOY_SCHEMA: &str = "docs/envoy.schema.json";

/// The document of this path, with its generated parts up to date. The schemas are generated as a whole.
///
/// # Errors
/// What is wrong with a mark, or which field no mark names.
pub fn up_to_date(path: &str, document: &str) -> Result<String, String> {
    let described = config::described();
    match path {
        SCHEMA => Ok(format!("{:#}\n", schema(&described))),
        ENVOY_SCHEMA => Ok(format!("{:#}\n", envoy_schema(&described))),
        _ => of_marks(document, &described),
    }
}

fn of_marks(document: &str, described: &Kind) -> Result<String, String> {
    let mut parts = parts(document)?;
    let reference = Reference::new(described, &parts)?;
    let contents = contents(document);
    for part in &mut parts {
        let Part::Generated { mark, text, .. } = part else { continue };
        *text = match mark {
            Mark::FieldsOf(_) | Mark::Fields(_) => reference.table(mark)?,
            Mark::Contents => contents.clone(),
            Mark::Index => reference.index(),
            Mark::Reasons => lists::reasons(text),
            Mark::Events => lists::events(text),
            Mark::Counters => lists::counters(text),
            Mark::HistogramsAndGauges => lists::histograms_and_gauges(text),
        };
    }
    Ok(joined(&parts))
}

#[cfg(test)]
mod tests;
