//! The tables of fields, and the list of all fields. What a field means, [`crate::config::described`] says.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::reference::marks::{Mark, Part, link};
use crate::config::described::{Field, Kind, Object};
use crate::config::written;

/// All fields of a configuration, and where the document speaks of each.
pub(super) struct Reference {
    /// The objects that have a table, or a text that people have written, each with the heading that it is under.
    sections: Vec<(String, String)>,
    /// The fields, by their paths, in the order of the configuration. Lists and maps leave no trace in a path.
    fields: Vec<(String, Field)>,
}

impl Reference {
    /// Reads the marks of a document.
    ///
    /// # Errors
    /// A path that is none, or a field that no mark names, if there are marks for fields at all.
    pub(super) fn new(configuration: &Kind, parts: &[Part]) -> Result<Self, String> {
        let mut fields = Vec::new();
        if let Some(object) = configuration.object() {
            collect("", object, &mut BTreeSet::new(), &mut fields);
        }
        let mut reference = Self { sections: Vec::new(), fields };
        for part in parts {
            match part {
                Part::Generated { mark, heading, .. } => reference.cover(mark, heading)?,
                Part::Written { covered, .. } => {
                    covered.iter().try_for_each(|(mark, heading)| reference.cover(mark, heading))?;
                }
            }
        }
        let forgotten = reference.fields.iter().find(|(path, _)| reference.section(path).is_none());
        match forgotten.filter(|_| !reference.sections.is_empty()) {
            Some((path, _)) => Err(format!("{path}: expected a mark that names it")),
            None => Ok(reference),
        }
    }

    fn cover(&mut self, mark: &Mark, heading: &str) -> Result<(), String> {
        let (Mark::FieldsOf(paths) | Mark::Fields(paths)) = mark else { return Ok(()) };
        for path in paths {
            self.field(path)?;
            self.sections.push((path.clone(), heading.to_owned()));
        }
        Ok(())
    }

    fn field(&self, path: &str) -> Result<&Field, String> {
        let found = self.fields.iter().find(|(other, _)| other == path);
        found.map(|(_, field)| field).ok_or_else(|| format!("{path}: expected the path of a field"))
    }

    /// The heading below which the document speaks of a field: of itself, or of the nearest object around it.
    fn section(&self, path: &str) -> Option<&str> {
        let around = self.sections.iter().filter(|(covered, _)| is_within(path, covered));
        around.max_by_key(|(covered, _)| covered.len()).map(|(_, heading)| heading.as_str())
    }

    /// The table that a mark asks for.
    pub(super) fn table(&self, mark: &Mark) -> Result<String, String> {
        let mut rows: Vec<(String, Field)> = Vec::new();
        match mark {
            Mark::Fields(paths) => {
                for path in paths {
                    self.rows((path, path), self.field(path)?, paths, &mut rows);
                }
            }
            Mark::FieldsOf(paths) => {
                for path in paths {
                    let object = self.field(path)?.kind.object().ok_or_else(|| format!("{path}: expected an object"))?;
                    for field in (object.fields)() {
                        self.rows((field.name, &inside(path, field.name)), &field, paths, &mut rows);
                    }
                }
            }
            _ => {}
        }
        let rows = rows.iter().map(|(name, field)| self.row(name, field));
        Ok(["| field | type | default | |\n|---|---|---|---|\n".to_owned()].into_iter().chain(rows).collect())
    }

    /// Adds the row of a field, or of its own fields if it is an object that has no other table than that of `paths`.
    fn rows(&self, (name, path): (&str, &str), field: &Field, paths: &[String], rows: &mut Vec<(String, Field)>) {
        if rows.iter().any(|(other, _)| other == name) {
            return;
        }
        let has_section = self.sections.iter().any(|(covered, _)| covered == path && !paths.contains(covered));
        match &field.kind {
            Kind::Object(object) if !has_section && !object.is_open => {
                for mut inner in (object.fields)() {
                    if inner.is_required && !field.is_required {
                        inner.default = Some(format!("required in `{name}`"));
                    }
                    self.rows((&inside(name, inner.name), &inside(path, inner.name)), &inner, paths, rows);
                }
            }
            _ => rows.push((name.to_owned(), field.clone())),
        }
    }

    fn row(&self, name: &str, field: &Field) -> String {
        let default = match (&field.default, field.is_required) {
            (Some(default), _) => default,
            (None, true) => "required",
            (None, false) => "none",
        };
        format!("| `{name}` | {} | {default} | {} |\n", called(&field.kind), field.meaning)
    }

    /// All names of fields, each with the sections in which there is one of that name.
    pub(super) fn index(&self) -> String {
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (path, field) in &self.fields {
            let around = path.strip_suffix(field.name).map_or("", |around| around.trim_end_matches('.'));
            let text = if around.is_empty() { field.name } else { around };
            let entry = link(&["`", text, "`"].concat(), self.section(path).unwrap_or_default());
            let entries = names.entry(field.name).or_default();
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        names.iter().map(|(name, entries)| format!("- `{name}`: {}\n", entries.join(", "))).collect()
    }
}

/// Collects the fields of an object and of those inside it; each shape once on the way down, because conditions hold conditions.
fn collect(path: &str, object: &Object, around: &mut BTreeSet<&'static str>, all: &mut Vec<(String, Field)>) {
    if !around.insert(object.name) {
        return;
    }
    for field in (object.fields)() {
        let path = inside(path, field.name);
        all.push((path.clone(), field.clone()));
        if let Some(object) = field.kind.object() {
            collect(&path, object, around, all);
        }
    }
    around.remove(object.name);
}

fn inside(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { [path, ".", name].concat() }
}

fn is_within(path: &str, around: &str) -> bool {
    path.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What the reference calls what may stand in a place.
fn called(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) => text.called.to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Words(words) => {
            let words: Vec<_> = words.iter().map(|word| ["`", word.word, "`"].concat()).collect();
            match words.as_slice() {
                [several @ .., last] if !several.is_empty() => [&several.join(", "), " or ", last].concat(),
                only => only.concat(),
            }
        }
        Kind::Boolean => "boolean".to_owned(),
        Kind::Number(_, None) => "number".to_owned(),
        Kind::Number(least, Some(most)) => format!("number, {least} to {most}"),
        Kind::Span(_, None) => "span".to_owned(),
        Kind::Span(least, Some(most)) if least.is_zero() => format!("span, 0 to {}", written(*most)),
        Kind::Span(least, Some(most)) => format!("span, {} to {}", written(*least), written(*most)),
        Kind::Scalar => "value".to_owned(),
        Kind::Json => "JSON".to_owned(),
        Kind::List(list) => {
            let bounds = match (list.least, list.most) {
                (_, Some(most)) => format!(", {} to {most}", list.least),
                (1, None) => ", at least one".to_owned(),
                (_, None) => String::new(),
            };
            ["list of ", &several(&list.of), &bounds].concat()
        }
        Kind::Map(of) => match &**of {
            Kind::Json => "object".to_owned(),
            of => ["name → ", &called(of)].concat(),
        },
        Kind::Object(object) => object.called.to_owned(),
        Kind::Either(called, _) => (*called).to_owned(),
    }
}

/// What the reference calls several of a kind.
fn several(kind: &Kind) -> String {
    match kind {
        Kind::Words(_) => called(kind).replace(" or ", ", "),
        Kind::Number(..) => "numbers".to_owned(),
        Kind::Object(object) if object.called == "object" => {
            let names: Vec<_> = (object.fields)().iter().map(|field| field.name).collect();
            ["`{", &names.join(", "), "}`"].concat()
        }
        Kind::Either("place in JSON", _) => "places in JSON".to_owned(),
        kind => called(kind) + "s",
    }
}
