//! `accredit check`: all mistakes in files that hold the filter, each with its place. What the filter says of its configuration
//! is said by the filter's own code; this room adds what only the whole file shows. It contacts nobody, and prints no secret.

mod around;
mod configuration;
mod plugin;
mod rules;
mod together;
mod values;

use serde_json::{Value, json};

use crate::cli::environment::Environment;
use crate::cli::envoy::plugins::{files_inside, plugins};
use crate::cli::findings::{Finding, Id, Level, Report};
use crate::cli::input;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::reader::{Repeated, read};
use crate::cli::yaml::spot::{Origin, Spot};
use crate::words::quote::quote;

/// What is to be checked.
pub(crate) struct Asked<'a> {
    /// The names of the files; `-` is the standard input.
    pub(crate) files: &'a [String],
    /// A file with variables.
    pub(crate) env_file: Option<&'a str>,
    /// Whether notes are shown.
    pub(crate) notes: bool,
}

/// All that was found.
#[derive(Default)]
pub(crate) struct Checked {
    findings: Vec<Finding>,
    plugins: usize,
    stood_in: Vec<String>,
}

/// Checks files, and writes what was found.
///
/// # Errors
/// If a file cannot be read, or the result cannot be written.
pub(crate) fn check(asked: &Asked<'_>, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let lines = asked.env_file.map(input::text).transpose()?.unwrap_or_default();
    let environment = Environment::new(&lines, true).map_err(|line| {
        Trouble::told(format!("{}:{line}: expected NAME=value, found something else", asked.env_file.unwrap_or_default()))
    })?;
    let mut all = Checked::default();
    for file in asked.files {
        all.add(file, &input::text(file)?, &environment);
    }
    all.finish(asked.files);
    let shown: Vec<_> = all.findings.iter().filter(|finding| asked.notes || finding.id.level() != Level::Note).collect();
    match terminal.form() {
        Form::Json => terminal.json(&all.as_json(&shown, asked.files.len()))?,
        Form::Words => all.in_words(&shown, asked.files.len(), terminal)?,
    }
    let clean = all.findings.iter().all(|finding| finding.id.level() == Level::Note);
    Ok(if clean { Outcome::Fine } else { Outcome::Findings })
}

/// What is wrong with a text that is to become a file, in sentences. Notes are left out.
pub(crate) fn mistakes(text: &str, environment: &Environment) -> Vec<String> {
    let mut all = Checked::default();
    all.add("", text, environment);
    let counts = |finding: &&Finding| finding.id.level() != Level::Note;
    let sentence = |finding: &Finding| format!("line {}: {}", finding.spot.line, finding.sentence);
    all.findings.iter().filter(counts).map(sentence).collect()
}

impl Checked {
    /// Checks one file.
    fn add(&mut self, file: &str, text: &str, environment: &Environment) {
        let mut report = Report::of(file);
        self.add_text(text, Origin::FILE, environment, &mut report);
        self.findings.extend(report.sorted());
    }

    fn add_text(&mut self, text: &str, origin: Origin, environment: &Environment, report: &mut Report<'_>) {
        let stream = match read(text, origin) {
            Ok(stream) => stream,
            Err(malformed) => return report.tell(Id::Yaml, malformed.spot, malformed.sentence),
        };
        told_twice(&stream.repeated, report);
        for document in &stream.documents {
            self.add_document(document, environment, report);
            for inside in files_inside(document) {
                self.add_text(&inside.text, inside.origin, environment, report);
            }
        }
    }

    fn add_document(&mut self, document: &Node, environment: &Environment, report: &mut Report<'_>) {
        let found = plugins(document);
        told_twice(&found.repeated, report);
        if found.plugins.iter().any(|plugin| plugin.kind.is_read_by_envoy()) {
            values::of_merge_keys(document, report);
        }
        let mut all = Vec::new();
        for plugin in &found.plugins {
            self.plugins = self.plugins.saturating_add(1);
            let known = configuration::of_configuration(plugin, environment, report);
            plugin::of_plugin(plugin, report);
            around::of_surroundings(plugin, &known.written, known.settings.as_ref(), report);
            all.push((plugin, known));
        }
        together::of_all(document, &all, report);
        self.stood_in.extend(all.into_iter().flat_map(|(_, known)| known.stood_in));
    }

    /// Says so if no file holds the filter: a command that checks nothing must not look like one that finds nothing.
    fn finish(&mut self, files: &[String]) {
        self.stood_in.sort_unstable();
        self.stood_in.dedup();
        let unread = self.findings.iter().any(|finding| finding.id == Id::Yaml);
        if let Some(file) = files.first().filter(|_| self.plugins == 0 && !unread) {
            let mut report = Report::of(file);
            let sentence = "the filter was not found here, nor in the other files; name the file with its configuration";
            report.tell(Id::NoPlugin, Spot { line: 1, column: 1 }, sentence);
            self.findings.extend(report.sorted());
        }
    }

    fn counted(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.id.level() == level).count()
    }

    fn in_words(&self, shown: &[&Finding], files: usize, terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
        for finding in shown {
            let Finding { id, file, spot, path, sentence } = finding;
            let separator = if path.is_empty() { "" } else { ": " };
            let (level, name, link) = (id.level().name(), id.name(), id.link());
            terminal.line(format_args!(
                "{file}:{}:{}: {level} {name}: {path}{separator}{sentence} ({link})",
                spot.line, spot.column
            ))?;
        }
        if !self.stood_in.is_empty() {
            terminal.line(format_args!(
                "not set here, so a random stand-in was used for each: {}; whether the real ones are good is not known",
                self.stood_in.join(", ")
            ))?;
        }
        terminal.line(format_args!(
            "{}, {} in {}, {}",
            number(self.counted(Level::Error), "error"),
            number(self.counted(Level::Warning), "warning"),
            number(self.plugins, "plugin"),
            number(files, "file")
        ))
    }

    fn as_json(&self, shown: &[&Finding], files: usize) -> Value {
        let findings = shown.iter().map(|finding| {
            let Finding { id, file, spot, path, sentence } = finding;
            json!({
                "id": id.name(), "level": id.level().name(), "file": file, "line": spot.line, "column": spot.column, "path": path,
                "sentence": sentence, "see": id.link(),
            })
        });
        json!({
            "findings": findings.collect::<Value>(), "files": files, "plugins": self.plugins, "stand_ins": self.stood_in,
            "errors": self.counted(Level::Error), "warnings": self.counted(Level::Warning),
        })
    }
}

fn told_twice(repeated: &[Repeated], report: &mut Report<'_>) {
    for key in repeated {
        let first = key.first;
        let sentence = format!(
            "the key {} stands here again, after line {}, and only the last one counts; remove one of the two",
            quote(&key.name),
            first.line
        );
        report.tell(Id::KeyTwice, key.again, sentence);
    }
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
