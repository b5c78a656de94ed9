//! Pages of other origins: whether Envoy's `cors` filter answers their preflights before the filter is asked, and whether it lets
//! those pages, and only those, read the answers. (Tried with Envoy 1.40: a matcher that takes `*` takes every origin.)

use std::collections::BTreeSet;

use crate::access::requirement::Requirement;
use crate::access::route::PathMatch;
use crate::cli::envoy::around::{Around, field, is_true, kind_of_filter, text};
use crate::cli::envoy::routes::all_settings_of;
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;
use crate::http::cookie::SameSite;
use crate::http::url::Origin;

/// Regular expressions that every origin matches.
const EVERY_ORIGIN: [&str; 8] = [".*", ".+", "^.*$", "^.+$", "https?://.*", "https://.*", "^https?://.*", "^https?://.*$"];

/// Checks what pages of other origins need, and what they may do.
pub(super) fn of_cors(around: &Around<'_>, settings: &Settings, report: &mut Report<'_>) {
    let is_for_trusted = !settings.trusted_origins.is_empty() && !lets_preflights_pass(settings);
    let callers = callers(settings);
    let whose = match (is_for_trusted, callers.is_empty()) {
        (true, _) => Some("the trusted_origins are answered 401, because they bring no cookie"),
        (false, false) => Some(
            "the allowed_origins of resources are answered 401, because they bring no token, and their pages cannot read why",
        ),
        (false, true) => None,
    };
    let found = around.filters().iter().enumerate().find(|(_, filter)| kind_of_filter(filter) == Some("cors"));
    let Some((position, filter)) = found else {
        if let Some(whose) = whose {
            let sentence =
                format!("preflights of {whose}; put envoy.filters.http.cors before this filter, with a policy for the routes");
            report.tell(Id::CorsMissing, around.filter.spot, sentence);
        }
        return;
    };
    if let Some(whose) = whose.filter(|_| position > around.position) {
        let sentence = format!("preflights of {whose}: this filter never sees them; move it before the filter of Accredit");
        return report.tell(Id::CorsBehind, filter.spot, sentence);
    }
    let name = text(filter, "name").unwrap_or_default();
    let policies: Vec<_> = all_settings_of(around.manager, name).map(|told| field(told, "config").unwrap_or(told)).collect();
    // Routes that Envoy gets while it runs are in no file.
    if policies.is_empty() {
        if let Some(whose) = whose.filter(|_| field(around.manager, "route_config").is_some()) {
            let sentence = format!(
                "this filter does nothing, because no route has a policy for it: preflights of {whose}; write a CorsPolicy in typed_per_filter_config"
            );
            report.tell(Id::CorsMissing, filter.spot, sentence);
        }
        return;
    }
    of_policies(&policies, settings, &callers, report);
}

/// Checks policies, of which there is at least one.
fn of_policies(policies: &[&Node], settings: &Settings, callers: &BTreeSet<String>, report: &mut Report<'_>) {
    let Some(first) = policies.first() else { return };
    for origin in &settings.trusted_origins {
        if !policies.iter().any(|policy| allows(policy, &origin.to_string())) {
            let sentence = "no policy allows the pages of one of the trusted_origins, so that they cannot read answers; list all of these in allow_origin_string_match";
            report.tell(Id::CorsShort, first.spot, sentence);
        }
    }
    for origin in callers {
        let lacks: Vec<_> =
            policies.iter().filter(|policy| allows(policy, origin)).map(|policy| (policy.spot, lack(policy))).collect();
        let (spot, lack) = match lacks.iter().min_by_key(|(_, lack)| lack.is_some()) {
            None => (
                first.spot,
                Some(
                    "no policy allows the pages of one of the allowed_origins of resources, so that they cannot read answers; list all of these in allow_origin_string_match",
                ),
            ),
            Some((spot, lack)) => (*spot, *lack),
        };
        if let Some(lack) = lack {
            report.tell(Id::CorsShort, spot, lack);
        }
    }
    // Only with SameSite=None do browsers send the session with requests of every site.
    if settings.session.cookie.same_site == SameSite::None {
        for matcher in policies.iter().filter(|policy| is_true(policy, "allow_credentials")).flat_map(|policy| matchers(policy)) {
            if takes_strangers(matcher) {
                let sentence =
                    "pages of sites that others own can read what a signed-in person may; allow the trusted_origins by exact";
                report.tell(Id::CorsOpen, matcher.spot, sentence);
            }
        }
    }
}

/// The origins whose pages may call resources.
fn callers(settings: &Settings) -> BTreeSet<String> {
    settings.resources.all().flat_map(|resource| &resource.allowed_origins).map(Origin::to_string).collect()
}

/// Whether a policy allows the pages of this origin, or may do so.
fn allows(policy: &Node, origin: &str) -> bool {
    matchers(policy).iter().any(|matcher| takes(matcher, origin) != Some(false))
}

/// What a client in a page needs that this policy does not allow it.
fn lack(policy: &Node) -> Option<&'static str> {
    let lists = |name: &str, wanted: &[&str]| {
        let listed = text(policy, name).unwrap_or_default();
        listed.split(',').any(|one| wanted.iter().any(|wanted| one.trim().eq_ignore_ascii_case(wanted)))
    };
    // For browsers, `*` does not include this field (Fetch: CORS non-wildcard request-header name).
    if !lists("allow_headers", &["authorization"]) {
        return Some("pages of the allowed_origins of resources cannot send a token; list authorization in allow_headers");
    }
    if !lists("expose_headers", &["www-authenticate", "*"]) {
        return Some(
            "pages of the allowed_origins of resources cannot read what a refusal says about where to sign in, and for which scopes; list www-authenticate in expose_headers",
        );
    }
    None
}

/// Whether a rule lets every preflight pass to the application, or to a filter behind.
fn lets_preflights_pass(settings: &Settings) -> bool {
    let is_for_preflights =
        |methods: &Option<Vec<String>>| methods.as_ref().is_none_or(|methods| methods.iter().any(|method| method == "OPTIONS"));
    settings.rules.all().iter().any(|rule| {
        rule.require == Requirement::Public && rule.matches.path == PathMatch::Any && is_for_preflights(&rule.matches.methods)
    })
}

fn matchers(policy: &Node) -> &[Node] {
    field(policy, "allow_origin_string_match").map_or(&[], Node::elements)
}

/// Whether a matcher takes this origin; `None` if that is not known here.
fn takes(matcher: &Node, origin: &str) -> Option<bool> {
    let is_ignored = is_true(matcher, "ignore_case");
    let lower = |text: &str| if is_ignored { text.to_ascii_lowercase() } else { text.to_owned() };
    let any = |takes: &dyn Fn(&str) -> bool| takes("*") || takes(&lower(origin));
    if let Some(exact) = text(matcher, "exact").map(lower) {
        return Some(any(&|origin| origin == exact));
    }
    if let Some(prefix) = text(matcher, "prefix").map(lower) {
        return Some(any(&|origin| origin.starts_with(&prefix)));
    }
    if let Some(suffix) = text(matcher, "suffix").map(lower) {
        return Some(any(&|origin| origin.ends_with(&suffix)));
    }
    text(matcher, "contains").map(lower).map(|part| any(&|origin| origin.contains(&part)))
}

/// Whether a matcher certainly takes origins of others, beside those that it is meant for.
fn takes_strangers(matcher: &Node) -> bool {
    if let Some(exact) = text(matcher, "exact") {
        return exact == "*";
    }
    if let Some(prefix) = text(matcher, "prefix") {
        // Behind the colon of a port come digits alone.
        let ends_in_port = prefix
            .rsplit_once(':')
            .is_some_and(|(before, behind)| before.contains("://") && behind.chars().all(|digit| digit.is_ascii_digit()));
        return !ends_in_port;
    }
    if let Some(suffix) = text(matcher, "suffix") {
        return !suffix.starts_with('.') && !suffix.contains("//");
    }
    let regex = field(matcher, "safe_regex").and_then(|regex| text(regex, "regex"));
    field(matcher, "contains").is_some() || regex.is_some_and(|regex| EVERY_ORIGIN.contains(&regex) || regex == "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::yaml::reader::read;
    use crate::cli::yaml::spot::Origin;

    #[test]
    fn matchers_take_origins_as_envoy_does() {
        let app = "https://app.example.com";
        for (written, takes_app, strangers) in [
            ("{exact: 'https://app.example.com'}", Some(true), false),
            ("{exact: 'HTTPS://app.example.com', ignore_case: true}", Some(true), false),
            ("{exact: 'https://other.example.com'}", Some(false), false),
            ("{exact: '*'}", Some(true), true),
            ("{prefix: '*'}", Some(true), true),
            ("{prefix: 'https://app.example.com'}", Some(true), true),
            ("{prefix: 'https://app.example.com:'}", Some(false), false),
            ("{suffix: example.com}", Some(true), true),
            ("{suffix: .example.com}", Some(true), false),
            ("{suffix: '//app.example.com'}", Some(true), false),
            ("{suffix: '://app.example.com'}", Some(true), false),
            ("{contains: example}", Some(true), true),
            ("{safe_regex: {regex: '.*'}}", None, true),
            ("{safe_regex: {regex: 'https://app[.]example[.]com'}}", None, false),
        ] {
            let matcher = read(written, Origin::FILE).unwrap().documents.remove(0);
            assert_eq!((takes(&matcher, app), takes_strangers(&matcher)), (takes_app, strangers), "{written}");
        }
    }
}
