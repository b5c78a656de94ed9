//! Conditions: tests, and how they are joined. Only what is true lets anybody in, so that `not` cannot turn ignorance into permission.

use crate::access::requirement::test::{Surroundings, Test};
use crate::access::requirement::truth::{Truth, any_true};
use crate::words::demand::Demand;
use crate::words::principal::{ClaimPath, Principal};
use crate::words::reason::Reason;

/// A condition on a principal.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// This holds.
    Test(Test),
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It is known not to hold.
    Not(Box<Condition>),
}

impl From<Test> for Condition {
    fn from(test: Test) -> Self {
        Self::Test(test)
    }
}

impl Condition {
    pub(super) fn holds(&self, principal: &Principal, surroundings: Surroundings) -> Truth {
        match self {
            Self::Test(test) => test.holds(principal, surroundings),
            // All of them hold, unless any of them does not.
            Self::All(conditions) => {
                any_true(conditions.iter().map(|condition| condition.holds(principal, surroundings).not())).not()
            }
            Self::Any(conditions) => any_true(conditions.iter().map(|condition| condition.holds(principal, surroundings))),
            Self::Not(condition) => condition.holds(principal, surroundings).not(),
        }
    }

    /// The tests that are asked for outright: without any of them it does not hold, whatever else does.
    fn outright(&self) -> Vec<&Test> {
        match self {
            Self::Test(test) => vec![test],
            Self::All(conditions) => conditions.iter().flat_map(Self::outright).collect(),
            Self::Any(_) | Self::Not(_) => Vec::new(),
        }
    }

    /// The provider that is asked for outright.
    pub(super) fn provider(&self) -> Option<&str> {
        self.outright().into_iter().find_map(|test| match test {
            Test::Provider(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether only a bearer token can meet it.
    pub fn demands_token(&self) -> bool {
        self.outright().into_iter().any(Test::demands_token)
    }

    /// The authentication that is asked for outright; `None` when nobody could make it.
    pub(super) fn demand(&self) -> Option<Demand> {
        self.outright().into_iter().try_fold(Demand::default(), |both, test| match test {
            Test::Authentication(demand) => both.and(demand),
            _ => Some(both),
        })
    }

    /// The scopes that are asked for outright.
    pub fn scopes(&self) -> Vec<&str> {
        let mut asked_for = Vec::new();
        for test in self.outright() {
            if let Test::Scope(scopes) = test {
                asked_for.extend(scopes.iter().map(String::as_str));
            }
        }
        asked_for
    }

    /// What another token, or another sign-in, would have to bring, if nothing else is missing and it is asked for outright.
    pub(super) fn missing(&self, principal: &Principal, surroundings: Surroundings) -> Reason {
        // What is missing beside something that comes before it would not help alone.
        const FIRST: [Reason; 4] =
            [Reason::ConditionFailed, Reason::AudienceMissing, Reason::ScopeMissing, Reason::AuthenticationInsufficient];
        match self {
            Self::Test(test) => test.missing(principal),
            Self::All(conditions) => {
                let failing = conditions.iter().filter(|condition| condition.holds(principal, surroundings) != Truth::True);
                let missing: Vec<_> = failing.map(|condition| condition.missing(principal, surroundings)).collect();
                FIRST.into_iter().find(|reason| missing.contains(reason)).unwrap_or(Reason::ConditionFailed)
            }
            Self::Any(_) | Self::Not(_) => Reason::ConditionFailed,
        }
    }

    /// Every claim that is looked at.
    pub fn claims(&self, found: &mut Vec<ClaimPath>) {
        match self {
            Self::Test(test) => test.claims(found),
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|condition| condition.claims(found)),
            Self::Not(condition) => condition.claims(found),
        }
    }
}
