//! The parts `policies` and `route_policies`: named conditions, and whether Envoy's routes may name them. Which rules name them
//! is not known here.

use crate::access::requirement::condition::Condition;
use crate::config::access::requirements::known::Known;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};

shape! {
    pub(crate) struct RoutePoliciesShape {
        /// the namespace of the route metadata that names a policy, under the key `policy`
        filter_metadata: String,
    }
}

/// Checks all policies: first each by itself, then with those that it names. Where a policy is refused, those that name it are
/// not refused for that.
pub(crate) fn policies(known: &mut Known<'_>, refusals: &mut Refusals) -> Checked<Vec<(String, Condition)>> {
    let written = known.policies.as_ref().map_err(|refused| *refused)?;
    let mut good: Vec<Checked<()>> = Vec::new();
    for (name, shape) in written {
        let shape = shape.as_ref().map_err(|refused| *refused);
        good.push(shape.and_then(|shape| known.policy(&format!("policies.{name}"), shape, refusals)).map(drop));
    }
    known.good_policies = Some(good);
    let mut whole = Vec::new();
    for (index, (name, shape)) in written.iter().enumerate() {
        let good = known.good_policies.as_ref().and_then(|good| good.get(index)).copied().unwrap_or(Ok(()));
        let shape = shape.as_ref().map_err(|refused| *refused);
        let condition = good.and(shape).and_then(|shape| known.policy(&format!("policies.{name}"), shape, refusals));
        if let (Err(refused), Some(good)) = (&condition, known.good_policies.as_mut().and_then(|good| good.get_mut(index))) {
            *good = Err(*refused);
        }
        whole.push(condition.map(|condition| (name.clone(), condition)));
    }
    whole.into_iter().collect()
}

/// Checks `route_policies`, and gives the namespace of the route metadata that may name a policy.
pub(crate) fn route_policies(
    shape: Checked<Option<RoutePoliciesShape>>,
    has_policies: Checked<bool>,
    refusals: &mut Refusals,
) -> Checked<Option<String>> {
    let Some(shape) = shape? else { return Ok(None) };
    let namespace = shape.filter_metadata?;
    if namespace.is_empty() {
        let sentence = "expected the namespace of the route metadata, found an empty text; write accredit";
        return Err(refusals.refuse("route_policies.filter_metadata", sentence));
    }
    if has_policies == Ok(false) {
        let sentence = "expected policies that routes can name, found none; define them under policies";
        return Err(refusals.refuse("route_policies", sentence));
    }
    Ok(Some(namespace))
}
