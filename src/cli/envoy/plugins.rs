//! Finds the plugins of a document. In an Envoy's file, and in a patch of one, a plugin is any map with `configuration` and
//! `vm_config`, wherever it stands. Of several wasm filters only those are found that are Accredit by their name, their `root_id`
//! or the members of their configuration.

use prost::Message as _;
use serde_json::Value;

use crate::cli::envoy::around::{Around, field, text};
use crate::cli::envoy::variables::Variables;
use crate::cli::wire::in_wire_form;
use crate::cli::yaml::node::{Content, Node};
use crate::cli::yaml::reader::{Repeated, Stream, read};
use crate::cli::yaml::scalars::{Dialect, Scalar};
use crate::cli::yaml::spot::Spot;

/// What holds a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `PluginConfig` of Envoy.
    Envoy,
    /// A `WasmPlugin` of Istio.
    WasmPlugin,
    /// An `EnvoyExtensionPolicy` of Envoy Gateway.
    ExtensionPolicy,
    /// Nothing: the file is the plugin's configuration.
    Alone,
}

impl Kind {
    /// Whether Envoy itself reads the YAML that it stands in.
    pub(crate) const fn is_read_by_envoy(self) -> bool {
        matches!(self, Self::Envoy | Self::Alone)
    }
}

/// A plugin of a file.
#[derive(Debug)]
pub(crate) struct Plugin<'a> {
    /// What holds it.
    pub(crate) kind: Kind,
    /// The object that holds it.
    pub(crate) node: &'a Node,
    /// The filter's configuration; `None` where it is in another file.
    pub(crate) held: Option<Held<'a>>,
    /// Which environment variables it is given.
    pub(crate) variables: Variables,
    /// What is around it in an Envoy's file.
    pub(crate) around: Option<Around<'a>>,
}

/// How a configuration is written.
#[derive(Debug)]
pub(crate) enum Held<'a> {
    /// As YAML, for whoever reads it by these rules.
    Tree(Node, Dialect),
    /// As a text, which is handed on unchanged.
    Text(&'a Scalar, Option<Node>),
}

impl Held<'_> {
    /// The place of a field of the configuration, by its path.
    pub(crate) fn at(&self, path: &str, own: Spot) -> Spot {
        match self {
            Self::Tree(node, _) | Self::Text(_, Some(node)) => node.at(path),
            Self::Text(_, None) => own,
        }
    }

    /// The members as JSON, with the variables that they name; `None` of a text that is none.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Self::Tree(node, dialect) => Some(node.value(*dialect)),
            Self::Text(scalar, _) => serde_json::from_str(&scalar.text).ok(),
        }
    }

    /// The bytes that the filter gets: a `Struct` in its wire form from Envoy, JSON from a controller, a text as it is.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(scalar, _) => scalar.text.clone().into_bytes(),
            Self::Tree(node, Dialect::Kubernetes) => node.value(Dialect::Kubernetes).to_string().into_bytes(),
            Self::Tree(node, Dialect::Envoy) => match node.value(Dialect::Envoy) {
                Value::Object(members) => in_wire_form(&members).encode_to_vec(),
                other => other.to_string().into_bytes(),
            },
        }
    }
}

/// The plugins of a document, and the keys that stand twice inside of texts that are documents again.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    /// The plugins, in order.
    pub(crate) plugins: Vec<Plugin<'a>>,
    /// Keys that stand twice in the text of a configuration.
    pub(crate) repeated: Vec<Repeated>,
}

/// The texts of a ConfigMap that are files of their own, each with its place.
pub(crate) fn files_inside(document: &Node) -> Vec<&Scalar> {
    let is_map = document.member("kind").and_then(Node::text) == Some("ConfigMap");
    let data = document.member("data").filter(|_| is_map).map_or(&[][..], Node::members);
    let named = |name: Option<&str>| name.is_some_and(|name| [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)));
    data.iter().filter(|member| named(member.key.text())).filter_map(|member| member.value.scalar()).collect()
}

/// The plugins of a document.
pub(crate) fn plugins(document: &Node) -> Found<'_> {
    let mut found = Found::default();
    match document.member("kind").and_then(Node::text).filter(|_| document.member("apiVersion").is_some()) {
        Some("WasmPlugin") => wasm_plugin(document, &mut found),
        Some("EnvoyExtensionPolicy") => extension_policy(document, &mut found),
        Some(_) => walk(document, &Path::of(document, Dialect::Kubernetes), &mut found),
        None if looks_like_ours(document) => {
            let held = Some(Held::Tree(document.clone(), Dialect::Envoy));
            found.plugins.push(Plugin { kind: Kind::Alone, node: document, held, variables: Variables::any(), around: None });
        }
        None => walk(document, &Path::of(document, Dialect::Envoy), &mut found),
    }
    found
}

fn wasm_plugin<'a>(document: &'a Node, found: &mut Found<'a>) {
    let Some(spec) = document.member("spec") else { return };
    let config = spec.member("pluginConfig");
    let names = [spec.member("pluginName"), document.member("metadata").and_then(|metadata| metadata.member("name"))];
    if names.iter().flatten().any(|name| is_our_name(name.text())) || config.is_some_and(looks_like_ours) {
        let held = config.map(|config| Held::Tree(config.clone(), Dialect::Kubernetes));
        let variables = Variables::of_wasm_plugin(spec);
        found.plugins.push(Plugin { kind: Kind::WasmPlugin, node: spec, held, variables, around: None });
    }
}

fn extension_policy<'a>(document: &'a Node, found: &mut Found<'a>) {
    let all = document.member("spec").and_then(|spec| spec.member("wasm")).map_or(&[][..], Node::elements);
    for wasm in all {
        let config = wasm.member("config");
        let names = [wasm.member("name"), wasm.member("rootID")];
        if names.iter().flatten().any(|name| is_our_name(name.text())) || config.is_some_and(looks_like_ours) {
            let held = config.map(|config| Held::Tree(config.clone(), Dialect::Kubernetes));
            let variables = Variables::of_extension_policy(wasm);
            found.plugins.push(Plugin { kind: Kind::ExtensionPolicy, node: wasm, held, variables, around: None });
        }
    }
}

/// What was passed on the way down to a map.
#[derive(Clone)]
struct Path<'a> {
    dialect: Dialect,
    document: &'a Node,
    listener: Option<&'a Node>,
    chain: Option<&'a Node>,
    around: Option<Around<'a>>,
}

impl<'a> Path<'a> {
    const fn of(document: &'a Node, dialect: Dialect) -> Self {
        Self { dialect, document, listener: None, chain: None, around: None }
    }
}

fn walk<'a>(node: &'a Node, path: &Path<'a>, found: &mut Found<'a>) {
    for element in node.elements() {
        walk(element, path, found);
    }
    if node.members().is_empty() {
        return;
    }
    if let Some(plugin) = plugin(node, path, found) {
        found.plugins.push(plugin);
        return;
    }
    let mut path = path.clone();
    if field(node, "filter_chains").is_some() || field(node, "default_filter_chain").is_some() {
        path.listener = Some(node);
    }
    if field(node, "filters").is_some_and(|filters| matches!(&*filters.content, Content::List(_))) {
        path.chain = Some(node);
    }
    let filters = field(node, "http_filters");
    for (position, filter) in filters.map_or(&[][..], Node::elements).iter().enumerate() {
        let mut path = path.clone();
        let (listener, chain) = (path.listener, path.chain);
        path.around = Some(Around { bootstrap: path.document, listener, chain, manager: node, filter, position });
        walk(filter, &path, found);
    }
    for member in node.members() {
        let are_filters = filters.is_some_and(|filters| std::ptr::eq(filters, &raw const member.value));
        if !are_filters {
            walk(&member.value, &path, found);
        }
    }
}

fn plugin<'a>(node: &'a Node, path: &Path<'a>, found: &mut Found<'a>) -> Option<Plugin<'a>> {
    let vm = field(node, "vm_config")?;
    let configuration = field(node, "configuration");
    let value = configuration.and_then(|any| field(any, "value"));
    let (held, repeated) = held(value, path.dialect);
    let names = [text(node, "root_id"), text(node, "name")];
    let members = match &held {
        Some(Held::Tree(node, _) | Held::Text(_, Some(node))) => looks_like_ours(node),
        Some(Held::Text(_, None)) | None => false,
    };
    if !members && !names.into_iter().any(is_our_name) {
        return None;
    }
    found.repeated.extend(repeated);
    let variables = Variables::of_vm_config(vm);
    Some(Plugin { kind: Kind::Envoy, node, held, variables, around: path.around.clone() })
}

/// The configuration that is a value of a `Struct`, of a `StringValue`, or of one of these inside of a `TypedStruct`.
fn held(value: Option<&Node>, dialect: Dialect) -> (Option<Held<'_>>, Vec<Repeated>) {
    let Some(value) = value else { return (None, Vec::new()) };
    match value.scalar() {
        None => (Some(Held::Tree(value.clone(), dialect)), Vec::new()),
        Some(scalar) => {
            let Stream { mut documents, repeated } =
                read(&scalar.text, scalar.origin).unwrap_or(Stream { documents: Vec::new(), repeated: Vec::new() });
            let document = (documents.len() == 1).then(|| documents.swap_remove(0));
            (Some(Held::Text(scalar, document)), repeated)
        }
    }
}

fn looks_like_ours(configuration: &Node) -> bool {
    configuration.member("providers").is_some() || configuration.member("origins").is_some()
}

fn is_our_name(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.to_ascii_lowercase().contains("accredit"))
}
