//! What a rule asks for, whether somebody meets it, and what is missing where somebody does not. It opens the sub-room of
//! conditions and the tests that they are made of. This sub-room never knows which request is asked about, nor how it is
//! answered.

pub mod condition;
pub mod kept_members;
#[cfg(not(target_arch = "wasm32"))]
pub mod report;
pub mod test;

use std::collections::BTreeSet;

use crate::access::requirement::condition::Condition;
#[cfg(not(target_arch = "wasm32"))]
use crate::access::requirement::report::Report;
use crate::access::requirement::test::{Case, shortened};
use crate::access::truth::Truth;
use crate::words::demand::Demand;
use crate::words::reason::{Failure, Reason};

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// Nothing. If somebody is signed in all the same, the upstream is told who.
    Public,
    /// That somebody is signed in.
    Authenticated,
    /// That somebody is signed in, and that this condition holds for them.
    When(Condition),
}

impl Requirement {
    /// Whether somebody meets it.
    ///
    /// # Errors
    /// [`Reason::ProviderMismatch`] when somebody has to sign in at another provider; [`Reason::AudienceMissing`],
    /// [`Reason::ScopeMissing`] or [`Reason::AuthenticationInsufficient`] when nothing else is missing; else
    /// [`Reason::ConditionFailed`]. The detail says which claims were looked for, which arrived, and what the
    /// requirement wants.
    pub fn check(&self, case: Case<'_>) -> Result<(), Failure> {
        match self {
            Self::Public | Self::Authenticated => Ok(()),
            Self::When(condition) if condition.holds(case) == Truth::True => Ok(()),
            Self::When(condition) => {
                let other_provider = condition.provider().is_some_and(|provider| provider != case.principal.provider);
                let reason = if other_provider { Reason::ProviderMismatch } else { condition.missing(case) };
                Err(Failure::new(reason, explain(condition, case)))
            }
        }
    }

    /// The provider that somebody has to sign in at, if the requirement cannot be met otherwise.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Public | Self::Authenticated => None,
            Self::When(condition) => condition.provider(),
        }
    }

    /// The authentication without which the requirement cannot be met; `None` when its demands contradict each other, so that
    /// none meets it.
    pub fn demand(&self) -> Option<Demand> {
        match self {
            Self::Public | Self::Authenticated => Some(Demand::default()),
            Self::When(condition) => condition.demand(),
        }
    }

    /// The names of the claims that the requirement looks at, sorted, each once.
    pub fn claims(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Self::When(condition) = self {
            condition.claims(&mut found);
        }
        let mut names = BTreeSet::new();
        names.extend(found.iter().map(ToString::to_string));
        names.into_iter().collect()
    }

    /// How each part of its condition stands with somebody; `None` of a requirement without one.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn report(&self, case: Case<'_>) -> Option<Report> {
        match self {
            Self::Public | Self::Authenticated => None,
            Self::When(condition) => Some(condition.report(case)),
        }
    }

    /// What it asks for, as a phrase that completes "it asks for …".
    #[cfg(not(target_arch = "wasm32"))]
    pub fn in_words(&self) -> String {
        match self {
            Self::Public => "nothing".to_owned(),
            Self::Authenticated => "somebody who is signed in".to_owned(),
            Self::When(condition) => ["somebody with ", &condition.wanted()].concat(),
        }
    }

    /// This requirement and another, which must both be met.
    pub fn with(&self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::When(condition)) => self.and(condition),
            (Self::Public, other) => other.clone(),
            (Self::Authenticated | Self::When(_), _) => self.clone(),
        }
    }

    /// Whether it looks at what a request calls at an MCP server.
    pub fn looks_at_calls(&self) -> bool {
        matches!(self, Self::When(condition) if condition.tests().iter().any(|test| test.looks_at_calls()))
    }

    /// This requirement and the condition of a policy, which must both be met.
    pub fn and(&self, policy: &Condition) -> Self {
        match self {
            Self::Public | Self::Authenticated => Self::When(policy.clone()),
            Self::When(condition) => Self::When(Condition::All(vec![condition.clone(), policy.clone()])),
        }
    }
}

/// What the tests looked for and found, which provider is asked for, and what the rule wants, as a sentence for the log.
fn explain(condition: &Condition, case: Case<'_>) -> String {
    let signed_in = &case.principal.provider;
    let provider = condition.provider().map(|name| format!("provider {name} is asked for, {signed_in} signed in"));
    let wanted = ["the rule asks for ", &shortened(&condition.wanted())].concat();
    condition.found(case).into_iter().chain(provider).chain([wanted]).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
