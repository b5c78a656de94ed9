//! Tests that the guides for contributors name the files of each room, and only paths and names that exist, and that the page of
//! the conformance modules lists those that are tests. It never looks at what the guides say about them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder(path: &str) -> Vec<PathBuf> {
    read_dir(root().join(path)).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The text of all files in a folder and the folders in it.
fn sources(folder_of: &str) -> String {
    let texts = folder(folder_of).into_iter().map(|path| match path.is_dir() {
        true => sources(&path.to_string_lossy()),
        false => String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The names of the source files in a folder, or also of those below it, without their endings and without those of tests.
fn file_names(path: &str, also_below: bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in folder(path) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if matches!(name.as_str(), "tests" | "testing") {
            continue;
        }
        if path.is_dir() && also_below {
            names.append(&mut file_names(&path.to_string_lossy(), true));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            names.insert(name);
        }
    }
    names
}

fn guides() -> Vec<(String, String)> {
    let decisions = folder("docs/decisions").into_iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string());
    let names =
        ["CONTRIBUTING.md", "docs/architecture.md", "docs/conformance.md"].map(str::to_owned).into_iter().chain(decisions);
    names.map(|name| (name.clone(), text(name))).collect()
}

/// The texts between single backticks.
fn quoted(guide: &str) -> Vec<&str> {
    let prose = guide.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// Floor, room and files of each row of the table.
fn rows(architecture: &str) -> Vec<(&str, &str, BTreeSet<&str>)> {
    let rows = architecture.lines().filter_map(|line| {
        let [_, floor, room, files, _] = line.split('|').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
        let room = room.strip_prefix("`src/")?.strip_suffix("/`")?;
        Some((floor, room, quoted(files).into_iter().collect()))
    });
    rows.collect()
}

#[test]
fn the_table_of_rooms_agrees_with_the_sources_and_names_each_file_that_stands_in_a_room() {
    let (architecture, library) = (text("docs/architecture.md"), text("src/lib.rs"));
    let rows = rows(&architecture);
    let modules = library.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let rooms = rows.iter().map(|(_, room, _)| *room).collect::<BTreeSet<_>>();
    assert_eq!(rooms, modules.collect());
    for (floor, room, named) in rows {
        let line = library.lines().find(|line| line.contains(&format!("`{room}`"))).unwrap();
        assert!(line.starts_with(&format!("//! | {floor} |")), "{room} is not on floor {floor}: {line}");
        let (direct, all) = (file_names(&format!("src/{room}"), false), file_names(&format!("src/{room}"), true));
        let named: BTreeSet<_> = named.into_iter().map(str::to_owned).collect();
        assert!(named.is_subset(&all), "src/{room} has no {:?}", named.difference(&all).collect::<Vec<_>>());
        let missing: Vec<_> = direct.difference(&named).collect();
        assert!(missing.is_empty(), "docs/architecture.md does not say what these are: {missing:?}");
    }
}

#[test]
fn every_path_and_every_name_in_the_guides_exists() {
    // Everything but the guides themselves, in which each name occurs of course.
    let files = ["Makefile", "Cargo.toml", "rust-toolchain.toml", "README.md", "docs/configuration.md", "docs/security.md"];
    let all_texts = [["src", "tests/floors"].map(sources).join("\n"), files.map(text).join("\n")].join("\n");
    let of_name = |sign: char| sign.is_alphanumeric() || sign == '_';
    let words: BTreeSet<&str> = all_texts.split(|sign| !of_name(sign)).collect();
    let mut missing = Vec::new();
    for (guide, text) in guides() {
        for quoted in quoted(&text) {
            let is_path = quoted.contains('/') && quoted.chars().all(|sign| of_name(sign) || "/.-".contains(sign));
            let exists = || ["", "src"].iter().any(|above| root().join(above).join(quoted).exists());
            let is_name = quoted.chars().all(|sign| of_name(sign) || sign == ':');
            let named = || quoted.split("::").all(|word| words.contains(word));
            if (is_path && !quoted.contains("NAME") && !exists()) || (is_name && !named()) {
                missing.push(format!("{guide}: {quoted}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_page_of_the_conformance_modules_lists_all_48_and_each_is_a_test_of_that_name() {
    const FIRST: &str = "oidcc-client-test";
    let files =
        folder("tests/e2e").into_iter().filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("conformance"));
    let tests = files.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>().join("\n");
    let page = text("docs/conformance.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(module, _)| module));
    let modules: Vec<_> = rows.filter(|module| module.starts_with(FIRST)).collect();
    // What stands before the changing part of a name that several tests share.
    let prefixes: BTreeSet<_> =
        tests.split('`').filter_map(|part| part.split_once("${module}").map(|(prefix, _)| prefix)).collect();
    for module in &modules {
        // Such a part is the first member of a row.
        let is_row = |part: &str| [format!("['{part}',"), format!("[\n    '{part}',")].iter().any(|row| tests.contains(row));
        let named = tests.contains(&format!("'{module}:"))
            || prefixes.iter().filter_map(|prefix| module.strip_prefix(prefix)).any(is_row);
        assert!(named, "tests/e2e/conformance*.test.mjs has no test of {module}");
    }
    let once: BTreeSet<_> = modules.iter().collect();
    assert_eq!(once.len(), modules.len(), "a module stands twice");
    // Those of the first table are in two plans.
    let basic = page.split("\n## ").find(|part| part.starts_with("Basic and form post")).unwrap().matches("\n| `").count();
    assert_eq!(modules.len() + basic, 48);
}
