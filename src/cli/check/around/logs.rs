//! The access logs of the connection manager: whether they hold what nobody should find in a log, and whether the filter tells
//! Envoy what they want to print.

use crate::cli::envoy::around::{field, text};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;
use crate::oidc::provider::ResponseMode;

/// The members of a file logger's message that say what it writes. Without one, Envoy writes a line with the whole path.
const FORMATS: [&str; 4] = ["log_format", "format", "json_format", "typed_json_format"];

/// Checks the access logs of the manager.
pub(super) fn of_logs(manager: &Node, settings: &Settings, report: &mut Report<'_>) {
    let comes_in_the_query =
        settings.providers.iter().any(|provider| provider.oidc.signs_in() && provider.oidc.response_mode == ResponseMode::Query);
    for log in field(manager, "access_log").map_or(&[][..], Node::elements) {
        let mut texts = Vec::new();
        log.each_text(&mut |node, text| texts.push((node, text.to_ascii_uppercase())));
        let written = texts.iter().find(|(_, format)| writes_query(format)).map(|(node, _)| node.spot);
        let by_default = (is_file(log) && !has_format(log)).then_some(log.spot);
        // A log that leaves requests out by a header may leave the callback out.
        let chosen = field(log, "filter").is_some_and(|filter| names(filter, "header_filter"));
        if let Some(spot) = written.or(by_default).filter(|_| comes_in_the_query && !chosen) {
            let sentence = "the log gets the codes of sign-ins, which stand in the query; write %PATH(NQ)% for the path";
            report.tell(Id::QueryLogged, spot, sentence);
        }
        for (name, is_told) in [("subject", settings.filter_state.subject), ("rule", settings.filter_state.rule)] {
            let wanted = format!("FILTER_STATE(WASM.ACCREDIT.{}", name.to_ascii_uppercase());
            if let Some((node, _)) = texts.iter().find(|(_, format)| !is_told && format.contains(&wanted)) {
                let sentence = format!(
                    "the log always has - here, because the filter does not tell Envoy the {name}; list it in filter_state"
                );
                report.tell(Id::LogEmpty, node.spot, sentence);
            }
        }
    }
}

fn is_file(log: &Node) -> bool {
    let kind = field(log, "typed_config").and_then(|any| any.member("@type")).and_then(Node::text);
    let of_message =
        kind.map(|url| ["FileAccessLog", "StdoutAccessLog", "StderrAccessLog"].iter().any(|name| url.ends_with(name)));
    of_message.unwrap_or_else(|| {
        let name = text(log, "name").unwrap_or_default();
        ["file", "stdout", "stderr"].iter().any(|kind| name.strip_prefix("envoy.access_loggers.") == Some(kind))
    })
}

fn has_format(log: &Node) -> bool {
    field(log, "typed_config").is_some_and(|config| FORMATS.iter().any(|name| field(config, name).is_some()))
}

/// Whether a map of this name stands anywhere in a node.
fn names(node: &Node, name: &str) -> bool {
    field(node, name).is_some()
        || node.members().iter().any(|member| names(&member.value, name))
        || node.elements().iter().any(|element| names(element, name))
}

/// Whether a format, in upper case, writes the query of a request.
fn writes_query(format: &str) -> bool {
    let headers = ["%REQ(", "%REQUEST_HEADER("].iter().flat_map(|command| arguments(format, command));
    let mut alternatives = headers.flat_map(|names| names.split('?'));
    let has_query = |name: &str| matches!(name.trim(), ":PATH" | "X-ENVOY-ORIGINAL-PATH");
    let without = |arguments: &str| arguments.split(':').next().map(str::trim) == Some("NQ");
    alternatives.any(has_query)
        || arguments(format, "%PATH(").any(|arguments| !without(arguments))
        || ["%PATH%", "%PATH:"].iter().any(|command| format.contains(command))
}

/// What stands in the parentheses behind a command, each time.
fn arguments<'a>(format: &'a str, command: &'a str) -> impl Iterator<Item = &'a str> {
    format.split(command).skip(1).filter_map(|behind| Some(behind.split_once(')')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_found_in_a_format_as_envoy_writes_it() {
        for (format, expected) in [
            ("%REQ(:PATH)%", true),
            ("%REQ(:path):5%", true),
            ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", true),
            ("%PATH%", true),
            ("%PATH(WQ)%", true),
            ("%PATH(WQ:PATH:5)%", true),
            ("%START_TIME% %PATH(NQ):256% %PATH(NQ:ORIG)%", false),
            ("%REQ(:METHOD)% %REQ(X-REQUEST-ID)% %REQ(REFERER?:AUTHORITY)%", false),
            ("REQ(:PATH)", false),
            ("%REQ(:PATH", false),
        ] {
            assert_eq!(writes_query(&format.to_ascii_uppercase()), expected, "{format}");
        }
    }
}
