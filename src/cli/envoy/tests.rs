use crate::cli::envoy::plugins::{Kind, files_inside, plugins};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::spot::{Origin, Spot};

fn documents(text: &str) -> Vec<Node> {
    read(text, Origin::FILE).unwrap().documents
}

/// The kind of each plugin, with the place of its `origins`.
fn found(text: &str) -> Vec<(Kind, Option<Spot>)> {
    let of_document = |document: &Node| {
        let all = plugins(document).plugins;
        all.iter()
            .map(|plugin| (plugin.kind, plugin.held.as_ref().map(|held| held.at("origins", plugin.node.spot))))
            .collect::<Vec<_>>()
    };
    documents(text).iter().flat_map(of_document).collect()
}

const fn at(line: usize, column: usize) -> Option<Spot> {
    Some(Spot { line, column })
}

#[test]
fn the_plugin_of_each_shipped_file_is_found_where_it_is_written() {
    for (text, kind, mark) in [
        (include_str!("../../../envoy/bff.yaml"), Kind::Envoy, "origins:"),
        (include_str!("../../../envoy/password-and-popup.yaml"), Kind::Envoy, "origins:"),
        (include_str!("../../../deploy/compose/envoy/spa-tokens.yaml"), Kind::Envoy, "origins:"),
        (include_str!("../../../deploy/kubernetes/base/envoy.yaml"), Kind::Envoy, "origins:"),
        (include_str!("../../../deploy/istio/wasmplugin.yaml"), Kind::WasmPlugin, "origins:"),
        (include_str!("../../../deploy/istio/envoy.yaml"), Kind::Envoy, "\"origins\":"),
        (include_str!("../../../deploy/envoy-gateway/extensionpolicy.yaml"), Kind::ExtensionPolicy, "origins:"),
        (include_str!("../../../deploy/envoy-gateway/envoy.yaml"), Kind::Envoy, "\"origins\":"),
    ] {
        // The first line that begins with it: comments have a `#` before.
        let (index, line) = text.lines().enumerate().find(|(_, line)| line.trim_start().starts_with(mark)).unwrap();
        assert_eq!(found(text), [(kind, at(index + 1, line.find(mark).unwrap() + 1))]);
    }
}

#[test]
fn other_filters_and_other_objects_are_no_plugins() {
    let other = "a: {configuration: {value: {rate: 5}}, vm_config: {vm_id: x}, name: rate, root_id: rate}\n";
    assert_eq!(found(other), []);
    for text in
        [include_str!("../../../deploy/kubernetes/base/deployment.yaml"), include_str!("../../../deploy/compose/compose.yaml")]
    {
        assert_eq!(found(text), []);
    }
}

#[test]
fn camel_case_is_understood_in_messages_and_not_in_the_configuration() {
    let text = "config:\n  rootId: accredit\n  vmConfig: {}\n  configuration:\n    value: {Origins: [], origins: []}\n";
    assert_eq!(found(text), [(Kind::Envoy, at(5, 26))]);
}

#[test]
fn a_configuration_alone_is_one_in_yaml_and_in_json() {
    assert_eq!(found("origins: []\nproviders: []\n"), [(Kind::Alone, at(1, 1))]);
    assert_eq!(found("{\n \"providers\": [],\n \"origins\": []\n}"), [(Kind::Alone, at(3, 2))]);
}

#[test]
fn a_configuration_that_is_elsewhere_is_said_to_be_elsewhere() {
    assert_eq!(found("config: {root_id: accredit, vm_config: {}}\n"), [(Kind::Envoy, None)]);
}

#[test]
fn files_in_a_config_map_are_read_with_their_places() {
    let text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  note: origins\n  envoy.yaml: |\n    config:\n      root_id: accredit\n      vm_config: {}\n      configuration:\n        value:\n          origins: []\n";
    let all = documents(text);
    let inside = files_inside(&all[0]);
    assert_eq!(inside.len(), 1);
    let inner = read(&inside[0].text, inside[0].origin).unwrap().documents;
    let plugins = plugins(&inner[0]).plugins;
    assert_eq!(plugins[0].held.as_ref().map(|held| held.at("origins", plugins[0].node.spot)), at(11, 11));
}
