//! Conditions: tests, and how they are joined. A condition lets somebody in only when it is known to be true, so that `not`
//! cannot turn a missing claim into permission. What a test looks at is not known here.

use crate::access::mcp::call::Call;
use crate::access::requirement::kept_members::Compared;
use crate::access::requirement::test::{Case, Test};
use crate::access::truth::{Truth, any_true};
use crate::words::demand::Demand;
use crate::words::principal::ClaimPath;
use crate::words::reason::Reason;

/// A condition on a principal.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// This test holds.
    Test(Test),
    /// All of these hold. An empty list holds.
    All(Vec<Condition>),
    /// At least one of these holds.
    Any(Vec<Condition>),
    /// This is known not to hold.
    Not(Box<Condition>),
}

impl From<Test> for Condition {
    fn from(test: Test) -> Self {
        Self::Test(test)
    }
}

impl Condition {
    /// Whether it holds.
    pub(super) fn holds(&self, case: Case<'_>) -> Truth {
        match self {
            Self::Test(test) => test.holds(case),
            // All hold unless any does not.
            Self::All(conditions) => any_true(conditions.iter().map(|condition| condition.holds(case).not())).not(),
            Self::Any(conditions) => any_true(conditions.iter().map(|condition| condition.holds(case))),
            Self::Not(condition) => condition.holds(case).not(),
        }
    }

    /// The tests that must hold for the condition to hold: those that stand neither under `any` nor under `not`.
    fn necessary(&self) -> Vec<&Test> {
        match self {
            Self::Test(test) => vec![test],
            Self::All(conditions) => conditions.iter().flat_map(Self::necessary).collect(),
            Self::Any(_) | Self::Not(_) => Vec::new(),
        }
    }

    /// The provider without which the condition cannot hold.
    pub(super) fn provider(&self) -> Option<&str> {
        self.necessary().into_iter().find_map(|test| match test {
            Test::Provider(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it can hold only for somebody who brings a bearer token.
    pub fn demands_token(&self) -> bool {
        self.necessary().into_iter().any(Test::demands_token)
    }

    /// Whether it holds only for people or clients of whom it says something: not for whoever signs in, or does it once more. (What it
    /// says may still be true of many. A `not` says nothing of those for whom it holds.)
    pub fn names_somebody(&self) -> bool {
        match self {
            Self::Test(test) => test.names_somebody(),
            Self::All(conditions) => conditions.iter().any(Self::names_somebody),
            Self::Any(conditions) => conditions.iter().all(Self::names_somebody),
            Self::Not(_) => false,
        }
    }

    /// The authentication without which the condition cannot hold; `None` when its demands contradict each other.
    pub(super) fn demand(&self) -> Option<Demand> {
        self.necessary().into_iter().try_fold(Demand::default(), |both, test| match test {
            Test::Authentication(demand) => both.and(demand),
            _ => Some(both),
        })
    }

    /// The scopes without which the condition cannot hold for a request that makes this call at an MCP server.
    pub fn scopes<'a>(&'a self, call: &'a Call) -> Vec<&'a str> {
        let mut asked_for = Vec::new();
        for test in self.necessary() {
            match test {
                Test::Scope(scopes) => asked_for.extend(scopes.iter().map(String::as_str)),
                Test::ScopesOfCalls(scopes) => asked_for.extend(scopes.of(call)),
                _ => {}
            }
        }
        asked_for
    }

    /// All its tests, wherever they stand.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::Test(test) => vec![test],
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().flat_map(Self::tests).collect(),
            Self::Not(condition) => condition.tests(),
        }
    }

    /// Why the condition does not hold: a reason that says what another token, or another sign-in, would have to bring, if that
    /// alone is missing; else [`Reason::ConditionFailed`].
    pub(super) fn missing(&self, case: Case<'_>) -> Reason {
        // Of several reasons the first of these is given: what later ones ask for would not help alone.
        const FIRST: [Reason; 4] =
            [Reason::ConditionFailed, Reason::AudienceMissing, Reason::ScopeMissing, Reason::AuthenticationInsufficient];
        match self {
            Self::Test(test) => test.missing(case.principal),
            Self::All(conditions) => {
                let failing = conditions.iter().filter(|condition| condition.holds(case) != Truth::True);
                let missing: Vec<_> = failing.map(|condition| condition.missing(case)).collect();
                FIRST.into_iter().find(|reason| missing.contains(reason)).unwrap_or(Reason::ConditionFailed)
            }
            Self::Any(_) | Self::Not(_) => Reason::ConditionFailed,
        }
    }

    /// What its tests looked for and found: phrases for the log.
    pub(super) fn found(&self, case: Case<'_>) -> Vec<String> {
        match self {
            Self::Test(test) => test.found(case),
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().flat_map(|condition| condition.found(case)).collect()
            }
            Self::Not(condition) => condition.found(case),
        }
    }

    /// What it asks for, as a phrase for the log.
    pub(super) fn wanted(&self) -> String {
        let each = |conditions: &[Self], between: &str| match conditions {
            [only] => only.wanted(),
            several => ["(", &several.iter().map(Self::wanted).collect::<Vec<_>>().join(between), ")"].concat(),
        };
        match self {
            Self::Test(test) => test.wanted(),
            Self::All(conditions) => each(conditions, " and "),
            Self::Any(conditions) => each(conditions, " or "),
            Self::Not(condition) => ["not ", &condition.wanted()].concat(),
        }
    }

    /// Adds every claim that the condition looks at to `found`. One may be added more than once.
    pub fn claims(&self, found: &mut Vec<ClaimPath>) {
        match self {
            Self::Test(test) => test.claims(found),
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|condition| condition.claims(found)),
            Self::Not(condition) => condition.claims(found),
        }
    }

    /// Adds what each of its tests compares a claim with, under `not` too.
    pub fn compared(&self, found: &mut Vec<Compared>) {
        match self {
            Self::Test(test) => found.extend(test.compared()),
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|condition| condition.compared(found)),
            Self::Not(condition) => condition.compared(found),
        }
    }
}
