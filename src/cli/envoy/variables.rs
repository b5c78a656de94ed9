//! Which environment variables the host hands to a plugin, and which of them it is given with a value. Values of the process
//! are not looked at here.

use crate::cli::envoy::around::field;
use crate::cli::yaml::node::Node;

/// The variables that a plugin can see.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Variables {
    /// The names, each with its value if the file gives one; `None` if the file does not say which there are.
    listed: Option<Vec<(String, Option<String>)>>,
}

impl Variables {
    /// The file does not say which there are.
    pub(crate) const fn any() -> Self {
        Self { listed: None }
    }

    /// Those of `vm_config.environment_variables`.
    pub(crate) fn of_vm_config(vm: &Node) -> Self {
        let given = field(vm, "environment_variables");
        let hosts = given.and_then(|given| field(given, "host_env_keys")).map_or(&[][..], Node::elements);
        let pairs = given.and_then(|given| field(given, "key_values")).map_or(&[][..], Node::members);
        let of_host = hosts.iter().filter_map(|name| Some((name.text()?.to_owned(), None)));
        let of_pair = pairs.iter().filter_map(|pair| Some((pair.key.text()?.to_owned(), Some(pair.value.text()?.to_owned()))));
        Self { listed: Some(of_host.chain(of_pair).collect()) }
    }

    /// Those of `spec.vmConfig.env` of a `WasmPlugin`.
    pub(crate) fn of_wasm_plugin(spec: &Node) -> Self {
        let all = spec.member("vmConfig").and_then(|vm| vm.member("env")).map_or(&[][..], Node::elements);
        let of_entry = |entry: &Node| {
            let of_host = entry.member("valueFrom").and_then(Node::text) == Some("HOST");
            let value = entry.member("value").and_then(Node::text).filter(|_| !of_host);
            Some((entry.member("name")?.text()?.to_owned(), value.map(str::to_owned)))
        };
        Self { listed: Some(all.iter().filter_map(of_entry).collect()) }
    }

    /// Those of `env.hostKeys` of an `EnvoyExtensionPolicy`.
    pub(crate) fn of_extension_policy(wasm: &Node) -> Self {
        let hosts = wasm.member("env").and_then(|env| env.member("hostKeys")).map_or(&[][..], Node::elements);
        Self { listed: Some(hosts.iter().filter_map(|name| Some((name.text()?.to_owned(), None))).collect()) }
    }

    /// Whether the plugin can see the variable.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.listed.as_ref().is_none_or(|listed| listed.iter().any(|(other, _)| other == name))
    }

    /// The value that the file gives the variable.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.listed.as_ref()?.iter().find(|(other, _)| other == name)?.1.as_deref()
    }
}
