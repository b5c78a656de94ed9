//! A condition as people read it: each of its parts, what it wants, what came, and whether it holds. Whether it holds is asked of
//! the condition itself; nothing is decided here. Only the command line uses it: it is not in the module.

use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::{Case, Test};
use crate::access::truth::Truth;
use crate::words::principal::Proof;

/// A condition, or a part of one, and how it stands with somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How its parts are joined.
    pub joined: Joined,
    /// What it wants, as a phrase.
    pub wanted: String,
    /// What came of what it looks at, as phrases; empty for one that has parts.
    pub came: Vec<String>,
    /// Whether it holds.
    pub holds: Holds,
    /// The conditions that it is made of; none of a single test.
    pub parts: Vec<Report>,
}

/// How the parts of a condition are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It has none: it is one test.
    Alone,
    /// All must hold.
    All,
    /// One must hold.
    Any,
    /// The only one must be known not to hold.
    Not,
}

/// Whether a condition holds. Only one that does lets anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// What it looks at is absent, or cannot be compared.
    Unknown,
}

impl From<Truth> for Holds {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Yes,
            Truth::False => Self::No,
            Truth::Unknown => Self::Unknown,
        }
    }
}

impl Condition {
    /// How each part of it stands with somebody.
    pub(super) fn report(&self, case: Case<'_>) -> Report {
        let (joined, parts, came) = match self {
            Self::Test(test) => (Joined::Alone, &[][..], test.came(case)),
            Self::All(conditions) => (Joined::All, conditions.as_slice(), Vec::new()),
            Self::Any(conditions) => (Joined::Any, conditions.as_slice(), Vec::new()),
            Self::Not(condition) => (Joined::Not, std::slice::from_ref(&**condition), Vec::new()),
        };
        let parts = parts.iter().map(|condition| condition.report(case)).collect();
        Report { joined, wanted: self.wanted(), came, holds: self.holds(case).into(), parts }
    }
}

impl Test {
    /// What came of what it looks at.
    fn came(&self, case: Case<'_>) -> Vec<String> {
        let principal = case.principal;
        let proof = match principal.proof {
            Proof::SessionCookie => "a session came, and no bearer token",
            Proof::SessionToken => "a session came as the bearer token, and no token of a provider",
            Proof::BearerToken => "a bearer token came",
        };
        match self {
            Self::Provider(_) => vec![["provider is ", &principal.provider].concat()],
            Self::Bearer => vec![proof.to_owned()],
            // The scopes and the audience of a session are not looked at.
            Self::Scope(_) | Self::Audience(_) | Self::ScopesOfCalls(_) if principal.proof != Proof::BearerToken => {
                vec![proof.to_owned()]
            }
            _ => self.found(case),
        }
    }
}
