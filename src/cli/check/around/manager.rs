//! The settings of the HTTP connection manager: how paths are read, whose address a request has, and what becomes of answers.

use serde_json::Value;

use crate::cli::check::around::bodies::paths_with_a_body;
use crate::cli::envoy::around::{Around, field, inner, is_true, text};
use crate::cli::envoy::tls::Socket;
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;

/// Checks the manager that the filter is in.
pub(crate) fn of_manager(around: &Around<'_>, written: &Value, settings: Option<&Settings>, report: &mut Report<'_>) {
    of_paths(around.manager, written, report);
    of_underscores(around.manager, report);
    of_addresses(around, written, settings, report);
    if let Some(format) = field(around.manager, "local_reply_config").and_then(|reply| field(reply, "body_format")) {
        let sentence = "the pages and the JSON of the filter get this format, too; remove body_format, or move it into mappers that do not match them";
        report.tell(Id::BodyFormat, format.spot, sentence);
    }
}

fn of_paths(manager: &Node, written: &Value, report: &mut Report<'_>) {
    let escaped = text(manager, "path_with_escaped_slashes_action");
    let (escapes, kept) = if allows_encoded_slashes(written) {
        // Envoy must hand them on as they came: Accredit refuses those that no rule allows.
        ("path_with_escaped_slashes_action: KEEP_UNCHANGED, because a rule allows %2F", escaped == Some("KEEP_UNCHANGED"))
    } else {
        let decided = matches!(escaped, Some("REJECT_REQUEST" | "UNESCAPE_AND_REDIRECT" | "UNESCAPE_AND_FORWARD"));
        ("path_with_escaped_slashes_action: REJECT_REQUEST", decided)
    };
    let settings = [
        ("normalize_path: true", is_true(manager, "normalize_path")),
        ("merge_slashes: true", is_true(manager, "merge_slashes")),
        (escapes, kept),
    ];
    let missing: Vec<_> = settings.into_iter().filter(|(_, is_set)| !is_set).map(|(setting, _)| setting).collect();
    if !missing.is_empty() {
        let sentence = format!("the rules may see another path than the application; write {}", missing.join(", "));
        report.tell(Id::NotNormalized, manager.spot, sentence);
    }
}

/// Many servers read `_` in the name of a header as `-`. The filter removes those that it knows; of others it cannot know.
fn of_underscores(manager: &Node, report: &mut Report<'_>) {
    let action = inner(manager, &["common_http_protocol_options", "headers_with_underscores_action"]);
    // Of the words of Envoy's enumeration, or their numbers, the first allows them.
    if action.and_then(Node::text).is_none_or(|action| matches!(action, "ALLOW" | "0")) {
        let sentence = "servers that read _ as - take a header of the client for another one; write headers_with_underscores_action: REJECT_REQUEST in common_http_protocol_options";
        report.tell(Id::Underscores, action.unwrap_or(manager).spot, sentence);
    }
}

/// Whether a rule has `%2F` in `allow_in_path`.
fn allows_encoded_slashes(written: &Value) -> bool {
    let rules = written.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let allowed =
        |rule: &Value| rule.get("allow_in_path").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == "%2F"));
    rules.iter().any(allowed)
}

fn of_addresses(around: &Around<'_>, written: &Value, settings: Option<&Settings>, report: &mut Report<'_>) {
    let manager = around.manager;
    let detected = field(manager, "original_ip_detection_extensions").is_some();
    if !is_true(manager, "use_remote_address") {
        if let Some(gain) = gain_by_an_address(written, settings).filter(|_| !detected) {
            let sentence =
                format!("a client can write its own address into x-forwarded-for, and so {gain}; write use_remote_address: true");
            report.tell(Id::PeerAddress, manager.spot, sentence);
        }
        return;
    }
    let counted = text(manager, "xff_num_trusted_hops").is_some_and(|hops| hops != "0");
    if !counted && !detected && is_reached_by_a_proxy(around, written) {
        let sentence = "TLS ends in front of this listener, so all clients have the address of what is there, and the application is told http; write xff_num_trusted_hops with the number of proxies in front";
        report.tell(Id::HopsMissing, manager.spot, sentence);
    }
}

/// What a client gains that chooses its own address: wherever what one address may do is limited.
fn gain_by_an_address(written: &Value, settings: Option<&Settings>) -> Option<&'static str> {
    let framed = || settings.is_some_and(|settings| settings.endpoints.frontchannel_logout.is_some());
    let reads = || settings.is_some_and(|settings| !paths_with_a_body(settings).is_empty());
    match () {
        () if written.get("password").is_some() => Some("has a new one for each guess of a password"),
        () if framed() => Some("takes the share of many in the front-channel logouts that count"),
        () if reads() => {
            Some("takes the share of many in the bodies that are read at a time, which keeps everybody out of those endpoints")
        }
        () => None,
    }
}

/// Whether browsers use https, and the listener does not: then something in front of it does. A listener that only this machine
/// reaches is no gateway yet.
fn is_reached_by_a_proxy(around: &Around<'_>, written: &Value) -> bool {
    let Some(chain) = around.chain else { return false };
    let address = around.listener.and_then(|listener| inner(listener, &["address", "socket_address", "address"]));
    if address.and_then(Node::text).is_some_and(|address| address.starts_with("127.") || address == "::1") {
        return false;
    }
    let listeners = around.listener.and_then(|listener| field(listener, "listener_filters")).map_or(&[][..], Node::elements);
    let of_a_proxy = |filter: &Node| text(filter, "name").is_some_and(|name| name.contains("proxy_protocol"));
    if !matches!(Socket::of(chain), Socket::Plain) || listeners.iter().any(of_a_proxy) {
        return false;
    }
    let origins = written.get("origins").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut texts = origins.iter().filter_map(Value::as_str).peekable();
    texts.peek().is_some() && texts.all(|origin| origin.starts_with("https://"))
}
