//! What surrounds the configuration in the object that holds the plugin: what becomes of requests when the filter crashed, and
//! which callbacks and functions it may use.

use crate::cli::envoy::around::{field, is_true, text};
use crate::cli::envoy::plugins::{Kind, Plugin};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;

/// The callbacks that Envoy must call.
const CALLBACKS: [&str; 9] = [
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_delete",
];

/// The functions of Envoy that the filter calls.
const FUNCTIONS: [&str; 20] = [
    "proxy_get_current_time_nanoseconds",
    "proxy_set_tick_period_milliseconds",
    "proxy_set_effective_context",
    "proxy_continue_stream",
    "proxy_increment_metric",
    "proxy_record_metric",
    "proxy_log",
    "proxy_define_metric",
    "proxy_get_property",
    "proxy_set_property",
    "proxy_get_buffer_bytes",
    "proxy_get_header_map_pairs",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_send_local_response",
    "proxy_call_foreign_function",
    "proxy_http_call",
];

/// Checks the object that holds the plugin.
pub(crate) fn of_plugin(plugin: &Plugin<'_>, report: &mut Report<'_>) {
    match plugin.kind {
        Kind::Alone => {}
        Kind::Envoy => of_plugin_config(plugin.node, report),
        Kind::WasmPlugin => of_policy(plugin.node.member("failStrategy"), &["FAIL_OPEN"], report),
        Kind::ExtensionPolicy => of_policy(plugin.node.member("failOpen"), &["true", "True", "TRUE", "yes", "on", "y"], report),
    }
}

fn of_policy(policy: Option<&Node>, open: &[&str], report: &mut Report<'_>) {
    if let Some(policy) = policy.filter(|policy| policy.text().is_some_and(|text| open.contains(&text))) {
        fails_open(policy, report);
    }
}

fn fails_open(policy: &Node, report: &mut Report<'_>) {
    report.tell(
        Id::FailOpen,
        policy.spot,
        "every request passes when the filter has crashed or is not there; write FAIL_RELOAD, or failOpen: false for Envoy Gateway",
    );
}

fn of_plugin_config(config: &Node, report: &mut Report<'_>) {
    let policy = text(config, "failure_policy");
    let by_number = policy == Some("1");
    match field(config, "failure_policy").filter(|_| policy == Some("FAIL_OPEN") || by_number) {
        Some(policy) => fails_open(policy, report),
        None => {
            if let Some(open) = field(config, "fail_open").filter(|_| is_true(config, "fail_open")) {
                fails_open(open, report);
            } else if !matches!(policy, Some("FAIL_RELOAD" | "3")) {
                let spot = field(config, "failure_policy").map_or(config.spot, |policy| policy.spot);
                let sentence =
                    "a worker whose filter crashed refuses every request until Envoy restarts; write failure_policy: FAIL_RELOAD";
                report.tell(Id::NoReload, spot, sentence);
            }
        }
    }
    if let Some(stops) = field(config, "allow_on_headers_stop_iteration") {
        // It is a message with a value in it, or a plain truth.
        let set = is_true(config, "allow_on_headers_stop_iteration") || is_true(stops, "value");
        if set {
            let sentence =
                "the body of a request may reach the application before the decision; remove allow_on_headers_stop_iteration";
            report.tell(Id::StopIteration, stops.spot, sentence);
        }
    }
    if let Some(allowed) = field(config, "capability_restriction_config").and_then(|list| field(list, "allowed_capabilities")) {
        of_capabilities(allowed, report);
    }
}

fn of_capabilities(allowed: &Node, report: &mut Report<'_>) {
    // A list without members restricts nothing.
    if allowed.members().is_empty() {
        return;
    }
    let missing: Vec<_> = CALLBACKS.into_iter().chain(FUNCTIONS).filter(|name| allowed.member(name).is_none()).collect();
    if missing.is_empty() {
        return;
    }
    let open = missing.contains(&"proxy_on_request_headers");
    let effect = if open { "every request is let through" } else { "requests may pass undecided, or wait for ever" };
    let sentence = format!("{effect}: the list lacks {}; remove capability_restriction_config", missing.join(", "));
    report.tell(Id::CapabilitiesShort, allowed.spot, sentence);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_functions_is_that_of_the_module() {
        let calls = include_str!("../../shell/host_calls.rs");
        let block = calls.split("extern \"C\" {").nth(1).unwrap().split("\n}\n").next().unwrap();
        let declared: Vec<_> = block.split("fn ").skip(1).map(|rest| rest.split('(').next().unwrap()).collect();
        // Calls of others are made by the SDK.
        let expected: Vec<_> = declared.into_iter().chain(["proxy_http_call"]).collect();
        assert_eq!(FUNCTIONS.as_slice(), expected);
        let exports = include_str!("../../../deploy/build/exports.mjs");
        let exported: Vec<_> = exports.split('\'').filter(|name| name.starts_with("proxy_on_")).collect();
        let callbacks = exported.into_iter().filter(|name| !matches!(*name, "proxy_on_memory_allocate"));
        assert_eq!(callbacks.take(CALLBACKS.len()).collect::<Vec<_>>(), CALLBACKS);
    }
}
