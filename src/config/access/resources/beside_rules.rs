//! What rules must be like for the paths of protected resources, and what resources learn from them. What a resource is by itself is not
//! checked here.

use crate::access::mcp::call::Call;
use crate::access::mcp::calls::Calls;
use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::resources::{BodyCheckedBy, ProtectedResource};
use crate::access::route::{Credentials, Match, PathMatch, Rule, Rules, Unauthenticated};
use crate::config::reading::place::words;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::http::url::Origin;

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum BodyCheckedByWord {
        /// Envoy's filter `envoy.filters.http.mcp`, behind Accredit. It does not compare arguments
        EnvoyMcpFilter = "envoy_mcp_filter",
        /// that filter before Accredit, which then decides by the body, for all versions
        EnvoyMcpFilterBefore = "envoy_mcp_filter_before",
        /// the server itself
        Server = "server",
    }
}

impl BodyCheckedByWord {
    pub(super) const fn meaning(self) -> BodyCheckedBy {
        match self {
            Self::Server => BodyCheckedBy::Server,
            Self::EnvoyMcpFilter => BodyCheckedBy::EnvoyMcpFilter,
            Self::EnvoyMcpFilterBefore => BodyCheckedBy::EnvoyMcpFilterBefore,
        }
    }
}

/// All scopes without which the rules for the paths that fit `resource` let nobody in, each once, in the order of the rules.
pub(super) fn asked_for(rules: &Rules, origin: &Origin, resource: &Match) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let here = rules.all().iter().filter(|rule| rule.matches.host.as_deref().is_none_or(|host| host == origin.host()));
    for rule in here.filter(|rule| rule.matches.path.touches(&resource.path)) {
        if let Requirement::When(condition) = &rule.require {
            for scope in condition.scopes(&Call::Any) {
                if !found.iter().any(|other| other == scope) {
                    found.push(scope.to_owned());
                }
            }
        }
        // No rule behind it decides about this resource.
        if rule.matches.methods.is_none() && rule.matches.calls.is_none() && rule.matches.path.covers(&resource.path) {
            break;
        }
    }
    found
}

/// Whether all requests of a rule on this origin are for the resource.
fn is_within(rule: &Rule, origin: &Origin, on: &Origin, resource: &ProtectedResource) -> bool {
    on == origin && (resource.path.is_empty() || PathMatch::SeparatedPrefix(resource.path.clone()).covers(&rule.matches.path))
}

/// Resources that are good by themselves, beside the rules.
pub(super) struct BesideRules<'a> {
    /// The resources, on each of their origins.
    pub(super) all: &'a [(Origin, ProtectedResource)],
    /// Who compares calls with the body, with the position of the resource in the configuration, for each of `all`.
    pub(super) checkers: &'a [(usize, Checked<Option<BodyCheckedByWord>>)],
    pub(super) origins: &'a [Origin],
    pub(super) rules: &'a Rules,
}

impl BesideRules<'_> {
    /// Checks all that rules must be like for the paths of resources.
    pub(super) fn check(&self, refusals: &mut Refusals) -> Checked<()> {
        let credentials = self.check_credentials(refusals);
        let paths = self.check_allowed_paths(refusals);
        self.check_calls(refusals).and(credentials).and(paths)
    }

    /// The origins that a rule is for.
    fn origins_of(&self, rule: &Rule) -> impl Iterator<Item = &Origin> {
        self.origins.iter().filter(|origin| rule.matches.host.as_deref().is_none_or(|host| host == origin.host()))
    }

    /// Refuses rules for the paths of resources alone that count on sessions: only tokens count there.
    fn check_credentials(&self, refusals: &mut Refusals) -> Checked<()> {
        let mut checked = Ok(());
        for rule in self.rules.all() {
            let around = |origin: &Origin| self.all.iter().find(|(on, resource)| is_within(rule, origin, on, resource));
            let Some(found) = self.origins_of(rule).map(around).collect::<Option<Vec<_>>>() else { continue };
            let Some((_, resource)) = found.first() else { continue };
            let (member, found) = match (rule.credentials, rule.unauthenticated) {
                (Credentials::Session, _) => ("credentials", "session"),
                (_, Unauthenticated::Redirect) => ("unauthenticated", "redirect"),
                _ => continue,
            };
            let sentence =
                format!("expected none for the paths of {}, where only tokens count, found {found}; remove it", resource.uri);
            checked = Err(refusals.refuse(format!("{}.{member}", rule.name), sentence));
        }
        checked
    }

    /// Refuses `allow_in_path` where a path that servers read differently may be a resource's in one reading only: outside of it, a session
    /// would count.
    fn check_allowed_paths(&self, refusals: &mut Refusals) -> Checked<()> {
        let mut checked = Ok(());
        for rule in self.rules.all().iter().filter(|rule| !rule.allow_in_path.is_empty()) {
            let is_near = |origin: &Origin, (on, resource): &(Origin, ProtectedResource)| {
                let below = PathMatch::SeparatedPrefix(resource.path.clone());
                on == origin && !resource.path.is_empty() && rule.matches.path.touches(&below)
            };
            let near = self.origins_of(rule).find_map(|origin| self.all.iter().find(|one| is_near(origin, one)));
            if let Some((_, resource)) = near {
                let sentence = format!(
                    "expected none where the rule may be for paths of {}, because a server may take such a path for one of these, found some; remove it, or write a rule for fewer paths",
                    resource.uri
                );
                checked = Err(refusals.refuse(format!("{}.allow_in_path", rule.name), sentence));
            }
        }
        checked
    }

    /// Refuses rules that look at calls where no resource is, or where nobody compares them with the body.
    fn check_calls(&self, refusals: &mut Refusals) -> Checked<()> {
        let mut checked = Ok(());
        for rule in self.rules.all() {
            let tests = match &rule.require {
                Requirement::When(condition) => condition.tests(),
                Requirement::Public | Requirement::Authenticated => Vec::new(),
            };
            if rule.matches.calls.is_none() && !tests.iter().any(|test| test.looks_at_calls()) {
                continue;
            }
            let has_params = |calls: &Calls| !calls.params.is_empty();
            let with_params = if rule.matches.calls.as_ref().is_some_and(has_params) {
                Some("match.mcp.params")
            } else {
                tests.iter().filter_map(|test| test.calls()).any(has_params).then_some("require")
            };
            // Below a resource there may be another one with another filter.
            let touched = |(on, resource): &(Origin, ProtectedResource)| {
                self.origins_of(rule).any(|origin| origin == on)
                    && rule.matches.path.touches(&PathMatch::SeparatedPrefix(resource.path.clone()))
            };
            let with_checkers = || self.all.iter().zip(self.checkers);
            let unchecked_params =
                with_params.filter(|_| with_checkers().any(|(one, (_, checker))| touched(one) && leaves_arguments_out(*checker)));
            if let Some(member) = unchecked_params {
                checked = Err(refusals.refuse(format!("{}.{member}", rule.name), PARAMS_UNCHECKED));
                continue;
            }
            for origin in self.origins_of(rule) {
                // The innermost one counts.
                let around = with_checkers().filter(|((on, resource), _)| is_within(rule, origin, on, resource));
                let around = around.max_by_key(|((_, resource), _)| resource.path.len());
                let (place, sentence) = match around.map(|(_, checker)| checker) {
                    None => (rule.name.to_string(), nowhere(origin)),
                    Some((index, Ok(None))) => (format!("resources[{index}].body_checked_by"), unchecked(rule)),
                    Some(_) => continue,
                };
                checked = Err(refusals.refuse(place, sentence));
            }
        }
        checked
    }
}

/// Refuses policies that look at arguments and that routes may name, where somebody compares calls who does not look at these: a route may
/// be that of any resource.
pub(super) fn check_route_policies(
    checkers: &[(usize, Checked<Option<BodyCheckedByWord>>)],
    policies: &[(String, Condition)],
    refusals: &mut Refusals,
) -> Checked<()> {
    if !checkers.iter().any(|(_, checker)| leaves_arguments_out(*checker)) {
        return Ok(());
    }
    let mut checked = Ok(());
    for (name, policy) in policies {
        if policy.tests().iter().filter_map(|test| test.calls()).any(|calls| !calls.params.is_empty()) {
            checked = Err(refusals.refuse(format!("policies.{name}"), PARAMS_UNCHECKED));
        }
    }
    checked
}

/// Whether who compares calls with bodies does not compare their arguments.
fn leaves_arguments_out(checker: Checked<Option<BodyCheckedByWord>>) -> bool {
    matches!(checker, Ok(Some(BodyCheckedByWord::EnvoyMcpFilter | BodyCheckedByWord::EnvoyMcpFilterBefore)))
}

fn nowhere(origin: &Origin) -> String {
    format!(
        "expected a rule for the paths of a resource, because it looks at calls to an MCP server, found one for others at {origin}; write match.path_separated_prefix, and the resource in resources"
    )
}

fn unchecked(rule: &Rule) -> String {
    format!(
        "expected who compares the header fields with the body, because {} looks at them, found none; write envoy_mcp_filter, or server if the server does it",
        rule.name
    )
}

const PARAMS_UNCHECKED: &str = "expected no arguments where Envoy's filter compares fields with the body, because it does not compare these, found some; write body_checked_by: server if the server does it, or remove them";
