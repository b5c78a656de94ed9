//! The members of a requirement, as an operator writes them. What they mean is never checked here.

use std::time::Duration;

use serde_json::Value;

#[cfg(not(target_arch = "wasm32"))]
use crate::config::described::{Described, Kind, words};

use crate::config::access::calls::CallsShape;
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
        /// the claim that is looked at, with `any_of` or `has_key`
        pub(super) claim: Option<ClaimName>,
        /// the claim is one of these values, or a list that has one of them
        pub(super) any_of: Option<Vec<Checked<Value>>> where list(Kind::Scalar).at_least(1),
        /// beside `any_of`: a text is split at each of these, and each piece is compared
        pub(super) split: Option<String> where named("text"),
        /// the claim is an object that has one of these keys
        pub(super) has_key: Option<Vec<Checked<String>>> where list(named("name")).at_least(1),
        /// beside `has_key`: the value of that key is an object that has one of these keys
        pub(super) within: Option<Vec<Checked<String>>> where list(named("name")).at_least(1),
        /// a bearer token that has all of these scopes, in `scope` (separated by spaces) or `scp`; never a session
        pub(super) scope: Option<Vec<Checked<String>>> where list(text("scope", "^[!#-\\[\\]-~]+$")).at_least(1),
        /// a request with a bearer token of this provider
        pub(super) bearer: Option<String>,
        /// a bearer token whose `aud` has one of these
        pub(super) audience: Option<Vec<Checked<String>>> where list(named("audience")).at_least(1),
        /// the `acr` is one of these classes
        pub(super) acr: Option<Vec<Checked<String>>> where list(text("class", "^[!#-\\[\\]-~]+$")).at_least(1),
        /// the `auth_time` is at most this long ago; `clock_skew_seconds` is added
        pub(super) max_auth_age: Option<Span> where spans(NEWEST, OLDEST),
        /// the e-mail address is verified and in one of these domains
        pub(super) email_domain: Option<Vec<Checked<String>>>
            where list(text("domain", "^[A-Za-z0-9.-]*\\.[A-Za-z0-9.-]*$")).at_least(1),
        /// the person signed in at this provider
        pub(super) provider: Option<String>,
        /// the request makes one of these [calls to an MCP server](#calls-to-mcp-servers), with the scopes that it needs
        pub(super) mcp: Option<Box<CallsShape>>,
        /// the claims of every provider count
        /// Default: `false`
        pub(super) any_provider: bool = default,
        /// that policy holds
        pub(super) policy: Option<String>,
        /// all of these conditions hold; at most 16 levels
        pub(super) all: Option<Vec<Checked<ConditionShape>>> where list(condition()).at_least(1),
        /// any of these conditions holds
        pub(super) any: Option<Vec<Checked<ConditionShape>>> where list(condition()).at_least(1),
        /// this condition does not hold
        pub(super) not: Option<Box<ConditionShape>> where condition(),
    }
}

/// The smallest `max_auth_age`: nobody signs in faster.
pub(super) const NEWEST: Duration = Duration::from_secs(30);

/// The largest `max_auth_age`.
pub(super) const OLDEST: Duration = Duration::from_secs(400 * 24 * 3_600);

/// What may be written where neither `public` nor `authenticated` may.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn conditions() -> Kind {
    Kind::Either("condition", vec![condition()])
}

#[cfg(not(target_arch = "wasm32"))]
fn condition() -> Kind {
    ConditionShape::kind().never_empty("condition")
}

#[cfg(not(target_arch = "wasm32"))]
impl Described for RequirementShape {
    fn kind() -> Kind {
        Kind::Either("requirement", vec![words(["public", "authenticated"]), condition()])
    }
}

/// What may be written as a policy.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn policies() -> Kind {
    Kind::Map(Box::new(Kind::Either("requirement", vec![words(["authenticated"]), condition()])))
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
