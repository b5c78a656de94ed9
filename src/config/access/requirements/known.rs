//! What requirements may refer to, as far as it is known: what was refused elsewhere is not missed here.

use crate::config::access::requirements::written::RequirementShape;
use crate::config::reading::refusal::Checked;

/// Named policies, as they are written.
pub(crate) type Written = Checked<Vec<(String, Checked<RequirementShape>)>>;

/// What there is.
pub(crate) struct Known<'a> {
    /// The names of providers.
    pub(crate) providers: Checked<Vec<String>>,
    /// The names of those whose tokens are accepted as bearer tokens.
    pub(crate) bearer_providers: Checked<Vec<String>>,
    /// The name of sessions by password, where there are any.
    pub(crate) by_password: Checked<Option<&'static str>>,
    /// Whether somebody else may claim what a condition is about: another provider, or services that make sessions.
    pub(crate) several_claimants: Checked<bool>,
    /// Named policies.
    pub(crate) policies: &'a Written,
    /// Which of them are good; absent as long as each is checked by itself.
    pub(crate) good_policies: Option<Vec<Checked<()>>>,
    /// Whether Envoy's routes name policies, so that each must stand alone.
    pub(crate) named_by_routes: Checked<bool>,
}

impl Known<'_> {
    /// The names of all policies.
    pub(super) fn policy_names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().flatten().map(|(name, _)| name.as_str())
    }
}
