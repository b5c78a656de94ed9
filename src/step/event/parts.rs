//! What several events tell alike: the request in which they happened, and the security event of a transmitter, and
//! what an operator has ended. What happened is not known here.

use crate::words::time::Timestamp;

/// The request in which an event happened, as an audit line names it. The id stands in Envoy's access log too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRef {
    /// Envoy's `x-request-id`, or one of our own where Envoy gave none.
    pub request_id: String,
    /// The host as the request has it (`:authority`), at most 256 characters of it.
    pub host: String,
    /// The method, at most 256 characters of it.
    pub method: String,
    /// The path without query, at most 256 characters of it.
    pub path: String,
}

impl RequestRef {
    /// Cuts host, method and path at 256 characters: whoever sends long ones must not fill the log.
    #[inline(never)]
    pub fn new(request_id: &str, host: &str, method: &str, path: &str) -> Self {
        let [host, method, path] = [host, method, path].map(|text| text.chars().take(256).collect());
        Self { request_id: request_id.to_owned(), host, method, path }
    }
}

/// A security event that a transmitter has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct Transmitted {
    pub request: RequestRef,
    /// The configured name of the transmitter.
    pub transmitter: String,
    /// `jti` of its token.
    pub jti: String,
    /// What happened, by the name or the URI of the event.
    pub happened: String,
    pub followed: Followed,
}

/// What followed from a security event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Sessions of this provider ended: those of which all is true that is given.
    Ended {
        /// The configured name of the provider.
        provider: String,
        /// `sub` there.
        subject: Option<String>,
        /// `sid`: the provider's session.
        session: Option<String>,
        /// The verified e-mail address.
        email: Option<String>,
    },
    /// Nothing.
    Nothing {
        /// Why.
        why: String,
    },
    /// The transmitter knows that its events arrive.
    Verified {
        /// What whoever asked for the event has given it.
        state: Option<String>,
    },
}

/// What an operator has ended, and who that was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorsEnd {
    /// The identifier that the operator was answered with.
    pub id: String,
    /// The operator's subject.
    pub by: String,
    /// The operator's provider.
    pub by_provider: String,
    /// The identifier of the operator's session; `None` with a token of a provider.
    pub by_session: Option<String>,
    /// `session`, `person` or `everybody`.
    pub ends: &'static str,
    /// Whose sessions: of this provider.
    pub provider: Option<String>,
    /// Whose sessions: of the person with this `sub` at the provider.
    pub sub: Option<String>,
    /// Whose sessions: of the person with this subject of the user service's.
    pub subject: Option<String>,
    /// The identifier of the session.
    pub session: Option<String>,
    /// Those that began at this time or before.
    pub before: Option<Timestamp>,
}
