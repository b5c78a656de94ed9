use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::yaml::node::Node;
use crate::cli::yaml::reader::{Malformed, read};
use crate::cli::yaml::scalars::Dialect;
use crate::cli::yaml::spot::{Origin, Spot};

fn document(text: &str) -> Node {
    read(text, Origin::FILE).unwrap().documents.remove(0)
}

fn refused(text: &str) -> Malformed {
    read(text, Origin::FILE).unwrap_err()
}

fn spot(line: usize, column: usize) -> Spot {
    Spot { line, column }
}

/// What a scalar becomes for Envoy and for kubectl. The end-to-end tests ask both.
const SCALARS: &str = include_str!("../../../tests/fixtures/scalars.json");

#[test]
fn scalars_become_what_envoy_and_kubernetes_make_of_them() {
    let table: Vec<Value> = serde_json::from_str(SCALARS).unwrap();
    assert!(table.len() > 30);
    for row in table {
        let written = row["written"].as_str().unwrap();
        let node = document(&format!("a:\n  {written}\n"));
        for (dialect, reader) in [(Dialect::Envoy, "envoy"), (Dialect::Kubernetes, "kubernetes")] {
            let (found, expected) = (&node.value(dialect)["a"], &row[reader]);
            let is_same = found == expected || found.as_f64().is_some_and(|number| Some(number) == expected.as_f64());
            assert!(is_same, "{written} for {dialect:?}: {found} instead of {expected}");
        }
    }
}

#[test]
fn keys_are_texts_and_only_kubernetes_merges_maps() {
    let node = document("base: &base {k: 1, z: 1}\nboth: {<<: *base, z: 2, 010: on, yes: 1}\n");
    let envoy = json!({"<<": {"k": 1, "z": 1}, "z": 2, "010": true, "yes": 1});
    let kubernetes = json!({"k": 1, "z": 2, "010": true, "yes": 1});
    assert_eq!(node.value(Dialect::Envoy)["both"], envoy);
    assert_eq!(node.value(Dialect::Kubernetes)["both"], kubernetes);
}

#[test]
fn keys_that_stand_twice_are_told_with_both_places_also_in_what_an_alias_names() {
    let stream = read("rules: [1]\na: &a {k: 1, 'k': 2}\nb: *a\nrules: []\n---\nrules: {}\n", Origin::FILE).unwrap();
    let told: Vec<_> = stream.repeated.iter().map(|key| (key.name.as_str(), key.first, key.again)).collect();
    assert_eq!(told, [("k", spot(2, 8), spot(2, 14)), ("rules", spot(1, 1), spot(4, 1))]);
    assert_eq!(stream.documents.len(), 2);
    // Envoy and Kubernetes take the last one, and so do the places.
    assert_eq!(stream.documents[0].value(Dialect::Envoy)["rules"], json!([]));
    assert_eq!(stream.documents[0].at("rules"), spot(4, 1));
}

#[test]
fn a_path_leads_to_the_key_and_what_is_missing_to_what_is_around_it() {
    let node = document("clusters:\n  sso.example.com: a\n  sso: b\nrules:\n- require: public\n- require:\n    claim: x\n");
    for (path, line, column) in [
        ("", 1, 1),
        ("clusters.sso.example.com", 2, 3),
        ("clusters.sso", 3, 3),
        ("clusters.other", 1, 1),
        ("rules[1].require.claim", 7, 5),
        ("rules[1].require.any_of", 6, 3),
        ("rules[1].match", 6, 3),
        ("rules[7]", 4, 1),
        ("origins", 1, 1),
    ] {
        assert_eq!(node.at(path), spot(line, column), "{path}");
    }
}

#[test]
fn a_place_inside_a_block_is_a_place_in_the_file() {
    let text = "data:\n  envoy.yaml: |\n\n    a:\n      b: |-\n        {\n          \"c\": 1\n        }\n  other: \"{\\n\\\"c\\\": 1}\"\n";
    let file = document(text);
    let inner = file.member("data").and_then(|data| data.member("envoy.yaml")).and_then(Node::scalar).unwrap();
    let envoy = read(&inner.text, inner.origin).unwrap().documents.remove(0);
    assert_eq!(envoy.at("a.b"), spot(5, 7));
    let json = envoy.member("a").and_then(|a| a.member("b")).and_then(Node::scalar).unwrap();
    assert_eq!(read(&json.text, json.origin).unwrap().documents[0].at("c"), spot(7, 11));
    // A text in quotation marks has other lines than the file: all of it is where it begins.
    let quoted = file.member("data").and_then(|data| data.member("other")).and_then(Node::scalar).unwrap();
    assert_eq!(read(&quoted.text, quoted.origin).unwrap().documents[0].at("c"), spot(9, 10));
}

#[test]
fn no_yaml_is_told_with_its_place() {
    for (text, line) in [("a: 1\n\tb: 2\n", 1), ("a: [1, 2\n", 2), ("a: *nobody\n", 1), ("a: &a [*a]\n", 1)] {
        assert_eq!(refused(text).spot.line, line, "{text}: {:?}", refused(text));
    }
}

#[test]
fn neither_depth_nor_aliases_can_make_a_small_file_large() {
    // The parser has a bound of its own for what is never closed.
    assert!(read(&"[".repeat(100_000), Origin::FILE).is_err());
    let nested = |levels: usize| format!("{}{}", "- ".repeat(levels), "x");
    assert!(read(&nested(100), Origin::FILE).is_ok());
    assert!(refused(&nested(101)).sentence.contains("100 levels"), "{:?}", refused(&nested(101)));
    let chain = |first: &str, next: &dyn Fn(usize) -> String, count: usize| {
        (1..count).fold(format!("a0: &a0 {first}\n"), |text, index| text + &format!("a{index}: &a{index} {}\n", next(index)))
    };
    // Ten aliases each time: ten to the power of eight values.
    let wide = chain("[x]", &|index| format!("[{}]", vec![format!("*a{}", index - 1); 10].join(", ")), 9);
    assert!(refused(&wide).sentence.contains("too many values"));
    let deep = chain("[x]", &|index| format!("[*a{}]", index - 1), 200);
    assert!(refused(&deep).sentence.contains("100 levels"));
    // One long text that is named often.
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1_000].join(", "));
    assert!(refused(&long).sentence.contains("too many values"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-a:\\[\\]{}&*!|>'\"\n #,?0x.~<]{0,60}") {
        if let Ok(stream) = read(&text, Origin::FILE) {
            for node in stream.documents {
                let _ = (node.value(Dialect::Envoy), node.value(Dialect::Kubernetes), node.at("a[0].a"));
            }
        }
    }
}
