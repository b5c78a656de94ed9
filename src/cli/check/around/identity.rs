//! What says who is asking: filters that look for it before the filter has set it, or take a token away before the filter has read
//! it, and settings that set it again behind the filter. The filter sets headers, and filter state for Envoy's log.

use serde_json::Value;

use crate::access::upstream::believed::{ACCESS_TOKEN, ID_TOKEN, IDENTITY_JWT, PROVIDER};
use crate::cli::envoy::around::{Around, field, is_true, kind_of_filter, text};
use crate::cli::envoy::routes::{all_settings_of, levels};
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::{ProviderSettings, Settings};

/// The headers that are set unless `claim_to_headers` says otherwise.
const BY_DEFAULT: [&str; 4] = ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username"];

/// How the names of filter state begin that the filter sets.
const FILTER_STATE: &str = "wasm.accredit.";

/// The members by which messages of filters name a header that they read.
const NAMING: [&str; 4] = ["name", "header_name", "header", "exact"];

/// The members below which headers of answers stand, or headers that are not read.
const NOT_READ: [&str; 3] = ["authorization_response", "response_rules", "disallowed_headers"];

/// Checks who reads and who writes what says who is asking.
pub(super) fn of_identity(around: &Around<'_>, written: &Value, report: &mut Report<'_>) {
    let told = told(written);
    for (position, filter) in around.filters().iter().enumerate() {
        let name = text(filter, "name").unwrap_or_default();
        let own = field(filter, "typed_config").into_iter();
        let messages: Vec<_> = own.chain(all_settings_of(around.manager, name)).collect();
        let kind = kind_of_filter(filter).unwrap_or_default();
        if position < around.position {
            let limits = levels(around.manager).filter(|_| matches!(kind, "ratelimit" | "local_ratelimit"));
            let limits = limits.flat_map(|level| [Some(level), field(level, "route")]).flatten();
            let limits = limits.filter_map(|level| field(level, "rate_limits"));
            messages.iter().copied().chain(limits).for_each(|message| of_reader(message, &told, report));
        } else if position > around.position && kind == "header_mutation" {
            messages.iter().for_each(|message| of_writer(message, &told, report));
        }
    }
    for added in levels(around.manager).filter_map(|level| field(level, "request_headers_to_add")) {
        of_writer(added, &told, report);
    }
}

/// The headers that the upstream is told who is asking in.
fn told(written: &Value) -> Vec<String> {
    let of_entry = |entry: &Value| entry.get("header_name").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let mut told: Vec<_> = match written.get("claim_to_headers").and_then(Value::as_array) {
        Some(entries) => entries.iter().filter_map(of_entry).collect(),
        None => BY_DEFAULT.map(str::to_owned).to_vec(),
    };
    let forward = written.get("forward");
    let forwards = |name: &str| forward.and_then(|forward| forward.get(name)).is_some_and(|value| *value != Value::Bool(false));
    if let Some(jwt) = forward.and_then(|forward| forward.get("identity_jwt")) {
        told.push(jwt.get("header_name").and_then(Value::as_str).unwrap_or(IDENTITY_JWT).to_ascii_lowercase());
    }
    let several = written.get("providers").and_then(Value::as_array).is_some_and(|providers| providers.len() > 1);
    let further = [(several, PROVIDER), (forwards("access_token"), ACCESS_TOKEN), (forwards("id_token"), ID_TOKEN)];
    told.extend(further.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name).to_owned()));
    told
}

/// Looks for a `jwt_authn` before the filter: it takes away each token that it has verified, unless it is told to leave it. (Tried
/// with Envoy 1.40.)
pub(super) fn of_tokens(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let of_provider = |provider: &ProviderSettings| provider.oidc.bearer.is_some();
    if !settings.providers.iter().any(of_provider) && settings.session.as_bearer().is_none() {
        return;
    }
    for filter in around.filters().iter().take(around.position).filter(|filter| kind_of_filter(filter) == Some("jwt_authn")) {
        let config = field(filter, "typed_config");
        let is_used = config.is_some_and(|config| field(config, "rules").is_some())
            || text(filter, "name").is_some_and(|name| all_settings_of(around.manager, name).next().is_some());
        let providers = config.and_then(|config| field(config, "providers")).map_or(&[][..], Node::members);
        for provider in providers.iter().filter(|provider| is_used && takes_tokens_away(&provider.value)) {
            let sentence = "the filter of Accredit gets no bearer token that this filter has verified, and answers 401; write forward: true, or leave the token to Accredit and remove this filter";
            report.tell(Id::TokenTaken, provider.key.spot, sentence);
        }
    }
}

fn takes_tokens_away(provider: &Node) -> bool {
    let elsewhere = ["from_headers", "from_params", "from_cookies"].iter().any(|name| field(provider, name).is_some());
    let headers = field(provider, "from_headers").map_or(&[][..], Node::elements);
    let is_named =
        headers.iter().any(|header| text(header, "name").is_some_and(|name| name.eq_ignore_ascii_case("authorization")));
    !is_true(provider, "forward") && (is_named || !elsewhere)
}

/// Looks for headers, and filter state, that a filter reads before they are set.
fn of_reader(message: &Node, told: &[String], report: &mut Report<'_>) {
    for member in message.members() {
        let name = member.key.text().unwrap_or_default();
        if NOT_READ.contains(&name) {
            continue;
        }
        if let Some(text) = member.value.text() {
            let lower = text.to_ascii_lowercase();
            let is_named = NAMING.contains(&name).then(|| told.iter().find(|header| **header == lower)).flatten();
            let read = is_named.or_else(|| told.iter().find(|header| reads(&lower, header)));
            if let Some(header) = read {
                let sentence = format!(
                    "this filter reads {header} as the client sent it, because it comes before the filter that removes and sets it; move it behind"
                );
                report.tell(Id::IdentityBefore, member.value.spot, sentence);
            } else if lower.contains(FILTER_STATE) {
                let sentence = "this filter finds nothing in the filter state, because it comes before the filter that sets it; move it behind";
                report.tell(Id::IdentityBefore, member.value.spot, sentence);
            }
        }
        of_reader(&member.value, told, report);
    }
    message.elements().iter().for_each(|element| of_reader(element, told, report));
}

/// Whether a format of Envoy, or a script, reads a header. The text is in lower case.
fn reads(text: &str, header: &str) -> bool {
    let by_format = ["%req(", "%request_header("].iter().flat_map(|command| text.split(command).skip(1));
    let mut alternatives = by_format.filter_map(|behind| behind.split_once(')')).flat_map(|(names, _)| names.split('?'));
    let by_script = || ['"', '\''].iter().any(|mark| text.contains(&format!("get({mark}{header}{mark})")));
    alternatives.any(|name| name.trim() == header) || by_script()
}

/// Looks for headers that are set again.
fn of_writer(message: &Node, told: &[String], report: &mut Report<'_>) {
    let mut headers = Vec::new();
    written_headers(message, &mut headers);
    let is_told = |key: &&Node| key.text().is_some_and(|key| told.iter().any(|header| header.eq_ignore_ascii_case(key)));
    for key in headers.into_iter().filter_map(|header| field(header, "key")).filter(is_told) {
        let sentence = "the application is told this instead of, or beside, who is asking; remove it, or choose another header";
        report.tell(Id::IdentityChanged, key.spot, sentence);
    }
}

/// The headers of requests that a message writes, each with its `key`.
pub(super) fn written_headers<'a>(message: &'a Node, found: &mut Vec<&'a Node>) {
    found.extend(field(message, "header").filter(|header| field(header, "key").is_some()));
    message.elements().iter().for_each(|element| written_headers(element, found));
    // Headers of answers are not among them.
    let members = message.members().iter().filter(|member| member.key.text() != Some("response_mutations"));
    members.for_each(|member| written_headers(&member.value, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_in_formats_and_scripts() {
        for (text, expected) in [
            ("%req(x-forwarded-user)%", true),
            ("%req(x-other?x-forwarded-user):20%", true),
            ("%req(x-forwarded-user-agent)%", false),
            ("local user = handle:headers():get(\"x-forwarded-user\")", true),
            ("handle:headers():get('x-forwarded-user')", true),
            ("handle:headers():remove('x-forwarded-user')", false),
            ("-- x-forwarded-user", false),
        ] {
            assert_eq!(reads(text, "x-forwarded-user"), expected, "{text}");
        }
    }
}
