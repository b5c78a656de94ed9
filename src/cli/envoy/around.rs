//! Envoy's messages as an operator writes them: a field in `snake_case` or in `camelCase`, the type of a filter, and what stands
//! around a plugin in an Envoy's file. The filter's own configuration is never read by this.

use std::time::Duration;

use crate::cli::yaml::node::Node;
use crate::cli::yaml::scalars::Dialect;

/// What is around a plugin in the filters of a connection manager.
#[derive(Clone, Debug)]
pub(crate) struct Around<'a> {
    /// The whole file.
    pub(crate) bootstrap: &'a Node,
    /// The listener, if the manager is in one.
    pub(crate) listener: Option<&'a Node>,
    /// The chain of network filters, if the manager is in one.
    pub(crate) chain: Option<&'a Node>,
    /// The HTTP connection manager.
    pub(crate) manager: &'a Node,
    /// The plugin's own entry in `http_filters`.
    pub(crate) filter: &'a Node,
    /// How many filters come before it.
    pub(crate) position: usize,
}

impl<'a> Around<'a> {
    /// The HTTP filters of the manager, in order.
    pub(crate) fn filters(&self) -> &'a [Node] {
        field(self.manager, "http_filters").map_or(&[], Node::elements)
    }
}

/// The field of an Envoy message, by its name in `snake_case`. It may be written in `camelCase`.
pub(crate) fn field<'a>(message: &'a Node, name: &str) -> Option<&'a Node> {
    message.member(name).or_else(|| message.member(&camel_case(name)))
}

/// The field at the end of a path of names.
pub(crate) fn inner<'a>(message: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(message, |message, name| field(message, name))
}

/// Whether the field is written, and true.
pub(crate) fn is_true(message: &Node, name: &str) -> bool {
    field(message, name).is_some_and(|value| value.value(Dialect::Envoy) == serde_json::Value::Bool(true))
}

/// The text of a field.
pub(crate) fn text<'a>(message: &'a Node, name: &str) -> Option<&'a str> {
    field(message, name)?.text()
}

/// A duration as messages hold it: seconds, with a fraction, and `s` behind them.
pub(crate) fn duration(node: &Node) -> Option<Duration> {
    let seconds: f64 = node.text()?.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The type of the filter that this entry of `http_filters` is: the package of its message, such as `cache_v2`, or what its name
/// says.
pub(crate) fn kind_of_filter(filter: &Node) -> Option<&str> {
    let typed = field(filter, "typed_config").and_then(|any| any.member("@type")).and_then(Node::text);
    let package = typed.and_then(|url| url.split_once(".filters.http.")?.1.split('.').next());
    package.or_else(|| text(filter, "name")?.strip_prefix("envoy.filters.http."))
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &capital.into_iter().chain(letters).collect::<String>()
    })
}
