//! The possible answers to "who is asking?", as values. Nothing is decided here.

use std::convert::Infallible;
use std::rc::Rc;

use crate::authenticate::verified::Verified;
use crate::http::message::HttpCall;
use crate::step::decision::{Renewal, Resource};
use crate::words::reason::{Failure, Reason};

/// Who is asking.
#[derive(Debug)]
pub enum Identity {
    /// Somebody with a valid credential, and a session that may be due for renewal.
    Known(Rc<Verified>, Option<Box<Renewal>>),
    /// Nobody: there is no valid credential, for this reason.
    Unknown(Failure),
    /// It is unknown before this resource is here.
    Unclear(Resource),
    /// It is unknown before the provider has replied to this introspection request.
    Asked(Box<HttpCall>, Asking),
}

/// An introspection request that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    /// The configured name of the provider that is asked.
    pub provider: String,
    /// What was known of the token before the provider was asked.
    pub before: BeforeIntrospection,
    /// Keeps this request counted among the introspection requests under way, until it is dropped.
    pub permit: Rc<()>,
}

impl From<Infallible> for Asking {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What is known of a token before its provider is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub enum BeforeIntrospection {
    /// Nothing: the token is opaque.
    OpaqueToken,
    /// The token is a JWT whose signature and claims were verified.
    VerifiedJwt(Rc<Verified>),
}

impl Identity {
    /// Nobody: a bearer token came that is not valid (`invalid_token`; RFC 6750, section 3.1).
    pub(super) fn invalid_token(detail: &str) -> Self {
        Self::Unknown(Failure::new(Reason::TokenInvalid, detail))
    }
}
