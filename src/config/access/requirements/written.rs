//! The members of a requirement, as an operator writes them. What they mean is never checked here.

use serde_json::Value;

use crate::config::reading::place::{Place, Read, shape};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::{ClaimName, Span};

/// `public`, `authenticated`, or a condition.
pub(crate) enum RequirementShape {
    /// `public` or `authenticated`, or a word that will be refused.
    Word(String),
    Condition(Box<ConditionShape>),
}

shape! {
    /// A condition. If it has several members, all of them must hold.
    pub(crate) struct ConditionShape {
        pub(super) claim: Option<ClaimName>,
        pub(super) any_of: Option<Vec<Checked<Value>>>,
        pub(super) split: Option<String>,
        pub(super) has_key: Option<Vec<Checked<String>>>,
        pub(super) within: Option<Vec<Checked<String>>>,
        pub(super) scope: Option<Vec<Checked<String>>>,
        pub(super) bearer: Option<String>,
        pub(super) audience: Option<Vec<Checked<String>>>,
        pub(super) acr: Option<Vec<Checked<String>>>,
        pub(super) max_auth_age: Option<Span>,
        pub(super) email_domain: Option<Vec<Checked<String>>>,
        pub(super) provider: Option<String>,
        pub(super) any_provider: bool = default,
        pub(super) policy: Option<String>,
        pub(super) all: Option<Vec<Checked<ConditionShape>>>,
        pub(super) any: Option<Vec<Checked<ConditionShape>>>,
        pub(super) not: Option<Box<ConditionShape>>,
    }
}

/// What is said of a `split` that is empty, here and beside a header.
pub(crate) const EMPTY_SEPARATOR: &str =
    "expected the separator between the values of a text, found an empty text; write split: \"; \"";

impl Read for RequirementShape {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        match place.value {
            Value::String(word) => Ok(Self::Word(word.clone())),
            Value::Object(_) => Read::read(place, refusals).map(Self::Condition),
            _ => Err(place.mismatch(
                "public, authenticated or a condition",
                "write require: authenticated or require: {claim: groups, any_of: [admins]}",
                refusals,
            )),
        }
    }
}
