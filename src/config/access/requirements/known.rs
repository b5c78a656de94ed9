//! The names that requirements may refer to. Where such a name was refused elsewhere, whoever refers to it is not refused for
//! that. What a requirement asks for is not known here.

use crate::config::access::requirements::written::RequirementShape;
use crate::config::reading::refusal::Checked;

/// The named policies, as they are written.
pub(crate) type PolicyShapes = Checked<Vec<(String, Checked<RequirementShape>)>>;

/// What requirements may refer to.
pub(crate) struct Known<'a> {
    /// The names of all providers.
    pub(crate) providers: Checked<Vec<String>>,
    /// The names of the providers whose bearer tokens are accepted.
    pub(crate) bearer_providers: Checked<Vec<String>>,
    /// What stands for a provider's name in sessions by password, if people sign in by password.
    pub(crate) by_password: Checked<Option<&'static str>>,
    /// Whether claims may come from more than one source: from several providers, or from services that make sessions.
    pub(crate) several_claimants: Checked<bool>,
    pub(crate) policies: &'a PolicyShapes,
    /// Whether each policy is good, in the same order; `None` as long as each is checked by itself.
    pub(crate) good_policies: Option<Vec<Checked<()>>>,
    /// Whether Envoy's routes can name policies, so that each must make sense without a rule around it.
    pub(crate) named_by_routes: Checked<bool>,
}

impl Known<'_> {
    /// The names of all policies, also of those that were refused.
    pub(super) fn policy_names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().flatten().map(|(name, _)| name.as_str())
    }
}
