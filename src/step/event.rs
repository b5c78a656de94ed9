//! What happened, as values: each event knows whether an operator should look at it. Events hold subjects, rules, reasons and what
//! a log may say about them; never a secret, a code or a token. How they are counted is not known here; `step::metric` knows.

mod calls;
mod parts;

use std::time::Duration;

use crate::http::message::Reply;
use crate::session::ended::unproved::Taken;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

pub use crate::step::event::calls::{AllowedCall, Counted, McpCall};
pub use crate::step::event::parts::{Followed, OperatorsEnd, RequestRef, Transmitted};

/// How a request ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request went upstream.
    Forwarded,
    /// The browser was sent to a provider.
    Redirected,
    /// A refusal with status 401.
    Unauthenticated,
    /// A refusal with status 403.
    Forbidden,
    /// A refusal with another status below 500.
    Refused,
    /// A refusal with status 500 or above.
    Unavailable,
    /// One of our endpoints sent the response that was asked of it.
    Answered,
}

impl Outcome {
    /// The outcome of a refusal with this status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            500.. => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}

/// A document of a provider that is fetched in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// The metadata (OpenID Connect Discovery, section 3).
    Metadata,
    /// The keys (RFC 7517, section 5).
    Keys,
}

/// What a call of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CallKind {
    Token,
    Refresh,
    Userinfo,
    Introspection,
    Document(DocumentKind),
    UserService,
    GiveBack,
    UpstreamToken,
    Revocations,
}

/// What becomes of a session whose refresh failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// The session has ended.
    Ended,
    /// The session has ended, although the provider did not say why it refuses.
    EndedUnexplained,
    /// The session goes on while its tokens are good, and the refresh is tried again.
    TriedAgain,
}

/// What a provider's introspection endpoint answered about a token (RFC 7662, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectionAnswer {
    /// The token is active, and accepted here.
    Accepted,
    /// The token is not active, or not accepted here.
    Refused,
    /// There was no answer, or none that can be read.
    Missing,
}

/// What a provider answered that was asked for a token for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamTokenAnswer {
    /// The token.
    Issued,
    /// That there is none for this request.
    Refused,
    /// Nothing, or something else than what was asked for.
    Missing,
}

/// What happened. A `provider` is the configured name, a `subject` the `sub` of the session or token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants and the names of their fields say it")]
pub enum Event {
    /// A request ended.
    Outcome(Outcome),
    /// A session was accepted because this worker had verified it before.
    SessionFromMemory,
    /// A session was read from its cookie, and accepted.
    SessionFromCookie,
    /// A bearer token was accepted, or refused, because this worker had found that out before.
    TokenFromMemory,
    /// A bearer token's signature was verified.
    TokenVerified,
    /// A provider was asked about a bearer token.
    TokenIntrospected(IntrospectionAnswer),
    /// A provider was asked for a token for the application.
    UpstreamTokenAsked(UpstreamTokenAnswer),
    /// A session cookie was not accepted.
    SessionRefused {
        failure: Failure,
        /// `Some` where the browser is sent to a provider for it: nothing else tells of it then.
        request: Option<RequestRef>,
    },
    /// A session's cookie was written again.
    SessionRenewed,
    /// Somebody was sent to a provider. A provider that does not know the redirect URI sends nobody back; then this is the only
    /// trace of the sign-in.
    SignInBegun {
        request: RequestRef,
        provider: String,
        /// The redirect URI that must be registered at the provider.
        redirect_uri: String,
    },
    /// A sign-in began at a page whose address does not fit into a cookie: the person will return to `/`.
    ReturnToTooLong {
        request: RequestRef,
        /// The length of the address.
        bytes: usize,
    },
    /// Somebody signed in. `session` identifies the session that began; `None` if the page keeps its own token.
    SignInCompleted { request: RequestRef, provider: String, subject: String, session: Option<String> },
    /// A callback came again, whose attempt was used up.
    SignInRepeated,
    /// A sign-in failed.
    SignInFailed {
        request: RequestRef,
        /// `None` if the request belongs to no sign-in that was begun here.
        provider: Option<String>,
        failure: Failure,
    },
    /// The user service created an account, for somebody who signed in for the first time.
    AccountCreated {
        request: RequestRef,
        /// The provider that vouches for them.
        provider: String,
        /// The account's subject at the user service.
        subject: String,
    },
    /// The call that announces a new account was made, or failed.
    Notified {
        request: RequestRef,
        /// The account's subject at the user service.
        subject: String,
        /// Why the call failed; `None` if it succeeded.
        failure: Option<Failure>,
    },
    /// Somebody signed out.
    SignedOut {
        request: RequestRef,
        /// The provider of the session that ended, by its configured name; `None` if the request carried none, or one that names
        /// none.
        provider: Option<String>,
        /// The subject of that session; `None` if the request carried none.
        subject: Option<String>,
        /// The identifier of that session.
        session: Option<String>,
    },
    /// A request was refused.
    Denied {
        request: RequestRef,
        /// The name of the rule that applied; `None` if the request was refused before rules were looked at.
        rule: Option<String>,
        /// `None` if nobody is signed in.
        subject: Option<String>,
        /// The identifier of their session; `None` without one.
        session: Option<String>,
        failure: Failure,
        /// What it called at an MCP server; `None` of any other request.
        call: Option<Box<McpCall>>,
    },
    /// A call to an MCP server was decided about.
    Called {
        outcome: Outcome,
        counted: Counted,
        /// What its own line tells; `None` if it has none. (A refusal is told by the line of that.)
        told: Option<Box<AllowedCall>>,
    },
    /// A request ended without a response of ours.
    Unanswered {
        request: RequestRef,
        /// What it waited for, in one word.
        stage: &'static str,
        /// Why it ended, with Envoy's own words for it.
        failure: Failure,
    },
    /// A session's tokens were refreshed, or the refresh failed.
    Refreshed {
        provider: String,
        subject: String,
        /// Why the refresh failed, and what becomes of the session; `None` if it succeeded.
        failure: Option<(Failure, Aftermath)>,
    },
    /// Another replica has refreshed a session's tokens, and this one has taken the session from the store.
    RefreshedElsewhere { provider: String },
    /// No refresh token came, so that sessions end with the provider's tokens. Reported once per provider and worker.
    RefreshTokenMissing { provider: String },
    /// The provider's metadata name an endpoint in a way that cannot be used, or lack one that the configuration needs.
    EndpointUnusable {
        provider: String,
        /// Which endpoint, and why.
        detail: String,
    },
    /// By the provider's metadata, it signs ID tokens by no algorithm that is accepted.
    AlgorithmsDiffer {
        provider: String,
        /// Which algorithms, and what to change.
        detail: String,
    },
    /// A provider's document was fetched, or the fetch failed.
    Fetched {
        kind: DocumentKind,
        provider: String,
        /// Why the fetch failed; `None` if it succeeded.
        failure: Option<Failure>,
    },
    /// This worker holds a provider's document, which some worker has fetched at this time. Reported once for each document.
    DocumentHeld { kind: DocumentKind, provider: String, fetched: Timestamp },
    /// A call was answered, or given up.
    CallEnded { kind: CallKind, took: Duration },
    /// The refresh token of a session that somebody has signed out of was given back to its provider.
    TokenGivenBack {
        provider: String,
        /// Why it was not; `None` if it was.
        trouble: Option<String>,
    },
    /// The session is over that let an open request in, and so the request was ended.
    StreamReset {
        /// Of the request, only the id is known that stands in our answer, if it still got one.
        request: RequestRef,
        provider: String,
        subject: String,
        /// The identifier of the session.
        session: String,
        /// How the session is over.
        failure: Failure,
    },
    /// A provider has ended sessions by a logout token.
    LoggedOutByProvider {
        request: RequestRef,
        provider: String,
        /// `sub` of the token: whose sessions ended; with a session, whose it was.
        subject: Option<String>,
        /// `sid` of the token: the provider's session that ended; without, all of this person.
        session: Option<String>,
    },
    /// A transmitter has sent a security event, which was taken.
    Transmitted(Box<Transmitted>),
    /// A provider's page, or any other, has shown the address in a frame at which a session of the provider's ends.
    LoggedOutInFrame {
        request: RequestRef,
        provider: String,
        /// `sid`: the provider's session.
        session: String,
        /// What became of it.
        taken: Taken,
    },
    /// An operator has ended sessions.
    EndedByOperator { request: RequestRef, end: Box<OperatorsEnd> },
    /// For so many ends there was no room in the queue of what the store is to be told. They hold here.
    RevocationsQueueFull(usize),
    /// The store has taken so many announcements of what has ended.
    RevocationsAnnounced(usize),
    /// Everything is known here that was announced until then.
    RevocationsCurrent(Timestamp),
    /// So many entries in the store were made by nobody with our keys.
    RevocationsForged(usize),
    /// So many announcements were made with keys that are not here.
    RevocationsByUnknownKeys(usize),
    /// So many announcements were for a table that is not here: of a provider that is not configured, or of a kind that only another
    /// build knows. They are skipped.
    RevocationsOfUnknownTable {
        number: usize,
        /// Whether the log is told: once in each worker. The counter counts each.
        told: bool,
    },
    /// For so many ends that were proved there is no room here.
    RevocationsWithoutRoom(usize),
    /// For so many ends that nobody has proved, and that other replicas have announced, there is no room here.
    UnprovedWithoutRoom(usize),
    /// The store has lost something that was announced before.
    RevocationsLost,
    /// The store's clock is ahead of ours by so much, which is more than it is believed.
    RevocationsClockAhead(Duration),
    /// The store failed, or said what no honest one says.
    RevocationsUnavailable {
        failure: Failure,
        /// Whether the log is told. The counter counts each failure.
        told: bool,
    },
    /// The store works again, after this time.
    RevocationsAvailable { after: Duration },
    /// A sign-in was completed, this long after the browser was sent to the provider.
    SignInTook(Duration),
}

impl Event {
    /// How long a call took that was made at `began`; `None` if it was not sent.
    pub fn call_ended(kind: CallKind, began: Timestamp, now: Timestamp, reply: &Reply) -> Option<Self> {
        (*reply != Reply::NotSent).then(|| Self::CallEnded { kind, took: now.since(began) })
    }

    /// Says in the audit log that a session was refused, because the browser is sent to a provider for this request.
    pub fn tell_refused_session(events: &mut [Self], reference: impl Fn() -> RequestRef) {
        for event in events {
            if let Self::SessionRefused { request, .. } = event {
                *request = Some(reference());
            }
        }
    }

    /// Whether an operator should look at this: something does not work, as opposed to somebody who is rightly refused. Its audit
    /// line is a warning then.
    pub const fn is_trouble(&self) -> bool {
        match self {
            Self::Fetched { failure, .. } | Self::Notified { failure, .. } => failure.is_some(),
            // A refusal that says why is the rule; one that does not may be an outage that signs everybody out.
            Self::Refreshed { failure: Some((failure, aftermath)), .. } => {
                !matches!((failure.reason, aftermath), (Reason::RefreshRefused, Aftermath::Ended))
            }
            Self::LoggedOutInFrame { taken, .. } => {
                matches!(taken, Taken::EndedInPart | Taken::EndedToldOnce | Taken::TooMany { .. } | Taken::WithoutRoom)
            }
            Self::RefreshTokenMissing { .. }
            | Self::EndpointUnusable { .. }
            | Self::AlgorithmsDiffer { .. }
            | Self::ReturnToTooLong { .. }
            | Self::RevocationsForged(_)
            | Self::RevocationsByUnknownKeys(_)
            | Self::RevocationsWithoutRoom(_)
            | Self::UnprovedWithoutRoom(_)
            | Self::RevocationsLost
            | Self::RevocationsClockAhead(_)
            | Self::RevocationsQueueFull(_)
            | Self::RevocationsUnavailable { .. } => true,
            Self::SignInFailed { failure, .. } | Self::Denied { failure, .. } | Self::Unanswered { failure, .. } => matches!(
                failure.reason,
                Reason::ClientAuthenticationFailed
                    | Reason::TokenRequestRefused
                    | Reason::IntrospectionUnavailable
                    | Reason::UpstreamTokenUnavailable
                    | Reason::RoutePolicyUnknown
                    | Reason::AccountsUnreachable
                    | Reason::AccountsTimeout
                    | Reason::AccountsMalformed
                    | Reason::AccountNotCreated
                    | Reason::TooManyEnds
                    | Reason::RevocationsUnavailable
                    | Reason::SessionTooLarge
                    | Reason::SessionTorn
                    | Reason::SessionRefusedAgain
                    | Reason::Undecided
                    | Reason::AnsweredElsewhere
                    | Reason::Internal
            ),
            _ => false,
        }
    }
}
