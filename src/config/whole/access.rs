//! Rules and policies, beside everything that they may refer to. Each is checked in [`crate::config::access`]; here it is only
//! gathered what they need of other parts.

use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::kept_members::Compared;
use crate::access::route::Rule;
use crate::config::access::operator_logout::{OPERATOR_LOGOUT, OperatorLogoutShape, operator_logout};
use crate::config::access::policies::{RoutePoliciesShape, policies, route_policies};
use crate::config::access::requirements::known::{Known, PolicyShapes};
use crate::config::access::rules::forward;
use crate::config::access::rules::written::{RuleShape, SharedCacheWord};
use crate::config::access::rules::{self, rules};
use crate::config::providers::Providers;
use crate::config::providers::provider::Listed;
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::reading::values::{either, is_written};
use crate::config::settings::PASSWORD;
use crate::config::signing_in::accounts::several_claimants;
use crate::config::whole::ground::Ground;
use crate::config::whole::keys::Keys;
use crate::config::whole::signing_in::SigningIn;
use crate::words::principal::ClaimPath;

/// The parts about rules and policies, as they are written.
pub(super) struct Written {
    pub(super) rules: Checked<Vec<Checked<RuleShape>>>,
    pub(super) shared_cache: Checked<Option<SharedCacheWord>>,
    /// Whether sessions keep the provider's access token.
    pub(super) keeps_access_token: Checked<bool>,
    pub(super) policies: PolicyShapes,
    pub(super) route_policies: Checked<Option<RoutePoliciesShape>>,
    pub(super) operator_logout: Checked<OperatorLogoutShape>,
}

/// The same parts, checked.
pub(super) struct Access {
    pub(super) rules: Checked<Vec<Rule>>,
    pub(super) policies: Checked<Vec<(String, Condition)>>,
    pub(super) route_policies: Checked<Option<String>>,
    /// Which operators may end the sessions of everybody.
    pub(super) may_end_everybody: Checked<Option<Condition>>,
    pub(super) several_claimants: Checked<bool>,
    /// The claims that rules and policies look at.
    pub(super) named: Vec<ClaimPath>,
    /// What they compare claims with.
    pub(super) compared: Vec<Compared>,
    /// What an operator should look at in rules that are good.
    pub(super) warnings: Vec<Refusal>,
}

impl Access {
    /// Checks all of them.
    pub(super) fn new(written: Written, ground: &Ground, keys: &Keys, signing_in: &SigningIn, refusals: &mut Refusals) -> Self {
        let several_claimants = several_claimants(&ground.providers, &signing_in.accounts, ground.by_password, ground.tokens.jwt);
        let mut known = Known {
            providers: ground.providers.names(Listed::vouches),
            bearer_providers: ground.providers.names(|listed| listed.has_bearer),
            by_password: ground.by_password.map(|by_password| by_password.then_some(PASSWORD)),
            several_claimants,
            policies: &written.policies,
            good_policies: None,
            named_by_routes: is_written(&written.route_policies),
        };
        let policies = policies(&mut known, refusals);
        let paths = signing_in.paths(ground);
        // The endpoint of operators is answered by the rule that matches its path.
        let before_rules = paths.iter().filter(|(name, _)| *name != OPERATOR_LOGOUT);
        let answered: Vec<_> = before_rules.map(|(name, path)| (*name, path.as_str())).collect();
        let by_provider = ground.providers.of_each(|listed| listed.has_bearer).map(|each| each.contains(&true));
        let context = rules::Context {
            origins: &ground.origins,
            answered: &answered,
            cookies: signing_in.cookies,
            bearer_tokens: either(by_provider, ground.tokens.bearer),
            identity_jwt: is_written(&keys.identity_jwt),
            upstream_tokens: forward::Ground {
                providers: ground.providers.of_each(known_provider),
                by_password: ground.by_password,
                keeps_access_token: written.keeps_access_token,
            },
            shared_cache: written.shared_cache,
        };
        let rules = rules(written.rules, &known, &context, refusals);
        let has_policies = written.policies.as_ref().map(|policies| !policies.is_empty()).map_err(|refused| *refused);
        let route_policies = route_policies(written.route_policies, has_policies, refusals);
        let endpoints = signing_in.answered.endpoints.as_ref();
        let endpoint = endpoints.map(|endpoints| endpoints.operator_logout.is_some()).map_err(|refused| *refused);
        let may_end_everybody = operator_logout(written.operator_logout, endpoint, &known, refusals);
        let (mut named, mut compared) = (Vec::new(), Vec::new());
        let of_rules = rules.requirements.iter().filter_map(|require| match require {
            Requirement::When(condition) => Some(condition),
            Requirement::Public | Requirement::Authenticated => None,
        });
        let of_everybody = may_end_everybody.iter().flatten();
        for condition in policies.iter().flatten().map(|(_, policy)| policy).chain(of_rules).chain(of_everybody) {
            condition.claims(&mut named);
            condition.compared(&mut compared);
        }
        let warnings = rules.warnings;
        let rules = check_clients(&ground.providers, rules.all, refusals);
        Self { rules, policies, route_policies, may_end_everybody, several_claimants, named, compared, warnings }
    }
}

/// Refuses a client by which nobody signs in, and which does nothing else: no rule gets tokens by it, and it asks about none.
fn check_clients(providers: &Providers, rules: Checked<Vec<Rule>>, refusals: &mut Refusals) -> Checked<Vec<Rule>> {
    let rules = rules?;
    let asked: Vec<_> = rules.iter().filter_map(|rule| rule.upstream_token.as_ref()?.provider.as_ref()).collect();
    let is_idle = |listed: &Listed| {
        let is_asked = listed.name.as_ref().is_ok_and(|name| asked.contains(&name));
        listed.client_alone == Ok(true) && listed.has_bearer == Ok(false) && !is_asked
    };
    let Some((index, _)) = providers.readable().find(|(_, listed)| is_idle(listed)) else { return Ok(rules) };
    let sentence = "expected a rule that gets tokens by this client, found none; name it in provider of forward.token_exchange or forward.client_credentials, or remove it";
    Err(refusals.refuse(format!("providers[{index}].sign_in"), sentence))
}

/// What tokens of its own for the application depend on, of a provider.
fn known_provider(listed: &Listed) -> Checked<forward::Known> {
    let provider = listed.provider.as_ref().map_err(|refused| *refused)?;
    Ok(forward::Known {
        name: provider.name.clone(),
        signs_in: provider.signs_in(),
        has_client: provider.has_client(),
        has_bearer: provider.bearer.is_some(),
        forwards: provider.bearer.as_ref().is_some_and(|bearer| bearer.forward),
    })
}
