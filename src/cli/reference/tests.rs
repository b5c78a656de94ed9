use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::scalars::Dialect;
use crate::cli::yaml::spot::Origin;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_generated_parts_of_the_documents_are_up_to_date() {
    for name in DOCUMENTS {
        let written = text(&root().join(name));
        let expected = up_to_date(name, &written).unwrap_or_else(|error| panic!("{name}: {error}"));
        let differs = written.lines().zip(expected.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(written == expected, "{name} is stale; run: make reference\n{differs:?}");
    }
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(path);
        }
    }
}

/// The values of a text of YAML.
fn values(yaml: &str) -> Vec<Value> {
    let documents = read(yaml, Origin::FILE).unwrap().documents;
    documents.iter().map(|document| document.value(Dialect::Envoy)).collect()
}

#[test]
fn every_shipped_file_and_every_example_of_the_documents_is_taken_by_the_schemas() {
    let configuration = crate::config::testing::by_schema();
    let around = jsonschema::draft202012::new(&envoy_schema(&config::described())).unwrap();
    let mut files = Vec::new();
    yaml_files(&root().join("envoy"), &mut files);
    yaml_files(&root().join("deploy"), &mut files);
    for path in &files {
        for value in values(&text(path)) {
            around.validate(&value).unwrap_or_else(|error| panic!("{}: {}: {error}", path.display(), error.instance_path()));
        }
    }
    let mut examples = 0;
    for path in read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        for block in text(&path).split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()) {
            for value in values(&block).into_iter().filter(|value| value["origins"].is_array() && value["providers"].is_array()) {
                configuration
                    .validate(&value)
                    .unwrap_or_else(|error| panic!("{}: {}: {error}", path.display(), error.instance_path()));
                examples += 1;
            }
        }
    }
    assert!(files.len() > 10 && examples > 3, "{} and {examples}", files.len());
}

#[test]
fn a_mistake_in_an_envoys_file_is_found_where_the_filter_is_and_nowhere_else() {
    let around = jsonschema::draft202012::new(&envoy_schema(&config::described())).unwrap();
    let file = text(&root().join("envoy/bff.yaml"));
    for (from, to, taken) in
        [("origins:", "originz:", false), ("client_id:", "client_idd:", false), ("connect_timeout:", "connect_timeouts:", true)]
    {
        assert!(file.contains(from), "{from}");
        let [changed] = values(&file.replace(from, to)).try_into().unwrap();
        assert_eq!(around.is_valid(&changed), taken, "{to}");
    }
    let plugin = |value: Value| json!({"name": "accredit", "vm_config": {}, "configuration": {"@type": "x", "value": value}});
    for (part, taken) in [
        (plugin(json!({"origins": ["https://a.example"]})), false),
        (plugin(json!("{\"origins\": []}")), true),
        (json!({"pluginConfig": {"origins": []}}), false),
        (json!({"name": "other", "vm_config": {}, "configuration": {"value": {"providers": 7}}}), true),
    ] {
        assert_eq!(around.is_valid(&json!({"static_resources": [{"listeners": part}]})), taken, "{part}");
    }
}

#[test]
fn a_mark_that_nobody_understands_is_refused() {
    for (document, expected) in [
        ("<!-- fields of sesion -->\n<!-- end -->\n", "sesion: expected the path of a field"),
        ("<!-- fields session -->\n", "<!-- fields session -->: expected an end"),
        ("<!-- filds session -->\n<!-- end -->\n", "<!-- filds session -->: expected a mark that is known"),
        ("<!-- fields session -->\n<!-- end -->\n", "origins: expected a mark that names it"),
    ] {
        assert_eq!(up_to_date("docs/x.md", document), Err(expected.to_owned()), "{document}");
    }
    let plain = "# Title\n\nText <!-- here -->\n";
    assert_eq!(up_to_date("docs/x.md", plain).as_deref(), Ok(plain));
}
