//! The answers to "who is asking?", as values.

use std::convert::Infallible;
use std::rc::Rc;

use crate::authenticate::verified::Verified;
use crate::http::message::HttpCall;
use crate::step::decision::{Renewal, Resource};
use crate::words::reason::{Failure, Reason};

/// Who is asking.
#[derive(Debug)]
pub enum Identity {
    /// Somebody with a good session, which may be due for renewal.
    Known(Rc<Verified>, Option<Box<Renewal>>),
    /// Nobody we know, and why.
    Unknown(Failure),
    /// That cannot be said before this is here.
    Unclear(Resource),
    /// That cannot be said before the provider has answered.
    Asked(Box<HttpCall>, Asking),
}

/// A question to a provider about a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    /// The provider's name.
    pub provider: String,
    /// What was proved of the token before.
    pub proved: ByItself,
    /// One of the places for questions under way; it is free again when this is gone.
    pub place: Rc<()>,
}

impl From<Infallible> for Asking {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What a token proves without anybody being asked.
#[derive(Clone, Debug, PartialEq)]
pub enum ByItself {
    /// Nothing: it is opaque.
    Nothing,
    /// It is a good JWT.
    Proved(Rc<Verified>),
}

impl Identity {
    /// A token that is nobody's.
    pub(super) fn invalid_token(detail: &str) -> Self {
        Self::Unknown(Failure::new(Reason::TokenInvalid, detail))
    }
}
