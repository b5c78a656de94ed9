//! The part `internal_redirects`: whether the pass after an internal redirect of Envoy knows who was asking. How it does is not
//! known here.

use crate::config::reading::refusal::{Checked, Refusals};
use crate::crypto::seal::Sealer;

/// Checks the switch beside the keys that seal what is kept, and beside policies of routes: the headers that the first pass has
/// added are there in the second one, and while routes name policies, no request may bring these.
pub(crate) fn internal_redirects(
    on: Checked<bool>,
    sealer: &Checked<Sealer>,
    route_policies: &Checked<Option<String>>,
    refusals: &mut Refusals,
) -> Checked<bool> {
    const NAME: &str = "internal_redirects";
    if on != Ok(true) {
        return on;
    }
    if matches!(route_policies, Ok(Some(_))) {
        let sentence = "expected false beside route_policies, found true; every request after an internal redirect would be refused, so remove one of both";
        return Err(refusals.refuse(NAME, sentence));
    }
    if sealer.as_ref().is_ok_and(|sealer| sealer.key_ids().next().is_none()) {
        let sentence =
            "expected session.keys, which seal the credential of a request, found none; make one with: openssl rand -base64 32";
        return Err(refusals.refuse(NAME, sentence));
    }
    on
}
