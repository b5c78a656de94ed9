//! The endpoint at which operators end sessions: who may call it is said by the rule that matches its path, which must name
//! somebody; and who may end the sessions of everybody. What is ended there is not known here.

use crate::access::mcp::call::Call;
use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::route::Rules;
use crate::config::access::requirements::known::Known;
#[cfg(not(target_arch = "wasm32"))]
use crate::config::access::requirements::written;
use crate::config::access::requirements::written::RequirementShape;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::http::url::Origin;

/// The endpoint's name.
pub(crate) const OPERATOR_LOGOUT: &str = "operator_logout";

shape! {
    pub(crate) struct OperatorLogoutShape {
        /// who of those whom the rule lets in may end the sessions of everybody: a [condition](#requirements) that names somebody
        /// Default: nobody
        everybody: Option<RequirementShape> where written::conditions(),
    }
}

/// Checks who may end the sessions of everybody; `None` if nobody may. `endpoint` is whether there is the endpoint.
pub(crate) fn operator_logout(
    shape: Checked<OperatorLogoutShape>,
    endpoint: Checked<bool>,
    known: &Known<'_>,
    refusals: &mut Refusals,
) -> Checked<Option<Condition>> {
    const PLACE: &str = "operator_logout.everybody";
    let Some(everybody) = shape?.everybody? else { return Ok(None) };
    if endpoint == Ok(false) {
        let sentence =
            "expected endpoints.operator_logout, where sessions are ended, found none; write its path, or remove operator_logout";
        return Err(refusals.refuse("operator_logout", sentence));
    }
    match known.requirement(PLACE, &everybody, refusals)? {
        Requirement::When(condition) if condition.names_somebody() => Ok(Some(condition)),
        _ => {
            let sentence = "expected a condition that names somebody, found one that many meet who sign in; write {claim: groups, any_of: [operators]}";
            Err(refusals.refuse(PLACE, sentence))
        }
    }
}

/// Checks that, on every origin, the rule that matches the endpoint's path names somebody. It takes only POST.
pub(crate) fn check_rule(path: Option<&str>, origins: &[Origin], rules: &Rules, refusals: &mut Refusals) -> Checked<()> {
    let Some(path) = path else { return Ok(()) };
    let names_somebody = |require: &Requirement| match require {
        Requirement::Public | Requirement::Authenticated => false,
        Requirement::When(condition) => condition.names_somebody(),
    };
    // A rule that is for certain calls leaves the others to the next one.
    let deciding = origins.iter().flat_map(|origin| {
        let (rule, possible) = rules.deciding("POST", origin.host(), path, &Call::Any);
        possible.into_iter().chain([rule]).map(move |rule| (origin, rule))
    });
    let open = { deciding }.find(|(_, rule)| !names_somebody(&rule.require));
    let Some((origin, rule)) = open else { return Ok(()) };
    let found = match &*rule.name {
        "default" => "none, so that everybody meets it who is signed in".to_owned(),
        name if rule.require == Requirement::Public => format!("{name}, which is public"),
        name => format!("{name}, which many meet who are signed in"),
    };
    let sentence = format!(
        "expected a rule that names who may end sessions, for POST at {origin}, found {found}; write {{match: {{path: {path}}}, require: {{claim: groups, any_of: [operators]}}}} before it"
    );
    Err(refusals.refuse(format!("endpoints.{OPERATOR_LOGOUT}"), sentence))
}
