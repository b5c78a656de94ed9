//! Requirements as written → requirements that can be evaluated: named policies are put in their place, names are checked.

use std::time::Duration;

use serde_json::Value;

use crate::access::condition::Condition;
use crate::access::requirement::Requirement;
use crate::access::test::Test;
use crate::config::Refusal;
use crate::config::shapes;
use crate::config::spellings::ClaimName;
use crate::words::demand::{Demand, LONGEST_CLASSES, is_class};
use crate::words::principal::ClaimPath;

/// Nesting that nobody needs, and that would only cost.
const DEEPEST: usize = 16;

/// What conditions may refer to.
pub(super) struct Known<'a> {
    pub(super) providers: Vec<&'a str>,
    pub(super) policies: &'a [(String, shapes::Requirement)],
    /// Those whose tokens are accepted as bearer tokens.
    pub(super) bearer_providers: Vec<&'a str>,
    /// Whether somebody else may claim what a condition is about: another provider, or services that make sessions.
    pub(super) several_claimants: bool,
    /// The name of sessions by password, where there are any.
    pub(super) by_password: Option<&'a str>,
    /// Whether sessions come in cookies at all.
    pub(super) cookies: bool,
    /// Whether sessions are accepted as bearer tokens.
    pub(super) session_tokens: bool,
    /// Whether there is an identity JWT, which is for somebody.
    pub(super) identity_jwt: bool,
    /// What holds for caches where a rule does not say.
    pub(super) shared_cache: Option<shapes::SharedCache>,
    /// Whether Envoy's routes name policies, so that each must stand alone.
    pub(super) named_by_routes: bool,
}

/// Whose claims a condition is about. With several providers that must be said: one may claim what another's rules are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claimant {
    /// There is one provider only, or one is named, or any will do.
    Settled,
    /// Nobody has said.
    Open,
    /// Nobody has said outside of a `not`; to name one within it would let all the others in.
    OpenWithinNot,
}

impl Known<'_> {
    /// A rule's requirement.
    pub(super) fn requirement(&self, path: &str, shape: &shapes::Requirement) -> Result<Requirement, Refusal> {
        match shape {
            shapes::Requirement::Word(word) => match word.as_str() {
                "public" => Ok(Requirement::Public),
                "authenticated" => Ok(Requirement::Authenticated),
                _ => Err(Refusal::new(
                    path,
                    "expected public, authenticated or a condition, found another word; for a named policy write {policy: NAME}",
                )),
            },
            shapes::Requirement::Condition(condition) => {
                self.condition(path, condition, DEEPEST, self.anybody()).map(Requirement::When)
            }
        }
    }

    /// A named policy.
    pub(super) fn policy(&self, path: &str, shape: &shapes::Requirement) -> Result<Condition, Refusal> {
        let claimant = if self.named_by_routes { self.anybody() } else { Claimant::Settled };
        self.policy_within(path, shape, DEEPEST, claimant)
    }

    /// Who may claim things before anything was said about it.
    fn anybody(&self) -> Claimant {
        if self.several_claimants { Claimant::Open } else { Claimant::Settled }
    }

    fn policy_within(
        &self,
        path: &str,
        shape: &shapes::Requirement,
        depth: usize,
        claimant: Claimant,
    ) -> Result<Condition, Refusal> {
        match shape {
            shapes::Requirement::Condition(condition) => self.condition(path, condition, depth, claimant),
            // Everything that is signed in meets an empty list of conditions.
            shapes::Requirement::Word(word) if word == "authenticated" => Ok(Condition::All(Vec::new())),
            shapes::Requirement::Word(_) => {
                Err(Refusal::new(path, "expected authenticated or a condition, found another word; a policy cannot be public"))
            }
        }
    }

    fn condition(&self, path: &str, shape: &shapes::Condition, depth: usize, claimant: Claimant) -> Result<Condition, Refusal> {
        let Some(depth) = depth.checked_sub(1) else {
            // Only a policy that leads to itself, or a nesting that nobody reads, gets here: the beginning of the path says enough.
            let beginning = path.split(".policy.policy").next().unwrap_or(path);
            let sentence = format!("expected at most {DEEPEST} levels, found more; does a policy name itself?");
            return Err(Refusal::new(beginning, sentence));
        };
        let at = |member: &str| format!("{path}.{member}");
        let claimant = match claimant {
            Claimant::Open if shape.provider.is_some() || shape.bearer.is_some() => Claimant::Settled,
            Claimant::Open | Claimant::OpenWithinNot if shape.any_provider => Claimant::Settled,
            claimant => claimant,
        };
        let speaks_of_claims = shape.claim.is_some()
            || shape.email_domain.is_some()
            || shape.scope.is_some()
            || shape.audience.is_some()
            || shape.acr.is_some()
            || shape.max_auth_age.is_some();
        if claimant != Claimant::Settled && speaks_of_claims {
            return Err(Refusal::new(
                path,
                "expected the provider whose claims count, found none, and there are several; write provider: NAME beside the condition (outside of not), or any_provider: true",
            ));
        }
        let mut all = Vec::new();
        match (&shape.claim, &shape.any_of) {
            (Some(claim), Some(any_of)) => {
                let claim = claim_path(&at("claim"), claim)?;
                all.push(Test::Claim { path: claim, any_of: values(&at("any_of"), any_of)? }.into());
            }
            (Some(_), None) => {
                return Err(Refusal::new(
                    at("any_of"),
                    "expected a list of values for the claim, found none; write any_of: [VALUE]",
                ));
            }
            (None, Some(_)) => {
                return Err(Refusal::new(
                    at("claim"),
                    "expected the claim that any_of is about, found none; write claim: groups",
                ));
            }
            (None, None) => {}
        }
        if let Some(name) = &shape.bearer {
            if !self.bearer_providers.contains(&name.as_str()) {
                let sentence = format!("expected a provider with bearer: {{audiences: […]}}, found {name}; give it one");
                return Err(Refusal::new(at("bearer"), sentence));
            }
            all.push(Test::Bearer.into());
            all.push(Test::Provider(name.clone()).into());
        }
        if let Some(scopes) = &shape.scope {
            let plain = |scope: &String| {
                !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
            };
            if scopes.is_empty() || !scopes.iter().all(plain) {
                return Err(Refusal::new(
                    at("scope"),
                    "expected scopes without spaces, found none or others; write scope: [hooks:write]",
                ));
            }
            all.push(Test::Scope(scopes.clone()).into());
        }
        if let Some(audiences) = &shape.audience {
            if audiences.is_empty() || audiences.iter().any(String::is_empty) {
                return Err(Refusal::new(
                    at("audience"),
                    "expected audiences, found none or an empty one; write audience: [orders]",
                ));
            }
            all.push(Test::Audience(audiences.clone()).into());
        }
        if shape.acr.is_some() || shape.max_auth_age.is_some() {
            all.push(Test::Authentication(demand(path, shape)?).into());
        }
        if let Some(domains) = &shape.email_domain {
            all.push(Test::EmailDomain(domain_names(&at("email_domain"), domains)?).into());
        }
        if let Some(provider) = &shape.provider {
            if !self.providers.contains(&provider.as_str()) && self.by_password != Some(provider) {
                let known: Vec<_> = self.providers.iter().copied().chain(self.by_password).collect();
                let known = known.join(", ");
                return Err(Refusal::new(
                    at("provider"),
                    format!("expected one of {known}, found {provider}; name a provider above"),
                ));
            }
            all.push(Test::Provider(provider.clone()).into());
        }
        if let Some(name) = &shape.policy {
            let Some(policy) = self.policies.iter().find(|(other, _)| other == name).map(|(_, policy)| policy) else {
                return Err(Refusal::new(
                    at("policy"),
                    format!("expected the name of a policy, found {name}; define it under policies"),
                ));
            };
            all.push(self.policy_within(&at("policy"), policy, depth, claimant)?);
        }
        let list = |member: &str, conditions: &[shapes::Condition]| {
            if conditions.is_empty() {
                return Err(Refusal::new(at(member), "expected conditions, found an empty list; remove it or fill it"));
            }
            let each = conditions.iter().enumerate();
            each.map(|(index, condition)| self.condition(&format!("{path}.{member}[{index}]"), condition, depth, claimant))
                .collect()
        };
        if let Some(conditions) = &shape.all {
            all.push(Condition::All(list("all", conditions)?));
        }
        if let Some(conditions) = &shape.any {
            all.push(Condition::Any(list("any", conditions)?));
        }
        if let Some(condition) = &shape.not {
            let claimant = if claimant == Claimant::Open { Claimant::OpenWithinNot } else { claimant };
            all.push(Condition::Not(Box::new(self.condition(&at("not"), condition, depth, claimant)?)));
        }
        let mut all = all.into_iter();
        match (all.next(), all.next()) {
            (None, _) => Err(Refusal::new(
                path,
                "expected a condition, found an empty object; write {claim: groups, any_of: [admins]}, or authenticated",
            )),
            (Some(only), None) => Ok(only),
            (Some(first), Some(second)) => Ok(Condition::All([first, second].into_iter().chain(all).collect())),
        }
    }
}

fn demand(path: &str, shape: &shapes::Condition) -> Result<Demand, Refusal> {
    const SHORTEST: Duration = Duration::from_secs(30);
    const LONGEST: Duration = Duration::from_secs(400 * 24 * 3_600);
    let acr_values = shape.acr.clone().unwrap_or_default();
    let long = acr_values.iter().map(String::len).sum::<usize>() > LONGEST_CLASSES;
    if long || shape.acr.as_ref().is_some_and(Vec::is_empty) || !acr_values.iter().all(|class| is_class(class)) {
        return Err(Refusal::new(
            format!("{path}.acr"),
            "expected classes without spaces and quotes, found none, others or too many; write acr: [\"urn:example:mfa\"]",
        ));
    }
    if shape.max_auth_age.is_some_and(|span| span.0 < SHORTEST || span.0 > LONGEST) {
        return Err(Refusal::new(
            format!("{path}.max_auth_age"),
            "expected a span from 30s to 400d, found another; nobody signs in faster",
        ));
    }
    Ok(Demand { acr_values, max_age: shape.max_auth_age.map(|span| span.0.as_secs()) })
}

/// A claim's place.
pub(super) fn claim_path(path: &str, claim: &ClaimName) -> Result<ClaimPath, Refusal> {
    if claim.0.is_empty() || claim.0.iter().any(String::is_empty) {
        return Err(Refusal::new(path, "expected a claim name or a path of names, found an empty one; write claim: groups"));
    }
    Ok(ClaimPath::new(claim.0.clone()))
}

fn values(path: &str, values: &[Value]) -> Result<Vec<Value>, Refusal> {
    if values.is_empty() {
        return Err(Refusal::new(path, "expected at least one value, found none; a condition without values never holds"));
    }
    // A Struct has rounded larger numbers before they arrive here.
    let inexact = |value: &Value| value.as_f64().is_some_and(|number| value.is_f64() && number.abs() >= 9_007_199_254_740_992.0);
    if let Some(index) = values.iter().position(inexact) {
        let sentence =
            "expected a number that floating point can hold exactly, found a larger one; let the provider send it as a text";
        return Err(Refusal::new(format!("{path}[{index}]"), sentence));
    }
    match values.iter().position(|value| !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))) {
        Some(index) => Err(Refusal::new(
            format!("{path}[{index}]"),
            "expected a text, a number, true or false, found something else; list the values themselves",
        )),
        None => Ok(values.to_vec()),
    }
}

fn domain_names(path: &str, domains: &[String]) -> Result<Vec<String>, Refusal> {
    let plain = |domain: &String| {
        domain.contains('.') && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    if domains.is_empty() {
        return Err(Refusal::new(path, "expected at least one domain, found none; write email_domain: [example.com]"));
    }
    match domains.iter().position(|domain| !plain(domain)) {
        Some(index) => Err(Refusal::new(
            format!("{path}[{index}]"),
            "expected a domain, found something else; write example.com, without @ and without *",
        )),
        None => Ok(domains.iter().map(|domain| domain.to_ascii_lowercase()).collect()),
    }
}
